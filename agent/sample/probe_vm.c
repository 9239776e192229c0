/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator's agent beside the hypervisor would say of this guest, under the same names
 * (mem.*_gb, cpu.*_cores), from inside: where that agent sees nothing (memory under Hyper-V, or
 * under libvirt without a balloon) these numbers take its place. Also the installed memory, which no
 * balloon changes, and Hyper-V's balloon, which only debugfs tells before Linux 6.16.
 *
 * Different from the host's: mem.swap_used_gb is swap in use now, there it is all that was ever
 * written to swap. The processors' numbers are worked out of those that stand in the sample already.
 */
#include "sample/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sample/dirwalk.h"
#include "sample/hypervisor.h"
#include "sample/parse.h"
#include "sample/parse_value.h"
#include "sample/prober.h"

#define INSTALLED_MS 600000
#define BLOCKS_DIR   "/sys/devices/system/memory"

struct vm {
	const struct env *env;
	struct prober *prober;
	enum hypervisor hypervisor;
	struct procfile online;
	unsigned cores; /* 0: not known */
	bool has_installed;
	uint64_t installed;
	int64_t installed_due_ms;
	bool asked, has_balloon;
	struct prober_answer balloon;
};

static int vm_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	struct vm *v = calloc(1, sizeof(*v));

	if (!v)
		return err_set(e, -ENOMEM, "no memory");
	v->env = setup->env;
	v->prober = setup->prober;
	v->hypervisor = hypervisor_detect(setup->env);
	if (procfile_open(&v->online, setup, "/sys/devices/system/cpu/online", 4096, true,
			  NULL))
		v->online.fd = -1;
	*ret = v;
	return 0;
}

/* ---- installed memory ---- */

static ssize_t read_small(int dir, const char *name, char *to, size_t cap)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : read(fd, to, cap);
}

static bool is_online(int dir, const char *block)
{
	char path[300], state[16];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/state", block);
	n = read_small(dir, path, state, sizeof(state));
	return n >= 6 && !memcmp(state, "online", 6);
}

static void read_installed(struct vm *v)
{
	char full[ENV_PATH_MAX], text[32];
	_cleanup_close_ int dir =
		open(env_path(v->env, BLOCKS_DIR, full), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	ssize_t n = dir < 0 ? -1 : read_small(dir, "block_size_bytes", text, sizeof(text));
	struct dirwalk walk;
	uint64_t block, blocks = 0;
	const char *name;

	v->has_installed = false;
	if (n <= 0 || parse_hex(text, (size_t)n, &block))
		return;
	dirwalk_start(&walk, dir);
	while ((name = dirwalk_next(&walk, true)))
		blocks += !strncmp(name, "memory", 6) && is_online(dir, name);
	v->installed = blocks * block;
	v->has_installed = blocks > 0 && v->installed / blocks == block;
}

/* ---- readings ---- */

static void on_balloon(int status, const struct prober_answer *answer, void *ctx)
{
	struct vm *v = ctx;

	v->asked = false;
	v->has_balloon = !status;
	if (answer)
		v->balloon = *answer;
}

static void ask_balloon(struct vm *v)
{
	if (v->hypervisor != HYPERVISOR_HYPERV || v->asked || !v->prober)
		return;
	v->asked = prober_ask(v->prober, PROBER_HYPERV_BALLOON, "-", on_balloon, v) == 0;
}

static int vm_read(void *state, int64_t now_ms)
{
	struct vm *v = state;

	v->cores = 0;
	if (v->online.fd >= 0 && (procfile_read(&v->online) ||
				  parse_cpu_list(v->online.text, v->online.len, &v->cores)))
		v->cores = 0;
	if (now_ms >= v->installed_due_ms) {
		read_installed(v);
		v->installed_due_ms = now_ms + INSTALLED_MS;
	}
	ask_balloon(v);
	return 0;
}

static void report_cores(const struct vm *v, struct sample *out)
{
	double user, system;

	if (!v->cores)
		return;
	sample_add(out, METRIC_CPU_TOTAL_CORES, -1, v->cores);
	if (!sample_get(out, METRIC_CPU_USER_PERC, &user) ||
	    !sample_get(out, METRIC_CPU_SYSTEM_PERC, &system))
		return;
	sample_add(out, METRIC_CPU_USED_CORES, -1, (user + system) / 100.0 * v->cores);
	sample_add(out, METRIC_CPU_UTILISATION_NORM_PERC, -1, user + system);
}

static void vm_report(const void *state, struct sample *out)
{
	const struct vm *v = state;
	double known;

	report_cores(v, out);
	if (v->has_installed)
		sample_add(out, METRIC_MEM_INSTALLED_MB, -1, (double)(v->installed >> 20));
	if (v->has_balloon && !sample_get(out, METRIC_MEM_BALLOON_MB, &known))
		sample_add(out, METRIC_MEM_BALLOON_MB, -1,
			   (double)(v->balloon.n[HYPERV_BALLOON_BYTES] >> 20));
}

static bool vm_busy(const void *state)
{
	return ((const struct vm *)state)->asked;
}

static void vm_close(void *state)
{
	struct vm *v = state;

	procfile_close(&v->online);
	free(v);
}

const struct probe_ops probe_vm = {
	.name = "vm",
	.source = "/sys/devices/system",
	.pace = PROBE_MINUTE,
	.open = vm_open,
	.read = vm_read,
	.report = vm_report,
	.close = vm_close,
	.busy = vm_busy,
};
