/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups, version 1 and 2: memory and processes beside their limits, and kills for want of
 * memory. Which ones: the guest's own root where it has limits (a container), the slices directly
 * below it, and of the services below those the ones with a limit of memory or with a quarter of
 * their allowed processes in use; the first GROUPS_MAX of them. They are looked for every five
 * minutes, and again when one of them has gone or the guest makes many tasks or takes much
 * memory.
 *
 * A group is charged for the files that its processes read and wrote, and a busy one fills its limit
 * with them; that is no want of memory, as the kernel takes them back. So near the limit what can be
 * taken back is not counted as used. It stands in memory.stat, which the kernel has to sum up first,
 * so nobody else is asked for it.
 */
#include "sample/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/wide.h"
#include "sample/dirwalk.h"
#include "sample/mounts.h"
#include "sample/parse.h"
#include "sample/parse_value.h"
#include "sample/trend.h"

#define GROUPS_MAX    32
#define NAME_BYTES    160
#define LOOK_MS	      300000
#define LOOK_AGAIN_MS 60000
#define LOOK_HINT_MS  20000 /* when many tasks are made or much memory is taken */
#define PIDS_NEAR     4 /* a quarter in use */
#define MEMORY_NEAR   0.6
#define STAT_MAX      8192

enum group_file {
	MEM_NOW,
	MEM_LIMIT,
	MEM_EVENTS,
	MEM_PRESSURE,
	PIDS_NOW,
	PIDS_LIMIT,
	GROUP_FILES,
	MEM_HIGH = GROUP_FILES, /* a second number of MEM_EVENTS */
	GROUP_VALUES
};
static const char *const names_v1[GROUP_FILES] = {
	"memory.usage_in_bytes", "memory.limit_in_bytes",
	"memory.oom_control",    NULL,
	"pids.current",          "pids.max",
};
static const char *const names_v2[GROUP_FILES] = {
	"memory.current",  "memory.max",   "memory.events",
	"memory.pressure", "pids.current", "pids.max",
};

struct group {
	char name[NAME_BYTES]; /* below the root; "" = the root */
	bool used, seen, gone;
	int fds[GROUP_FILES];
	unsigned found; /* bit of each file read with a number, or, of limits, with one set */
	uint64_t values[GROUP_VALUES];
	uint64_t cache; /* of MEM_NOW, can be taken back; 0 while that is far from the limit */
	struct trend memory, pids;
};

struct cgroups {
	struct mounts *mounts;
	const struct env *env;
	const char *const *files;
	int memory_dir, pids_dir; /* roots; -1: no such controller */
	int64_t look_due_ms;
	struct probe_hints *hints;
	unsigned no_room; /* groups of the last look that are worth it and found none */
	struct group groups[GROUPS_MAX];
};

/* ---- files of a group ---- */

/* The kills came to version 1 with Linux 4.13; "high" is version 2's. */
static void parse_events(struct group *g, const char *p, size_t n)
{
	static const char *const keys[] = {"high", "oom_kill"};
	static const enum group_file of[] = {MEM_HIGH, MEM_EVENTS};
	const struct parse_keys wanted = {keys, ARRAY_SIZE(keys)};
	uint64_t values[ARRAY_SIZE(keys)];
	uint64_t found = parse_keyed(p, n, &wanted, values);

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (found >> i & 1) {
			g->values[of[i]] = values[i];
			g->found |= 1u << of[i];
		}
}

static int parse_hundredths(const char *p, size_t n, uint64_t *ret)
{
	struct parse_pressure now;
	int err = parse_pressure(p, n, &now);

	if (err || !now.full.present)
		return -EINVAL;
	*ret = (uint64_t)(now.full.avg60 * 100 + 0.5);
	return 0;
}

static void parse_file(struct group *g, enum group_file file, const char *p, size_t n)
{
	uint64_t *to = &g->values[file];
	int err = -ENOENT;

	if (file == MEM_EVENTS)
		parse_events(g, p, n);
	else if (file == MEM_PRESSURE)
		err = parse_hundredths(p, n, to);
	else if (file == MEM_LIMIT || file == PIDS_LIMIT)
		err = parse_limit(p, n, to);
	else
		err = parse_number(p, n, to);
	if (!err)
		g->found |= 1u << file;
}

