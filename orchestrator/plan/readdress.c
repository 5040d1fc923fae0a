/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interfaces whose addresses change while the lab runs.
 *
 * The timeline is known beforehand, and so is everything that becomes of an
 * address: which one "renew" gives is decided here, once, so that "servalab
 * plan" can print it and the lab has nothing to decide. An automatic new
 * address is one that nobody has had or is to have in the whole run: what still
 * arrives for an old one shall not find a new owner.
 *
 * Families are replaced one by one: new IPv4 addresses leave the IPv6 ones
 * alone, and the other way round.
 *
 * In the kernel, an old address goes before a new one comes. The other way
 * round, in the same subnet, an IPv4 address that is added is a secondary of
 * the one that is there, and goes when that goes. But with an interface's last
 * IPv4 address the kernel also forgets every IPv4 route over it, those of the
 * scenario's routers too: they are added again. IPv6 keeps them.
 */
#include "orchestrator/plan/internal.h"

#include "base/diag.h"

#include <errno.h>
#include <string.h>

typedef VEC(struct ip_addr) addr_vec;

/* ---- the timeline, played ----------------------------------------------- */

/* What stands behind the last action. */
static const struct scn_action the_end;

/* Calls visit for each action ahead of at, in order. */
static void
each_action_before(const struct scenario *s, const struct scn_action *at,
		   void (*visit)(const struct scn_action *a, void *arg),
		   void *arg)
{
	for (size_t i = 0; at && i < s->timeline.n; i++) {
		const struct scn_entry *e = &s->timeline.v[i];

		for (size_t k = 0; k < e->actions.n; k++) {
			if (&e->actions.v[k] == at)
				return;
			visit(&e->actions.v[k], arg);
		}
	}
}

const struct scn_action *plan_action_behind(const struct plan *p,
					    const struct scn_action *a)
{
	const struct scenario *s = p->scenario;
	bool found = false;

	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *e = &s->timeline.v[i];

		for (size_t k = 0; k < e->actions.n; k++) {
			if (found)
				return &e->actions.v[k];
			found = &e->actions.v[k] == a;
		}
	}
	return &the_end;
}

static const struct plan_readdress *find_readdress(const struct plan *p,
						   const struct scn_action *a)
{
	for (size_t i = 0; i < p->readdresses.n; i++)
		if (p->readdresses.v[i].action == a)
			return &p->readdresses.v[i];
	return NULL;
}

struct place {
	const struct plan *plan;
	size_t iface;
	int family;
	struct ip_addr addr; /* the first one */
};

static struct ip_addr first_of(const struct ip_prefix *v, size_t n, int family)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].addr.family == family)
			return v[i].addr;
	return (struct ip_addr){ 0 };
}

static void visit_readdress(const struct scn_action *a, void *arg)
{
	struct place *place = arg;
	const struct plan_readdress *r = find_readdress(place->plan, a);
	struct ip_addr addr;

	if (!r || r->iface != place->iface)
		return;
	addr = first_of(r->new.v, r->new.n, place->family);
	if (addr.family)
		place->addr = addr;
}

struct ip_addr plan_node_address_at(const struct plan *p, size_t node,
				    int family, const struct scn_action *at)
{
	for (size_t i = 0; i < p->ifaces.n; i++) {
		const struct plan_iface *f = &p->ifaces.v[i];
		struct place place = { .plan = p,
				       .iface = i,
				       .family = family };

		if (f->node != node)
			continue;
		place.addr = first_of(f->addresses.v, f->addresses.n, family);
		each_action_before(p->scenario, at, visit_readdress, &place);
		if (place.addr.family)
			return place.addr;
	}
	return (struct ip_addr){ 0 };
}

struct binding {
	size_t service, instance;
};

static void visit_migrate(const struct scn_action *a, void *arg)
{
	struct binding *b = arg;

	if (a->kind == SCN_ACTION_MIGRATE && a->migrate.service == b->service)
		b->instance = a->migrate.to;
}

size_t plan_instance_at(const struct plan *p, size_t service,
			const struct scn_action *at)
{
	struct binding b = { service,
			     p->scenario->services.v[service].instance };

	each_action_before(p->scenario, at, visit_migrate, &b);
	return b.instance;
}

