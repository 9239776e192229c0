/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every form of a document, error bodies, masking, summaries and settings from any bytes: no crash,
 * no leak, and what was accepted can be saved and read back unchanged.
 */
#include <stdlib.h>
#include <string.h>

#include "metadata/diff.h"
#include "metadata/document.h"
#include "metadata/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tree(const json_t *tree)
{
	_cleanup_json_ json_t *masked = document_mask(tree);
	struct buf out = BUF_INIT(1U << 20);
	struct problems problems = {0};
	struct settings s;

	diff_summary(tree, masked, 5, &out);
	buf_deinit(&out);
	for (int full = 0; full <= 1; full++) {
		if (settings_from_metadata(tree, full, &s, &problems))
			continue;
		if (!full && (s.command || s.runas || s.ca_file))
			abort();
		settings_deinit(&s);
	}
	problems_deinit(&problems);
}

static void check_document(struct document *doc)
{
	_cleanup_free_ char *text = document_save(doc);
	struct document back;

	if (!text || document_load(text, strlen(text), &back, NULL))
		abort();
	if (diff_value(doc->metadata, back.metadata) != CHANGE_NONE ||
	    doc->in_progress != back.in_progress)
		abort();
	check_tree(doc->metadata);
	document_deinit(&back);
	document_deinit(doc);
}

static void check_error(const char *p, size_t n)
{
	struct buf code = BUF_INIT(4096), message = BUF_INIT(4096);

	document_cfn_error(p, n, &code, &message);
	if (buf_error(&code) || buf_error(&message) || strpbrk(buf_str(&message), "\n\033"))
		abort();
	buf_deinit(&code);
	buf_deinit(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct document doc;
	struct err e = ERR_INIT;

	if (!document_from_cfn(p, size, &doc, &e))
		check_document(&doc);
	if (!document_from_heat(p, size, &doc, &e))
		check_document(&doc);
	if (!document_from_file(p, size, "local", &doc, &e))
		check_document(&doc);
	if (!document_load(p, size, &doc, &e))
		document_deinit(&doc);
	check_error(p, size);
	return 0;
}
