/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors. Every function that can fail returns int: 0 is good, a negative errno says that the world
 * failed, a positive value is a documented answer of that function. The sentence for a person is
 * built once, where the facts are, into a struct err, and logged once, by whoever decides what
 * happens next. Library code does not log.
 */
#pragma once

#include "core/macro.h"

#define ERR_TEXT_MAX 320

struct err {
	int code;                /* what was returned: negative errno or a positive answer */
	char text[ERR_TEXT_MAX]; /* a sentence without final newline; never holds a secret */
};

#define ERR_INIT ((struct err){0})

/**
 * err_set() - record an error at its origin
 * @e: where to put it; NULL is allowed
 * @code: the value the caller will return
 * @fmt: the sentence: what failed, on what; names chosen by others must be escaped (core/text.h)
 *
 * Return: @code, so that `return err_set(e, -EINVAL, "...")` works.
 */
int err_set(struct err *e, int code, const char *fmt, ...) _printf_(3, 4);

/**
 * err_sys() - as err_set(), with ": <strerror>" added
 * @errno_value: a positive errno
 *
 * Return: -@errno_value.
 */
int err_sys(struct err *e, int errno_value, const char *fmt, ...) _printf_(3, 4);

/** err_prefix() - put "prefix: " before the sentence already recorded. Return: e->code (0 if @e is
 * NULL). */
int err_prefix(struct err *e, const char *fmt, ...) _printf_(2, 3);
