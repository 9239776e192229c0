/* SPDX-License-Identifier: Apache-2.0 */
/* Pressure: when it raises effort, and the triggers that wake the agent: never written into a file
 * that is not the kernel's, said why where they cannot be armed. That a stall wakes the agent is
 * shown with real ones in tests/faults. */
#include "tree.h"

static void put_pressure(const struct tree *t, const char *what, const char *some, const char *full)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "/proc/pressure/%s", what);
	snprintf(text, sizeof(text),
		 "some avg10=%s avg60=0.00 avg300=0.00 total=1\n"
		 "full avg10=%s avg60=0.00 avg300=0.00 total=1\n",
		 some, full);
	tree_put(t, path, text);
}

/* Of memory any waiting counts, of I/O only when all wait; for want of processors a guest may be for
 * days. */
static void stress_of_pressure(void **state)
{
	static const struct {
		const char *what, *some, *full;
		enum probe_stress want;
	} rows[] = {
		{"memory", "0.99", "0.00", STRESS_CALM}, {"memory", "1.00", "0.00", STRESS_HOLD},
		{"memory", "5.00", "0.00", STRESS_RAISE}, {"io", "90.00", "4.99", STRESS_CALM},
		{"io", "90.00", "5.00", STRESS_HOLD},	  {"io", "90.00", "20.00", STRESS_RAISE},
		{"cpu", "99.00", "0.00", STRESS_CALM},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tree *t = tree_new(NULL);

		put_pressure(t, rows[i].what, rows[i].some, rows[i].full);
		assert_int_equal(tree_open(t, &probe_pressure), 0);
		tree_read(t, 1000);
		assert_int_equal(t->ops->stress(t->probe), rows[i].want);
		tree_free(t);
	}
}

static unsigned count_problems(const struct tree *t, const char *code, const char *text)
{
	struct problems p = {0};
	unsigned n = 0;

	t->ops->explain(t->probe, &p);
	for (size_t i = 0; i < p.n; i++)
		n += !strcmp(p.list[i].code, code) && strstr(p.list[i].text, text);
	problems_deinit(&p);
	return n;
}

/* A tree given as root is data: opened for writing by us, but not written to. */
static void recorded_files_stay_as_they_are(void **state)
{
	struct tree *t = tree_new(NULL);
	char path[300], text[512] = "";
	FILE *f;

	(void)state;
	put_pressure(t, "memory", "12.00", "3.00");
	assert_int_equal(loop_new(&t->env, &t->setup.loop), 0);
	assert_int_equal(tree_open(t, &probe_pressure), 0);
	tree_read(t, 1000);
	tree_value_of(t, METRIC_MEM_PRESSURE_SOME, -1, 12);
	assert_int_equal(t->sample.n_entities, 0); /* no trigger, no count of its events */
	assert_int_equal(count_problems(t, "psi-trigger", "/proc/pressure/memory"), 1);
	assert_int_equal(count_problems(t, "psi-trigger", "/proc/pressure/io"), 0); /* no such file */
	snprintf(path, sizeof(path), "%s/proc/pressure/memory", t->dir);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	assert_ptr_equal(strstr(text, "some avg10=12.00"), text);
	assert_null(strstr(text, "1000000"));
	t->ops->close(t->probe);
	t->probe = NULL;
	loop_free(t->setup.loop);
	tree_free(t);
}

static int refuse(int privpath, void *ctx)
{
	(void)privpath, (void)ctx;
	return -EACCES;
}

/* Where the runner may not open them for writing, they are read all the same, and the reason is
 * named for each. */
static void without_rights_only_polling(void **state)
{
	struct tree *t = tree_new(NULL);

	(void)state;
	assert_int_equal(env_init(&t->env, ""), 0);
	t->setup.open_fd = refuse;
	assert_int_equal(loop_new(&t->env, &t->setup.loop), 0);
	if (tree_open(t, &probe_pressure)) {
		loop_free(t->setup.loop);
		t->probe = NULL;
		tree_free(t);
		print_message("# SKIP this kernel tells no pressure\n");
		skip();
		return;
	}
	if (t->ops->read(t->probe, 1000) == 0)
		assert_in_range(count_problems(t, "psi-trigger", "Permission denied"), 1, 3);
	t->ops->close(t->probe);
	t->probe = NULL;
	loop_free(t->setup.loop);
	tree_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stress_of_pressure),
		cmocka_unit_test(recorded_files_stay_as_they_are),
		cmocka_unit_test(without_rights_only_polling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
