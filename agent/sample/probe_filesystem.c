/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Space, inodes and state of the watched mounts: the local file systems, or those that the settings
 * name. Space comes from the prober: this probe asks, and reports the latest answer. A mount that
 * does not answer in time is reported as hung and its numbers are absent. Asked once a minute while
 * there is room; with every sample when it is scarce or the mount hangs, when it was filled so fast
 * between two looks that 20 minutes would end it, or when its device is written to so fast that five
 * would. Where two minutes would end it samples come each second.
 *
 * ext4 that met an error refuses writes, but statvfs and the mount flags go on saying "rw" (Linux
 * 6.1, 6.12); only newer kernels say so among the options, and never by a change that can be waited
 * for. So its error counter in sysfs is read with every sample, which asks no device.
 */
#include "sample/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/text.h"
#include "core/wide.h"
#include "sample/mounts.h"
#include "sample/prober.h"
#include "sample/sampler.h"
#include "sample/trend.h"

#define CALM_MS	      60000
#define SCARCE_PERC   80.0
#define WRITTEN_S     300.0
#define ERRORS_UNKNOWN UINT64_MAX

struct mount {
	struct filesystem *of;
	bool used;
	bool wanted; /* false: left the list while an answer was on its way */
	char path[PROBER_PATH_MAX];
	char shown[112]; /* the path, escaped */
	struct parse_mount info; /* source "" when it is not mounted */
	bool asked; /* the answer is on its way */
	bool known; /* status and answer are of a real answer */
	bool answered, fresh; /* since the last reading; before it, since the one before */
	int status;
	int64_t due_ms;
	struct prober_answer answer;
	struct trend space, inodes;
	int errors_fd; /* -1: it does not count its errors */
	uint64_t errors, errors_before; /* now; when this mount was first seen */
};

struct filesystem {
	const struct env *env;
	struct loop *loop;
	struct prober *prober;
	struct sampler *sampler;
	struct mounts *mounts;
	unsigned generation;
	bool looked; /* at the table of mounts, since the list was given */
	const char *conf_list;
	bool named; /* the list is given, not found */
	size_t no_room; /* mounts of the list that found none */
	struct mount list[MOUNTS_MAX];
};

static bool is_hung(const struct mount *m)
{
	return m->known && (m->status == -ETIMEDOUT || m->status == -EBUSY);
}

/* The rule of df: what only root may use is neither used nor free. */
static double used_percent(uint64_t all, uint64_t free, uint64_t available)
{
	uint64_t used = all - free;

	if (!(used + available))
		return 0;
	return (double)(uint64_t)(1000.0 * (double)used / (double)(used + available) + 0.5) / 10.0;
}

static double space_percent(const struct mount *m)
{
	return used_percent(m->answer.n[STATVFS_BLOCKS], m->answer.n[STATVFS_FREE],
			    m->answer.n[STATVFS_AVAILABLE]);
}

static double inode_percent(const struct mount *m)
{
	return used_percent(m->answer.n[STATVFS_FILES], m->answer.n[STATVFS_FILES_FREE],
			    m->answer.n[STATVFS_FILES_FREE]);
}

static bool is_scarce(const struct mount *m)
{
	return m->known &&
	       (m->status || space_percent(m) >= SCARCE_PERC || inode_percent(m) >= SCARCE_PERC);
}

static enum probe_stress stress_of(const struct mount *m)
{
	enum probe_stress space = trend_stress(&m->space), inodes = trend_stress(&m->inodes);

	return space > inodes ? space : inodes;
}

/* Whoever writes so fast may fill it before a minute is over: worth a look, which is cheap. */
static bool is_written_fast(const struct filesystem *f, const struct mount *m)
{
	double room = (double)m->answer.n[STATVFS_AVAILABLE] * (double)m->answer.n[STATVFS_UNIT];

	return m->known && !m->status && f->mounts &&
	       mounts_writes(f->mounts, m->info.major, m->info.minor) * WRITTEN_S > room;
}

