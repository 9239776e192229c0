/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promises of sink/metric_set.h against receivers that misbehave: nothing good is lost, nothing bad is sent
 * again, pauses are kept, clocks are compared first, and what waits survives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "httpd.h"
#include "sink/metric_lane.h"
#include "sink/metric_set.h"

#define SERVER "8c1d0a9e-0000-4000-8000-000000000001"

static int64_t real_offset;

static int64_t shifted_real_ms(void)
{
	return clock_real_ms() + real_offset;
}

static const struct env env = {.boot_ms = clock_boot_ms, .real_ms = shifted_real_ms};

/* What the server is to do; a copy of it lives in its process. */
struct plan {
	unsigned fail_first;  /* so many requests that hold points get fail_status */
	int fail_status;
	const char *fail_headers;
	const char *bad;      /* 400 while the body holds this word */
	size_t too_large;     /* 413 over this many bytes; 0 = never */
	int64_t date_shift_s; /* its clock */
	int wrong_token;      /* 401s for tokens before this one */
	bool no_role;
};

struct fix {
	char dir[64];
	struct loop *loop;
	struct loop_timer *limit;
	struct http *http;
	struct store *store;
	struct link *link;
	struct keystone *keystone;
	struct metric_set *set;
	struct httpd *server;
	struct plan plan;
	pid_t pid;
	unsigned round;
};

/* ---- the receiver ---- */

static char head[300], token_text[2000];
static unsigned failures, tokens;

static void answer_token(const struct httpd_seen *seen, struct httpd_reply *r)
{
	char host[128];

	httpd_header(seen, "Host", host, sizeof(host));
	snprintf(head, sizeof(head), "X-Subject-Token: tok%u\r\n", ++tokens);
	snprintf(token_text, sizeof(token_text),
		 "{\"token\":{\"expires_at\":\"2099-01-01T00:00:00.000000Z\",\"issued_at\":\"2026-01-01T00:00:00.000000Z\","
		 "\"user\":{\"id\":\"u1\"},\"project\":{\"id\":\"p1\"},\"catalog\":[{\"type\":\"monitoring\",\"endpoints\":[{"
		 "\"interface\":\"public\",\"region\":\"R\",\"region_id\":\"R\",\"url\":\"http://%s/v2.0\"}]}]}}",
		 host);
	r->status = 201;
	r->headers = head;
	r->body = token_text;
}

static void put_date(const struct plan *p, const char *more)
{
	time_t t = time(NULL) + p->date_shift_s;
	struct tm tm;
	char date[64];

	gmtime_r(&t, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	snprintf(head, sizeof(head), "Date: %s\r\n%s", date, more ? more : "");
}

static bool token_refused(const struct httpd_seen *seen, const struct plan *p, struct httpd_reply *r)
{
	char token[64], want[16];

	httpd_header(seen, "X-Auth-Token", token, sizeof(token));
	snprintf(want, sizeof(want), "tok%d", p->wrong_token);
	if (p->no_role)
		put_date(p, "WWW-Authenticate: T, o, k, e, n\r\n");
	else if (p->wrong_token && strcmp(token, want) < 0)
		put_date(p, "WWW-Authenticate: Keystone uri=\"http://x\"\r\n");
	else
		return false;
	r->status = 401;
	return true;
}

static void serve(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *r, void *ctx)
{
	const struct plan *p = ctx;
	bool points = strstr(seen->body, "asDouble") || strstr(seen->body, "\"timestamp\"");

	(void)nth;
	r->status = strstr(seen->target, "/v2.0") ? 204 : 200;
	put_date(p, NULL);
	r->headers = head;
	if (strstr(seen->target, "/auth/tokens"))
		answer_token(seen, r);
	else if (token_refused(seen, p, r))
		;
	else if (points && failures < p->fail_first) {
		failures++;
		put_date(p, p->fail_headers);
		r->status = p->fail_status;
	} else if (p->too_large && seen->body_len > p->too_large) {
		r->status = 413;
	} else if (p->bad && strstr(seen->body, p->bad)) {
		r->status = 400;
		r->body = "{\"message\":\"no such thing\"}";
	}
}

/* ---- the agent's side ---- */

static void on_msg(struct link *link, struct link_msg *msg, void *ctx)
{
	(void)link;
	(void)msg;
	(void)ctx;
}

static void on_closed(struct link *link, void *ctx)
{
	struct fix *f = ctx;

	if (f->store)
		store_set_link(f->store, NULL);
	f->link = link_free(link);
	loop_quit(f->loop, 0);
}

static void start_store(struct fix *f)
{
	char path[128];
	int fds[2];

	snprintf(path, sizeof(path), "%s/out.prom", f->dir);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	f->pid = fork();
	if (f->pid == 0) {
		close(fds[0]);
		_exit(store_role_run_exporting(&env, fds[1], f->dir, path));
	}
	close(fds[1]);
	assert_int_equal(link_new(f->loop, fds[0], on_msg, on_closed, f, &f->link), 0);
	store_set_link(f->store, f->link);
}

static void stop(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, -ETIME);
}

