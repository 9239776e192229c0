/* SPDX-License-Identifier: Apache-2.0 */
/* A stack as Heat names it: tenant, name, uuid; and the ARN of one of its resources. Pure. */
#pragma once

#include "core/buf.h"
#include "core/types.h"

struct heat_ref {
	char *tenant; /* NULL: not known (native ids do not have it) */
	char *name, *uuid;
};
void heat_ref_deinit(struct heat_ref *ref);
/** heat_ref_parse() - "arn:openstack:heat::TENANT:stacks/NAME/UUID" (anything behind the uuid is
 * ignored) or "NAME/UUID". 0, -EINVAL, -ENOMEM. */
int heat_ref_parse(const char *stack_id, struct heat_ref *ret) _must_check_;
/**
 * heat_ref_target() - a target that names its stack, too: "NAME/UUID/RESOURCE", as a member of a
 * group reaches a resource of the root stack
 * @resource: into @target
 *
 * A resource's own name may hold slashes: it counts as one of these only where the middle is a UUID.
 * Return: 0; -EINVAL for any other target; -ENOMEM.
 */
int heat_ref_target(const char *target, struct heat_ref *ret, const char **resource) _must_check_;
/**
 * heat_ref_arn() - the raw (not percent-encoded) ARN of a resource, as it stands in a decoded path
 * @tenant: used where the reference has none. Heat checks the caller's own project and the stack's
 * name and uuid, not this field, so a stack user's own project does.
 */
int heat_ref_arn(const struct heat_ref *ref, const char *tenant, const char *resource,
		 struct buf *out);
