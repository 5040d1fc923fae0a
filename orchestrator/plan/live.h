/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a lab is like after some actions of its timeline, and what is to be done
 * for the next one. The order in which actions happen is known beforehand only
 * where all of them have times; so whoever plays the timeline keeps a plan_live
 * and tells it of each action as it is done. Pure, like all of the plan.
 */
#ifndef PLAN_LIVE_H
#define PLAN_LIVE_H

#include "orchestrator/plan/plan.h"

enum plan_live_state {
	PLAN_NODE_ON,
	PLAN_NODE_OFF, /* crashed */
	PLAN_NODE_FROZEN,
};

struct plan_live_iface {
	bool present;
	bool down; /* it was set down in its node */
	char name[IFNAMSIZ];
	uint32_t mtu; /* 0: the kernel's default */
	size_t network;
	VEC(struct ip_prefix) addresses;
};

struct plan_live {
	const struct plan *plan; /* borrowed */
	struct plan_live_iface *ifaces; /* by the plan's index */
	bool *link_down; /* by link: an action took it down */
	enum plan_live_state *nodes; /* by node */
	bool *serves; /* by service * nodes + node */
	uint32_t *weights, *priorities; /* likewise, of those that serve */
	plan_op_vec *missed; /* by node: what its sald, being frozen, has not
				been told, in order */
	plan_op_vec routes; /* ROUTE_ADD, of all nodes */
	const struct scn_action *partition; /* NULL: none */
	unsigned *rebinds; /* by node: so far */
};

/* As the lab is when it has been built. NULL: out of memory. */
struct plan_live *plan_live_new(const struct plan *p);
struct plan_live *plan_live_free(struct plan_live *l); /* returns NULL */
/* The action is done. 0 or -ENOMEM. */
int plan_live_take(struct plan_live *l, const struct scn_action *a);

/* The action is about to begin: what it makes of weights is known before it is
 * done. */
void plan_live_begin(struct plan_live *l, const struct scn_action *a);

/* A node's first address of that family; AF_UNSPEC where it has none. */
struct ip_addr plan_live_address(const struct plan_live *l, size_t node,
				 int family);
bool plan_live_serves(const struct plan_live *l, size_t service, size_t node);
uint32_t plan_live_weight(const struct plan_live *l, size_t service,
			  size_t node);
uint32_t plan_live_priority(const struct plan_live *l, size_t service,
			    size_t node);
/* Can packets pass, as far as states of links, nodes and interfaces go? */
bool plan_live_link_up(const struct plan_live *l, size_t link);

/*
 * All of these append what an action needs, with the lab as it is before it,
 * and return 0 or -ENOMEM.
 *
 * Actions that are nothing but operations: LINK_STATE, PRESENCE, ADMIN, RENAME,
 * PLUG, MTU, ROUTE, PARTITION, HEAL.
 */
int plan_change_ops(const struct plan_live *l, const struct scn_action *a,
		    plan_op_vec *out);
/*
 * A nat service's name is bound to its instances, less from and with to
 * (SCN_NONE: nobody), at all of its holders, a holder's next to each other. Who
 * comes in the place of another has its weight. Of several, those of the
 * highest priority share.
 */
int plan_bind_ops(const struct plan_live *l, size_t service, size_t from,
		  size_t to, struct src_pos pos, plan_op_vec *out);
/*
 * The addresses of these, whose flows go on: none is to be forgotten. Free
 * them.
 */
int plan_bound_addresses(const struct plan_live *l, size_t service, size_t from,
			 size_t to, struct ip_addr **out, size_t *n);
/* Instances get other weights: of a nat service, at its holders; of a sal
 * service, wherever it is forwarded. */
int plan_weight_ops(const struct plan_live *l, const struct scn_action *a,
		    plan_op_vec *out);
/*
 * The same for a sal service, in three steps: the new instance serves, all
 * others send there, the old one stops. In this order nobody is ever sent to a
 * host that does not serve. from or to may be SCN_NONE: an instance only comes,
 * or goes.
 */
enum plan_sal_step { PLAN_SAL_START, PLAN_SAL_FORWARD, PLAN_SAL_STOP };
int plan_sal_bind_ops(const struct plan_live *l, size_t service, size_t from,
		      size_t to, enum plan_sal_step step, struct src_pos pos,
		      plan_op_vec *out);
/*
 * An active service: its host's sald has seen that somebody listens there, or
 * nobody any more, and serves by that. All others learn of it; what a frozen
 * one is to be told is kept. (With the lab as it was before.)
 */
int plan_active_ops(struct plan_live *l, size_t service, size_t node,
		    bool listens, plan_op_vec *out);
void plan_live_listen(struct plan_live *l, size_t service, size_t node,
		      bool listens);
/* A node's sald looks who listens. */
int plan_listen_ops(const struct plan_live *l, size_t node, plan_op_vec *out);
/*
 * A readdress action: first the addresses, and the routes that go with the old
 * ones, then the rules of services that have their instance there.
 */
int plan_readdress_ops(const struct plan_live *l, const struct scn_action *a,
		       plan_op_vec *out);
int plan_follow_ops(const struct plan_live *l, const struct scn_action *a,
		    plan_op_vec *out);
/*
 * A guest moves: it is unplugged and has no address any more; then, with the
 * action taken, it is in its new network. (plan_follow_ops() for its services,
 * with the lab as it was before.)
 */
int plan_guest_leave_ops(const struct plan_live *l, const struct scn_action *a,
			 plan_op_vec *out);
int plan_guest_arrive_ops(const struct plan_live *l, const struct scn_action *a,
			  plan_op_vec *out);
/* A router binds its flows by other ports than so far. */
int plan_nat_rebind_ops(const struct plan_live *l, const struct scn_action *a,
			plan_op_vec *out);
/* Crash: its links are cut, and, when all its processes are gone, it goes. */
int plan_cut_off_ops(const struct plan_live *l, size_t node, struct src_pos pos,
		     plan_op_vec *out);
int plan_remove_ops(const struct plan_live *l, size_t node, struct src_pos pos,
		    plan_op_vec *out);
/* Boot: it comes back as it was, but its links are not up yet; then they are.
 */
int plan_boot_ops(const struct plan_live *l, size_t node, struct src_pos pos,
		  plan_op_vec *out);
int plan_connect_ops(const struct plan_live *l, size_t node, struct src_pos pos,
		     plan_op_vec *out);
/* Freeze and thaw. */
int plan_silence_ops(const struct plan_live *l, size_t node, bool silent,
		     struct src_pos pos, plan_op_vec *out);

/* A thawed sald learns what it has missed. */
int plan_missed_ops(const struct plan_live *l, size_t node, struct src_pos pos,
		    plan_op_vec *out);

/* Every address and MAC address that a node has at any time of the run. */
int plan_node_addresses(const struct plan *p, size_t node,
			struct ip_addr **addresses, size_t *n);

#endif