/* What is steep cannot wait for the next sample. */
static void follow(struct mount *m)
{
	struct filesystem *f = m->of;
	int64_t now_ms = loop_now(f->loop);

	trend_add(&m->space, space_percent(m) / 100, now_ms);
	trend_add(&m->inodes, inode_percent(m) / 100, now_ms);
	if (stress_of(m) == STRESS_RAISE)
		probe_alarm(f->sampler, &probe_filesystem);
}

static bool needs_looks(const struct filesystem *f, const struct mount *m)
{
	return is_scarce(m) || stress_of(m) != STRESS_CALM || is_written_fast(f, m);
}

static void on_answer(int status, const struct prober_answer *answer, void *ctx)
{
	struct mount *m = ctx;

	m->asked = false;
	m->status = status;
	m->known = status != -ECONNRESET && status != -ENOLINK && status != -EAGAIN;
	m->answered = true;
	if (answer)
		m->answer = *answer;
	if (answer && !status)
		follow(m);
}

static void ask(struct mount *m, int64_t now_ms)
{
	int err = prober_ask(m->of->prober, PROBER_STATVFS, m->path, on_answer, m);

	if (err)
		on_answer(err, NULL, m);
	else
		m->asked = true;
	m->due_ms = now_ms + CALM_MS;
}

/* ---- errors that the mount flags do not show ---- */

static uint64_t read_errors(const struct mount *m)
{
	char text[32];
	ssize_t n = m->errors_fd < 0 ? 0 : pread(m->errors_fd, text, sizeof(text), 0);
	uint64_t errors;

	if (n < 1 || text[n - 1] != '\n' || text_u64(text, (size_t)n - 1, &errors))
		return ERRORS_UNKNOWN;
	return errors;
}

