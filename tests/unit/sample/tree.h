/* SPDX-License-Identifier: Apache-2.0 */
/* One probe on a tree of kernel files, recorded or made: open, read at times that the test says, and
 * ask the sample for values. */
#pragma once

#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/loop.h"
#include "sample/mounts.h"
#include "sample/probe.h"
#include "sample/prober.h"
#include "sample/sampler.h"

struct tree {
	char dir[256]; /* of its own; "" = a recorded one */
	struct env env;
	struct conf conf;
	struct mounts *mounts;
	struct probe_setup setup;
	const struct probe_ops *ops;
	void *probe;
	struct sample sample;
};

static inline void tree_put(const struct tree *t, const char *file, const char *text)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s%s", t->dir, file);
	for (char *p = path + strlen(t->dir) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* @recorded: NULL = an empty folder of its own */
static inline struct tree *tree_new(const char *recorded)
{
	struct tree *t = calloc(1, sizeof(*t));
	char root[256];

	if (!t) /* the analyser of gcc's sanitizer build does not know that assertions end here */
		abort();
	if (!recorded) {
		snprintf(t->dir, sizeof(t->dir), "/tmp/hp-tree-XXXXXX");
		assert_non_null(mkdtemp(t->dir));
		tree_put(t, "/proc/none", "");
		tree_put(t, "/sys/none", "");
	}
	assert_int_equal(env_init(&t->env, recorded ? fixture_root(recorded, root) : t->dir), 0);
	t->conf.sample_interval_ms = 10000;
	t->setup = (struct probe_setup){.env = &t->env, .conf = &t->conf};
	return t;
}

static inline int tree_open(struct tree *t, const struct probe_ops *ops)
{
	struct err e = ERR_INIT;

	if (!t->mounts && mounts_new(&t->env, &t->mounts, NULL))
		t->mounts = NULL;
	t->setup.mounts = t->mounts;
	t->ops = ops;
	return ops->open(&t->setup, &t->probe, &e);
}

static inline void tree_read(struct tree *t, int64_t now_ms)
{
	assert_int_equal(t->ops->read(t->probe, now_ms), 0);
	sample_reset(&t->sample, now_ms, now_ms);
	t->ops->report(t->probe, &t->sample);
}

static inline void tree_free(struct tree *t)
{
	if (t->probe)
		t->ops->close(t->probe);
	mounts_free(t->mounts);
	if (t->dir[0])
		fs_remove_tree(t->dir);
	free(t);
}

static inline int tree_entity(const struct tree *t, const char *kind, const char *name)
{
	for (size_t i = 0; i < t->sample.n_entities; i++)
		if (!strcmp(t->sample.entities[i].kind, kind) &&
		    !strcmp(t->sample.entities[i].name, name))
			return (int)i;
	return -2; /* no value is of it */
}

static inline void tree_value_of(const struct tree *t, enum metric metric, int entity, double want)
{
	double got;

	if (!sample_get_of(&t->sample, metric, entity, &got))
		fail_msg("%s is absent", metric_infos[metric].name);
	if (fabs(got - want) > 1e-6)
		fail_msg("%s: %g is not %g", metric_infos[metric].name, got, want);
}

static inline void tree_absent_of(const struct tree *t, enum metric metric, int entity)
{
	double got;

	if (sample_get_of(&t->sample, metric, entity, &got))
		fail_msg("%s is there: %g", metric_infos[metric].name, got);
}
