/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jansson behind the scan, and lookups that do not mind what they find. Of two members of one name
 * the last wins, as in Python, which wrote the document.
 */
#include "core/json.h"

#include <errno.h>
#include <string.h>
#include "core/text.h"

int json_parse(const char *p, size_t n, const struct json_limits *limits, json_t **ret, struct err *e)
{
	json_error_t why = {0};
	json_t *value;
	int r = json_scan(p, n, limits, e);

	*ret = NULL;
	if (r < 0)
		return r;
	value = json_loadb(p, n, JSON_DECODE_ANY, &why);
	if (value) {
		*ret = value;
		return 0;
	}
	/* jansson says nothing at all, not even a code, where its first allocation fails. */
	if (!why.text[0] || json_error_code(&why) == json_error_out_of_memory)
		return err_set(e, -ENOMEM, "JSON: no memory");
	/* jansson's own sentence quotes the text around the error, which may be a secret. */
	return err_set(e, -EINVAL, "JSON: refused at byte %d", why.position);
}

char *json_compact(const json_t *value)
{
	return json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

json_t *json_text(const char *s)
{
	size_t n = s ? strlen(s) : 0;
	_cleanup_buf_ struct buf shown = BUF_INIT(4 * n + 1);

	if (!s || text_utf8_valid(s, n) == n)
		return s ? json_string(s) : json_null();
	return text_put_valid(&shown, s, n, NULL) < 0 ? NULL : json_string(buf_str(&shown));
}

const char *json_str(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

bool json_int(const json_t *object, const char *key, int64_t *ret)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		return false;
	*ret = json_integer_value(value);
	return true;
}

json_t *json_obj(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return json_is_object(value) ? value : NULL;
}
