/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes samples: a table of probes, one probe_*.c each, each with its period. Fast kernel files are read here on kept descriptors; what
 * needs rights or may hang is asked of the prober role with a deadline and arrives a sample later.
 */
#pragma once

#include "core/conf.h"
#include "core/link.h"
#include "sample/sample.h"

struct sampler;
struct sampler_setup {
	struct loop *loop;
	const struct conf *conf;
	int (*open_fd)(int privpath, void *ctx); /* kmsg, PSI; -errno leaves the probe out */
	void *open_ctx;
	void (*sample)(const struct sample *s, void *ctx);   /* at each tick; borrowed */
	void *ctx;
};
int sampler_new(const struct sampler_setup *setup, struct sampler **ret, struct err *e) _must_check_;
struct sampler *sampler_free(struct sampler *s);
void sampler_set_prober(struct sampler *s, struct link *prober);  /* NULL while there is none */
int sampler_start(struct sampler *s) _must_check_;
/** sampler_once() - for `heat-pulse sample`: takes two readings @gap_ms apart so that rates exist, waits for the prober up to 2 s, then @sample is called once. */
int sampler_once(struct sampler *s, int64_t gap_ms) _must_check_;
const struct sample *sampler_last(const struct sampler *s);
/** sampler_problems() - which probes are absent and why, for `check` and `status`. */
void sampler_problems(const struct sampler *s, struct problems *problems);

/** prober_role_run() - the prober role: serves fixed-size questions on @link_fd until it closes. */
int prober_role_run(const struct env *env, int link_fd);
