/* SPDX-License-Identifier: Apache-2.0 */
/* Who this guest is, from trees as images leave them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "core/fs.h"
#include "core/identity.h"
#include "core/privpath.h"

#define UUID_A "0a1b2c3d-1111-4222-8333-444455556666"
#define UUID_B "9f8e7d6c-1111-4222-8333-444455556666"

struct tree {
	char root[40];
	struct env env;
};

static void open_tree(struct tree *t)
{
	strcpy(t->root, "/tmp/identity-XXXXXX");
	assert_non_null(mkdtemp(t->root));
	assert_int_equal(env_init(&t->env, t->root), 0);
}

static void put(const struct tree *t, const char *path, const char *text)
{
	char full[400], *slash;

	snprintf(full, sizeof(full), "%s%s", t->root, path);
	slash = strrchr(full, '/');
	*slash = '\0';
	assert_int_equal(fs_mkdirs(full, 0700), 0);
	*slash = '/';
	assert_int_equal(fs_write_atomic(full, text, strlen(text), 0600, NULL), 0);
}

static void put_rest(const struct tree *t)
{
	put(t, "/proc/sys/kernel/random/boot_id", "11111111-2222-4333-8444-555555555555\n");
	put(t, "/proc/sys/kernel/hostname", "vm7\n");
	put(t, "/etc/hosts",
	    "127.0.0.1 localhost\n# vm7.commented\n127.0.1.1\tvm77.no vm7.heat.example vm7\n");
}

static void check(const struct tree *t, const char *uuid, const char *from)
{
	struct identity id;

	identity_read(&t->env, NULL, NULL, &id);
	if (uuid)
		assert_string_equal(id.server_uuid, uuid);
	assert_string_equal(id.server_from, from);
	assert_int_equal(strlen(id.server_uuid), 36);
}

/* The order of the places is the order of trust in them; each is used when those before say
 * nothing. */
static void test_order(void **state)
{
	struct tree t;

	(void)state;
	open_tree(&t);
	put_rest(&t);
	put(&t, "/sys/class/dmi/id/sys_vendor", "QEMU\n");
	put(&t, "/sys/class/dmi/id/product_uuid", UUID_B "\n");
	check(&t, NULL, "random");
	put(&t, "/etc/machine-id", "0a1b2c3d111142228333444455556666\n");
	check(&t, UUID_A, "machine-id");
	put(&t, "/run/cloud-init/instance-data.json",
	    "{\"v1\":{\"cloud_name\":\"openstack\",\"instance_id\":\"" UUID_B "\"}}");
	check(&t, UUID_B, "cloud-init");
	put(&t, "/var/lib/cloud/data/instance-id", UUID_A "\n");
	check(&t, UUID_A, "cloud-init");
	put(&t, "/sys/class/dmi/id/product_name", "OpenStack Nova\n");
	check(&t, UUID_B, "dmi");
	put(&t, "/var/lib/heat-cfntools/nova_meta.json",
	    "{\"uuid\":\"0A1B2C3D-1111-4222-8333-444455556666\"}");
	check(&t, UUID_A, "nova-meta");
	put(&t, "/mnt/config/openstack/latest/meta_data.json", "{\"uuid\":\"" UUID_B "\"}");
	check(&t, UUID_B, "config-drive");
	put(&t, "/var/lib/heat-cfntools/cfn-init-data",
	    "{\"deployments\":[],\"os-collect-config\":{}}");
	check(&t, UUID_B, "config-drive");
	put(&t, "/var/lib/heat-cfntools/cfn-init-data",
	    "{\"deployments\":[7,{\"inputs\":[{\"name\":\"deploy_action\",\"value\":\"CREATE\"},"
	    "{\"name\":\"deploy_server_id\",\"value\":\"" UUID_A "\"}]}]}");
	check(&t, UUID_A, "cfn-init-data");
	fs_remove_tree(t.root);
}

/* What is no UUID names no server: EC2-style ids, firmware that was never told, broken files. */
static void test_nonsense(void **state)
{
	struct tree t;

	(void)state;
	open_tree(&t);
	put_rest(&t);
	put(&t, "/var/lib/cloud/data/instance-id", "i-0000002a\n");
	put(&t, "/sys/class/dmi/id/sys_vendor", "OpenStack Foundation\n");
	put(&t, "/sys/class/dmi/id/product_uuid", "00000000-0000-0000-0000-000000000000\n");
	put(&t, "/var/lib/heat-cfntools/nova_meta.json", "{\"uuid\":7");
	put(&t, "/mnt/config/openstack/latest/meta_data.json", "[]");
	put(&t, "/etc/machine-id", "uninitialized\n");
	put(&t, "/run/cloud-init/instance-data.json",
	    "{\"v1\":{\"cloud_name\":\"aws\",\"instance_id\":\"" UUID_B "\"}}");
	check(&t, NULL, "random");
	fs_remove_tree(t.root);
}

