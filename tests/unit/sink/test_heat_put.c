/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals by name with EC2 keys, against the strict fake of heat-api-cfn: it recomputes every signature,
 * knows both kinds of handles and refuses as Heat does.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "bench.h"

static const char state_text[] =
	"{\"tenant\":\"5e1f0a\",\"keys\":{\"0f1e\":{\"secret\":\"p%Q^r!S&t*U1v2\"}},\"stacks\":{\"web\":{"
	"\"id\":\"" STACK_UUID "\",\"resources\":{"
	"\"srv\":{\"kind\":\"server\"},\"health\":{\"kind\":\"heat-handle\"},\"aws\":{\"kind\":\"aws-"
	"handle\"},\"grow\":{\"kind\":\"alarm\"},\"odd name~*(1)\":{\"kind\":\"heat-handle\"}}}}}";

struct fake {
	pid_t pid;
	int in;
	int port, control;
};

static const char *fake_program(void)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/../fakes/cfn_server.py",
		 getenv("HEAT_PULSE_FIXTURES") ? getenv("HEAT_PULSE_FIXTURES") : "tests/fixtures");
	return path;
}

static void fake_child(int in, int out, const char *state_file)
{
	dup2(in, 0);
	dup2(out, 1);
	execlp("python3", "python3", fake_program(), "--state", state_file, (char *)NULL);
	_exit(127);
}

