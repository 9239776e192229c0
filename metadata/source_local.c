/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A metadata tree in a file. The runner opens it; we read it, and look again when inotify tells
 * that the folder's entry changed. Where the folder cannot be watched (rights, a file system
 * without events, an entry that is a symbolic link) the interval remains.
 */
#include "metadata/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>

#include "core/fs.h"
#include "core/text.h"
#include "metadata/classify.h"
#include "metadata/document.h"

#define DEBOUNCE_MS 20 /* an editor makes several events of one save */
#define FOLDER_EVENTS                                                                              \
	(IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MOVE_SELF |     \
	 IN_ONLYDIR)

struct source {
	struct loop *loop;
	int (*open_fd)(int privpath, void *ctx);
	void *open_ctx;
	char *file;  /* with the root prefix */
	char *shown; /* as configured */
	char *resource;
	char digest[65]; /* of what was delivered last */
	int inotify_fd, wd;
	struct loop_io *io;
	struct loop_timer *answer; /* the fetch under way */
	struct loop_timer *debounce;
	fetch_fn *fn;
	void *ctx;
	bool full;
	void (*news)(void *ctx);
	void *news_ctx;
};

static bool local_usable(const struct watch_setup *setup)
{
	return setup->conf->local_file && *setup->conf->local_file;
}

static struct source *local_close(struct source *s)
{
	if (!s)
		return NULL;
	loop_io_remove(s->io);
	loop_timer_free(s->answer);
	loop_timer_free(s->debounce);
	if (s->inotify_fd >= 0)
		close(s->inotify_fd);
	free(s->file);
	free(s->shown);
	free(s->resource);
	free(s);
	return NULL;
}

