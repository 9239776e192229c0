/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network, sockets and limits of the guest: parsers on recorded and broken files, the probes on
 * whole trees; values are worked out by hand. What a kernel does not have is absent.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fs.h"
#include "sample/parse_net.h"
#include "sample/parse_process.h"
#include "sample/probe.h"

/* ---- parsers ---- */

/* All eight counts from their columns, whatever stands around the name. */
static void net_dev_columns(void **state)
{
	static const uint64_t want[NET_COUNTS] = {
		[NET_IN_BYTES] = 256750082, [NET_IN_PACKETS] = 6489,  [NET_IN_ERRORS] = 3,
		[NET_IN_DROPPED] = 5,       [NET_OUT_BYTES] = 300786, [NET_OUT_PACKETS] = 3719,
		[NET_OUT_ERRORS] = 7,       [NET_OUT_DROPPED] = 11,
	};
	static const char *const names[] = {"lo",   "eth0",         "eth1",
					    "tun0", "veth12ab@if3", "docker0"};
	struct parse_net_dev dev;
	size_t n, seen = 0;
	char *text = fixture_read("proc-linux-6.1", "/proc/net/dev", &n);
	const char *p = text;

	(void)state;
	while (parse_net_dev(&p, &n, &dev)) {
		assert_true(seen < ARRAY_SIZE(names));
		assert_string_equal(dev.name, names[seen]);
		if (seen++ == 1)
			assert_memory_equal(dev.counts, want, sizeof(want));
	}
	assert_int_equal(seen, ARRAY_SIZE(names));
	free(text);
}

/* Old kernels leave no blank after the colon; a line cut at the end of the text does not count;
 * names that could lead elsewhere in /sys are refused. */
static void net_dev_oddities(void **state)
{
	static const char text[] = "eth0:12 1 0 0 0 0 0 0 34 2 0 0 0 0 0 0\n"
				   " ../x: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
				   " ..: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
				   "seventeenletters1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
				   "eth1: 1 2 3\n"
				   "a:b: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
				   "eth2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 1";
	struct parse_net_dev dev;
	size_t n = sizeof(text) - 1;
	const char *p = text;

	(void)state;
	assert_true(parse_net_dev(&p, &n, &dev));
	assert_string_equal(dev.name, "eth0");
	assert_int_equal(dev.counts[NET_IN_BYTES], 12);
	assert_int_equal(dev.counts[NET_OUT_BYTES], 34);
	assert_true(parse_net_dev(&p, &n, &dev));
	assert_string_equal(dev.name, "a:b");
	assert_false(parse_net_dev(&p, &n, &dev));
}

/* Names and numbers stand in two lines; a group without its second line gives nothing. */
static void paired_lines(void **state)
{
	static const char *const names[] = {"ListenDrops", "ListenOverflows", "NoSuch"};
	static const char cut[] = "TcpExt: ListenDrops\nIpExt: 5\n", few[] = "A: x y\nA: 1\n";
	static const char *const few_names[] = {"x", "y"};
	uint64_t values[3] = {0};
	size_t n;
	char *text = fixture_read("proc-linux-6.1", "/proc/net/netstat", &n);

	(void)state;
	assert_int_equal(parse_paired(text, n, "TcpExt:", names, 3, values), 3);
	assert_int_equal(values[0], 90);
	assert_int_equal(values[1], 70);
	assert_int_equal(parse_paired(text, n, "TcpEx:", names, 3, values), 0);
	assert_int_equal(parse_paired(cut, sizeof(cut) - 1, "TcpExt:", names, 3, values), 0);
	assert_int_equal(parse_paired(few, sizeof(few) - 1, "A:", few_names, 2, values), 1);
	free(text);
}

static void numbers_of_a_line(void **state)
{
	uint64_t v[3];

	(void)state;
	assert_int_equal(parse_numbers("906\t0\t2466177\n", 14, v, 3), 0);
	assert_true(v[0] == 906 && v[1] == 0 && v[2] == 2466177);
	assert_int_equal(parse_numbers("906\t0\n", 6, v, 3), -EINVAL);
	assert_int_equal(parse_numbers("906", 3, v, 1), -EINVAL); /* may have been cut */
	assert_int_equal(parse_numbers("-1\n", 3, v, 1), -EINVAL);
	assert_int_equal(parse_numbers("", 0, v, 1), -EINVAL);
}

