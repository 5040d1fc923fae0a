/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Static routes: shortest paths by number of networks crossed, ties broken by
 * the order of the file, each family on its own (a network without addresses
 * of a family carries none of it).
 *
 * For each destination one walk outward from it over the routers gives every
 * router's distance; every node's next hop is then the nearest router on its
 * own networks. Hosts do not forward, so no path leads through them. What a
 * destination is: a network, or a service's address, which lies at the routers
 * that hold its NAT rules.
 *
 * Routers get a route for each destination. Hosts get a default route at each
 * interface that has a router (later interfaces with a larger metric), as they
 * would from DHCP or an RA, and more specific ones only where the default is
 * the wrong way.
 */
#include "orchestrator/plan/internal.h"

#include "base/diag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAR UINT32_MAX
#define BACKUP_METRIC 2048 /* above the kernel's IPv6 default of 1024 */

struct walk {
	struct plan *plan;
	struct diag *diag;
	plan_route_vec *routes;
	scn_index_vec *members; /* by network: interfaces of nodes */
	scn_index_vec *ifaces; /* by node */
	uint32_t *distance; /* by node: of a router, from the destination */
	size_t *queue;
	int family;
};

struct hop {
	size_t iface;
	struct ip_addr via;
	uint32_t distance; /* FAR: there is none */
};

static bool is_router(const struct walk *w, size_t node)
{
	return scn_kind_is_router(w->plan->scenario->nodes.v[node].kind);
}

static struct ip_addr address_of(const struct walk *w, size_t iface)
{
	const struct plan_iface *f = &w->plan->ifaces.v[iface];

	for (size_t i = 0; i < f->addresses.n; i++)
		if (f->addresses.v[i].addr.family == w->family)
			return f->addresses.v[i].addr;
	return (struct ip_addr){ 0 };
}

/* Nobody is routed into what lies behind such an interface: from outside there
 * is only the router's own address. */
static bool hides(const struct walk *w, size_t iface)
{
	return plan_masquerades(w->plan, iface);
}

/* Spreads the distances out from the n routers that are in the queue. */
static void spread(struct walk *w, size_t n)
{
	for (size_t head = 0; head < n; head++) {
		const scn_index_vec *own = &w->ifaces[w->queue[head]];
		uint32_t next = w->distance[w->queue[head]] + 1;

		for (size_t i = 0; i < own->n; i++) {
			const struct plan_iface *f =
				&w->plan->ifaces.v[own->v[i]];
			const scn_index_vec *m = &w->members[f->network];

			if (!address_of(w, own->v[i]).family ||
			    hides(w, own->v[i]))
				continue;
			for (size_t k = 0; k < m->n; k++) {
				size_t node = w->plan->ifaces.v[m->v[k]].node;

				if (!is_router(w, node) ||
				    w->distance[node] <= next ||
				    !address_of(w, m->v[k]).family)
					continue;
				w->distance[node] = next;
				w->queue[n++] = node;
			}
		}
	}
}

static void start_walk(struct walk *w, size_t *n, size_t node)
{
	if (!is_router(w, node) || w->distance[node] == 0)
		return;
	w->distance[node] = 0;
	w->queue[(*n)++] = node;
}

static void forget_distances(struct walk *w)
{
	for (size_t i = 0; i < w->plan->scenario->nodes.n; i++)
		w->distance[i] = FAR;
}

/*
 * The nearest router next to the node, on one of its interfaces or on all (only
 * SCN_NONE). usual: the first router there is, whatever lies behind it.
 */
static struct hop next_hop(const struct walk *w, size_t node, size_t only,
			   bool usual)
{
	struct hop best = { .iface = SCN_NONE, .distance = FAR };

	for (size_t i = 0; i < w->ifaces[node].n; i++) {
		size_t iface = w->ifaces[node].v[i];
		const scn_index_vec *m =
			&w->members[w->plan->ifaces.v[iface].network];

		if ((only != SCN_NONE && only != iface) ||
		    !address_of(w, iface).family)
			continue;
		for (size_t k = 0; k < m->n; k++) {
			size_t peer = w->plan->ifaces.v[m->v[k]].node;
			struct ip_addr via = address_of(w, m->v[k]);
			uint32_t distance = usual ? 0 : w->distance[peer];

			if (peer == node || !is_router(w, peer) ||
			    hides(w, m->v[k]) || !via.family ||
			    distance >= best.distance)
				continue;
			best.iface = iface;
			best.via = via;
			best.distance = distance;
		}
	}
	return best;
}

