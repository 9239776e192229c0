/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of finding credentials share: the files that others left (credentials_find.c) and our
 * own configuration (credentials_conf.c). Nobody else includes it. */
#pragma once

#include "auth/credentials_parse.h"

struct finder {
	const struct conf *conf;
	credentials_open_fn *open_fd;
	void *ctx;
	struct credentials_set *set;
	struct problems *problems;
	int order; /* of what was found, from 1 */
	const char *hup_file; /* while cfn-hup.conf is looked at: its credential-file, which the runner opens */
};

struct finder_copy {
	char **to;
	const char *from; /* NULL or empty: @to stays as it is */
};
int finder_copy_all(const struct finder_copy *list, size_t n) _must_check_;

/** finder_adopt() - @found becomes the set's own (@to), or is only named when there is one already. Takes
 * what @found holds. @from_heat: Heat's own files may name plain HTTP. */
void finder_adopt(struct finder *f, struct credentials *to, struct credentials *found, const char *kind,
		  bool from_heat);

/** finder_credential_file() - the keys of cfn-hup's credential file. Return: 0, 1 = none to be had,
 * -ENOMEM. */
int finder_credential_file(struct finder *f, struct credentials *c,
			   char name[static ENV_PATH_MAX]) _must_check_;

/** finder_conf() - what sections [cfn], [heat] and [tempurl] give. Return: 0 or -ENOMEM. */
int finder_conf(struct finder *f) _must_check_;

/** finder_conf_overlay() - names in our own configuration for credentials that came from elsewhere. */
int finder_conf_overlay(struct finder *f) _must_check_;
