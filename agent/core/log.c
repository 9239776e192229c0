/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines. Formats into a fixed buffer (a line is logged also when memory is short) and writes it
 * with one write(2): pipes and the journal's socket keep such lines whole up to PIPE_BUF, so lines
 * of the roles do not mix. Level and name are the process's own and set once, by log_setup().
 */
#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "core/text.h"

#define LOG_TEXT_MAX                                                                               \
	2000              /* of a sentence; what its escapes make longer than a line is cut there  \
			   */
#define LOG_LINE_MAX 4096 /* PIPE_BUF of Linux: what is not longer arrives whole */

static struct {
	enum log_level level;
	const char *who;
	bool to_journal;
} log_state = {LOG_LEVEL_INFO, "heat-pulse", false};

static const struct {
	const char *word;
	enum log_level level;
} log_words[] = {
	{"error", LOG_LEVEL_ERR},
	{"warning", LOG_LEVEL_WARN},
	{"info", LOG_LEVEL_INFO},
	{"debug", LOG_LEVEL_DEBUG},
};

void log_setup(enum log_level level, const char *who)
{
	log_state.level = level;
	log_state.who = who;
	log_state.to_journal = getenv("JOURNAL_STREAM") != NULL;
}

enum log_level log_get_level(void)
{
	return log_state.level;
}

int log_level_parse(const char *word, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_SIZE(log_words); i++) {
		if (text_equal(word, log_words[i].word)) {
			*ret_level = log_words[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

static const char *log_level_word(enum log_level level)
{
	for (size_t i = 0; i < ARRAY_SIZE(log_words); i++) {
		if (log_words[i].level == level)
			return log_words[i].word;
	}
	return "info";
}

/* Valid UTF-8 stays readable; a control character or a stray byte could forge a line or a terminal
 * command. */
static size_t log_escape(char *out, size_t room, const char *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	size_t used = 0, valid = 0;

	for (size_t i = 0; i < n && used + 4 <= room; i++) {
		unsigned char c = (unsigned char)p[i];

		if (i >= valid)
			valid = i + text_utf8_valid(p + i, n - i);
		/* U+0080..U+009F are terminal controls too: C2 80 .. C2 9F. */
		bool c1 = c == 0xc2 && i + 1 < valid && (unsigned char)p[i + 1] < 0xa0;
		bool bad = c < 0x20 || c == 0x7f || i >= valid || c1;

		if (!bad) {
			out[used++] = (char)c;
			continue;
		}
		out[used++] = '\\';
		out[used++] = 'x';
		out[used++] = digits[c >> 4];
		out[used++] = digits[c & 15];
		if (c1)
			valid = i + 1;
	}
	return used;
}

static size_t log_head(char *line, size_t room, enum log_level level)
{
	int n = log_state.to_journal ?
			snprintf(line, room, "<%d>%.64s: ", (int)level, log_state.who) :
			snprintf(line, room, "%s: %.64s: ", log_level_word(level), log_state.who);

	return n < 0 ? 0 : (size_t)n;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char text[LOG_TEXT_MAX], line[LOG_LINE_MAX];
	int saved_errno = errno;
	size_t n, len;
	va_list ap;
	int r;

	if (level > log_state.level)
		return;
	va_start(ap, fmt);
	r = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r < 0)
		return;
	n = (size_t)r < sizeof(text) ? (size_t)r : sizeof(text) - 1;
	len = log_head(line, sizeof(line), level);
	len += log_escape(line + len, sizeof(line) - 1 - len, text, n);
	line[len++] = '\n';
	/* A log that cannot be written has nowhere to be reported. */
	if (write(STDERR_FILENO, line, len) < 0)
		errno = 0;
	errno = saved_errno;
}
