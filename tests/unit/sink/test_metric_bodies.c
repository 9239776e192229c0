/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies that sinks of metrics send: what each receiver demands, and hostile names in all of
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "core/json.h"
#include "core/text.h"
#include "sink/exposition.h"
#include "sink/gnocchi_body.h"
#include "sink/metric_http.h"
#include "sink/monasca_body.h"
#include "sink/otlp_body.h"
#include "sink/remote_write.h"
#include "sink/snappy.h"

#define T0 1767225600000

static const struct metric_labels labels = {.hostname = "web-1",
					    .resource_id = "6f1c0000-0000-4000-8000-000000000001",
					    .zone = "nova",
					    .project_id = "9a7e",
					    .hypervisor = "kvm"};

static struct metric_point point(const char *name, double value, const char *key, const char *dim)
{
	struct metric_point p = {.name = name, .unit = "%", .value = value, .real_ms = T0};

	if (key)
		p.dims[p.n_dims++] = (struct metric_dim){key, dim};
	p.key = metric_series_key(&p);
	return p;
}

static json_t *monasca(const struct metric_point *p, size_t n)
{
	struct buf b = BUF_INIT(1u << 20);
	json_t *j = NULL;
	struct err e;

	assert_int_equal(monasca_body(p, n, &labels, &b), 0);
	assert_int_equal(json_parse(b.data, b.len, &json_limits_default, &j, &e), 0);
	buf_deinit(&b);
	return j;
}

static const char *dim_of(const json_t *list, size_t i, const char *key)
{
	const char *v = json_str(json_obj(json_array_get(list, i), "dimensions"), key);

	return v ? v : "(none)";
}

/* ---- Monasca ---- */

/* Names, integer milliseconds, dimensions as the operator's own agent has them. */
static void test_monasca(void **state)
{
	struct metric_point p[] = {point("mem.usable_perc", 7.5, NULL, NULL),
				   point("mem.free_gb", 2, NULL, NULL),
				   point("disk.space_used_perc", 90, "mount_point", "/srv")};
	_cleanup_json_ json_t *j = monasca(p, 3);
	const json_t *first = json_array_get(j, 0);
	int64_t ms;

	(void)state;
	assert_int_equal(json_array_size(j), 3);
	assert_string_equal(json_str(first, "name"), "mem.usable_perc");
	assert_true(json_int(first, "timestamp", &ms) && ms == T0);
	assert_true(json_real_value(json_object_get(first, "value")) == 7.5);
	assert_string_equal(dim_of(j, 0, "hostname"), "web-1");
	assert_string_equal(dim_of(j, 0, "service"), "guest");
	assert_string_equal(dim_of(j, 0, "source"), "(none)");
	assert_string_equal(dim_of(j, 1, "service"), "compute");
	assert_string_equal(dim_of(j, 1, "source"),
			    "guest"); /* no series in common with the host's agent */
	assert_string_equal(json_str(json_obj(json_array_get(j, 1), "value_meta"), "hypervisor"),
			    "kvm");
	assert_null(json_object_get(first, "value_meta"));
	assert_string_equal(dim_of(j, 2, "mount_point"), "/srv");
}

/* Every character that its validator, its query syntax or its storage cannot take is replaced or
 * gone; lengths count code points; a dimension of which nothing is left is left out, as is one of
 * the server's own kind. */
static void test_monasca_hostile(void **state)
{
	char longest[2000] = "", *at = longest;
	struct metric_point p[] = {
		point("a<b>c=d{e}f,g\"h\\i;j&k(l)m n", 1, "k:e,y", "v<>={},\"\\;&|w\nx\ty\x7fz"),
		point("x", 1, "device", "\xff\xc3\xa9\xc3"),
		point("x", 1, "device", "\n\n"),
		point("x", 1, "__mine", "v"),
		point("x", 1, "device", longest),
	};
	_cleanup_json_ json_t *j = NULL;

	(void)state;
	for (int i = 0; i < 300; i++)
		at += sprintf(at, "\xc3\xa9");
	j = monasca(p, 5);
	assert_string_equal(json_str(json_array_get(j, 0), "name"), "a_b_c_d_e_f_g_h_i_j_k_l_m_n");
	assert_string_equal(dim_of(j, 0, "k_e_y"), "v___________wxyz");
	assert_string_equal(dim_of(j, 1, "device"), "?\xc3\xa9?");
	assert_string_equal(dim_of(j, 2, "device"), "(none)");
	assert_string_equal(dim_of(j, 3, "mine"), "v");
	assert_int_equal(strlen(dim_of(j, 4, "device")), 2 * 255);
}

