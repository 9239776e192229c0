/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding and decoding of a hook's state, and its small list of owed runs. An absent value is an
 * absent member: JSON null is a value.
 */
#include "hooks/queue_state.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"
#include "hooks/config.h"
#include "hooks/finding.h"

/* Two documents of the default size, and a few levels around them. */
static const struct json_limits state_limits = {20u << 20, 70, 140000, 48u << 20};

/* ---- the list ---- */

struct pending *pending_new(unsigned trigger, json_t *value, const char *service)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->service = service ? strdup(service) : NULL;
	if (service && !p->service) {
		free(p);
		return NULL;
	}
	p->trigger = trigger;
	p->value = json_incref(value);
	p->attempt = 1;
	p->phase = PENDING_READY;
	return p;
}

struct pending *pending_free(struct pending *p)
{
	if (!p)
		return NULL;
	free(p->service);
	json_decref(p->value);
	free(p);
	return NULL;
}

bool pending_is_event(const struct pending *p)
{
	return p->trigger & TRIGGER_EVENTS;
}

void hook_state_add(struct hook_state *s, struct pending *p)
{
	struct pending **at = &s->list;

	while (*at)
		at = &(*at)->next;
	p->next = NULL;
	*at = p;
}

void hook_state_drop(struct hook_state *s, struct pending *p)
{
	for (struct pending **at = &s->list; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			pending_free(p);
			return;
		}
	}
}

struct pending *hook_state_value(const struct hook_state *s)
{
	for (struct pending *p = s->list; p; p = p->next)
		if (!pending_is_event(p))
			return p;
	return NULL;
}

void hook_state_accept(struct hook_state *s, json_t *value)
{
	json_incref(value);
	json_decref(s->accepted);
	s->accepted = value;
	s->known = true;
}

void hook_state_deinit(struct hook_state *s)
{
	while (s->list)
		hook_state_drop(s, s->list);
	json_decref(s->accepted);
	free(s->hook);
	free(s->path);
	*s = (struct hook_state){0};
}

/* ---- identity ---- */

static int digest_json(const json_t *value, char out[static 65])
{
	_cleanup_free_ char *text = value ? json_compact(value) : NULL;

	if (!text)
		return -ENOMEM;
	text_sha256_hex(text, strlen(text), out);
	return 0;
}

int hook_state_digest(const json_t *value, char out[static 65])
{
	if (value)
		return digest_json(value, out);
	memcpy(out, "-", 2);
	return 0;
}

int hook_state_name(const char *hook, const char *path, char out[static 64])
{
	_cleanup_json_ json_t *key = json_pack("[s, s]", hook, path);
	char digest[65];
	int r = digest_json(key, digest);

	if (r == 0)
		snprintf(out, 64, "hooks/%.32s", digest);
	return r;
}

int hook_state_run_id(const struct hook_state *s, const struct pending *p,
		      char out[static RUN_ID_LEN + 1])
{
	_cleanup_json_ json_t *key = NULL;
	char old[65], new_value[65];

	/* What is accepted may change while an event waits, but not while a value does. */
	if (hook_state_digest(pending_is_event(p) ? NULL : s->accepted, old) < 0 ||
	    hook_state_digest(p->value, new_value) < 0)
		return -ENOMEM;
	key = json_pack("[s, s, i, s, I, s, s, i, b]", s->hook, s->path, (int)p->trigger,
			p->service ? p->service : "", (json_int_t)p->seq, old, new_value,
			(int)p->attempt, (int)p->again);
	return digest_json(key, out);
}

/* ---- encoding ---- */

static json_t *pending_json(const struct pending *p)
{
	return json_pack("{s:I, s:s, s:s*, s:O*, s:i, s:b, s:I}", "seq", (json_int_t)p->seq,
			 "trigger", trigger_name(p->trigger), "service", p->service, "value",
			 p->value, "attempt", (int)p->attempt, "again", (int)p->again, "next",
			 (json_int_t)p->next_real_ms);
}

static json_t *forgets_json(const struct hook_state *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_forgets; i++)
		json_array_append_new(list, json_string(s->forgets[i].id));
	return list;
}