/* The soft limit, also where it is none; a line of another limit does not count. */
static void limits_of_a_process(void **state)
{
	static const char some[] =
		"Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max open locks            7                    8                    files     \n"
		"Max open files            1024                 524288               files     \n";
	static const char none[] =
		"Max open files            unlimited            unlimited   files\n";
	static const char bad[] = "Max open files   \n";
	uint64_t v = 0;

	(void)state;
	assert_int_equal(parse_nofile(some, sizeof(some) - 1, &v), 0);
	assert_int_equal(v, 1024);
	assert_int_equal(parse_nofile(none, sizeof(none) - 1, &v), 0);
	assert_true(v == NOFILE_UNLIMITED);
	assert_int_equal(parse_nofile(bad, sizeof(bad) - 1, &v), -EINVAL);
	assert_int_equal(parse_nofile(some, 100, &v), -EINVAL);
}

static void switches_of_a_process(void **state)
{
	static const char text[] = "Name:\tx\nvoluntary_ctxt_switches:\t150\n"
				   "nonvoluntary_ctxt_switches:\t45\n";
	uint64_t v = 0;

	(void)state;
	assert_int_equal(parse_switches(text, sizeof(text) - 1, &v), 0);
	assert_int_equal(v, 195);
	assert_int_equal(parse_switches(text, sizeof(text) - 2, &v), -EINVAL);
}

/* ---- probes on whole trees ---- */

struct reading {
	struct env env;
	struct sample got;
	struct problems problems;
};

static int reading_up(void **state)
{
	*state = calloc(1, sizeof(struct reading));
	return 0;
}

static int reading_down(void **state)
{
	struct reading *r = *state;

	problems_deinit(&r->problems);
	free(r);
	return 0;
}

static void read_tree(struct reading *r, const char *tree)
{
	static const struct probe_ops *const ops[] = {&probe_net, &probe_sockets, &probe_limits};
	struct probe_setup setup = {.env = &r->env};
	char root[256];

	assert_int_equal(env_init(&r->env, fixture_root(tree, root)), 0);
	sample_reset(&r->got, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		struct err e = ERR_INIT;
		void *probe;

		if (ops[i]->open(&setup, &probe, &e))
			continue;
		for (int64_t now = 1000; now <= 11000; now += 10000)
			if (ops[i]->read(probe, now) == 0 && now > 1000)
				ops[i]->report(probe, &r->got);
		if (ops[i]->explain)
			ops[i]->explain(probe, &r->problems);
		ops[i]->close(probe);
	}
}

static int entity_of(const struct sample *s, const char *kind, const char *name)
{
	for (size_t i = 0; i < s->n_entities; i++)
		if (!strcmp(s->entities[i].kind, kind) && !strcmp(s->entities[i].name, name))
			return (int)i;
	return -2;
}

static void expect(const struct sample *s, enum metric metric, int entity, double want)
{
	double got;

	if (!sample_get_of(s, metric, entity, &got))
		fail_msg("%s is absent", metric_infos[metric].name);
	if (fabs(got - want) > 1e-6)
		fail_msg("%s: %g is not %g", metric_infos[metric].name, got, want);
}

static void expect_absent(const struct sample *s, enum metric metric, int entity)
{
	double got;

	if (sample_get_of(s, metric, entity, &got))
		fail_msg("%s is there: %g", metric_infos[metric].name, got);
}

static bool told(const struct problems *p, const char *code)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->list[i].code, code))
			return true;
	return false;
}

