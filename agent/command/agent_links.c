/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's links: to the runner from the start, to store and prober through the runner. A role
 * that dies comes back through here, and its users carry on.
 */
#include "command/agent.h"

#include <errno.h>
#include <string.h>

#include "command/command.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/role.h"
#include "core/text.h"
#include "hooks/protocol.h"

#define RUNNER_WAIT_MS 5000
#define STORE_WAIT_MS  5000
#define ROLE_WAIT_MS   (10 * 60 * 1000)
#define ASK_AGAIN_MS   2000

int agent_open_fd(int privpath, void *ctx)
{
	struct agent *a = ctx;
	struct msg_writer w;
	struct link_msg answer;
	int r;

	msg_writer_init(&w);
	msg_put_u32(&w, (uint32_t)privpath);
	r = link_call_wait(a->runner, RUNNER_OPEN, &w, NULL, 0, RUNNER_WAIT_MS, &answer);
	if (r)
		return r;
	return answer.n_fds == 1 ? take_fd(&answer.fds[0]) : -EBADMSG;
}

/* Store and prober only answer; what they send by themselves has no meaning. */
static void on_stray(struct link *link _unused_, struct link_msg *msg, void *ctx _unused_)
{
	log_warn("a message of type %u that nobody asked for, ignoring it", msg->type);
}

/* A link to another role, waiting for it: only before the loop runs. */
static int role_link_wait(struct agent *a, enum role role, link_closed_fn *closed,
			  struct link **ret)
{
	struct msg_writer w;
	struct link_msg answer;
	int r;

	msg_writer_init(&w);
	msg_put_u32(&w, role);
	r = link_call_wait(a->runner, RUNNER_LINK, &w, NULL, 0, RUNNER_WAIT_MS, &answer);
	if (r)
		return r;
	if (answer.n_fds != 1)
		return -EBADMSG;
	return link_new(a->loop, take_fd(&answer.fds[0]), on_stray, closed, a, ret);
}

static void on_store_gone(struct link *link, void *ctx);
static void on_prober_gone(struct link *link, void *ctx);

static int take_role(struct agent *a, enum role role, int fd)
{
	int r;

	if (role == ROLE_STORE) {
		r = link_new(a->loop, fd, on_stray, on_store_gone, a, &a->store_link);
		if (!r)
			store_set_link(a->store, a->store_link);
		return r;
	}
	r = link_new(a->loop, fd, on_stray, on_prober_gone, a, &a->prober_link);
	if (!r && a->sampler)
		sampler_set_prober(a->sampler, a->prober_link);
	return r;
}

struct role_wish {
	struct agent *agent;
	enum role role;
};

static void on_role_answer(struct link *link _unused_, int status, struct link_msg *msg, void *ctx)
{
	_cleanup_free_ struct role_wish *wish = ctx;
	struct agent *a = wish->agent;
	int r = status ? status : -EBADMSG;

	a->role_asked[wish->role] = false;
	if (!status && msg->n_fds == 1)
		r = take_role(a, wish->role, take_fd(&msg->fds[0]));
	if (r)
		loop_timer_arm(a->roles_timer, ASK_AGAIN_MS);
}

static int ask_role(struct agent *a, enum role role)
{
	_cleanup_free_ struct role_wish *wish = malloc(sizeof(*wish));
	struct msg_writer w;
	int r;

	if (!wish)
		return -ENOMEM;
	*wish = (struct role_wish){a, role};
	msg_writer_init(&w);
	msg_put_u32(&w, role);
	r = link_call(a->runner, RUNNER_LINK, &w, NULL, 0, ROLE_WAIT_MS, on_role_answer, wish);
	if (r == 0) {
		wish = NULL;
		a->role_asked[role] = true;
	}
	return r;
}

/* Asks for each role that is missing, until it is there. */
static void ask_roles(struct loop *loop _unused_, void *ctx)
{
	struct agent *a = ctx;
	const struct link *links[ROLE_COUNT] = {
		[ROLE_STORE] = a->store_link,
		[ROLE_PROBER] = a->prober_link,
	};

	for (enum role role = 0; a->runner && role < ROLE_COUNT; role++)
		if (role != ROLE_AGENT && !links[role] && !a->role_asked[role] &&
		    ask_role(a, role) < 0)
			loop_timer_arm(a->roles_timer, ASK_AGAIN_MS);
}

static void on_store_gone(struct link *link, void *ctx)
{
	struct agent *a = ctx;

	store_set_link(a->store, NULL);
	a->store_link = link_free(link);
	ask_roles(a->loop, a);
}

static void on_prober_gone(struct link *link, void *ctx)
{
	struct agent *a = ctx;

	if (a->sampler)
		sampler_set_prober(a->sampler, NULL);
	a->prober_link = link_free(link);
	ask_roles(a->loop, a);
}

static int take_hooks(struct agent *a, int fd)
{
	_cleanup_buf_ struct buf text = BUF_INIT(4u << 20);
	struct hookset for_queue = {0}, for_us = {0};
	_cleanup_free_ const char **names = NULL;
	struct err e = ERR_INIT;
	size_t n = 0;
	int r = fs_blob_read(fd, &text);

	if (!r)
		r = hookset_from_json(text.data, text.len, &for_queue, &e);
	if (!r)
		r = hookset_from_json(text.data, text.len, &for_us, &e);
	if (r) {
		log_err("the table of hooks cannot be used: %s", e.code ? e.text : strerror(-r));
		hookset_deinit(&for_queue);
		return r;
	}
	hookset_deinit(&a->hooks_seen);
	a->hooks_seen = for_us;
	names = hookset_resources(&a->hooks_seen, &n);
	if (a->setup->one_pass && names)
		agent_prime_pass(a, names, n);
	r = hook_queue_set_hooks(a->queue, &for_queue);
	if (r)
		return r;
	if (!names && n > 0)
		return -ENOMEM;
	return watch_set_resources(a->watch, names, n);
}

