/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of built-in hooks: what they say and how they end is told, and waiting for them costs
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/macro.h"
#include "hooks/deploy/capture.h"
#include "skip.h"

static char no_vars[] = "PATH=/usr/bin:/bin";
static char *vars[] = {no_vars, NULL};

static void run(char *script, struct capture *c)
{
	char shell[] = "/bin/sh", dash_c[] = "-c";
	char *argv[] = {shell, dash_c, script, NULL};
	struct err e = ERR_INIT;

	assert_int_equal(capture_run(argv, vars, "/", c, &e), 0);
}

static void expect(const struct capture *c, const char *out, const char *err, int code)
{
	_cleanup_json_ json_t *told = capture_result(c);
	int64_t status = -1;

	assert_string_equal(json_str(told, "deploy_stdout"), out);
	assert_string_equal(json_str(told, "deploy_stderr"), err);
	assert_true(json_int(told, "deploy_status_code", &status));
	assert_int_equal(status, code);
}

/* Both streams apart, and each kind of end. */
static void ends(void **state)
{
	static const struct {
		const char *script, *out, *err;
		int code;
	} rows[] = {
		{"echo out; echo err >&2; exit 3", "out\n", "err\n", 3},
		{"kill -9 $$", "", "", -9},
		{"exec /nonexistent/program 2>/dev/null", "", "", 127},
		{"printf 'no end of line'", "no end of line", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *script = strdup(rows[i].script);
		struct capture c;

		run(script, &c);
		expect(&c, rows[i].out, rows[i].err, rows[i].code);
		capture_deinit(&c);
	}
}

/* The end is that of the program: what it leaves behind with its streams is not waited for. */
static void leaves_a_child(void **state)
{
	char script[] = "sleep 600 & echo $!";
	struct capture c;
	_cleanup_json_ json_t *told = NULL;
	int child;

	(void)state;
	run(script, &c);
	told = capture_result(&c);
	child = (int)strtol(json_str(told, "deploy_stdout"), NULL, 10);
	assert_true(child > 1);
	assert_int_equal(kill(child, SIGKILL), 0); /* it still ran */
	capture_deinit(&c);
}

/* A program that is silent for long does not wake whoever waits for it. */
static void silence(void **state)
{
	char script[] = "exec sleep 2";
	struct rusage before, after;
	struct capture c;
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	(void)state;
	if (pidfd < 0 || under_valgrind())
		skip_because("no pidfd here");
	close(pidfd);
	assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
	run(script, &c);
	assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
	expect(&c, "", "", 0);
	/* Looking every 50 ms would be 40 times. */
	assert_true(after.ru_nvcsw - before.ru_nvcsw < 20);
	capture_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends),
		cmocka_unit_test(leaves_a_child),
		cmocka_unit_test(silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
