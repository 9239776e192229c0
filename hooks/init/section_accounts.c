/* SPDX-License-Identifier: Apache-2.0 */
/* Sections groups and users: made when they are missing, brought into line when they are there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "hooks/init/account.h"
#include "hooks/init/program.h"
#include "hooks/init/step.h"
#include "hooks/init/tree.h"

#define ARGS_MAX   16
#define ID_MAX     4294967294
#define TIMEOUT_MS 60000
/* Users are made without a login; that was never configurable. */
#define NO_LOGIN "/sbin/nologin"

struct args {
	const char *list[ARGS_MAX];
	size_t n;
};

static void add(struct args *a, const char *word)
{
	if (a->n < ARGS_MAX - 1)
		a->list[a->n++] = word;
}

/* With a prefix the tool of the machine works on the files below it. */
static void begin(struct args *a, const struct env *env, const char *tool)
{
	*a = (struct args){.list = {tool}, .n = 1};
	if (env->root[0]) {
		add(a, "--prefix");
		add(a, env->root);
	}
}

static int run(struct init *in, struct args *a, const char *name, struct err *e)
{
	struct program p = {.argv = a->list, .timeout_ms = TIMEOUT_MS};
	struct program_end end;

	add(a, "--");
	add(a, name);
	return DRY(in) ? 0 : program_must(in->setup->env, &p, &end, e);
}

static int check(const char *name, const json_t *value, struct err *e)
{
	if (!account_name_valid(name))
		return err_set(e, -EINVAL, "not a name");
	if (!json_is_object(value) && !json_is_null(value))
		return err_set(e, -EINVAL, "not an object");
	return 0;
}

static int get_id(const json_t *value, const char *key, int64_t *ret, struct err *e)
{
	const json_t *id = json_object_get(value, key);

	*ret = -1;
	if (!id || json_is_null(id))
		return 0;
	return tree_number(id, ID_MAX, ret) < 0 ? err_set(e, -EINVAL, "%s is no number", key) : 0;
}

/* ---- groups ---- */

static int make_group(struct init *in, const char *name, int64_t gid, struct err *e)
{
	char number[24];
	struct args a;
	int r;

	snprintf(number, sizeof(number), "%lld", (long long)gid);
	begin(&a, in->setup->env, "groupadd");
	if (gid >= 0) {
		add(&a, "--gid");
		add(&a, number);
	}
	r = run(in, &a, name, e);
	return r < 0 ? r : step_changed(in, "groups", name, "made");
}

static int one_group(struct init *in, const char *name, const json_t *value, struct err *e)
{
	int64_t gid;
	gid_t now;
	int r = check(name, value, e);

	if (r == 0)
		r = get_id(value, "gid", &gid, e);
	if (r < 0)
		return r;
	if (!account_group(in->setup->env, name, &now))
		return make_group(in, name, gid, e);
	if (gid >= 0 && (gid_t)gid != now)
		return err_set(e, -EEXIST, "it is there with gid %u, not %lld", now,
			       (long long)gid);
	step_say(in, name, "is there");
	return 0;
}

int section_groups(struct init *in, const json_t *section)
{
	return step_each(in, section, one_group, false);
}

/* ---- users ---- */

struct user {
	const char *name, *home;
	int64_t uid;
	const json_t *groups;
	struct buf list; /* "a,b" */
};

static int read_groups(struct user *u, const struct init *in, struct err *e)
{
	const json_t *group;
	gid_t gid;
	size_t i;

	json_array_foreach(u->groups, i, group)
	{
		const char *name = json_string_value(group);

		if (!name || !account_name_valid(name))
			return err_set(e, -EINVAL, "groups: not a name");
		if (!account_group(in->setup->env, name, &gid) &&
		    !step_would_be_there(in, "groups", name))
			return err_set(e, -ENOENT, "there is no group \"%s\"", tree_shown(name));
		buf_printf(&u->list, "%s%s", i ? "," : "", name);
	}
	return buf_error(&u->list) ? err_set(e, -EFBIG, "too many groups") : 0;
}

