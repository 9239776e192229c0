/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks whose shepherd, agent or runner dies while they run, and agents that live for one pass. */
#include "queue_world.h"

#include <dirent.h>

#include "core/log.h"
#include "hooks/run_record.h"

/* The shepherd of the run that has not ended; 0 = there is none. */
static pid_t shepherd_of(const struct fixture *f)
{
	char path[ENV_PATH_MAX];
	const struct dirent *d;
	pid_t pid = 0;
	DIR *dir;

	fixture_path(f, RUNS_DIR, path);
	dir = opendir(path);
	assert_non_null(dir);
	while ((d = readdir(dir))) {
		char name[600];
		char *text;
		const char *at;

		snprintf(name, sizeof(name), RUNS_DIR "/%s", d->d_name);
		text = fixture_read(f, name);
		at = strstr(text, "\"shepherd\":");
		if (at && !strstr(text, "\"result\""))
			pid = (pid_t)strtol(at + strlen("\"shepherd\":"), NULL, 10);
		free(text);
	}
	closedir(dir);
	return pid;
}

static void kill_shepherd(const struct fixture *f)
{
	pid_t pid = shepherd_of(f);

	assert_true(pid > 1); /* 0 would be all of us */
	assert_int_equal(kill(pid, SIGKILL), 0);
}

/* Cut off once, a hook is run once more at once; cut off again, that was a failed try. */
static void test_cut_off(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=echo x >> %(log)s; sleep 1\n");

	agent_offer(a, "R1", "{\"v\": 1}");
	wait_log(a, "x\n");
	kill_shepherd(*state);
	agent_wait(a, 0, 1);
	assert_int_equal(a->reports[0].end, RUN_CUT_OFF);
	assert_false(a->reports[0].final);
	wait_log(a, "x\nx\n");
	kill_shepherd(*state);
	agent_wait(a, 0, 1);
	assert_int_equal(a->reports[1].end, RUN_CUT_OFF);
	assert_int_equal(a->reports[1].attempt, 1);
	agent_wait(a, 0, 1);
	assert_int_equal(a->reports[2].attempt, 2);
	assert_int_equal(a->reports[2].end, RUN_EXITED);
	assert_log(a, "x\nx\nx\n");
	agent_free(a);
}

/* A store that does not answer when the agent starts is waited for: what it knows is not run again.
 */
static void test_silent_store(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=echo $CFN_NEW_METADATA >> %(log)s\n");
	struct link *link;

	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	assert_log(a, "1\n");
	agent_stop(a);
	world_connect(a->w);
	agent_start_store(a);
	link = take_ptr(a->store_link);
	agent_start_queue(a);
	agent_count_from_here(a);
	agent_offer(a, "R1", "{\"v\": 1}");
	world_turn(a->w, 500);
	assert_log(a, "1\n");
	assert_false(hook_queue_idle(a->queue));
	a->store_link = link;
	store_set_link(a->store, link);
	agent_wait(a, 1, 0);
	assert_log(a, "1\n");
	agent_offer_and_wait(a, "R1", "{\"v\": 2}");
	assert_log(a, "1\n2\n");
	agent_free(a);
}

/* Agent, runner or both die while a hook runs: it is waited for, not run again. */
static void test_deaths_while_running(void **state)
{
	struct agent *a =
		make(state,
		     "[h]\n" ALL
		     "action=echo $CFN_NEW_METADATA >> %(log)s; sleep 0.5; echo end >> %(log)s\n");

	agent_offer(a, "R1", "{\"v\": 1}");
	wait_log(a, "1\n");
	agent_restart(a);
	agent_wait(a, 0, 1);
	assert_int_equal(a->reports[0].end, RUN_EXITED);
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");

	agent_offer(a, "R1", "{\"v\": 2}");
	wait_log(a, "1\nend\n2\n");
	world_restart_runner(a->w);
	hook_queue_set_runner(a->queue, a->w->agent_end);
	agent_wait(a, 1, 1);

	agent_offer(a, "R1", "{\"v\": 3}");
	wait_log(a, "1\nend\n2\nend\n3\n");
	agent_stop(a);
	world_restart_runner(a->w);
	agent_start(a);
	agent_wait(a, 0, 1);
	agent_offer_and_wait(a, "R1", "{\"v\": 3}");
	assert_log(a, "1\nend\n2\nend\n3\nend\n");
	agent_free(a);
}

/* One pass: each hook once; what failed is tried in a later pass when it is due. */
static void test_one_pass(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=echo x >> %(log)s; exit 1\n");

	a->one_pass = true;
	agent_restart(a);
	hook_queue_round_over(a->queue);
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	assert_int_equal(a->failed, 1);
	world_turn(a->w, 300);
	assert_log(a, "x\n");
	agent_restart(a);
	hook_queue_round_over(a->queue);
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	world_turn(a->w, 100);
	assert_log(a, "x\nx\n");
	agent_free(a);
}

/* One pass: nothing runs before every resource was asked, then in load order, whoever answered first; a retry whose value
 * went back meanwhile is dropped. */
static void test_one_pass_order(void **state)
{
	struct agent *a = make(state, "[b]\ntriggers=post.add\npath=Resources.R2.Metadata.v\n"
				      "action=echo b >> %(log)s\n"
				      "[a]\n" ALL "action=echo a >> %(log)s; exit 1\n");

	a->one_pass = true;
	agent_restart(a);
	agent_offer(a, "R1", "{\"v\": 1}");
	agent_offer(a, "R2", "{\"v\": 1}");
	world_turn(a->w, 200);
	assert_log(a, "");
	hook_queue_round_over(a->queue);
	wait_log(a, "b\na\n");
	world_turn(a->w, 300);
	agent_restart(a);
	agent_offer(a, "R1", "{}");
	world_turn(a->w, 300);
	hook_queue_round_over(a->queue);
	world_turn(a->w, 200);
	assert_log(a, "b\na\n");
	agent_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cut_off, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_silent_store, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_deaths_while_running, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_one_pass, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_one_pass_order, fixture_setup,
						fixture_teardown),
	};

	log_setup(LOG_LEVEL_WARN, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
