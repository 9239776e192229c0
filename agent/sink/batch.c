/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of metrics as bytes; the form is described in batch.h. */
#include "sink/batch.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/text.h"
#include "signal/spool_segment.h"

#define VERSION      1
#define PREAMBLE_MAX (64u << 10)
#define NAMES_MAX    4096
#define NO_ENTITY    0xffffu
#define WHICH_OWN    0x8000u
#define WHICH_META   0x4000u
#define WHICH_MASK   0x3fffu

uint32_t batch_boot(const char *boot_id)
{
	return spool_crc32c(0, boot_id, strlen(boot_id));
}

/* ---- writing ---- */

static void put_le(struct buf *out, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		buf_putc(out, (char)(v >> (8 * i)));
}

static void put_text(struct buf *out, const char *s, size_t max, size_t width)
{
	size_t n = s ? strnlen(s, max) : 0;

	if (n == max) /* the cut may be inside a character */
		n = text_utf8_valid(s, n);
	put_le(out, n, width);
	if (n)
		buf_put(out, s, n);
	buf_putc(out, '\0');
}

int batch_preamble(struct buf *out)
{
	for (size_t i = 0; i < METRIC_COUNT; i++)
		buf_printf(out, "%s\t%s\t%d\n", metric_infos[i].name, metric_infos[i].unit,
			   (int)metric_infos[i].kind);
	return buf_error(out);
}

static void put_entity(struct buf *out, const char *key, const char *name, const char *detail_key,
		       const char *detail)
{
	bool detailed = detail_key && detail && detail[0];

	put_text(out, key, 255, 1);
	put_text(out, name, 255, 1);
	put_text(out, detailed ? detail_key : "", 255, 1);
	put_text(out, detailed ? detail : "", 255, 1);
}

static void put_entities(struct buf *out, const struct sample *s, const struct metric_point *own,
			 size_t n_own)
{
	for (size_t i = 0; s && i < s->n_entities; i++) {
		const struct sample_entity *e = &s->entities[i];

		put_entity(out, e->kind, e->name, sample_detail_key(e->kind), e->detail);
	}
	for (size_t i = 0; i < n_own; i++) {
		const struct metric_point *p = &own[i];

		if (p->n_dims)
			put_entity(out, p->dims[0].key, p->dims[0].value,
				   p->n_dims > 1 ? p->dims[1].key : NULL,
				   p->n_dims > 1 ? p->dims[1].value : NULL);
	}
}

static void put_value(struct buf *out, unsigned which, unsigned entity, double value,
		      const char *meta)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	put_le(out, which | (meta ? WHICH_META : 0), 2);
	put_le(out, entity, 2);
	put_le(out, bits, 8);
	if (meta)
		put_text(out, meta, BATCH_META_MAX, 2);
}

static size_t with_dims(const struct metric_point *own, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += own[i].n_dims > 0;
	return count;
}

int batch_encode(const struct batch_head *head, const struct sample *s,
		 const struct metric_point *own, size_t n_own, struct buf *out)
{
	size_t entity = s ? s->n_entities : 0;

	put_le(out, VERSION, 1);
	put_le(out, head->flags, 1);
	put_le(out, head->boot, 4);
	put_le(out, (uint64_t)head->real_ms, 8);
	put_le(out, (uint64_t)head->boot_ms, 8);
	put_le(out, n_own, 2);
	put_le(out, entity + with_dims(own, n_own), 2);
	put_le(out, (s ? s->n_values : 0) + n_own, 2);
	for (size_t i = 0; i < n_own; i++) {
		put_text(out, own[i].name, 255, 1);
		put_text(out, own[i].unit, 255, 1);
		put_le(out, (uint64_t)own[i].kind, 1);
	}
	put_entities(out, s, own, n_own);
	for (size_t i = 0; s && i < s->n_values; i++)
		put_value(out, s->values[i].metric,
			  s->values[i].entity < 0 ? NO_ENTITY : (unsigned)s->values[i].entity,
			  s->values[i].value, NULL);
	for (size_t i = 0; i < n_own; i++)
		put_value(out, WHICH_OWN | (unsigned)i,
			  own[i].n_dims ? (unsigned)entity++ : NO_ENTITY, own[i].value,
			  own[i].meta);
	return buf_error(out);
}

/* ---- reading ---- */

struct cursor {
	const char *p;
	size_t left;
	bool bad;
};

static uint64_t get_le(struct cursor *c, size_t bytes)
{
	uint64_t v = 0;

	if (c->left < bytes) {
		c->bad = true;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)(unsigned char)c->p[i] << (8 * i);
	c->p += bytes;
	c->left -= bytes;
	return v;
}

static const char *get_text(struct cursor *c, size_t width)
{
	size_t n = (size_t)get_le(c, width);
	const char *s = c->p;

	if (c->bad || c->left < n + 1 || s[n] != '\0' || memchr(s, '\0', n)) {
		c->bad = true;
		return "";
	}
	c->p += n + 1;
	c->left -= n + 1;
	return s;
}

/* One line of a preamble, cut into its three fields in place. */
static bool read_line(char *line, struct batch_name *ret)
{
	char *unit = strchr(line, '\t'), *kind = unit ? strchr(unit + 1, '\t') : NULL;
	uint64_t k;

	if (!kind || unit == line)
		return false;
	*unit++ = '\0';
	*kind++ = '\0';
	if (text_u64(kind, strlen(kind), &k) < 0 || k > METRIC_STATE)
		return false;
	*ret = (struct batch_name){.name = line, .unit = unit, .kind = (enum metric_kind)k};
	return true;
}

