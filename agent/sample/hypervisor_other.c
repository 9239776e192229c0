/* SPDX-License-Identifier: Apache-2.0 */
/* Processors that cannot be asked about their hypervisor. */
#include "sample/hypervisor.h"

void hypervisor_ask_cpu(struct hypervisor_facts *f)
{
	f->cpuid_known = false;
}
