/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges in ranks, the most needed first, until RLIMIT_MEMLOCK is used up. The program's own pages,
 * heap and stacks are brought in whole. Libraries and tables are large and mostly never used: their
 * pages are locked as they come (MLOCK_ONFAULT), which costs no memory more than is used anyway.
 */
#include "core/memlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/fs.h"
#include "core/text.h"

#define MAPS_MAX     (4u << 20)
#define ANON_MAX     (4u << 20)   /* larger ones are reserved by threads, or of somebody's cache */
#define WHOLE_MAX    (256u << 10) /* larger ones are tables that are never full */
#define MOST_ALONE   (5u << 20)   /* where nothing but the program is mapped: the static build */
#define ONFAULT_FLAG 1u           /* MLOCK_ONFAULT */

enum rank { RANK_OWN, RANK_HEAP, RANK_NEEDED, RANK_TABLE, RANK_LIBRARY, RANKS };

/* What a signal on its way runs through, where it is not part of the program itself. */
static const char *const needed[] = {"/libc.so", "/libc-",   "/ld-",       "/libcrypto",
				     "/libssl",  "/libcurl", "/libjansson"};

static bool take_hex(const char **p, const char *end, char stop, uint64_t *ret)
{
	const char *at = *p;

	*ret = 0;
	for (; at < end && *at != stop; at++) {
		int digit = text_hex_digit(*at);

		if (digit < 0 || *ret >> 60)
			return false;
		*ret = *ret << 4 | (uint64_t)digit;
	}
	if (at == *p || at == end)
		return false;
	*p = at + 1;
	return true;
}

/* offset, device and inode are of no interest: the path is what follows four more blanks. */
static void take_path(const char *p, const char *end, struct memlock_range *ret)
{
	for (int words = 0; words < 3 && p < end; words++) {
		while (p < end && *p != ' ')
			p++;
		while (p < end && *p == ' ')
			p++;
	}
	ret->path = p;
	ret->n_path = (size_t)(end - p);
}

int memlock_parse(const char *p, size_t n, struct memlock_range *ret)
{
	const char *end = p + n;

	*ret = (struct memlock_range){.path = p};
	if (!take_hex(&p, end, '-', &ret->start) || !take_hex(&p, end, ' ', &ret->end) ||
	    ret->end < ret->start || end - p < 5 || p[4] != ' ')
		return -EINVAL;
	memcpy(ret->rights, p, 4);
	take_path(p + 5, end, ret);
	return 0;
}

static bool path_is(const struct memlock_range *r, const char *path)
{
	return r->n_path == strlen(path) && !memcmp(r->path, path, r->n_path);
}

static bool is_needed(const struct memlock_range *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (memmem(r->path, r->n_path, needed[i], strlen(needed[i])))
			return true;
	return false;
}

/* Return: RANKS for what is left alone. */
static enum rank rank_of(const struct memlock_range *r, const char *own)
{
	bool writable = r->rights[1] == 'w';

	if (r->rights[0] != 'r')
		return RANKS;
	if (path_is(r, own))
		return RANK_OWN;
	if (path_is(r, "[heap]") || path_is(r, "[stack]"))
		return RANK_HEAP;
	if (r->n_path == 0)
		return !writable || r->end - r->start > ANON_MAX ? RANKS
		       : r->end - r->start > WHOLE_MAX           ? RANK_TABLE
								 : RANK_HEAP;
	if (r->path[0] != '/')
		return RANKS; /* what the kernel maps */
	return is_needed(r) ? RANK_NEEDED : RANK_LIBRARY;
}

static int lock_range(const struct memlock_range *r, enum rank rank)
{
	void *at = (void *)(uintptr_t)r->start;
	size_t n = (size_t)(r->end - r->start);

	if (rank == RANK_OWN || rank == RANK_HEAP)
		return mlock(at, n) == 0 ? 0 : -errno;
	return syscall(SYS_mlock2, at, n, ONFAULT_FLAG) == 0 ? 0 : -errno;
}

/* Return: what the last refused range was refused with. */
static int lock_rank(const struct buf *maps, const char *own, enum rank rank,
		     struct memlock_result *ret)
{
	int r = 0;

	for (size_t at = 0; at < maps->len;) {
		const char *line = maps->data + at, *end = memchr(line, '\n', maps->len - at);
		size_t n = end ? (size_t)(end - line) : maps->len - at;
		struct memlock_range range;

		at += n + 1;
		if (memlock_parse(line, n, &range) || rank_of(&range, own) != rank)
			continue;
		if (ret->locked + (range.end - range.start) > ret->limit) {
			ret->left_out += rank >= RANK_TABLE ? 0 : range.end - range.start;
			continue;
		}
		r = lock_range(&range, rank);
		ret->locked += r ? 0 : range.end - range.start;
	}
	return r;
}

/* As much as is allowed without asking anybody. */
static uint64_t raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) && getrlimit(RLIMIT_MEMLOCK, &limit))
		return 0;
	return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

static bool has_libraries(const struct buf *maps)
{
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (memmem(maps->data, maps->len, needed[i], strlen(needed[i])))
			return true;
	return false;
}

int memlock_apply(struct memlock_result *ret)
{
	_cleanup_buf_ struct buf maps = BUF_INIT(MAPS_MAX);
	char own[4096];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	int r = 0;

	*ret = (struct memlock_result){.limit = raise_limit()};
	if (n < 0)
		return -errno;
	own[n] = '\0';
	r = fs_read("/proc/self/maps", &maps);
	if (r == 0 && !has_libraries(&maps) && ret->limit > MOST_ALONE)
		ret->limit = MOST_ALONE;
	for (enum rank rank = 0; r == 0 && rank < RANKS; rank++) {
		int last = lock_rank(&maps, own, rank, ret);

		r = ret->locked ? 0 : last;
	}
	if (r == 0 && ret->locked == 0)
		return -EPERM;
	return r ? r : ret->left_out ? 1 : 0;
}

int memlock_oom_score(void)
{
	_cleanup_buf_ struct buf text = BUF_INIT(64);
	const char *p;
	size_t n;
	int64_t value = 0;

	if (fs_read("/proc/self/oom_score_adj", &text))
		return 0;
	p = text.data;
	n = text.len;
	text_trim(&p, &n);
	return text_i64(p, n, &value) == 0 ? (int)value : 0;
}
