/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi handle on the loop. libcurl says which sockets and which timer it wants served;
 * everything a caller sees happens after libcurl has returned, so a callback may start, cancel or
 * free whatever it likes. The deadline of a call is a timer of ours, not libcurl's: it also covers
 * the wait for a resolver.
 */
#include "core/http_private.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"

#define QUEUE_LOOK_MS 250 /* threads that were abandoned end without telling */

static void admit_queued(struct http *http);

/* ---- lists ---- */

static void call_link(struct http *http, struct http_call *call)
{
	call->next = http->calls;
	if (http->calls)
		http->calls->prev = call;
	http->calls = call;
}

static void call_unlink(struct http *http, struct http_call *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else
		http->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	call->prev = call->next = NULL;
}

/* ---- the end of a call ---- */

static void http_destroy(struct http *http);

static void leave_multi(struct http_call *call)
{
	if (call->in_multi)
		curl_multi_remove_handle(call->http->multi, call->easy);
	call->in_multi = false;
}

static void fill_times(struct http_call *call)
{
	struct http_answer *a = &call->answer;
	int64_t now_s;

	a->got_real_ms = loop_env(call->http->loop)->real_ms();
	now_s = a->date_s >= 0 ? a->date_s : a->got_real_ms / 1000;
	if (http_retry_after(call->head.retry_after, strlen(call->head.retry_after), now_s,
			     &a->retry_after_s) < 0)
		a->retry_after_s = -1;
}

static void drop_answer(struct http_answer *a)
{
	a->status = 0;
	buf_deinit(&a->body);
	explicit_bzero(a->subject_token, sizeof(a->subject_token));
}

/* Hands the answer out; the call is gone afterwards, and perhaps the http too. */
static void finish(struct http_call *call, enum http_failure failure, const char *detail)
{
	struct http *http = call->http;
	struct http_answer *a = &call->answer;

	call->state = CALL_DONE;
	leave_multi(call);
	call_unlink(http, call);
	a->failure = failure;
	if (call->haste == HTTP_URGENT && call->last_used && call->name[0] &&
	    (failure == HTTP_CONNECT || failure == HTTP_TIMEOUT))
		http_names_forget(&http->names, call->name); /* the next try resolves */
	fill_times(call);
	if (failure != HTTP_OK)
		drop_answer(a);
	http_answer_explain(a, &call->url, detail);
	http->depth++;
	call->fn(a, call->ctx);
	http->depth--;
	http_call_free(call);
}

static void unless_dying(struct http *http)
{
	if (http->dying && http->depth == 0)
		http_destroy(http);
	else if (!http->dying)
		admit_queued(http);
}

/* ---- resolving ---- */

static void patience_ends(struct loop *loop _unused_, void *ctx);

static unsigned count_state(const struct http *http, enum call_state state)
{
	unsigned n = 0;

	for (const struct http_call *c = http->calls; c; c = c->next)
		n += c->state == state;
	return n;
}

static bool resolver_is_free(const struct http *http)
{
	long threads = http_name_threads(), waiting = 0;

	for (const struct http_call *c = http->calls; c; c = c->next)
		waiting += c->state == CALL_RESOLVING && (threads < 0 || !c->thread_started);
	return waiting + (threads > 0 ? threads : 0) < HTTP_RESOLVERS_MAX;
}

static int enter_multi(struct http_call *call)
{
	call->state = call->name[0] ? CALL_RESOLVING : CALL_RUNNING;
	if (curl_multi_add_handle(call->http->multi, call->easy) != CURLM_OK)
		return -ENOMEM;
	call->in_multi = true;
	return 0;
}

/* The name is resolved, or at its last good address, or waits for a resolver. */
static int admit(struct http_call *call)
{
	struct http *http = call->http;
	const char *last = http_names_last(&http->names, call->name);
	int r;

	if (!call->name[0])
		return enter_multi(call);
	if (call->haste == HTTP_URGENT && last && !call->last_used) {
		r = http_call_use_address(call, last);
		return r < 0 ? r : enter_multi(call);
	}
	if (resolver_is_free(http)) {
		if (last && !call->last_used)
			loop_timer_arm(call->patience, HTTP_RESOLVE_PATIENCE);
		return enter_multi(call);
	}
	if (last) {
		r = http_call_use_address(call, last);
		return r < 0 ? r : enter_multi(call);
	}
	call->state = CALL_QUEUED;
	loop_timer_arm(http->queue, QUEUE_LOOK_MS);
	return 0;
}

