/* SPDX-License-Identifier: Apache-2.0 */
/* The shepherd with real hooks: who they run as, what they see, how they end. */
#include "fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/log.h"
#include "hooks/hook_cgroup.h"
#include "hooks/runner.h"
#include "hooks/shepherd.h"
#include "tests/unit/skip.h"

#define ID "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"

struct run_spec {
	const char *action, *runas, *path, *service;
	const char *old, *new_value; /* NULL = absent */
	unsigned trigger;
	int64_t timeout_ms;
	size_t output_max;
	uint64_t env_max;
};

static int blob(const char *text)
{
	return text ? fs_blob("value", text, strlen(text)) : -1;
}

/* Runs it to its end; the record is what a new runner would find. */
static struct run_record run(const struct fixture *f, const struct run_spec *spec)
{
	struct hook hook = {.name = strdup("the hook"),
			    .action = strdup(spec->action),
			    .runas = strdup(spec->runas ? spec->runas : f->user),
			    .timeout_ms = spec->timeout_ms ? spec->timeout_ms : 20000};
	const char *path = spec->path ? spec->path : "Resources.R1.Metadata";
	struct run_store store;
	struct err e = ERR_INIT;
	struct shepherd_job job = {.env = &f->env,
				   .store = &store,
				   .id = ID,
				   .hook = &hook,
				   .service = spec->service,
				   .trigger = spec->trigger ? spec->trigger : TRIGGER_UPDATE,
				   .values = {{blob(spec->old), blob(spec->new_value)},
					      spec->env_max ? spec->env_max : 65536},
				   .output_max = spec->output_max ? spec->output_max : 65536,
				   .umask = 027};
	struct run_record record;
	pid_t pid;
	int wstatus;

	assert_int_equal(path_parse(path, strlen(path), &hook.path, &e), 0);
	assert_int_equal(run_store_init(&store, &f->env, &e), 0);
	run_store_forget(&store, ID);
	job.lock_fd = run_store_lock(&store, ID);
	job.result_fd = memfd_create("result", MFD_CLOEXEC);
	assert_true(job.lock_fd >= 0 && job.result_fd >= 0);
	pid = shepherd_start(&job, &e);
	assert_true(pid > 0);
	close(job.lock_fd);
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	assert_int_equal(wstatus, 0);
	assert_int_equal(run_store_state(&store, ID, &record), RUN_STATE_ENDED);
	assert_true(lseek(job.result_fd, 0, SEEK_END) > 0);
	close(job.result_fd);
	for (int i = 0; i < VALUE_SIDES; i++)
		if (job.values.fds[i] >= 0)
			close(job.values.fds[i]);
	hook_deinit(&hook);
	return record;
}

static void assert_tail(struct run_record *r, const char *expected)
{
	assert_int_equal(r->result.end, RUN_EXITED);
	assert_string_equal(r->result.tail ? r->result.tail : "", expected);
	run_record_deinit(r);
}

/* Exit code, both streams, times. */
static void test_exit(void **state)
{
	const struct run_spec spec = {.action = "echo out; echo err >&2; exit 3"};
	struct run_record r = run(*state, &spec);

	assert_int_equal(r.result.end, RUN_EXITED);
	assert_int_equal(r.result.code, 3);
	assert_string_equal(r.result.tail, "out\nerr\n");
	assert_true(r.result.started_real_ms > 0 &&
		    r.result.ended_real_ms >= r.result.started_real_ms);
	run_record_deinit(&r);
}

/* A hook that dies of a signal says which. */
static void test_signalled(void **state)
{
	const struct run_spec spec = {.action = "kill -SEGV $$"};
	struct run_record r = run(*state, &spec);

	assert_int_equal(r.result.end, RUN_SIGNALLED);
	assert_int_equal(r.result.code, SIGSEGV);
	run_record_deinit(&r);
}

