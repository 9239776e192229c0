/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who this guest is. The server UUID, in order: nova's meta_data.json (config drive, then the copy
 * heat-cfntools keeps), DMI product_uuid where DMI says OpenStack, cloud-init's instance-id,
 * PhysicalResourceId of a document, machine-id (marked unknown). The boot id tells one boot from
 * the next.
 */
#pragma once

#include "core/env.h"
#include "core/err.h"

struct identity {
	char server_uuid[64]; /* lower case; never empty once found */
	char server_from[32]; /* "config-drive", "nova-meta", "dmi", "cloud-init", "machine-id",
				 "given" */
	char boot_id[40];
	char hostname[256]; /* FQDN where known */
	/* of nova's meta_data for that UUID; "" where nobody says */
	char name[256];
	char project_id[64];
	char zone[256]; /* availability zone */
};
/**
 * identity_read() - never fails: the last resort is a random UUID marked "random"
 * @open_fd: opens a privileged row (enum privpath) or returns -errno, so that the agent can ask the
 * runner; NULL opens them directly
 */
void identity_read(const struct env *env, int (*open_fd)(int privpath, void *ctx), void *ctx,
		   struct identity *ret);