/* The kernel's name of the device: what is mounted may be called /dev/root or /dev/mapper/x. */
static bool device_name(const struct filesystem *f, const struct parse_mount *m, char *to,
			size_t cap)
{
	char path[64], full[ENV_PATH_MAX], target[256];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", m->major, m->minor);
	n = readlink(env_path(f->env, path, full), target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	slash = strrchr(target, '/');
	n = snprintf(to, cap, "%s", slash ? slash + 1 : target);
	return n > 0 && (size_t)n < cap;
}

static void open_errors(const struct filesystem *f, struct mount *m)
{
	char name[64], path[128], full[ENV_PATH_MAX];

	if (m->errors_fd >= 0)
		close(take_fd(&m->errors_fd));
	m->errors = ERRORS_UNKNOWN;
	if (strncmp(m->info.type, "ext", 3) || !device_name(f, &m->info, name, sizeof(name)))
		return;
	if (!strcmp(m->info.source, "root"))
		snprintf(m->info.source, sizeof(m->info.source), "%s", name);
	snprintf(path, sizeof(path), "/sys/fs/ext4/%s/errors_count", name);
	m->errors_fd = open(env_path(f->env, path, full), O_RDONLY | O_CLOEXEC | O_NOCTTY);
	m->errors = m->errors_before = read_errors(m);
}

/* ---- the list ---- */

static struct mount *find_mount(struct filesystem *f, const char *path)
{
	for (size_t i = 0; i < MOUNTS_MAX; i++)
		if (f->list[i].used && !strcmp(f->list[i].path, path))
			return &f->list[i];
	return NULL;
}

static void release(struct mount *m)
{
	if (m->errors_fd >= 0)
		close(take_fd(&m->errors_fd));
	m->used = false;
}

/* What left the list makes room, but for one that an answer is still on its way to. */
static struct mount *free_place(struct filesystem *f)
{
	for (size_t i = 0; i < MOUNTS_MAX; i++)
		if (!f->list[i].used)
			return &f->list[i];
	for (size_t i = 0; i < MOUNTS_MAX; i++)
		if (!f->list[i].wanted && !f->list[i].asked) {
			release(&f->list[i]);
			return &f->list[i];
		}
	return NULL;
}

static struct mount *add_mount(struct filesystem *f, const char *p, size_t n)
{
	char path[PROBER_PATH_MAX];
	struct mount *m = NULL;

	if (!n || n >= sizeof(path) || p[0] != '/')
		return NULL;
	while (n > 1 && p[n - 1] == '/')
		n--;
	memcpy(path, p, n);
	path[n] = '\0';
	m = find_mount(f, path);
	if (!m) {
		m = free_place(f);
		if (!m) {
			f->no_room++;
			return NULL;
		}
		*m = (struct mount){
			.of = f, .used = true, .errors = ERRORS_UNKNOWN, .errors_fd = -1};
		memcpy(m->path, path, n + 1);
		sample_escape(m->shown, sizeof(m->shown), path, n);
	}
	m->wanted = true;
	return m;
}

/* One that is named, not found: other probes are to know it, too. */
static bool name_mount(struct filesystem *f, const char *p, size_t n)
{
	const struct mount *m = add_mount(f, p, n);

	return m && (!f->mounts || mounts_name(f->mounts, m->path));
}

static void set_info(const struct filesystem *f, struct mount *m, const struct parse_mount *info)
{
	bool same = m->info.id == info->id && m->info.major == info->major &&
		    m->info.minor == info->minor;
	char source[sizeof(info->source)];

	memcpy(source, m->info.source, sizeof(source));
	m->info = *info;
	if (!same)
		open_errors(f, m);
	else
		memcpy(m->info.source, source, sizeof(source));
}

/* One that an answer is still on its way to keeps its place. */
static void drop_unwanted(struct filesystem *f)
{
	for (size_t i = 0; i < MOUNTS_MAX; i++) {
		struct mount *m = &f->list[i];

		if (!m->used || m->wanted || m->asked)
			continue;
		release(m);
	}
}

static void list_named(struct filesystem *f)
{
	static const struct parse_mount none;
	struct parse_mount info;

	for (size_t i = 0; i < MOUNTS_MAX; i++)
		if (f->list[i].used)
			set_info(f, &f->list[i],
				 mounts_find(f->mounts, f->list[i].path, &info) ? &info : &none);
}

/* Places that were never used are not written to: they stay without memory. */
static void want_none(struct filesystem *f)
{
	f->no_room = 0;
	for (size_t i = 0; i < MOUNTS_MAX; i++)
		if (f->list[i].used)
			f->list[i].wanted = false;
}

static void list_local(struct filesystem *f)
{
	size_t n;
	const struct parse_mount *local = mounts_local(f->mounts, &n);

	want_none(f);
	for (size_t i = 0; i < n; i++) {
		struct mount *m = add_mount(f, local[i].path, strlen(local[i].path));

		if (m)
			set_info(f, m, &local[i]);
	}
}

static void update_list(struct filesystem *f, bool force)
{
	unsigned generation = f->mounts ? mounts_refresh(f->mounts, force) : 0;

	if (generation && generation != f->generation && f->named)
		list_named(f);
	else if (generation && generation != f->generation)
		list_local(f);
	else if (!generation && !f->named && !f->generation)
		add_mount(f, "/", 1); /* that much is certain */
	f->generation = generation;
	f->looked = true;
	drop_unwanted(f);
}

/* ---- readings ---- */

/* A counter that moved: only another look at the options tells what became of the mount. */
static bool update_errors(struct filesystem *f)
{
	bool moved = false;

	for (size_t i = 0; i < MOUNTS_MAX; i++) {
		struct mount *m = &f->list[i];
		uint64_t before = m->errors;

		if (!m->used || m->errors_fd < 0)
			continue;
		m->errors = read_errors(m);
		moved |= m->errors != before;
	}
	return moved;
}

static int filesystem_read(void *state, int64_t now_ms)
{
	struct filesystem *f = state;

	update_list(f, false);
	if (update_errors(f))
		update_list(f, true);
	for (size_t i = 0; i < MOUNTS_MAX; i++) {
		struct mount *m = &f->list[i];

		if (!m->used)
			continue; /* not written to: most of the table stays without memory */
		m->fresh = m->answered;
		m->answered = false;
		if (!m->wanted || m->asked ||
		    (m->known && now_ms < m->due_ms && !needs_looks(f, m)))
			continue;
		ask(m, now_ms);
	}
	return 0;
}

static bool has_new_errors(const struct mount *m)
{
	return m->errors != ERRORS_UNKNOWN && m->errors_before != ERRORS_UNKNOWN &&
	       m->errors > m->errors_before;
}

static bool is_readonly(const struct mount *m)
{
	return m->answer.n[STATVFS_READONLY] || m->info.emergency ||
	       (m->info.errors_readonly && has_new_errors(m));
}

static void report_space(const struct mount *m, int entity, struct sample *out)
{
	const uint64_t *n = m->answer.n;
	double mib = (double)n[STATVFS_UNIT] / 1048576.0;

	probe_add_of(out, METRIC_DISK_SPACE_USED_PERC, entity, space_percent(m));
	if (n[STATVFS_FILES])
		probe_add_of(out, METRIC_DISK_INODE_USED_PERC, entity, inode_percent(m));
	probe_add_of(out, METRIC_DISK_TOTAL_SPACE_MB, entity, (double)n[STATVFS_BLOCKS] * mib);
	probe_add_of(out, METRIC_DISK_TOTAL_USED_SPACE_MB, entity,
		     (double)(n[STATVFS_BLOCKS] - n[STATVFS_FREE]) * mib);
	probe_add_of(out, METRIC_FS_READONLY, entity, is_readonly(m));
}

static void filesystem_report(const void *state, struct sample *out)
{
	const struct filesystem *f = state;
	bool stale = out->stale;

	for (size_t i = 0; i < MOUNTS_MAX; i++) {
		const struct mount *m = &f->list[i];
		bool answered = m->known && (!m->status || is_hung(m));
		int entity;

		if (!m->used || !m->wanted || (!answered && m->errors == ERRORS_UNKNOWN))
			continue;
		entity = sample_entity(out, "mount_point", m->shown, m->info.source);
		out->stale = stale;
		if (m->errors_fd >= 0 && m->errors != ERRORS_UNKNOWN)
			probe_add_of(out, METRIC_FS_ERRORS, entity, (double)m->errors);
		if (!answered)
			continue;
		out->stale = !m->fresh;
		probe_add_of(out, METRIC_FS_HUNG, entity, is_hung(m));
		if (!m->status)
			report_space(m, entity, out);
	}
}

/* By itself a mount that fills asks for samples each second; that its numbers are asked for with
 * each of them is needs_looks(). */
static enum probe_stress filesystem_stress(const void *state)
{
	const struct filesystem *f = state;
	enum probe_stress greatest = STRESS_CALM;

	for (size_t i = 0; i < MOUNTS_MAX; i++)
		if (f->list[i].used && f->list[i].wanted && stress_of(&f->list[i]) > greatest)
			greatest = stress_of(&f->list[i]);
	return greatest;
}

static bool filesystem_busy(const void *state)
{
	const struct filesystem *f = state;

	for (size_t i = 0; i < MOUNTS_MAX; i++)
		if (f->list[i].used && f->list[i].asked)
			return true;
	return false;
}

static void explain_mount(const struct mount *m, struct problems *problems)
{
	if (is_hung(m))
		problems_add(problems, PROBLEM_ERROR, "mount-hung",
			     "look at the storage or server behind it",
			     "the file system at %s does not answer", m->shown);
	else if (m->status && !m->known)
		problems_add(problems, PROBLEM_WARN, "probe-filesystem",
			     "the runner starts it again",
			     "%s is not measured: the prober did not answer", m->shown);
	else if (m->status)
		problems_add(problems, PROBLEM_WARN, "probe-filesystem",
			     "correct mounts in section sample", "%s cannot be measured: %s",
			     m->shown, strerror(-m->status));
	if (m->known && !m->status && is_readonly(m) && !m->answer.n[STATVFS_READONLY])
		problems_add(problems, PROBLEM_ERROR, "mount-readonly",
			     "unmount it, check it with fsck and mount it again",
			     "the file system at %s refuses writes after an error", m->shown);
}

static void filesystem_explain(const void *state, struct problems *problems)
{
	const struct filesystem *f = state;

	if (f->mounts && mounts_left_out(f->mounts))
		problems_add(problems, PROBLEM_WARN, "mounts-many",
			     "name those that matter: mounts in section sample",
			     "%zu local file systems beyond %d are not measured",
			     mounts_left_out(f->mounts), MOUNTS_MAX);
	if (!f->mounts || (f->looked && !f->generation))
		problems_add(problems, PROBLEM_WARN, "probe-filesystem", "mount /proc",
			     "what is mounted cannot be read: only the root is measured");
	if (f->no_room)
		problems_add(problems, PROBLEM_WARN, "mounts-many",
			     "name those that matter: mounts in section sample",
			     "%zu mounts of the list are not measured: there is room for %d",
			     f->no_room, MOUNTS_MAX);
	for (size_t i = 0; i < MOUNTS_MAX; i++)
		if (f->list[i].used && f->list[i].wanted)
			explain_mount(&f->list[i], problems);
}

/* ---- life ---- */

/* Reports whether any item of the list is a path. */
static bool take_list(struct filesystem *f, const char *list)
{
	const char *item;
	size_t pos = 0, n;
	bool any = false;

	while (list && text_list_next(list, ',', &pos, &item, &n))
		any |= name_mount(f, item, n);
	return any;
}

static void forget_list(struct filesystem *f)
{
	want_none(f);
	f->looked = false;
	f->generation = 0; /* the next reading looks each up again */
}

static void filesystem_apply(void *state, const struct sampler_settings *settings)
{
	struct filesystem *f = state;

	forget_list(f);
	if (f->mounts)
		mounts_name(f->mounts, NULL);
	f->named = f->conf_list || settings->n_mounts;
	for (size_t i = 0; i < settings->n_mounts; i++)
		name_mount(f, settings->mounts[i], strlen(settings->mounts[i]));
	if (!settings->n_mounts)
		take_list(f, f->conf_list);
}

static int filesystem_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_wide_ struct filesystem *f = wide_new(sizeof(*f));

	if (!f)
		return err_set(e, -ENOMEM, "no memory");
	f->env = setup->env;
	f->loop = setup->loop;
	f->prober = setup->prober;
	f->sampler = setup->sampler;
	f->mounts = setup->mounts;
	f->conf_list = setup->conf->watch_mounts;
	f->named = f->conf_list;
	if (f->named && !take_list(f, f->conf_list))
		return err_set(e, -EINVAL, "no absolute path in the list of mounts to watch");
	*ret = take_ptr(f);
	return 0;
}

static void filesystem_close(void *state)
{
	struct filesystem *f = state;

	for (size_t i = 0; i < MOUNTS_MAX; i++)
		if (f->list[i].used && f->list[i].errors_fd >= 0)
			close(f->list[i].errors_fd);
	wide_free(f);
}

const struct probe_ops probe_filesystem = {
	.name = "filesystem",
	.source = "statvfs",
	.pace = PROBE_EACH,
	.partial = true,
	.open = filesystem_open,
	.read = filesystem_read,
	.report = filesystem_report,
	.close = filesystem_close,
	.busy = filesystem_busy,
	.stress = filesystem_stress,
	.apply = filesystem_apply,
	.explain = filesystem_explain,
};
