/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling and asking one sample. Linear searches on purpose: a sample holds some hundred values, a
 * lookup is a few hundred bytes of cache, and an index would be memory and code for nothing.
 */
#include "sample/sample.h"

#include <math.h>
#include <string.h>

#include "core/types.h"

void sample_reset(struct sample *s, int64_t boot_ms, int64_t real_ms)
{
	s->boot_ms = boot_ms;
	s->real_ms = real_ms;
	s->n_values = 0;
	s->n_entities = 0;
	s->dropped = s->no_room = 0;
	s->stale = false;
}

void sample_add(struct sample *s, enum metric metric, int entity, double value)
{
	bool known = metric < METRIC_COUNT && entity >= -1 && entity < (int)s->n_entities;
	bool sane = known && isfinite(value);
	bool room = s->n_values < SAMPLE_VALUES_MAX - (entity < 0 ? 0 : SAMPLE_OWN_ROOM);

	if (!sane || !room) {
		s->dropped++;
		s->no_room += sane;
		return;
	}
	s->values[s->n_values++] = (struct sample_value){
		.metric = (uint16_t)metric,
		.entity = (int16_t)entity,
		.stale = s->stale,
		.value = value,
	};
}

void sample_problems(const struct sample *s, struct problems *problems)
{
	if (s->no_room)
		problems_add(problems, PROBLEM_WARN, "sample-full",
			     "name the mounts and processes that matter in section sample; what is "
			     "of the guest as a whole is measured",
			     "%u values of mounts, disks, control groups and processes found no "
			     "room in the sample",
			     s->no_room);
}

/* Copies what fits and never leaves half an escape at the cut. */
static void entity_field(char *to, size_t cap, const char *from)
{
	size_t n = strnlen(from, cap);

	if (n == cap) {
		n = cap - 1;
		for (size_t back = 1; back <= 3 && back <= n; back++)
			if (from[n - back] == '\\') {
				n -= back;
				break;
			}
	}
	memcpy(to, from, n);
	to[n] = '\0';
}

int sample_entity(struct sample *s, const char *kind, const char *name, const char *detail)
{
	struct sample_entity e = {0};

	entity_field(e.kind, sizeof(e.kind), kind);
	entity_field(e.name, sizeof(e.name), name);
	entity_field(e.detail, sizeof(e.detail), detail ? detail : "");
	for (size_t i = 0; i < s->n_entities; i++)
		if (!strcmp(s->entities[i].kind, e.kind) && !strcmp(s->entities[i].name, e.name))
			return (int)i;
	if (s->n_entities == SAMPLE_ENTITIES_MAX)
		return -1;
	s->entities[s->n_entities] = e;
	return (int)s->n_entities++;
}

bool sample_get_of(const struct sample *s, enum metric metric, int entity, double *ret)
{
	for (size_t i = 0; i < s->n_values; i++)
		if (s->values[i].metric == metric && s->values[i].entity == entity) {
			*ret = s->values[i].value;
			return true;
		}
	return false;
}

bool sample_get(const struct sample *s, enum metric metric, double *ret)
{
	return sample_get_of(s, metric, -1, ret);
}

size_t sample_escape(char *out, size_t cap, const char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	size_t len = 0;

	if (!cap)
		return 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '\\';

		if (len + (plain ? 1 : 4) >= cap)
			break;
		if (plain) {
			out[len++] = (char)c;
			continue;
		}
		out[len++] = '\\';
		out[len++] = 'x';
		out[len++] = hex[c >> 4];
		out[len++] = hex[c & 15];
	}
	out[len] = '\0';
	return len;
}
