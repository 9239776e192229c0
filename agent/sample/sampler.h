/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes samples: a table of probes, one probe_*.c each, each with its period. Fast kernel files are
 * read here on kept descriptors; what needs rights or may hang is asked of the prober role with a
 * deadline and arrives a sample later. One timer for all probes.
 */
#pragma once

#include "core/conf.h"
#include "core/link.h"
#include "sample/event.h"
#include "sample/kmsg.h"
#include "sample/lastboot.h"
#include "sample/sample.h"

struct sampler;
struct sampler_setup {
	struct loop *loop;
	const struct conf *conf;
	/* kmsg; -errno leaves the probe out. NULL: opened here (commands) */
	int (*open_fd)(int privpath, void *ctx);
	void *open_ctx;
	/* at each tick; borrowed; must not free the sampler */
	void (*sample)(const struct sample *s, void *ctx);
	/* each kernel record of facility 0; may be NULL; the same rule */
	kmsg_fn *record;
	/* clock steps, pauses, watched processes; may be NULL; the same rule */
	sample_event_fn *event;
	/* records up to it were handed on in an earlier life of this boot; 0 = none */
	uint64_t kmsg_after_seq;
	void *ctx;
};
int sampler_new(const struct sampler_setup *setup, struct sampler **ret,
		struct err *e) _must_check_;
struct sampler *sampler_free(struct sampler *s);
/** sampler_set_prober() - NULL while there is none. Say NULL when the link has closed or is freed:
 * it must not be used after that. */
void sampler_set_prober(struct sampler *s, struct link *prober);
/**
 * sampler_start() - a sample at once and then each sample_interval; the loop must run. While a probe
 * reports stress, or its event (a stall) asks for it, samples come each second, after five minutes
 * of it each five, and each interval again when all has been calm for half a minute.
 */
int sampler_start(struct sampler *s) _must_check_;
/* What may change while the agent runs, as plain values. 0 or empty: as the configuration has it. */
struct sampler_settings {
	int64_t interval_ms; /* brought into 1 s .. 1 h */
	const char *const *mounts; /* absolute paths: exactly these are watched */
	size_t n_mounts;
	const char *const *processes; /* names of processes to watch */
	size_t n_processes;
};
/** sampler_apply() - new settings, before or after sampler_start(); nothing of them is kept. */
int sampler_apply(struct sampler *s, const struct sampler_settings *settings) _must_check_;
/** sampler_interval() - ms between samples now: the configured, or less under stress. */
int64_t sampler_interval(const struct sampler *s);
/**
 * sampler_once() - for `heat-pulse sample`: takes two readings @gap_ms apart so that rates exist,
 * waits for the prober up to a little over 2 s, then the setup's sample() is called once, from the
 * loop, which must run: end it there with loop_quit(). Without a prober link what may hang is done
 * in forked children of this process.
 */
int sampler_once(struct sampler *s, int64_t gap_ms) _must_check_;
const struct sample *sampler_last(const struct sampler *s);
/** sampler_kmsg() - the reader of the kernel log (statistics, last sequence number), or NULL. */
const struct kmsg_reader *sampler_kmsg(const struct sampler *s);
/** sampler_pstore() - what earlier kernels left, for lastboot_judge(). Return: false while nobody has
 * looked yet: ask again with the next sample. */
bool sampler_pstore(const struct sampler *s, struct lastboot_pstore *ret);
/** sampler_problems() - which probes are absent and why, for `check` and `status`. */
void sampler_problems(const struct sampler *s, struct problems *problems);

/** prober_role_run() - the prober role: serves fixed-size questions on @link_fd until it closes.
 * Return: exit code. */
int prober_role_run(const struct env *env, int link_fd);
