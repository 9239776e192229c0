/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/trusted.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"

void trusted_hook_deinit(struct trusted_hook *t)
{
	free(t->resource);
	free(t->command);
	free(t->runas);
	*t = (struct trusted_hook){0};
}

bool trusted_hook_equal(const struct trusted_hook *a, const struct trusted_hook *b)
{
	return text_equal(a->resource, b->resource) && text_equal(a->command, b->command) &&
	       text_equal(a->runas, b->runas);
}

/* A name from the network must not become another path than that of a resource. */
static int fill_path(struct hook *h, const char *resource, struct err *e)
{
	char text[HOOK_NAME_MAX + 32];

	if (!resource || !*resource || strlen(resource) > HOOK_NAME_MAX || strpbrk(resource, ".[]\"'"))
		return err_set(e, -EINVAL, "the guest's own resource has no name that a path can hold");
	snprintf(text, sizeof(text), "Resources.%s.Metadata", resource);
	h->path_text = strdup(text);
	return h->path_text ? path_parse(text, strlen(text), &h->path, e) : -ENOMEM;
}

static int fill(struct hook *h, const struct conf *conf, const struct trusted_hook *t, struct err *e)
{
	int r = fill_path(h, t->resource, e);

	if (r < 0)
		return r;
	h->triggers = TRIGGER_ADD | TRIGGER_UPDATE;
	h->timeout_ms = conf->hook_timeout_ms;
	h->name = strdup(TRUSTED_HOOK);
	h->file = strdup("metadata");
	h->action = strdup(t->command);
	h->runas = t->runas ? strdup(t->runas) : hook_default_runas();
	return h->name && h->file && h->action && h->runas ? 0 : -ENOMEM;
}

int trusted_hook_add(const struct conf *conf, const struct trusted_hook *t, struct hookset *set, struct err *e)
{
	struct hook h = {0}, *bigger;
	int r;

	if (conf->trust_metadata != CONF_TRUST_FULL || !t->command || hookset_find(set, TRUSTED_HOOK))
		return 0;
	if (set->n >= HOOKS_MAX)
		return err_set(e, -EINVAL, "there are %d hooks already", HOOKS_MAX);
	bigger = reallocarray(set->hooks, set->n + 1, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	set->hooks = bigger;
	r = fill(&h, conf, t, e);
	if (r < 0)
		hook_deinit(&h);
	else
		set->hooks[set->n++] = h;
	return r;
}
