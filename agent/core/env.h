/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command knows of the world: the root prefix of every path and the clocks. One is made in
 * main and handed down by pointer; nothing else in the program is global.
 */
#pragma once

#include "core/clock.h"

struct epoll_event;

struct env {
	char root[256];           /* "" or an absolute prefix without trailing slash */
	int64_t (*boot_ms)(void); /* clock_boot_ms outside tests */
	int64_t (*real_ms)(void); /* clock_real_ms outside tests */
	/* What the loop sleeps in where time is simulated; NULL: epoll_wait(2) and a timer of the kernel.
	 * @until_ms: boot ms at which a wake-up is needed, INT64_MAX = never. Return: as epoll_wait(2). */
	int (*wait)(int epoll_fd, struct epoll_event *events, int max, int64_t until_ms);
};

/**
 * env_init() - from --root, else HEAT_PULSE_ROOT, else ""
 * @root: value of --root, or NULL
 *
 * Return: 0, or -EINVAL when the prefix is not an absolute path or too long.
 */
int env_init(struct env *env, const char *root) _must_check_;

/**
 * env_path() - prefix a path
 *
 * @path: absolute. Below /proc, /sys and /dev the prefix is used only where that folder exists in
 * it.
 * @out: receives the path, at least ENV_PATH_MAX bytes
 *
 * Return: @out; too long a path gives "/nonexistent/too-long", which fails to open.
 */
#define ENV_PATH_MAX 1024
const char *env_path(const struct env *env, const char *path, char out[static ENV_PATH_MAX]);