/* value_meta counts as the server counts: ASCII-escaped. 339 of these fit, 340 do not. */
static void test_monasca_meta(void **state)
{
	struct buf in = BUF_INIT(1u << 16), out = BUF_INIT(1u << 16);
	_cleanup_json_ json_t *j = NULL;

	(void)state;
	assert_int_equal(monasca_json_length("a\"\\\n\x01\xc3\xa9\xf0\x9f\x98\x80"),
			 2 + 1 + 2 + 2 + 2 + 6 + 6 + 12);
	buf_puts(&in, "{\"k\":\"");
	for (int i = 0; i < 400; i++)
		buf_puts(&in, "\xc3\xa9");
	buf_puts(&in, "\"}");
	monasca_meta(buf_str(&in), &out);
	assert_int_equal(json_parse(out.data, out.len, &json_limits_default, &j, NULL), 0);
	assert_int_equal(strlen(json_str(j, "k")), 2 * 339);
	buf_reset(&out);
	monasca_meta("{\"a\":\"1\",\"n\":5,\"b\":\"two\",\"\":\"x\"}", &out);
	assert_string_equal(buf_str(&out), "{\"a\":\"1\",\"b\":\"two\"}");
	buf_reset(&out);
	monasca_meta("[1]", &out);
	monasca_meta("{}", &out);
	monasca_meta("no JSON", &out);
	assert_int_equal(out.len, 0);
	buf_reset(&in);
	for (int i = 0; i < 20; i++)
		buf_printf(&in, "%s\"key%d\":\"v\"", i ? "," : "{", i);
	buf_puts(&in, "}");
	monasca_meta(buf_str(&in), &out);
	json_decref(j);
	j = NULL;
	assert_int_equal(json_parse(out.data, out.len, &json_limits_default, &j, NULL), 0);
	assert_int_equal(json_object_size(j), 16);
	buf_deinit(&in);
	buf_deinit(&out);
}

/* ---- snappy, protobuf ---- */

static uint64_t varint(const uint8_t **p)
{
	uint64_t v = 0;

	for (int shift = 0;; shift += 7) {
		v |= (uint64_t)(**p & 0x7f) << shift;
		if (!(*(*p)++ & 0x80))
			return v;
	}
}

/* A decoder written from the format, for literals. */
static size_t unsnappy(const uint8_t *p, size_t n, uint8_t *out)
{
	const uint8_t *end = p + n;
	uint64_t total = varint(&p);
	size_t got = 0;

	while (p < end) {
		size_t len = *p >> 2;

		assert_int_equal(*p++ & 3, 0);
		if (len == 60)
			len = *p++;
		else if (len == 61) {
			len = (size_t)(p[0] | p[1] << 8);
			p += 2;
		}
		memcpy(out + got, p, len + 1);
		got += len + 1;
		p += len + 1;
	}
	assert_int_equal(got, total);
	return got;
}

/* All lengths about the bounds of each kind of tag come back as they were. */
static void test_snappy(void **state)
{
	static const size_t sizes[] = {0,   1,   59,    60,    61,    255,
				       256, 257, 65535, 65536, 65537, 200000};
	static uint8_t in[200000], out[200000];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 31 + i / 251);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct buf b = BUF_INIT(1u << 20);

		assert_int_equal(snappy_literals(in, sizes[i], &b), 0);
		assert_int_equal(unsnappy((const uint8_t *)b.data, b.len, out), sizes[i]);
		assert_memory_equal(in, out, sizes[i]);
		buf_deinit(&b);
	}
}

