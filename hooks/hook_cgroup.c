/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the cgroup2 tree (alone, or beside version 1 in the hybrid layout) and keeps the groups of
 * runs below heat-pulse-hooks there. Under systemd the tree is systemd's: hooks then stay in the
 * unit's group, whose KillMode=process lets them live on when the agent is stopped.
 */
#include "hooks/hook_cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static const char *const bases[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

#define PARENT "heat-pulse-hooks"

static bool usable(const char *base)
{
	char path[ENV_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/cgroup.controllers", base);
	if (access(path, R_OK) < 0)
		return false;
	return access(base, W_OK) == 0;
}

static bool find_base(const struct env *env, char out[static ENV_PATH_MAX])
{
	char path[ENV_PATH_MAX];

	if (access(env_path(env, "/run/systemd/system", path), F_OK) == 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
		if (usable(env_path(env, bases[i], out)))
			return true;
	return false;
}

static bool leaf_path(const struct env *env, const char *run_id, const char *file,
		      char out[static ENV_PATH_MAX])
{
	char base[ENV_PATH_MAX];
	int n;

	if (!find_base(env, base))
		return false;
	n = snprintf(out, ENV_PATH_MAX, "%.*s/" PARENT "/%s%s", ENV_PATH_MAX / 2, base, run_id,
		     file);
	return n > 0 && n < ENV_PATH_MAX;
}

bool hook_cgroup_make(const struct env *env, const char *run_id, char out[static ENV_PATH_MAX])
{
	char path[ENV_PATH_MAX];

	if (!leaf_path(env, "", "", path) || (mkdir(path, 0755) < 0 && errno != EEXIST))
		return false;
	if (!leaf_path(env, run_id, "", path) || (mkdir(path, 0755) < 0 && errno != EEXIST))
		return false;
	return leaf_path(env, run_id, "/cgroup.procs", out);
}

void hook_cgroup_kill(const struct env *env, const char *run_id)
{
	char path[ENV_PATH_MAX];
	_cleanup_close_ int fd = -1;

	if (leaf_path(env, run_id, "/cgroup.kill", path))
		fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "1", 1) < 0)
		return;
}

void hook_cgroup_remove(const struct env *env, const char *run_id)
{
	char path[ENV_PATH_MAX];

	if (leaf_path(env, run_id, "", path))
		rmdir(path);
}

void hook_cgroup_sweep(const struct env *env)
{
	char path[ENV_PATH_MAX];
	const struct dirent *d;
	DIR *dir = leaf_path(env, "", "", path) ? opendir(path) : NULL;

	if (!dir)
		return;
	while ((d = readdir(dir)))
		if (d->d_type == DT_DIR && d->d_name[0] != '.')
			hook_cgroup_remove(env, d->d_name);
	closedir(dir);
}
