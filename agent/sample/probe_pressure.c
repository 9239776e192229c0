/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pressure stall information of the whole guest. A kernel built without it has no /proc/pressure;
 * one started with psi=0 has the files and refuses to read them (EOPNOTSUPP). Each file stands
 * alone: one that fails leaves the others.
 */
#include "sample/probe.h"

#include <errno.h>

#include "sample/parse.h"

static const struct {
	const char *path;
	enum metric some, full;
} files[] = {
	{"/proc/pressure/memory", METRIC_MEM_PRESSURE_SOME, METRIC_MEM_PRESSURE_FULL},
	{"/proc/pressure/io", METRIC_IO_PRESSURE_SOME, METRIC_IO_PRESSURE_FULL},
	{"/proc/pressure/cpu", METRIC_CPU_PRESSURE_SOME, METRIC_CPU_PRESSURE_FULL},
};

struct pressure {
	struct procfile file[ARRAY_SIZE(files)];
	struct parse_pressure last[ARRAY_SIZE(files)];
};

static void pressure_close(void *state)
{
	struct pressure *s = state;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		procfile_close(&s->file[i]);
	free(s);
}

static int pressure_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	struct pressure *s = calloc(1, sizeof(*s));
	size_t opened = 0;

	if (!s)
		return err_set(e, -ENOMEM, "no memory");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		opened += procfile_open(&s->file[i], setup->env, files[i].path, 512, true, e) == 0;
	if (!opened) {
		pressure_close(s);
		return e ? e->code : -ENOENT;
	}
	*ret = s;
	return 0;
}

static int read_file(struct pressure *s, size_t i)
{
	int err;

	s->last[i] = (struct parse_pressure){0};
	if (s->file[i].fd < 0)
		return 0;
	err = procfile_read(&s->file[i]);
	if (err)
		return err;
	return parse_pressure(s->file[i].text, s->file[i].len, &s->last[i]);
}

static int pressure_read(void *state, int64_t now_ms)
{
	struct pressure *s = state;
	size_t good = 0;
	int first = 0;

	(void)now_ms;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int err = read_file(s, i);

		good += s->last[i].some.present || s->last[i].full.present;
		if (!first)
			first = err;
	}
	return good ? 0 : first;
}

static void pressure_report(const void *state, struct sample *out)
{
	const struct pressure *s = state;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (s->last[i].some.present)
			sample_add(out, files[i].some, -1, s->last[i].some.avg10);
		if (s->last[i].full.present)
			sample_add(out, files[i].full, -1, s->last[i].full.avg10);
	}
}

const struct probe_ops probe_pressure = {
	.name = "pressure",
	.source = "/proc/pressure",
	.pace = PROBE_EACH,
	.partial = true,
	.open = pressure_open,
	.read = pressure_read,
	.report = pressure_report,
	.close = pressure_close,
};
