/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `heat-pulse signal`: hand a signal to the running agent, which spools it and tells it when it
 * can.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "command/command.h"
#include "command/control.h"
#include "command/direct.h"
#include "command/options.h"
#include "core/json.h"
#include "core/log.h"

#define TARGET_MAX 8192

struct signal_arguments {
	const char *status, *reason, *data, *id;
	int64_t wait_s;
	bool json;
};

static const struct option_row rows[] = {
	{'s', "status", OPTION_TEXT, offsetof(struct signal_arguments, status), "STATUS",
	 "SUCCESS or FAILURE"},
	{'r', "reason", OPTION_TEXT, offsetof(struct signal_arguments, reason), "TEXT", "why"},
	{'d', "data", OPTION_TEXT, offsetof(struct signal_arguments, data), "JSON",
	 "data to hand over"},
	{'i', "id", OPTION_TEXT, offsetof(struct signal_arguments, id), "ID",
	 "id of the signal (default: the server's UUID)"},
	{'w', "wait", OPTION_INT, offsetof(struct signal_arguments, wait_s), "SEC",
	 "wait that long for its delivery, 840 at most; not delivered: exit 3"},
	{0, "json", OPTION_FLAG, offsetof(struct signal_arguments, json), NULL, "answer as JSON"},
};

static const struct option_set options = {
	.command = "heat-pulse signal",
	.synopsis = "--status SUCCESS|FAILURE [OPTIONS] NAME|URL|-",
	.about = "Signals a wait condition handle: by the name of its resource in the own stack, "
		 "or by its URL (- reads the URL\n"
		 "from standard input, so that it never stands in an argument list). The running "
		 "agent stores the signal\n"
		 "first and tells it as soon as it can; without an agent it is sent at once.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
	.max_arguments = 1,
};

/* The URL from standard input, one line. Return: 0 or an exit code. */
static int read_target(const char *argument, char *target, size_t n)
{
	if (strcmp(argument, "-")) {
		if (strlen(argument) >= n)
			return command_usage(options.command, "the target is too long");
		memcpy(target, argument, strlen(argument) + 1);
		return 0;
	}
	if (!fgets(target, (int)n, stdin))
		return command_usage(options.command, "no URL on standard input");
	target[strcspn(target, "\r\n")] = '\0';
	return *target ? 0 : command_usage(options.command, "no URL on standard input");
}

static json_t *build_request(const struct signal_arguments *a, const char *target, struct err *e)
{
	json_t *data = NULL;
	json_t *request;

	if (a->data && json_parse(a->data, strlen(a->data), &json_limits_default, &data, e)) {
		err_prefix(e, "--data is not JSON");
		return NULL;
	}
	request = json_pack("{s:i,s:s,s:s,s:s,s:I,s:s*,s:s*}", "v", 1, "do", "signal", "target",
			    target, "status", a->status, "wait_s", (json_int_t)a->wait_s, "reason",
			    a->reason, "id", a->id);
	if (!request || (data && json_object_set_new(request, "data", data))) {
		json_decref(request);
		err_set(e, -ENOMEM, "the signal cannot be built: arguments must be UTF-8");
		return NULL;
	}
	return request;
}

static int report(const json_t *answer, bool json)
{
	const char *state = json_str(answer, "state"), *why = json_str(answer, "error");

	if (json)
		json_dumpf(answer, stdout, JSON_COMPACT | JSON_SORT_KEYS), putchar('\n');
	else if (state)
		printf("%s\n", state);
	if (why)
		fprintf(stderr, "heat-pulse signal: %s\n", why);
	if (state && (!strcmp(state, "delivered") || !strcmp(state, "accepted")))
		return EXIT_GOOD;
	return EXIT_NETWORK;
}

int command_signal(struct env *env, int argc, char **argv)
{
	struct signal_arguments a = {0};
	char target[TARGET_MAX];
	struct err e = ERR_INIT;
	_cleanup_json_ json_t *request = NULL, *answer = NULL;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	if (first >= argc)
		return command_usage(options.command, "which handle? Give its name or URL");
	if (!a.status || (strcmp(a.status, "SUCCESS") && strcmp(a.status, "FAILURE")))
		return command_usage(options.command, "--status is SUCCESS or FAILURE");
	r = read_target(argv[first], target, sizeof(target));
	if (r)
		return r;
	request = build_request(&a, target, &e);
	if (!request) {
		fprintf(stderr, "heat-pulse signal: %s\n", e.text);
		return EXIT_USAGE;
	}
	if (a.wait_s > CONTROL_WAIT_MAX_S) /* the agent answers by then */
		a.wait_s = CONTROL_WAIT_MAX_S;
	r = control_ask(env, request, (a.wait_s + 10) * 1000, &answer, &e);
	if (r == -ECONNREFUSED || r == -ENOENT)
		r = direct_signal(env, request, &answer, &e);
	if (r) {
		fprintf(stderr, "heat-pulse signal: %s\n", e.text);
		return EXIT_NETWORK;
	}
	return report(answer, a.json);
}