static int add_route(struct walk *w, size_t node, const struct hop *hop,
		     const struct ip_prefix *to, uint32_t metric)
{
	struct plan_route *r = VEC_PUSH(w->routes);

	if (!r)
		return -ENOMEM;
	r->node = node;
	r->iface = hop->iface;
	r->to = *to;
	r->via = hop->via;
	r->metric = metric;
	r->order = w->routes->n;
	r->pos = w->plan->ifaces.v[hop->iface].pos;
	return 0;
}

static int add_default_routes(struct walk *w, size_t node)
{
	struct ip_prefix all = { .addr.family = (sa_family_t)w->family };
	uint32_t metric = 0;

	for (size_t i = 0; i < w->ifaces[node].n; i++) {
		struct hop hop = next_hop(w, node, w->ifaces[node].v[i], true);

		if (hop.distance == FAR)
			continue;
		if (add_route(w, node, &hop, &all, metric))
			return -ENOMEM;
		metric = metric ? metric + 1 : BACKUP_METRIC;
	}
	return 0;
}

static bool is_attached(const struct walk *w, size_t node,
			const struct ip_prefix *to)
{
	for (size_t i = 0; i < w->ifaces[node].n; i++) {
		const struct plan_iface *f =
			&w->plan->ifaces.v[w->ifaces[node].v[i]];

		for (size_t k = 0; k < f->addresses.n; k++)
			if (ip_prefix_contains(to, &f->addresses.v[k].addr))
				return true;
	}
	return false;
}

/* Which address a probe's packets look for once they have left its node. */
static struct ip_addr probe_looks_for(const struct plan *p,
				      const struct scn_probe *pr)
{
	struct ip_addr to = plan_probe_target(p, pr);

	if (pr->target == SCN_TARGET_SERVICE &&
	    p->scenario->services.v[pr->to].resolver == SCN_RESOLVER_SAL) {
		to = plan_sal_forward(p, pr->node,
				      p->scenario->services.v[pr->to].instance);
	} else if (pr->target == SCN_TARGET_SERVICE) {
		const scn_index_vec *at = &p->services.v[pr->to].holders;

		for (size_t i = 0; i < at->n; i++)
			if (at->v[i] == pr->node)
				to = plan_node_address(
					p,
					p->scenario->services.v[pr->to]
						.instance,
					to.family);
	}
	return to;
}

static bool somebody_masquerades(const struct plan *p)
{
	for (size_t i = 0; i < p->ifaces.n; i++)
		if (plan_masquerades(p, i))
			return true;
	return false;
}

static void help_no_way(const struct walk *w, const struct scn_probe *pr,
			const struct ip_prefix *to)
{
	const struct scenario *s = w->plan->scenario;
	size_t host = plan_joining_host(w->plan, pr->node, to);
	struct ip_addr target = plan_probe_target(w->plan, pr);

	if (pr->target == SCN_TARGET_SERVICE && !s->services.v[pr->to].at.n &&
	    ip_prefix_contains(to, &target))
		diag_help(w->diag,
			  "'%s' is an instance of '%s' at some time, and so "
			  "does not translate: name a router in 'at:'",
			  s->nodes.v[pr->node].name,
			  s->services.v[pr->to].name);
	else if (host != SCN_NONE)
		diag_help(w->diag,
			  "'%s' joins them but is a host: write "
			  "'{ kind: router }'",
			  s->nodes.v[host].name);
	else
		diag_help(w->diag,
			  "join their networks by a node of kind "
			  "router%s",
			  somebody_masquerades(w->plan) ?
				  "; nobody outside has a way to what lies "
				  "behind one that masquerades" :
				  "");
}

