/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One life: the agent's own main function in a process, the store role in another, and a runner that
 * opens what is asked for and starts nothing. Agent and store may be killed at any instant; the
 * runner then ends, as its link closes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "command/run.h"
#include "core/fs.h"
#include "core/link.h"
#include "core/log.h"
#include "core/privpath.h"
#include "core/role.h"
#include "core/store.h"
#include "hooks/config.h"
#include "hooks/protocol.h"
#include "world.h"

struct runner {
	struct loop *loop;
	int of_role[ROLE_COUNT]; /* the agent's ends of its links */
};

static void reply_fd(struct link *link, uint32_t id, int fd)
{
	(void)link_reply(link, id, fd < 0 ? fd : 0, NULL, &fd, fd < 0 ? 0 : 1);
}

static void serve_open(struct runner *r _unused_, struct link *link, struct link_msg *msg)
{
	enum privpath id = (enum privpath)msg_get_u32(&msg->body);
	_cleanup_close_ int fd = id == PRIVPATH_KMSG ? fcntl(world.kmsg[0], F_DUPFD_CLOEXEC, 0)
						     : privpath_open(&world.env, id, NULL);

	reply_fd(link, msg->id, fd);
}

static void serve_hooks(struct runner *r _unused_, struct link *link, struct link_msg *msg)
{
	const struct hookset none = {0};
	_cleanup_free_ char *text = hookset_to_json(&none);
	_cleanup_close_ int hooks = text ? fs_blob("hooks", text, strlen(text)) : -ENOMEM;
	_cleanup_close_ int problems = fs_blob("problems", "", 0);
	const int fds[] = {hooks, problems};

	(void)link_reply(link, msg->id, hooks < 0 ? hooks : 0, NULL, fds, hooks < 0 ? 0 : 2);
}

static void serve_switch(struct runner *r _unused_, struct link *link, struct link_msg *msg)
{
	struct msg_writer w = {.len = 0};

	msg_put_u32(&w, 0);
	msg_put_str(&w, "");
	(void)link_reply(link, msg->id, 0, &w, NULL, 0);
}

static void serve_link(struct runner *r, struct link *link, struct link_msg *msg)
{
	uint32_t role = msg_get_u32(&msg->body);

	reply_fd(link, msg->id, role < ROLE_COUNT ? r->of_role[role] : -EINVAL);
}

static const struct {
	uint32_t type;
	void (*serve)(struct runner *r, struct link *link, struct link_msg *msg);
} requests[] = {
	{RUNNER_OPEN, serve_open},
	{RUNNER_HOOKS, serve_hooks},
	{RUNNER_SWITCH, serve_switch},
	{RUNNER_LINK, serve_link},
};

static void on_message(struct link *link, struct link_msg *msg, void *ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].type == msg->type) {
			requests[i].serve(ctx, link, msg);
			return;
		}
	if (msg->id)
		(void)link_reply(link, msg->id, -ENOENT, NULL, NULL, 0);
}

static void on_closed(struct link *link _unused_, void *ctx)
{
	struct runner *r = ctx;

	loop_quit(r->loop, 0);
}

static int be_runner(int agent_fd, int store_fd)
{
	const struct env env = {
		.boot_ms = world_boot_ms, .real_ms = world_real_ms, .wait = runner_wait};
	struct runner r = {.of_role = {[ROLE_AGENT] = -ENOENT, [ROLE_STORE] = store_fd}};
	struct link *link;
	int prober[2]; /* never asked: a simulated guest has a probe of its own */

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, prober))
		return 1;
	r.of_role[ROLE_PROBER] = prober[0];
	if (loop_new(&env, &r.loop) || link_new(r.loop, agent_fd, on_message, on_closed, &r, &link))
		return 1;
	return loop_run(r.loop);
}

static int be_store(int fd)
{
	static struct env env;
	char path[ENV_PATH_MAX];

	env = world.env;
	env.wait = store_wait;
	disk_watch();
	return store_role_run(&env, fd, env_path(&env, STORE_DIR, path));
}

static int be_agent(int runner_fd)
{
	static struct conf conf;
	struct problems problems = {0};
	struct err e = ERR_INIT;
	const struct agent_setup setup = {.env = &world.env, .conf = &conf, .problems = &problems};

	if (conf_load(&world.env, NULL, &conf, &problems, &e)) {
		log_err("%s", e.text);
		return 1;
	}
	for (size_t i = 0; i < problems.n; i++)
		log_err("%s", problems.list[i].text);
	log_setup((enum log_level)conf.log_level, "agent");
	return agent_main(&setup, runner_fd);
}

static pid_t start(int (*be)(int fd), int fd, const int *others, size_t n)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (size_t i = 0; i < n; i++)
		close(others[i]);
	_exit(be(fd));
}

/* What belongs to the runner: it serves one fd and hands another on, so it has a fork of its own. */
static pid_t start_runner(int agent_fd, int store_fd, const int *others, size_t n)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (size_t i = 0; i < n; i++)
		close(others[i]);
	_exit(be_runner(agent_fd, store_fd));
}

/* A store that is killed takes its agent with it: both are one guest's, and its power is gone. */
static int wait_for_all(pid_t agent, pid_t store, pid_t runner)
{
	int status = 0, of_store = 0;
	pid_t first;

	do {
		first = wait(&status);
	} while (first != agent && !(first == store && WIFSIGNALED(status)));
	if (first == store)
		kill(agent, SIGKILL);
	else if (WIFSIGNALED(status))
		kill(store, SIGKILL);
	if (first == store)
		waitpid(agent, &of_store, 0);
	else
		waitpid(store, &of_store, 0);
	waitpid(runner, NULL, 0);
	return status;
}

/* What the dead did not read is still in the kernel's log and is written again. */
static void forget_unread(void)
{
	char line[1024];

	while (read(world.kmsg[0], line, sizeof(line)) > 0)
		continue;
}

int life_run(void)
{
	const int type = SOCK_SEQPACKET | SOCK_CLOEXEC;
	int up[2], down[2], status;
	pid_t agent, store, runner;

	forget_unread();
	if (socketpair(AF_UNIX, type, 0, up) || socketpair(AF_UNIX, type, 0, down))
		return -errno;
	world.peer_end[PEER_STORE] = down[1];
	world.peer_end[PEER_RUNNER] = up[0];
	for (int i = 0; i < PEERS; i++)
		world.shared->idle[i] = 0;
	store = start(be_store, down[1], (int[]){up[0], up[1], down[0]}, 3);
	runner = start_runner(up[0], down[0], (int[]){up[1], down[1]}, 2);
	agent = start(be_agent, up[1], (int[]){down[0]}, 1);
	close(up[0]);
	close(up[1]);
	close(down[0]);
	status = wait_for_all(agent, store, runner);
	close(down[1]);
	return status;
}
