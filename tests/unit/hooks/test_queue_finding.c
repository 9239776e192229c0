/* SPDX-License-Identifier: Apache-2.0 */
/* From a finding to the hooks that want it, with a real store, a real runner and real hooks. */
#include "queue_world.h"

#include "core/log.h"
#include "hooks/finding.h"
#include "hooks/protocol.h"
#include "hooks/run_record.h"
#include "tests/unit/skip.h"

#define LINE                                                                                       \
	"echo $CFN_TRIGGER $HEAT_PULSE_CLASS $HEAT_PULSE_ENTITY $HEAT_PULSE_LEVEL "                \
	"$HEAT_PULSE_EVENT >> %(log)s"

static void tell(struct agent *a, const char *entity, enum finding_level level, enum hook_event event)
{
	const struct hook_finding f = {.class_name = "process_down",
				       .entity = entity,
				       .level = level,
				       .event = event,
				       .evidence = "no process of that name (0)",
				       .eta_s = -1,
				       .risk = 0.6};

	assert_int_equal(hook_queue_finding(a->queue, &f), 0);
}

/* Each hook that wants the class, the level and the event runs once; no other does, and no value
 * starts such a hook. */
static void test_who_is_told(void **state)
{
	struct agent *a = make(state, "[finding.process_down]\naction=" LINE "\n"
				      "[finding.*]\nlevels=notice\naction=echo all $CFN_HOOK_NAME >> %(log)s\n"
				      "[finding.oom_kill]\naction=echo wrong >> %(log)s\n"
				      "[v]\n" ALL "action=echo wrong >> %(log)s\n");

	agent_offer_and_wait(a, "R2", "{\"v\": 1}");
	tell(a, "sshd", FINDING_CRITICAL, HOOK_EVENT_OPENED);
	agent_wait(a, 0, 1);
	assert_string_equal(a->reports[0].trigger, "finding");
	assert_string_equal(a->reports[0].hook, "finding.process_down");
	assert_true(a->reports[0].final);
	tell(a, "sshd", FINDING_CRITICAL, HOOK_EVENT_CLOSED);
	tell(a, "cron", FINDING_NOTICE, HOOK_EVENT_OPENED);
	agent_wait(a, 0, 1);
	tell(a, "sshd", FINDING_CRITICAL, HOOK_EVENT_RAISED);
	agent_wait(a, 0, 1);
	assert_log(a, "finding process_down sshd critical opened\nall finding.*\n"
		      "finding process_down sshd critical raised\n");
	agent_free(a);
}

/* Environment and file hold the finding; what stands in a name of others is never run. */
static void test_environment(void **state)
{
	const struct hook_finding f = {
		.class_name = "memory_exhaustion",
		.entity = "$(touch /tmp/x);`id`'\"\n[1]",
		.level = FINDING_WARNING,
		.event = HOOK_EVENT_RAISED,
		.evidence = "full in 15 min",
		.eta_s = 900,
		.risk = 0.5,
	};
	struct agent *a = make(
		state, "[finding.*]\naction=printf '%%s|' \"$CFN_HOOK_NAME\" \"$CFN_TRIGGER\" "
		       "\"$HEAT_PULSE_CLASS\" \"$HEAT_PULSE_ENTITY\" \"$HEAT_PULSE_LEVEL\" "
		       "\"$HEAT_PULSE_EVENT\" \"$HEAT_PULSE_EVIDENCE\" \"$HEAT_PULSE_ETA_S\" "
		       "\"${CFN_RESOURCE-unset}\" \"${CFN_OLD_METADATA_FILE-unset}\" > %(log)s; "
		       "cp \"$CFN_NEW_METADATA_FILE\" %(root)s/tmp/file; printf %%s \"$CFN_NEW_METADATA\" > "
		       "%(root)s/tmp/env; tr '\\0' ' ' < /proc/$$/cmdline > %(root)s/tmp/argv\n");
	char *file, *env, *argv;
	struct hook_finding back;
	json_t *j;

	assert_int_equal(hook_queue_finding(a->queue, &f), 0);
	agent_wait(a, 0, 1);
	assert_log(a, "finding.*|finding|memory_exhaustion|$(touch /tmp/x);`id`'\"?[1]|warning|raised|"
		      "full in 15 min|900|unset|unset|");
	file = fixture_read(*state, "/tmp/file");
	env = fixture_read(*state, "/tmp/env");
	argv = fixture_read(*state, "/tmp/argv");
	assert_string_equal(file, env);
	j = json_loads(file, 0, NULL);
	assert_int_equal(finding_from_json(j, &back), 0);
	assert_string_equal(back.entity, "$(touch /tmp/x);`id`'\"?[1]");
	assert_int_equal(back.eta_s, 900);
	assert_non_null(strstr(argv, "printf"));
	assert_null(strstr(argv, "touch"));
	json_decref(j);
	free(file);
	free(env);
	free(argv);
	agent_free(a);
}

