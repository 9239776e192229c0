/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that others chose (processes, mounts, devices) on their way into Monasca's body: whatever they are, what comes
 * out is JSON, within the server's limits as it counts them, and without what its validator or its storage refuses.
 * The first line is the key of a dimension, the second its value, the rest a value_meta.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"
#include "sink/monasca_body.h"

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void check_word(const char *s, const char *forbidden)
{
	if (!*s || characters(s) > 255 || strpbrk(s, forbidden) || text_utf8_valid(s, strlen(s)) != strlen(s))
		abort();
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			abort();
}

static void check_dimensions(json_t *dims)
{
	const char *key;
	json_t *value;

	json_object_foreach(dims, key, value)
	{
		check_word(key, "<>={},\"\\;&");
		check_word(json_string_value(value), "<>={},\"\\;&");
		if (*key == '_')
			abort();
	}
}

/* As Python's json.dumps() writes it. */
static void check_meta(json_t *meta)
{
	size_t n = 2;
	const char *key;
	json_t *value;

	json_object_foreach(meta, key, value)
	{
		if (!*key || characters(key) > 255)
			abort();
		n += monasca_json_length(key) + monasca_json_length(json_string_value(value)) + (n > 2 ? 4 : 2);
	}
	if (n > 2048 || json_object_size(meta) > 16)
		abort();
}

static void check_body(const struct buf *body)
{
	_cleanup_json_ json_t *o = NULL;
	json_t *metric;

	if (json_parse(body->data, body->len, &json_limits_default, &o, NULL) < 0 || json_array_size(o) != 1)
		abort();
	metric = json_array_get(o, 0);
	check_word(json_str(metric, "name"), "<>={},\"\\;&() ");
	check_dimensions(json_object_get(metric, "dimensions"));
	check_meta(json_object_get(metric, "value_meta"));
}

/* The next line of (@p, @n) as a string of its own. */
static char *take_line(const char **p, size_t *n)
{
	const char *end = *n ? memchr(*p, '\n', *n) : NULL;
	size_t len = end ? (size_t)(end - *p) : *n;
	char *s = strndup(*p, len);

	len += end ? 1 : 0;
	*p += len;
	*n -= len;
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct metric_labels labels = {.hostname = "web-1", .resource_id = "6f1c"};
	const char *p = (const char *)data;
	_cleanup_buf_ struct buf body = BUF_INIT(1u << 20);
	_cleanup_free_ char *key = take_line(&p, &size), *value = take_line(&p, &size);
	_cleanup_free_ char *meta = strndup(p, size);
	struct metric_point point = {.name = "guest.failure.risk", .value = 0.5, .real_ms = 1767323045000, .n_dims = 1};

	if (!key || !value || !meta)
		return 0;
	point.dims[0].key = key;
	point.dims[0].value = value;
	point.meta = meta;
	if (monasca_body(&point, 1, &labels, &body) == 0)
		check_body(&body);
	return 0;
}
