/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets of services, followed hop by hop over the routes of the plan, before
 * there is a lab. That a way exists is not enough for them:
 *
 *   - who translates must reach every instance, also those that the service
 *     moves to later;
 *   - an answer must come back through the very node that translated the
 *     question, since nobody else knows how to translate it back. The obvious
 *     lab, with client and instances on one bridge and the rules in a router,
 *     has no such luck: the instance answers its neighbour directly, from an
 *     address that the client never asked;
 *   - and what an instance sends to its own service would come back to it from
 *     itself, which its kernel drops.
 *
 * Links that are down for a while are not looked at: routes stay, as they do
 * in the lab.
 */
#include "orchestrator/plan/internal.h"

#include "base/diag.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

struct flows {
	const struct plan *plan;
	const plan_route_vec *routes;
	struct diag *diag;
	size_t *first; /* by node: its first route; they are in node order */
	size_t service; /* the one that is looked at */
	bool *seen; /* by node: has been looked at as its instance */
};

/* ---- one packet --------------------------------------------------------- */

/* Where a node sends a packet. */
struct step {
	size_t iface; /* SCN_NONE: it cannot */
	struct ip_addr via;
	int len; /* of the prefix that decided */
	uint32_t metric;
};

static void try_step(struct step *best, size_t iface, const struct ip_addr *via,
		     const struct ip_prefix *to, uint32_t metric)
{
	if (to->len < best->len ||
	    (to->len == best->len && metric >= best->metric))
		return;
	best->iface = iface;
	best->via = *via;
	best->len = to->len;
	best->metric = metric;
}

static struct step find_step(const struct flows *f, size_t node,
			     const struct ip_addr *to)
{
	struct step best = { .iface = SCN_NONE, .len = -1 };

	for (size_t i = 0; i < f->plan->ifaces.n; i++) {
		const struct plan_iface *own = &f->plan->ifaces.v[i];

		for (size_t k = 0; own->node == node && k < own->addresses.n;
		     k++)
			if (ip_prefix_contains(&own->addresses.v[k], to))
				try_step(&best, i, to, &own->addresses.v[k], 0);
	}
	for (size_t i = f->first[node]; i < f->first[node + 1]; i++) {
		const struct plan_route *r = &f->routes->v[i];

		if (r->to.addr.family == to->family &&
		    (!r->to.len || ip_prefix_contains(&r->to, to)))
			try_step(&best, r->iface, r->via.family ? &r->via : to,
				 &r->to, r->metric);
	}
	return best;
}

static bool has_address(const struct plan *p, size_t iface,
			const struct ip_addr *a)
{
	const struct plan_iface *f = &p->ifaces.v[iface];

	for (size_t k = 0; k < f->addresses.n; k++)
		if (ip_addr_equal(&f->addresses.v[k].addr, a))
			return true;
	return false;
}

static bool is_own(const struct plan *p, size_t node, const struct ip_addr *a)
{
	for (size_t i = 0; i < p->ifaces.n; i++)
		if (p->ifaces.v[i].node == node && has_address(p, i, a))
			return true;
	return false;
}

/* The node behind a step; SCN_NONE: nobody is there. */
static size_t node_behind(const struct plan *p, const struct step *step)
{
	if (step->iface == SCN_NONE)
		return SCN_NONE;
	for (size_t i = 0; i < p->ifaces.n; i++)
		if (p->ifaces.v[i].network ==
			    p->ifaces.v[step->iface].network &&
		    p->ifaces.v[i].node != PLAN_LAB &&
		    has_address(p, i, &step->via))
			return p->ifaces.v[i].node;
	return SCN_NONE;
}

/*
 * Follows a packet to the node that has its address, or to the first one that
 * translates it (holders; NULL: nobody does). Says whether it came by a node
 * (passes). SCN_NONE: it got lost.
 */
static size_t follow(const struct flows *f, size_t from,
		     const struct ip_addr *to, const scn_index_vec *holders,
		     size_t by, bool *passes)
{
	const struct scenario *s = f->plan->scenario;
	size_t node = from;

	*passes = false;
	for (size_t hops = 0; node != SCN_NONE && hops <= s->nodes.n; hops++) {
		struct step step;

		*passes |= node == by;
		for (size_t i = 0; holders && i < holders->n; i++)
			if (holders->v[i] == node)
				return node;
		if (is_own(f->plan, node, to))
			return node;
		if (node != from && !scn_kind_is_router(s->nodes.v[node].kind))
			break;
		step = find_step(f, node, to);
		node = node_behind(f->plan, &step);
	}
	return SCN_NONE;
}