static void on_hooks_answer(struct link *link _unused_, int status, struct link_msg *msg, void *ctx)
{
	struct agent *a = ctx;
	_cleanup_close_ int fd = -1;

	if (status || msg->n_fds < 1) {
		log_err("the runner gives no hooks: %s", strerror(status ? -status : EBADMSG));
		return;
	}
	fd = take_fd(&msg->fds[0]);
	if (take_hooks(a, fd))
		log_err("new hooks were not taken over");
	else
		watch_poll_now(a->watch);
}

static int ask_hooks(struct agent *a)
{
	struct link_msg answer;
	_cleanup_close_ int fd = -1;
	int r = link_call_wait(a->runner, RUNNER_HOOKS, NULL, NULL, 0, RUNNER_WAIT_MS, &answer);

	if (r)
		return r;
	if (answer.n_fds < 1)
		return -EBADMSG;
	fd = take_fd(&answer.fds[0]);
	return take_hooks(a, fd);
}

static void take_switch(struct agent *a, struct link_msg *msg)
{
	uint32_t off = msg_get_u32(&msg->body);
	_cleanup_free_ char *why = msg_get_str(&msg->body, ERR_TEXT_MAX);

	if (msg_reader_done(&msg->body))
		return;
	a->hooks_off = off != 0;
	text_print(a->hooks_off_why, sizeof(a->hooks_off_why), "%s", why ? why : "");
	hook_queue_disable(a->queue, a->hooks_off, a->hooks_off_why);
	if (a->deployments)
		deploy_queue_disable(a->deployments, a->hooks_off);
	problems_remove(&a->problems, "hooks-disabled");
	if (a->hooks_off)
		problems_add(&a->problems, PROBLEM_WARN, "hooks-disabled",
			     "remove the switch to let them run again", "no hook and no deployment runs: %s",
			     a->hooks_off_why);
}

static int ask_switch(struct agent *a)
{
	struct link_msg answer;
	int r = link_call_wait(a->runner, RUNNER_SWITCH, NULL, NULL, 0, RUNNER_WAIT_MS, &answer);

	if (!r)
		take_switch(a, &answer);
	return r;
}

void agent_on_runner(struct link *link, struct link_msg *msg, void *ctx)
{
	struct agent *a = ctx;

	if (msg->type == RUNNER_SWITCH)
		take_switch(a, msg);
	else if (msg->type == RUNNER_ALIVE && link_send(link, RUNNER_ALIVE, NULL, NULL, 0))
		log_warn("cannot tell the runner that the agent is alive");
	else if (msg->type == RUNNER_HOOKS &&
		 link_call(link, RUNNER_HOOKS, NULL, NULL, 0, RUNNER_WAIT_MS, on_hooks_answer, a))
		log_err("cannot ask for the new hooks");
}

void agent_on_runner_gone(struct link *link _unused_, void *ctx)
{
	struct agent *a = ctx;

	/* The runner is the parent of all: without it there is nothing to serve. */
	loop_quit(a->loop, EXIT_GOOD);
}

/*
 * Whose state this is. A guest that nothing identifies gets a new random UUID at each start; its state
 * must not look like a clone's, or each restart would begin anew and run every hook again.
 */
static void name_owner(struct agent *a)
{
	snprintf(a->owner, sizeof(a->owner), "%s",
		 text_equal(a->identity.server_from, "random")
			 ? "00000000-0000-0000-0000-000000000000"
			 : a->identity.server_uuid);
}

int agent_connect(struct agent *a, struct err *e)
{
	int r;

	identity_read(a->setup->env, agent_open_fd, a, &a->identity);
	name_owner(a);
	r = loop_timer_new(a->loop, 0, ask_roles, a, &a->roles_timer);
	if (r)
		return err_sys(e, -r, "cannot make a timer");
	r = store_new(a->loop, &a->store);
	if (!r)
		r = store_bind(a->store, a->owner);
	if (r)
		return err_sys(e, -r, "cannot make the client of the store");
	r = role_link_wait(a, ROLE_STORE, on_store_gone, &a->store_link);
	if (!r) /* now, so that the last good document can be read before the loop runs */
		r = store_bind_wait(a->store_link, a->owner, STORE_WAIT_MS);
	if (r)
		log_warn("the store does not answer (%s); state is kept in memory only until it "
			 "does",
			 strerror(-r));
	store_set_link(a->store, a->store_link);
	agent_identity_recall(a);
	r = role_link_wait(a, ROLE_PROBER, on_prober_gone, &a->prober_link);
	if (r)
		log_warn(
			"the prober does not answer (%s); what it measures is absent until it does",
			strerror(-r));
	loop_timer_arm(a->roles_timer, 0);
	return 0;
}

int agent_switch_and_hooks(struct agent *a, struct err *e)
{
	int r = ask_switch(a);

	if (!r)
		r = ask_hooks(a);
	return r ? err_sys(e, -r, "cannot get the hooks from the runner") : 0;
}
