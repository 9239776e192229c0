/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A finding as a hook gets it: plain words, whoever made it. Which hooks want it, and its form as
 * JSON in the journal and for the hook. Pure. Entity and evidence hold names that others chose
 * (processes, mounts): they are data in every place here, never part of a command.
 */
#pragma once

#include "core/types.h"
#include "hooks/config.h"

#define FINDING_SECTION "finding." /* a section of this name, and then a class or "*" */

/* Bits of struct hook; the words stand in on=. */
enum hook_event {
	HOOK_EVENT_OPENED,
	HOOK_EVENT_RAISED,
	HOOK_EVENT_CLOSED,
	HOOK_EVENTS,
};
extern const char *const hook_event_names[HOOK_EVENTS];

#define HOOK_ENTITY_MAX	  127
#define HOOK_EVIDENCE_MAX 255

struct hook_finding {
	const char *class_name, *entity;
	enum finding_level level;
	enum hook_event event;
	const char *evidence;
	int64_t eta_s; /* -1 = unknown */
	double risk;   /* 0..1 */
};
/** finding_section_valid() - is the section's name finding.CLASS of a class there is, or finding.*? */
bool finding_section_valid(const char *section);
/** finding_wanted() - does @h ask for this class, level and event? */
bool finding_wanted(const struct hook *h, const struct hook_finding *f);
/**
 * finding_json() - {class, entity, level, event, evidence, risk, time} and eta_s when it is known
 * @real_ms: now; time is in whole seconds: a hook may run late
 *
 * Too long texts are cut, control characters become '?', broken UTF-8 ends the text. Return: new
 * reference or NULL without memory.
 */
json_t *finding_json(const struct hook_finding *f, int64_t real_ms);
/** finding_from_json() - texts are borrowed from @j. -EBADMSG when it is no such object. */
int finding_from_json(const json_t *j, struct hook_finding *ret) _must_check_;
/** finding_same() - same class, entity and event: the younger replaces the older. */
bool finding_same(const json_t *a, const json_t *b);
