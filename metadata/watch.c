/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which sources are open, which resources are polled through which of them, and what is told about
 * them. The polls themselves are watch_item.c; how long to wait after what is watch_policy.c.
 */
#include "metadata/watch.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"
#include "metadata/watch_item.h"

#define NO_SOURCE_CODE "no-source"
#define NO_SOURCE_REMEDY                                                                           \
	"heat-pulse check tells where credentials are looked for and what was found"
#define POLLING_MIN_MS 1000 /* of polling_interval in metadata */
#define POLLING_MAX_MS (3600 * 1000)
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
	text_vprint(text, sizeof(text), fmt, ap);
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
	for (size_t i = 0; i < w->n_tries && w->setup.one_pass; i++) {
		if (!w->tries[i]->answered)
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
		[CONF_SOURCE_TEMPURL] = "tempurl",
		[CONF_SOURCE_ZAQAR] = "zaqar",
	};

	return conf->source >= 0 && (size_t)conf->source < ARRAY_SIZE(names) ? names[conf->source]
									     : NULL;
}

static int copy_credentials(struct watch *w, const struct credentials_set *from)
{
	int r = credentials_set_copy(&w->creds, from);

	w->setup.creds = &w->creds;
	return r;
}

static bool bounded(int64_t ms)
{
	return ms >= POLLING_MIN_MS && ms <= POLLING_MAX_MS;
}

/* As long as our own configuration leaves the default, Heat's word (polling_interval) counts, and for cfn
 * that of cfn-hup.conf before it. */
static int64_t interval_for(const struct watch *w, const struct source_ops *ops)
{
	const int64_t default_ms = 60000, own_ms = w->setup.conf->interval_ms;

	if (own_ms > 0 && own_ms != default_ms)
		return own_ms;
	if (ops == &source_cfn && w->creds.cfn_hup_interval_ms > 0)
		return w->creds.cfn_hup_interval_ms;
	return ops->remote && bounded(w->creds.polling_ms) ? w->creds.polling_ms : default_ms;
}

void watch_set_intervals(struct watch *w)
{
	for (size_t i = 0; i < w->n_sources; i++) {
		if (w->sources[i].src)
			w->sources[i].interval_ms = interval_for(w, w->sources[i].ops);
	}
}

static void on_news(void *ctx)
{
	const struct watch_source *source = ctx;

	for (size_t i = 0; i < source->w->n_items; i++) {
		if (source->w->items[i]->source == source)
			watch_item_poll_now(source->w->items[i]);
	}
}

static struct watch_source *free_place(struct watch *w)
{
	for (size_t i = 0; i < w->n_sources; i++) {
		if (!w->sources[i].src)
			return &w->sources[i];
	}
	return w->n_sources < WATCH_SOURCES_MAX ? &w->sources[w->n_sources++] : NULL;
}

/* A session of its own where the one that sinks share is for other credentials. */
static int give_keystone(struct watch *w, struct watch_source *source, const struct credentials *cred,
			 struct watch_setup *setup)
{
	int r;

	if (source->ops != &source_heat || (setup->keystone && credentials_equal(cred, &w->shared_cred)))
		return 0;
	r = keystone_new(setup->loop, setup->http, cred, &source->keystone);
	setup->keystone = source->keystone;
	return r == -ENOMEM ? r : 0;
}

int watch_open(struct watch *w, const struct source_ops *ops, const struct credentials *cred,
	       struct watch_source **ret, struct err *e)
{
	struct watch_source *source = free_place(w);
	struct watch_setup setup = w->setup;
	int r;

	if (!source)
		return err_set(e, -E2BIG, "too many sources are open");
	*source = (struct watch_source){.w = w, .ops = ops, .late = cred != NULL};
	if (!cred && ops->block)
		cred = credentials_section(&w->creds, ops->block);
	r = cred ? credentials_copy(&source->cred, cred) : 0;
	if (!r && source->late)
		r = give_keystone(w, source, cred, &setup);
	if (!r)
		r = ops->open(&setup, &source->src, e);
	if (r < 0) {
		watch_close(source);
		err_prefix(e, "source %s", ops->name);
		return r;
	}
	source->interval_ms = interval_for(w, ops);
	if (ops->subscribe)
		ops->subscribe(source->src, on_news, source);
	*ret = source;
	return 0;
}

void watch_close(struct watch_source *source)
{
	if (source->src)
		source->ops->close(source->src);
	keystone_free(source->keystone);
	credentials_deinit(&source->cred);
	*source = (struct watch_source){0};
}

bool watch_allows(const struct watch *w, const struct source_ops *ops)
{
	const char *wanted = wanted_source(w->setup.conf);

	return !wanted || !strcmp(wanted, ops->name);
}

/* A source that cannot be opened (a broken URL) leaves the others; it is told when the loop runs.
 */
