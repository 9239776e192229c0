/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One signal sent by the command itself while no agent runs: the same sources find the stack, the
 * same sinks tell it; nothing is spooled, so the answer is delivered or not.
 */
#include "command/direct.h"

#include <errno.h>
#include <string.h>

#include "build_info.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "metadata/watch.h"
#include "sink/sink.h"

#define GIVE_UP_MS (2 * 60 * 1000)

struct sending {
	struct direct direct;
	struct loop *loop;
	struct http *http;
	struct store *store; /* without a link: in memory */
	struct watch *watch;
	struct loop_timer *timer;
	struct sink_setup setup;
	struct sink_set *sinks;
	struct signal signal;
	enum carry how;
	bool sent;
	char why[256];
};

static const struct document *own_document(void *ctx)
{
	struct sending *s = ctx;

	return s->watch ? watch_document(s->watch, NULL) : NULL;
}

static void on_sent(enum carry how, int64_t retry_after_s _unused_, const char *why, void *ctx)
{
	struct sending *s = ctx;

	s->how = how;
	s->sent = how == CARRY_DELIVERED;
	text_print(s->why, sizeof(s->why), "%s",
		   how == CARRY_NO_ROUTE
			   ? "no credentials that could tell it; see `heat-pulse check`"
		   : why ? why
			 : "");
	loop_quit(s->loop, 0);
}

static void send_now(struct sending *s)
{
	if (sink_set_send(s->sinks, &s->signal, on_sent, s))
		on_sent(CARRY_RETRY, -1, "out of memory", s);
}

static void on_document(const struct document *doc _unused_, bool changed _unused_,
			void *ctx _unused_)
{
}

static void on_problem(enum problem_level level, const char *code _unused_, const char *text,
		       const char *remedy _unused_, void *ctx)
{
	struct sending *s = ctx;

	if (level != PROBLEM_OK)
		text_print(s->why, sizeof(s->why), "%s", text);
}

static void on_round_done(unsigned failures _unused_, void *ctx)
{
	struct sending *s = ctx;

	if (own_document(s))
		send_now(s);
	else
		loop_quit(s->loop, 0); /* on_problem() has the reason */
}

static void on_start(struct loop *loop _unused_, void *ctx)
{
	send_now(ctx);
}

static void on_late(struct loop *loop, void *ctx)
{
	struct sending *s = ctx;

	snprintf(s->why, sizeof(s->why), "no answer within %d s", GIVE_UP_MS / 1000);
	loop_quit(loop, 0);
}

/* A handle's name means nothing without the stack, which the document tells; a URL stands for
 * itself. */
static int begin(struct sending *s, struct err *e)
{
	struct watch_setup setup = {.loop = s->loop,
				    .http = s->http,
				    .conf = &s->direct.conf,
				    .creds = &s->direct.creds,
				    .open_fd = direct_open,
				    .open_ctx = &s->direct,
				    .one_pass = true,
				    .events = {on_document, on_problem, on_round_done, s}};

	if (s->signal.kind == SIGNAL_DEPLOYMENT || strstr(s->signal.target, "://"))
		return loop_defer(s->loop, on_start, s);
	return watch_new(&setup, &s->watch, e);
}

static int open_sinks(struct sending *s, struct err *e)
{
	s->setup = (struct sink_setup){.loop = s->loop,
				       .http = s->http,
				       .conf = &s->direct.conf,
				       .creds = &s->direct.creds,
				       .keystone = s->watch ? watch_keystone(s->watch) : NULL,
				       .store = s->store,
				       .document = own_document,
				       .ctx = s};
	return sink_set_open(&s->setup, &s->sinks, e);
}

static int build(struct sending *s, const json_t *request, struct err *e)
{
	const char *id = json_str(request, "id");
	int64_t now = s->direct.env->real_ms();

	return signal_build_custom(json_str(request, "target"), json_str(request, "status"),
				   json_str(request, "reason"),
				   id ? id : s->direct.identity.server_uuid,
				   json_object_get(request, "data"), now, now, 0, &s->signal, e);
}

static int make(struct sending *s, const struct env *env, struct err *e)
{
	const struct http_setup http = {.ca_file = s->direct.conf.ca_file,
					.http_proxy = s->direct.conf.http_proxy,
					.no_proxy = s->direct.conf.no_proxy,
					.https_proxy = s->direct.conf.https_proxy,
					.user_agent = "heat-pulse/" HEAT_PULSE_VERSION};
	int r = loop_new(env, &s->loop);

	if (!r)
		r = store_new(s->loop, &s->store);
	if (!r)
		r = loop_timer_new(s->loop, 0, on_late, s, &s->timer);
	if (r)
		return err_sys(e, -r, "cannot prepare sending");
	loop_timer_arm(s->timer, GIVE_UP_MS);
	r = http_new(s->loop, &http, &s->http, e);
	if (!r)
		r = begin(s, e);
	if (!r)
		r = open_sinks(s, e);
	return r;
}

static void clean(struct sending *s)
{
	sink_set_close(s->sinks);
	watch_free(s->watch);
	http_free(s->http);
	store_free(s->store);
	loop_timer_free(s->timer);
	loop_free(s->loop);
	signal_deinit(&s->signal);
	direct_deinit(&s->direct);
}

static int run(struct sending *s, const struct env *env, struct err *e)
{
	int r = make(s, env, e);

	return r ? r : loop_run(s->loop);
}

int direct_signal(const struct env *env, const json_t *request, json_t **ret_answer, struct err *e)
{
	struct sending s = {.how = CARRY_NO_ROUTE};
	int r = direct_init(&s.direct, env, e);

	if (!r)
		r = build(&s, request, e);
	if (!r)
		r = run(&s, env, e);
	if (!r) {
		*ret_answer = json_pack("{s:i,s:s,s:o*}", "v", 1, "state",
					s.sent ? "delivered" : "refused", "error",
					s.sent ? NULL : json_text(s.why));
		r = *ret_answer ? 0 : -ENOMEM;
	}
	clean(&s);
	return r;
}

/* The sinks want a signal of their own. */
static int copy_signal(const struct signal *from, struct signal *to, struct err *e)
{
	_cleanup_free_ char *text = signal_save(from);

	return text ? signal_load(text, strlen(text), to, e) : err_set(e, -ENOMEM, "no memory");
}

int direct_send(const struct env *env, const struct signal *signal, struct err *e)
{
	struct sending s = {.how = CARRY_NO_ROUTE};
	int r = direct_init(&s.direct, env, e);

	if (!r)
		r = copy_signal(signal, &s.signal, e);
	if (!r)
		r = run(&s, env, e);
	if (!r && !s.sent)
		r = err_set(e, -EREMOTEIO, "not delivered: %s", s.why);
	clean(&s);
	return r;
}
