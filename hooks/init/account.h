/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups looked up where cfn-init works: with a prefix in its own files, else as the
 * system has them. */
#pragma once

#include <grp.h>
#include <pwd.h>
#include "core/env.h"
#include "core/err.h"

struct account {
	uid_t uid;
	gid_t gid;
	char home[ENV_PATH_MAX];
};
/** account_user(), account_group() - Return: true and what is known. Numbers are no names. */
bool account_user(const struct env *env, const char *name, struct account *ret);
bool account_group(const struct env *env, const char *name, gid_t *ret);
/** account_owner(), account_owning_group() - a name, or a number that stands for itself. -ENOENT
 * with the reason. */
int account_owner(const struct env *env, const char *name, uid_t *ret, struct err *e) _must_check_;
int account_owning_group(const struct env *env, const char *name, gid_t *ret,
			 struct err *e) _must_check_;
/** account_is_member() - is @user one of @group's listed members? */
bool account_is_member(const struct env *env, const char *group, const char *user);
/** account_each_group() - calls @fn for each group that lists @user. */
typedef void account_group_fn(const char *group, void *ctx);
void account_each_group(const struct env *env, const char *user, account_group_fn *fn, void *ctx);
/** account_name_valid() - nothing that a tool would take for an option, a list or a path. */
bool account_name_valid(const char *name);
