/* SPDX-License-Identifier: Apache-2.0 */
/* Where credentials are found, in which order, verbatim, and what is said about what is wrong. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "auth/credentials_parse.h"

/* A guest: which file holds what, and its mode. */
struct guest {
	struct {
		const char *text;
		mode_t mode;
		int error;
	} files[PRIVPATH_COUNT];
	struct conf conf;
	struct credentials_set set;
	struct problems problems;
};

static int open_guest_file(int id, void *ctx)
{
	const struct guest *g = ctx;
	int fd;

	if (g->files[id].error)
		return -g->files[id].error;
	if (!g->files[id].text)
		return -ENOENT;
	fd = memfd_create("guest-file", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, g->files[id].text, strlen(g->files[id].text)),
			 (ssize_t)strlen(g->files[id].text));
	assert_int_equal(fchmod(fd, g->files[id].mode ? g->files[id].mode : 0600), 0);
	return fd;
}

static void find(struct guest *g)
{
	credentials_set_deinit(&g->set);
	problems_deinit(&g->problems);
	assert_int_equal(credentials_find(&g->conf, open_guest_file, g, &g->set, &g->problems), 0);
}

static const struct problem *problem(const struct guest *g, const char *code, const char *part)
{
	for (size_t i = 0; i < g->problems.n; i++)
		if (strcmp(g->problems.list[i].code, code) == 0 && strstr(g->problems.list[i].text, part))
			return &g->problems.list[i];
	return NULL;
}

static void done(struct guest *g)
{
	credentials_set_deinit(&g->set);
	problems_deinit(&g->problems);
}

#define BLOCK(url, secret)                                                                                   \
	"{\"os-collect-config\": {\"collectors\": [\"ec2\", \"cfn\", \"local\"], \"heat\": null, \"cfn\": {" \
	"\"metadata_url\": \"" url "\", \"access_key_id\": \"AK1\", \"secret_access_key\": \"" secret "\", " \
	"\"stack_name\": \"web\", \"path\": \"srv.Metadata\"}}, \"deployments\": [{\"inputs\": [{\"name\": " \
	"\"deploy_server_id\", \"value\": \"server-1\"}]}]}"

#define HUP_CONF                                                                                             \
	"[main]\nstack = hupstack\ncredential-file = /etc/cfn/cfn-credentials\nregion=heat\ninterval=5\n"

/* The block that Heat leaves is taken over whole, the secret untouched. */
static void block_of_cfn_init_data(void **state)
{
	struct guest g = {.files[PRIVPATH_CFN_INIT_DATA].text =
				  BLOCK("https://192.0.2.10:8000/v1/", "p%Q^%(x)s&#;'")};

	(void)state;
	find(&g);
	assert_int_equal(g.set.cfn.kind, CREDENTIALS_EC2);
	assert_string_equal(g.set.cfn.secret_key, "p%Q^%(x)s&#;'");
	assert_string_equal(g.set.cfn.metadata_url, "https://192.0.2.10:8000/v1/");
	assert_string_equal(g.set.cfn.resource, "srv");
	assert_string_equal(g.set.cfn.stack, "web");
	assert_string_equal(g.set.collectors, "ec2,cfn,local");
	assert_string_equal(g.set.physical_id, "server-1");
	assert_int_equal(g.set.heat.kind, CREDENTIALS_NONE);
	assert_non_null(problem(&g, "credentials",
				"1. cfn credentials in /var/lib/heat-cfntools/cfn-init-data: used"));
	assert_null(problem(&g, "plain-http", ""));
	done(&g);
}

/* Plain HTTP that Heat gave is used, and said. */
static void plain_http_from_heat_is_a_warning(void **state)
{
	struct guest g = {.files[PRIVPATH_CFN_INIT_DATA].text = BLOCK("http://192.0.2.10:8000/v1/", "s")};

	(void)state;
	find(&g);
	assert_int_equal(g.set.cfn.kind, CREDENTIALS_EC2);
	assert_int_equal(problem(&g, "plain-http", "192.0.2.10")->level, PROBLEM_WARN);
	done(&g);
}

