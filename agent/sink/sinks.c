/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of sinks, and the choice among them: the first row that takes a signal sends it; rows with a note function see every signal
 * besides (the printer of the quickstart).
 */
#include "sink/sink.h"

#include <errno.h>

#include "sink/reply.h"
#include "sink/rows.h"

const struct sink_ops *const sinks[] = {&sink_url, &sink_stdout, &sink_heat, NULL};

struct sink_set {
	struct sink_setup setup;
	struct sink *open[SINKS_MAX];
	struct reply none; /* answers what no sink takes */
};

int sink_set_open(const struct sink_setup *setup, struct sink_set **ret, struct err *e)
{
	struct sink_set *set = calloc(1, sizeof(*set));
	int r;

	if (!set)
		return err_set(e, -ENOMEM, "no memory for the sinks");
	set->setup = *setup;
	r = reply_init(&set->none, setup->loop);
	for (size_t i = 0; r == 0 && sinks[i]; i++)
		r = sinks[i]->open(&set->setup, &set->open[i], e);
	if (r < 0) {
		sink_set_close(set);
		return r;
	}
	*ret = set;
	return 0;
}

int sink_set_send(struct sink_set *set, const struct signal *s, carry_done_fn *done, void *ctx)
{
	for (size_t i = 0; sinks[i]; i++)
		if (sinks[i]->note)
			sinks[i]->note(set->open[i], s);
	for (size_t i = 0; sinks[i]; i++)
		if (sinks[i]->takes(&set->setup, s))
			return sinks[i]->send(set->open[i], s, done, ctx);
	if (reply_begin(&set->none, done, ctx) < 0)
		return -EBUSY;
	reply_end(&set->none, CARRY_NO_ROUTE, -1, "no credentials for Heat were found");
	return 0;
}

json_t *sink_set_status(const struct sink_set *set)
{
	json_t *list = json_array();

	for (size_t i = 0; list && sinks[i]; i++)
		json_array_append_new(list, sinks[i]->status(set->open[i]));
	return list;
}

struct sink_set *sink_set_close(struct sink_set *set)
{
	if (!set)
		return NULL;
	for (size_t i = 0; sinks[i]; i++)
		sinks[i]->close(set->open[i]);
	reply_deinit(&set->none);
	free(set);
	return NULL;
}
