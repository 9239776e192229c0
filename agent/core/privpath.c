/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runner opens for the agent. The agent names a row, never a path; paths that are not
 * constant come from root-owned configuration. Nothing is read here.
 */
#include "core/privpath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DRIVE_DIR      "/mnt/config"
#define DRIVE_META     "/openstack/latest/meta_data.json"
#define DRIVE_EC2      "/ec2/latest/meta-data.json"
#define LOCAL_DATA_DIR "/var/lib/os-collect-config/local-data"

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
	[PRIVPATH_DRIVE_META] = {DRIVE_DIR DRIVE_META, O_RDONLY},
	[PRIVPATH_DRIVE_EC2] = {DRIVE_DIR DRIVE_EC2, O_RDONLY},
	[PRIVPATH_PRODUCT_UUID] = {"/sys/class/dmi/id/product_uuid", O_RDONLY},
	[PRIVPATH_INSTANCE_ID] = {"/var/lib/cloud/data/instance-id", O_RDONLY},
	[PRIVPATH_KMSG] = {"/dev/kmsg", O_RDONLY, .device = true},
	[PRIVPATH_PSI_MEMORY] = {"/proc/pressure/memory", O_RDWR},
	[PRIVPATH_PSI_IO] = {"/proc/pressure/io", O_RDWR},
	[PRIVPATH_PSI_CPU] = {"/proc/pressure/cpu", O_RDWR},
};

static bool is_local_data(enum privpath id)
{
	return id >= PRIVPATH_LOCAL_DATA && id <= PRIVPATH_LOCAL_DATA_LAST;
}

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
	case PRIVPATH_DRIVE_META:
		*suffix = DRIVE_META;
		return names->config_drive;
	case PRIVPATH_DRIVE_EC2:
		*suffix = DRIVE_EC2;
		return names->config_drive;
	default:
		return NULL;
	}
}

const char *privpath_path(enum privpath id, const struct privpath_names *names,
			  char out[static ENV_PATH_MAX])
{
	const char *suffix, *path = configured(id, names, &suffix);
	int n;

	if (is_local_data(id)) /* a name for people: which file it is only the folder tells */
		n = snprintf(out, ENV_PATH_MAX, LOCAL_DATA_DIR " [%d]", (int)id - (int)PRIVPATH_LOCAL_DATA);
	else if (path && path[0])
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

/* ---- the folder local-data: as os-collect-config has it, all of it is good or none ---- */

static int is_shown(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Return: the @n-th file of the @found, -EPERM when one of them may be written by everybody. */
static int pick(int dir, struct dirent *const *list, int found, unsigned n)
{
	_cleanup_close_ int fd = -1;

	for (int i = 0; i < found; i++) {
		struct stat st;

		if (fstatat(dir, list[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (st.st_mode & S_IWOTH || !S_ISREG(st.st_mode))
			return -EPERM;
	}
	if (n >= (unsigned)found)
		return -ENOENT;
	fd = openat(dir, list[n]->d_name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	return fd < 0 ? -errno : take_fd(&fd);
}

static int open_local_data(const struct env *env, unsigned n)
{
	char full[ENV_PATH_MAX];
	_cleanup_close_ int dir =
		open(env_path(env, LOCAL_DATA_DIR, full), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct dirent **list = NULL;
	struct stat st;
	int found, r;

	if (dir < 0 || fstat(dir, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & S_IWOTH))
		return -EPERM;
	/* Names alone, which are opened below @dir: scandirat(3) is glibc's. */
	found = scandir(full, &list, is_shown, by_bytes);
	if (found < 0)
		return -errno;
	r = pick(dir, list, found, n);
	while (found > 0)
		free(list[--found]);
	free(list);
	return r;
}

int privpath_open(const struct env *env, enum privpath id, const struct privpath_names *names)
{
	char path[ENV_PATH_MAX], full[ENV_PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r;

	if ((unsigned)id >= PRIVPATH_COUNT)
		return -EINVAL;
	if (is_local_data(id))
		return open_local_data(env, (unsigned)id - PRIVPATH_LOCAL_DATA);
	if (privpath_path(id, names, path)[0] != '/')
		return -ENOENT;
	/* O_NONBLOCK: a FIFO put in the place of a file must not stop the runner in open(2). */
	fd = open(env_path(env, path, full), rows[id].flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = check_kind(fd, &rows[id]);
	return r < 0 ? r : take_fd(&fd);
}
