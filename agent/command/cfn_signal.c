/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cfn-signal`: tells a wait condition SUCCESS or FAILURE, with the flags of heat-cfntools and
 * aws-cfn-bootstrap together. It answers 0 only when Heat accepted the signal. The running agent
 * has no part in it: a script that waits for the exit code must learn what happened, not that it
 * was spooled.
 */
#include "command/cfn_signal.h"

#include <stddef.h>
#include <string.h>

#include "command/command.h"
#include "core/text.h"

#define TIMEOUT_MS 300000
#define TEXT_MAX   (512u * 1024) /* of reason and data: Heat takes a body of 1 MiB */

struct signal_arguments {
	const char *success, *reason, *data, *id, *exit_code, *stack, *resource;
	struct cfn_access access;
};

static const struct option_row rows[] = {
	{'s', "success", OPTION_TEXT, offsetof(struct signal_arguments, success), "true|false",
	 "what to tell (true)"},
	{'e', "exit-code", OPTION_TEXT, offsetof(struct signal_arguments, exit_code), "N",
	 "exit code of a program: 0 is success; decides over -s"},
	{0, "exit", OPTION_TEXT, offsetof(struct signal_arguments, exit_code), "N", NULL},
	{'r', "reason", OPTION_TEXT, offsetof(struct signal_arguments, reason), "TEXT", "why"},
	{'d', "data", OPTION_TEXT, offsetof(struct signal_arguments, data), "TEXT",
	 "data to hand over"},
	{'i', "id", OPTION_TEXT, offsetof(struct signal_arguments, id), "ID",
	 "unique id of the signal (the server's UUID)"},
	{'k', "insecure", OPTION_FLAG, offsetof(struct signal_arguments, access.insecure), NULL,
	 "do not check the server's certificate"},
	{0, "stack", OPTION_TEXT, offsetof(struct signal_arguments, stack), "STACK",
	 "with --resource: name or ARN of the stack"},
	{0, "resource", OPTION_TEXT, offsetof(struct signal_arguments, resource), "NAME",
	 "the wait condition handle's name in it"},
	CFN_ACCESS_ROWS(struct signal_arguments),
};

static const struct option_set options = {
	.command = CFN_SIGNAL_NAME,
	.synopsis = "[OPTIONS] URL|BASE64|FILE|-\n       " CFN_SIGNAL_NAME
		    " [OPTIONS] --stack STACK --resource NAME",
	.about = "Signals a wait condition: by the handle's URL (as it is, in base64, in a file, "
		 "or - for "
		 "standard input, so that it never\n"
		 "stands in an argument list), or by the handle's name with credentials given or "
		 "found. "
		 "Tries again while the\n"
		 "server or the network is at fault, for 5 minutes (--timeout).\n"
		 "Exit: 0 accepted, 1 configuration, 2 usage, 3 network, server or refused.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
	.max_arguments = 1,
};

/* "00" is 0, whatever the old tool made of it. Return: false for text that is no number. */
static bool read_exit_code(const char *text, bool *good)
{
	int64_t code;

	if (text_i64(text, strlen(text), &code) < 0)
		return false;
	*good = code == 0;
	return true;
}

static int choose_status(const struct signal_arguments *a, const char **status)
{
	bool good = true;

	if (a->exit_code && *a->exit_code) {
		if (!read_exit_code(a->exit_code, &good))
			return command_usage(CFN_SIGNAL_NAME,
					     "--exit-code takes a number, not '%s'", a->exit_code);
	} else if (a->success && text_bool(a->success, strlen(a->success), &good) < 0) {
		return command_usage(CFN_SIGNAL_NAME, "--success takes true or false, not '%s'",
				     a->success);
	}
	*status = good ? "SUCCESS" : "FAILURE";
	return 0;
}

static bool is_text(const char *text)
{
	size_t n = strlen(text);

	return n <= TEXT_MAX && text_utf8_valid(text, n) == n;
}

static int build_message(const struct signal_arguments *a, struct cfn_signal_message *m)
{
	int r = choose_status(a, &m->status);

	if (r)
		return r;
	m->reason = a->reason ? a->reason : "Configuration Complete";
	m->data = a->data ? a->data : "Application has completed configuration.";
	m->id = a->id && *a->id ? a->id : NULL;
	if (!is_text(m->reason) || !is_text(m->data) || (m->id && !is_text(m->id)))
		return command_usage(CFN_SIGNAL_NAME,
				     "reason, data and id must be UTF-8 of at most 512 KiB");
	return 0;
}

/* A UUID that only this machine made up tells Heat less than its name does. */
static const char *default_id(const struct identity *who)
{
	bool made_up =
		!strcmp(who->server_from, "random") || !strcmp(who->server_from, "machine-id");

	return made_up && who->hostname[0] ? who->hostname : who->server_uuid;
}

static int check_arguments(const struct signal_arguments *a, bool has_url)
{
	if (has_url && (a->stack || a->resource))
		return command_usage(CFN_SIGNAL_NAME, "either a URL, or --stack and --resource");
	if (!has_url && (!a->stack || !a->resource || !*a->stack || !*a->resource))
		return command_usage(CFN_SIGNAL_NAME,
				     "give the handle's URL, or both --stack and --resource");
	return cfn_check_keys(CFN_SIGNAL_NAME, &a->access);
}

static int send_message(struct env *env, const struct signal_arguments *a,
			struct cfn_signal_message *m, const char *url)
{
	struct cfn_session session;
	int r = cfn_session_open(env, CFN_SIGNAL_NAME, &a->access, TIMEOUT_MS, &session);

	if (r == 0) {
		if (!m->id)
			m->id = default_id(&session.direct.identity);
		r = url ? cfn_signal_to_url(&session, url, m, a->access.insecure)
			: cfn_signal_to_resource(&session, a->stack, a->resource, m);
	}
	cfn_session_close(&session);
	if (r == EXIT_GOOD)
		printf("signal accepted: %s\n", m->status);
	return r;
}

int command_cfn_signal(struct env *env, int argc, char **argv)
{
	struct signal_arguments a = {0};
	struct cfn_signal_message message;
	_cleanup_free_ char *url = NULL;
	struct err e = ERR_INIT;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	r = check_arguments(&a, first < argc);
	if (r == 0)
		r = build_message(&a, &message);
	if (r)
		return r;
	if (first < argc) {
		url = cfn_signal_read_url(env, argv[first], &e);
		if (!url)
			return command_usage(CFN_SIGNAL_NAME, "%s", e.text);
	}
	return send_message(env, &a, &message, url);
}
