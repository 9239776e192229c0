/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run from start to record. The record says "running" on disk before the hook exists and
 * "ended" before this process goes; whoever finds the lock free in between knows that the run was
 * cut off. Waits with poll(2) only: it has two descriptors and one deadline, and must not share a
 * loop with its parent.
 */
#include "hooks/shepherd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/fs.h"
#include "core/log.h"
#include "core/text.h"
#include "hooks/deploy/result.h"
#include "hooks/hook_cgroup.h"
#include "hooks/hook_output.h"

/* A suspended guest stops poll's clock but not the deadline's: look again at least that often. */
#define POLL_MAX_MS 10000

enum stage { STAGE_RUNNING, STAGE_TERMINATED, STAGE_KILLED };

/* A hook's output is one stream. Of a deployment standard output is the result and apart. */
enum stream_index { STREAM_LOG, STREAM_RESULT, STREAMS };

struct shepherd {
	const struct shepherd_job *job;
	struct run_record record;
	struct hook_stream streams[STREAMS];
	char cgroup_procs[ENV_PATH_MAX]; /* "" without a group */
	int pidfd;
	pid_t pid;
	enum stage stage;
	int64_t deadline_ms;
};

/* ---- logging: never block on a log that nobody reads ---- */

static bool log_has_room(void)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static void show_line(const char *line, size_t n, unsigned dropped, void *ctx)
{
	const struct shepherd *s = ctx;
	const char *name = s->job->hook->name;

	if (dropped > 0 && log_has_room())
		log_info("hook %s: (%u lines not shown)", name, dropped);
	if (n > 0 && log_has_room())
		log_info("hook %s: %.*s", name, (int)n, line);
}

/* The result is told to Heat; it is not for the log. */
static void show_nothing(const char *line, size_t n, unsigned dropped, void *ctx)
{
	(void)line;
	(void)n;
	(void)dropped;
	(void)ctx;
}

/* ---- becoming the shepherd ---- */

static int by_number(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void close_all_but(int *keep, size_t n)
{
	unsigned next = 3;

	qsort(keep, n, sizeof(*keep), by_number);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)next)
			continue;
		if ((unsigned)keep[i] > next)
			fs_close_range(next, (unsigned)keep[i] - 1);
		next = (unsigned)keep[i] + 1;
	}
	fs_close_range(next, ~0U);
}

static void detach(const struct shepherd_job *job)
{
	static const int ignored[] = {SIGTERM, SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE,
				      SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2};
	int keep[] = {job->lock_fd, job->result_fd, job->values.fds[VALUE_OLD],
		      job->values.fds[VALUE_NEW], job->deploy ? job->deploy->entry_fd : -1};
	sigset_t none;

	setsid();
	prctl(PR_SET_NAME, "hp-shepherd");
	signal(SIGCHLD, SIG_DFL);
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_all_but(keep, ARRAY_SIZE(keep));
	if (chdir("/") < 0)
		return;
}

/* ---- starting the hook ---- */

static int find_user(const struct hook *hook, struct spawn_user *user, struct err *e)
{
	int r = spawn_find_user(hook->runas, user, e);

	if (r < 0) {
		err_prefix(e, "runas");
		return r;
	}
	if (geteuid() != 0 && user->uid != geteuid())
		return err_set(e, -EPERM,
			       "runas %s: the agent is not root and cannot become another user",
			       user->name);
	return 0;
}

struct named {
	const char *name, *value; /* NULL: not set */
};

