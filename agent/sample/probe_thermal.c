/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often processors were slowed down for heat, the sum over all cores. Only where the hypervisor
 * shows the machine's own processors, and on bare metal.
 */
#include "sample/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sample/dirwalk.h"
#include "sample/parse_value.h"

#define CORES_MAX 256
#define CPU_DIR   "/sys/devices/system/cpu"

struct thermal {
	size_t n;
	int fds[CORES_MAX];
	uint64_t sum;
};

static void thermal_close(void *state)
{
	struct thermal *s = state;

	for (size_t i = 0; i < s->n; i++)
		close(s->fds[i]);
	free(s);
}

static void open_cores(struct thermal *s, int dir)
{
	struct dirwalk walk;
	const char *name;
	char path[320];

	dirwalk_start(&walk, dir);
	while (s->n < CORES_MAX && (name = dirwalk_next(&walk, true))) {
		if (strncmp(name, "cpu", 3))
			continue;
		snprintf(path, sizeof(path), "%s/thermal_throttle/core_throttle_count", name);
		s->fds[s->n] = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		s->n += s->fds[s->n] >= 0;
	}
}

static int thermal_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	char full[ENV_PATH_MAX];
	_cleanup_close_ int dir =
		open(env_path(setup->env, CPU_DIR, full), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	struct thermal *s;

	if (dir < 0)
		return err_sys(e, errno, CPU_DIR);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, -ENOMEM, "no memory");
	open_cores(s, dir);
	if (!s->n) {
		thermal_close(s);
		return err_set(e, -ENODEV, "no heat of processors is shown to this guest");
	}
	*ret = s;
	return 0;
}

/* A processor that was taken offline takes its count with it. */
static int thermal_read(void *state, int64_t now_ms)
{
	struct thermal *s = state;
	bool any = false;
	char text[32];

	(void)now_ms;
	s->sum = 0;
	for (size_t i = 0; i < s->n; i++) {
		ssize_t n = pread(s->fds[i], text, sizeof(text), 0);
		uint64_t v;

		if (n <= 0 || parse_number(text, (size_t)n, &v))
			continue;
		s->sum += v;
		any = true;
	}
	return any ? 0 : -EINVAL;
}

static void thermal_report(const void *state, struct sample *out)
{
	const struct thermal *s = state;

	sample_add(out, METRIC_HW_THROTTLES, -1, (double)s->sum);
}

const struct probe_ops probe_thermal = {
	.name = "thermal",
	.source = CPU_DIR,
	.pace = PROBE_MINUTE,
	.seldom = true,
	.open = thermal_open,
	.read = thermal_read,
	.report = thermal_report,
	.close = thermal_close,
};
