/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the kernel-log rules. */
#pragma once

#include "predict/klog.h"

static inline unsigned char klog_lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* The automaton: which rows a line may match. */
struct keywords;
int keywords_new(const struct klog_rule *rules, size_t n, struct keywords **ret) _must_check_;
struct keywords *keywords_free(struct keywords *w);
/** keywords_scan() - the lowest row that @test accepts, of those whose keyword is in the text;
 * SIZE_MAX when none. Rows are tried in their order. */
typedef bool keywords_test(size_t row, void *ctx);
size_t keywords_scan(const struct keywords *w, const char *p, size_t n, keywords_test *test,
		     void *ctx);
