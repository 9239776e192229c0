/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads or makes the signing key, the last seq and the boot marker through the store. Absent (-ENOENT), set aside (-ESTALE: a clone, a
 * newer version, a wrong sum) and unreadable content all mean "make a new one"; a store that does not answer means "make one for this
 * life and keep asking", never "overwrite what could not be read".
 */
#include "signal/seqkey.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"
#include "signal/signal.h"

#define WAIT_MS 10000

enum part { PART_KEY, PART_SEQ, PART_BOOT, PARTS };
static const char *const part_names[PARTS] = {"signing-key", "seq", "boot-told"};

/* The store may answer after we are gone: it then finds k == NULL. */
struct asked {
	struct seqkey *k;
	enum part part;
};

struct seqkey {
	struct loop *loop;
	struct store *store;
	struct loop_timer *timer;
	seqkey_ready_fn *ready;
	void *ctx;
	struct asked *asked[PARTS];
	struct signing_key key;
	int64_t last_seq;
	bool have_key, kept, told;
	int status;
	char server[64];
};

/* ---- forms ---- */

static int parse_object(const char *p, size_t n, json_t **ret)
{
	int64_t v;

	if (n > 4096 || json_parse(p, n, &json_limits_default, ret, NULL) < 0 || !json_int(*ret, "v", &v) || v != 1)
		return -EBADMSG;
	return 0;
}

int seqkey_parse_key(const char *p, size_t n, struct signing_key *ret)
{
	_cleanup_json_ json_t *o = NULL;
	_cleanup_buf_ struct buf raw = BUF_INIT(64);
	const char *text;
	int r = parse_object(p, n, &o);

	text = r == 0 ? json_str(o, "secret") : NULL;
	if (!text || text_base64_decode(&raw, text, strlen(text)) < 0 || raw.len != sizeof(ret->secret))
		return -EBADMSG;
	r = signing_key_from_secret((const unsigned char *)raw.data, ret);
	explicit_bzero(raw.data, raw.len);
	return r < 0 ? -EBADMSG : 0;
}

int seqkey_parse_seq(const char *p, size_t n, int64_t *ret)
{
	_cleanup_json_ json_t *o = NULL;

	if (parse_object(p, n, &o) < 0 || !json_int(o, "last", ret) || *ret < 0)
		return -EBADMSG;
	return 0;
}

static bool parse_told(const char *p, size_t n, const char *server)
{
	_cleanup_json_ json_t *o = NULL;

	return parse_object(p, n, &o) == 0 && text_equal(json_str(o, "server"), server);
}

/* ---- keeping ---- */

static int save_key(struct seqkey *k)
{
	_cleanup_buf_ struct buf b = BUF_INIT(256);
	int r;

	buf_puts(&b, "{\"v\":1,\"secret\":\"");
	text_base64(&b, k->key.secret, sizeof(k->key.secret));
	buf_puts(&b, "\"}");
	r = buf_error(&b);
	if (r == 0)
		r = store_put(k->store, part_names[PART_KEY], b.data, b.len, NULL, NULL);
	if (b.data)
		explicit_bzero(b.data, b.len);
	return r;
}

static int make_key(struct seqkey *k)
{
	int r = k->have_key ? 0 : signing_key_generate(&k->key);

	k->have_key = k->have_key || r == 0;
	return r;
}

int64_t seqkey_next(struct seqkey *k)
{
	char text[64];
	int n;

	k->last_seq = signal_next_seq(k->last_seq, loop_env(k->loop)->real_ms());
	n = snprintf(text, sizeof(text), "{\"v\":1,\"last\":%lld}", (long long)k->last_seq);
	/* unkept, the wall clock still carries it forward; the store's own problem line tells of the disk */
	(void)!store_put(k->store, part_names[PART_SEQ], text, (size_t)n, NULL, NULL);
	return k->last_seq;
}

int seqkey_set_boot_told(struct seqkey *k, bool success)
{
	char text[160];
	int n = snprintf(text, sizeof(text), "{\"v\":1,\"server\":\"%s\",\"success\":%s,\"ts\":%lld}", k->server, success ? "true" : "false",
	                 (long long)(loop_env(k->loop)->real_ms() / 1000));

	k->told = true;
	return store_put(k->store, part_names[PART_BOOT], text, (size_t)n, NULL, NULL);
}

