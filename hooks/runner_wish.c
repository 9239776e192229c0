/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's wishes for runs of hooks. What it says is checked against the runner's own table: it
 * names a hook, and a trigger and resource that this hook really has; values are passed on unread.
 */
#include "hooks/runner_private.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"

#define NAME_FIELD_MAX HOOK_TEXT_MAX

struct wish {
	char *id, *hook_name, *resource, *service;
	char *class_name, *entity, *evidence;
	struct hook_finding finding; /* of these texts */
	uint32_t trigger, attempt, flags;
	const struct hook *hook;
	struct waiter waiter;
	int fds[VALUE_SIDES];
};

static void wish_deinit(struct wish *w)
{
	free(w->id);
	free(w->hook_name);
	free(w->resource);
	free(w->service);
	free(w->class_name);
	free(w->entity);
	free(w->evidence);
}

static bool read_finding(struct wish *w, struct msg_reader *b)
{
	uint32_t level, event;

	w->class_name = msg_get_str(b, HOOK_NAME_MAX);
	w->entity = msg_get_str(b, HOOK_ENTITY_MAX);
	level = msg_get_u32(b);
	event = msg_get_u32(b);
	w->evidence = msg_get_str(b, HOOK_EVIDENCE_MAX);
	w->finding = (struct hook_finding){.class_name = w->class_name,
					   .entity = w->entity,
					   .level = (enum finding_level)level,
					   .event = (enum hook_event)event,
					   .evidence = w->evidence,
					   .eta_s = msg_get_i64(b)};
	return w->class_name && w->entity && w->evidence && level < FINDING_LEVELS &&
	       event < HOOK_EVENTS;
}

static int read_wish(struct wish *w, struct link *link, struct link_msg *msg)
{
	struct msg_reader *b = &msg->body;
	size_t used = 0;

	w->waiter = (struct waiter){link, msg->id};
	w->id = msg_get_str(b, RUN_ID_LEN);
	w->hook_name = msg_get_str(b, NAME_FIELD_MAX);
	w->trigger = msg_get_u32(b);
	w->resource = msg_get_str(b, NAME_FIELD_MAX);
	w->service = msg_get_str(b, SERVICE_NAME_MAX);
	w->attempt = msg_get_u32(b);
	w->flags = msg_get_u32(b);
	if (w->trigger == TRIGGER_FINDING && !read_finding(w, b))
		return -EBADMSG;
	if (msg_reader_done(b) < 0 || !run_id_valid(w->id) || !w->hook_name || !w->resource)
		return -EBADMSG;
	w->fds[VALUE_OLD] = (w->flags & RUN_HAS_OLD) && used < msg->n_fds ? msg->fds[used++] : -1;
	w->fds[VALUE_NEW] = (w->flags & RUN_HAS_NEW) && used < msg->n_fds ? msg->fds[used++] : -1;
	if ((w->flags & RUN_HAS_OLD) && w->fds[VALUE_OLD] < 0)
		return -EBADMSG;
	return (w->flags & RUN_HAS_NEW) && w->fds[VALUE_NEW] < 0 ? -EBADMSG : 0;
}

/* The agent may only start what the configuration says can happen. */
static int check_wish(const struct runner *r, struct wish *w)
{
	w->hook = hookset_find(r->hooks, w->hook_name);
	if (!w->hook)
		return -ENOENT;
	if (strcmp(trigger_name(w->trigger), "?") == 0 || !(w->trigger & w->hook->triggers))
		return -EPERM;
	if (strcmp(w->resource, w->hook->path.resource) != 0)
		return -EPERM;
	if ((w->trigger == TRIGGER_SERVICE_RESTARTED) != (w->service != NULL) ||
	    (w->service && !service_name_valid(w->service)))
		return -EPERM;
	if (w->trigger == TRIGGER_FINDING && !finding_wanted(w->hook, &w->finding))
		return -EPERM;
	return hooks_disabled(r->env, r->conf, NULL) ? -ESHUTDOWN : 0;
}

static int start_wish(struct runner *r, const char *id, const struct waiter *waiter, void *ctx)
{
	struct wish *w = ctx;
	int code = check_wish(r, w);
	struct shepherd_job job = {
		.id = id,
		.hook = w->hook,
		.trigger = w->trigger,
		.service = w->service,
		.finding = w->trigger == TRIGGER_FINDING ? &w->finding : NULL,
		.values = {{w->fds[VALUE_OLD], w->fds[VALUE_NEW]}, r->conf->hook_env_max},
		.output_max = (size_t)r->conf->hook_output_max,
	};

	if (code == 0)
		code = runner_start(r, &job, waiter);
	if (code == 0)
		log_info("hook %s: started by %s of %s, try %u", w->hook->name,
			 trigger_name(w->trigger), job.finding ? w->entity : w->resource,
			 w->attempt);
	return code;
}

void runner_handle_run(struct runner *r, struct link *link, struct link_msg *msg)
{
	struct wish w = {.fds = {-1, -1}};
	int code = read_wish(&w, link, msg);

	if (code == 0)
		runner_ask(r, w.id, &w.waiter, start_wish, &w);
	else
		runner_reply_status(&w.waiter, code);
	wish_deinit(&w);
}
