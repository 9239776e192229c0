/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples in, batches into the spool, lanes out of it. Which lane stands where is kept in the store
 * while there is a backlog, so that a life after a kill repeats ten seconds of it at most.
 */
#include "sink/metric_set.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"
#include "sink/metric_lane.h"

#define SAVE_MS     10000
#define INTERVAL_MS 30000
#define TIMEOUT_MS  30000
#define OWN_MAX     (3 + SINK_SETTINGS_MAX)

static int64_t boot_now(const struct metric_set *set)
{
	return loop_env(set->setup.loop)->boot_ms();
}

/* ---- places ---- */

/* The first place that anybody still reads from. */
static uint64_t lowest_place(const struct metric_set *set)
{
	uint64_t low = spool_end(set->spool);

	for (size_t i = 0; i < set->n_lanes; i++)
		if (set->lanes[i]->cursor && set->lanes[i]->cursor < low)
			low = set->lanes[i]->cursor;
	for (size_t i = 0; !set->complete && i < set->n_kept; i++)
		if (set->kept[i].cursor < low)
			low = set->kept[i].cursor;
	return low;
}

void metric_set_moved(struct metric_set *set)
{
	if (!set->loaded || set->dying)
		return;
	if (spool_holds_backlog(set->spool) && boot_now(set) - set->saved_at >= SAVE_MS)
		metric_places_save(set);
	if (set->n_lanes || set->complete)
		spool_ack(set->spool, lowest_place(set));
}

/* ---- start ---- */

static void place_lane(struct metric_set *set, struct metric_lane *l)
{
	const struct metric_place *kept = metric_place_find(set, l->id);
	uint64_t end = spool_end(set->spool), at = end;

	/* One that is not known gets all there is: its place may have been lost with the last life,
	 * and what is sent twice does no harm. */
	if (!kept)
		at = spool_begin(set->spool);
	else if (kept->cursor < end)
		at = kept->cursor;
	if (kept)
		memcpy(l->sent_ahead, kept->ahead, sizeof(l->sent_ahead));
	metric_place_forget(set, l->id);
	lane_place(l, at ? at : 1);
}

/* Once all sinks are known and have their places. The first document often comes while the places
 * wait for the spool: forgotten then, everything would be sent again. */
static void forget_rest(struct metric_set *set)
{
	if (set->loaded && set->complete)
		set->n_kept = 0;
}

static void spool_ready(int status, void *ctx)
{
	struct metric_set *set = ctx;

	set->blind |= store_is_silent(status); /* else the spool says it in its own status */
	set->loaded = true;
	for (size_t i = 0; i < set->n_lanes; i++)
		place_lane(set, set->lanes[i]);
	forget_rest(set);
	if (set->n_lanes)
		metric_places_save(set);
	metric_set_moved(set);
}

static void got_places(int status, const char *p, size_t n, void *ctx)
{
	struct metric_set *set = ctx;
	uint64_t floor = 1;
	int r;

	set->blind = store_is_silent(status);
	if (status == 0)
		metric_places_read(set, p, n);
	for (size_t i = 0; i < set->n_kept; i++)
		if (set->kept[i].cursor > floor)
			floor = set->kept[i].cursor;
	r = spool_load(set->spool, floor, spool_ready, set);
	if (r < 0)
		spool_ready(r, set);
}

void metric_set_start(struct metric_set *set)
{
	int r = set->setup.store
			? store_get_patient(set->setup.store, METRIC_PLACES, got_places, set)
			: -ENOENT;

	if (r < 0)
		got_places(r, NULL, 0, set);
}

/* ---- which sinks ---- */

static void id_of(const struct sink_setting *s, char out[static LANE_ID_MAX])
{
	const char *where = s->url ? s->url : s->path ? s->path : "catalog";
	char sum[65];

	text_sha256_hex(where, strlen(where), sum);
	snprintf(out, LANE_ID_MAX, "%.20s-%.12s", s->type, sum);
}

static struct metric_lane *take_lane(struct metric_set *set, const struct sink_setting *s)
{
	for (size_t i = 0; i < set->n_lanes; i++)
		if (set->lanes[i] && sink_setting_equal(&set->lanes[i]->setting, s)) {
			struct metric_lane *l = set->lanes[i];

			set->lanes[i] = NULL;
			return l;
		}
	return NULL;
}

static bool listed(struct metric_lane *const *lanes, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(lanes[i]->id, id) == 0)
			return true;
	return false;
}

/* Those that are not in the new list: their places are kept, in case they come back under other
 * secrets. */
