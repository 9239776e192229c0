/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest remembers of the transports that documents named: Heat changes a server's transport by the
 * os-collect-config block of a document, and files of the boot keep the old one. Pure.
 */
#pragma once

#include "auth/credentials.h"

#define TRANSPORT_ENTRY "transports" /* its name in the state */

/** transport_save() - all of @set, with its secrets. @seed: credentials_digest() of what the guest's files
 * say. Return: new string; NULL = no memory. */
char *transport_save(const struct credentials_set *set, const char *seed);
/** transport_load() - merges what transport_save() wrote into @set.
 *
 * Return: 0; 1 @seed differs: the files have changed since and are newer; -ENOTSUP written by a newer
 * version; -EBADMSG, -EFBIG, -ENOMEM. @set is as before on anything but 0. */
int transport_load(const char *p, size_t n, const char *seed, struct credentials_set *set,
		   struct err *e) _must_check_;
