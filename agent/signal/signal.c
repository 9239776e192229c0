/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signal as a value: freed, written to and read from its spool form. The spool form is one JSON object with
 * "v":1; a file is taken whole or not at all, because half a signal could tell Heat the wrong thing about the
 * wrong handle. Building is build.c's.
 */
#include "signal/signal.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"

#define TARGET_MAX 8192
#define SHORT_MAX  4096

const char *const signal_kind_names[] = {"boot", "action", "deployment", "custom", "health", NULL};

void signal_deinit(struct signal *s)
{
	free(s->target);
	free(s->status);
	free(s->reason);
	free(s->id);
	json_decref(s->data);
	*s = (struct signal){0};
}

size_t signal_saved_max(enum signal_kind kind)
{
	return kind == SIGNAL_DEPLOYMENT ? SIGNAL_DEPLOYMENT_SAVED_MAX : SIGNAL_SAVED_MAX;
}

int64_t signal_next_seq(int64_t last, int64_t real_ms)
{
	int64_t next = real_ms > last ? real_ms : last < SIGNAL_SEQ_MAX ? last + 1 : last;

	return next < SIGNAL_SEQ_MAX ? next : SIGNAL_SEQ_MAX;
}

bool signal_key_valid(const char *key)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strnlen(key, sizeof(((struct signal *)NULL)->key));

	return n > 0 && n < sizeof(((struct signal *)NULL)->key) && key[0] != '.' && strspn(key, good) == n;
}

/* NULL is written as null: an absent reason is not an empty one. */
static int put_text(json_t *o, const char *name, const char *value)
{
	return json_object_set_new(o, name, value ? json_string(value) : json_null());
}

char *signal_save(const struct signal *s)
{
	_cleanup_json_ json_t *o = json_object();
	int bad = 0;

	if (!o)
		return NULL;
	bad |= json_object_set_new(o, "v", json_integer(1));
	bad |= put_text(o, "kind", signal_kind_names[s->kind]);
	bad |= put_text(o, "key", s->key);
	bad |= put_text(o, "target", s->target);
	bad |= put_text(o, "status", s->status);
	bad |= put_text(o, "reason", s->reason);
	bad |= put_text(o, "id", s->id);
	bad |= json_object_set(o, "data", s->data ? s->data : json_null());
	bad |= json_object_set_new(o, "made_ms", json_integer(s->made_real_ms));
	bad |= json_object_set_new(o, "deadline_ms", json_integer(s->deadline_real_ms));
	if (s->urgent)
		bad |= json_object_set_new(o, "urgent", json_true());
	return bad ? NULL : json_compact(o);
}

static int kind_from_name(const char *name, enum signal_kind *ret)
{
	for (int i = 0; name && signal_kind_names[i]; i++)
		if (strcmp(name, signal_kind_names[i]) == 0) {
			*ret = (enum signal_kind)i;
			return 0;
		}
	return -EBADMSG;
}

/* One row per text member. */
static const struct member {
	const char *name;
	size_t offset;
	size_t max;
	bool required;
} members[] = {
	{"target", offsetof(struct signal, target), TARGET_MAX, true},
	{"status", offsetof(struct signal, status), 16, true},
	{"reason", offsetof(struct signal, reason), SHORT_MAX, false},
	{"id", offsetof(struct signal, id), SHORT_MAX, false},
};

static int load_member(const json_t *o, const struct member *m, struct signal *s)
{
	json_t *v = json_object_get(o, m->name);
	char **to = (char **)((char *)s + m->offset);
	size_t n = json_string_length(v);

	if (!v || json_is_null(v))
		return m->required ? -EBADMSG : 0;
	if (!json_is_string(v) || n > m->max || (m->required && n == 0) || strlen(json_string_value(v)) != n)
		return -EBADMSG;
	*to = strdup(json_string_value(v));
	return *to ? 0 : -ENOMEM;
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* FAILURE on health would poison the next stack update, so not even a file on our own disk may say it. */
static bool makes_sense(const struct signal *s)
{
	bool failure = strcmp(s->status, "FAILURE") == 0;

	if (!failure && strcmp(s->status, "SUCCESS") != 0)
		return false;
	if (failure && (s->kind == SIGNAL_HEALTH || s->kind == SIGNAL_ACTION))
		return false;
	return !has_control(s->target) && s->made_real_ms >= 0 &&
	       s->deadline_real_ms >= 0;
}

static int load_object(const json_t *o, struct signal *s, struct err *e)
{
	const char *key = json_str(o, "key");
	json_t *data = json_object_get(o, "data");
	int64_t v;

	if (!json_int(o, "v", &v) || v < 1)
		return err_set(e, -EBADMSG, "spooled signal: no version");
	if (v > 1)
		return err_set(e, -EPROTONOSUPPORT, "spooled signal: form %lld is newer than this program",
			       (long long)v);
	if (kind_from_name(json_str(o, "kind"), &s->kind) < 0 || !key || !signal_key_valid(key))
		return err_set(e, -EBADMSG, "spooled signal: no usable kind and key");
	snprintf(s->key, sizeof(s->key), "%s", key);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		int r = load_member(o, &members[i], s);
		if (r < 0)
			return err_set(e, r, "spooled signal: member %s is not usable", members[i].name);
	}
	if (!json_int(o, "made_ms", &s->made_real_ms) || !json_int(o, "deadline_ms", &s->deadline_real_ms) ||
	    !makes_sense(s))
		return err_set(e, -EBADMSG, "spooled signal: members contradict each other");
	s->urgent = json_is_true(json_object_get(o, "urgent"));
	s->data = data && !json_is_null(data) ? json_incref(data) : NULL;
	return 0;
}

int signal_load(const char *p, size_t n, struct signal *ret, struct err *e)
{
	static const struct json_limits limits = {SIGNAL_DEPLOYMENT_SAVED_MAX, 70, 65536 + 256, 32u << 20};
	_cleanup_json_ json_t *o = NULL;
	int r;

	*ret = (struct signal){0};
	if (n > SIGNAL_DEPLOYMENT_SAVED_MAX)
		return err_set(e, -EFBIG, "spooled signal: over %u bytes", SIGNAL_DEPLOYMENT_SAVED_MAX);
	r = json_parse(p, n, &limits, &o, e);
	if (r < 0)
		return r == -ENOMEM ? r : err_set(e, -EBADMSG, "spooled signal: not JSON");
	if (!json_is_object(o))
		return err_set(e, -EBADMSG, "spooled signal: not an object");
	r = load_object(o, ret, e);
	if (r == 0 && n > signal_saved_max(ret->kind))
		r = err_set(e, -EFBIG, "spooled signal: over %zu bytes", signal_saved_max(ret->kind));
	if (r < 0)
		signal_deinit(ret);
	return r;
}
