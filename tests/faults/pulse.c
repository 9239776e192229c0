/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sampler and the findings as the agent has them, with a prober of its own, and nothing else. On
 * stdout, one object a line: a "tick" with the interval that is kept now and whether this sample is
 * between two regular ones, then the sample; what is found in it; each event; each kernel record of
 * level error or worse. Runs until it is ended.
 *
 *   pulse [-p PROCESS_INTERVAL_MS] [-w PROCESS,...] INTERVAL_MS [MOUNT...]
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/text.h"
#include "predict/foresee.h"
#include "sample/sampler.h"

#define LEVEL_ERR 3

struct pulse {
	struct env env;
	struct loop *loop;
	struct link *prober;
	struct sampler *sampler;
	struct foresee *foresee;
};

/* Entities and texts are printable ASCII already; two characters of it mean something in JSON. */
static void print_text(const char *key, const char *text)
{
	printf(",\"%s\":\"", key);
	for (; *text; text++)
		printf("%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	putchar('"');
}

static void find(struct foresee *f, const struct sample *s)
{
	static const char *const events[] = {"opened", "raised", "repeated", "closed", "summary"};
	struct findings_news news;

	foresee_sample(f, s);
	foresee_tick(f, s->real_ms, s->boot_ms * 1000);
	while (findings_take(foresee_findings(f), &news)) {
		printf("{\"v\":1,\"kind\":\"finding\",\"event\":\"%s\",\"level\":\"%s\"",
		       events[news.event], finding_level_names[news.finding.level]);
		print_text("class", news.finding.class_name);
		print_text("entity", news.finding.entity);
		print_text("evidence", news.finding.evidence);
		puts("}");
	}
}

static void on_sample(const struct sample *s, void *ctx)
{
	const struct pulse *p = ctx;
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20);

	buf_printf(&out, "{\"kind\":\"tick\",\"interval_ms\":%lld,\"extra\":%s}\n",
		   (long long)sampler_interval(p->sampler), s->extra ? "true" : "false");
	if (sample_format_find("json")->write(s, NULL, &out))
		return;
	fwrite(out.data, 1, out.len, stdout);
	find(p->foresee, s);
	fflush(stdout);
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
	struct err e = ERR_INIT;
	int err = foresee_new(&p->foresee);

	if (!err)
		err = start_prober(p);
	if (!err)
		err = sampler_new(&setup, &p->sampler, &e);
	if (!err) {
		sampler_set_prober(p->sampler, p->prober);
		err = sampler_start(p->sampler);
	}
	if (!err)
		err = loop_run(p->loop);
	sampler_free(p->sampler);
	foresee_free(p->foresee);
	link_free(p->prober);
	return err;
}

static int number(const char *text, int64_t *ret)
{
	return text_i64(text, strlen(text), ret);
}

static int options(int argc, char **argv, struct conf *conf, struct buf *mounts)
{
	int c, err = 0;

	while (!err && (c = getopt(argc, argv, "+p:w:")) != -1) {
		if (c == 'p')
			err = number(optarg, &conf->process_interval_ms);
		else if (c == 'w')
			conf->watch_processes = optarg;
		else
			err = -EINVAL;
	}
	if (!err)
		err = optind < argc ? number(argv[optind], &conf->sample_interval_ms) : -EINVAL;
	for (int i = optind + 1; !err && i < argc; i++)
		buf_printf(mounts, "%s%s", mounts->len ? "," : "", argv[i]);
	if (mounts->len)
		conf->watch_mounts = mounts->data;
	if (!conf->process_interval_ms)
		conf->process_interval_ms = conf->sample_interval_ms;
	return err ? err : buf_error(mounts);
}

int main(int argc, char **argv)
{
	_cleanup_buf_ struct buf mounts = BUF_INIT(65536);
	struct conf conf = {0};
	struct pulse p = {0};
	int err = env_init(&p.env, NULL);

	if (!err)
		err = options(argc, argv, &conf, &mounts);
	if (!err)
		err = loop_new(&p.env, &p.loop);
	if (!err)
		err = run(&p, &conf);
	if (err)
		fprintf(stderr, "pulse: %s\n", strerror(err < 0 ? -err : EIO));
	loop_free(p.loop);
	return err ? 1 : 0;
}
