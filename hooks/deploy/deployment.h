/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One entry of Heat's `deployments` list as a hook gets it. Pure. Everything in it was chosen by
 * whoever wrote the template: ids and groups become file names, so they are checked here.
 */
#pragma once

#include "core/err.h"
#include "core/json.h"
#include "hooks/run_record.h"

#define DEPLOYMENT_ID_MAX    64 /* bytes; Heat's are UUIDs */
#define DEPLOYMENT_GROUP_MAX 64

/* Groups by name. */
#define DEPLOYMENT_COMPONENT "component"
#define DEPLOYMENT_SETTINGS                                                                        \
	"heat-pulse" /* no program: thresholds, watches and sinks of the agent */

struct deployment {
	char id[DEPLOYMENT_ID_MAX + 1];
	char group[DEPLOYMENT_GROUP_MAX + 1];  /* letters, digits, "-" and "_" */
	const char *name, *action, *transport; /* borrowed from @entry; "" when absent */
	json_t *entry;                         /* owned: what the hook gets on stdin */
	bool nothing; /* a component without a configuration for this action: there is nothing to
			 run */
};
void deployment_deinit(struct deployment *d);
/**
 * deployment_parse() - an entry as Heat has it into one that a hook understands
 *
 * String inputs become strings as Python's str() has them; of a component the configuration for
 * deploy_action is picked, with its tool as group. @raw is not changed. Return: 0; -EBADMSG with
 * the reason for what is no such entry; -ENOMEM. @ret is zeroed first.
 */
int deployment_parse(const json_t *raw, struct deployment *ret, struct err *e) _must_check_;
/** deployment_id_valid() - letters, digits, "-", "_" and "."; not beginning with a dot. */
bool deployment_id_valid(const char *id);
/** deployment_group_valid() - what deployment_parse() makes of groups. */
bool deployment_group_valid(const char *group);
/** deployment_input() - value of an input, borrowed; NULL when there is none. */
json_t *deployment_input(const json_t *entry, const char *name);
/** deployment_input_text() - of a string input, "" when there is none. */
const char *deployment_input_text(const json_t *entry, const char *name);
/** deployment_run_id() - the run's id at the runner: one for each deployment id, for ever. */
void deployment_run_id(const char *id, char out[static RUN_ID_LEN + 1]);
