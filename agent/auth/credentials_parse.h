/* SPDX-License-Identifier: Apache-2.0 */
/* The pure half of finding credentials: from texts to values. Only the credentials files of this
 * room include it. */
#pragma once

#include "auth/credentials.h"

/* The sections of an os-collect-config block and their keys: one table for reading and writing. */
struct block_field {
	const char *key;
	size_t offset; /* in struct credentials */
	bool required;
};
struct block_section {
	const char *name;
	enum credentials_kind kind;
	size_t offset; /* in struct credentials_set */
	const struct block_field *fields;
	size_t n_fields;
};
#define BLOCK_SECTIONS 4
extern const struct block_section block_sections[BLOCK_SECTIONS];

/** credentials_pace() - interval and splay of @from where @set has none. */
void credentials_pace(struct credentials_set *set, const struct credentials_set *from);

/** credentials_url() - the base URL of a CFN endpoint
 *
 * Takes what Heat and people write: with or without /v1, with it twice, "host:port", blanks and
 * newline at the ends.
 * @scheme: for a text without one.
 * Return: 0 and a new string that ends in "/v1/", -EINVAL, -ENOMEM.
 */
int credentials_url(const char *p, size_t n, const char *scheme, char **ret) _must_check_;

/** credentials_url_is_far_http() - plain HTTP to a host that is not this guest or its link. */
bool credentials_url_is_far_http(const char *url);

/** credentials_from_occ() - the sections of block_sections[] and [DEFAULT] of os-collect-config's own file.
 * As credentials_from_block(). */
int credentials_from_occ(const struct ini *ini, const char *origin, struct credentials_set *ret,
			 struct err *e) _must_check_;

/** credentials_occ_problems() - what stands there and has another place here. */
void credentials_occ_problems(const struct ini *ini, const char *origin, struct problems *problems);

/** credentials_from_boto() - URL out of cfn-boto-cfg, which has no port: Heat's 8000. Return 0, 1 =
 * names no host, -ENOMEM. */
int credentials_from_boto(const struct ini *ini, char **url, bool *insecure) _must_check_;

/** credentials_interval() - cfn-hup.conf's interval: a bare number is minutes, else a duration.
 * -EINVAL else.
 */
int credentials_interval(const char *text, int64_t *ret_ms) _must_check_;

/** credentials_server_id() - deploy_server_id out of a document's deployments, or NULL. Borrowed.
 */
const char *credentials_server_id(const json_t *document);
