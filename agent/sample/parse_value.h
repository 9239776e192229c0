/* SPDX-License-Identifier: Apache-2.0 */
/* Pure parsers of small kernel files, most of them with one value: (pointer, length) in, numbers
 * out. */
#pragma once

#include <stdbool.h>
#include "core/macro.h"

/** parse_number() - a file with one decimal number. Return: 0 or -EINVAL. */
int parse_number(const char *p, size_t n, uint64_t *ret) _must_check_;
/** parse_hex() - the same in hexadecimal, with or without 0x. */
int parse_hex(const char *p, size_t n, uint64_t *ret) _must_check_;
/** parse_limit() - a limit of a control group: a number, or none ("max"; version 1 has numbers that
 * no machine reaches). Return: 0, 1 when there is no limit, or -EINVAL. */
int parse_limit(const char *p, size_t n, uint64_t *ret) _must_check_;

/* ---- hv-balloon in debugfs (Linux 6.0, Hyper-V's dynamic memory) ---- */
struct parse_hyperv_balloon {
	uint64_t page_size, pages_added, pages_onlined, pages_ballooned, committed, max_pages;
};
/** parse_hyperv_balloon() - Return: 0, or -EINVAL when page size or ballooned pages are missing. */
int parse_hyperv_balloon(const char *p, size_t n, struct parse_hyperv_balloon *ret) _must_check_;