static void close_rest(struct metric_set *set)
{
	for (size_t i = 0; i < set->n_lanes; i++) {
		struct metric_lane *l = set->lanes[i];

		if (l && l->cursor)
			metric_place_keep(set, l->id, l->cursor, l->sent_ahead);
		lane_close(l);
	}
}

static void complain(struct problems *problems, const struct sink_setting *s, const struct err *e)
{
	if (problems)
		problems_add(problems, PROBLEM_WARN, "metric-sink",
			     "correct the sink's setting or take it out",
			     "the metric sink %.32s is not used: %s", s->type, e->text);
}

int metric_set_configure(struct metric_set *set, const struct sink_setting *list, size_t n,
			 bool complete, struct problems *problems)
{
	struct metric_lane *lanes[SINK_SETTINGS_MAX];
	size_t count = 0, fresh_from;
	char id[LANE_ID_MAX];
	struct err e;
	int r = 0;

	for (size_t i = 0; i < n && count < SINK_SETTINGS_MAX; i++) {
		struct metric_lane *l = take_lane(set, &list[i]);

		if (l)
			lanes[count++] = l;
	}
	fresh_from = count;
	close_rest(set);
	for (size_t i = 0; i < n && count < SINK_SETTINGS_MAX; i++) {
		e = ERR_INIT;
		id_of(&list[i], id);
		if (listed(lanes, count, id))
			continue;
		r = lane_open(set, &list[i], id, &lanes[count], &e);
		if (r == 0)
			count++;
		else
			complain(problems, &list[i], &e);
	}
	memcpy(set->lanes, lanes, count * sizeof(struct metric_lane *));
	set->n_lanes = count;
	set->complete = complete;
	for (size_t i = fresh_from; set->loaded && i < count; i++)
		place_lane(set, lanes[i]);
	if (set->loaded && count > fresh_from)
		metric_places_save(set); /* known to the next life from now on */
	forget_rest(set);
	metric_set_moved(set);
	return r == -ENOMEM ? r : 0;
}

void metric_set_keystone(struct metric_set *set, struct keystone *k)
{
	struct sink_setting list[SINK_SETTINGS_MAX] = {0};
	size_t n = set->n_lanes;
	int r = 0;

	if (set->setup.keystone == k)
		return;
	for (size_t i = 0; i < n && r == 0; i++)
		r = sink_setting_copy(&list[i], &set->lanes[i]->setting);
	close_rest(set);
	set->n_lanes = 0;
	set->setup.keystone = k;
	if (r == 0)
		r = metric_set_configure(set, list, n, set->complete, NULL);
	for (size_t i = 0; i < n; i++)
		sink_setting_deinit(&list[i]);
}

/* ---- what goes in ---- */

static bool clock_doubtful(const struct metric_set *set)
{
	if (clock_is_before_build(loop_env(set->setup.loop)->real_ms()))
		return true;
	for (size_t i = 0; i < set->n_lanes; i++)
		if (lane_clock_bad(set->lanes[i]))
			return true;
	return false;
}

static void count_points(struct metric_set *set, size_t n)
{
	int64_t t = boot_now(set);

	set->points_added += (int64_t)n;
	if (t - set->points_ms < set->setup.interval_ms)
		return;
	set->points_rate = set->points_rate * 0.5 +
			   0.5 * (double)set->points_added * 1000.0 / (double)(t - set->points_ms);
	set->points_ms = t;
	set->points_added = 0;
}

/* Into the spool and to whoever is idle. */
static int put(struct metric_set *set, const struct sample *s, const struct metric_point *own,
	       size_t n_own, int64_t boot_ms, int64_t real_ms, bool urgent)
{
	_cleanup_buf_ struct buf b = BUF_INIT(BATCH_MAX);
	struct batch_head head = {.flags = clock_doubtful(set) ? BATCH_CLOCK_DOUBTFUL : 0,
				  .boot = set->boot,
				  .real_ms = real_ms,
				  .boot_ms = boot_ms};
	uint64_t number = 0;
	int r = batch_encode(&head, s, own, n_own, &b);

	if (r == 0)
		r = spool_add(set->spool, b.data, b.len, &number);
	if (r < 0)
		return r;
	count_points(set, (s ? s->n_values : 0) + n_own);
	for (size_t i = 0; i < set->n_lanes; i++)
		lane_wake(set->lanes[i], urgent ? number : 0);
	return 0;
}

