/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals: what must leave the guest. A signal knows what it says and where it should go (a handle by name, or a URL); how it gets
 * there is a sink's business.
 */
#pragma once

#include "core/types.h"
#include "core/identity.h"
#include "auth/message.h"

enum signal_kind { SIGNAL_BOOT, SIGNAL_CUSTOM /* `heat-pulse signal`, cfn-signal */, SIGNAL_HEALTH }; /* in order of urgency */
extern const char *const signal_kind_names[];

struct signal {
	enum signal_kind kind;
	char key[64];      /* spool name: newest per key wins; "boot-<server>", "health", "custom-<seq>" */
	char *target;      /* handle's resource name, or a URL (presigned, token endpoint) */
	char *status;      /* "SUCCESS" or "FAILURE" */
	char *reason;      /* at most 200 ASCII characters for health */
	char *id;          /* UniqueId */
	json_t *data;      /* owned; NULL = none */
	int64_t made_real_ms;
	int64_t deadline_real_ms; /* give up afterwards; 0 = never */
};
void signal_deinit(struct signal *s);
/** signal_save()/signal_load() - spool form, one JSON object with "v":1. */
char *signal_save(const struct signal *s);
int signal_load(const char *p, size_t n, struct signal *ret, struct err *e) _must_check_;

struct health {                /* what a health signal says */
	const char *state;     /* "ok", "degraded", "failing" */
	double risk;           /* 0..1 */
	int64_t horizon_s;     /* -1 unknown */
	const struct finding *findings; size_t n_findings;
	const char *stack_id;
};
/** signal_build_health() - DESIGN's reason line and signed data of at most 2 KiB: findings are left out from the least urgent when too large. */
int signal_build_health(const struct health *h, const struct identity *who, int64_t seq, int64_t real_ms, const struct signing_key *key,
                        const char *target, struct signal *ret, struct err *e) _must_check_;
/** signal_build_boot() - told once per server; data carry the public key. */
int signal_build_boot(bool success, const char *reason, const struct health *h, const struct identity *who, int64_t seq, int64_t real_ms, const struct signing_key *key,
                      const char *target, struct signal *ret, struct err *e) _must_check_;
/** signal_next_seq() - max(last + 1, wall-clock milliseconds). */
int64_t signal_next_seq(int64_t last, int64_t real_ms);
