/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the queue of hooks begin with: an agent whose hooks are tried three times, soon after each other. */
#pragma once

#include "agent.h"

/* Sections whose actions write to $L; @sections has one %s per section for the root. */
static inline struct agent *make(void **state, const char *sections)
{
	struct fixture *f = *state;
	struct buf text = BUF_INIT(65536);
	struct agent *a;

	f->conf.hook_retry_ms = 100;
	f->conf.hook_tries = 3;
	buf_printf(&text, "[DEFAULT]\nlog=%s/tmp/log\nroot=%s\n%s", f->env.root, f->env.root,
		   sections);
	a = agent_new(f, buf_str(&text));
	buf_deinit(&text);
	return a;
}

#define ALL "triggers=post.add,post.update,post.remove\npath=Resources.R1.Metadata.v\n"
