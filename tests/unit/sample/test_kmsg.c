/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel records: the parser by a table, forged lines included, and the reader on a socket that
 * keeps records apart. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "sample/kmsg.h"

static const struct {
	const char *in;
	unsigned facility, level;
	uint64_t seq, usec;
	char flag;
	const char *text, *subsystem, *device;
} good[] = {
	{"6,1,0,-;plain\n", 0, 6, 1, 0, '-', "plain", "", ""},
	{"4,410,25687394,-;sd 0:0:0:0: reset\n SUBSYSTEM=scsi\n DEVICE=+scsi:0:0:0:0\n", 0, 4, 410,
	 25687394, '-', "sd 0:0:0:0: reset", "scsi", "+scsi:0:0:0:0"},
	{"0,5,7,c;first part\n", 0, 0, 5, 7, 'c', "first part", "", ""},
	{"6,5,7,+;rest\n", 0, 6, 5, 7, '+', "rest", "", ""},
	/* newer kernels add fields after the flags */
	{"6,5,7,-,caller=T123;x\n", 0, 6, 5, 7, '-', "x", "", ""},
	{"6,5,7,-,caller=C0,more;x;y\n", 0, 6, 5, 7, '-', "x;y", "", ""},
	{"6,5,7,-;\n", 0, 6, 5, 7, '-', "", "", ""},
	/* a program's line says so by its facility, whatever it claims; a newline in it stays
	   inside the text */
	{"12,446,10,-;two\\x0alines \\x01 \\x5c back \\xff; semi\\x0a KEY=value\n", 1, 4, 446, 10,
	 '-', "two\\x0alines \\x01 \\x5c back \\xff; semi\\x0a KEY=value", "", ""},
	{"11,448,1,-;kernel: forged Out of memory\\x0a SUBSYSTEM=block\n", 1, 3, 448, 1, '-',
	 "kernel: forged Out of memory\\x0a SUBSYSTEM=block", "", ""},
	/* an escape for a printable character is undone, so that no one can hide a word from a rule
	 */
	{"6,1,1,-;O\\x75t of mem\n", 0, 6, 1, 1, '-', "Out of mem", "", ""},
	/* no escape at all: the backslash stands for itself, and is shown escaped */
	{"6,1,1,-;a\\b \\x1 \\xzz\n", 0, 6, 1, 1, '-', "a\\x5cb \\x5cx1 \\x5cxzz", "", ""},
	/* raw control characters and terminal escapes cannot get out */
	{"6,1,1,-;a\033[2Jb\tc\x80\n", 0, 6, 1, 1, '-', "a\\x1b[2Jb\\x09c\\x80", "", ""},
	{"6,1,1,-;t\n DEVICE=b8:0\\x0aX\n OTHER=1\n", 0, 6, 1, 1, '-', "t", "", "b8:0\\x0aX"},
	{"190,1,1,-;syslog\n", 23, 6, 1, 1, '-', "syslog", "", ""},
	/* dictionary of a record that was cut: the whole lines count */
	{"6,1,1,-;t\n SUBSYSTEM=net\n DEVICE=n", 0, 6, 1, 1, '-', "t", "net", ""},
};

static void parse_good(void **state)
{
	struct kmsg_record r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(kmsg_parse(good[i].in, strlen(good[i].in), &r), 0);
		assert_int_equal(r.facility, good[i].facility);
		assert_int_equal(r.level, good[i].level);
		assert_int_equal(r.seq, good[i].seq);
		assert_int_equal(r.usec, good[i].usec);
		assert_int_equal(r.flag, good[i].flag);
		assert_string_equal(r.text, good[i].text);
		assert_int_equal(r.text_len, strlen(good[i].text));
		assert_string_equal(r.subsystem, good[i].subsystem);
		assert_string_equal(r.device, good[i].device);
	}
}

/* What is no record is refused, and never read beyond its end (the copies are of exact size). */
static void parse_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"6",
		"6,1",
		"6,1,2",
		"6,1,2,",
		"6,1,2,;x\n",
		"6,1,2,-",
		"6,1,2,-x\n",
		"6,1,2,x;t\n",
		"6,1,2,-;no newline",
		"-6,1,2,-;t\n",
		"6,-1,2,-;t\n",
		" 6,1,2,-;t\n",
		"6,1,a,-;t\n",
		"6,99999999999999999999,2,-;t\n",
		"6,1,2,-c;t\n",
		"4294967296,1,2,-;t\n",
		" SUBSYSTEM=block\n",
		",,,;\n",
	};
	struct kmsg_record r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t n = strlen(bad[i]);
		char *exact = malloc(n ? n : 1);

		memcpy(exact, bad[i], n);
		assert_int_equal(kmsg_parse(exact, n, &r), -EINVAL);
		free(exact);
	}
}

