/* SPDX-License-Identifier: Apache-2.0 */
/* Guests that have more of something than there is room for: what is lost is said, and what is of
 * the guest as a whole is never lost. */
#include "tree.h"

#include <string.h>

#include "core/types.h"

static void is_said(const struct problems *p, const char *code, const char *words)
{
	assert_int_equal(p->n, 1);
	assert_string_equal(p->list[0].code, code);
	assert_non_null(p->list[0].remedy);
	if (!strstr(p->list[0].text, words))
		fail_msg("%s", p->list[0].text);
}

/* Values of entities leave room for those of the guest, whose number is that of the table's rows
 * without dimensions. */
static void guest_has_room(void **state)
{
	struct sample *s = calloc(1, sizeof(*s));
	struct problems p = {0};
	unsigned own = 0;
	int entity;
	double v;

	(void)state;
	for (size_t i = 0; i < METRIC_COUNT; i++)
		own += !metric_infos[i].dimensions[0];
	assert_in_range(own, 50, SAMPLE_OWN_ROOM);
	sample_reset(s, 0, 0);
	entity = sample_entity(s, "device", "vda", NULL);
	sample_add(s, METRIC_DISK_SIZE_MB, entity, NAN);
	sample_problems(s, &p);
	assert_int_equal(p.n, 0); /* dropped, but not for want of room */
	for (int i = 0; i < 2000; i++)
		sample_add(s, METRIC_DISK_SIZE_MB, entity, i);
	for (int i = 0; i < SAMPLE_OWN_ROOM - 1; i++)
		sample_add(s, METRIC_LOAD_15, -1, i);
	sample_add(s, METRIC_AGENT_SAMPLE_DROPPED, -1, s->dropped);
	assert_true(sample_get(s, METRIC_AGENT_SAMPLE_DROPPED, &v));
	sample_problems(s, &p);
	is_said(&p, "sample-full", "1104 values");
	problems_deinit(&p);
	free(s);
}

/* Entities run out first: the values of the one too many are told of, too. */
static void entities_run_out(void **state)
{
	struct sample *s = calloc(1, sizeof(*s));
	struct problems p = {0};
	char name[16];

	(void)state;
	sample_reset(s, 0, 0);
	for (int i = 0; i < SAMPLE_ENTITIES_MAX + 2; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		probe_add_of(s, METRIC_FS_HUNG, sample_entity(s, "mount_point", name, NULL), 0);
	}
	sample_problems(s, &p);
	is_said(&p, "sample-full", "2 values");
	problems_deinit(&p);
	sample_reset(s, 1, 1);
	sample_problems(s, &p);
	assert_int_equal(p.n, 0);
	free(s);
}

/* Of control groups those that are worth it count, not those that nobody would measure anyway. */
static void groups_find_no_room(void **state)
{
	struct tree *t = tree_new(NULL);
	struct problems p = {0};
	char path[80];

	(void)state;
	tree_put(t, "/proc/self/mountinfo", "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup/pods/pod%d/memory.current", i);
		tree_put(t, path, "1048576\n");
		if (i >= 35)
			continue;
		snprintf(path, sizeof(path), "/sys/fs/cgroup/pods/pod%d/memory.max", i);
		tree_put(t, path, "2097152\n");
	}
	assert_int_equal(tree_open(t, &probe_cgroup), 0);
	tree_read(t, 1000);
	assert_int_equal(t->sample.n_entities, 32);
	probe_cgroup.explain(t->probe, &p);
	is_said(&p, "probe-cgroup", "3 control groups are not measured");
	problems_deinit(&p);
	tree_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_has_room),
		cmocka_unit_test(entities_run_out),
		cmocka_unit_test(groups_find_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
