/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/init/account.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "hooks/init/tree.h"

static FILE *open_below(const struct env *env, const char *path)
{
	char full[ENV_PATH_MAX];

	return fopen(env_path(env, path, full), "re");
}

static bool has_prefix(const struct env *env)
{
	return env->root[0] != '\0';
}

static void take(const struct passwd *pw, struct account *ret)
{
	ret->uid = pw->pw_uid;
	ret->gid = pw->pw_gid;
	snprintf(ret->home, sizeof(ret->home), "%s", pw->pw_dir ? pw->pw_dir : "");
}

bool account_user(const struct env *env, const char *name, struct account *ret)
{
	_cleanup_fclose_ FILE *f = NULL;
	struct passwd *pw;

	if (!has_prefix(env)) {
		pw = getpwnam(name);
		if (pw)
			take(pw, ret);
		return pw != NULL;
	}
	f = open_below(env, "/etc/passwd");
	while (f && (pw = fgetpwent(f)))
		if (!strcmp(pw->pw_name, name)) {
			take(pw, ret);
			return true;
		}
	return false;
}

bool account_group(const struct env *env, const char *name, gid_t *ret)
{
	_cleanup_fclose_ FILE *f = NULL;
	struct group *gr;

	if (!has_prefix(env)) {
		gr = getgrnam(name);
		if (gr)
			*ret = gr->gr_gid;
		return gr != NULL;
	}
	f = open_below(env, "/etc/group");
	while (f && (gr = fgetgrent(f)))
		if (!strcmp(gr->gr_name, name)) {
			*ret = gr->gr_gid;
			return true;
		}
	return false;
}

static bool number(const char *name, unsigned *ret)
{
	uint64_t n;

	if (text_u64(name, strlen(name), &n) < 0 || n >= UINT32_MAX)
		return false;
	*ret = (unsigned)n;
	return true;
}

int account_owner(const struct env *env, const char *name, uid_t *ret, struct err *e)
{
	struct account a;

	if (account_user(env, name, &a)) {
		*ret = a.uid;
		return 0;
	}
	return number(name, ret) ? 0
				 : err_set(e, -ENOENT, "there is no user \"%s\"", tree_shown(name));
}

int account_owning_group(const struct env *env, const char *name, gid_t *ret, struct err *e)
{
	if (account_group(env, name, ret) || number(name, ret))
		return 0;
	return err_set(e, -ENOENT, "there is no group \"%s\"", tree_shown(name));
}

static bool lists(const struct group *gr, const char *user)
{
	for (char **member = gr->gr_mem; member && *member; member++)
		if (!strcmp(*member, user))
			return true;
	return false;
}

/* Memberships are what /etc/group lists: those are what usermod changes. */
void account_each_group(const struct env *env, const char *user, account_group_fn *fn, void *ctx)
{
	_cleanup_fclose_ FILE *f = open_below(env, "/etc/group");
	struct group *gr;

	while (f && (gr = fgetgrent(f)))
		if (lists(gr, user))
			fn(gr->gr_name, ctx);
}

struct wanted {
	const char *group;
	bool found;
};

static void compare(const char *group, void *ctx)
{
	struct wanted *w = ctx;

	w->found = w->found || !strcmp(group, w->group);
}

bool account_is_member(const struct env *env, const char *group, const char *user)
{
	struct wanted w = {group, false};

	account_each_group(env, user, compare, &w);
	return w.found;
}

bool account_name_valid(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= 64 && name[0] != '-' && !strpbrk(name, ":,/\\\"' \t\r\n=!*?$`");
}