struct series {
	char labels[16][2][128];
	size_t n_labels, n_samples;
	double values[8];
	int64_t times[8];
};

static const uint8_t *field(const uint8_t *p, unsigned want, size_t *len)
{
	assert_int_equal(varint(&p), want << 3 | 2);
	*len = (size_t)varint(&p);
	return p;
}

static void read_sample(const uint8_t *p, struct series *s)
{
	assert_int_equal(varint(&p), 1 << 3 | 1);
	memcpy(&s->values[s->n_samples], p, 8);
	p += 8;
	assert_int_equal(varint(&p), 2 << 3 | 0);
	s->times[s->n_samples++] = (int64_t)varint(&p);
}

static void read_series(const uint8_t *p, size_t n, struct series *s)
{
	const uint8_t *end = p + n;

	memset(s, 0, sizeof(*s));
	while (p < end) {
		unsigned tag = *p >> 3;
		size_t len, part;
		const uint8_t *in = field(p, tag, &len), *q = in;

		p = in + len;
		if (tag == 2) {
			read_sample(in, s);
			continue;
		}
		for (unsigned i = 0; i < 2; i++) {
			q = field(q, i + 1, &part);
			snprintf(s->labels[s->n_labels][i], 128, "%.*s", (int)part,
				 (const char *)q);
			q += part;
		}
		s->n_labels++;
	}
}

static const char *label(const struct series *s, const char *name)
{
	for (size_t i = 0; i < s->n_labels; i++)
		if (strcmp(s->labels[i][0], name) == 0)
			return s->labels[i][1];
	return "(none)";
}

/* Labels sorted, the name first, none empty, none twice; samples of a series together, oldest
 * first, each time once; node_exporter's names and units where it has the value. */
static void test_remote_write(void **state)
{
	struct metric_point p[] = {point("mem.usable_mb", 2, NULL, NULL),
				   point("guest.fs.readonly", 1, "mount_point", "/s"),
				   point("mem.usable_mb", 1, NULL, NULL),
				   point("mem.usable_mb", 1, NULL, NULL),
				   point("guest.health.score", 40, "instance", "forged")};
	struct buf b = BUF_INIT(1u << 20);
	struct series s;
	const uint8_t *at, *end;
	unsigned seen = 0;

	(void)state;
	p[2].real_ms -= 1000;
	p[3].real_ms -= 1000;
	assert_int_equal(remote_write_body(p, 5, &labels, &b), 0);
	for (at = (const uint8_t *)b.data, end = at + b.len; at < end;) {
		size_t len;

		at = field(at, 1, &len);
		read_series(at, len, &s);
		at += len;
		assert_string_equal(s.labels[0][0], "__name__");
		for (size_t i = 1; i < s.n_labels; i++)
			assert_true(strcmp(s.labels[i - 1][0], s.labels[i][0]) < 0);
		assert_string_equal(label(&s, "instance"), "web-1");
		assert_string_equal(label(&s, "project"), "9a7e");
		assert_string_equal(label(&s, "job"), "heat-pulse");
		if (strcmp(label(&s, "__name__"), "node_memory_MemAvailable_bytes") == 0) {
			seen |= 1;
			assert_int_equal(s.n_samples, 2);
			assert_true(s.values[0] == 1048576 && s.values[1] == 2097152);
			assert_true(s.times[0] == T0 - 1000 && s.times[1] == T0);
		} else if (strcmp(label(&s, "__name__"), "node_filesystem_readonly") == 0) {
			seen |= 2;
			assert_string_equal(label(&s, "mountpoint"), "/s");
		} else if (strcmp(label(&s, "__name__"), "guest_health_score") == 0) {
			seen |= 4;
		}
	}
	assert_int_equal(seen, 7);
	buf_deinit(&b);
}

/* ---- the others ---- */

/* One TYPE for each name, its lines together, the newest value alone, names that node_exporter does
 * not have. */
