/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where credentials are looked for, in which order, and what is wrong with what was found. Files come as
 * descriptors from whoever may open them; nothing is opened, fetched or written here. The first usable find
 * of each kind wins; later ones are only named. No host is ever assumed: without a configured URL there is no
 * endpoint.
 */
#include "auth/credentials_find.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/http.h"
#include "core/json.h"
#include "core/text.h"

#define FILE_MAX_BYTES (8u << 20)

#define REMEDY_MODE  "chmod 0600 it"
#define REMEDY_HTTPS "use an https URL, or let Heat's own files name the endpoint"
#define REMEDY_FILE  "repair or remove the file"

/* ---- reading ---- */

/* The whole of such a file passed through memory: no copy of its secrets stays there. */
static void secret_text_deinit(struct buf *b)
{
	if (b->data)
		OPENSSL_cleanse(b->data, b->cap);
	buf_deinit(b);
}
#define _cleanup_secret_text_ _cleanup_(secret_text_deinit)

static const char *name_of(const struct finder *f, enum privpath id, char out[static ENV_PATH_MAX])
{
	const char *own = f->conf->cfn_credential_file;
	struct privpath_names names = {f->conf->hooks_conf_dir, own ? own : f->hup_file, f->conf->local_file};

	return privpath_path(id, &names, out);
}

/* Return: a descriptor, or -1: absent, or a problem is noted. */
static int open_file(struct finder *f, enum privpath id, const char *name)
{
	int fd = f->open_fd((int)id, f->ctx);

	if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR)
		problems_add(f->problems, PROBLEM_WARN, "credentials-unreadable",
			     "run as root, or give read access", "%s cannot be opened: %s", name,
			     strerror(-fd));
	return fd < 0 ? -1 : fd;
}

static bool read_open_file(struct finder *f, int fd, const char *name, struct buf *out)
{
	int rc = fs_read_fd(fd, out);

	if (rc < 0)
		problems_add(f->problems, PROBLEM_WARN, "credentials-unreadable", REMEDY_FILE,
			     "%s cannot be read: %s", name, strerror(-rc));
	return rc == 0;
}

static void check_private(struct finder *f, int fd, const char *name)
{
	struct err why = ERR_INIT;

	if (fs_check_private(fd, name, &why) < 0)
		problems_add(f->problems, PROBLEM_WARN, "credentials-mode", REMEDY_MODE, "%s", why.text);
}

/* Reads a whole optional file. @private: it holds secrets and nothing else protects it. */
static bool read_file(struct finder *f, enum privpath id, bool private, struct buf *out,
		      char name[static ENV_PATH_MAX])
{
	_cleanup_close_ int fd = -1;

	name_of(f, id, name);
	fd = open_file(f, id, name);
	if (fd < 0)
		return false;
	if (private)
		check_private(f, fd, name);
	return read_open_file(f, fd, name, out);
}

static bool read_ini(struct finder *f, enum privpath id, bool private, unsigned flags, struct ini *ini,
		     char name[static ENV_PATH_MAX])
{
	_cleanup_secret_text_ struct buf text = BUF_INIT(INI_TEXT_MAX);
	struct err why = ERR_INIT;

	if (!read_file(f, id, private, &text, name))
		return false;
	if (ini_parse(ini, name, buf_str(&text), text.len, flags, &why) == 0)
		return true;
	problems_add(f->problems, PROBLEM_ERROR, "credentials-syntax", REMEDY_FILE, "%s", why.text);
	return false;
}

/* ---- taking over ---- */

/* Plain HTTP is for Heat to choose, not for us: its own files may name it, ours may not (this host excepted).
 */
static bool url_allowed(struct finder *f, const char *url, const char *origin, bool from_heat)
{
	_cleanup_buf_ struct buf shown = BUF_INIT(1024);

	if (!url || !credentials_url_is_far_http(url))
		return true;
	http_url_redact(url, &shown);
	problems_add(f->problems, from_heat ? PROBLEM_WARN : PROBLEM_ERROR, "plain-http",
		     from_heat ? "ask the operator of this cloud for an https endpoint" : REMEDY_HTTPS,
		     from_heat ? "%s: Heat gave %s: metadata and their secrets cross the network in clear"
			       : "%s: %s is not used: plain HTTP only when Heat itself gave it",
		     origin, buf_str(&shown));
	return from_heat;
}

