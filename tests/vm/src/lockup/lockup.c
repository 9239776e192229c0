/* SPDX-License-Identifier: Apache-2.0 */
/* Loading this with secs=N keeps the processor it is loaded on busy for so long, without letting anything else run there. Guests only. */
#include <linux/delay.h>
#include <linux/module.h>

static unsigned int secs = 10;
module_param(secs, uint, 0444);

static int __init lockup_init(void)
{
	unsigned int ms;

	preempt_disable();
	for (ms = 0; ms < secs * 1000; ms++)
		udelay(1000);
	preempt_enable();
	return -EAGAIN; /* nothing stays loaded */
}

module_init(lockup_init);
MODULE_LICENSE("Proprietary"); /* so the kernel calls each licence that is not on its list */
MODULE_DESCRIPTION("A processor that hangs, for tests");
