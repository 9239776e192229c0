/* SPDX-License-Identifier: Apache-2.0 */
/* Sections groups and users: made when they are missing, brought into line when they are there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "hooks/init/account.h"
#include "hooks/init/account_tool.h"
#include "hooks/init/program.h"
#include "hooks/init/step.h"
#include "hooks/init/tree.h"

#define ID_MAX         4294967294
#define TIMEOUT_MS     60000
#define GROUPS_AT_ONCE 64

static int run(struct init *in, enum account_verb verb, struct account_values *v, struct err *e)
{
	const struct account_tool *tool = account_tool_find();
	const char *argv[ACCOUNT_WORDS];
	struct program p = {.argv = argv, .timeout_ms = TIMEOUT_MS};
	struct program_end end;

	v->root = in->setup->env->root[0] ? in->setup->env->root : NULL;
	if (!tool)
		return err_set(e, -ENOENT, "nothing on this machine makes users and groups");
	if (v->root && strcmp(tool->name, "shadow"))
		return err_set(e, -ENOTSUP, "%s works on no other root", tool->name);
	if (!account_tool_words(tool, verb, v, argv))
		return err_set(e, -ENOTSUP, "%s cannot change that", tool->name);
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
	struct account_values v = {.name = name, .gid = gid >= 0 ? number : NULL};
	int r;

	snprintf(number, sizeof(number), "%lld", (long long)gid);
	r = run(in, ACCOUNT_GROUP_ADD, &v, e);
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

/* For tools that know one group at a time. */
struct joining {
	struct init *in;
	const struct user *user;
	struct err *e;
	char extra[GROUPS_AT_ONCE][65]; /* collected first: /etc/group is being read */
	size_t n;
};

static void collect_extra(const char *group, void *ctx)
{
	struct joining *j = ctx;
	const json_t *name;
	size_t i;

	json_array_foreach(j->user->groups, i,
			   name) if (!strcmp(json_string_value(name), group)) return;
	if (j->n < GROUPS_AT_ONCE)
		snprintf(j->extra[j->n++], sizeof(j->extra[0]), "%s", group);
}

static int join_groups(struct init *in, const struct user *u, struct err *e)
{
	struct joining j = {.in = in, .user = u, .e = e};
	const json_t *name;
	int r = 0;
	size_t i;

	json_array_foreach(u->groups, i, name)
	{
		struct account_values v = {.name = u->name, .group = json_string_value(name)};

		if (r == 0 && !account_is_member(in->setup->env, v.group, u->name))
			r = run(in, ACCOUNT_MEMBER_ADD, &v, e);
	}
	account_each_group(in->setup->env, u->name, collect_extra, &j);
	for (i = 0; r == 0 && i < j.n; i++) {
		struct account_values v = {.name = u->name, .group = j.extra[i]};

		r = run(in, ACCOUNT_MEMBER_REMOVE, &v, e);
	}
	return r;
}

static bool one_at_a_time(void)
{
	const struct account_tool *tool = account_tool_find();

	return tool && tool->verbs[ACCOUNT_MEMBER_ADD][0];
}

static int make_user(struct init *in, const struct user *u, struct err *e)
{
	char number[24];
	struct account_values v = {.name = u->name,
				   .uid = u->uid >= 0 ? number : NULL,
				   .home = u->home,
				   .groups = u->list.len > 0 ? buf_str(&u->list) : NULL};
	int r;

	snprintf(number, sizeof(number), "%lld", (long long)u->uid);
	r = run(in, ACCOUNT_USER_ADD, &v, e);
	if (r == 0 && one_at_a_time())
		r = join_groups(in, u, e);
	return r < 0 ? r : step_changed(in, "users", u->name, "made");
}

static int correct_user(struct init *in, const struct user *u, const struct account *now,
			struct err *e)
{
	bool home = u->home && strcmp(u->home, now->home), groups = !groups_fit(in, u);
	struct account_values v = {.name = u->name,
				   .home = home ? u->home : NULL,
				   .groups = groups ? buf_str(&u->list) : NULL};
	int r;

	if (!home && !groups) {
		step_say(in, u->name, "is there");
		return 0;
	}
	r = groups && !home && one_at_a_time() ? join_groups(in, u, e)
					       : run(in, ACCOUNT_USER_CHANGE, &v, e);
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
