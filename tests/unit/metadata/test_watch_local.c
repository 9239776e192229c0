/* SPDX-License-Identifier: Apache-2.0 */
/* The watch of a local file: seen by inotify, each state told once, what is primed, and one source
 * beside another. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/fs.h"
#include "metadata/told.h"

struct folder {
	char path[64], file[96];
};

static void folder_make(struct folder *f)
{
	snprintf(f->path, sizeof(f->path), "/tmp/hp-watch-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->file, sizeof(f->file), "%s/metadata.json", f->path);
}

static void folder_write(const struct folder *f, const char *text)
{
	assert_int_equal(fs_write_atomic(f->file, text, strlen(text), 0600, NULL), 0);
}

static void use_local(struct rig *rig, const struct folder *f)
{
	free(rig->conf.local_file);
	free(rig->conf.local_resource);
	rig->conf.local_file = strdup(f->file);
	rig->conf.local_resource = strdup("box");
}

/* A change of the file is seen by inotify, long before the interval; each state is told once. */
static void local_file(void **state)
{
	struct rig rig;
	struct folder f;
	struct told t = {.stop_documents = 1};
	int64_t began;

	(void)state;
	prepare(&rig, 60000);
	folder_make(&f);
	folder_write(&f, "{\"note\":\"one\"}");
	use_local(&rig, &f);
	start(&rig, &t);
	rig_run(&rig);
	assert_int_equal(t.changes, 1);
	assert_string_equal(t.note, "one");
	assert_string_equal(t.what, "");
	assert_string_equal(t.resource, "box");
	folder_write(&f, "{\"note\":\"two\"}");
	t.stop_documents = 2;
	began = clock_boot_ms();
	rig_run(&rig);
	assert_true(clock_boot_ms() - began < 2000);
	assert_string_equal(t.note, "two");
	assert_string_equal(t.what, "note: updated"); /* where, and not what */
	assert_int_equal(t.changes, 2);
	folder_write(&f, "{\"note\":");
	t.stop_problems = 1;
	rig_run(&rig);
	assert_string_equal(t.code, "local-bad-document");
	assert_non_null(strstr(t.text, f.file)); /* which file, and what is wrong with it */
	assert_string_equal(json_str(watch_document(t.w, NULL)->metadata, "note"),
			    "two"); /* the last good one stays */
	folder_write(&f, "{\"note\":3, }");
	rig_run_for(&rig, 100);
	assert_int_equal(t.problems, 1); /* the same state is not told again */
	assert_int_equal(unlink(f.file), 0);
	t.stop_problems = 2;
	rig_run(&rig);
	assert_string_equal(t.code, "local-gone");
	assert_non_null(strstr(t.text, "metadata.json"));
	folder_write(&f, "{\"note\":\"three\"}");
	t.stop_documents = 0;
	t.stop_clears = 2;
	rig_run(&rig);
	assert_string_equal(t.note, "three");
	assert_int_equal(t.changes, 3);
	watch_free(t.w);
	fs_remove_tree(f.path);
	rig_deinit(&rig);
}

/* The folder is made later, and replaced by another: the file is still found (by inotify or at the
 * interval). */
static void local_folder_comes_and_goes(void **state)
{
	struct rig rig;
	struct folder f;
	struct told t = {.stop_problems = 1};
	char moved[80];

	(void)state;
	prepare(&rig, 100);
	folder_make(&f);
	assert_int_equal(rmdir(f.path), 0);
	use_local(&rig, &f);
	start(&rig, &t);
	rig_run(&rig);
	assert_string_equal(t.code, "local-gone");
	assert_int_equal(mkdir(f.path, 0700), 0);
	folder_write(&f, "{\"note\":\"one\"}");
	t.stop_documents = 1;
	rig_run(&rig);
	snprintf(moved, sizeof(moved), "%s-old", f.path);
	assert_int_equal(rename(f.path, moved), 0);
	assert_int_equal(mkdir(f.path, 0700), 0);
	folder_write(&f, "{\"note\":\"two\"}");
	t.stop_documents = 0;
	for (int i = 0; i < 50 && strcmp(t.note, "two") != 0; i++)
		rig_run_for(&rig, 20);
	assert_string_equal(t.note, "two");
	watch_free(t.w);
	fs_remove_tree(f.path);
	fs_remove_tree(moved);
	rig_deinit(&rig);
}

