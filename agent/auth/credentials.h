/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials as Heat leaves them. Looked for in order: our own conf, cfn-init-data's
 * os-collect-config block, /etc/os-collect-config.conf, /etc/cfn/cfn-hup.conf with its credential
 * file and cfn-metadata-server / cfn-boto-cfg. Parsing is pure; the files come as descriptors from
 * the runner.
 */
#pragma once

#include "core/conf.h"
#include "core/privpath.h"

struct credentials_set {
	struct credentials cfn; /* kind NONE = not found */
	struct credentials heat;
	char *collectors;            /* as the block names them, comma separated, or NULL */
	char *cfn_hup_stack;         /* [main] stack of cfn-hup.conf or NULL */
	int64_t cfn_hup_interval_ms; /* 0 = not set */
	char *physical_id;
	char *endpoint; /* CFN base URL that cfn-metadata-server or cfn-boto-cfg names, whether keys
			   were found or not */
	bool endpoint_insecure; /* cfn-boto-cfg switches certificate checks off */
};
void credentials_set_deinit(struct credentials_set *set);

typedef int credentials_open_fn(int privpath, void *ctx); /* fd or -errno */
/** credentials_find() - everything found, with problems naming file, order and what is wrong.
 * Return 0 also when nothing is found; -ENOMEM. */
int credentials_find(const struct conf *conf, credentials_open_fn *open_fd, void *ctx,
		     struct credentials_set *ret, struct problems *problems) _must_check_;
/** credentials_from_block() - the "os-collect-config" object of any document; null members count as
 * absent. Return 0, 1 = no usable block. */
int credentials_from_block(const json_t *block, const char *origin, struct credentials_set *ret,
			   struct err *e) _must_check_;
/** credentials_parse_file() - "AWSAccessKeyId = v" lines, value verbatim to end of line, last wins;
 * aws form too (fuzzed). */
int credentials_parse_file(const char *p, size_t n, char **access, char **secret,
			   struct err *e) _must_check_;