static int set_rows(struct hook_env *vars, const struct named *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = rows[i].value ? hook_env_set(vars, rows[i].name, rows[i].value) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* All six are set: a hook may be a script that dies of unset variables. */
static int set_finding(const struct hook_finding *f, struct hook_env *vars)
{
	char eta[24] = "";
	const struct named rows[] = {
		{"HEAT_PULSE_CLASS", f->class_name},
		{"HEAT_PULSE_ENTITY", f->entity},
		{"HEAT_PULSE_LEVEL", finding_level_names[f->level]},
		{"HEAT_PULSE_EVENT", hook_event_names[f->event]},
		{"HEAT_PULSE_EVIDENCE", f->evidence},
		{"HEAT_PULSE_ETA_S", eta},
	};

	if (f->eta_s >= 0)
		snprintf(eta, sizeof(eta), "%" PRId64, f->eta_s);
	return set_rows(vars, rows, ARRAY_SIZE(rows));
}

static int set_names(const struct shepherd_job *job, struct hook_env *vars)
{
	const char *resource = job->hook->path.resource;
	const struct named rows[] = {
		{"CFN_HOOK_NAME", job->hook->name},
		{"CFN_TRIGGER", trigger_name(job->trigger)},
		{"CFN_RESOURCE", *resource ? resource : NULL},
		{"CFN_SERVICE", job->service},
		{"HEAT_PULSE_RUN_ID", job->id},
	};
	int r = set_rows(vars, rows, ARRAY_SIZE(rows));

	return r == 0 && job->finding ? set_finding(job->finding, vars) : r;
}

/* What is built in must find the same root. All else is in the entry on stdin. */
static int set_deployment(const struct shepherd_job *job, struct hook_env *vars)
{
	const char *root = job->env->root;
	const struct named rows[] = {
		{"HEAT_PULSE_RUN_ID", job->id},
		{"HEAT_PULSE_ROOT", *root ? root : NULL},
	};

	return set_rows(vars, rows, ARRAY_SIZE(rows));
}

static int build_env(const struct shepherd_job *job, const struct spawn_user *user,
		     struct hook_env *vars, struct err *e)
{
	int r = hook_env_user(vars, user);

	if (r == 0)
		r = job->deploy ? set_deployment(job, vars) : set_names(job, vars);
	if (r < 0)
		return err_sys(e, -r, "cannot build the environment");
	if (job->deploy)
		return 0;
	return hook_env_values(vars, job->store, job->id, job->hook->path.part, &job->values, user,
			       e);
}

/* Descriptors of the new process; -1 = none. */
struct ends {
	int in, out, err;
};

static pid_t exec_program(struct shepherd *s, char *const *argv, const struct spawn_user *user,
			  struct hook_env *vars, const struct ends *ends, struct err *e)
{
	struct spawn spec = {
		.path = argv[0],
		.argv = argv,
		.envp = vars->vars,
		.umask = s->job->umask,
		.switch_user = geteuid() == 0,
		.uid = user->uid,
		.gid = user->gid,
		.groups = user->groups,
		.n_groups = user->n_groups,
		.fd_in = ends->in,
		.fd_out = ends->out,
		.fd_err = ends->err,
		.new_session = true,
		.reset_oom = true,
	};

	if (hook_cgroup_make(s->job->env, s->job->id, s->cgroup_procs))
		spec.cgroup_procs = s->cgroup_procs;
	else
		s->cgroup_procs[0] = '\0';
	return spawn_start(&spec, e);
}

static pid_t exec_hook(struct shepherd *s, const struct spawn_user *user, struct hook_env *vars,
		       const struct ends *ends, struct err *e)
{
	char shell[] = "/bin/sh", dash_c[] = "-c", self[] = "/proc/self/exe", word[] = "hook";
	const struct deploy_job *deploy = s->job->deploy;
	_cleanup_free_ char *text = deploy ? strdup(deploy->program ? deploy->program : deploy->group) : NULL;
	char *by_shell[] = {shell, dash_c, s->job->hook->action, NULL};
	char *program[] = {text, NULL};
	char *built_in[] = {self, word, text, NULL};

	if (!deploy)
		return exec_program(s, by_shell, user, vars, ends, e);
	if (!text)
		return err_set(e, -ENOMEM, "no memory");
	return exec_program(s, deploy->program ? program : built_in, user, vars, ends, e);
}

static int open_ends(struct shepherd *s, struct ends *ends, struct err *e)
{
	int r;

	ends->err = ends->out = hook_stream_open(&s->streams[STREAM_LOG], e);
	if (ends->err < 0 || !s->job->deploy)
		return ends->err < 0 ? ends->err : 0;
	ends->out = -1;
	r = deploy_keep_entry(s->job->env, s->job->deploy, &ends->in, e);
	if (r == 0)
		ends->out = r = hook_stream_open(&s->streams[STREAM_RESULT], e);
	return r < 0 ? r : 0;
}

static void close_ends(const struct ends *ends)
{
	if (ends->in >= 0)
		close(ends->in);
	if (ends->out >= 0)
		close(ends->out);
	if (ends->err >= 0 && ends->err != ends->out)
		close(ends->err);
}

static int start_as(struct shepherd *s, const struct spawn_user *user, struct hook_env *vars,
		    struct err *e)
{
	struct ends ends = {-1, -1, -1};
	int r = build_env(s->job, user, vars, e);

	if (r == 0)
		r = open_ends(s, &ends, e);
	if (r == 0)
		s->pid = exec_hook(s, user, vars, &ends, e);
	close_ends(&ends);
	return r < 0 ? r : s->pid < 0 ? (int)s->pid : 0;
}

static int start_hook(struct shepherd *s, struct err *e)
{
	struct spawn_user user = {0};
	struct hook_env vars = {0};
	int r = find_user(s->job->hook, &user, e);

	if (r == 0)
		r = start_as(s, &user, &vars, e);
	hook_env_deinit(&vars);
	spawn_user_deinit(&user);
	return r;
}

/* ---- watching it ---- */

static int wait_ms(const struct shepherd *s)
{
	int64_t left = s->deadline_ms - clock_boot_ms();
	int64_t max = s->pidfd < 0 ? 50 : POLL_MAX_MS;

	if (left < 0)
		left = 0;
	return (int)(left < max ? left : max);
}

static void wait_event(struct shepherd *s, int timeout_ms)
{
	struct pollfd fds[] = {{.fd = s->streams[STREAM_LOG].fd, .events = POLLIN},
			       {.fd = s->streams[STREAM_RESULT].fd, .events = POLLIN},
			       {.fd = s->pidfd, .events = POLLIN}};

	poll(fds, ARRAY_SIZE(fds), timeout_ms);
	for (size_t i = 0; i < STREAMS; i++)
		if (fds[i].revents)
			hook_stream_read(&s->streams[i], clock_boot_ms());
}

static bool has_output(const struct shepherd *s)
{
	return s->streams[STREAM_LOG].fd >= 0 || s->streams[STREAM_RESULT].fd >= 0;
}

static void out_of_time(struct shepherd *s)
{
	bool first = s->stage == STAGE_RUNNING;

	if (s->stage == STAGE_KILLED) {
		/* Only a process stuck in the kernel survives SIGKILL; keep waiting for it, calmly.
		 */
		s->deadline_ms = clock_boot_ms() + SHEPHERD_TERM_MS;
		return;
	}
	s->stage = first ? STAGE_TERMINATED : STAGE_KILLED;
	kill(-s->pid, first ? SIGTERM : SIGKILL);
	if (!first)
		hook_cgroup_kill(s->job->env, s->job->id);
	s->deadline_ms = clock_boot_ms() + SHEPHERD_TERM_MS;
	if (log_has_room())
		log_warn("hook %s: %s", s->job->hook->name,
			 first ? "time is over, asked to end" : "did not end, killed");
}

static bool leader_ended(const struct shepherd *s)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == s->pid;
}

