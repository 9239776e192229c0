/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of sinks, and the walk over it: every row that takes a signal gets it, in the order of the table,
 * and it is delivered when the last of them has it.
 */
#include "sink/sink.h"

#include <errno.h>
#include <string.h>

#include "sink/reply.h"
#include "sink/rows.h"

const struct sink_ops *const sinks[] = {&sink_stdout, &sink_url, &sink_heat, &sink_deployment, NULL};

struct sink_set {
	struct sink_setup setup;
	struct sink *open[SINKS_MAX];
	struct reply reply;
	const struct signal *s;
	size_t at; /* the row in turn */
};

int sink_set_open(const struct sink_setup *setup, struct sink_set **ret, struct err *e)
{
	struct sink_set *set = calloc(1, sizeof(*set));
	int r;

	if (!set)
		return err_set(e, -ENOMEM, "no memory for the sinks");
	set->setup = *setup;
	r = reply_init(&set->reply, setup->loop);
	for (size_t i = 0; r == 0 && sinks[i]; i++)
		r = sinks[i]->open(&set->setup, &set->open[i], e);
	if (r < 0) {
		sink_set_close(set);
		return r;
	}
	*ret = set;
	return 0;
}

static void next_row(struct sink_set *set);

static void row_done(enum carry how, int64_t retry_after_s, const char *why, void *ctx)
{
	struct sink_set *set = ctx;

	set->at++;
	if (how == CARRY_DELIVERED && sinks[set->at])
		next_row(set);
	else
		reply_end(&set->reply, how, retry_after_s, "%s", why);
}

static bool any_takes(const struct sink_set *set)
{
	for (size_t i = 0; sinks[i]; i++)
		if (sinks[i]->takes(&set->setup, set->s))
			return true;
	return false;
}

static void next_row(struct sink_set *set)
{
	int r;

	while (sinks[set->at] && !sinks[set->at]->takes(&set->setup, set->s))
		set->at++;
	if (!sinks[set->at]) {
		reply_end(&set->reply, CARRY_DELIVERED, -1, "delivered");
		return;
	}
	r = sinks[set->at]->send(set->open[set->at], set->s, row_done, set);
	if (r < 0)
		reply_end(&set->reply, CARRY_RETRY, -1, "%s", strerror(-r));
}

int sink_set_send(struct sink_set *set, const struct signal *s, carry_done_fn *done, void *ctx)
{
	if (reply_begin(&set->reply, done, ctx) < 0)
		return -EBUSY;
	set->s = s;
	set->at = 0;
	if (any_takes(set))
		next_row(set);
	else
		reply_end(&set->reply, CARRY_NO_ROUTE, -1, "no credentials for Heat were found");
	return 0;
}

int sink_set_drop(struct sink_set *set)
{
	const struct sink_ops *ops = sinks[set->at];
	int r = -EBUSY;

	if (!reply_pending(&set->reply))
		return -EBUSY; /* its answer is on its way to the outbox */
	if (ops && ops->drop)
		r = ops->drop(set->open[set->at]);
	if (r == 0)
		reply_drop(&set->reply);
	return r;
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
	reply_deinit(&set->reply);
	free(set);
	return NULL;
}