static void note_insecure(struct finder *f, const struct credentials *c)
{
	if (c->insecure)
		problems_add(f->problems, PROBLEM_WARN, "tls-unverified",
			     "remove the setting and trust the right CA",
			     "%s switches certificate checks off", c->origin);
}

/* @found becomes the set's own, or is only named when there is one already. */
void finder_adopt(struct finder *f, struct credentials *to, struct credentials *found, const char *kind,
		  bool from_heat)
{
	if (found->kind == CREDENTIALS_NONE)
		return;
	if (to->kind != CREDENTIALS_NONE) {
		problems_add(f->problems, PROBLEM_OK, "credentials", NULL,
			     "%d. %s credentials in %s: not used, %s comes first", ++f->order, kind,
			     found->origin, to->origin);
	} else if (url_allowed(f, found->metadata_url, found->origin, from_heat) &&
		   url_allowed(f, found->auth_url, found->origin, from_heat)) {
		problems_add(f->problems, PROBLEM_OK, "credentials", NULL, "%d. %s credentials in %s: used",
			     ++f->order, kind, found->origin);
		*to = *found;
		*found = (struct credentials){0};
		note_insecure(f, to);
	}
	credentials_deinit(found);
}

static void adopt_set(struct finder *f, struct credentials_set *found)
{
	finder_adopt(f, &f->set->cfn, &found->cfn, "cfn", true);
	finder_adopt(f, &f->set->heat, &found->heat, "heat", true);
	finder_adopt(f, &f->set->request, &found->request, "request", true);
	finder_adopt(f, &f->set->zaqar, &found->zaqar, "zaqar", true);
	if (!f->set->collectors)
		f->set->collectors = take_ptr(found->collectors);
	credentials_pace(f->set, found);
	credentials_set_deinit(found);
}

static void report_incomplete(struct finder *f, const struct err *why)
{
	if (why->text[0])
		problems_add(f->problems, PROBLEM_WARN, "credentials-incomplete",
			     "see what Heat hands out for this server", "%s", why->text);
}

int finder_copy_all(const struct finder_copy *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!list[i].from || !*list[i].from)
			continue;
		free(*list[i].to);
		*list[i].to = strdup(list[i].from);
		if (!*list[i].to)
			return -ENOMEM;
	}
	return 0;
}

int finder_credential_file(struct finder *f, struct credentials *c, char name[static ENV_PATH_MAX])
{
	_cleanup_secret_text_ struct buf text = BUF_INIT(FILE_MAX_BYTES);
	struct err why = ERR_INIT;
	int rc;

	if (!read_file(f, PRIVPATH_CFN_CREDENTIALS, true, &text, name))
		return 1;
	rc = credentials_parse_file(buf_str(&text), text.len, &c->access_key, &c->secret_key, &why);
	if (rc == 0 || rc == -ENOMEM)
		return rc;
	problems_add(f->problems, PROBLEM_ERROR, "credentials-syntax", REMEDY_FILE, "%s: %s", name, why.text);
	return 1;
}

/* ---- 2. cfn-init-data ---- */

static int take_document(struct finder *f, const json_t *document, const char *name)
{
	struct credentials_set found;
	struct err why = ERR_INIT;
	const char *server = credentials_server_id(document);
	int rc = credentials_from_block(json_object_get(document, "os-collect-config"), name, &found, &why);

	if (rc < 0) {
		credentials_set_deinit(&found);
		return rc;
	}
	report_incomplete(f, &why);
	adopt_set(f, &found);
	if (server && !f->set->physical_id)
		f->set->physical_id = strdup(server);
	return 0;
}

static int find_init_data(struct finder *f)
{
	_cleanup_secret_text_ struct buf text = BUF_INIT(FILE_MAX_BYTES);
	_cleanup_json_ json_t *document = NULL;
	struct err why = ERR_INIT;
	char name[ENV_PATH_MAX];

	if (!read_file(f, PRIVPATH_CFN_INIT_DATA, false, &text, name))
		return 0;
	if (json_parse(buf_str(&text), text.len, &json_limits_default, &document, &why) < 0) {
		problems_add(f->problems, PROBLEM_ERROR, "credentials-syntax", REMEDY_FILE, "%s: %s", name,
			     why.text);
		return 0;
	}
	return take_document(f, document, name);
}