/* Before the leader is reaped its process group's id cannot belong to anybody else. */
static void kill_rest(struct shepherd *s)
{
	kill(-s->pid, SIGKILL);
	hook_cgroup_kill(s->job->env, s->job->id);
}

static void set_end(struct shepherd *s, int wstatus)
{
	struct run_result *result = &s->record.result;

	if (s->stage != STAGE_RUNNING) {
		result->end = RUN_TIMED_OUT;
		result->code = s->stage == STAGE_KILLED ? SIGKILL : SIGTERM;
	} else if (WIFSIGNALED(wstatus)) {
		result->end = RUN_SIGNALLED;
		result->code = WTERMSIG(wstatus);
	} else {
		result->end = RUN_EXITED;
		result->code = WEXITSTATUS(wstatus);
	}
}

/* Whoever started a single pass (cron) reads its output to the end, and must not wait for that daemon's end. */
static void drop_log(void)
{
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null >= 0 && (dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0))
		_exit(1);
}

/* A daemon that the hook has started may still hold the pipe, and would die of SIGPIPE at its next
 * line. So a process without lock or record stays and goes on logging what comes until the last
 * writer is gone. */
static void leave_reader(struct shepherd *s)
{
	int keep[] = {s->streams[STREAM_LOG].fd, s->streams[STREAM_RESULT].fd};

	if (fork() != 0)
		return;
	if (s->job->one_pass)
		drop_log();
	close_all_but(keep, ARRAY_SIZE(keep));
	prctl(PR_SET_NAME, "hp-hook-output");
	s->pidfd = -1;
	while (has_output(s))
		wait_event(s, -1);
	hook_output_end(&s->streams[STREAM_LOG].output, clock_boot_ms());
	_exit(0);
}

/* A background child may hold the pipe open for ever: what comes within the grace is taken. */
static void drain(struct shepherd *s)
{
	int64_t end = clock_boot_ms() + SHEPHERD_DRAIN_MS;
	int64_t left;

	s->pidfd = -1; /* it has ended: only the output is waited for */
	while (has_output(s) && (left = end - clock_boot_ms()) > 0)
		wait_event(s, (int)left);
	if (has_output(s))
		leave_reader(s);
	hook_stream_close(&s->streams[STREAM_LOG]);
	hook_stream_close(&s->streams[STREAM_RESULT]);
}

static void watch_hook(struct shepherd *s)
{
	int wstatus = 0;

	s->pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	s->deadline_ms = clock_boot_ms() + s->job->hook->timeout_ms;
	while (!leader_ended(s)) {
		if (clock_boot_ms() >= s->deadline_ms)
			out_of_time(s);
		wait_event(s, wait_ms(s));
	}
	if (s->stage != STAGE_RUNNING)
		kill_rest(s);
	while (waitpid(s->pid, &wstatus, 0) < 0 && errno == EINTR)
		;
	drain(s);
	set_end(s, wstatus);
}

