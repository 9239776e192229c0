/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/init/deployment.h"

#include <errno.h>
#include <string.h>

#include "core/conf.h"
#include "core/json.h"
#include "hooks/init/init.h"

#define STATUS_FAILED 1 /* what heat-agents reported when cfn-init failed */

/* "config" as metadata: with the key that cfn-init looks for around it. New reference or NULL. */
static json_t *metadata_of(const json_t *deployment, struct err *e)
{
	json_t *config = json_object_get(deployment, "config");
	_cleanup_json_ json_t *tree = NULL;

	if (json_is_string(config)) {
		if (json_parse(json_string_value(config), json_string_length(config),
			       &json_limits_default, &tree, e) < 0) {
			err_prefix(e, "the config is no JSON");
			return NULL;
		}
	} else {
		tree = json_incref(config);
	}
	if (!json_is_object(tree)) {
		err_set(e, -EINVAL, "the config is no object");
		return NULL;
	}
	return json_object_get(tree, INIT_KEY) ? json_incref(tree)
					       : json_pack("{s:O}", INIT_KEY, tree);
}

/* Inputs are a list of {name, value}, options an object. */
static const char *sets_of(const json_t *deployment)
{
	const json_t *input;
	size_t i;

	json_array_foreach(json_object_get(deployment, "inputs"), i,
			   input) if (json_str(input, "name") &&
				      !strcmp(json_str(input, "name"),
					      "configsets")) return json_str(input, "value");
	return json_str(json_object_get(deployment, "options"), "configsets");
}

static int result_of(int status, const struct buf *report, const struct err *e, json_t **ret)
{
	*ret = json_pack("{s:o, s:o, s:i}", "deploy_stdout", json_text(buf_str(report)),
			 "deploy_stderr", json_text(status ? e->text : ""), "deploy_status_code",
			 status);
	return *ret ? 0 : -ENOMEM;
}

int cfn_init_deployment(const struct env *env, const json_t *deployment, json_t **ret_result)
{
	_cleanup_buf_ struct buf report = BUF_INIT(INIT_REPORT_MAX);
	struct problems problems = {0};
	struct err e = ERR_INIT;
	struct conf conf;
	_cleanup_json_ json_t *metadata = metadata_of(deployment, &e);
	int r = metadata ? conf_load(env, NULL, &conf, &problems, &e) : -EINVAL;

	if (r == 0) {
		struct init_setup setup = {
			.env = env,
			.http = {.ca_file = conf.ca_file,
				 .http_proxy = conf.http_proxy,
				 .https_proxy = conf.https_proxy,
				 .no_proxy = conf.no_proxy,
				 .user_agent = "heat-pulse"},
			.sources_first = conf.compat == CONF_COMPAT_HEAT,
			.program_ms = conf.hook_timeout_ms,
			.report = &report,
		};

		r = init_apply(&setup, metadata, sets_of(deployment), &e);
		conf_deinit(&conf);
	}
	problems_deinit(&problems);
	return r == -ENOMEM
		       ? r
		       : result_of(r == INIT_DONE ? 0 : STATUS_FAILED, &report, &e, ret_result);
}