static void admit_queued(struct http *http)
{
	struct http_call *oldest = NULL;

	for (struct http_call *c = http->calls; c; c = c->next)
		if (c->state == CALL_QUEUED)
			oldest = c; /* new ones are put in front */
	if (!oldest)
		return;
	if (resolver_is_free(http) && admit(oldest) < 0) {
		finish(oldest, HTTP_RESOLVE, "no memory");
		unless_dying(http);
		return;
	}
	if (count_state(http, CALL_QUEUED) > 0)
		loop_timer_arm(http->queue, QUEUE_LOOK_MS);
}

static void queue_looks(struct loop *loop _unused_, void *ctx)
{
	admit_queued(ctx);
}

void http_call_opened(struct http_call *call)
{
	if (call->state == CALL_RESOLVING)
		call->state = CALL_RUNNING;
	loop_timer_disarm(call->patience);
	if (count_state(call->http, CALL_QUEUED) > 0) /* not now: libcurl is at work */
		loop_timer_arm(call->http->queue, 0);
}

/* Start again at the address that was good before. Return: false when there is none or it has been
 * tried. */
static bool retry_at_last(struct http_call *call)
{
	const char *last = http_names_last(&call->http->names, call->name);

	if (!last || call->last_used)
		return false;
	leave_multi(call);
	http_call_rewind(call);
	loop_timer_disarm(call->patience);
	return http_call_use_address(call, last) == 0 && enter_multi(call) == 0;
}

static void patience_ends(struct loop *loop _unused_, void *ctx)
{
	struct http_call *call = ctx;
	struct http *http = call->http;

	if (call->state != CALL_RESOLVING || retry_at_last(call))
		return;
	if (call->in_multi)
		return; /* nothing better than to go on waiting */
	finish(call, HTTP_RESOLVE, "no memory");
	unless_dying(http);
}

/* ---- what libcurl says ---- */

/* A proxy that refuses a tunnel looks like a lost connection to libcurl. */
static bool tunnel_refused(const struct http_call *call)
{
	long status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_HTTP_CONNECTCODE, &status);
	return call->proxy[0] && status >= 300;
}

static enum http_failure judge(const struct http_call *call, CURLcode code)
{
	if (call->too_big)
		return HTTP_TOO_BIG;
	if (code == CURLE_OPERATION_TIMEDOUT) /* only the connect timeout is libcurl's */
		return call->state == CALL_RESOLVING ? HTTP_RESOLVE : HTTP_CONNECT;
	if (code != CURLE_OK && tunnel_refused(call))
		return HTTP_CONNECT;
	if (code == CURLE_OK && call->answer.status == 0)
		return HTTP_BAD_ANSWER;
	return http_failure_of(code);
}

static void transfer_ends(struct http_call *call, CURLcode code)
{
	enum http_failure failure;
	char *address = NULL;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &call->answer.status);
	failure = judge(call, code);
	if (failure == HTTP_RESOLVE && retry_at_last(call))
		return;
	if (failure == HTTP_OK &&
	    curl_easy_getinfo(call->easy, CURLINFO_PRIMARY_IP, &address) == CURLE_OK)
		http_names_keep(&call->http->names, call->name, address);
	if (failure != HTTP_OK && !call->error[0])
		snprintf(call->error, sizeof(call->error), "%s", curl_easy_strerror(code));
	finish(call, failure, call->error);
}

static void drain(struct http *http)
{
	CURLMsg *msg;
	int left;

	http->depth++;
	while (!http->dying && (msg = curl_multi_info_read(http->multi, &left))) {
		CURLcode code = msg->data.result;
		char *call = NULL;

		if (msg->msg == CURLMSG_DONE &&
		    curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call) == CURLE_OK)
			transfer_ends((struct http_call *)(void *)call, code);
	}
	http->depth--;
	unless_dying(http);
}

static void act(struct http *http, curl_socket_t fd, int mask)
{
	int running;

	curl_multi_socket_action(http->multi, fd, mask, &running);
	drain(http);
}

