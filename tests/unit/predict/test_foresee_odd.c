/* SPDX-License-Identifier: Apache-2.0 */
/* Guests that are not as one thinks of them: hundreds of mounts with long names, limits that move,
 * things that go away, an agent that is started anew. */
#include <math.h>

#define STEP_MS  60000
#define HOUR     60 /* steps */

#include "written_guest.h"

static void take(struct foresee *f)
{
	foresee_sample(f, &sample);
	foresee_tick(f, sample.real_ms, sample.boot_ms * 1000);
}

static size_t count_of(struct foresee *f, const char *class)
{
	struct finding found;
	size_t n = 0;

	for (size_t i = 0; findings_get(foresee_findings(f), i, &found); i++)
		n += !strcmp(found.class_name, class);
	return n;
}

static int at_mount(const char *path)
{
	return sample_entity(&sample, "mount_point", path, "vdb");
}

/* Volumes of Kubernetes are mounted at paths that differ from the 64th character on only: each has
 * a forecast of its own, and each finding says which it is. */
static void long_names_stay_apart(void **state)
{
	static const char *const names[] = {
		"/var/lib/kubelet/plugins/kubernetes.io/csi/cinder.csi.openstack.org/"
		"0f4d0e3a9b5c81d27e46f0a1b2c3d4e5f60718/globalmount",
		"/var/lib/kubelet/plugins/kubernetes.io/csi/cinder.csi.openstack.org/"
		"77aa0e3a9b5c81d27e46f0a1b2c3d4e5f60718/globalmount",
	};
	struct foresee *f = *state;
	struct foresee_line line;
	struct finding found = {0};
	double fuller = 0;

	for (int step = 0; step < 5 * HOUR; step++) {
		sample_at(step);
		sample_add(&sample, METRIC_DISK_SPACE_USED_PERC, at_mount(names[0]), 20);
		sample_add(&sample, METRIC_DISK_SPACE_USED_PERC, at_mount(names[1]),
			   fmin(30 + step * 0.25, 99));
		take(f);
	}
	for (size_t i = 0; foresee_forecast(f, i, &line); i++)
		fuller = fmax(fuller, line.what[0] ? line.view.used : 0);
	assert_true(fuller > 0.9);
	assert_true(find(f, "disk_exhaustion", &found));
	assert_non_null(strstr(found.entity, "aa0e3a9b5c81"));
	assert_int_equal(strncmp(found.entity, "/var/lib/kubelet", 16), 0);
}

/* A name is cut between its characters' escapes, not within. */
static void escapes_stay_whole(void **state)
{
	struct foresee *f = *state;
	struct foresee_line line;
	char name[112] = "/";
	size_t shown = 0;

	for (size_t i = 0; i < 26; i++)
		strcat(name, "\\xc3");
	for (size_t shift = 0; shift < 4; shift++) {
		memmove(name + 1, name, strlen(name) + 1);
		name[1] = 'a';
		sample_at((int)shift);
		sample_add(&sample, METRIC_DISK_SPACE_USED_PERC, at_mount(name), 20);
		take(f);
		for (size_t i = 0; foresee_forecast(f, i, &line); i++) {
			const char *at = line.entity + strcspn(line.entity, "\\");

			shown += line.what[0] != '\0';
			for (; *at; at += *at == '.' ? 1 : 4)
				assert_true(*at == '.' || !strncmp(at, "\\xc3", 4));
		}
		assert_int_equal(shown, (shift + 1) * (shift + 2) / 2);
	}
}

static void add_many(int step, double group_used)
{
	sample_at(step);
	sample_add(&sample, METRIC_MEM_USABLE_PERC, -1, 70);
	sample_add(&sample, METRIC_MEM_CORRUPTED_KB, -1, 0);
	for (int i = 0; i < 32; i++) {
		char name[48];
		int mount, group;

		snprintf(name, sizeof(name), "/srv/%d", i);
		mount = at_mount(name);
		sample_add(&sample, METRIC_DISK_SPACE_USED_PERC, mount, 40);
		sample_add(&sample, METRIC_DISK_INODE_USED_PERC, mount, 4);
		sample_add(&sample, METRIC_FS_READONLY, mount, step >= 6 * HOUR && i == 31);
		sample_add(&sample, METRIC_FS_ERRORS, mount, 0);
		snprintf(name, sizeof(name), "system.slice/%d.service", i);
		group = sample_entity(&sample, "cgroup", name, NULL);
		sample_add(&sample, METRIC_CGROUP_MEMORY_PERC, group, i == 30 ? group_used : 30);
		sample_add(&sample, METRIC_CGROUP_PIDS_PERC, group, 30);
		sample_add(&sample, METRIC_CGROUP_OOM_KILL, group,
			   step >= 7 * HOUR - 10 && i == 31);
	}
}

