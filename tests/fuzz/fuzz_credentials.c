/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credential file, the endpoint URL and the os-collect-config block in both forms, from any bytes: no
 * crash, no leak, and what is accepted keeps its promise (both keys there, URL ends in /v1/).
 */
#include <stdlib.h>
#include <string.h>

#include "auth/credentials_parse.h"
#include "core/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_file(const char *p, size_t n)
{
	_cleanup_free_ char *access = NULL, *secret = NULL;

	if (credentials_parse_file(p, n, &access, &secret, NULL) == 0 ? (!*access || !*secret)
								      : (access || secret))
		abort();
}

static void check_url(const char *p, size_t n)
{
	_cleanup_free_ char *url = NULL;

	if (credentials_url(p, n, "http", &url) == 0 && strcmp(url + strlen(url) - 4, "/v1/") != 0)
		abort();
	if (url)
		(void)credentials_url_is_far_http(url);
}

static void check_set(struct credentials_set *set)
{
	if (set->cfn.kind == CREDENTIALS_EC2 &&
	    (!set->cfn.access_key || !set->cfn.secret_key || !set->cfn.metadata_url))
		abort();
	if (set->heat.kind == CREDENTIALS_PASSWORD && !set->heat.password)
		abort();
	credentials_set_deinit(set);
}

static void check_block(const char *p, size_t n)
{
	_cleanup_json_ json_t *document = NULL;
	struct credentials_set set;
	struct ini ini = {0};
	_cleanup_free_ char *url = NULL;
	bool insecure;

	if (json_parse(p, n, &json_limits_default, &document, NULL) == 0 &&
	    credentials_from_block(document, "fuzz", &set, NULL) >= 0) {
		(void)credentials_server_id(document);
		check_set(&set);
	}
	if (ini_parse(&ini, "fuzz", p, n, 0, NULL) == 0) {
		if (credentials_from_occ(&ini, "fuzz", &set, NULL) >= 0)
			check_set(&set);
		if (credentials_from_boto(&ini, &url, &insecure) < 0)
			abort();
	}
	ini_deinit(&ini);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;

	check_file(p, size);
	check_url(p, size);
	check_block(p, size);
	return 0;
}
