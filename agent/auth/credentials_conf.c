/* SPDX-License-Identifier: Apache-2.0 */
/* The first place where credentials are looked for: sections [cfn], [heat] and [tempurl] of our own
 * configuration, which may also name a stack or a resource for what Heat's files hold. */
#include "auth/credentials_find.h"

#include <errno.h>
#include <string.h>

#include "core/http.h"

static int conf_url(struct finder *f, const char *text, char **url)
{
	int rc = credentials_url(text, strlen(text), "https", url);

	if (rc == -EINVAL)
		problems_add(f->problems, PROBLEM_ERROR, "credentials-url", "write https://host:port/v1/",
			     "configuration: [cfn] url is no http or https URL");
	return rc == -EINVAL ? 1 : rc;
}

static int find_conf_cfn(struct finder *f)
{
	const struct conf *conf = f->conf;
	_cleanup_(credentials_deinit) struct credentials c = {.insecure = conf->cfn_insecure};
	const struct finder_copy list[] = {{&c.access_key, conf->cfn_access_key},
					   {&c.secret_key, conf->cfn_secret_key},
					   {&c.stack, conf->cfn_stack},
					   {&c.resource, conf->cfn_resource}};
	char name[ENV_PATH_MAX] = "configuration [cfn]";
	int rc = 0;

	if (!conf->cfn_access_key && !conf->cfn_secret_key && !(conf->cfn_credential_file && conf->cfn_url))
		return 0;
	if (!conf->cfn_access_key && !conf->cfn_secret_key)
		rc = finder_credential_file(f, &c, name);
	if (rc == 0)
		rc = finder_copy_all(list, ARRAY_SIZE(list));
	if (rc == 0 && conf->cfn_url)
		rc = conf_url(f, conf->cfn_url, &c.metadata_url);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (!c.access_key || !c.secret_key || !c.metadata_url) {
		problems_add(f->problems, PROBLEM_ERROR, "credentials-incomplete", "complete section [cfn]",
			     "configuration: [cfn] lacks %s",
			     !c.metadata_url ? "url"
			     : !c.access_key ? "access_key"
					     : "secret_key");
		return 0;
	}
	c.kind = CREDENTIALS_EC2;
	c.pinned = c.preferred = true;
	c.origin = strdup(name);
	if (!c.origin)
		return -ENOMEM;
	finder_adopt(f, &f->set->cfn, &c, "cfn", false);
	return 0;
}

/* What section [heat] still needs, or NULL. */
static const char *conf_heat_lacks(const struct conf *conf)
{
	if (!conf->heat_auth_url)
		return "auth_url";
	if (conf->heat_app_credential_id)
		return conf->heat_app_credential_secret ? NULL : "app_credential_secret";
	if (!conf->heat_user_id && !conf->heat_username)
		return "user_id";
	return conf->heat_password ? NULL : "password";
}

static int find_conf_heat(struct finder *f)
{
	const struct conf *conf = f->conf;
	_cleanup_(credentials_deinit) struct credentials c = {0};
	const struct finder_copy list[] = {
		{&c.origin, "configuration [heat]"},
		{&c.auth_url, conf->heat_auth_url},
		{&c.user_id, conf->heat_user_id},
		{&c.username, conf->heat_username},
		{&c.user_domain_id, conf->heat_user_domain_id},
		{&c.password, conf->heat_password},
		{&c.project_id, conf->heat_project_id},
		{&c.stack, conf->heat_stack_id},
		{&c.resource, conf->heat_resource},
		{&c.region, conf->heat_region},
		{&c.app_credential_id, conf->heat_app_credential_id},
		{&c.app_credential_secret, conf->heat_app_credential_secret},
	};
	const char *lacks = conf_heat_lacks(conf);

	if (!conf->heat_password && !conf->heat_app_credential_id && !conf->heat_app_credential_secret)
		return 0;
	if (lacks) {
		problems_add(f->problems, PROBLEM_ERROR, "credentials-incomplete", "complete section [heat]",
			     "configuration: [heat] lacks %s", lacks);
		return 0;
	}
	if (finder_copy_all(list, ARRAY_SIZE(list)) < 0)
		return -ENOMEM;
	c.kind = c.app_credential_id ? CREDENTIALS_APPLICATION : CREDENTIALS_PASSWORD;
	c.pinned = c.preferred = true;
	finder_adopt(f, &f->set->heat, &c, "heat", false);
	return 0;
}

static int find_conf_tempurl(struct finder *f)
{
	const struct conf *conf = f->conf;
	_cleanup_(credentials_deinit) struct credentials c = {.kind = CREDENTIALS_URL, .pinned = true,
								 .preferred = true};
	const struct finder_copy list[] = {{&c.origin, "configuration [tempurl]"},
					   {&c.metadata_url, conf->tempurl_url},
					   {&c.resource, conf->tempurl_resource}};
	struct http_url parts = {0};
	int rc;

	if (!conf->tempurl_url)
		return 0;
	rc = http_url_parse(conf->tempurl_url, &parts);
	http_url_deinit(&parts);
	if (rc == -EINVAL) {
		problems_add(f->problems, PROBLEM_ERROR, "credentials-url", "write the whole signed URL",
			     "configuration: [tempurl] url is no http or https URL");
		return 0;
	}
	if (rc < 0 || finder_copy_all(list, ARRAY_SIZE(list)) < 0)
		return -ENOMEM;
	finder_adopt(f, &f->set->request, &c, "request", false);
	return 0;
}

int finder_conf(struct finder *f)
{
	int rc = find_conf_cfn(f);

	if (rc >= 0)
		rc = find_conf_heat(f);
	return rc < 0 ? rc : find_conf_tempurl(f);
}

/* Our own configuration may name a stack or a resource for credentials that came from elsewhere. */
int finder_conf_overlay(struct finder *f)
{
	const struct conf *conf = f->conf;
	struct credentials *cfn = &f->set->cfn, *heat = &f->set->heat;
	const struct finder_copy cfn_list[] = {{&cfn->stack, conf->cfn_stack},
					       {&cfn->resource, conf->cfn_resource}};
	const struct finder_copy heat_list[] = {{&heat->stack, conf->heat_stack_id},
						{&heat->resource, conf->heat_resource},
						{&heat->region, conf->heat_region}};
	int rc = 0;

	if (cfn->kind != CREDENTIALS_NONE) {
		cfn->insecure = cfn->insecure || conf->cfn_insecure;
		if (!cfn->stack && f->set->cfn_hup_stack)
			cfn->stack = strdup(f->set->cfn_hup_stack);
		rc = finder_copy_all(cfn_list, ARRAY_SIZE(cfn_list));
	}
	if (rc == 0 && heat->kind != CREDENTIALS_NONE)
		rc = finder_copy_all(heat_list, ARRAY_SIZE(heat_list));
	return rc;
}
