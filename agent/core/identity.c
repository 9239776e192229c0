/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's own names, read once at start. Only what looks like a UUID is taken for the server's,
 * as EC2-style instance ids ("i-0000002a") are no key to anything in Heat. Nothing is mounted and
 * nothing is asked of the network.
 */
#include "core/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include "core/fs.h"
#include "core/json.h"
#include "core/privpath.h"
#include "core/text.h"

#define FILE_MAX       (1u << 20)
#define IF_INET6_SCOPE 3    /* fields of a line of /proc/net/if_inet6 */
#define IF_INET6_NAME  5
#define IF_INET6_LINK  "20" /* scope of fe80::/10 */

/* Where images mount a config drive for good. */
static const char *const config_drives[] = {
	"/mnt/config/openstack/latest/meta_data.json",
	"/media/configdrive/openstack/latest/meta_data.json",
	"/media/config-2/openstack/latest/meta_data.json",
	"/run/config-2/openstack/latest/meta_data.json",
};
/* readable to all: cloud-init keeps what is sensitive in another file */
#define INSTANCE_DATA "/run/cloud-init/instance-data.json"

struct reader {
	const struct env *env;
	int (*open_fd)(int privpath, void *ctx);
	void *ctx;
};

/* ---- reading ---- */

static int read_path(const struct reader *r, const char *path, struct buf *out)
{
	char full[ENV_PATH_MAX];

	buf_reset(out);
	return fs_read(env_path(r->env, path, full), out);
}

static int read_privpath(const struct reader *r, enum privpath id, struct buf *out)
{
	_cleanup_close_ int fd =
		r->open_fd ? r->open_fd((int)id, r->ctx) : privpath_open(r->env, id, NULL);

	buf_reset(out);
	return fd < 0 ? fd : fs_read_fd(fd, out);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* All zeros or all ones is what firmware says that was never told. */
static bool is_uuid(const char *p, size_t n)
{
	bool varied = false;

	if (n != 36)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23 ? p[i] != '-' : !is_hex(p[i]))
			return false;
		varied |= p[i] != '-' && p[i] != p[0];
	}
	return varied;
}

static bool take(struct identity *id, const char *p, size_t n, const char *from)
{
	text_trim(&p, &n);
	if (!is_uuid(p, n))
		return false;
	for (size_t i = 0; i < n; i++)
		id->server_uuid[i] = p[i] >= 'A' && p[i] <= 'F' ? (char)(p[i] + 32) : p[i];
	id->server_uuid[n] = '\0';
	snprintf(id->server_from, sizeof(id->server_from), "%s", from);
	return true;
}

static bool take_text(struct identity *id, const char *text, const char *from)
{
	return text && take(id, text, strlen(text), from);
}

/* ---- the places ---- */

static json_t *parse(const struct buf *text)
{
	json_t *root = NULL;

	if (!text->data || json_parse(text->data, text->len, &json_limits_default, &root, NULL) < 0)
		return NULL;
	return root;
}

/* Heat's inputs of one deployment, of which one is the server it is for. */
static bool take_deployment(struct identity *id, const json_t *deployment)
{
	const json_t *inputs = json_object_get(deployment, "inputs"), *one;
	size_t at;

	json_array_foreach(inputs, at, one)
		if (text_equal(json_str(one, "name"), "deploy_server_id"))
			return take_text(id, json_str(one, "value"), "cfn-init-data");
	return false;
}

static bool from_cfn_init_data(const struct reader *r, struct identity *id, struct buf *scratch)
{
	_cleanup_json_ json_t *root = NULL;
	const json_t *one;
	size_t at;

	if (read_privpath(r, PRIVPATH_CFN_INIT_DATA, scratch) < 0)
		return false;
	root = parse(scratch);
	json_array_foreach(json_object_get(root, "deployments"), at, one)
		if (take_deployment(id, one))
			return true;
	return false;
}

static bool from_config_drive(const struct reader *r, struct identity *id, struct buf *scratch)
{
	for (size_t i = 0; i < ARRAY_SIZE(config_drives); i++) {
		_cleanup_json_ json_t *root = NULL;

		if (read_path(r, config_drives[i], scratch) < 0)
			continue;
		root = parse(scratch);
		if (root && take_text(id, json_str(root, "uuid"), "config-drive"))
			return true;
	}
	return false;
}

