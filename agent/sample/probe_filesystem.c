/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Space, inodes and state of the watched mounts. All by the prober: this probe asks, and reports
 * the latest answer. A mount that does not answer in time is reported as hung and its numbers are
 * absent. Asked once a minute while there is room, with every sample when it is scarce or the mount
 * hangs.
 */
#include "sample/probe.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "sample/parse.h"
#include "sample/prober.h"

#define MOUNTS_MAX    16
#define CALM_MS	      60000
#define SCARCE_PERC   80.0
#define MOUNTINFO_MAX (256 * 1024)

struct mount {
	struct prober *prober;
	char path[PROBER_PATH_MAX];
	char shown[112]; /* the path, escaped */
	char device[64];
	bool asked; /* the answer is on its way */
	bool known; /* status and answer are of a real answer */
	int status;
	int64_t due_ms;
	struct prober_answer answer;
};

struct filesystem {
	struct procfile mountinfo;
	size_t n;
	struct mount mounts[MOUNTS_MAX];
};

static bool is_hung(const struct mount *m)
{
	return m->known && (m->status == -ETIMEDOUT || m->status == -EBUSY);
}

/* The rule of df: what only root may use is neither used nor free. */
static double used_percent(uint64_t all, uint64_t free, uint64_t available)
{
	uint64_t used = all > free ? all - free : 0;

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

static void on_answer(int status, const struct prober_answer *answer, void *ctx)
{
	struct mount *m = ctx;

	m->asked = false;
	m->status = status;
	m->known = status != -ECONNRESET && status != -ENOLINK && status != -EAGAIN;
	if (answer)
		m->answer = *answer;
}

static void ask(struct mount *m, int64_t now_ms)
{
	int err = prober_ask(m->prober, PROBER_STATVFS, m->path, on_answer, m);

	if (err)
		on_answer(err, NULL, m);
	else
		m->asked = true;
	m->due_ms = now_ms + CALM_MS;
}

static int filesystem_read(void *state, int64_t now_ms)
{
	struct filesystem *f = state;
	bool listed = false;

	for (size_t i = 0; i < f->n; i++) {
		struct mount *m = &f->mounts[i];

		if (m->asked || (m->known && !is_scarce(m) && now_ms < m->due_ms))
			continue;
		if (!listed && f->mountinfo.fd >= 0)
			listed = procfile_read(&f->mountinfo) == 0;
		if (!listed || parse_mountinfo(f->mountinfo.text, f->mountinfo.len, m->path,
					       m->device, sizeof(m->device)))
			m->device[0] = '\0';
		ask(m, now_ms);
	}
	return 0;
}

static void filesystem_report(const void *state, struct sample *out)
{
	const struct filesystem *f = state;

	for (size_t i = 0; i < f->n; i++) {
		const struct mount *m = &f->mounts[i];
		const uint64_t *n = m->answer.n;
		double mib = (double)n[STATVFS_UNIT] / 1048576.0;
		int entity;

		if (!m->known || (m->status && !is_hung(m)))
			continue;
		entity = sample_entity(out, "mount_point", m->shown, m->device);
		probe_add_of(out, METRIC_FS_HUNG, entity, is_hung(m));
		if (m->status)
			continue;
		probe_add_of(out, METRIC_DISK_SPACE_USED_PERC, entity, space_percent(m));
		if (n[STATVFS_FILES])
			probe_add_of(out, METRIC_DISK_INODE_USED_PERC, entity, inode_percent(m));
		probe_add_of(out, METRIC_DISK_TOTAL_SPACE_MB, entity,
			     (double)n[STATVFS_BLOCKS] * mib);
		probe_add_of(out, METRIC_DISK_TOTAL_USED_SPACE_MB, entity,
			     (double)(n[STATVFS_BLOCKS] - n[STATVFS_FREE]) * mib);
		probe_add_of(out, METRIC_FS_READONLY, entity, (double)n[STATVFS_READONLY]);
	}
}

static bool filesystem_busy(const void *state)
{
	const struct filesystem *f = state;

	for (size_t i = 0; i < f->n; i++)
		if (f->mounts[i].asked)
			return true;
	return false;
}

static void filesystem_explain(const void *state, struct problems *problems)
{
	const struct filesystem *f = state;

	for (size_t i = 0; i < f->n; i++) {
		const struct mount *m = &f->mounts[i];

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
				     "correct mounts in section sample",
				     "%s cannot be measured: %s", m->shown, strerror(-m->status));
	}
}

static void add_mount(struct filesystem *f, struct prober *prober, const char *p, size_t n)
{
	struct mount *m = &f->mounts[f->n];

	if (f->n == MOUNTS_MAX || !n || n >= sizeof(m->path) || p[0] != '/')
		return;
	while (n > 1 && p[n - 1] == '/')
		n--;
	memcpy(m->path, p, n);
	m->path[n] = '\0';
	sample_escape(m->shown, sizeof(m->shown), p, n);
	m->prober = prober;
	f->n++;
}

static int filesystem_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_free_ struct filesystem *f = calloc(1, sizeof(*f));
	const char *list = setup->conf->watch_mounts ? setup->conf->watch_mounts : "/", *item;
	size_t pos = 0, n;

	if (!f)
		return err_set(e, -ENOMEM, "no memory");
	while (text_list_next(list, ',', &pos, &item, &n))
		add_mount(f, setup->prober, item, n);
	if (!f->n)
		return err_set(e, -EINVAL, "no absolute path in the list of mounts to watch");
	/* without it only the names of the devices are missing */
	if (procfile_open(&f->mountinfo, setup->env, "/proc/self/mountinfo", MOUNTINFO_MAX, false,
			  NULL))
		f->mountinfo.fd = -1;
	*ret = take_ptr(f);
	return 0;
}

static void filesystem_close(void *state)
{
	struct filesystem *f = state;

	procfile_close(&f->mountinfo);
	free(f);
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
	.explain = filesystem_explain,
};
