/* SPDX-License-Identifier: Apache-2.0 */
/* See hypervisor.h. */
#include "sample/hypervisor.h"

#include <fcntl.h>
#include <string.h>

#include "sample/dirwalk.h"

const char *const hypervisor_names[HYPERVISORS] = {
	[HYPERVISOR_UNKNOWN] = "unknown", [HYPERVISOR_NONE] = "none",
	[HYPERVISOR_KVM] = "kvm",	  [HYPERVISOR_QEMU] = "qemu",
	[HYPERVISOR_HYPERV] = "hyperv",	  [HYPERVISOR_VMWARE] = "vmware",
	[HYPERVISOR_XEN] = "xen",	  [HYPERVISOR_OTHER] = "other",
};

/* HYPERVISOR_UNKNOWN: the machine is one that several make; the processor decides. */
static const struct {
	const char *vendor, *product; /* beginnings; "" = any */
	enum hypervisor hypervisor;
} machines[] = {
	{"Microsoft Corporation", "Virtual Machine", HYPERVISOR_HYPERV},
	{"VMware", "", HYPERVISOR_VMWARE},
	{"Xen", "", HYPERVISOR_XEN},
	{"innotek GmbH", "", HYPERVISOR_OTHER},
	{"Parallels", "", HYPERVISOR_OTHER},
};

static const struct {
	const char *signature;
	enum hypervisor hypervisor;
} signatures[] = {
	{"KVMKVMKVM", HYPERVISOR_KVM},	     {"Linux KVM Hv", HYPERVISOR_KVM},
	{"TCGTCGTCGTCG", HYPERVISOR_QEMU},   {"VMwareVMware", HYPERVISOR_VMWARE},
	{"XenVMMXenVMM", HYPERVISOR_XEN},
};

static bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool is_qemu_machine(const struct hypervisor_facts *f)
{
	return starts(f->vendor, "QEMU") || starts(f->vendor, "OpenStack") ||
	       starts(f->product, "OpenStack") || starts(f->product, "KVM") ||
	       starts(f->product, "Standard PC");
}

/* KVM may show Hyper-V's signature, Hyper-V never QEMU's machine. */
static enum hypervisor judge_microsoft(const struct hypervisor_facts *f)
{
	if (is_qemu_machine(f) || (f->vendor[0] && !f->vmbus))
		return HYPERVISOR_KVM;
	return HYPERVISOR_HYPERV;
}

enum hypervisor hypervisor_judge(const struct hypervisor_facts *f)
{
	if (!strcmp(f->type, "xen"))
		return HYPERVISOR_XEN;
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (starts(f->vendor, machines[i].vendor) &&
		    starts(f->product, machines[i].product))
			return machines[i].hypervisor;
	if (f->cpuid_kvm)
		return HYPERVISOR_KVM;
	for (size_t i = 0; i < ARRAY_SIZE(signatures); i++)
		if (!strcmp(f->cpuid, signatures[i].signature))
			return signatures[i].hypervisor;
	if (!strcmp(f->cpuid, "Microsoft Hv"))
		return judge_microsoft(f);
	if (is_qemu_machine(f)) /* processors without CPUID, and a KVM that hides itself */
		return HYPERVISOR_KVM;
	if (f->vmbus)
		return HYPERVISOR_HYPERV;
	if (f->cpuid[0])
		return HYPERVISOR_OTHER;
	return f->cpuid_known ? HYPERVISOR_NONE : HYPERVISOR_UNKNOWN;
}

static void read_text(const struct env *env, const char *path, char *to, size_t cap)
{
	char full[ENV_PATH_MAX];
	_cleanup_close_ int fd =
		open(env_path(env, path, full), O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? 0 : read(fd, to, cap - 1);

	to[n > 0 ? n : 0] = '\0';
	to[strcspn(to, "\n")] = '\0';
}

static bool has_entries(const struct env *env, const char *path)
{
	char full[ENV_PATH_MAX];
	_cleanup_close_ int fd =
		open(env_path(env, path, full), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	struct dirwalk d;

	if (fd < 0)
		return false;
	dirwalk_start(&d, fd);
	return dirwalk_next(&d, false) != NULL;
}

enum hypervisor hypervisor_detect(const struct env *env)
{
	struct hypervisor_facts f = {0};

	read_text(env, "/sys/class/dmi/id/sys_vendor", f.vendor, sizeof(f.vendor));
	read_text(env, "/sys/class/dmi/id/product_name", f.product, sizeof(f.product));
	read_text(env, "/sys/hypervisor/type", f.type, sizeof(f.type));
	f.vmbus = has_entries(env, "/sys/bus/vmbus/devices");
	if (!env->root[0])
		hypervisor_ask_cpu(&f);
	return hypervisor_judge(&f);
}
