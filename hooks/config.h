/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfn-hup's configuration: cfn-hup.conf, hooks.conf, hooks.d/. Read by the runner (root-owned files
 * only), handed to the agent as a table. All files share one name space and are merged key by key,
 * later files winning, as Python's parser did. A bad file or section disables itself, names file
 * and line, and stops nothing else.
 */
#pragma once

#include <sys/types.h>
#include "core/conf.h"
#include "core/path.h"

enum trigger {
	TRIGGER_ADD = 1 << 0,
	TRIGGER_UPDATE = 1 << 1,
	TRIGGER_REMOVE = 1 << 2,
	TRIGGER_SERVICE_RESTARTED = 1 << 3,
	TRIGGER_FINDING = 1 << 4, /* of sections named finding.CLASS, and of no other */
};
#define TRIGGER_ALL                                                                                \
	(TRIGGER_ADD | TRIGGER_UPDATE | TRIGGER_REMOVE | TRIGGER_SERVICE_RESTARTED |               \
	 TRIGGER_FINDING)
/* Those that tell of something that happened, and not of a value. */
#define TRIGGER_EVENTS (TRIGGER_SERVICE_RESTARTED | TRIGGER_FINDING)
/** trigger_name() - "post.add" … for one bit; "?" for anything else. */
const char *trigger_name(unsigned trigger);
/** trigger_parse() - exact name of (@p, @n) to its bit, 0 when it is none of ours. */
unsigned trigger_parse(const char *p, size_t n);

#define HOOK_NAME_MAX 255
#define HOOK_TEXT_MAX 4096 /* path and runas */
#define HOOKS_MAX     1024

struct hook {
	char *name; /* section */
	char *file;
	int line;
	char *path_text; /* "" of a finding hook; its path's resource too */
	struct path path;
	unsigned triggers;
	unsigned levels, events; /* of a finding hook: 1 << enum finding_level, 1 << enum hook_event */
	char *action;       /* given to /bin/sh -c; NULL on the agent's side */
	char *runas;        /* when not set: root, or who we are when we are not root */
	int64_t timeout_ms; /* key timeout, else conf */
};
struct hookset {
	struct hook *hooks; /* in load order */
	size_t n;
	char *stack; /* [main] of cfn-hup.conf or NULL */
	char *credential_file;
	int64_t interval_ms; /* 0 = not set; a bare number is minutes, as cfn-hup documents it;
				"30s" is 30 s */
	char *region, *url;
	mode_t umask;
};
/** hookset_load() - Return 0 also with no file at all (n == 0); problems tell what was refused and
 * why. -ENOMEM. */
int hookset_load(const struct env *env, const struct conf *conf, struct hookset *ret,
		 struct problems *problems) _must_check_;
/**
 * hookset_load_from() - cfn-hup -c DIR
 * @conf_dir: holds cfn-hup.conf, hooks.conf, hooks.d; unprefixed
 * @hooks_dir: overrides hooks.d (NULL: default); unprefixed
 */
int hookset_load_from(const struct env *env, const struct conf *conf, const char *conf_dir,
		      const char *hooks_dir, struct hookset *ret,
		      struct problems *problems) _must_check_;
/** hookset_from_ini() - the table from merged files; bad sections become problems. @ret is
 * overwritten. 0 or -ENOMEM. */
int hookset_from_ini(const struct conf *conf, const struct ini *ini, struct hookset *ret,
		     struct problems *problems) _must_check_;
void hookset_deinit(struct hookset *set);
void hook_deinit(struct hook *h);
/** hook_watches_nothing() - @h gets the empty path of a finding hook. 0 or -ENOMEM. */
int hook_watches_nothing(struct hook *h) _must_check_;
/** hook_default_runas() - who runs a hook that names nobody. New string or NULL. */
char *hook_default_runas(void);
/** hookset_find() - the hook of that name or NULL; borrowed. */
const struct hook *hookset_find(const struct hookset *set, const char *name);
/** hookset_to_json() - for the link; without actions: the agent need not know commands. New string
 * or NULL. */
char *hookset_to_json(const struct hookset *set);
/** hookset_from_json() - -EBADMSG with the reason, -ENOMEM; @ret is empty then. */
int hookset_from_json(const char *p, size_t n, struct hookset *ret, struct err *e) _must_check_;
/** hookset_resources() - distinct logical ids in order of first mention, borrowed pointers into
 * @set; new array, free() it. NULL with *@ret_n 0 when there are none (or no memory). */
const char **hookset_resources(const struct hookset *set, size_t *ret_n);
/** hooks_disabled() - the kill switch: /etc/heat-pulse/hooks.disabled, heat-pulse.hooks=0 on the
 * kernel's command line, or conf. @why (may be NULL) gets which. */
bool hooks_disabled(const struct env *env, const struct conf *conf, struct err *why);
