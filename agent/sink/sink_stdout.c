/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints signals on stdout, one JSON object per line: all of them with `print = yes` in [signal] (the
 * quickstart), besides the sinks that send them (it alone where no credentials exist), and those whose target
 * is "-". A retry is not printed again, so it may be asked again and again by whoever waits for another sink.
 * It never waits for the reader: a line that a full pipe would hold up is left out and counted.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/json.h"
#include "core/text.h"
#include "sink/reply.h"
#include "sink/rows.h"

#define SEEN_MAX 32

struct sink {
	struct reply reply;
	char seen[SEEN_MAX][65]; /* digests of what was printed last */
	unsigned next;
	uint64_t left_out;
};

static bool stdout_takes(const struct sink_setup *setup, const struct signal *s)
{
	/* What a deployment printed may hold secrets, and its route does. */
	return s->kind != SIGNAL_DEPLOYMENT && (setup->conf->signal_print || strcmp(s->target, "-") == 0);
}

static int stdout_open(const struct sink_setup *setup, struct sink **ret, struct err *e)
{
	struct sink *k = calloc(1, sizeof(*k));
	int r = k ? reply_init(&k->reply, setup->loop) : -ENOMEM;

	if (r < 0) {
		free(k);
		return err_set(e, r, "cannot open the stdout sink");
	}
	*ret = k;
	return 0;
}

static bool was_printed(const struct sink *k, const char *digest)
{
	for (unsigned i = 0; i < SEEN_MAX; i++)
		if (strcmp(k->seen[i], digest) == 0)
			return true;
	return false;
}

static int add(json_t *o, const char *name, const char *value)
{
	return value ? json_object_set_new(o, name, json_string(value)) : 0;
}

static char *line_of(const struct signal *s)
{
	_cleanup_json_ json_t *o = json_object();
	_cleanup_buf_ struct buf b = BUF_INIT(SIGNAL_SAVED_MAX + 4096);
	int bad = 0;

	if (!o)
		return NULL;
	/* a presigned URL is a secret: only where it goes, not how */
	http_url_redact(s->target, &b);
	bad |= json_object_set_new(o, "v", json_integer(1));
	bad |= add(o, "kind", signal_kind_names[s->kind]);
	bad |= add(o, "target", strstr(s->target, "://") ? buf_str(&b) : s->target);
	bad |= add(o, "status", s->status) | add(o, "reason", s->reason) | add(o, "id", s->id);
	if (s->data)
		bad |= json_object_set(o, "data", s->data);
	buf_reset(&b);
	/* the canonical form has the shortest numbers: 0.93 and not 0.93000000000000005 */
	if (bad || json_canonical(o, &b) < 0)
		return NULL;
	buf_putc(&b, '\n');
	return buf_take(&b);
}

/* Return: 0 printed (now or before), -EAGAIN when the reader is slow, -errno. */
static int print_once(struct sink *k, const struct signal *s)
{
	_cleanup_free_ char *line = line_of(s);
	struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
	char digest[65];
	size_t n = line ? strlen(line) : 0;

	if (!line)
		return -ENOMEM;
	text_sha256_hex(line, n, digest);
	if (was_printed(k, digest))
		return 0;
	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT)) {
		k->left_out++;
		return -EAGAIN;
	}
	if (write(STDOUT_FILENO, line, n) < 0)
		return -errno;
	memcpy(k->seen[k->next++ % SEEN_MAX], digest, sizeof(digest));
	return 0;
}

static int stdout_send(struct sink *k, const struct signal *s, carry_done_fn *done, void *ctx)
{
	int r = reply_begin(&k->reply, done, ctx);

	if (r < 0)
		return r;
	r = print_once(k, s);
	/* a copy for the eye must not hold up the signal itself */
	if (r < 0 && strcmp(s->target, "-") == 0)
		reply_end(&k->reply, CARRY_RETRY, -1, "cannot write to stdout: %s", strerror(-r));
	else
		reply_end(&k->reply, CARRY_DELIVERED, -1, "printed");
	return 0;
}

static json_t *stdout_status(const struct sink *k)
{
	json_t *o = reply_status(&k->reply, "stdout");

	if (o)
		json_object_set_new(o, "left_out", json_integer((json_int_t)k->left_out));
	return o;
}

static struct sink *stdout_close(struct sink *k)
{
	if (k)
		reply_deinit(&k->reply);
	free(k);
	return NULL;
}

const struct sink_ops sink_stdout = {
	.name = "stdout",
	.takes = stdout_takes,
	.open = stdout_open,
	.send = stdout_send,
	.status = stdout_status,
	.close = stdout_close,
};
