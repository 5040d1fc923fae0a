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
	const struct tree_node *of; /* the name of a probe: the range is in
				       parts of 10^9 of its figure; or NULL */
	size_t of_probe; /* its index, then */
};

/* within_ns: so long the end of the run waits for it. */
void reach_check(struct loader *l, size_t probe, enum scn_metric metric,
		 const struct range_source *range, int64_t within_ns);
/* node: one that is to answer for the service at some time. */
void reach_check_instance(struct loader *l, size_t service, size_t node,
			  const struct tree_node *where);
/* nodes: those that are to answer, in this order; at least one. */
void reach_check_order(struct loader *l, size_t service,
		       const scn_index_vec *nodes,
		       const struct tree_node *where);
/* least: so many answers of a service that there are to be. */
void reach_check_answers(struct loader *l, size_t service, int64_t least,
			 const struct tree_node *where);
/* process: one that is to end, or to print something. */
void reach_check_started(struct loader *l, size_t process,
			 const struct tree_node *where);
/* A count or time that only must not be below zero? */
bool reach_check_least(struct loader *l, const struct range_source *range);

#endif