/* ---- the record ---- */

static void save_started(struct shepherd *s)
{
	struct err e = ERR_INIT;

	if (run_store_save(s->job->store, &s->record, true, &e) == 0)
		return;
	log_warn("%s; hook %s runs all the same", e.text, s->job->hook->name);
	if (run_store_mark_started(s->job->lock_fd) < 0)
		log_warn("hook %s: should the machine stop now, the hook will be run again",
			 s->job->hook->name);
}

static void save_leader(struct shepherd *s)
{
	s->record.leader = s->pid;
	s->record.leader_start = process_start(s->pid);
	if (run_store_save(s->job->store, &s->record, false, NULL) < 0)
		return; /* only needed to clean up after a shepherd that was killed */
}

static void hand_over(const struct shepherd *s)
{
	_cleanup_free_ char *text = run_record_encode(&s->record);

	if (text && pwrite(s->job->result_fd, text, strlen(text), 0) < 0)
		return;
}

static void save_ended(struct shepherd *s)
{
	struct err e = ERR_INIT;

	s->record.ended = true;
	s->record.result.ended_real_ms = clock_real_ms();
	if (run_store_save(s->job->store, &s->record, true, &e) < 0) {
		int r = run_store_save_bare(s->job->lock_fd, &s->record.result);

		if (log_has_room())
			log_warn("%s; the result of hook %s is kept %s", e.text, s->job->hook->name,
				 r < 0 ? "in memory only" : "without its output");
	}
	hand_over(s);
}

/* Standard output becomes what Heat is told, and stands where a hook's tail does. */
static void take_deployment(struct shepherd *s)
{
	_cleanup_buf_ struct buf out = BUF_INIT(DEPLOYMENT_STDOUT_MAX + 1);
	_cleanup_buf_ struct buf log = BUF_INIT(s->job->output_max + 1);
	struct run_result *result = &s->record.result;
	struct deployment_end end = {.end = result->end, .code = result->code, .why = result->why};
	_cleanup_json_ json_t *told = NULL;
	struct err e = ERR_INIT;

	end.out_cut = hook_output_bytes(&s->streams[STREAM_RESULT].output, &out);
	hook_output_bytes(&s->streams[STREAM_LOG].output, &log);
	end.out = buf_str(&out);
	end.out_len = out.len;
	end.err = buf_str(&log);
	end.err_len = log.len;
	free(result->tail);
	result->tail = deployment_result(&end, &told) == 0 ? json_compact(told) : NULL;
	if (result->tail && deploy_keep_result(s->job->env, s->job->deploy->id, result->tail, &e) < 0)
		log_warn("%s", e.text);
}

static void run_hook(struct shepherd *s)
{
	struct hook_output *output = &s->streams[STREAM_LOG].output;
	struct err e = ERR_INIT;
	int r = start_hook(s, &e);

	if (r == 0) {
		save_leader(s);
		watch_hook(s);
		hook_output_end(output, clock_boot_ms());
		s->record.result.tail = hook_output_tail(output);
		return;
	}
	s->record.result.end = RUN_NOT_STARTED;
	s->record.result.code = -r;
	s->record.result.why = strdup(e.text);
}

static void open_outputs(struct shepherd *s)
{
	struct hook_stream *log = &s->streams[STREAM_LOG], *result = &s->streams[STREAM_RESULT];

	if (hook_output_init(&log->output, s->job->output_max, show_line, s) < 0)
		log->output.size = 0;
	if (hook_output_init(&result->output, s->job->deploy ? DEPLOYMENT_STDOUT_MAX : 0, show_nothing, s) < 0)
		result->output.size = 0;
}

static void shepherd_main(const struct shepherd_job *job)
{
	struct shepherd s = {.job = job, .pidfd = -1};

	s.streams[STREAM_LOG].fd = s.streams[STREAM_RESULT].fd = -1;
	detach(job);
	memcpy(s.record.id, job->id, RUN_ID_LEN + 1);
	s.record.hook = job->hook->name;
	s.record.shepherd = getpid();
	s.record.shepherd_start = process_start(getpid());
	s.record.result.started_real_ms = clock_real_ms();
	save_started(&s);
	open_outputs(&s);
	run_hook(&s);
	if (job->deploy)
		take_deployment(&s);
	run_store_drop_values(job->store, job->id);
	save_ended(&s);
	hook_cgroup_remove(job->env, job->id);
}

pid_t shepherd_start(const struct shepherd_job *job, struct err *e)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, errno, "cannot start the shepherd of hook %s", job->hook->name);
	if (pid > 0)
		return pid;
	shepherd_main(job);
	_exit(0);
}
