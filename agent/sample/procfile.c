/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel files on kept descriptors. pread from 0 makes the kernel print the file anew, without the
 * path walk, inode and audit of another open. Files it prints in one piece need one call (the
 * second would print them again only to return 0); those it prints line by line come in pieces of a
 * page.
 */
#include "sample/probe.h"

#include <errno.h>
#include <fcntl.h>

int procfile_open(struct procfile *f, const struct env *env, const char *path, size_t cap,
		  bool one_read, struct err *e)
{
	char full[ENV_PATH_MAX];

	*f = (struct procfile){.fd = -1, .one_read = one_read, .cap = cap};
	f->fd = open(env_path(env, path, full), O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (f->fd < 0)
		return err_sys(e, errno, "%s", path);
	f->text = malloc(cap);
	if (!f->text) {
		procfile_close(f);
		return err_set(e, -ENOMEM, "%s: no memory", path);
	}
	return 0;
}

int procfile_read(struct procfile *f)
{
	f->len = 0;
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
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	free(take_ptr(f->text));
}
