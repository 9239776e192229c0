/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From texts to credentials: the os-collect-config block in JSON and in INI form, cfn-hup's credential file,
 * the boto file, URLs as Heat and people write them. Pure. Secrets are taken verbatim: Heat generates them
 * with % and quotes in them, so nothing here interpolates or unescapes. A JSON null counts as absent: that is
 * how Heat switches a transport off.
 */
#include "auth/credentials_parse.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#include "core/http.h"
#include "core/json.h"
#include "core/text.h"

#define URL_MAX		 2048
#define CFN_PORT	 8000 /* what Heat's CFN service listens on when nobody names a port */
#define SECRET_MAX	 4096
#define COLLECTORS_MAX	 1024
#define DEPLOYMENTS_SCAN 1000
#define SECONDS_MAX	 3600 /* of interval and splay: what is longer is not obeyed */

#define FIELD(name, member, needed)                                                                          \
	{                                                                                                    \
		name, offsetof(struct credentials, member), needed                                           \
	}

static const struct block_field cfn_fields[] = {
	FIELD("metadata_url", metadata_url, true),
	FIELD("access_key_id", access_key, true),
	FIELD("secret_access_key", secret_key, true),
	FIELD("stack_name", stack, true),
	FIELD("path", resource, false),
};

static const struct block_field heat_fields[] = {
	FIELD("auth_url", auth_url, true),   FIELD("user_id", user_id, true),
	FIELD("password", password, true),   FIELD("project_id", project_id, true),
	FIELD("stack_id", stack, true),	     FIELD("resource_name", resource, true),
	FIELD("region_name", region, false),
};

/* Heat names no resource in the two below: resource_name is for people who know it. */
static const struct block_field request_fields[] = {
	FIELD("metadata_url", metadata_url, true),
	FIELD("resource_name", resource, false),
};

static const struct block_field zaqar_fields[] = {
	FIELD("auth_url", auth_url, true),   FIELD("user_id", user_id, true),
	FIELD("password", password, true),   FIELD("project_id", project_id, true),
	FIELD("queue_id", queue, true),	     FIELD("resource_name", resource, false),
	FIELD("region_name", region, false),
};

#define SECTION(name, kind, fields)                                                                          \
	{                                                                                                    \
		#name, kind, offsetof(struct credentials_set, name), fields, ARRAY_SIZE(fields)              \
	}

const struct block_section block_sections[BLOCK_SECTIONS] = {
	SECTION(cfn, CREDENTIALS_EC2, cfn_fields),
	SECTION(heat, CREDENTIALS_PASSWORD, heat_fields),
	SECTION(request, CREDENTIALS_URL, request_fields),
	SECTION(zaqar, CREDENTIALS_PASSWORD, zaqar_fields),
};

/* A value of a block, whatever form the block has: the text and its length, NULL when absent. */
struct block_value {
	const char *p;
	size_t n;
};
typedef struct block_value block_get_fn(const void *block, const char *section, const char *key);

static struct block_value get_json(const void *block, const char *section, const char *key)
{
	const char *text = json_str(json_obj(block, section), key);

	return (struct block_value){text, text ? strlen(text) : 0};
}

/* oslo's parser takes one pair of quotes off a value; nothing else is done to it. */
static struct block_value get_ini(const void *block, const char *section, const char *key)
{
	const char *text = ini_get(block, section, key);
	size_t n = text ? strlen(text) : 0;

	if (n > 1 && (text[0] == '"' || text[0] == '\'') && text[n - 1] == text[0])
		return (struct block_value){text + 1, n - 2};
	return (struct block_value){text, n};
}

static char **field_of(struct credentials *c, const struct block_field *field)
{
	return (char **)(void *)((char *)c + field->offset);
}

/* "srv.Metadata" names the resource srv; resource names may hold dots of their own. */
static void cut_path(char *path)
{
	size_t n = strlen(path), tail = strlen(".Metadata");

	if (n > tail && strcmp(path + n - tail, ".Metadata") == 0)
		path[n - tail] = '\0';
	else if (strstr(path, ".Metadata."))
		*strstr(path, ".Metadata.") = '\0';
}

static int replace_url(char **url)
{
	char *good;
	int rc = credentials_url(*url, strlen(*url), "http", &good);

	if (rc < 0)
		return rc;
	free(*url);
	*url = good;
	return 0;
}