/* Plain HTTP from our own file is not used, except to this very guest. */
static void plain_http_from_us_is_refused(void **state)
{
	char url[] = "http://192.0.2.10:8000/v1/", near[] = "http://127.0.0.1:8000", ak[] = "AK", sk[] = "SK";
	struct guest g = {.conf = {.cfn_url = url, .cfn_access_key = ak, .cfn_secret_key = sk}};

	(void)state;
	find(&g);
	assert_int_equal(g.set.cfn.kind, CREDENTIALS_NONE);
	assert_int_equal(problem(&g, "plain-http", "not used")->level, PROBLEM_ERROR);
	g.conf.cfn_url = near;
	find(&g);
	assert_int_equal(g.set.cfn.kind, CREDENTIALS_EC2);
	assert_string_equal(g.set.cfn.metadata_url, "http://127.0.0.1:8000/v1/");
	done(&g);
}

/* null members count as absent: that is how Heat says that a transport is gone. */
static void null_members_are_absent(void **state)
{
	struct guest g = {.files[PRIVPATH_CFN_INIT_DATA].text =
				  "{\"os-collect-config\": {\"cfn\": {\"metadata_url\": null, "
				  "\"access_key_id\": null, \"secret_access_key\": null,"
				  "\"stack_name\": null, \"path\": null}, \"heat\": {\"auth_url\": "
				  "\"https://k:5000/v3\", \"user_id\": \"u\","
				  "\"password\": \"p#%\", \"project_id\": \"pr\", \"stack_id\": "
				  "\"web/7b1c\", \"resource_name\": \"srv\","
				  "\"region_name\": null}}}"};

	(void)state;
	find(&g);
	assert_int_equal(g.set.cfn.kind, CREDENTIALS_NONE);
	assert_int_equal(g.set.heat.kind, CREDENTIALS_PASSWORD);
	assert_string_equal(g.set.heat.password, "p#%");
	assert_string_equal(g.set.heat.stack, "web/7b1c");
	assert_null(g.set.heat.region);
	assert_null(problem(&g, "credentials-incomplete", ""));
	done(&g);
}

/* A block that lacks a key is not half-used, and the key is named. */
static void an_incomplete_block_is_named(void **state)
{
	struct guest g = {.files[PRIVPATH_CFN_INIT_DATA].text =
				  "{\"os-collect-config\": {\"cfn\": {\"metadata_url\": \"https://h/v1/\", "
				  "\"access_key_id\": \"a\"}}}"};

	(void)state;
	find(&g);
	assert_int_equal(g.set.cfn.kind, CREDENTIALS_NONE);
	assert_non_null(problem(&g, "credentials-incomplete", "secret_access_key"));
	assert_non_null(problem(&g, "credentials-none", ""));
	done(&g);
}

/* os-collect-config.conf: no interpolation, one pair of quotes off, collectors of [DEFAULT]. */
static void os_collect_config_conf(void **state)
{
	struct guest g = {.files[PRIVPATH_OCC_CONF] = {
				  .text = "[DEFAULT]\ncommand = os-refresh-config\ncollectors = "
					  "cfn\n\n[cfn]\nmetadata_url = http://[2001:db8::1]:8000\n"
					  "access_key_id = AK2\nsecret_access_key = '%x%(y)s;#z'\nstack_name "
					  "= web\npath = my.srv.Metadata\n",
				  .mode = 0644}};

	(void)state;
	find(&g);
	assert_string_equal(g.set.cfn.access_key, "AK2");
	assert_string_equal(g.set.cfn.secret_key, "%x%(y)s;#z");
	assert_string_equal(g.set.cfn.metadata_url, "http://[2001:db8::1]:8000/v1/");
	assert_string_equal(g.set.cfn.resource, "my.srv");
	assert_string_equal(g.set.collectors, "cfn");
	assert_non_null(problem(&g, "credentials-mode", "os-collect-config.conf"));
	done(&g);
}

/* cfn-hup.conf with its three companions: port and scheme of cfn-metadata-server count. */
static void classic_cfn_hup(void **state)
{
	struct guest g = {
		.files = {[PRIVPATH_CFN_HUP_CONF].text = HUP_CONF,
			  [PRIVPATH_CFN_CREDENTIALS] =
				  {.text = "AWSAccessKeyId = AK3\nAWSSecretKey = ^F%W #;'\"\\ \n",
				   .mode = 0644},
			  [PRIVPATH_CFN_METADATA_SERVER].text = "https://cfn.example:18000/v1/\n",
			  [PRIVPATH_CFN_BOTO_CFG].text =
				  "[Boto]\nis_secure = 1\nhttps_validate_certificates = 0\ncfn_region_name = "
				  "heat\ncfn_region_endpoint = other.example\n"}};

	(void)state;
	find(&g);
	assert_string_equal(g.set.cfn.metadata_url, "https://cfn.example:18000/v1/");
	assert_string_equal(g.set.cfn.secret_key, "^F%W #;'\"\\ ");
	assert_string_equal(g.set.cfn.stack, "hupstack");
	assert_string_equal(g.set.cfn_hup_stack, "hupstack");
	assert_int_equal(g.set.cfn_hup_interval_ms, 300000);
	assert_true(g.set.cfn.insecure);
	assert_non_null(problem(&g, "tls-unverified", ""));
	assert_non_null(problem(&g, "credentials-mode", "cfn-credentials"));
	done(&g);
}