/* A whole line, in however many pieces it comes. */
static void read_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && !memchr(line, '\n', n)) {
		ssize_t got = read(fd, line + n, size - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	line[n] = '\0';
}

static void fake_start(struct fake *f)
{
	char file[] = "/tmp/cfn-state-XXXXXX", line[128] = "", *end;
	int in[2], out[2], fd = mkstemp(file);

	assert_true(fd >= 0 && write(fd, state_text, strlen(state_text)) > 0);
	close(fd);
	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
	f->pid = fork();
	if (f->pid == 0)
		fake_child(in[0], out[1], file);
	close(in[0]);
	close(out[1]);
	f->in = in[1];
	read_line(out[0], line, sizeof(line));
	close(out[0]);
	unlink(file);
	if (strncmp(line, "port=", strlen("port=")) != 0)
		return;
	f->port = (int)strtol(line + strlen("port="), &end, 10);
	f->control = (int)strtol(end + strlen(" control="), NULL, 10);
}

static void fake_stop(struct fake *f)
{
	close(f->in);
	kill(f->pid, SIGTERM);
	waitpid(f->pid, NULL, 0);
}

static json_t *control(const struct fake *f, const char *method, const char *path, const char *body)
{
	const char *const headers[] = {"Content-Type: application/json", NULL};
	struct http_answer a;
	struct env env;
	char url[256];
	json_t *v = NULL;
	struct http_request req = {.method = method,
				   .url = url,
				   .headers = headers,
				   .body = body,
				   .body_len = body ? strlen(body) : 0};

	assert_int_equal(env_init(&env, NULL), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", f->control, path);
	assert_int_equal(http_fetch(&env, &(struct http_setup){0}, &req, &a, NULL), 0);
	assert_int_equal(a.status, 200);
	(void)!json_parse(buf_str(&a.body), a.body.len, &json_limits_default, &v, NULL);
	http_answer_deinit(&a);
	return v;
}

static void tell(const struct fake *f, const char *path, const char *body)
{
	json_decref(control(f, "POST", path, body));
}

/* Signature versions of the requests so far, as "v4 v2 v2". */
static void auths(const struct fake *f, char *out, size_t size)
{
	json_t *list = control(f, "GET", "/requests", NULL), *r;
	size_t i, n = 0;

	out[0] = '\0';
	json_array_foreach(list, i, r)
	{
		const char *auth = json_str(r, "auth");
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? " " : "", auth ? auth : "-");
	}
	json_decref(list);
}

static struct fake fake;

static void open_bench(struct bench *b, const char *stack_id)
{
	char url[64];

	tell(&fake, "/clear", "{}");
	tell(&fake, "/configure",
	     "{\"accept\":[\"v2\",\"v4\"],\"clock\":0,\"keys\":{\"0f1e\":{\"enabled\":true}}}");
	bench_clock_offset_ms = 0;
	bench_begin(b, stack_id);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1/", fake.port);
	b->creds.cfn = (struct credentials){.kind = CREDENTIALS_EC2,
					    .metadata_url = strdup(url),
					    .access_key = strdup("0f1e"),
					    .secret_key = strdup("p%Q^r!S&t*U1v2")};
	bench_open(b);
}

static json_t *held(const char *handle)
{
	char path[128];
	json_t *all, *entry;

	snprintf(path, sizeof(path), "/handle?name=%s", handle);
	all = control(&fake, "GET", path, NULL);
	entry = json_incref(json_obj(all, SERVER_ID));
	json_decref(all);
	return entry;
}

/* An OS::Heat handle gets the lower-case keys, in one request, and the data arrive as they were. */
static void heat_handle(void **state)
{
	struct bench b;
	char versions[64];
	json_t *entry;

	(void)state;
	open_bench(&b, STACK_ARN);
	assert_int_equal(bench_send(&b, "health", "first"), CARRY_DELIVERED);
	auths(&fake, versions, sizeof(versions));
	assert_string_equal(versions, "v4");
	entry = held("health");
	assert_string_equal(json_str(entry, "reason"), "first");
	assert_true(json_real_value(json_object_get(json_obj(entry, "data"), "risk")) == 0.93);
	json_decref(entry);
	bench_end(&b);
}

/* An AWS handle refuses the first form, gets its own at once, and is known from then on. */
static void aws_handle(void **state)
{
	struct bench b;
	char versions[64];
	json_t *entry;

	(void)state;
	open_bench(&b, STACK_ARN);
	assert_int_equal(bench_send(&b, "aws", "first"), CARRY_DELIVERED);
	assert_int_equal(bench_send(&b, "aws", "second"), CARRY_DELIVERED);
	auths(&fake, versions, sizeof(versions));
	assert_string_equal(versions, "v4 v4 v4");
	entry = held("aws");
	assert_string_equal(json_str(entry, "Reason"), "second");
	json_decref(entry);
	bench_end(&b);
}

/* A Heat that knows only V2 is found out once; the way that worked is the first one next time. */
static void only_v2(void **state)
{
	struct bench b;
	char versions[64];

	(void)state;
	open_bench(&b, STACK_ARN);
	tell(&fake, "/configure", "{\"accept\":[\"v2\"]}");
	assert_int_equal(bench_send(&b, "health", "a"), CARRY_DELIVERED);
	assert_int_equal(bench_send(&b, "health", "b"), CARRY_DELIVERED);
	auths(&fake, versions, sizeof(versions));
	assert_string_equal(versions, "v4 v2 v2");
	bench_end(&b);
}

/* Names with anything in them are signed as Heat sees them. */
static void odd_names(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, STACK_ARN);
	assert_int_equal(bench_send(&b, "odd name~*(1)", "x"), CARRY_DELIVERED);
	tell(&fake, "/configure", "{\"accept\":[\"v2\"]}");
	assert_int_equal(bench_send(&b, "odd name~*(1)", "y"),
			 CARRY_SLOWLY); /* what worked is not doubted at once … */
	assert_int_equal(bench_send(&b, "odd name~*(1)", "y"), CARRY_DELIVERED); /* … but at the next try */
	bench_end(&b);
}

/* A guest an hour behind is refused; the answer's Date puts it right, in the same signal, and stays right. */
static void clock_behind(void **state)
{
	struct bench b;
	char versions[64];

	(void)state;
	open_bench(&b, STACK_ARN);
	bench_clock_offset_ms = -3600000;
	assert_int_equal(bench_send(&b, "health", "late"), CARRY_DELIVERED);
	assert_int_equal(bench_send(&b, "health", "later"), CARRY_DELIVERED);
	auths(&fake, versions, sizeof(versions));
	assert_string_equal(versions, "v4 v4 v4");
	bench_clock_offset_ms = 0;
	bench_end(&b);
}

