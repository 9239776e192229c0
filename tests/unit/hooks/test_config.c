/* SPDX-License-Identifier: Apache-2.0 */
/* Hook files: dialect, merging, what is refused and with which words. */
#include "fixture.h"

#include "hooks/config.h"
#include "hooks/trusted.h"
#include "tests/unit/skip.h"

#define GOOD "triggers=post.update\npath=Resources.R1.Metadata\naction=true\n"

static struct hookset load(const struct fixture *f, struct problems *problems)
{
	struct hookset set = {0};

	assert_int_equal(hookset_load_from(&f->env, &f->conf, "/etc/cfn", NULL, &set, problems), 0);
	return set;
}

static bool told(const struct problems *p, const char *text)
{
	for (size_t i = 0; i < p->n; i++)
		if (strstr(p->list[i].text, text))
			return true;
	return false;
}

static void assert_told(const struct problems *p, const char *text)
{
	for (size_t i = 0; i < p->n && !told(p, text); i++)
		print_message("# said: %s\n", p->list[i].text);
	if (!told(p, text))
		fail_msg("no problem says \"%s\"", text);
}

static void done(struct hookset *set, struct problems *problems)
{
	hookset_deinit(set);
	problems_deinit(problems);
}

/* Nothing configured is no error: the agent runs without hooks. */
static void test_no_files(void **state)
{
	struct problems problems = {0};
	struct hookset set = load(*state, &problems);

	assert_int_equal(set.n, 0);
	assert_int_equal(problems.n, 0);
	assert_int_equal(set.umask, 022);
	done(&set, &problems);
}

/* Every key of a section and of [main] arrives, with the dialect of Python's parser. */
static void test_all_keys(void **state)
{
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set;

	fixture_write(f, "/etc/cfn/cfn-hup.conf",
		      "[main]\nStack = arn:x/y\ncredential-file: "
		      "/etc/cfn/creds\nregion=r\nurl=http://h:8000/v1/\ninterval=2\numask=27\n",
		      0600);
	fixture_write(f, "/etc/cfn/hooks.conf",
		      "# comment\n[DEFAULT]\nrunas=nobody\n[one]\nTRIGGERS = post.add , "
		      "post.update\npath=Resources.R1.Metadata.a.b\\.c\n"
		      "action=echo %(path)s 100%%  # not a comment\n  second line\ntimeout=90s\n"
		      "[two]\ntriggers=post.remove,service.restarted\npath=resources.R2."
		      "physicalresourceid\naction=x\nrunas=root\n",
		      0644);
	set = load(f, &problems);
	assert_int_equal(problems.n, 0);
	assert_string_equal(set.stack, "arn:x/y");
	assert_string_equal(set.credential_file, "/etc/cfn/creds");
	assert_string_equal(set.region, "r");
	assert_string_equal(set.url, "http://h:8000/v1/");
	assert_int_equal(set.interval_ms, 120000);
	assert_int_equal(set.umask, 027);
	assert_int_equal(set.n, 2);
	assert_string_equal(set.hooks[0].name, "one");
	assert_int_equal(set.hooks[0].triggers, TRIGGER_ADD | TRIGGER_UPDATE);
	assert_string_equal(
		set.hooks[0].action,
		"echo Resources.R1.Metadata.a.b\\.c 100%  # not a comment\nsecond line");
	assert_string_equal(set.hooks[0].runas, "nobody");
	assert_int_equal(set.hooks[0].timeout_ms, 90000);
	assert_int_equal(set.hooks[0].path.n_keys, 2);
	assert_string_equal(set.hooks[0].path.keys[1], "b.c");
	assert_int_equal(set.hooks[0].line, 4);
	assert_non_null(strstr(set.hooks[0].file, "hooks.conf"));
	assert_int_equal(set.hooks[1].triggers, TRIGGER_REMOVE | TRIGGER_SERVICE_RESTARTED);
	assert_int_equal(set.hooks[1].path.part, PATH_PHYSICAL_ID);
	assert_int_equal(set.hooks[1].timeout_ms, f->conf.hook_timeout_ms);
	assert_string_equal(set.hooks[1].runas, "root");
	done(&set, &problems);
}

/* Without runas a hook runs as root (or as us, when we are not root); an empty one is never root.
 */
