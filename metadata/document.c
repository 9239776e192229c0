/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the bytes of an answer or a state file to a struct document and back. Knows the shapes that
 * Heat sends and nothing of transports, time or files. Every text passes core/json's bounded scan
 * before jansson sees it.
 */
#include "metadata/document.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "metadata/source.h"

#define YEAR_10000_S 253402300800.0

/* What document_save() adds around a document that was within the limits when it came. */
static const struct json_limits saved_limits = {
	.text_bytes = 16U << 20, .depth = 66, .values = 65536 + 64, .tree_bytes = 17U << 20};

static int parse(const char *p, size_t n, const struct json_limits *limits, const char *what,
		 json_t **ret, struct err *e)
{
	int r = json_parse(p, n, limits, ret, e);

	if (r < 0)
		err_prefix(e, "%s", what);
	return r == -EINVAL ? -EBADMSG : r;
}

/* A member that is text or a number, as text. Absent, null or anything else: NULL. */
static int take_text(const json_t *object, const char *key, char **ret)
{
	const json_t *v = json_object_get(object, key);

	*ret = NULL;
	if (json_is_string(v))
		*ret = strdup(json_string_value(v));
	else if (json_is_number(v))
		*ret = json_dumps(v, JSON_ENCODE_ANY);
	else
		return 0;
	return *ret ? 0 : -ENOMEM;
}

/* Seconds, as the other cloud sends them, become the form that Heat sends and hooks are promised. */
static int take_time(const json_t *object, const char *key, char **ret)
{
	const json_t *v = json_object_get(object, key);
	char iso[24];

	if (!json_is_number(v) || json_number_value(v) < 0 || json_number_value(v) >= YEAR_10000_S)
		return take_text(object, key, ret);
	clock_iso((int64_t)json_number_value(v), iso);
	*ret = strdup(iso);
	return *ret ? 0 : -ENOMEM;
}

static bool status_in_progress(const char *status)
{
	static const char tail[] = "_IN_PROGRESS";
	size_t n = status ? strlen(status) : 0;

	return n >= sizeof(tail) - 1 && !strcmp(status + n - (sizeof(tail) - 1), tail);
}

/* Metadata as it came: object, JSON text of an object, or one of the ways to say that there is
 * none. */
static int take_metadata(json_t *v, struct document *doc, struct err *e)
{
	const char *text = json_string_value(v);
	int r;

	if (!v || json_is_null(v) || (text && !*text))
		return 0;
	if (text) {
		r = parse(text, json_string_length(v), &json_limits_default, "Metadata",
			  &doc->metadata, e);
		if (r < 0)
			return r;
	} else {
		doc->metadata = json_incref(v);
	}
	if (json_is_null(doc->metadata)) {
		json_decref(doc->metadata);
		doc->metadata = NULL;
	}
	if (doc->metadata && !json_is_object(doc->metadata))
		return err_set(e, -EBADMSG, "the metadata are not a JSON object");
	return 0;
}

static int finish(int r, struct document *doc, struct document *ret, struct err *e)
{
	if (r == -ENOMEM)
		err_set(e, r, "no memory for a document");
	if (r) {
		document_deinit(doc);
		return r;
	}
	doc->in_progress = status_in_progress(doc->status);
	*ret = *doc;
	return 0;
}

static int take_detail(json_t *detail, struct document *doc, struct err *e)
{
	const struct {
		const char *key;
		char **to;
	} texts[] = {
		{"StackName", &doc->stack},
		{"StackId", &doc->stack_id},
		{"LogicalResourceId", &doc->resource},
		{"PhysicalResourceId", &doc->physical_id},
		{"ResourceStatus", &doc->status},
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (take_text(detail, texts[i].key, texts[i].to) < 0)
			return -ENOMEM;
	}
	if (take_time(detail, "LastUpdatedTimestamp", &doc->updated) < 0)
		return -ENOMEM;
	return take_metadata(json_object_get(detail, "Metadata"), doc, e);
}

int document_from_cfn(const char *p, size_t n, struct document *ret, struct err *e)
{
	_cleanup_json_ json_t *root = NULL;
	struct document doc = {.source = "cfn"};
	json_t *detail;
	int r;

	*ret = (struct document){0};
	r = parse(p, n, &json_limits_default, "answer", &root, e);
	if (r < 0)
		return r;
	if (json_is_string(root)) {
		struct buf code = BUF_INIT(8), text = BUF_INIT(256);

		document_cfn_error(p, n, &code, &text);
		err_set(e, 1, "%s", buf_str(&text));
		buf_deinit(&code);
		buf_deinit(&text);
		return 1;
	}
	detail = json_obj(root, "DescribeStackResourceResponse");
	detail = json_obj(detail, "DescribeStackResourceResult");
	detail = json_obj(detail, "StackResourceDetail");
	if (!detail)
		return err_set(
			e, -EBADMSG,
			"answer: no DescribeStackResourceResponse.DescribeStackResourceResult."
			"StackResourceDetail in it");
	return finish(take_detail(detail, &doc, e), &doc, ret, e);
}