static void check_probes(const struct walk *w, const struct ip_prefix *to)
{
	const struct scenario *s = w->plan->scenario;
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < s->probes.n; i++) {
		const struct scn_probe *pr = &s->probes.v[i];
		struct ip_addr want = probe_looks_for(w->plan, pr);

		if (!ip_prefix_contains(to, &want) ||
		    is_attached(w, pr->node, to) ||
		    next_hop(w, pr->node, SCN_NONE, false).distance != FAR)
			continue;
		diag_error(w->diag, pr->to_pos, 1,
			   "there is no way from '%s' to %s",
			   s->nodes.v[pr->node].name,
			   ip_format_addr(&want, text, sizeof(text)));
		help_no_way(w, pr, to);
	}
}

/*
 * Routes of every node to one destination, whose distances have spread.
 * service: it is a service's address, which at a host with a sald the usual
 * route does not reach, as the services' whole prefix leads to the sald.
 */
static int add_routes_to(struct walk *w, const struct ip_prefix *to,
			 bool service)
{
	const struct scenario *s = w->plan->scenario;

	for (size_t node = 0; node < s->nodes.n; node++) {
		struct hop hop, usual;

		if (s->nodes.v[node].kind == SCN_NODE_BRIDGE ||
		    w->distance[node] == 0 || is_attached(w, node, to))
			continue;
		hop = next_hop(w, node, SCN_NONE, false);
		usual = next_hop(w, node, SCN_NONE, true);
		if (hop.distance == FAR ||
		    (!is_router(w, node) && usual.iface == hop.iface &&
		     ip_addr_equal(&usual.via, &hop.via) &&
		     !(service && w->plan->nodes.v[node].sald)))
			continue;
		if (add_route(w, node, &hop, to, 0))
			return -ENOMEM;
	}
	return 0;
}

static int route_to_networks(struct walk *w)
{
	const struct plan *p = w->plan;

	for (size_t i = 0; i < p->networks.n; i++) {
		const struct plan_network *net = &p->networks.v[i];
		size_t n = 0;

		forget_distances(w);
		for (size_t k = 0; k < w->members[i].n; k++)
			if (address_of(w, w->members[i].v[k]).family)
				start_walk(
					w, &n,
					p->ifaces.v[w->members[i].v[k]].node);
		spread(w, n);
		for (size_t k = 0; k < net->subnets.n; k++) {
			if (net->subnets.v[k].addr.family != w->family)
				continue;
			check_probes(w, &net->subnets.v[k]);
			if (add_routes_to(w, &net->subnets.v[k], false))
				return -ENOMEM;
		}
	}
	return 0;
}

/* A holder that is a host translates in its own OUTPUT: but a packet is routed
 * before it gets there, so the service's address wants a route, any route, out
 * of the interface that leads to the instances. */
static int route_at_holder(struct walk *w, size_t service, size_t holder,
			   const struct ip_prefix *to)
{
	const struct plan *p = w->plan;
	size_t instance = p->scenario->services.v[service].instance;
	struct ip_addr target = plan_node_address(p, instance, w->family);
	struct ip_prefix host = { .addr = target };
	struct hop hop = { .iface = SCN_NONE };

	if (!target.family)
		return 0;
	for (size_t i = 0; i < w->ifaces[holder].n; i++) {
		const struct plan_iface *f =
			&p->ifaces.v[w->ifaces[holder].v[i]];

		for (size_t k = 0; k < f->addresses.n; k++) {
			host.len = f->addresses.v[k].len;
			if (hop.iface == SCN_NONE &&
			    ip_prefix_contains(&host, &f->addresses.v[k].addr))
				hop.iface = w->ifaces[holder].v[i];
		}
	}
	if (hop.iface == SCN_NONE)
		return 0; /* routed: its default route will do */
	return add_route(w, holder, &hop, to, 0);
}

static int route_to_services(struct walk *w)
{
	const struct plan *p = w->plan;

	for (size_t i = 0; i < p->services.n; i++) {
		const struct plan_service *svc = &p->services.v[i];
		struct ip_prefix to = { .addr = plan_service_address(
						p, i, w->family) };
		size_t n = 0;

		if (!to.addr.family ||
		    p->scenario->services.v[i].resolver == SCN_RESOLVER_SAL)
			continue;
		to.len = w->family == AF_INET ? 32 : 128;
		forget_distances(w);
		for (size_t k = 0; k < svc->holders.n; k++) {
			start_walk(w, &n, svc->holders.v[k]);
			if (!is_router(w, svc->holders.v[k]) &&
			    route_at_holder(w, i, svc->holders.v[k], &to))
				return -ENOMEM;
		}
		spread(w, n);
		check_probes(w, &to);
		if (add_routes_to(w, &to, true))
			return -ENOMEM;
	}
	return 0;
}