/* Boot id and full host name, without asking a resolver. */
static void test_boot_and_host(void **state)
{
	struct identity id;
	struct tree t;

	(void)state;
	open_tree(&t);
	put_rest(&t);
	identity_read(&t.env, NULL, NULL, &id);
	assert_string_equal(id.boot_id, "11111111-2222-4333-8444-555555555555");
	assert_string_equal(id.hostname, "vm7.heat.example");
	put(&t, "/proc/sys/kernel/hostname", "bad name\x1b\n");
	identity_read(&t.env, NULL, NULL, &id);
	assert_string_equal(id.hostname, "localhost");
	fs_remove_tree(t.root);
}

static int open_some(int privpath, void *ctx)
{
	if (privpath != PRIVPATH_NOVA_META)
		return -EACCES;
	return open(ctx, O_RDONLY | O_CLOEXEC);
}

/* The agent has no rights of its own: root-only files come through the function alone. */
static void test_by_descriptor(void **state)
{
	struct identity id;
	struct tree t;
	char path[100];

	(void)state;
	open_tree(&t);
	put_rest(&t);
	put(&t, "/elsewhere", "{\"uuid\":\"" UUID_A "\"}");
	put(&t, "/var/lib/heat-cfntools/nova_meta.json", "{\"uuid\":\"" UUID_B "\"}");
	snprintf(path, sizeof(path), "%s/elsewhere", t.root);
	identity_read(&t.env, open_some, path, &id);
	assert_string_equal(id.server_uuid, UUID_A);
	assert_string_equal(id.server_from, "nova-meta");
	fs_remove_tree(t.root);
}

/* Name, project and zone come from whichever form of nova's metadata speaks of this very server. */
static void test_details(void **state)
{
	struct identity id;
	struct tree t;

	(void)state;
	open_tree(&t);
	put_rest(&t);
	put(&t, "/mnt/config/openstack/latest/meta_data.json",
	    "{\"uuid\":\"" UUID_A "\",\"name\":\"web \\u00e4\",\"availability_zone\":7}");
	put(&t, "/var/lib/heat-cfntools/nova_meta.json",
	    "{\"uuid\":\"" UUID_B "\",\"name\":\"other\",\"project_id\":\"theirs\"}");
	put(&t, "/run/cloud-init/instance-data.json",
	    "{\"ds\":{\"meta_data\":{\"uuid\":\"" UUID_A
	    "\",\"name\":\"late\",\"project_id\":\"p1\",\"availability_zone\":\"az-2\"}}}");
	identity_read(&t.env, NULL, NULL, &id);
	assert_string_equal(id.server_uuid, UUID_A);
	assert_string_equal(id.name, "web \xc3\xa4");
	assert_string_equal(id.project_id, "p1");
	assert_string_equal(id.zone, "az-2");
	put(&t, "/mnt/config/openstack/latest/meta_data.json",
	    "{\"uuid\":\"" UUID_A "\",\"name\":\"a\\nb\"}");
	put(&t, "/run/cloud-init/instance-data.json", "{\"ds\":[]}");
	identity_read(&t.env, NULL, NULL, &id);
	assert_string_equal(id.name, "");
	assert_string_equal(id.zone, "");
	fs_remove_tree(t.root);
}

#define ANSWER                                                                                     \
	"{\"uuid\":\"" UUID_A "\",\"name\":\"web\",\"project_id\":\"p1\",\"availability_zone\":\"az\"}"

static int parse_text(const char *text, struct identity *ret)
{
	return identity_parse(text, strlen(text), "metadata-service", ret);
}

/* What the metadata service answers names one server and its details, or is not believed at all. */
static void test_answer(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "7", "{}", "{\"uuid\":7}",
					  "{\"uuid\":\"i-0000002a\",\"name\":\"x\"}"};
	struct identity id;

	(void)state;
	assert_int_equal(parse_text(ANSWER, &id), 0);
	assert_string_equal(id.server_uuid, UUID_A);
	assert_string_equal(id.name, "web");
	assert_string_equal(id.project_id, "p1");
	assert_string_equal(id.zone, "az");
	assert_string_equal(id.details_from, "metadata-service");
	assert_true(identity_is_complete(&id));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse_text(bad[i], &id), -EINVAL);
		assert_string_equal(id.server_uuid, "");
		assert_string_equal(id.name, "");
	}
}

/* Names as long as nova takes them, of the largest letters, are known and remembered: else the
 * guest would ask for ever. */
static void test_longest_names(void **state)
{
	struct identity id, back;
	char name[255 * 4 + 1], *text = NULL;

	(void)state;
	for (size_t i = 0; i < 255; i++)
		memcpy(name + 4 * i, "\xf0\x9f\x98\x80", 5);
	assert_true(
		asprintf(&text,
			 "{\"uuid\":\"" UUID_A
			 "\",\"name\":\"%s\",\"project_id\":\"p1\",\"availability_zone\":\"%s\"}",
			 name, name) > 0);
	assert_int_equal(parse_text(text, &id), 0);
	free(text);
	assert_string_equal(id.name, name);
	assert_string_equal(id.zone, name);
	assert_true(identity_is_complete(&id));
	text = identity_save(&id);
	assert_non_null(text);
	assert_int_equal(identity_load(text, strlen(text), &back), 0);
	assert_string_equal(back.name, name);
	free(text);
}

