/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libudev's source takes from glibc and musl does not have: names and small functions, read
 * before every file. Nothing here changes what libudev does.
 */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

typedef int (*comparison_fn_t)(const void *, const void *);
typedef int (*__compar_fn_t)(const void *, const void *);
typedef int (*__compar_d_fn_t)(const void *, const void *, void *);

/* The names of functions in failed assertions and log lines that nobody sees: some 20 kB. */
#define __PRETTY_FUNCTION__ ""

#define NI_IDN 0
#define AF_MCTP 45
#define __GLIBC_PREREQ(major, minor) 0

/* musl's files are 64 bits wide everywhere. */
#define dirent64 dirent
#define getdents64 getdents

/* The GNU form returns the text; the texts of musl are constant, so no room is needed. */
static inline char *strerror_text(int error, char *room, size_t size)
{
	(void)room;
	(void)size;
	return strerror(error);
}
#define strerror_r strerror_text

#define canonicalize_file_name(path) realpath((path), NULL)

/* Memory of the caller's frame cannot come from a function. */
#define strndupa(text, most)                                                                       \
	({                                                                                         \
		const char *text_ = (text);                                                        \
		size_t length_ = strnlen(text_, (most));                                           \
		char *copy_ = __builtin_alloca(length_ + 1);                                       \
		copy_[length_] = 0;                                                                \
		(char *)memcpy(copy_, text_, length_);                                             \
	})