/* All that the probes can tell of at once has room: with as many mounts and control groups as are
 * measured, the last group is foreseen to run out of memory as if it were the only one, and so on.
 */
static void crowded_guest(void **state)
{
	struct foresee *f = *state;
	struct finding found = {0};

	for (int step = 0; step < 7 * HOUR; step++) {
		add_many(step, step < 3 * HOUR ? 30 : fmin(30 + (step - 3 * HOUR) * 0.35, 99));
		take(f);
	}
	assert_true(find(f, "filesystem_readonly", &found));
	assert_string_equal(found.entity, "/srv/31");
	assert_true(find(f, "memory_exhaustion", &found));
	assert_string_equal(found.entity, "system.slice/30.service");
	assert_true(find(f, "oom_kill", &found));
}

static struct foresee *restarted(struct foresee *f)
{
	_cleanup_buf_ struct buf text = BUF_INIT(64 << 10);
	struct foresee *next = NULL;

	assert_int_equal(findings_save(foresee_findings(f), sample.real_ms, sample.boot_ms, &text),
			 0);
	assert_int_equal(foresee_new(&next), 0);
	assert_int_equal(findings_restore(foresee_findings(next), text.data, text.len, true,
					  sample.real_ms, sample.boot_ms),
			 0);
	foresee_free(f);
	return next;
}

static void feed_mount(struct foresee *f, int step, enum metric metric, double value)
{
	sample_at(step);
	sample_add(&sample, metric, at_mount("/"), value);
	take(f);
}

/* An agent that is started anew while a mount is read-only does not say that this is over; nor
 * later that it became so again. */
static void restart_while_readonly(void **state)
{
	struct foresee *f = *state;
	struct findings_news news;
	struct finding found = {0};

	feed_mount(f, 0, METRIC_FS_READONLY, 0);
	feed_mount(f, 1, METRIC_FS_READONLY, 1);
	assert_true(find(f, "filesystem_readonly", &found));
	*state = f = restarted(f);
	for (int step = 2; step < 30; step++)
		feed_mount(f, step, METRIC_FS_READONLY, 1);
	assert_false(findings_take(foresee_findings(f), &news));
	assert_true(find(f, "filesystem_readonly", &found));
	for (int step = 30; step < 40; step++)
		feed_mount(f, step, METRIC_FS_READONLY, 0);
	assert_false(find(f, "filesystem_readonly", &found));
}

/* A link that never was is none that was lost: bridges without a port, the second network card that
 * nobody plugged. */
static void link_that_never_was(void **state)
{
	struct foresee *f = *state;
	struct finding found = {0};

	for (int step = 0; step < 5; step++) {
		sample_at(step);
		sample_add(&sample, METRIC_NET_LINK_LOST,
			   sample_entity(&sample, "device", "br0", NULL), 1);
		sample_add(&sample, METRIC_NET_LINK_LOST,
			   sample_entity(&sample, "device", "eth0", NULL), step == 4);
		take(f);
	}
	assert_int_equal(count_of(f, "network_degraded"), 1);
	assert_true(find(f, "network_degraded", &found));
	assert_string_equal(found.entity, "eth0");
}

static void feed_space(struct foresee *f, int step, double used_gb, double total_gb)
{
	int mount;

	sample_at(step);
	mount = at_mount("/srv");
	sample_add(&sample, METRIC_DISK_SPACE_USED_PERC, mount, 100 * used_gb / total_gb);
	sample_add(&sample, METRIC_DISK_TOTAL_SPACE_MB, mount, total_gb * 1024);
	take(f);
}

/* A volume that was full and is then made larger: that it was full when it was small does not keep
 * the next warning back. */
static void volume_is_extended(void **state)
{
	struct foresee *f = *state;
	struct finding found = {0};
	int step = 0, opened = -1, full;

	for (; step < 30 * HOUR; step++)
		feed_space(f, step, 9.6, 10);
	for (; step < 32 * HOUR; step++) /* made larger: well again */
		feed_space(f, step, 9.6, 100);
	assert_false(find(f, "disk_exhaustion", &found));
	full = step + (int)((100 - 9.6) / 0.05); /* 3 GB an hour */
	for (; step < full; step++) {
		feed_space(f, step, 100 - (full - step) * 0.05, 100);
		if (opened < 0 && find(f, "disk_exhaustion", &found) &&
		    found.level > FINDING_NOTICE)
			opened = step;
	}
	assert_true(opened > 0);
	assert_true(full - opened >= 2 * HOUR);
}

