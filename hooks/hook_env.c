/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Environment and value files of one run. A value that the environment cannot hold (too long for
 * the limit, or with a NUL byte) is handed over by file only; so a large document never makes a
 * hook impossible to start.
 */
#include "hooks/hook_env.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"

#define SAFE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
/* The kernel refuses one string over 128 KiB with E2BIG, whatever the configuration says. */
#define KERNEL_STRING_MAX (128u * 1024 - 64)

static const struct {
	const char *values[3]; /* by enum path_part */
	const char *file, *file_name;
} sides[VALUE_SIDES] = {
	[VALUE_OLD] = {{"CFN_OLD_LAST_UPDATED", "CFN_OLD_METADATA", "CFN_OLD_PHYSICAL_RESOURCE_ID"},
		       "CFN_OLD_METADATA_FILE",
		       "old"},
	[VALUE_NEW] = {{"CFN_NEW_LAST_UPDATED", "CFN_NEW_METADATA", "CFN_NEW_PHYSICAL_RESOURCE_ID"},
		       "CFN_NEW_METADATA_FILE",
		       "new"},
};

void hook_env_deinit(struct hook_env *env)
{
	for (size_t i = 0; i < env->n; i++)
		free(env->vars[i]);
	*env = (struct hook_env){0};
}

int hook_env_set(struct hook_env *env, const char *name, const char *value)
{
	if (env->n == HOOK_ENV_MAX)
		return -E2BIG;
	if (asprintf(&env->vars[env->n], "%s=%s", name, value) < 0) {
		env->vars[env->n] = NULL;
		return -ENOMEM;
	}
	env->n++;
	return 0;
}

int hook_env_user(struct hook_env *env, const struct spawn_user *user)
{
	const struct {
		const char *name, *value;
	} rows[] = {
		{"PATH", SAFE_PATH},
		{"HOME", user->home && *user->home ? user->home : "/"},
		{"USER", user->name},
		{"LOGNAME", user->name},
		{"SHELL", user->shell && *user->shell ? user->shell : "/bin/sh"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = hook_env_set(env, rows[i].name, rows[i].value);

		if (r < 0)
			return r;
	}
	return 0;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static int write_file(const char *path, const struct buf *text, const struct spawn_user *user,
		      struct err *e)
{
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return err_sys(e, errno, "cannot make the value file %s", path);
	r = write_all(fd, buf_str(text), text->len);
	if (r < 0)
		return err_sys(e, -r, "cannot write the value file %s", path);
	if (geteuid() == 0 && fchown(fd, user->uid, user->gid) < 0)
		return err_sys(e, errno, "cannot give away the value file %s", path);
	return 0;
}

/* A run id is used once; a folder of that name is what a shepherd left that was killed before its
 * first record. */
static int make_folder(const struct run_store *store, const char *run_id,
		       const struct spawn_user *user, struct err *e)
{
	char path[2 * ENV_PATH_MAX];

	run_store_drop_values(store, run_id);
	snprintf(path, sizeof(path), "%s/%s", store->values, run_id);
	if (mkdir(path, 0700) < 0)
		return err_sys(e, errno, "cannot make the folder %s", path);
	if (geteuid() == 0 && (chown(path, 0, user->gid) < 0 || chmod(path, 0750) < 0))
		return err_sys(e, errno, "cannot set the owner of %s", path);
	return 0;
}

static int add_side(struct hook_env *env, const struct run_store *store, const char *run_id,
		    enum value_side side, enum path_part part, const struct hook_values *values,
		    const struct spawn_user *user, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_INIT(RUN_VALUE_MAX);
	char path[2 * ENV_PATH_MAX];
	int r = fs_blob_read(values->fds[side], &text);

	if (r < 0)
		return err_sys(e, -r, "cannot read a value handed over by the agent");
	snprintf(path, sizeof(path), "%s/%s/%s", store->values, run_id, sides[side].file_name);
	r = write_file(path, &text, user, e);
	if (r < 0)
		return r;
	r = hook_env_set(env, sides[side].file, path);
	if (r == 0 && text.len <= values->env_max && text.len < KERNEL_STRING_MAX &&
	    !memchr(buf_str(&text), '\0', text.len))
		r = hook_env_set(env, sides[side].values[part], buf_str(&text));
	return r < 0 ? err_sys(e, -r, "cannot build the environment") : 0;
}

int hook_env_values(struct hook_env *env, const struct run_store *store, const char *run_id,
		    enum path_part part, const struct hook_values *values,
		    const struct spawn_user *user, struct err *e)
{
	int r;

	if (values->fds[VALUE_OLD] < 0 && values->fds[VALUE_NEW] < 0)
		return 0;
	r = make_folder(store, run_id, user, e);
	for (int side = 0; side < VALUE_SIDES && r == 0; side++)
		if (values->fds[side] >= 0)
			r = add_side(env, store, run_id, (enum value_side)side, part, values, user,
				     e);
	return r;
}