static void run_ms(struct fix *f, int64_t ms)
{
	loop_timer_arm(f->limit, ms);
	loop_run(f->loop);
	loop_timer_disarm(f->limit);
}

static void begin(struct fix *f)
{
	struct metric_set_setup setup = {.labels = {.hostname = "web-1", .resource_id = SERVER},
					 .boot_id = "boot-1",
					 .server_uuid = SERVER,
					 .interval_ms = 300,
					 .timeout_ms = 3000,
					 .flush_ms = 400};

	assert_int_equal(loop_new(&env, &f->loop), 0);
	assert_int_equal(loop_timer_new(f->loop, 0, stop, f, &f->limit), 0);
	assert_int_equal(http_new(f->loop, &(struct http_setup){0}, &f->http, NULL), 0);
	assert_int_equal(store_new(f->loop, &f->store), 0);
	assert_int_equal(store_bind(f->store, SERVER), 0);
	start_store(f);
	setup.loop = f->loop;
	setup.http = f->http;
	setup.store = f->store;
	setup.keystone = f->keystone;
	assert_int_equal(metric_set_new(&setup, &f->set), 0);
	metric_set_start(f->set);
	run_ms(f, 100);
}

static void end(struct fix *f)
{
	metric_set_end(f->set);
	run_ms(f, 100);
	f->set = metric_set_free(f->set);
	f->store = store_free(f->store);
	f->keystone = keystone_free(f->keystone);
	kill(f->pid, SIGKILL);
	while (f->link)
		run_ms(f, 1000);
	waitpid(f->pid, NULL, 0);
	f->http = http_free(f->http);
	loop_timer_free(f->limit);
	loop_free(f->loop);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/test_metric_set.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	failures = tokens = 0;
	real_offset = 0;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	httpd_stop(f->server);
	fs_remove_tree(f->dir);
	free(f);
	return 0;
}

static void serve_plan(struct fix *f)
{
	f->server = httpd_start(&(struct httpd_setup){.fn = serve, .ctx = &f->plan});
	assert_non_null(f->server);
}

static void configure(struct fix *f, const char *type, const char *path, bool trusted)
{
	char url[256] = "";
	struct sink_setting s = {.type = (char *)(uintptr_t)type, .trusted = trusted};
	struct problems problems = {0};

	if (path) {
		snprintf(url, sizeof(url), "%s", httpd_url(f->server, path));
		s.url = url;
	}
	if (strcmp(type, "textfile") == 0)
		s.path = url;
	assert_int_equal(metric_set_configure(f->set, &s, 1, true, &problems), 0);
	assert_int_equal(problems.n, 0);
	problems_deinit(&problems);
}

/* One sample of three values, one of which is @i. */
static void add(struct fix *f, double i, bool urgent)
{
	static struct sample s;

	sample_reset(&s, clock_boot_ms(), shifted_real_ms());
	sample_add(&s, METRIC_MEM_USABLE_PERC, -1, 7.5);
	sample_add(&s, METRIC_MEM_FREE_MB, -1, i);
	sample_add(&s, METRIC_LOAD_1, -1, 0.25);
	assert_int_equal(metric_set_add(f->set, &s, urgent), 0);
}

static json_t *status(const struct fix *f)
{
	json_t *list = metric_set_status(f->set), *first = json_incref(json_array_get(list, 0));

	json_decref(list);
	return first;
}

static int64_t count(const struct fix *f, const char *name)
{
	_cleanup_json_ json_t *o = status(f);
	int64_t v = -1;

	assert_true(json_int(o, name, &v));
	return v;
}

static bool state_is(const struct fix *f, const char *state)
{
	_cleanup_json_ json_t *o = status(f);

	return strcmp(json_str(o, "state"), state) == 0;
}

static bool why_has(const struct fix *f, const char *word)
{
	_cleanup_json_ json_t *o = status(f);

	return json_str(o, "error") && strstr(json_str(o, "error"), word);
}

