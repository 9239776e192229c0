/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated time. It stands still while anybody has something to do and jumps to the next timer of
 * the agent when nobody has: the agent's own descriptors are silent, store and runner have read all
 * and wait for more.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "world.h"

#define BOOT_MS 100000 /* the guest booted that long before the run begins */

struct world world = {.peer_end = {-1, -1}, .kmsg = {-1, -1}};

int world_clock_init(void)
{
	world.shared = mmap(NULL, sizeof(*world.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world.shared == MAP_FAILED)
		return -errno;
	world.shared->boot_ms = world.begin_ms = BOOT_MS;
	world.shared->random = 0x9e3779b97f4a7c15u;
	return 0;
}

int64_t world_boot_ms(void)
{
	return world.shared->boot_ms;
}

int64_t world_true_ms(void)
{
	return WORLD_START_MS + world.shared->boot_ms;
}

int64_t world_set_ms(int64_t since_ms)
{
	int64_t ms = 0;

	for (size_t i = 0; i < world.n_steps; i++)
		if (since_ms >= world.steps[i].at_ms)
			ms += world.steps[i].by_ms;
	return ms;
}

int64_t world_real_ms(void)
{
	return world_true_ms() + world_set_ms(world_since_ms());
}

int64_t world_since_ms(void)
{
	return world.shared->boot_ms - world.begin_ms;
}

/* splitmix64: also what getrandom(2) gives, so that jitter is the same in each run. */
static uint64_t next_random(void)
{
	uint64_t z = atomic_fetch_add(&world.shared->random, 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

double world_random(void)
{
	return (double)(next_random() >> 11) * 0x1.0p-53;
}

ssize_t __wrap_getrandom(void *p, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *p, size_t n, unsigned flags)
{
	uint64_t bits = 0;

	(void)flags;
	for (size_t i = 0; i < n; i++, bits >>= 8) {
		if (i % 8 == 0)
			bits = next_random();
		((unsigned char *)p)[i] = (unsigned char)bits;
	}
	return (ssize_t)n;
}

void world_instant(void)
{
	int64_t kill_ms = world.shared->kill_ms;

	if (kill_ms && world_since_ms() >= kill_ms && atomic_exchange(&world.shared->kill_ms, 0))
		raise(SIGKILL);
	if (atomic_fetch_add(&world.shared->instants, 1) + 1 == world.shared->kill_at)
		raise(SIGKILL);
}

static bool peers_are_quiet(void)
{
	struct pollfd p[PEERS];

	for (int i = 0; i < PEERS; i++)
		p[i] = (struct pollfd){.fd = world.peer_end[i], .events = POLLIN};
	return poll(p, PEERS, 0) == 0 && world.shared->idle[PEER_STORE] &&
	       world.shared->idle[PEER_RUNNER];
}

/* What is due while the guest sleeps is late. */
static int64_t woken_ms(int64_t until_ms)
{
	int64_t asleep = world.begin_ms + world.suspend_at_ms, awake = asleep + world.suspend_ms;

	return until_ms > asleep && until_ms < awake ? awake : until_ms;
}

static void jump(int64_t until_ms)
{
	int64_t end = world.begin_ms + world.end_ms;

	until_ms = woken_ms(until_ms);

	world.shared->jumps++;
	world.shared->boot_ms = until_ms < end ? until_ms : end;
	if (until_ms >= end)
		kill(getpid(), SIGTERM);
}

int agent_wait(int epoll_fd, struct epoll_event *events, int max, int64_t until_ms)
{
	int n;

	world_instant();
	for (;;) {
		n = epoll_wait(epoll_fd, events, max, 0);
		if (n)
			return n;
		if (until_ms <= world.shared->boot_ms)
			return 0;
		if (peers_are_quiet())
			break;
		n = epoll_wait(epoll_fd, events, max, 1); /* what they answer wakes */
		if (n)
			return n;
	}
	/* The answer may have come before they fell silent. */
	n = epoll_wait(epoll_fd, events, max, 0);
	if (!n)
		jump(until_ms);
	return n;
}

/* A message stays in the queue until the flag is down, so one of the two always shows. */
static int peer_wait(enum peer peer, int epoll_fd, struct epoll_event *events, int max)
{
	int n;

	world.shared->idle[peer] = 1;
	n = epoll_wait(epoll_fd, events, max, -1);
	world.shared->idle[peer] = 0;
	return n;
}

int store_wait(int epoll_fd, struct epoll_event *events, int max, int64_t until_ms _unused_)
{
	int n = peer_wait(PEER_STORE, epoll_fd, events, max);

	world_instant();
	return n;
}

int runner_wait(int epoll_fd, struct epoll_event *events, int max, int64_t until_ms _unused_)
{
	return peer_wait(PEER_RUNNER, epoll_fd, events, max);
}
