/* SPDX-License-Identifier: Apache-2.0 */
/* The state of one hook: its form on disk and the ids of its runs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "hooks/config.h"
#include "hooks/queue_state.h"

static struct hook_state make_state(json_t *accepted)
{
	struct hook_state s = {
		.hook = strdup("h"), .path = strdup("Resources.R.Metadata"), .seq = 41};

	if (accepted)
		hook_state_accept(&s, accepted);
	json_decref(accepted);
	return s;
}

static struct hook_state round_trip(const struct hook_state *s)
{
	char *text = hook_state_encode(s);
	struct hook_state copy;

	assert_non_null(text);
	assert_int_equal(hook_state_decode(text, strlen(text), &copy, NULL), 0);
	free(text);
	return copy;
}

/* Everything that matters after a crash comes back; key order of values too. */
static void test_round_trip(void **state)
{
	struct hook_state s = make_state(json_loads("{\"z\":1,\"a\":0.1}", 0, NULL)), copy;
	json_t *value = json_string("new");
	struct pending *p = pending_new(TRIGGER_UPDATE, value, NULL),
		       *event = pending_new(TRIGGER_SERVICE_RESTARTED, NULL, "sshd");
	char *text;

	(void)state;
	p->seq = 42;
	p->attempt = 3;
	p->again = true;
	p->next_real_ms = 12345;
	event->seq = 43;
	hook_state_add(&s, p);
	hook_state_add(&s, event);
	memcpy(s.gave_up, "digest", 7);
	copy = round_trip(&s);
	assert_true(copy.known);
	assert_int_equal(copy.seq, 41);
	assert_string_equal(copy.gave_up, "digest");
	text = json_dumps(copy.accepted, 0);
	assert_non_null(strstr(text, "{\"z\""));
	free(text);
	p = hook_state_value(&copy);
	assert_non_null(p);
	assert_int_equal(p->seq, 42);
	assert_int_equal(p->attempt, 3);
	assert_true(p->again);
	assert_int_equal(p->next_real_ms, 12345);
	assert_int_equal(p->phase, PENDING_UNRESOLVED);
	assert_string_equal(json_string_value(p->value), "new");
	assert_string_equal(p->next->service, "sshd");
	json_decref(value);
	hook_state_deinit(&copy);
	hook_state_deinit(&s);
}

/* Absent, null and never seen are three things. */
static void test_absence(void **state)
{
	struct hook_state never = make_state(NULL), absent = make_state(NULL),
			  null = make_state(json_null()), copy;

	(void)state;
	hook_state_accept(&absent, NULL);
	copy = round_trip(&never);
	assert_false(copy.known);
	hook_state_deinit(&copy);
	copy = round_trip(&absent);
	assert_true(copy.known);
	assert_null(copy.accepted);
	hook_state_deinit(&copy);
	copy = round_trip(&null);
	assert_true(copy.known && json_is_null(copy.accepted));
	hook_state_deinit(&copy);
	hook_state_deinit(&never);
	hook_state_deinit(&absent);
	hook_state_deinit(&null);
}

/* An id is the same for the same try after a restart, and differs in everything else. */
static void test_run_id(void **state)
{
	struct hook_state s = make_state(json_integer(1)), copy;
	json_t *value = json_integer(2);
	struct pending *p = pending_new(TRIGGER_UPDATE, value, NULL);
	char first[65], id[65];

	(void)state;
	p->seq = 7;
	hook_state_add(&s, p);
	assert_int_equal(hook_state_run_id(&s, p, first), 0);
	assert_true(run_id_valid(first));
	copy = round_trip(&s);
	assert_int_equal(hook_state_run_id(&copy, copy.list, id), 0);
	assert_string_equal(id, first);
	hook_state_deinit(&copy);
	p->attempt++;
	assert_int_equal(hook_state_run_id(&s, p, id), 0);
	assert_string_not_equal(id, first);
	p->attempt--;
	p->again = true;
	assert_int_equal(hook_state_run_id(&s, p, id), 0);
	assert_string_not_equal(id, first);
	p->again = false;
	p->seq++;
	assert_int_equal(hook_state_run_id(&s, p, id), 0);
	assert_string_not_equal(id, first);
	p->seq--;
	hook_state_accept(&s, value);
	assert_int_equal(hook_state_run_id(&s, p, id), 0);
	assert_string_not_equal(id, first);
	json_decref(value);
	hook_state_deinit(&s);
}

/* An event's id does not move when a value is accepted meanwhile. */
static void test_event_id(void **state)
{
	struct hook_state s = make_state(json_integer(1));
	struct pending *p = pending_new(TRIGGER_SERVICE_RESTARTED, NULL, "x");
	json_t *value = json_integer(2);
	char first[65], id[65];

	(void)state;
	hook_state_add(&s, p);
	assert_int_equal(hook_state_run_id(&s, p, first), 0);
	hook_state_accept(&s, value);
	assert_int_equal(hook_state_run_id(&s, p, id), 0);
	assert_string_equal(id, first);
	json_decref(value);
	hook_state_deinit(&s);
}

/* Half a state is no state. */
static void test_refused(void **state)
{
#define HEAD                                                                                       \
	"{\"v\":1,\"hook\":\"h\",\"path\":\"p\",\"known\":true,\"seq\":1,\"gave_up\":\"\","        \
	"\"pending\":"
	static const char *const bad[] = {
		"",
		"null",
		"{}",
		"{\"v\":2}",
		HEAD "{}}",
		HEAD "[{}]}",
		HEAD "[{\"trigger\":\"post.add\",\"seq\":1,\"attempt\":0,\"next\":0}]}",
		HEAD "[{\"trigger\":\"post.add\",\"seq\":-1,\"attempt\":1,\"next\":0}]}",
		HEAD "[{\"trigger\":\"pre.add\",\"seq\":1,\"attempt\":1,\"next\":0}]}",
		HEAD "[{\"trigger\":\"service.restarted\",\"seq\":1,\"attempt\":1,\"next\":0}]}",
		HEAD "[{\"trigger\":\"post.add\",\"seq\":1,\"attempt\":1,\"next\":0},{\"trigger\":"
		     "\"post.add\",\"seq\":2,\"attempt\":1,\"next\":0}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct hook_state s;

		assert_int_equal(hook_state_decode(bad[i], strlen(bad[i]), &s, NULL), -EBADMSG);
		assert_null(s.hook);
	}
}

/* Name and path together name the entry; neither can imitate the other. */
static void test_names(void **state)
{
	char a[64], b[64];

	(void)state;
	assert_int_equal(hook_state_name("a", "b", a), 0);
	assert_int_equal(strlen(a), strlen("hooks/") + 32);
	assert_int_equal(hook_state_name("a|b", "", b), 0);
	assert_string_not_equal(a, b);
	assert_int_equal(hook_state_name("a\",\"b", "", b), 0);
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_absence),
		cmocka_unit_test(test_run_id),     cmocka_unit_test(test_event_id),
		cmocka_unit_test(test_refused),    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
