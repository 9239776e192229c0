/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runner opens for the agent. The agent names a row, never a path; paths that are not
 * constant come from root-owned configuration. Nothing is read here.
 */
#include "core/privpath.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct row {
	const char *path; /* "" = only if configuration names one */
	int flags;
	bool device; /* a character device is expected; everything else must be a regular file */
};

static const struct row rows[PRIVPATH_COUNT] = {
	[PRIVPATH_CFN_INIT_DATA] = {"/var/lib/heat-cfntools/cfn-init-data", O_RDONLY},
	[PRIVPATH_CFN_METADATA_SERVER] = {"/var/lib/heat-cfntools/cfn-metadata-server", O_RDONLY},
	[PRIVPATH_CFN_BOTO_CFG] = {"/var/lib/heat-cfntools/cfn-boto-cfg", O_RDONLY},
	[PRIVPATH_NOVA_META] = {"/var/lib/heat-cfntools/nova_meta.json", O_RDONLY},
	[PRIVPATH_CLOUD_INIT_DATA] = {"/var/lib/cloud/data/cfn-init-data", O_RDONLY},
	[PRIVPATH_OCC_CONF] = {"/etc/os-collect-config.conf", O_RDONLY},
	[PRIVPATH_CFN_HUP_CONF] = {"/etc/cfn/cfn-hup.conf", O_RDONLY},
	[PRIVPATH_CFN_CREDENTIALS] = {"/etc/cfn/cfn-credentials", O_RDONLY},
	[PRIVPATH_LAST_METADATA] = {"/var/cache/heat-cfntools/last_metadata", O_RDONLY},
	[PRIVPATH_LOCAL_FILE] = {"", O_RDONLY},
	[PRIVPATH_PRODUCT_UUID] = {"/sys/class/dmi/id/product_uuid", O_RDONLY},
	[PRIVPATH_INSTANCE_ID] = {"/var/lib/cloud/data/instance-id", O_RDONLY},
	[PRIVPATH_KMSG] = {"/dev/kmsg", O_RDONLY, .device = true},
	[PRIVPATH_PSI_MEMORY] = {"/proc/pressure/memory", O_RDWR},
	[PRIVPATH_PSI_IO] = {"/proc/pressure/io", O_RDWR},
	[PRIVPATH_PSI_CPU] = {"/proc/pressure/cpu", O_RDWR},
};

static const char *configured(enum privpath id, const struct privpath_names *names,
			      const char **suffix)
{
	*suffix = "";
	if (!names)
		return NULL;
	switch (id) {
	case PRIVPATH_CFN_HUP_CONF:
		*suffix = "/cfn-hup.conf";
		return names->hooks_conf_dir;
	case PRIVPATH_CFN_CREDENTIALS:
		return names->credential_file;
	case PRIVPATH_LOCAL_FILE:
		return names->local_file;
	default:
		return NULL;
	}
}

const char *privpath_path(enum privpath id, const struct privpath_names *names,
			  char out[static ENV_PATH_MAX])
{
	const char *suffix, *path = configured(id, names, &suffix);
	int n;

	if (path && path[0])
		n = snprintf(out, ENV_PATH_MAX, "%s%s", path, suffix);
	else
		n = snprintf(out, ENV_PATH_MAX, "%s", rows[id].path);
	if (n >= ENV_PATH_MAX)
		out[0] = 0; /* a cut path would be another file */
	return out;
}

static int check_kind(int fd, const struct row *row)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode) || (row->device && S_ISCHR(st.st_mode)))
		return 0;
	return S_ISDIR(st.st_mode) ? -EISDIR : -EPERM;
}

int privpath_open(const struct env *env, enum privpath id, const struct privpath_names *names)
{
	char path[ENV_PATH_MAX], full[ENV_PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r;

	if ((unsigned)id >= PRIVPATH_COUNT)
		return -EINVAL;
	if (privpath_path(id, names, path)[0] != '/')
		return -ENOENT;
	/* O_NONBLOCK: a FIFO put in the place of a file must not stop the runner in open(2). */
	fd = open(env_path(env, path, full), rows[id].flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = check_kind(fd, &rows[id]);
	return r < 0 ? r : take_fd(&fd);
}
