/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which sources are open, which resources are polled through which of them, and what is told about
 * them. The polls themselves are watch_item.c; how long to wait after what is watch_policy.c.
 */
#include "metadata/watch.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/text.h"
#include "metadata/watch_item.h"

#define NO_SOURCE_CODE "no-source"
#define NO_SOURCE_REMEDY                                                                           \
	"heat-pulse check tells where credentials are looked for and what was found"
#define HOOK_RESOURCE_CODE "hook-resource"
#define HOOK_RESOURCE_TEXT "hooks name resources that no source can reach: %s"
#define HOOK_RESOURCE_REMEDY                                                                       \
	"correct the path in the hook; the local file's resource is named by local-resource, a "   \
	"server's own user reads "                                                                 \
	"its own resource only"

void watch_problem(const struct watch *w, enum problem_level level, const char *code,
		   const char *remedy, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (!w->setup.events.problem)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	w->setup.events.problem(level, code, text, remedy, w->setup.events.ctx);
}

static unsigned failures(const struct watch *w)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->n_items; i++) {
		if (!w->items[i]->answered || fetch_policy(w->items[i]->class)->code)
			n++;
	}
	return w->n_items ? n : 1;
}

/* In one-pass mode a round ends when each resource was asked; items added meanwhile count too. */
void watch_round(struct watch *w)
{
	if (w->busy || !w->started)
		return;
	for (size_t i = 0; i < w->n_items && w->setup.one_pass; i++) {
		if (!w->items[i]->answered)
			return;
	}
	if (w->setup.events.round_done)
		w->setup.events.round_done(failures(w), w->setup.events.ctx);
}

static const char *wanted_source(const struct conf *conf)
{
	static const char *const names[] = {
		[CONF_SOURCE_AUTO] = NULL,
		[CONF_SOURCE_CFN] = "cfn",
		[CONF_SOURCE_HEAT] = "heat",
		[CONF_SOURCE_LOCAL] = "local",
	};

	return conf->source >= 0 && (size_t)conf->source < ARRAY_SIZE(names) ? names[conf->source]
									     : NULL;
}

static int copy_credentials(struct watch *w, const struct credentials_set *from)
{
	int r = credentials_copy(&w->creds.cfn, &from->cfn);

	if (!r)
		r = credentials_copy(&w->creds.heat, &from->heat);
	if (!r && from->physical_id && !(w->creds.physical_id = strdup(from->physical_id)))
		r = -ENOMEM;
	w->creds.cfn_hup_interval_ms = from->cfn_hup_interval_ms;
	w->setup.creds = &w->creds;
	return r;
}

/* cfn-hup.conf's interval counts for cfn as long as our own configuration leaves the default. */
static int64_t interval_for(const struct watch *w, const struct source_ops *ops)
{
	const int64_t default_ms = 60000;

	if (ops == &source_cfn && w->creds.cfn_hup_interval_ms > 0 &&
	    w->setup.conf->interval_ms == default_ms)
		return w->creds.cfn_hup_interval_ms;
	return w->setup.conf->interval_ms > 0 ? w->setup.conf->interval_ms : default_ms;
}

static void on_news(void *ctx)
{
	const struct watch_source *source = ctx;

	for (size_t i = 0; i < source->w->n_items; i++) {
		if (source->w->items[i]->source == source)
			watch_item_poll_now(source->w->items[i]);
	}
}

static int open_source(struct watch *w, const struct source_ops *ops, struct err *e)
{
	struct watch_source *source = &w->sources[w->n_sources];
	int r = ops->open(&w->setup, &source->src, e);

	if (r < 0) {
		err_prefix(e, "source %s", ops->name);
		return r;
	}
	source->w = w;
	source->ops = ops;
	source->interval_ms = interval_for(w, ops);
	if (ops->subscribe)
		ops->subscribe(source->src, on_news, source);
	w->n_sources++;
	return 0;
}

/* A source that cannot be opened (a broken URL) leaves the others; it is told when the loop runs.
 */
static int open_sources(struct watch *w)
{
	const char *wanted = wanted_source(w->setup.conf);
	int r = 0;

	for (size_t i = 0; sources[i] && w->n_sources < WATCH_SOURCES_MAX && r != -ENOMEM; i++) {
		struct err e = ERR_INIT;

		if ((wanted && strcmp(wanted, sources[i]->name) != 0) ||
		    !sources[i]->usable(&w->setup))
			continue;
		r = open_source(w, sources[i], &e);
		if (r < 0)
			snprintf(w->open_error, sizeof(w->open_error), "%s", e.text);
	}
	return r == -ENOMEM ? r : 0;
}

