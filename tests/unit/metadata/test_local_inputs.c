/* SPDX-License-Identifier: Apache-2.0 */
/* Config drive, metadata service and local-data: what is merged, in which order, and what is said when it fails. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "core/privpath.h"
#include "metadata/local_inputs.h"
#include "metadata/rig.h"

/* What the runner would open. */
struct files {
	const char *drive_meta, *drive_ec2, *data[3], *file;
	int error; /* for all of local-data */
};

static int open_text(const char *text)
{
	int fd;

	if (!text)
		return -ENOENT;
	fd = memfd_create("input", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static int open_row(int row, void *ctx)
{
	const struct files *f = ctx;

	if (row == PRIVPATH_DRIVE_META)
		return open_text(f->drive_meta);
	if (row == PRIVPATH_DRIVE_EC2)
		return open_text(f->drive_ec2);
	if (row == PRIVPATH_LOCAL_FILE)
		return open_text(f->file);
	if (f->error)
		return -f->error;
	row -= (int)PRIVPATH_LOCAL_DATA;
	return row < 3 ? open_text(f->data[row]) : -ENOENT;
}

static void parse(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(local_inputs_parse("file", &e), LOCAL_MASK(LOCAL_FILE));
	assert_int_equal(local_inputs_parse(" config-drive,metadata-service, local-data ", &e),
			 LOCAL_MASK(LOCAL_CONFIG_DRIVE) | LOCAL_MASK(LOCAL_SERVICE) | LOCAL_MASK(LOCAL_DATA));
	assert_int_equal(local_inputs_parse("file,drive", &e), 0);
	assert_non_null(strstr(e.text, "drive"));
	assert_int_equal(local_inputs_parse("", &e), 0);
}

static void merge(void **state)
{
	static const char one[] = "{\"a\":{\"x\":1,\"y\":[1,2]},\"b\":1}", two[] = "{\"a\":{\"y\":[3],\"z\":{}},\"b\":{\"c\":1}}";
	_cleanup_json_ json_t *tree = json_object();
	_cleanup_free_ char *text = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(local_merge_text(tree, one, strlen(one), "one", &e), 0);
	assert_int_equal(local_merge_text(tree, two, strlen(two), "two", &e), 0);
	text = json_compact(tree);
	assert_string_equal(text, "{\"a\":{\"x\":1,\"y\":[3],\"z\":{}},\"b\":{\"c\":1}}");
	assert_int_equal(local_merge_text(tree, "[1]", 3, "three", &e), -EBADMSG);
	assert_non_null(strstr(e.text, "three"));
	assert_int_equal(local_merge_text(tree, "{", 1, "four", &e), -EBADMSG);
}

static enum fetch_class fetch(struct rig *rig, struct files *f)
{
	struct source *s;
	struct err e = ERR_INIT;
	enum fetch_class class;

	rig->setup.open_fd = open_row;
	rig->setup.open_ctx = f;
	assert_true(source_local.usable(&rig->setup));
	assert_int_equal(source_local.open(&rig->setup, &s, &e), 0);
	class = rig_fetch(rig, &source_local, s, NULL, true);
	if (class == FETCH_OK)
		assert_int_equal(rig_fetch(rig, &source_local, s, NULL, false), FETCH_UNCHANGED);
	source_local.close(s);
	return class;
}

static void use(struct rig *rig, const char *inputs)
{
	free(rig->conf.local_inputs);
	rig->conf.local_inputs = inputs ? strdup(inputs) : NULL;
}

/* Later wins, over drive and folder; without a file and without a word the folder alone is read. */
static void files(void **state)
{
	struct files f = {.drive_meta = "{\"uuid\":\"u-1\",\"meta\":{\"a\":\"drive\",\"b\":\"drive\"}}",
			  .drive_ec2 = "{\"instance-id\":\"i-1\",\"uuid\":\"ec2\"}",
			  .data = {"{\"meta\":{\"a\":\"first\"}}", "{\"meta\":{\"a\":\"second\"}}"}};
	struct files empty = {0};
	struct rig rig;

	(void)state;
	rig_init(&rig);
	assert_int_equal(fetch(&rig, &f), FETCH_OK);
	rig.setup.open_ctx = &empty;
	assert_false(source_local.usable(&rig.setup));
	use(&rig, "local-data,config-drive");
	assert_int_equal(fetch(&rig, &f), FETCH_OK);
	use(&rig, "config-drive");
	assert_int_equal(fetch(&rig, &empty), FETCH_GONE);
	assert_non_null(strstr(rig.why, "config drive"));
	f.error = EPERM;
	use(&rig, NULL);
	assert_int_equal(fetch(&rig, &f), FETCH_GONE);
	assert_non_null(strstr(rig.why, "local-data"));
	f.error = 0;
	f.data[1] = "{\"meta\":";
	assert_int_equal(fetch(&rig, &f), FETCH_BAD_DOCUMENT);
	assert_non_null(strstr(rig.why, "file 2"));
	rig_deinit(&rig);
}

/* What one document of both holds. */
static void order(void **state)
{
	struct files f = {.drive_meta = "{\"uuid\":\"u-1\",\"meta\":{\"a\":\"drive\",\"b\":\"drive\"}}",
			  .drive_ec2 = "{\"instance-id\":\"i-1\",\"uuid\":\"ec2\"}",
			  .data = {"{\"meta\":{\"a\":\"first\"}}", "{\"meta\":{\"a\":\"second\"}}"}};
	struct rig rig;
	struct source *s;
	struct err e = ERR_INIT;

	(void)state;
	rig_init(&rig);
	use(&rig, "local-data,config-drive");
	rig.setup.open_fd = open_row;
	rig.setup.open_ctx = &f;
	assert_int_equal(source_local.open(&rig.setup, &s, &e), 0);
	assert_int_equal(rig_fetch(&rig, &source_local, s, NULL, true), FETCH_OK);
	assert_string_equal(rig.doc.resource, "local");
	assert_string_equal(json_str(rig.doc.metadata, "uuid"), "u-1");
	assert_string_equal(json_str(rig.doc.metadata, "instance-id"), "i-1");
	assert_string_equal(json_str(json_obj(rig.doc.metadata, "meta"), "a"), "second");
	assert_string_equal(json_str(json_obj(rig.doc.metadata, "meta"), "b"), "drive");
	source_local.close(s);
	use(&rig, "floppy");
	assert_int_equal(source_local.open(&rig.setup, &s, &e), -EINVAL);
	assert_non_null(strstr(e.text, "floppy"));
	rig_deinit(&rig);
}

static void answer_service(const struct httpd_seen *seen, unsigned nth _unused_, struct httpd_reply *reply, void *ctx)
{
	const int *status = ctx;

	reply->status = strcmp(seen->target, "/openstack/latest/meta_data.json") ? 404 : *status;
	reply->body = "{\"uuid\":\"u-2\",\"meta\":{\"a\":\"service\"}}";
}

static void service(void **state)
{
	static const struct {
		int status;
		enum fetch_class class;
	} cases[] = {{200, FETCH_OK}, {404, FETCH_GONE}, {500, FETCH_GONE}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int status = cases[i].status;
		struct httpd *h = httpd_start(&(struct httpd_setup){.fn = answer_service, .ctx = &status});
		struct files f = {.file = "{\"meta\":{\"b\":\"file\"}}"};
		struct rig rig;

		assert_non_null(h);
		rig_init(&rig);
		free(rig.conf.local_service);
		rig.conf.local_service = strdup(httpd_url(h, "/"));
		use(&rig, "metadata-service,file");
		assert_int_equal(fetch(&rig, &f), cases[i].class);
		httpd_stop(h);
		rig_deinit(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse), cmocka_unit_test(merge),   cmocka_unit_test(files),
		cmocka_unit_test(order), cmocka_unit_test(service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
