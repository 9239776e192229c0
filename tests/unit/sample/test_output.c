/* SPDX-License-Identifier: Apache-2.0 */
/* The metric table, the sample's container and every form a sample leaves in. */
#include "fixture.h"

#include <jansson.h>
#include <math.h>

#include "core/buf.h"
#include "sample/sample.h"

/* Every row says what it is; names are unique in Monasca's spelling and in Prometheus', and legal
 * in both. */
static void rows_are_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const struct metric_info *m = &metric_infos[i];

		assert_true(m->name[0] && m->unit[0] && m->source[0] && m->prediction[0]);
		assert_true(strlen(m->meaning) >= 10);
		assert_true(strlen(m->name) <= 255);
		assert_int_equal(strspn(m->name, "abcdefghijklmnopqrstuvwxyz0123456789._"),
				 strlen(m->name));
		assert_true(m->name[0] >= 'a' && m->name[0] <= 'z');
		assert_null(strpbrk(m->meaning, "\n\\"));
		assert_non_null(strstr("level exhaustion event -", m->prediction));
		for (size_t k = 0; k < i; k++) {
			char a[256], b[256];

			snprintf(a, sizeof(a), "%s", m->name);
			snprintf(b, sizeof(b), "%s", metric_infos[k].name);
			for (char *c = a; *c; c++)
				*c = *c == '.' ? '_' : *c;
			for (char *c = b; *c; c++)
				*c = *c == '.' ? '_' : *c;
			assert_string_not_equal(a, b);
		}
	}
}

/* The reference has a line for each row and no more. */
static void reference_lists_every_row(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(1 << 20);
	size_t lines = 0;

	(void)state;
	assert_int_equal(metrics_write_reference(&b), 0);
	for (const char *p = buf_str(&b); *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, METRIC_COUNT + 2);
	assert_non_null(strstr(buf_str(&b),
			       "| `mem.usable_perc` | % | gauge | - | /proc/meminfo | level |"));
	assert_non_null(
		strstr(buf_str(&b), "| `disk.space_used_perc` | % | gauge | device,mount_point |"));
}

static struct sample *new_sample(void)
{
	struct sample *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	sample_reset(s, 1000, INT64_C(1767225600123));
	return s;
}

/* Full tables and numbers no sink takes are counted, and write nowhere else. */
static void bounds_are_kept(void **state)
{
	struct sample *s = new_sample();
	char name[200];
	double v;

	(void)state;
	sample_add(s, METRIC_MEM_FREE_MB, -1, NAN);
	sample_add(s, METRIC_MEM_FREE_MB, -1, INFINITY);
	sample_add(s, METRIC_MEM_FREE_MB, 0, 1); /* no such entity */
	sample_add(s, METRIC_COUNT, -1, 1);
	assert_int_equal(s->dropped, 4);
	assert_false(sample_get(s, METRIC_MEM_FREE_MB, &v));
	for (int i = 0; i < SAMPLE_ENTITIES_MAX; i++) {
		snprintf(name, sizeof(name), "p[%d]", i);
		assert_int_equal(sample_entity(s, "process", name, NULL), i);
	}
	assert_int_equal(sample_entity(s, "process", "p[7]", NULL), 7);
	assert_int_equal(sample_entity(s, "process", "one more", NULL), -1);
	for (int i = 0; i < SAMPLE_VALUES_MAX + 5; i++)
		sample_add(s, METRIC_PROCESS_RSS_MB, i % 3, i);
	assert_int_equal(s->n_values, SAMPLE_VALUES_MAX - SAMPLE_OWN_ROOM);
	assert_int_equal(s->dropped, 4 + SAMPLE_OWN_ROOM + 5);
	assert_int_equal(s->no_room, SAMPLE_OWN_ROOM + 5);
	for (int i = 0; i < SAMPLE_OWN_ROOM + 1; i++)
		sample_add(s, METRIC_MEM_FREE_MB, -1, i);
	assert_int_equal(s->n_values, SAMPLE_VALUES_MAX);
	assert_int_equal(s->no_room, SAMPLE_OWN_ROOM + 6);
	assert_true(sample_get_of(s, METRIC_PROCESS_RSS_MB, 2, &v));
	assert_int_equal((int)v, 2);
	free(s);
}

/* Names that do not fit are cut, not inside an escape. */
static void names_are_cut_whole(void **state)
{
	struct sample *s = new_sample();
	char name[200];

	(void)state;
	memset(name, 'a', sizeof(name));
	memcpy(name + 109, "\\x0a",
	       4); /* the field takes 111 characters: the escape would be cut */
	name[199] = '\0';
	assert_int_equal(sample_entity(s, "mount_point", name, "vda"), 0);
	assert_int_equal(strlen(s->entities[0].name), 109);
	assert_int_equal(strspn(s->entities[0].name, "a"), 109);
	free(s);
}

