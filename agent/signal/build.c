/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds signals. Health and boot results are signed and bounded: a reason of at most 200 printable ASCII
 * characters, because Heat's events keep only that, and data of at most 2 KiB, because every guest of a group
 * writes into the same row of Heat's database. Names in findings are chosen by whoever runs processes in the
 * guest: no name can add a field to the reason line or break its form. Pure: time, seq and key are handed in.
 */
#include "signal/signal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"

#define FINDINGS_TRIED 16  /* more never fit */
#define SEAL_ROOM      190 /* what "key" and "sig" add to the canonical form */
#define SETTINGS_TOLD  3
#define SETTING_MAX    96
#define WORD_MAX       31  /* state and class in the reason line */

/* ---- text ---- */

/* A word of the reason line: anything but [A-Za-z0-9_.-] becomes an underscore. */
static void put_word(struct buf *out, const char *word)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t n = word ? strnlen(word, WORD_MAX) : 0;

	if (n == 0)
		buf_putc(out, '-');
	for (size_t i = 0; i < n; i++)
		buf_putc(out, strchr(good, word[i]) ? word[i] : '_');
}

/* A backslash stays: names arrive with \xNN where they held something else, and twice escaped they would not
 * be found again. */
static void put_graphic(struct buf *out, const char *s, size_t max, bool blanks)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		bool plain = (c > 0x20 && c < 0x7f) || (blanks && c == ' ');

		if (out->len + (plain ? 1 : 4) > max)
			return;
		if (plain)
			buf_putc(out, (char)c);
		else
			buf_printf(out, "\\x%02x", c);
	}
}

/* At most three decimals, no trailing zeros. */
static void put_risk(struct buf *out, double risk)
{
	char text[16];
	size_t n;

	if (!isfinite(risk)) {
		buf_putc(out, '-');
		return;
	}
	n = (size_t)snprintf(text, sizeof(text), "%.3f", risk < 0 ? 0.0 : risk > 1 ? 1.0 : risk);
	while (n > 1 && text[n - 1] == '0')
		n--;
	if (text[n - 1] == '.')
		n--;
	buf_put(out, text, n);
}

static char *reason_line(const struct health *h, int64_t seq, const struct finding *top)
{
	_cleanup_buf_ struct buf out = BUF_INIT(SIGNAL_REASON_MAX + 1);

	buf_printf(&out, "hp1 seq=%lld state=", (long long)seq);
	put_word(&out, h->state);
	buf_puts(&out, " risk=");
	put_risk(&out, h->risk);
	if (h->horizon_s >= 0)
		buf_printf(&out, " horizon=%lld class=", (long long)h->horizon_s);
	else
		buf_puts(&out, " horizon=- class=");
	put_word(&out, top ? top->class_name : NULL);
	buf_puts(&out, " entity=");
	if (top && top->entity[0])
		put_graphic(&out, top->entity, SIGNAL_REASON_MAX, false);
	else
		buf_putc(&out, '-');
	return buf_take(&out);
}

static char *plain_reason(const char *text)
{
	_cleanup_buf_ struct buf out = BUF_INIT(SIGNAL_REASON_MAX + 1);

	put_graphic(&out, text && *text ? text : "no reason given", SIGNAL_REASON_MAX, true);
	return buf_take(&out);
}

/* ---- data ---- */

static json_t *json_rounded(double v)
{
	if (!isfinite(v))
		return json_null();
	v = v < 0 ? 0 : v > 1 ? 1 : v;
	return json_real((double)(int64_t)(v * 1000 + 0.5) / 1000);
}

static json_t *json_seconds(int64_t s)
{
	return s >= 0 ? json_integer(s) : json_null();
}

/* A string that jansson and every reader of the database will take. */
static json_t *json_safe(const char *s, size_t max)
{
	_cleanup_buf_ struct buf out = BUF_INIT(4096);

	if (!s)
		return json_null();
	put_graphic(&out, s, max, true);
	return buf_error(&out) ? NULL : json_string(buf_str(&out));
}

static bool about_settings(const struct problem *p)
{
	static const char *const codes[] = {"metadata-setting", "metadata-refused", "predict"};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (!strcmp(p->code, codes[i]))
			return true;
	return false;
}

