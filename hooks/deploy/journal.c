/* SPDX-License-Identifier: Apache-2.0 */
/* The form of a deployment's note on disk. */
#include "hooks/deploy/journal.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"

#define NOTE_MAX  (16u << 20)
#define SHOWN_MAX 255 /* of a name */

const char *const deploy_phase_names[] = {"received", "done", "signalled", NULL};

static char *shown(const char *text)
{
	_cleanup_buf_ struct buf out = BUF_INIT(4 * SHOWN_MAX + 1);

	text_escape(&out, text, strnlen(text, SHOWN_MAX));
	return strndup(buf_str(&out), SHOWN_MAX);
}

int deploy_note_init(struct deploy_note *n, struct deployment *d, uint64_t seq, int64_t now_ms)
{
	*n = (struct deploy_note){.seq = seq, .received_ms = now_ms};
	memcpy(n->id, d->id, sizeof(n->id));
	memcpy(n->group, d->group, sizeof(n->group));
	n->name = shown(d->name);
	n->action = shown(d->action);
	if (!n->name || !n->action) {
		deploy_note_deinit(n);
		return -ENOMEM;
	}
	n->d = *d;
	*d = (struct deployment){0};
	return 0;
}

void deploy_note_deinit(struct deploy_note *n)
{
	free(n->name);
	free(n->action);
	deployment_deinit(&n->d);
	*n = (struct deploy_note){0};
}

char *deploy_note_encode(const struct deploy_note *n)
{
	_cleanup_json_ json_t *o =
		json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:b, s:I, s:I}", "v", 1, "id",
			  n->id, "group", n->group, "name", n->name, "action", n->action, "phase",
			  deploy_phase_names[n->phase], "seq", (json_int_t)n->seq, "code", n->code,
			  "foreign", (int)n->foreign, "received_ms", (json_int_t)n->received_ms,
			  "ended_ms", (json_int_t)n->ended_ms);

	if (!o || (n->phase == DEPLOY_RECEIVED && json_object_set(o, "entry", n->d.entry) < 0))
		return NULL;
	return json_dumps(o, JSON_COMPACT);
}

static int find_phase(const char *word, enum deploy_phase *ret)
{
	for (int i = 0; word && deploy_phase_names[i]; i++) {
		if (strcmp(deploy_phase_names[i], word) == 0) {
			*ret = (enum deploy_phase)i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int get_texts(const json_t *o, const char *id, struct deploy_note *n)
{
	const char *own = json_str(o, "id"), *group = json_str(o, "group"),
		   *name = json_str(o, "name"), *action = json_str(o, "action");

	if (!own || strcmp(own, id) != 0 || !deployment_id_valid(own) ||
	    !deployment_group_valid(group) || !name || !action)
		return -EBADMSG;
	memcpy(n->id, own, strlen(own) + 1);
	memcpy(n->group, group, strlen(group) + 1);
	n->name = strdup(name);
	n->action = strdup(action);
	return n->name && n->action ? 0 : -ENOMEM;
}

static int get_numbers(const json_t *o, struct deploy_note *n)
{
	int64_t version, seq, code;

	if (!json_int(o, "v", &version) || version != 1 || !json_int(o, "seq", &seq) || seq < 0 ||
	    !json_int(o, "code", &code) || code < INT32_MIN || code > INT32_MAX ||
	    !json_int(o, "received_ms", &n->received_ms) || !json_int(o, "ended_ms", &n->ended_ms))
		return -EBADMSG;
	n->seq = (uint64_t)seq;
	n->code = (int)code;
	n->foreign = json_is_true(json_object_get(o, "foreign"));
	return find_phase(json_str(o, "phase"), &n->phase);
}

int deploy_note_decode(const char *p, size_t len, const char *id, struct deploy_note *ret)
{
	static const struct json_limits limits = {NOTE_MAX, 68, 65536 + 64, 2 * NOTE_MAX};
	_cleanup_json_ json_t *o = NULL;
	int r;

	*ret = (struct deploy_note){0};
	if (json_parse(p, len, &limits, &o, NULL) < 0)
		return -EBADMSG;
	r = get_texts(o, id, ret);
	if (r == 0)
		r = get_numbers(o, ret);
	if (r == 0 && ret->phase == DEPLOY_RECEIVED)
		r = deployment_parse(json_object_get(o, "entry"), &ret->d, NULL);
	if (r == 0 && ret->phase == DEPLOY_RECEIVED && strcmp(ret->d.id, id) != 0)
		r = -EBADMSG;
	if (r < 0)
		deploy_note_deinit(ret);
	return r;
}
