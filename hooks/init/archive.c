/* SPDX-License-Identifier: Apache-2.0 */
/* The two readings: judging, then unpacking. */
#include "hooks/init/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "hooks/init/archive_name.h"
#include "hooks/init/archive_private.h"
#include "hooks/init/place.h"
#include "hooks/init/tree.h"

/* ---- judging ---- */

struct judging {
	json_t *files; /* names of plain files so far: what hard links may mean */
	json_t *links; /* names of symbolic links so far: nothing may lie below them */
	bool one_top;
	char top[256];
	size_t n_tops;
};

/* Nothing may be written through a link of the same archive. */
static bool lies_below_link(const struct judging *j, const char *name)
{
	char above[ARCHIVE_NAME_MAX + 1];

	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		memcpy(above, name, (size_t)(slash - name));
		above[slash - name] = '\0';
		if (json_object_get(j->links, above))
			return true;
	}
	return false;
}

static int judge_hard_link(const struct judging *j, const struct reading *r, const struct member *m,
			   struct err *e)
{
	_cleanup_buf_ struct buf to = BUF_INIT(ARCHIVE_NAME_MAX);

	if (archive_name(m->link, strlen(m->link), r->strip, &to) != 0 ||
	    !json_object_get(j->files, buf_str(&to)))
		return err_set(e, -EPERM,
			       "refused: member \"%s\" is a hard link to no file of the archive",
			       tree_shown(buf_str(&m->name)));
	return 0;
}

static int note(json_t *set, const char *name)
{
	return json_object_set_new_nocheck(set, name, json_true()) < 0 ? -ENOMEM : 0;
}

static int judge_member(struct judging *j, struct reading *r, const struct member *m, struct err *e)
{
	const char *name = buf_str(&m->name);

	if (lies_below_link(j, name))
		return err_set(e, -EPERM, "refused: member \"%s\" lies behind a link",
			       tree_shown(name));
	if (m->kind == MEMBER_HARD)
		return judge_hard_link(j, r, m, e);
	if (m->kind == MEMBER_LINK)
		return note(j->links, name);
	if (m->kind == MEMBER_FOLDER)
		return json_object_get(j->links, name)
			       ? err_set(e, -EPERM, "refused: member \"%s\" is a folder and a link",
					 tree_shown(name))
			       : 0;
	json_object_del(j->links, name); /* a file in a link's place replaces it */
	return note(j->files, name) < 0 ? -ENOMEM : reading_data(r, m, -1, e);
}

static void see_top(struct judging *j, const char *name)
{
	size_t n = strcspn(name, "/");

	if (n >= sizeof(j->top) ||
	    (j->n_tops > 0 && (strlen(j->top) != n || memcmp(j->top, name, n))))
		j->one_top = false;
	else
		snprintf(j->top, sizeof(j->top), "%.*s", (int)n, name);
	j->n_tops++;
}

static int judge(struct archive_job *job, bool *ret_one_top, struct err *e)
{
	struct judging j = {json_object(), json_object(), true, "", 0};
	struct reading r;
	int ret = reading_open(&r, job, e);

	job->n_members = 0;
	if (!j.files || !j.links)
		ret = -ENOMEM;
	while (ret >= 0) {
		struct member m = {0};

		ret = reading_next(&r, &m, e);
		if (ret == 1) {
			see_top(&j, buf_str(&m.name));
			j.one_top = j.one_top &&
				    (m.kind == MEMBER_FOLDER || strchr(buf_str(&m.name), '/'));
			ret = judge_member(&j, &r, &m, e);
			ret = ret < 0 ? ret : 1;
		}
		member_deinit(&m);
		if (ret == 0)
			break;
	}
	reading_close(&r);
	json_decref(j.files);
	json_decref(j.links);
	*ret_one_top = j.one_top && j.n_tops > 0;
	if (ret >= 0 && job->n_members == 0)
		return err_set(e, -EINVAL, "the archive is empty");
	return ret;
}

int archive_judge(struct archive_job *job, struct err *e)
{
	bool one_top;

	return judge(job, &one_top, e);
}

/* ---- unpacking ---- */

