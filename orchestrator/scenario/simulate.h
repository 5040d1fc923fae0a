/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plays the timeline without a lab, to find what cannot work. */
#ifndef SCENARIO_SIMULATE_H
#define SCENARIO_SIMULATE_H

#include "orchestrator/scenario/load.h"

/* An action with its time, and where the file says what. */
struct step {
	struct scn_action action;
	int64_t at_ns;
	size_t order; /* in the file */
	const struct tree_node *at; /* the time */
	const struct tree_node *subject; /* the service, link or process */
	const struct tree_node *from; /* migrate */
};

typedef VEC(struct step) step_vec;

/* The steps are in the order in which they happen. */
void timeline_simulate(struct loader *l, const step_vec *steps);

#endif
