/* SPDX-License-Identifier: Apache-2.0 */
/* `heat-pulse status`: what the running agent knows, for a person or as JSON. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "command/command.h"
#include "command/control.h"
#include "command/options.h"
#include "core/json.h"
#include "core/text.h"

struct status_arguments {
	bool json;
};

static const struct option_row rows[] = {
	{0, "json", OPTION_FLAG, offsetof(struct status_arguments, json), NULL,
	 "one JSON object with \"v\":1"},
};

static const struct option_set options = {
	.command = "heat-pulse status",
	.synopsis = "[--json]",
	.about = "What the running agent knows: its sources, hooks, signals, findings and "
		 "problems. Exit 5: no agent runs.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
};

/* Text of a member, "-" when absent; numbers and booleans as JSON writes them. The buffer is the
 * caller's. */
static const char *member(const json_t *object, const char *key, char *out, size_t n)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value))
		snprintf(out, n, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(out, n, "%.3g", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(out, n, "%s", json_is_true(value) ? "yes" : "no");
	else
		snprintf(out, n, "-");
	return out;
}

/* One row per list of `status`: the heading and the members of each line. */
static const struct {
	const char *list, *heading;
	const char *members[6];
} lists[] = {
	{"sources", "sources", {"name", "resource", "state", "interval_s", "next_s", "error"}},
	{"hooks", "hooks", {"name", "path", "state", "tries"}},
	{"deployments", "deployments", {"name", "group", "action", "state", "for_s", "code"}},
	{"findings", "findings", {"level", "class", "entity", "evidence", "eta_s"}},
	{"forecasts", "forecasts", {"what", "entity", "used", "per_hour", "eta_s"}},
	{"sinks", "sinks", {"name", "state", "error"}},
	{"problems", "problems", {"level", "code", "text", "remedy"}},
};

static void print_item(const json_t *item, const char *const *members, size_t n)
{
	char number[32];

	printf(" ");
	for (size_t i = 0; i < n && members[i]; i++) {
		const char *text = member(item, members[i], number, sizeof(number));
		_cleanup_buf_ struct buf shown = BUF_INIT(4096);

		text_escape(&shown, text, strlen(text));
		if (strcmp(text, "-"))
			printf(" %s%s%s", i ? members[i] : "", i ? "=" : "", buf_str(&shown));
	}
	printf("\n");
}

static void print_status(const json_t *status)
{
	static const char *const head[] = {"state", "risk", "horizon_s", "server_id", "seq", "key"};
	const json_t *spool = json_obj(status, "spool"), *item;
	char number[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(head); i++)
		printf("%-10s %s\n", head[i], member(status, head[i], number, sizeof(number)));
	printf("%-10s %s waiting\n", "spool", member(spool, "depth", number, sizeof(number)));
	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		const json_t *list = json_object_get(status, lists[i].list);
		size_t at;

		if (!json_array_size(list))
			continue;
		printf("%s:\n", lists[i].heading);
		json_array_foreach(list, at, item)
			print_item(item, lists[i].members, ARRAY_SIZE(lists[i].members));
	}
}

int command_status(struct env *env, int argc, char **argv)
{
	struct status_arguments a = {0};
	struct err e = ERR_INIT;
	_cleanup_json_ json_t *request = json_pack("{s:i,s:s}", "v", 1, "do", "status"),
			      *answer = NULL;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	r = request ? control_ask(env, request, 5000, &answer, &e) : -ENOMEM;
	if (r) {
		fprintf(stderr, "heat-pulse status: %s%s\n", e.text,
			r == -EACCES ? "; ask as root or a member of its group" : "");
		return EXIT_NO_AGENT;
	}
	if (a.json) {
		json_dumpf(answer, stdout, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(6));
		printf("\n");
	} else {
		print_status(answer);
	}
	return json_object_get(answer, "error") ? EXIT_CONFIG : EXIT_GOOD;
}
