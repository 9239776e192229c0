/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From samples and kernel records to findings: which series are forecast, which values are watched,
 * whom to blame. Memory is fixed at foresee_new(); times come with what is fed.
 */
#pragma once

#include "predict/findings.h"
#include "sample/kmsg.h"
#include "sample/sample.h"

#define FORESEE_SERIES_MAX                                                                         \
	160 /* all that the probes tell of at once; the one not fed for longest makes room */

struct foresee;
/** foresee_new() - the only allocation. Return: 0 or -ENOMEM. */
int foresee_new(struct foresee **ret) _must_check_;
struct foresee *foresee_free(struct foresee *f);
/**
 * foresee_tune() - what is predicted and from when on: the tables, and over them @all in their order
 * @problems: gets code "predict" for a metric that has no levels
 */
void foresee_tune(struct foresee *f, const struct predict_setting *const *all, size_t n,
		  struct problems *problems);
/** foresee_settings() - [predict] of the configuration as a setting; what is wrong becomes a problem,
 * the rest applies. */
void foresee_settings(const char *disable, const char *levels, struct predict_setting *ret,
		      struct problems *problems);
/**
 * foresee_clock() - what both clocks say now; before whatever else is told with a time
 *
 * When wall-clock time was set, all that is remembered moves with it: no growth is missed or made
 * up, nothing ends or is told again by that.
 */
void foresee_clock(struct foresee *f, int64_t real_ms, int64_t boot_ms);
/** foresee_sample() - one sample of the guest; foresee_clock() with its times is part of it. */
void foresee_sample(struct foresee *f, const struct sample *s);
/**
 * foresee_record() - one record of facility 0; what would be over by foresee_clock() is no news
 * @real_ms: wall-clock time of the record
 */
void foresee_record(struct foresee *f, const struct kmsg_record *r, int64_t real_ms);
/** foresee_note() - a fact from elsewhere: how the last boot ended, a watched process that went
 * down. */
void foresee_note(struct foresee *f, int64_t real_ms, const struct observation *o);
/** foresee_tick() - each minute or so: what is quiet ends. @boot_usec: time since boot, for traces.
 */
void foresee_tick(struct foresee *f, int64_t real_ms, int64_t boot_usec);
/** foresee_is_holding() - a record waits for the line that says more: tick 2 s later. */
bool foresee_is_holding(const struct foresee *f);
/** foresee_findings() - the open findings: borrowed; for the functions of findings.h. */
struct findings *foresee_findings(struct foresee *f);

struct foresee_line { /* one forecast worth showing */
	char what[32];
	char entity[64];
	struct forecast_view view;
};
/** foresee_forecast() - series number @i with its view. Return: false beyond the last. */
bool foresee_forecast(const struct foresee *f, size_t i, struct foresee_line *ret);