#define UNTIL(f, seconds, condition)                                                                       \
	do {                                                                                               \
		for (int i_ = 0; i_ < (seconds) * 20 && !(condition); i_++)                                \
			run_ms(f, 50);                                                                     \
		if (!(condition)) {                                                                        \
			json_t *j_ = metric_set_status((f)->set);                                          \
			json_dumpf(j_, stderr, 0);                                                         \
			json_decref(j_);                                                                   \
		}                                                                                          \
		assert_true(condition);                                                                    \
	} while (0)

/* How many of the requests had a body with @word. */
static unsigned requests_with(const struct fix *f, const char *word)
{
	unsigned n = 0;

	for (unsigned i = 0; i < httpd_count(f->server); i++) {
		const struct httpd_seen *seen = httpd_seen(f->server, i);

		n += seen && strstr(seen->body, word) != NULL;
	}
	return n;
}

/* Samples arrive, in batches of an interval, after one look at the clock; nothing is left and nothing written. */
static void test_flow(void **state)
{
	struct fix *f = *state;
	_cleanup_json_ json_t *spool = NULL;

	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	for (int i = 0; i < 5; i++)
		add(f, i, false);
	UNTIL(f, 5, count(f, "up_to_date") == 1);
	/* with heartbeat, spool bytes, spool and sink drops */
	assert_int_equal(count(f, "sent"), 5 * 7);
	assert_int_equal(requests_with(f, "asDouble"), 1);
	assert_int_equal(httpd_count(f->server), 2);
	assert_true(state_is(f, "ok"));
	assert_non_null(strstr(httpd_seen(f->server, 1)->head, "\r\nContent-Length: "));
	spool = metric_set_spool_status(f->set);
	assert_int_equal(json_integer_value(json_object_get(spool, "segments")), 0);
	end(f);
}

/* One bad metric costs itself alone: all else of its request arrives, and its series is not tried again. */
static void test_bisect(void **state)
{
	struct fix *f = *state;
	unsigned before;

	f->plan.bad = "\"mem.free_mb\"";
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	for (int i = 0; i < 4; i++)
		add(f, i, false);
	UNTIL(f, 10, count(f, "up_to_date") == 1);
	assert_int_equal(count(f, "refused"), 4);
	assert_int_equal(count(f, "sent"), 4 * 6);
	assert_true(why_has(f, "mem.free_mb was refused"));
	assert_true(why_has(f, "no such thing"));
	before = httpd_count(f->server);
	add(f, 9, false);
	UNTIL(f, 10, count(f, "up_to_date") == 1);
	assert_int_equal(httpd_count(f->server), before + 1);
	assert_int_equal(count(f, "refused"), 5);
	end(f);
}

/* 413 halves what is sent, and all of it arrives. */
static void test_too_large(void **state)
{
	struct fix *f = *state;

	f->plan.too_large = 2000;
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	for (int i = 0; i < 6; i++)
		add(f, i, false);
	UNTIL(f, 10, count(f, "up_to_date") == 1);
	assert_int_equal(count(f, "sent"), 6 * 7);
	assert_int_equal(count(f, "refused"), 0);
	end(f);
}

/* 503 and the like: again after a pause, everything arrives once. Retry-After is waited for. */
static void test_retry(void **state)
{
	struct fix *f = *state;
	int64_t began;

	f->plan = (struct plan){.fail_first = 2, .fail_status = 429, .fail_headers = "Retry-After: 2\r\n"};
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	add(f, 1, false);
	UNTIL(f, 5, state_is(f, "retry"));
	began = clock_boot_ms();
	add(f, 2, true); /* not even the urgent one comes sooner than the receiver asked */
	run_ms(f, 1000);
	assert_int_equal(requests_with(f, "asDouble"), 1);
	UNTIL(f, 12, count(f, "up_to_date") == 1);
	assert_true(clock_boot_ms() - began >= 3900);
	assert_int_equal(count(f, "sent"), 2 * 7);
	assert_true(state_is(f, "ok"));
	end(f);
}

