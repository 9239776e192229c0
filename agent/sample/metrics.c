/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metric table as data, and the reference that is made from it. Names, units and meaning are
 * said once, in metrics.def; nothing here knows any metric by name.
 */
#include "sample/sample.h"

#include "core/buf.h"

const char *const metric_kind_names[] = {
	[METRIC_GAUGE] = "gauge",
	[METRIC_RATE] = "rate",
	[METRIC_COUNTER] = "counter",
	[METRIC_STATE] = "state",
};

const struct metric_info metric_infos[METRIC_COUNT] = {
#define METRIC(id, name_, unit_, kind_, dimensions_, source_, prediction_, meaning_)               \
	[METRIC_##id] = {.name = (name_),                                                          \
			 .unit = (unit_),                                                          \
			 .kind = METRIC_##kind_,                                                   \
			 .dimensions = (dimensions_),                                              \
			 .source = (source_),                                                      \
			 .prediction = (prediction_),                                              \
			 .meaning = (meaning_)},
#include "sample/metrics.def"
#undef METRIC
};

bool metric_in_vm_profile(enum metric metric)
{
	static const enum metric profile[] = {
		METRIC_MEM_TOTAL_GB,   METRIC_MEM_FREE_GB,     METRIC_MEM_USED_GB,
		METRIC_MEM_FREE_PERC,  METRIC_MEM_SWAP_USED_GB, METRIC_CPU_TOTAL_CORES,
		METRIC_CPU_USED_CORES, METRIC_CPU_UTILISATION_NORM_PERC,
	};

	for (size_t i = 0; i < ARRAY_SIZE(profile); i++)
		if (profile[i] == metric)
			return true;
	return false;
}

int metrics_write_reference(struct buf *out)
{
	buf_puts(out, "| metric | unit | kind | dimensions | source | prediction | meaning |\n"
		      "|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const struct metric_info *m = &metric_infos[i];

		buf_printf(out, "| `%s` | %s | %s | %s | %s | %s | %s |\n", m->name, m->unit,
			   metric_kind_names[m->kind], m->dimensions[0] ? m->dimensions : "-",
			   m->source, m->prediction, m->meaning);
	}
	return buf_error(out);
}
