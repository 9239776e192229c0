/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `heat-pulse replay`: recorded samples or kernel logs on standard input, what the agent would have
 * made of them on standard output. The same objects as in the agent; no clock, no network, no file.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "command/command.h"
#include "command/options.h"
#include "predict/anomaly.h"
#include "predict/findings.h"
#include "predict/forecast.h"
#include "predict/host.h"
#include "predict/klog.h"
#include "predict/replay_line.h"

#define LINE_MAX_BYTES (64 * 1024) /* the rest of a longer line is dropped */

struct replay_arguments {
	bool all, notice;
};

static const struct option_row rows[] = {
	{'a', "all", OPTION_FLAG, offsetof(struct replay_arguments, all), NULL,
	 "klog: a line per finding: LINE CLASS LEVEL ENTITY; exhaustion: the rule behind each "
	 "answer"},
	{'n', "notice", OPTION_FLAG, offsetof(struct replay_arguments, notice), NULL,
	 "exhaustion: the alarm of the notice level, which is earlier and less sure"},
};

static const struct option_set options = {
	.command = "heat-pulse replay",
	.synopsis = "anomaly|exhaustion|host|klog [--all]",
	.about = "Runs the agent's predictions over standard input.\n"
		 "  exhaustion  SECONDS USED_FRACTION          -> SECONDS ALARM(0|1) ETA_SECONDS\n"
		 "  anomaly     SECONDS VALUE                  -> SCORE\n"
		 "  host        SECONDS VALUE1 VALUE2 ...      -> SECONDS ALARM(0|1) SCORE\n"
		 "  klog        text of a kernel log           -> class of the first finding, or "
		 "none",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
	.max_arguments = 1,
};

struct replay {
	bool all;
	enum finding_level level;
	uint64_t line;
	/* klog */
	struct klog *klog;
	struct findings *findings;
	int64_t usec;
	struct klog_hit first;
	/* exhaustion */
	struct forecast forecast;
	struct anomaly anomaly;
	struct host *host;
};

/* ---- klog ---- */

static int klog_begin(struct replay *r)
{
	int err = klog_new(&r->klog);

	r->usec = -1;
	return err ? err : findings_new(UINT_MAX / 2, &r->findings);
}

/* What opens a finding is printed; what only adds to an open one is not. */
static void klog_say(struct replay *r)
{
	struct findings_news news;
	struct klog_hit hit;

	while (klog_take(r->klog, &hit)) {
		bool opened = false;

		findings_tick(r->findings, hit.usec / 1000);
		findings_klog(r->findings, hit.usec / 1000, &hit);
		while (findings_take(r->findings, &news))
			opened = opened || news.event == FINDINGS_OPENED ||
				 news.event == FINDINGS_RAISED;
		if (!opened)
			continue;
		if (r->all)
			printf("%llu %s %s %s\n", (unsigned long long)hit.line,
			       klog_classes[hit.class].name, finding_level_names[hit.level],
			       hit.entity);
		/* The first that matters: programs that crash are no failure of the kernel, and a
		 * notice counts only where nothing else comes. */
		if (hit.class == KLOG_APP_CRASH)
			continue;
		if (!r->first.class ||
		    (r->first.level == FINDING_NOTICE && hit.level > FINDING_NOTICE))
			r->first = hit;
	}
}

static int klog_line(struct replay *r, const char *p, size_t n)
{
	if (klog_strip(&p, &n, &r->usec))
		klog_feed(r->klog, p, n, r->usec);
	else
		klog_feed(r->klog, "", 0, r->usec);
	klog_say(r);
	return 0;
}

static void klog_end(struct replay *r)
{
	if (r->klog && r->findings) {
		klog_flush(r->klog, -1);
		klog_say(r);
	}
	if (!r->all && !r->first.class)
		printf("none\n");
	else if (!r->all)
		printf("%s %s %s line %llu\n", klog_classes[r->first.class].name,
		       finding_level_names[r->first.level], r->first.entity,
		       (unsigned long long)r->first.line);
	findings_free(r->findings);
	klog_free(r->klog);
}

/* ---- numbers out: printf(3) would take longer than the predictions ---- */

static void put_whole(double v)
{
	char text[24];
	size_t at = sizeof(text);
	bool negative = v < 0;
	uint64_t left;

	if (!(fabs(v) < 1e10) || v != rint(v)) {
		printf("%.10g", v);
		return;
	}
	left = (uint64_t)fabs(v);
	do
		text[--at] = (char)('0' + left % 10);
	while (left /= 10);
	if (negative)
		text[--at] = '-';
	fwrite_unlocked(text + at, 1, sizeof(text) - at, stdout);
}

