/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/plan/live.h"

#include "orchestrator/plan/internal.h"

#include <errno.h>
#include <string.h>

static int copy_prefixes(struct plan_live_iface *f, const struct ip_prefix *v,
			 size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ip_prefix *slot = VEC_PUSH(&f->addresses);

		if (!slot)
			return -ENOMEM;
		*slot = v[i];
	}
	return 0;
}

static int init_ifaces(struct plan_live *l)
{
	const struct plan *p = l->plan;

	for (size_t i = 0; i < p->ifaces.n; i++) {
		const struct plan_iface *f = &p->ifaces.v[i];
		struct plan_live_iface *own = &l->ifaces[i];

		memcpy(own->name, f->name, sizeof(own->name));
		own->network = f->network;
		own->present = true;
		if (f->link != SCN_NONE) {
			own->mtu = p->scenario->links.v[f->link].mtu;
			own->present = !p->scenario->links.v[f->link].absent;
		}
		if (copy_prefixes(own, f->addresses.v, f->addresses.n))
			return -ENOMEM;
	}
	for (size_t i = 0; i < p->ops.n; i++) {
		struct plan_op *slot;

		if (p->ops.v[i].kind != PLAN_OP_ROUTE_ADD)
			continue;
		slot = VEC_PUSH(&l->routes);
		if (!slot)
			return -ENOMEM;
		*slot = p->ops.v[i];
	}
	/* Those of interfaces that are not there at first. */
	for (size_t i = 0; i < p->late_routes.n; i++) {
		struct plan_op *slot = VEC_PUSH(&l->routes);

		if (!slot)
			return -ENOMEM;
		*slot = p->late_routes.v[i];
	}
	return 0;
}

static void init_weight(struct plan_live *l, size_t service,
			const struct scn_instance *in)
{
	size_t at = service * l->plan->scenario->nodes.n + in->node;

	l->weights[at] = in->weight;
	l->priorities[at] = in->priority;
}

static void init_services(struct plan_live *l)
{
	const struct scenario *s = l->plan->scenario;

	for (size_t i = 0; i < s->services.n * s->nodes.n; i++)
		l->weights[i] = 1;
	for (size_t i = 0; i < s->services.n; i++) {
		const struct scn_service *svc = &s->services.v[i];

		for (size_t k = 0; k < svc->instances.n; k++) {
			size_t node = svc->instances.v[k].node;

			l->serves[i * s->nodes.n + node] = true;
			init_weight(l, i, &svc->instances.v[k]);
		}
		/* For when somebody listens there. */
		for (size_t k = 0; k < svc->candidates.n; k++)
			init_weight(l, i, &svc->candidates.v[k]);
	}
}

struct plan_live *plan_live_new(const struct plan *p)
{
	const struct scenario *s = p->scenario;
	struct plan_live *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->plan = p;
	l->ifaces = calloc(p->ifaces.n + 1, sizeof(*l->ifaces));
	l->link_down = calloc(s->links.n + 1, sizeof(*l->link_down));
	l->nodes = calloc(s->nodes.n + 1, sizeof(*l->nodes));
	l->serves = calloc(s->services.n * s->nodes.n + 1, sizeof(*l->serves));
	l->weights =
		calloc(s->services.n * s->nodes.n + 1, sizeof(*l->weights));
	l->priorities =
		calloc(s->services.n * s->nodes.n + 1, sizeof(*l->priorities));
	l->missed = calloc(s->nodes.n + 1, sizeof(*l->missed));
	l->rebinds = calloc(s->nodes.n + 1, sizeof(*l->rebinds));
	if (!l->ifaces || !l->rebinds || !l->link_down || !l->nodes ||
	    !l->serves || !l->weights || !l->priorities || !l->missed ||
	    init_ifaces(l))
		return plan_live_free(l);
	init_services(l);
	return l;
}

struct plan_live *plan_live_free(struct plan_live *l)
{
	if (!l)
		return NULL;
	for (size_t i = 0; l->ifaces && i < l->plan->ifaces.n; i++)
		VEC_FREE(&l->ifaces[i].addresses);
	VEC_FREE(&l->routes);
	free(l->ifaces);
	free(l->link_down);
	free(l->nodes);
	free(l->serves);
	free(l->weights);
	free(l->priorities);
	for (size_t i = 0; l->missed && i < l->plan->scenario->nodes.n; i++)
		VEC_FREE(&l->missed[i]);
	free(l->missed);
	free(l->rebinds);
	free(l);
	return NULL;
}

/* ---- what is asked of it ------------------------------------------------- */

struct ip_addr plan_live_address(const struct plan_live *l, size_t node,
				 int family)
{
	for (size_t i = 0; i < l->plan->ifaces.n; i++) {
		const struct plan_live_iface *f = &l->ifaces[i];

		if (l->plan->ifaces.v[i].node != node || !f->present)
			continue;
		for (size_t k = 0; k < f->addresses.n; k++)
			if (f->addresses.v[k].addr.family == family)
				return f->addresses.v[k].addr;
	}
	return (struct ip_addr){ 0 };
}

