/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format of one stored entry and its place on disk. Judging a file is pure (store_file_decode);
 * who may write where, and when, is decided by the store role and the commands.
 */
#include "core/store_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "core/fs.h"
#include "core/text.h"

#define MAGIC    "heat-pulse-state "
#define VERSION  1
#define UUID_MAX 63
#define SUM_LEN  64

/* ---- names ---- */

static bool word_valid(const char *p, size_t n)
{
	static const char good[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	if (n == 0 || p[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!memchr(good, p[i], sizeof(good) - 1))
			return false;
	return true;
}

bool store_name_valid(const char *name)
{
	size_t n = strnlen(name, STORE_NAME_MAX + 1);
	const char *slash = memchr(name, '/', n);
	size_t first = slash ? (size_t)(slash - name) : n;

	if (n > STORE_NAME_MAX || !word_valid(name, first))
		return false;
	if (first == strlen(STORE_ASIDE) && memcmp(name, STORE_ASIDE, first) == 0)
		return false;
	return !slash || word_valid(slash + 1, n - first - 1);
}

bool store_uuid_valid(const char *uuid)
{
	size_t n = strnlen(uuid, UUID_MAX + 1);

	return n <= UUID_MAX && word_valid(uuid, n);
}

int store_path(const char *dir, const char *name, char out[static STORE_PATH_MAX])
{
	int n = snprintf(out, STORE_PATH_MAX, "%s/%s", dir, name);

	return n < 0 || n >= STORE_PATH_MAX ? -ENAMETOOLONG : 0;
}

/* ---- the header line ---- */

struct head {
	uint64_t version;
	const char *uuid, *sum;
	size_t uuid_len, sum_len, size; /* size: of the line with its newline */
};

/* Takes the word up to @end_char out of (*p, *n). */
static bool next_word(const char **p, size_t *n, char end_char, const char **word, size_t *len)
{
	const char *end = memchr(*p, end_char, *n);

	if (!end)
		return false;
	*word = *p;
	*len = (size_t)(end - *p);
	*n -= *len + 1;
	*p = end + 1;
	return true;
}

static int parse_head(const char *p, size_t n, struct head *h)
{
	const char *start = p, *word;
	size_t len;

	if (n > STORE_HEADER_MAX)
		n = STORE_HEADER_MAX;
	if (n < strlen(MAGIC) || memcmp(p, MAGIC, strlen(MAGIC)) != 0)
		return -EBADMSG;
	p += strlen(MAGIC);
	n -= strlen(MAGIC);
	if (!next_word(&p, &n, ' ', &word, &len) || text_u64(word, len, &h->version) < 0)
		return -EBADMSG;
	if (h->version > VERSION)
		return -EPROTO; /* what follows is its business */
	if (h->version == 0 || !next_word(&p, &n, ' ', &h->uuid, &h->uuid_len) ||
	    !next_word(&p, &n, '\n', &h->sum, &h->sum_len) || h->sum_len != SUM_LEN)
		return -EBADMSG;
	if (h->uuid_len > UUID_MAX || !word_valid(h->uuid, h->uuid_len))
		return -EBADMSG;
	h->size = (size_t)(p - start);
	return 0;
}

static int judge_head(const char *p, size_t n, const char *server_uuid, struct head *h)
{
	int r = parse_head(p, n, h);

	if (r < 0 || !server_uuid)
		return r;
	if (strlen(server_uuid) != h->uuid_len || memcmp(server_uuid, h->uuid, h->uuid_len) != 0)
		return -ESTALE;
	return 0;
}

ssize_t store_file_head(const char *p, size_t n, const char *server_uuid)
{
	struct head h;
	int r = judge_head(p, n, server_uuid, &h);

	return r < 0 ? r : (ssize_t)h.size;
}

ssize_t store_file_decode(const char *p, size_t n, const char *server_uuid)
{
	char sum[SUM_LEN + 1];
	struct head h;
	int r = judge_head(p, n, server_uuid, &h);

	if (r < 0)
		return r;
	text_sha256_hex(p + h.size, n - h.size, sum);
	return memcmp(sum, h.sum, SUM_LEN) == 0 ? (ssize_t)h.size : -EBADMSG;
}

/* ---- files ---- */

static const char *why_refused(ssize_t code)
{
	switch (code) {
	case -EPROTO:
		return "it was written by a newer version";
	case -ESTALE:
		return "it belongs to another server";
	default:
		return "it is damaged";
	}
}

int store_file_read(const struct env *env _unused_, const char *dir, const char *name,
		    const char *server_uuid, struct buf *out, struct err *e)
{
	_cleanup_buf_ struct buf raw = BUF_INIT(STORE_ENTRY_MAX + STORE_HEADER_MAX);
	char path[STORE_PATH_MAX];
	ssize_t at;
	int r;

	if (!store_name_valid(name))
		return err_set(e, -EINVAL, "not a name of stored state");
	r = store_path(dir, name, path);
	if (r == 0)
		r = fs_read(path, &raw);
	if (r == -EFBIG)
		return err_set(e, -ESTALE, "%s is not used: %s", path, why_refused(-EBADMSG));
	if (r < 0)
		return err_sys(e, -r, "cannot read %s", path);
	at = store_file_decode(buf_str(&raw), raw.len, server_uuid);
	if (at < 0)
		return err_set(e, -ESTALE, "%s is not used: %s", path, why_refused(at));
	r = buf_put(out, raw.data + at, raw.len - (size_t)at);
	return r < 0 ? err_sys(e, -r, "cannot read %s", path) : 0;
}

static int write_entry(const char *dir, const char *name, const char *server_uuid, const void *p,
		       size_t n, struct err *e)
{
	_cleanup_buf_ struct buf raw = BUF_INIT(STORE_ENTRY_MAX + STORE_HEADER_MAX);
	char path[STORE_PATH_MAX], sum[SUM_LEN + 1];
	int r = store_path(dir, name, path);

	text_sha256_hex(p, n, sum);
	buf_printf(&raw, MAGIC "%d %s %s\n", VERSION, server_uuid, sum);
	buf_put(&raw, p, n);
	if (r == 0)
		r = buf_error(&raw);
	/* Only the one level below @dir is made: a missing @dir is for a person to see. */
	if (r == 0 && strchr(name, '/'))
		r = store_make_folder_of(path);
	if (r < 0)
		return err_sys(e, -r, "cannot write %s/%s", dir, name);
	return fs_write_atomic(path, raw.data, raw.len, 0600, e);
}

/* Files of root in a folder of the agent's user would be lost to it; and root must not chown in a
 * folder that others may change. So root writes as the owner. */
static int become_owner(const char *dir, struct err *e)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return err_sys(e, errno, "cannot use %s", dir);
	if (geteuid() != 0 || st.st_uid == 0)
		return 0;
	if (setegid(st.st_gid) < 0 || seteuid(st.st_uid) < 0)
		return err_sys(e, errno, "cannot act as the owner of %s", dir);
	return 1;
}

int store_file_write(const struct env *env _unused_, const char *dir, const char *name,
		     const char *server_uuid, const void *p, size_t n, struct err *e)
{
	gid_t gid = getegid();
	int switched, r;

	if (!store_name_valid(name) || !server_uuid || !store_uuid_valid(server_uuid))
		return err_set(e, -EINVAL, "not a name of stored state, or no server UUID");
	if (n > STORE_ENTRY_MAX)
		return err_set(e, -EFBIG, "%s is too large to be stored", name);
	switched = become_owner(dir, e);
	if (switched < 0)
		return switched;
	r = write_entry(dir, name, server_uuid, p, n, e);
	if (switched && (seteuid(0) < 0 || setegid(gid) < 0))
		return err_sys(e, errno, "cannot be root again");
	return r;
}
