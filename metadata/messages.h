/* SPDX-License-Identifier: Apache-2.0 */
/* What Zaqar answers when a queue's messages are listed. Pure, fuzzed. */
#pragma once

#include "core/buf.h"
#include "core/json.h"

#define MESSAGES_MAX 20 /* of one answer, as Zaqar has it */

struct messages {
	struct message {
		char id[128];
		double age_s; /* -1: not told */
	} list[MESSAGES_MAX];
	size_t n;
	size_t newest;  /* index; the one that came last, by age, else by its place */
	json_t *body;   /* of the newest; owned; NULL when n is 0 */
};
/** messages_parse() - {"messages": [{"id", "age", "body"}...]}; a bare list is taken too, as answers to
 * claims have it. Ids that could not stand in a URL are refused. An empty text is an empty queue (204).
 * Return: 0; -EBADMSG, -EFBIG, -ENOMEM with @e and an empty @ret. */
int messages_parse(const char *p, size_t n, struct messages *ret, struct err *e) _must_check_;
void messages_deinit(struct messages *m);
