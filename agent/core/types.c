/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Init, copy and free of the plain values. Strings of documents and credentials are walked by
 * tables, so that a new field is one row and is copied, freed and (if secret) wiped.
 */
#include "core/types.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <openssl/crypto.h>
#include "core/text.h"

#define PROBLEM_TEXT_MAX 1024

struct types_field {
	size_t offset;
	bool secret;
};

static char **types_at(void *object, const struct types_field *field)
{
	return (char **)(void *)((char *)object + field->offset);
}

static void types_free(void *object, const struct types_field *fields, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char **at = types_at(object, &fields[i]);

		if (*at && fields[i].secret)
			OPENSSL_cleanse(*at, strlen(*at));
		free(*at);
		*at = NULL;
	}
}

/* @to's fields are NULL before; on failure they hold what was copied and are to be freed. */
static int types_copy(void *to, const void *from, const struct types_field *fields, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *text = *(char *const *)(const void *)((const char *)from + fields[i].offset);

		if (!text)
			continue;
		*types_at(to, &fields[i]) = strdup(text);
		if (!*types_at(to, &fields[i]))
			return -ENOMEM;
	}
	return 0;
}

/* ---- problems ---- */

static void problem_clear(struct problem *p)
{
	free(p->text);
	free(p->remedy);
	*p = (struct problem){0};
}

static struct problem *problems_find(struct problems *p, const char *code, const char *text)
{
	for (size_t i = 0; i < p->n; i++) {
		if (strncmp(p->list[i].code, code, sizeof(p->list[i].code) - 1) == 0 &&
		    text_equal(p->list[i].text, text))
			return &p->list[i];
	}
	return NULL;
}

static struct problem *problems_append(struct problems *p)
{
	struct problem *list;

	if (p->n == PROBLEMS_MAX)
		return NULL;
	list = reallocarray(p->list, p->n + 1, sizeof(*list));
	if (!list)
		return NULL;
	p->list = list;
	p->list[p->n] = (struct problem){0};
	return &p->list[p->n++];
}

void problems_add(struct problems *p, enum problem_level level, const char *code, const char *remedy,
		  const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL, *how = remedy ? strdup(remedy) : NULL;
	char line[PROBLEM_TEXT_MAX];
	struct problem *at;
	va_list ap;

	va_start(ap, fmt);
	text_vprint(line, sizeof(line), fmt, ap);
	va_end(ap);
	text = strdup(line);
	/* Without memory the problem is dropped: whoever found it goes on. */
	if (!text || (remedy && !how))
		return;
	at = problems_find(p, code, text);
	if (!at)
		at = problems_append(p);
	if (!at)
		return;
	problem_clear(at);
	at->level = level;
	snprintf(at->code, sizeof(at->code), "%s", code);
	at->text = take_ptr(text);
	at->remedy = take_ptr(how);
}

void problems_remove(struct problems *p, const char *code)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (strncmp(p->list[i].code, code, sizeof(p->list[i].code) - 1) == 0)
			problem_clear(&p->list[i]);
		else
			p->list[kept++] = p->list[i];
	}
	p->n = kept;
}

void problems_deinit(struct problems *p)
{
	for (size_t i = 0; i < p->n; i++)
		problem_clear(&p->list[i]);
	free(p->list);
	*p = (struct problems){0};
}

/* ---- document ---- */

static const struct types_field document_fields[] = {
	{offsetof(struct document, stack), false},
	{offsetof(struct document, stack_id), false},
	{offsetof(struct document, resource), false},
	{offsetof(struct document, physical_id), false},
	{offsetof(struct document, status), false},
	{offsetof(struct document, updated), false},
};

void document_deinit(struct document *doc)
{
	types_free(doc, document_fields, ARRAY_SIZE(document_fields));
	json_decref(doc->metadata);
	*doc = (struct document){0};
}

int document_copy(struct document *to, const struct document *from)
{
	struct document copy = {.source = from->source, .in_progress = from->in_progress};

	if (types_copy(&copy, from, document_fields, ARRAY_SIZE(document_fields)) < 0) {
		document_deinit(&copy);
		return -ENOMEM;
	}
	copy.metadata = json_incref(from->metadata);
	*to = copy;
	return 0;
}

/* ---- results ---- */

void run_result_deinit(struct run_result *r)
{
	free(r->tail);
	free(r->why);
	r->tail = NULL;
	r->why = NULL;
}

/* ---- credentials ---- */

