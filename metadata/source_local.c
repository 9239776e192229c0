/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A metadata tree in a file, or merged from the places that local_inputs.h names. The runner opens
 * files; we read them, and look again when inotify tells that the entry of the file named by
 * configuration changed. Where the folder cannot be watched (rights, a file system without events,
 * an entry that is a symbolic link), and for all other places, the interval remains.
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
#include "metadata/local_inputs.h"

#define SERVICE_PATH "/openstack/latest/meta_data.json"
#define DEBOUNCE_MS 20 /* an editor makes several events of one save */
#define FOLDER_EVENTS                                                                              \
	(IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MOVE_SELF |     \
	 IN_ONLYDIR)

struct source {
	struct loop *loop;
	int (*open_fd)(int privpath, void *ctx);
	void *open_ctx;
	char *file;  /* with the root prefix; NULL: none */
	char *shown; /* as configured */
	unsigned inputs; /* mask; 0: the file alone */
	struct http *http;
	char *service; /* base URL; NULL: not an input */
	int64_t timeout_ms;
	struct http_call *call;
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

static bool has_folder(const struct watch_setup *setup)
{
	_cleanup_close_ int fd = -1;

	if (!setup->open_fd)
		return false;
	fd = setup->open_fd(PRIVPATH_LOCAL_DATA, setup->open_ctx);
	return fd >= 0 || (fd != -ENOENT && fd != -ENOTDIR);
}

static bool local_usable(const struct watch_setup *setup)
{
	const struct conf *conf = setup->conf;

	return (conf->local_file && *conf->local_file) || (conf->local_inputs && setup->open_fd) ||
	       has_folder(setup);
}

static struct source *local_close(struct source *s)
{
	if (!s)
		return NULL;
	if (s->call)
		http_cancel(s->call);
	loop_io_remove(s->io);
	loop_timer_free(s->answer);
	loop_timer_free(s->debounce);
	if (s->inotify_fd >= 0)
		close(s->inotify_fd);
	free(s->file);
	free(s->shown);
	free(s->service);
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

	if (s->inotify_fd < 0 || s->wd >= 0 || !s->file)
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

static void deliver(struct source *s, struct fetch_result *r)
{
	fetch_fn *fn = s->fn;

	s->fn = NULL;
	fn(r, s->ctx);
	document_deinit(&r->doc);
}

/* All inputs in the order of their enum. @service: what the metadata service said, or NULL. */
static int merge_all(const struct source *s, const struct buf *service, json_t *tree, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; i < LOCAL_INPUTS && !r; i++) {
		if (!(s->inputs & LOCAL_MASK(i)))
			continue;
		if (i == LOCAL_SERVICE)
			r = local_merge_text(tree, buf_str(service), service->len, "metadata service", e);
		else
			r = local_merge_files(tree, (enum local_input)i, s->open_fd, s->open_ctx, e);
	}
	return r;
}

static void merge_document(struct source *s, const struct buf *service, struct fetch_result *r)
{
	_cleanup_json_ json_t *tree = json_object();
	_cleanup_free_ char *text = NULL;
	char digest[sizeof(s->digest)];
	struct err e = ERR_INIT;
	int code = tree ? merge_all(s, service, tree, &e) : -ENOMEM;

	text = code ? NULL : json_compact(tree);
	if (!code && !text)
		code = err_set(&e, -ENOMEM, "no memory");
	if (!code)
		text_sha256_hex(text, strlen(text), digest);
	if (!code && !s->full && !strcmp(digest, s->digest)) {
		r->class = FETCH_UNCHANGED;
		return;
	}
	if (!code)
		code = document_from_file(text, strlen(text), s->resource, &r->doc, &e);
	if (!code)
		memcpy(s->digest, digest, sizeof(digest));
	else
		classify_document(code, e.text, r);
	if (code == -ENOENT || code == -EPERM || code == -EACCES)
		r->class = FETCH_GONE;
}

static void on_service(const struct http_answer *a, void *ctx)
{
	struct source *s = ctx;
	struct fetch_result r = {.class = FETCH_OK, .retry_after_s = -1};

	s->call = NULL;
	if (a->failure != HTTP_OK || a->status != 200) {
		r.class = a->failure != HTTP_OK ? classify_failure(a->failure) : FETCH_GONE;
		snprintf(r.why, sizeof(r.why), "the metadata service: %s",
			 a->failure != HTTP_OK ? a->why : "no meta_data.json");
	} else {
		merge_document(s, &a->body, &r);
	}
	deliver(s, &r);
}

static int ask_service(struct source *s)
{
	struct buf url = BUF_INIT(1024);
	struct http_request request = {.method = "GET", .timeout_ms = s->timeout_ms};
	int r;

	buf_printf(&url, "%s" SERVICE_PATH, s->service);
	request.url = buf_str(&url);
	r = buf_error(&url) ? buf_error(&url) : http_start(s->http, &request, on_service, s, &s->call);
	buf_deinit(&url);
	return r;
}

static void on_answer(struct loop *loop, void *ctx)
{
	struct source *s = ctx;
	struct fetch_result r = {.class = FETCH_OK, .retry_after_s = -1};

	(void)loop;
	if (!s->fn || (s->service && ask_service(s) == 0))
		return;
	watch_folder(s); /* before the read: what changes after it makes an event */
	if (s->service)
		r.class = FETCH_UNREACHABLE;
	else if (s->inputs)
		merge_document(s, NULL, &r);
	else
		read_document(s, &r);
	deliver(s, &r);
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
	const char *slash = s->file ? strrchr(s->file, '/') : NULL;

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

static int take_inputs(struct source *s, const struct conf *conf, struct err *e)
{
	char path[ENV_PATH_MAX];
	size_t n;

	if (conf->local_inputs)
		s->inputs = local_inputs_parse(conf->local_inputs, e);
	else if (!conf->local_file || !*conf->local_file)
		s->inputs = LOCAL_MASK(LOCAL_DATA);
	if (conf->local_inputs && !s->inputs)
		return -EINVAL;
	if (conf->local_file && *conf->local_file) {
		s->file = strdup(env_path(loop_env(s->loop), conf->local_file, path));
		s->shown = strdup(conf->local_file);
		if (!s->file || !s->shown)
			return -ENOMEM;
	}
	if (!(s->inputs & LOCAL_MASK(LOCAL_SERVICE)))
		return 0;
	s->service = strdup(conf->local_service ? conf->local_service : "");
	for (n = s->service ? strlen(s->service) : 0; n && s->service[n - 1] == '/'; n--)
		s->service[n - 1] = '\0';
	return s->service ? 0 : -ENOMEM;
}

static int set_up(struct source *s, const struct watch_setup *setup, struct err *e)
{
	const char *resource = setup->conf->local_resource;
	int r;

	s->http = setup->http;
	s->timeout_ms = setup->conf->request_timeout_ms;
	s->loop = setup->loop;
	s->open_fd = setup->open_fd;
	s->open_ctx = setup->open_ctx;
	s->resource = strdup(resource && *resource ? resource : "local");
	if (!s->resource)
		return -ENOMEM;
	r = take_inputs(s, setup->conf, e);
	if (!r)
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
	r = set_up(s, setup, e);
	if (r < 0) {
		local_close(s);
		return e->code ? r : err_sys(e, -r, "local source");
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
