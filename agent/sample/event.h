/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a probe has to say at once, beside the numbers of the next sample. Events are facts, not
 * verdicts: what they mean is decided elsewhere.
 */
#pragma once

#include <stdint.h>

enum sample_event_kind {
	SAMPLE_EVENT_CLOCK_JUMP,   /* value: by how many ms wall-clock time was stepped */
	SAMPLE_EVENT_SUSPEND,      /* value: for how many ms the guest was suspended */
	SAMPLE_EVENT_PAUSE,        /* value: delays of the loop's timers in ms, in sum */
	SAMPLE_EVENT_PROCESS_DOWN, /* entity: the watched name; value: its lifetime in s */
	SAMPLE_EVENT_PROCESS_UP,   /* entity: the watched name; value: starts in the last 5 min */
	SAMPLE_EVENT_DISK_ADDED,   /* entity: the disk's name ... */
	SAMPLE_EVENT_DISK_REMOVED, /* ... also while something on it is mounted */
	SAMPLE_EVENT_DISK_CHANGED,
	SAMPLE_EVENT_KINDS
};
struct sample_event {
	enum sample_event_kind kind;
	int64_t boot_ms;
	double value;
	char entity[112]; /* escaped; "" = the guest */
};
extern const char *const sample_event_names[SAMPLE_EVENT_KINDS];
/** sample_event_fn - borrowed; must not free the sampler */
typedef void sample_event_fn(const struct sample_event *e, void *ctx);