static void read_file(struct group *g, enum group_file file)
{
	char text[512];
	ssize_t n;

	if (g->fds[file] < 0)
		return;
	n = pread(g->fds[file], text, sizeof(text), 0);
	if (n < 0)
		g->gone |= errno == ENODEV || errno == ENOENT;
	else
		parse_file(g, file, text, (size_t)n);
}

static void read_group(struct group *g)
{
	g->found = 0;
	for (enum group_file file = 0; file < GROUP_FILES; file++)
		read_file(g, file);
}

static void close_group(struct group *g)
{
	for (size_t i = 0; i < GROUP_FILES; i++)
		if (g->fds[i] >= 0)
			close(take_fd(&g->fds[i]));
	g->used = false;
}

static void open_group(const struct cgroups *s, struct group *g, const char *name)
{
	char path[NAME_BYTES + 32];

	*g = (struct group){.used = true};
	snprintf(g->name, sizeof(g->name), "%s", name);
	for (enum group_file file = 0; file < GROUP_FILES; file++) {
		int dir = file >= PIDS_NOW ? s->pids_dir : s->memory_dir;

		g->fds[file] = -1;
		if (dir < 0 || !s->files[file])
			continue;
		snprintf(path, sizeof(path), "%s%s%s", name, name[0] ? "/" : "", s->files[file]);
		g->fds[file] = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	}
}

/* ---- which groups ---- */

static bool has(const struct group *g, enum group_file file)
{
	return g->found >> file & 1;
}

static bool is_worth_it(const struct group *g, unsigned depth)
{
	bool limited = has(g, MEM_LIMIT) || (has(g, PIDS_LIMIT) && !g->name[0]);

	if (depth == 0)
		return limited && (has(g, MEM_NOW) || has(g, PIDS_NOW));
	if (depth == 1)
		return has(g, MEM_NOW) || has(g, PIDS_NOW);
	return limited || (has(g, PIDS_LIMIT) && has(g, PIDS_NOW) &&
			   g->values[PIDS_NOW] >= g->values[PIDS_LIMIT] / PIDS_NEAR);
}

static struct group *find_group(struct cgroups *s, const char *name)
{
	for (size_t i = 0; i < GROUPS_MAX; i++)
		if (s->groups[i].used && !strcmp(s->groups[i].name, name))
			return &s->groups[i];
	return NULL;
}

static void consider(struct cgroups *s, const char *name, unsigned depth)
{
	struct group *g = find_group(s, name), fresh;

	if (g) {
		g->seen = is_worth_it(g, depth);
		return;
	}
	for (size_t i = 0; !g && i < GROUPS_MAX; i++)
		if (!s->groups[i].used)
			g = &s->groups[i];
	open_group(s, &fresh, name);
	read_group(&fresh);
	fresh.seen = true;
	if (g && is_worth_it(&fresh, depth)) {
		*g = fresh;
		return;
	}
	s->no_room += is_worth_it(&fresh, depth);
	close_group(&fresh);
}

static int open_folder(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
}

static void look_below(struct cgroups *s, int root, const char *parent)
{
	_cleanup_close_ int dir = open_folder(root, parent);
	char name[NAME_BYTES];
	struct dirwalk walk;
	const char *child;

	if (dir < 0)
		return;
	dirwalk_start(&walk, dir);
	while ((child = dirwalk_next(&walk, true))) {
		int n = snprintf(name, sizeof(name), "%s/%s", parent, child);

		if (n > 0 && (size_t)n < sizeof(name))
			consider(s, name, 2);
	}
}

/* All of the first level before any of the second, which may be long. */
static void look(struct cgroups *s)
{
	int root = s->memory_dir >= 0 ? s->memory_dir : s->pids_dir;
	struct dirwalk walk;
	const char *child;

	s->no_room = 0;
	for (size_t i = 0; i < GROUPS_MAX; i++)
		s->groups[i].seen = false;
	consider(s, "", 0);
	dirwalk_start(&walk, root);
	while ((child = dirwalk_next(&walk, true)))
		if (strlen(child) < NAME_BYTES)
			consider(s, child, 1);
	dirwalk_start(&walk, root);
	while ((child = dirwalk_next(&walk, true)))
		if (strlen(child) < NAME_BYTES)
			look_below(s, root, child);
	for (size_t i = 0; i < GROUPS_MAX; i++)
		if (s->groups[i].used && !s->groups[i].seen)
			close_group(&s->groups[i]);
}

/* ---- life ---- */

