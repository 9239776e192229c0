/* SPDX-License-Identifier: Apache-2.0 */
/* See mounts.h. */
#include "sample/mounts.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "core/wide.h"
#include "sample/probe.h"

#define MOUNTINFO_MAX (1024 * 1024) /* hosts of many containers; room that is not used costs nothing */

struct mounts {
	struct procfile file;
	unsigned generation;
	bool known;
	size_t n_names;
	char names[MOUNTS_MAX][256];
	size_t n, left_out;
	struct parse_mount list[MOUNTS_MAX];
	double writes[MOUNTS_MAX]; /* bytes a second, of list[] */
};

static bool is_one_of(const char *type, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], type))
			return true;
	return false;
}

static bool is_image(const struct parse_mount *m)
{
	static const char *const types[] = {"squashfs", "iso9660", "erofs",
					    "cramfs",	"romfs",   "udf"};

	return is_one_of(m->type, types, ARRAY_SIZE(types)) || !strncmp(m->source, "loop", 4);
}

/* Without a block device of their own in the mount table. */
static bool has_own_devices(const struct parse_mount *m)
{
	static const char *const types[] = {"zfs", "btrfs", "bcachefs", "ubifs", "jffs2"};

	return is_one_of(m->type, types, ARRAY_SIZE(types));
}

static bool is_local(const struct parse_mount *m)
{
	if (!strcmp(m->path, "/"))
		return true;
	if (is_image(m) || !(m->is_device || has_own_devices(m)))
		return false;
	/* a folder of a file system that is mounted elsewhere; btrfs mounts its subvolumes so */
	return !strcmp(m->root, "/") || has_own_devices(m);
}

/* Two mounts of one file system: by device number, or by source where each subvolume has a number
 * of its own. */
static bool is_same_system(const struct parse_mount *a, const struct parse_mount *b)
{
	if (a->major == b->major && a->minor == b->minor)
		return true;
	return a->is_device && b->is_device && !strcmp(a->source, b->source);
}

static bool is_named(const struct mounts *m, const char *path)
{
	for (size_t i = 0; i < m->n_names; i++)
		if (!strcmp(m->names[i], path))
			return true;
	return false;
}

static void add_local(struct mounts *m, const struct parse_mount *one)
{
	if (!(m->n_names ? is_named(m, one->path) : is_local(one)))
		return;
	for (size_t i = 0; i < m->n; i++) {
		if (!strcmp(m->list[i].path, one->path)) {
			m->list[i] = *one; /* mounted over it */
			return;
		}
		if (!m->n_names && is_same_system(&m->list[i], one))
			return;
	}
	if (m->n < MOUNTS_MAX)
		m->list[m->n++] = *one;
	else
		m->left_out++;
}

size_t mounts_left_out(const struct mounts *m)
{
	return m->left_out;
}

bool mounts_name(struct mounts *m, const char *path)
{
	m->known = false;
	if (!path) {
		m->n_names = 0;
		return true;
	}
	if (is_named(m, path))
		return true;
	if (m->n_names == MOUNTS_MAX || strlen(path) >= sizeof(m->names[0]))
		return false;
	memcpy(m->names[m->n_names++], path, strlen(path) + 1);
	return true;
}

static bool has_changed(const struct mounts *m)
{
	struct pollfd p = {.fd = m->file.fd, .events = POLLPRI};

	return !m->known || (poll(&p, 1, 0) > 0 && p.revents & (POLLPRI | POLLERR));
}

unsigned mounts_refresh(struct mounts *m, bool force)
{
	struct parse_mount one;
	size_t pos = 0;

	if (!has_changed(m) && !force)
		return m->generation;
	m->known = procfile_read(&m->file) == 0;
	if (!m->known)
		return 0;
	m->n = m->left_out = 0;
	memset(m->writes, 0, sizeof(m->writes));
	while (parse_mount_next(m->file.text, m->file.len, &pos, &one))
		add_local(m, &one);
	return ++m->generation;
}

const struct parse_mount *mounts_local(const struct mounts *m, size_t *ret_n)
{
	*ret_n = m->n;
	return m->n ? m->list : NULL;
}

void mounts_note_writes(struct mounts *m, unsigned major, unsigned minor, double bytes_s)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->list[i].major == major && m->list[i].minor == minor)
			m->writes[i] = bytes_s;
}

double mounts_writes(const struct mounts *m, unsigned major, unsigned minor)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->list[i].major == major && m->list[i].minor == minor)
			return m->writes[i];
	return 0;
}

bool mounts_next(const struct mounts *m, size_t *pos, struct parse_mount *ret)
{
	return parse_mount_next(m->file.text, m->file.len, pos, ret);
}

bool mounts_find(const struct mounts *m, const char *path, struct parse_mount *ret)
{
	struct parse_mount one;
	bool found = false;
	size_t pos = 0;

	while (parse_mount_next(m->file.text, m->file.len, &pos, &one))
		if (!strcmp(one.path, path)) {
			*ret = one;
			found = true;
		}
	return found;
}

int mounts_new(const struct env *env, struct mounts **ret, struct err *e)
{
	const struct probe_setup own_room = {.env = env}; /* the text is looked at later, too */
	struct mounts *m = wide_new(sizeof(*m));
	int err;

	if (!m)
		return err_set(e, -ENOMEM, "no memory");
	err = procfile_open(&m->file, &own_room, "/proc/self/mountinfo", MOUNTINFO_MAX, false, e);
	if (err) {
		wide_free(m);
		return err;
	}
	*ret = m;
	return 0;
}

struct mounts *mounts_free(struct mounts *m)
{
	if (m)
		procfile_close(&m->file);
	return wide_free(m);
}
