/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure parsers of what the kernel tells of mounts and disks: (pointer, length) in, one row at a time
 * out. No allocation, no files.
 */
#pragma once

#include <stdbool.h>
#include "core/macro.h"

/* ---- /proc/self/mountinfo ---- */
struct parse_mount {
	uint64_t id;
	uint32_t major, minor;
	char root[8];	 /* of the mounted tree inside its file system, cut: "/" is all of it */
	char path[256];	 /* mount point, the file's octal escapes undone */
	char type[24];	 /* "ext4" */
	char source[64]; /* last part of its path ("vda1"), escaped for display */
	bool is_device;	 /* the source is below /dev */
	bool readonly;	 /* the mount or its file system */
	bool emergency;	 /* ext4 and others: writes are refused after an error, whatever "rw" says */
	bool cgroup_memory, cgroup_pids; /* version 1, with this controller */
	bool errors_readonly; /* mounted to become read-only at the first error */
};
/** parse_mount_next() - the next mount from *@pos on, which starts as 0. Lines that are none, and
 * paths too long for the struct, are passed over. Return: false at the end. */
bool parse_mount_next(const char *p, size_t n, size_t *pos, struct parse_mount *ret);
/**
 * parse_mountinfo() - the device of a mount point
 * @ret: receives struct parse_mount's source
 *
 * The last matching line counts, as a later mount covers an earlier one. Return: 0 or -ENOENT.
 */
int parse_mountinfo(const char *p, size_t n, const char *mount_point, char *ret,
		    size_t ret_cap) _must_check_;

/* ---- /proc/diskstats ---- */
enum parse_disk {
	DISK_READS,
	DISK_READS_MERGED,
	DISK_READ_SECTORS, /* of 512 bytes, whatever the device's own are */
	DISK_READ_MS,
	DISK_WRITES,
	DISK_WRITES_MERGED,
	DISK_WRITE_SECTORS,
	DISK_WRITE_MS,
	DISK_IN_FLIGHT,
	DISK_BUSY_MS,
	DISK_WEIGHTED_MS,
	DISK_FIELDS, /* all kernels have these; 4.18 and 5.5 added discards and flushes */
	DISK_DISCARDS = DISK_FIELDS,
	DISK_DISCARDS_MERGED,
	DISK_DISCARD_SECTORS,
	DISK_DISCARD_MS,
	DISK_FLUSHES,
	DISK_FLUSH_MS,
	DISK_FIELDS_MAX
};
struct parse_diskstats {
	uint32_t major, minor;
	char name[32];
	uint64_t n[DISK_FIELDS_MAX]; /* 0 where the kernel has none */
};
/** parse_diskstats_next() - as parse_mount_next(). */
bool parse_diskstats_next(const char *p, size_t n, size_t *pos, struct parse_diskstats *ret);
/** parse_disk_is_virtual() - is this a name of devices that are memory or a file, and no disk? */
bool parse_disk_is_virtual(const char *name);