/* ---- loading ---- */

static bool all_answered(const struct seqkey *k)
{
	for (int i = 0; i < PARTS; i++)
		if (k->asked[i])
			return false;
	return true;
}

static void tell_ready(struct seqkey *k, int status)
{
	seqkey_ready_fn *fn = k->ready;

	k->ready = NULL;
	loop_timer_disarm(k->timer);
	if (fn)
		fn(status, k->ctx);
}

static bool means_absent(int status)
{
	return status == -ENOENT || status == -ESTALE || status == -EBADMSG;
}

static void take_key(struct seqkey *k, int status, const char *p, size_t n)
{
	struct signing_key read = {0};

	if (status == 0)
		status = seqkey_parse_key(p, n, &read);
	if (status == 0) {
		k->key = read;
		k->have_key = k->kept = true;
	} else {
		int r = make_key(k);
		if (r == 0 && means_absent(status))
			r = save_key(k);
		k->kept = r == 0 && means_absent(status);
		if (!k->kept)
			k->status = r < 0 ? r : status;
	}
	signing_key_wipe(&read);
}

static void take_part(struct seqkey *k, enum part part, int status, const char *p, size_t n)
{
	int64_t seq;

	if (part == PART_KEY)
		take_key(k, status, p, n);
	else if (part == PART_SEQ && status == 0 && seqkey_parse_seq(p, n, &seq) == 0)
		k->last_seq = seq > k->last_seq ? seq : k->last_seq;
	else if (part == PART_BOOT && status == 0)
		k->told = k->told || parse_told(p, n, k->server);
}

static void got_part(int status, const char *p, size_t n, void *ctx)
{
	struct asked *a = ctx;
	struct seqkey *k = a->k;
	enum part part = a->part;

	free(a);
	if (!k)
		return;
	k->asked[part] = NULL;
	take_part(k, part, status, p, n);
	if (all_answered(k))
		tell_ready(k, k->status);
}

static void waited_enough(struct loop *loop, void *ctx)
{
	struct seqkey *k = ctx;
	int r = make_key(k);

	(void)loop;
	tell_ready(k, r < 0 ? r : -ETIMEDOUT);
}

static int ask(struct seqkey *k, enum part part)
{
	struct asked *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	*a = (struct asked){k, part};
	k->asked[part] = a;
	r = store_get(k->store, part_names[part], got_part, a);
	if (r < 0) {
		k->asked[part] = NULL;
		free(a);
	}
	return r;
}

int seqkey_new(struct loop *loop, struct store *store, const char *server_uuid, seqkey_ready_fn *ready, void *ctx, struct seqkey **ret)
{
	struct seqkey *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	*k = (struct seqkey){.loop = loop, .store = store, .ready = ready, .ctx = ctx};
	/* the name goes into a JSON text as it is */
	for (size_t i = 0; server_uuid[i] && i < sizeof(k->server) - 1; i++)
		k->server[i] = strchr("\"\\", server_uuid[i]) || (unsigned char)server_uuid[i] < 0x20 ? '_' : server_uuid[i];
	r = loop_timer_new(loop, 0, waited_enough, k, &k->timer);
	for (int i = 0; r == 0 && i < PARTS; i++)
		r = ask(k, (enum part)i);
	if (r < 0) {
		seqkey_free(k);
		return r;
	}
	loop_timer_arm(k->timer, WAIT_MS);
	*ret = k;
	return 0;
}

struct seqkey *seqkey_free(struct seqkey *k)
{
	if (!k)
		return NULL;
	for (int i = 0; i < PARTS; i++)
		if (k->asked[i])
			k->asked[i]->k = NULL;
	loop_timer_free(k->timer);
	signing_key_wipe(&k->key);
	free(k);
	return NULL;
}

const struct signing_key *seqkey_key(const struct seqkey *k)
{
	return k->have_key && !k->ready ? &k->key : NULL;
}

int64_t seqkey_last(const struct seqkey *k)
{
	return k->last_seq;
}

bool seqkey_boot_told(const struct seqkey *k)
{
	return k->told;
}

const char *seqkey_problem(const struct seqkey *k)
{
	return k->ready || k->kept ? NULL : "the signing key could not be read from the state folder: signals carry a key made for this run only";
}
