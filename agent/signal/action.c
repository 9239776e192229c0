/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guards of the action signal. Two memories: which findings were told in this boot, and when
 * actions went out in any boot. The second is what ends a loop that the first cannot see: an action
 * that restarts the guest, whose trouble comes back with it.
 */
#include "signal/action.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"

#define DAY_MS       (24 * 3600 * 1000LL)
#define NOTICES_LEFT 0.5    /* of safety, however many notices are open; as in the host's risk */
#define HALF_STEP    0.0005 /* risks are told with three decimals, and compared as told */

/* ---- what was told ---- */

/* Return: its row, or n_told. */
static size_t find(const struct action *a, const char *class_name, const char *entity)
{
	size_t i = 0;

	while (i < a->n_told && (strcmp(a->told[i].class_name, class_name) != 0 ||
				 strcmp(a->told[i].entity, entity) != 0))
		i++;
	return i;
}

bool action_knows(const struct action *a, const char *class_name, const char *entity)
{
	return find(a, class_name, entity) < a->n_told;
}

static void mark(struct action *a, const char *class_name, const char *entity)
{
	struct action_told *t;

	if (a->n_told == ACTION_TOLD_MAX || action_knows(a, class_name, entity))
		return;
	t = &a->told[a->n_told++];
	snprintf(t->class_name, sizeof(t->class_name), "%s", class_name);
	snprintf(t->entity, sizeof(t->entity), "%s", entity);
}

static void add_time(struct action *a, int64_t at_ms)
{
	size_t i = a->n_at;

	if (i == ACTION_DAY_MAX) {
		if (at_ms < a->at_ms[0])
			return;
		memmove(a->at_ms, a->at_ms + 1, --i * sizeof(a->at_ms[0]));
	}
	for (; i > 0 && a->at_ms[i - 1] > at_ms; i--)
		a->at_ms[i] = a->at_ms[i - 1];
	a->at_ms[i] = at_ms;
	a->n_at += a->n_at < ACTION_DAY_MAX;
}

void action_merge(struct action *a, const struct action *earlier)
{
	if (!a->boot_id[0])
		memcpy(a->boot_id, earlier->boot_id, sizeof(a->boot_id));
	for (size_t i = 0; i < earlier->n_told && !strcmp(a->boot_id, earlier->boot_id); i++)
		mark(a, earlier->told[i].class_name, earlier->told[i].entity);
	for (size_t i = 0; i < earlier->n_at; i++)
		add_time(a, earlier->at_ms[i]);
}

static bool is_open(const struct action_facts *f, const struct action_told *t)
{
	for (size_t i = 0; i < f->n_open; i++)
		if (!strcmp(f->open[i].class_name, t->class_name) &&
		    !strcmp(f->open[i].entity, t->entity))
			return true;
	return false;
}

static void forget_ended(struct action *a, const struct action_facts *f)
{
	size_t n = 0;

	if (strcmp(a->boot_id, f->boot_id) != 0) {
		snprintf(a->boot_id, sizeof(a->boot_id), "%s", f->boot_id);
		a->n_told = 0;
	}
	for (size_t i = 0; i < a->n_told; i++)
		if (is_open(f, &a->told[i]))
			a->told[n++] = a->told[i];
	a->n_told = n;
}

/* A clock that was set back would else keep a future time for ever. One that only is not set yet
 * will reach it. */
static void forget_old(struct action *a, const struct action_facts *f)
{
	int64_t now = f->real_ms;
	size_t n = 0;

	for (size_t i = 0; i < a->n_at; i++) {
		int64_t at = a->at_ms[i] > now && !f->clock_wrong ? now : a->at_ms[i];

		if (now - at < DAY_MS)
			a->at_ms[n++] = at;
	}
	a->n_at = n;
}

/* How long ago action @i was, at least: one of the future was before this boot. */
static int64_t age_ms(const struct action *a, const struct action_facts *f, size_t i)
{
	return a->at_ms[i] > f->real_ms ? f->uptime_ms : f->real_ms - a->at_ms[i];
}

/* ---- the risk of what was not told ---- */

static bool counts(const struct action *a, const struct finding *f)
{
	return !action_knows(a, f->class_name, f->entity);
}

/* Of each class the worst counts, once. */
static bool is_worst(const struct action *a, const struct action_facts *f, size_t i)
{
	const struct finding *own = &f->open[i];

	for (size_t k = 0; k < f->n_open; k++) {
		const struct finding *other = &f->open[k];

		if (k == i || strcmp(other->class_name, own->class_name) != 0 || !counts(a, other))
			continue;
		if (other->risk > own->risk || (k < i && other->risk >= own->risk))
			return false;
	}
	return true;
}

static void weigh(const struct action *a, const struct action_facts *f, struct action_choice *ret)
{
	double safe = 1, safe_of_notices = 1;

	for (size_t i = 0; i < f->n_open; i++) {
		const struct finding *one = &f->open[i];

		if (!counts(a, one) || !is_worst(a, f, i))
			continue;
		*(one->level > FINDING_NOTICE ? &safe : &safe_of_notices) *= 1 - one->risk;
		if (!ret->finding || one->risk > ret->finding->risk)
			ret->finding = one;
	}
	if (safe_of_notices < NOTICES_LEFT)
		safe_of_notices = NOTICES_LEFT;
	ret->risk = 1 - safe * safe_of_notices;
}

