/* SPDX-License-Identifier: Apache-2.0 */
/* The table of probes, in the order in which their values stand in a sample, and what several of
 * them need. A hint is for one that comes later; the last tells how the others fared. */
#include "sample/probe.h"

#include <errno.h>
#include <string.h>

#include "core/privpath.h"

const struct probe_ops *const probes[] = {
	&probe_cpu,        &probe_load,    &probe_memory, &probe_vmstat,     &probe_pressure,
	&probe_filesystem, &probe_io,      &probe_disk,   &probe_cgroup,     &probe_vm,
	&probe_edac,       &probe_thermal, &probe_limits, &probe_process,    &probe_net,
	&probe_sockets,    &probe_clock,   &probe_pstore, &probe_kernel_log, &probe_agent,
};
const size_t probes_n = ARRAY_SIZE(probes);
_Static_assert(ARRAY_SIZE(probes) <= PROBES_MAX, "PROBES_MAX is too small");

int probe_open_priv(const struct probe_setup *setup, int privpath)
{
	if (setup->open_fd)
		return setup->open_fd(privpath, setup->open_ctx);
	return privpath_open(setup->env, (enum privpath)privpath, NULL);
}

int probe_own_root(const struct env *env, const char *path, struct err *e)
{
	char full[ENV_PATH_MAX];

	if (!strcmp(env_path(env, path, full), path))
		return 0;
	return err_set(e, -ENOTSUP,
		       "the library that reads %s knows only the real one, not the given root",
		       path);
}

void probe_add_of(struct sample *out, enum metric metric, int entity, double value)
{
	if (entity >= 0) {
		sample_add(out, metric, entity, value);
		return;
	}
	out->dropped++;
	out->no_room++;
}
