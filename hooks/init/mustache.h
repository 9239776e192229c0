/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of Mustache that files with a context use: {{name}} (HTML-escaped), {{{name}}} and
 * {{&name}} (as it is), {{#s}}…{{/s}}, {{^s}}…{{/s}}, {{! comment}}, a.b and {{.}}. A line that
 * holds nothing but a section tag or a comment vanishes. Partials and changed delimiters are
 * refused. Pure; no code is ever run.
 */
#pragma once

#include <jansson.h>
#include "core/buf.h"
#include "core/err.h"

#define MUSTACHE_DEPTH_MAX 16
#define MUSTACHE_STEPS_MAX 1000000 /* tags met while rendering: nested lists multiply */

/** mustache_render() - Return: 0; -EINVAL with the offset in @e; -EFBIG over out->max or too many
 * steps; -ENOMEM. */
int mustache_render(const char *p, size_t n, const json_t *context, struct buf *out,
		    struct err *e) _must_check_;
