/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfn-init: applies AWS::CloudFormation::Init of one metadata tree to this machine. It waits for
 * what it starts, so it belongs into a process of its own (a command, a child of the runner), never
 * into the agent. A second run over the same tree changes nothing but what commands do.
 */
#pragma once

#include <jansson.h>
#include "core/env.h"
#include "core/err.h"
#include "core/http.h"

#define INIT_KEY        "AWS::CloudFormation::Init"
#define INIT_AUTH_KEY   "AWS::CloudFormation::Authentication"
#define INIT_REPORT_MAX (256u << 10)

struct init_setup {
	const struct env *env;
	struct http_setup http; /* CA and proxies of downloads */
	bool dry_run;           /* only tell what would change */
	bool keep_going;    /* go on after a failure, but for commands; the answer stays "failed" */
	bool sources_first; /* sources before groups and users, as heat-cfntools has it */
	bool quiet;         /* no lines on stderr, only @report */
	int64_t program_ms; /* limit of one program, 0: 1 h */
	struct buf *report; /* each line of the run, too; NULL: not kept. Over its max: cut */
};

enum init_answer {
	INIT_DONE = 0,
	INIT_INVALID = 1, /* the tree cannot be obeyed: nothing was touched */
	INIT_FAILED = 2,  /* a step failed */
};

/** init_apply() - @sets: comma list of configSets or NULL. Return: enum init_answer with the reason
 * in @e, or -ENOMEM. */
int init_apply(const struct init_setup *setup, const json_t *metadata, const char *sets,
	       struct err *e) _must_check_;
