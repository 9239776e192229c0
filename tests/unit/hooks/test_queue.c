/* SPDX-License-Identifier: Apache-2.0 */
/* From documents to finished hooks, with a real store, a real runner and real hooks. */
#include "queue_world.h"

#include <dirent.h>

#include "core/log.h"
#include "hooks/run_record.h"

#define SHOW                                                                                       \
	"echo $CFN_HOOK_NAME $CFN_TRIGGER old=$CFN_OLD_METADATA new=$CFN_NEW_METADATA >> %(log)s"

/* The life of a value: appears, changes, stays, goes, comes back. */
static void test_life_of_a_value(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=" SHOW "\n");

	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	agent_offer_and_wait(a, "R1", "{\"v\": 1, \"sibling\": 5}");
	agent_offer_and_wait(a, "R1", "{\"v\": {\"x\": [true, null]}}");
	agent_offer_and_wait(a, "R1", "{}");
	agent_offer_and_wait(a, "R1", "{}");
	agent_offer_and_wait(a, "R1", "{\"v\": \"a string\"}");
	assert_log(a, "h post.add old= new=1\n"
		      "h post.update old=1 new={\"x\": [true, null]}\n"
		      "h post.remove old={\"x\": [true, null]} new=\n"
		      "h post.add old= new=a string\n");
	assert_int_equal(a->failed, 0);
	agent_free(a);
}

/* What was accepted is remembered over a restart of everything. */
static void test_restart(void **state)
{
	struct agent *a =
		make(state,
		     "[h]\ntriggers=post.update\npath=Resources.R1.Metadata.v\naction=" SHOW "\n");

	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	agent_settle(a);
	agent_restart(a);
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	assert_log(a, "");
	agent_restart(a);
	agent_offer_and_wait(a, "R1", "{\"v\": 2}");
	agent_settle(a);
	agent_restart(a);
	agent_offer_and_wait(a, "R1", "{\"v\": 2}");
	assert_log(a, "h post.update old=1 new=2\n");
	agent_free(a);
}

/* With compat = heat an update hook fires when nothing is known yet. */
static void test_heat_compat(void **state)
{
	struct fixture *f = *state;
	struct agent *a;

	f->conf.compat = CONF_COMPAT_HEAT;
	a = make(state,
		 "[h]\ntriggers=post.update\npath=Resources.R1.Metadata.v\naction=" SHOW "\n");
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	assert_log(a, "h post.update old= new=1\n");
	agent_free(a);
}

/* One at a time, in load order within a document; two resources that do not change fire nothing. */
static void test_order(void **state)
{
#define SLOW                                                                                       \
	"triggers=post.add,post.update\naction=echo $CFN_HOOK_NAME+ >> %(log)s; sleep 0.05; echo " \
	"$CFN_HOOK_NAME- >> %(log)s\n"
	struct agent *a = make(state, "[c]\npath=Resources.R1.Metadata\n" SLOW
				      "[a]\npath=Resources.R2.Metadata\n" SLOW
				      "[b]\npath=Resources.R1.Metadata\n" SLOW);

	agent_offer(a, "R1", "{\"v\": 1}");
	agent_offer(a, "R2", "{\"v\": 1}");
	agent_wait(a, 1, 3);
	assert_log(a, "c+\nc-\nb+\nb-\na+\na-\n");
	clear_log(a);
	for (int i = 0; i < 3; i++) {
		agent_offer_and_wait(a, "R1", "{\"v\": 1}");
		agent_offer_and_wait(a, "R2", "{\"v\": 1}");
	}
	assert_log(a, "");
	agent_free(a);
}

/* PhysicalResourceId and the time of the last update are values too. */
static void test_other_parts(void **state)
{
	struct agent *a =
		make(state, "[p]\ntriggers=post.add\npath=Resources.R1.PhysicalResourceId\n"
			    "action=echo $CFN_NEW_PHYSICAL_RESOURCE_ID >> %(log)s\n"
			    "[u]\ntriggers=post.add\npath=Resources.R1\naction=echo "
			    "$CFN_NEW_LAST_UPDATED >> %(log)s\n");

	agent_offer_and_wait(a, "R1", NULL);
	assert_log(a, "phys\n2026-01-01T00:00:00Z\n");
	agent_free(a);
}

static bool short_of_memory;

