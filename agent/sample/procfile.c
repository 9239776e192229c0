/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel files on kept descriptors. pread from 0 makes the kernel print the file anew, without the
 * path walk, inode and audit of another open. Files it prints in one piece need one call (the
 * second would print them again only to return 0); those it prints line by line come in pieces of a
 * page. They are read one after the other, so all but a few are read into the same room: 25 rooms of
 * their own were 88 KiB of touched pages.
 */
#include "sample/probe.h"

#include <errno.h>
#include <fcntl.h>

#include "core/wide.h"

static int widen(struct procroom *room, size_t cap)
{
	char *wider;

	if (cap <= room->cap)
		return 0;
	wider = wide_new(cap);
	if (!wider)
		return -ENOMEM;
	wide_free(room->text);
	*room = (struct procroom){wider, cap};
	return 0;
}

void procroom_deinit(struct procroom *room)
{
	wide_free(room->text);
	*room = (struct procroom){0};
}

int procfile_open(struct procfile *f, const struct probe_setup *setup, const char *path, size_t cap,
		  bool one_read, struct err *e)
{
	char full[ENV_PATH_MAX];

	*f = (struct procfile){.one_read = one_read, .cap = cap, .shared = setup->room};
	f->fd = open(env_path(setup->env, path, full), O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (f->fd < 0)
		return err_sys(e, errno, "%s", path);
	if (widen(f->shared ? f->shared : &f->own, cap) < 0) {
		procfile_close(f);
		return err_set(e, -ENOMEM, "%s: no memory", path);
	}
	return 0;
}

int procfile_read(struct procfile *f)
{
	f->len = 0;
	f->text = f->shared ? f->shared->text : f->own.text;
	while (f->len < f->cap) {
		ssize_t n = pread(f->fd, f->text + f->len, f->cap - f->len, (off_t)f->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		f->len += (size_t)n;
		if (!n || (f->one_read && f->len < f->cap))
			return 0;
	}
	return -EFBIG;
}

void procfile_close(struct procfile *f)
{
	if (f->fd < 0 || !f->cap) /* closed, or never opened */
		return;
	close(take_fd(&f->fd));
	procroom_deinit(&f->own);
	f->text = NULL;
}