/* Which resource the item is about, whatever it was called when it was wanted. */
static struct watch_item *find_item(const struct watch *w, const char *resource)
{
	for (size_t i = 0; i < w->n_items; i++) {
		if (!strcmp(watch_item_name(w->items[i]), resource))
			return w->items[i];
	}
	return NULL;
}

static void adopt_primed(struct watch *w, struct watch_item *item)
{
	const char *name = watch_item_name(item);

	for (size_t i = 0; i < w->n_primed; i++) {
		if (!text_equal(w->primed[i].resource, name))
			continue;
		document_deinit(&item->doc);
		item->doc = w->primed[i];
		item->has_doc = true;
		w->primed[i] = w->primed[--w->n_primed];
		return;
	}
}

static int add_item(struct watch *w, struct watch_source *source, const char *resource)
{
	struct watch_item *item;

	if (w->n_items == WATCH_ITEMS_MAX)
		return -E2BIG;
	item = watch_item_new(w, source, resource);
	if (!item)
		return -ENOMEM;
	w->items[w->n_items++] = item;
	adopt_primed(w, item);
	if (w->started)
		watch_item_first(item);
	return 0;
}

/* The guest's own resource through the first source that knows it, and the local file whenever
 * there is one. */
static int add_own(struct watch *w)
{
	bool have_own = false;
	int r = 0;

	for (size_t i = 0; i < w->n_sources && !r; i++) {
		struct watch_source *source = &w->sources[i];

		if (!source->ops->own(source->src) || (have_own && source->ops->remote))
			continue;
		have_own = true;
		r = add_item(w, source, NULL);
	}
	return r;
}

static void tell_sources(const struct watch *w)
{
	const char *wanted = wanted_source(w->setup.conf);

	if (*w->open_error)
		watch_problem(w, PROBLEM_ERROR, "source", "correct the URL or the credentials",
			      "%s", w->open_error);
	if (w->n_sources)
		return;
	if (wanted)
		watch_problem(w, PROBLEM_ERROR, NO_SOURCE_CODE, NO_SOURCE_REMEDY,
			      "the configuration asks for source %s and nothing complete was found "
			      "for it",
			      wanted);
	else
		watch_problem(w, PROBLEM_ERROR, NO_SOURCE_CODE, NO_SOURCE_REMEDY,
			      "no credentials of Heat and no local file were found: there is "
			      "nothing to watch");
}

static void on_start(struct loop *loop, void *ctx)
{
	struct watch *w = ctx;

	(void)loop;
	w->started = true;
	tell_sources(w);
	if (*w->hook_resources)
		watch_problem(w, PROBLEM_ERROR, HOOK_RESOURCE_CODE, HOOK_RESOURCE_REMEDY,
			      HOOK_RESOURCE_TEXT, w->hook_resources);
	for (size_t i = 0; i < w->n_items; i++)
		watch_item_first(w->items[i]);
	if (!w->n_items)
		watch_round(w);
}

/* Without one (a broken auth_url) source heat cannot be opened, and says so. */
static int make_keystone(struct watch *w)
{
	const struct credentials *cred = &w->creds.heat;
	int r;

	if (w->setup.keystone || cred->kind == CREDENTIALS_NONE || !cred->auth_url)
		return 0;
	r = keystone_new(w->setup.loop, w->setup.http, cred, &w->own_keystone);
	w->setup.keystone = w->own_keystone;
	return r == -ENOMEM ? r : 0;
}

int watch_new(const struct watch_setup *setup, struct watch **ret, struct err *e)
{
	struct watch *w = calloc(1, sizeof(*w));
	int r = -ENOMEM;

	if (w) {
		w->setup = *setup;
		r = copy_credentials(w, setup->creds);
		if (!r)
			r = make_keystone(w);
	}
	if (!r)
		r = open_sources(w);
	if (!r)
		r = add_own(w);
	if (!r)
		r = loop_timer_new(setup->loop, 0, on_start, w, &w->start);
	if (r < 0) {
		watch_free(w);
		return err_sys(e, -r, "watching metadata");
	}
	loop_timer_arm(w->start, 0);
	*ret = w;
	return 0;
}

struct watch *watch_free(struct watch *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < w->n_sources; i++)
		w->sources[i].ops->close(w->sources[i].src);
	while (w->n_items)
		watch_item_free(w->items[--w->n_items]);
	while (w->dropped)
		watch_item_free(w->dropped);
	while (w->n_primed)
		document_deinit(&w->primed[--w->n_primed]);
	keystone_free(w->own_keystone);
	loop_timer_free(w->start);
	credentials_set_deinit(&w->creds);
	free(w);
	return NULL;
}

static struct watch_source *source_for(struct watch *w, const char *name)
{
	for (size_t i = 0; i < w->n_sources; i++) {
		if (w->sources[i].ops->reaches(w->sources[i].src, name))
			return &w->sources[i];
	}
	return NULL;
}