/* Without cfn-metadata-server the boto file names the host, at Heat's port; with neither, nobody is asked. */
static void boto_is_the_fallback_and_amazon_never(void **state)
{
	struct guest g = {
		.files = {[PRIVPATH_CFN_HUP_CONF].text = HUP_CONF,
			  [PRIVPATH_CFN_CREDENTIALS].text = "AWSAccessKeyId=AK3\nAWSSecretKey=SK3\n",
			  [PRIVPATH_CFN_BOTO_CFG].text =
				  "[Boto]\nis_secure = 0\ncfn_region_endpoint = 192.0.2.7\n"}};

	(void)state;
	find(&g);
	assert_string_equal(g.set.cfn.metadata_url, "http://192.0.2.7:8000/v1/");
	assert_string_equal(g.set.endpoint, "http://192.0.2.7:8000/v1/");
	g.files[PRIVPATH_CFN_BOTO_CFG].text = "[Boto]\ndebug = 0\n";
	find(&g);
	assert_int_equal(g.set.cfn.kind, CREDENTIALS_NONE);
	assert_non_null(problem(&g, "credentials-incomplete", "no endpoint"));
	done(&g);
}

/* Order: configuration, cfn-init-data, os-collect-config.conf, cfn-hup.conf; later finds are named, not used.
 */
static void the_first_find_wins(void **state)
{
	char url[] = "https://conf.example/v1", ak[] = "AK0", sk[] = "S%K", stack[] = "confstack";
	struct guest g = {
		.conf = {.cfn_url = url, .cfn_access_key = ak, .cfn_secret_key = sk, .cfn_stack = stack},
		.files = {[PRIVPATH_CFN_INIT_DATA].text = BLOCK("https://192.0.2.10:8000/v1/", "s"),
			  [PRIVPATH_CFN_HUP_CONF].text = HUP_CONF,
			  [PRIVPATH_CFN_CREDENTIALS].text = "AWSAccessKeyId=AK3\nAWSSecretKey=SK3\n",
			  [PRIVPATH_CFN_METADATA_SERVER].text = "https://h:8000/v1/"}};

	(void)state;
	find(&g);
	assert_string_equal(g.set.cfn.access_key, "AK0");
	assert_string_equal(g.set.cfn.stack, "confstack");
	assert_non_null(problem(&g, "credentials", "1. cfn credentials in configuration [cfn]: used"));
	assert_non_null(problem(&g, "credentials",
				"2. cfn credentials in /var/lib/heat-cfntools/cfn-init-data: not used"));
	assert_non_null(problem(&g, "credentials", "3. cfn credentials in"));
	g.conf = (struct conf){.cfn_stack = stack};
	find(&g);
	assert_string_equal(g.set.cfn.access_key, "AK1");
	assert_string_equal(g.set.cfn.stack,
			    "confstack"); /* our own configuration may still name the stack */
	done(&g);
}

/* cfn-hup.conf without an endpoint of its own takes that of the block: one cloud, one endpoint. */
static void the_block_names_the_endpoint(void **state)
{
	struct guest g = {
		.files = {[PRIVPATH_CFN_INIT_DATA].text = BLOCK("https://192.0.2.10:8000/v1/", "s"),
			  [PRIVPATH_CFN_HUP_CONF].text = HUP_CONF,
			  [PRIVPATH_CFN_CREDENTIALS].text = "AWSAccessKeyId=AK3\nAWSSecretKey=SK3\n"}};

	(void)state;
	find(&g);
	assert_non_null(problem(&g, "credentials", "2. cfn credentials in /etc/cfn/cfn-credentials: not used"));
	assert_null(problem(&g, "credentials-incomplete", ""));
	done(&g);
}

