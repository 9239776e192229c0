/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of hooks/init/init.h and deployment.h: order, one line a step, dry run, a second run that changes nothing,
 * services restarted by what changed. Below a root of its own, with an init system of shell scripts. */
#include "fixture.h"

#include "core/json.h"
#include "core/log.h"
#include "hooks/init/deployment.h"
#include "hooks/init/init.h"

/* @text: a config; "R" in it stands for nothing special. */
static int apply_sets(const struct fixture *f, struct init_setup *setup, const char *text, const char *sets, struct err *e)
{
	json_t *tree = json_loads(text, 0, NULL), *metadata = json_pack("{s:O}", INIT_KEY, tree);
	int r;

	assert_non_null(tree);
	setup->env = &f->env;
	setup->quiet = true;
	r = init_apply(setup, metadata, sets, e);
	json_decref(tree);
	json_decref(metadata);
	return r;
}

static int apply(const struct fixture *f, struct init_setup *setup, const char *config)
{
	_cleanup_free_ char *text = NULL;
	struct err e = ERR_INIT;

	assert_true(asprintf(&text, "{\"config\":%s}", config) > 0);
	return apply_sets(f, setup, text, NULL, &e);
}

static void check_text(const struct fixture *f, const char *path, const char *want)
{
	_cleanup_free_ char *got = fixture_read(f, path);

	assert_string_equal(got, want);
}

static unsigned mode_of(const struct fixture *f, const char *path)
{
	char full[ENV_PATH_MAX];
	struct stat st;

	fixture_path(f, path, full);
	return lstat(full, &st) == 0 ? st.st_mode & 07777u : 0xffffu;
}

/* ---- files ---- */