static int open_sources(struct watch *w)
{
	struct watch_source *source;
	int r = 0;

	for (size_t i = 0; sources[i] && r != -ENOMEM; i++) {
		struct err e = ERR_INIT;

		if (!watch_allows(w, sources[i]) || !sources[i]->usable(&w->setup))
			continue;
		r = watch_open(w, sources[i], NULL, &source, &e);
		if (r < 0)
			text_print(w->open_error, sizeof(w->open_error), "%s", e.text);
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
		if (w->setup.primed_is_newest && item == watch_own(w, NULL))
			watch_follow(w, &item->doc);
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

static bool has_sources(const struct watch *w)
{
	for (size_t i = 0; i < w->n_sources; i++) {
		if (w->sources[i].src)
			return true;
	}
	return false;
}

/* The one that files and documents name, if it knows the guest's own resource. */
static struct watch_source *preferred_source(struct watch *w)
{
	const char *names[WATCH_SOURCES_MAX + 1] = {NULL};
	const char *block;
	size_t n = 0;

	for (size_t i = 0; sources[i] && n < WATCH_SOURCES_MAX; i++) {
		if (sources[i]->block && watch_allows(w, sources[i]))
			names[n++] = sources[i]->block;
	}
	block = credentials_preferred(&w->creds, names);
	for (size_t i = 0; i < w->n_sources && block; i++) {
		struct watch_source *source = &w->sources[i];

		if (source->src && text_equal(source->ops->block, block) && source->ops->own(source->src))
			return source;
	}
	return NULL;
}

/* The guest's own resource through the preferred source, else the first that knows it, and the local file
 * whenever there is one. */
static int add_own(struct watch *w)
{
	struct watch_source *preferred = preferred_source(w);
	int r = preferred ? add_item(w, preferred, NULL) : 0;
	bool have_own = preferred != NULL;

	for (size_t i = 0; i < w->n_sources && !r; i++) {
		struct watch_source *source = &w->sources[i];

		if (!source->src || !source->ops->own(source->src) || (have_own && source->ops->remote))
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
	if (has_sources(w))
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
	for (size_t i = 0; i < w->n_tries; i++)
		watch_item_first(w->tries[i]);
	if (!w->n_items)
		watch_round(w);
}

/* Without one (a broken auth_url) source heat cannot be opened, and says so. Without credentials it waits for
 * those that a document may bring. */
static int make_keystone(struct watch *w)
{
	static const struct credentials none;
	const struct credentials *cred = credentials_session(&w->creds);
	int r;

	if (w->setup.keystone)
		return 0;
	cred = cred ? cred : &none;
	r = keystone_new(w->setup.loop, w->setup.http, cred, &w->own_keystone);
	w->setup.keystone = w->own_keystone;
	if (!r)
		r = credentials_copy(&w->shared_cred, cred);
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
		watch_close(&w->sources[i]);
	while (w->n_tries)
		watch_item_free(w->tries[--w->n_tries]);
	while (w->n_items)
		watch_item_free(w->items[--w->n_items]);
	while (w->dropped)
		watch_item_free(w->dropped);
	while (w->n_primed)
		document_deinit(&w->primed[--w->n_primed]);
	keystone_free(w->own_keystone);
	loop_timer_free(w->start);
	credentials_deinit(&w->shared_cred);
	credentials_set_deinit(&w->creds);
	free(w);
	return NULL;
}

static struct watch_source *source_for(struct watch *w, const char *name)
{
	for (size_t i = 0; i < w->n_sources; i++) {
		struct watch_source *source = &w->sources[i];

		if (source->src && source->ops->reaches(source->src, name))
			return source;
	}
	return NULL;
}

/* The own resource's name may be known to hooks only. */
static struct watch_item *own_by_hook(struct watch *w, const char *name)
{
	struct watch_item *own = watch_own(w, NULL);

	if (!own || !own->source->ops->rename || !own->source->ops->rename(own->source->src, name))
		return NULL;
	adopt_primed(w, own);
	return own;
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

		if (!item && !source)
			item = own_by_hook(w, names[i]);
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

void watch_kept(struct watch *w)
{
	struct watch_item *own = watch_own(w, NULL);

	if (own && own->source->ops->kept && own->doc.source == own->source->ops->name)
		own->source->ops->kept(own->source->src);
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

const char *watch_changes(const struct watch *w, const struct document *doc)
{
	for (size_t i = 0; i < w->n_items; i++)
		if (&w->items[i]->doc == doc)
			return w->items[i]->changes;
	return "";
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
	return json_pack("{s:s, s:o, s:s, s:s?, s:f, s:s?, s:o, s:f}", "name",
			 item->source->ops->name, "resource", json_text(watch_item_name(item)),
			 "state", state_of(item), "last_ok", *iso ? iso : NULL, "next_s",
			 due > now ? (double)(due - now) / 1000 : 0.0, "problem", code, "error",
			 json_text(*item->why ? item->why : NULL), "interval_s",
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