static bool from_nova_meta(const struct reader *r, struct identity *id, struct buf *scratch)
{
	_cleanup_json_ json_t *root = NULL;

	if (read_privpath(r, PRIVPATH_NOVA_META, scratch) < 0)
		return false;
	root = parse(scratch);
	return root && take_text(id, json_str(root, "uuid"), "nova-meta");
}

static bool dmi_says_openstack(const struct reader *r, struct buf *scratch)
{
	static const char *const rows[] = {"/sys/class/dmi/id/sys_vendor",
					   "/sys/class/dmi/id/product_name",
					   "/sys/class/dmi/id/chassis_asset_tag"};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (read_path(r, rows[i], scratch) == 0 &&
		    strcasestr(buf_str(scratch), "openstack"))
			return true;
	return false;
}

/* On other clouds product_uuid is the hypervisor's number, not the server's. */
static bool from_dmi(const struct reader *r, struct identity *id, struct buf *scratch)
{
	if (!id->openstack || read_privpath(r, PRIVPATH_PRODUCT_UUID, scratch) < 0)
		return false;
	return take(id, buf_str(scratch), scratch->len, "dmi");
}

static bool from_cloud_init(const struct reader *r, struct identity *id, struct buf *scratch)
{
	_cleanup_json_ json_t *root = NULL;
	const json_t *v1;

	if (read_privpath(r, PRIVPATH_INSTANCE_ID, scratch) == 0 &&
	    take(id, buf_str(scratch), scratch->len, "cloud-init"))
		return true;
	if (read_path(r, INSTANCE_DATA, scratch) < 0)
		return false;
	root = parse(scratch);
	v1 = root ? json_obj(root, "v1") : NULL;
	return v1 && text_equal(json_str(v1, "cloud_name"), "openstack") &&
	       take_text(id, json_str(v1, "instance_id"), "cloud-init");
}

static bool from_machine_id(const struct reader *r, struct identity *id, struct buf *scratch)
{
	char text[37];
	const char *p;
	size_t n;

	if (read_path(r, "/etc/machine-id", scratch) < 0)
		return false;
	p = buf_str(scratch);
	n = scratch->len;
	text_trim(&p, &n);
	if (n != 32)
		return false;
	snprintf(text, sizeof(text), "%.8s-%.4s-%.4s-%.4s-%.12s", p, p + 8, p + 12, p + 16, p + 20);
	return take(id, text, 36, "machine-id");
}

static bool from_random(const struct reader *r _unused_, struct identity *id, struct buf *scratch)
{
	unsigned char bytes[16];
	char text[37];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		memset(bytes, 0x5a, sizeof(bytes)); /* before the pool is ready; "random" says it is
						       no identity */
	buf_reset(scratch);
	text_hex(scratch, bytes, sizeof(bytes));
	snprintf(text, sizeof(text), "%.8s-%.4s-4%.3s-a%.3s-%.12s", buf_str(scratch),
		 buf_str(scratch) + 8, buf_str(scratch) + 13, buf_str(scratch) + 17,
		 buf_str(scratch) + 20);
	return take(id, text, 36, "random");
}

/* ---- what nova says of the server beside its UUID ---- */

/* Names are the cloud's users' choice: what could not be printed is not taken. */
static void take_detail(const json_t *meta, const char *key, char *out, size_t cap)
{
	const char *text = json_str(meta, key);
	size_t n = text ? strlen(text) : 0;

	if (out[0] || !n || n >= cap || text_utf8_valid(text, n) != n)
		return;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return;
	memcpy(out, text, n + 1);
}

static bool copy_new(char *out, const char *text, size_t cap)
{
	size_t n = strlen(text);

	if (out[0] || !n || n >= cap)
		return false;
	memcpy(out, text, n + 1);
	return true;
}

