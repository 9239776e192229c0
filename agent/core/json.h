/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from outside and JSON to be signed. Before jansson sees a text, a scan without allocation
 * bounds what it would cost (8 MiB of "{}" would be 643 MB of jansson objects: measured) and names,
 * with its path, what Python writes and jansson refuses.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include "core/buf.h"
#include "core/err.h"

struct json_limits {
	size_t text_bytes;
	unsigned depth;
	size_t values;
	size_t tree_bytes; /* estimate of what jansson will allocate */
};
extern const struct json_limits json_limits_default; /* 8 MiB, 64, 65536, 16 MiB */

/**
 * json_scan() - is (@p, @n) one JSON value within @limits?
 *
 * Return: 0; -EINVAL for broken syntax, invalid UTF-8, NaN or Infinity, an integer outside 64 bits,
 * \u0000, a lone surrogate or a duplicate key budget overrun; -EFBIG when a limit is passed. @e
 * names offset and path.
 */
int json_scan(const char *p, size_t n, const struct json_limits *limits,
	      struct err *e) _must_check_;

/** json_parse() - json_scan() and then jansson (any value allowed at the top). @ret: new reference.
 */
int json_parse(const char *p, size_t n, const struct json_limits *limits, json_t **ret,
	       struct err *e) _must_check_;

/**
 * json_canonical() - RFC 8785 form
 *
 * Keys sorted by UTF-16 code units, no blanks, ECMAScript numbers. -EINVAL on what that form cannot
 * hold.
 */
int json_canonical(const json_t *value, struct buf *out) _must_check_;
/** json_compact() - compact text with sorted keys, for state files and comparison by digest. Return
 * new string or NULL. */
char *json_compact(const json_t *value);

/**
 * json_shrink() - cut texts in @root until its compact form has at most @max bytes
 * @first: members of @root that are cut before any other, NULL-terminated, or NULL
 *
 * The longest goes first; its end is kept behind a mark. Return: 0; -EFBIG when it does not fit even so;
 * -ENOMEM.
 */
int json_shrink(json_t *root, size_t max, const char *const *first) _must_check_;

/**
 * json_text() - any bytes as a JSON string: what is not UTF-8 becomes \xNN, NULL is null
 *
 * For words that others chose or said: jansson refuses them for one bad byte, and with them the
 * object that they were to stand in. Return: new reference, or NULL without memory.
 */
json_t *json_text(const char *s);

/* Lookups that answer NULL / false for a missing member or another type. Borrowed. */
const char *json_str(const json_t *object, const char *key);
bool json_int(const json_t *object, const char *key, int64_t *ret);
json_t *json_obj(const json_t *object, const char *key);

static inline _unused_ void json_decrefp_(json_t **j)
{
	json_decref(*j);
}
#define _cleanup_json_ _cleanup_(json_decrefp_)