static int compare_routes(const void *a, const void *b)
{
	const struct plan_route *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int find_members(struct walk *w)
{
	for (size_t i = 0; i < w->plan->ifaces.n; i++) {
		const struct plan_iface *f = &w->plan->ifaces.v[i];
		size_t *member, *own;

		if (f->node == PLAN_LAB)
			continue;
		member = VEC_PUSH(&w->members[f->network]);
		own = VEC_PUSH(&w->ifaces[f->node]);
		if (!member || !own)
			return -ENOMEM;
		*member = *own = i;
	}
	return 0;
}

static bool is_somewhere(const struct plan *p, const struct ip_addr *a)
{
	for (size_t i = 0; i < p->networks.n; i++)
		for (size_t k = 0; k < p->networks.v[i].subnets.n; k++)
			if (ip_prefix_contains(&p->networks.v[i].subnets.v[k],
					       a))
				return true;
	for (size_t i = 0; i < p->services.n; i++)
		for (size_t k = 0; k < p->services.v[i].addresses.n; k++)
			if (ip_addr_equal(&p->services.v[i].addresses.v[k], a))
				return true;
	return false;
}

/* What check_probes() cannot find, as no network and no service has it. */
static void check_targets(const struct plan *p, struct diag *diag)
{
	const struct scenario *s = p->scenario;
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < s->probes.n; i++) {
		const struct scn_probe *pr = &s->probes.v[i];
		struct ip_addr to = plan_probe_target(p, pr);

		if (!to.family) {
			diag_error(diag, pr->to_pos, 1,
				   "'%s' has no %saddress to send to",
				   pr->target == SCN_TARGET_SERVICE ?
					   s->services.v[pr->to].name :
					   s->nodes.v[pr->to].name,
				   pr->family == 4 ? "IPv4 " :
				   pr->family == 6 ? "IPv6 " :
						     "");
			diag_help(diag, "connect it by a link, or ask for the "
					"family that it has");
		} else if (!is_somewhere(p, &to)) {
			diag_error(diag, pr->to_pos, 1,
				   "no network and no service has %s",
				   ip_format_addr(&to, text, sizeof(text)));
			diag_help(diag, "'servalab plan' prints the addresses "
					"of a scenario that is right");
		}
	}
}

int plan_routes(struct plan *p, struct diag *diag, plan_route_vec *out)
{
	static const int families[] = { AF_INET, AF_INET6 };
	size_t nodes = p->scenario->nodes.n;
	struct walk w = { .plan = p, .diag = diag, .routes = out };
	int r = -ENOMEM;

	w.members = calloc(p->networks.n + 1, sizeof(*w.members));
	w.ifaces = calloc(nodes + 1, sizeof(*w.ifaces));
	w.distance = calloc(nodes + 1, sizeof(*w.distance));
	w.queue = calloc(nodes + 1, sizeof(*w.queue));
	if (w.members && w.ifaces && w.distance && w.queue)
		r = find_members(&w);
	for (size_t f = 0; f < 2 && !r; f++) {
		w.family = families[f];
		for (size_t i = 0; i < nodes && !r; i++)
			if (scn_kind_is_host(p->scenario->nodes.v[i].kind))
				r = add_default_routes(&w, i);
		if (!r)
			r = route_to_networks(&w);
		if (!r)
			r = route_to_services(&w);
	}
	if (!r)
		check_targets(p, diag);
	if (!r && out->n)
		qsort(out->v, out->n, sizeof(*out->v), compare_routes);
	for (size_t i = 0; w.members && i < p->networks.n; i++)
		VEC_FREE(&w.members[i]);
	for (size_t i = 0; w.ifaces && i < nodes; i++)
		VEC_FREE(&w.ifaces[i]);
	free(w.members);
	free(w.ifaces);
	free(w.distance);
	free(w.queue);
	return r;
}
