/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer means: failures, status codes and error texts to fetch classes. Pure tables. */
#pragma once

#include "core/http.h"
#include "metadata/source.h"

/** A guest this far behind is refused whatever its key is (Keystone's auth_ttl is 15 min). */
#define CLASSIFY_SKEW_MS (14 * 60 * 1000)
/** Below this a retry with the server's time is pointless. */
#define CLASSIFY_SKEW_MIN_MS (60 * 1000)

enum fetch_class classify_failure(enum http_failure failure);
/** classify_token() - the status with which keystone_get() failed. */
enum fetch_class classify_token(int status);
enum classify_api { CLASSIFY_CFN, CLASSIFY_HEAT, CLASSIFY_TEMPURL, CLASSIFY_ZAQAR };
/** classify_status() - status and error body of an API; CFN's @status 200: a bare string, judged by its
 * text alone. @own: the guest's own resource was asked for. */
enum fetch_class classify_status(enum classify_api api, long status, const char *code,
				 const char *message, bool own);
/** classify_result() - @ret from an answer: failure, or status and error body; retry_after_s, skew
 * and why are filled. The body of a 200 is not looked at: class FETCH_OK means that it is the
 * caller's turn. */
void classify_result(const struct http_answer *answer, enum classify_api api, bool own,
		     struct fetch_result *ret);
/** classify_clock() - a plain refusal of a guest whose clock is behind is FETCH_CLOCK_SKEW. */
void classify_clock(struct fetch_result *r);
/** classify_document() - what document_from_*() returned (not 0, not 1) into @ret. */
void classify_document(int code, const char *text, struct fetch_result *ret);
