/* SPDX-License-Identifier: Apache-2.0 */
/* Kills for want of memory are told twice: by the kernel log and by the counts of control groups. */
#include "predict/foresee_private.h"

#include <string.h>

#define WAIT_MS	 3000 /* the rules of the kernel log hold a report back for 2 s at most */
#define SLACK_MS 2000 /* between the time of a record and that of a look */

void foresee_kill_told(struct foresee *f, int64_t real_ms)
{
	if (real_ms > f->kill_told_ms)
		f->kill_told_ms = real_ms;
	if (f->untold.waits && real_ms >= f->untold.since_ms - SLACK_MS)
		f->untold.waits = false;
}

/* Of a slice and a service below it the service says more. */
void foresee_kill_counted(struct foresee *f, const struct observation *o, int64_t since_ms,
			  int64_t now_ms)
{
	struct untold *u = &f->untold;

	if (f->kill_told_ms >= since_ms - SLACK_MS ||
	    (u->waits && strlen(u->entity) >= strlen(o->entity)))
		return;
	*u = (struct untold){
		.waits = true, .level = o->level, .since_ms = since_ms, .seen_ms = now_ms};
	snprintf(u->entity, sizeof(u->entity), "%s", o->entity);
	snprintf(u->evidence, sizeof(u->evidence), "%s", o->evidence);
}

void foresee_kill_tick(struct foresee *f, int64_t now_ms)
{
	struct untold *u = &f->untold;
	const struct observation o = {.class = FAILURE_OOM_KILL,
				      .entity = u->entity,
				      .level = u->level,
				      .evidence = u->evidence,
				      .eta_s = -1};

	if (!u->waits || (now_ms >= u->seen_ms && now_ms - u->seen_ms < WAIT_MS))
		return;
	u->waits = false;
	findings_bad(f->findings, now_ms, &o);
}
