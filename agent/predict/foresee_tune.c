/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings over the tables. Each call begins with the tables as they are, so that what a document
 * does not say any more is as it was; a class that was switched on again begins anew.
 */
#include "predict/foresee_private.h"

#include <math.h>
#include <string.h>

#include "core/failure_class.h"
#include "core/text.h"

static void complain(struct problems *problems, const char *before, const char *word,
		     const char *after)
{
	struct buf shown = BUF_INIT(256);

	text_escape(&shown, word, strnlen(word, 60));
	if (problems)
		problems_add(problems, PROBLEM_WARN, "predict",
			     "see `heat-pulse sample` for metrics, README.md for classes",
			     "%s\"%s\"%s", before, buf_str(&shown), after);
	buf_deinit(&shown);
}

static bool set_level(struct foresee *f, const struct level_setting *l)
{
	bool any = false;

	for (size_t i = 0; i < watch_rules_n; i++)
		if (!strcmp(metric_infos[watch_rules[i].metric].name, l->metric)) {
			f->levels[i][l->level] = l->value;
			any = true;
		}
	return any;
}

static void apply(struct foresee *f, const struct predict_setting *p, struct problems *problems)
{
	for (size_t i = 0; i < p->n_levels; i++)
		if (!set_level(f, &p->levels[i]))
			complain(problems, "nothing is watched by levels of ", p->levels[i].metric,
				 "");
}

void foresee_tune(struct foresee *f, const struct predict_setting *const *all, size_t n,
		  struct problems *problems)
{
	int64_t critical_s = FINDINGS_CRITICAL_ETA_S, horizon_s = 0;
	uint32_t disabled = 0;

	for (size_t i = 0; i < watch_rules_n && i < WATCH_RULES_MAX; i++)
		memcpy(f->levels[i], watch_rules[i].levels, sizeof(f->levels[i]));
	for (size_t i = 0; i < n; i++) {
		apply(f, all[i], problems);
		disabled |= all[i]->disabled;
		critical_s = all[i]->critical_eta_s ? all[i]->critical_eta_s : critical_s;
		horizon_s = all[i]->horizon_s ? all[i]->horizon_s : horizon_s;
	}
	findings_limits(f->findings, (double)critical_s, horizon_s ? (double)horizon_s : INFINITY);
	for (size_t c = 0; c < FAILURE_CLASSES; c++)
		findings_switch(f->findings, (enum failure_class)c, !(disabled >> c & 1));
}

/* ---- the configuration's words ---- */

static void read_classes(const char *list, struct predict_setting *ret, struct problems *problems)
{
	const char *p;
	size_t pos = 0, n;

	while (list && text_list_next(list, ',', &pos, &p, &n)) {
		int class = failure_class_index(p, n);
		char word[64];

		snprintf(word, sizeof(word), "%.*s", (int)(n < 63 ? n : 63), p);
		if (class >= 0)
			ret->disabled |= 1u << class;
		else if (n)
			complain(problems, "[predict] disable: ", word, " is no failure class");
	}
}

/* METRIC LEVEL NUMBER */
static bool read_level(const char *item, struct level_setting *ret)
{
	const char *p[4];
	size_t pos = 0, n[4], words = 0;

	while (words < 4 && text_list_next(item, ' ', &pos, &p[words], &n[words]))
		words += n[words] > 0;
	if (words != 3 || n[0] >= sizeof(ret->metric) ||
	    !finding_level_parse(p[1], n[1], &ret->level))
		return false;
	snprintf(ret->metric, sizeof(ret->metric), "%.*s", (int)n[0], p[0]);
	ret->value = NAN;
	return (n[2] == 3 && !memcmp(p[2], "off", 3)) || text_double(p[2], n[2], &ret->value) == 0;
}

static void read_levels(const char *list, struct predict_setting *ret, struct problems *problems)
{
	const char *p;
	size_t pos = 0, n;

	while (list && text_list_next(list, ',', &pos, &p, &n)) {
		char item[128];

		snprintf(item, sizeof(item), "%.*s", (int)(n < 127 ? n : 127), p);
		if (ret->n_levels < LEVEL_SETTINGS_MAX &&
		    read_level(item, &ret->levels[ret->n_levels]))
			ret->n_levels++;
		else if (n)
			complain(problems, "[predict] levels: ", item,
				 " is not METRIC LEVEL NUMBER");
	}
}

void foresee_settings(const char *disable, const char *levels, struct predict_setting *ret,
		      struct problems *problems)
{
	*ret = (struct predict_setting){0};
	read_classes(disable, ret, problems);
	read_levels(levels, ret, problems);
}
