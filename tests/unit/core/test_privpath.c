/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of core/privpath.h, below a root of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "core/fs.h"
#include "core/privpath.h"

static struct env env = {.boot_ms = clock_boot_ms, .real_ms = clock_real_ms};

static int setup(void **state)
{
	(void)state;
	snprintf(env.root, sizeof(env.root), "/tmp/test_privpath.XXXXXX");
	return mkdtemp(env.root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	fs_remove_tree(env.root);
	return 0;
}

static const char *below(const char *path)
{
	static char full[ENV_PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", env.root, path);
	return full;
}

static void make_file(const char *folder, const char *path)
{
	assert_int_equal(fs_mkdirs(below(folder), 0755), 0);
	assert_int_equal(fs_write_atomic(below(path), "x", 1, 0600, NULL), 0);
}

/* Every row has a path of its own, but the one that only configuration can name. */
static void test_rows(void **state)
{
	char a[ENV_PATH_MAX], b[ENV_PATH_MAX];

	(void)state;
	for (int i = 0; i < PRIVPATH_COUNT; i++) {
		privpath_path((enum privpath)i, NULL, a);
		assert_true(i == PRIVPATH_LOCAL_FILE ? a[0] == 0 : a[0] == '/');
		for (int j = 0; j < i; j++)
			assert_string_not_equal(a, privpath_path((enum privpath)j, NULL, b));
	}
}

/* Configuration replaces three rows, and no other. */
static void test_names(void **state)
{
	const struct privpath_names names = {"/srv/cfn", "/srv/cred", "/srv/local.json"};
	char out[ENV_PATH_MAX], *big = malloc(2 * ENV_PATH_MAX);
	struct privpath_names long_names = {.local_file = big};

	(void)state;
	assert_string_equal(privpath_path(PRIVPATH_CFN_HUP_CONF, &names, out),
			    "/srv/cfn/cfn-hup.conf");
	assert_string_equal(privpath_path(PRIVPATH_CFN_CREDENTIALS, &names, out), "/srv/cred");
	assert_string_equal(privpath_path(PRIVPATH_LOCAL_FILE, &names, out), "/srv/local.json");
	assert_string_equal(privpath_path(PRIVPATH_OCC_CONF, &names, out),
			    "/etc/os-collect-config.conf");
	assert_string_equal(privpath_path(PRIVPATH_CFN_HUP_CONF, NULL, out),
			    "/etc/cfn/cfn-hup.conf");
	memset(big, 'x', 2 * ENV_PATH_MAX);
	big[0] = '/';
	big[2 * ENV_PATH_MAX - 1] = 0;
	assert_string_equal(privpath_path(PRIVPATH_LOCAL_FILE, &long_names, out), "");
	assert_int_equal(privpath_open(&env, PRIVPATH_LOCAL_FILE, &long_names), -ENOENT);
	free(big);
}

/* A file is opened for reading only, closed on exec; an absent one and an unknown row are errors.
 */
static void test_open(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(privpath_open(&env, PRIVPATH_OCC_CONF, NULL), -ENOENT);
	make_file("/etc", "/etc/os-collect-config.conf");
	fd = privpath_open(&env, PRIVPATH_OCC_CONF, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	assert_int_equal(privpath_open(&env, PRIVPATH_COUNT, NULL), -EINVAL);
	assert_int_equal(privpath_open(&env, (enum privpath) - 1, NULL), -EINVAL);
	assert_int_equal(privpath_open(&env, PRIVPATH_LOCAL_FILE, NULL), -ENOENT);
}

/* Pressure files are opened for writing too: a trigger is armed by a write. */
static void test_pressure(void **state)
{
	int fd;

	(void)state;
	make_file("/proc/pressure", "/proc/pressure/memory");
	fd = privpath_open(&env, PRIVPATH_PSI_MEMORY, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	close(fd);
}

/* Folders, FIFOs and devices in the place of a file are refused, without waiting. */
static void test_kinds(void **state)
{
	const struct privpath_names device = {.local_file = "/dev/zero"};
	const struct env real = {.boot_ms = clock_boot_ms, .real_ms = clock_real_ms};

	(void)state;
	assert_int_equal(fs_mkdirs(below("/etc/os-collect-config.conf"), 0755), 0);
	assert_int_equal(privpath_open(&env, PRIVPATH_OCC_CONF, NULL), -EISDIR);
	assert_int_equal(rmdir(below("/etc/os-collect-config.conf")), 0);
	assert_int_equal(mkfifo(below("/etc/os-collect-config.conf"), 0600), 0);
	assert_int_equal(privpath_open(&env, PRIVPATH_OCC_CONF, NULL), -EPERM);
	assert_int_equal(privpath_open(&real, PRIVPATH_LOCAL_FILE, &device), -EPERM);
}

#define DATA_DIR "/var/lib/os-collect-config/local-data"

/* The folder local-data: files by index in C order, hidden ones left out; one bad thing in it refuses all. */
static void test_local_data(void **state)
{
	char c = 0;
	int fd;

	(void)state;
	assert_int_equal(privpath_open(&env, PRIVPATH_LOCAL_DATA, NULL), -ENOENT);
	make_file(DATA_DIR, DATA_DIR "/b.json");
	assert_int_equal(fs_write_atomic(below(DATA_DIR "/a.json"), "a", 1, 0600, NULL), 0);
	assert_int_equal(fs_write_atomic(below(DATA_DIR "/.hidden"), "h", 1, 0600, NULL), 0);
	fd = privpath_open(&env, PRIVPATH_LOCAL_DATA, NULL);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, &c, 1), 1);
	assert_int_equal(c, 'a');
	close(fd);
	fd = privpath_open(&env, (enum privpath)(PRIVPATH_LOCAL_DATA + 1), NULL);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(privpath_open(&env, (enum privpath)(PRIVPATH_LOCAL_DATA + 2), NULL), -ENOENT);
	assert_int_equal(chmod(below(DATA_DIR "/b.json"), 0666), 0);
	assert_int_equal(privpath_open(&env, PRIVPATH_LOCAL_DATA, NULL), -EPERM);
	assert_int_equal(chmod(below(DATA_DIR "/b.json"), 0600), 0);
	assert_int_equal(symlink("/etc/passwd", below(DATA_DIR "/c")), 0);
	assert_int_equal(privpath_open(&env, PRIVPATH_LOCAL_DATA, NULL), -EPERM);
	assert_int_equal(unlink(below(DATA_DIR "/c")), 0);
	assert_int_equal(chmod(below(DATA_DIR), 0777), 0);
	assert_int_equal(privpath_open(&env, PRIVPATH_LOCAL_DATA, NULL), -EPERM);
}

#define WITH_ROOT(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_names), WITH_ROOT(test_open),
		WITH_ROOT(test_pressure),    WITH_ROOT(test_kinds), WITH_ROOT(test_local_data),
	};

	return cmocka_run_group_tests_name("privpath", tests, NULL, NULL);
}