static void test_files(void **state)
{
	static const char config[] =
		"{\"files\":{\"/a/text\":{\"content\":\"x\",\"mode\":\"000600\"},\"/a/json\":{\"content\":{\"k\":[1,null]}},"
		"\"/a/b64\":{\"content\":\"aGVs\\nbG8=\",\"encoding\":\"base64\"},\"/a/link\":{\"content\":\"/a/text\",\"mode\":\"120777\"},"
		"\"/a/empty\":{\"content\":\"\"},\"/a/m\":{\"content\":\"{{v}}\",\"context\":{\"v\":\"7\"}}}}";
	struct fixture *f = *state;
	struct buf report = BUF_INIT(65536);
	struct init_setup dry = {.dry_run = true}, real = {.report = &report};
	char path[ENV_PATH_MAX], target[100] = "";
	struct stat before, after;

	assert_int_equal(apply(f, &dry, config), INIT_DONE);
	assert_int_equal(mode_of(f, "/a"), 0xffff);
	assert_int_equal(apply(f, &real, config), INIT_DONE);
	check_text(f, "/a/text", "x");
	check_text(f, "/a/json", "{\"k\": [1, null]}");
	check_text(f, "/a/b64", "hello");
	check_text(f, "/a/empty", "");
	check_text(f, "/a/m", "7");
	assert_int_equal(mode_of(f, "/a/text"), 0600); /* not what the link was made with */
	assert_int_equal(mode_of(f, "/a/json"), 0644);
	fixture_path(f, "/a/link", path);
	assert_true(readlink(path, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "/a/text");
	assert_non_null(strstr(buf_str(&report), "config: files /a/text: written\n"));
	fixture_path(f, "/a/text", path);
	assert_int_equal(stat(path, &before), 0);
	buf_reset(&report);
	assert_int_equal(apply(f, &real, config), INIT_DONE);
	assert_null(strstr(buf_str(&report), "written"));
	assert_non_null(strstr(buf_str(&report), "6 steps, 0 changed something, 0 failed"));
	assert_int_equal(stat(path, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	buf_deinit(&report);
}

/* A mode that is not given is the old file's; a link in a file's place is replaced, not followed. */
static void test_files_kept(void **state)
{
	struct fixture *f = *state;
	struct init_setup setup = {0};
	char path[ENV_PATH_MAX];

	fixture_write(f, "/tmp/old", "old", 0640);
	fixture_write(f, "/tmp/other", "other", 0644);
	fixture_path(f, "/tmp/link", path);
	assert_int_equal(symlink("other", path), 0);
	assert_int_equal(apply(f, &setup, "{\"files\":{\"/tmp/old\":{\"content\":\"new\"},\"/tmp/link\":{\"content\":\"mine\"}}}"), INIT_DONE);
	check_text(f, "/tmp/old", "new");
	assert_int_equal(mode_of(f, "/tmp/old"), 0640);
	check_text(f, "/tmp/link", "mine");
	check_text(f, "/tmp/other", "other");
	assert_int_equal(mode_of(f, "/tmp/old.bak"), 0xffff);
}

static void test_files_refused(void **state)
{
	static const char *const rows[] = {
		"\"rel\":{\"content\":\"x\"}",
		"\"/x\":{}",
		"\"/x\":{\"content\":\"x\",\"mode\":644}",
		"\"/x\":{\"content\":\"x\",\"owner\":\"nobody-of-that-name\"}",
		"\"/x\":{\"content\":\"x\",\"group\":\"nobody-of-that-name\"}",
		"\"/x\":{\"content\":\"%%\",\"encoding\":\"base64\"}",
		"\"/x\":{\"content\":\"x\",\"encoding\":\"rot13\"}",
		"\"/x\":{\"content\":\"{{\",\"context\":{}}",
		"\"/x\":{\"content\":\"\",\"mode\":\"120777\"}",
		"\"/x\":{\"source\":\"file:///etc/passwd\"}",
		"\"/tmp\":{\"content\":\"x\"}",
		"\"/x\":\"text\"",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct init_setup setup = {0};
		char config[300];

		snprintf(config, sizeof(config), "{\"files\":{%s}}", rows[i]);
		if (apply(f, &setup, config) != INIT_FAILED || mode_of(f, "/x") != 0xffff)
			fail_msg("%s", rows[i]);
	}
}

/* ---- commands ---- */

/* What commands leave in the file that $L names. */
static int commands(const struct fixture *f, struct init_setup *setup, const char *text)
{
	_cleanup_free_ char *config = NULL;

	fixture_write(f, "/tmp/log", "", 0666);
	assert_true(asprintf(&config, "{\"commands\":{%s}}", text) > 0);
	return apply(f, setup, config);
}

static void test_commands(void **state)
{
	struct fixture *f = *state;
	struct init_setup setup = {0};
	char log[ENV_PATH_MAX];

	fixture_path(f, "/tmp/log", log);
	setenv("L", log, 1);
	assert_int_equal(commands(f, &setup, "\"b\":{\"command\":\"echo b >>$L\"},\"2\":{\"command\":\"echo 2 >>$L\"},"
					     "\"10\":{\"command\":\"echo 10 >>$L\"},\"B\":{\"command\":[\"/bin/sh\",\"-c\",\"echo B >>$L\"]}"),
			 INIT_DONE);
	check_text(f, "/tmp/log", "10\n2\nB\nb\n");
	/* the first that fails ends it, and what comes after is not run, whatever --keep-going says */
	setup.keep_going = true;
	assert_int_equal(commands(f, &setup, "\"1\":{\"command\":\"echo 1 >>$L; exit 3\"},\"2\":{\"command\":\"echo 2 >>$L\"}"), INIT_FAILED);
	check_text(f, "/tmp/log", "1\n");
	assert_int_equal(commands(f, &setup, "\"1\":{\"command\":\"exit 3\",\"ignoreErrors\":\"yes\"},\"2\":{\"command\":[\"/no/such\"],"
					     "\"ignoreErrors\":true},\"3\":{\"command\":\"echo 3 >>$L\"}"),
			 INIT_DONE);
	check_text(f, "/tmp/log", "3\n");
	/* tests: text and list */
	assert_int_equal(commands(f, &setup, "\"1\":{\"command\":\"echo 1 >>$L\",\"test\":\"false\"},\"2\":{\"command\":\"echo 2 >>$L\","
					     "\"test\":[\"true\"]},\"3\":{\"command\":\"echo 3 >>$L\",\"test\":\"exit 0\"}"),
			 INIT_DONE);
	check_text(f, "/tmp/log", "2\n3\n");
	unsetenv("L");
}

static void test_command_world(void **state)
{
	struct fixture *f = *state;
	struct init_setup setup = {0};
	char log[ENV_PATH_MAX], text[3000];

	fixture_path(f, "/tmp/log", log);
	setenv("CALLERS", "yes", 1);
	/* env replaces everything; numbers and booleans are texts; cwd is below the root */
	snprintf(text, sizeof(text), "\"1\":{\"command\":\"echo $A $B $CALLERS. $(pwd) >>%s\",\"env\":{\"A\":\"x\",\"B\":1},\"cwd\":\"/tmp\"},"
				     "\"2\":{\"command\":\"echo $CALLERS >>%s\"}", log, log);
	assert_int_equal(commands(f, &setup, text), INIT_DONE);
	snprintf(text, sizeof(text), "x 1 . %s/tmp\nyes\n", f->env.root);
	check_text(f, "/tmp/log", text);
	assert_int_equal(commands(f, &setup, "\"1\":{\"command\":\"true\",\"cwd\":\"/not/there\"}"), INIT_FAILED);
	assert_int_equal(commands(f, &setup, "\"1\":{\"test\":\"true\"}"), INIT_FAILED);
	assert_int_equal(commands(f, &setup, "\"1\":{\"command\":\"true\",\"runas\":\"nobody-of-that-name\"}"), INIT_FAILED);
	assert_int_equal(commands(f, &setup, "\"1\":{\"command\":\"true\",\"env\":{\"A\":[]}}"), INIT_FAILED);
	assert_int_equal(commands(f, &setup, "\"1\":{\"command\":\"sleep 60\",\"timeout\":\"1s\"}"), INIT_FAILED);
	assert_int_equal(commands(f, &setup, "\"1\":{\"command\":\"sleep 60\",\"timeout\":\"never\"}"), INIT_FAILED);
	unsetenv("CALLERS");
}

/* A command may leave something running that holds its output: the end of the command is the end. */
static void test_background(void **state)
{
	struct fixture *f = *state;
	struct init_setup setup = {0};
	int64_t began = clock_boot_ms();

	assert_int_equal(commands(f, &setup, "\"1\":{\"command\":\"sleep 30 & echo $!\"}"), INIT_DONE);
	assert_true(clock_boot_ms() - began < 20000);
}

/* ---- services ---- */

#define SCRIPT "#!/bin/sh\necho \"$*\" >>%s/tmp/calls\n%s\n"

static void make_init_system(const struct fixture *f)
{
	char text[ENV_PATH_MAX + 600];

	fixture_mkdir(f, "/run/systemd/system", 0755);
	fixture_mkdir(f, "/usr/bin", 0755);
	snprintf(text, sizeof(text), SCRIPT, f->env.root,
		 "R=${0%/usr/bin/systemctl}; case \"$*\" in\n"
		 "*is-active*) [ -e $R/tmp/up ] && echo active || { echo inactive; exit 3; } ;;\n"
		 "*is-enabled*) [ -e $R/tmp/on ] ;;\n"
		 "*restart*|*start*) : >$R/tmp/up ;;\n*stop*) rm $R/tmp/up ;;\n*enable*) : >$R/tmp/on ;;\n*disable*) rm $R/tmp/on ;;\nesac");
	fixture_write(f, "/usr/bin/systemctl", text, 0755);
}

static void services(const struct fixture *f, bool dry, const char *config, const char *calls)
{
	struct init_setup setup = {.dry_run = dry};
	_cleanup_free_ char *got = NULL;
	char path[ENV_PATH_MAX];

	fixture_path(f, "/tmp/calls", path);
	unlink(path);
	assert_int_equal(apply(f, &setup, config), INIT_DONE);
	got = fixture_read(f, "/tmp/calls");
	if (strcmp(got, calls))
		fail_msg("%s: \"%s\", not \"%s\"", config, got, calls);
}

#define ASK "--no-ask-password is-active x\n"

static void test_services(void **state)
{
	struct fixture *f = *state;

	make_init_system(f);
	services(f, true, "{\"services\":{\"sysvinit\":{\"x\":{\"enabled\":true,\"ensureRunning\":\"true\"}}}}", "is-enabled x\n" ASK);
	services(f, false, "{\"services\":{\"sysvinit\":{\"x\":{\"enabled\":true,\"ensureRunning\":\"true\"}}}}",
		 "is-enabled x\n--no-ask-password enable x\n" ASK "--no-ask-password start x\n");
	services(f, false, "{\"services\":{\"systemd\":{\"x\":{\"enabled\":true,\"ensureRunning\":\"true\"}}}}", "is-enabled x\n" ASK);
	services(f, false, "{\"services\":{\"systemd\":{\"x\":{\"enabled\":\"false\",\"ensureRunning\":false}}}}",
		 "is-enabled x\n--no-ask-password disable x\n" ASK "--no-ask-password stop x\n");
	services(f, false, "{\"services\":{\"windows\":{\"x\":{\"enabled\":true}}}}", "");
}

/* OpenRC and sysvinit say it the other way round, and tell what is enabled by links. */
static void test_other_systems(void **state)
{
	static const char config[] = "{\"services\":{\"sysvinit\":{\"x\":{\"enabled\":true,\"ensureRunning\":true}}}}";
	static const struct {
		const char *folder, *service, *enabler, *down, *links, *link, *calls;
	} rows[] = {
		{"/sbin", "/sbin/rc-service", "/sbin/rc-update", "3", "/etc/runlevels/default", "/etc/runlevels/default/x",
		 "add x default\nx status\nx start\n"},
		{"/usr/sbin", "/usr/sbin/service", "/sbin/chkconfig", "3", "/etc/rc3.d", "/etc/rc3.d/S20x", "x on\nx status\nx start\n"},
		{"/usr/sbin", "/usr/sbin/service", "/usr/sbin/update-rc.d", "1", "/etc/rc2.d", "/etc/rc2.d/S01x",
		 "x enable\nx status\nx start\n"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[ENV_PATH_MAX + 600], path[ENV_PATH_MAX], body[100];

		fixture_mkdir(f, "/sbin", 0755);
		fixture_mkdir(f, "/usr/sbin", 0755);
		fixture_mkdir(f, rows[i].links, 0755);
		snprintf(body, sizeof(body), "[ \"$2\" != status ] || exit %s", rows[i].down);
		snprintf(text, sizeof(text), SCRIPT, f->env.root, body);
		fixture_write(f, rows[i].service, text, 0755);
		snprintf(text, sizeof(text), SCRIPT, f->env.root, "");
		fixture_write(f, rows[i].enabler, text, 0755);
		services(f, false, config, rows[i].calls);
		fixture_write(f, rows[i].link, "", 0644);
		services(f, true, config, "x status\n");
		fixture_path(f, rows[i].service, path);
		unlink(path);
		fixture_path(f, rows[i].enabler, path);
		unlink(path);
		fixture_path(f, rows[i].link, path);
		unlink(path);
	}
}

/* What a service names and changed in the same config restarts it, even one that shall not run; not what changed before. */
static void test_restart(void **state)
{
	struct fixture *f = *state;
	struct init_setup setup = {0};
	struct err e = ERR_INIT;
	_cleanup_free_ char *got = NULL;

	make_init_system(f);
	services(f, false, "{\"files\":{\"/a\":{\"content\":\"1\"}},\"services\":{\"systemd\":{\"x\":{\"ensureRunning\":false,\"files\":[\"/a\"]}}}}",
		 "--no-ask-password restart x\n");
	services(f, false, "{\"files\":{\"/a\":{\"content\":\"1\"}},\"services\":{\"systemd\":{\"x\":{\"ensureRunning\":true,\"files\":[\"/a\"]}}}}",
		 ASK);
	services(f, false, "{\"commands\":{\"c\":{\"command\":\"true\"}},\"services\":{\"systemd\":{\"x\":{\"commands\":[\"c\"]}}}}",
		 "--no-ask-password restart x\n");
	services(f, false, "{\"commands\":{\"c\":{\"command\":\"true\",\"test\":\"false\"}},\"services\":{\"systemd\":{\"x\":{\"commands\":[\"c\"]}}}}",
		 "");
	assert_int_equal(apply_sets(f, &setup,
				    "{\"configSets\":{\"default\":[\"a\",\"b\"]},\"a\":{\"files\":{\"/b\":{\"content\":\"1\"}}},"
				    "\"b\":{\"services\":{\"systemd\":{\"y\":{\"files\":[\"/b\"]}}}}}", NULL, &e), INIT_DONE);
	got = fixture_read(f, "/tmp/calls");
	assert_null(strstr(got, "y"));
}

/* ---- order and answers ---- */

static void test_order(void **state)
{
	static const char config[] = "{\"services\":{\"systemd\":{}},\"commands\":{\"c\":{\"command\":\"true\"}},\"files\":{\"/f\":{\"content\":\"x\"}},"
				     "\"sources\":{\"/s\":1},\"users\":{\"-\":{}},\"groups\":{\"-\":{}},\"packages\":{\"apt\":{\"x\":[]}}}";
	static const char *const aws[] = {"packages", "groups", "users", "sources", "files", "commands"};
	static const char *const heat[] = {"packages", "sources", "groups", "users", "files", "commands"};
	struct fixture *f = *state;

	for (int old = 0; old < 2; old++) {
		_cleanup_buf_ struct buf report = BUF_INIT(65536);
		struct init_setup setup = {.keep_going = true, .sources_first = old, .report = &report};
		const char *at;

		assert_int_equal(apply(f, &setup, config), INIT_FAILED);
		at = buf_str(&report);
		for (size_t i = 0; i < ARRAY_SIZE(aws); i++) {
			char line[60];

			snprintf(line, sizeof(line), "config: %s ", old ? heat[i] : aws[i]);
			at = strstr(at, line);
			if (!at)
				fail_msg("no \"%s\" in its place: %s", line, buf_str(&report));
		}
		assert_non_null(strstr(buf_str(&report), "4 failed"));
	}
}

/* Without --keep-going the first failure is the end. */
static void test_strict(void **state)
{
	struct fixture *f = *state;
	struct init_setup setup = {0};
	struct err e = ERR_INIT;

	assert_int_equal(apply(f, &setup, "{\"groups\":{\"-\":{}},\"files\":{\"/f\":{\"content\":\"x\"}}}"), INIT_FAILED);
	assert_int_equal(mode_of(f, "/f"), 0xffff);
	assert_int_equal(apply_sets(f, &setup, "{}", NULL, &e), INIT_INVALID);
	assert_int_equal(apply_sets(f, &setup, "{\"x\":{}}", NULL, &e), INIT_INVALID);
	assert_int_equal(apply_sets(f, &setup, "{\"config\":{}}", "other", &e), INIT_INVALID);
	assert_int_equal(apply_sets(f, &setup, "{\"config\":{}}", NULL, &e), INIT_DONE);
}

/* Nobody's secret in a line. */
static void test_secrets(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf report = BUF_INIT(65536);
	struct init_setup setup = {.report = &report, .keep_going = true};

	assert_int_equal(apply(f, &setup, "{\"files\":{\"/a\":{\"content\":\"geheim\"},\"/b\":{\"content\":\"geheim\",\"encoding\":\"base64\"},"
					  "\"/c\":{\"source\":\"gopher://h/?geheim\"}},\"commands\":{\"c\":{\"command\":\"true geheim\","
					  "\"env\":{\"A\":\"geheim\"}}}}"), INIT_FAILED);
	assert_null(strstr(buf_str(&report), "geheim"));
}

/* ---- as a deployment ---- */

static void deploy(const struct fixture *f, const char *text, int status, const char *part)
{
	json_t *deployment = json_loads(text, 0, NULL), *result = NULL;
	int64_t got = -1;

	assert_non_null(deployment);
	assert_int_equal(cfn_init_deployment(&f->env, deployment, &result), 0);
	assert_true(json_int(result, "deploy_status_code", &got));
	assert_int_equal(got, status);
	if (!strstr(json_str(result, status ? "deploy_stderr" : "deploy_stdout"), part))
		fail_msg("%s: no \"%s\" in %s / %s", text, part, json_str(result, "deploy_stdout"), json_str(result, "deploy_stderr"));
	json_decref(deployment);
	json_decref(result);
}

static void test_deployment(void **state)
{
	struct fixture *f = *state;

	log_setup(LOG_LEVEL_ERR, "test");
	deploy(f, "{\"id\":\"1\",\"group\":\"cfn-init\",\"config\":{\"config\":{\"files\":{\"/d\":{\"content\":\"x\"}}}}}", 0, "files /d: written");
	check_text(f, "/d", "x");
	deploy(f, "{\"config\":\"{\\\"config\\\":{\\\"files\\\":{\\\"/d\\\":{\\\"content\\\":\\\"x\\\"}}}}\"}", 0, "as it should be");
	deploy(f, "{\"config\":{\"AWS::CloudFormation::Init\":{\"config\":{}}}}", 0, "0 steps");
	deploy(f, "{\"config\":{\"configSets\":{\"s\":\"a\"},\"a\":{}},\"inputs\":[{\"name\":\"configsets\",\"value\":\"s\"}]}", 0, "0 steps");
	deploy(f, "{\"config\":{\"configSets\":{\"s\":\"a\"},\"a\":{}},\"options\":{\"configsets\":\"s\"}}", 0, "0 steps");
	deploy(f, "{\"config\":{\"config\":{\"commands\":{\"c\":{\"command\":\"exit 3\"}}}}}", 1, "ended with 3");
	deploy(f, "{\"config\":\"no json\"}", 1, "no JSON");
	deploy(f, "{}", 1, "no object");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_files),   TEST(test_files_kept), TEST(test_files_refused), TEST(test_commands), TEST(test_command_world), TEST(test_background),
		TEST(test_services), TEST(test_other_systems), TEST(test_restart),   TEST(test_order),         TEST(test_strict),   TEST(test_secrets),       TEST(test_deployment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