/* A signed URL stays as it is, byte for byte; CFN's base URL gets the form that requests are built on. */
static int check_url(enum credentials_kind kind, char **url)
{
	struct http_url parts = {0};
	int rc;

	if (kind != CREDENTIALS_URL)
		return replace_url(url);
	rc = http_url_parse(*url, &parts);
	http_url_deinit(&parts);
	return rc;
}

/* Return: 0 whole, 1 absent or unusable (then @e says what lacks, if the section was there at all). */
static int read_section(const struct block_section *s, block_get_fn *get, const void *block,
			const char *origin, struct credentials *c, struct err *e)
{
	const char *lacking = NULL;
	bool any = false;

	for (size_t i = 0; i < s->n_fields; i++) {
		struct block_value v = get(block, s->name, s->fields[i].key);

		if (v.p && v.n > 0) {
			any = true;
			*field_of(c, &s->fields[i]) = strndup(v.p, v.n);
			if (!*field_of(c, &s->fields[i]))
				return -ENOMEM;
		} else if (s->fields[i].required && !lacking) {
			lacking = s->fields[i].key;
		}
	}
	if (any && lacking)
		err_set(e, 1, "%s: section %s lacks %s", origin, s->name, lacking);
	if (!any || lacking)
		return 1;
	if (c->metadata_url && check_url(s->kind, &c->metadata_url) < 0)
		return err_set(e, 1, "%s: section %s: metadata_url is no http or https URL", origin, s->name);
	if (s->kind == CREDENTIALS_EC2 && c->resource)
		cut_path(c->resource);
	c->kind = s->kind;
	c->origin = strdup(origin);
	return c->origin ? 0 : -ENOMEM;
}

static int read_sections(block_get_fn *get, const void *block, const char *origin,
			 struct credentials_set *ret, struct err *e)
{
	int found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(block_sections); i++) {
		const struct block_section *s = &block_sections[i];
		struct credentials *c = (void *)((char *)ret + s->offset);
		int rc = read_section(s, get, block, origin, c, e);

		if (rc != 0)
			credentials_deinit(c);
		if (rc < 0)
			return err_set(e, rc, "%s: %s", origin, strerror(-rc));
		found += rc == 0;
	}
	return found > 0 ? 0 : 1;
}

static char *join_collectors(const json_t *list);

static char *collectors_text(const char *text)
{
	_cleanup_json_ json_t *list = NULL;
	struct err why = ERR_INIT;
	const char *p = text;
	size_t n = strlen(text);

	text_trim(&p, &n);
	if (n == 0 || *p != '[' || n > COLLECTORS_MAX)
		return strdup(text);
	if (json_parse(p, n, &json_limits_default, &list, &why) < 0 || !json_is_array(list))
		return strdup(text);
	return join_collectors(list);
}

/* As it is written: a list, a text with commas, or (rendered into an INI file) a text with a JSON list. */
static char *join_collectors(const json_t *list)
{
	_cleanup_buf_ struct buf out = BUF_INIT(COLLECTORS_MAX);
	size_t i;
	json_t *item;

	if (json_is_string(list))
		return collectors_text(json_string_value(list));
	json_array_foreach((json_t *)(uintptr_t)list, i, item)
	{
		if (json_is_string(item))
			buf_printf(&out, "%s%s", out.len > 0 ? "," : "", json_string_value(item));
	}
	return out.len > 0 ? buf_take(&out) : NULL;
}

/* Seconds, as a number or as text. Return: milliseconds, or @otherwise. */
static int64_t seconds_of(const json_t *value, int64_t otherwise)
{
	const char *text = json_string_value(value);
	double s = json_is_number(value) ? json_number_value(value) : -1;

	if (text && text_double(text, json_string_length(value), &s) < 0)
		return otherwise;
	return s >= 0 && s <= SECONDS_MAX ? (int64_t)(s * 1000) : otherwise;
}

static void take_splay(struct credentials_set *set, int64_t ms)
{
	set->has_splay = ms >= 0;
	set->splay_ms = ms >= 0 ? ms : 0;
}

int credentials_from_block(const json_t *block, const char *origin, struct credentials_set *ret,
			   struct err *e)
{
	*ret = (struct credentials_set){0};
	if (!json_is_object(block))
		return 1;
	ret->collectors = join_collectors(json_object_get(block, "collectors"));
	ret->polling_ms = seconds_of(json_object_get(block, "polling_interval"), 0);
	take_splay(ret, seconds_of(json_object_get(block, "splay"), -1));
	return read_sections(get_json, block, origin, ret, e);
}