/* Refused keys (a suspended stack looks so): bounded tries, tried again slowly, and it heals by itself. */
static void suspended(void **state)
{
	struct bench b;
	char versions[64];

	(void)state;
	open_bench(&b, STACK_ARN);
	tell(&fake, "/configure", "{\"keys\":{\"0f1e\":{\"enabled\":false}}}");
	assert_int_equal(bench_send(&b, "health", "x"), CARRY_SLOWLY);
	assert_non_null(strstr(b.why, "403"));
	assert_non_null(strstr(b.why, "not authorized"));
	auths(&fake, versions, sizeof(versions));
	assert_string_equal(versions, "v4 v2 v2");
	tell(&fake, "/configure", "{\"keys\":{\"0f1e\":{\"enabled\":true}}}");
	assert_int_equal(bench_send(&b, "health", "x"), CARRY_DELIVERED);
	bench_end(&b);
}

/* What is not a handle, or not there, may come to be: slowly, with Heat's own words. */
static void not_a_handle(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, STACK_ARN);
	assert_int_equal(bench_send(&b, "srv", "x"), CARRY_SLOWLY);
	assert_non_null(strstr(b.why, "does not support signal"));
	bench_end(&b);
}

/* Each way in which Heat can be unwell has its verdict. */
static void faults(void **state)
{
	static const struct {
		const char *fault;
		enum carry want;
	} rows[] = {
		{"{\"do\":\"status\",\"status\":503,\"headers\":{\"Retry-After\":\"17\"}}", CARRY_RETRY},
		{"{\"do\":\"status\",\"status\":500}", CARRY_RETRY},
		{"{\"do\":\"status\",\"status\":409}", CARRY_RETRY},
		{"{\"do\":\"status\",\"status\":302}", CARRY_SLOWLY},
		{"{\"do\":\"status\",\"status\":404}", CARRY_SLOWLY},
		{"{\"do\":\"status\",\"status\":200,\"body\":\"<html>captive portal</html>\"}", CARRY_RETRY},
		{"{\"do\":\"status\",\"status\":200,\"body\":\"{\\\"resource\\\":\\\"health\\\","
		 "\\\"metadata\\\":{}}\"}",
		 CARRY_RETRY},
		{"{\"do\":\"string\"}", CARRY_SLOWLY},
		{"{\"do\":\"reset\"}", CARRY_RETRY},
		{"{\"do\":\"close\"}", CARRY_RETRY},
		{"{\"do\":\"garbage\"}", CARRY_RETRY},
		{"{\"do\":\"deep\"}", CARRY_RETRY},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench b;
		enum carry got;

		open_bench(&b, STACK_ARN);
		tell(&fake, "/fault", rows[i].fault);
		got = bench_send(&b, "health", "x");
		if (got != rows[i].want)
			fail_msg("%s: %s (%s)", rows[i].fault, carry_names[got], b.why);
		assert_true(i != 0 || b.retry_after_s == 17);
		assert_int_equal(bench_send(&b, "health", "x"), CARRY_DELIVERED);
		bench_end(&b);
	}
}

/* A form that Heat calls invalid in both kinds is final: a loop of 500s would help nobody. */
static void neither_kind(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, STACK_ARN);
	tell(&fake, "/fault",
	     "{\"do\":\"status\",\"status\":500,\"times\":2,\"body\":\"ValueError: resources.health: "
	     "Metadata format invalid\"}");
	assert_int_equal(bench_send(&b, "health", "x"), CARRY_REFUSED);
	bench_end(&b);
}

/* A handle with so many guests in it that the answer is too large: asked for the short one, in the same
 * signal. */
static void too_many_guests(void **state)
{
	struct bench b;
	json_t *entry;

	(void)state;
	open_bench(&b, STACK_ARN);
	tell(&fake, "/fault", "{\"do\":\"huge\",\"bytes\":4000000}");
	assert_int_equal(bench_send(&b, "health", "crowd"), CARRY_DELIVERED);
	entry = held("health");
	assert_string_equal(json_str(entry, "reason"), "crowd");
	json_decref(entry);
	bench_end(&b);
}

/* The same when the answer is short enough to be fetched, but holds more values than are read: a
 * group in trouble, each of whose guests told a dozen findings, must not be told again and again.
 */