/* What the agent says of itself with each sample. */
static size_t own_points(const struct metric_set *set, struct metric_point out[static OWN_MAX])
{
	struct spool_counts c;
	size_t n = 0;

	spool_counts(set->spool, &c);
	out[n++] = (struct metric_point){.name = "guest.agent.heartbeat", .unit = "", .value = 1};
	out[n++] = (struct metric_point){.name = "guest.agent.spool_bytes",
					 .unit = "B",
					 .value = (double)(c.disk_bytes + c.memory_bytes)};
	out[n++] = (struct metric_point){.name = "guest.agent.spool_dropped",
					 .unit = "batches",
					 .kind = METRIC_COUNTER,
					 .value = (double)c.dropped};
	for (size_t i = 0; i < set->n_lanes; i++) {
		const struct metric_lane *l = set->lanes[i];

		out[n++] = (struct metric_point){
			.name = "guest.agent.dropped_total",
			.unit = "points",
			.kind = METRIC_COUNTER,
			.value = (double)(l->counts.refused + l->counts.too_old +
					  l->counts.bad_time + l->counts.unreadable),
			.dims = {{"sink", l->ops->name}},
			.n_dims = 1};
	}
	return n;
}

int metric_set_add(struct metric_set *set, const struct sample *s, bool urgent)
{
	struct metric_point own[OWN_MAX];

	if (set->n_lanes == 0 || (s->extra && !urgent))
		return 0;
	return put(set, s, own, own_points(set, own), s->boot_ms, s->real_ms, urgent);
}

/* ---- findings ---- */

#define FINDINGS_MAX 64

struct findings {
	struct metric_point points[2 * 2 * FINDINGS_MAX + 1];
	char meta[2 * FINDINGS_MAX][1024];
	size_t n;
};

static void add_finding(struct findings *out, const char *class_name, const char *entity,
			double risk, int64_t eta_s, const char *meta)
{
	struct metric_point p = {
		.name = "guest.failure.risk",
		.unit = "0..1",
		.value = risk,
		.dims = {{"class", class_name}, {"entity", entity[0] ? entity : "guest"}},
		.n_dims = 2,
		.meta = meta};

	out->points[out->n++] = p;
	if (eta_s < 0)
		return;
	p.name = "guest.failure.eta_sec";
	p.unit = "s";
	p.value = (double)eta_s;
	out->points[out->n++] = p;
}

static void write_meta(char out[static 1024], const char *reason, const char *signature,
		       uint64_t seq)
{
	char number[24];
	_cleanup_json_ json_t *o = NULL;
	_cleanup_free_ char *text = NULL;

	snprintf(number, sizeof(number), "%llu", (unsigned long long)seq);
	o = json_pack("{s:o, s:s*, s:s*}", "reason", json_text(reason), "signature", signature,
		      "seq", signature ? number : NULL);
	text = o ? json_compact(o) : NULL;
	snprintf(out, 1024, "%s", text && strlen(text) < 1024 ? text : "{}");
}

static bool is_open(const struct finding *list, size_t n, const char *class_name,
		    const char *entity)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].class_name, class_name) == 0 &&
		    strcmp(list[i].entity, entity) == 0)
			return true;
	return false;
}

static void add_cleared(struct metric_set *set, struct findings *f, const struct finding *list,
			size_t n)
{
	for (size_t i = 0; i < set->n_told; i++)
		if (!is_open(list, n, set->told[i].class_name, set->told[i].entity))
			add_finding(f, set->told[i].class_name, set->told[i].entity, 0, -1, NULL);
}

static void remember_told(struct metric_set *set, const struct finding *list, size_t n)
{
	set->n_told = n < FINDINGS_MAX ? n : FINDINGS_MAX;
	for (size_t i = 0; i < set->n_told; i++) {
		snprintf(set->told[i].class_name, sizeof(set->told[i].class_name), "%s",
			 list[i].class_name);
		snprintf(set->told[i].entity, sizeof(set->told[i].entity), "%s", list[i].entity);
	}
}

int metric_set_findings(struct metric_set *set, const struct finding *list, size_t n,
			const char *signature, uint64_t seq, bool urgent)
{
	_cleanup_free_ struct findings *f = NULL;
	const struct env *env = loop_env(set->setup.loop);
	double worst = 0;
	int r;

	if (set->n_lanes == 0)
		return 0;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	if (n > FINDINGS_MAX)
		n = FINDINGS_MAX;
	add_cleared(set, f, list, n);
	for (size_t i = 0; i < n; i++) {
		write_meta(f->meta[i], list[i].evidence, signature, seq);
		add_finding(f, list[i].class_name, list[i].entity, list[i].risk, list[i].eta_s,
			    f->meta[i]);
		worst = list[i].risk > worst ? list[i].risk : worst;
	}
	f->points[f->n++] = (struct metric_point){
		.name = "guest.health.score", .unit = "0..100", .value = 100 * (1 - worst)};
	r = put(set, NULL, f->points, f->n, env->boot_ms(), env->real_ms(), urgent);
	if (r == 0)
		remember_told(set, list, n);
	return r;
}

