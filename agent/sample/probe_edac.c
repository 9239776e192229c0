/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory errors that the hardware counts (EDAC), the sum over all controllers. Few guests see any:
 * only with a memory controller that was passed through, and on bare metal.
 */
#include "sample/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sample/dirwalk.h"
#include "sample/parse_value.h"

#define CONTROLLERS_MAX 16
#define EDAC_DIR	"/sys/devices/system/edac/mc"

enum edac_count { CORRECTED, UNCORRECTED, COUNTS };
static const struct {
	const char *file;
	enum metric metric;
} counts[COUNTS] = {
	[CORRECTED] = {"ce_count", METRIC_HW_ECC_CORRECTED},
	[UNCORRECTED] = {"ue_count", METRIC_HW_ECC_UNCORRECTED},
};

struct edac {
	size_t n;
	int fds[CONTROLLERS_MAX][COUNTS];
	bool valid[COUNTS];
	uint64_t sums[COUNTS];
};

static void edac_close(void *state)
{
	struct edac *s = state;

	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < COUNTS; k++)
			if (s->fds[i][k] >= 0)
				close(s->fds[i][k]);
	free(s);
}

static void open_controllers(struct edac *s, int dir)
{
	struct dirwalk walk;
	const char *name;
	char path[300];

	dirwalk_start(&walk, dir);
	while (s->n < CONTROLLERS_MAX && (name = dirwalk_next(&walk, false))) {
		if (strncmp(name, "mc", 2))
			continue;
		for (size_t k = 0; k < COUNTS; k++) {
			snprintf(path, sizeof(path), "%s/%s", name, counts[k].file);
			s->fds[s->n][k] = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		}
		s->n++;
	}
}

static int edac_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	char full[ENV_PATH_MAX];
	_cleanup_close_ int dir =
		open(env_path(setup->env, EDAC_DIR, full), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	struct edac *s;

	if (dir < 0)
		return err_sys(e, errno, EDAC_DIR);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, -ENOMEM, "no memory");
	open_controllers(s, dir);
	if (!s->n) {
		edac_close(s);
		return err_set(e, -ENODEV, "no memory controller is shown to this guest");
	}
	*ret = s;
	return 0;
}

static bool add_count(int fd, uint64_t *sum)
{
	char text[32];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text), 0);
	uint64_t v;

	if (n <= 0 || parse_number(text, (size_t)n, &v))
		return false;
	*sum += v;
	return true;
}

static int edac_read(void *state, int64_t now_ms)
{
	struct edac *s = state;
	bool any = false;

	(void)now_ms;
	for (size_t k = 0; k < COUNTS; k++) {
		s->valid[k] = false;
		s->sums[k] = 0;
		for (size_t i = 0; i < s->n; i++)
			s->valid[k] |= add_count(s->fds[i][k], &s->sums[k]);
		any |= s->valid[k];
	}
	return any ? 0 : -EINVAL;
}

static void edac_report(const void *state, struct sample *out)
{
	const struct edac *s = state;

	for (size_t k = 0; k < COUNTS; k++)
		if (s->valid[k])
			sample_add(out, counts[k].metric, -1, (double)s->sums[k]);
}

const struct probe_ops probe_edac = {
	.name = "edac",
	.source = EDAC_DIR,
	.pace = PROBE_MINUTE,
	.seldom = true,
	.open = edac_open,
	.read = edac_read,
	.report = edac_report,
	.close = edac_close,
};