static void tree_of_6_1(void **state)
{
	static const struct {
		enum metric metric;
		double value;
	} want[] = {
		{METRIC_NET_SOCKETS_USED, 251},
		{METRIC_NET_TCP_INUSE, 21},
		{METRIC_NET_TCP_TIME_WAIT, 932},
		{METRIC_NET_TCP_ORPHANS, 512},
		{METRIC_NET_TCP_ORPHANS_PERC, 6.25},
		{METRIC_NET_TCP_MEM_PERC, 2.5},
		{METRIC_NET_CONNTRACK_COUNT, 65536},
		{METRIC_NET_CONNTRACK_PERC, 25},
		{METRIC_NET_LISTEN_DROPS_SEC, 0},
		{METRIC_NET_LISTEN_OVERFLOWS_SEC, 0},
		{METRIC_TASKS_MAX, 1380},
		{METRIC_TASKS_USED_PERC, 25},
		{METRIC_FILES_OPEN, 9060},
		{METRIC_FILES_MAX, 90600},
		{METRIC_FILES_USED_PERC, 10},
		{METRIC_INODES_CACHED, 113572},
	};
	struct reading *r = *state;
	int eth0, eth1, tun0;

	read_tree(r, "proc-linux-6.1");
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		expect(&r->got, want[i].metric, -1, want[i].value);
	expect_absent(&r->got, METRIC_ENTROPY_BITS, -1);
	assert_true(told(&r->problems, "probe-entropy"));
	assert_int_equal(r->got.n_entities, 3); /* neither lo nor what belongs to containers */
	eth0 = entity_of(&r->got, "device", "eth0");
	eth1 = entity_of(&r->got, "device", "eth1");
	tun0 = entity_of(&r->got, "device", "tun0");
	expect(&r->got, METRIC_NET_IN_BYTES_SEC, eth0, 0);
	expect(&r->got, METRIC_NET_INT_STATUS, eth0, 0);
	expect(&r->got, METRIC_NET_LINK_LOST, eth0, 0);
	expect(&r->got, METRIC_NET_INT_STATUS, eth1, 1);
	expect(&r->got, METRIC_NET_LINK_LOST, eth1, 1);
	/* nobody wants it up: down, but nothing is lost */
	expect(&r->got, METRIC_NET_INT_STATUS, tun0, 1);
	expect_absent(&r->got, METRIC_NET_LINK_LOST, tun0);
}

static void tree_of_3_10(void **state)
{
	static const enum metric absent[] = {METRIC_NET_CONNTRACK_COUNT, METRIC_NET_CONNTRACK_PERC,
					     METRIC_NET_TCP_ORPHANS_PERC,
					     METRIC_NET_LISTEN_DROPS_SEC};
	struct reading *r = *state;

	read_tree(r, "proc-linux-3.10");
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		expect_absent(&r->got, absent[i], -1);
	expect(&r->got, METRIC_NET_TCP_ORPHANS, -1, 0);
	expect(&r->got, METRIC_TASKS_MAX, -1, 7829);
	expect(&r->got, METRIC_ENTROPY_BITS, -1, 157);
	expect(&r->got, METRIC_FILES_OPEN, -1, 992);
	assert_true(told(&r->problems, "probe-conntrack"));
	assert_false(told(&r->problems, "probe-entropy"));
}

/* As recorded. */
static void tree_of_6_18(void **state)
{
	struct reading *r = *state;

	read_tree(r, "proc-linux-6.18");
	expect(&r->got, METRIC_NET_SOCKETS_USED, -1, 49);
	expect(&r->got, METRIC_NET_TCP_TIME_WAIT, -1, 97);
	expect(&r->got, METRIC_FILES_OPEN, -1, 1316);
	expect(&r->got, METRIC_FILES_MAX, -1, 2466177);
	expect(&r->got, METRIC_NET_CONNTRACK_PERC, -1, 0);
	expect(&r->got, METRIC_NET_INT_STATUS, entity_of(&r->got, "device", "eth0"), 0);
	assert_int_equal(r->got.n_entities, 1);
}

