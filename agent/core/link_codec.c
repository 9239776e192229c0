/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of messages between roles: header and payload fields. Pure: no sockets, no allocation
 * but the strings handed out. Everything is little endian, whatever the machine.
 */
#include "core/link.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define MAGIC    0x316c7068u /* "hpl1" */
#define STR_NULL UINT32_MAX

/* ---- writing ---- */

static void put(struct msg_writer *w, const void *p, size_t n)
{
	if (w->failed || n > sizeof(w->data) - w->len) {
		w->failed = true;
		return;
	}
	memcpy(w->data + w->len, p, n);
	w->len += n;
}

void msg_put_u32(struct msg_writer *w, uint32_t v)
{
	v = htole32(v);
	put(w, &v, sizeof(v));
}

void msg_put_u64(struct msg_writer *w, uint64_t v)
{
	v = htole64(v);
	put(w, &v, sizeof(v));
}

void msg_put_i64(struct msg_writer *w, int64_t v)
{
	msg_put_u64(w, (uint64_t)v);
}

void msg_put_str(struct msg_writer *w, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (n > LINK_PAYLOAD_MAX) {
		w->failed = true;
		return;
	}
	msg_put_u32(w, s ? (uint32_t)n : STR_NULL);
	if (n)
		put(w, s, n);
}

/* ---- reading ---- */

static bool get(struct msg_reader *r, void *out, size_t n)
{
	if (r->failed || n > r->left) {
		r->failed = true;
		return false;
	}
	memcpy(out, r->p, n);
	r->p += n;
	r->left -= n;
	return true;
}

uint32_t msg_get_u32(struct msg_reader *r)
{
	uint32_t v;

	return get(r, &v, sizeof(v)) ? le32toh(v) : 0;
}

uint64_t msg_get_u64(struct msg_reader *r)
{
	uint64_t v;

	return get(r, &v, sizeof(v)) ? le64toh(v) : 0;
}

int64_t msg_get_i64(struct msg_reader *r)
{
	return (int64_t)msg_get_u64(r);
}

static char *fail(struct msg_reader *r)
{
	r->failed = true;
	return NULL;
}

char *msg_get_str(struct msg_reader *r, size_t max)
{
	uint32_t n = msg_get_u32(r);
	char *s;

	if (r->failed || n == STR_NULL)
		return NULL;
	if (n > max || n > r->left || memchr(r->p, 0, n))
		return fail(r);
	s = malloc((size_t)n + 1);
	if (!s)
		return fail(r);
	get(r, s, n);
	s[n] = 0;
	return s;
}

int msg_reader_done(const struct msg_reader *r)
{
	return r->failed || r->left ? -EBADMSG : 0;
}

/* ---- packets ---- */

void link_encode_header(uint8_t out[static LINK_HEADER], uint32_t type, uint32_t id, int32_t status,
			size_t len, size_t n_fds)
{
	const uint32_t words[LINK_HEADER / 4] = {
		htole32(MAGIC),
		htole32(type),
		htole32(id),
		htole32((uint32_t)status),
		htole32((uint32_t)len),
		htole32((uint32_t)n_fds),
	};

	memcpy(out, words, sizeof(words));
}

int link_decode(const void *p, size_t n, size_t n_fds, struct link_msg *ret)
{
	struct msg_reader r = {p, n, false};
	uint32_t magic, len, fds;

	*ret = (struct link_msg){.n_fds = n_fds};
	for (size_t i = 0; i < LINK_FDS_MAX; i++)
		ret->fds[i] = -1;
	magic = msg_get_u32(&r);
	ret->type = msg_get_u32(&r);
	ret->id = msg_get_u32(&r);
	ret->status = (int32_t)msg_get_u32(&r);
	len = msg_get_u32(&r);
	fds = msg_get_u32(&r);
	if (r.failed || magic != MAGIC || len != r.left || len > LINK_PAYLOAD_MAX)
		return -EBADMSG;
	if (fds != n_fds || n_fds > LINK_FDS_MAX)
		return -EBADMSG;
	/* An answer names its call; only an answer has a status. */
	if (ret->type == LINK_TYPE_ANSWER ? ret->id == 0 : ret->status != 0)
		return -EBADMSG;
	ret->body = r;
	return 0;
}