static void test_runas(void **state)
{
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set;

	fixture_write(f, "/etc/cfn/hooks.conf", "[a]\n" GOOD "[b]\n" GOOD "runas=\n", 0600);
	set = load(f, &problems);
	assert_int_equal(set.n, 1);
	assert_string_equal(set.hooks[0].runas, f->user);
	assert_told(&problems, "hooks.conf:9: [b]: runas is empty");
	done(&set, &problems);
}

/* One name space over all files, merged key by key in sorted order; later files win. */
static void test_merge_and_order(void **state)
{
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set;

	fixture_write(f, "/etc/cfn/cfn-hup.conf", "[main]\nstack=first\n[in-main-file]\n" GOOD,
		      0600);
	fixture_write(f, "/etc/cfn/hooks.conf", "[shared]\n" GOOD, 0600);
	fixture_write(f, "/etc/cfn/hooks.d/b.conf", "[b]\n" GOOD "[main]\nstack=second\n", 0600);
	fixture_write(f, "/etc/cfn/hooks.d/a.conf", "[a]\n" GOOD "[shared]\naction=other\n", 0600);
	fixture_write(f, "/etc/cfn/hooks.d/B", "[B]\n" GOOD, 0600);
	set = load(f, &problems);
	assert_int_equal(problems.n, 1); /* the stack counts in cfn-hup.conf only */
	assert_int_equal(set.n, 5);
	assert_string_equal(set.hooks[0].name, "in-main-file");
	assert_string_equal(set.hooks[1].name, "shared");
	assert_string_equal(set.hooks[1].action, "other");
	assert_string_equal(set.hooks[1].path.resource, "R1");
	assert_string_equal(set.hooks[2].name, "B");
	assert_string_equal(set.hooks[3].name, "a");
	assert_string_equal(set.hooks[4].name, "b");
	assert_string_equal(set.stack, "second");
	done(&set, &problems);
}

/* Backups and packagers' leftovers are no hooks; a folder hides nothing; other names are mentioned.
 */
static void test_file_names(void **state)
{
	static const char *const ignored[] = {"x.conf~",        "x~",       "x.bak",
					      "x.conf.rpmsave", "x.rpmnew", "x.conf.dpkg-old",
					      "x.dpkg-dist",    ".x.conf",  "#x#"};
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set;
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++) {
		snprintf(path, sizeof(path), "/etc/cfn/hooks.d/%s", ignored[i]);
		fixture_write(f, path, "[ignored]\n" GOOD, 0600);
	}
	fixture_mkdir(f, "/etc/cfn/hooks.d/a.conf", 0755);
	fixture_write(f, "/etc/cfn/hooks.d/z", "[z]\n" GOOD, 0600);
	set = load(f, &problems);
	assert_int_equal(set.n, 1);
	assert_int_equal(problems.n, 0);
	done(&set, &problems);

	fixture_write(f, "/etc/cfn/hooks.d/odd.ini", "[odd]\n" GOOD, 0600);
	set = load(f, &problems);
	assert_int_equal(set.n, 1);
	assert_told(&problems, "odd.ini is not read");
	done(&set, &problems);
}

/* As many files as fit are read, and that there are more is told. */
static void test_too_many_files(void **state)
{
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set;
	char path[128];

	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/etc/cfn/hooks.d/%d.conf", i);
		fixture_write(f, path, i ? "" : "[first]\n" GOOD, 0600);
	}
	set = load(f, &problems);
	assert_int_equal(set.n, 1);
	assert_int_equal(problems.n, 0);
	done(&set, &problems);
	fixture_write(f, "/etc/cfn/hooks.d/one-more", "", 0600);
	set = load(f, &problems);
	assert_told(&problems, "hooks.d holds more than 1000 hook files");
	done(&set, &problems);
}

