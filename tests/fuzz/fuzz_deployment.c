/* SPDX-License-Identifier: Apache-2.0 */
/* A deployment as Heat has it, its note on disk, and what hooks print. */
#include <stdint.h>
#include <string.h>

#include "hooks/deploy/journal.h"
#include "hooks/deploy/result.h"
#include "hooks/deploy/settings.h"

#define ID "3f0700ec-79de-48d9-bbf1-d175605f8de6"

static void fuzz_entry(const char *p, size_t n)
{
	json_t *raw = NULL, *merged;
	struct deployment d;

	if (json_parse(p, n, &json_limits_default, &raw, NULL) < 0)
		return;
	if (deployment_parse(raw, &d, NULL) == 0 && (!deployment_id_valid(d.id) || !deployment_group_valid(d.group)))
		__builtin_trap();
	deployment_deinit(&d);
	merged = json_is_object(raw) ? deployment_settings(raw) : NULL;
	json_decref(merged);
	json_decref(raw);
}

/* What is accepted must be written and read back. */
static void fuzz_note(const char *p, size_t n)
{
	struct deploy_note note, again;
	char *text;

	if (deploy_note_decode(p, n, ID, &note) < 0)
		return;
	text = deploy_note_encode(&note);
	if (!text || deploy_note_decode(text, strlen(text), ID, &again) < 0 || again.phase != note.phase)
		__builtin_trap();
	free(text);
	deploy_note_deinit(&again);
	deploy_note_deinit(&note);
}

/* Whatever a hook prints can be told. */
static void fuzz_result(const char *p, size_t n)
{
	struct deployment_end end = {.out = p, .out_len = n, .err = p, .err_len = n, .end = (enum run_end)(n % 5)};
	json_t *result;
	char *text;

	if (deployment_result(&end, &result) < 0)
		__builtin_trap();
	text = json_compact(result);
	if (!text || strlen(text) > DEPLOYMENT_RESULT_MAX)
		__builtin_trap();
	free(text);
	json_decref(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	fuzz_entry(copy, size);
	fuzz_note(copy, size);
	fuzz_result(copy, size);
	free(copy);
	return 0;
}
