/* SPDX-License-Identifier: Apache-2.0 */
/* Sections finding.CLASS: what they mean, what is refused and where; findings as text of a journal. */
#include "fixture.h"

#include "core/json.h"
#include "hooks/finding.h"

static struct hookset load(const struct fixture *f, const char *text, struct problems *problems)
{
	struct hookset set = {0};

	fixture_write(f, "/etc/cfn/hooks.d/f.conf", text, 0600);
	assert_int_equal(hookset_load_from(&f->env, &f->conf, "/etc/cfn", NULL, &set, problems), 0);
	return set;
}

static const struct hook_finding leak = {.class_name = "memory_exhaustion",
					 .entity = "memory",
					 .level = FINDING_WARNING,
					 .event = HOOK_EVENT_OPENED,
					 .evidence = "java[412] grows 38 MiB a minute",
					 .eta_s = 900,
					 .risk = 0.8};

static struct hook_finding with(enum finding_level level, enum hook_event event, const char *class)
{
	struct hook_finding f = leak;

	f.level = level;
	f.event = event;
	f.class_name = class;
	return f;
}

/* Only the action is needed: warnings and critical ones, opened or raised, of that class alone. */
static void test_defaults(void **state)
{
	struct problems problems = {0};
	struct hookset set = load(*state, "[finding.memory_exhaustion]\naction=true\n", &problems);
	struct hook_finding f = leak;

	assert_int_equal(problems.n, 0);
	assert_int_equal(set.n, 1);
	assert_true(finding_wanted(&set.hooks[0], &f));
	f = with(FINDING_CRITICAL, HOOK_EVENT_RAISED, "memory_exhaustion");
	assert_true(finding_wanted(&set.hooks[0], &f));
	f = with(FINDING_NOTICE, HOOK_EVENT_OPENED, "memory_exhaustion");
	assert_false(finding_wanted(&set.hooks[0], &f));
	f = with(FINDING_CRITICAL, HOOK_EVENT_CLOSED, "memory_exhaustion");
	assert_false(finding_wanted(&set.hooks[0], &f));
	f = with(FINDING_CRITICAL, HOOK_EVENT_OPENED, "oom_kill");
	assert_false(finding_wanted(&set.hooks[0], &f));
	hookset_deinit(&set);
}

/* Every key counts, * is every class that exists, and all of it reaches the agent; the command and
 * a resource to watch do not. */
static void test_keys_reach_the_agent(void **state)
{
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set = load(f,
				  "[finding.*]\naction=echo\ntimeout=7s\nrunas=nobody\nlevels=notice , "
				  "critical\non=closed\n",
				  &problems);
	char *text = hookset_to_json(&set);
	struct hookset seen;
	struct hook_finding told = with(FINDING_NOTICE, HOOK_EVENT_CLOSED, "oom_kill");
	struct err e = ERR_INIT;
	size_t n;

	assert_int_equal(problems.n, 0);
	assert_int_equal(hookset_from_json(text, strlen(text), &seen, &e), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.hooks[0].triggers, TRIGGER_FINDING);
	assert_int_equal(seen.hooks[0].timeout_ms, 7000);
	assert_string_equal(seen.hooks[0].runas, "nobody");
	assert_null(seen.hooks[0].action);
	assert_null(hookset_resources(&seen, &n));
	assert_int_equal(n, 0);
	assert_true(finding_wanted(&seen.hooks[0], &told));
	told.level = FINDING_WARNING;
	assert_false(finding_wanted(&seen.hooks[0], &told));
	told = with(FINDING_CRITICAL, HOOK_EVENT_OPENED, "oom_kill");
	assert_false(finding_wanted(&seen.hooks[0], &told));
	told = with(FINDING_CRITICAL, HOOK_EVENT_CLOSED, "no_such_class");
	assert_false(finding_wanted(&seen.hooks[0], &told));
	free(text);
	hookset_deinit(&seen);
	hookset_deinit(&set);
}

