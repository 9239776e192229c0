/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stack references. Heat splits an ARN before it undoes percent escapes, so only '%' and '/' of a resource's
 * name have to be escaped inside it; everything else travels raw and is encoded once with the whole path.
 */
#include "sink/heat_ref.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"

#define ARN_START "arn:openstack:heat::"

void heat_ref_deinit(struct heat_ref *ref)
{
	free(ref->tenant);
	free(ref->name);
	free(ref->uuid);
	*ref = (struct heat_ref){0};
}

/* Letters that may be in a tenant, stack name or uuid: nothing that could change a path. */
static bool is_plain(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') ||
		      (p[i] >= '0' && p[i] <= '9') || strchr("._-", p[i])))
			return false;
	return n > 0 && n <= 255 && !(p[0] == '.');
}

static int take_name_uuid(const char *p, struct heat_ref *ret)
{
	size_t name = strcspn(p, "/"), uuid;

	if (p[name] != '/' || !is_plain(p, name))
		return -EINVAL;
	uuid = strcspn(p + name + 1, "/");
	if (!is_plain(p + name + 1, uuid))
		return -EINVAL;
	ret->name = strndup(p, name);
	ret->uuid = strndup(p + name + 1, uuid);
	return ret->name && ret->uuid ? 0 : -ENOMEM;
}

int heat_ref_parse(const char *stack_id, struct heat_ref *ret)
{
	const char *p = stack_id;
	size_t n;
	int r;

	*ret = (struct heat_ref){0};
	if (!p || !text_starts(p, ARN_START)) {
		r = p ? take_name_uuid(p, ret) : -EINVAL;
	} else {
		p += strlen(ARN_START);
		n = strcspn(p, ":");
		if (!is_plain(p, n) || !text_starts(p + n, ":stacks/"))
			return -EINVAL;
		ret->tenant = strndup(p, n);
		r = ret->tenant ? take_name_uuid(p + n + strlen(":stacks/"), ret) : -ENOMEM;
	}
	if (r < 0)
		heat_ref_deinit(ret);
	return r;
}

static bool is_uuid(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? p[i] != '-'
							    : !strchr("0123456789abcdefABCDEF", p[i]))
			return false;
	return n == 36;
}

int heat_ref_target(const char *target, struct heat_ref *ret, const char **resource)
{
	size_t name = strcspn(target, "/"), uuid = 0;

	*ret = (struct heat_ref){0};
	if (target[name] == '/')
		uuid = strcspn(target + name + 1, "/");
	if (!is_uuid(target + name + (uuid > 0), uuid) || target[name + 1 + uuid] != '/' ||
	    !target[name + 1 + uuid + 1])
		return -EINVAL;
	*resource = target + name + 1 + uuid + 1;
	return heat_ref_parse(target, ret);
}

int heat_ref_arn(const struct heat_ref *ref, const char *tenant, const char *resource, struct buf *out)
{
	buf_printf(out, ARN_START "%s:stacks/%s/%s/resources/", ref->tenant ? ref->tenant : tenant, ref->name,
		   ref->uuid);
	for (; *resource; resource++) {
		if (*resource == '%' || *resource == '/')
			buf_printf(out, "%%%02X", (unsigned)*resource);
		else
			buf_putc(out, *resource);
	}
	return buf_error(out);
}
