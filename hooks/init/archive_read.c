/* SPDX-License-Identifier: Apache-2.0 */
/* What libarchive says, member by member, and what of it is refused. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/text.h"
#include "hooks/init/archive_name.h"
#include "hooks/init/archive_private.h"
#include "hooks/init/tree.h"

#define BLOCK 65536

/* One row per kind of archive, one per compression. */
static const struct {
	const char *name;
	int (*support)(struct archive *a);
} kinds[] = {
	{"tar", archive_read_support_format_tar},
	{"zip", archive_read_support_format_zip},
	{"single file", archive_read_support_format_raw},
	{"gzip", archive_read_support_filter_gzip},
	{"bzip2", archive_read_support_filter_bzip2},
	{"xz", archive_read_support_filter_xz},
};

const struct archive_limits archive_limits_default = {8ull << 30, 200, 64ull << 20, 200000};

static int cannot(const struct reading *r, struct err *e)
{
	const char *why = archive_error_string(r->a);

	return err_set(e, -EINVAL, "not an archive of a known kind, or damaged: %s",
		       why ? tree_shown(why) : "no reason given");
}

int reading_open(struct reading *r, struct archive_job *job, struct err *e)
{
	struct stat st;

	*r = (struct reading){.job = job, .a = archive_read_new()};
	if (!r->a)
		return err_set(e, -ENOMEM, "no memory");
	if (lseek(job->fd, 0, SEEK_SET) < 0 || fstat(job->fd, &st) < 0)
		return err_sys(e, errno, "the archive cannot be read");
	r->packed = (uint64_t)st.st_size;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].support(r->a) < ARCHIVE_WARN)
			return err_set(e, -ENOTSUP, "this build cannot read %s", kinds[i].name);
	if (archive_read_open_fd(r->a, job->fd, BLOCK) != ARCHIVE_OK)
		return cannot(r, e);
	return 0;
}

void reading_close(struct reading *r)
{
	if (r->a)
		archive_read_free(r->a);
	r->a = NULL;
}

void member_deinit(struct member *m)
{
	buf_deinit(&m->name);
}

/* ---- one member ---- */

static int refuse(const char *name, const char *why, struct err *e)
{
	return err_set(e, -EPERM, "refused: member \"%s\" %s", name ? tree_shown(name) : "?", why);
}

/* In the C locale a name that is marked as UTF-8 has that form alone. */
static const char *raw_name(struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	return name ? name : archive_entry_pathname_utf8(entry);
}

static int take_name(struct reading *r, struct member *m, struct err *e)
{
	const char *raw = raw_name(m->entry);
	int ret;

	if (r->single)
		ret = archive_single_name(r->job->url, &m->name);
	else
		ret = raw ? archive_name(raw, strlen(raw), r->strip, &m->name) : -EPERM;
	return ret < 0 ? refuse(raw, "leads out of the target, or is too long", e) : ret;
}

static int take_kind(struct reading *r, struct member *m, struct err *e)
{
	const char *raw = raw_name(m->entry);
	mode_t type = archive_entry_filetype(m->entry);

	m->link = archive_entry_hardlink(m->entry);
	if (!m->link)
		m->link = archive_entry_hardlink_utf8(m->entry);
	if (m->link) {
		m->kind = MEMBER_HARD;
		return 0;
	}
	m->link = archive_entry_symlink(m->entry);
	if (!m->link)
		m->link = archive_entry_symlink_utf8(m->entry);
	if (type == AE_IFLNK) {
		m->kind = MEMBER_LINK;
		if (!m->link || archive_target(buf_str(&m->name), m->link) < 0)
			return refuse(raw, "is a link that leads out of the target", e);
		return 0;
	}
	if (type != AE_IFREG && type != AE_IFDIR && !r->single)
		return refuse(raw, "is neither file nor folder nor link", e);
	m->kind = type == AE_IFDIR ? MEMBER_FOLDER : MEMBER_FILE;
	return 0;
}

/* A file that nothing had compressed is no single compressed file: an error page, most likely. */
static int look_at_kind(struct reading *r, struct err *e)
{
	r->single = archive_format(r->a) == ARCHIVE_FORMAT_RAW;
	if (r->single && archive_filter_code(r->a, 0) == ARCHIVE_FILTER_NONE)
		return err_set(e, -EINVAL, "not an archive of a known kind");
	return 0;
}

int reading_next(struct reading *r, struct member *m, struct err *e)
{
	int ret = archive_read_next_header(r->a, &m->entry);

	if (ret == ARCHIVE_EOF)
		return 0;
	if (ret < ARCHIVE_WARN)
		return cannot(r, e);
	if (++r->job->n_members > r->job->limits->members_max)
		return err_set(e, -EPERM, "refused: more than %zu members",
			       r->job->limits->members_max);
	m->name = BUF_INIT(ARCHIVE_NAME_MAX);
	ret = look_at_kind(r, e);
	if (ret == 0)
		ret = take_name(r, m, e);
	if (ret != 0)
		return ret < 0 ? ret : 2;
	ret = take_kind(r, m, e);
	return ret < 0 ? ret : 1;
}

/* ---- content ---- */

static int count(struct reading *r, uint64_t end, struct err *e)
{
	const struct archive_limits *l = r->job->limits;

	if (end > l->bytes_max || r->bytes > l->bytes_max - end)
		return err_set(e, -EPERM, "refused: it unpacks to more than %llu MiB",
			       (unsigned long long)(l->bytes_max >> 20));
	if (r->bytes + end > l->bytes_free && (r->bytes + end) / l->ratio_max > r->packed)
		return err_set(e, -EPERM, "refused: it unpacks to more than %llu times its size",
			       (unsigned long long)l->ratio_max);
	return 0;
}

static int write_at(int fd, const char *p, size_t n, int64_t at, struct err *e)
{
	while (fd >= 0 && n > 0) {
		ssize_t put = pwrite(fd, p, n, at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return err_sys(e, errno, "cannot write what is unpacked");
		p += put;
		at += put;
		n -= (size_t)put;
	}
	return 0;
}

int reading_data(struct reading *r, const struct member *m, int fd, struct err *e)
{
	uint64_t end = 0;
	const void *p;
	size_t n;
	int64_t at;
	int ret;

	while ((ret = archive_read_data_block(r->a, &p, &n, &at)) == ARCHIVE_OK ||
	       ret == ARCHIVE_WARN) {
		if (at < 0 || (uint64_t)at > UINT64_MAX / 4)
			return err_set(e, -EPERM, "refused: a hole of absurd size");
		if ((uint64_t)at + n > end)
			end = (uint64_t)at + n;
		ret = count(r, end, e);
		if (ret == 0)
			ret = write_at(fd, p, n, at, e);
		if (ret < 0)
			return ret;
	}
	if (ret != ARCHIVE_EOF)
		return cannot(r, e);
	if (archive_entry_sparse_count(m->entry) > 0 &&
	    archive_entry_size(m->entry) > (int64_t)end) {
		end = (uint64_t)archive_entry_size(m->entry); /* it ends with a hole */
		if (count(r, end, e) < 0 || (fd >= 0 && ftruncate(fd, (off_t)end) < 0))
			return e->code ? e->code
				       : err_sys(e, errno, "cannot write what is unpacked");
	}
	r->bytes += end;
	return 0;
}
