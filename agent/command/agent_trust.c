/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What metadata say that only root may, where root-owned configuration trusts them with it
 * (trust-metadata = full). The runner asks its own configuration again before it runs anything.
 */
#include "command/agent.h"

#include "core/log.h"
#include "hooks/protocol.h"

static int name_command(const struct agent *a, const char *resource)
{
	struct msg_writer w;

	msg_writer_init(&w);
	msg_put_str(&w, resource);
	msg_put_str(&w, a->settings.command);
	msg_put_str(&w, a->settings.runas);
	return link_send(a->runner, RUNNER_TRUST, &w, NULL, 0);
}

/* One pass ends before a command of its own documents could be run. */
void agent_trust_apply(const struct agent *a, const struct document *doc)
{
	const char *own = a->conf->ca_file;

	if (a->conf->trust_metadata != CONF_TRUST_FULL)
		return;
	if (http_set_ca_file(a->http, own ? own : a->settings.ca_file))
		log_warn("the authorities that metadata name are not taken over: out of memory");
	if (!a->setup->one_pass && name_command(a, doc->resource))
		log_warn("the command that metadata name cannot be handed to the runner");
}
