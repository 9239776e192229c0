/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read before every file of libudev: the config.h of a glibc configure of the same source, with the
 * answers that are others for musl 1.2.5. Their names are the source's.
 */
#include <config.h>

#define _FILE_OFFSET_BITS 64

#undef HAVE_STRUCT_STATX
#define HAVE_STRUCT_STATX 1
#undef HAVE_STATX
#define HAVE_STATX 1
#undef HAVE_GETTID
#define HAVE_GETTID 1
#undef HAVE_VALGRIND_MEMCHECK_H
#define HAVE_VALGRIND_MEMCHECK_H 0
#undef HAVE_VALGRIND_VALGRIND_H
#define HAVE_VALGRIND_VALGRIND_H 0
#undef ENABLE_GSHADOW
#define ENABLE_GSHADOW 0
#undef ENABLE_UTMP
#define ENABLE_UTMP 0
