/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated guest: what its kernel would show to probes and log, at any time of its life. */
#pragma once

#include "ntp.h"
#include "sample/sample.h"

#define GUEST_ENTITIES_MAX 16

struct guest_entity { /* one value that belongs to a mount, device, process or group */
	enum metric metric;
	const char *kind, *name, *detail;
	double value;
};

struct guest_view { /* of one moment */
	double t_s; /* since the run began; it begins at midnight of a Tuesday */
	double of[METRIC_COUNT]; /* guest-wide; NAN: absent */
	struct guest_entity entities[GUEST_ENTITIES_MAX];
	size_t n_entities;
};

void guest_set(struct guest_view *v, enum metric metric, const char *kind, const char *name, const char *detail,
	       double value);

struct habit { /* how a healthy guest lives */
	const char *name, *about;
	void (*live)(struct guest_view *v);
};
extern const struct habit habits[];
extern const size_t habits_n;

/* What befalls a guest. @class_name: with ":" and more where a class has several; @ill_s: since it began; @part: 0..1 of its time; @kernel: writes a line to the kernel's log. */
struct ailment {
	const char *class_name;
	void (*befall)(struct guest_view *v, double ill_s, double part);
	const char *const *lines; /* written once, one each second, from the start on */
	size_t n_lines;
	bool harmless; /* looks like a failure for a while: class_name is its own name */
	enum ntp_mood mood; /* of who keeps the clock */
};
extern const struct ailment ailments[];
extern const size_t ailments_n;