/* One line: address, number, prefix length, scope, flags, name. */
static bool link_of_line(const char *line, char name[static IDENTITY_LINK_SIZE])
{
	const char *p;
	size_t pos = 0, n;
	bool near = false;

	for (unsigned field = 0; text_list_next(line, ' ', &pos, &p, &n); field++) {
		if (field == IF_INET6_SCOPE)
			near = n == strlen(IF_INET6_LINK) && memcmp(p, IF_INET6_LINK, n) == 0;
		else if (field == IF_INET6_NAME && near && n < IDENTITY_LINK_SIZE)
			return snprintf(name, IDENTITY_LINK_SIZE, "%.*s", (int)n, p) > 0;
	}
	return false;
}

bool identity_link(const char *text, unsigned which, char name[static IDENTITY_LINK_SIZE])
{
	const char *p;
	size_t pos = 0, n;

	while (text_list_next(text, '\n', &pos, &p, &n)) {
		char line[80];

		snprintf(line, sizeof(line), "%.*s", (int)n, p);
		if (link_of_line(line, name) && which-- == 0)
			return true;
	}
	return false;
}

bool identity_fill(struct identity *id, const struct identity *said)
{
	bool fresh = false;

	/* a copy left in an image speaks of another server */
	if (strcmp(id->server_uuid, said->server_uuid) != 0)
		return false;
	fresh |= copy_new(id->name, said->name, sizeof(id->name));
	fresh |= copy_new(id->project_id, said->project_id, sizeof(id->project_id));
	fresh |= copy_new(id->zone, said->zone, sizeof(id->zone));
	if (fresh)
		copy_new(id->details_from, said->details_from, sizeof(id->details_from));
	return fresh;
}

static void take_details(struct identity *id, const json_t *meta, const char *zone_key)
{
	take_detail(meta, "name", id->name, sizeof(id->name));
	take_detail(meta, "project_id", id->project_id, sizeof(id->project_id));
	take_detail(meta, zone_key, id->zone, sizeof(id->zone));
}

int identity_parse(const char *p, size_t n, const char *from, struct identity *ret)
{
	_cleanup_json_ json_t *root = NULL;
	const json_t *ds, *meta;

	*ret = (struct identity){0};
	if (json_parse(p, n, &json_limits_default, &root, NULL) < 0)
		return -EINVAL;
	ds = json_obj(root, "ds");
	meta = ds ? json_obj(ds, "meta_data") : NULL;
	meta = meta ? meta : root; /* cloud-init's form, else nova's own */
	if (!take_text(ret, json_str(meta, "uuid"), from))
		return -EINVAL;
	take_details(ret, meta, "availability_zone");
	snprintf(ret->details_from, sizeof(ret->details_from), "%s", from);
	return 0;
}

static void details_of_file(const struct buf *text, const char *from, struct identity *id)
{
	struct identity said;

	if (text->data && identity_parse(text->data, text->len, from, &said) == 0)
		identity_fill(id, &said);
}

static void read_details(const struct reader *r, struct identity *id, struct buf *scratch)
{
	for (size_t i = 0; i < ARRAY_SIZE(config_drives); i++)
		if (read_path(r, config_drives[i], scratch) == 0)
			details_of_file(scratch, "config-drive", id);
	if (read_privpath(r, PRIVPATH_NOVA_META, scratch) == 0)
		details_of_file(scratch, "nova-meta", id);
	if (read_path(r, INSTANCE_DATA, scratch) == 0)
		details_of_file(scratch, "cloud-init", id);
}

/* ---- from one life to the next ---- */

bool identity_is_weak(const struct identity *id)
{
	return text_equal(id->server_from, "machine-id") || text_equal(id->server_from, "random");
}

bool identity_is_complete(const struct identity *id)
{
	return !identity_is_weak(id) && id->name[0] && id->project_id[0] && id->zone[0];
}

void identity_remember(struct identity *id, const struct identity *old)
{
	if (identity_is_weak(id) && !identity_is_weak(old)) {
		memcpy(id->server_uuid, old->server_uuid, sizeof(id->server_uuid));
		memcpy(id->server_from, old->server_from, sizeof(id->server_from));
	}
	identity_fill(id, old);
}

char *identity_save(const struct identity *id)
{
	_cleanup_json_ json_t *o =
		json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:s}", "v", 1, "server_uuid", id->server_uuid,
			  "server_from", id->server_from, "name", id->name, "project_id",
			  id->project_id, "zone", id->zone, "details_from", id->details_from);

	return o ? json_compact(o) : NULL;
}

