/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of numbers, and what is made of them: a forecast and an anomaly score stay finite and
 * within their bounds whatever series they are fed.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "predict/anomaly.h"
#include "predict/forecast.h"
#include "predict/replay_line.h"

static void feed(struct forecast *f, struct anomaly *a, const double *v, size_t n)
{
	struct forecast_view view;
	double score = anomaly_feed(a, v[0], v[1], ANOMALY_THRESHOLD);

	forecast_feed(f, v[0], v[1], n > 2 ? v[2] : 1);
	forecast_view(f, &view);
	if (!(score >= 0 && score <= ANOMALY_MAX) || isnan(view.eta_s) || isnan(view.used) ||
	    isnan(view.per_hour))
		abort();
	if (view.open && (view.level > FINDING_CRITICAL || isinf(view.eta_s)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct forecast f;
	struct anomaly a;

	forecast_init(&f);
	anomaly_init(&a);
	while (size) {
		const char *end = memchr(p, '\n', size);
		size_t len = end ? (size_t)(end - p) : size, n;
		double v[8];

		if (!replay_line(p, len, v, 8, &n) && n >= 2)
			feed(&f, &a, v, n);
		p += len + (end != NULL);
		size -= len + (end != NULL);
	}
	return 0;
}
