/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hook tests share: a root of their own below /tmp, files in it, and a user to run hooks
 * as. Include it once per test; every function is static.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "core/conf.h"
#include "core/fs.h"
#include "core/text.h"

struct fixture {
	struct env env;
	struct conf conf;
	char user[64]; /* who we are */
};

static inline void fixture_path(const struct fixture *f, const char *path,
				char out[static ENV_PATH_MAX])
{
	snprintf(out, ENV_PATH_MAX, "%s%s", f->env.root, path);
}

static inline void fixture_mkdir(const struct fixture *f, const char *path, mode_t mode)
{
	char full[ENV_PATH_MAX];

	fixture_path(f, path, full);
	assert_int_equal(fs_mkdirs(full, 0755), 0);
	assert_int_equal(chmod(full, mode), 0);
}

static inline void fixture_write(const struct fixture *f, const char *path, const char *text,
				 mode_t mode)
{
	char full[ENV_PATH_MAX];
	FILE *file;

	fixture_path(f, path, full);
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(full, mode), 0);
}

/* Content of a file below the root, "" when there is none; free() it. */
static inline char *fixture_read(const struct fixture *f, const char *path)
{
	struct buf text = BUF_INIT(16u << 20);
	char full[ENV_PATH_MAX];
	char *copy;

	fixture_path(f, path, full);
	copy = fs_read(full, &text) == 0 ? strdup(buf_str(&text)) : strdup("");
	buf_deinit(&text);
	return copy;
}

/* Others may pass through the root (a hook's user must reach its value files); no cgroups are
 * touched. */
static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct passwd *pw = getpwuid(geteuid());

	if (!f || !pw)
		return -1;
	snprintf(f->user, sizeof(f->user), "%s", pw->pw_name);
	snprintf(f->env.root, sizeof(f->env.root), "/tmp/hp-hooks-XXXXXX");
	f->env.boot_ms = clock_boot_ms;
	f->env.real_ms = clock_real_ms;
	if (!mkdtemp(f->env.root) || chmod(f->env.root, 0711) < 0 || conf_init(&f->conf) < 0)
		return -1;
	fixture_mkdir(f, "/sys", 0755);
	fixture_mkdir(f, "/tmp", 01777);
	fixture_mkdir(f, "/etc/cfn/hooks.d", 0755);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	fs_remove_tree(f->env.root);
	conf_deinit(&f->conf);
	free(f);
	return 0;
}
