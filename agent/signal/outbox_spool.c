/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox's disk side: one store entry "spool/<key>" per signal. A signal is removed only after a sink
 * acknowledged it; killed between the two, the next life sends it once more, which is harmless: Heat
 * overwrites the entry with the same id by the same content. A file that cannot be read is left where it is
 * and counted; it may be a newer program's.
 */
#include <errno.h>
#include <string.h>

#include "signal/outbox_entry.h"

#define REPUT_MS      60000
#define LOAD_AGAIN_MS 5000
#define HELD_MS       60000
#define LOAD_MAX      1024 /* files of an earlier life; more cannot have been accepted */

static void spool_name(const char *key, char out[static STORE_NAME_MAX])
{
	snprintf(out, STORE_NAME_MAX, SPOOL_PREFIX "%s", key);
}

/* ---- writing ---- */

static void unlink_put(struct outbox *o, const struct put *p)
{
	for (struct put **at = &o->puts; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			return;
		}
}

static void put_done(int status, void *ctx)
{
	struct put *p = ctx;
	struct outbox *o = p->o;
	store_done_fn *fn = p->accepted;
	void *fn_ctx = p->ctx;
	struct entry *e = outbox_find(o, p->order);

	unlink_put(o, p);
	free(p);
	if (e) {
		e->stored = status == 0;
		e->put_failed = status < 0;
		e->reput_at = loop_now(o->set.loop) + REPUT_MS;
	}
	outbox_plan(o);
	if (fn)
		fn(status, fn_ctx);
}

static int start_put(struct outbox *o, const struct entry *e, struct put *p)
{
	_cleanup_free_ char *text = signal_save(&e->s);
	char name[STORE_NAME_MAX];

	if (!text)
		return -ENOMEM;
	spool_name(e->s.key, name);
	return store_put(o->set.store, name, text, strlen(text), put_done, p);
}

int outbox_spool_put(struct outbox *o, struct entry *e, store_done_fn *accepted, void *ctx)
{
	struct put *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	*p = (struct put){o->puts, o, e->order, accepted, ctx, loop_now(o->set.loop) + OUTBOX_ACCEPT_MS};
	o->puts = p;
	r = start_put(o, e, p);
	if (r < 0) {
		unlink_put(o, p);
		free(p);
	}
	return r;
}

void outbox_spool_delete(struct outbox *o, const struct entry *e)
{
	char name[STORE_NAME_MAX];

	spool_name(e->s.key, name);
	for (struct loading *l = o->loads; l; l = l->next)
		l->over = l->over || !strcmp(l->name, name);
	/* not deleted, it will be sent once more in the next life: harmless */
	(void)!store_delete(o->set.store, name);
}

static void give_up_waiting(struct put *p)
{
	store_done_fn *fn = p->accepted;

	p->accepted = NULL;
	p->due = INT64_MAX;
	if (fn)
		fn(-ETIMEDOUT, p->ctx);
}

static struct put *overdue(const struct outbox *o, int64_t now)
{
	for (struct put *p = o->puts; p; p = p->next)
		if (p->due <= now)
			return p;
	return NULL;
}

void outbox_spool_tick(struct outbox *o, int64_t now)
{
	struct put *p;

	for (struct entry *e = o->first; e; e = e->next) {
		if (!e->put_failed || e->superseded || e->reput_at > now)
			continue;
		e->reput_at = now + REPUT_MS;
		if (outbox_spool_put(o, e, NULL, NULL) == 0)
			e->put_failed = false;
	}
	while ((p = overdue(o, now)))
		give_up_waiting(p);
	if (o->load_at && o->load_at <= now && !o->loads && outbox_load(o) < 0)
		o->load_at = now + LOAD_AGAIN_MS;
}

int64_t outbox_spool_due(const struct outbox *o)
{
	int64_t due = o->load_at && !o->loads ? o->load_at : INT64_MAX;

	for (const struct put *p = o->puts; p; p = p->next)
		if (p->accepted && p->due < due)
			due = p->due;
	for (const struct entry *e = o->first; e; e = e->next)
		if (e->put_failed && !e->superseded && e->reput_at < due)
			due = e->reput_at;
	return due;
}

/* ---- what an earlier life left ---- */