static const struct types_field credentials_fields[] = {
	{offsetof(struct credentials, origin), false},
	{offsetof(struct credentials, metadata_url), true},
	{offsetof(struct credentials, access_key), true},
	{offsetof(struct credentials, secret_key), true},
	{offsetof(struct credentials, auth_url), false},
	{offsetof(struct credentials, user_id), false},
	{offsetof(struct credentials, username), false},
	{offsetof(struct credentials, user_domain_id), false},
	{offsetof(struct credentials, password), true},
	{offsetof(struct credentials, project_id), false},
	{offsetof(struct credentials, app_credential_id), false},
	{offsetof(struct credentials, app_credential_secret), true},
	{offsetof(struct credentials, region), false},
	{offsetof(struct credentials, stack), false},
	{offsetof(struct credentials, resource), false},
	{offsetof(struct credentials, queue), false},
};

void credentials_deinit(struct credentials *c)
{
	types_free(c, credentials_fields, ARRAY_SIZE(credentials_fields));
	*c = (struct credentials){0};
}

int credentials_copy(struct credentials *to, const struct credentials *from)
{
	struct credentials copy = {.kind = from->kind, .insecure = from->insecure,
				   .pinned = from->pinned, .preferred = from->preferred};

	if (types_copy(&copy, from, credentials_fields, ARRAY_SIZE(credentials_fields)) < 0) {
		credentials_deinit(&copy);
		return -ENOMEM;
	}
	*to = copy;
	return 0;
}

bool credentials_equal(const struct credentials *a, const struct credentials *b)
{
	if (a->kind != b->kind || a->insecure != b->insecure)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(credentials_fields); i++) {
		size_t at = credentials_fields[i].offset;

		if (at != offsetof(struct credentials, origin) &&
		    !text_equal(*(char *const *)(const void *)((const char *)a + at),
				*(char *const *)(const void *)((const char *)b + at)))
			return false;
	}
	return true;
}

/* ---- sink settings ---- */

static const struct types_field sink_fields[] = {
	{offsetof(struct sink_setting, type), false},	 {offsetof(struct sink_setting, url), true},
	{offsetof(struct sink_setting, path), false},	 {offsetof(struct sink_setting, token), true},
	{offsetof(struct sink_setting, username), true}, {offsetof(struct sink_setting, password), true},
};

void sink_setting_deinit(struct sink_setting *s)
{
	types_free(s, sink_fields, ARRAY_SIZE(sink_fields));
}

int sink_setting_copy(struct sink_setting *to, const struct sink_setting *from)
{
	int r;

	*to = (struct sink_setting){.trusted = from->trusted};
	r = types_copy(to, from, sink_fields, ARRAY_SIZE(sink_fields));
	if (r < 0)
		sink_setting_deinit(to);
	return r;
}

bool sink_setting_equal(const struct sink_setting *a, const struct sink_setting *b)
{
	return a->trusted == b->trusted && text_equal(a->type, b->type) && text_equal(a->url, b->url) &&
	       text_equal(a->path, b->path) && text_equal(a->token, b->token) &&
	       text_equal(a->username, b->username) && text_equal(a->password, b->password);
}

/* ---- predict_setting ---- */

static bool same_number(double a, double b)
{
	return isnan(a) || isnan(b) ? isnan(a) && isnan(b) : !(a < b || a > b);
}

bool predict_setting_equal(const struct predict_setting *a, const struct predict_setting *b)
{
	if (a->disabled != b->disabled || a->critical_eta_s != b->critical_eta_s ||
	    a->horizon_s != b->horizon_s || a->n_levels != b->n_levels)
		return false;
	for (size_t i = 0; i < a->n_levels; i++)
		if (strcmp(a->levels[i].metric, b->levels[i].metric) != 0 ||
		    a->levels[i].level != b->levels[i].level ||
		    !same_number(a->levels[i].value, b->levels[i].value))
			return false;
	return true;
}

/* ---- findings ---- */

const char *const finding_level_names[FINDING_LEVELS] = {
	[FINDING_NOTICE] = "notice",
	[FINDING_WARNING] = "warning",
	[FINDING_CRITICAL] = "critical",
};

bool finding_level_parse(const char *p, size_t n, enum finding_level *ret)
{
	for (size_t i = 0; i < FINDING_LEVELS; i++)
		if (strlen(finding_level_names[i]) == n && !memcmp(finding_level_names[i], p, n)) {
			*ret = (enum finding_level)i;
			return true;
		}
	return false;
}
