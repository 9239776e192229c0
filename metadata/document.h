/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the transports into documents, and documents into state files and back. Pure, fuzzed.
 */
#pragma once

#include "core/types.h"
#include "core/json.h"

/** document_from_cfn() - DescribeStackResource in JSON: Metadata an object or a JSON string, timestamp text or number.
 * A bare JSON string (Heat's error with status 200) is 1 with its text in @e; anything else wrong -EBADMSG. */
int document_from_cfn(const char *p, size_t n, struct document *ret, struct err *e) _must_check_;
/** document_from_cfn_error() - code and message of the XML (or JSON) error body into @code, @message. */
void document_cfn_error(const char *p, size_t n, struct buf *code, struct buf *message);
/** document_from_heat() - {"metadata": {...}} */
int document_from_heat(const char *p, size_t n, struct document *ret, struct err *e) _must_check_;
/** document_from_file() - the metadata tree itself (local source, cfn-init-data, last_metadata). */
int document_from_file(const char *p, size_t n, const char *resource, struct document *ret, struct err *e) _must_check_;
/** document_save()/document_load() - the cache's form: one JSON object with "v":1. */
char *document_save(const struct document *doc);
int document_load(const char *p, size_t n, struct document *ret, struct err *e) _must_check_;
/** document_mask() - a copy with secrets replaced by "***": members whose name says password, secret, token, key…, userinfo and query signatures of URLs. New reference. */
json_t *document_mask(const json_t *tree);