static void forget_loading(struct outbox *o, struct loading *l)
{
	for (struct loading **at = &o->loads; *at; at = &(*at)->next)
		if (*at == l) {
			*at = l->next;
			break;
		}
	free(l);
}

static void loading_over(struct outbox *o)
{
	if (o->loads)
		return;
	o->load_at = o->load_status < 0 ? loop_now(o->set.loop) + LOAD_AGAIN_MS : 0;
	outbox_plan(o);
	if (o->loading_told)
		return;
	o->loading_told = true;
	if (o->set.loaded)
		o->set.loaded(o->load_status, o->set.ctx);
}

/* Killed after urgent news of health left and before the disk had them, an earlier life left the health that
 * they replaced: told now it would be older than what Heat has. Each life tells its own within a second of its
 * first document, which replaces that one; if it does not come to that, it is better told late than not. */
static int64_t held_until(const struct outbox *o, const struct signal *s)
{
	return s->kind == SIGNAL_HEALTH && !s->urgent ? loop_now(o->set.loop) + HELD_MS : 0;
}

static int add_loaded(struct outbox *o, const char *name, const char *p, size_t n)
{
	struct signal s;
	struct entry *e;
	int r = signal_load(p, n, &s, NULL);

	if (r < 0)
		return r;
	/* the file name is what will be deleted, so both must agree; and what this life added is newer */
	if (strcmp(name + strlen(SPOOL_PREFIX), s.key) != 0 || outbox_waiting(o, s.key)) {
		r = strcmp(name + strlen(SPOOL_PREFIX), s.key) != 0 ? -EBADMSG : 0;
		signal_deinit(&s);
		return r;
	}
	e = outbox_append(o, &s, n);
	if (!e) {
		signal_deinit(&s);
		return -ENOMEM;
	}
	e->stored = true;
	e->resting = true; /* a full spool is not tried all at once while the server is away */
	e->not_before = held_until(o, &e->s);
	return 0;
}

static void loaded_file(int status, const char *p, size_t n, void *ctx)
{
	struct loading *l = ctx;
	struct outbox *o = l->o;

	if (status == 0 && !l->over)
		status = add_loaded(o, l->name, p, n);
	if (store_is_silent(status)) /* everything else is about the file itself and stays so */
		o->load_status = status;
	else if (status < 0 && status != -ENOENT)
		o->unreadable++;
	forget_loading(o, l);
	loading_over(o);
}

static struct loading *new_loading(struct outbox *o, const char *name, size_t n)
{
	struct loading *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->o = o;
	memcpy(l->name, name, n);
	l->next = o->loads;
	o->loads = l;
	return l;
}

static void load_name(struct outbox *o, const char *name, size_t n)
{
	struct loading *l;

	if (n < sizeof(SPOOL_PREFIX) || n >= STORE_NAME_MAX ||
	    memcmp(name, SPOOL_PREFIX, strlen(SPOOL_PREFIX)) != 0)
		return;
	l = new_loading(o, name, n);
	if (l && store_get(o->set.store, l->name, loaded_file, l) == 0)
		return;
	if (l)
		forget_loading(o, l);
	o->load_status = -ENOMEM;
}

static void loaded_list(int status, const char *p, size_t n, void *ctx)
{
	struct loading *l = ctx;
	struct outbox *o = l->o;
	unsigned files = 0;

	o->unreadable = 0;
	o->load_status = status == -ENOENT ? 0 : status;
	for (size_t at = 0; status == 0 && at < n && files < LOAD_MAX; files++) {
		const char *end = memchr(p + at, '\n', n - at);
		size_t len = end ? (size_t)(end - (p + at)) : n - at;

		load_name(o, p + at, len);
		at += len + 1;
	}
	forget_loading(o, l);
	loading_over(o);
}

int outbox_load(struct outbox *o)
{
	struct loading *l = new_loading(o, "", 0);
	int r;

	if (!l)
		return -ENOMEM;
	r = store_list(o->set.store, SPOOL_PREFIX, loaded_list, l);
	if (r < 0)
		forget_loading(o, l);
	return r;
}

void outbox_spool_free(struct outbox *o)
{
	for (struct put *p = o->puts, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	for (struct loading *l = o->loads, *next; l; l = next) {
		next = l->next;
		free(l);
	}
}
