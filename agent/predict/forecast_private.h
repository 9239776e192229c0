/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two halves of a forecast: its memory and its rules. */
#pragma once

#include "predict/forecast.h"

/** forecast_judge() - the rules, after each sample. */
void forecast_judge(struct forecast *f);
/** forecast_half_life() - of a scale, minutes. */
float forecast_half_life(const struct forecast *f, size_t scale);
float forecast_high_half_life(size_t scale);

#define FORECAST_BURSTS 0.005f /* per minute: slower rises are not the burst rule's */
#define FORECAST_FULL   0.955f /* above, noise alone may end it */