static int open_root(const struct cgroups *s, const char *path)
{
	char full[ENV_PATH_MAX];

	return open(env_path(s->env, path, full), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
}

/* Version 1 wins where it has the memory controller: version 2 is then mounted beside it, empty. */
static void find_roots(struct cgroups *s)
{
	struct parse_mount m, v2 = {0};
	size_t pos = 0;

	while (mounts_next(s->mounts, &pos, &m)) {
		if (!strcmp(m.type, "cgroup2") && !v2.path[0])
			v2 = m;
		if (m.cgroup_memory && s->memory_dir < 0)
			s->memory_dir = open_root(s, m.path);
		if (m.cgroup_pids && s->pids_dir < 0)
			s->pids_dir = open_root(s, m.path);
	}
	s->files = names_v1;
	if (s->memory_dir >= 0 || s->pids_dir >= 0 || !v2.path[0])
		return;
	s->files = names_v2;
	s->memory_dir = open_root(s, v2.path);
	s->pids_dir = s->memory_dir >= 0 ? dup(s->memory_dir) : -1;
}

static void cgroup_close(void *state)
{
	struct cgroups *s = state;

	for (size_t i = 0; i < GROUPS_MAX; i++)
		if (s->groups[i].used)
			close_group(&s->groups[i]);
	if (s->memory_dir >= 0)
		close(s->memory_dir);
	if (s->pids_dir >= 0)
		close(s->pids_dir);
	wide_free(s);
}

static int cgroup_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	struct cgroups *s;

	if (!setup->mounts || !mounts_refresh(setup->mounts, false))
		return err_set(e, -ENOENT, "what is mounted cannot be read");
	s = wide_new(sizeof(*s));
	if (!s)
		return err_set(e, -ENOMEM, "no memory");
	s->mounts = setup->mounts;
	s->env = setup->env;
	s->hints = setup->hints;
	s->memory_dir = s->pids_dir = -1;
	find_roots(s);
	if (s->memory_dir < 0 && s->pids_dir < 0) {
		cgroup_close(s);
		return err_set(e, -ENOENT, "no control groups are mounted");
	}
	*ret = s;
	return 0;
}

/* ---- readings ---- */