/* Fails once. */
static void *fail_next(size_t n)
{
	bool fails = short_of_memory;

	short_of_memory = false;
	return fails ? NULL : malloc(n);
}

/* A value that cannot be held for want of memory is not a value that has gone: the next document
 * tells. */
static void test_no_memory_removes_nothing(void **state)
{
	struct agent *a =
		make(state, "[p]\ntriggers=post.remove\npath=Resources.R1.PhysicalResourceId\n"
			    "action=" SHOW "\n");

	agent_offer_and_wait(a, "R1", NULL);
	agent_offer(a, "R1", NULL);
	short_of_memory = true;
	json_set_alloc_funcs(fail_next, free);
	world_turn(a->w, 100);
	json_set_alloc_funcs(malloc, free);
	assert_false(short_of_memory);
	agent_offer_and_wait(a, "R1", NULL);
	world_turn(a->w, 100);
	assert_log(a, "");
	assert_int_equal(a->failed, 0);
	agent_free(a);
}

/* A resource in progress is left alone: its document decides nothing. */
static void test_in_progress(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=" SHOW "\n");
	struct document doc = {.source = "test",
			       .resource = strdup("R1"),
			       .metadata = json_pack("{s:i}", "v", 1),
			       .in_progress = true};

	assert_int_equal(hook_queue_offer(a->queue, &doc), 0);
	world_turn(a->w, 100);
	assert_int_equal(a->idles, 0);
	document_deinit(&doc);
	agent_offer_and_wait(a, "R1", "{\"v\": 2}");
	assert_log(a, "h post.add old= new=2\n");
	agent_free(a);
}

/* A failing hook is tried hook_tries times with growing pauses, then is quiet until the value
 * changes. */
static void test_give_up(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=echo x >> %(log)s; exit 4\n");
	int64_t start = clock_boot_ms();

	agent_offer(a, "R1", "{\"v\": 1}");
	agent_wait(a, 0, 3);
	assert_true(clock_boot_ms() - start >= 300); /* 100 + 200 */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(a->reports[i].attempt, i + 1);
		assert_int_equal(a->reports[i].code, 4);
		assert_int_equal(a->reports[i].gave_up, i == 2);
		assert_int_equal(a->reports[i].final, i == 2);
	}
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	assert_int_equal(a->failed, 1);
	world_turn(a->w, 50);
	agent_restart(a);
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	assert_log(a, "x\nx\nx\n");
	assert_int_equal(a->failed, 1);
	agent_offer(a, "R1", "{\"v\": 2}");
	agent_wait(a, 0, 3);
	assert_log(a, "x\nx\nx\nx\nx\nx\n");
	agent_free(a);
}

/* A retry that succeeds is the end of it, and the old value is still the last accepted one. */
static void test_retry_succeeds(void **state)
{
	struct agent *a =
		make(state, "[h]\n" ALL "action=" SHOW
			    "; test -e %(root)s/tmp/ok || { touch %(root)s/tmp/ok; false; }\n");

	agent_offer_and_wait(a, "R1", "{}");
	agent_offer(a, "R1", "{\"v\": 1}");
	agent_wait(a, 0, 2);
	assert_true(a->reports[1].final && !a->reports[1].gave_up);
	assert_int_equal(a->reports[1].attempt, 2);
	agent_offer_and_wait(a, "R1", "{\"v\": 2}");
	assert_log(a, "h post.add old= new=1\nh post.add old= new=1\nh post.update old=1 new=2\n");
	assert_int_equal(hook_queue_retrying(a->queue), 0);
	agent_free(a);
}

/* While a retry is pending: a newer value replaces it, the accepted value drops it. */
static void test_replace_and_drop(void **state)
{
	struct fixture *f = *state;
	struct agent *a =
		make(state, "[h]\n" ALL "action=" SHOW "; test \"$CFN_NEW_METADATA\" != 1\n");

	f->conf.hook_retry_ms = 700;
	agent_offer_and_wait(a, "R1", "{\"v\": 0}");
	clear_log(a);
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	assert_int_equal(hook_queue_retrying(a->queue), 1);
	agent_offer_and_wait(a, "R1", "{\"v\": 2}");
	world_turn(a->w, 900);
	assert_log(a, "h post.update old=0 new=1\nh post.update old=0 new=2\n");
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	clear_log(a);
	agent_offer_and_wait(a, "R1", "{\"v\": 2}");
	assert_int_equal(hook_queue_retrying(a->queue), 0);
	world_turn(a->w, 900);
	assert_log(a, "");
	agent_free(a);
}

