/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cfn-create-aws-symlinks`: links to every cfn-* program, below /opt/aws/bin, where templates
 * expect them. Heat's boot hook runs it without conditions. Below --root the links are made there,
 * but say what will be true inside.
 */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "command/command.h"
#include "command/input.h"
#include "command/options.h"
#include "core/fs.h"
#include "core/text.h"

struct links_arguments {
	const char *target, *source;
	bool force, verbose;
};

static const struct option_row rows[] = {
	{'t', "target", OPTION_TEXT, offsetof(struct links_arguments, target), "DIR",
	 "where the links go (/opt/aws/bin)"},
	{'s', "source", OPTION_TEXT, offsetof(struct links_arguments, source), "DIR",
	 "where the programs are (/usr/bin)"},
	{'f', "force", OPTION_FLAG, offsetof(struct links_arguments, force), NULL,
	 "replace what is there"},
	{'v', "verbose", OPTION_FLAG, offsetof(struct links_arguments, verbose), NULL, NULL},
};

static const struct option_set options = {
	.command = "cfn-create-aws-symlinks",
	.synopsis = "[-t DIR] [-s DIR] [-f]",
	.about = "Links every cfn-* program of the source folder into the target folder, which is "
		 "made if "
		 "absent. What is there\n"
		 "already stays, except a link that leads nowhere; -f replaces it.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
};

static bool link_is_good(const char *path, const char *wanted)
{
	char now[ENV_PATH_MAX];
	ssize_t n = readlink(path, now, sizeof(now) - 1);

	if (n < 0)
		return false;
	now[n] = '\0';
	return strcmp(now, wanted) == 0;
}

/* A link that leads nowhere is as good as none; seen from outside --root every absolute link may
 * look so. */
static bool is_dangling(const struct env *env, const char *path)
{
	char to[ENV_PATH_MAX], full[ENV_PATH_MAX];
	ssize_t n = readlink(path, to, sizeof(to) - 1);
	struct stat st;

	if (n < 0)
		return false;
	to[n] = '\0';
	return stat(to[0] == '/' ? env_path(env, to, full) : path, &st) < 0;
}

/* Made under another name and renamed over: there is never a moment without the program. */
static int replace_link(const char *to, const char *path)
{
	char temporary[ENV_PATH_MAX];

	if (snprintf(temporary, sizeof(temporary), "%s.%d.new", path, (int)getpid()) >=
	    (int)sizeof(temporary))
		return -ENAMETOOLONG;
	if (symlink(to, temporary) < 0)
		return -errno;
	if (rename(temporary, path) == 0)
		return 0;
	int r = -errno;
	unlink(temporary);
	return r;
}

static int make_link(const struct env *env, const struct links_arguments *a, const char *folder,
		     const char *name)
{
	char path[ENV_PATH_MAX], to[ENV_PATH_MAX];
	struct stat st;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path) ||
	    snprintf(to, sizeof(to), "%s/%s", a->source, name) >= (int)sizeof(to))
		return -ENAMETOOLONG;
	if (link_is_good(path, to) && !a->force)
		return 0;
	if (lstat(path, &st) == 0 && !a->force && !is_dangling(env, path)) {
		printf("%s exists and stays; -f replaces it\n", path);
		return 0;
	}
	r = replace_link(to, path);
	if (r < 0)
		fprintf(stderr, "cfn-create-aws-symlinks: %s: %s\n", path, strerror(-r));
	return r;
}

static int is_cfn_tool(const struct dirent *entry)
{
	return text_starts(entry->d_name, "cfn-");
}

static int make_links(const struct env *env, const struct links_arguments *a, const char *from,
		      const char *folder)
{
	struct dirent **names = NULL;
	int n = scandir(from, &names, is_cfn_tool, alphasort), bad = 0;

	if (n < 0) {
		fprintf(stderr, "cfn-create-aws-symlinks: %s: %s\n", from, strerror(errno));
		return EXIT_CONFIG;
	}
	for (int i = 0; i < n; i++) {
		bad += make_link(env, a, folder, names[i]->d_name) < 0;
		free(names[i]);
	}
	free(names);
	return bad ? EXIT_CONFIG : EXIT_GOOD;
}

static bool same_folder(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int command_cfn_create_aws_symlinks(struct env *env, int argc, char **argv)
{
	struct links_arguments a = {.target = "/opt/aws/bin", .source = "/usr/bin"};
	char from[ENV_PATH_MAX], folder[ENV_PATH_MAX];
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	input_path(env, a.source, from);
	input_path(env, a.target, folder);
	r = fs_mkdirs(folder, 0755);
	if (r < 0) {
		fprintf(stderr, "cfn-create-aws-symlinks: %s cannot be made: %s\n", folder,
			strerror(-r));
		return EXIT_CONFIG;
	}
	if (same_folder(from, folder)) {
		fprintf(stderr,
			"cfn-create-aws-symlinks: source and target are the same folder: %s\n",
			folder);
		return EXIT_CONFIG;
	}
	return make_links(env, &a, from, folder);
}