static bool is_named(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(names[i], name))
			return true;
	}
	return false;
}

/* Items that only hooks wanted go when no hook names them any more. */
static void drop_unnamed(struct watch *w, const char *const *names, size_t n)
{
	struct watch_item *item;

	for (size_t i = w->n_items; i-- > 0;) {
		item = w->items[i];
		item->hooked = is_named(watch_item_name(item), names, n);
		if (item->hooked || !item->resource)
			continue;
		w->n_items--;
		memmove(&w->items[i], &w->items[i + 1], (w->n_items - i) * sizeof(w->items[0]));
		watch_item_drop(item);
	}
}

static void tell_unreachable(struct watch *w, const char *list)
{
	bool same = !strcmp(list, w->hook_resources);
	bool had = *w->hook_resources;

	snprintf(w->hook_resources, sizeof(w->hook_resources), "%s", list);
	if (same || !w->started)
		return;
	if (had)
		watch_problem(w, PROBLEM_OK, HOOK_RESOURCE_CODE, NULL,
			      "the names in the hooks' paths have changed");
	if (*list)
		watch_problem(w, PROBLEM_ERROR, HOOK_RESOURCE_CODE, HOOK_RESOURCE_REMEDY,
			      HOOK_RESOURCE_TEXT, list);
}

int watch_set_resources(struct watch *w, const char *const *names, size_t n)
{
	struct buf lost = BUF_INIT(sizeof(w->hook_resources) - 1);
	int r = 0;

	drop_unnamed(w, names, n);
	for (size_t i = 0; i < n && !r; i++) {
		struct watch_source *source = source_for(w, names[i]);
		struct watch_item *item = find_item(w, names[i]);

		if (item) {
			item->hooked = true;
		} else if (source) {
			r = add_item(w, source, names[i]);
			if (!r)
				w->items[w->n_items - 1]->hooked = true;
		}
		if (r == -E2BIG || (!item && !source)) {
			buf_puts(&lost, lost.len ? ", " : "");
			text_escape(&lost, names[i], strnlen(names[i], 64));
			r = 0;
		}
	}
	tell_unreachable(w, buf_str(&lost));
	buf_deinit(&lost);
	return r;
}

int watch_prime(struct watch *w, const struct document *doc)
{
	struct watch_item *item = doc->resource ? find_item(w, doc->resource) : NULL;
	struct document copy;
	int r;

	if (!doc->resource || (item && item->has_doc) || (!item && w->n_primed == WATCH_ITEMS_MAX))
		return 0;
	r = document_copy(&copy, doc);
	if (r < 0)
		return r;
	w->primed[w->n_primed++] = copy;
	if (item)
		adopt_primed(w, item);
	return 0;
}

void watch_poll_now(struct watch *w)
{
	for (size_t i = 0; i < w->n_items; i++)
		watch_item_poll_now(w->items[i]);
}

const struct document *watch_document(const struct watch *w, const char *resource)
{
	const struct watch_item *item = NULL;

	if (resource)
		item = find_item(w, resource);
	else if (w->n_items)
		item = w->items[0];
	return item && item->has_doc ? &item->doc : NULL;
}

static const char *state_of(const struct watch_item *item)
{
	if (item->answered && fetch_policy(item->class)->code)
		return "backoff";
	return item->last_ok_real_ms ? "ok" : "never";
}

static json_t *status_of(const struct watch_item *item)
{
	int64_t due = loop_timer_due(item->timer), now = loop_now(item->w->setup.loop);
	char iso[24] = "";
	const char *code = item->answered ? fetch_policy(item->class)->code : NULL;

	if (item->last_ok_real_ms)
		clock_iso(item->last_ok_real_ms / 1000, iso);
	return json_pack("{s:s, s:s, s:s, s:s?, s:f, s:s?, s:s?, s:f}", "name",
			 item->source->ops->name, "resource", watch_item_name(item), "state",
			 state_of(item), "last_ok", *iso ? iso : NULL, "next_s",
			 due > now ? (double)(due - now) / 1000 : 0.0, "problem", code, "error",
			 *item->why ? item->why : NULL, "interval_s",
			 (double)item->source->interval_ms / 1000);
}

json_t *watch_status(const struct watch *w)
{
	json_t *list = json_array();

	for (size_t i = 0; i < w->n_items; i++)
		json_array_append_new(list, status_of(w->items[i]));
	return list;
}

struct keystone *watch_keystone(const struct watch *w)
{
	return w->setup.keystone;
}

int64_t watch_clock_skew_ms(const struct watch *w)
{
	return w->skew_ms;
}
