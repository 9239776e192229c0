/* SPDX-License-Identifier: Apache-2.0 */
/* Between the reading, the judging and the unpacking of archives. */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "core/buf.h"
#include "hooks/init/archive.h"

enum member_kind { MEMBER_FILE, MEMBER_FOLDER, MEMBER_LINK, MEMBER_HARD };

struct member {
	enum member_kind kind;
	struct buf name;  /* as archive_name() has it */
	const char *link; /* target of either link; borrowed from the entry */
	struct archive_entry *entry;
};

struct reading {
	struct archive *a;
	struct archive_job *job;
	bool single;  /* one compressed file without a container */
	size_t strip; /* leading components that are left out */
	uint64_t bytes, packed;
};

/** reading_open() - from the archive's beginning; -EINVAL when it is none. reading_close() it in
 * any case. */
int reading_open(struct reading *r, struct archive_job *job, struct err *e) _must_check_;
void reading_close(struct reading *r);
/** reading_next() - the next member, judged by itself. Return: 1, 0 at the end, 2 for the target
 * itself, -EPERM, -EINVAL. */
int reading_next(struct reading *r, struct member *m, struct err *e) _must_check_;
/** reading_data() - the member's content into @fd (-1: only counted). Counted against the limits.
 */
int reading_data(struct reading *r, const struct member *m, int fd, struct err *e) _must_check_;
void member_deinit(struct member *m);
