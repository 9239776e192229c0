/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root prefix of every path. The prefix is text, not a chroot: a symbolic link below it still
 * leads where it says.
 */
#include "core/env.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "core/text.h"

int env_init(struct env *env, const char *root)
{
	size_t n;

	if (!root)
		root = getenv("HEAT_PULSE_ROOT");
	if (!root)
		root = "";
	n = strlen(root);
	while (n > 0 && root[n - 1] == '/')
		n--;
	if ((root[0] && root[0] != '/') || n >= sizeof(env->root))
		return -EINVAL;
	*env = (struct env){.boot_ms = clock_boot_ms, .real_ms = clock_real_ms};
	memcpy(env->root, root, n);
	return 0;
}

/* The kernel's own folders: an image's empty root has none, and then the running kernel is meant. */
static const char *env_kernel_folder(const char *path)
{
	static const char *const folders[] = {"/proc", "/sys", "/dev"};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		char next = text_starts(path, folders[i]) ? path[strlen(folders[i])] : 'x';

		if (next == '/' || next == '\0')
			return folders[i];
	}
	return NULL;
}

static bool env_has_folder(const struct env *env, const char *folder)
{
	char path[sizeof(env->root) + 8];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", env->root, folder);
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const char *env_path(const struct env *env, const char *path, char out[static ENV_PATH_MAX])
{
	const char *folder = env->root[0] ? env_kernel_folder(path) : NULL;
	const char *root = folder && !env_has_folder(env, folder) ? "" : env->root;
	int n = snprintf(out, ENV_PATH_MAX, "%s%s", root, path);

	if (n < 0 || n >= ENV_PATH_MAX)
		snprintf(out, ENV_PATH_MAX, "/nonexistent/too-long");
	return out;
}