/* A bad section or file costs itself only, and is named with file and line. */
static void test_bad_parts(void **state)
{
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set;

	fixture_write(f, "/etc/cfn/hooks.conf",
		      "[no-path]\ntriggers=post.add\naction=x\n"
		      "[bad-path]\ntriggers=post.add\npath=Junk.R1\naction=x\n"
		      "[no-action]\ntriggers=post.add\npath=Resources.R1\n"
		      "[bad-time]\n" GOOD "timeout=soon\n"
		      "[good]\n" GOOD,
		      0600);
	fixture_write(f, "/etc/cfn/hooks.d/percent.conf",
		      "[percent]\ntriggers=post.add\npath=Resources.R1\naction=date +%s\n", 0600);
	fixture_write(f, "/etc/cfn/hooks.d/stray.conf", "stray text\n[stray]\n" GOOD, 0600);
	fixture_write(f, "/etc/cfn/hooks.d/twice.conf", "[twice]\n" GOOD "[twice]\n" GOOD, 0600);
	fixture_write(f, "/etc/cfn/hooks.d/zzz.conf", "[last]\n" GOOD, 0600);
	set = load(f, &problems);
	assert_int_equal(set.n, 2);
	assert_string_equal(set.hooks[0].name, "good");
	assert_string_equal(set.hooks[1].name, "last");
	assert_told(&problems, "hooks.conf:1: [no-path]: key path is missing");
	assert_told(&problems, "hooks.conf:6: [bad-path]: ");
	assert_told(&problems, "hooks.conf:8: [no-action]: key action is missing");
	assert_told(&problems, "hooks.conf:15: [bad-time]: timeout");
	assert_told(&problems, "percent.conf:4");
	assert_told(&problems, "stray.conf:1");
	assert_told(&problems, "twice.conf:5");
	done(&set, &problems);
}

/* Trigger names are exact; what cannot fire is said. */
static void test_triggers(void **state)
{
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set;

	fixture_write(f, "/etc/cfn/hooks.conf",
		      "[substring]\ntriggers=xxpost.updateyy\npath=Resources.R1\naction=x\n"
		      "[case]\ntriggers=Post.Add\npath=Resources.R1\naction=x\n"
		      "[command]\ntriggers=on.command\npath=Resources.R1\naction=x\n"
		      "[mixed]\ntriggers=pre.add,post.add,nonsense\npath=Resources.R1\naction=x\n",
		      0600);
	set = load(f, &problems);
	assert_int_equal(set.n, 1);
	assert_string_equal(set.hooks[0].name, "mixed");
	assert_int_equal(set.hooks[0].triggers, TRIGGER_ADD);
	assert_told(&problems, "trigger xxpost.updateyy is unknown");
	assert_told(&problems, "trigger Post.Add is unknown");
	assert_told(&problems, "trigger on.command is not supported");
	assert_told(&problems, "trigger pre.add is not supported");
	assert_told(&problems, "hooks.conf:14: [mixed]: trigger nonsense is unknown");
	done(&set, &problems);
}

/* A bare number is minutes, as cfn-hup documents it; nonsense keeps the default. */
static void test_interval_and_umask(void **state)
{
	static const struct {
		const char *interval, *umask;
		int64_t ms;
		mode_t mask;
		size_t problems;
	} rows[] = {
		{"1", "022", 60000, 022, 0}, {"15", "77", 900000, 077, 0},
		{"30s", "0", 30000, 0, 0},   {"2m", "0777", 120000, 0777, 0},
		{"0", "1000", 0, 022, 2},    {"-1", "8", 0, 022, 2},
		{"soon", "x", 0, 022, 2},    {"100ms", "027", 0, 027, 1},
	};
	const struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct problems problems = {0};
		struct hookset set;
		char text[200];

		snprintf(text, sizeof(text), "[main]\ninterval=%s\numask=%s\n", rows[i].interval,
			 rows[i].umask);
		fixture_write(f, "/etc/cfn/cfn-hup.conf", text, 0600);
		set = load(f, &problems);
		assert_int_equal(set.interval_ms, rows[i].ms);
		assert_int_equal(set.umask, rows[i].mask);
		assert_int_equal(problems.n, rows[i].problems);
		done(&set, &problems);
	}
}

/* What others may write to must not become root's command: file, folder, link target. */
static void test_permissions(void **state)
{
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set;
	char from[ENV_PATH_MAX], to[ENV_PATH_MAX];

	fixture_write(f, "/etc/cfn/hooks.conf", "[group]\n" GOOD, 0664);
	fixture_write(f, "/etc/cfn/hooks.d/others.conf", "[others]\n" GOOD, 0606);
	fixture_write(f, "/etc/cfn/hooks.d/fine.conf", "[fine]\n" GOOD, 0644);
	fixture_mkdir(f, "/open", 0777);
	fixture_write(f, "/open/target", "[linked]\n" GOOD, 0600);
	fixture_path(f, "/open/target", to);
	fixture_path(f, "/etc/cfn/hooks.d/link.conf", from);
	assert_int_equal(symlink(to, from), 0);
	set = load(f, &problems);
	assert_int_equal(set.n, 1);
	assert_string_equal(set.hooks[0].name, "fine");
	assert_told(&problems, "hooks.conf is not obeyed");
	assert_told(&problems, "others.conf is writable by others");
	assert_told(&problems, "/open is writable by others");
	done(&set, &problems);

	fixture_mkdir(f, "/etc/cfn/hooks.d", 0777);
	set = load(f, &problems);
	assert_int_equal(set.n, 0);
	assert_told(&problems, "hooks.d is writable by others");
	done(&set, &problems);
}