static uint64_t read_cache(const struct cgroups *s, const struct group *g)
{
	static const char *const keys[] = {"inactive_file", "active_file", "slab_reclaimable",
					   "total_inactive_file", "total_active_file"};
	const size_t v2 = 3, first = s->files == names_v1 ? v2 : 0;
	const struct parse_keys wanted = {keys + first, first ? ARRAY_SIZE(keys) - v2 : v2};
	char path[NAME_BYTES + 32], text[STAT_MAX];
	uint64_t values[ARRAY_SIZE(keys)], found, sum = 0;
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s%smemory.stat", g->name, g->name[0] ? "/" : "");
	fd = openat(s->memory_dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	found = n > 0 ? parse_keyed(text, (size_t)n, &wanted, values) : 0;
	for (size_t i = 0; i < wanted.n; i++)
		sum += found >> i & 1 ? values[i] : 0;
	return sum < g->values[MEM_NOW] ? sum : g->values[MEM_NOW];
}

static bool is_limited(const struct group *g)
{
	return has(g, MEM_NOW) && has(g, MEM_LIMIT) && g->values[MEM_LIMIT];
}

static double memory_part(const struct group *g)
{
	return (double)(g->values[MEM_NOW] - g->cache) / (double)g->values[MEM_LIMIT];
}

static void look_closer(const struct cgroups *s, struct group *g)
{
	g->cache = 0;
	if (is_limited(g) && memory_part(g) >= MEMORY_NEAR)
		g->cache = read_cache(s, g);
}

static void follow(struct group *g, int64_t now_ms)
{
	if (is_limited(g))
		trend_add(&g->memory, memory_part(g), now_ms);
	if (has(g, PIDS_NOW) && has(g, PIDS_LIMIT) && g->values[PIDS_LIMIT])
		trend_add(&g->pids, (double)g->values[PIDS_NOW] / (double)g->values[PIDS_LIMIT],
			  now_ms);
}

/* A group that is about to be full may be a new one. */
static void take_hint(struct cgroups *s, int64_t now_ms)
{
	if (!s->hints || !s->hints->groups)
		return;
	s->hints->groups = false;
	if (s->look_due_ms - now_ms <= LOOK_MS - LOOK_HINT_MS)
		s->look_due_ms = now_ms;
}

static int cgroup_read(void *state, int64_t now_ms)
{
	struct cgroups *s = state;
	bool gone = false;

	take_hint(s, now_ms);

	for (size_t i = 0; i < GROUPS_MAX; i++) {
		struct group *g = &s->groups[i];

		if (!g->used)
			continue;
		read_group(g);
		look_closer(s, g);
		follow(g, now_ms);
		gone |= g->gone;
		if (g->gone)
			close_group(g);
	}
	if (gone && s->look_due_ms > now_ms + LOOK_AGAIN_MS)
		s->look_due_ms = now_ms + LOOK_AGAIN_MS;
	if (now_ms >= s->look_due_ms) {
		look(s);
		s->look_due_ms = now_ms + LOOK_MS;
	}
	return 0;
}

static enum probe_stress cgroup_stress(const void *state)
{
	const struct cgroups *s = state;
	enum probe_stress greatest = STRESS_CALM;

	for (size_t i = 0; i < GROUPS_MAX; i++) {
		const struct group *g = &s->groups[i];
		enum probe_stress memory = trend_stress(&g->memory), pids = trend_stress(&g->pids);

		if (g->used && memory > greatest)
			greatest = memory;
		if (g->used && pids > greatest)
			greatest = pids;
	}
	return greatest;
}

static void report_part(const struct group *g, int entity, struct sample *out)
{
	const struct {
		enum group_file now, limit;
		enum metric now_metric, limit_metric, perc_metric;
		double unit;
	} rows[] = {
		{MEM_NOW, MEM_LIMIT, METRIC_CGROUP_MEMORY, METRIC_CGROUP_MEMORY_LIMIT,
		 METRIC_CGROUP_MEMORY_PERC, 1048576.0},
		{PIDS_NOW, PIDS_LIMIT, METRIC_CGROUP_PIDS, METRIC_CGROUP_PIDS_LIMIT,
		 METRIC_CGROUP_PIDS_PERC, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		double now = (double)g->values[rows[i].now];
		double limit = (double)g->values[rows[i].limit];

		if (has(g, rows[i].now))
			probe_add_of(out, rows[i].now_metric, entity, now / rows[i].unit);
		if (has(g, rows[i].limit))
			probe_add_of(out, rows[i].limit_metric, entity, limit / rows[i].unit);
		if (rows[i].now == MEM_NOW)
			now -= (double)g->cache;
		if (has(g, rows[i].now) && has(g, rows[i].limit) && limit > 0)
			probe_add_of(out, rows[i].perc_metric, entity, 100.0 * now / limit);
	}
}

static void report_troubles(const struct group *g, int entity, struct sample *out)
{
	const struct {
		enum group_file of;
		enum metric metric;
		double unit;
	} rows[] = {
		{MEM_EVENTS, METRIC_CGROUP_OOM_KILL, 1},
		{MEM_HIGH, METRIC_CGROUP_HIGH_EVENTS, 1},
		{MEM_PRESSURE, METRIC_CGROUP_PRESSURE, 100.0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (has(g, rows[i].of))
			probe_add_of(out, rows[i].metric, entity,
				     (double)g->values[rows[i].of] / rows[i].unit);
}

static void cgroup_report(const void *state, struct sample *out)
{
	const struct cgroups *s = state;
	char shown[112];

	for (size_t i = 0; i < GROUPS_MAX; i++) {
		const struct group *g = &s->groups[i];
		int entity;

		if (!g->used)
			continue;
		sample_escape(shown, sizeof(shown), g->name[0] ? g->name : "/",
			      g->name[0] ? strlen(g->name) : 1);
		entity = sample_entity(out, "cgroup", shown, NULL);
		report_part(g, entity, out);
		report_troubles(g, entity, out);
	}
}

static void cgroup_explain(const void *state, struct problems *problems)
{
	const struct cgroups *s = state;

	if (s->no_room)
		problems_add(
			problems, PROBLEM_WARN, "probe-cgroup",
			"none needed; the groups of the first level come first, and the guest as "
			"a whole is measured",
			"%u control groups are not measured: there is room for %d", s->no_room,
			GROUPS_MAX);
}

const struct probe_ops probe_cgroup = {
	.name = "cgroup",
	.source = "cgroup",
	.pace = PROBE_MINUTE,
	.seldom = true,
	.open = cgroup_open,
	.read = cgroup_read,
	.report = cgroup_report,
	.stress = cgroup_stress,
	.explain = cgroup_explain,
	.close = cgroup_close,
};
