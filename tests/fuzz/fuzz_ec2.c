/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing any host, path, parameter and body: no crash, the same answer twice, and a query and path that hold
 * only what may stand in a URL. Input: fields separated by newlines: verb, host, path, key, value, body.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/ec2.h"

#define FIELDS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_printable(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if (b->data[i] <= ' ' || b->data[i] > '~')
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	_cleanup_buf_ struct buf query = BUF_INIT(65536), again = BUF_INIT(65536), path = BUF_INIT(65536);
	_cleanup_buf_ struct buf authorization = BUF_INIT(4096);
	char *field[FIELDS] = {"", "", "", "", "", ""}, *rest = text, date[20];
	struct ec2_param param;
	struct ec2_request r = {.access_key = "AK", .secret_key = "SK", .time_s = 1767323045, .n_params = 1};

	for (int i = 0; text && i < FIELDS && rest; i++)
		field[i] = strsep(&rest, "\n");
	param = (struct ec2_param){field[3], field[4]};
	r.verb = field[0];
	r.host = field[1];
	r.path = field[2];
	r.params = &param;
	r.body = field[5];
	r.body_len = strlen(field[5]);
	ec2_encode_path(&path, r.path);
	check_printable(&path);
	if (ec2_sign_v2(&r, &query) == 0) {
		check_printable(&query);
		if (ec2_sign_v2(&r, &again) != 0 || strcmp(buf_str(&query), buf_str(&again)) != 0)
			abort();
	}
	if (ec2_sign_v4(&r, "heat", "cloudformation", &query, &authorization, date) == 0)
		check_printable(&query);
	return 0;
}
