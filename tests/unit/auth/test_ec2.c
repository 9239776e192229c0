/* SPDX-License-Identifier: Apache-2.0 */
/* EC2 signatures against vectors that were recomputed independently and checked with a real Keystone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "auth/ec2.h"

#define ACCESS "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
#define SECRET "p%Q^r!S&t*U1v2W3x4Y5z6A7b8C9d0E@"
#define HOST   "192.0.2.10:8000"
#define ARN    "arn:openstack:heat::5e1f0a:stacks/web/7b1c/resources/health"
#define STAMP  1767323045 /* 2026-01-02T03:04:05Z */

static struct ec2_request request(const char *verb, const char *path, const struct ec2_param *params,
				  size_t n)
{
	return (struct ec2_request){.verb = verb,
				    .host = HOST,
				    .path = path,
				    .params = params,
				    .n_params = n,
				    .access_key = ACCESS,
				    .secret_key = SECRET,
				    .time_s = STAMP};
}

static void assert_v2(const struct ec2_request *r, const char *encoded_signature)
{
	_cleanup_buf_ struct buf query = BUF_INIT(8192);
	const char *at;

	assert_int_equal(ec2_sign_v2(r, &query), 0);
	at = strstr(buf_str(&query), "&Signature=");
	assert_non_null(at);
	assert_string_equal(at + strlen("&Signature="), encoded_signature);
}

/* A poll with a resource name that needs encoding verifies: the published vector. */
static void v2_get_with_odd_resource_name(void **state)
{
	const struct ec2_param params[] = {
		{"Action", "DescribeStackResource"}, {"StackName", "web"}, {"LogicalResourceId", "srv 1~*"}};
	struct ec2_request r = request("GET", "/v1/", params, 3);
	_cleanup_buf_ struct buf query = BUF_INIT(8192);

	(void)state;
	assert_v2(&r, "A3FezaoUA%2F%2FKP0DBnm6Hb2nAmqdGMRaaZKhoeVPFuhU%3D");
	assert_int_equal(ec2_sign_v2(&r, &query), 0);
	assert_string_equal(buf_str(&query), "AWSAccessKeyId=" ACCESS
					     "&Action=DescribeStackResource&LogicalResourceId=srv%201~%2A"
					     "&SignatureMethod=HmacSHA256&SignatureVersion=2&StackName=web"
					     "&Timestamp=2026-01-02T03%3A04%3A05Z"
					     "&Signature=A3FezaoUA%2F%2FKP0DBnm6Hb2nAmqdGMRaaZKhoeVPFuhU%3D");
}

/* A signal signs raw colons and slashes of the ARN: the published vector. */
static void v2_put_signs_the_raw_arn(void **state)
{
	struct ec2_request r = request("PUT", "/v1/waitcondition/" ARN, NULL, 0);

	(void)state;
	assert_v2(&r, "3EIG9OBSHJ%2FmtdM67MMujVI4DpIkpL9%2Bneh0saq%2Bk0M%3D");
}

/* time_s -1 leaves Timestamp out, which Heat never lets expire: the published vector. */
static void v2_post_without_timestamp(void **state)
{
	struct ec2_request r = request("POST", "/v1/signal/" ARN, NULL, 0);

	(void)state;
	r.time_s = -1;
	assert_v2(&r, "%2B18h5le7wHgEkKtOwZJyFiyRa6rlTIQHGkk7A2T2qGQ%3D");
}

/* Keystone keeps one value per key: a request that could never verify is refused here. */
static void a_parameter_given_twice_is_refused(void **state)
{
	const struct ec2_param twice[] = {{"A", "1"}, {"A", "2"}};
	const struct ec2_param reserved[] = {{"Timestamp", "x"}};
	struct ec2_request r = request("GET", "/v1/", twice, 2);
	_cleanup_buf_ struct buf query = BUF_INIT(8192);

	(void)state;
	assert_int_equal(ec2_sign_v2(&r, &query), -EINVAL);
	r = request("GET", "/v1/", reserved, 1);
	assert_int_equal(ec2_sign_v2(&r, &query), -EINVAL);
}

/* A full output buffer is an error, not a cut signature. */
static void v2_reports_a_full_buffer(void **state)
{
	struct ec2_request r = request("GET", "/v1/", NULL, 0);
	_cleanup_buf_ struct buf query = BUF_INIT(40);

	(void)state;
	assert_int_equal(ec2_sign_v2(&r, &query), -EFBIG);
}

static void assert_v4(const struct ec2_request *r, const char *query_wanted, const char *signature)
{
	_cleanup_buf_ struct buf query = BUF_INIT(8192), authorization = BUF_INIT(1024),
				 wanted = BUF_INIT(1024);
	char date[20];

	assert_int_equal(ec2_sign_v4(r, "heat", "cloudformation", &query, &authorization, date), 0);
	buf_printf(&wanted,
		   "AWS4-HMAC-SHA256 Credential=" ACCESS "/20260102/heat/cloudformation/aws4_request,"
		   "SignedHeaders=host;x-amz-date,Signature=%s",
		   signature);
	assert_string_equal(date, "20260102T030405Z");
	assert_string_equal(buf_str(&query), query_wanted);
	assert_string_equal(buf_str(&authorization), buf_str(&wanted));
}

