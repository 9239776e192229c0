/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service manager wants to hear of its service: sd_notify(3)'s protocol, one datagram per
 * state, without its library. Silent where nobody asked (no NOTIFY_SOCKET). Only the process that
 * was started by the manager may speak: roles and hooks do not.
 */
#pragma once

#include "core/macro.h"

#define NOTIFY_READY    "READY=1"
#define NOTIFY_STOPPING "STOPPING=1"
#define NOTIFY_ALIVE    "WATCHDOG=1"

/** notify_send() - @state, one "NAME=VALUE" or several joined by newlines. Never blocks.
 * Return: 0 told, 1 nobody asked, -errno. */
int notify_send(const char *state);
/** notify_watchdog_ms() - how often NOTIFY_ALIVE must be said: a third of what the manager waits.
 * Return: 0 = it does not wait for this process. */
int64_t notify_watchdog_ms(void);
