/* SPDX-License-Identifier: Apache-2.0 */
/* One view of the process table at a time, shown rows made up by the test. */
#pragma once

#include "fixture.h"

#include <math.h>

#include "core/loop.h"
#include "sample/process_view.h"
#include "sample/sampler.h"

struct bench {
	struct env env;
	struct loop *loop;
	struct conf conf;
	struct process_context context;
	const struct process_view *view;
	void *view_state;
	struct sample got;
	struct sampler *sampler;
	unsigned down, up;
	double up_value;
};

static inline int bench_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_int_equal(env_init(&b->env, ""), 0);
	assert_int_equal(loop_new(&b->env, &b->loop), 0);
	b->context = (struct process_context){.loop = b->loop,
					      .env = &b->env,
					      .conf = &b->conf,
					      .mib_per_page = 0.5,
					      .ticks_per_s = 100};
	*state = b;
	return 0;
}

static inline int bench_down(void **state)
{
	struct bench *b = *state;

	if (b->view_state && b->view->close)
		b->view->close(b->view_state);
	free(b->view_state);
	sampler_free(b->sampler);
	loop_free(b->loop);
	free(b);
	return 0;
}

static inline void use(struct bench *b, const struct process_view *view)
{
	b->view = view;
	b->view_state = calloc(1, view->size);
	if (view->open)
		view->open(b->view_state, &b->context);
}

static inline void walk(struct bench *b, int64_t now_ms, const struct process_row *rows, size_t n)
{
	b->view->begin(b->view_state, now_ms);
	for (size_t i = 0; i < n; i++)
		b->view->see(b->view_state, &rows[i]);
	for (size_t i = 0; b->view->wants_again && b->view->wants_again(b->view_state) && i < n;
	     i++)
		b->view->see_again(b->view_state, &rows[i]);
	if (b->view->end)
		b->view->end(b->view_state);
	sample_reset(&b->got, now_ms, now_ms);
	b->view->report(b->view_state, &b->got);
}

static inline double value_of(const struct sample *s, enum metric metric, const char *name)
{
	double v;

	for (size_t i = 0; i < s->n_entities; i++)
		if (!strcmp(s->entities[i].name, name) && sample_get_of(s, metric, (int)i, &v))
			return v;
	return NAN;
}
