/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The const table of what only root may open and the runner opens for the agent: it passes the
 * descriptor and reads nothing. One row each: id, path, flags. Optional files may be absent
 * (-ENOENT).
 */
#pragma once

#include "core/env.h"

enum privpath {
	PRIVPATH_CFN_INIT_DATA,       /* /var/lib/heat-cfntools/cfn-init-data */
	PRIVPATH_CFN_METADATA_SERVER, /* /var/lib/heat-cfntools/cfn-metadata-server */
	PRIVPATH_CFN_BOTO_CFG,        /* /var/lib/heat-cfntools/cfn-boto-cfg */
	PRIVPATH_NOVA_META,           /* /var/lib/heat-cfntools/nova_meta.json */
	PRIVPATH_CLOUD_INIT_DATA,     /* /var/lib/cloud/data/cfn-init-data (often world-readable:
					 reported) */
	PRIVPATH_OCC_CONF,            /* /etc/os-collect-config.conf */
	PRIVPATH_CFN_HUP_CONF,        /* <hooks conf dir>/cfn-hup.conf */
	PRIVPATH_CFN_CREDENTIALS, /* the credential-file that conf or cfn-hup.conf names, default
				     /etc/cfn/cfn-credentials */
	PRIVPATH_LAST_METADATA,   /* /var/cache/heat-cfntools/last_metadata */
	PRIVPATH_LOCAL_FILE,      /* conf local file */
	PRIVPATH_DRIVE_META,      /* <config drive>/openstack/latest/meta_data.json */
	PRIVPATH_DRIVE_EC2,       /* <config drive>/ec2/latest/meta-data.json */
	PRIVPATH_LOCAL_DATA,      /* the first file of /var/lib/os-collect-config/local-data, in C order */
	PRIVPATH_LOCAL_DATA_LAST = PRIVPATH_LOCAL_DATA + 63, /* those between: the ones after it */
	PRIVPATH_PRODUCT_UUID,    /* /sys/class/dmi/id/product_uuid */
	PRIVPATH_INSTANCE_ID,     /* /var/lib/cloud/data/instance-id */
	PRIVPATH_KMSG,            /* /dev/kmsg, O_NONBLOCK */
	PRIVPATH_PSI_MEMORY,      /* /proc/pressure/memory, O_RDWR: a trigger may be armed */
	PRIVPATH_PSI_IO,
	PRIVPATH_PSI_CPU,
	PRIVPATH_COUNT
};

struct privpath_names { /* rows whose path root-owned configuration names; NULL = default of the row
			 */
	const char *hooks_conf_dir;
	const char *credential_file;
	const char *local_file;
	const char *config_drive; /* where it is mounted */
};
/** privpath_path() - the unprefixed path of a row ("" when the configuration names none), into @out
 * of ENV_PATH_MAX. */
const char *privpath_path(enum privpath id, const struct privpath_names *names,
			  char out[static ENV_PATH_MAX]);
/** privpath_open() - Return: a descriptor (O_CLOEXEC|O_NOCTTY, flags of the row) or -errno. Only
 * regular files and the devices listed are opened. Of local-data: -ENOENT after the last file;
 * -EPERM for all of them when the folder is not root's or it or anything in it may be written by
 * everybody. */
int privpath_open(const struct env *env, enum privpath id,
		  const struct privpath_names *names) _must_check_;