/* A text over the limit is cut between escapes, never inside one. */
static void parse_cuts_long_text(void **state)
{
	char line[KMSG_READ_MAX];
	struct kmsg_record r;
	size_t n = (size_t)snprintf(line, sizeof(line), "6,1,2,-;x");

	(void)state;
	for (int i = 0; i < 1000; i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "\\x0a");
	line[n++] = '\n';
	assert_int_equal(kmsg_parse(line, n, &r), 0);
	assert_int_equal(r.text_len, 1 + 4 * ((KMSG_TEXT_MAX - 2) / 4));
	assert_int_equal(strlen(r.text), r.text_len);
	assert_string_equal(r.text + r.text_len - 4, "\\x0a");
}

/* ---- recorded logs ---- */

/* Length of the record at @p: its line and those that begin with a blank. */
static size_t record_length(const char *p)
{
	size_t n = strcspn(p, "\n") + 1;

	while (p[n] == ' ')
		n += strcspn(p + n, "\n") + 1;
	return n;
}

/* What real kernels wrote parses to the last record, with levels, facilities and dictionaries as
 * they were. */
static void recorded_logs_parse(void **state)
{
	static const struct {
		const char *file;
		unsigned kernel, foreign, crit, err, dictionaries;
	} logs[] = {
		{"/ext4-error-remount-ro.kmsg", 7, 0, 6, 1, 0},
		{"/user-written.kmsg", 0, 4, 0, 0, 0},
		{"/hotplug-scsi-add.kmsg", 8, 0, 0, 0, 8},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		unsigned kernel = 0, foreign = 0, level[8] = {0}, dictionaries = 0;
		struct kmsg_record r;
		size_t n, len;
		char *text = fixture_read("kmsg", logs[i].file, &n);

		for (const char *p = text; p < text + n; p += len) {
			len = record_length(p);
			assert_int_equal(kmsg_parse(p, len, &r), 0);
			kernel += !r.facility;
			foreign += r.facility != 0;
			level[r.level] += !r.facility;
			dictionaries +=
				!strcmp(r.subsystem, "scsi") && strstr(r.device, "scsi:0:0:0:0");
		}
		assert_int_equal(kernel, logs[i].kernel);
		assert_int_equal(foreign, logs[i].foreign);
		assert_int_equal(level[2], logs[i].crit);
		assert_int_equal(level[3], logs[i].err);
		assert_int_equal(dictionaries, logs[i].dictionaries);
		free(text);
	}
}

/* ---- reader ---- */

struct bench {
	struct loop *loop;
	int feed;
	struct kmsg_reader *reader;
	size_t n;
	uint64_t seqs[600];
	bool since_boot[600];
};

static void on_record(const struct kmsg_record *r, bool since_boot, void *ctx)
{
	struct bench *b = ctx;

	assert_true(b->n < ARRAY_SIZE(b->seqs));
	b->seqs[b->n] = r->seq;
	b->since_boot[b->n++] = since_boot;
}

static void stop_loop(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 0);
}

static void run_a_while(struct bench *b)
{
	struct loop_timer *t;

	assert_int_equal(loop_timer_new(b->loop, 0, stop_loop, NULL, &t), 0);
	loop_timer_arm(t, 60);
	assert_int_equal(loop_run(b->loop), 0);
	loop_timer_free(t);
}

static void feed(struct bench *b, const char *record)
{
	assert_int_equal(send(b->feed, record, strlen(record), 0), strlen(record));
}

static int bench_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	static struct env env;

	assert_int_equal(env_init(&env, NULL), 0);
	assert_int_equal(loop_new(&env, &b->loop), 0);
	*state = b;
	return 0;
}

static void attach(struct bench *b, uint64_t after)
{
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	b->feed = pair[1];
	assert_int_equal(kmsg_reader_new(b->loop, pair[0], after, on_record, b, &b->reader), 0);
}

static int bench_down(void **state)
{
	struct bench *b = *state;

	kmsg_reader_free(b->reader);
	close(b->feed);
	loop_free(b->loop);
	free(b);
	return 0;
}

