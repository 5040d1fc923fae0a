/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/turns.h"

#include "base/clock.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TURN_NS (100 * NSEC_PER_USEC)

/* Of sched_setattr(2). The C library has neither, and the kernel's header does
 * not go together with its own. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

void turns_be_short(void)
{
	struct attributes a = {
		.size = sizeof(a),
		.policy = SCHED_OTHER,
		.nice = getpriority(PRIO_PROCESS, 0),
		.runtime = (uint64_t)TURN_NS,
	};

	/* Under another policy turns are another matter. */
	if (sched_getscheduler(0) == SCHED_OTHER)
		syscall(SYS_sched_setattr, 0, &a, 0);
}
