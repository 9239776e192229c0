/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watch beside the strict stand-in for heat-api-cfn (tests/fakes/cfn_server.py), which
 * recomputes every signature as Keystone does. Skipped where there is no python3.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "core/fs.h"
#include "core/text.h"
#include "metadata/told.h"
#include "tests/unit/skip.h"

struct fake {
	pid_t pid;
	int in; /* closing it ends the server */
	int port, control;
	char folder[32];
};

static const char *script_path(char *out, size_t size)
{
	const char *fixtures = getenv("HEAT_PULSE_FIXTURES");

	snprintf(out, size, "%s/../fakes/cfn_server.py", fixtures ? fixtures : "tests/fixtures");
	return out;
}

static void run_server(int in, int out, const char *state_file)
{
	char script[1024];

	dup2(in, 0);
	dup2(out, 1);
	execlp("python3", "python3", script_path(script, sizeof(script)), "--state", state_file,
	       (char *)NULL);
	_exit(127);
}

static int number_after(const char *text, const char *word)
{
	const char *p = strstr(text, word);
	uint64_t value = 0;

	if (!p)
		return 0;
	p += strlen(word);
	return text_u64(p, strspn(p, "0123456789"), &value) ? 0 : (int)value;
}

/* Return: false when there is no python3. */
static bool fake_start(struct fake *f, const char *state)
{
	int in[2], out[2];
	char line[128] = "", file[64];
	size_t len = 0;
	ssize_t n;

	snprintf(f->folder, sizeof(f->folder), "/tmp/hp-fake-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(file, sizeof(file), "%s/state.json", f->folder);
	assert_int_equal(fs_write_atomic(file, state, strlen(state), 0600, NULL), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (!f->pid)
		run_server(in[0], out[1], file);
	close(in[0]);
	close(out[1]);
	f->in = in[1];
	/* to the end of the line: an unbuffered python writes it in two parts */
	while (len < sizeof(line) - 1 && !strchr(line, '\n') &&
	       (n = read(out[0], line + len, sizeof(line) - 1 - len)) > 0)
		len += (size_t)n;
	close(out[0]);
	f->port = number_after(line, "port=");
	f->control = number_after(line, "control=");
	return f->port && f->control;
}

static void fake_stop(struct fake *f)
{
	close(f->in);
	kill(f->pid, SIGTERM);
	waitpid(f->pid, NULL, 0);
	fs_remove_tree(f->folder);
}

static void fake_control(const struct fake *f, const struct env *env, const char *path,
			 const char *body)
{
	char url[64];
	struct http_answer answer = {0};
	struct http_request request = {
		.method = "POST", .url = url, .body = body, .body_len = strlen(body)};

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", f->control, path);
	assert_int_equal(http_fetch(env, &(struct http_setup){0}, &request, &answer, NULL), 0);
	assert_int_equal(answer.status, 200);
	http_answer_deinit(&answer);
}

#define KEY                                                                                        \
	"\"keys\":{\"0f1e2d3c4b5a69788796a5b4c3d2e1f0\":{\"secret\":\"p%Q^r!S&t*"                  \
	"U1v2W3x4Y5z6A7b8C9d0E@\",\"enabled\":true}}"
#define STACK                                                                                      \
	"\"stacks\":{\"web\":{\"id\":\"7b1c\",\"resources\":{\"srv\":{\"kind\":\"server\","        \
	"\"metadata\":{\"note\":\"one\"},"                                                         \
	"\"status\":\"CREATE_COMPLETE\"},\"odd "                                                   \
	"1~*\":{\"kind\":\"server\",\"metadata\":{\"note\":\"odd\"}}}}}"

static void begin(struct rig *rig, struct told *t, struct fake *f, const char *state,
		  const char *path)
{
	static const char *const names[] = {"odd 1~*"};
	char url[96];

	if (!fake_start(f, state)) {
		fake_stop(f);
		skip_because("no python3, or started by hand without HEAT_PULSE_FIXTURES");
	}
	prepare(rig, 1000);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", f->port, path);
	rig_cfn(rig, url);
	start(rig, t);
	assert_int_equal(watch_set_resources(t->w, names, 1), 0);
}

static void end(struct rig *rig, struct told *t, struct fake *f)
{
	watch_free(t->w);
	rig_deinit(rig);
	fake_stop(f);
}

/* Both signature versions verify, also below a prefix and for a resource whose name needs encoding.
 */
static void signatures(void **state)
{
	static const struct {
		const char *state, *path;
	} cases[] = {
		{"{" KEY "," STACK ",\"accept\":[\"v4\"]}", "/v1/"},
		{"{" KEY "," STACK ",\"accept\":[\"v2\"]}", "/v1"},
		{"{" KEY "," STACK ",\"prefix\":\"/heat-api-cfn\"}", "/heat-api-cfn/v1/"},
		{"{" KEY "," STACK ",\"metadata\":\"string\",\"timestamp\":\"number\"}", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct told t = {.stop_documents = 2};
		struct rig rig;
		struct fake f;

		begin(&rig, &t, &f, cases[i].state, cases[i].path);
		rig_run(&rig);
		assert_int_equal(t.problems, 0);
		assert_string_equal(json_str(watch_document(t.w, "odd 1~*")->metadata, "note"),
				    "odd");
		assert_string_equal(json_str(watch_document(t.w, "srv")->metadata, "note"), "one");
		assert_non_null(strstr(watch_document(t.w, "srv")->stack_id, "arn:openstack:heat"));
		end(&rig, &t, &f);
	}
}

/* At an interval of 1 s a finished update is here in under 2 s, whenever it comes. */
static void prompt(void **state)
{
	struct told t = {.stop_documents = 2};
	struct rig rig;
	struct fake f;
	char change[256];

	(void)state;
	begin(&rig, &t, &f, "{" KEY "," STACK "}", "/v1/");
	rig_run(&rig);
	t.stop_documents = 0;
	for (int i = 0; i < 3; i++) {
		int64_t began;
		unsigned before = t.changes;

		rig_run_for(&rig, 300);
		snprintf(change, sizeof(change),
			 "{\"stacks\":{\"web\":{\"resources\":{\"srv\":{\"metadata\":{\"note\":\"n%"
			 "d\"}}}}}}",
			 i);
		fake_control(&f, &rig.env, "/configure", change);
		began = clock_boot_ms();
		while (t.changes == before && clock_boot_ms() - began < 3000)
			rig_run_for(&rig, 20);
		assert_true(clock_boot_ms() - began < 2000);
	}
	end(&rig, &t, &f);
}

/* A key that is disabled and enabled again, a server that goes down and comes back: told, and
 * healed by itself. */
static void heals(void **state)
{
	struct told t = {.stop_documents = 2};
	struct rig rig;
	struct fake f;

	(void)state;
	begin(&rig, &t, &f, "{" KEY "," STACK "}", "/v1/");
	rig_run(&rig);
	t.stop_documents = 0;
	t.stop_problems = 1;
	fake_control(&f, &rig.env, "/down", "");
	watch_poll_now(t.w);
	rig_run(&rig);
	assert_string_equal(t.code, "cfn-unreachable");
	fake_control(&f, &rig.env, "/up", "");
	t.stop_clears = 1;
	rig_run(&rig);
	assert_string_equal(t.cleared, "cfn-unreachable");
	assert_int_equal(t.problems,
			 1); /* one server, one problem, though two resources are polled */
	t.stop_problems = 2;
	fake_control(&f, &rig.env, "/configure",
		     "{\"keys\":{\"0f1e2d3c4b5a69788796a5b4c3d2e1f0\":{\"enabled\":false}}}");
	rig_run(&rig);
	assert_string_equal(t.code, "cfn-403");
	fake_control(&f, &rig.env, "/configure",
		     "{\"keys\":{\"0f1e2d3c4b5a69788796a5b4c3d2e1f0\":{\"enabled\":true}}}");
	t.stop_clears = 2;
	watch_poll_now(t.w);
	rig_run(&rig);
	assert_string_equal(t.cleared, "cfn-403");
	end(&rig, &t, &f);
}

/* Policy is not taken for a bad key; a resource of another is not taken for policy. */
static void refusals(void **state)
{
	static const struct {
		const char *change, *code;
	} cases[] = {
		{"{\"policy\":true}", "cfn-403-policy"},
		{"{\"keys\":{\"0f1e2d3c4b5a69788796a5b4c3d2e1f0\":{\"resources\":[\"none\"]}}}",
		 "cfn-403-foreign"},
		{"{\"keys\":{\"0f1e2d3c4b5a69788796a5b4c3d2e1f0\":{\"secret\":\"changed\"}}}",
		 "cfn-403"},
		{"{\"clock\":7200}", "cfn-403"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct told t = {.stop_documents = 2};
		struct rig rig;
		struct fake f;

		begin(&rig, &t, &f, "{" KEY "," STACK "}", "/v1/");
		rig_run(&rig);
		t.stop_documents = 0;
		fake_control(&f, &rig.env, "/configure", cases[i].change);
		watch_poll_now(t.w);
		rig_run_for(&rig, 600);
		if (i == 3) {
			assert_int_equal(t.problems,
					 0); /* two hours behind: corrected by the Date header */
			assert_true(watch_clock_skew_ms(t.w) > 7190000);
		} else {
			assert_string_equal(t.code, cases[i].code);
		}
		end(&rig, &t, &f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures),
		cmocka_unit_test(prompt),
		cmocka_unit_test(heals),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
