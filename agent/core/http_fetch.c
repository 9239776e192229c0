/* SPDX-License-Identifier: Apache-2.0 */
/* One request that a command waits for, on a loop of its own: same deadlines, ways and answers as
 * in the agent. */
#include "core/http_private.h"

struct fetch {
	struct loop *loop;
	struct http_answer *out;
	int result;
};

static void fetched(const struct http_answer *answer, void *ctx)
{
	struct fetch *f = ctx;
	struct buf body = BUF_INIT(answer->body.max);

	if (answer->body.len > 0)
		buf_put(&body, answer->body.data, answer->body.len);
	*f->out = *answer;
	f->out->body = body;
	f->result = buf_error(&body);
	loop_quit(f->loop, 0);
}

int http_fetch(const struct env *env, const struct http_setup *setup,
	       const struct http_request *req, struct http_answer *answer, struct err *e)
{
	struct fetch f = {.out = answer};
	struct http *http = NULL;
	int r;

	*answer = (struct http_answer){.date_s = -1, .retry_after_s = -1};
	r = loop_new(env, &f.loop);
	if (r < 0)
		return err_sys(e, -r, "event loop");
	r = http_new(f.loop, setup, &http, e);
	if (r == 0) {
		r = http_start(http, req, fetched, &f, NULL);
		r = r == 0 ? loop_run(f.loop) : r;
		if (r == 0)
			r = f.result;
		if (r < 0)
			err_sys(e, -r, "HTTP request");
	}
	http_free(http);
	loop_free(f.loop);
	return r;
}
