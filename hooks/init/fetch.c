/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/init/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <time.h>

#include "core/backoff.h"
#include "core/json.h"
#include "core/text.h"
#include "hooks/init/tree.h"

#define TRIES      5
#define REDIRECTS  5
#define URL_MAX    8192
#define PAUSE_BASE 200
#define ROOM_LEAST (64u << 10)
#define PAUSE_CAP  20000

struct download {
	const struct init_setup *setup;
	int fd;
	int64_t deadline;
	const char *authorization; /* "" none */
	struct buf url;
	const char *first; /* the URL that was asked for: keys are for its host alone */
	struct err *e;
};

static void wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_deinit(b);
}
#define _cleanup_wipe_ _cleanup_(wipe)

/* ---- keys ---- */

static bool is_for(const json_t *entry, const char *url)
{
	const json_t *uris = json_object_get(entry, "uris"), *uri;
	size_t i;

	json_array_foreach(uris, i, uri)
	{
		if (json_string_length(uri) > 0 && text_starts(url, json_string_value(uri)))
			return true;
	}
	return false;
}

static const json_t *entry_for(const json_t *auth, const char *name, const char *url)
{
	const char *key;
	const json_t *entry;

	if (name)
		return json_object_get(auth, name);
	json_object_foreach((json_t *)(uintptr_t)auth, key, entry)
	{
		if (is_for(entry, url))
			return entry;
	}
	return NULL;
}

int fetch_authorization(const json_t *auth, const char *name, const char *url, struct buf *out,
			struct err *e)
{
	_cleanup_wipe_ struct buf pair = BUF_INIT(1024);
	const json_t *entry = entry_for(auth, name, url);
	const char *type = json_str(entry, "type"), *user = json_str(entry, "username"),
		   *password = json_str(entry, "password");

	if (!entry)
		return name ? err_set(e, -EINVAL, "there is no authentication \"%s\"",
				      tree_shown(name))
			    : 0;
	if (!type || strcasecmp(type, "basic") || !user || !password)
		return err_set(e, -EINVAL,
			       "authentication must be of type basic, with username and "
			       "password");
	buf_printf(&pair, "%s:%s", user, password);
	buf_puts(out, "Authorization: Basic ");
	text_base64(out, buf_str(&pair), pair.len);
	return buf_error(&pair) ? err_set(e, -EINVAL, "authentication is too long")
				: buf_error(out);
}

/* ---- redirects ---- */

static int same_place(const char *a, const char *b)
{
	struct http_url ua, ub;
	int same;

	if (http_url_parse(a, &ua) < 0)
		return 0;
	if (http_url_parse(b, &ub) < 0) {
		http_url_deinit(&ua);
		return 0;
	}
	same = !strcmp(ua.scheme, ub.scheme) && !strcasecmp(ua.host, ub.host) && ua.port == ub.port;
	http_url_deinit(&ua);
	http_url_deinit(&ub);
	return same;
}

static size_t origin_length(const char *url)
{
	const char *host = strstr(url, "://");

	return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : 0;
}

int fetch_next_url(const char *url, const char *location, struct buf *out)
{
	struct http_url parsed;
	size_t path, origin = origin_length(url);

	if (!*location || (location[0] == '/' && location[1] == '/') || origin == 0)
		return -EINVAL;
	if (location[0] == '/') {
		buf_put(out, url, origin);
	} else if (!strstr(location, "://")) {
		path = origin + strcspn(url + origin, "?#");
		while (path > origin && url[path - 1] != '/')
			path--;
		buf_put(out, url, path);
		if (path == origin)
			buf_putc(out, '/');
	}
	buf_put(out, location, strcspn(location, "#"));
	if (buf_error(out) || http_url_parse(buf_str(out), &parsed) < 0)
		return -EINVAL;
	http_url_deinit(&parsed);
	return text_starts(url, "https:") && !text_starts(buf_str(out), "https:") ? -EINVAL : 0;
}

/* ---- one download ---- */

enum outcome { GOT, AGAIN, MOVED, LOST };

/* Keeps the reason. Return: LOST, for whoever gives up by it. */
static enum outcome say(struct download *d, const char *why)
{
	_cleanup_buf_ struct buf shown = BUF_INIT(URL_MAX);

	http_url_redact(d->first, &shown);
	err_set(d->e, -EIO, "%.180s: %s", buf_str(&shown), why);
	return LOST;
}

static enum outcome follow(struct download *d, const struct http_answer *a)
{
	struct buf next = BUF_INIT(URL_MAX);

