/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the last boot ended, and how far the kernel log was reported: a mark that is kept on disk
 * while the agent runs, and what it says when it is found again. Pure: whoever keeps state reads
 * and writes the text.
 *
 * Write it at the start (running), whenever the kernel log was reported further or some minutes
 * have passed, and at an orderly end (stopped). A mark of another boot that says running: that boot
 * ended without shutdown.
 */
#pragma once

#include "core/macro.h"
#include <stdbool.h>

struct boot_mark {
	char boot_id[40];
	bool stopped;      /* the agent was ended in an orderly way */
	uint64_t kmsg_seq; /* records of that boot up to it were reported; 0 = none */
	int64_t alive_ms;  /* wall-clock time when the mark was written */
};
#define BOOT_MARK_TEXT_MAX 128
/** boot_mark_format() - the text to keep. Return: its length. */
size_t boot_mark_format(const struct boot_mark *m, char out[static BOOT_MARK_TEXT_MAX]);
/** boot_mark_parse() - Return: 0, 1 for one of a later version of this program, -EINVAL. */
int boot_mark_parse(const char *p, size_t n, struct boot_mark *ret) _must_check_;

/** boot_mark_after_seq() - for struct sampler_setup kmsg_after_seq: that of the mark in the same
 * boot, else 0. @m may be NULL. */
uint64_t boot_mark_after_seq(const struct boot_mark *m, const char *boot_id);

/* What earlier kernels left, see sampler_pstore(). */
struct lastboot_pstore {
	bool known; /* false: could not be looked at */
	uint64_t records, panics, oopses;
	int64_t newest_s; /* wall-clock time of the newest; 0 = none */
};

enum lastboot {
	LASTBOOT_UNKNOWN, /* no mark: the agent has not run before */
	LASTBOOT_SAME,    /* this boot: only the agent was restarted */
	LASTBOOT_CLEAN,   /* the agent was ended in an orderly way */
	LASTBOOT_UNCLEAN, /* power, reset, a hang, or a panic that nobody recorded */
	LASTBOOT_PANIC,   /* the kernel's last words say so */
	LASTBOOTS
};
extern const char *const lastboot_sentences[LASTBOOTS];
/** lastboot_judge() - @m may be NULL. Last words count when they were written after the mark. */
enum lastboot lastboot_judge(const struct boot_mark *m, const char *boot_id,
			     const struct lastboot_pstore *pstore);
