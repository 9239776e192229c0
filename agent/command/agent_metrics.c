/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics on their way out: samples and findings to the sinks that root's configuration and
 * metadata name. A critical finding leaves at once; else findings go along once a minute, so that
 * alarms on them have data.
 */
#include "command/agent.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/json.h"
#include "core/json.h"
#include "core/log.h"
#include "sample/hypervisor.h"
#include "sink/metric_conf.h"
#include "sink/metric_set.h"

#define FINDINGS_EVERY_MS 60000
#define POINTS_MAX        32 /* of one command */
#define POINT_NAME_MAX    120
#define POINT_UNIT_MAX    32

struct agent_metrics {
	struct metric_set *set;
	struct keystone *own; /* of [sinks]; NULL: the session of the credentials found */
	int64_t findings_at;
	uint64_t findings_sum; /* of what was told last */
	uint64_t health_sum, health_seq; /* of the last health signal, and what it is signed with */
	char health_sig[128];
};

static const char *host_kind(const struct agent *a)
{
	enum hypervisor kind = hypervisor_detect(a->setup->env);

	return kind == HYPERVISOR_NONE ? NULL : hypervisor_names[kind];
}

/* The names by which the operator's agent beside the hypervisor knows this guest, where they are
 * known. */
static struct metric_labels labels_of(const struct agent *a)
{
	const struct identity *id = &a->identity;

	return (struct metric_labels){.hostname = id->name[0] ? id->name : id->hostname,
				      .resource_id = agent_server_id(a),
				      .zone = id->zone,
				      .project_id = id->project_id,
				      .hypervisor = host_kind(a)};
}

static struct metric_set_setup setup_of(const struct agent *a)
{
	const struct identity *id = &a->identity;

	return (struct metric_set_setup){
		.loop = a->loop,
		.http = a->http,
		.store = a->store,
		.keystone = a->metrics->own ? a->metrics->own : a->sink_setup.keystone,
		.labels = labels_of(a),
		.boot_id = id->boot_id,
		.server_uuid = id->server_uuid,
		.interval_ms = a->conf->sinks_interval_ms,
		.timeout_ms = a->conf->request_timeout_ms,
		.spool_bytes = a->conf->sinks_spool_max,
	};
}

static int own_keystone(struct agent *a)
{
	struct credentials c;
	int r = metric_conf_credentials(a->conf, &c);

	if (r == 0 && c.kind != CREDENTIALS_NONE)
		r = keystone_new(a->loop, a->http, &c, &a->metrics->own);
	credentials_deinit(&c);
	if (r == -EINVAL)
		problems_add(
			&a->problems, PROBLEM_WARN, "metric-sink", "correct auth-url in [sinks]",
			"auth-url in [sinks] is no URL: monasca and gnocchi have no credentials");
	return r == -EINVAL ? 0 : r;
}

void agent_metrics_configure(struct agent *a, bool complete)
{
	struct sink_setting list[SINK_SETTINGS_MAX];
	size_t n = 0;
	int r;

	if (!a->metrics)
		return;
	problems_remove(&a->problems, "metric-sink");
	r = metric_conf_sinks(a->conf, list, &n);
	if (r == 0)
		r = metric_conf_merge(a->settings.sinks, a->settings.n_sinks, list, &n);
	if (r == 0)
		r = metric_set_configure(a->metrics->set, list, n, complete, &a->problems);
	if (r < 0)
		log_warn("metric sinks are not all open: %s", strerror(-r));
	while (n)
		sink_setting_deinit(&list[--n]);
}

int agent_metrics_start(struct agent *a, struct err *e)
{
	struct metric_set_setup setup;
	int r;

	a->metrics = calloc(1, sizeof(*a->metrics));
	r = a->metrics ? own_keystone(a) : -ENOMEM;
	if (r == 0) {
		setup = setup_of(a);
		r = metric_set_new(&setup, &a->metrics->set);
	}
	if (r < 0)
		return err_sys(e, -r, "cannot make the metric sinks");
	metric_set_start(a->metrics->set);
	agent_metrics_configure(a, false);
	return 0;
}

void agent_metrics_labels(struct agent *a)
{
	struct metric_labels labels = labels_of(a);

	labels.resource_id = NULL; /* one life, one resource: what is known of it grows */
	if (a->metrics && metric_set_labels(a->metrics->set, &labels))
		log_warn("metrics do not carry the name, project and zone yet: out of memory");
}

/* A change of what is open or how bad it is gives another sum. */
static uint64_t sum_of(const struct finding *list, size_t n, bool *critical)
{
	uint64_t sum = 0xcbf29ce484222325ull;

	*critical = false;
	for (size_t i = 0; i < n; i++) {
		const char *parts[] = {list[i].class_name, list[i].entity};

		for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
			for (const char *p = parts[k]; *p; p++)
				sum = (sum ^ (unsigned char)*p) * 0x100000001b3ull;
		sum = (sum ^ (uint64_t)list[i].level) * 0x100000001b3ull;
		*critical |= list[i].level == FINDING_CRITICAL;
	}
	return sum;
}