/* ---- new addresses ------------------------------------------------------ */

static bool is_used(const addr_vec *used, const struct ip_addr *a)
{
	for (size_t i = 0; i < used->n; i++)
		if (ip_addr_equal(&used->v[i], a))
			return true;
	return false;
}

static int use(addr_vec *used, const struct ip_addr *a)
{
	struct ip_addr *slot = VEC_PUSH(used);

	if (!slot)
		return -ENOMEM;
	*slot = *a;
	return 0;
}

static bool has_family(const struct plan_readdress *r, int family)
{
	return first_of(r->new.v, r->new.n, family).family != 0;
}

static int take_renewed(struct plan *p, struct diag *diag,
			struct plan_readdress *r, addr_vec *used)
{
	const struct plan_iface *f = &p->ifaces.v[r->iface];
	const struct plan_network *net = &p->networks.v[f->network];
	char text[IP_TEXT_MAX];

	for (size_t k = 0; k < net->subnets.n; k++) {
		struct ip_prefix a = net->subnets.v[k], *slot;
		/* /31 and /127 start at their network address. */
		uint64_t n = ip_addr_size(&a.addr) * 8 - a.len != 1;
		bool found;

		do
			found = ip_prefix_host(&net->subnets.v[k], n++,
					       &a.addr);
		while (found && is_used(used, &a.addr));
		if (!found) {
			diag_error(diag, r->action->pos, 1,
				   "subnet %s has no address left for this "
				   "interface",
				   ip_format_prefix(&net->subnets.v[k], text,
						    sizeof(text)));
			continue;
		}
		slot = VEC_PUSH(&r->new);
		if (!slot || use(used, &a.addr))
			return -ENOMEM;
		*slot = a;
	}
	return 0;
}

static int take_given(struct plan *p, struct diag *diag,
		      struct plan_readdress *r)
{
	const scn_prefix_vec *given = &r->action->readdress.addresses;
	const struct plan_iface *f = &p->ifaces.v[r->iface];
	const struct plan_network *net = &p->networks.v[f->network];
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < given->n; i++) {
		struct ip_prefix own = ip_prefix_network(&given->v[i].prefix);
		struct ip_prefix *slot = VEC_PUSH(&r->new);
		bool known = false;

		if (!slot)
			return -ENOMEM;
		*slot = given->v[i].prefix;
		for (size_t k = 0; k < net->subnets.n; k++)
			known |= ip_prefix_equal(&net->subnets.v[k], &own);
		if (known)
			continue;
		ip_format_prefix(&given->v[i].prefix, text, sizeof(text));
		diag_error(diag, given->v[i].pos, (unsigned)strlen(text),
			   "%s is in none of the subnets of its network", text);
		diag_help(diag, "its first subnet is %s",
			  net->subnets.n ?
				  ip_format_prefix(&net->subnets.v[0], text,
						   sizeof(text)) :
				  "not known");
	}
	return 0;
}

/* A given address that another interface has at any time is an error. */
static void check_given(const struct plan *p, struct diag *diag,
			const struct plan_readdress *r)
{
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < r->action->readdress.addresses.n; i++) {
		const struct scn_prefix *a =
			&r->action->readdress.addresses.v[i];
		bool taken = false;

		for (size_t k = 0; k < p->ifaces.n; k++)
			for (size_t j = 0;
			     k != r->iface && j < p->ifaces.v[k].addresses.n;
			     j++)
				taken |= ip_addr_equal(
					&p->ifaces.v[k].addresses.v[j].addr,
					&a->prefix.addr);
		if (taken)
			diag_error(diag, a->pos, 1, "%s is taken already",
				   ip_format_addr(&a->prefix.addr, text,
						  sizeof(text)));
	}
}

