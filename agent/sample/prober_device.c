/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about devices. The serial of a virtio disk is asked of the device anew at each reading of
 * the file, and a device that answers nothing any more keeps the reader waiting. The numbers of
 * Hyper-V's balloon are in debugfs, which only root may read.
 */
#include "sample/prober_device.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sample/parse_value.h"

#define NAME_LEN_MAX 31

bool prober_legal_device(const char *path)
{
	size_t n = strnlen(path, PROBER_PATH_MAX);

	return n && n <= NAME_LEN_MAX && path[0] != '.' && !strchr(path, '/');
}

static ssize_t read_text(const struct env *env, const char *path, char *to, size_t cap)
{
	char full[ENV_PATH_MAX];
	_cleanup_close_ int fd = open(env_path(env, path, full), O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, to, cap);

	return n < 0 ? -errno : n;
}

int prober_work_disk_serial(const struct env *env, const char *name, struct prober_answer *ret)
{
	char path[96], text[sizeof(ret->n)];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/block/%.*s/serial", NAME_LEN_MAX, name);
	n = read_text(env, path, text, sizeof(text) - 1);
	if (n < 0)
		return (int)n;
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' ' || !text[n - 1]))
		n--;
	memcpy(ret->n, text, (size_t)n);
	return n ? 0 : -ENODATA;
}

int prober_work_hyperv_balloon(const struct env *env, const char *none, struct prober_answer *ret)
{
	struct parse_hyperv_balloon b;
	char text[2048];
	ssize_t n = read_text(env, "/sys/kernel/debug/hv-balloon", text, sizeof(text));

	(void)none;
	if (n < 0)
		return (int)n;
	if (parse_hyperv_balloon(text, (size_t)n, &b))
		return -EINVAL;
	ret->n[HYPERV_BALLOON_BYTES] = b.pages_ballooned * b.page_size;
	ret->n[HYPERV_ADDED_BYTES] = b.pages_added * b.page_size;
	ret->n[HYPERV_ONLINED_BYTES] = b.pages_onlined * b.page_size;
	ret->n[HYPERV_COMMITTED_BYTES] = b.committed * b.page_size;
	ret->n[HYPERV_MAX_BYTES] = b.max_pages * b.page_size;
	return 0;
}