/* Findings that come before hooks and states are known are told as soon as they are. */
static void test_early(void **state)
{
	struct agent *a = make(state, "[finding.*]\naction=" LINE "\n");

	tell(a, "early", FINDING_WARNING, HOOK_EVENT_OPENED); /* the loop has not turned yet */
	tell(a, "early", FINDING_WARNING, HOOK_EVENT_OPENED);
	assert_false(hook_queue_idle(a->queue));
	agent_wait(a, 1, 1);
	assert_log(a, "finding process_down early warning opened\n");
	agent_free(a);
}

/* Of what is the same only the youngest waits, and it waits at the end: the last word that a hook
 * hears is the truth. */
static void test_waiting_is_replaced(void **state)
{
	struct agent *a = make(state, "[finding.*]\non=opened,closed\naction=" LINE "\n");

	agent_offer_and_wait(a, "R1", "{}");
	hook_queue_disable(a->queue, true, "test");
	for (int i = 0; i < 50; i++) {
		tell(a, "sshd", FINDING_WARNING, HOOK_EVENT_OPENED);
		tell(a, "sshd", FINDING_WARNING, HOOK_EVENT_CLOSED);
	}
	tell(a, "cron", FINDING_WARNING, HOOK_EVENT_OPENED);
	tell(a, "sshd", FINDING_CRITICAL, HOOK_EVENT_OPENED);
	world_turn(a->w, 50);
	hook_queue_disable(a->queue, false, NULL);
	agent_wait(a, 0, 3);
	agent_wait(a, 1, 0);
	assert_log(a, "finding process_down sshd warning closed\n"
		      "finding process_down cron warning opened\n"
		      "finding process_down sshd critical opened\n");
	agent_free(a);
}

/* A storm of findings is bounded, on disk too, and what was journalled before it is still told. */
static void test_storm(void **state)
{
	struct agent *a;
	char *text;
	size_t lines = 0;

	if (under_valgrind())
		skip_because("valgrind makes 500 findings take longer than the test waits");
	a = make(state, "[finding.*]\naction=echo $HEAT_PULSE_ENTITY >> %(log)s\n");
	agent_offer_and_wait(a, "R1", "{}");
	hook_queue_disable(a->queue, true, "test");
	for (int i = 0; i < 500; i++) {
		char name[32];

		snprintf(name, sizeof(name), "p%d", i);
		tell(a, name, FINDING_WARNING, HOOK_EVENT_OPENED);
	}
	world_turn(a->w, 50);
	agent_restart(a);
	agent_wait(a, 0, 63);
	world_turn(a->w, 100);
	text = fixture_read(*state, "/tmp/log");
	assert_true(text_starts(text, "p0\np1\n"));
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 63);
	free(text);
	agent_free(a);
}

/* Bounded before the hooks are known, too; the caller hears of it. */
static void test_early_storm(void **state)
{
	struct agent *a = make(state, "[finding.*]\naction=true\n");
	int refused = 0;

	for (int i = 0; i < 100; i++) {
		char name[32];
		const struct hook_finding f = {"anomaly", name, FINDING_NOTICE, HOOK_EVENT_OPENED,
					       "x",       -1,   0};
		int r;

		snprintf(name, sizeof(name), "p%d", i);
		r = hook_queue_finding(a->queue, &f);
		assert_true(r == 0 || r == -ENOBUFS);
		refused += r != 0;
	}
	assert_int_equal(refused, 100 - 63);
	agent_free(a);
}

/* What was journalled is told after the agent's death, before its run or during it, and once. */
static void test_deaths(void **state)
{
	struct agent *a = make(state, "[finding.*]\naction=echo $HEAT_PULSE_ENTITY "
				      "$HEAT_PULSE_EVIDENCE >> %(log)s; sleep 0.4; echo end >> %(log)s\n");

	agent_offer_and_wait(a, "R1", "{}");
	hook_queue_disable(a->queue, true, "test");
	tell(a, "before", FINDING_WARNING, HOOK_EVENT_OPENED);
	world_turn(a->w, 100);
	assert_log(a, "");
	agent_restart(a);
	wait_log(a, "before no process of that name (0)\n");
	agent_restart(a);
	agent_wait(a, 0, 1);
	assert_log(a, "before no process of that name (0)\nend\n");
	agent_restart(a);
	world_turn(a->w, 300);
	world_restart_runner(a->w);
	hook_queue_set_runner(a->queue, a->w->agent_end);
	world_turn(a->w, 300);
	assert_log(a, "before no process of that name (0)\nend\n");
	agent_free(a);
}