static void test_exposition(void **state)
{
	struct metric_point p[] = {point("disk.space_used_perc", 1, "mount_point", "/a\"\\b\n"),
				   point("cpu.percent", 3, NULL, NULL),
				   point("disk.space_used_perc", 2, "mount_point", "/c"),
				   point("cpu.percent", 4, NULL, NULL),
				   point("guest.agent.wakeups", 5, NULL, NULL)};
	struct buf b = BUF_INIT(1u << 16);

	(void)state;
	p[1].real_ms -= 1;
	p[4].kind = METRIC_COUNTER;
	assert_int_equal(exposition(p, 5, &b), 0);
	assert_non_null(strstr(b.data, "# TYPE guest_cpu_percent gauge\nguest_cpu_percent 4\n"));
	assert_null(strstr(b.data, "guest_cpu_percent 3"));
	assert_non_null(
		strstr(b.data, "guest_disk_space_used_perc{mountpoint=\"/a\\\"\\\\b\"} 1\n"));
	assert_non_null(
		strstr(b.data, "# TYPE guest_agent_wakeups counter\nguest_agent_wakeups 5\n"));
	assert_true(strstr(strstr(b.data, "# TYPE guest_disk") + 1, "# TYPE guest_disk") == NULL);
	buf_deinit(&b);
}

/* Seconds, never milliseconds; own names; no '/' in them; an empty batch for no points. */
static void test_gnocchi(void **state)
{
	struct metric_point p[] = {point("memory.usage", 1, NULL, NULL),
				   point("disk.space_used_perc", 2, "mount_point", "/srv/x"),
				   point("guest.health.score", 3, NULL, NULL),
				   point("memory.usage", 4, NULL, NULL)};
	struct buf b = BUF_INIT(1u << 16);
	_cleanup_json_ json_t *j = NULL;
	const json_t *metrics, *list;

	(void)state;
	p[3].real_ms += 250;
	assert_int_equal(gnocchi_body(p, 4, labels.resource_id, &b), 0);
	assert_int_equal(json_parse(b.data, b.len, &json_limits_default, &j, NULL), 0);
	metrics = json_obj(j, labels.resource_id);
	assert_int_equal(json_object_size(metrics), 3);
	assert_non_null(json_obj(metrics, "guest.disk.space_used_perc@:srv:x"));
	assert_non_null(json_obj(metrics, "guest.health.score"));
	list = json_object_get(json_obj(metrics, "guest.memory.usage"), "measures");
	assert_int_equal(json_array_size(list), 2);
	assert_true(json_real_value(json_object_get(json_array_get(list, 1), "timestamp")) ==
		    1767225600.25);
	buf_reset(&b);
	assert_int_equal(gnocchi_body(NULL, 0, labels.resource_id, &b), 0);
	assert_string_equal(buf_str(&b), "{}");
	buf_reset(&b);
	assert_int_equal(gnocchi_resource(&labels, &b), 0);
	assert_string_equal(
		buf_str(&b),
		"{\"id\":\"6f1c0000-0000-4000-8000-000000000001\",\"project_id\":\"9a7e\"}");
	buf_deinit(&b);
}

/* Published field names, times as text of nanoseconds, percentages as parts of one under their
 * conventional names. */
static void test_otlp(void **state)
{
	struct metric_point p[] = {point("cpu.user_perc", 12.345, NULL, NULL),
				   point("guest.agent.wakeups", 7, NULL, NULL)};
	struct buf b = BUF_INIT(1u << 16);

	(void)state;
	p[1].kind = METRIC_COUNTER;
	assert_int_equal(otlp_body(p, 2, &labels, &b), 0);
	assert_non_null(strstr(
		b.data,
		"{\"name\":\"system.cpu.utilization\",\"unit\":\"1\",\"gauge\":{\"dataPoints\":[{"
		"\"timeUnixNano\":\"1767225600000000000\",\"asDouble\":0.12345,\"attributes\":[{"
		"\"key\":"
		"\"cpu.mode\",\"value\":{\"stringValue\":\"user\"}}]}]}}"));
	assert_non_null(strstr(
		b.data,
		"\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,\"dataPoints\":["));
	assert_non_null(
		strstr(b.data, "{\"key\":\"host.id\",\"value\":{\"stringValue\":\"6f1c0000-"));
	buf_deinit(&b);
}