static void too_many_values(void **state)
{
	_cleanup_buf_ struct buf told = BUF_INIT(1u << 20);
	struct bench b;
	char versions[64];

	(void)state;
	open_bench(&b, STACK_ARN);
	buf_puts(&told, "{\"stacks\":{\"web\":{\"resources\":{\"health\":{\"signals\":{\"other\":{"
			"\"status\":\"SUCCESS\",\"reason\":\"\",\"data\":[0");
	for (unsigned i = 0; i < 70000; i++)
		buf_puts(&told, ",0");
	buf_puts(&told, "]}}}}}}}");
	assert_int_equal(buf_error(&told), 0);
	tell(&fake, "/configure", told.data);
	assert_int_equal(bench_send(&b, "health", "crowd"), CARRY_DELIVERED);
	auths(&fake, versions, sizeof(versions));
	assert_string_equal(versions, "v4 v4");
	assert_int_equal(bench_send(&b, "health", "again"),
			 CARRY_DELIVERED); /* for the short one at once */
	auths(&fake, versions, sizeof(versions));
	assert_string_equal(versions, "v4 v4 v4");
	tell(&fake, "/configure",
	     "{\"stacks\":{\"web\":{\"resources\":{\"health\":{\"signals\":{\"other\":{\"data\":0}}"
	     "}}}}}");
	bench_end(&b);
}

/* Before the first document there is no stack to name: no route, no request. */
static void no_document(void **state)
{
	struct bench b;
	char versions[64];

	(void)state;
	open_bench(&b, NULL);
	assert_int_equal(bench_send(&b, "health", "x"), CARRY_NO_ROUTE);
	auths(&fake, versions, sizeof(versions));
	assert_string_equal(versions, "");
	bench_end(&b);
}

/* A target that names its stack reaches that one, whatever the document says. */
static void other_stack(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, "arn:openstack:heat::5e1f0a:stacks/nested/00000000-0000-4000-8000-000000000000");
	assert_int_equal(bench_send(&b, "web/" STACK_UUID "/health", "to the root"), CARRY_DELIVERED);
	assert_int_equal(bench_send(&b, "health", "to its own"), CARRY_SLOWLY);
	assert_int_equal(bench_send_it(&b, bench_action("web/" STACK_UUID "/grow")), CARRY_DELIVERED);
	bench_end(&b);
}

/* An action is posted as it is, flat; signed V4, or V2 where only that is known; refused where the name is no
 * workflow or policy. */
static void action(void **state)
{
	static const char want[] = "{\"1\":{\"probability\":0.95,\"reason\":\"hp1\",\"resource\":\"srv\"}}";
	struct bench b;
	char versions[64];
	json_t *got, *wanted = json_loads(want, 0, NULL);

	(void)state;
	open_bench(&b, STACK_ARN);
	assert_int_equal(bench_send_it(&b, bench_action("grow")), CARRY_DELIVERED);
	auths(&fake, versions, sizeof(versions));
	assert_string_equal(versions, "v4");
	got = control(&fake, "GET", "/handle?name=grow", NULL);
	assert_true(json_equal(got, wanted));
	json_decref(got);
	json_decref(wanted);
	assert_int_equal(bench_send_it(&b, bench_action("srv")), CARRY_SLOWLY);
	assert_non_null(strstr(b.why, "does not support signal"));
	assert_int_equal(bench_send_it(&b, bench_action("absent")), CARRY_SLOWLY);
	bench_end(&b);
	open_bench(&b, STACK_ARN);
	tell(&fake, "/configure", "{\"accept\":[\"v2\"]}");
	assert_int_equal(bench_send_it(&b, bench_action("grow")), CARRY_DELIVERED);
	bench_end(&b);
}

static int group_start(void **state)
{
	(void)state;
	fake_start(&fake);
	return fake.port > 0 && fake.control > 0 ? 0 : -1;
}

static int group_stop(void **state)
{
	(void)state;
	fake_stop(&fake);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heat_handle),     cmocka_unit_test(aws_handle),
		cmocka_unit_test(only_v2),         cmocka_unit_test(odd_names),
		cmocka_unit_test(clock_behind),    cmocka_unit_test(suspended),
		cmocka_unit_test(not_a_handle),    cmocka_unit_test(faults),
		cmocka_unit_test(neither_kind),    cmocka_unit_test(too_many_guests),
		cmocka_unit_test(too_many_values), cmocka_unit_test(no_document),
		cmocka_unit_test(action),          cmocka_unit_test(other_stack),
	};

	return cmocka_run_group_tests(tests, group_start, group_stop);
}
