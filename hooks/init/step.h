/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sections of cfn-init share while one tree is applied: the setup, what has changed in
 * this config so far, one line per step, and how failures are counted. For hooks/init alone.
 */
#pragma once

#include "hooks/init/init.h"

struct init {
	const struct init_setup *setup;
	const json_t *auth;  /* AWS::CloudFormation::Authentication, or NULL; borrowed */
	const char *config;  /* the config that is applied; borrowed */
	const char *section; /* and its section */
	json_t *changed;     /* in this config: section (packages: manager) -> {name: true} */
	json_t *made; /* users and groups of all configs so far: with --dry-run they are not there
		       */
	size_t n_steps, n_changed, n_failed;
	struct err first; /* the first failure */
};

/** step_say() - one line: config, section, @name and what was or would be done. Control characters
 * are escaped; never hand in a secret. */
void step_say(struct init *in, const char *name, const char *fmt, ...) _printf_(3, 4);
/** step_changed() - @name of the running section changed: counted, remembered for services, told.
 * With --dry-run the line begins with "would". */
int step_changed(struct init *in, const char *kind, const char *name, const char *fmt, ...)
	_printf_(4, 5);
bool step_has_changed(const struct init *in, const char *kind, const char *name);
/** step_would_be_there() - with --dry-run: would @name of "users" or "groups" have been made by
 * now? */
bool step_would_be_there(const struct init *in, const char *kind, const char *name);
/** step_failed() - counted and told. Return: 0 when the rest is to be tried, -ECANCELED when not.
 */
int step_failed(struct init *in, const char *name, const struct err *e, bool fatal);

typedef int step_fn(struct init *in, const char *name, const json_t *value, struct err *e);
/** step_each() - @fn for each name of an object, in order of bytes. @fatal: the first failure ends
 * it whatever --keep-going says. Return: 0 or -ECANCELED, -ENOMEM. */
int step_each(struct init *in, const json_t *object, step_fn *fn, bool fatal) _must_check_;

/* The sections, one file each. Return: 0, -ECANCELED when cfn-init is to end, -ENOMEM. */
typedef int section_fn(struct init *in, const json_t *section);
section_fn section_packages, section_groups, section_users, section_sources, section_files,
	section_commands, section_services;

#define DRY(in) ((in)->setup->dry_run)