/* A server that is gone: all waits, also over a restart of the agent, and arrives when it is back. */
static void test_outage(void **state)
{
	struct fix *f = *state;
	struct spool_counts c;
	char url[128];
	struct sink_setting s = {.type = (char *)(uintptr_t)"otlp", .url = url};

	serve_plan(f);
	snprintf(url, sizeof(url), "%s", httpd_url(f->server, "/v1/metrics"));
	httpd_stop(f->server);
	f->server = NULL;
	begin(f);
	assert_int_equal(metric_set_configure(f->set, &s, 1, true, NULL), 0);
	for (int i = 0; i < 8; i++) {
		add(f, i, false);
		run_ms(f, 100);
	}
	UNTIL(f, 5, state_is(f, "retry"));
	end(f);

	begin(f);
	serve_plan(f); /* elsewhere: the place belongs to the URL, so tell the old one's by hand */
	spool_counts(f->set->spool, &c);
	assert_true(c.segments >= 1);
	assert_int_equal(metric_set_configure(f->set, &s, 1, false, NULL), 0);
	assert_int_equal(f->set->lanes[0]->cursor, spool_begin(f->set->spool));
	end(f);
}

/* A clock that is an hour off sends nothing; set right, what was held leaves with the right times. */
static void test_clock(void **state)
{
	struct fix *f = *state;
	const struct httpd_seen *seen = NULL;
	const char *at;

	real_offset = 3600 * 1000;
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	add(f, 1, false);
	add(f, 2, false);
	UNTIL(f, 5, state_is(f, "clock"));
	assert_true(why_has(f, "3600 s ahead") || why_has(f, "3599 s ahead"));
	run_ms(f, 800);
	assert_int_equal(requests_with(f, "asDouble"), 0);
	real_offset = 0;
	f->set->lanes[0]->wait_until = 0; /* it looks again within a minute */
	add(f, 3, true);
	UNTIL(f, 5, count(f, "up_to_date") == 1 && count(f, "sent") >= 3 * 7);
	for (unsigned i = 0; i < httpd_count(f->server); i++) {
		seen = httpd_seen(f->server, i);
		for (at = seen->body; (at = strstr(at, "\"timeUnixNano\":\"")); at += 10) {
			int64_t ms = strtoll(at + 16, NULL, 10) / 1000000;

			assert_true(ms <= clock_real_ms() && ms > clock_real_ms() - 20000);
		}
	}
	end(f);
}

/* What the receiver's clock says is what counts: one that is behind holds just so. */
static void test_clock_behind(void **state)
{
	struct fix *f = *state;

	f->plan.date_shift_s = 300;
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	add(f, 1, false);
	UNTIL(f, 5, state_is(f, "clock"));
	assert_true(why_has(f, "behind"));
	end(f);
}

static void give_keystone(struct fix *f)
{
	struct credentials c = {.kind = CREDENTIALS_APPLICATION};
	char url[128];

	snprintf(url, sizeof(url), "%s", httpd_url(f->server, "/v3"));
	c.auth_url = url;
	c.app_credential_id = (char *)(uintptr_t)"app";
	c.app_credential_secret = (char *)(uintptr_t)"secret";
	assert_int_equal(keystone_new(f->loop, f->http, &c, &f->keystone), 0);
	metric_set_keystone(f->set, f->keystone);
}

/* Monasca by the catalog: exact Content-Type, token, one renewal when Keystone's middleware refuses it. */
static void test_monasca(void **state)
{
	struct fix *f = *state;
	const struct httpd_seen *seen;
	char value[64];

	f->plan.wrong_token = 2;
	serve_plan(f);
	begin(f);
	configure(f, "monasca", NULL, false);
	give_keystone(f);
	add(f, 1, false);
	UNTIL(f, 8, count(f, "up_to_date") == 1);
	assert_int_equal(count(f, "sent"), 7);
	seen = httpd_seen(f->server, httpd_count(f->server) - 1);
	assert_string_equal(seen->target, "/v2.0/metrics");
	assert_string_equal(httpd_header(seen, "Content-Type", value, sizeof(value)), "application/json");
	assert_string_equal(httpd_header(seen, "X-Auth-Token", value, sizeof(value)), "tok2");
	assert_non_null(strstr(seen->body, "\"hostname\":\"web-1\""));
	end(f);
}

/* The other 401 means rights: no new token is asked for, the sink waits and says why. */
static void test_no_role(void **state)
{
	struct fix *f = *state;

	f->plan.no_role = true;
	serve_plan(f);
	begin(f);
	configure(f, "monasca", NULL, false);
	give_keystone(f);
	add(f, 1, false);
	UNTIL(f, 8, state_is(f, "denied"));
	assert_true(why_has(f, "role"));
	run_ms(f, 1000);
	assert_int_equal(httpd_count(f->server), 2); /* a token, a probe */
	end(f);
}