bool plan_live_serves(const struct plan_live *l, size_t service, size_t node)
{
	return l->serves[service * l->plan->scenario->nodes.n + node];
}

void plan_live_listen(struct plan_live *l, size_t service, size_t node,
		      bool listens)
{
	l->serves[service * l->plan->scenario->nodes.n + node] = listens;
}

uint32_t plan_live_weight(const struct plan_live *l, size_t service,
			  size_t node)
{
	return l->weights[service * l->plan->scenario->nodes.n + node];
}

uint32_t plan_live_priority(const struct plan_live *l, size_t service,
			    size_t node)
{
	return l->priorities[service * l->plan->scenario->nodes.n + node];
}

bool plan_live_link_up(const struct plan_live *l, size_t link)
{
	const struct plan_link *pl = &l->plan->links.v[link];

	if (l->link_down[link])
		return false;
	for (size_t end = 0; end < 2; end++) {
		size_t iface = pl->iface[end];

		if (iface == SCN_NONE)
			continue;
		if (!l->ifaces[iface].present ||
		    l->nodes[l->plan->ifaces.v[iface].node] == PLAN_NODE_OFF)
			return false;
	}
	return true;
}

/* ---- what actions make of it --------------------------------------------- */

static int take_readdress(struct plan_live *l, const struct scn_action *a)
{
	const struct plan_readdress *r = plan_find_readdress(l->plan, a);
	struct plan_live_iface *f;
	size_t kept = 0;

	if (!r)
		return 0;
	f = &l->ifaces[r->iface];
	for (size_t i = 0; i < f->addresses.n; i++)
		if (!plan_readdress_has(r, f->addresses.v[i].addr.family))
			f->addresses.v[kept++] = f->addresses.v[i];
	f->addresses.n = kept;
	return copy_prefixes(f, r->new.v, r->new.n);
}

static bool same_route(const struct plan_op *route, const struct scn_action *a,
		       size_t iface)
{
	return route->route.iface == iface &&
	       ip_prefix_equal(&route->route.to, &a->route.to) &&
	       (a->route.change == SCN_ROUTE_REPLACE || !a->route.metric ||
		route->route.metric == a->route.metric);
}

static int take_route(struct plan_live *l, const struct scn_action *a)
{
	size_t iface =
		l->plan->links.v[a->route.at.link].iface[a->route.at.end];
	struct plan_op *slot;
	size_t kept = 0;

	for (size_t i = 0; a->route.change != SCN_ROUTE_ADD && i < l->routes.n;
	     i++)
		if (!same_route(&l->routes.v[i], a, iface))
			l->routes.v[kept++] = l->routes.v[i];
	if (a->route.change != SCN_ROUTE_ADD)
		l->routes.n = kept;
	if (a->route.change == SCN_ROUTE_DELETE)
		return 0;
	slot = VEC_PUSH(&l->routes);
	if (!slot)
		return -ENOMEM;
	*slot = plan_route_op(l->plan, a, PLAN_OP_ROUTE_ADD);
	return 0;
}

static int take_plug(struct plan_live *l, const struct scn_iface_ref *at,
		     size_t bridge, struct src_pos pos)
{
	size_t iface = l->plan->links.v[at->link].iface[at->end];
	plan_op_vec routes = { 0 };
	size_t kept = 0;
	int r;

	r = plan_default_route_ops(l, at, bridge, pos, &routes);
	l->ifaces[iface].network = plan_network_of(l->plan, bridge);
	for (size_t i = 0; i < l->routes.n; i++)
		if (l->routes.v[i].route.iface != iface)
			l->routes.v[kept++] = l->routes.v[i];
	l->routes.n = kept;
	for (size_t i = 0; i < routes.n && !r; i++) {
		struct plan_op *slot = VEC_PUSH(&l->routes);

		if (slot)
			*slot = routes.v[i];
		else
			r = -ENOMEM;
	}
	VEC_FREE(&routes);
	return r;
}

static void set_weight(struct plan_live *l, size_t service, size_t node,
		       uint32_t weight, uint32_t priority)
{
	size_t at = service * l->plan->scenario->nodes.n + node;

	l->weights[at] = weight;
	l->priorities[at] = priority;
}

void plan_live_begin(struct plan_live *l, const struct scn_action *a)
{
	size_t service = a->migrate.service, from = a->migrate.from;

	if (a->kind == SCN_ACTION_REGISTER)
		set_weight(l, a->serve.service, a->serve.node, a->serve.weight,
			   a->serve.priority);
	/* In the place of another, it has that one's. */
	if (a->kind == SCN_ACTION_MIGRATE &&
	    plan_live_serves(l, service, from) &&
	    !plan_live_serves(l, service, a->migrate.to))
		set_weight(l, service, a->migrate.to,
			   plan_live_weight(l, service, from),
			   plan_live_priority(l, service, from));
}

