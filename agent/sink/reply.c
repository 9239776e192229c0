/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common end of every sink. The answer goes through a timer of 0 ms, so that `done` is never called from
 * inside send() or from inside an HTTP callback that still uses the sink.
 */
#include "sink/reply.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"

static void answer(struct loop *loop, void *ctx)
{
	struct reply *r = ctx;
	carry_done_fn *done = r->done;

	(void)loop;
	r->done = NULL;
	r->any = true;
	r->last = r->how;
	r->delivered += r->how == CARRY_DELIVERED;
	if (done)
		done(r->how, r->retry_after_s, r->why, r->ctx);
}

int reply_init(struct reply *r, struct loop *loop)
{
	return loop_timer_new(loop, 0, answer, r, &r->timer);
}

void reply_deinit(struct reply *r)
{
	r->timer = loop_timer_free(r->timer);
	r->done = NULL;
}

int reply_begin(struct reply *r, carry_done_fn *done, void *ctx)
{
	if (r->done)
		return -EBUSY;
	r->done = done;
	r->ctx = ctx;
	return 0;
}

void reply_end(struct reply *r, enum carry how, int64_t retry_after_s, const char *fmt, ...)
{
	va_list ap;

	if (!r->done || loop_timer_armed(r->timer))
		return;
	r->how = how;
	r->retry_after_s = retry_after_s;
	va_start(ap, fmt);
	text_vprint(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	loop_timer_arm(r->timer, 0);
}

bool reply_pending(const struct reply *r)
{
	return r->done && !loop_timer_armed(r->timer);
}

void reply_drop(struct reply *r)
{
	loop_timer_disarm(r->timer);
	r->done = NULL;
}

json_t *reply_status(const struct reply *r, const char *name)
{
	bool bad = r->any && r->last != CARRY_DELIVERED;

	return json_pack("{s:s, s:s, s:o, s:I}", "name", name, "state",
			 !r->any ? "idle"
			 : bad   ? carry_names[r->last]
				 : "ok",
			 "error", json_text(bad ? r->why : NULL), "delivered",
			 (json_int_t)r->delivered);
}

/* ---- what an answer means ---- */

static const int busy_statuses[] = {408, 409, 425, 429};

static bool is_busy(long status)
{
	for (size_t i = 0; i < ARRAY_SIZE(busy_statuses); i++)
		if (status == busy_statuses[i])
			return true;
	return status >= 500;
}

void reply_judge(const struct http_answer *a, struct verdict *ret)
{
	char text[160] = "";

	*ret = (struct verdict){.how = CARRY_RETRY, .retry_after_s = a->retry_after_s};
	if (a->failure != HTTP_OK) {
		text_print(ret->why, sizeof(ret->why), "%s",
			   a->why[0] ? a->why : http_failure_names[a->failure]);
		return;
	}
	reply_message(buf_str(&a->body), a->body.len, text);
	snprintf(ret->why, sizeof(ret->why), "HTTP %ld%s%s", a->status, text[0] ? ": " : "", text);
	if (a->status >= 200 && a->status < 300)
		ret->how = CARRY_DELIVERED;
	else if (!is_busy(a->status))
		ret->how = CARRY_SLOWLY;
}

static void put_cut(const char *p, size_t n, char out[static 160])
{
	_cleanup_buf_ struct buf b = BUF_INIT(4096);

	text_escape(&b, p, n < 600 ? n : 600);
	snprintf(out, 160, "%s", buf_str(&b));
}

static bool from_xml(const char *p, size_t n, char out[static 160])
{
	static const char open[] = "<Message>", close[] = "</Message>";
	const char *a = memmem(p, n, open, sizeof(open) - 1);
	const char *z = a ? memmem(a, n - (size_t)(a - p), close, sizeof(close) - 1) : NULL;

	if (!z)
		return false;
	a += sizeof(open) - 1;
	put_cut(a, (size_t)(z - a), out);
	return true;
}

static const char *from_object(const json_t *o)
{
	const json_t *error = json_obj(o, "error");
	const char *text = error ? json_str(error, "message") : NULL;

	if (!text)
		text = json_str(o, "explanation");
	return text ? text : json_str(o, "message");
}

void reply_message(const char *p, size_t n, char out[static 160])
{
	_cleanup_json_ json_t *v = NULL;
	const char *text = NULL;

	out[0] = '\0';
	if (n == 0 || n > (64u << 10) || from_xml(p, n, out) ||
	    json_parse(p, n, &json_limits_default, &v, NULL) < 0)
		return;
	if (json_is_string(v))
		text = json_string_value(v);
	else if (json_is_object(v))
		text = from_object(v);
	if (text)
		put_cut(text, strlen(text), out);
}
