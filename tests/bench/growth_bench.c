/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A day of a guest in which processes come and go: made-up process tables through the views of the
 * process table, a sample each 10 s and a line of the kernel's log about one of those processes
 * into the forecasts, as the agent does. Names, pids, sizes and the order are the same each time.
 * One JSON object on stdout: bytes from malloc after half of the time and at its end.
 *
 *   growth_bench HOURS PROCESSES_PER_HOUR
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/loop.h"
#include "core/text.h"
#include "predict/foresee.h"
#include "sample/process_view.h"
#include "tests/unit/heap.h"

#define LASTING	    150
#define FIRST_PID   100000000 /* beyond every pid_max: views must not find these in /proc */
#define INTERVAL_MS 10000
#define WALK_MS	    60000
#define ROWS_MAX    4096
#define REAL_MS	    1800000000000

struct day {
	struct env env;
	struct conf conf;
	struct loop *loop;
	struct foresee *foresee;
	void *states[PROCESS_VIEWS_MAX];
	struct process_row rows[ROWS_MAX];
	char names[ROWS_MAX][16];
	size_t n_rows;
	uint64_t seed, born;
	uint64_t per_hour;
	struct sample sample;
};

static uint64_t draw(struct day *d, uint64_t below)
{
	d->seed = d->seed * 6364136223846793005u + 1442695040888963407u;
	return (d->seed >> 33) % below;
}

static void put_row(struct day *d, size_t i, uint64_t number, int64_t now_ms)
{
	static const char states[] = "SSSSSSSSSSRDZZ";

	snprintf(d->names[i], sizeof(d->names[i]), "job-%llu", (unsigned long long)number % 100000);
	d->rows[i] = (struct process_row){
		.pid = FIRST_PID + (int)(number % 100000000),
		.ppid = 1,
		.state = states[draw(d, sizeof(states) - 1)],
		.threads = 1 + (int)draw(d, 3),
		.start_ticks = (uint64_t)now_ms / 10,
		.rss_pages = 100 + draw(d, 200000),
		.cpu_ticks = draw(d, 1000),
		.name = d->names[i],
	};
}

/* Those that last grow a little; all others are new ones in each walk. */
static void make_table(struct day *d, int64_t now_ms)
{
	uint64_t per_walk = d->per_hour * WALK_MS / 3600000;

	if (!d->n_rows)
		for (size_t i = 0; i < LASTING; i++)
			put_row(d, i, d->born++, now_ms);
	for (size_t i = 0; i < LASTING; i++) {
		d->rows[i].rss_pages += draw(d, 30);
		d->rows[i].cpu_ticks += draw(d, 500);
		d->rows[i].state = 'S';
	}
	d->n_rows = LASTING;
	for (uint64_t i = 0; i < per_walk && d->n_rows < ROWS_MAX; i++)
		put_row(d, d->n_rows++, d->born++, now_ms);
}

static void show(struct day *d, size_t v, int64_t now_ms)
{
	const struct process_view *view = process_views[v];
	void *state = d->states[v];

	view->begin(state, now_ms);
	for (size_t i = 0; i < d->n_rows; i++)
		view->see(state, &d->rows[i]);
	for (size_t i = 0; view->wants_again && view->wants_again(state) && i < d->n_rows; i++)
		view->see_again(state, &d->rows[i]);
	if (view->end)
		view->end(state);
}

static void feed_record(struct day *d, int64_t now_ms)
{
	static struct kmsg_record r;
	const struct process_row *row = &d->rows[draw(d, d->n_rows)];
	int n;

	r.level = 6;
	r.seq++;
	r.usec = (uint64_t)now_ms * 1000;
	r.flag = '-';
	if (r.seq % 2)
		n = snprintf(r.text, sizeof(r.text), "%s[%d]: segfault at 10 ip 4014ac sp 7ffd6c error 6",
			     row->name, row->pid);
	else
		n = snprintf(r.text, sizeof(r.text), "BUG: soft lockup - CPU#%d stuck for 22s! [%s:%d]",
			     (int)(r.seq % 5000), row->name, row->pid);
	r.text_len = (size_t)n;
	foresee_record(d->foresee, &r, REAL_MS + now_ms);
}

static void quit(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 0);
}

static int turn(struct day *d)
{
	int err = loop_defer(d->loop, quit, d);

	return err ? err : loop_run(d->loop);
}

static int step(struct day *d, int64_t now_ms)
{
	if (now_ms % WALK_MS == 0) {
		make_table(d, now_ms);
		for (size_t v = 0; v < process_views_n; v++)
			show(d, v, now_ms);
		foresee_tick(d->foresee, REAL_MS + now_ms, now_ms * 1000);
	}
	sample_reset(&d->sample, now_ms, REAL_MS + now_ms);
	for (size_t v = 0; v < process_views_n; v++)
		process_views[v]->report(d->states[v], &d->sample);
	foresee_sample(d->foresee, &d->sample);
	feed_record(d, now_ms);
	return turn(d);
}

static int open_views(struct day *d)
{
	const struct process_context context = {.loop = d->loop,
						.env = &d->env,
						.conf = &d->conf,
						.mib_per_page = 1.0 / 256,
						.ticks_per_s = 100};

	for (size_t v = 0; v < process_views_n; v++) {
		d->states[v] = calloc(1, process_views[v]->size);
		if (!d->states[v])
			return -ENOMEM;
		if (process_views[v]->open)
			process_views[v]->open(d->states[v], &context);
	}
	return 0;
}

static int live(struct day *d, int64_t hours)
{
	int64_t end_ms = hours * 3600000;
	size_t half = 0;
	int err = 0;

	for (int64_t now_ms = WALK_MS; !err && now_ms <= end_ms; now_ms += INTERVAL_MS) {
		err = step(d, now_ms);
		if (now_ms == end_ms / 2)
			half = heap_bytes();
	}
	if (!err)
		printf("{\"hours\":%lld,\"processes\":%llu,\"findings\":%zu,\"half_bytes\":%zu,\"end_bytes\":%zu}\n",
		       (long long)hours, (unsigned long long)d->born,
		       findings_count(foresee_findings(d->foresee)), half, heap_bytes());
	return err;
}

static void end(struct day *d)
{
	for (size_t v = 0; v < process_views_n; v++) {
		if (d->states[v] && process_views[v]->close)
			process_views[v]->close(d->states[v]);
		free(d->states[v]);
	}
	foresee_free(d->foresee);
	loop_free(d->loop);
}

int main(int argc, char **argv)
{
	static struct day d;
	int64_t hours = 0;
	int err = argc == 3 ? env_init(&d.env, NULL) : -EINVAL;

	if (!err)
		err = text_i64(argv[1], strlen(argv[1]), &hours);
	if (!err)
		err = text_u64(argv[2], strlen(argv[2]), &d.per_hour);
	if (!err)
		err = loop_new(&d.env, &d.loop);
	if (!err)
		err = foresee_new(&d.foresee);
	if (!err)
		err = open_views(&d);
	if (!err)
		err = live(&d, hours);
	end(&d);
	if (err)
		fprintf(stderr, "growth_bench: %s\n", strerror(err < 0 ? -err : EIO));
	return err ? 1 : 0;
}
