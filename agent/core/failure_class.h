/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of the failure classes, for those who take them as words (files of hooks). What a class
 * means, and its rules, is predict's: its table has a row for each name here, in this order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define FAILURE_CLASS_NAMES 23
extern const char *const failure_class_names[FAILURE_CLASS_NAMES];
/** failure_class_index() - its place in the list, or -1 */
int failure_class_index(const char *p, size_t n);
/** failure_class_known() - is (@p, @n) the exact name of a class? */
bool failure_class_known(const char *p, size_t n);
