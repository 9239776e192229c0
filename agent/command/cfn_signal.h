/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `cfn-signal`: what is said (cfn_signal.c), and the two ways it goes out. */
#pragma once

#include "command/cfn_common.h"

#define CFN_SIGNAL_NAME "cfn-signal"

struct cfn_signal_message {
	const char *status; /* "SUCCESS" or "FAILURE" */
	const char *reason, *data, *id;
};

/** cfn_signal_read_url() - the URL itself, its base64 form, "-" (standard input) or a file; never
 * printed. Return: new string or NULL with @e set. */
char *cfn_signal_read_url(const struct env *env, char *argument, struct err *e);
/** cfn_signal_to_url() - PUT to a presigned URL until accepted, refused or the deadline. Return:
 * exit code.
 */
int cfn_signal_to_url(struct cfn_session *s, const char *url,
		      const struct cfn_signal_message *message, bool insecure);
/** cfn_signal_to_resource() - a handle by its name in a stack, with credentials given or found.
 * Return: exit code. */
int cfn_signal_to_resource(struct cfn_session *s, const char *stack, const char *resource,
			   const struct cfn_signal_message *message);
