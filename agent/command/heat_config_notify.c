/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `heat-config-notify FILE`: tells Heat the result of a deployment, as the tool of heat-agents
 * does: FILE is the deployment as JSON, the result comes on stdin. Sent at once and by itself;
 * scripts that run long use it.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "command/agent.h"
#include "command/command.h"
#include "command/direct.h"
#include "command/input.h"
#include "command/options.h"
#include "hooks/deploy/keep.h"
#include "hooks/deploy/result.h"
#include "sink/deployment_ask.h"

#define NAME      "heat-config-notify"
#define TRIES_MAX 6 /* with 1, 2, 4, 8, 16 s between them */

struct notify_arguments {
	bool none;
};

static const struct option_set options = {
	.command = NAME,
	.synopsis = "FILE",
	.about = "Tells Heat the result on stdin (a JSON object) of the deployment in FILE.",
	.max_arguments = 1,
};

static int read_object(const struct env *env, const char *name, json_t **ret)
{
	static const struct json_limits limits = {DEPLOYMENT_ENTRY_MAX, 68, 65536 + 64, 128u << 20};
	_cleanup_buf_ struct buf text = BUF_INIT(DEPLOYMENT_ENTRY_MAX);
	struct err e = ERR_INIT;
	int r = input_read(env, name, &text, &e);

	if (r == 0)
		r = json_parse(buf_str(&text), text.len, &limits, ret, &e);
	if (r == 0 && !json_is_object(*ret))
		r = err_set(&e, -EBADMSG, "not a JSON object");
	if (r < 0)
		fprintf(stderr, NAME ": %s: %s\n", strcmp(name, "-") ? name : "standard input",
			e.code ? e.text : strerror(-r));
	return r;
}

static int build(const struct env *env, const json_t *entry, json_t *result, struct signal *s,
		 struct err *e)
{
	static const char *const first[] = {"deploy_stdout", "deploy_stderr", NULL};
	_cleanup_json_ json_t *route = agent_deploy_route(entry);
	const char *id = json_str(entry, "id");
	int r = route ? json_shrink(result, DEPLOYMENT_RESULT_MAX, first) : -ENOMEM;

	if (r < 0)
		return err_set(e, r, "the result is too large");
	if (deployment_way(route) == WAY_NONE)
		return 1;
	return signal_build_deployment(id ? id : "",
				       deployment_input_text(entry, "deploy_resource_name"),
				       deployment_status_code(result) == 0, route, result,
				       env->real_ms(), env->real_ms(), s, e);
}

static int send_until(const struct env *env, const struct signal *s)
{
	struct timespec pause = {.tv_sec = 1};
	struct err e = ERR_INIT;

	for (int i = 0; i < TRIES_MAX; i++) {
		if (i > 0) {
			nanosleep(&pause, NULL);
			pause.tv_sec *= 2;
		}
		if (direct_send(env, s, &e) == 0)
			return EXIT_GOOD;
		fprintf(stderr, NAME ": %s\n", e.text);
	}
	return EXIT_NETWORK;
}

int command_heat_config_notify(struct env *env, int argc, char **argv)
{
	_cleanup_json_ json_t *entry = NULL, *result = NULL;
	struct notify_arguments a = {0};
	struct signal s = {0};
	struct err e = ERR_INIT;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	if (first >= argc)
		return command_usage(NAME, "name the file with the deployment");
	if (read_object(env, argv[first], &entry) || read_object(env, "-", &result))
		return EXIT_CONFIG;
	r = build(env, entry, result, &s, &e);
	if (r < 0)
		fprintf(stderr, NAME ": %s\n", e.text);
	r = r < 0 ? EXIT_CONFIG : r == 1 ? EXIT_GOOD : send_until(env, &s);
	signal_deinit(&s);
	return r;
}
