/* SPDX-License-Identifier: Apache-2.0 */
/* What a command needs of the world when no agent runs: configuration, credentials, identity,
 * opened with the caller's own rights. */
#include "command/direct.h"

#include <errno.h>
#include <string.h>

#include "core/store.h"
#include "hooks/config.h"

int direct_open(int privpath, void *ctx)
{
	const struct direct *d = ctx;

	return privpath_open(d->env, (enum privpath)privpath, &d->names);
}

static void name_files(struct direct *d)
{
	d->names = (struct privpath_names){
		.hooks_conf_dir = d->conf.hooks_conf_dir,
		.credential_file = d->conf.cfn_credential_file ? d->conf.cfn_credential_file
							       : d->credential_file,
		.local_file = d->conf.local_file,
		.config_drive = d->conf.local_config_drive,
	};
}

/* As the agent does, with the rights of the caller: who may not read the state does without. */
static void remember_identity(struct direct *d)
{
	_cleanup_buf_ struct buf text = BUF_INIT(64u << 10);
	struct err e = ERR_INIT;
	struct identity old;
	char dir[ENV_PATH_MAX];

	if (store_file_read(d->env, env_path(d->env, STORE_DIR, dir), IDENTITY_ENTRY,
			    d->identity.server_uuid, &text, &e) == 0 &&
	    identity_load(text.data, text.len, &old) == 0)
		identity_remember(&d->identity, &old);
}

int direct_init(struct direct *d, const struct env *env, struct err *e)
{
	struct hookset hooks = {0};
	struct problems hook_problems = {0};
	int r;

	*d = (struct direct){.env = env};
	r = conf_load(env, NULL, &d->conf, &d->problems, e);
	if (r)
		return r;
	if (!hookset_load(env, &d->conf, &hooks, &hook_problems) && hooks.credential_file)
		d->credential_file = strdup(hooks.credential_file);
	hookset_deinit(&hooks);
	problems_deinit(&hook_problems);
	name_files(d);
	r = credentials_find(&d->conf, direct_open, d, &d->creds, &d->problems);
	if (r)
		return err_set(e, r, "out of memory while looking for credentials");
	identity_read(env, direct_open, d, &d->identity);
	remember_identity(d);
	return 0;
}

void direct_deinit(struct direct *d)
{
	credentials_set_deinit(&d->creds);
	conf_deinit(&d->conf);
	problems_deinit(&d->problems);
	free(d->credential_file);
	*d = (struct direct){0};
}
