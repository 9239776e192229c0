/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads or makes the signing key, the last seq and the boot marker through the store. Absent (-ENOENT), set
 * aside (-ESTALE: a clone, a newer version, a wrong sum) and unreadable content all mean "make a new one"; a
 * store that does not answer means "make one for this life and keep asking", never "overwrite what could not
 * be read".
 */
#include "signal/seqkey.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"
#include "signal/signal.h"

#define WAIT_MS	      10000 /* for the disk, before signals go out with a key of this run */
#define ASK_AGAIN_MS  1000
#define ASK_RARELY_MS 30000

enum part { PART_KEY, PART_SEQ, PART_BOOT, PARTS };
static const char *const part_names[PARTS] = {"signing-key", "seq", "boot-told"};

struct asked {
	struct seqkey *k;
	enum part part;
	bool open;  /* the store has not answered yet */
	bool known; /* it answered for good */
};

struct seqkey {
	struct loop *loop;
	struct store *store;
	struct loop_timer *timer;
	seqkey_ready_fn *ready; /* NULL once told */
	void *ctx;
	int64_t started_ms;
	struct asked asked[PARTS];
	struct signing_key key, given;
	bool is_given;
	int64_t last_seq;
	bool have_key, kept, told;
	int status;
	char server[64];
};

/* ---- forms ---- */

static int parse_object(const char *p, size_t n, json_t **ret)
{
	int64_t v;

	if (n > 4096 || json_parse(p, n, &json_limits_default, ret, NULL) < 0 || !json_int(*ret, "v", &v) ||
	    v != 1)
		return -EBADMSG;
	return 0;
}

static int key_from_base64(const char *text, struct signing_key *ret)
{
	_cleanup_buf_ struct buf raw = BUF_INIT(64);
	int r;

	if (!text || text_base64_decode(&raw, text, strlen(text)) < 0 || raw.len != sizeof(ret->secret))
		return -EBADMSG;
	r = signing_key_from_secret((const unsigned char *)raw.data, ret);
	explicit_bzero(raw.data, raw.len);
	return r < 0 ? -EBADMSG : 0;
}

int seqkey_parse_key(const char *p, size_t n, struct signing_key *ret)
{
	_cleanup_json_ json_t *o = NULL;

	return parse_object(p, n, &o) < 0 ? -EBADMSG : key_from_base64(json_str(o, "secret"), ret);
}

int seqkey_parse_seq(const char *p, size_t n, int64_t *ret)
{
	_cleanup_json_ json_t *o = NULL;
	int64_t last;

	if (parse_object(p, n, &o) < 0 || !json_int(o, "last", &last) || last < 0 || last > SIGNAL_SEQ_MAX)
		return -EBADMSG;
	*ret = last;
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

/* Unkept, the wall clock still carries it forward; the store's own problem line tells of the disk.
 */
static void save_seq(const struct seqkey *k)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "{\"v\":1,\"last\":%lld}", (long long)k->last_seq);

	(void)!store_put(k->store, part_names[PART_SEQ], text, (size_t)n, NULL, NULL);
}

/* What could not be read yet may be ahead of our clock: it is not overwritten. */
int64_t seqkey_next(struct seqkey *k)
{
	k->last_seq = signal_next_seq(k->last_seq, loop_env(k->loop)->real_ms());
	if (k->asked[PART_SEQ].known)
		save_seq(k);
	return k->last_seq;
}

int seqkey_set_boot_told(struct seqkey *k, bool success)
{
	char text[160];
	int n = snprintf(text, sizeof(text), "{\"v\":1,\"server\":\"%s\",\"success\":%s,\"ts\":%lld}",
			 k->server, success ? "true" : "false",
			 (long long)(loop_env(k->loop)->real_ms() / 1000));

	k->told = true;
	return store_put(k->store, part_names[PART_BOOT], text, (size_t)n, NULL, NULL);
}

/* ---- loading ---- */

static bool all_known(const struct seqkey *k)
{
	for (int i = 0; i < PARTS; i++)
		if (!k->asked[i].known)
			return false;
	return true;
}

static void tell_ready(struct seqkey *k, int status)
{
	seqkey_ready_fn *fn = k->ready;

	k->ready = NULL;
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

	if (status == 0 && seqkey_parse_key(p, n, &read) == 0) {
		k->key = read;
		k->have_key = k->kept = true;
	} else { /* not there, or not a key: one is made, or that of this run becomes the lasting one */
		k->status = make_key(k);
		if (k->status == 0)
			k->status = save_key(k);
		k->kept = k->status == 0;
	}
	signing_key_wipe(&read);
}

