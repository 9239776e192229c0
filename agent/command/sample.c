/* SPDX-License-Identifier: Apache-2.0 */
/* `heat-pulse sample`: one sample, taken by this process with the rights of its user. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "command/command.h"
#include "command/direct.h"
#include "command/options.h"
#include "core/log.h"
#include "core/loop.h"
#include "sample/sampler.h"

#define RATE_GAP_MS 250 /* between the two readings that rates need */

struct sample_arguments {
	const char *format;
	bool json, reference;
};

static const struct option_row rows[] = {
	{'f', "format", OPTION_TEXT, offsetof(struct sample_arguments, format), "FORMAT",
	 "text, json, monasca or prometheus"},
	{0, "json", OPTION_FLAG, offsetof(struct sample_arguments, json), NULL,
	 "the same as --format json"},
	{0, "reference", OPTION_FLAG, offsetof(struct sample_arguments, reference), NULL,
	 "print the table of all metrics (Markdown)"},
};

static const struct option_set options = {
	.command = "heat-pulse sample",
	.synopsis = "[--format FORMAT]",
	.about = "Takes one sample of the guest and prints it. What this kernel or this user's "
		 "rights do not offer is absent.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
};

struct taking {
	struct loop *loop;
	const struct sample_format *format;
	struct direct *direct;
};

static void on_sample(const struct sample *sample, void *ctx)
{
	struct taking *t = ctx;
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
	const struct sample_labels labels = {.hostname = t->direct->identity.hostname,
					     .resource_id = t->direct->identity.server_uuid,
					     .zone = t->direct->identity.zone};
	int r = t->format->write(sample, &labels, &out);

	if (r || buf_error(&out)) {
		fprintf(stderr, "heat-pulse sample: the sample does not fit: %s\n",
			strerror(r ? -r : -buf_error(&out)));
		loop_quit(t->loop, EXIT_CONFIG);
		return;
	}
	fwrite(out.data, 1, out.len, stdout);
	loop_quit(t->loop, EXIT_GOOD);
}

static int take_sample(struct taking *t, struct err *e)
{
	const struct sampler_setup setup = {.loop = t->loop,
					    .conf = &t->direct->conf,
					    .open_fd = direct_open,
					    .open_ctx = t->direct,
					    .sample = on_sample,
					    .ctx = t};
	struct sampler *sampler = NULL;
	int r = sampler_new(&setup, &sampler, e);

	if (!r)
		r = sampler_once(sampler, RATE_GAP_MS);
	if (!r)
		r = loop_run(t->loop);
	sampler_free(sampler);
	return r;
}

static const struct sample_format *find_format(const char *name)
{
	for (size_t i = 0; i < sample_formats_n; i++)
		if (!strcmp(sample_formats[i].name, name))
			return &sample_formats[i];
	return NULL;
}

static int print_reference(void)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20);

	if (metrics_write_reference(&out))
		return EXIT_CONFIG;
	fputs(buf_str(&out), stdout);
	return EXIT_GOOD;
}

int command_sample(struct env *env, int argc, char **argv)
{
	struct sample_arguments a = {0};
	struct direct direct;
	struct taking t = {.direct = &direct};
	struct err e = ERR_INIT;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	if (a.reference)
		return print_reference();
	t.format = find_format(a.json ? "json" : a.format ? a.format : "text");
	if (!t.format)
		return command_usage(options.command, "no format '%s'", a.format);
	r = direct_init(&direct, env, &e);
	if (!r)
		r = loop_new(env, &t.loop);
	if (!r)
		r = take_sample(&t, &e);
	if (r < 0)
		fprintf(stderr, "heat-pulse sample: %s\n", e.code ? e.text : strerror(-r));
	loop_free(t.loop);
	direct_deinit(&direct);
	return r < 0 ? EXIT_CONFIG : r;
}
