/* SPDX-License-Identifier: Apache-2.0 */
/* A metadata value as hooks get it: strings raw, anything else as Python's json.dumps() writes it.
 * Pure. */
#pragma once

#include <jansson.h>
#include "core/buf.h"

/** value_text() - Return: 0, -EFBIG over out->max, -ENOMEM, -ELOOP for more than 64 levels. */
int value_text(json_t *value, struct buf *out) _must_check_;
