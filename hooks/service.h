/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services of the init system: asked one after the other, started when down. Programs are run by
 * fixed argument lists, never by a shell; each question is bounded in time.
 */
#pragma once

#include "core/loop.h"
#include "hooks/protocol.h"

#define SERVICE_TIMEOUT_MS 60000 /* for status and start together */
#define SERVICE_NAME_MAX   255
#define SERVICES_QUEUE_MAX 64

/** service_name_valid() - letters, digits and @._:\- only, not beginning with "-" or ".". */
bool service_name_valid(const char *name);

struct services;
/** @answer as enum service_answer, or -errno when the question could not be asked; called once,
 * never from inside */
typedef void service_fn(int answer, void *ctx);
int services_new(struct loop *loop, struct services **ret) _must_check_;
struct services *services_free(struct services *s); /* open questions are dropped without answer */
/** services_ask() - -EINVAL for a bad name, -EBUSY when too many wait. */
int services_ask(struct services *s, const char *name, service_fn *fn, void *ctx) _must_check_;
