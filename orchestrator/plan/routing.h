/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What salds are told, where not every host knows every instance. Of this layer
 * only.
 */
#ifndef PLAN_ROUTING_H
#define PLAN_ROUTING_H

#include "orchestrator/plan/internal.h"

/* ---- resolution.c ------------------------------------------------------- */

bool plan_is_service_router(const struct plan *p, size_t node);
/* A host whose rules lead to each instance. */
bool plan_knows_all(const struct plan *p, size_t node);
/* Where a service router sends what is for an instance: the instance, another
 * router, or SCN_NONE: to where it sends all that it does not know. */
size_t plan_next_router(const struct plan *p, size_t router, size_t instance);

/* ---- sal_rules.c -------------------------------------------------------- */

/* The lab as it is, or (readdress) as that action makes it. */
struct plan_view {
	const struct plan_live *live;
	const struct plan_readdress *readdress; /* NULL: as it is */
};

/*
 * Where a node's sald sends what is for another: an IPv4 address where both
 * have one, else IPv6; AF_UNSPEC: nowhere.
 */
struct ip_addr plan_forward_in(const struct plan_view *v, size_t node,
			       size_t other);

/* ---- sal_router.c ------------------------------------------------------- */

/* What a service router has for a service. */
int plan_router_rules(const struct plan_live *l, plan_op_vec *out, size_t node,
		      size_t service, struct src_pos pos);
/* What it is told when instances come, go, or get other weights. */
int plan_router_bind(const struct plan_live *l, plan_op_vec *out, size_t node,
		     size_t service, size_t from, size_t to,
		     struct src_pos pos);
int plan_router_weigh(const struct plan_live *l, plan_op_vec *out, size_t node,
		      const struct scn_action *a);
/* And when somebody gets other addresses, of one service. */
int plan_router_follow(const struct plan_view *before,
		       const struct plan_view *behind, plan_op_vec *out,
		       size_t node, size_t service, struct src_pos pos);
/* Where all goes that a node does not know: to service routers, or to all. */
int plan_default_rules(const struct plan_live *l, plan_op_vec *out, size_t node,
		       struct src_pos pos);
int plan_default_follow(const struct plan_view *before,
			const struct plan_view *behind, plan_op_vec *out,
			size_t node, struct src_pos pos);
/* What a frozen one has missed, of which it is told what is left. */
int plan_router_missed(const struct plan_live *l, plan_op_vec *out, size_t node,
		       struct src_pos pos);

#endif
