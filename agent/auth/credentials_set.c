/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is known of ways to the metadata, as one value: copy, merge with what came later, choose, write
 * down. Pure.
 */
#include "auth/credentials_parse.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"

static struct credentials *at(struct credentials_set *set, const struct block_section *s)
{
	return (void *)((char *)set + s->offset);
}

static const struct credentials *at_const(const struct credentials_set *set, const struct block_section *s)
{
	return (const void *)((const char *)set + s->offset);
}

void credentials_set_deinit(struct credentials_set *set)
{
	for (size_t i = 0; i < BLOCK_SECTIONS; i++)
		credentials_deinit(at(set, &block_sections[i]));
	free(set->collectors);
	free(set->cfn_hup_stack);
	free(set->physical_id);
	free(set->endpoint);
	*set = (struct credentials_set){0};
}

struct credentials *credentials_section(struct credentials_set *set, const char *name)
{
	for (size_t i = 0; i < BLOCK_SECTIONS; i++) {
		if (!strcmp(block_sections[i].name, name))
			return at(set, &block_sections[i]);
	}
	return NULL;
}

static const struct credentials *section(const struct credentials_set *set, const char *name)
{
	return credentials_section((struct credentials_set *)(uintptr_t)set, name);
}

static bool usable(const struct credentials *c)
{
	return c && c->kind != CREDENTIALS_NONE;
}

static const char *named_first(const struct credentials_set *set, const char *const *names)
{
	const char *item;
	size_t pos = 0, n;

	while (set->collectors && text_list_next(set->collectors, ',', &pos, &item, &n)) {
		for (size_t i = 0; names[i]; i++) {
			if (strlen(names[i]) == n && !memcmp(names[i], item, n) &&
			    usable(section(set, names[i])))
				return names[i];
		}
	}
	return NULL;
}

const char *credentials_preferred(const struct credentials_set *set, const char *const *names)
{
	const char *named;

	for (size_t i = 0; names[i]; i++) {
		if (usable(section(set, names[i])) && section(set, names[i])->preferred)
			return names[i];
	}
	named = named_first(set, names);
	for (size_t i = 0; names[i] && !named; i++)
		named = usable(section(set, names[i])) ? names[i] : NULL;
	return named;
}

static int replace_text(char **to, const char *from)
{
	char *copy;

	if (!from)
		return 0;
	copy = strdup(from);
	if (!copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

static int merge_section(struct credentials *into, const struct credentials *newer)
{
	struct credentials copy;
	int r;

	if (newer->kind == CREDENTIALS_NONE || into->pinned)
		return 0;
	r = credentials_copy(&copy, newer);
	if (r < 0)
		return r;
	if (!copy.resource)
		copy.resource = take_ptr(into->resource);
	credentials_deinit(into);
	*into = copy;
	return 0;
}

/* Heat tells the name of the guest's own resource with some transports only. */
static int hand_on_resource(struct credentials_set *set)
{
	const char *name = set->cfn.resource ? set->cfn.resource : set->heat.resource;
	int r = 0;

	for (size_t i = 0; i < BLOCK_SECTIONS && name && !r; i++) {
		struct credentials *c = at(set, &block_sections[i]);

		if ((c == &set->request || c == &set->zaqar) && usable(c) && !c->resource)
			r = replace_text(&c->resource, name);
	}
	return r;
}

void credentials_pace(struct credentials_set *set, const struct credentials_set *from)
{
	if (set->polling_ms <= 0)
		set->polling_ms = from->polling_ms;
	if (!set->has_splay) {
		set->splay_ms = from->splay_ms;
		set->has_splay = from->has_splay;
	}
}

int credentials_merge(struct credentials_set *into, const struct credentials_set *newer)
{
	int r = 0;

	for (size_t i = 0; i < BLOCK_SECTIONS && !r; i++)
		r = merge_section(at(into, &block_sections[i]), at_const(newer, &block_sections[i]));
	if (!r)
		r = hand_on_resource(into);
	if (!r)
		r = replace_text(&into->collectors, newer->collectors);
	if (!r)
		r = replace_text(&into->physical_id, newer->physical_id);
	if (newer->polling_ms > 0)
		into->polling_ms = newer->polling_ms;
	if (newer->has_splay) {
		into->splay_ms = newer->splay_ms;
		into->has_splay = true;
	}
	return r;
}

const struct credentials *credentials_session(const struct credentials_set *set)
{
	const struct credentials *const order[] = {&set->heat, &set->zaqar};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (order[i]->kind != CREDENTIALS_NONE && order[i]->auth_url)
			return order[i];
	return NULL;
}

int credentials_set_copy(struct credentials_set *to, const struct credentials_set *from)
{
	struct credentials_set copy = {.cfn_hup_interval_ms = from->cfn_hup_interval_ms,
				       .endpoint_insecure = from->endpoint_insecure};
	int r = credentials_merge(&copy, from);

	if (!r)
		r = replace_text(&copy.cfn_hup_stack, from->cfn_hup_stack);
	if (!r)
		r = replace_text(&copy.endpoint, from->endpoint);
	if (r < 0)
		credentials_set_deinit(&copy);
	*to = copy;
	return r;
}

static int write_section(json_t *block, const struct block_section *s, const struct credentials *c)
{
	json_t *object = json_object();
	int r = object ? 0 : -1;

	for (size_t i = 0; i < s->n_fields && !r; i++) {
		const char *text = *(char *const *)(const void *)((const char *)c + s->fields[i].offset);

		if (text)
			r = json_object_set_new(object, s->fields[i].key, json_string(text));
	}
	if (!r)
		return json_object_set_new(block, s->name, object);
	json_decref(object);
	return r;
}

json_t *credentials_to_block(const struct credentials_set *set)
{
	json_t *block = json_pack("{s:s*}", "collectors", set->collectors);
	int r = block ? 0 : -1;

	for (size_t i = 0; i < BLOCK_SECTIONS && !r; i++) {
		const struct credentials *c = at_const(set, &block_sections[i]);

		if (c->kind == block_sections[i].kind)
			r = write_section(block, &block_sections[i], c);
	}
	if (!r && set->polling_ms > 0)
		r = json_object_set_new(block, "polling_interval", json_integer(set->polling_ms / 1000));
	if (!r && set->has_splay)
		r = json_object_set_new(block, "splay", json_integer(set->splay_ms / 1000));
	if (!r)
		return block;
	json_decref(block);
	return NULL;
}

int credentials_digest(const struct credentials_set *set, char out[static 65])
{
	_cleanup_json_ json_t *block = credentials_to_block(set);
	char *text = block ? json_compact(block) : NULL;

	if (!text)
		return -ENOMEM;
	text_sha256_hex(text, strlen(text), out);
	explicit_bzero(text, strlen(text));
	free(text);
	return 0;
}
