/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue's messages, local inputs, the block that names transports, and what is remembered of them:
 * whatever comes, ids are
 * fit for a URL, the newest is one of the list, and what was accepted reads back the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "metadata/local_inputs.h"
#include "metadata/messages.h"
#include "metadata/transport.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_messages(const char *p, size_t n)
{
	struct messages m;
	struct err e = ERR_INIT;

	if (messages_parse(p, n, &m, &e) < 0) {
		if (m.n || m.body || !e.text[0])
			abort();
		return;
	}
	if (m.n > MESSAGES_MAX || (m.n && m.newest >= m.n))
		abort();
	for (size_t i = 0; i < m.n; i++) {
		if (!m.list[i].id[0] || strpbrk(m.list[i].id, " ,/?&#%\r\n"))
			abort();
	}
	messages_deinit(&m);
}

static void check_block(const char *p, size_t n)
{
	_cleanup_json_ json_t *block = NULL;
	struct credentials_set set = {0}, back = {0};
	struct err e = ERR_INIT;

	if (json_parse(p, n, &json_limits_default, &block, &e) < 0)
		return;
	if (credentials_from_block(block, "fuzz", &set, &e) == 0) {
		_cleanup_free_ char *text = transport_save(&set, "seed");

		if (!text || transport_load(text, strlen(text), "seed", &back, &e) != 0)
			abort();
		if (!credentials_equal(&set.cfn, &back.cfn) || !credentials_equal(&set.heat, &back.heat))
			abort();
	}
	credentials_set_deinit(&set);
	credentials_set_deinit(&back);
}

/* Merged twice is merged once. */
static void check_merge(const char *p, size_t n)
{
	_cleanup_json_ json_t *tree = json_object();
	struct err e = ERR_INIT;

	if (!tree || local_merge_text(tree, p, n, "fuzz", &e) < 0)
		return;
	_cleanup_free_ char *once = json_compact(tree);
	if (local_merge_text(tree, p, n, "fuzz", &e) < 0)
		abort();
	_cleanup_free_ char *twice = json_compact(tree);
	if (once && twice && strcmp(once, twice) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct credentials_set set = {0};
	struct err e = ERR_INIT;

	check_messages(p, size);
	check_block(p, size);
	check_merge(p, size);
	if (transport_load(p, size, "seed", &set, &e) < 0 && set.cfn.kind != CREDENTIALS_NONE)
		abort();
	credentials_set_deinit(&set);
	return 0;
}
