/* SPDX-License-Identifier: Apache-2.0 */
/* Between settings.c (the table and how it is walked) and settings_predict.c (readers of
 * "predict"). */
#pragma once

#include "core/err.h"
#include "metadata/settings.h"

struct setting {
	const char *key;
	/* Return: 0, -ENOMEM, or 1 with what is wrong in @e */
	int (*read)(const json_t *value, struct settings *s, struct err *e);
	bool refused; /* only root-owned configuration may set it; @read: unless that trusts metadata */
};

/** setting_duration() - "10s", or a number of seconds. Return: 0; -EINVAL, also out of bounds */
int setting_duration(const json_t *v, int64_t min_ms, int64_t max_ms, int64_t *ret_ms) _must_check_;

/* settings_trust.c: what is read only where root-owned configuration trusts metadata */
int setting_command(const json_t *v, struct settings *s, struct err *e);
int setting_runas(const json_t *v, struct settings *s, struct err *e);
int setting_ca_file(const json_t *v, struct settings *s, struct err *e);

int setting_disable(const json_t *v, struct settings *s, struct err *e);
int setting_levels(const json_t *v, struct settings *s, struct err *e);
int setting_critical_eta(const json_t *v, struct settings *s, struct err *e);
int setting_horizon(const json_t *v, struct settings *s, struct err *e);