/* What is wrong with the settings, in few words: who wrote the template reads it in the handle. */
static json_t *json_wrong_settings(const struct problems *p)
{
	json_t *list = json_array();
	size_t n = 0;

	for (size_t i = 0; list && i < p->n; i++) {
		if (!about_settings(&p->list[i]))
			continue;
		if (n++ < SETTINGS_TOLD)
			json_array_append_new(list, json_safe(p->list[i].text, SETTING_MAX));
	}
	if (list && n > SETTINGS_TOLD)
		json_array_append_new(list, json_sprintf("%zu more", n - SETTINGS_TOLD));
	if (n == 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

static json_t *finding_json(const struct finding *f)
{
	_cleanup_json_ json_t *o = json_object();
	int bad = 0;

	if (!o)
		return NULL;
	bad |= json_object_set_new(o, "class", json_safe(f->class_name, sizeof(f->class_name)));
	bad |= json_object_set_new(
		o, "level",
		json_string(
			finding_level_names[(unsigned)f->level < FINDING_LEVELS ? f->level
										: FINDING_NOTICE]));
	bad |= json_object_set_new(o, "entity", json_safe(f->entity, 120));
	bad |= json_object_set_new(o, "eta_s", json_seconds(f->eta_s));
	bad |= json_object_set_new(o, "evidence", json_safe(f->evidence, 240));
	return bad ? NULL : json_incref(o);
}

/* Most urgent first: level, risk, time left. */
static int by_urgency(const void *a, const void *b)
{
	const struct finding *x = *(const struct finding *const *)a, *y = *(const struct finding *const *)b;
	uint64_t ex = (uint64_t)x->eta_s, ey = (uint64_t)y->eta_s; /* -1 sorts last */

	if (x->level != y->level)
		return x->level > y->level ? -1 : 1;
	if (x->risk > y->risk || x->risk < y->risk)
		return x->risk > y->risk ? -1 : 1;
	return ex == ey ? 0 : ex < ey ? -1 : 1;
}

struct urgent {
	const struct finding *first[FINDINGS_TRIED];
	size_t n;
};

static int most_urgent(const struct health *h, struct urgent *ret)
{
	_cleanup_free_ const struct finding **all = NULL;

	ret->n = 0;
	if (!h || h->n_findings == 0)
		return 0;
	all = calloc(h->n_findings, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < h->n_findings; i++)
		all[i] = &h->findings[i];
	qsort(all, h->n_findings, sizeof(*all), by_urgency);
	ret->n = h->n_findings < FINDINGS_TRIED ? h->n_findings : FINDINGS_TRIED;
	memcpy(ret->first, all, ret->n * sizeof(*all));
	return 0;
}

struct stamp {
	const char *kind;
	const struct identity *who;
	int64_t seq, real_ms;
};

static json_t *base_data(const struct stamp *t, const struct health *h)
{
	_cleanup_json_ json_t *o = json_object();
	int bad = 0;

	if (!o)
		return NULL;
	bad |= json_object_set_new(o, "v", json_integer(1));
	bad |= json_object_set_new(o, "kind", json_string(t->kind));
	bad |= json_object_set_new(o, "id", json_safe(t->who->server_uuid, sizeof(t->who->server_uuid)));
	bad |= json_object_set_new(o, "stack", json_safe(h ? h->stack_id : NULL, 512));
	bad |= json_object_set_new(o, "seq", json_integer(t->seq));
	bad |= json_object_set_new(o, "ts", json_integer(t->real_ms / 1000));
	bad |= json_object_set_new(o, "boot_id", json_safe(t->who->boot_id, sizeof(t->who->boot_id)));
	if (h) {
		bad |= json_object_set_new(o, "state", json_safe(h->state, WORD_MAX));
		bad |= json_object_set_new(o, "risk", json_rounded(h->risk));
		bad |= json_object_set_new(o, "horizon_s", json_seconds(h->horizon_s));
	}
	if (h && h->problems) {
		json_t *wrong = json_wrong_settings(h->problems);

		bad |= wrong ? json_object_set_new(o, "settings", wrong) : 0;
	}
	return bad ? NULL : json_incref(o);
}

static int add_findings(json_t *data, const struct urgent *u, size_t n)
{
	json_t *list = json_array();
	int bad = !list;

	for (size_t i = 0; list && i < n; i++)
		bad |= json_array_append_new(list, finding_json(u->first[i]));
	bad |= json_object_set_new(data, "findings", list);
	return bad ? -ENOMEM : 0;
}

static int canonical_size(const json_t *data, size_t *ret)
{
	_cleanup_buf_ struct buf out = BUF_INIT(64u << 10);
	int r = json_canonical(data, &out);

	*ret = out.len;
	return r < 0 ? r : buf_error(&out);
}

/* Findings are left out from the least urgent until the whole fits with its seal. */
static int fill_and_seal(json_t *data, const struct urgent *u, const struct signing_key *key, struct err *e)
{
	size_t size = 0;
	int r = 0;

	for (size_t n = u->n + 1; n-- > 0;) {
		r = add_findings(data, u, n);
		if (r == 0)
			r = canonical_size(data, &size);
		if (r < 0)
			return err_set(e, r, "cannot build a signal's data");
		if (size + SEAL_ROOM <= SIGNAL_DATA_MAX)
			return message_sign(data, key, e);
	}
	return err_set(e, -EFBIG, "a signal's data do not fit into %d bytes even without findings",
		       SIGNAL_DATA_MAX);
}

/* ---- the kinds ---- */

static int set_texts(struct signal *s, const char *target, const char *status, const char *id)
{
	s->target = strdup(target);
	s->status = strdup(status);
	s->id = strdup(id);
	return s->target && s->status && s->id ? 0 : -ENOMEM;
}

static int finish(int r, struct signal *built, struct signal *ret, struct err *e)
{
	if (r == 0) {
		*ret = *built;
		return 0;
	}
	signal_deinit(built);
	*ret = (struct signal){0};
	return e && e->code == r && e->text[0] ? r : err_set(e, r, "cannot build a signal");
}

int signal_build_health(const struct health *h, const struct identity *who, int64_t seq, int64_t real_ms,
			const struct signing_key *key, const char *target, struct signal *ret, struct err *e)
{
	struct signal s = {.kind = SIGNAL_HEALTH,
			   .key = "health",
			   .made_real_ms = real_ms,
			   .urgent = strcmp(h->state, "ok") != 0};
	struct stamp t = {h->n_findings ? "prediction" : "health", who, seq, real_ms};
	struct urgent u;
	int r = most_urgent(h, &u);

	if (r == 0)
		r = set_texts(&s, target, "SUCCESS", who->server_uuid);
	if (r == 0) {
		s.reason = reason_line(h, seq, u.n ? u.first[0] : NULL);
		s.data = base_data(&t, h);
		r = s.reason && s.data ? fill_and_seal(s.data, &u, key, e) : -ENOMEM;
	}
	return finish(r, &s, ret, e);
}

/* Store names are narrow; a server UUID is, too, unless it came from somewhere odd. */
void signal_boot_key(const char *server, char out[static 64])
{
	size_t n = (size_t)snprintf(out, 64, "boot-%s", server);

	for (size_t i = 0; i < n && i < 63; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", out[i]))
			out[i] = '_';
}

static int boot_data(struct signal *s, const struct stamp *t, bool success, const struct health *h,
		     const struct signing_key *key, struct err *e)
{
	struct urgent u;
	int r = most_urgent(h, &u);

	s->data = base_data(t, h);
	if (r < 0 || !s->data)
		return -ENOMEM;
	if (json_object_set_new(s->data, "result", json_string(success ? "success" : "failure")) ||
	    json_object_set_new(s->data, "reason", json_string(s->reason)))
		return -ENOMEM;
	return fill_and_seal(s->data, &u, key, e);
}

int signal_build_boot(bool success, const char *reason, const struct health *h, const struct identity *who,
		      int64_t seq, int64_t real_ms, const struct signing_key *key, const char *target,
		      struct signal *ret, struct err *e)
{
	struct signal s = {.kind = SIGNAL_BOOT, .made_real_ms = real_ms};
	struct stamp t = {"boot", who, seq, real_ms};
	int r = set_texts(&s, target, success ? "SUCCESS" : "FAILURE", who->server_uuid);

	signal_boot_key(who->server_uuid, s.key);
	if (r == 0) {
		s.reason = plain_reason(reason);
		r = s.reason ? boot_data(&s, &t, success, h, key, e) : -ENOMEM;
	}
	return finish(r, &s, ret, e);
}

static json_t *action_input(const struct action_words *w, const char *reason)
{
	return json_pack("{s:o, s:s, s:o}", "resource", json_safe(w->resource ? w->resource : "", 255),
			 "reason", reason, "probability", json_rounded(w->risk));
}

int signal_build_action(const struct action_words *w, const struct identity *who, int64_t seq,
			int64_t real_ms, int64_t deadline_real_ms, const char *target, struct signal *ret,
			struct err *e)
{
	struct signal s = {.kind = SIGNAL_ACTION,
			   .key = "action",
			   .made_real_ms = real_ms,
			   .deadline_real_ms = deadline_real_ms,
			   .urgent = true};
	const struct health h = {.state = w->state, .risk = w->risk, .horizon_s = w->horizon_s};
	char id[160];
	int r;

	snprintf(id, sizeof(id), "%s %s %s", who->boot_id, w->finding->class_name, w->finding->entity);
	r = set_texts(&s, target, "SUCCESS", id);
	if (r == 0) {
		s.reason = reason_line(&h, seq, w->finding);
		s.data = s.reason ? action_input(w, s.reason) : NULL;
		r = s.data ? 0 : -ENOMEM;
	}
	return finish(r, &s, ret, e);
}

int signal_build_custom(const char *target, const char *status, const char *reason, const char *id,
			json_t *data, int64_t seq, int64_t real_ms, int64_t deadline_real_ms,
			struct signal *ret, struct err *e)
{
	struct signal s = {
		.kind = SIGNAL_CUSTOM, .made_real_ms = real_ms, .deadline_real_ms = deadline_real_ms};
	_cleanup_free_ char *saved = NULL;
	struct signal again;
	int r;

	snprintf(s.key, sizeof(s.key), "custom-%lld", (long long)seq);
	r = set_texts(&s, target, status, id && *id ? id : s.key);
	if (r == 0 && reason) {
		s.reason = strdup(reason);
		r = s.reason ? 0 : -ENOMEM;
	}
	s.data = data ? json_incref(data) : NULL;
	if (r == 0)
		r = (saved = signal_save(&s)) ? 0 : -EINVAL;
	/* what could not be read back from the spool must be refused now, while somebody listens */
	if (r == 0)
		r = signal_load(saved, strlen(saved), &again, e);
	if (r == 0)
		signal_deinit(&again);
	return finish(r == -EBADMSG ? err_set(e, -EINVAL, "status, target or reason cannot be sent") : r, &s,
		      ret, e);
}

void signal_deployment_key(const char *id, char out[static 64])
{
	char digest[65];

	text_sha256_hex(id, strlen(id), digest);
	snprintf(out, 64, "deploy-%.48s", digest);
}

int signal_build_deployment(const char *id, const char *resource, bool success, json_t *route,
			    const json_t *outputs, int64_t received_ms, int64_t real_ms, struct signal *ret,
			    struct err *e)
{
	struct signal s = {.kind = SIGNAL_DEPLOYMENT,
			   .made_real_ms = real_ms,
			   .deadline_real_ms = real_ms + SIGNAL_DEPLOYMENT_DEADLINE_MS};
	_cleanup_free_ char *saved = NULL;
	int r;

	signal_deployment_key(id, s.key);
	r = set_texts(&s, *resource ? resource : "?", success ? "SUCCESS" : "FAILURE", id);
	if (r == 0) {
		s.data = json_pack("{s:O, s:o, s:I}", "route", route, "outputs", json_deep_copy(outputs),
				   "received_ms", (json_int_t)received_ms);
		r = s.data && (saved = signal_save(&s)) ? 0 : -ENOMEM;
	}
	if (r == 0 && strlen(saved) > SIGNAL_DEPLOYMENT_SAVED_MAX)
		r = -EFBIG;
	return finish(r, &s, ret, e);
}
