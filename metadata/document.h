/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the transports into documents, and documents into state files and back. Pure, fuzzed.
 * All of them zero @ret first; on anything but 0 it stays empty.
 * Return unless said otherwise: 0; -EBADMSG not what it should be; -EFBIG over the limits of
 * core/json.h; -ENOMEM.
 */
#pragma once

#include "core/types.h"
#include "core/buf.h"
#include "core/json.h"

/** document_from_cfn() - DescribeStackResource in JSON: Metadata an object or a JSON string,
 * timestamp text or number. A bare JSON string (Heat's error with status 200) is 1 with its text in
 * @e. */
int document_from_cfn(const char *p, size_t n, struct document *ret, struct err *e) _must_check_;
/** document_cfn_error() - code and message of the error body into @code, @message, escaped and cut:
 * CFN's XML, its JSON form, a bare JSON string, or the JSON of the native API and Keystone. Nothing
 * is appended when there is none. */
void document_cfn_error(const char *p, size_t n, struct buf *code, struct buf *message);
/** document_from_heat() - {"metadata": {...}} */
int document_from_heat(const char *p, size_t n, struct document *ret, struct err *e) _must_check_;
/** document_from_file() - the metadata tree itself (local source, cfn-init-data, last_metadata). */
int document_from_file(const char *p, size_t n, const char *resource, struct document *ret,
		       struct err *e) _must_check_;
/** document_from_push() - the metadata tree as Heat puts it into an object or a queue; @tree borrowed. What
 * its deployments tell of server and stack is taken over. */
int document_from_push(json_t *tree, const char *source, const char *resource, struct document *ret,
		       struct err *e) _must_check_;
/** document_save() - the cache's form: one JSON object with "v":1. Return: new string, NULL = no
 * memory. */
char *document_save(const struct document *doc);
/** document_load() - what document_save() wrote. -ENOTSUP: written by a newer version, to be set
 * aside. */
int document_load(const char *p, size_t n, struct document *ret, struct err *e) _must_check_;
/** document_mask() - a copy with secrets replaced by "***": members whose name says password,
 * secret, token, key..., the value beside such a "name", userinfo and signatures in URLs, and
 * NAME=VALUE inside texts. New reference; NULL = no memory. */
json_t *document_mask(const json_t *tree);
