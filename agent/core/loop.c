/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One epoll for all. Removed objects stay in memory, marked dead, until the end of the iteration,
 * so that a callback may remove what epoll_wait has already reported. Timers live in a plain list:
 * there are tens of them, and a scan costs less than the wake-up that asks for it.
 */
#include "core/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#define EVENTS_MAX    32
#define SIGNALS_MAX   65
#define LATE_MS       50
#define CHILD_POLL_MS 100
#define ARMED_NOT     INT64_MAX
#define ARMED_STALE   (-1)

struct item { /* first member of every object of the loop */
	struct item *prev, *next;
};

struct loop_io {
	struct item item;
	struct loop *loop;
	int fd;
	bool dead;
	loop_io_fn *fn;
	void *ctx;
};

struct loop_timer {
	struct item item;
	struct loop *loop;
	int64_t due, slack, may_wait; /* due: -1 = disarmed; may_wait: the slack of this time */
	uint64_t order; /* when it was armed: breaks ties and keeps re-armed ones for the next round
			 */
	loop_timer_fn *fn;
	void *ctx;
};

struct loop_child {
	struct item item;
	struct loop *loop;
	struct loop_io *io;
	struct loop_timer *poll; /* instead of io where the kernel has no pidfd_open (before 5.3) */
	pid_t pid;
	int pidfd;
	bool own, dead; /* own: nobody else holds it */
	loop_child_fn *fn;
	void *ctx;
};

struct deferred {
	struct item item;
	loop_timer_fn *fn;
	void *ctx;
};

struct signal_row {
	loop_signal_fn *fn;
	void *ctx;
};

struct loop {
	const struct env *env;
	int epoll_fd, timer_fd, signal_fd;
	int64_t now, armed;
	uint64_t order;
	bool quit;
	int code;
	struct loop_stats stats;
	struct item ios, timers, children, deferred, garbage;
	struct loop_io *signal_io;
	sigset_t mask;
	struct signal_row signals[SIGNALS_MAX];
};

static void list_init(struct item *head)
{
	head->prev = head->next = head;
}

static bool list_empty(const struct item *head)
{
	return head->next == head;
}

static void list_add(struct item *head, struct item *item)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

static void list_remove(struct item *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
}

static void list_free(struct item *head)
{
	struct item *next;

	for (struct item *i = head->next; i != head; i = next) {
		next = i->next;
		free(i);
	}
	list_init(head);
}

static void bury(struct loop *loop, struct item *item)
{
	list_remove(item);
	list_add(&loop->garbage, item);
}

/* ---- making and freeing ---- */

static int open_fds(struct loop *loop)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;
	loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->timer_fd < 0)
		return -errno;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &ev) < 0)
		return -errno;
	return 0;
}

int loop_new(const struct env *env, struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	loop->env = env;
	loop->epoll_fd = loop->timer_fd = loop->signal_fd = -1;
	loop->armed = ARMED_NOT;
	loop->now = env->boot_ms();
	list_init(&loop->ios);
	list_init(&loop->timers);
	list_init(&loop->children);
	list_init(&loop->deferred);
	list_init(&loop->garbage);
	sigemptyset(&loop->mask);
	r = open_fds(loop);
	if (r < 0) {
		loop_free(loop);
		return r;
	}
	*ret = loop;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	while (!list_empty(&loop->children))
		loop_child_remove((struct loop_child *)loop->children.next);
	list_free(&loop->ios);
	list_free(&loop->timers);
	list_free(&loop->deferred);
	list_free(&loop->garbage);
	close_fd(loop->signal_fd);
	close_fd(loop->timer_fd);
	close_fd(loop->epoll_fd);
	free(loop);
}

/* ---- file descriptors ---- */

int loop_io_add(struct loop *loop, int fd, uint32_t events, loop_io_fn *fn, void *ctx,
		struct loop_io **ret)
{
	struct loop_io *io = calloc(1, sizeof(*io));
	struct epoll_event ev = {.events = events, .data.ptr = io};

	if (!io)
		return -ENOMEM;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		int r = -errno;

		free(io);
		return r;
	}
	*io = (struct loop_io){.loop = loop, .fd = fd, .fn = fn, .ctx = ctx};
	list_add(&loop->ios, &io->item);
	*ret = io;
	return 0;
}

/* One of which nothing is wanted would wake us whenever its waiters are called: a fired trigger of
 * pressure does that every two seconds. So it leaves the set, and ENOENT says that it had left. */
int loop_io_mod(struct loop_io *io, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = io};
	int set = io->loop->epoll_fd;
	int r = epoll_ctl(set, events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, io->fd, &ev);

	if (r < 0 && errno == ENOENT)
		r = events ? epoll_ctl(set, EPOLL_CTL_ADD, io->fd, &ev) : 0;
	return r < 0 ? -errno : 0;
}

struct loop_io *loop_io_remove(struct loop_io *io)
{
	if (!io || io->dead)
		return NULL;
	epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->dead = true;
	bury(io->loop, &io->item);
	return NULL;
}

/* ---- timers ---- */