/* A value that comes while the hook runs waits; of several only the last is run. */
static void test_value_while_running(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=" SHOW "; sleep 0.3\n");

	agent_offer(a, "R1", "{\"v\": 1}");
	wait_log(a, "h post.add old= new=1\n");
	agent_offer(a, "R1", "{\"v\": 2}");
	world_turn(a->w, 20);
	agent_offer(a, "R1", "{\"v\": 3}");
	agent_wait(a, 1, 2);
	assert_log(a, "h post.add old= new=1\nh post.update old=1 new=3\n");
	agent_free(a);
}

/* Switched off, nothing starts; switched on, what was due runs. */
static void test_switch(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=" SHOW "\n");

	hook_queue_disable(a->queue, true, "test");
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	agent_settle(a);
	agent_restart(a);
	hook_queue_disable(a->queue, true, "test");
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	assert_log(a, "");
	agent_count_from_here(a);
	hook_queue_disable(a->queue, false, NULL);
	agent_wait(a, 0, 1);
	assert_log(a, "h post.add old= new=1\n");
	agent_free(a);
}

/* The runner's own look at the switch costs no try. */
static void test_switch_of_the_runner(void **state)
{
	struct fixture *f = *state;
	struct agent *a = make(state, "[h]\n" ALL "action=" SHOW "\n");
	char path[ENV_PATH_MAX];

	fixture_mkdir(f, "/etc/heat-pulse", 0755);
	fixture_write(f, "/etc/heat-pulse/hooks.disabled", "", 0644);
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	assert_int_equal(a->n_reports, 0);
	fixture_path(f, "/etc/heat-pulse/hooks.disabled", path);
	unlink(path);
	agent_count_from_here(a);
	hook_queue_disable(a->queue, false, NULL);
	agent_wait(a, 0, 1);
	assert_int_equal(a->reports[0].attempt, 1);
	assert_log(a, "h post.add old= new=1\n");
	agent_free(a);
}

/* The runner ends a run while no agent is there: its successor takes the result over. */
static void test_result_without_agent(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=echo x >> %(log)s; sleep 0.2; exit 3\n");

	agent_offer(a, "R1", "{\"v\": 1}");
	wait_log(a, "x\n"); /* it runs */
	agent_stop(a);
	world_connect(a->w);
	world_turn(a->w, 400);
	agent_start(a);
	agent_wait(a, 0, 1);
	assert_int_equal(a->reports[0].attempt, 1);
	assert_int_equal(a->reports[0].code, 3);
	agent_free(a);
}