static void on_socket(struct loop *loop _unused_, uint32_t events, void *ctx)
{
	struct http_socket *s = ctx;
	int mask = 0;

	mask |= events & EPOLLIN ? CURL_CSELECT_IN : 0;
	mask |= events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
	mask |= events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
	act(s->http, s->fd, mask);
}

static void on_timer(struct loop *loop _unused_, void *ctx)
{
	act(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static int timer_wanted(CURLM *multi _unused_, long timeout_ms, void *ctx)
{
	struct http *http = ctx;

	if (timeout_ms < 0)
		loop_timer_disarm(http->timer);
	else
		loop_timer_arm(http->timer, timeout_ms);
	return 0;
}

static void socket_free(struct http_socket *s)
{
	struct http *http = s->http;

	loop_io_remove(s->io);
	if (s->prev)
		s->prev->next = s->next;
	else
		http->sockets = s->next;
	if (s->next)
		s->next->prev = s->prev;
	free(s);
}

static struct http_socket *socket_new(struct http *http, curl_socket_t fd, uint32_t events)
{
	struct http_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->http = http;
	s->fd = fd;
	if (loop_io_add(http->loop, fd, events, on_socket, s, &s->io) < 0) {
		free(s);
		return NULL;
	}
	s->next = http->sockets;
	if (s->next)
		s->next->prev = s;
	http->sockets = s;
	return s;
}

/* A socket that cannot be watched is left to the call's deadline: an error here would end every
 * other call too. */
static int socket_wanted(CURL *easy _unused_, curl_socket_t fd, int what, void *ctx, void *mine)
{
	struct http *http = ctx;
	struct http_socket *s = mine;
	uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
			  (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);

	if (what == CURL_POLL_REMOVE) {
		if (s)
			socket_free(s);
		curl_multi_assign(http->multi, fd, NULL);
		return 0;
	}
	if (!s)
		curl_multi_assign(http->multi, fd, socket_new(http, fd, events));
	else if (s->io && loop_io_mod(s->io, events) < 0)
		s->io = loop_io_remove(s->io); /* the call's time limit ends it */
	return 0;
}

/* ---- the client ---- */

static int copy_string(const char **out, const char *s)
{
	*out = s ? strdup(s) : NULL;
	return s && !*out ? -ENOMEM : 0;
}

static int copy_setup(struct http *http, const struct http_setup *s)
{
	if (copy_string(&http->setup.ca_file, s->ca_file) < 0 ||
	    copy_string(&http->setup.http_proxy, s->http_proxy) < 0 ||
	    copy_string(&http->setup.https_proxy, s->https_proxy) < 0 ||
	    copy_string(&http->setup.no_proxy, s->no_proxy) < 0 ||
	    copy_string(&http->setup.user_agent, s->user_agent) < 0)
		return -ENOMEM;
	return 0;
}

static void free_setup(struct http_setup *s)
{
	const char **all[] = {&s->ca_file, &s->http_proxy, &s->https_proxy, &s->no_proxy,
			      &s->user_agent};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free((void *)(uintptr_t)*all[i]);
}

/* Since 8.12 a multi handle keeps TLS sessions for all its calls, before that each call its own: a
 * share costs 10 KiB where it is of no use. One thread alone has TLS: no locks. */
static int share_sessions(struct http *http)
{
	if (curl_version_info(CURLVERSION_NOW)->version_num >= 0x080c00)
		return 0;
	http->share = curl_share_init();
	if (!http->share)
		return -ENOMEM;
	return curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK
		       ? 0
		       : -ENOMEM;
}

static int make_multi(struct http *http)
{
	http->multi = curl_multi_init();
	if (!http->multi || share_sessions(http) < 0)
		return -ENOMEM;
	if (curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, HTTP_KEPT_MAX) != CURLM_OK)
		return -ENOMEM;
	if (curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted) != CURLM_OK ||
	    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) != CURLM_OK ||
	    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_wanted) != CURLM_OK ||
	    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) != CURLM_OK)
		return -ENOMEM;
	return 0;
}