int loop_timer_new(struct loop *loop, int64_t slack_ms, loop_timer_fn *fn, void *ctx,
		   struct loop_timer **ret)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	*t = (struct loop_timer){.loop = loop, .due = -1, .fn = fn, .ctx = ctx};
	t->slack = slack_ms > 0 ? slack_ms : 0;
	list_add(&loop->timers, &t->item);
	*ret = t;
	return 0;
}

void loop_timer_arm(struct loop_timer *t, int64_t delay_ms)
{
	int64_t now = t->loop->env->boot_ms(), due;

	if (delay_ms < 0)
		delay_ms = 0;
	/* "Never" is written as a huge delay; the sum with the slack must stay in range. */
	if (__builtin_add_overflow(now, delay_ms, &due) || due > INT64_MAX / 4)
		due = INT64_MAX / 4;
	t->due = due;
	t->may_wait = delay_ms > 0 ? t->slack : 0;
	t->order = t->loop->order++;
}

void loop_timer_disarm(struct loop_timer *t)
{
	if (t)
		t->due = -1;
}

bool loop_timer_armed(const struct loop_timer *t)
{
	return t && t->due >= 0;
}

int64_t loop_timer_due(const struct loop_timer *t)
{
	return t->due;
}

struct loop_timer *loop_timer_free(struct loop_timer *t)
{
	if (t) {
		t->due = -1;
		bury(t->loop, &t->item);
	}
	return NULL;
}

/* The moment by which a wake-up is needed at the latest; all that are due by then share it. */
static int64_t latest_wakeup(const struct loop *loop)
{
	int64_t best = ARMED_NOT;

	for (const struct item *i = loop->timers.next; i != &loop->timers; i = i->next) {
		const struct loop_timer *t = (const struct loop_timer *)i;

		if (t->due >= 0 && t->due + t->may_wait < best)
			best = t->due + t->may_wait;
	}
	return best;
}

static void arm_timerfd(struct loop *loop)
{
	int64_t when = latest_wakeup(loop), delay;
	struct itimerspec spec = {0};

	if (when == loop->armed)
		return;
	loop->armed = when;
	if (when != ARMED_NOT) {
		/* Relative, so that the clock of struct env need not be the kernel's. The
		 * millisecond clock is rounded down, so this never fires early. */
		delay = when - loop->env->boot_ms();
		if (delay < 0)
			delay = 0;
		spec.it_value.tv_sec = delay / 1000;
		spec.it_value.tv_nsec = delay % 1000 * 1000000 + 1; /* all zero would disarm */
	}
	timerfd_settime(loop->timer_fd, 0, &spec, NULL); /* also forgets an unread expiry */
}

static struct loop_timer *next_due(const struct loop *loop, uint64_t before)
{
	struct loop_timer *best = NULL;

	for (struct item *i = loop->timers.next; i != &loop->timers; i = i->next) {
		struct loop_timer *t = (struct loop_timer *)i;

		if (t->due < 0 || t->due > loop->now || t->order >= before)
			continue;
		if (!best || t->due < best->due || (t->due == best->due && t->order < best->order))
			best = t;
	}
	return best;
}

static void count_lateness(struct loop *loop, const struct loop_timer *t)
{
	int64_t late = loop->env->boot_ms() - (t->due + t->may_wait);

	if (late <= LATE_MS)
		return;
	loop->stats.late_ticks++;
	loop->stats.late_sum_ms += late;
	if (late > loop->stats.late_max_ms)
		loop->stats.late_max_ms = late;
}

static void run_timers(struct loop *loop)
{
	uint64_t before = loop->order; /* what handlers arm now waits for the next round */
	struct loop_timer *t;

	while (!loop->quit && (t = next_due(loop, before))) {
		count_lateness(loop, t);
		t->due = -1;
		t->fn(loop, t->ctx);
	}
}

/* ---- signals ---- */

