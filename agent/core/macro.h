/* SPDX-License-Identifier: Apache-2.0 */
/* Scope-exit cleanup, ownership hand-over and the few attributes that every file uses. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn)     __attribute__((cleanup(fn)))
#define _cleanup_free_    _cleanup_(macro_freep)
#define _cleanup_close_   _cleanup_(macro_closep)
#define _cleanup_fclose_  _cleanup_(macro_fclosep)
#define _must_check_      __attribute__((warn_unused_result))
#define _printf_(f, a)    __attribute__((format(printf, f, a)))
#define _unused_          __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Defines `static inline void fnp(type **)` for _cleanup_ from a free function that accepts NULL. */
#define DEFINE_CLEANUP(type, fn)                                                                   \
	static inline _unused_ void fn##p(type **p)                                                \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}

static inline void macro_freep(void *p)
{
	free(*(void **)p);
}

static inline void macro_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void macro_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* Hands a pointer over: the variable is NULL afterwards, so its cleanup does nothing. */
#define take_ptr(p)                                                                                \
	__extension__({                                                                            \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
