/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service.restarted: services that metadata want running (AWS::CloudFormation::Init, config
 * "config", or a top-level "config") are asked for at each document of a resource that has such
 * hooks. The runner starts what is down; hooks are told of what has been started. A service that
 * cannot be started is left alone for a while, longer each time.
 */
#include "hooks/queue_private.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/json.h"
#include "core/log.h"

#define SERVICE_CALL_MS                                                                            \
	(INT64_C(70) * 64 * 1000) /* the runner answers one after the other, each within 60 s */
#define SERVICE_BACKOFF 30000
#define WATCHED_MAX     64

static bool wants_services(const struct hook_queue *q, const char *resource)
{
	for (const struct queue_hook *h = q->hooks; h; h = h->next)
		if ((h->def.triggers & TRIGGER_SERVICE_RESTARTED) &&
		    strcmp(h->def.path.resource, resource) == 0)
			return true;
	return false;
}

static bool is_true(const json_t *v)
{
	static const char *const words[] = {"true", "yes", "1"};

	if (json_is_true(v) || (json_is_integer(v) && json_integer_value(v) == 1))
		return true;
	for (size_t i = 0; json_is_string(v) && i < ARRAY_SIZE(words); i++)
		if (strcasecmp(json_string_value(v), words[i]) == 0)
			return true;
	return false;
}

static struct watched_service *find(struct hook_queue *q, const char *resource, const char *name)
{
	for (struct watched_service *s = q->services; s; s = s->next)
		if (strcmp(s->resource, resource) == 0 && strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

static struct watched_service *service_free(struct watched_service *s)
{
	free(s->resource);
	free(s->name);
	free(s);
	return NULL;
}

static struct watched_service *add(struct hook_queue *q, const char *resource, const char *name)
{
	struct watched_service *s = calloc(1, sizeof(*s));
	size_t n = 0;

	for (const struct watched_service *other = q->services; other; other = other->next)
		n++;
	if (!s || n >= WATCHED_MAX) {
		free(s);
		return NULL;
	}
	s->q = q;
	s->resource = strdup(resource);
	s->name = strdup(name);
	s->backoff = (struct backoff){SERVICE_BACKOFF, RETRY_CAP_MS, 0};
	if (!s->resource || !s->name)
		return service_free(s);
	s->next = q->services;
	q->services = s;
	return s;
}

static void tell_hooks(struct watched_service *s)
{
	log_info("service %s of %s was down and has been started", s->name, s->resource);
	for (struct queue_hook *h = s->q->hooks; h; h = h->next)
		if ((h->def.triggers & TRIGGER_SERVICE_RESTARTED) &&
		    strcmp(h->def.path.resource, s->resource) == 0)
			queue_hook_event(h, s->name);
}

static void start_failed(struct watched_service *s)
{
	int64_t wait = backoff_next(&s->backoff, random_unit());

	s->not_before_ms = loop_now(s->q->setup.loop) + wait;
	log_warn("service %s of %s is down and could not be started; not tried again for %d s",
		 s->name, s->resource, (int)(wait / 1000));
}

static void take_answer(struct watched_service *s, struct link_msg *msg)
{
	uint32_t value = msg_get_u32(&msg->body);

	if (msg_reader_done(&msg->body) < 0 || value == SERVICE_FAILED) {
		start_failed(s);
		return;
	}
	backoff_reset(&s->backoff);
	if (value == SERVICE_STARTED)
		tell_hooks(s);
}

static void on_answer(struct link *link, int status, struct link_msg *msg, void *ctx)
{
	struct watched_service *s = ctx;

	if (link != s->q->runner)
		return;
	s->asked = false;
	s->q->tell_idle = true;
	if (status == 0 && msg)
		take_answer(s, msg);
	else if (status == -EINVAL)
		log_warn("service %s of %s: not a name of a service", s->name, s->resource);
	queue_kick(s->q, 0);
}

static void ask(struct watched_service *s)
{
	struct msg_writer w;

	msg_writer_init(&w);
	if (s->asked || s->not_before_ms > loop_now(s->q->setup.loop))
		return;
	msg_put_str(&w, s->name);
	s->asked = link_call(s->q->runner, RUNNER_SERVICE, &w, NULL, 0, SERVICE_CALL_MS, on_answer,
			     s) == 0;
}

static void offer_group(struct hook_queue *q, const char *resource, json_t *group)
{
	const char *name;
	json_t *want;

	json_object_foreach(group, name, want)
	{
		struct watched_service *s;

		if (!is_true(json_object_get(want, "ensureRunning")) || !*name ||
		    strlen(name) > 255)
			continue;
		s = find(q, resource, name);
		if (!s)
			s = add(q, resource, name);
		if (s)
			ask(s);
	}
}

void queue_service_offer(struct hook_queue *q, const struct document *doc)
{
	static const char *const managers[] = {"systemd", "sysvinit"};
	const json_t *init = json_object_get(doc->metadata, "AWS::CloudFormation::Init");
	const json_t *services =
		json_obj(json_obj(init ? init : doc->metadata, "config"), "services");

	if (!services || !q->runner || q->runner_lost || q->disabled ||
	    !wants_services(q, doc->resource))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(managers); i++)
		offer_group(q, doc->resource, json_obj(services, managers[i]));
}

void queue_service_runner_gone(struct hook_queue *q)
{
	for (struct watched_service *s = q->services; s; s = s->next)
		s->asked = false;
}

bool queue_service_busy(const struct hook_queue *q)
{
	for (const struct watched_service *s = q->services; s; s = s->next)
		if (s->asked)
			return true;
	return false;
}

void queue_service_deinit(struct hook_queue *q)
{
	while (q->services) {
		struct watched_service *s = q->services;

		q->services = s->next;
		service_free(s);
	}
}
