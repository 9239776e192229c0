/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a deployment's hook left into the object that Heat is told: its own JSON where it printed
 * one, else its output and status wrapped. Pure.
 */
#pragma once

#include "core/err.h"
#include "core/json.h"
#include "core/types.h"

#define DEPLOYMENT_STDOUT_MAX (8u << 20) /* of which JSON is read; more is wrapped as a tail */
#define DEPLOYMENT_RESULT_MAX 950000     /* bytes as sent: Heat takes 1 MiB */

struct deployment_end {
	const char *out, *err; /* bytes; need not be UTF-8 */
	size_t out_len, err_len;
	bool out_cut; /* the beginning of @out is lost */
	enum run_end end;
	int code;        /* exit status or signal */
	const char *why; /* why it did not start, or NULL */
};
/** deployment_result() - an object of at most DEPLOYMENT_RESULT_MAX bytes, the end of long texts
 * kept. 0 or -ENOMEM. @ret: new reference. */
int deployment_result(const struct deployment_end *end, json_t **ret) _must_check_;
/** deployment_result_words() - a result for what was never started. New reference or NULL. */
json_t *deployment_result_words(int status_code, const char *words);
/** deployment_status_code() - as Heat reads it: anything but absent, null, false, 0 and "0" is a
 * failure. Return: 0 good, else the code (1 for what is no number). */
int deployment_status_code(const json_t *result);
/** deployment_text() - (@p, @n) as a JSON string: what is no UTF-8, and NUL, becomes U+FFFD. New
 * reference. */
json_t *deployment_text(const char *p, size_t n);