static void escape_table(void **state)
{
	char out[16];

	(void)state;
	assert_int_equal(sample_escape(out, sizeof(out), "a\\\n\xff", 4), 13);
	assert_string_equal(out, "a\\x5c\\x0a\\xff");
	assert_int_equal(sample_escape(out, 5, "\n\n", 2), 4);
	assert_string_equal(out, "\\x0a");
	assert_int_equal(sample_escape(out, 4, "\n", 1), 0);
	assert_string_equal(out, "");
	assert_int_equal(sample_escape(out, 0, "x", 1), 0);
}

/* One sample with everything that could hurt a receiver. */
static struct sample *nasty_sample(void)
{
	struct sample *s = new_sample();
	int root = sample_entity(s, "mount_point", "/", "vda1"),
	    proc = sample_entity(s, "process", "a\"b\\x0a{c=d}[12]", NULL);
	int bare = sample_entity(s, "mount_point", "/srv", "");

	sample_add(s, METRIC_MEM_TOTAL_MB, -1, 2048);
	sample_add(s, METRIC_MEM_USABLE_PERC, -1, 7.5);
	sample_add(s, METRIC_LOAD_1, -1, 1.0 / 3.0);
	sample_add(s, METRIC_DISK_SPACE_USED_PERC, root, 90.1);
	sample_add(s, METRIC_PROCESS_RSS_MB, proc, 1e18);
	sample_add(s, METRIC_KERNEL_OOM_KILL, -1, -0.0);
	sample_add(s, METRIC_DISK_SPACE_USED_PERC, bare, 0.00001);
	return s;
}

static const struct sample_labels labels = {"web\"1\n", "6f1c-\xc3\xa9", NULL};

static char *format(const char *name, const struct sample *s)
{
	const struct sample_format *f = sample_format_find(name);
	struct buf b = BUF_INIT(1 << 20);

	assert_non_null(f);
	assert_int_equal(f->write(s, &labels, &b), 0);
	return buf_take(&b);
}

static void unknown_format_is_null(void **state)
{
	(void)state;
	assert_null(sample_format_find("xml"));
	assert_null(sample_format_find(""));
}

/* One JSON object on one line with the values as they are. */
static void json_parses(void **state)
{
	struct sample *s = nasty_sample();
	char *text = format("json", s);
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *m;

	(void)state;
	assert_non_null(j);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	assert_int_equal(json_integer_value(json_object_get(j, "v")), 1);
	assert_int_equal(json_integer_value(json_object_get(j, "ts_ms")), INT64_C(1767225600123));
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(j, "dimensions"), "hostname")),
		"web\"1?");
	m = json_object_get(j, "metrics");
	assert_int_equal(json_array_size(m), 7);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(m, 0), "value")), 2048);
	assert_true(json_number_value(json_object_get(json_array_get(m, 2), "value")) == 0.333);
	assert_true(json_number_value(json_object_get(json_array_get(m, 4), "value")) == 1e18);
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(json_array_get(m, 3), "dimensions"), "device")),
			    "vda1");
	assert_string_equal(
		json_string_value(json_object_get(
			json_object_get(json_array_get(m, 4), "dimensions"), "process")),
		"a\"b\\x0a{c=d}[12]");
	assert_null(json_object_get(json_object_get(json_array_get(m, 6), "dimensions"), "device"));
	json_decref(j);
	free(text);
	free(s);
}

/* The two gaps of Monasca: memory of a guest under Hyper-V and under libvirt without a balloon goes out
 * under the names of the hypervisor's agent, told apart by a dimension, with the hypervisor as meta. */
static void vm_profile_for_monasca(void **state)
{
	const struct sample_labels who = {.hostname = "web",
					     .resource_id = "3f5a2c0e-1b2c-4d3e-8f90-000000000001",
					     .hypervisor = "hyperv"};
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
	struct sample *s = new_sample();

	(void)state;
	sample_add(s, METRIC_MEM_FREE_GB, -1, 0.25);
	sample_add(s, METRIC_MEM_FREE_MB, -1, 256);
	assert_int_equal(sample_format_find("monasca")->write(s, &who, &out), 0);
	assert_string_equal(
		buf_str(&out),
		"[{\"name\":\"mem.free_gb\",\"dimensions\":{\"hostname\":\"web\",\"resource_id\":"
		"\"3f5a2c0e-1b2c-4d3e-8f90-000000000001\",\"source\":\"guest\"},\"timestamp\":"
		"1767225600123,\"value\":0.25,\"value_meta\":{\"hypervisor\":\"hyperv\"}},"
		"{\"name\":\"mem.free_mb\",\"dimensions\":{\"hostname\":\"web\",\"resource_id\":"
		"\"3f5a2c0e-1b2c-4d3e-8f90-000000000001\",\"source\":\"guest\"},\"timestamp\":"
		"1767225600123,\"value\":256}]\n");
	free(s);
}

