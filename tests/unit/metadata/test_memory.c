/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each allocation failing in turn: documents, masking, summaries, settings, and a watch from start
 * to end. Every failure must be a clean error: no crash, no leak (the sanitizers look), no secret
 * shown.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/fs.h"
#include "failing_memory.h"
#include "metadata/diff.h"
#include "metadata/document.h"
#include "metadata/settings.h"
#include "metadata/told.h"

/* jansson is a shared library: it is given our functions instead. */
static int use_ours(void **state)
{
	(void)state;
	memory_once = true;
	json_set_alloc_funcs(malloc, free);
	return 0;
}

static const char text[] =
	"{\"DescribeStackResourceResponse\":{\"DescribeStackResourceResult\":{"
	"\"StackResourceDetail\":{"
	"\"LastUpdatedTimestamp\":1767323045,\"LogicalResourceId\":\"srv\",\"StackName\":\"s\","
	"\"StackId\":\"arn:x\",\"ResourceStatus\":\"UPDATE_IN_PROGRESS\",\"PhysicalResourceId\":"
	"\"p\","
	"\"Metadata\":{\"heat-pulse\":{\"boot\":\"b\",\"health\":\"h\",\"watch\":{\"mounts\":[\"/"
	"a\"],"
	"\"processes\":[\"x\"],\"odd\":1},\"command\":\"c\"},\"password\":\"hunter2\","
	"\"list\":[\"token=hunter2\",{\"name\":\"my_key\",\"value\":\"hunter2\"}]}}}}}";

static void one_round(void)
{
	struct document doc, back;
	struct err e = ERR_INIT;
	struct problems problems = {0};
	struct settings s;
	struct buf out = BUF_INIT(4096);
	char *saved, *shown;
	json_t *masked;
	int r = document_from_cfn(text, sizeof(text) - 1, &doc, &e);

	assert_true(r == 0 || r == -ENOMEM || r == -EBADMSG);
	if (r)
		return;
	saved = document_save(&doc);
	if (saved && !document_load(saved, strlen(saved), &back, &e))
		document_deinit(&back);
	free(saved);
	masked = document_mask(doc.metadata);
	shown = masked ? json_dumps(masked, 0) : NULL;
	assert_true(!shown || !strstr(shown, "hunter2"));
	free(shown);
	diff_summary(doc.metadata, masked, 5, &out);
	json_decref(masked);
	buf_deinit(&out);
	r = settings_from_metadata(doc.metadata, true, &s, &problems);
	assert_true(r == 0 || r == -ENOMEM);
	if (!r)
		settings_deinit(&s);
	problems_deinit(&problems);
	document_deinit(&doc);
}

/* The pure parts. */
static void pure(void **state)
{
	long n = 0;

	(void)state;
	do {
		memory_left = n++;
		one_round();
	} while (memory_left < 0);
	memory_left = -1;
	assert_true(n > 100); /* it did go through them all */
}

/* A watch of a file and of a server: whatever allocation fails at its start is one error. */
static void watch_start(void **state)
{
	static const char *const names[] = {"a", "b"};
	struct rig rig;
	struct folder {
		char path[64], file[96];
	} f;
	long n = 0;
	bool done;

	(void)state;
	prepare(&rig, 1000);
	snprintf(f.path, sizeof(f.path), "/tmp/hp-memory-XXXXXX");
	assert_non_null(mkdtemp(f.path));
	snprintf(f.file, sizeof(f.file), "%s/m.json", f.path);
	rig.conf.local_file = strdup(f.file);
	rig_cfn(&rig, "http://127.0.0.1:1/v1/");
	rig_heat(&rig, "http://127.0.0.1:1/v3");
	do {
		struct watch *w = NULL;
		struct document doc = {.source = "cfn", .resource = strdup("a")};
		struct err e = ERR_INIT;
		json_t *status;
		int r;

		memory_left = n++;
		r = watch_new(&rig.setup, &w, &e);
		assert_true(r == 0 || r == -ENOMEM);
		assert_int_equal(*e.text != '\0', r != 0);
		if (!r) {
			r = watch_set_resources(w, names, 2);
			assert_true(r == 0 || r == -ENOMEM);
			r = watch_prime(w, &doc);
			assert_true(r == 0 || r == -ENOMEM);
			status = watch_status(w);
			json_decref(status);
			watch_free(w);
		}
		done = memory_left >= 0;
		memory_left = -1;
		document_deinit(&doc);
	} while (!done);
	assert_true(n > 30);
	fs_remove_tree(f.path);
	rig_deinit(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pure),
		cmocka_unit_test(watch_start),
	};

	return cmocka_run_group_tests(tests, use_ours, NULL);
}