void batch_names_deinit(struct batch_names *names)
{
	free(names->text);
	free(names->list);
	*names = (struct batch_names){0};
}

static int read_names(struct batch_names *names, const char *p, size_t n)
{
	size_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += p[i] == '\n';
	if (n > PREAMBLE_MAX || lines > NAMES_MAX || memchr(p, '\0', n))
		return -EBADMSG;
	names->text = strndup(p, n);
	names->list = calloc(lines + 1, sizeof(*names->list));
	if (!names->text || !names->list)
		return -ENOMEM;
	for (char *line = names->text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (!read_line(line, &names->list[names->n]))
			return -EBADMSG;
		names->n++;
	}
	return 0;
}

int batch_names_read(struct batch_names *names, const char *p, size_t n)
{
	uint32_t crc = spool_crc32c(1, p, n);
	int r;

	if (n == 0)
		return -EBADMSG;
	if (names->list && names->crc == crc)
		return 0;
	batch_names_deinit(names);
	r = read_names(names, p, n);
	if (r < 0) {
		batch_names_deinit(names);
		return r;
	}
	names->crc = crc;
	return 0;
}

/* The places of entities in the batch: their texts are read again by each value that has one. */
static bool skip_entities(struct cursor *c, size_t n, const char **at)
{
	for (size_t i = 0; i < n && !c->bad; i++) {
		at[i] = c->p;
		for (unsigned k = 0; k < 4; k++)
			get_text(c, 1);
	}
	return !c->bad;
}

static void take_dims(struct metric_point *p, const char *at)
{
	const char *text[4];

	for (unsigned k = 0; k < 4; k++) {
		text[k] = at + 1;
		at += 2 + strlen(text[k]);
	}
	for (unsigned k = 0; k < 4; k += 2)
		if (text[k][0] && text[k + 1][0])
			p->dims[p->n_dims++] = (struct metric_dim){text[k], text[k + 1]};
}

struct tables {
	const struct batch_names *names;
	struct batch_name own[BATCH_POINTS_MAX];
	const char *entities[SAMPLE_ENTITIES_MAX + BATCH_POINTS_MAX];
	size_t n_own, n_entities;
};

/* Return: false when the value has no meaning here. */
static bool get_value(struct cursor *c, const struct tables *t, struct metric_point *p)
{
	unsigned which = (unsigned)get_le(c, 2), entity = (unsigned)get_le(c, 2),
		 i = which & WHICH_MASK;
	uint64_t bits = get_le(c, 8);
	const struct batch_name *name = NULL;

	*p = (struct metric_point){0};
	if (which & WHICH_META)
		p->meta = get_text(c, 2);
	memcpy(&p->value, &bits, sizeof(p->value));
	if (which & WHICH_OWN)
		name = i < t->n_own ? &t->own[i] : NULL;
	else
		name = i < t->names->n ? &t->names->list[i] : NULL;
	if (c->bad || !name || !isfinite(p->value) ||
	    (entity != NO_ENTITY && entity >= t->n_entities))
		return false;
	p->name = name->name;
	p->unit = name->unit;
	p->kind = name->kind;
	if (entity != NO_ENTITY)
		take_dims(p, t->entities[entity]);
	p->key = metric_series_key(p);
	return true;
}

static bool get_own(struct cursor *c, struct tables *t)
{
	for (size_t i = 0; i < t->n_own && !c->bad; i++) {
		t->own[i].name = get_text(c, 1);
		t->own[i].unit = get_text(c, 1);
		t->own[i].kind = (enum metric_kind)get_le(c, 1);
		if (t->own[i].kind > METRIC_STATE || !t->own[i].name[0])
			c->bad = true;
	}
	return !c->bad;
}

ssize_t batch_decode(const char *p, size_t n, const struct batch_names *names,
		     struct batch_head *head, struct metric_point *points, size_t max,
		     size_t *unknown)
{
	struct cursor c = {.p = p, .left = n};
	_cleanup_free_ struct tables *t = NULL;
	size_t values, taken = 0;

	if (get_le(&c, 1) > VERSION)
		return -EPROTO;
	head->flags = (unsigned)get_le(&c, 1);
	head->boot = (uint32_t)get_le(&c, 4);
	head->real_ms = (int64_t)get_le(&c, 8);
	head->boot_ms = (int64_t)get_le(&c, 8);
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->names = names;
	t->n_own = (size_t)get_le(&c, 2);
	t->n_entities = (size_t)get_le(&c, 2);
	values = (size_t)get_le(&c, 2);
	if (c.bad || t->n_own > ARRAY_SIZE(t->own) || t->n_entities > ARRAY_SIZE(t->entities) ||
	    !get_own(&c, t) || !skip_entities(&c, t->n_entities, t->entities))
		return -EBADMSG;
	for (size_t i = 0; i < values && !c.bad; i++) {
		struct metric_point one;

		if (!get_value(&c, t, &one)) {
			*unknown += !c.bad;
			continue;
		}
		one.real_ms = head->real_ms;
		if (taken < max)
			points[taken++] = one;
	}
	return c.bad || c.left ? -EBADMSG : (ssize_t)taken;
}
