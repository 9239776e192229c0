/* SPDX-License-Identifier: Apache-2.0 */
/* What happened, for the judge: lines of JSON on stdout. */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "core/json.h"
#include "core/text.h"
#include "predict/findings.h"
#include "world.h"

static void put(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(STDOUT_FILENO, p, n);

		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

void report_line(const char *fmt, ...)
{
	char line[2048];
	int n = snprintf(line, sizeof(line), "{\"t\":%.3f,", (double)world_since_ms() / 1000), more;
	va_list ap;

	va_start(ap, fmt);
	more = vsnprintf(line + n, sizeof(line) - (size_t)n - 3, fmt, ap);
	va_end(ap);
	if (more < 0 || (size_t)(n + more) >= sizeof(line) - 3)
		return;
	memcpy(line + n + more, "}\n", 3);
	put(line, (size_t)(n + more + 2));
}

void report_body(const char *what, const void *p, size_t n)
{
	_cleanup_buf_ struct buf b = BUF_INIT(8u << 20);

	buf_printf(&b, "{\"t\":%.3f,\"what\":\"%s\",\"body\":\"", (double)world_since_ms() / 1000, what);
	text_base64(&b, p, n);
	buf_puts(&b, "\"}\n");
	if (!buf_error(&b))
		put(b.data, b.len);
}

static char *quoted(const char *text)
{
	json_t *v = json_string(text);
	char *out = json_dumps(v, JSON_ENCODE_ANY);

	json_decref(v);
	return out;
}

/* All news of findings pass here, in the order in which the agent takes them. */
bool __real_findings_take(struct findings *f, struct findings_news *ret);
bool __wrap_findings_take(struct findings *f, struct findings_news *ret);
bool __wrap_findings_take(struct findings *f, struct findings_news *ret)
{
	static const char *const words[] = {[FINDINGS_OPENED] = "opened",
					    [FINDINGS_RAISED] = "raised",
					    [FINDINGS_REPEATED] = "repeated",
					    [FINDINGS_CLOSED] = "closed",
					    [FINDINGS_SUMMARY] = "summary"};
	_cleanup_free_ char *evidence = NULL;

	if (!__real_findings_take(f, ret))
		return false;
	evidence = quoted(ret->finding.evidence);
	report_line("\"what\":\"finding\",\"event\":\"%s\",\"class\":\"%s\",\"entity\":\"%s\",\"level\":\"%s\","
		    "\"eta_s\":%.0f,\"evidence\":%s",
		    words[ret->event], ret->finding.class_name, ret->finding.entity,
		    finding_level_names[ret->finding.level], (double)ret->finding.eta_s, evidence ? evidence : "null");
	return true;
}
