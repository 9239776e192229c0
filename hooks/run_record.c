/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record's form: encoding, strict decoding, and who a process is. Files are run_store.c.
 */
#include "hooks/run_record.h"

#include <errno.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/text.h"

static const char *const end_words[] = {
	[RUN_EXITED] = "exited",       [RUN_SIGNALLED] = "signalled",
	[RUN_TIMED_OUT] = "timed-out", [RUN_NOT_STARTED] = "not-started",
	[RUN_CUT_OFF] = "cut-off",
};

void run_record_deinit(struct run_record *r)
{
	free(r->hook);
	run_result_deinit(&r->result);
	*r = (struct run_record){0};
}

bool run_id_valid(const char *id)
{
	return id && strlen(id) == RUN_ID_LEN && strspn(id, "0123456789abcdef") == RUN_ID_LEN;
}

static int put_result(json_t *root, const struct run_result *result)
{
	json_t *j = json_pack("{s:s, s:i, s:I, s:I, s:s*, s:o*}", "end", end_words[result->end],
			      "code", result->code, "started", (json_int_t)result->started_real_ms,
			      "ended", (json_int_t)result->ended_real_ms, "tail", result->tail,
			      "why", result->why ? json_text(result->why) : NULL);

	return json_object_set_new(root, "result", j);
}

char *run_record_encode(const struct run_record *r)
{
	_cleanup_json_ json_t *root =
		json_pack("{s:i, s:s, s:s*, s:I, s:I, s:I, s:I}", "v", 1, "run", r->id, "hook",
			  r->hook, "shepherd", (json_int_t)r->shepherd, "shepherd_start",
			  (json_int_t)r->shepherd_start, "leader", (json_int_t)r->leader,
			  "leader_start", (json_int_t)r->leader_start);

	if (!root || (r->ended && put_result(root, &r->result) < 0))
		return NULL;
	return json_dumps(root, JSON_COMPACT);
}

static int find_end(const char *word, enum run_end *ret)
{
	for (size_t i = 0; word && i < ARRAY_SIZE(end_words); i++) {
		if (strcmp(end_words[i], word) == 0) {
			*ret = (enum run_end)i;
			return 0;
		}
	}
	return -EBADMSG;
}

/* Copies a member; a missing one is NULL. False only without memory. */
static bool copy_member(const json_t *object, const char *key, char **ret)
{
	const char *s = json_str(object, key);

	*ret = s ? strdup(s) : NULL;
	return !s || *ret;
}

static int get_result(const json_t *j, struct run_result *ret)
{
	int64_t code;

	if (find_end(json_str(j, "end"), &ret->end) < 0 || !json_int(j, "code", &code) ||
	    code < 0 || code > 4096)
		return -EBADMSG;
	if (!json_int(j, "started", &ret->started_real_ms) ||
	    !json_int(j, "ended", &ret->ended_real_ms))
		return -EBADMSG;
	ret->code = (int)code;
	return copy_member(j, "tail", &ret->tail) && copy_member(j, "why", &ret->why) ? 0 : -ENOMEM;
}

static bool pid_member(const json_t *root, const char *key, pid_t *ret)
{
	int64_t v;

	if (!json_int(root, key, &v) || v < 0 || v > INT32_MAX)
		return false;
	*ret = (pid_t)v;
	return true;
}

static bool start_member(const json_t *root, const char *key, uint64_t *ret)
{
	int64_t v;

	if (!json_int(root, key, &v) || v < 0)
		return false;
	*ret = (uint64_t)v;
	return true;
}

static int get_record(const json_t *root, struct run_record *r)
{
	const char *id = json_str(root, "run");
	const json_t *result = json_object_get(root, "result");
	int64_t version;

	if (!json_int(root, "v", &version) || version != 1 || !run_id_valid(id))
		return -EBADMSG;
	memcpy(r->id, id, RUN_ID_LEN + 1);
	if (!pid_member(root, "shepherd", &r->shepherd) ||
	    !pid_member(root, "leader", &r->leader) ||
	    !start_member(root, "shepherd_start", &r->shepherd_start) ||
	    !start_member(root, "leader_start", &r->leader_start))
		return -EBADMSG;
	if (!copy_member(root, "hook", &r->hook))
		return -ENOMEM;
	r->ended = result != NULL;
	return result ? get_result(result, &r->result) : 0;
}

int run_record_decode(const char *p, size_t n, struct run_record *ret, struct err *e)
{
	static const struct json_limits limits = {RUN_RECORD_MAX, 4, 64, 2 * RUN_RECORD_MAX};
	_cleanup_json_ json_t *root = NULL;
	struct run_record r = {0};
	int code;

	*ret = r;
	if (json_parse(p, n, &limits, &root, e) < 0)
		return err_set(e, -EBADMSG, "run record: not JSON");
	code = get_record(root, &r);
	if (code < 0) {
		run_record_deinit(&r);
		return err_set(e, code, "run record: not of this form");
	}
	*ret = r;
	return 0;
}

uint64_t process_start(pid_t pid)
{
	_cleanup_buf_ struct buf text = BUF_INIT(8192);
	char path[64];
	const char *p, *item;
	size_t pos = 0, n;
	uint64_t start = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (pid <= 0 || fs_read(path, &text) < 0)
		return 0;
	/* The name in field 2 may hold blanks and brackets: the last ")" ends it. */
	p = strrchr(buf_str(&text), ')');
	if (!p)
		return 0;
	for (int field = 3; text_list_next(p + 2, ' ', &pos, &item, &n); field++)
		if (field == 22)
			return text_u64(item, n, &start) == 0 ? start : 0;
	return 0;
}
