/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent among the last that a guest without memory loses: locked in memory, and not the one the
 * kernel kills. What of it is not allowed here is a problem in `status` and `check`.
 */
#include "command/agent.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "core/memlock.h"

#define FIRST_MS   6000 /* when what an agent needs has been used once, and the rest was given back */
#define AGAIN_MS   (5 * 60 * 1000)
#define OOM_LEAST  (-500) /* at or below, others are killed first */
#define OOM_REMEDY "start it by its service, or as root: only root may lower oom_score_adj"
#define LOCK_REMEDY                                                                                \
	"raise LimitMEMLOCK (or ulimit -l) to 16 MiB, or set lock-memory = no in [agent]"

static void look_at_oom(struct agent *a)
{
	int score = memlock_oom_score();

	problems_remove(&a->problems, "oom");
	if (score > OOM_LEAST)
		problems_add(
			&a->problems, PROBLEM_WARN, "oom", OOM_REMEDY,
			"the kernel may kill the agent when memory runs out (oom_score_adj %d)",
			score);
}

static void lock_memory(struct agent *a)
{
	struct memlock_result got;
	int r = memlock_apply(&got);

	problems_remove(&a->problems, "memory-lock");
	a->memory_locked = got.locked;
	if (r < 0)
		problems_add(&a->problems, PROBLEM_WARN, "memory-lock", LOCK_REMEDY,
			     "the agent cannot be kept in memory: %s", strerror(-r));
	else if (r)
		problems_add(&a->problems, PROBLEM_WARN, "memory-lock", LOCK_REMEDY,
			     "only %llu KiB of the agent are kept in memory, the limit is %llu KiB",
			     (unsigned long long)got.locked / 1024,
			     (unsigned long long)got.limit / 1024);
}

static void on_timer(struct loop *loop _unused_, void *ctx)
{
	struct agent *a = ctx;

	if (a->conf->lock_memory)
		lock_memory(a);
	look_at_oom(a);
	loop_timer_arm(a->memory_timer, AGAIN_MS);
}

int agent_memory_start(struct agent *a, struct err *e)
{
	int r = loop_timer_new(a->loop, 1000, on_timer, a, &a->memory_timer);

	if (!r)
		r = settle_start(a->loop, &a->settle);
	if (r)
		return err_sys(e, -r, "cannot prepare to stay in memory");
	loop_timer_arm(a->memory_timer, FIRST_MS);
	return 0;
}

void agent_memory_stop(struct agent *a)
{
	settle_stop(&a->settle);
	a->memory_timer = loop_timer_free(a->memory_timer);
}