/* What health tells of them: the worst few. */
static uint64_t health_sum_of(const struct finding *list, size_t n)
{
	bool critical;

	return sum_of(list, n < AGENT_HEALTH_FINDINGS ? n : AGENT_HEALTH_FINDINGS, &critical);
}

void agent_metrics_health(struct agent *a, const struct finding *list, size_t n, const json_t *data)
{
	struct agent_metrics *m = a->metrics;
	const char *sig = json_str(data, "sig");
	int64_t seq = 0;

	if (!m || !sig || !json_int(data, "seq", &seq))
		return;
	m->health_sum = health_sum_of(list, n);
	m->health_seq = (uint64_t)seq;
	snprintf(m->health_sig, sizeof(m->health_sig), "%s", sig);
}

static void tell_findings(struct agent *a)
{
	struct agent_metrics *m = a->metrics;
	struct finding list[FINDINGS_MAX];
	size_t n = agent_findings(a, list, FINDINGS_MAX);
	const char *signature = NULL;
	bool critical;
	uint64_t sum = sum_of(list, n, &critical);

	if (sum == m->findings_sum && loop_now(a->loop) - m->findings_at < FINDINGS_EVERY_MS)
		return;
	if (m->health_sig[0] && m->health_sum == health_sum_of(list, n))
		signature = m->health_sig;
	critical = critical && sum != m->findings_sum;
	if (metric_set_findings(m->set, list, n, signature, m->health_seq, critical) < 0)
		log_warn("findings are not told as metrics: out of memory");
	m->findings_sum = sum;
	m->findings_at = loop_now(a->loop);
}

void agent_metrics_sample(struct agent *a, const struct sample *s)
{
	int r;

	if (!a->metrics)
		return;
	r = metric_set_add(a->metrics->set, s, false);
	if (r < 0)
		log_debug("a sample is not told: %s", strerror(-r));
	tell_findings(a);
}

static bool is_word(const char *text, size_t max)
{
	size_t n = text ? strlen(text) : 0;

	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return n > 0 && n <= max;
}

static int read_point(const json_t *o, const char *watch, struct metric_point *p, struct err *e)
{
	const json_t *value = json_object_get(o, "value");

	*p = (struct metric_point){.name = json_str(o, "name"),
				   .unit = json_str(o, "unit"),
				   .value = json_number_value(value),
				   .dims = {{"AlarmName", watch}},
				   .n_dims = watch != NULL};
	if (!is_word(p->name, POINT_NAME_MAX) || !json_is_number(value) || !isfinite(p->value) ||
	    !is_word(p->unit, POINT_UNIT_MAX) || (watch && !is_word(watch, POINT_NAME_MAX)))
		return err_set(e, -EINVAL, "a metric needs a name, a number and a unit, in plain words");
	return 0;
}

int agent_metrics_points(struct agent *a, const json_t *points, const char *watch, struct err *e)
{
	struct metric_point list[POINTS_MAX];
	size_t n = json_array_size(points);
	int r;

	if (!a->metrics || !metric_set_has_sinks(a->metrics->set))
		return err_set(e, -ENOTCONN, "no metric sink is configured");
	if (n == 0 || n > POINTS_MAX)
		return err_set(e, -EINVAL, "from 1 to %d metrics at a time", POINTS_MAX);
	for (size_t i = 0; i < n; i++) {
		r = read_point(json_array_get(points, i), watch, &list[i], e);
		if (r < 0)
			return r;
	}
	r = metric_set_points(a->metrics->set, list, n);
	return r < 0 ? err_sys(e, -r, "the metrics cannot be kept") : 0;
}

void agent_metrics_status(const struct agent *a, json_t *list, json_t *answer)
{
	json_t *mine = a->metrics ? metric_set_status(a->metrics->set) : NULL;

	if (mine)
		json_array_extend(list, mine);
	json_decref(mine);
	if (a->metrics)
		json_object_set_new(answer, "metrics_spool",
				    metric_set_spool_status(a->metrics->set));
}

bool agent_metrics_leave(struct agent *a)
{
	return a->metrics->set && metric_set_leave(a->metrics->set);
}

void agent_metrics_stop(struct agent *a)
{
	if (!a->metrics)
		return;
	if (a->metrics->set)
		metric_set_end(a->metrics->set);
	metric_set_free(a->metrics->set);
	keystone_free(a->metrics->own);
	free(a->metrics);
	a->metrics = NULL;
}
