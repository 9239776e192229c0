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
	struct credentials request;  /* a signed URL of the metadata */
	struct credentials zaqar;    /* a queue that metadata are sent to */
	char *collectors;            /* as the block names them, comma separated, or NULL */
	int64_t polling_ms;          /* the block's polling_interval; 0 = not set */
	int64_t splay_ms;            /* the block's, if has_splay */
	bool has_splay;
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
/** credentials_section() - the credentials that the block keeps under @name ("cfn", "heat", "request",
 * "zaqar"); NULL = no such section. */
struct credentials *credentials_section(struct credentials_set *set, const char *name);
/** credentials_preferred() - the name of the section to use: what our own configuration gives, then what
 * the collectors name first, then the first in the order of @names (NULL-terminated); NULL = none. */
const char *credentials_preferred(const struct credentials_set *set, const char *const *names);
/** credentials_session() - whose session sinks may use: Heat's own user, else the queue's, who is a user of the
 * same stack; NULL = neither is known. Borrowed. */
const struct credentials *credentials_session(const struct credentials_set *set);
int credentials_set_copy(struct credentials_set *to, const struct credentials_set *from) _must_check_;
/** credentials_merge() - what @newer has replaces what @into has, except what is pinned; sections that
 * @newer lacks stay, as they may be needed again. The name of the guest's own resource is handed on to
 * sections that lack it. */
int credentials_merge(struct credentials_set *into, const struct credentials_set *newer) _must_check_;
/** credentials_to_block() - the form that credentials_from_block() reads. New reference; NULL = no memory.
 * With the secrets. */
json_t *credentials_to_block(const struct credentials_set *set);
/** credentials_digest() - of all that credentials_to_block() tells. */
int credentials_digest(const struct credentials_set *set, char out[static 65]) _must_check_;
/** credentials_parse_file() - "AWSAccessKeyId = v" lines, value verbatim to end of line, last wins;
 * aws form too (fuzzed). */
int credentials_parse_file(const char *p, size_t n, char **access, char **secret,
			   struct err *e) _must_check_;
