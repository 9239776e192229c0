/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signal to a presigned URL: one PUT with an empty Content-Type and the four string keys, tried
 * again while that can help. The URL is a secret: it is taken out of the argument list and only its
 * scheme, host and path are ever printed.
 */
#include "command/cfn_signal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "command/command.h"
#include "command/input.h"
#include "core/backoff.h"
#include "core/json.h"
#include "core/text.h"
#include "metadata/document.h"

#define URL_MAX        8192
#define TRY_MS         30000
#define ANSWER_MAX     (1u << 20)
#define PAUSE_FIRST_MS 1000
#define PAUSE_MAX_MS   30000

/* ---- the URL ---- */

static bool is_url(const char *text)
{
	return text_starts(text, "http://") || text_starts(text, "https://");
}

/* @text: what may be a URL, blanks around it. Return: new string or NULL. */
static char *clean_url(const char *text, size_t n)
{
	_cleanup_free_ char *url = NULL;
	struct http_url parts = {0};

	text_trim(&text, &n);
	url = strndup(text, n);
	if (!url || !is_url(url) || http_url_parse(url, &parts) < 0)
		return NULL;
	http_url_deinit(&parts);
	return take_ptr(url);
}

static char *url_of_base64(const char *text, size_t n)
{
	_cleanup_buf_ struct buf plain = BUF_INIT(URL_MAX);

	text_trim(&text, &n);
	if (text_base64_decode(&plain, text, n) < 0 || memchr(buf_str(&plain), '\0', plain.len))
		return NULL;
	return clean_url(buf_str(&plain), plain.len);
}

static char *url_of_file(const struct env *env, const char *name, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_INIT(URL_MAX);
	char *url;

	if (input_read(env, name, &text, e) < 0)
		return NULL;
	url = clean_url(buf_str(&text), text.len);
	if (!url)
		url = url_of_base64(buf_str(&text), text.len);
	if (!url)
		err_set(e, -EINVAL, "%s holds no http or https URL",
			strcmp(name, "-") == 0 ? "standard input" : name);
	return url;
}

static bool is_file(const struct env *env, const char *name)
{
	char path[ENV_PATH_MAX];
	struct stat st;

	return stat(input_path(env, name, path), &st) == 0 && !S_ISDIR(st.st_mode);
}

char *cfn_signal_read_url(const struct env *env, char *argument, struct err *e)
{
	char *url = clean_url(argument, strlen(argument));

	if (!url)
		url = url_of_base64(argument, strlen(argument));
	if (url) {
		input_scrub(argument);
		return url;
	}
	if (strcmp(argument, "-") == 0 || is_file(env, argument))
		return url_of_file(env, argument, e);
	err_set(e, -EINVAL, "the argument is no http or https URL, no base64 of one, and no file");
	return NULL;
}

/* ---- the request ---- */

enum outcome { ACCEPTED, AGAIN, FINAL };

struct sending {
	struct loop *loop;
	enum outcome outcome;
	int64_t retry_after_s;
	char why[320];
};

static bool says(const struct buf *body, const char *words)
{
	return body->len > 0 && memmem(body->data, body->len, words, strlen(words)) != NULL;
}

/* A status below 300 is not yet a yes: with ContentType=JSON in its URL Heat wraps a refusal into
 * 200 and a bare JSON string. */
static enum outcome judge_status(const struct http_answer *a)
{
	if (a->status >= 200 && a->status < 300)
		return a->body.len > 0 && a->body.data[0] == '"' ? FINAL : ACCEPTED;
	if (a->status == 408 || a->status == 425 || a->status == 429)
		return AGAIN;
	if (a->status >= 500)
		return says(&a->body, "Metadata format invalid") ? FINAL : AGAIN;
	return FINAL;
}

static enum outcome judge_failure(enum http_failure failure)
{
	return failure == HTTP_CERT || failure == HTTP_BAD_URL ? FINAL : AGAIN;
}

static void explain(const struct http_answer *a, char *why, size_t n)
{
	_cleanup_buf_ struct buf code = BUF_INIT(512), message = BUF_INIT(512);

	if (a->failure != HTTP_OK) {
		text_print(why, n, "%s", a->why);
		return;
	}
	document_cfn_error(buf_str(&a->body), a->body.len, &code, &message);
	snprintf(why, n, "status %ld%s%s%s%s", a->status, code.len ? " " : "", buf_str(&code),
		 message.len ? ": " : "", buf_str(&message));
}

static void answered(const struct http_answer *a, void *ctx)
{
	struct sending *s = ctx;

	s->outcome = a->failure != HTTP_OK ? judge_failure(a->failure) : judge_status(a);
	s->retry_after_s = a->retry_after_s;
	explain(a, s->why, sizeof(s->why));
	loop_quit(s->loop, 0);
}

static char *build_body(const struct cfn_signal_message *m)
{
	_cleanup_json_ json_t *o = json_pack("{s:s,s:s,s:s,s:s}", "Status", m->status, "Reason",
					     m->reason, "UniqueId", m->id, "Data", m->data);

	return o ? json_dumps(o, JSON_COMPACT) : NULL;
}

static int try_once(struct cfn_session *session, const struct http_request *request,
		    struct sending *s)
{
	struct http_call *call;
	int r = http_start(session->http, request, answered, s, &call);

	return r < 0 ? r : loop_run(session->loop);
}

static int report(const struct sending *s, const char *url, bool out_of_time)
{
	_cleanup_buf_ struct buf shown = BUF_INIT(1024);

	http_url_redact(url, &shown);
	fprintf(stderr, CFN_SIGNAL_NAME ": %s: %s%s\n", buf_str(&shown), s->why,
		out_of_time ? "; gave up at the deadline" : "");
	return EXIT_NETWORK;
}

static int64_t time_left(const struct cfn_session *s)
{
	int64_t left = s->deadline_ms - s->direct.env->boot_ms();

	return left > TRY_MS ? TRY_MS : left < 1 ? 1 : left;
}

int cfn_signal_to_url(struct cfn_session *session, const char *url,
		      const struct cfn_signal_message *message, bool insecure)
{
	static const char *const headers[] = {
		"Content-Type;", NULL}; /* Heat drops any other type that curl would send */
	struct backoff backoff = {.base_ms = PAUSE_FIRST_MS, .cap_ms = PAUSE_MAX_MS};
	struct sending s = {.loop = session->loop, .retry_after_s = -1};
	_cleanup_free_ char *body = build_body(message);
	struct http_request request = {.method = "PUT",
				       .url = url,
				       .headers = headers,
				       .body = body,
				       .body_max = ANSWER_MAX,
				       .insecure = insecure};

	if (!body) {
		fprintf(stderr, CFN_SIGNAL_NAME ": no memory\n");
		return EXIT_CONFIG;
	}
	request.body_len = strlen(body);
	do {
		int r;

		request.timeout_ms = time_left(session);
		r = try_once(session, &request, &s);
		if (r < 0) {
			text_print(s.why, sizeof(s.why), "%s", strerror(-r));
			return report(&s, url, false);
		}
		if (s.outcome == ACCEPTED)
			return EXIT_GOOD;
		if (s.outcome == FINAL)
			return report(&s, url, false);
	} while (cfn_pause(session->direct.env, &backoff, s.retry_after_s, session->deadline_ms));
	return report(&s, url, true);
}
