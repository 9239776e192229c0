/* SPDX-License-Identifier: Apache-2.0 */
/* Logs as files: the role's side of core/store_log.h. Every append is synced before it is answered.
 */
#include "core/store_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "core/store_file.h"
#include "core/text.h"

#define MAGIC     "heat-pulse-log "
#define VERSION   1
#define LINE_MAX_ 128

static int head_line(const char *uuid, char out[static LINE_MAX_])
{
	return snprintf(out, LINE_MAX_, MAGIC "%d %s\n", VERSION, uuid);
}

ssize_t store_log_head(const char *p, size_t n, const char *uuid)
{
	const char *end = memchr(p, '\n', n < LINE_MAX_ ? n : LINE_MAX_), *blank, *at;
	uint64_t version;
	size_t len;

	if (!end || n < strlen(MAGIC) || memcmp(p, MAGIC, strlen(MAGIC)) != 0)
		return -EBADMSG;
	at = p + strlen(MAGIC);
	blank = memchr(at, ' ', (size_t)(end - at));
	if (!blank || text_u64(at, (size_t)(blank - at), &version) < 0 || version == 0)
		return -EBADMSG;
	if (version > VERSION)
		return -EPROTO;
	len = (size_t)(end - blank - 1);
	if (uuid && (strlen(uuid) != len || memcmp(uuid, blank + 1, len) != 0))
		return -ESTALE;
	return end + 1 - p;
}

static int write_all(int fd, const char *p, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t put = pwrite(fd, p, n, (off_t)at);

		if (put < 0 && errno != EINTR)
			return -errno;
		if (put > 0) {
			p += put;
			n -= (size_t)put;
			at += (uint64_t)put;
		}
	}
	return 0;
}

static int read_all(int fd, uint64_t at, size_t n, struct buf *out)
{
	int r = buf_reserve(out, n);

	while (r == 0 && n > 0) {
		ssize_t got = pread(fd, out->data + out->len, n, (off_t)at);

		if (got == 0)
			break;
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0) {
			out->len += (size_t)got;
			out->data[out->len] = '\0';
			n -= (size_t)got;
			at += (uint64_t)got;
		}
	}
	return r;
}

/* Return: length of the first line, which says whose log it is. */
static ssize_t check_head(int fd, const char *uuid)
{
	char line[LINE_MAX_];
	ssize_t n = pread(fd, line, sizeof(line), 0);

	return n < 0 ? -errno : store_log_head(line, (size_t)n, uuid);
}

static int begin(int fd, const char *uuid)
{
	char line[LINE_MAX_];
	int n = head_line(uuid, line);

	if (ftruncate(fd, 0) < 0)
		return -errno;
	return write_all(fd, line, (size_t)n, 0);
}

/* The bytes at @at are new: what a failed write left of them is cut off again. */
static int put_piece(int fd, uint64_t at, const void *p, size_t n)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < at)
		return -ESTALE;
	if ((uint64_t)st.st_size > at && ftruncate(fd, (off_t)at) < 0)
		return -errno;
	r = write_all(fd, p, n, at);
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	if (r < 0 && ftruncate(fd, (off_t)at) < 0)
		return r; /* the next append at this offset cuts it */
	return r;
}

int store_log_append(const char *dir, const char *name, const char *uuid, uint64_t at,
		     const void *p, size_t n)
{
	char path[STORE_PATH_MAX];
	_cleanup_close_ int fd = -1;
	ssize_t head;
	int r = store_name_valid(name) ? store_path(dir, name, path) : -EINVAL;

	if (r == 0 && (n > STORE_LOG_MAX || at > STORE_LOG_MAX - n))
		r = -EFBIG;
	if (r == 0 && strchr(name, '/'))
		r = store_make_folder_of(path);
	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | (at == 0 ? O_CREAT : 0), 0600);
	if (fd < 0)
		return errno == ENOENT && at > 0 ? -ESTALE : -errno;
	r = at == 0 ? begin(fd, uuid) : 0;
	head = r < 0 ? r : check_head(fd, uuid);
	r = head < 0 ? (int)head : put_piece(fd, (uint64_t)head + at, p, n);
	return r == 0 && at == 0 ? store_sync_folder_of(path) : r;
}

int store_log_read(const char *dir, const char *name, const char *uuid, uint64_t at, size_t max,
		   struct buf *out, uint64_t *ret_size)
{
	char path[STORE_PATH_MAX];
	_cleanup_close_ int fd = -1;
	struct stat st;
	ssize_t head;
	int r = store_name_valid(name) ? store_path(dir, name, path) : -EINVAL;

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	head = check_head(fd, uuid);
	if (head < 0)
		return -ESTALE;
	*ret_size = (uint64_t)st.st_size - (uint64_t)head;
	if (at >= *ret_size || max == 0)
		return 0;
	if (max > *ret_size - at)
		max = (size_t)(*ret_size - at);
	return read_all(fd, (uint64_t)head + at, max, out);
}
