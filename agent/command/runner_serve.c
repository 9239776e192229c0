/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runner does for the agent: opens descriptors of a const table, hands over the table of
 * hooks, links to the other roles and the control socket. Runs and services are hooks/runner.c's.
 * Nothing here reads what came from the network.
 */
#include "command/runner_main.h"

#include <errno.h>
#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "core/notify.h"
#include "core/privpath.h"
#include "hooks/protocol.h"

static void serve_open(struct runner_main *m, struct link *link, struct link_msg *msg)
{
	const struct privpath_names names = {
		.hooks_conf_dir = m->conf.hooks_conf_dir,
		.credential_file = m->conf.cfn_credential_file ? m->conf.cfn_credential_file
							       : m->hooks.credential_file,
		.local_file = m->conf.local_file,
		.config_drive = m->conf.local_config_drive,
	};
	uint32_t id = msg_get_u32(&msg->body);
	_cleanup_close_ int fd = -1;

	if (msg_reader_done(&msg->body) || id >= PRIVPATH_COUNT) {
		link_reply(link, msg->id, -EINVAL, NULL, NULL, 0);
		return;
	}
	fd = privpath_open(m->env, id, &names);
	link_reply(link, msg->id, fd < 0 ? fd : 0, NULL, &fd, fd < 0 ? 0 : 1);
}

static void serve_hooks(struct runner_main *m, struct link *link, struct link_msg *msg)
{
	_cleanup_free_ char *text = hookset_to_json(&m->hooks);
	_cleanup_close_ int fd = text ? fs_blob("hooks", text, strlen(text)) : -ENOMEM;

	link_reply(link, msg->id, fd < 0 ? fd : 0, NULL, &fd, fd < 0 ? 0 : 1);
}

static void answer_role(struct runner_main *m, enum role role)
{
	_cleanup_close_ int fd = -1;

	if (!m->agent || !m->role_wanted[role] || m->role_fd[role] < 0)
		return;
	fd = take_fd(&m->role_fd[role]);
	/* What could not be given is closed: the role ends by that and is offered anew. */
	if (link_reply(m->agent, m->role_wanted[role], 0, NULL, &fd, 1) == 0)
		m->role_wanted[role] = 0;
}

void runner_offer_role(struct runner_main *m, enum role role, int fd)
{
	if (m->role_fd[role] >= 0)
		close(m->role_fd[role]);
	m->role_fd[role] = fd;
	answer_role(m, role);
}

static void serve_link(struct runner_main *m, struct link *link, struct link_msg *msg)
{
	uint32_t role = msg_get_u32(&msg->body);

	if (msg_reader_done(&msg->body) || role >= ROLE_COUNT || role == ROLE_AGENT) {
		link_reply(link, msg->id, -EINVAL, NULL, NULL, 0);
		return;
	}
	m->role_wanted[role] = msg->id;
	answer_role(m, role);
}

static void serve_control(struct runner_main *m, struct link *link, struct link_msg *msg)
{
	link_reply(link, msg->id, m->control_fd < 0 ? -ENOENT : 0, NULL, &m->control_fd,
		   m->control_fd < 0 ? 0 : 1);
}

static void serve_switch(struct runner_main *m, struct link *link, struct link_msg *msg)
{
	struct msg_writer w;
	struct err why = ERR_INIT;

	msg_writer_init(&w);
	msg_put_u32(&w, runner_check_switch(m, &why));
	msg_put_str(&w, why.text);
	link_reply(link, msg->id, 0, &w, NULL, 0);
}

static void serve_trust(struct runner_main *m, struct link *link _unused_, struct link_msg *msg)
{
	struct trusted_hook t = {.resource = msg_get_str(&msg->body, HOOK_NAME_MAX)};

	t.command = msg_get_str(&msg->body, HOOK_TEXT_MAX);
	t.runas = msg_get_str(&msg->body, HOOK_NAME_MAX);
	if (msg_reader_done(&msg->body) == 0)
		runner_trust(m, &t);
	trusted_hook_deinit(&t);
}

static void serve_done(struct runner_main *m, struct link *link _unused_, struct link_msg *msg)
{
	uint32_t code = msg_get_u32(&msg->body);

	runner_stop(m, msg_reader_done(&msg->body) ? 1 : (int)code);
}

static void serve_ready(struct runner_main *m, struct link *link _unused_,
			struct link_msg *msg _unused_)
{
	log_debug("the agent is up");
	if (!m->options->one_pass)
		runner_tell(NOTIFY_READY);
}

static void serve_alive(struct runner_main *m, struct link *link _unused_,
			struct link_msg *msg _unused_)
{
	runner_watch_alive(m);
}

static const struct {
	enum runner_msg type;
	void (*serve)(struct runner_main *m, struct link *link, struct link_msg *msg);
} services[] = {
	{RUNNER_OPEN, serve_open},       {RUNNER_HOOKS, serve_hooks},   {RUNNER_LINK, serve_link},
	{RUNNER_CONTROL, serve_control}, {RUNNER_SWITCH, serve_switch}, {RUNNER_DONE, serve_done},
	{RUNNER_READY, serve_ready},     {RUNNER_ALIVE, serve_alive},   {RUNNER_TRUST, serve_trust},
};

void runner_on_message(struct link *link, struct link_msg *msg, void *ctx)
{
	struct runner_main *m = ctx;

	/* The switch is looked at again before each run: a file put there a moment ago counts. */
	if ((msg->type == RUNNER_RUN || msg->type == RUNNER_DEPLOY) && runner_check_switch(m, NULL)) {
		link_reply(link, msg->id, -ESHUTDOWN, NULL, NULL, 0);
		return;
	}
	if (m->runner && runner_handle(m->runner, link, msg))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		if (services[i].type == msg->type) {
			services[i].serve(m, link, msg);
			return;
		}
	log_warn("the agent sent a message of unknown type %u, ignoring it", msg->type);
	link_reply(link, msg->id, -ENOSYS, NULL, NULL, 0);
}

void runner_on_agent_closed(struct link *link, void *ctx)
{
	struct runner_main *m = ctx;

	if (m->runner)
		runner_agent_gone(m->runner);
	memset(m->role_wanted, 0, sizeof(m->role_wanted));
	m->agent = link_free(link);
}
