/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines to stderr. With JOURNAL_STREAM in the environment each line starts with "<N>", which
 * journald reads as its priority; otherwise with the level's name. One line is one write(2), so
 * lines of the roles never mix. Control characters inside a line are escaped here, whatever the
 * caller did. Secrets and signed URLs must not be handed in at all.
 */
#pragma once

#include "core/macro.h"

enum log_level { LOG_LEVEL_ERR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/**
 * log_setup() - once per process
 * @level: lines above this level are dropped before they are formatted
 * @who: the role's or command's name, printed in each line; borrowed, must outlive the process
 */
void log_setup(enum log_level level, const char *who);
enum log_level log_get_level(void);
/** log_level_parse() - "error", "warning", "info" or "debug". Return: 0 or -EINVAL. */
int log_level_parse(const char *word, enum log_level *ret_level) _must_check_;

void log_line(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_at(level, ...)                                                                         \
	do {                                                                                       \
		if ((level) <= log_get_level())                                                    \
			log_line((level), __VA_ARGS__);                                            \
	} while (0)
#define log_err(...)   log_at(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
