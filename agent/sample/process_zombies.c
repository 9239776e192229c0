/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who leaves ended processes lying: the parents with most zombies. A parent's name is taken in a
 * second pass, which is made only while there are zombies.
 */
#include "sample/process_view.h"

#include <stdio.h>
#include <string.h>

#define PARENTS	    16
#define SHOWN	    3
#define MANY	    10
#define REMEMBER_MS (60 * 60 * 1000)

struct parent {
	int pid;
	unsigned zombies;
	char name[PROCESS_SHOWN_MAX];
};
struct cleared { /* had many at its time: that they are gone is told, too */
	char name[PROCESS_SHOWN_MAX];
	int64_t until_ms;
};
struct zombies {
	int64_t now_ms;
	struct cleared cleared[SHOWN];
	size_t n;
	struct parent parents[PARENTS]; /* the first ones seen, with any number */
};

/* One place for each name; else the one that is forgotten first. */
static struct cleared *place_for(struct zombies *z, const char *name)
{
	struct cleared *first = &z->cleared[0];

	for (size_t i = 0; i < SHOWN; i++) {
		if (!strcmp(z->cleared[i].name, name))
			return &z->cleared[i];
		if (z->cleared[i].until_ms < first->until_ms)
			first = &z->cleared[i];
	}
	return first;
}

static void zombies_begin(void *state, int64_t now_ms)
{
	struct zombies *z = state;

	for (size_t i = 0; i < z->n && i < SHOWN; i++) {
		struct cleared *c = place_for(z, z->parents[i].name);

		if (z->parents[i].zombies < MANY)
			continue;
		memcpy(c->name, z->parents[i].name, sizeof(c->name));
		c->until_ms = now_ms + REMEMBER_MS;
	}
	z->now_ms = now_ms;
	z->n = 0;
}

static struct parent *find(struct zombies *z, int pid)
{
	for (size_t i = 0; i < z->n; i++)
		if (z->parents[i].pid == pid)
			return &z->parents[i];
	return NULL;
}

static void zombies_see(void *state, const struct process_row *row)
{
	struct zombies *z = state;
	struct parent *p;

	if (row->state != 'Z' || !process_has_ended(row))
		return;
	p = find(z, row->ppid);
	if (!p && z->n < PARENTS) {
		p = &z->parents[z->n++];
		*p = (struct parent){.pid = row->ppid};
		snprintf(p->name, sizeof(p->name), "[%d]", row->ppid);
	}
	if (p)
		p->zombies++;
}

static bool zombies_wants_again(const void *state)
{
	return ((const struct zombies *)state)->n > 0;
}

static void zombies_see_again(void *state, const struct process_row *row)
{
	struct parent *p = find(state, row->pid);

	if (p)
		process_shown(row, p->name);
}

static void most_first(struct zombies *z)
{
	for (size_t i = 1; i < z->n; i++)
		for (size_t k = i; k && z->parents[k - 1].zombies < z->parents[k].zombies; k--) {
			struct parent p = z->parents[k];

			z->parents[k] = z->parents[k - 1];
			z->parents[k - 1] = p;
		}
}

static void zombies_end(void *state)
{
	most_first(state);
}

static bool has_zombies(const struct zombies *z, const char *name)
{
	for (size_t i = 0; i < z->n; i++)
		if (!strcmp(z->parents[i].name, name))
			return true;
	return false;
}

static void zombies_report(const void *state, struct sample *out)
{
	const struct zombies *z = state;

	for (size_t i = 0; i < z->n && i < SHOWN; i++)
		probe_add_of(out, METRIC_PROCESS_ZOMBIES_OF,
			     sample_entity(out, "process", z->parents[i].name, NULL),
			     z->parents[i].zombies);
	for (size_t i = 0; i < SHOWN; i++)
		if (z->cleared[i].until_ms > z->now_ms && !has_zombies(z, z->cleared[i].name))
			probe_add_of(out, METRIC_PROCESS_ZOMBIES_OF,
				     sample_entity(out, "process", z->cleared[i].name, NULL), 0);
}

const struct process_view process_zombies = {
	.name = "zombies",
	.size = sizeof(struct zombies),
	.begin = zombies_begin,
	.see = zombies_see,
	.wants_again = zombies_wants_again,
	.see_again = zombies_see_again,
	.end = zombies_end,
	.report = zombies_report,
};