static void http_destroy(struct http *http)
{
	if (http->multi)
		curl_multi_cleanup(http->multi);
	curl_share_cleanup(http->share);
	while (http->sockets)
		socket_free(http->sockets);
	loop_timer_free(http->timer);
	loop_timer_free(http->queue);
	free_setup(&http->setup);
	free(http);
	curl_global_cleanup();
}

int http_new(struct loop *loop, const struct http_setup *setup, struct http **ret, struct err *e)
{
	struct http *http;
	int r;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, -ENOMEM, "the HTTP library cannot be initialised");
	http = calloc(1, sizeof(*http));
	if (!http) {
		curl_global_cleanup();
		return err_sys(e, ENOMEM, "HTTP client");
	}
	http->loop = loop;
	r = copy_setup(http, setup);
	r = r == 0 ? loop_timer_new(loop, 0, on_timer, http, &http->timer) : r;
	r = r == 0 ? loop_timer_new(loop, 0, queue_looks, http, &http->queue) : r;
	r = r == 0 ? make_multi(http) : r;
	if (r < 0) {
		http_destroy(http);
		return err_sys(e, -r, "HTTP client");
	}
	http->ca_found = http_policy_ca_file(loop_env(loop), setup->ca_file, http->ca_file);
	*ret = http;
	return 0;
}

int http_set_ca_file(struct http *http, const char *ca_file)
{
	const char *copy;

	if (text_equal(http->setup.ca_file, ca_file))
		return 0;
	if (copy_string(&copy, ca_file) < 0)
		return -ENOMEM;
	free((void *)(uintptr_t)http->setup.ca_file);
	http->setup.ca_file = copy;
	http->ca_found = http_policy_ca_file(loop_env(http->loop), copy, http->ca_file);
	return 0;
}

struct http *http_free(struct http *http)
{
	if (!http || http->dying)
		return NULL;
	http->dying = true;
	http->depth++;
	while (http->calls)
		finish(http->calls, HTTP_CANCELLED, "");
	http->depth--;
	if (http->depth == 0)
		http_destroy(http);
	return NULL;
}

/* ---- calls ---- */

static enum http_failure how_far(const struct http_call *call)
{
	curl_off_t connected = 0;

	if (call->state == CALL_QUEUED || call->state == CALL_RESOLVING)
		return HTTP_RESOLVE;
	curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
	return connected > 0 ? HTTP_TIMEOUT : HTTP_CONNECT;
}

static void deadline_ends(struct loop *loop _unused_, void *ctx)
{
	struct http_call *call = ctx;
	struct http *http = call->http;
	char detail[64];

	if (call->early != HTTP_OK) {
		finish(call, call->early, call->error);
	} else {
		snprintf(detail, sizeof(detail), "gave up after %lld ms",
			 (long long)call->timeout_ms);
		finish(call, how_far(call), detail);
	}
	unless_dying(http);
}

static int launch(struct http_call *call)
{
	struct loop *loop = call->http->loop;
	int r = loop_timer_new(loop, 0, deadline_ends, call, &call->deadline);

	if (r == 0)
		r = loop_timer_new(loop, 0, patience_ends, call, &call->patience);
	if (r < 0)
		return r;
	call->answer.sent_real_ms = loop_env(loop)->real_ms();
	loop_timer_arm(call->deadline, call->early == HTTP_OK ? call->timeout_ms : 0);
	return call->early == HTTP_OK ? admit(call) : 0;
}

int http_start(struct http *http, const struct http_request *req, http_done_fn *fn, void *ctx,
	       struct http_call **ret)
{
	struct http_call *call;
	int r;

	if (http->dying)
		return -ESHUTDOWN;
	r = http_call_new(http, req, &call);
	if (r < 0)
		return r;
	call->fn = fn;
	call->ctx = ctx;
	r = launch(call);
	if (r < 0) {
		http_call_free(call);
		return r;
	}
	call_link(http, call);
	if (ret)
		*ret = call;
	return 0;
}

void http_cancel(struct http_call *call)
{
	struct http *http;

	if (!call || call->state == CALL_DONE)
		return;
	http = call->http;
	call->state = CALL_DONE;
	leave_multi(call);
	call_unlink(http, call);
	http_call_free(call);
	if (!http->dying && count_state(http, CALL_QUEUED) > 0)
		loop_timer_arm(http->queue, 0);
}