/* cloud-init's part handler leaves a second copy, secrets and all, which anybody may read under the usual
 * umask. */
static void check_copy(struct finder *f)
{
	char name[ENV_PATH_MAX];
	_cleanup_close_ int fd = f->open_fd(PRIVPATH_CLOUD_INIT_DATA, f->ctx);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & S_IROTH))
		problems_add(f->problems, PROBLEM_WARN, "metadata-copy", REMEDY_MODE,
			     "%s is readable by everyone: it holds the metadata with their secrets",
			     name_of(f, PRIVPATH_CLOUD_INIT_DATA, name));
}

/* ---- 3. os-collect-config.conf ---- */

static int find_occ(struct finder *f)
{
	struct credentials_set found;
	struct ini ini = {0};
	struct err why = ERR_INIT;
	char name[ENV_PATH_MAX];
	int rc;

	if (!read_ini(f, PRIVPATH_OCC_CONF, true, 0, &ini, name))
		return 0;
	credentials_occ_problems(&ini, name, f->problems);
	rc = credentials_from_occ(&ini, name, &found, &why);
	ini_deinit(&ini);
	if (rc < 0) {
		credentials_set_deinit(&found);
		return rc;
	}
	report_incomplete(f, &why);
	adopt_set(f, &found);
	return 0;
}

/* ---- 4. cfn-hup's files ---- */

static int url_from_server_file(struct finder *f, char **url)
{
	_cleanup_buf_ struct buf text = BUF_INIT(4096);
	char name[ENV_PATH_MAX];
	int rc;

	if (!read_file(f, PRIVPATH_CFN_METADATA_SERVER, false, &text, name))
		return 1;
	rc = credentials_url(buf_str(&text), text.len, "http", url);
	if (rc == -EINVAL)
		problems_add(f->problems, PROBLEM_ERROR, "credentials-url", REMEDY_FILE,
			     "%s holds no http or https URL", name);
	return rc == -EINVAL ? 1 : rc;
}

/* The endpoint as Heat left it: scheme and port of cfn-metadata-server, else host of cfn-boto-cfg. */
static int find_endpoint(struct finder *f)
{
	_cleanup_free_ char *boto_url = NULL;
	struct ini ini = {0};
	char name[ENV_PATH_MAX];
	int rc = url_from_server_file(f, &f->set->endpoint);

	if (rc < 0)
		return rc;
	if (read_ini(f, PRIVPATH_CFN_BOTO_CFG, false, 0, &ini, name)) {
		rc = credentials_from_boto(&ini, &boto_url, &f->set->endpoint_insecure);
		ini_deinit(&ini);
	}
	if (!f->set->endpoint)
		f->set->endpoint = take_ptr(boto_url);
	return rc < 0 ? rc : 0;
}

static void take_main(struct finder *f, const struct ini *ini, const char *name)
{
	const char *interval = ini_get(ini, "main", "interval"), *stack = ini_get(ini, "main", "stack");

	if (stack && *stack)
		f->set->cfn_hup_stack = strdup(stack);
	else
		problems_add(f->problems, PROBLEM_WARN, "cfn-hup-conf", "name the stack in section [main]",
			     "%s: [main] has no stack", name);
	if (interval && credentials_interval(interval, &f->set->cfn_hup_interval_ms) < 0)
		problems_add(f->problems, PROBLEM_WARN, "cfn-hup-conf",
			     "write minutes, or a duration such as 30s",
			     "%s: interval is neither: it is not used", name);
}

