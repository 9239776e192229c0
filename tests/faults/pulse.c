/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sampler as the agent runs it, with a prober of its own, alone: each sample, event and kernel
 * record of level error or worse as one line of JSON on stdout; of a sample also whether it is
 * between two regular ones. Ends when stdin does.
 *
 *   pulse INTERVAL_MS PROCESS_INTERVAL_MS [MOUNTS [PROCESSES]]    lists with commas; "" = none
 * given
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/text.h"
#include "sample/sampler.h"

#define LEVEL_ERR 3

struct pulse {
	struct env env;
	struct loop *loop;
	struct link *prober;
	struct sampler *sampler;
};

/* The sample's own object, with one member put before the others. */
static void on_sample(const struct sample *s, void *ctx)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20);

	(void)ctx;
	if (sample_format_find("json")->write(s, NULL, &out))
		return;
	printf("{\"extra\":%s,", s->extra ? "true" : "false");
	fwrite(out.data + 1, 1, out.len - 1, stdout);
	fflush(stdout);
}

/* Entities and texts are printable ASCII already; two characters of it mean something in JSON. */
static void print_text(const char *key, const char *text)
{
	printf(",\"%s\":\"", key);
	for (; *text; text++)
		printf("%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	putchar('"');
}

static void on_event(const struct sample_event *e, void *ctx)
{
	(void)ctx;
	printf("{\"v\":1,\"kind\":\"event\",\"event\":\"%s\",\"value\":%.3f",
	       sample_event_names[e->kind], e->value);
	print_text("entity", e->entity);
	puts("}");
	fflush(stdout);
}

static void on_record(const struct kmsg_record *r, bool since_boot, void *ctx)
{
	(void)ctx;
	if (since_boot || r->level > LEVEL_ERR)
		return;
	printf("{\"v\":1,\"kind\":\"record\",\"level\":%u", r->level);
	print_text("text", r->text);
	puts("}");
	fflush(stdout);
}

static void on_stdin(struct loop *loop, uint32_t events, void *ctx)
{
	char byte;

	(void)events, (void)ctx;
	if (read(STDIN_FILENO, &byte, 1) <= 0)
		loop_quit(loop, 0);
}

static void on_message(struct link *link, struct link_msg *msg, void *ctx)
{
	(void)link, (void)msg, (void)ctx;
}

static void on_closed(struct link *link, void *ctx)
{
	struct pulse *p = ctx;

	sampler_set_prober(p->sampler, NULL);
	p->prober = link_free(link);
}

static int start_prober(struct pulse *p)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(fds[0]);
		close(STDIN_FILENO);
		_exit(prober_role_run(&p->env, fds[1]));
	}
	close(fds[1]);
	return link_new(p->loop, fds[0], on_message, on_closed, p, &p->prober);
}

static int run(struct pulse *p, const struct conf *conf)
{
	const struct sampler_setup setup = {.loop = p->loop,
					    .conf = conf,
					    .sample = on_sample,
					    .event = on_event,
					    .record = on_record,
					    .ctx = p};
	struct loop_io *in = NULL;
	struct err e = ERR_INIT;
	int err = start_prober(p);

	if (!err)
		err = sampler_new(&setup, &p->sampler, &e);
	if (!err)
		err = loop_io_add(p->loop, STDIN_FILENO, EPOLLIN, on_stdin, p, &in);
	if (!err) {
		sampler_set_prober(p->sampler, p->prober);
		err = sampler_start(p->sampler);
	}
	if (!err)
		err = loop_run(p->loop);
	sampler_free(p->sampler);
	link_free(p->prober);
	loop_io_remove(in);
	return err;
}

static int number(const char *text, int64_t *ret)
{
	return text_i64(text, strlen(text), ret);
}

static char *list(int argc, char **argv, int at)
{
	return argc > at && argv[at][0] ? argv[at] : NULL;
}

int main(int argc, char **argv)
{
	struct conf conf = {0};
	struct pulse p = {0};
	int err = argc < 3 ? -EINVAL : env_init(&p.env, NULL);

	if (!err)
		err = number(argv[1], &conf.sample_interval_ms);
	if (!err)
		err = number(argv[2], &conf.process_interval_ms);
	conf.watch_mounts = list(argc, argv, 3);
	conf.watch_processes = list(argc, argv, 4);
	if (!err)
		err = loop_new(&p.env, &p.loop);
	if (!err)
		err = run(&p, &conf);
	if (err)
		fprintf(stderr, "pulse: %s\n", strerror(err < 0 ? -err : EIO));
	loop_free(p.loop);
	return err ? 1 : 0;
}
