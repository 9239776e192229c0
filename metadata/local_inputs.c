/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/local_inputs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/privpath.h"
#include "core/text.h"

static const char *const names[LOCAL_INPUTS] = {
	[LOCAL_CONFIG_DRIVE] = "config-drive",
	[LOCAL_SERVICE] = "metadata-service",
	[LOCAL_DATA] = "local-data",
	[LOCAL_FILE] = "file",
};

unsigned local_inputs_parse(const char *text, struct err *e)
{
	const char *item;
	size_t pos = 0, n;
	unsigned mask = 0;

	while (text_list_next(text, ',', &pos, &item, &n)) {
		unsigned bit = 0;

		for (size_t i = 0; i < LOCAL_INPUTS; i++) {
			if (strlen(names[i]) == n && !memcmp(names[i], item, n))
				bit = LOCAL_MASK(i);
		}
		if (!bit) {
			err_set(e, -EINVAL, "[local] inputs: there is no input \"%.*s\"",
				(int)(n < 40 ? n : 40), item);
			return 0;
		}
		mask |= bit;
	}
	if (!mask)
		err_set(e, -EINVAL, "[local] inputs names none");
	return mask;
}

/* Depth is bounded by the scan that every text passed. */
int local_merge(json_t *into, json_t *from, struct err *e)
{
	const char *key;
	json_t *value;

	if (!json_is_object(from))
		return err_set(e, -EBADMSG, "not a JSON object");
	json_object_foreach(from, key, value) {
		json_t *old = json_object_get(into, key);
		int r = json_is_object(old) && json_is_object(value) ? local_merge(old, value, e)
								      : json_object_set(into, key, value);

		if (r)
			return r < -1 ? r : err_set(e, -ENOMEM, "no memory");
	}
	return 0;
}

int local_merge_text(json_t *into, const char *p, size_t n, const char *name, struct err *e)
{
	_cleanup_json_ json_t *tree = NULL;
	int r = json_parse(p, n, &json_limits_default, &tree, e);

	if (!r)
		r = local_merge(into, tree, e);
	if (r < 0)
		err_prefix(e, "%s", name);
	return r == -EINVAL ? -EBADMSG : r;
}

static int merge_fd(json_t *into, int fd, const char *name, struct err *e)
{
	struct buf text = BUF_INIT(json_limits_default.text_bytes);
	int r = fs_read_fd(fd, &text);

	if (r < 0)
		err_set(e, r, "%s: %s", name, strerror(-r));
	else
		r = local_merge_text(into, buf_str(&text), text.len, name, e);
	buf_deinit(&text);
	return r;
}

/* Return: 0, 1 absent, -errno. */
static int merge_row(json_t *into, int row, const char *name, int (*open_fd)(int, void *), void *ctx,
		     struct err *e)
{
	_cleanup_close_ int fd = open_fd(row, ctx);

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 1;
	if (fd < 0)
		return err_set(e, fd, "%s: %s", name, strerror(-fd));
	return merge_fd(into, fd, name, e);
}

/* EC2's words lie below those of OpenStack. */
static int merge_drive(json_t *into, int (*open_fd)(int, void *), void *ctx, struct err *e)
{
	int own, ec2 = merge_row(into, PRIVPATH_DRIVE_EC2, "config drive, ec2/latest/meta-data.json",
				 open_fd, ctx, e);

	if (ec2 < 0)
		return ec2;
	own = merge_row(into, PRIVPATH_DRIVE_META, "config drive, openstack/latest/meta_data.json",
			open_fd, ctx, e);
	if (own == 1 && ec2 == 1)
		return err_set(e, -ENOENT, "no config drive is mounted where [local] config-drive says");
	return own < 0 ? own : 0;
}

static int merge_folder(json_t *into, int (*open_fd)(int, void *), void *ctx, struct err *e)
{
	int r = 0;

	for (int row = PRIVPATH_LOCAL_DATA; row <= (int)PRIVPATH_LOCAL_DATA_LAST && !r; row++) {
		char name[32];

		snprintf(name, sizeof(name), "local-data, file %d", row - (int)PRIVPATH_LOCAL_DATA + 1);
		r = merge_row(into, row, name, open_fd, ctx, e);
	}
	return r < 0 ? r : 0;
}

int local_merge_files(json_t *into, enum local_input input, int (*open_fd)(int privpath, void *ctx), void *ctx,
		      struct err *e)
{
	int r;

	if (input == LOCAL_CONFIG_DRIVE)
		return merge_drive(into, open_fd, ctx, e);
	if (input == LOCAL_DATA)
		return merge_folder(into, open_fd, ctx, e);
	r = merge_row(into, PRIVPATH_LOCAL_FILE, "the local file", open_fd, ctx, e);
	return r == 1 ? err_set(e, -ENOENT, "the local file does not exist") : r;
}
