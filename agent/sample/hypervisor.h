/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Under which hypervisor the guest runs. A guess from one source would be wrong for the commonest
 * special case: KVM that pretends to be Hyper-V for Windows guests says "Microsoft Hv" by CPUID.
 */
#pragma once

#include "core/env.h"

enum hypervisor {
	HYPERVISOR_UNKNOWN, /* no source says anything */
	HYPERVISOR_NONE,    /* a processor without hypervisor */
	HYPERVISOR_KVM,
	HYPERVISOR_QEMU, /* QEMU that translates, without KVM */
	HYPERVISOR_HYPERV,
	HYPERVISOR_VMWARE,
	HYPERVISOR_XEN,
	HYPERVISOR_OTHER,
	HYPERVISORS
};
extern const char *const hypervisor_names[HYPERVISORS]; /* "kvm", "hyperv", ... */

struct hypervisor_facts {
	char vendor[64], product[64]; /* DMI */
	char type[16];		      /* /sys/hypervisor/type */
	bool vmbus;		      /* devices on Hyper-V's bus */
	bool cpuid_known;	      /* the processor was asked */
	char cpuid[16];		      /* what it said first; "" = no hypervisor */
	bool cpuid_kvm;		      /* KVM's signature stands at any of the places for one */
};
/** hypervisor_judge() - pure. */
enum hypervisor hypervisor_judge(const struct hypervisor_facts *f);
/** hypervisor_detect() - with a root other than the real one the processor is not asked. */
enum hypervisor hypervisor_detect(const struct env *env);

/** hypervisor_ask_cpu() - fills the cpuid fields; hypervisor_x86.c, or hypervisor_other.c where
 * processors have no such question. */
void hypervisor_ask_cpu(struct hypervisor_facts *f);