int plan_live_take(struct plan_live *l, const struct scn_action *a)
{
	size_t nodes = l->plan->scenario->nodes.n, iface;
	int r;

	plan_live_begin(l, a);
	r = plan_sal_miss(l, a);
	if (r)
		return r;
	switch (a->kind) {
	case SCN_ACTION_MIGRATE:
		l->serves[a->migrate.service * nodes + a->migrate.from] = false;
		l->serves[a->migrate.service * nodes + a->migrate.to] = true;
		return 0;
	case SCN_ACTION_REGISTER:
	case SCN_ACTION_UNREGISTER:
		l->serves[a->serve.service * nodes + a->serve.node] =
			a->kind == SCN_ACTION_REGISTER;
		return 0;
	case SCN_ACTION_WEIGHT:
		for (size_t i = 0; i < a->weight.n; i++)
			l->weights[a->weight.service * nodes +
				   a->weight.set[i].node] =
				a->weight.set[i].weight;
		return 0;
	case SCN_ACTION_LINK_STATE:
		l->link_down[a->link.link] = !a->link.up;
		return 0;
	case SCN_ACTION_READDRESS:
		return take_readdress(l, a);
	case SCN_ACTION_PRESENCE:
	case SCN_ACTION_ADMIN:
	case SCN_ACTION_RENAME:
	case SCN_ACTION_MTU:
		iface = l->plan->links.v[a->iface.at.link]
				.iface[a->iface.at.end];
		if (a->kind == SCN_ACTION_PRESENCE) {
			l->ifaces[iface].present = a->iface.present;
			l->ifaces[iface].down = false;
		} else if (a->kind == SCN_ACTION_ADMIN)
			l->ifaces[iface].down = !a->iface.up;
		else if (a->kind == SCN_ACTION_MTU)
			l->ifaces[iface].mtu = a->iface.mtu;
		else
			memcpy(l->ifaces[iface].name, a->iface.name,
			       sizeof(a->iface.name));
		return 0;
	case SCN_ACTION_PLUG:
		return take_plug(l, &a->iface.at, a->iface.bridge, a->pos);
	case SCN_ACTION_GUEST:
		r = take_plug(l, &a->guest.at, a->guest.bridge, a->pos);
		return r ? r : take_readdress(l, a);
	case SCN_ACTION_ROUTE:
		return take_route(l, a);
	case SCN_ACTION_NAT_REBIND:
		l->rebinds[a->node.node]++;
		return 0;
	case SCN_ACTION_PARTITION:
	case SCN_ACTION_HEAL:
		l->partition = a->kind == SCN_ACTION_PARTITION ? a : NULL;
		return 0;
	case SCN_ACTION_CRASH:
		/* It boots with all of them up. */
		for (size_t i = 0; i < l->plan->ifaces.n; i++)
			if (l->plan->ifaces.v[i].node == a->node.node)
				l->ifaces[i].down = false;
		__attribute__((fallthrough));
	case SCN_ACTION_BOOT:
	case SCN_ACTION_FREEZE:
	case SCN_ACTION_THAW:
		l->nodes[a->node.node] =
			a->kind == SCN_ACTION_CRASH  ? PLAN_NODE_OFF :
			a->kind == SCN_ACTION_FREEZE ? PLAN_NODE_FROZEN :
						       PLAN_NODE_ON;
		VEC_FREE(&l->missed[a->node.node]);
		return 0;
	default: /* changes nothing that is known of the network */
		return 0;
	}
}

int plan_node_addresses(const struct plan *p, size_t node,
			struct ip_addr **addresses, size_t *n)
{
	VEC(struct ip_addr) all = { 0 };

	for (size_t i = 0; i < p->ifaces.n; i++) {
		const struct plan_iface *f = &p->ifaces.v[i];

		for (size_t k = 0; f->node == node && k < f->addresses.n; k++) {
			struct ip_addr *slot = VEC_PUSH(&all);

			if (!slot)
				goto failed;
			*slot = f->addresses.v[k].addr;
		}
	}
	for (size_t i = 0; i < p->readdresses.n; i++) {
		const struct plan_readdress *r = &p->readdresses.v[i];

		for (size_t k = 0;
		     p->ifaces.v[r->iface].node == node && k < r->new.n; k++) {
			struct ip_addr *slot = VEC_PUSH(&all);

			if (!slot)
				goto failed;
			*slot = r->new.v[k].addr;
		}
	}
	*addresses = all.v;
	*n = all.n;
	return 0;
failed:
	VEC_FREE(&all);
	return -ENOMEM;
}
