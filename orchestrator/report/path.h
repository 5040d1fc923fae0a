/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of its node's interfaces a probe's packets left and came by, read off
 * the trace. The interface that a sald makes is none: what leaves by it leaves
 * by another one then.
 */
#ifndef REPORT_PATH_H
#define REPORT_PATH_H

#include "base/vec.h"
#include "orchestrator/report/whose.h"

#include <net/if.h>

#define PATH_RUNS_MAX 1000u /* of a direction; what comes after is not told */

/* Neighbouring packets, in the order of time, of the same interface. */
struct path_run {
	char interface[IFNAMSIZ];
	uint64_t count;
	int64_t first_ns, last_ns; /* CLOCK_REALTIME */
};
typedef VEC(struct path_run) path_runs;

struct path {
	path_runs left, came;
};

/* One packet at an interface of its node. 0 or -ENOMEM. */
int path_add(struct path *p, const struct whose_packet *packet, bool out,
	     const char *ifname, int64_t time_ns);
void path_free(struct path *p);

#endif
