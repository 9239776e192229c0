/* SPDX-License-Identifier: Apache-2.0 */
/* What workers do that concerns processes and earlier boots; rows of the table in prober_work.c. */
#pragma once

#include "sample/prober.h"

/* pids in decimal, comma between, no blanks */
bool prober_legal_pids(const char *path);
/* the one question of a kind that takes none: "-" */
bool prober_legal_nothing(const char *path);
/** prober_open_of_pid() - /proc/@pid/@file. Return: a descriptor or -errno. */
int prober_open_of_pid(const struct env *env, const char *pid, const char *file, int flags);
/** prober_count_fds() - of one process, by the directory's size where the kernel tells it (Linux
 * 6.2), else entry by entry. Return: 0 or -errno. */
int prober_count_fds(const struct env *env, const char *pid, uint64_t *ret);
int prober_work_io_of(const struct env *env, const char *pid, struct prober_answer *ret);
int prober_work_processes(const struct env *env, const char *pids, struct prober_answer *ret);
int prober_work_wchan(const struct env *env, const char *pid, struct prober_answer *ret);
int prober_work_fd_largest(const struct env *env, const char *none, struct prober_answer *ret);
int prober_work_pstore(const struct env *env, const char *none, struct prober_answer *ret);