/* A hook that fails is tried again, with the same finding, and given up in the end. */
static void test_retries(void **state)
{
	struct agent *a = make(state, "[finding.*]\naction=" LINE "; exit 1\n");

	tell(a, "sshd", FINDING_WARNING, HOOK_EVENT_OPENED);
	agent_wait(a, 0, 3);
	assert_false(a->reports[1].final);
	assert_true(a->reports[2].gave_up);
	assert_log(a, "finding process_down sshd warning opened\nfinding process_down sshd warning opened\n"
		      "finding process_down sshd warning opened\n");
	tell(a, "sshd", FINDING_WARNING, HOOK_EVENT_OPENED);
	agent_wait(a, 0, 1);
	assert_int_equal(a->reports[3].attempt, 1);
	agent_free(a);
}

/* ---- the runner's own judgement ---- */

static void on_refused(struct link *link, int status, struct link_msg *msg, void *ctx)
{
	int *ret = ctx;

	(void)link;
	(void)msg;
	*ret = status;
}

struct wish {
	const char *class_name, *entity, *resource;
	uint32_t level, event;
	bool whole;
};

static int ask(struct agent *a, const struct wish *wish)
{
	char id[RUN_ID_LEN + 1];
	struct msg_writer w = {.len = 0};
	int status = 1;

	memset(id, 'a', RUN_ID_LEN);
	id[RUN_ID_LEN] = '\0';
	msg_put_str(&w, id);
	msg_put_str(&w, "finding.process_down");
	msg_put_u32(&w, TRIGGER_FINDING);
	msg_put_str(&w, wish->resource);
	msg_put_str(&w, NULL);
	msg_put_u32(&w, 1);
	msg_put_u32(&w, 0);
	msg_put_str(&w, wish->class_name);
	msg_put_str(&w, wish->entity);
	msg_put_u32(&w, wish->level);
	msg_put_u32(&w, wish->event);
	msg_put_str(&w, "evidence");
	if (wish->whole)
		msg_put_i64(&w, -1);
	assert_int_equal(link_call(a->w->agent_end, RUNNER_RUN, &w, NULL, 0, 20000, on_refused,
				   &status),
			 0);
	for (int i = 0; i < 500 && status == 1; i++)
		world_turn(a->w, 20);
	return status;
}

/* The runner starts only what its own table says: the agent cannot run a hook for another class,
 * level, event or with a text that is too long. */
static void test_runner_refuses(void **state)
{
	static const struct {
		struct wish wish;
		int status;
	} rows[] = {
		{{"process_down", "e", "", FINDING_WARNING, HOOK_EVENT_RAISED, true}, -EPERM},
		{{"process_down", "e", "", FINDING_NOTICE, HOOK_EVENT_OPENED, true}, -EPERM},
		{{"oom_kill", "e", "", FINDING_WARNING, HOOK_EVENT_OPENED, true}, -EPERM},
		{{"process_down", "e", "R1", FINDING_WARNING, HOOK_EVENT_OPENED, true}, -EPERM},
		{{"process_down", "e", "", 3, HOOK_EVENT_OPENED, true}, -EBADMSG},
		{{"process_down", "e", "", FINDING_WARNING, 3, true}, -EBADMSG},
		{{"process_down", NULL, "", FINDING_WARNING, HOOK_EVENT_OPENED, true}, -EBADMSG},
		{{"process_down", "e", "", FINDING_WARNING, HOOK_EVENT_OPENED, false}, -EBADMSG},
		{{"process_down", "e", "", FINDING_WARNING, HOOK_EVENT_OPENED, true}, 0},
	};
	struct agent *a = make(state, "[finding.process_down]\non=opened\naction=echo ran >> %(log)s\n");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int status = ask(a, &rows[i].wish);

		if (status != rows[i].status)
			fail_msg("row %zu: %d", i, status);
		assert_log(a, rows[i].status ? "" : "ran\n");
	}
	agent_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who_is_told, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_environment, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_early, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_waiting_is_replaced, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_storm, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_early_storm, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_deaths, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_retries, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_runner_refuses, fixture_setup, fixture_teardown),
	};

	log_setup(LOG_LEVEL_ERR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
