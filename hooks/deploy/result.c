/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook's end into Heat's words. A hook that prints a JSON object speaks for itself, whatever its
 * exit status; but one that says nothing of a status and did not end well has failed. Anything else
 * it printed is told as it is.
 */
#include "hooks/deploy/result.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"

#define CODE_NOT_STARTED 127 /* as a shell says it */
#define REPLACEMENT      "\xef\xbf\xbd"

json_t *deployment_text(const char *p, size_t n)
{
	_cleanup_buf_ struct buf text = BUF_INIT(3 * n + 1);

	return text_put_valid(&text, p, n, REPLACEMENT) < 0 ? NULL
							    : json_stringn(buf_str(&text), text.len);
}

json_t *deployment_result_words(int status_code, const char *words)
{
	return json_pack("{s:s, s:o, s:i}", "deploy_stdout", "", "deploy_stderr", json_text(words),
			 "deploy_status_code", status_code);
}

int deployment_status_code(const json_t *result)
{
	const json_t *v = json_object_get(result, "deploy_status_code");
	const char *text = json_string_value(v);
	json_int_t n;

	if (!v || json_is_null(v) || json_is_false(v) ||
	    (text && (!*text || strcmp(text, "0") == 0)))
		return 0;
	if (!json_is_integer(v))
		return json_is_real(v) && json_real_value(v) >= 0 && json_real_value(v) <= 0 ? 0
											     : 1;
	n = json_integer_value(v);
	return n > INT32_MAX || n < INT32_MIN ? 1 : (int)n;
}

/* Signals are negative, as Python has them. */
static int code_of(const struct deployment_end *end)
{
	switch (end->end) {
	case RUN_EXITED:
		return end->code;
	case RUN_NOT_STARTED:
		return CODE_NOT_STARTED;
	case RUN_CUT_OFF:
		return -9;
	default:
		return -end->code;
	}
}

static const char *sentence(const struct deployment_end *end)
{
	switch (end->end) {
	case RUN_TIMED_OUT:
		return "heat-pulse: the hook was stopped at its time limit\n";
	case RUN_CUT_OFF:
		return "heat-pulse: the hook was cut off half-way; it is not run again\n";
	case RUN_NOT_STARTED:
		return "heat-pulse: the hook was not started: ";
	default:
		return NULL;
	}
}

/* The object that the hook printed, or NULL. */
static json_t *own_words(const struct deployment_end *end)
{
	static const struct json_limits limits = {3 * DEPLOYMENT_STDOUT_MAX, 64, 65536, 64u << 20};
	_cleanup_buf_ struct buf text = BUF_INIT(3 * DEPLOYMENT_STDOUT_MAX);
	json_t *v = NULL;

	if (end->out_cut || end->out_len == 0 ||
	    text_put_valid(&text, end->out, end->out_len, REPLACEMENT) < 0 ||
	    json_parse(buf_str(&text), text.len, &limits, &v, NULL) < 0)
		return NULL;
	if (json_is_object(v))
		return v;
	json_decref(v);
	return NULL;
}

static int add_sentence(json_t *result, const struct deployment_end *end)
{
	const char *before = json_str(result, "deploy_stderr"), *words = sentence(end);
	char *all;
	int r;

	if (!words)
		return 0;
	if (asprintf(&all, "%s%s%s", before ? before : "", words, end->why ? end->why : "") < 0)
		return -1;
	r = json_object_set_new(result, "deploy_stderr", json_text(all));
	free(all);
	return r;
}

static int wrap(const struct deployment_end *end, json_t *result)
{
	if (end->end == RUN_EXITED && end->code == 0 && end->out_len == 0)
		return 0;
	return json_object_set_new(result, "deploy_stdout",
				   deployment_text(end->out, end->out_len)) |
	       json_object_set_new(result, "deploy_stderr",
				   deployment_text(end->err, end->err_len)) |
	       json_object_set_new(result, "deploy_status_code", json_integer(code_of(end)));
}

/* A run that did not come to its own end has failed, whatever it printed before. */
static int judge(const struct deployment_end *end, json_t *result)
{
	const json_t *said = json_object_get(result, "deploy_status_code");
	bool own_end = end->end == RUN_EXITED;

	if (own_end ? said != NULL || end->code == 0 : deployment_status_code(result) != 0)
		return 0;
	return json_object_set_new(result, "deploy_status_code", json_integer(code_of(end)));
}

int deployment_result(const struct deployment_end *end, json_t **ret)
{
	static const char *const first[] = {"deploy_stdout", "deploy_stderr", NULL};
	json_t *result = own_words(end);
	int bad = 0;

	if (!result) {
		result = json_object();
		bad = result ? wrap(end, result) : -1;
	}
	bad |= result ? judge(end, result) | add_sentence(result, end) : -1;
	bad = bad ? -ENOMEM : json_shrink(result, DEPLOYMENT_RESULT_MAX, first);
	if (bad == -EFBIG) { /* very many small values: nothing of it can be told */
		bad = deployment_status_code(result);
		json_decref(result);
		result = deployment_result_words(bad ? bad : 1,
						 "heat-pulse: the hook's result is too large");
		bad = result ? 0 : -ENOMEM;
	}
	if (bad == 0) {
		*ret = result;
		return 0;
	}
	json_decref(result);
	return -ENOMEM;
}
