/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/growth.h"

#include <math.h>

void growth_add(struct growth *g, double value, int64_t now_ms)
{
	double dt, weight, y;

	if (!g->n) {
		*g = (struct growth){.first_ms = now_ms, .last_ms = now_ms, .base = value};
	} else if (now_ms <= g->last_ms) {
		return;
	}
	dt = (double)(now_ms - g->last_ms) / 60000.0;
	weight = exp2(-dt / GROWTH_HALF_LIFE_MIN);
	y = value - g->base;
	g->s2 = weight * (g->s2 + 2 * dt * g->s1 + dt * dt * g->s0);
	g->s1 = weight * (g->s1 + dt * g->s0);
	g->s0 = weight * g->s0 + 1;
	g->y1 = weight * (g->y1 + dt * g->y0);
	g->y0 = weight * g->y0 + y;
	g->yy = weight * g->yy + y * y;
	g->last_ms = now_ms;
	g->n++;
}

/* Readings long past weigh nothing, so the rise is judged over two half-lives at most. */
static double judged_minutes(const struct growth *g)
{
	double all = (double)(g->last_ms - g->first_ms) / 60000.0;

	return fmin(all, 2 * GROWTH_HALF_LIFE_MIN);
}

bool growth_slope(const struct growth *g, double *ret)
{
	double spread, slope, noise;

	if (g->n < GROWTH_READINGS_MIN)
		return false;
	spread = g->s2 / g->s0 - g->s1 / g->s0 * (g->s1 / g->s0); /* of ages */
	if (spread <= 0)
		return false;
	/* age runs backwards, so the covariance with it is the slope's negative */
	slope = -(g->y1 / g->s0 - g->y0 / g->s0 * (g->s1 / g->s0)) / spread;
	noise = g->yy / g->s0 - g->y0 / g->s0 * (g->y0 / g->s0) - slope * slope * spread;
	noise = sqrt(fmax(noise, 0));
	*ret = slope;
	return fabs(slope) * judged_minutes(g) > GROWTH_NOISE_SIGMAS * noise && slope != 0;
}

void rise_begin(struct rise *r, double value, int64_t then_ms)
{
	*r = (struct rise){.mark_ms = then_ms, .old = value, .mark = value};
}

double rise_add(struct rise *r, double value, int64_t now_ms)
{
	if (now_ms - r->mark_ms >= RISE_MS) {
		r->old = r->mark;
		r->mark = value;
		r->mark_ms = now_ms;
	}
	return value - r->old;
}
