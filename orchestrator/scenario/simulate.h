/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plays the timeline without a lab, to find what cannot work. */
#ifndef SCENARIO_SIMULATE_H
#define SCENARIO_SIMULATE_H

#include "orchestrator/scenario/load.h"

struct link_props; /* link_props.h */

/* An action with its time, and where the file says what. */
struct step {
	struct scn_action action;
	int64_t at_ns;
	size_t order; /* in the file */
	const struct tree_node *at; /* what says when */
	const char *when; /* the time, in words; NULL: nobody knows it */
	const struct tree_node *subject; /* the service, link or process */
	const struct tree_node *from; /* migrate */
	const struct tree_node *map; /* the mapping that it stands in, ... */
	bool map_good; /* ... in which no key was wrong */
	const struct link_props *props; /* of a link: what changes */
};

typedef VEC(struct step) step_vec;

/* ---- what is known of the lab ------------------------------------------ */

/* What is known of a process. Programs end when they like; an echo server does
 * not, so that of it much more is known. */
enum life {
	LIFE_NEVER, /* nothing has started it */
	LIFE_STARTED, /* and it may have ended since */
	LIFE_RUNNING, /* for certain */
	LIFE_ENDING, /* told to, and it ends when it does */
};

enum node_life { NODE_ON, NODE_OFF, NODE_FROZEN };

/* The arrays are by the scenario's indices. */
struct state {
	bool *serves; /* by service and node: state_serves() */
	bool *down; /* by link */
	const struct step **moved; /* by service: the last migrate */
	const struct step **switched; /* by link: the last change */
	const struct step **touched; /* by process: the last action */
	enum life *life; /* by process */
	struct link_params (*params)[2]; /* by link, and sending end */
	enum node_life *nodes; /* by node */
	const struct step **node_changed; /* by node */
	size_t *guest_at; /* by interface, likewise: the bridge that a guest's
			     is in; SCN_NONE: it has not moved */
	const struct step **guest_moved; /* likewise: the last move */
	bool *absent; /* by interface, 2 * link + end */
	const struct step **iface_changed; /* likewise */
	bool *iface_down; /* likewise: set down in its node */
	const struct step **iface_switched; /* likewise */
	const struct step *parted; /* the last partition or heal */
	bool partition; /* there is one */
};

bool state_serves(const struct loader *l, const struct state *st,
		  size_t service, size_t node);
void state_set_serves(const struct loader *l, struct state *st, size_t service,
		      size_t node, bool serves);

/* Are all actions of this kind known? Else what they did is not. */
bool action_is_known(const struct loader *l, enum scn_action_kind kind);

/* timeline_order.c: by time, where that is the same as in the file; "after"
 * keeps its meaning. */
void entries_sort(struct loader *l);
void steps_sort(step_vec *steps);

/* action_node.c: what never comes, since its node is off for good. */
void nodes_check_end(struct loader *l, const struct state *st);

/* The steps are in the order in which they happen. */
void timeline_simulate(struct loader *l, const step_vec *steps);

#endif