bool metric_set_has_sinks(const struct metric_set *set)
{
	return set->n_lanes > 0;
}

int metric_set_points(struct metric_set *set, const struct metric_point *points, size_t n)
{
	const struct env *env = loop_env(set->setup.loop);

	return set->n_lanes == 0 ? 0
				 : put(set, NULL, points, n, env->boot_ms(), env->real_ms(), true);
}

/* ---- status, life ---- */

json_t *metric_set_status(const struct metric_set *set)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < set->n_lanes; i++)
		json_array_append_new(list, lane_status(set->lanes[i]));
	return list;
}

json_t *metric_set_spool_status(const struct metric_set *set)
{
	return spool_status(set->spool);
}

bool metric_set_leave(struct metric_set *set)
{
	set->leaving = true;
	for (size_t i = 0; i < set->n_lanes; i++)
		if (set->lanes[i]->doing == LANE_SENDING)
			return true;
	return false;
}

void metric_set_end(struct metric_set *set)
{
	if (!set->loaded)
		return;
	metric_set_moved(set);
	spool_finish(set->spool);
	metric_places_save(set);
}

static int copy_texts(struct metric_set *set)
{
	struct metric_set_setup *s = &set->setup;
	const char **texts[] = {&s->labels.hostname,   &s->labels.resource_id, &s->labels.zone,
				&s->labels.project_id, &s->labels.hypervisor,  &s->boot_id,
				&s->server_uuid};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!*texts[i] || !**texts[i]) { /* what is not known is not said */
			*texts[i] = NULL;
			continue;
		}
		set->text[i] = strdup(*texts[i]);
		if (!set->text[i])
			return -ENOMEM;
		*texts[i] = set->text[i];
	}
	return 0;
}

/* The order of @set's copies is that of copy_texts(). */
int metric_set_labels(struct metric_set *set, const struct metric_labels *labels)
{
	struct metric_labels *own = &set->setup.labels;
	const char *fresh[] = {labels->hostname, labels->resource_id, labels->zone,
			       labels->project_id, labels->hypervisor};
	const char **texts[] = {&own->hostname, &own->resource_id, &own->zone, &own->project_id,
				&own->hypervisor};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char *copy;

		if (!fresh[i] || !*fresh[i] || text_equal(fresh[i], *texts[i]))
			continue;
		copy = strdup(fresh[i]);
		if (!copy)
			return -ENOMEM;
		free(set->text[i]);
		*texts[i] = set->text[i] = copy;
	}
	return 0;
}

int metric_set_new(const struct metric_set_setup *setup, struct metric_set **ret)
{
	_cleanup_buf_ struct buf preamble = BUF_INIT(64u << 10);
	struct metric_set *set = calloc(1, sizeof(*set));
	struct spool_setup spool = {.loop = setup->loop,
				    .store = setup->store,
				    .max_bytes = setup->spool_bytes,
				    .flush_ms = setup->flush_ms};
	int r = set ? batch_preamble(&preamble) : -ENOMEM;

	if (r < 0) {
		free(set);
		return r;
	}
	set->setup = *setup;
	set->setup.interval_ms = setup->interval_ms ? setup->interval_ms : INTERVAL_MS;
	set->setup.timeout_ms = setup->timeout_ms ? setup->timeout_ms : TIMEOUT_MS;
	set->points_ms = boot_now(set);
	r = copy_texts(set);
	set->setup.server_uuid = set->setup.server_uuid ? set->setup.server_uuid : "";
	set->boot = batch_boot(set->setup.boot_id ? set->setup.boot_id : "");
	spool.preamble = preamble.data;
	spool.preamble_n = preamble.len;
	if (r == 0)
		r = spool_new(&spool, &set->spool);
	if (r < 0) {
		metric_set_free(set);
		return r;
	}
	*ret = set;
	return 0;
}

struct metric_set *metric_set_free(struct metric_set *set)
{
	if (!set)
		return NULL;
	set->dying = true;
	for (size_t i = 0; i < set->n_lanes; i++)
		lane_close(set->lanes[i]);
	spool_free(set->spool);
	for (size_t i = 0; i < ARRAY_SIZE(set->text); i++)
		free(set->text[i]);
	free(set);
	return NULL;
}
