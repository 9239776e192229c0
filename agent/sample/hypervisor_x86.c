/* SPDX-License-Identifier: Apache-2.0 */
/* What x86 processors say of the hypervisor they run under (CPUID leaf 0x40000000). Signatures stand
 * at each 0x100 from there on: KVM that shows Hyper-V's first has its own in a later one. */
#include "sample/hypervisor.h"

#include <cpuid.h>
#include <string.h>

#define FIRST_LEAF     0x40000000u
#define PLACES	       16
#define BIT_HYPERVISOR (1u << 31) /* of leaf 1, ecx */

static void signature(unsigned leaf, char out[static 13])
{
	unsigned eax, regs[3];

	__cpuid(leaf, eax, regs[0], regs[1], regs[2]);
	(void)eax;
	memcpy(out, regs, 12);
	out[12] = '\0';
}

void hypervisor_ask_cpu(struct hypervisor_facts *f)
{
	unsigned a, b, c, d;
	char text[13];

	if (!__get_cpuid(1, &a, &b, &c, &d))
		return;
	f->cpuid_known = true;
	if (!(c & BIT_HYPERVISOR))
		return;
	signature(FIRST_LEAF, f->cpuid);
	if (!f->cpuid[0])
		f->cpuid[0] = '?'; /* one that does not say which */
	for (unsigned i = 0; i < PLACES; i++) {
		signature(FIRST_LEAF + i * 0x100, text);
		f->cpuid_kvm |= !strcmp(text, "KVMKVMKVM");
	}
}