/* A URL of metadata that is not of the catalog gets no token; one of root-owned configuration does. */
static void test_token_stays(void **state)
{
	struct fix *f = *state;
	struct httpd *elsewhere;
	char url[128];
	struct sink_setting s = {.type = (char *)(uintptr_t)"monasca", .url = url};

	serve_plan(f);
	elsewhere = httpd_start(&(struct httpd_setup){.fn = serve, .ctx = &f->plan});
	assert_non_null(elsewhere);
	begin(f);
	give_keystone(f);
	snprintf(url, sizeof(url), "%s", httpd_url(elsewhere, "/v2.0"));
	assert_int_equal(metric_set_configure(f->set, &s, 1, true, NULL), 0);
	add(f, 1, false);
	UNTIL(f, 8, state_is(f, "denied"));
	assert_int_equal(httpd_count(elsewhere), 0);
	s.trusted = true;
	assert_int_equal(metric_set_configure(f->set, &s, 1, true, NULL), 0);
	add(f, 2, false);
	UNTIL(f, 8, count(f, "up_to_date") == 1 && count(f, "sent") > 0);
	assert_true(httpd_count(elsewhere) > 0);
	end(f);
	httpd_stop(elsewhere);
}

/* A finding leaves at once, ahead of a backlog that is being sent piece by piece; cleared, it is told with 0. */
static void test_findings(void **state)
{
	struct fix *f = *state;
	struct finding one = {.class_name = "memory_exhaustion", .entity = "java[412]", .evidence = "+38 MiB/min", .risk = 0.93,
			      .eta_s = 900};
	const struct httpd_seen *seen;
	int64_t began;
	unsigned before;

	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	f->set->setup.interval_ms = 60000;
	add(f, 1, false);
	UNTIL(f, 8, count(f, "up_to_date") == 1);
	for (int i = 0; i < 200; i++)
		add(f, i, false);
	run_ms(f, 200);
	before = httpd_count(f->server);
	began = clock_boot_ms();
	assert_int_equal(metric_set_findings(f->set, &one, 1, "sig", 42, true), 0);
	UNTIL(f, 3, httpd_count(f->server) > before);
	assert_true(clock_boot_ms() - began < 1500);
	seen = httpd_seen(f->server, before);
	assert_non_null(strstr(seen->body, "guest.failure.risk"));
	assert_non_null(strstr(seen->body, "guest.failure.eta_sec"));
	assert_null(strstr(seen->body, "mem.free_mb"));
	run_ms(f, 1100);
	assert_int_equal(metric_set_findings(f->set, NULL, 0, NULL, 0, true), 0);
	UNTIL(f, 3, httpd_count(f->server) > before + 1);
	seen = httpd_seen(f->server, before + 1);
	assert_non_null(strstr(seen->body, "\"asDouble\":0,\"attributes\":[{\"key\":\"class\""));
	end(f);
}

/* The textfile is replaced whole, by the store alone, with the newest values. */
static void test_textfile(void **state)
{
	struct fix *f = *state;
	struct sink_setting s = {.type = (char *)(uintptr_t)"textfile", .path = (char *)(uintptr_t)"/x.prom", .trusted = true};
	_cleanup_buf_ struct buf text = BUF_INIT(1u << 20);
	struct problems problems = {0};
	char path[128];

	begin(f);
	assert_int_equal(metric_set_configure(f->set, &s, 1, true, &problems), 0);
	assert_int_equal(problems.n, 0);
	add(f, 1, false);
	add(f, 2, false);
	UNTIL(f, 5, count(f, "sent") > 0);
	snprintf(path, sizeof(path), "%s/out.prom", f->dir);
	assert_int_equal(fs_read(path, &text), 0);
	assert_non_null(strstr(text.data, "guest_mem_free_mb 2\n"));
	s.trusted = false;
	assert_int_equal(metric_set_configure(f->set, &s, 1, true, &problems), 0);
	assert_int_equal(problems.n, 1);
	problems_deinit(&problems);
	end(f);
}

/* Pauses grow to 15 minutes, are spread over the whole of it, and never below a second. */
static void test_pauses(void **state)
{
	(void)state;
	assert_int_equal(lane_pause_ms(1, 30000, 0), 1000);
	assert_int_equal(lane_pause_ms(1, 30000, 0.5), 30000);
	assert_int_equal(lane_pause_ms(3, 30000, 0.5), 120000);
	assert_int_equal(lane_pause_ms(60, 30000, 0.5), 450000);
	assert_true(lane_pause_ms(60, 30000, 0.999) < 15 * 60 * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bisect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_outage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_monasca, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_role, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_findings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_textfile, setup, teardown),
		cmocka_unit_test(test_pauses),
	};

	log_setup(LOG_LEVEL_ERR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
