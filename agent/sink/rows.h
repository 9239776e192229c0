/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of sinks[]; only sinks.c and tests include this. */
#pragma once

#include "sink/sink.h"

extern const struct sink_ops sink_heat, sink_url, sink_stdout, sink_deployment;