static unsigned count_records(const struct fixture *f)
{
	char path[ENV_PATH_MAX];
	unsigned n = 0;
	DIR *dir;

	fixture_path(f, RUNS_DIR, path);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

/* Records of finished runs are forgotten once the state is on disk. */
static void test_records_go(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=" SHOW "; false\n");

	agent_offer(a, "R1", "{\"v\": 1}");
	agent_wait(a, 0, 3);
	world_turn(a->w, 200);
	assert_int_equal(count_records(*state), 0);
	agent_free(a);
}

/* A state that cannot be written does not stop hooks, and its records stay as evidence. */
static void test_disk_refuses(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=" SHOW "\n");
	char dir[ENV_PATH_MAX];

	world_turn(a->w, 50);
	fixture_path(*state, STORE_DIR, dir);
	fs_remove_tree(dir);
	fixture_write(*state, STORE_DIR, "no folder", 0600);
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	agent_offer_and_wait(a, "R1", "{\"v\": 2}");
	assert_log(a, "h post.add old= new=1\nh post.update old=1 new=2\n");
	assert_true(count_records(*state) > 0);
	agent_free(a);
}

/* Nothing starts before what is owed is on disk. */
static void test_journal_first(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=" SHOW "\n");

	world_turn(a->w, 50);
	kill(a->store_pid, SIGSTOP);
	agent_offer(a, "R1", "{\"v\": 1}");
	world_turn(a->w, 300);
	assert_log(a, "");
	kill(a->store_pid, SIGCONT);
	agent_wait(a, 0, 1);
	assert_log(a, "h post.add old= new=1\n");
	agent_free(a);
}

/* A record outlives its run for as long as the disk is silent: killed then, nothing is run twice.
 */
static void test_forget_last(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=" SHOW "; sleep 1\n");

	agent_offer(a, "R1", "{\"v\": 1}");
	wait_log(a, "h post.add old= new=1\n");
	kill(a->store_pid, SIGSTOP);
	agent_wait(a, 0, 1);
	world_turn(a->w, 100);
	agent_restart(a);
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	for (int i = 0; i < 500 && count_records(*state); i++)
		world_turn(a->w, 20);
	assert_log(a, "h post.add old= new=1\n");
	assert_int_equal(count_records(*state), 0);
	agent_free(a);
}

/* A document of a megabyte reaches its hook by file. */
static void test_large(void **state)
{
	struct agent *a =
		make(state, "[h]\n" ALL "action=wc -c < $CFN_NEW_METADATA_FILE >> %(log)s; echo "
			    "${CFN_NEW_METADATA-unset} >> %(log)s\n");
	struct buf text = BUF_INIT(2u << 20);

	buf_puts(&text, "{\"v\": \"");
	for (int i = 0; i < 1048576 / 16; i++)
		buf_puts(&text, "0123456789abcdef");
	buf_puts(&text, "\"}");
	agent_offer_and_wait(a, "R1", buf_str(&text));
	assert_log(a, "1048576\nunset\n");
	buf_deinit(&text);
	agent_free(a);
}

static const char *status_of(struct agent *a, char out[static 64])
{
	json_t *list = hook_queue_status(a->queue);

	snprintf(out, 64, "%s",
		 json_string_value(json_object_get(json_array_get(list, 0), "state")));
	json_decref(list);
	return out;
}

static void wait_status(struct agent *a, const char *expected)
{
	char word[64];

	for (int i = 0; i < 1000 && strcmp(status_of(a, word), expected); i++)
		world_turn(a->w, 10);
	assert_string_equal(status_of(a, word), expected);
}

/* status names what a hook is at. */
static void test_status(void **state)
{
	struct agent *a =
		make(state, "[h]\n" ALL "action=sleep 0.3; test \"$CFN_NEW_METADATA\" = 1\n");
	char word[64];
	json_t *list;

	wait_status(a, "idle");
	agent_offer(a, "R1", "{\"v\": 1}");
	wait_status(a, "running");
	agent_wait(a, 1, 1);
	assert_string_equal(status_of(a, word), "idle");
	agent_offer(a, "R1", "{\"v\": 2}");
	agent_wait(a, 0, 1);
	assert_string_equal(status_of(a, word), "retrying");
	agent_wait(a, 0, 2);
	assert_string_equal(status_of(a, word), "gave-up");
	list = hook_queue_status(a->queue);
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(json_array_get(list, 0), "last"), "end")),
			    "exited");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "tries")), 3);
	json_decref(list);
	agent_free(a);
}

/* New hooks at run time: states of those that stay are kept, new ones begin. */
static void test_new_hooks(void **state)
{
	struct agent *a = make(state, "[h]\n" ALL "action=" SHOW "\n");
	struct hookset set;
	char text[4096], *json;

	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	hookset_deinit(&a->w->set);
	snprintf(text, sizeof(text), "[DEFAULT]\nlog=%s/tmp/log\n%s", a->w->f->env.root,
		 "[h]\n" ALL "action=" SHOW "\n[new]\n" ALL "action=" SHOW "\n");
	world_load(*state, text, &a->w->set);
	runner_set_hooks(a->w->runner, &a->w->set);
	json = hookset_to_json(&a->w->set);
	assert_int_equal(hookset_from_json(json, strlen(json), &set, NULL), 0);
	free(json);
	assert_int_equal(hook_queue_set_hooks(a->queue, &set), 0);
	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	assert_log(a, "h post.add old= new=1\nnew post.add old= new=1\n");
	agent_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life_of_a_value, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_restart, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_heat_compat, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_order, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_other_parts, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_no_memory_removes_nothing, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_in_progress, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_give_up, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_retry_succeeds, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_replace_and_drop, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_value_while_running, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_switch, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_switch_of_the_runner, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_result_without_agent, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_records_go, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_disk_refuses, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_journal_first, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_forget_last, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_large, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_status, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_new_hooks, fixture_setup, fixture_teardown),
	};

	log_setup(LOG_LEVEL_WARN, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