static int read_user(struct user *u, const struct init *in, const char *name, const json_t *value,
		     struct err *e)
{
	const json_t *home = json_object_get(value, "homeDir");
	int r = check(name, value, e);

	u->name = name;
	u->home = json_string_value(home);
	u->groups = json_object_get(value, "groups");
	if (r == 0)
		r = get_id(value, "uid", &u->uid, e);
	if (r == 0 && home && !json_is_null(home) && (!u->home || u->home[0] != '/'))
		r = err_set(e, -EINVAL, "homeDir must be an absolute path");
	if (r == 0 && u->groups && !json_is_array(u->groups) && !json_is_null(u->groups))
		r = err_set(e, -EINVAL, "groups must be a list");
	return r < 0 ? r : read_groups(u, in, e);
}

static int make_user(struct init *in, const struct user *u, struct err *e)
{
	char number[24];
	struct args a;
	int r;

	snprintf(number, sizeof(number), "%lld", (long long)u->uid);
	begin(&a, in->setup->env, "useradd");
	if (u->uid >= 0) {
		add(&a, "--uid");
		add(&a, number);
	}
	if (u->home) {
		add(&a, "--home-dir");
		add(&a, u->home);
	}
	if (u->list.len > 0) {
		add(&a, "--groups");
		add(&a, buf_str(&u->list));
	}
	add(&a, "--shell");
	add(&a, NO_LOGIN);
	r = run(in, &a, u->name, e);
	return r < 0 ? r : step_changed(in, "users", u->name, "made");
}

struct membership {
	const struct user *user;
	bool extra; /* it is in a group that the tree does not name */
};

static void see_group(const char *group, void *ctx)
{
	struct membership *m = ctx;
	const json_t *name;
	bool named = false;
	size_t i;

	json_array_foreach(m->user->groups, i, name) named =
		named || !strcmp(json_string_value(name), group);
	m->extra = m->extra || !named;
}

static bool groups_fit(const struct init *in, const struct user *u)
{
	struct membership m = {u, false};
	const json_t *name;
	size_t i;

	if (!json_is_array(u->groups))
		return true;
	json_array_foreach(u->groups, i,
			   name) if (!account_is_member(in->setup->env, json_string_value(name),
							u->name)) return false;
	account_each_group(in->setup->env, u->name, see_group, &m);
	return !m.extra;
}

static int correct_user(struct init *in, const struct user *u, const struct account *now,
			struct err *e)
{
	bool home = u->home && strcmp(u->home, now->home), groups = !groups_fit(in, u);
	struct args a;
	int r;

	if (!home && !groups) {
		step_say(in, u->name, "is there");
		return 0;
	}
	begin(&a, in->setup->env, "usermod");
	if (home) {
		add(&a, "--home");
		add(&a, u->home);
	}
	if (groups) {
		add(&a, "--groups");
		add(&a, buf_str(&u->list));
	}
	r = run(in, &a, u->name, e);
	return r < 0 ? r
		     : step_changed(in, "users", u->name, "changed:%s%s", home ? " home" : "",
				    groups ? " groups" : "");
}

static int one_user(struct init *in, const char *name, const json_t *value, struct err *e)
{
	struct user u = {.list = BUF_INIT(4096)};
	struct account now;
	int r = read_user(&u, in, name, value, e);

	if (r == 0 && !account_user(in->setup->env, name, &now))
		r = make_user(in, &u, e);
	else if (r == 0 && u.uid >= 0 && (uid_t)u.uid != now.uid)
		r = err_set(e, -EEXIST, "it is there with uid %u, not %lld", now.uid,
			    (long long)u.uid);
	else if (r == 0)
		r = correct_user(in, &u, &now, e);
	buf_deinit(&u.list);
	return r;
}

int section_users(struct init *in, const json_t *section)
{
	return step_each(in, section, one_user, false);
}