/* Rubbish gives no value, and each file of it is named. */
static void tree_of_rubbish(void **state)
{
	struct reading *r = *state;
	size_t named = 0;

	read_tree(r, "proc-broken");
	expect(&r->got, METRIC_NET_TCP_ORPHANS, -1, 5); /* the one good number among it */
	for (size_t i = 0; i < r->got.n_values; i++)
		assert_int_equal(r->got.values[i].metric, METRIC_NET_TCP_ORPHANS);
	for (size_t i = 0; i < r->problems.n; i++)
		named += !strcmp(r->problems.list[i].code, "probe-limits");
	assert_int_equal(named, 6); /* all but entropy_avail */
}

/* ---- what changes between readings ---- */

static void put(const char *dir, const char *file, const char *text)
{
	char path[512], *slash;
	int fd;

	snprintf(path, sizeof(path), "%s%s", dir, file);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(fs_mkdirs(path, 0700), 0);
	*slash = '/';
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Rates by the time that passed; an interface that goes is forgotten, one that comes back under the
 * same name starts anew and its link is read from its new files. */
static void interfaces_come_and_go(void **state)
{
	static const char head[] = "h\nh\n";
	struct reading *r = *state;
	char dir[] = "/tmp/hp-net-XXXXXX", text[256], path[256];
	struct probe_setup setup = {.env = &r->env};
	void *net;
	int eth0;

	assert_non_null(mkdtemp(dir));
	put(dir, "/proc/net/dev", "eth0: 1000 10 0 0 0 0 0 0 500 5 0 0 0 0 0 0\n");
	put(dir, "/sys/class/net/eth0/operstate", "up\n");
	put(dir, "/sys/class/net/eth0/flags", "0x1003\n");
	assert_int_equal(env_init(&r->env, dir), 0);
	assert_int_equal(probe_net.open(&setup, &net, NULL), 0);
	assert_int_equal(probe_net.read(net, 0), 0);

	snprintf(text, sizeof(text), "%seth0: 21000 30 1 4 0 0 0 0 2500 25 2 40 0 0 0 0\n", head);
	put(dir, "/proc/net/dev", text);
	put(dir, "/sys/class/net/eth0/operstate", "lowerlayerdown\n");
	assert_int_equal(probe_net.read(net, 4000), 0);
	sample_reset(&r->got, 0, 0);
	probe_net.report(net, &r->got);
	eth0 = entity_of(&r->got, "device", "eth0");
	expect(&r->got, METRIC_NET_IN_BYTES_SEC, eth0, 5000);
	expect(&r->got, METRIC_NET_IN_PACKETS_SEC, eth0, 5);
	expect(&r->got, METRIC_NET_IN_ERRORS_SEC, eth0, 0.25);
	expect(&r->got, METRIC_NET_IN_DROPPED_SEC, eth0, 1);
	expect(&r->got, METRIC_NET_OUT_BYTES_SEC, eth0, 500);
	expect(&r->got, METRIC_NET_OUT_PACKETS_SEC, eth0, 5);
	expect(&r->got, METRIC_NET_OUT_ERRORS_SEC, eth0, 0.5);
	expect(&r->got, METRIC_NET_OUT_DROPPED_SEC, eth0, 10);
	expect(&r->got, METRIC_NET_LINK_LOST, eth0, 1);

	/* gone and back between two readings: what the old descriptor reads is over */
	put(dir, "/sys/class/net/eth0/operstate", "");
	snprintf(path, sizeof(path), "%s/sys/class/net/eth0/operstate", dir);
	assert_int_equal(unlink(path), 0);
	put(dir, "/sys/class/net/eth0/operstate", "up\n");
	assert_int_equal(probe_net.read(net, 6000), 0);
	sample_reset(&r->got, 0, 0);
	probe_net.report(net, &r->got);
	expect(&r->got, METRIC_NET_LINK_LOST, entity_of(&r->got, "device", "eth0"), 0);

	put(dir, "/proc/net/dev", head);
	assert_int_equal(probe_net.read(net, 8000), 0);
	sample_reset(&r->got, 0, 0);
	probe_net.report(net, &r->got);
	assert_int_equal(r->got.n_values, 0);

	put(dir, "/proc/net/dev", text);
	snprintf(text, sizeof(text), "%s/sys/class/net/eth0/operstate", dir);
	assert_int_equal(unlink(text), 0);
	put(dir, "/sys/class/net/eth0/operstate", "up\n");
	assert_int_equal(probe_net.read(net, 12000), 0);
	sample_reset(&r->got, 0, 0);
	probe_net.report(net, &r->got);
	eth0 = entity_of(&r->got, "device", "eth0");
	expect_absent(&r->got, METRIC_NET_IN_BYTES_SEC, eth0);
	expect(&r->got, METRIC_NET_LINK_LOST, eth0, 0);
	probe_net.close(net);
	fs_remove_tree(dir);
}

/* A hundred interfaces: the first are measured, the rest are told about. */
static void too_many_interfaces(void **state)
{
	struct reading *r = *state;
	char dir[] = "/tmp/hp-net-XXXXXX", text[16384];
	struct probe_setup setup = {.env = &r->env};
	size_t len = 0;
	void *net;

	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < 100; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"eth%d: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n", i);
	put(dir, "/proc/net/dev", text);
	put(dir, "/sys/class/x", "");
	assert_int_equal(env_init(&r->env, dir), 0);
	assert_int_equal(probe_net.open(&setup, &net, NULL), 0);
	assert_int_equal(probe_net.read(net, 0), 0);
	assert_int_equal(probe_net.read(net, 1000), 0);
	sample_reset(&r->got, 0, 0);
	probe_net.report(net, &r->got);
	assert_int_equal(r->got.n_entities, 16);
	assert_int_equal(r->got.n_values, 16 * NET_COUNTS);
	probe_net.explain(net, &r->problems);
	assert_true(told(&r->problems, "probe-net"));
	assert_non_null(strstr(r->problems.list[0].text, "84 network interfaces"));
	probe_net.close(net);
	fs_remove_tree(dir);
}