/* What was there at the start is marked so, what comes later is not; only the kernel's own records
 * are handed on. */
static void reader_tells_old_from_live(void **state)
{
	struct bench *b = *state;
	const struct kmsg_stats *s;

	attach(b, 0);
	feed(b, "6,10,1,-;old\n");
	feed(b, "12,11,1,-;a program's\n");
	feed(b, "3,12,1,-;old error\n");
	assert_false(kmsg_reader_live(b->reader));
	run_a_while(b);
	assert_true(kmsg_reader_live(b->reader));
	feed(b, "rubbish");
	feed(b, "4,13,1,-;live warning\n");
	run_a_while(b);
	assert_int_equal(b->n, 3);
	assert_int_equal(b->seqs[1], 12);
	assert_true(b->since_boot[0] && b->since_boot[1]);
	assert_false(b->since_boot[2]);
	s = kmsg_reader_stats(b->reader);
	assert_int_equal(s->records, 3);
	assert_int_equal(s->foreign, 1);
	assert_int_equal(s->bad, 1);
	assert_int_equal(s->lost, 0); /* what the ring dropped before we came is nobody's loss */
	assert_int_equal(s->level[3], 1);
	assert_int_equal(s->level[4], 1);
	assert_int_equal(kmsg_reader_last_seq(b->reader), 13);
}

/* Lost records are counted by the gap, whoever wrote the records around it. */
static void reader_counts_gaps(void **state)
{
	struct bench *b = *state;

	attach(b, 0);
	feed(b, "6,10,1,-;a\n");
	feed(b, "12,14,1,-;b\n");
	feed(b, "6,15,1,-;c\n");
	feed(b, "6,25,1,-;d\n");
	run_a_while(b);
	assert_int_equal(kmsg_reader_stats(b->reader)->lost, 3 + 9);
}

/* After a restart nothing is handed on twice, levels still count from boot, and what was lost
 * between lives shows. */
static void reader_goes_on_after_seq(void **state)
{
	struct bench *b = *state;

	attach(b, 20);
	assert_int_equal(kmsg_reader_last_seq(b->reader), 20);
	feed(b, "4,19,1,-;reported before\n");
	feed(b, "4,20,1,-;reported before\n");
	feed(b, "4,23,1,-;new\n");
	run_a_while(b);
	assert_int_equal(b->n, 1);
	assert_int_equal(b->seqs[0], 23);
	assert_int_equal(kmsg_reader_stats(b->reader)->lost, 2);
	assert_int_equal(kmsg_reader_stats(b->reader)->level[4], 3);
}

/* A source that ends is left alone, with the reason. */
static void reader_survives_end(void **state)
{
	struct bench *b = *state;

	attach(b, 0);
	close(b->feed);
	b->feed = -1;
	run_a_while(b);
	assert_int_equal(kmsg_reader_error(b->reader), -EPIPE);
	assert_true(kmsg_reader_live(b->reader));
}

/* The real device: everything it holds parses, sequence numbers rise, and a line of a program is
 * not believed. */
static void reader_reads_the_real_log(void **state)
{
	struct bench *b = *state;
	const struct kmsg_stats *s;
	int fd = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	uint64_t foreign;

	if (fd < 0) {
		print_message("# SKIP /dev/kmsg cannot be opened here: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(kmsg_reader_new(b->loop, fd, 0, NULL, NULL, &b->reader), 0);
	b->feed = -1;
	s = kmsg_reader_stats(b->reader);
	for (int i = 0; i < 200 && !kmsg_reader_live(b->reader); i++)
		run_a_while(b);
	assert_true(kmsg_reader_live(b->reader));
	assert_int_equal(s->bad, 0);
	foreign = s->foreign;
	if (write(fd, "<2>heat-pulse test: not from the kernel\n", 40) == 40) {
		for (int i = 0; i < 200 && s->foreign == foreign; i++)
			run_a_while(b);
		assert_true(s->foreign >= foreign + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_good),
		cmocka_unit_test(parse_bad),
		cmocka_unit_test(parse_cuts_long_text),
		cmocka_unit_test(recorded_logs_parse),
		cmocka_unit_test_setup_teardown(reader_tells_old_from_live, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(reader_counts_gaps, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(reader_goes_on_after_seq, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(reader_survives_end, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(reader_reads_the_real_log, bench_up, bench_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
