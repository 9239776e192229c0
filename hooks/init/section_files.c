/* SPDX-License-Identifier: Apache-2.0 */
/* Section files: path -> content or source, and how it is to lie there. */
#include <errno.h>
#include <string.h>

#include "core/fs.h"
#include "core/text.h"
#include "hooks/init/account.h"
#include "hooks/init/fetch.h"
#include "hooks/init/label.h"
#include "hooks/init/mustache.h"
#include "hooks/init/place.h"
#include "hooks/init/step.h"
#include "hooks/init/tree.h"
#include "hooks/value_text.h"

#define CONTENT_MAX  (32u << 20)
#define TEMPLATE_MAX (8u << 20) /* of a downloaded template */

struct file {
	const json_t *content, *context;
	const char *source, *encoding, *authentication;
	bool link, base64;
	struct place place;
	struct buf text;
	int fd; /* -1 until the content is known */
};

/* ---- what is asked for ---- */

static int read_text_key(const json_t *value, const char *key, const char **ret, struct err *e)
{
	const json_t *text = json_object_get(value, key);

	*ret = json_string_value(text);
	if (text && !json_is_null(text) && !*ret)
		return err_set(e, -EINVAL, "%s is no text", key);
	return 0;
}

static int read_encoding(struct file *f, const json_t *value, struct err *e)
{
	int r = read_text_key(value, "encoding", &f->encoding, e);

	if (r < 0 || !f->encoding || !strcmp(f->encoding, "plain"))
		return r;
	if (strcmp(f->encoding, "base64"))
		return err_set(e, -EINVAL, "encoding is neither plain nor base64");
	f->base64 = true;
	return 0;
}

static int read_rights(struct init *in, struct file *f, const json_t *value, struct err *e)
{
	const json_t *mode = json_object_get(value, "mode");
	const char *owner = NULL, *group = NULL;
	unsigned bits;
	int r;

	f->place = (struct place){.mode = PLACE_KEEP,
				  .uid = (uid_t)-1,
				  .gid = (gid_t)-1,
				  .dry_run = DRY(in),
				  .sync = true};
	if (mode && !json_is_null(mode)) {
		if (tree_mode(mode, &bits, &f->link) < 0)
			return err_set(e, -EINVAL, "mode must be octal text, such as \"000644\"");
		f->place.mode = (mode_t)bits;
	}
	r = read_text_key(value, "owner", &owner, e);
	if (r == 0)
		r = read_text_key(value, "group", &group, e);
	if (r == 0 && owner && !step_would_be_there(in, "users", owner))
		r = account_owner(in->setup->env, owner, &f->place.uid, e);
	if (r == 0 && group && !step_would_be_there(in, "groups", group))
		r = account_owning_group(in->setup->env, group, &f->place.gid, e);
	return r;
}

static int read_file(struct init *in, struct file *f, const json_t *value, struct err *e)
{
	int r;

	if (!json_is_object(value))
		return err_set(e, -EINVAL, "not an object");
	f->content = json_object_get(value, "content");
	f->context = json_object_get(value, "context");
	r = read_text_key(value, "source", &f->source, e);
	if (r == 0)
		r = read_text_key(value, "authentication", &f->authentication, e);
	if (r == 0)
		r = read_encoding(f, value, e);
	if (r == 0)
		r = read_rights(in, f, value, e);
	if (r < 0)
		return r;
	if ((!f->content || json_is_null(f->content)) && !f->source)
		return err_set(e, -EINVAL, "neither content nor source");
	if (f->context && !json_is_null(f->context) && !json_is_object(f->context))
		return err_set(e, -EINVAL, "context is no object");
	return 0;
}

/* ---- its content ---- */

/* Wrapped lines are as good as one. */
static void join_lines(struct buf *text)
{
	size_t to = 0;

	for (size_t i = 0; i < text->len; i++)
		if (text->data[i] != '\n' && text->data[i] != '\r')
			text->data[to++] = text->data[i];
	text->len = to;
}