/* Return: 0 found, 1 none. @own: the URL is of cfn-hup.conf itself, not Heat's. */
static int hup_endpoint(struct finder *f, const struct ini *ini, const char *name, struct credentials *c,
			bool *own)
{
	const char *url = ini_get(ini, "main", "url");
	const char *known = f->set->endpoint ? f->set->endpoint : f->set->cfn.metadata_url;
	int rc = 1;

	*own = url && *url;
	c->insecure = f->set->endpoint_insecure;
	if (*own)
		rc = credentials_url(url, strlen(url), "https", &c->metadata_url);
	else if (known)
		rc = (c->metadata_url = strdup(known)) ? 0 : -ENOMEM;
	if (rc == -EINVAL || rc == 1)
		problems_add(
			f->problems, PROBLEM_WARN, "credentials-incomplete",
			"put the URL of the CFN endpoint into /var/lib/heat-cfntools/cfn-metadata-server",
			"%s: no endpoint is configured, so nobody is asked", name);
	return rc == -EINVAL ? 1 : rc;
}

static int take_hup(struct finder *f, const struct ini *ini, const char *name)
{
	_cleanup_(credentials_deinit) struct credentials c = {0};
	char credential_file[ENV_PATH_MAX] = "";
	const struct finder_copy list[] = {{&c.stack, f->set->cfn_hup_stack},
					   {&c.region, ini_get(ini, "main", "region")},
					   {&c.origin, credential_file}};
	bool own = false;
	int rc = finder_credential_file(f, &c, credential_file);

	if (rc == 1 && ini_get(ini, "main", "credential-file"))
		problems_add(f->problems, PROBLEM_WARN, "credentials-incomplete", "make the file, mode 0600",
			     "%s: no usable credential file %s", name, credential_file);
	if (rc == 0)
		rc = hup_endpoint(f, ini, name, &c, &own);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (finder_copy_all(list, ARRAY_SIZE(list)) < 0)
		return -ENOMEM;
	c.kind = CREDENTIALS_EC2;
	c.pinned = true;
	finder_adopt(f, &f->set->cfn, &c, "cfn", !own);
	return 0;
}

static int find_hup(struct finder *f)
{
	struct ini ini = {0};
	char name[ENV_PATH_MAX];
	int rc;

	if (!read_ini(f, PRIVPATH_CFN_HUP_CONF, false, INI_INTERPOLATE | INI_STRICT, &ini, name))
		return 0;
	take_main(f, &ini, name);
	f->hup_file = ini_get(&ini, "main", "credential-file");
	rc = take_hup(f, &ini, name);
	f->hup_file = NULL;
	ini_deinit(&ini);
	return rc;
}

/* ---- all of it ---- */

static void judge_whole(struct finder *f)
{
	const struct credentials_set *set = f->set;
	bool local = f->conf->source == CONF_SOURCE_LOCAL || f->conf->local_file;

	if (set->cfn.kind == CREDENTIALS_NONE && set->heat.kind == CREDENTIALS_NONE &&
	    set->request.kind == CREDENTIALS_NONE && set->zaqar.kind == CREDENTIALS_NONE && !local)
		problems_add(f->problems, PROBLEM_WARN, "credentials-none",
			     "name them in [cfn], [heat] or [tempurl] of heat-pulse.conf, or let "
			     "Heat leave them",
			     "no credentials found: configuration, cfn-init-data, "
			     "os-collect-config.conf and "
			     "cfn-hup.conf were looked at");
	if (set->cfn.kind != CREDENTIALS_NONE && !set->cfn.stack)
		problems_add(f->problems, PROBLEM_ERROR, "credentials-incomplete", "name it in [cfn] stack",
			     "the cfn credentials of %s come without a stack", set->cfn.origin);
	if (set->heat.kind != CREDENTIALS_NONE && !set->heat.stack)
		problems_add(f->problems, PROBLEM_ERROR, "credentials-incomplete",
			     "name it in [heat] stack-id",
			     "the heat credentials of %s come without a stack", set->heat.origin);
}

int credentials_find(const struct conf *conf, credentials_open_fn *open_fd, void *ctx,
		     struct credentials_set *ret, struct problems *problems)
{
	static int (*const steps[])(struct finder *) = {finder_conf,     find_init_data, find_occ,
							find_endpoint, find_hup,       finder_conf_overlay};
	struct finder f = {conf, open_fd, ctx, ret, problems, 0};

	*ret = (struct credentials_set){0};
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int rc = steps[i](&f);

		if (rc < 0) {
			credentials_set_deinit(ret);
			return rc;
		}
	}
	check_copy(&f);
	judge_whole(&f);
	return 0;
}