/* Only what is missing is filled in, and only from what is said of the same server. */
static void test_fill(void **state)
{
	struct identity said, id = {.server_uuid = UUID_A, .name = "mine"};

	(void)state;
	assert_int_equal(parse_text(ANSWER, &said), 0);
	assert_true(identity_fill(&id, &said));
	assert_string_equal(id.name, "mine");
	assert_string_equal(id.zone, "az");
	assert_false(identity_fill(&id, &said));
	id = (struct identity){.server_uuid = UUID_B};
	assert_false(identity_fill(&id, &said));
	assert_string_equal(id.name, "");
}

/* What one life keeps, the next one reads; what it cannot read it does not guess at. */
static void test_remembered(void **state)
{
	static const struct {
		const char *text;
		int code;
	} bad[] = {{"", -EINVAL},
		   {"{\"v\":2,\"server_uuid\":\"" UUID_A "\"}", -EPROTO},
		   {"{\"server_uuid\":\"" UUID_A "\"}", -EPROTO},
		   {"{\"v\":1,\"server_uuid\":\"me\"}", -EINVAL},
		   {"{\"v\":1}", -EINVAL}};
	struct identity id, back;
	char *text;

	(void)state;
	assert_int_equal(parse_text(ANSWER, &id), 0);
	text = identity_save(&id);
	assert_non_null(text);
	assert_int_equal(identity_load(text, strlen(text), &back), 0);
	assert_memory_equal(&id, &back, sizeof(id));
	free(text);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(identity_load(bad[i].text, strlen(bad[i].text), &back), bad[i].code);
}

/* Nobody who knows the cloud spoke where machine-id or chance named the guest. */
static void test_weak(void **state)
{
	struct tree t;
	struct identity id;

	(void)state;
	open_tree(&t);
	put_rest(&t);
	put(&t, "/etc/machine-id", "0a1b2c3d111142228333444455556666\n");
	put(&t, "/sys/class/dmi/id/sys_vendor", "QEMU\n");
	identity_read(&t.env, NULL, NULL, &id);
	assert_true(identity_is_weak(&id));
	assert_false(id.openstack);
	put(&t, "/sys/class/dmi/id/sys_vendor", "OpenStack Foundation\n");
	identity_read(&t.env, NULL, NULL, &id);
	assert_true(identity_is_weak(&id));
	assert_true(id.openstack);
	put(&t, "/sys/class/dmi/id/product_uuid", UUID_B "\n");
	identity_read(&t.env, NULL, NULL, &id);
	assert_false(identity_is_weak(&id));
	assert_false(identity_is_complete(&id));
	fs_remove_tree(t.root);
}

/* A remembered UUID helps who has none; it never replaces what a file says today. */
static void test_links(void **state)
{
	static const char text[] = "fe80000000000000a8a3cefffe14c54b 03 40 20 80       v0\n"
				   "20010db8000000000000000000000001 02 40 00 80     ens3\n"
				   "fe8000000000000000000000a9fea9fe 02 40 20 82     ens3\n"
				   "nonsense\n"
				   "00000000000000000000000000000001 01 80 10 80       lo\n";
	char name[IDENTITY_LINK_SIZE];

	(void)state;
	assert_true(identity_link(text, 0, name));
	assert_string_equal(name, "v0");
	assert_true(identity_link(text, 1, name));
	assert_string_equal(name, "ens3");
	assert_false(identity_link(text, 2, name));
	assert_false(identity_link("", 0, name));
}

static void test_remember(void **state)
{
	const struct identity old = {.server_uuid = UUID_A, .server_from = "metadata-service", .zone = "az"};
	struct identity id = {.server_uuid = UUID_B, .server_from = "machine-id"};

	(void)state;
	identity_remember(&id, &old);
	assert_string_equal(id.server_uuid, UUID_A);
	assert_string_equal(id.server_from, "metadata-service");
	assert_string_equal(id.zone, "az");
	id = (struct identity){.server_uuid = UUID_B, .server_from = "dmi"};
	identity_remember(&id, &old);
	assert_string_equal(id.server_uuid, UUID_B);
	assert_string_equal(id.zone, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),         cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_boot_and_host), cmocka_unit_test(test_by_descriptor),
		cmocka_unit_test(test_details),       cmocka_unit_test(test_answer),
		cmocka_unit_test(test_longest_names), cmocka_unit_test(test_links),
		cmocka_unit_test(test_fill),          cmocka_unit_test(test_remembered),
		cmocka_unit_test(test_weak),          cmocka_unit_test(test_remember),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
