/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: a person or a script asks the running agent. One request per connection: a
 * JSON object on one line
 * ({"v":1,"do":"status"}), answered by one JSON object on one line.
 */
#pragma once

#include <jansson.h>
#include "core/loop.h"
#include "core/err.h"

#define CONTROL_REQUEST_MAX (256u * 1024)
#define CONTROL_ANSWER_MAX  (8u * 1024 * 1024)
#define CONTROL_WAIT_MAX_S                                                                         \
	840 /* that a client may wait for a signal's delivery; its place is kept for 15 minutes */

struct control;
struct control_client;
/** serve one request; answer now or later, exactly once. @request borrowed.
 */
typedef void control_fn(struct control_client *client, const json_t *request, void *ctx);
int control_new(struct loop *loop, int listen_fd, control_fn *fn, void *ctx,
		struct control **ret) _must_check_;
struct control *control_free(struct control *c);
/** control_answer() - takes @answer. From inside the serving only: later the client may have left
 * and its place may be another's. */
void control_answer(struct control_client *client, json_t *answer);
/** control_ticket() - what to answer by later; never 0. */
uint64_t control_ticket(const struct control_client *client);
/** control_answer_ticket() - takes @answer; nobody gets it when that client has left. */
void control_answer_ticket(struct control *control, uint64_t ticket, json_t *answer);
/** control_waits() - that client is still there and was not answered. */
bool control_waits(const struct control *control, uint64_t ticket);

/** control_listen() - the runner's part: make the socket, 0660. @gid: the group that may ask.
 * Return: fd or -errno. */
int control_listen(const char *path, gid_t gid, struct err *e) _must_check_;
/** control_ask() - for commands. -ECONNREFUSED or -ENOENT: no agent runs; -ETIMEDOUT: it does not
 * answer.
 * @timeout_ms: above 0, of connecting, asking and the answer each. @ret new reference. */
int control_ask(const struct env *env, const json_t *request, int64_t timeout_ms, json_t **ret,
		struct err *e) _must_check_;
