/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's wishes for deployments, in the runner. Root-owned configuration says whether any is
 * run and where hooks of groups are; the agent names a group and hands over an entry that is passed
 * on unread.
 */
#include <errno.h>
#include <pwd.h>
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "hooks/deploy/keep.h"
#include "hooks/runner_private.h"

#define NAME_MAX_SHOWN 255

struct wish {
	char *id, *group, *name;
	char run_id[RUN_ID_LEN + 1];
	int entry_fd;
};

static void wish_deinit(struct wish *w)
{
	free(w->id);
	free(w->group);
	free(w->name);
}

static int read_wish(struct wish *w, struct link_msg *msg)
{
	struct msg_reader *b = &msg->body;

	w->id = msg_get_str(b, DEPLOYMENT_ID_MAX);
	w->group = msg_get_str(b, DEPLOYMENT_GROUP_MAX);
	w->name = msg_get_str(b, NAME_MAX_SHOWN);
	if (msg_reader_done(b) < 0 || msg->n_fds != 1 || !w->name || !deployment_id_valid(w->id) ||
	    !deployment_group_valid(w->group))
		return -EBADMSG;
	w->entry_fd = msg->fds[0];
	deployment_run_id(w->id, w->run_id);
	return 0;
}

/* Another agent has run it: what it left to tell Heat is told again, which does no harm. */
static int answer_old(const struct runner *r, const struct wish *w, const struct waiter *waiter)
{
	struct run_result old = {.end = RUN_EXITED, .tail = deploy_old_result(r->env, w->id)};

	if (!old.tail)
		return -EEXIST;
	log_info("deployment %s (%s) was run by another agent; only its result is told", w->id,
		 w->name);
	runner_reply_result(waiter, -1, &old);
	free(old.tail);
	return 0;
}

static int start_hook(struct runner *r, const struct wish *w, const char *program,
		      const struct waiter *waiter)
{
	char label[HOOK_NAME_MAX + 32], root[] = "root";
	const struct passwd *pw = geteuid() == 0 ? NULL : getpwuid(geteuid());
	const struct deploy_job deploy = {w->id, w->group, *program ? program : NULL, w->entry_fd};
	struct hook hook = {.name = label,
			    .runas = pw ? pw->pw_name : root,
			    .timeout_ms = r->conf->deployment_timeout_ms};
	struct shepherd_job job = {
		.id = w->run_id,
		.hook = &hook,
		.deploy = &deploy,
		.values = {{-1, -1}, 0},
		.output_max = (size_t)r->conf->hook_output_max,
	};
	int code;

	snprintf(label, sizeof(label), "of deployment %s", w->name);
	code = runner_start(r, &job, waiter);
	if (code == 0)
		log_info("deployment %s (%s): started by %s", w->id, w->name,
			 *program ? program : "the built-in hook of its group");
	return code;
}

static int start_wish(struct runner *r, const char *run_id _unused_, const struct waiter *waiter,
		      void *ctx)
{
	const struct wish *w = ctx;
	char program[ENV_PATH_MAX];
	struct err e = ERR_INIT;
	int code;

	if (deploy_was_run(r->env, w->id))
		return answer_old(r, w, waiter);
	if (!r->conf->deployments_enabled || hooks_disabled(r->env, r->conf, NULL))
		return -ESHUTDOWN;
	code = deploy_find_hook(r->env, r->conf, w->group, program, &e);
	if (code == 0)
		return start_hook(r, w, program, waiter);
	log_err("deployment %s (%s): %s", w->id, w->name, e.code ? e.text : strerror(-code));
	return code;
}

/* deployed/ID.json is written between record and hook: cut off before that, the hook was never
 * started. */
static void forget_unborn(struct runner *r, const struct wish *w)
{
	struct run_record record = {0};

	if (!runner_has_run(r, w->run_id) && !deploy_was_run(r->env, w->id) &&
	    run_store_state(&r->store, w->run_id, &record) == RUN_STATE_CUT_OFF)
		runner_forget(r, w->run_id);
	run_record_deinit(&record);
}

void runner_handle_deploy(struct runner *r, struct link *link, struct link_msg *msg)
{
	const struct waiter waiter = {link, msg->id};
	struct wish w = {.entry_fd = -1};
	int code = read_wish(&w, msg);

	if (code == 0) {
		forget_unborn(r, &w);
		runner_ask(r, w.run_id, &waiter, start_wish, &w);
	} else {
		runner_reply_status(&waiter, code);
	}
	wish_deinit(&w);
}