int document_from_heat(const char *p, size_t n, struct document *ret, struct err *e)
{
	_cleanup_json_ json_t *root = NULL;
	struct document doc = {.source = "heat"};
	json_t *metadata;
	int r;

	*ret = (struct document){0};
	r = parse(p, n, &json_limits_default, "answer", &root, e);
	if (r < 0)
		return r;
	metadata = json_object_get(root, "metadata");
	if (!metadata)
		return err_set(e, -EBADMSG, "answer: no member metadata in it");
	return finish(take_metadata(metadata, &doc, e), &doc, ret, e);
}

/* The tree itself, as documents of sources that wrap nothing around it. */
static int from_tree(json_t *tree, const char *source, const char *resource, struct document *ret,
		     struct err *e)
{
	struct document doc = {.source = source, .metadata = json_incref(tree)};

	return finish(resource && !(doc.resource = strdup(resource)) ? -ENOMEM : 0, &doc, ret, e);
}

int document_from_file(const char *p, size_t n, const char *resource, struct document *ret,
		       struct err *e)
{
	_cleanup_json_ json_t *root = NULL;
	int r;

	*ret = (struct document){0};
	r = parse(p, n, &json_limits_default, "metadata file", &root, e);
	if (r < 0)
		return r;
	if (!json_is_object(root))
		return err_set(e, -EBADMSG, "metadata file: not a JSON object");
	return from_tree(root, "local", resource, ret, e);
}

/* A deployment's inputs name the server and the stack that it is for. */
static const char *deployed_to(const json_t *metadata, const char *name)
{
	const json_t *list = json_object_get(metadata, "deployments");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *inputs = json_object_get(json_array_get(list, i), "inputs");

		for (size_t j = 0; j < json_array_size(inputs); j++) {
			const json_t *input = json_array_get(inputs, j);

			if (text_equal(json_str(input, "name"), name))
				return json_str(input, "value");
		}
	}
	return NULL;
}

int document_from_push(json_t *tree, const char *source, const char *resource, struct document *ret,
		       struct err *e)
{
	const char *server, *stack;
	int r;

	*ret = (struct document){0};
	if (!json_is_object(tree))
		return err_set(e, -EBADMSG, "the metadata are not a JSON object");
	r = from_tree(tree, source, resource, ret, e);
	if (r)
		return r;
	server = deployed_to(tree, "deploy_server_id");
	stack = deployed_to(tree, "deploy_stack_id");
	if ((server && !(ret->physical_id = strdup(server))) ||
	    (stack && !(ret->stack_id = strdup(stack))) ||
	    (stack && !(ret->stack = strndup(stack, strcspn(stack, "/"))))) {
		document_deinit(ret);
		return err_set(e, -ENOMEM, "no memory for a document");
	}
	return 0;
}

/* Sets a text member unless it is absent. */
static int put_text(json_t *object, const char *key, const char *text)
{
	return text ? json_object_set_new(object, key, json_string(text)) : 0;
}

char *document_save(const struct document *doc)
{
	_cleanup_json_ json_t *root = json_pack("{s:i}", "v", 1);
	int bad = 0;

	bad |= put_text(root, "source", doc->source);
	bad |= put_text(root, "stack", doc->stack);
	bad |= put_text(root, "stack_id", doc->stack_id);
	bad |= put_text(root, "resource", doc->resource);
	bad |= put_text(root, "physical_id", doc->physical_id);
	bad |= put_text(root, "status", doc->status);
	bad |= put_text(root, "updated", doc->updated);
	if (doc->metadata)
		bad |= json_object_set(root, "metadata", doc->metadata);
	return bad ? NULL : json_dumps(root, JSON_COMPACT);
}

static int take_saved(const json_t *root, struct document *doc, struct err *e)
{
	const struct {
		const char *key;
		char **to;
	} texts[] = {
		{"stack", &doc->stack},       {"stack_id", &doc->stack_id},
		{"resource", &doc->resource}, {"physical_id", &doc->physical_id},
		{"status", &doc->status},     {"updated", &doc->updated},
	};

	doc->source = source_name(json_str(root, "source"));
	if (!doc->source)
		return err_set(e, -EBADMSG, "saved document: unknown source");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (take_text(root, texts[i].key, texts[i].to) < 0)
			return -ENOMEM;
	}
	return take_metadata(json_object_get(root, "metadata"), doc, e);
}

int document_load(const char *p, size_t n, struct document *ret, struct err *e)
{
	_cleanup_json_ json_t *root = NULL;
	struct document doc = {0};
	int64_t version = 0;
	int r;

	*ret = (struct document){0};
	r = parse(p, n, &saved_limits, "saved document", &root, e);
	if (r < 0)
		return r;
	if (!json_int(root, "v", &version) || version < 1)
		return err_set(e, -EBADMSG, "saved document: no version");
	if (version > 1)
		return err_set(e, -ENOTSUP,
			       "saved document: version %lld is newer than this program",
			       (long long)version);
	return finish(take_saved(root, &doc, e), &doc, ret, e);
}