/* Not negative, four digits behind the point. */
static void put_score(double v)
{
	uint64_t scaled = (uint64_t)llrint(v * 10000);

	put_whole((double)(scaled / 10000));
	putc_unlocked('.', stdout);
	for (uint64_t unit = 1000; unit; unit /= 10)
		putc_unlocked((int)('0' + scaled / unit % 10), stdout);
}

/* ---- exhaustion ---- */

static int exhaustion_begin(struct replay *r)
{
	forecast_init(&r->forecast);
	return 0;
}

static int exhaustion_line(struct replay *r, const char *p, size_t n)
{
	struct forecast_view view;
	double in[2];
	size_t got;

	if (replay_line(p, n, in, 2, &got) || got == 1)
		return -EINVAL;
	if (!got)
		return 0;
	forecast_feed(&r->forecast, in[0], in[1], 1);
	forecast_view(&r->forecast, &view);
	put_whole(in[0]);
	fputs_unlocked(view.open && view.level >= r->level ? " 1 " : " 0 ", stdout);
	put_whole(rint(view.eta_s));
	if (r->all)
		printf(" %s", forecast_reasons[view.reason]);
	putc_unlocked('\n', stdout);
	return 0;
}

/* ---- anomaly ---- */

static int anomaly_begin(struct replay *r)
{
	anomaly_init(&r->anomaly);
	return 0;
}

static int anomaly_line(struct replay *r, const char *p, size_t n)
{
	double in[2];
	size_t got;

	if (replay_line(p, n, in, 2, &got) || got == 1)
		return -EINVAL;
	if (!got)
		return 0;
	put_score(anomaly_feed(&r->anomaly, in[0], in[1], ANOMALY_THRESHOLD));
	putc_unlocked('\n', stdout);
	return 0;
}

/* ---- host ---- */

static int host_begin(struct replay *r _unused_)
{
	return 0;
}

/* The first line says how many metrics there are. */
static int host_line(struct replay *r, const char *p, size_t n)
{
	double in[REPLAY_NUMBERS_MAX], score;
	size_t got;
	bool alarm;
	int err = replay_line(p, n, in, REPLAY_NUMBERS_MAX, &got);

	if (err || !got)
		return err;
	if (!r->host && got > 1)
		err = host_new(got - 1, &r->host);
	if (err || !r->host || got - 1 != r->host->n)
		return err ? err : -EINVAL;
	alarm = host_feed(r->host, in[0], in + 1, &score);
	printf("%.10g %d %.4f\n", in[0], alarm, score);
	return 0;
}

static void host_end(struct replay *r)
{
	host_free(r->host);
}

static void nothing_left(struct replay *r _unused_)
{
}

static const struct replay_kind {
	const char *name;
	int (*begin)(struct replay *r);
	int (*line)(struct replay *r, const char *p, size_t n); /* -EINVAL: not what it reads */
	void (*end)(struct replay *r);
} kinds[] = {
	{"anomaly", anomaly_begin, anomaly_line, nothing_left},
	{"exhaustion", exhaustion_begin, exhaustion_line, nothing_left},
	{"host", host_begin, host_line, host_end},
	{"klog", klog_begin, klog_line, klog_end},
};

/* ---- standard input ---- */

static int each_line(struct replay *r, const struct replay_kind *kind)
{
	_cleanup_free_ char *line = malloc(LINE_MAX_BYTES);
	size_t n = 0;
	int c, err = 0;

	if (!line)
		return -ENOMEM;
	while (!err && (c = getc_unlocked(stdin)) != EOF) {
		if (c != '\n') {
			if (n < LINE_MAX_BYTES)
				line[n++] = (char)c;
			continue;
		}
		r->line++;
		err = kind->line(r, line, n);
		n = 0;
	}
	if (!err && n) {
		r->line++;
		err = kind->line(r, line, n);
	}
	return err ? err : ferror(stdin) ? -EIO : 0;
}

int command_replay(struct env *env _unused_, int argc, char **argv)
{
	struct replay_arguments a = {0};
	struct replay replay = {0};
	const struct replay_kind *kind = NULL;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	for (size_t i = 0; first < argc && i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, argv[first]))
			kind = &kinds[i];
	if (!kind)
		return command_usage(options.command,
				     "what to replay: anomaly, exhaustion, host or klog");
	replay.all = a.all;
	replay.level = a.notice ? FINDING_NOTICE : FINDING_WARNING;
	r = kind->begin(&replay);
	if (!r)
		r = each_line(&replay, kind);
	kind->end(&replay);
	if (r)
		fprintf(stderr, "%s: line %llu: %s\n", options.command,
			(unsigned long long)replay.line,
			r == -EINVAL ? "not what this replay reads" : strerror(-r));
	if (fflush(stdout))
		return EXIT_CONFIG;
	return r ? EXIT_CONFIG : EXIT_GOOD;
}