char *hook_state_encode(const struct hook_state *s)
{
	_cleanup_json_ json_t *list = json_array();
	_cleanup_json_ json_t *root = NULL;

	for (const struct pending *p = s->list; p; p = p->next)
		if (json_array_append_new(list, pending_json(p)) < 0)
			return NULL;
	root = json_pack("{s:i, s:s, s:s, s:b, s:O*, s:I, s:s, s:O, s:o}", "v", 1, "hook", s->hook,
			 "path", s->path, "known", (int)s->known, "accepted", s->accepted, "seq",
			 (json_int_t)s->seq, "gave_up", s->gave_up, "pending", list, "forget",
			 forgets_json(s));
	/* Key order is kept: hooks get the old value as it came. */
	return root ? json_dumps(root, JSON_COMPACT) : NULL;
}

/* ---- decoding ---- */

static bool unsigned_member(const json_t *object, const char *key, uint64_t max, uint64_t *ret)
{
	int64_t v;

	if (!json_int(object, key, &v) || v < 0 || (uint64_t)v > max)
		return false;
	*ret = (uint64_t)v;
	return true;
}

/* Each kind of run has what it tells of, and no more than one is of a value. */
static bool kind_valid(unsigned trigger, const char *service, const json_t *value,
		       const struct hook_state *s)
{
	struct hook_finding f;

	if (!trigger || (trigger == TRIGGER_SERVICE_RESTARTED) != (service != NULL))
		return false;
	if (trigger == TRIGGER_FINDING)
		return finding_from_json(value, &f) == 0;
	return service || !hook_state_value(s);
}

static int get_pending(const json_t *j, struct hook_state *s)
{
	const char *word = json_str(j, "trigger"), *service = json_str(j, "service");
	unsigned trigger = word ? trigger_parse(word, strlen(word)) : 0;
	uint64_t seq, attempt, next;
	struct pending *p;

	if (!kind_valid(trigger, service, json_object_get(j, "value"), s) ||
	    !unsigned_member(j, "seq", INT64_MAX, &seq) ||
	    !unsigned_member(j, "attempt", 1000000, &attempt) ||
	    !unsigned_member(j, "next", INT64_MAX, &next) || attempt == 0)
		return -EBADMSG;
	p = pending_new(trigger, json_object_get(j, "value"), service);
	if (!p)
		return -ENOMEM;
	p->seq = seq;
	p->attempt = (unsigned)attempt;
	p->again = json_is_true(json_object_get(j, "again"));
	p->next_real_ms = (int64_t)next;
	p->phase = PENDING_UNRESOLVED;
	hook_state_add(s, p);
	return 0;
}

static int get_list(const json_t *list, struct hook_state *s)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > PENDING_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		int r = get_pending(json_array_get(list, i), s);

		if (r < 0)
			return r;
	}
	return 0;
}

static int get_forgets(const json_t *list, struct hook_state *s)
{
	if (json_array_size(list) > FORGETS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *id = json_string_value(json_array_get(list, i));

		if (!run_id_valid(id))
			return -EBADMSG;
		memcpy(s->forgets[s->n_forgets++].id, id, RUN_ID_LEN + 1);
	}
	return 0;
}

static int get_state(const json_t *root, struct hook_state *s)
{
	const char *hook = json_str(root, "hook"), *path = json_str(root, "path"),
		   *gave_up = json_str(root, "gave_up");
	uint64_t version;

	if (!unsigned_member(root, "v", 1, &version) || version != 1 || !hook || !path ||
	    !gave_up || strlen(gave_up) >= sizeof(s->gave_up) ||
	    !unsigned_member(root, "seq", INT64_MAX, &s->seq))
		return -EBADMSG;
	s->hook = strdup(hook);
	s->path = strdup(path);
	if (!s->hook || !s->path)
		return -ENOMEM;
	memcpy(s->gave_up, gave_up, strlen(gave_up) + 1);
	s->known = json_is_true(json_object_get(root, "known"));
	s->accepted = json_incref(json_object_get(root, "accepted"));
	if (get_forgets(json_object_get(root, "forget"), s) < 0)
		return -EBADMSG;
	return get_list(json_object_get(root, "pending"), s);
}

int hook_state_decode(const char *p, size_t n, struct hook_state *ret, struct err *e)
{
	_cleanup_json_ json_t *root = NULL;
	struct hook_state s = {0};
	int r;

	*ret = s;
	if (json_parse(p, n, &state_limits, &root, e) < 0)
		return err_set(e, -EBADMSG, "hook state: not JSON");
	r = get_state(root, &s);
	if (r < 0) {
		hook_state_deinit(&s);
		return err_set(e, r, "hook state: not of this form");
	}
	*ret = s;
	return 0;
}