static int from_tree(struct file *f, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_INIT(CONTENT_MAX);
	int r = value_text((json_t *)(uintptr_t)f->content, &text);

	if (r < 0)
		return err_sys(e, -r, "the content");
	if (!f->base64) {
		r = buf_put(&f->text, buf_str(&text), text.len);
		return r < 0 ? err_sys(e, -r, "the content") : 0;
	}
	join_lines(&text);
	r = text_base64_decode(&f->text, buf_str(&text), text.len);
	return r < 0 ? err_set(e, -EINVAL, "content is not base64") : 0;
}

static int render(struct file *f, struct err *e)
{
	struct buf out = BUF_INIT(CONTENT_MAX);
	int r = mustache_render(buf_str(&f->text), f->text.len, f->context, &out, e);

	buf_deinit(&f->text);
	f->text = out;
	return r;
}

/* A source is taken as it comes; only a template is read into memory. */
static int from_url(struct init *in, struct file *f, struct err *e)
{
	int r;

	f->fd = fetch_file(in->setup, f->source, in->auth, f->authentication, e);
	if (f->fd < 0 || !json_is_object(f->context))
		return f->fd < 0 ? f->fd : 0;
	f->text.max = TEMPLATE_MAX;
	r = fs_read_fd(f->fd, &f->text);
	close(f->fd);
	f->fd = -1;
	return r < 0 ? err_sys(e, -r, "the template") : 0;
}

static int get_content(struct init *in, struct file *f, struct err *e)
{
	bool tree = f->content && !json_is_null(f->content);
	int r = tree ? from_tree(f, e) : from_url(in, f, e);

	if (r == 0 && f->fd < 0 && json_is_object(f->context))
		r = render(f, e);
	if (r == 0 && f->fd < 0 && !f->link) {
		f->fd = place_memory(buf_str(&f->text), f->text.len);
		r = f->fd < 0 ? err_sys(e, -f->fd, "the content") : 0;
	}
	return r;
}

static int put(struct file *f, const char *path, struct err *e)
{
	const char *name;
	_cleanup_close_ int dir = place_parent(path, f->place.dry_run, &name);
	int r = dir;

	if (dir == -ENOENT && f->place.dry_run)
		return 1;
	f->place.fd = f->fd;
	if (dir >= 0)
		r = f->link ? place_link(dir, name, buf_str(&f->text), &f->place)
			    : place_file(dir, name, &f->place);
	return r < 0 ? err_sys(e, -r, "cannot be put into its place") : r;
}

static int apply_file(struct init *in, struct file *f, const char *name, const json_t *value,
		      struct err *e)
{
	char path[ENV_PATH_MAX];
	int r = read_file(in, f, value, e);

	if (r == 0 && f->link && (!json_is_string(f->content) || f->base64))
		r = err_set(e, -EINVAL, "a link's content is the text it leads to");
	if (r == 0)
		r = get_content(in, f, e);
	if (r == 0 && f->link && (f->text.len == 0 || memchr(f->text.data, '\0', f->text.len)))
		r = err_set(e, -EINVAL, "a link leads nowhere");
	if (r < 0)
		return r;
	r = put(f, env_path(in->setup->env, name, path), e);
	if (r <= 0) {
		if (r == 0)
			step_say(in, name, "is as it should be");
		return r;
	}
	if (!DRY(in))
		label_restore(in->setup->env, path, false);
	return step_changed(in, "files", name, f->link ? "linked" : "written");
}

static int one_file(struct init *in, const char *name, const json_t *value, struct err *e)
{
	struct file f = {.text = BUF_INIT(CONTENT_MAX), .fd = -1};
	int r;

	if (name[0] != '/')
		return err_set(e, -EINVAL, "the path must be absolute");
	r = apply_file(in, &f, name, value, e);
	if (f.fd >= 0)
		close(f.fd);
	if (f.text.data)
		explicit_bzero(f.text.data, f.text.cap); /* it may hold a secret */
	buf_deinit(&f.text);
	return r;
}

int section_files(struct init *in, const json_t *section)
{
	return step_each(in, section, one_file, false);
}