/* ---- answers ---- */

static const char *error_text(const char *body)
{
	static char out[160];

	metric_error_text(body, strlen(body), out);
	return out;
}

/* The human part of each receiver's errors, without pages of proxies and without control
 * characters. */
static void test_error_text(void **state)
{
	(void)state;
	assert_string_equal(error_text("{\"title\":\"Unprocessable Entity\",\"description\":\"bad "
				       "for metric x\"}"),
			    "bad for metric x");
	assert_string_equal(error_text("{\"code\":400,\"title\":\"Bad "
				       "Request\",\"description\":{\"cause\":\"Unknown "
				       "resources\",\"detail\":[]}}"),
			    "Unknown resources");
	assert_string_equal(error_text("{\"code\":3,\"message\":\"cannot parse\"}"),
			    "cannot parse");
	assert_string_equal(error_text("{\"title\":\"404 Not Found\"}"), "404 Not Found");
	assert_string_equal(error_text("out of bounds\n"), "out of bounds");
	assert_string_equal(error_text("<html>x</html>"), "");
	assert_string_equal(error_text(""), "");
	assert_string_equal(error_text("a\x1b[31mb"), "a\\x1b[31mb");
	assert_int_equal(strlen(error_text("\""
					   "0123456789012345678901234567890123456789012345678901234"
					   "567890123456789012345678901234567890123456789"
					   "0123456789012345678901234567890123456789012345678901234"
					   "567890123456789012345678901234567890123456789\"")),
			 159);
}

/* Which statuses are for good, which are worth another try. */
static void test_judge(void **state)
{
	static const struct {
		long status;
		enum metric_how how;
	} rows[] = {{200, METRIC_TAKEN},   {204, METRIC_TAKEN},     {400, METRIC_REFUSED},
		    {422, METRIC_REFUSED}, {413, METRIC_TOO_LARGE}, {401, METRIC_DENIED},
		    {403, METRIC_DENIED},  {404, METRIC_DENIED},    {405, METRIC_DENIED},
		    {301, METRIC_DENIED},  {408, METRIC_RETRY},     {429, METRIC_RETRY},
		    {500, METRIC_RETRY},   {503, METRIC_RETRY}};
	struct metric_verdict v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct http_answer a = {.status = rows[i].status, .date_s = -1, .retry_after_s = 7};

		metric_judge(&a, &v);
		assert_int_equal(v.how, rows[i].how);
		assert_int_equal(v.retry_after_s, 7);
		assert_true(v.skew_ms == METRIC_SKEW_UNKNOWN);
	}
	metric_judge(
		&(struct http_answer){.failure = HTTP_CONNECT, .date_s = -1, .retry_after_s = -1},
		&v);
	assert_int_equal(v.how, METRIC_RETRY);
	assert_int_equal(metric_skew(&(struct http_answer){
				 .date_s = 1000, .sent_real_ms = 900000, .got_real_ms = 900100}),
			 100450);
	assert_true(metric_skew(&(struct http_answer){
			    .date_s = 1000, .sent_real_ms = 900000, .got_real_ms = 990100}) ==
		    METRIC_SKEW_UNKNOWN);
	assert_true(metric_same_origin("https://a:5/x", "https://a:5/y?z"));
	assert_false(metric_same_origin("https://a:5/x", "https://a:6/x"));
	assert_false(metric_same_origin("https://a/x", "http://a/x"));
	assert_false(metric_same_origin("https://a@b/x", "https://a/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_monasca),      cmocka_unit_test(test_monasca_hostile),
		cmocka_unit_test(test_monasca_meta), cmocka_unit_test(test_snappy),
		cmocka_unit_test(test_remote_write), cmocka_unit_test(test_exposition),
		cmocka_unit_test(test_gnocchi),      cmocka_unit_test(test_otlp),
		cmocka_unit_test(test_error_text),   cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
