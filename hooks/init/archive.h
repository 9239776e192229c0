/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives, by libarchive: tar and zip, and single compressed files; gzip, bzip2, xz. An archive is
 * read twice: first every name, link, kind and size is judged, and only an archive that is good as
 * a whole is unpacked. Unpacking walks by descriptors and follows no link.
 */
#pragma once

#include "core/env.h"
#include "core/err.h"

struct archive_limits {
	uint64_t bytes_max; /* unpacked */
	uint64_t ratio_max; /* unpacked to packed, once over bytes_free */
	uint64_t bytes_free;
	size_t members_max;
};
extern const struct archive_limits archive_limits_default; /* 8 GiB, 200, 64 MiB, 200,000 */

struct archive_job {
	int fd;             /* the archive; read from its beginning; borrowed */
	const char *url;    /* for the name of a single file, and whether GitHub made it */
	const char *target; /* folder, as the kernel sees it */
	bool dry_run;
	const struct archive_limits *limits;
	size_t n_changed, n_members; /* out */
};

/** archive_unpack() - what is there already is left alone. Return: 0; -EPERM for an archive that is
 * refused (nothing was written), -EINVAL for none, -errno. The reason in @e. */
int archive_unpack(struct archive_job *job, struct err *e) _must_check_;
/** archive_judge() - the first reading alone: returns as above. */
int archive_judge(struct archive_job *job, struct err *e) _must_check_;