/* A file that belongs to somebody else is refused (needs root to make one). */
static void test_owner(void **state)
{
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set;
	char path[ENV_PATH_MAX];

	if (geteuid() != 0)
		skip_because("only root can give files away");
	fixture_write(f, "/etc/cfn/hooks.conf", "[theirs]\n" GOOD, 0600);
	fixture_path(f, "/etc/cfn/hooks.conf", path);
	assert_int_equal(chown(path, 65534, 65534), 0);
	set = load(f, &problems);
	assert_int_equal(set.n, 0);
	assert_told(&problems, "is not owned by root");
	done(&set, &problems);
}

/* The agent gets all but the commands, and nothing malformed gets in. */
static void test_json(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"v\":2,\"hooks\":[],\"interval_ms\":0,\"umask\":18}",
		"{\"v\":1,\"hooks\":{},\"interval_ms\":0,\"umask\":18}",
		"{\"v\":1,\"hooks\":[{}],\"interval_ms\":0,\"umask\":18}",
		"{\"v\":1,\"hooks\":[{\"name\":\"a\",\"path\":\"Junk\",\"runas\":\"r\",\"line\":1,"
		"\"triggers\":1,\"timeout_ms\":1}],\"interval_ms\":0,\"umask\":18}",
		"{\"v\":1,\"hooks\":[{\"name\":\"a\",\"path\":\"Resources.R\",\"runas\":\"r\","
		"\"line\":1,\"triggers\":16,\"timeout_ms\":1}],\"interval_ms\":0,\"umask\":18}",
	};
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set, copy;
	char *text;

	fixture_write(f, "/etc/cfn/hooks.conf",
		      "[main]\nstack=s\n[a]\n" GOOD
		      "[b]\ntriggers=post.add\npath=Resources.R2.Metadata.x\naction=SECRET\n",
		      0600);
	set = load(f, &problems);
	text = hookset_to_json(&set);
	assert_non_null(text);
	assert_null(strstr(text, "SECRET"));
	assert_int_equal(hookset_from_json(text, strlen(text), &copy, NULL), 0);
	assert_int_equal(copy.n, 2);
	assert_string_equal(copy.hooks[1].name, "b");
	assert_string_equal(copy.hooks[1].path.keys[0], "x");
	assert_int_equal(copy.hooks[1].timeout_ms, set.hooks[1].timeout_ms);
	assert_string_equal(copy.stack, "s");
	assert_null(copy.hooks[1].action);
	free(text);
	hookset_deinit(&copy);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(hookset_from_json(bad[i], strlen(bad[i]), &copy, &e), -EBADMSG);
		assert_int_equal(copy.n, 0);
		assert_true(e.text[0] != '\0');
	}
	done(&set, &problems);
}

/* A file's name may be any bytes: one in Latin-1 costs neither its hooks nor those of others. */
static void test_table_file_of_any_name(void **state)
{
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set, copy;
	char *text;

	fixture_write(f, "/etc/cfn/hooks.conf", "[a]\n" GOOD, 0600);
	fixture_write(f, "/etc/cfn/hooks.d/caf\xe9.conf", "[b]\n" GOOD, 0600);
	set = load(f, &problems);
	assert_int_equal(set.n, 2);
	text = hookset_to_json(&set);
	assert_non_null(text);
	assert_int_equal(hookset_from_json(text, strlen(text), &copy, NULL), 0);
	assert_int_equal(copy.n, 2);
	assert_string_equal(copy.hooks[1].name, "b");
	assert_non_null(strstr(copy.hooks[1].file, "caf\\xe9.conf"));
	free(text);
	hookset_deinit(&copy);
	done(&set, &problems);
}