/* An unparsable or unreadable file is named and the search goes on. */
static void bad_files_stop_nothing(void **state)
{
	struct guest g = {
		.files = {[PRIVPATH_CFN_INIT_DATA].text = "{\"os-collect-config\": ",
			  [PRIVPATH_OCC_CONF].error = EACCES,
			  [PRIVPATH_CFN_HUP_CONF].text = HUP_CONF,
			  [PRIVPATH_CFN_CREDENTIALS].text = "AWSAccessKeyId=AK3\nAWSSecretKey=SK3\n",
			  [PRIVPATH_CFN_METADATA_SERVER].text = "h.example:18000"}};

	(void)state;
	find(&g);
	assert_string_equal(g.set.cfn.metadata_url, "http://h.example:18000/v1/");
	assert_non_null(problem(&g, "credentials-syntax", "cfn-init-data"));
	assert_non_null(problem(&g, "credentials-unreadable", "os-collect-config.conf"));
	done(&g);
}

/* The copy that cloud-init leaves readable for everyone is reported. */
static void world_readable_copy(void **state)
{
	struct guest g = {.files[PRIVPATH_CLOUD_INIT_DATA] = {.text = "{}", .mode = 0644}};

	(void)state;
	find(&g);
	assert_non_null(problem(&g, "metadata-copy", "/var/lib/cloud/data/cfn-init-data"));
	g.files[PRIVPATH_CLOUD_INIT_DATA].mode = 0600;
	find(&g);
	assert_null(problem(&g, "metadata-copy", ""));
	done(&g);
}

/* No sentence about credentials holds a secret. */
static void secrets_stay_out_of_problems(void **state)
{
	struct guest g = {.files = {[PRIVPATH_CFN_INIT_DATA].text = BLOCK("ftp://x", "TOPSECRET"),
				    [PRIVPATH_CFN_HUP_CONF].text = HUP_CONF,
				    [PRIVPATH_CFN_CREDENTIALS].text = "AWSSecretKey=TOPSECRET\n"}};

	(void)state;
	find(&g);
	assert_true(g.problems.n > 0);
	for (size_t i = 0; i < g.problems.n; i++)
		assert_null(strstr(g.problems.list[i].text, "TOPSECRET"));
	done(&g);
}

/* An application credential of our own configuration. */
static void application_credential(void **state)
{
	char url[] = "https://k:5000", id[] = "ac", secret[] = "s%s", stack[] = "web/1", resource[] = "srv";
	struct guest g = {.conf = {.heat_auth_url = url,
				   .heat_app_credential_id = id,
				   .heat_app_credential_secret = secret,
				   .heat_stack_id = stack,
				   .heat_resource = resource}};

	(void)state;
	find(&g);
	assert_int_equal(g.set.heat.kind, CREDENTIALS_APPLICATION);
	assert_string_equal(g.set.heat.app_credential_secret, "s%s");
	assert_string_equal(g.set.heat.resource, "srv");
	g.conf.heat_app_credential_secret = NULL;
	find(&g);
	assert_int_equal(g.set.heat.kind, CREDENTIALS_NONE);
	assert_non_null(problem(&g, "credentials-incomplete", "app_credential_secret"));
	done(&g);
}

static void assert_file(const char *text, const char *access, const char *secret)
{
	_cleanup_free_ char *a = NULL, *s = NULL;
	int rc = credentials_parse_file(text, strlen(text), &a, &s, NULL);

	assert_int_equal(rc, access ? 0 : -EINVAL);
	if (access) {
		assert_string_equal(a, access);
		assert_string_equal(s, secret);
	}
}

/* cfn-hup's credential file: names at column 0, value verbatim with its trailing blanks, CR dropped, last
 * wins. */
static void credential_file_dialect(void **state)
{
	(void)state;
	assert_file("AWSAccessKeyId = a\nAWSSecretKey = b c \t\n", "a", "b c \t");
	assert_file("AWSAccessKeyId=a\r\nAWSSecretKey=b\r\n", "a", "b");
	assert_file("# x\nAWSAccessKeyId=a\n AWSAccessKeyId=no\nAWSSecretKey=b=c%d\nother=1", "a", "b=c%d");
	assert_file("AWSAccessKeyId=old\nAWSSecretKey=b\nAWSAccessKeyId=new", "new", "b");
	assert_file("AWSAccessKeyIdX=a\nAWSSecretKey=b\n", NULL, NULL);
	assert_file("AWSAccessKeyId=a\n", NULL, NULL);
	assert_file("AWSAccessKeyId=\nAWSSecretKey=b\n", NULL, NULL);
	assert_file("", NULL, NULL);
}