/* Numbers may have been given out before it was known. */
static void take_seq(struct seqkey *k, int status, const char *p, size_t n)
{
	int64_t seq = 0;

	if (status < 0 || seqkey_parse_seq(p, n, &seq) < 0)
		seq = 0;
	if (seq > k->last_seq)
		k->last_seq = seq;
	else if (k->last_seq > seq)
		save_seq(k);
}

static void take_part(struct seqkey *k, enum part part, int status, const char *p, size_t n)
{
	if (part == PART_KEY)
		take_key(k, status, p, n);
	else if (part == PART_SEQ)
		take_seq(k, status, p, n);
	else if (part == PART_BOOT && status == 0)
		k->told = k->told || parse_told(p, n, k->server);
}

static void got_part(int status, const char *p, size_t n, void *ctx)
{
	struct asked *a = ctx;
	struct seqkey *k = a->k;

	a->open = false;
	if (status < 0 && !means_absent(status)) {
		if (!loop_timer_armed(k->timer))
			loop_timer_arm(k->timer, ASK_AGAIN_MS);
		return;
	}
	a->known = true;
	take_part(k, a->part, status, p, n);
	if (!all_known(k))
		return;
	loop_timer_disarm(k->timer);
	tell_ready(k, k->status);
}

static void ask_open_parts(struct seqkey *k)
{
	for (int i = 0; i < PARTS; i++) {
		struct asked *a = &k->asked[i];

		if (!a->known && !a->open)
			a->open = store_get(k->store, part_names[i], got_part, a) == 0;
	}
}

/* Asks again for what the store could not say; late enough, signals go out with a key of this run. */
static void ask_again(struct loop *loop, void *ctx)
{
	struct seqkey *k = ctx;
	bool waited = loop_now(loop) - k->started_ms >= WAIT_MS;
	int r = waited ? make_key(k) : 0;

	loop_timer_arm(k->timer, waited ? ASK_RARELY_MS : ASK_AGAIN_MS);
	ask_open_parts(k);
	if (waited)
		tell_ready(k, r < 0 ? r : -ETIMEDOUT);
}

int seqkey_new(struct loop *loop, struct store *store, const char *server_uuid, seqkey_ready_fn *ready,
	       void *ctx, struct seqkey **ret)
{
	struct seqkey *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	*k = (struct seqkey){
		.loop = loop, .store = store, .ready = ready, .ctx = ctx, .started_ms = loop_now(loop)};
	/* the name goes into a JSON text as it is */
	for (size_t i = 0; i < sizeof(k->server) - 1 && server_uuid[i]; i++)
		k->server[i] = strchr("\"\\", server_uuid[i]) || (unsigned char)server_uuid[i] < 0x20
				       ? '_'
				       : server_uuid[i];
	for (int i = 0; i < PARTS; i++)
		k->asked[i] = (struct asked){.k = k, .part = (enum part)i};
	r = loop_timer_new(loop, 0, ask_again, k, &k->timer);
	if (r < 0) {
		free(k);
		return r;
	}
	ask_open_parts(k);
	loop_timer_arm(k->timer, ASK_AGAIN_MS);
	*ret = k;
	return 0;
}

struct seqkey *seqkey_free(struct seqkey *k)
{
	if (!k)
		return NULL;
	loop_timer_free(k->timer);
	signing_key_wipe(&k->key);
	signing_key_wipe(&k->given);
	free(k);
	return NULL;
}

const struct signing_key *seqkey_key(const struct seqkey *k)
{
	if (k->ready)
		return NULL;
	return k->is_given ? &k->given : k->have_key ? &k->key : NULL;
}

int seqkey_give(struct seqkey *k, const char *text)
{
	struct signing_key read = {0};
	int r = key_from_base64(text, &read);

	if (r == 0) {
		k->given = read;
		k->is_given = true;
	}
	signing_key_wipe(&read);
	return r;
}

int64_t seqkey_last(const struct seqkey *k)
{
	return k->last_seq;
}

bool seqkey_boot_told(const struct seqkey *k)
{
	return k->told;
}

bool seqkey_boot_known(const struct seqkey *k)
{
	return k->asked[PART_BOOT].known;
}

const char *seqkey_problem(const struct seqkey *k)
{
	return k->ready || k->kept ? NULL
				   : "the signing key could not be read from the state folder: signals carry "
				     "a key made for this run only";
}