	if (fetch_next_url(buf_str(&d->url), a->location, &next) < 0) {
		wipe(&next);
		return say(d, "it leads to where it is not followed");
	}
	wipe(&d->url);
	d->url = next;
	return MOVED;
}

/* What could not be written looks like an answer that was broken off. */
static bool no_room(const struct download *d)
{
	struct statvfs fs;

	return fstatvfs(d->fd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < ROOM_LEAST;
}

static enum outcome judge(struct download *d, const struct http_answer *a)
{
	char why[64];

	if (a->failure == HTTP_BAD_ANSWER && no_room(d))
		return say(d, "there is no room for it in /var/tmp");
	if (a->failure != HTTP_OK) {
		say(d, a->why);
		return a->failure == HTTP_CERT || a->failure == HTTP_TOO_BIG ||
				       a->failure == HTTP_BAD_URL
			       ? LOST
			       : AGAIN;
	}
	if (a->status >= 200 && a->status < 300)
		return GOT;
	if (a->status >= 300 && a->status < 400 && a->location[0])
		return follow(d, a);
	snprintf(why, sizeof(why), "the server answered %ld", a->status);
	say(d, why);
	return a->status >= 500 || a->status == 429 || a->status == 408 ? AGAIN : LOST;
}

static enum outcome try_once(struct download *d)
{
	const struct env *env = d->setup->env;
	const bool keys = d->authorization[0] && same_place(d->first, buf_str(&d->url));
	const char *const headers[] = {keys ? d->authorization : NULL, NULL};
	struct http_request request = {.method = "GET",
				       .url = buf_str(&d->url),
				       .headers = headers,
				       .timeout_ms = d->deadline - env->boot_ms(),
				       .body_max = FETCH_BYTES_MAX,
				       .body_fd = d->fd};
	struct http_answer answer;
	enum outcome outcome;

	if (request.timeout_ms <= 0)
		return say(d, "not whole in time");
	if (ftruncate(d->fd, 0) < 0 || lseek(d->fd, 0, SEEK_SET) < 0)
		return say(d, "the file for it cannot be begun again");
	if (http_fetch(env, &d->setup->http, &request, &answer, d->e) < 0) {
		say(d, "no request could be made");
		return LOST;
	}
	outcome = judge(d, &answer);
	http_answer_deinit(&answer);
	return outcome;
}

static void pause_ms(int64_t ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static int download(struct download *d)
{
	struct backoff backoff = {.base_ms = PAUSE_BASE, .cap_ms = PAUSE_CAP};
	int tries = 0, moves = 0;

	for (;;) {
		enum outcome o = try_once(d);

		if (o == GOT)
			return lseek(d->fd, 0, SEEK_SET) < 0 ? -errno : 0;
		if (o == LOST || (o == AGAIN && ++tries == TRIES))
			return -EIO;
		if (o == MOVED && ++moves > REDIRECTS) {
			say(d, "too many redirects");
			return -EIO;
		}
		if (o == AGAIN)
			pause_ms(backoff_next(&backoff, random_unit()));
	}
}

static int nameless_file(const struct env *env)
{
	static const char *const folders[] = {"/var/tmp", "/tmp"};
	char path[ENV_PATH_MAX];
	int fd = -1;

	for (size_t i = 0; i < ARRAY_SIZE(folders) && fd < 0; i++) {
		env_path(env, folders[i], path);
		fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (fd < 0 && strlen(path) + 16 < sizeof(path)) {
			strncat(path, "/.fetch-XXXXXX", sizeof(path) - strlen(path) - 1);
			fd = mkostemp(path, O_CLOEXEC);
			if (fd >= 0)
				unlink(path);
		}
	}
	return fd < 0 ? -errno : fd;
}

int fetch_file(const struct init_setup *setup, const char *url, const json_t *auth,
	       const char *auth_name, struct err *e)
{
	_cleanup_wipe_ struct buf authorization = BUF_INIT(2048);
	_cleanup_close_ int fd = -1;
	struct download d = {.setup = setup,
			     .deadline = setup->env->boot_ms() + FETCH_TIME_MS,
			     .url = BUF_INIT(URL_MAX),
			     .first = url,
			     .e = e};
	int r = fetch_authorization(auth, auth_name, url, &authorization, e);

	if (r < 0)
		return r;
	fd = nameless_file(setup->env);
	if (fd < 0)
		return err_sys(e, -fd, "no room for a download in /var/tmp");
	d.fd = fd;
	d.authorization = buf_str(&authorization);
	r = buf_puts(&d.url, url);
	if (r == 0)
		r = download(&d);
	else
		err_set(e, r, "the URL is too long");
	wipe(&d.url);
	return r < 0 ? r : take_fd(&fd);
}