int identity_load(const char *p, size_t n, struct identity *ret)
{
	_cleanup_json_ json_t *root = NULL;
	int64_t version = 0;

	*ret = (struct identity){0};
	if (json_parse(p, n, &json_limits_default, &root, NULL) < 0)
		return -EINVAL;
	if (!json_int(root, "v", &version) || version != 1)
		return -EPROTO;
	if (!take_text(ret, json_str(root, "server_uuid"), ""))
		return -EINVAL;
	take_detail(root, "server_from", ret->server_from, sizeof(ret->server_from));
	take_detail(root, "details_from", ret->details_from, sizeof(ret->details_from));
	take_details(ret, root, "zone");
	return 0;
}

/* ---- boot and host ---- */

static void read_boot_id(const struct reader *r, struct identity *id, struct buf *scratch)
{
	const char *p;
	size_t n;

	id->boot_id[0] = '\0';
	if (read_path(r, "/proc/sys/kernel/random/boot_id", scratch) < 0)
		return;
	p = buf_str(scratch);
	n = scratch->len;
	text_trim(&p, &n);
	if (is_uuid(p, n))
		snprintf(id->boot_id, sizeof(id->boot_id), "%.36s", p);
}

static bool is_host_name(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_hex(p[i]) && !(p[i] >= 'g' && p[i] <= 'z') &&
		    !(p[i] >= 'G' && p[i] <= 'Z') && p[i] != '-' && p[i] != '.' && p[i] != '_')
			return false;
	return n > 0 && n < 256;
}

static bool take_host(struct identity *id, const char *p, size_t n)
{
	if (!is_host_name(p, n))
		return false;
	memcpy(id->hostname, p, n);
	id->hostname[n] = '\0';
	return true;
}

static bool is_full_name(const char *p, size_t n, const char *host)
{
	size_t len = strlen(host);

	return n > len + 1 && strncasecmp(p, host, len) == 0 && p[len] == '.';
}

/* The full name as /etc/hosts has it: asking the resolver would block. */
static void look_in_hosts(const struct reader *r, struct identity *id, struct buf *scratch)
{
	const char *line, *end;

	if (read_path(r, "/etc/hosts", scratch) < 0)
		return;
	for (line = buf_str(scratch); *line; line = *end ? end + 1 : end) {
		end = line + strcspn(line, "\n");
		for (const char *p = line; p < end && *p != '#';) {
			size_t n = strcspn(p, " \t\r\n#");

			if (is_full_name(p, n, id->hostname) && take_host(id, p, n))
				return;
			p += n;
			p += strspn(p, " \t\r");
		}
	}
}

static void read_host_name(const struct reader *r, struct identity *id, struct buf *scratch)
{
	static const char *const places[] = {"/proc/sys/kernel/hostname", "/etc/hostname"};

	snprintf(id->hostname, sizeof(id->hostname), "localhost");
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *p;
		size_t n;

		if (read_path(r, places[i], scratch) < 0)
			continue;
		p = buf_str(scratch);
		n = scratch->len;
		text_trim(&p, &n);
		if (take_host(id, p, n))
			break;
	}
	if (!strchr(id->hostname, '.') && strcmp(id->hostname, "localhost") != 0)
		look_in_hosts(r, id, scratch);
}

void identity_read(const struct env *env, int (*open_fd)(int privpath, void *ctx), void *ctx,
		   struct identity *ret)
{
	static bool (*const places[])(const struct reader *, struct identity *, struct buf *) = {
		from_cfn_init_data, from_config_drive, from_nova_meta, from_dmi,
		from_cloud_init,    from_machine_id,   from_random,
	};
	const struct reader reader = {env, open_fd, ctx};
	_cleanup_buf_ struct buf scratch = BUF_INIT(FILE_MAX);

	*ret = (struct identity){0};
	ret->openstack = dmi_says_openstack(&reader, &scratch);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (places[i](&reader, ret, &scratch))
			break;
	read_details(&reader, ret, &scratch);
	read_boot_id(&reader, ret, &scratch);
	read_host_name(&reader, ret, &scratch);
}