/* The folder @name in @dir: made where it is missing, but not in a dry run (-ENOENT then). */
static int open_folder(const struct archive_job *job, int dir, const char *name, mode_t mode,
		       bool *ret_made)
{
	int fd;

	if (!job->dry_run)
		return place_folder(dir, name, mode, ret_made);
	*ret_made = false;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The folder that @name lies in. */
static int open_above(const struct archive_job *job, int top, const char *name,
		      const char **ret_last)
{
	_cleanup_close_ int dir = fcntl(top, F_DUPFD_CLOEXEC, 3);
	const char *slash;

	for (; dir >= 0 && (slash = strchr(name, '/')); name = slash + 1) {
		char part[256];
		bool made;
		int next;

		snprintf(part, sizeof(part), "%.*s", (int)(slash - name), name);
		next = open_folder(job, dir, part, 0755, &made);
		if (next < 0)
			return next;
		close(dir);
		dir = next;
	}
	*ret_last = name;
	return dir < 0 ? -errno : take_fd(&dir);
}

/* A nameless file where the target is: what is unpacked may be larger than memory. */
static int scratch_file(int dir)
{
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? place_memory("", 0) : fd;
}

/* Names before numbers, as tar has it; who is not root keeps what it makes. */
static void owner_of(struct archive_entry *entry, struct place *p)
{
	const char *user = archive_entry_uname(entry), *group = archive_entry_gname(entry);
	struct passwd *pw = user && *user ? getpwnam(user) : NULL;
	struct group *gr = group && *group ? getgrnam(group) : NULL;

	p->uid = (uid_t)-1;
	p->gid = (gid_t)-1;
	if (geteuid() != 0)
		return;
	p->uid = pw ? pw->pw_uid : (uid_t)archive_entry_uid(entry);
	p->gid = gr ? gr->gr_gid : (gid_t)archive_entry_gid(entry);
}

/* setuid and setgid are never taken from an archive; zip files of other systems have no modes. */
static mode_t mode_of(struct archive_entry *entry, mode_t otherwise)
{
	mode_t mode = archive_entry_perm(entry) & 0777;

	return mode ? mode : otherwise;
}

static int put_file(struct reading *r, struct member *m, int dir, const char *name, struct err *e)
{
	struct place p = {.mode = r->single ? PLACE_KEEP : mode_of(m->entry, 0644),
			  .dry_run = r->job->dry_run};
	_cleanup_close_ int fd = scratch_file(dir);
	int ret = fd;

	if (!r->single)
		owner_of(m->entry, &p);
	else
		p.uid = p.gid = (uid_t)-1;
	p.fd = fd;
	if (ret >= 0)
		ret = reading_data(r, m, fd, e);
	return ret < 0 ? ret : place_file(dir, name, &p);
}

static int put_hard_link(struct reading *r, struct member *m, int top, int dir, const char *name)
{
	_cleanup_buf_ struct buf to = BUF_INIT(ARCHIVE_NAME_MAX);
	const char *last;
	_cleanup_close_ int from = -1;
	struct stat a, b;

	if (archive_name(m->link, strlen(m->link), r->strip, &to) != 0)
		return -EPERM;
	from = open_above(r->job, top, buf_str(&to), &last);
	if (from < 0 && r->job->dry_run)
		return 1;
	if (from < 0 || fstatat(from, last, &a, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(a.st_mode))
		return -EPERM;
	if (fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0) {
		if (a.st_ino == b.st_ino && a.st_dev == b.st_dev)
			return 0;
		if (!r->job->dry_run && unlinkat(dir, name, 0) < 0)
			return -errno;
	}
	if (r->job->dry_run)
		return 1;
	return linkat(from, last, dir, name, 0) < 0 ? -errno : 1;
}

static int put_folder(struct reading *r, struct member *m, int dir, const char *name)
{
	bool made;
	int fd = open_folder(r->job, dir, name, mode_of(m->entry, 0755) | 0700, &made);
	struct place p;

	if (fd < 0)
		return fd;
	owner_of(m->entry, &p);
	if (made && p.uid != (uid_t)-1 && fchown(fd, p.uid, p.gid) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	close(fd);
	return made;
}

static int put_member(struct reading *r, struct member *m, int top, struct err *e)
{
	const char *name;
	_cleanup_close_ int dir = open_above(r->job, top, buf_str(&m->name), &name);
	struct place p = {.fd = -1, .dry_run = r->job->dry_run};
	int ret = dir;

	if (dir >= 0 && m->kind == MEMBER_FILE)
		ret = put_file(r, m, dir, name, e);
	else if (dir >= 0 && m->kind == MEMBER_FOLDER)
		ret = put_folder(r, m, dir, name);
	else if (dir >= 0 && m->kind == MEMBER_HARD)
		ret = put_hard_link(r, m, top, dir, name);
	else if (dir >= 0) {
		owner_of(m->entry, &p);
		ret = place_link(dir, name, m->link, &p);
	}
	if (ret == -ENOENT && r->job->dry_run)
		return 1;
	if (ret < 0 && !e->code)
		err_sys(e, -ret, "cannot unpack \"%s\"", tree_shown(buf_str(&m->name)));
	return ret;
}

static int open_target(const struct archive_job *job, struct err *e)
{
	int fd, r = job->dry_run ? 0 : fs_mkdirs(job->target, 0755);

	if (r < 0)
		return err_sys(e, -r, "cannot make the folder");
	fd = open(job->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, errno, "cannot open the folder") : fd;
}

static int unpack(struct archive_job *job, size_t strip, struct err *e)
{
	_cleanup_close_ int top = open_target(job, e);
	struct reading r;
	int ret;

	if (top == -ENOENT && job->dry_run) { /* with nothing to compare with, everything is new */
		job->n_changed = job->n_members;
		return 0;
	}
	if (top < 0)
		return top;
	ret = reading_open(&r, job, e);
	r.strip = strip;
	job->n_members = 0;
	while (ret >= 0) {
		struct member m = {0};

		ret = reading_next(&r, &m, e);
		if (ret == 1) {
			int put = put_member(&r, &m, top, e);

			job->n_changed += put > 0;
			ret = put < 0 ? put : 1;
		}
		member_deinit(&m);
		if (ret == 0)
			break;
	}
	reading_close(&r);
	if (ret >= 0 && job->n_changed > 0)
		syncfs(top);
	return ret;
}

int archive_unpack(struct archive_job *job, struct err *e)
{
	bool one_top;
	int r = judge(job, &one_top, e);

	job->n_changed = 0;
	if (r < 0)
		return r;
	return unpack(job, archive_strips_top(job->url) && one_top ? 1 : 0, e);
}