static void on_signals(struct loop *loop, uint32_t events _unused_, void *ctx _unused_)
{
	struct signalfd_siginfo info;

	while (!loop->quit && read(loop->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		const struct signal_row *row;

		if (info.ssi_signo >= SIGNALS_MAX)
			continue;
		row = &loop->signals[info.ssi_signo];
		if (row->fn)
			row->fn(loop, (int)info.ssi_signo, row->ctx);
	}
}

int loop_signal_add(struct loop *loop, int signo, loop_signal_fn *fn, void *ctx)
{
	sigset_t mask = loop->mask;
	int fd;

	if (signo <= 0 || signo >= SIGNALS_MAX || sigaddset(&mask, signo) < 0)
		return -EINVAL;
	if (loop->signals[signo].fn)
		return -EBUSY;
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;
	fd = signalfd(loop->signal_fd, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	loop->signal_fd = fd;
	loop->mask = mask;
	loop->signals[signo] = (struct signal_row){fn, ctx};
	if (loop->signal_io)
		return 0;
	return loop_io_add(loop, fd, EPOLLIN, on_signals, NULL, &loop->signal_io);
}

/* ---- children ---- */

/* getpgid, as a role in its sandbox may not even look with kill. */
static bool gone(pid_t pid)
{
	return getpgid(pid) < 0 && errno == ESRCH;
}

static bool has_ended(const struct loop_child *c, int *wstatus)
{
	pid_t r = waitpid(c->pid, wstatus, WNOHANG);

	if (r >= 0)
		return r > 0;
	*wstatus = -1; /* not our child */
	return c->io || gone(c->pid);
}

static void release_child(struct loop_child *c)
{
	c->io = loop_io_remove(c->io);
	c->poll = loop_timer_free(c->poll);
	close_fd(take_fd(&c->pidfd));
}

static void check_child(struct loop *loop, struct loop_child *c)
{
	int wstatus;

	if (!has_ended(c, &wstatus)) {
		if (c->poll)
			loop_timer_arm(c->poll, CHILD_POLL_MS);
		return;
	}
	release_child(c);
	c->fn(loop, c->pid, wstatus, c->ctx);
	if (c->own)
		loop_child_remove(c);
}

static void on_child(struct loop *loop, uint32_t events _unused_, void *ctx)
{
	check_child(loop, ctx);
}

static void on_child_poll(struct loop *loop, void *ctx)
{
	check_child(loop, ctx);
}

static int watch_child(struct loop_child *c)
{
	int r;

	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pidfd >= 0)
		return loop_io_add(c->loop, c->pidfd, EPOLLIN, on_child, c, &c->io);
	if (errno != ENOSYS)
		return -errno;
	if (gone(c->pid))
		return -ESRCH;
	r = loop_timer_new(c->loop, CHILD_POLL_MS, on_child_poll, c, &c->poll);
	if (r == 0)
		loop_timer_arm(c->poll, 0);
	return r;
}

int loop_child_add(struct loop *loop, pid_t pid, loop_child_fn *fn, void *ctx,
		   struct loop_child **ret)
{
	struct loop_child *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	*c = (struct loop_child){.loop = loop, .pid = pid, .fn = fn, .ctx = ctx, .own = !ret};
	r = watch_child(c);
	if (r < 0) {
		close_fd(c->pidfd);
		free(c);
		return r;
	}
	list_add(&loop->children, &c->item);
	if (ret)
		*ret = c;
	return 0;
}

struct loop_child *loop_child_remove(struct loop_child *c)
{
	if (!c || c->dead)
		return NULL;
	release_child(c);
	c->dead = true;
	bury(c->loop, &c->item);
	return NULL;
}

/* ---- deferred calls ---- */

int loop_defer(struct loop *loop, loop_timer_fn *fn, void *ctx)
{
	struct deferred *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	*d = (struct deferred){.fn = fn, .ctx = ctx};
	list_add(&loop->deferred, &d->item);
	return 0;
}

static void run_deferred(struct loop *loop)
{
	struct item *last = loop->deferred.prev; /* what these add waits for the next round */
	bool more = !list_empty(&loop->deferred);

	while (more && !loop->quit) {
		struct deferred *d = (struct deferred *)loop->deferred.next;

		more = &d->item != last;
		list_remove(&d->item);
		d->fn(loop, d->ctx);
		free(d);
	}
}

/* ---- running ---- */

static void dispatch(struct loop *loop, const struct epoll_event *ev, int n)
{
	for (int i = 0; i < n && !loop->quit; i++) {
		struct loop_io *io = ev[i].data.ptr;

		if (!io)
			loop->armed = ARMED_STALE;
		else if (!io->dead)
			io->fn(loop, ev[i].events, io->ctx);
	}
}

static int wait_for(struct loop *loop, struct epoll_event ev[static EVENTS_MAX])
{
	bool more = !list_empty(&loop->deferred);

	if (loop->env->wait)
		return loop->env->wait(loop->epoll_fd, ev, EVENTS_MAX, more ? loop->now : latest_wakeup(loop));
	arm_timerfd(loop);
	return epoll_wait(loop->epoll_fd, ev, EVENTS_MAX, more ? 0 : -1);
}

static int iterate(struct loop *loop)
{
	struct epoll_event ev[EVENTS_MAX];
	int n = wait_for(loop, ev);

	if (n < 0 && errno != EINTR)
		return -errno;
	loop->stats.wakeups++;
	loop->now = loop->env->boot_ms();
	dispatch(loop, ev, n);
	run_timers(loop);
	run_deferred(loop);
	list_free(&loop->garbage);
	return 0;
}

int loop_run(struct loop *loop)
{
	int r = 0, code;

	while (!loop->quit && r == 0)
		r = iterate(loop);
	code = r < 0 ? r : loop->code;
	loop->quit = false;
	loop->code = 0;
	return code;
}

void loop_quit(struct loop *loop, int code)
{
	loop->quit = true;
	loop->code = code;
}

int64_t loop_now(const struct loop *loop)
{
	return loop->now;
}

const struct loop_stats *loop_get_stats(const struct loop *loop)
{
	return &loop->stats;
}

const struct env *loop_env(const struct loop *loop)
{
	return loop->env;
}