/* The world of a hook: names, folder, umask, no stdin, own session, and nothing else inherited. */
static void test_world(void **state)
{
	const struct fixture *f = *state;
	const struct run_spec spec = {
		.action = "pwd; umask; cat; test $$ = $(cut -d' ' -f6 /proc/$$/stat) && echo "
			  "session; ls -m /proc/$$/fd;"
			  "cat /proc/self/oom_score_adj; env | cut -d= -f1 | grep -v -e PWD -e "
			  "SHLVL -e '^_$' | sort | tr '\\n' ' ';"
			  "echo; echo $CFN_HOOK_NAME/$CFN_TRIGGER/$CFN_RESOURCE/$USER/$LOGNAME"};
	char expected[1024];
	struct run_record r;

	setenv("LEAK", "secret", 1);
	r = run(f, &spec);
	snprintf(expected, sizeof(expected),
		 "/\n0027\nsession\n0, 1, 2\n0\nCFN_HOOK_NAME CFN_RESOURCE CFN_TRIGGER "
		 "HEAT_PULSE_RUN_ID HOME LOGNAME PATH SHELL USER \n"
		 "the hook/post.update/R1/%s/%s\n",
		 f->user, f->user);
	assert_tail(&r, expected);
}

/* Signals that the agent ignores or blocks are not ignored or blocked in the hook. */
static void test_signals_reset(void **state)
{
	const struct run_spec spec = {.action = "grep -E 'SigBlk|SigIgn' /proc/self/status"};
	struct run_record r;
	sigset_t all, old;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	r = run(*state, &spec);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_tail(&r, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

/* runas drops user, groups and rights for good: root's files are closed to it. */
static void test_runas(void **state)
{
	const struct fixture *f = *state;
	struct run_spec spec = {.runas = "nobody", .new_value = "{\"a\": 1}"};
	const struct passwd *pw = getpwnam("nobody");
	char action[3000], expected[300];
	struct run_record r;

	if (geteuid() != 0 || !pw)
		skip_because("only root can become somebody else");
	fixture_mkdir(f, "/etc/cfn", 0755);
	fixture_write(f, "/etc/cfn/cfn-credentials", "AWSSecretKey=s", 0600);
	snprintf(action, sizeof(action),
		 "cat %s/etc/cfn/cfn-credentials 2>/dev/null || echo closed; id -u; id -ru; id -g; "
		 "id -G; echo $HOME;"
		 "cat $CFN_NEW_METADATA_FILE; echo; stat -c '%%a %%U' $CFN_NEW_METADATA_FILE;"
		 "touch ${CFN_NEW_METADATA_FILE%%/*}/x 2>/dev/null || echo closed; ls "
		 "%s/var/lib/heat-pulse/runs 2>/dev/null || echo closed;"
		 "grep -E 'Cap(Eff|Prm|Inh|Amb)' /proc/self/status | sort -u | cut -f2 | sort -u",
		 f->env.root, f->env.root);
	snprintf(expected, sizeof(expected),
		 "closed\n%u\n%u\n%u\n%u\n%s\n{\"a\": 1}\n600 "
		 "nobody\nclosed\nclosed\n0000000000000000\n",
		 pw->pw_uid, pw->pw_uid, pw->pw_gid, pw->pw_gid, pw->pw_dir);
	spec.action = action;
	r = run(f, &spec);
	assert_tail(&r, expected);
}

/* An unknown user is a failed hook, never root. */
static void test_unknown_user(void **state)
{
	const struct fixture *f = *state;
	struct run_spec spec = {.runas = "no-such-user-here"};
	char action[ENV_PATH_MAX + 32];
	struct run_record r;

	snprintf(action, sizeof(action), "touch %s/tmp/ran", f->env.root);
	spec.action = action;
	r = run(f, &spec);
	assert_int_equal(r.result.end, RUN_NOT_STARTED);
	assert_non_null(strstr(r.result.why, "no-such-user-here"));
	run_record_deinit(&r);
	snprintf(action, sizeof(action), "%s/tmp/ran", f->env.root);
	assert_int_equal(access(action, F_OK), -1);
}

/* Small values by variable and by file; which variables depends on the path; an absent side has
 * neither. */
static void test_values(void **state)
{
	static const struct {
		const char *path, *old_name, *new_name;
	} rows[] = {
		{"Resources.R1.Metadata.a", "CFN_OLD_METADATA", "CFN_NEW_METADATA"},
		{"Resources.R1.PhysicalResourceId", "CFN_OLD_PHYSICAL_RESOURCE_ID",
		 "CFN_NEW_PHYSICAL_RESOURCE_ID"},
		{"Resources.R1", "CFN_OLD_LAST_UPDATED", "CFN_NEW_LAST_UPDATED"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct run_spec spec = {
			.path = rows[i].path, .old = "o l d", .new_value = "[1, 2]"};
		char action[512];
		struct run_record r;

		snprintf(action, sizeof(action),
			 "echo \"$%s|$%s|$(cat $CFN_OLD_METADATA_FILE)|$(cat "
			 "$CFN_NEW_METADATA_FILE)\"; env | grep -c ^CFN_",
			 rows[i].old_name, rows[i].new_name);
		spec.action = action;
		r = run(*state, &spec);
		assert_tail(&r, "o l d|[1, 2]|o l d|[1, 2]\n7\n");
		spec.old = NULL;
		spec.action = "env | grep -c -e OLD; env | grep -c -e NEW";
		r = run(*state, &spec);
		assert_tail(&r, "0\n2\n");
	}
}

/* A value over the limit goes by file only, however large; the folder is gone afterwards. */
static void test_large_value(void **state)
{
	const struct fixture *f = *state;
	size_t n = 3u << 20;
	char *text = malloc(n + 1);
	struct run_spec spec = {
		.action = "env | grep -c '^CFN_NEW_METADATA='; wc -c < $CFN_NEW_METADATA_FILE",
		.env_max = 100};
	char path[ENV_PATH_MAX];
	struct run_record r;

	memset(text, 'x', n);
	text[n] = '\0';
	spec.new_value = text;
	r = run(f, &spec);
	assert_tail(&r, "0\n3145728\n");
	text[101] = '\0';
	r = run(f, &spec);
	assert_tail(&r, "0\n101\n");
	text[100] = '\0';
	r = run(f, &spec);
	assert_tail(&r, "1\n100\n");
	fixture_path(f, RUN_VALUES_DIR "/" ID, path);
	assert_int_equal(access(path, F_OK), -1);
	free(text);
}

/* A service event names the service. */
static void test_service(void **state)
{
	const struct run_spec spec = {.action = "echo $CFN_TRIGGER $CFN_SERVICE",
				      .service = "sshd",
				      .trigger = TRIGGER_SERVICE_RESTARTED};
	struct run_record r = run(*state, &spec);

	assert_tail(&r, "service.restarted sshd\n");
}

/* A hook out of time gets SIGTERM with its whole group, and ends at once if it obeys. */
static void test_timeout(void **state)
{
	const struct run_spec spec = {.action = "echo started; sleep 61.5 & sleep 61.5",
				      .timeout_ms = 200};
	int64_t start = clock_boot_ms();
	struct run_record r = run(*state, &spec);

	assert_true(clock_boot_ms() - start < 30000);
	assert_int_equal(r.result.end, RUN_TIMED_OUT);
	assert_int_equal(r.result.code, SIGTERM);
	assert_string_equal(r.result.tail, "started\n");
	run_record_deinit(&r);
}

/* One that does not obey is killed ten seconds later. */
static void test_timeout_kill(void **state)
{
	const struct run_spec spec = {.action = "trap '' TERM; while :; do sleep 0.2; done",
				      .timeout_ms = 100};
	int64_t start = clock_boot_ms(), took;
	struct run_record r = run(*state, &spec);

	took = clock_boot_ms() - start;
	assert_int_equal(r.result.end, RUN_TIMED_OUT);
	assert_int_equal(r.result.code, SIGKILL);
	assert_true(took >= SHEPHERD_TERM_MS && took < SHEPHERD_TERM_MS + 20000);
	run_record_deinit(&r);
}

/* A background child that keeps the output open does not keep the run open, and lives on. */
static void test_background_child(void **state)
{
	const struct fixture *f = *state;
	struct run_spec spec = {.path = NULL};
	int64_t start = clock_boot_ms();
	char action[ENV_PATH_MAX + 100];
	struct run_record r;
	char *text;

	snprintf(action, sizeof(action),
		 "(sleep 5; echo late; echo alive > %s/tmp/mark) & echo now", f->env.root);
	spec.action = action;
	r = run(f, &spec);
	assert_true(clock_boot_ms() - start < 4900);
	assert_tail(&r, "now\n");
	for (int i = 0; i < 200; i++) {
		text = fixture_read(f, "/tmp/mark");
		if (*text)
			break;
		free(text);
		text = NULL;
		usleep(100000);
	}
	assert_non_null(text);
	assert_string_equal(text, "alive\n");
	free(text);
}

/* Where cgroups may be made a run has one, so that even a child in a session of its own ends with a
 * hook out of time. */
static void test_cgroup(void **state)
{
	const struct fixture *f = *state;
	char path[ENV_PATH_MAX], action[ENV_PATH_MAX + 200];
	struct run_spec spec = {.action = "grep -c heat-pulse-hooks/" ID " /proc/self/cgroup"};
	struct run_record r;
	char *text;

	fixture_path(f, "/sys", path);
	assert_int_equal(rmdir(path), 0);
	if (!hook_cgroup_make(&f->env, ID, path))
		skip_because("no cgroup2 that is ours to write");
	r = run(f, &spec);
	assert_tail(&r, "1\n");
	assert_int_equal(access(path, F_OK), -1);
	snprintf(action, sizeof(action),
		 "setsid sh -c 'sleep 1; echo alive > %s/tmp/mark' & sleep 60", f->env.root);
	spec.action = action;
	spec.timeout_ms = 200;
	r = run(f, &spec);
	assert_int_equal(r.result.end, RUN_TIMED_OUT);
	run_record_deinit(&r);
	usleep(1300000);
	text = fixture_read(f, "/tmp/mark");
	assert_string_equal(text, "");
	free(text);
	hook_cgroup_sweep(&f->env);
	assert_int_equal(access(path, F_OK), -1);
	hook_cgroup_remove(&f->env, "");
}

/* Output without end costs a bounded tail. */
static void test_big_output(void **state)
{
	const struct run_spec spec = {
		.action = "yes 0123456789 | head -c 20000000; echo; echo the end",
		.output_max = 1000};
	struct run_record r = run(*state, &spec);

	assert_int_equal(r.result.end, RUN_EXITED);
	assert_true(strlen(r.result.tail) <= 1000 && strlen(r.result.tail) > 900);
	assert_string_equal(r.result.tail + strlen(r.result.tail) - 8, "the end\n");
	run_record_deinit(&r);
}

/* Bytes that are no UTF-8 do not break the record. */
static void test_invalid_utf8(void **state)
{
	const struct run_spec spec = {.action = "printf 'a\\377b\\000c\\303\\251\\n'"};
	struct run_record r = run(*state, &spec);

	assert_tail(&r, "a\\xffb\\x00c\xc3\xa9\n");
}

/* Where the record cannot be written the hook runs all the same, and the reserved space tells start
 * and end. */
static void test_record_refused(void **state)
{
	const struct fixture *f = *state;
	char action[2 * ENV_PATH_MAX];
	struct run_spec spec = {.action = action};
	struct run_record r;
	char *seen;

	/* A folder in the record's place: it can be neither read nor replaced. */
	fixture_mkdir(f, RUNS_DIR "/" ID ".json/x", 0700);
	snprintf(action, sizeof(action), "head -c 7 %s%s/%s.lock > %s/tmp/seen; exit 6",
		 f->env.root, RUNS_DIR, ID, f->env.root);
	r = run(f, &spec);
	assert_int_equal(r.result.end, RUN_EXITED);
	assert_int_equal(r.result.code, 6);
	run_record_deinit(&r);
	seen = fixture_read(f, "/tmp/seen");
	assert_string_equal(seen, "started");
	free(seen);
}

/* The signals that stop an agent do not stop a shepherd or its hook. */
static void test_survives_signals(void **state)
{
	const struct run_spec spec = {
		.action =
			"kill -TERM $PPID; kill -HUP $PPID; kill -INT $PPID; sleep 0.1; echo done"};
	struct run_record r = run(*state, &spec);

	assert_tail(&r, "done\n");
}

/* Without a reader of the log (closed or full) the run goes on to its end. */
static void test_dead_log(void **state)
{
	const struct run_spec spec = {
		.action = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done",
		.output_max = 20};
	int saved = dup(STDERR_FILENO), pipes[2];
	struct run_record r;

	assert_int_equal(pipe(pipes), 0);
	fcntl(pipes[1], F_SETPIPE_SZ, 4096);
	dup2(pipes[1], STDERR_FILENO);
	r = run(*state, &spec); /* nobody reads: full after some lines */
	assert_non_null(strstr(r.result.tail, "298\nline 299\n"));
	run_record_deinit(&r);
	close(pipes[0]);
	r = run(*state, &spec); /* nobody ever will: EPIPE */
	assert_int_equal(r.result.end, RUN_EXITED);
	run_record_deinit(&r);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exit, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_signalled, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_world, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_signals_reset, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_runas, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_unknown_user, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_values, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_large_value, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_service, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_timeout, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_timeout_kill, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_background_child, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_cgroup, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_big_output, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_invalid_utf8, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_record_refused, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_survives_signals, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_dead_log, fixture_setup, fixture_teardown),
	};

	log_setup(LOG_LEVEL_INFO, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