static int opened;

static int open_counted(int privpath, void *ctx)
{
	assert_int_equal(privpath, PRIVPATH_LOCAL_FILE);
	opened++;
	return *(int *)ctx ? -EACCES : -ENOENT;
}

/* The file is opened by whoever was handed in, and his refusal is named. */
static void local_opened_by_runner(void **state)
{
	struct rig rig;
	struct folder f;
	struct told t = {.stop_problems = 1};
	int denied = 1;

	(void)state;
	prepare(&rig, 60000);
	folder_make(&f);
	use_local(&rig, &f);
	rig.setup.open_fd = open_counted;
	rig.setup.open_ctx = &denied;
	opened = 0;
	start(&rig, &t);
	rig_run(&rig);
	assert_int_equal(opened, 1);
	assert_non_null(strstr(t.text, "Permission denied"));
	watch_free(t.w);
	fs_remove_tree(f.path);
	rig_deinit(&rig);
}

/* A primed document is shown at once and not announced; an equal answer is no change, another one
 * is. */
static void primed(void **state)
{
	static const char *const primed_notes[] = {"same", "old"};
	struct rig rig;
	struct folder f;

	(void)state;
	folder_make(&f);
	folder_write(&f, "{\"note\":\"same\"}");
	for (unsigned i = 0; i < 2; i++) {
		struct told t = {.stop_documents = 1};
		struct document doc = {.source = "local", .resource = strdup("box")};

		prepare(&rig, 60000);
		use_local(&rig, &f);
		start(&rig, &t);
		doc.metadata = json_pack("{s:s}", "note", primed_notes[i]);
		assert_null(watch_document(t.w, NULL));
		assert_int_equal(watch_prime(t.w, &doc), 0);
		document_deinit(&doc);
		assert_string_equal(json_str(watch_document(t.w, NULL)->metadata, "note"),
				    primed_notes[i]);
		assert_ptr_equal(watch_document(t.w, NULL), watch_document(t.w, "box"));
		assert_int_equal(t.documents, 0);
		rig_run(&rig);
		assert_int_equal(t.changes, i);
		watch_free(t.w);
		rig_deinit(&rig);
	}
	fs_remove_tree(f.path);
}

/* Names that no source reaches are told once, and again only when they change. */
static void unreachable_names(void **state)
{
	static const char *const names[] = {"nowhere", "else"};
	struct told t = {.stop_documents = 1};
	struct rig rig;
	struct folder f;

	(void)state;
	prepare(&rig, 60000);
	folder_make(&f);
	folder_write(&f, "{}");
	use_local(&rig, &f);
	start(&rig, &t);
	assert_int_equal(watch_set_resources(t.w, names, 2), 0);
	rig_run(&rig);
	assert_int_equal(t.problems, 1);
	assert_string_equal(t.code, "hook-resource");
	assert_non_null(strstr(t.text, "nowhere, else"));
	assert_int_equal(watch_set_resources(t.w, names, 2), 0);
	assert_int_equal(t.problems, 1);
	assert_int_equal(watch_set_resources(t.w, NULL, 0), 0);
	assert_int_equal(t.clears, 1);
	watch_free(t.w);
	fs_remove_tree(f.path);
	rig_deinit(&rig);
}

/* A broken URL of one source does not stop the other. */
static void broken_source(void **state)
{
	struct told t = {.stop_documents = 1};
	struct rig rig;
	struct folder f;

	(void)state;
	prepare(&rig, 60000);
	folder_make(&f);
	folder_write(&f, "{}");
	use_local(&rig, &f);
	rig_cfn(&rig, "not a url");
	rig_heat(&rig, "neither");
	start(&rig, &t);
	rig_run(&rig);
	assert_int_equal(t.problems, 1);
	assert_string_equal(t.code, "source");
	assert_null(watch_keystone(t.w));
	watch_free(t.w);
	fs_remove_tree(f.path);
	rig_deinit(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_file),
		cmocka_unit_test(local_folder_comes_and_goes),
		cmocka_unit_test(local_opened_by_runner),
		cmocka_unit_test(primed),
		cmocka_unit_test(unreachable_names),
		cmocka_unit_test(broken_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
