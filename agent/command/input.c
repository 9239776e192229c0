/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what the caller names: files and standard input, bounded. Nothing here interprets the
 * content. */
#include "command/input.h"

#include <errno.h>
#include <string.h>

#include "core/fs.h"

const char *input_path(const struct env *env, const char *name, char out[static ENV_PATH_MAX])
{
	if (name[0] == '/')
		return env_path(env, name, out);
	if (snprintf(out, ENV_PATH_MAX, "%s", name) >= ENV_PATH_MAX)
		out[0] = '\0';
	return out;
}

int input_read(const struct env *env, const char *name, struct buf *out, struct err *e)
{
	char path[ENV_PATH_MAX];
	int r;

	if (strcmp(name, "-") == 0) {
		r = fs_read_fd(STDIN_FILENO, out);
		return r < 0 ? err_sys(e, -r, "standard input cannot be read") : 0;
	}
	r = fs_read(input_path(env, name, path), out);
	return r < 0 ? err_sys(e, -r, "%s cannot be read", path) : 0;
}

void input_scrub(char *argument)
{
	for (volatile char *p = argument; *p; p++)
		*p = 'x';
}