static int read_file(const struct source *s, struct buf *text)
{
	_cleanup_close_ int fd = -1;

	fd = s->open_fd ? s->open_fd(PRIVPATH_LOCAL_FILE, s->open_ctx)
			: open(s->file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return s->open_fd ? fd : -errno;
	return fs_read_fd(fd, text);
}

static void bad_document(const struct source *s, int code, struct err *e, struct fetch_result *r)
{
	err_prefix(e, "%.160s", s->shown);
	classify_document(code, e->text, r);
}

static void read_document(struct source *s, struct fetch_result *r)
{
	struct buf text = BUF_INIT(json_limits_default.text_bytes);
	char digest[sizeof(s->digest)];
	struct err e = ERR_INIT;
	int code = read_file(s, &text);

	if (code < 0) {
		r->class = code == -EFBIG ? FETCH_TOO_BIG : FETCH_GONE;
		snprintf(r->why, sizeof(r->why), "%.200s: %s", s->shown, strerror(-code));
		buf_deinit(&text);
		return;
	}
	text_sha256_hex(buf_str(&text), text.len, digest);
	if (!s->full && !strcmp(digest, s->digest)) {
		r->class = FETCH_UNCHANGED;
	} else {
		code = document_from_file(buf_str(&text), text.len, s->resource, &r->doc, &e);
		if (!code)
			memcpy(s->digest, digest, sizeof(digest));
		else
			bad_document(s, code, &e, r);
	}
	buf_deinit(&text);
}

/* A folder that came back after it was moved or deleted is watched again at the next look. */
static void watch_folder(struct source *s)
{
	char *slash;

	if (s->inotify_fd < 0 || s->wd >= 0)
		return;
	slash = strrchr(s->file, '/');
	if (!slash)
		return;
	if (slash == s->file) {
		s->wd = inotify_add_watch(s->inotify_fd, "/", FOLDER_EVENTS);
		return;
	}
	*slash = '\0';
	s->wd = inotify_add_watch(s->inotify_fd, s->file, FOLDER_EVENTS);
	*slash = '/';
}

static void on_answer(struct loop *loop, void *ctx)
{
	struct source *s = ctx;
	struct fetch_result r = {.class = FETCH_OK, .retry_after_s = -1};
	fetch_fn *fn = s->fn;

	(void)loop;
	if (!fn)
		return;
	s->fn = NULL;
	watch_folder(s); /* before the read: what changes after it makes an event */
	read_document(s, &r);
	fn(&r, s->ctx);
	document_deinit(&r.doc);
}

static void on_debounced(struct loop *loop, void *ctx)
{
	struct source *s = ctx;

	(void)loop;
	if (s->news)
		s->news(s->news_ctx);
}

static bool concerns_us(struct source *s, const struct inotify_event *ev)
{
	const char *slash = strrchr(s->file, '/');

	if ((ev->mask & (IN_IGNORED | IN_MOVE_SELF)) && ev->wd == s->wd) {
		s->wd = -1;
		if (ev->mask & IN_MOVE_SELF)
			inotify_rm_watch(s->inotify_fd, ev->wd);
		return true;
	}
	return (ev->mask & IN_Q_OVERFLOW) || (ev->len && slash && !strcmp(ev->name, slash + 1));
}

static void on_inotify(struct loop *loop, uint32_t events, void *ctx)
{
	_Alignas(struct inotify_event) char chunk[4096];
	struct source *s = ctx;
	bool ours = false;
	ssize_t n;

	(void)loop;
	(void)events;
	n = read(s->inotify_fd, chunk, sizeof(chunk));
	for (ssize_t i = 0; i + (ssize_t)sizeof(struct inotify_event) <= n;) {
		struct inotify_event ev;

		memcpy(&ev, chunk + i, sizeof(ev));
		ours |= concerns_us(s, (const struct inotify_event *)(const void *)(chunk + i));
		i += (ssize_t)(sizeof(ev) + ev.len);
	}
	if (ours && !loop_timer_armed(s->debounce))
		loop_timer_arm(s->debounce, DEBOUNCE_MS);
}

static int set_up(struct source *s, const struct watch_setup *setup)
{
	char path[ENV_PATH_MAX];
	const char *resource = setup->conf->local_resource;
	int r;

	s->loop = setup->loop;
	s->open_fd = setup->open_fd;
	s->open_ctx = setup->open_ctx;
	s->file = strdup(env_path(loop_env(s->loop), setup->conf->local_file, path));
	s->shown = strdup(setup->conf->local_file);
	s->resource = strdup(resource && *resource ? resource : "local");
	if (!s->file || !s->shown || !s->resource)
		return -ENOMEM;
	r = loop_timer_new(s->loop, 0, on_answer, s, &s->answer);
	if (!r)
		r = loop_timer_new(s->loop, 0, on_debounced, s, &s->debounce);
	if (r < 0)
		return r;
	/* without inotify (none left for this user) the interval remains */
	s->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (s->inotify_fd >= 0)
		r = loop_io_add(s->loop, s->inotify_fd, EPOLLIN, on_inotify, s, &s->io);
	watch_folder(s);
	return r;
}

static int local_open(const struct watch_setup *setup, struct source **ret, struct err *e)
{
	struct source *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "no memory");
	s->inotify_fd = -1;
	s->wd = -1;
	r = set_up(s, setup);
	if (r < 0) {
		local_close(s);
		return err_sys(e, -r, "local source");
	}
	*ret = s;
	return 0;
}

static int local_fetch(struct source *s, const char *resource, bool full, fetch_fn *fn, void *ctx)
{
	(void)resource;
	if (s->fn)
		return -EBUSY;
	s->full = full;
	s->fn = fn;
	s->ctx = ctx;
	loop_timer_arm(s->answer, 0);
	return 0;
}

static const char *local_own(const struct source *s)
{
	return s->resource;
}

static bool local_reaches(const struct source *s, const char *resource)
{
	return !resource || text_equal(resource, s->resource);
}

static bool local_needs_clock(const struct source *s)
{
	(void)s;
	return false;
}

static void local_subscribe(struct source *s, void (*fn)(void *ctx), void *ctx)
{
	s->news = fn;
	s->news_ctx = ctx;
}

const struct source_ops source_local = {
	.name = "local",
	.usable = local_usable,
	.open = local_open,
	.fetch = local_fetch,
	.own = local_own,
	.reaches = local_reaches,
	.needs_clock = local_needs_clock,
	.subscribe = local_subscribe,
	.close = local_close,
};
