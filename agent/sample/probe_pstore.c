/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many last words of earlier kernels there are and what kind, asked of the prober, as only root
 * may look. They stay until somebody removes them, so the number alone says little; whether they
 * are of the boot before this one is decided with the mark of lastboot.h.
 */
#include "sample/probe.h"

#include <errno.h>
#include <string.h>

#include "sample/lastboot.h"
#include "sample/prober.h"

struct pstore {
	struct prober *prober;
	bool asked;
	int error;
	struct lastboot_pstore found;
};

static int pstore_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	struct pstore *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(e, -ENOMEM, "no memory");
	p->prober = setup->prober;
	*ret = p;
	return 0;
}

static void on_answer(int status, const struct prober_answer *answer, void *ctx)
{
	struct pstore *p = ctx;

	p->asked = false;
	p->error = status;
	if (!answer)
		return;
	p->found = (struct lastboot_pstore){
		.known = true,
		.records = answer->n[PSTORE_RECORDS],
		.panics = answer->n[PSTORE_PANICS],
		.oopses = answer->n[PSTORE_OOPSES],
		.newest_s = (int64_t)answer->n[PSTORE_NEWEST_S],
	};
}

static int pstore_read(void *state, int64_t now_ms)
{
	struct pstore *p = state;

	(void)now_ms;
	if (p->asked)
		return 0;
	p->error = prober_ask(p->prober, PROBER_PSTORE, "-", on_answer, p);
	p->asked = p->error == 0;
	return 0;
}

static void pstore_report(const void *state, struct sample *out)
{
	const struct pstore *p = state;

	if (p->found.known)
		sample_add(out, METRIC_KERNEL_PSTORE_RECORDS, -1, (double)p->found.records);
}

static bool pstore_busy(const void *state)
{
	return ((const struct pstore *)state)->asked;
}

static void pstore_explain(const void *state, struct problems *problems)
{
	const struct pstore *p = state;

	if (p->error)
		problems_add(problems, PROBLEM_WARN, "probe-pstore",
			     "none needed; how the last boot ended is told without it",
			     "last words of earlier kernels cannot be looked at: %s",
			     strerror(-p->error));
}

bool probe_pstore_found(const void *state, struct lastboot_pstore *ret)
{
	const struct pstore *p = state;

	*ret = p->found;
	/* nobody to ask yet is no answer */
	return p->found.known || (p->error && p->error != -ENOLINK && p->error != -ECONNRESET);
}

const struct probe_ops probe_pstore = {
	.name = "pstore",
	.source = "/sys/fs/pstore",
	.pace = PROBE_RARE,
	.open = pstore_open,
	.read = pstore_read,
	.report = pstore_report,
	.close = free,
	.busy = pstore_busy,
	.explain = pstore_explain,
};