/* V4 of a poll: the published vector. */
static void v4_get(void **state)
{
	const struct ec2_param params[] = {
		{"StackName", "web"}, {"LogicalResourceId", "srv"}, {"Action", "DescribeStackResource"}};
	struct ec2_request r = request("GET", "/v1/", params, 3);

	(void)state;
	assert_v4(&r, "Action=DescribeStackResource&LogicalResourceId=srv&StackName=web",
		  "ac421c7a7eb1a1401222b57f685f17a214c2925183dcf0fa0facb5978ed12bcc");
}

/* V4 of a signal covers its body: the published vector, and another body gives another signature. */
static void v4_put_covers_the_body(void **state)
{
	struct ec2_request r = request("PUT", "/v1/waitcondition/" ARN, NULL, 0);
	_cleanup_buf_ struct buf query = BUF_INIT(8192), other = BUF_INIT(1024);
	char date[20];

	(void)state;
	r.body = "{\"status\":\"SUCCESS\",\"id\":\"hb\"}";
	r.body_len = strlen(r.body);
	assert_v4(&r, "", "150e17cd2cbc5cf52eb315ab2ec551a5384b0c0dc8fe91a307304c8333cc4b15");
	r.body_len--;
	assert_int_equal(ec2_sign_v4(&r, "heat", "cloudformation", &query, &other, date), 0);
	assert_null(strstr(buf_str(&other), "150e17cd"));
}

static const struct ec2_param tool_params[] = {
	{"Action", "DescribeStackResource"}, {"ContentType", "JSON"},
	{"LogicalResourceId", "R1"},	     {"StackName", "st"},
	{"Version", "2010-05-15"},
};

static void assert_tool_vector(const char *date, const char *region, const char *service,
			       const struct ec2_header *headers, size_t n, const char *signature)
{
	struct ec2_request r = {.verb = "GET",
				.host = "127.0.0.1:8000",
				.path = "/v1/",
				.params = tool_params,
				.n_params = 5,
				.access_key = "AK",
				.secret_key = "SK"};
	_cleanup_buf_ struct buf authorization = BUF_INIT(1024);

	assert_int_equal(ec2_v4_authorization(&r, region, service, date, headers, n, &authorization), 0);
	assert_non_null(strstr(buf_str(&authorization), signature));
}

/* The signature that heat-cfntools sends, with its scope 0/127 that falls out of a host address. */
static void v4_as_heat_cfntools_signs(void **state)
{
	const struct ec2_header headers[] = {{"host", "127.0.0.1:8000"}, {"x-amz-date", "20261122T072322Z"}};

	(void)state;
	assert_tool_vector("20261122T072322Z", "0", "127", headers, 2,
			   "Signature=c24d0c697b907231248b59c5271362a6431ce1bf6cc74fb49ead80894dc91d56");
}

/* The signature that aws-cfn-bootstrap sends: three signed headers. */
static void v4_as_aws_cfn_bootstrap_signs(void **state)
{
	const struct ec2_header headers[] = {{"accept", " application/json "},
					     {"host", "127.0.0.1:8000"},
					     {"x-amz-date", "20261122T073338Z"}};

	(void)state;
	assert_tool_vector("20261122T073338Z", "heat", "cloudformation", headers, 3,
			   "SignedHeaders=accept;host;x-amz-date,"
			   "Signature=213fc39e0cdaad64e3b075edb44dc4828a7216655c9c81d431e8e64e963ca7f4");
}

/* V4 has no form without a time. */
static void v4_needs_a_time(void **state)
{
	struct ec2_request r = request("GET", "/v1/", NULL, 0);
	_cleanup_buf_ struct buf query = BUF_INIT(8192), authorization = BUF_INIT(1024);
	char date[20];

	(void)state;
	r.time_s = -1;
	assert_int_equal(ec2_sign_v4(&r, "heat", "x", &query, &authorization, date), -EINVAL);
}

/* Only what Keystone leaves raw stays raw in a path. */
static void path_encoding(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(256);

	(void)state;
	ec2_encode_path(&out, "/v1/a b/!$&'()*+,;=:@~-_./%[\xc3\xa9");
	assert_string_equal(buf_str(&out), "/v1/a%20b/!$&'()*+,;=:@~-_./%25%5B%C3%A9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v2_get_with_odd_resource_name),
		cmocka_unit_test(v2_put_signs_the_raw_arn),
		cmocka_unit_test(v2_post_without_timestamp),
		cmocka_unit_test(a_parameter_given_twice_is_refused),
		cmocka_unit_test(v2_reports_a_full_buffer),
		cmocka_unit_test(v4_get),
		cmocka_unit_test(v4_put_covers_the_body),
		cmocka_unit_test(v4_as_heat_cfntools_signs),
		cmocka_unit_test(v4_as_aws_cfn_bootstrap_signs),
		cmocka_unit_test(v4_needs_a_time),
		cmocka_unit_test(path_encoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
