/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployments between the document, the runner and Heat: the list goes to the queue, results to the
 * outbox, and those of group "heat-pulse" into the settings.
 */
#include "command/agent.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "hooks/deploy/result.h"
#include "hooks/deploy/settings.h"
#include "sink/deployment_ask.h"

/* What says where a result goes is in the inputs that Heat adds, all of which are texts named
 * deploy_…. */
json_t *agent_deploy_route(const json_t *entry)
{
	json_t *route = json_object(), *list = json_object_get(entry, "inputs"), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *name = json_str(one, "name");
		json_t *value = json_object_get(one, "value");

		if (name && text_starts(name, "deploy_") && json_is_string(value) &&
		    json_object_set(route, name, value) < 0) {
			json_decref(route);
			return NULL;
		}
	}
	return route;
}

static int tell(const struct deployment *d, const json_t *result, int64_t received_ms,
		store_done_fn *accepted, void *accepted_ctx, void *ctx)
{
	struct agent *a = ctx;
	_cleanup_json_ json_t *route = agent_deploy_route(d->entry);
	const char *resource = deployment_input_text(d->entry, "deploy_resource_name");
	struct signal s = {0};
	struct err e = ERR_INIT;
	int r;

	if (!route)
		return -ENOMEM;
	if (deployment_way(route) == WAY_NONE)
		return 1;
	r = signal_build_deployment(d->id, resource, deployment_status_code(result) == 0, route,
				    result, received_ms, a->setup->env->real_ms(), &s, &e);
	if (r == 0)
		r = outbox_add(a->outbox, &s, accepted, accepted_ctx);
	signal_deinit(&s);
	return r;
}

static void cancel(const char *id, void *ctx)
{
	struct agent *a = ctx;
	char key[64];

	signal_deployment_key(id, key);
	outbox_withdraw(a->outbox, key);
}

static bool waits(const char *id, void *ctx)
{
	struct agent *a = ctx;
	char key[64];

	signal_deployment_key(id, key);
	return outbox_holds(a->outbox, key);
}

static void put_problems(const struct problems *found, struct buf *out)
{
	for (size_t i = 0; i < found->n; i++)
		buf_printf(out, "%s%s%s\n", found->list[i].text, found->list[i].remedy ? "; " : "",
			   found->list[i].remedy ? found->list[i].remedy : "");
}

/* They are in force since the document came (agent_flow.c); here is said whether all of them could
 * be used. */
static json_t *settings_result(const struct deployment *d, void *ctx)
{
	const struct agent *a = ctx;
	_cleanup_json_ json_t *config = deployment_config_map(d->entry), *metadata = NULL;
	_cleanup_buf_ struct buf wrong = BUF_INIT(65536);
	struct problems found = {0};
	struct settings settings = {0};
	int r;

	if (!config)
		return deployment_result_words(1, "the config is not a map");
	metadata = json_pack("{s:O}", DEPLOYMENT_SETTINGS, config);
	r = metadata ? settings_from_metadata(metadata, a->conf->trust_metadata == CONF_TRUST_FULL,
					      &settings, &found)
		     : -ENOMEM;
	put_problems(&found, &wrong);
	problems_deinit(&found);
	settings_deinit(&settings);
	return r < 0 ? NULL : deployment_result_words(wrong.len > 0 ? 1 : 0, buf_str(&wrong));
}

static const struct {
	const char *code, *remedy;
} off = {"deployments",
	 "say enabled = yes in [deployments] of heat-pulse.conf, or take them out of the template"};

static void offer(struct agent *a, const json_t *list)
{
	if (!a->conf->deployments_enabled) {
		problems_remove(&a->problems, off.code);
		if (json_array_size(list) > 0)
			problems_add(&a->problems, PROBLEM_WARN, off.code, off.remedy,
				     "Heat deploys to this guest, but deployments are not enabled");
		return;
	}
	if (deploy_queue_offer(a->deployments, list))
		log_err("the list of deployments was not taken over: out of memory");
}

void agent_deploy_document(struct agent *a, const struct document *doc)
{
	if (a->deployments)
		offer(a, json_object_get(doc->metadata, "deployments"));
}

json_t *agent_deploy_metadata(const struct agent *a, const struct document *doc)
{
	return a->conf->deployments_enabled && doc->metadata ? deployment_settings(doc->metadata)
							     : json_incref(doc->metadata);
}

int agent_deploy_start(struct agent *a, struct err *e)
{
	const struct deploy_queue_setup setup = {.loop = a->loop,
						 .conf = a->conf,
						 .store = a->store,
						 .tell = tell,
						 .cancel = cancel,
						 .waits = waits,
						 .settings = settings_result,
						 .ctx = a};
	int r = deploy_queue_new(&setup, &a->deployments);

	if (r)
		return err_sys(e, -r, "cannot make the queue of deployments");
	deploy_queue_set_runner(a->deployments, a->runner);
	return 0;
}
