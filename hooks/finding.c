/* SPDX-License-Identifier: Apache-2.0 */
/* Words, filter and JSON of findings for hooks. */
#include "hooks/finding.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/failure_class.h"
#include "core/json.h"
#include "core/text.h"

const char *const hook_event_names[HOOK_EVENTS] = {
	[HOOK_EVENT_OPENED] = "opened",
	[HOOK_EVENT_RAISED] = "raised",
	[HOOK_EVENT_CLOSED] = "closed",
};

/* The class of a section's name; NULL when it is none of ours. */
static const char *class_of(const char *section)
{
	return text_starts(section, FINDING_SECTION) ? section + strlen(FINDING_SECTION) : NULL;
}

bool finding_section_valid(const char *section)
{
	const char *class = class_of(section);

	return class && (strcmp(class, "*") == 0 || failure_class_known(class, strlen(class)));
}

bool finding_wanted(const struct hook *h, const struct hook_finding *f)
{
	const char *class = class_of(h->name);

	if (!(h->triggers & TRIGGER_FINDING) || !class || (unsigned)f->level >= FINDING_LEVELS ||
	    (unsigned)f->event >= HOOK_EVENTS)
		return false;
	return (h->levels & 1U << f->level) && (h->events & 1U << f->event) &&
	       (strcmp(class, "*") == 0 ? failure_class_known(f->class_name, strlen(f->class_name))
					: strcmp(class, f->class_name) == 0);
}

/* At most @max bytes of @text, printable, never half a character. */
static json_t *clean_text(const char *text, size_t max)
{
	char clean[HOOK_EVIDENCE_MAX + 1];
	size_t n = strnlen(text, max);

	n = text_utf8_valid(text, n);
	for (size_t i = 0; i < n; i++)
		clean[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	return json_stringn(clean, n);
}

json_t *finding_json(const struct hook_finding *f, int64_t real_ms)
{
	json_t *j =
		json_pack("{s:s, s:o, s:s, s:s, s:o, s:f, s:I}", "class", f->class_name, "entity",
			  clean_text(f->entity, HOOK_ENTITY_MAX), "level",
			  finding_level_names[f->level], "event", hook_event_names[f->event],
			  "evidence", clean_text(f->evidence, HOOK_EVIDENCE_MAX), "risk",
			  isfinite(f->risk) ? f->risk : 0.0, "time", (json_int_t)(real_ms / 1000));

	if (j && f->eta_s >= 0 && json_object_set_new(j, "eta_s", json_integer(f->eta_s)) < 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}

/* The place of @word in @words, @n when it has none. */
static unsigned word_index(const char *word, const char *const *words, unsigned n)
{
	unsigned i = 0;

	while (i < n && (!word || strcmp(words[i], word) != 0))
		i++;
	return i;
}

int finding_from_json(const json_t *j, struct hook_finding *ret)
{
	unsigned level = word_index(json_str(j, "level"), finding_level_names, FINDING_LEVELS);
	unsigned event = word_index(json_str(j, "event"), hook_event_names, HOOK_EVENTS);

	*ret = (struct hook_finding){.class_name = json_str(j, "class"),
				     .entity = json_str(j, "entity"),
				     .evidence = json_str(j, "evidence"),
				     .eta_s = -1};
	if (level == FINDING_LEVELS || event == HOOK_EVENTS || !ret->class_name || !ret->entity ||
	    !ret->evidence || !failure_class_known(ret->class_name, strlen(ret->class_name)) ||
	    strlen(ret->entity) > HOOK_ENTITY_MAX || strlen(ret->evidence) > HOOK_EVIDENCE_MAX ||
	    (json_object_get(j, "eta_s") && (!json_int(j, "eta_s", &ret->eta_s) || ret->eta_s < 0)))
		return -EBADMSG;
	ret->level = (enum finding_level)level;
	ret->event = (enum hook_event)event;
	ret->risk = json_number_value(json_object_get(j, "risk"));
	return 0;
}

bool finding_same(const json_t *a, const json_t *b)
{
	static const char *const keys[] = {"class", "entity", "event"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *x = json_str(a, keys[i]), *y = json_str(b, keys[i]);

		if (!x || !text_equal(x, y))
			return false;
	}
	return true;
}