/* Memory that a balloon takes is no growth of those who use it. */
static void balloon_is_no_leak(void **state)
{
	struct foresee *f = *state;
	double total = 8192;

	for (int step = 0; step < 6 * HOUR; step++) {
		if (step >= 5 * HOUR && total > 4096)
			total -= 256; /* 16 minutes */
		sample_at(step);
		sample_add(&sample, METRIC_MEM_USABLE_PERC, -1, 100 - 100 * 3000 / total);
		sample_add(&sample, METRIC_MEM_TOTAL_MB, -1, total);
		take(f);
	}
	assert_int_equal(count_of(f, "memory_exhaustion"), 0);
}

static void feed_group(struct foresee *f, int step, double percent)
{
	sample_at(step);
	sample_add(&sample, METRIC_MEM_TOTAL_MB, -1, 4096);
	if (percent >= 0)
		sample_add(&sample, METRIC_CGROUP_MEMORY_PERC,
			   sample_entity(&sample, "cgroup", "system.slice/job.scope", NULL),
			   percent);
	take(f);
}

static size_t open_forecasts(struct foresee *f)
{
	struct foresee_line line;
	size_t n = 0;

	for (size_t i = 0; foresee_forecast(f, i, &line); i++)
		n += line.what[0] && line.view.open;
	return n;
}

/* A control group that ended, or a mount that is gone, runs out of nothing: the finding is over
 * soon, not after a day, and its forecast is shown no more. One sample without it says nothing yet.
 */
static void what_is_gone_is_well(void **state)
{
	struct foresee *f = *state;
	struct finding found = {0};
	int step = 0;

	for (; step < 5 * HOUR; step++)
		feed_group(f, step, step < 3 * HOUR ? 30 : fmin(30 + (step - 3 * HOUR) * 0.7, 99));
	assert_true(find(f, "memory_exhaustion", &found));
	assert_int_equal(open_forecasts(f), 1);
	feed_group(f, step++, -1);
	feed_group(f, step++, 99);
	for (int end = step + 4; step < end; step++)
		feed_group(f, step, -1);
	assert_true(find(f, "memory_exhaustion", &found));
	for (int end = step + 20; step < end; step++)
		feed_group(f, step, -1);
	assert_false(find(f, "memory_exhaustion", &found));
	assert_int_equal(open_forecasts(f), 0);
}

static void feed_record(struct foresee *f, int64_t age_ms, const char *text)
{
	struct kmsg_record r = {.level = 3, .usec = 5000000, .flag = '-'};

	r.text_len = (size_t)snprintf(r.text, sizeof(r.text), "%s", text);
	foresee_clock(f, START_MS, START_MS - 1767000000000LL);
	foresee_record(f, &r, START_MS - age_ms);
	foresee_tick(f, START_MS, 3600000000);
}

/* An agent that is installed on a guest of old reads all that its kernel still holds. What would be
 * over by now is not news: no hook runs for a kill of the day before. What would be open still is
 * told. */
static void old_records_are_no_news(void **state)
{
	struct foresee *f = *state;
	struct findings_news news;
	struct finding found = {0};

	feed_record(f, 86400000,
		    "Out of memory: Killed process 107 (db) total-vm:180kB, anon-rss:17kB");
	assert_false(findings_take(foresee_findings(f), &news));
	feed_record(f, 600000,
		    "Out of memory: Killed process 108 (db) total-vm:180kB, anon-rss:17kB");
	assert_true(findings_take(foresee_findings(f), &news));
	assert_string_equal(news.finding.entity, "db[108]");
	feed_record(f, 12 * 3600000, "EXT4-fs (vda1): Remounting filesystem read-only");
	assert_true(find(f, "filesystem_readonly", &found));
}

/* Numbers are written as people write them. */
static void evidence_is_readable(void **state)
{
	struct foresee *f = *state;
	struct finding found = {0};

	sample_at(0);
	sample_add(&sample, METRIC_PROCESS_BLOCKED_S,
		   sample_entity(&sample, "process", "dd[7]", "io_schedule"), 10815.5);
	take(f);
	assert_true(find(f, "hung_task", &found));
	assert_non_null(strstr(found.evidence, "for 10815.5 s"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(long_names_stay_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(escapes_stay_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(crowded_guest, setup, teardown),
		cmocka_unit_test_setup_teardown(restart_while_readonly, setup, teardown),
		cmocka_unit_test_setup_teardown(link_that_never_was, setup, teardown),
		cmocka_unit_test_setup_teardown(volume_is_extended, setup, teardown),
		cmocka_unit_test_setup_teardown(balloon_is_no_leak, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_gone_is_well, setup, teardown),
		cmocka_unit_test_setup_teardown(old_records_are_no_news, setup, teardown),
		cmocka_unit_test_setup_teardown(evidence_is_readable, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