/* The module of the firewall may be loaded long after the agent started. */
static void conntrack_comes_later(void **state)
{
	struct reading *r = *state;
	char dir[] = "/tmp/hp-net-XXXXXX";
	struct probe_setup setup = {.env = &r->env};
	void *sockets;

	assert_non_null(mkdtemp(dir));
	put(dir, "/proc/net/sockstat", "sockets: used 5\n");
	assert_int_equal(env_init(&r->env, dir), 0);
	assert_int_equal(probe_sockets.open(&setup, &sockets, NULL), 0);
	assert_int_equal(probe_sockets.read(sockets, 0), 0);
	sample_reset(&r->got, 0, 0);
	probe_sockets.report(sockets, &r->got);
	expect_absent(&r->got, METRIC_NET_CONNTRACK_COUNT, -1);
	put(dir, "/proc/sys/net/netfilter/nf_conntrack_count", "30\n");
	put(dir, "/proc/sys/net/netfilter/nf_conntrack_max", "40\n");
	assert_int_equal(probe_sockets.read(sockets, 1000), 0);
	sample_reset(&r->got, 0, 0);
	probe_sockets.report(sockets, &r->got);
	expect(&r->got, METRIC_NET_CONNTRACK_COUNT, -1, 30);
	expect(&r->got, METRIC_NET_CONNTRACK_PERC, -1, 75);
	probe_sockets.close(sockets);
	fs_remove_tree(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(net_dev_columns),
		cmocka_unit_test(net_dev_oddities),
		cmocka_unit_test(paired_lines),
		cmocka_unit_test(numbers_of_a_line),
		cmocka_unit_test(limits_of_a_process),
		cmocka_unit_test(switches_of_a_process),
		cmocka_unit_test_setup_teardown(tree_of_6_1, reading_up, reading_down),
		cmocka_unit_test_setup_teardown(tree_of_3_10, reading_up, reading_down),
		cmocka_unit_test_setup_teardown(tree_of_6_18, reading_up, reading_down),
		cmocka_unit_test_setup_teardown(tree_of_rubbish, reading_up, reading_down),
		cmocka_unit_test_setup_teardown(interfaces_come_and_go, reading_up, reading_down),
		cmocka_unit_test_setup_teardown(too_many_interfaces, reading_up, reading_down),
		cmocka_unit_test_setup_teardown(conntrack_comes_later, reading_up, reading_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