/* Resources come once each, in the order of their first mention. */
static void test_resources(void **state)
{
	const struct fixture *f = *state;
	struct problems problems = {0};
	struct hookset set;
	const char **names;
	size_t n;

	fixture_write(f, "/etc/cfn/hooks.conf",
		      "[a]\ntriggers=post.add\npath=Resources.Z\naction=x\n[b]\ntriggers=post."
		      "add\npath=Resources.A\naction=x\n"
		      "[c]\ntriggers=post.add\npath=Resources.Z.Metadata\naction=x\n",
		      0600);
	set = load(f, &problems);
	names = hookset_resources(&set, &n);
	assert_int_equal(n, 2);
	assert_string_equal(names[0], "Z");
	assert_string_equal(names[1], "A");
	free(names);
	done(&set, &problems);
}

/* Each of the three switches stops hooks and says which it was. */
static void test_kill_switch(void **state)
{
	struct fixture *f = *state;
	struct err why = ERR_INIT;
	char path[ENV_PATH_MAX];

	fixture_mkdir(f, "/etc/heat-pulse", 0755);
	fixture_mkdir(f, "/proc", 0755);
	fixture_write(f, "/proc/cmdline", "quiet xheat-pulse.hooks=0 heat-pulse.hooks=00\n", 0644);
	assert_false(hooks_disabled(&f->env, &f->conf, &why));
	fixture_write(f, "/proc/cmdline", "quiet heat-pulse.hooks=0\n", 0644);
	assert_true(hooks_disabled(&f->env, &f->conf, &why));
	assert_non_null(strstr(why.text, "kernel's command line"));
	fixture_write(f, "/proc/cmdline", "heat-pulse.hooks=0 heat-pulse.hooks=1\n", 0644);
	assert_false(hooks_disabled(&f->env, &f->conf, &why));
	fixture_write(f, "/etc/heat-pulse/hooks.disabled", "", 0000);
	assert_true(hooks_disabled(&f->env, &f->conf, &why));
	assert_non_null(strstr(why.text, "hooks.disabled"));
	fixture_path(f, "/etc/heat-pulse/hooks.disabled", path);
	assert_int_equal(unlink(path), 0);
	assert_false(hooks_disabled(&f->env, &f->conf, &why));
	f->conf.hooks_enabled = false;
	assert_true(hooks_disabled(&f->env, &f->conf, &why));
	assert_non_null(strstr(why.text, "configuration"));
}

/* The command that metadata name is a hook only where our own configuration trusts them, and never in the place of a
 * hook of a file; no name of a resource makes its path another one's. */
static void test_trusted(void **state)
{
	static const char *const names[] = {NULL, "", "a.Metadata", "a[1]", "a\"b"};
	struct fixture *f = *state;
	struct trusted_hook t = {(char[]){"srv"}, (char[]){"true"}, (char[]){"app"}};
	struct problems problems = {0};
	struct hookset set = load(f, &problems);
	struct err e = ERR_INIT;

	assert_int_equal(trusted_hook_add(&f->conf, &t, &set, &e), 0);
	assert_int_equal(set.n, 0);
	f->conf.trust_metadata = CONF_TRUST_FULL;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct trusted_hook bad = {(char *)(uintptr_t)names[i], t.command, NULL};

		assert_int_equal(trusted_hook_add(&f->conf, &bad, &set, &e), -EINVAL);
		assert_true(e.text[0]);
	}
	assert_int_equal(set.n, 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(trusted_hook_add(&f->conf, &t, &set, &e), 0);
	assert_int_equal(set.n, 1);
	assert_string_equal(set.hooks[0].name, TRUSTED_HOOK);
	assert_string_equal(set.hooks[0].path_text, "Resources.srv.Metadata");
	assert_string_equal(set.hooks[0].action, "true");
	assert_string_equal(set.hooks[0].runas, "app");
	assert_int_equal(set.hooks[0].triggers, TRIGGER_ADD | TRIGGER_UPDATE);
	done(&set, &problems);
	fixture_write(f, "/etc/cfn/hooks.d/own.conf", "[" TRUSTED_HOOK "]\n" GOOD, 0644);
	set = load(f, &problems);
	assert_int_equal(trusted_hook_add(&f->conf, &t, &set, &e), 0);
	assert_int_equal(set.n, 1);
	assert_string_equal(set.hooks[0].path_text, "Resources.R1.Metadata");
	done(&set, &problems);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_files, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_trusted, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_all_keys, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_runas, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_merge_and_order, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_file_names, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_too_many_files, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_bad_parts, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_triggers, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_interval_and_umask, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_permissions, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_owner, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_json, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_table_file_of_any_name, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_resources, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_kill_switch, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