/* What the interface has at the action, of the families that change. */
static int find_old(struct plan *p, struct plan_readdress *r)
{
	const struct plan_iface *f = &p->ifaces.v[r->iface];
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t k = 0; k < 2; k++) {
		const struct ip_prefix *v = f->addresses.v;
		size_t n = f->addresses.n;

		if (!has_family(r, families[k]))
			continue;
		for (size_t i = 0; i < p->readdresses.n; i++) {
			const struct plan_readdress *e = &p->readdresses.v[i];

			if (e == r)
				break;
			if (e->iface == r->iface &&
			    has_family(e, families[k])) {
				v = e->new.v;
				n = e->new.n;
			}
		}
		for (size_t i = 0; i < n; i++) {
			struct ip_prefix *slot;

			if (v[i].addr.family != families[k])
				continue;
			slot = VEC_PUSH(&r->old);
			if (!slot)
				return -ENOMEM;
			*slot = v[i];
		}
	}
	return 0;
}

static int find_actions(struct plan *p, addr_vec *used)
{
	const struct scenario *s = p->scenario;

	for (size_t i = 0; i < s->timeline.n; i++) {
		for (size_t k = 0; k < s->timeline.v[i].actions.n; k++) {
			const struct scn_action *a =
				&s->timeline.v[i].actions.v[k];
			struct plan_readdress *r;

			if (a->kind != SCN_ACTION_READDRESS)
				continue;
			r = VEC_PUSH(&p->readdresses);
			if (!r)
				return -ENOMEM;
			r->action = a;
			r->iface = p->links.v[a->readdress.link]
					   .iface[a->readdress.end];
			for (size_t j = 0; j < a->readdress.addresses.n; j++)
				if (use(used, &a->readdress.addresses.v[j]
						       .prefix.addr))
					return -ENOMEM;
		}
	}
	for (size_t i = 0; p->readdresses.n && i < p->ifaces.n; i++)
		for (size_t k = 0; k < p->ifaces.v[i].addresses.n; k++)
			if (use(used, &p->ifaces.v[i].addresses.v[k].addr))
				return -ENOMEM;
	return 0;
}

int plan_readdresses(struct plan *p, struct diag *diag)
{
	addr_vec used = { 0 };
	int ret = find_actions(p, &used);

	for (size_t i = 0; i < p->readdresses.n && !ret; i++) {
		struct plan_readdress *r = &p->readdresses.v[i];

		if (r->action->readdress.addresses.n) {
			ret = take_given(p, diag, r);
			check_given(p, diag, r);
		} else {
			ret = take_renewed(p, diag, r, &used);
		}
		if (!ret)
			ret = find_old(p, r);
	}
	VEC_FREE(&used);
	return ret;
}

/* ---- operations --------------------------------------------------------- */

static int add_address(const struct plan *p, plan_op_vec *out,
		       enum plan_op_kind kind, const struct plan_readdress *r,
		       const struct ip_prefix *address)
{
	struct plan_op *op = VEC_PUSH(out);

	if (!op)
		return -ENOMEM;
	op->kind = kind;
	op->node = p->ifaces.v[r->iface].node;
	op->addr.iface = r->iface;
	op->addr.address = *address;
	op->pos = r->action->pos;
	return 0;
}

int plan_readdress_ops(const struct plan *p, const struct scn_action *a,
		       plan_op_vec *out)
{
	const struct plan_readdress *r = find_readdress(p, a);
	int ret = 0;

	for (size_t i = 0; i < r->old.n && !ret; i++)
		ret = add_address(p, out, PLAN_OP_ADDR_DEL, r, &r->old.v[i]);
	for (size_t i = 0; i < r->new.n && !ret; i++)
		ret = add_address(p, out, PLAN_OP_ADDR_ADD, r, &r->new.v[i]);
	if (!has_family(r, AF_INET))
		return ret;
	for (size_t i = 0; i < p->ops.n && !ret; i++) {
		const struct plan_op *route = &p->ops.v[i];
		struct plan_op *op;

		if (route->kind != PLAN_OP_ROUTE_ADD ||
		    route->route.iface != r->iface ||
		    route->route.to.addr.family != AF_INET)
			continue;
		op = VEC_PUSH(out);
		if (!op)
			return -ENOMEM;
		*op = *route;
		op->pos = a->pos;
	}
	return ret;
}