/* What is wrong switches off its own section only, and the message names file and line. */
static void test_refused(void **state)
{
	static const struct {
		const char *text, *told;
	} rows[] = {
		{"[finding.oom_kill]\naction=true\ntriggers=post.add\n", "f.conf:3: [finding.oom_kill]: triggers has no"},
		{"[finding.oom_kill]\npath=Resources.R.Metadata\naction=true\n",
		 "f.conf:2: [finding.oom_kill]: path has no"},
		{"[finding.oom]\naction=true\n", "f.conf:1: [finding.oom]: there is no such class"},
		{"[finding.]\naction=true\n", "there is no such class"},
		{"[finding.oom_kill]\non=opened\n", "action is missing"},
		{"[finding.oom_kill]\naction=true\n\nlevels=warning,worst\n",
		 "f.conf:4: [finding.oom_kill]: levels is no list of notice, warning, critical"},
		{"[finding.oom_kill]\naction=true\nlevels=\n", "levels is no list"},
		{"[finding.oom_kill]\naction=true\non=open\n", "on is no list of opened, raised, closed"},
		{"[finding.oom_kill]\naction=true\ntimeout=soon\n", "f.conf:3: [finding.oom_kill]: timeout"},
		{"[finding.oom_kill]\naction=true\nrunas=\n", "runas is empty"},
		{"[plain]\naction=true\npath=Resources.R.Metadata\ntriggers=finding\n",
		 "trigger finding is unknown"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct problems problems = {0};
		char text[512];
		struct hookset set;

		snprintf(text, sizeof(text), "%s[finding.io_stall]\naction=true\n", rows[i].text);
		set = load(*state, text, &problems);
		assert_int_equal(set.n, 1);
		assert_string_equal(set.hooks[0].name, "finding.io_stall");
		assert_true(problems.n >= 1);
		if (!strstr(problems.list[0].text, rows[i].told))
			fail_msg("\"%s\" does not say \"%s\"", problems.list[0].text, rows[i].told);
		problems_deinit(&problems);
		hookset_deinit(&set);
	}
}

/* The agent takes no table in which a hook is of two kinds or of a class that is none. */
static void test_bad_tables(void **state)
{
#define TABLE(hook)                                                                                \
	"{\"v\":1,\"interval_ms\":0,\"umask\":18,\"hooks\":[{\"runas\":\"root\",\"line\":1,"          \
	"\"timeout_ms\":1,\"levels\":6," hook "}]}"
	static const char *const good =
		TABLE("\"name\":\"finding.oom_kill\",\"path\":\"\",\"triggers\":16,\"on\":1");
	static const char *const bad[] = {
		TABLE("\"name\":\"finding.oom\",\"path\":\"\",\"triggers\":16,\"on\":1"),
		TABLE("\"name\":\"oom_kill\",\"path\":\"\",\"triggers\":16,\"on\":1"),
		TABLE("\"name\":\"finding.oom_kill\",\"path\":\"\",\"triggers\":17,\"on\":1"),
		TABLE("\"name\":\"finding.oom_kill\",\"path\":\"\",\"triggers\":1,\"on\":1"),
		TABLE("\"name\":\"finding.oom_kill\",\"path\":\"Resources.R\",\"triggers\":16,\"on\":1"),
		TABLE("\"name\":\"finding.oom_kill\",\"path\":\"\",\"triggers\":16,\"on\":8"),
		TABLE("\"name\":\"finding.oom_kill\",\"path\":\"\",\"triggers\":16"),
	};
	struct hookset set;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(hookset_from_json(good, strlen(good), &set, &e), 0);
	hookset_deinit(&set);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (hookset_from_json(bad[i], strlen(bad[i]), &set, NULL) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	}
}

/* What goes into the journal comes out of it; an unknown time is no number. */
static void test_there_and_back(void **state)
{
	struct hook_finding f = leak, back;
	json_t *j = finding_json(&f, 1700000000999);
	int64_t time;

	(void)state;
	assert_int_equal(finding_from_json(j, &back), 0);
	assert_string_equal(back.class_name, f.class_name);
	assert_string_equal(back.entity, f.entity);
	assert_string_equal(back.evidence, f.evidence);
	assert_int_equal(back.level, f.level);
	assert_int_equal(back.event, f.event);
	assert_int_equal(back.eta_s, 900);
	assert_true(back.risk > 0.799 && back.risk < 0.801);
	assert_true(json_int(j, "time", &time));
	assert_int_equal(time, 1700000000);
	json_decref(j);
	f.eta_s = -1;
	j = finding_json(&f, 0);
	assert_null(json_object_get(j, "eta_s"));
	assert_int_equal(finding_from_json(j, &back), 0);
	assert_int_equal(back.eta_s, -1);
	json_decref(j);
}

/* Names that others chose can be anything: they are cut, stay one line, and are always text. */
static void test_texts_of_others(void **state)
{
	struct hook_finding f = leak, back;
	char endless[1000];
	json_t *j;

	(void)state;
	memset(endless, 'x', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	f.entity = "a\nb\x7f$(id)\xc3\xa9\xff tail";
	f.evidence = endless;
	j = finding_json(&f, 0);
	assert_int_equal(finding_from_json(j, &back), 0);
	assert_string_equal(back.entity, "a?b?$(id)\xc3\xa9");
	assert_int_equal(strlen(back.evidence), HOOK_EVIDENCE_MAX);
	json_decref(j);
	endless[HOOK_ENTITY_MAX - 1] = '\xc3';
	endless[HOOK_ENTITY_MAX] = '\xa9';
	f.entity = endless;
	j = finding_json(&f, 0);
	assert_int_equal(finding_from_json(j, &back), 0);
	assert_int_equal(strlen(back.entity), HOOK_ENTITY_MAX - 1);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_keys_reach_the_agent, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_refused, fixture_setup, fixture_teardown),
		cmocka_unit_test(test_bad_tables),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_texts_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
