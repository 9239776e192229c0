/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest of a queue's messages is the guest's metadata; all before it are history. The place in the
 * list is not to be relied on: Zaqar's Swift store sorts by random ids. The age is.
 */
#include "metadata/messages.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static bool id_good(const char *id)
{
	size_t n = id ? strlen(id) : 0;

	if (!n || n >= sizeof(((struct message *)0)->id))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)id[i]) && !strchr("-_.", id[i]))
			return false;
	}
	return true;
}

static int take_message(const json_t *item, struct messages *m, struct err *e)
{
	const char *id = json_str(item, "id");
	const json_t *age = json_object_get(item, "age");
	struct message *to = &m->list[m->n];

	if (!id_good(id))
		return err_set(e, -EBADMSG, "messages[%zu] has no usable id", m->n);
	snprintf(to->id, sizeof(to->id), "%s", id);
	to->age_s = json_is_number(age) ? json_number_value(age) : -1;
	if (!m->n || to->age_s <= m->list[m->newest].age_s) {
		m->newest = m->n;
		json_decref(m->body);
		m->body = json_incref(json_object_get(item, "body"));
	}
	m->n++;
	return 0;
}

static int take_list(const json_t *list, struct messages *m, struct err *e)
{
	int r = 0;

	if (!json_is_array(list))
		return err_set(e, -EBADMSG, "no list of messages");
	if (json_array_size(list) > MESSAGES_MAX)
		return err_set(e, -EBADMSG, "more messages than were asked for");
	for (size_t i = 0; i < json_array_size(list) && !r; i++)
		r = take_message(json_array_get(list, i), m, e);
	return r;
}

int messages_parse(const char *p, size_t n, struct messages *ret, struct err *e)
{
	_cleanup_json_ json_t *root = NULL;
	int r;

	*ret = (struct messages){0};
	if (!n)
		return 0;
	r = json_parse(p, n, &json_limits_default, &root, e);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	r = take_list(json_is_array(root) ? root : json_object_get(root, "messages"), ret, e);
	if (r < 0)
		messages_deinit(ret);
	return r;
}

void messages_deinit(struct messages *m)
{
	json_decref(m->body);
	*m = (struct messages){0};
}
