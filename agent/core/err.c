/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the one sentence of an error where the facts are. It keeps what fits; it neither allocates
 * nor logs, so it also works when memory has run out.
 */
#include "core/err.h"

#include <stdarg.h>
#include <string.h>
#include "core/text.h"

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return code;
	e->code = code;
	va_start(ap, fmt);
	text_vprint(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return code;
}

int err_sys(struct err *e, int errno_value, const char *fmt, ...)
{
	size_t used;
	va_list ap;

	if (!e)
		return -errno_value;
	e->code = -errno_value;
	va_start(ap, fmt);
	text_vprint(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	used = strlen(e->text);
	text_print(e->text + used, sizeof(e->text) - used, ": %s", strerror(errno_value));
	return -errno_value;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	size_t used;
	va_list ap;

	if (!e)
		return 0;
	memcpy(old, e->text, sizeof(old));
	va_start(ap, fmt);
	text_vprint(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	used = strlen(e->text);
	text_print(e->text + used, sizeof(e->text) - used, ": %s", old);
	return e->code;
}
