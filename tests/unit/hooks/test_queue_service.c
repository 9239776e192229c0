/* SPDX-License-Identifier: Apache-2.0 */
/* service.restarted, from metadata to hook, against a stand-in for systemctl. */
#include "queue_world.h"

#include "core/log.h"

#define SHOW                                                                                       \
	"echo $CFN_HOOK_NAME $CFN_TRIGGER old=$CFN_OLD_METADATA new=$CFN_NEW_METADATA >> %(log)s"
#define SERVICE_DOC(want)                                                                          \
	"{\"AWS::CloudFormation::Init\": {\"config\": {\"services\": {\"systemd\": {\"web\": "     \
	"{\"ensureRunning\": " want "}}}}}}"

static void fake_systemctl(const struct fixture *f, const char *script)
{
	char text[2048];

	fixture_mkdir(f, "/run/systemd/system", 0755);
	fixture_mkdir(f, "/usr/bin", 0755);
	snprintf(text, sizeof(text), "#!/bin/sh\nD=%s/tmp\n%s\n", f->env.root, script);
	fixture_write(f, "/usr/bin/systemctl", text, 0755);
}

/* A watched service that was down is started and every hook of the resource that asks for it is
 * told which. */
static void test_service_restarted(void **state)
{
	struct agent *a =
		make(state,
		     "[h]\ntriggers=service.restarted\npath=Resources.R1.Metadata.v\n"
		     "action=echo $CFN_HOOK_NAME $CFN_TRIGGER $CFN_SERVICE >> %(log)s\n"
		     "[other]\ntriggers=post.add\npath=Resources.R1.Metadata.v\naction=" SHOW "\n");

	fake_systemctl(*state, "case $2 in start) touch $D/up;; *) test -e $D/up && echo active || "
			       "echo inactive;; esac");
	agent_offer_and_wait(a, "R1", SERVICE_DOC("false"));
	agent_offer_and_wait(a, "R2", SERVICE_DOC("true"));
	assert_log(a, "");
	agent_offer(a, "R1", SERVICE_DOC("\"Yes\""));
	agent_wait(a, 1, 1);
	assert_log(a, "h service.restarted web\n");
	agent_offer_and_wait(a, "R1", SERVICE_DOC("true"));
	world_turn(a->w, 200);
	assert_log(a, "h service.restarted web\n");
	agent_free(a);
}

/* What a start leaves running with its output does not die of its first word. */
static void test_service_goes_on(void **state)
{
	struct agent *a = make(
		state,
		"[h]\ntriggers=service.restarted\npath=Resources.R1.Metadata.v\naction=" SHOW "\n");

	fake_systemctl(*state, "case $2 in start) touch $D/up; "
			       "(while ! test -e $D/told; do sleep 0.05; done; echo one; echo two; "
			       "echo lives >> $D/log) & ;; "
			       "*) test -e $D/up && echo active || echo inactive;; esac");
	agent_offer(a, "R1", SERVICE_DOC("true"));
	agent_wait(a, 1, 1);
	clear_log(a);
	fixture_write(*state, "/tmp/told", "", 0644);
	wait_log(a, "lives\n");
	agent_free(a);
}

/* A service that cannot be started fires nothing and is left alone for a while. */
static void test_service_fails(void **state)
{
	struct agent *a = make(
		state,
		"[h]\ntriggers=service.restarted\npath=Resources.R1.Metadata.v\naction=" SHOW "\n");
	char *text;

	fake_systemctl(*state,
		       "echo $2 >> $D/asked; case $2 in start) exit 1;; *) echo failed;; esac");
	for (int i = 0; i < 3; i++) {
		agent_offer_and_wait(a, "R1", SERVICE_DOC("1"));
		world_turn(a->w, 100);
	}
	text = fixture_read(*state, "/tmp/asked");
	assert_string_equal(text, "is-active\nstart\n");
	free(text);
	assert_log(a, "");
	agent_free(a);
}

/* A hook that asks for service events only never fires for values, and keeps no service apart from
 * its resource. */
static void test_values_do_not_fire(void **state)
{
	struct agent *a = make(
		state,
		"[h]\ntriggers=service.restarted\npath=Resources.R1.Metadata.v\naction=" SHOW "\n");

	agent_offer_and_wait(a, "R1", "{\"v\": 1}");
	agent_offer_and_wait(a, "R1", "{\"v\": 2}");
	agent_offer_and_wait(a, "R1", "{}");
	assert_log(a, "");
	agent_free(a);
}

/* An event that was journalled is told after a crash, once. */
static void test_event_survives(void **state)
{
	struct agent *a =
		make(state, "[h]\ntriggers=service.restarted\npath=Resources.R1.Metadata.v\n"
			    "action=echo $CFN_SERVICE >> %(log)s; sleep 0.3\n");

	fake_systemctl(*state, "case $2 in start) touch $D/up;; *) test -e $D/up && echo active || "
			       "echo inactive;; esac");
	agent_offer(a, "R1", SERVICE_DOC("true"));
	wait_log(a, "web\n");
	agent_restart(a);
	agent_wait(a, 0, 1);
	agent_offer_and_wait(a, "R1", SERVICE_DOC("true"));
	assert_log(a, "web\n");
	agent_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_service_restarted, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_service_goes_on, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_service_fails, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_values_do_not_fire, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_event_survives, fixture_setup,
						fixture_teardown),
	};

	log_setup(LOG_LEVEL_WARN, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