/* The rules of the Monasca API by which one bad metric would cost the whole request. */
static void monasca_is_acceptable(void **state)
{
	struct sample *s = nasty_sample();
	char *text = format("monasca", s);
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *m, *value;
	const char *key;
	size_t i;

	(void)state;
	assert_true(json_is_array(j));
	assert_int_equal(json_array_size(j), 7);
	json_array_foreach(j, i, m)
	{
		json_t *dims = json_object_get(m, "dimensions");

		assert_int_equal(json_object_size(m), 4);
		assert_true(json_is_number(json_object_get(m, "value")));
		assert_true(json_is_integer(json_object_get(m, "timestamp")));
		assert_null(
			strpbrk(json_string_value(json_object_get(m, "name")), "<>={},\"\\;&() "));
		assert_string_equal(json_string_value(json_object_get(dims, "source")), "guest");
		assert_string_equal(json_string_value(json_object_get(dims, "hostname")), "web_1?");
		assert_non_null(json_object_get(dims, "resource_id"));
		json_object_foreach(dims, key, value)
		{
			const char *v = json_string_value(value);

			assert_true(v[0] && strlen(v) <= 255 && key[0] != '_');
			assert_null(strpbrk(v, "<>={},\"\\;&|\n"));
		}
	}
	json_decref(j);
	free(text);
	free(s);
}

static bool is_name(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", p[i]) &&
		    !(i && p[i] >= '0' && p[i] <= '9'))
			return false;
	return n > 0;
}

/* {a="b",c="d"} with only \\, \" and \n escaped; returns behind the brace. */
static const char *check_labels(const char *p)
{
	do {
		size_t n = strcspn(++p, "=");

		assert_true(is_name(p, n));
		assert_int_equal(p[n + 1], '"');
		for (p += n + 2; *p != '"'; p++) {
			assert_true((unsigned char)*p >= 0x20);
			if (*p == '\\')
				assert_non_null(strchr("\\\"n", *++p));
		}
		p++;
	} while (*p == ',');
	assert_int_equal(*p, '}');
	return p + 1;
}

static void check_value_line(const char *line, const char *family)
{
	size_t n = strcspn(line, "{ ");
	const char *p = line + n;
	char *end;

	assert_true(is_name(line, n));
	assert_int_equal(strlen(family), n);
	assert_memory_equal(line, family, n);
	if (*p == '{')
		p = check_labels(p);
	assert_int_equal(*p, ' ');
	strtod(p + 1, &end);
	assert_true(end > p + 1 && !*end);
}

/* Text exposition: HELP and TYPE once for each family, its lines together, every line well formed.
 */
static void prometheus_is_well_formed(void **state)
{
	struct sample *s = nasty_sample();
	char *text = format("prometheus", s), family[256] = "", seen[4096] = "|";
	size_t values = 0;

	(void)state;
	for (char *save, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char marked[300];

		if (!strncmp(line, "# HELP ", 7)) {
			snprintf(family, sizeof(family), "%.*s", (int)strcspn(line + 7, " "),
				 line + 7);
			snprintf(marked, sizeof(marked), "|%s|", family);
			assert_null(strstr(seen, marked));
			strncat(seen, marked + 1, sizeof(seen) - strlen(seen) - 1);
		} else if (!strncmp(line, "# TYPE ", 7)) {
			assert_int_equal(strncmp(line + 7, family, strlen(family)), 0);
			assert_true(strstr(line, " gauge") || strstr(line, " counter"));
		} else {
			check_value_line(line, family);
			values++;
		}
	}
	assert_int_equal(values, 7);
	assert_non_null(strstr(seen, "|guest_kernel_oom_kill|"));
	free(text);
	free(s);
}

/* Text for people: a line for each value, whole numbers without decimals, and zero without a sign.
 */
static void text_has_a_line_each(void **state)
{
	struct sample *s = nasty_sample();
	char *text = format("text", s);
	size_t lines = 0;

	(void)state;
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 7);
	assert_non_null(strstr(text, " 2048 MiB\n"));
	assert_non_null(strstr(text, " 0.333 per CPU\n"));
	assert_non_null(strstr(text, " 90.1 % mount_point=/ device=vda1\n"));
	assert_null(strstr(text, " -0"));
	free(text);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_whole),
		cmocka_unit_test(reference_lists_every_row),
		cmocka_unit_test(bounds_are_kept),
		cmocka_unit_test(names_are_cut_whole),
		cmocka_unit_test(escape_table),
		cmocka_unit_test(unknown_format_is_null),
		cmocka_unit_test(json_parses),
		cmocka_unit_test(monasca_is_acceptable),
		cmocka_unit_test(vm_profile_for_monasca),
		cmocka_unit_test(prometheus_is_well_formed),
		cmocka_unit_test(text_has_a_line_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
