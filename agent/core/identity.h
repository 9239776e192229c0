/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who this guest is. The server UUID, in order: Heat's cfn-init-data where a deployment in it names
 * the server, nova's meta_data.json (config drive, then the copy heat-cfntools keeps), DMI
 * product_uuid where DMI says OpenStack, cloud-init's instance-id, PhysicalResourceId of a document,
 * machine-id (marked unknown). The boot id tells one boot from the next.
 */
#pragma once

#include "core/env.h"
#include "core/err.h"

#define IDENTITY_NAME_SIZE (255 * 4 + 1) /* nova counts letters, which may have four bytes each */

struct identity {
	char server_uuid[64]; /* lower case; never empty once found */
	char server_from[32]; /* "cfn-init-data", "config-drive", "nova-meta", "dmi", "cloud-init",
				 "metadata-service", "machine-id", "random", "given" */
	char boot_id[40];
	char hostname[256]; /* FQDN where known */
	/* of nova's meta_data for that UUID; "" where nobody says */
	char name[IDENTITY_NAME_SIZE];
	char project_id[64];
	char zone[IDENTITY_NAME_SIZE]; /* availability zone */
	char details_from[32]; /* who said the first of these three */
	bool openstack;	       /* DMI says that nova made this guest */
};
#define IDENTITY_LINK_SIZE 16 /* of an interface's name */

/**
 * identity_read() - never fails: the last resort is a random UUID marked "random"
 * @open_fd: opens a privileged row (enum privpath) or returns -errno, so that the agent can ask the
 * runner; NULL opens them directly
 */
void identity_read(const struct env *env, int (*open_fd)(int privpath, void *ctx), void *ctx,
		   struct identity *ret);
/** identity_is_weak() - nobody who knows the cloud named this server */
bool identity_is_weak(const struct identity *id);
/** identity_is_complete() - UUID, name, project and zone are known */
bool identity_is_complete(const struct identity *id);
/**
 * identity_parse() - pure: what nova's meta_data.json says, or cloud-init's copy of it
 *
 * @from: kept as server_from and details_from. Return: 0, or -EINVAL when it names no server; *@ret
 * is then empty.
 */
int identity_parse(const char *p, size_t n, const char *from, struct identity *ret) _must_check_;
/**
 * identity_link() - pure: the @which-th interface with an IPv6 address of its link in @text, which is that
 * of /proc/net/if_inet6
 *
 * Where a network has no IPv4, nova's metadata service is a neighbour there. Return: whether there is one.
 */
bool identity_link(const char *text, unsigned which, char name[static IDENTITY_LINK_SIZE]);
/** identity_fill() - details that @id lacks, from what @said of the same server. Return: whether
 * anything is new. */
bool identity_fill(struct identity *id, const struct identity *said);
/** identity_remember() - what an earlier life knew: a UUID where nobody names the server any more, details of
 * the same server where they are missing. */
void identity_remember(struct identity *id, const struct identity *old);
#define IDENTITY_ENTRY "identity" /* of the state; core/store.h */
/** identity_save() - JSON for the next life: UUID, name, project, zone and who said so. New string
 * or NULL. */
char *identity_save(const struct identity *id);
/** identity_load() - pure: what identity_save() wrote. Return: 0, -EINVAL, or -EPROTO for a version
 * not known. */
int identity_load(const char *p, size_t n, struct identity *ret) _must_check_;