/* A key of [DEFAULT] shows in each section that is there. */
static const char *default_key(const struct ini *ini, const char *key)
{
	const char *text = ini_get(ini, "DEFAULT", key);

	for (size_t i = 0; i < BLOCK_SECTIONS && !text; i++)
		text = ini_get(ini, block_sections[i].name, key);
	return text;
}

static int64_t default_seconds(const struct ini *ini, const char *key, int64_t otherwise)
{
	const char *text = default_key(ini, key);
	_cleanup_json_ json_t *value = text ? json_string(text) : NULL;

	return seconds_of(value, otherwise);
}

void credentials_occ_problems(const struct ini *ini, const char *origin, struct problems *problems)
{
	static const struct {
		const char *key, *remedy;
	} rows[] = {
		{"command", "make it the action of a hook in /etc/cfn/hooks.d"},
		{"cachedir", "hooks get the document in a file; heat-pulse metadata prints it"},
		{"backup_cachedir", "hooks get the document in a file; heat-pulse metadata prints it"},
		{"ca_certificate", "name it as ca-file in [agent]"},
		{"ca_file", "name it as ca-file in [agent]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *text = default_key(ini, rows[i].key);

		if (text && *text)
			problems_add(problems, PROBLEM_WARN, "occ-key", rows[i].remedy, "%s: %s is not obeyed",
				     origin, rows[i].key);
	}
}

int credentials_from_occ(const struct ini *ini, const char *origin, struct credentials_set *ret,
			 struct err *e)
{
	const char *collectors = default_key(ini, "collectors");

	*ret = (struct credentials_set){0};
	ret->collectors = collectors ? collectors_text(collectors) : NULL;
	ret->polling_ms = default_seconds(ini, "polling_interval", 0);
	take_splay(ret, default_seconds(ini, "splay", -1));
	return read_sections(get_ini, ini, origin, ret, e);
}

/* ---- cfn-hup's credential file ---- */

/* The value when (@p, @n) is a line "NAME = value": verbatim, but for blanks before it and the CR of a DOS
 * line. */
static bool line_value(const char *p, size_t n, const char *name, const char **value, size_t *value_n)
{
	size_t len = strlen(name);

	if (n < len || memcmp(p, name, len) != 0)
		return false;
	for (p += len, n -= len; n > 0 && (*p == ' ' || *p == '\t'); n--)
		p++;
	if (n == 0 || *p != '=')
		return false;
	for (p++, n--; n > 0 && (*p == ' ' || *p == '\t'); n--)
		p++;
	if (n > 0 && p[n - 1] == '\r')
		n--;
	*value = p;
	*value_n = n;
	return true;
}

static void wipe(char **secret)
{
	if (*secret)
		OPENSSL_cleanse(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

static int keep_value(char **to, const char *p, size_t n)
{
	wipe(to);
	if (n > SECRET_MAX || memchr(p, '\0', n))
		return -EINVAL;
	*to = strndup(p, n);
	return *to ? 0 : -ENOMEM;
}

static int parse_line(const char *p, size_t n, char **access, char **secret)
{
	const char *value;
	size_t value_n;

	if (line_value(p, n, "AWSAccessKeyId", &value, &value_n))
		return keep_value(access, value, value_n);
	if (line_value(p, n, "AWSSecretKey", &value, &value_n))
		return keep_value(secret, value, value_n);
	return 0;
}

static int parse_lines(const char *p, size_t n, char **access, char **secret)
{
	while (n > 0) {
		const char *end = memchr(p, '\n', n);
		size_t len = end ? (size_t)(end - p) : n;
		int rc = parse_line(p, len, access, secret);

		if (rc < 0)
			return rc;
		len += end ? 1 : 0;
		p += len;
		n -= len;
	}
	return 0;
}

int credentials_parse_file(const char *p, size_t n, char **access, char **secret, struct err *e)
{
	int rc;

	*access = NULL;
	*secret = NULL;
	rc = parse_lines(p, n, access, secret);
	if (rc == 0 && *access && **access && *secret && **secret)
		return 0;
	if (rc == 0)
		rc = err_set(e, -EINVAL, "no line \"%s = ...\" with a value",
			     *access && **access ? "AWSSecretKey" : "AWSAccessKeyId");
	else
		err_set(e, rc, "%s",
			rc == -EINVAL ? "a value holds a NUL byte or is too long" : strerror(-rc));
	wipe(access);
	wipe(secret);
	return rc;
}

/* ---- URLs ---- */

static bool ends_with(const struct buf *b, const char *tail)
{
	size_t n = strlen(tail);

	return b->len >= n && memcmp(b->data + b->len - n, tail, n) == 0;
}

static void cut_tail(struct buf *b, size_t n)
{
	b->len -= n;
	b->data[b->len] = '\0';
}

/* Heat writes /v1/, os-collect-config's hint code adds another, people write neither: one /v1/ comes out. */
static void put_version(struct buf *url)
{
	while (ends_with(url, "/"))
		cut_tail(url, 1);
	while (ends_with(url, "/v1/v1"))
		cut_tail(url, 3);
	buf_puts(url, ends_with(url, "/v1") ? "/" : "/v1/");
}

int credentials_url(const char *p, size_t n, const char *scheme, char **ret)
{
	_cleanup_buf_ struct buf url = BUF_INIT(URL_MAX);
	struct http_url parts = {0};

	*ret = NULL;
	text_trim(&p, &n);
	if (n == 0 || memchr(p, '\0', n) || memchr(p, '?', n) || memchr(p, '#', n) || memchr(p, '@', n))
		return -EINVAL;
	if (!memmem(p, n, "://", 3))
		buf_printf(&url, "%s://", scheme);
	buf_put(&url, p, n);
	if (buf_error(&url))
		return buf_error(&url);
	put_version(&url);
	if (buf_error(&url) || http_url_parse(buf_str(&url), &parts) < 0)
		return buf_error(&url) ? buf_error(&url) : -EINVAL;
	http_url_deinit(&parts);
	*ret = buf_take(&url);
	return *ret ? 0 : -ENOMEM;
}

bool credentials_url_is_far_http(const char *url)
{
	struct http_url parts = {0};
	bool far;

	if (http_url_parse(url, &parts) < 0)
		return false;
	far = strcmp(parts.scheme, "http") == 0 && !http_host_is_near(parts.host);
	http_url_deinit(&parts);
	return far;
}

static bool boto_flag(const struct ini *ini, const char *key, bool otherwise)
{
	const char *text = ini_get(ini, "Boto", key);
	bool value = otherwise;

	if (text && text_bool(text, strlen(text), &value) < 0)
		return otherwise;
	return value;
}

int credentials_from_boto(const struct ini *ini, char **url, bool *insecure)
{
	const char *host = ini_get(ini, "Boto", "cfn_region_endpoint");
	_cleanup_buf_ struct buf text = BUF_INIT(URL_MAX);
	bool bare_v6, has_port;
	int rc;

	*url = NULL;
	*insecure = !boto_flag(ini, "https_validate_certificates", true);
	if (!host || !*host)
		return 1;
	bare_v6 = strchr(host, ':') && strchr(host, ':') != strrchr(host, ':') && host[0] != '[';
	has_port = !bare_v6 && strrchr(host, ':') && !strchr(strrchr(host, ':'), ']');
	buf_printf(&text, bare_v6 ? "[%s]" : "%s", host);
	if (!has_port)
		buf_printf(&text, ":%d", CFN_PORT);
	rc = buf_error(&text);
	if (rc == 0)
		rc = credentials_url(text.data, text.len,
				     boto_flag(ini, "is_secure", false) ? "https" : "http", url);
	return rc == -ENOMEM ? rc : rc < 0 ? 1 : 0;
}

int credentials_interval(const char *text, int64_t *ret_ms)
{
	const char *p = text;
	size_t n = strlen(text);
	uint64_t minutes;
	int rc;

	text_trim(&p, &n);
	if (text_u64(p, n, &minutes) == 0) {
		if (minutes < 1 || minutes > 60u * 24 * 365)
			return -EINVAL;
		*ret_ms = (int64_t)minutes * 60 * 1000;
		return 0;
	}
	rc = text_duration_ms(p, n, ret_ms);
	return rc < 0 || *ret_ms < 1000 ? -EINVAL : 0;
}

const char *credentials_server_id(const json_t *document)
{
	const json_t *inputs =
		json_object_get(json_array_get(json_object_get(document, "deployments"), 0), "inputs");
	size_t n = json_array_size(inputs);

	for (size_t i = 0; i < n && i < DEPLOYMENTS_SCAN; i++) {
		const json_t *input = json_array_get(inputs, i);

		if (text_equal(json_str(input, "name"), "deploy_server_id"))
			return json_str(input, "value");
	}
	return NULL;
}