/* What Heat and people write as the endpoint comes out as one form; nonsense is refused. */
static void urls(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"http://h:8000/v1/", "http://h:8000/v1/"},
		{"http://h:8000/v1", "http://h:8000/v1/"},
		{"http://h:8000", "http://h:8000/v1/"},
		{"http://h:8000/v1/v1/", "http://h:8000/v1/"},
		{" h:18000\n", "https://h:18000/v1/"},
		{"https://h/heat-api-cfn/v1/", "https://h/heat-api-cfn/v1/"},
		{"[2001:db8::1]:8000", "https://[2001:db8::1]:8000/v1/"},
		{"", NULL},
		{"\n", NULL},
		{"ftp://h/", NULL},
		{"http://u:p@h/v1/", NULL},
		{"http://h/v1/?a=b", NULL},
		{"http:///v1/", NULL},
		{"http://h:99999/", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *url = NULL;
		int rc = credentials_url(rows[i].in, strlen(rows[i].in), "https", &url);

		assert_int_equal(rc, rows[i].out ? 0 : -EINVAL);
		if (rows[i].out)
			assert_string_equal(url, rows[i].out);
	}
}

/* interval: minutes as cfn-hup has them, or a duration; anything else is said and not used. */
static void intervals(void **state)
{
	int64_t ms = 0;

	(void)state;
	assert_int_equal(credentials_interval("15", &ms), 0);
	assert_int_equal(ms, 15 * 60000);
	assert_int_equal(credentials_interval("30s", &ms), 0);
	assert_int_equal(ms, 30000);
	assert_int_equal(credentials_interval("0", &ms), -EINVAL);
	assert_int_equal(credentials_interval("soon", &ms), -EINVAL);
	assert_int_equal(credentials_interval("", &ms), -EINVAL);
}

/* The other transports of a block, as INI too; collectors as a JSON list; keys that have another place here. */
static void occ_transports(void **state)
{
	struct guest g = {.files[PRIVPATH_OCC_CONF].text =
				  "[DEFAULT]\ncollectors = [\"ec2\", \"zaqar\", \"local\"]\npolling_interval = 15\n"
				  "splay = 0\ncommand = os-refresh-config\n"
				  "[request]\nmetadata_url = https://swift/v1/A/c/o?temp_url_sig=s&temp_url_expires=9\n"
				  "[zaqar]\nauth_url = https://ks/v3/\nuser_id = u\npassword = p%^\n"
				  "project_id = j\nqueue_id = q\n"};
	static const char *const names[] = {"request", "zaqar", NULL};

	(void)state;
	find(&g);
	assert_string_equal(g.set.request.metadata_url,
			    "https://swift/v1/A/c/o?temp_url_sig=s&temp_url_expires=9");
	assert_string_equal(g.set.zaqar.queue, "q");
	assert_string_equal(g.set.zaqar.password, "p%^");
	assert_string_equal(g.set.collectors, "ec2,zaqar,local");
	assert_string_equal(credentials_preferred(&g.set, names), "zaqar");
	assert_int_equal(g.set.polling_ms, 15000);
	assert_true(g.set.has_splay && g.set.splay_ms == 0);
	assert_non_null(problem(&g, "occ-key", "command"));
	assert_null(problem(&g, "credentials", "temp_url_sig"));
	done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(occ_transports),
		cmocka_unit_test(block_of_cfn_init_data),
		cmocka_unit_test(plain_http_from_heat_is_a_warning),
		cmocka_unit_test(plain_http_from_us_is_refused),
		cmocka_unit_test(null_members_are_absent),
		cmocka_unit_test(an_incomplete_block_is_named),
		cmocka_unit_test(os_collect_config_conf),
		cmocka_unit_test(classic_cfn_hup),
		cmocka_unit_test(boto_is_the_fallback_and_amazon_never),
		cmocka_unit_test(the_first_find_wins),
		cmocka_unit_test(the_block_names_the_endpoint),
		cmocka_unit_test(bad_files_stop_nothing),
		cmocka_unit_test(world_readable_copy),
		cmocka_unit_test(secrets_stay_out_of_problems),
		cmocka_unit_test(application_credential),
		cmocka_unit_test(credential_file_dialect),
		cmocka_unit_test(urls),
		cmocka_unit_test(intervals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
