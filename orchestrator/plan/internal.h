/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stages of plan_make(), in the order in which they run. */
#ifndef PLAN_INTERNAL_H
#define PLAN_INTERNAL_H

#include "orchestrator/plan/live.h"

/* All return 0 or -ENOMEM; what is wrong with the scenario goes into diag. */

/* Networks, interfaces and ports. */
int plan_topology(struct plan *p);
/* Subnets and interface addresses. */
int plan_addresses(struct plan *p, struct diag *diag);
/* Service addresses and who holds their rules. */
int plan_services(struct plan *p, struct diag *diag);

/* Calls visit for each node that is an instance at some time, as often as it
 * becomes one, with the place that says so. */
void plan_each_instance(const struct scenario *s, size_t service,
			void (*visit)(size_t node, struct src_pos pos,
				      void *arg),
			void *arg);
/* Inner addresses and service IDs. */
int plan_sal(struct plan *p, struct diag *diag);
void plan_service_id(struct plan *p, size_t service);
/* Which nodes ask which service routers. */
int plan_resolution(struct plan *p);
/* NULL: it is none. */
const struct plan_readdress *plan_find_readdress(const struct plan *p,
						 const struct scn_action *a);
/* Does it change addresses of that family? */
bool plan_readdress_has(const struct plan_readdress *r, int family);
/* The network of a bridge. */
size_t plan_network_of(const struct plan *p, size_t bridge);
struct plan_op plan_route_op(const struct plan *p, const struct scn_action *a,
			     enum plan_op_kind kind);
/* The routes by a router of the bridge's network that an interface gets when it
 * is plugged into it. */
int plan_default_route_ops(const struct plan_live *l,
			   const struct scn_iface_ref *at, size_t bridge,
			   struct src_pos pos, plan_op_vec *out);
/* The interface's port is pulled out of its bridge and put into another,
 * without a carrier yet; the routes over an interface go. */
int plan_move_port_ops(const struct plan_live *l,
		       const struct scn_iface_ref *at, size_t bridge,
		       struct src_pos pos, plan_op_vec *out);
int plan_forget_route_ops(const struct plan_live *l, size_t iface,
			  struct src_pos pos, plan_op_vec *out);
/* Has it an address of this family by now? Its routes need one. */
bool plan_has_family(const struct plan_live_iface *f, int family);
/* An interface's routes, as they are by now. */
int plan_route_ops(const struct plan_live *l, size_t iface, struct src_pos pos,
		   plan_op_vec *out);
/* What each readdress action makes of its interface. */
int plan_readdresses(struct plan *p, struct diag *diag);

/* One route of one node. */
struct plan_route {
	size_t node, iface;
	struct ip_prefix to;
	struct ip_addr via; /* AF_UNSPEC: on link */
	uint32_t metric;
	size_t order; /* in which they were found, to keep it in sorting */
	struct src_pos pos;
};
typedef VEC(struct plan_route) plan_route_vec;

/* Every node's routes beyond its own networks, grouped by node, and a check
 * that each probe's packets have one. */
int plan_routes(struct plan *p, struct diag *diag, plan_route_vec *out);

/* Do translated packets arrive, and do their answers come back? */
int plan_flows(const struct plan *p, const plan_route_vec *routes,
	       struct diag *diag);

/* A host between the node and those networks, which would join them if it were
 * a router; SCN_NONE: there is none. */
size_t plan_joining_host(const struct plan *p, size_t node,
			 const struct ip_prefix *to);

/* The operations, of all the above. */
int plan_operations(struct plan *p, const plan_route_vec *routes);

/* What its sald is told of a node's interfaces, if there is anything to say. */
int plan_sal_policy_ops(const struct plan_live *l, size_t node,
			struct src_pos pos, plan_op_vec *out);

/* The kernel acts on a carrier that has come before whatever is behind it. */
int plan_sync_ops(const struct plan_live *l, size_t link, struct src_pos pos,
		  plan_op_vec *out);

/* Where a node's sald sends, at first, what is for an instance there. */
struct ip_addr plan_sal_forward(const struct plan *p, size_t node,
				size_t instance);
