/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning and end of a lane, how long it pauses, and what `status` says of it. */
#include "sink/metric_lane.h"
#include "core/json.h"

#include <errno.h>
#include <string.h>

#define PAUSE_CAP_MS (15 * 60 * 1000LL)

int64_t lane_pause_ms(unsigned attempts, int64_t base_ms, double rnd)
{
	int64_t top = base_ms;

	for (unsigned i = 0; i < attempts && top < PAUSE_CAP_MS; i++)
		top *= 2;
	if (top > PAUSE_CAP_MS)
		top = PAUSE_CAP_MS;
	top = (int64_t)((double)top * rnd);
	return top < 1000 ? 1000 : top;
}

static int64_t boot_now(const struct metric_set *set)
{
	return loop_env(set->setup.loop)->boot_ms();
}

json_t *lane_status(const struct metric_lane *l)
{
	uint64_t end = spool_end(l->set->spool);
	int64_t wait = l->wait_until - boot_now(l->set);
	_cleanup_buf_ struct buf url = BUF_INIT(4096);

	if (l->setting.url)
		http_url_redact(l->setting.url, &url);
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
			 l->ops->name, "kind", "metrics", "state", l->state, "error",
			 json_text(l->why[0] ? l->why : NULL), "url",
			 json_text(l->setting.url ? buf_str(&url) : l->setting.path), "sent",
			 (json_int_t)l->counts.sent, "refused", (json_int_t)l->counts.refused,
			 "too_old", (json_int_t)l->counts.too_old, "bad_time",
			 (json_int_t)l->counts.bad_time, "unreadable",
			 (json_int_t)l->counts.unreadable, "next_try_s",
			 (json_int_t)(wait > 0 && l->attempts ? wait / 1000 : 0), "up_to_date",
			 (json_int_t)(l->cursor && l->cursor >= end));
}

struct metric_lane *lane_close(struct metric_lane *l)
{
	if (!l)
		return NULL;
	if (l->sink)
		l->ops->close(l->sink);
	spool_reader_free(l->reader);
	loop_timer_free(l->timer);
	batch_names_deinit(&l->names);
	free(l->chunk.points);
	sink_setting_deinit(&l->setting);
	free(l);
	return NULL;
}

/* Spread over the first interval by who we are, so that a fleet that starts at once does not call
 * at once. */
static int64_t splay(const struct metric_set *set)
{
	const char *uuid = set->setup.server_uuid;

	return (int64_t)(spool_crc32c(0, uuid, strlen(uuid)) % (uint64_t)set->setup.interval_ms);
}

static int open_sink(struct metric_lane *l, struct err *e)
{
	struct metric_set *set = l->set;
	struct metric_sink_setup setup = {
		.loop = set->setup.loop,
		.http = set->setup.http,
		.store = set->setup.store,
		.keystone = set->setup.keystone,
		.setting = &l->setting,
		.labels = &set->setup.labels,
		.timeout_ms = set->setup.timeout_ms,
	};

	return l->ops->open(&setup, &l->sink, e);
}

int lane_open(struct metric_set *set, const struct sink_setting *setting, const char *id,
	      struct metric_lane **ret, struct err *e)
{
	const struct metric_sink_ops *ops = metric_sink_find(setting->type);
	struct metric_lane *l;
	int r;

	if (!ops)
		return err_set(e, -EINVAL, "there is no metric sink of that type");
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(e, -ENOMEM, "no memory for a sink");
	l->set = set;
	l->ops = ops;
	l->batch_max = ops->points_max;
	l->state = "idle";
	snprintf(l->id, sizeof(l->id), "%s", id);
	r = sink_setting_copy(&l->setting, setting);
	if (r == 0)
		r = spool_reader_new(set->spool, &l->reader);
	if (r == 0)
		r = loop_timer_new(set->setup.loop, 200, lane_on_timer, l, &l->timer);
	if (r == 0)
		r = open_sink(l, e);
	if (r < 0) {
		lane_close(l);
		return e && e->code ? r : err_set(e, r, "no memory for a sink");
	}
	l->wait_until = boot_now(l->set) + splay(set);
	l->last_try = l->wait_until - 2 * set->setup.interval_ms;
	*ret = l;
	return 0;
}
