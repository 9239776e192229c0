/* SPDX-License-Identifier: Apache-2.0 */
/* Which sections there are and in which order they are applied; the lines that tell it. */
#include "hooks/init/init.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "hooks/init/plan.h"
#include "hooks/init/step.h"
#include "hooks/init/tree.h"

#define LINE_MAX_BYTES 600

struct section {
	const char *name;
	section_fn *apply;
	int aws, heat; /* place in the order of either tool */
};

static const struct section sections[] = {
	{"packages", section_packages, 0, 0}, {"groups", section_groups, 1, 2},
	{"users", section_users, 2, 3},       {"sources", section_sources, 3, 1},
	{"files", section_files, 4, 4},       {"commands", section_commands, 5, 5},
	{"services", section_services, 6, 6},
};

/* ---- lines ---- */

static void tell(struct init *in, enum log_level level, const char *name, const char *text)
{
	struct buf *report = in->setup->report;

	if (!in->setup->quiet)
		log_at(level, "%s: %s %s: %s", tree_shown(in->config), in->section, name, text);
	if (report)
		buf_printf(report, "%s: %s %s: %s\n", tree_shown(in->config), in->section, name,
			   text);
}

void step_say(struct init *in, const char *name, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	text_vprint(text, sizeof(text), fmt, ap);
	va_end(ap);
	tell(in, LOG_LEVEL_INFO, tree_shown(name), text);
}

static int remember(json_t *set, const char *kind, const char *name)
{
	json_t *names = json_object_get(set, kind);

	if (!names && json_object_set_new(set, kind, names = json_object()) < 0)
		return -ENOMEM;
	return json_object_set_new(names, name, json_true()) < 0 ? -ENOMEM : 0;
}

int step_changed(struct init *in, const char *kind, const char *name, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	text_vprint(text, sizeof(text), fmt, ap);
	va_end(ap);
	in->n_changed++;
	step_say(in, name, "%s%s", DRY(in) ? "would be " : "", text);
	if (!strcmp(kind, "users") || !strcmp(kind, "groups"))
		if (remember(in->made, kind, name) < 0)
			return -ENOMEM;
	return remember(in->changed, kind, name);
}

bool step_would_be_there(const struct init *in, const char *kind, const char *name)
{
	return DRY(in) && json_object_get(json_object_get(in->made, kind), name);
}

bool step_has_changed(const struct init *in, const char *kind, const char *name)
{
	return json_object_get(json_object_get(in->changed, kind), name) != NULL;
}

int step_failed(struct init *in, const char *name, const struct err *e, bool fatal)
{
	if (in->n_failed++ == 0)
		err_set(&in->first, e->code ? e->code : -EIO, "%s: %s %s: %s", in->config,
			in->section, tree_shown(name), e->text);
	tell(in, LOG_LEVEL_ERR, tree_shown(name), e->text);
	return in->setup->keep_going && !fatal ? 0 : -ECANCELED;
}

int step_each(struct init *in, const json_t *object, step_fn *fn, bool fatal)
{
	size_t n;
	_cleanup_free_ const char **names = tree_names(object, &n);
	int r = names ? 0 : -ENOMEM;

	if (!json_is_object(object)) {
		struct err e = ERR_INIT;

		err_set(&e, -EINVAL, "the section is no object");
		return step_failed(in, "-", &e, fatal);
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct err e = ERR_INIT;

		in->n_steps++;
		r = fn(in, names[i], json_object_get(object, names[i]), &e);
		if (r < 0 && r != -ENOMEM)
			r = step_failed(in, names[i], &e, fatal);
	}
	return r;
}

/* ---- order ---- */

static int apply_section(struct init *in, const json_t *config, const struct section *s)
{
	const json_t *section = json_object_get(config, s->name);

	in->section = s->name;
	if (!section || json_is_null(section))
		return 0;
	return s->apply(in, section);
}

static int apply_config(struct init *in, const json_t *config)
{
	int r = 0;

	json_object_clear(in->changed);
	for (int place = 0; r == 0 && place < (int)ARRAY_SIZE(sections); place++)
		for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sections); i++)
			if (place ==
			    (in->setup->sources_first ? sections[i].heat : sections[i].aws))
				r = apply_section(in, config, &sections[i]);
	return r;
}

static int apply_plan(struct init *in, const json_t *tree, const struct plan *plan)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->n; i++) {
		in->config = plan->configs[i];
		r = apply_config(in, json_object_get(tree, plan->configs[i]));
	}
	return r;
}

static int judge(const struct init *in, int r, struct err *e)
{
	if (r == -ENOMEM)
		return err_set(e, -ENOMEM, "no memory");
	if (in->n_failed > 0) {
		*e = in->first;
		return INIT_FAILED;
	}
	return INIT_DONE;
}

int init_apply(const struct init_setup *setup, const json_t *metadata, const char *sets,
	       struct err *e)
{
	struct init in = {.setup = setup, .section = "-", .config = "cfn-init"};
	const json_t *tree = json_object_get(metadata, INIT_KEY);
	struct plan plan;
	int r;

	if (!json_is_object(tree) || json_object_size(tree) == 0) {
		err_set(e, -EINVAL, "the metadata have no " INIT_KEY);
		return INIT_INVALID;
	}
	r = plan_make(tree, sets, &plan, e);
	if (r < 0)
		return r == -ENOMEM ? r : INIT_INVALID;
	in.auth = json_object_get(metadata, INIT_AUTH_KEY);
	in.changed = json_object();
	in.made = json_object();
	r = in.changed && in.made ? apply_plan(&in, tree, &plan) : -ENOMEM;
	in.config = "cfn-init";
	in.section = "summary";
	step_say(&in, DRY(&in) ? "dry run" : "run", "%zu steps, %zu %s, %zu failed", in.n_steps,
		 in.n_changed, DRY(&in) ? "would change something" : "changed something",
		 in.n_failed);
	json_decref(in.changed);
	json_decref(in.made);
	return judge(&in, r, e);
}