/* Keeps what frozen salds are to be told of the action, which is not taken yet.
 */
int plan_sal_miss(struct plan_live *l, const struct scn_action *a);
/* What salds are told of instances' new weights. */
int plan_sal_weight_ops(const struct plan_live *l, const struct scn_action *a,
			plan_op_vec *out);
/* What a node's sald is told of all services. */
int plan_sald_ops(const struct plan_live *l, size_t node, plan_op_vec *out);
/* What configures one interface, as building does it, but for its routes. */
int plan_iface_ops(const struct plan *p, size_t iface, plan_op_vec *out);
/* ends.c, of a living lab. All append, and return 0 or -ENOMEM. */
struct plan_op *plan_op_add(plan_op_vec *out, enum plan_op_kind kind,
			    size_t node, struct src_pos pos);
/* Copies of all of them. */
int plan_ops_append(plan_op_vec *out, const plan_op_vec *more);
/* The interface at that end of the link is there. False at a bridge. */
bool plan_end_exists(const struct plan_live *l, size_t link, size_t end);
/* Sets the carrier of all ends that are there; ... */
int plan_carrier_ops(const struct plan_live *l, size_t link, bool up,
		     struct src_pos pos, plan_op_vec *out);
/* ... of one end of a link that the kernel carries, by its port. */
int plan_port_ops(const struct plan_live *l, size_t link, size_t end, bool up,
		  struct src_pos pos, plan_op_vec *out);
/* An interface comes, without addresses and carrier, with its port in the
 * bridge that it is in; or goes. */
int plan_put_in_ops(const struct plan_live *l, size_t iface, struct src_pos pos,
		    plan_op_vec *out);
int plan_take_out_ops(const struct plan_live *l, size_t iface,
		      struct src_pos pos, plan_op_vec *out);
/* A router's masquerading, where it does; pos: of its interface unless given.
 */
int plan_masquerade_ops(const struct plan_live *l, size_t node,
			unsigned rebinds, struct src_pos pos, plan_op_vec *out);
/* mptcp.c: a node's endpoints; those of an interface; one of them. Nothing
 * where MPTCP does nothing with it. */
int plan_mptcp_ops(const struct plan_live *l, size_t node, plan_op_vec *out);
int plan_mptcp_iface_ops(const struct plan_live *l, enum plan_op_kind kind,
			 size_t iface, struct src_pos pos, plan_op_vec *out);
int plan_mptcp_op(const struct plan *p, enum plan_op_kind kind, size_t iface,
		  const struct ip_prefix *address, struct src_pos pos,
		  plan_op_vec *out);
/* A node's NAT table, with its bindings, where it holds some. */
int plan_nat_ops(const struct plan_live *l, size_t node, plan_op_vec *out);
/* names.c: those that start the resolver and tell it what names mean; the same
 * of one node. */
int plan_names_operations(struct plan *p);
/* address NULL, of DEL: all that the name means. */
int plan_name_op(plan_op_vec *out, enum plan_op_kind kind, size_t service,
		 const struct ip_addr *address, uint32_t weight,
		 struct src_pos pos);
int plan_names_open_ops(const struct plan_live *l, size_t node,
			struct src_pos pos, plan_op_vec *out);
/* The operations that start every sald and fill its tables. */
int plan_sal_operations(struct plan *p);

/* Has the lab services of the SAL, and others? */
bool plan_is_mixed(const struct scenario *s);
/* What automatic addresses of its services are from: the prefix's text. */
const char *plan_service_range(const struct scenario *s, size_t service,
			       int family);
/* The automatic subnets and addresses of one kind: the prefix of that text. */
struct ip_prefix plan_prefix(const char *text);

/* Does some action take this link's carrier away, or give it back? */
bool plan_link_switched(const struct scenario *s, size_t link);

/* text.c: a node's name, and "a:eth0" or, for bridges and ports, what they
 * stand for; in buf. */
const char *plan_node_name(const struct plan *p, size_t node);
const char *plan_iface_name(const struct plan *p, size_t iface, char *buf,
			    size_t size);

#endif
