/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways to metadata that documents named, kept across restarts: what files of the boot say is old as soon
 * as Heat has changed the transport. Files that have changed since are newer again.
 */
#include "command/agent.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "metadata/transport.h"

#define READ_WAIT_MS  2000
#define TRANSPORT_MAX (1u << 20)

static void wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_deinit(b);
}

/* Return: as transport_load(); -ENOENT: nothing is remembered. */
static int recall(struct agent *a)
{
	_cleanup_(wipe) struct buf text = BUF_INIT(TRANSPORT_MAX);
	struct err e = ERR_INIT;
	int r;

	if (!a->store_link || store_get_wait(a->store_link, TRANSPORT_ENTRY, READ_WAIT_MS, &text))
		return -ENOENT;
	r = transport_load(buf_str(&text), text.len, a->seed, &a->creds, &e);
	if (r < 0)
		log_warn("what an earlier life knew of ways to the metadata cannot be used: %s", e.text);
	return r;
}

/* Sinks look at a->creds with each signal. */
static void take_live(struct agent *a, const struct credentials_set *creds)
{
	struct credentials_set copy;

	if (creds == &a->creds)
		return;
	if (credentials_set_copy(&copy, creds) < 0) {
		log_warn("signals go on with the credentials of before: out of memory");
		return;
	}
	credentials_set_deinit(&a->creds);
	a->creds = copy;
}

void agent_on_transport(const struct credentials_set *creds, void *ctx)
{
	struct agent *a = ctx;
	char *text = transport_save(creds, a->seed);

	take_live(a, creds);
	if (!text || store_put(a->store, TRANSPORT_ENTRY, text, strlen(text), NULL, NULL))
		log_warn("the way to the metadata is not kept on disk: out of memory");
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

int agent_transport_recall(struct agent *a, bool *newest)
{
	int r = credentials_digest(&a->creds, a->seed);

	*newest = false;
	if (r < 0)
		return r;
	r = recall(a);
	if (r == -ENOMEM)
		return r;
	if (r == 0)
		*newest = true;
	else
		agent_on_transport(&a->creds, a);
	return 0;
}
