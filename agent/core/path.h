/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths into metadata, in cfn-hup's grammar:
 *   Resources.<LogicalId>[.Metadata[.<sub>[.<sub>...]] | .PhysicalResourceId]
 * The three words are matched without case. Below Metadata, "\." is a dot inside a key; no list
 * indices. Shared by metadata (what to look up) and hooks (what to watch), so it lives below both.
 */
#pragma once

#include <jansson.h>
#include "core/err.h"

enum path_part { PATH_UPDATED_TIME, PATH_METADATA, PATH_PHYSICAL_ID };
#define PATH_KEYS_MAX 32

struct path {
	char *resource;
	enum path_part part;
	char *keys[PATH_KEYS_MAX]; /* below Metadata */
	size_t n_keys;
};

/** path_parse() - -EINVAL with the reason in @e. @ret is zeroed first; path_deinit() it. */
int path_parse(const char *p, size_t n, struct path *ret, struct err *e) _must_check_;
void path_deinit(struct path *path);
/** path_lookup() - walk @keys through objects; NULL when absent. JSON null is a value like any
 * other here. Borrowed. */
json_t *path_lookup(json_t *root, char *const *keys, size_t n_keys);
/** path_split_keys() - "a.b\.c.'d.e'" into keys (quotes as cfn-get-metadata has them). Return: 0 or
 * -EINVAL. */
int path_split_keys(const char *p, size_t n, char **keys, size_t *n_keys,
		    struct err *e) _must_check_;
