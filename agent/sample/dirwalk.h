/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names in a folder of /proc or /sys without allocation, which opendir(3) needs. Names that start
 * with a dot are left out. Inner header.
 */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/macro.h"

struct dirwalk {
	int fd;
	size_t pos, len;
	_Alignas(uint64_t) char buf[4096];
};
struct dirwalk_entry { /* struct linux_dirent64 of getdents64(2) */
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

static inline void dirwalk_start(struct dirwalk *d, int fd) /* borrows */
{
	d->fd = fd;
	d->pos = d->len = 0;
	lseek(fd, 0, SEEK_SET);
}

/** dirwalk_next() - NULL at the end or when the folder cannot be read any further. */
static inline const char *dirwalk_next(struct dirwalk *d, bool folders_only)
{
	for (;;) {
		const struct dirwalk_entry *e;
		long n;

		if (d->pos >= d->len) {
			n = syscall(SYS_getdents64, d->fd, d->buf, sizeof(d->buf));
			if (n <= 0)
				return NULL;
			d->len = (size_t)n;
			d->pos = 0;
		}
		e = (const struct dirwalk_entry *)(const void *)(d->buf + d->pos);
		d->pos += e->len;
		if (e->name[0] != '.' && (!folders_only || e->type == DT_DIR))
			return e->name;
	}
}