/* The address that a node sends from, on the way to another. */
static struct ip_addr source_address(const struct flows *f, size_t node,
				     const struct ip_addr *to)
{
	struct step step = find_step(f, node, to);

	if (step.iface != SCN_NONE) {
		const struct plan_iface *out = &f->plan->ifaces.v[step.iface];

		for (size_t k = 0; k < out->addresses.n; k++)
			if (out->addresses.v[k].addr.family == to->family)
				return out->addresses.v[k].addr;
	}
	return (struct ip_addr){ 0 };
}

/* ---- holders and instances ---------------------------------------------- */

size_t plan_joining_host(const struct plan *p, size_t node,
			 const struct ip_prefix *to)
{
	for (size_t i = 0; i < p->ifaces.n; i++) {
		const struct plan_iface *far = &p->ifaces.v[i];
		bool there = false;

		if (far->node == PLAN_LAB || far->node == node ||
		    !scn_kind_is_host(p->scenario->nodes.v[far->node].kind))
			continue;
		for (size_t k = 0; k < far->addresses.n; k++)
			there |= ip_prefix_contains(to,
						    &far->addresses.v[k].addr);
		for (size_t k = 0; there && k < p->ifaces.n; k++) {
			const struct plan_iface *near = &p->ifaces.v[k];

			for (size_t n = 0;
			     near->node == far->node && n < p->ifaces.n; n++)
				if (p->ifaces.v[n].node == node &&
				    p->ifaces.v[n].network == near->network)
					return far->node;
		}
	}
	return SCN_NONE;
}

/* Is the holder known to translate for somebody? One that was not named, and
 * sends no probe to the service, may be a bystander. */
static bool is_needed(const struct flows *f, size_t holder, int family)
{
	const struct scenario *s = f->plan->scenario;

	if (s->services.v[f->service].at.n)
		return plan_node_address(f->plan, holder, family).family;
	for (size_t i = 0; i < s->probes.n; i++)
		if (s->probes.v[i].node == holder &&
		    s->probes.v[i].target == SCN_TARGET_SERVICE &&
		    s->probes.v[i].to == f->service &&
		    plan_probe_target(f->plan, &s->probes.v[i]).family ==
			    family)
			return true;
	return false;
}

static void unreachable_instance(const struct flows *f, size_t holder,
				 size_t node, struct src_pos pos,
				 const struct ip_addr *to)
{
	const struct scenario *s = f->plan->scenario;
	struct ip_prefix alone = { .addr = *to };
	size_t host;

	diag_error(f->diag, pos, 1,
		   "'%s', which translates '%s', has no way to its instance "
		   "'%s'",
		   s->nodes.v[holder].name, s->services.v[f->service].name,
		   s->nodes.v[node].name);
	if (s->services.v[f->service].at.n)
		diag_note(f->diag, s->services.v[f->service].at_pos, 1,
			  "'%s' translates by this", s->nodes.v[holder].name);
	for (size_t i = 0; i < f->plan->ifaces.n; i++)
		for (size_t k = 0; k < f->plan->ifaces.v[i].addresses.n; k++)
			if (ip_addr_equal(
				    &f->plan->ifaces.v[i].addresses.v[k].addr,
				    to))
				alone = ip_prefix_network(
					&f->plan->ifaces.v[i].addresses.v[k]);
	host = plan_joining_host(f->plan, holder, &alone);
	if (host != SCN_NONE && host != node)
		diag_help(f->diag,
			  "'%s' joins them but is a host: write "
			  "'{ kind: router }'",
			  s->nodes.v[host].name);
	else
		diag_help(f->diag, "join their networks by a node of kind "
				   "router");
}

static void check_instance(size_t node, struct src_pos pos, void *arg)
{
	const struct flows *f = arg;
	const struct plan_service *svc = &f->plan->services.v[f->service];

	if (f->seen[node])
		return;
	f->seen[node] = true;
	for (size_t a = 0; a < svc->addresses.n; a++) {
		int family = svc->addresses.v[a].family;
		struct ip_addr to = plan_node_address(f->plan, node, family);

		for (size_t i = 0; i < svc->holders.n; i++) {
			size_t holder = svc->holders.v[i];
			bool passes;

			if (!is_needed(f, holder, family) ||
			    follow(f, holder, &to, NULL, SCN_NONE, &passes) ==
				    node)
				continue;
			unreachable_instance(f, holder, node, pos, &to);
			return;
		}
	}
}

/* ---- probes and their answers ------------------------------------------- */

