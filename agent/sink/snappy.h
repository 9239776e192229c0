/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Snappy block format, without compression: the length and literals, which every decoder reads.
 * Our requests are a few KiB each; a compressor would cost more than it saves. Pure.
 */
#pragma once

#include "core/buf.h"

/** snappy_literals() - appends the block that stands for (@p, @n). Return: buf_error(@out). */
int snappy_literals(const void *p, size_t n, struct buf *out) _must_check_;
