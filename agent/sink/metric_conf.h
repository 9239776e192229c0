/* SPDX-License-Identifier: Apache-2.0 */
/* The metric sinks of root-owned configuration ([sinks]), as settings and credentials. */
#pragma once

#include "core/conf.h"

/** metric_conf_sinks() - trusted settings, appended to @list. Return: 0, -ENOMEM. */
int metric_conf_sinks(const struct conf *conf, struct sink_setting list[static SINK_SETTINGS_MAX],
		      size_t *n) _must_check_;
/** metric_conf_merge() - those of metadata behind them, except what root's configuration names
 * already (the same type and URL). Return: 0, -ENOMEM. */
int metric_conf_merge(const struct sink_setting *more, size_t n_more,
		      struct sink_setting list[static SINK_SETTINGS_MAX], size_t *n) _must_check_;
/** metric_conf_credentials() - Keystone credentials of [sinks]; kind NONE where there are none. */
int metric_conf_credentials(const struct conf *conf, struct credentials *ret) _must_check_;
