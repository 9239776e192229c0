/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cfn-push-stats`: what its options measure, under the old names and units, into the running
 * agent's metric sinks. The service that the old tool sent to left Heat long ago.
 */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "command/command.h"
#include "command/control.h"
#include "command/direct.h"
#include "command/options.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/text.h"
#include "sample/sampler.h"

#define NAME     "cfn-push-stats"
#define RATE_MS  1000 /* CPU time is looked at over a second, as the old tool did */
#define ASK_MS   10000
#define UNIT_DEF "megabytes"

struct push_arguments {
	bool service_failure, heartbeat, mem_util, mem_used, mem_avail, swap_util, swap_used,
		disk_util, disk_used, disk_avail, cpu_util, haproxy, haproxy_latency, verbose;
	const char *memory_units, *disk_units, *disk_path, *watch, *metric, *units, *value,
		*credential_file;
};

#define FLAG(option, member, text)                                                                 \
	{                                                                                          \
		0, option, OPTION_FLAG, offsetof(struct push_arguments, member), NULL, text        \
	}
#define TEXT(option, member, word, text)                                                           \
	{                                                                                          \
		0, option, OPTION_TEXT, offsetof(struct push_arguments, member), word, text        \
	}

static const struct option_row rows[] = {
	FLAG("heartbeat", heartbeat, "Heartbeat: 1"),
	FLAG("service-failure", service_failure, "ServiceFailure: 1"),
	FLAG("mem-util", mem_util, "MemoryUtilization in percent"),
	FLAG("mem-used", mem_used, "MemoryUsed in --memory-units"),
	FLAG("mem-avail", mem_avail, "MemoryAvailable in --memory-units"),
	FLAG("swap-util", swap_util, "SwapUtilization in percent"),
	FLAG("swap-used", swap_used, "SwapUsed in --memory-units"),
	FLAG("disk-space-util", disk_util, "DiskSpaceUtilization in percent"),
	FLAG("disk-space-used", disk_used, "DiskSpaceUsed in --disk-units"),
	FLAG("disk-space-avail", disk_avail, "DiskSpaceAvailable in --disk-units"),
	FLAG("cpu-util", cpu_util, "CPUUtilization in percent, over a second"),
	TEXT("memory-units", memory_units, "UNIT",
	     "bytes, kilobytes, megabytes (default) or gigabytes"),
	TEXT("disk-units", disk_units, "UNIT", "the same for disk space"),
	TEXT("disk-path", disk_path, "PATH", "the file system that is looked at (/)"),
	TEXT("metric", metric, "NAME", "a value of your own, with --units and --value"),
	TEXT("units", units, "UNIT", "its unit"),
	TEXT("value", value, "NUMBER", "its value"),
	TEXT("watch", watch, "NAME", "dimension AlarmName of everything sent"),
	FLAG("haproxy", haproxy, NULL),
	FLAG("haproxy-latency", haproxy_latency, NULL),
	TEXT("credential-file", credential_file, "FILE", NULL),
	{'v', "verbose", OPTION_FLAG, offsetof(struct push_arguments, verbose), NULL, NULL},
};

static const struct option_set options = {
	.command = NAME,
	.synopsis = "[OPTIONS]",
	.about = "Measures and hands the values to the running agent, which sends them to its "
		 "metric sinks.\n"
		 "Exit: 0 accepted, 1 no sink or nothing measured, 2 usage, 5 no agent runs.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
};

static const struct {
	const char *name;
	double bytes;
} units[] = {
	{"bytes", 1},
	{"kilobytes", 1024},
	{"megabytes", 1048576},
	{"gigabytes", 1073741824},
};

struct pushing {
	const struct push_arguments *a;
	struct loop *loop;
	struct direct *direct;
	json_t *points;
	double memory_unit, disk_unit;
	const char *memory_name, *disk_name;
};

static int find_unit(const char *word, const char *option, double *bytes, const char **name)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcasecmp(units[i].name, word ? word : UNIT_DEF)) {
			*bytes = units[i].bytes;
			*name = units[i].name;
			return 0;
		}
	return command_usage(NAME, "%s takes bytes, kilobytes, megabytes or gigabytes, not '%s'",
			     option, word);
}

static void add(struct pushing *p, bool wanted, const char *name, double value, const char *unit)
{
	if (wanted && isfinite(value))
		json_array_append_new(p->points,
				      json_pack("{s:o, s:f, s:o}", "name", json_text(name), "value",
						value, "unit", json_text(unit)));
}

/* ---- memory and CPU: from a sample ---- */

static bool needs_sample(const struct push_arguments *a)
{
	return a->mem_util || a->mem_used || a->mem_avail || a->swap_util || a->swap_used ||
	       a->cpu_util;
}

static double get(const struct sample *s, enum metric metric)
{
	double value;

	return sample_get(s, metric, &value) ? value : (double)NAN;
}

static void on_sample(const struct sample *s, void *ctx)
{
	struct pushing *p = ctx;
	const struct push_arguments *a = p->a;
	const double unit = 1048576 / p->memory_unit;
	double total = get(s, METRIC_MEM_TOTAL_MB), usable = get(s, METRIC_MEM_USABLE_MB),
	       swap = get(s, METRIC_MEM_SWAP_TOTAL_MB), used = get(s, METRIC_MEM_SWAP_USED_MB);

	add(p, a->mem_util, "MemoryUtilization", 100 * (total - usable) / total, "Percent");
	add(p, a->mem_used, "MemoryUsed", (total - usable) * unit, p->memory_name);
	add(p, a->mem_avail, "MemoryAvailable", usable * unit, p->memory_name);
	add(p, a->swap_util, "SwapUtilization", swap > 0 ? 100 * used / swap : 0, "Percent");
	add(p, a->swap_used, "SwapUsed", used * unit, p->memory_name);
	add(p, a->cpu_util, "CPUUtilization", get(s, METRIC_CPU_PERCENT), "Percent");
	loop_quit(p->loop, 0);
}

static int take_sample(struct pushing *p, struct err *e)
{
	const struct sampler_setup setup = {.loop = p->loop,
					    .conf = &p->direct->conf,
					    .open_fd = direct_open,
					    .open_ctx = p->direct,
					    .sample = on_sample,
					    .ctx = p};
	struct sampler *sampler = NULL;
	int r = sampler_new(&setup, &sampler, e);

	if (r == 0)
		r = sampler_once(sampler, RATE_MS);
	if (r == 0)
		r = loop_run(p->loop);
	sampler_free(sampler);
	return r;
}

static int measure_memory(struct pushing *p, const struct env *env, struct err *e)
{
	struct direct direct;
	int r = direct_init(&direct, env, e);

	p->direct = &direct;
	if (r == 0)
		r = loop_new(env, &p->loop);
	if (r == 0)
		r = take_sample(p, e);
	loop_free(p->loop);
	direct_deinit(&direct);
	return r;
}

/* ---- the rest ---- */

static int measure_disk(struct pushing *p, const struct env *env)
{
	const struct push_arguments *a = p->a;
	const char *path = a->disk_path ? a->disk_path : "/";
	char full[ENV_PATH_MAX];
	struct statvfs fs;
	double block, used, free_space;
	int r;

	if (!a->disk_util && !a->disk_used && !a->disk_avail)
		return 0;
	if (path[0] != '/')
		return command_usage(NAME, "--disk-path takes an absolute path, not '%s'", path);
	r = fs_statvfs(env_path(env, path, full), &fs);
	if (r) {
		fprintf(stderr, NAME ": %s: %s\n", full, strerror(-r));
		return EXIT_CONFIG;
	}
	block = (double)fs.f_frsize;
	used = (double)(fs.f_blocks - fs.f_bfree) * block;
	free_space = (double)fs.f_bavail * block;
	add(p, a->disk_util, "DiskSpaceUtilization", 100 * used / (used + free_space), "Percent");
	add(p, a->disk_used, "DiskSpaceUsed", used / p->disk_unit, p->disk_name);
	add(p, a->disk_avail, "DiskSpaceAvailable", free_space / p->disk_unit, p->disk_name);
	return 0;
}

static int check_arguments(struct pushing *p, double *value)
{
	const struct push_arguments *a = p->a;
	int r;

	if (a->haproxy || a->haproxy_latency)
		return command_usage(NAME,
				     "--haproxy%s is not offered: let a Prometheus exporter watch "
				     "haproxy",
				     a->haproxy ? "" : "-latency");
	if ((a->metric || a->value || a->units) && (!a->metric || !a->value || !a->units))
		return command_usage(NAME, "--metric, --units and --value go together");
	if (a->value && text_double(a->value, strlen(a->value), value) < 0)
		return command_usage(NAME, "--value takes a number, not '%s'", a->value);
	r = find_unit(a->memory_units, "--memory-units", &p->memory_unit, &p->memory_name);
	return r ? r : find_unit(a->disk_units, "--disk-units", &p->disk_unit, &p->disk_name);
}

static int measure(struct pushing *p, const struct env *env, double value)
{
	const struct push_arguments *a = p->a;
	struct err e = ERR_INIT;
	int r = measure_disk(p, env);

	if (r)
		return r;
	add(p, a->service_failure, "ServiceFailure", 1, "Counter");
	add(p, a->heartbeat, "Heartbeat", 1, "Counter");
	add(p, a->metric != NULL, a->metric, value, a->units);
	if (needs_sample(a) && (r = measure_memory(p, env, &e)) < 0) {
		fprintf(stderr, NAME ": %s\n", e.code ? e.text : strerror(-r));
		return EXIT_CONFIG;
	}
	if (json_array_size(p->points) > 0)
		return 0;
	fprintf(stderr,
		NAME ": nothing to tell: no option names a measurement, or none could be had\n");
	return EXIT_CONFIG;
}

static int hand_over(const struct pushing *p, const struct env *env)
{
	_cleanup_json_ json_t *request = json_pack("{s:i, s:s, s:O, s:o*}", "v", 1, "do", "metrics",
						   "points", p->points, "watch",
						   p->a->watch ? json_text(p->a->watch) : NULL),
			      *answer = NULL;
	struct err e = ERR_INIT;
	const char *state;
	int r = request ? control_ask(env, request, ASK_MS, &answer, &e) : -ENOMEM;

	if (r == -ENOENT || r == -ECONNREFUSED) {
		fprintf(stderr, NAME ": no agent runs here\n");
		return EXIT_NO_AGENT;
	}
	state = json_str(answer, "state");
	if (r == 0 && state && !strcmp(state, "accepted"))
		return EXIT_GOOD;
	fprintf(stderr, NAME ": %s\n",
		r < 0                       ? e.text
		: json_str(answer, "error") ? json_str(answer, "error")
					    : "refused");
	return EXIT_CONFIG;
}

int command_cfn_push_stats(struct env *env, int argc, char **argv)
{
	struct push_arguments a = {0};
	struct pushing p = {.a = &a};
	double value = 0;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	r = check_arguments(&p, &value);
	if (r)
		return r;
	p.points = json_array();
	r = measure(&p, env, value);
	if (r == 0)
		r = hand_over(&p, env);
	json_decref(p.points);
	return r;
}
