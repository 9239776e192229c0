/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of one deployment between starts of the agent: store entry "deploy/ID". Pure.
 *
 *   received   it is on disk, with all its hook needs; whether it runs or ran the runner's record
 * says done       its result is accepted (on disk) as a signal signalled  Heat has the result, or
 * none was to be told
 */
#pragma once

#include "hooks/deploy/deployment.h"

#define DEPLOY_PREFIX "deploy/"

enum deploy_phase { DEPLOY_RECEIVED, DEPLOY_DONE, DEPLOY_SIGNALLED };
extern const char *const deploy_phase_names[];

struct deploy_note {
	char id[DEPLOYMENT_ID_MAX + 1];
	char group[DEPLOYMENT_GROUP_MAX + 1];
	char *name, *action; /* escaped: fit for a log */
	enum deploy_phase phase;
	uint64_t seq;                  /* order of arrival; never used twice */
	int code;                      /* deploy_status_code, from done on */
	bool foreign;                  /* run by another agent */
	int64_t received_ms, ended_ms; /* real time */
	struct deployment d;           /* received only; empty otherwise */
};
/** deploy_note_init() - takes @d (zeroed) on success. 0 or -ENOMEM. */
int deploy_note_init(struct deploy_note *n, struct deployment *d, uint64_t seq,
		     int64_t now_ms) _must_check_;
void deploy_note_deinit(struct deploy_note *n);
/** deploy_note_encode() - new string or NULL. */
char *deploy_note_encode(const struct deploy_note *n);
/** deploy_note_decode() - strict; -EBADMSG for anything that is not such a note of deployment @id.
 */
int deploy_note_decode(const char *p, size_t len, const char *id,
		       struct deploy_note *ret) _must_check_;
