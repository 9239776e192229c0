/* SPDX-License-Identifier: Apache-2.0 */
/* Section sources: folder -> URL of an archive. */
#include <errno.h>

#include "hooks/init/archive.h"
#include "hooks/init/fetch.h"
#include "hooks/init/label.h"
#include "hooks/init/step.h"

static int one_source(struct init *in, const char *name, const json_t *value, struct err *e)
{
	struct archive_job job = {.url = json_string_value(value),
				  .dry_run = DRY(in),
				  .limits = &archive_limits_default};
	char target[ENV_PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r;

	if (name[0] != '/')
		return err_set(e, -EINVAL, "the folder must be an absolute path");
	if (!job.url)
		return err_set(e, -EINVAL, "not a URL");
	fd = fetch_file(in->setup, job.url, in->auth, NULL, e);
	if (fd < 0)
		return fd;
	job.fd = fd;
	job.target = env_path(in->setup->env, name, target);
	r = archive_unpack(&job, e);
	if (r < 0)
		return r;
	if (job.n_changed == 0) {
		step_say(in, name, "all %zu members are there", job.n_members);
		return 0;
	}
	if (!DRY(in))
		label_restore(in->setup->env, target, true);
	return step_changed(in, "sources", name, "unpacked: %zu of %zu members", job.n_changed,
			    job.n_members);
}

int section_sources(struct init *in, const json_t *section)
{
	return step_each(in, section, one_source, false);
}