/* Is anything wrong with a probe while that node is the instance? */
static bool check_answers(const struct flows *f, const struct scn_probe *pr,
			  size_t node, struct src_pos pos)
{
	const struct scenario *s = f->plan->scenario;
	const char *service = s->services.v[pr->to].name;
	const char *from = s->nodes.v[pr->node].name;
	struct ip_addr to = plan_probe_target(f->plan, pr);
	struct ip_addr source = source_address(f, pr->node, &to);
	size_t holder;
	bool passes;

	if (node == pr->node) {
		diag_error(f->diag, pr->to_pos, 1,
			   "'%s' cannot probe a service that it is an "
			   "instance of",
			   from);
		diag_note(f->diag, pos, 1, "it is the instance of '%s' by this",
			  service);
		diag_help(f->diag, "probe from another host, or at another "
				   "time");
		return false;
	}
	holder = follow(f, pr->node, &to, &f->plan->services.v[pr->to].holders,
			SCN_NONE, &passes);
	if (holder == SCN_NONE || holder == pr->node || !source.family)
		return true;
	if (follow(f, node, &source, NULL, holder, &passes) != pr->node ||
	    passes)
		return true;
	diag_error(f->diag, pr->to_pos, 1,
		   "the answers of '%s' to '%s' do not pass '%s', which must "
		   "translate them back",
		   s->nodes.v[node].name, from, s->nodes.v[holder].name);
	diag_note(f->diag, pos, 1, "'%s' is the instance of '%s' by this",
		  s->nodes.v[node].name, service);
	diag_help(f->diag,
		  "put '%s' and '%s' on different networks, or translate in "
		  "the client: 'at: %s'",
		  s->nodes.v[node].name, from, from);
	return false;
}

/* Looks at every instance that the service has while the probe sends. */
static void check_probe(const struct flows *f, const struct scn_probe *pr)
{
	const struct scenario *s = f->plan->scenario;
	size_t node = s->services.v[pr->to].instance;
	struct src_pos pos = s->services.v[pr->to].instance_pos;
	int64_t end_ns = pr->start_ns + pr->for_ns;

	for (size_t i = 1; i < s->services.v[pr->to].instances.n; i++)
		if (!check_answers(f, pr,
				   s->services.v[pr->to].instances.v[i].node,
				   s->services.v[pr->to].instances.v[i].pos))
			return;
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *e = &s->timeline.v[i];

		for (size_t k = 0; k < e->actions.n; k++) {
			const struct scn_action *a = &e->actions.v[k];

			if (a->kind == SCN_ACTION_REGISTER &&
			    a->serve.service == pr->to && e->at_ns < end_ns &&
			    !check_answers(f, pr, a->serve.node, a->pos))
				return;
			if (a->kind != SCN_ACTION_MIGRATE ||
			    a->migrate.service != pr->to)
				continue;
			if (e->at_ns >= end_ns)
				goto last;
			if (e->at_ns > pr->start_ns &&
			    !check_answers(f, pr, node, pos))
				return;
			node = a->migrate.to;
			pos = a->migrate.to_pos;
		}
	}
last:
	check_answers(f, pr, node, pos);
}

int plan_flows(const struct plan *p, const plan_route_vec *routes,
	       struct diag *diag)
{
	const struct scenario *s = p->scenario;
	struct flows f = { .plan = p, .routes = routes, .diag = diag };
	size_t next = 0;
	int r = 0;

	f.first = calloc(s->nodes.n + 1, sizeof(*f.first));
	if (!f.first)
		return -ENOMEM;
	for (size_t i = 0; i <= s->nodes.n; i++) {
		while (next < routes->n && routes->v[next].node < i)
			next++;
		f.first[i] = next;
	}
	/* The Service Access Layer finds its way by itself. */
	for (size_t i = 0; i < s->services.n && !r; i++) {
		if (s->services.v[i].resolver != SCN_RESOLVER_NAT)
			continue;
		f.service = i;
		f.seen = calloc(s->nodes.n + 1, sizeof(*f.seen));
		if (f.seen)
			plan_each_instance(s, i, check_instance, &f);
		else
			r = -ENOMEM;
		free(f.seen);
	}
	for (size_t i = 0; i < s->probes.n && !r; i++)
		if (s->probes.v[i].target == SCN_TARGET_SERVICE &&
		    s->services.v[s->probes.v[i].to].resolver ==
			    SCN_RESOLVER_NAT)
			check_probe(&f, &s->probes.v[i]);
	free(f.first);
	return r;
}
