/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expectations that no run could meet, and those that every run would. Either
 * is a mistake: the one fails for the wrong reason, the other checks nothing.
 */
#ifndef SCENARIO_REACH_H
#define SCENARIO_REACH_H

#include "orchestrator/scenario/load.h"

/* A range, and where the file says it. */
struct range_source {
	struct scn_range range;
	const struct tree_node *node, *min, *max;
};

void reach_check(struct loader *l, size_t probe, enum scn_metric metric,
		 const struct range_source *range);
/* node: one that is to answer for the service at some time. */
void reach_check_instance(struct loader *l, size_t service, size_t node,
			  const struct tree_node *where);

#endif