/* ---- the verdict ---- */

static enum action_verdict wait(struct action_choice *ret, int64_t ms, const char *why)
{
	ret->wait_ms = ms;
	ret->why = why;
	return ACTION_WAIT;
}

enum action_verdict action_judge(struct action *a, const struct action_facts *f,
				 struct action_choice *ret)
{
	int64_t full = 0, last = 0;

	*ret = (struct action_choice){.wait_ms = -1, .why = ""};
	forget_ended(a, f);
	forget_old(a, f);
	weigh(a, f, ret);
	if (!ret->finding || ret->risk + HALF_STEP < f->threshold)
		return ACTION_NONE;
	if (f->uptime_ms < f->least_uptime_ms)
		return wait(ret, f->least_uptime_ms - f->uptime_ms,
			    "the guest has not been up for long enough");
	if (f->in_progress)
		return wait(ret, -1, "the stack is at work on this server");
	if ((int64_t)a->n_at >= f->most_a_day)
		full = DAY_MS - age_ms(a, f, a->n_at - (size_t)f->most_a_day);
	if (full > 0)
		return wait(ret, full, "as many actions as are allowed in a day were signalled");
	if (a->n_at)
		last = f->pause_ms - age_ms(a, f, a->n_at - 1);
	if (last > 0)
		return wait(ret, last, "the last action is not long enough ago");
	return ACTION_TELL;
}

void action_note(struct action *a, const struct action_facts *f)
{
	struct action_choice now;

	forget_ended(a, f);
	now = (struct action_choice){0};
	weigh(a, f, &now);
	if (now.finding)
		mark(a, now.finding->class_name, now.finding->entity);
	for (size_t i = 0; i < f->n_open; i++)
		if (f->open[i].level > FINDING_NOTICE)
			mark(a, f->open[i].class_name, f->open[i].entity);
	if (a->n_at == ACTION_DAY_MAX)
		memmove(a->at_ms, a->at_ms + 1, --a->n_at * sizeof(a->at_ms[0]));
	a->at_ms[a->n_at++] = f->real_ms;
}

void action_undo(struct action *a, const char *class_name, const char *entity)
{
	size_t i = find(a, class_name, entity);

	if (i < a->n_told)
		a->told[i] = a->told[--a->n_told];
	if (a->n_at)
		a->n_at--;
}

/* ---- on disk ---- */

int action_save(const struct action *a, struct buf *out)
{
	_cleanup_json_ json_t *o =
		json_pack("{s:i, s:s, s:[], s:[]}", "v", 1, "boot", a->boot_id, "told", "at_ms");
	_cleanup_free_ char *text = NULL;
	int bad = o ? 0 : -1;

	for (size_t i = 0; !bad && i < a->n_told; i++)
		bad = json_array_append_new(
			json_object_get(o, "told"),
			json_pack("[s, o]", a->told[i].class_name, json_text(a->told[i].entity)));
	for (size_t i = 0; !bad && i < a->n_at; i++)
		bad = json_array_append_new(json_object_get(o, "at_ms"), json_integer(a->at_ms[i]));
	text = bad ? NULL : json_compact(o);
	return text ? buf_puts(out, text) : -ENOMEM;
}

/* What is longer than a finding's words can be was not written here; cut, it would be another's. */
static void load_told(const json_t *list, struct action *ret)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(list, i, pair)
	{
		const char *class_name = json_string_value(json_array_get(pair, 0)),
			   *entity = json_string_value(json_array_get(pair, 1));

		if (class_name && entity && strlen(class_name) < sizeof(ret->told[0].class_name) &&
		    strlen(entity) < sizeof(ret->told[0].entity))
			mark(ret, class_name, entity);
	}
}

static void load_times(const json_t *list, struct action *ret)
{
	size_t n = json_array_size(list), from = n > ACTION_DAY_MAX ? n - ACTION_DAY_MAX : 0;

	for (size_t i = from; i < n; i++)
		ret->at_ms[ret->n_at++] = json_integer_value(json_array_get(list, i));
}

int action_load(const char *p, size_t n, struct action *ret)
{
	_cleanup_json_ json_t *o = NULL;
	const char *boot_id;
	int64_t v;

	*ret = (struct action){0};
	if (json_parse(p, n, &json_limits_default, &o, NULL) < 0 || !json_int(o, "v", &v) || v < 1)
		return -EBADMSG;
	if (v > 1)
		return -EPROTONOSUPPORT;
	boot_id = json_str(o, "boot");
	if (!boot_id || strlen(boot_id) >= sizeof(ret->boot_id))
		return -EBADMSG;
	memcpy(ret->boot_id, boot_id, strlen(boot_id) + 1);
	load_told(json_object_get(o, "told"), ret);
	load_times(json_object_get(o, "at_ms"), ret);
	return 0;
}
