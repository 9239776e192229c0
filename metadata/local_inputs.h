/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest knows without Heat's transports: texts of several places merged into one tree. Pure but for
 * the descriptors it is given. */
#pragma once

#include "core/buf.h"
#include "core/json.h"

enum local_input { LOCAL_CONFIG_DRIVE, LOCAL_SERVICE, LOCAL_DATA, LOCAL_FILE, LOCAL_INPUTS };
#define LOCAL_MASK(input) (1u << (input))

/** local_inputs_parse() - the option's comma list. Return: a mask; 0: @text names something unknown, told in
 * @e. */
unsigned local_inputs_parse(const char *text, struct err *e);
/** local_merge() - as os-apply-config does: members of objects one by one, everything else replaced.
 * -EBADMSG when @from is no object. */
int local_merge(json_t *into, json_t *from, struct err *e) _must_check_;
/** local_merge_text() - a JSON text merged; @name for @e. -EBADMSG, -EFBIG, -ENOMEM. */
int local_merge_text(json_t *into, const char *p, size_t n, const char *name, struct err *e) _must_check_;
/** local_merge_files() - the files among the inputs of @mask, read through @open_fd (a row of core/privpath.h
 * to a descriptor or -errno). A config drive that is absent is an error, as is a folder that is refused;
 * an absent folder is empty. */
int local_merge_files(json_t *into, enum local_input input, int (*open_fd)(int privpath, void *ctx), void *ctx,
		      struct err *e) _must_check_;
