/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/vmstat: what memory shortage costs. oom_kill came with Linux 4.13; before that it is
 * absent. allocstall was one counter and is one for each zone since 4.10, refaults one
 * and two since 5.9: the sums are reported.
 */
#include "sample/probe.h"

#include <errno.h>

#include "sample/parse.h"

enum key {
	REFAULT_FIRST,
	REFAULT_LAST = REFAULT_FIRST + 2,
	SWAP_IN,
	SWAP_OUT,
	MAJOR_FAULTS,
	STALL_FIRST,
	STALL_LAST = STALL_FIRST + 5,
	OOM_KILL,
	COMPACT_STALL,
	BALLOON_INFLATE,
	BALLOON_DEFLATE,
	KEYS
};
static const char *const key_names[KEYS] = {
	/* in the order of the file */
	[REFAULT_FIRST] = "workingset_refault",
	[REFAULT_FIRST + 1] = "workingset_refault_anon",
	[REFAULT_LAST] = "workingset_refault_file",
	[SWAP_IN] = "pswpin",
	[SWAP_OUT] = "pswpout",
	[STALL_FIRST] = "allocstall_dma",
	[STALL_FIRST + 1] = "allocstall_dma32",
	[STALL_FIRST + 2] = "allocstall_normal",
	[STALL_FIRST + 3] = "allocstall_movable",
	[STALL_FIRST + 4] = "allocstall_device",
	[STALL_LAST] = "allocstall",
	[MAJOR_FAULTS] = "pgmajfault",
	[OOM_KILL] = "oom_kill",
	[COMPACT_STALL] = "compact_stall",
	[BALLOON_INFLATE] = "balloon_inflate",
	[BALLOON_DEFLATE] = "balloon_deflate",
};

enum vm_rate {
	RATE_SWAP_IN,
	RATE_SWAP_OUT,
	RATE_MAJOR_FAULTS,
	RATE_STALLS,
	RATE_REFAULTS,
	RATE_COMPACT,
	RATES
};

struct vmstat {
	struct procfile file;
	uint64_t found, values[KEYS];
	double kib_per_page;
	struct rate rates[RATES];
};

static int vmstat_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_free_ struct vmstat *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return err_set(e, -ENOMEM, "no memory");
	v->kib_per_page = (double)sysconf(_SC_PAGESIZE) / 1024.0;
	err = procfile_open(&v->file, setup, "/proc/vmstat", 32768, false, e);
	if (err)
		return err;
	*ret = take_ptr(v);
	return 0;
}

static void update(struct vmstat *v, enum vm_rate rate, enum key first, enum key last,
		   int64_t now_ms)
{
	uint64_t sum = 0;
	bool any = false;

	for (size_t i = first; i <= last; i++)
		if (v->found >> i & 1) {
			sum += v->values[i];
			any = true;
		}
	if (any)
		rate_update(&v->rates[rate], sum, now_ms);
	else
		rate_absent(&v->rates[rate]);
}

static int vmstat_read(void *state, int64_t now_ms)
{
	const struct parse_keys keys = {key_names, KEYS};
	struct vmstat *v = state;
	int err = procfile_read(&v->file);

	if (err)
		return err;
	v->found = parse_keyed(v->file.text, v->file.len, &keys, v->values);
	update(v, RATE_SWAP_IN, SWAP_IN, SWAP_IN, now_ms);
	update(v, RATE_SWAP_OUT, SWAP_OUT, SWAP_OUT, now_ms);
	update(v, RATE_MAJOR_FAULTS, MAJOR_FAULTS, MAJOR_FAULTS, now_ms);
	update(v, RATE_STALLS, STALL_FIRST, STALL_LAST, now_ms);
	update(v, RATE_REFAULTS, REFAULT_FIRST, REFAULT_LAST, now_ms);
	update(v, RATE_COMPACT, COMPACT_STALL, COMPACT_STALL, now_ms);
	return v->found ? 0 : -EINVAL;
}

/* Pages that virtio's balloon took and gave back since boot; both stay 0 where another kind of
 * balloon is at work, which is no statement. Newer kernels say the size in /proc/meminfo. */
static void report_balloon(const struct vmstat *v, struct sample *out)
{
	const uint64_t both = UINT64_C(3) << BALLOON_INFLATE;
	double known;

	if ((v->found & both) != both || !v->values[BALLOON_INFLATE] ||
	    v->values[BALLOON_INFLATE] < v->values[BALLOON_DEFLATE] ||
	    sample_get(out, METRIC_MEM_BALLOON_MB, &known))
		return;
	sample_add(out, METRIC_MEM_BALLOON_MB, -1,
		   (double)(v->values[BALLOON_INFLATE] - v->values[BALLOON_DEFLATE]) *
			   v->kib_per_page / 1024.0);
}

static void vmstat_report(const void *state, struct sample *out)
{
	const struct vmstat *v = state;
	const struct {
		enum metric metric;
		double factor;
	} rows[RATES] = {
		[RATE_SWAP_IN] = {METRIC_MEM_SWAP_IN, v->kib_per_page},
		[RATE_SWAP_OUT] = {METRIC_MEM_SWAP_OUT, v->kib_per_page},
		[RATE_MAJOR_FAULTS] = {METRIC_MEM_MAJOR_FAULTS, 1},
		[RATE_STALLS] = {METRIC_MEM_ALLOC_STALLS, 1},
		[RATE_REFAULTS] = {METRIC_MEM_REFAULTS, 1},
		[RATE_COMPACT] = {METRIC_MEM_COMPACT_STALLS, 1},
	};

	for (size_t i = 0; i < RATES; i++)
		if (v->rates[i].valid)
			sample_add(out, rows[i].metric, -1, v->rates[i].per_s * rows[i].factor);
	if (v->found >> OOM_KILL & 1)
		sample_add(out, METRIC_KERNEL_OOM_KILL, -1, (double)v->values[OOM_KILL]);
	report_balloon(v, out);
}

static void vmstat_close(void *state)
{
	struct vmstat *v = state;

	procfile_close(&v->file);
	free(v);
}

const struct probe_ops probe_vmstat = {
	.name = "vmstat",
	.source = "/proc/vmstat",
	.pace = PROBE_EACH,
	.open = vmstat_open,
	.read = vmstat_read,
	.report = vmstat_report,
	.close = vmstat_close,
};
