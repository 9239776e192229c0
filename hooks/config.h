/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfn-hup's configuration: cfn-hup.conf, hooks.conf, hooks.d/. Read by the runner (root-owned files only), handed to the agent
 * as a table. A bad file or section disables itself, names file and line, and stops nothing else.
 */
#pragma once

#include "core/conf.h"
#include "core/path.h"

enum trigger { TRIGGER_ADD = 1 << 0, TRIGGER_UPDATE = 1 << 1, TRIGGER_REMOVE = 1 << 2, TRIGGER_SERVICE_RESTARTED = 1 << 3 };
/** trigger_name() - "post.add" … for one bit. */
const char *trigger_name(unsigned trigger);

struct hook {
	char *name;        /* section */
	char *file; int line;
	char *path_text;
	struct path path;
	unsigned triggers;
	char *action;      /* given to /bin/sh -c */
	char *runas;       /* "root" when not set */
	int64_t timeout_ms;/* key timeout, else conf */
};
struct hookset {
	struct hook *hooks; /* in load order */
	size_t n;
	char *stack;        /* [main] of cfn-hup.conf or NULL */
	char *credential_file;
	int64_t interval_ms;/* 0 = not set; a bare number is seconds in our conf and minutes with the aws layout */
	char *region, *url;
	mode_t umask;
};
/** hookset_load() - Return 0 also with no file at all (n == 0); problems tell what was refused and why. -ENOMEM. */
int hookset_load(const struct env *env, const struct conf *conf, struct hookset *ret, struct problems *problems) _must_check_;
/** hookset_load_from() - cfn-hup -c DIR: @conf_dir holds cfn-hup.conf, hooks.conf, hooks.d; @hooks_dir overrides hooks.d (NULL: default). */
int hookset_load_from(const struct env *env, const struct conf *conf, const char *conf_dir, const char *hooks_dir, struct hookset *ret,
                      struct problems *problems) _must_check_;
void hookset_deinit(struct hookset *set);
char *hookset_to_json(const struct hookset *set); /* for the link; without actions: the agent need not know commands */
int hookset_from_json(const char *p, size_t n, struct hookset *ret, struct err *e) _must_check_;
/** hookset_resources() - distinct logical ids in order of first mention, borrowed pointers into @set; new array, free() it. */
const char **hookset_resources(const struct hookset *set, size_t *ret_n);
/** hooks_disabled() - the kill switch: /etc/heat-pulse/hooks.disabled, heat-pulse.hooks=0 on the kernel's command line, or conf. @why gets which. */
bool hooks_disabled(const struct env *env, const struct conf *conf, struct err *why);
