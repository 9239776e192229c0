/* SPDX-License-Identifier: Apache-2.0 */
/* From [sinks] to settings: one row per type. */
#include "sink/metric_conf.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"

static int append(struct sink_setting list[static SINK_SETTINGS_MAX], size_t *n,
		  const struct sink_setting *s)
{
	int r;

	if (*n == SINK_SETTINGS_MAX)
		return 0;
	r = sink_setting_copy(&list[*n], s);
	*n += r == 0;
	return r;
}

int metric_conf_sinks(const struct conf *conf, struct sink_setting list[static SINK_SETTINGS_MAX],
		      size_t *n)
{
	const struct {
		const char *type;
		char *where, *token, *username, *password;
		bool file;
	} rows[] = {
		{"monasca", conf->sinks_monasca, NULL, NULL, NULL, false},
		{"prometheus", conf->sinks_prometheus, conf->sinks_prometheus_token,
		 conf->sinks_prometheus_user, conf->sinks_prometheus_password, false},
		{"gnocchi", conf->sinks_gnocchi, NULL, NULL, NULL, false},
		{"otlp", conf->sinks_otlp, conf->sinks_otlp_token, NULL, NULL, false},
		{"textfile", conf->sinks_textfile, NULL, NULL, NULL, true},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *type = rows[i].where ? strdup(rows[i].type) : NULL;
		struct sink_setting s = {.type = type,
					 .token = rows[i].token,
					 .username = rows[i].username,
					 .password = rows[i].password,
					 .trusted = true};

		if (!rows[i].where)
			continue;
		if (!type)
			return -ENOMEM;
		if (rows[i].file)
			s.path = rows[i].where;
		else if (strcmp(rows[i].where, "catalog") != 0)
			s.url = rows[i].where;
		r = append(list, n, &s);
	}
	return r;
}

int metric_conf_merge(const struct sink_setting *more, size_t n_more,
		      struct sink_setting list[static SINK_SETTINGS_MAX], size_t *n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n_more; i++) {
		bool known = false;

		for (size_t k = 0; k < *n; k++)
			known |= text_equal(list[k].type, more[i].type) &&
				 text_equal(list[k].url, more[i].url);
		if (!known)
			r = append(list, n, &more[i]);
	}
	return r;
}

int metric_conf_credentials(const struct conf *conf, struct credentials *ret)
{
	struct credentials c = {
		.auth_url = conf->sinks_auth_url,
		.user_id = conf->sinks_user_id,
		.username = conf->sinks_username,
		.user_domain_id = conf->sinks_user_domain_id,
		.password = conf->sinks_password,
		.project_id = conf->sinks_project_id,
		.region = conf->sinks_region,
		.app_credential_id = conf->sinks_app_credential_id,
		.app_credential_secret = conf->sinks_app_credential_secret,
	};

	*ret = (struct credentials){0};
	if (c.auth_url && c.app_credential_id && c.app_credential_secret)
		c.kind = CREDENTIALS_APPLICATION;
	else if (c.auth_url && (c.user_id || c.username) && c.password && c.project_id)
		c.kind = CREDENTIALS_PASSWORD;
	else
		return 0;
	return credentials_copy(ret, &c);
}
