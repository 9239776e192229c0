/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks that are counted in the load though no processor works for them: they wait for one, or sleep
 * where nothing wakes them. The kernel's average of a minute remembers what ended long ago, and
 * counts who works, too: both are taken out of it here. Pure.
 */
#pragma once

#include <stdint.h>

/* Processors at work for tasks, averaged as the kernel averages the load of a minute. */
struct worked {
	int64_t at_ms; /* 0: not read yet */
	double total_s, average;
};
/** worked_add() - @total_s: since boot, of all processors. Return: how many work; too few while it
 * has been followed for less than some minutes. */
double worked_add(struct worked *w, double total_s, int64_t now_ms);

struct waiters {
	int64_t at_ms;
	double excess;
};
/**
 * waiters_add() - a reading of the load
 * @load: the average of a minute
 * @worked: as worked_add() has it; 0: not known, and all of the load counts
 *
 * Return: how many waited on average since the last reading, the later moments with more weight;
 * where more than WORKED_MAX processors work, all of the load: their number varies by more than one
 * between the moments at which the kernel counts.
 */
double waiters_add(struct waiters *w, double load, double worked, int64_t now_ms);
#define WORKED_MAX 2.0
