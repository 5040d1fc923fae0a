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
 * Families are replaced one after the other: new IPv4 addresses leave the IPv6
 * ones alone, and the other way round.
 *
 * In the kernel, the new address comes before the old one goes: between the two
 * a busy machine may take its time, in which a host with two ways would believe
 * one of them lost. In the same subnet an IPv4 address that is added is a
 * secondary of the one that is there, and goes when that goes, unless the node
 * promotes secondaries; so nodes whose addresses change do. Routes stay then,
 * whatever the subnets are.
 *
 * The old one goes first where the new one is there already, and where the
 * interface has come to another network: with its last IPv4 address the kernel
 * forgets every IPv4 route over an interface, which is what is wanted there.
 * Those of the scenario's routers are added again.
 */
#include "orchestrator/plan/internal.h"

#include "base/diag.h"

#include <errno.h>
#include <string.h>

typedef VEC(struct ip_addr) addr_vec;

static struct ip_addr first_of(const struct ip_prefix *v, size_t n, int family)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].addr.family == family)
			return v[i].addr;
	return (struct ip_addr){ 0 };
}

const struct plan_readdress *plan_find_readdress(const struct plan *p,
						 const struct scn_action *a)
{
	for (size_t i = 0; i < p->readdresses.n; i++)
		if (p->readdresses.v[i].action == a)
			return &p->readdresses.v[i];
	return NULL;
}

bool plan_readdress_has(const struct plan_readdress *r, int family)
{
	return r->both_families ||
	       first_of(r->new.v, r->new.n, family).family != 0;
}

/* The addresses that an action gives. NULL: it is about none. */
static const scn_prefix_vec *given_by(const struct scn_action *a)
{
	switch (a->kind) {
	case SCN_ACTION_READDRESS:
		return &a->readdress.addresses;
	case SCN_ACTION_GUEST:
		return &a->guest.addresses;
	default:
		return NULL;
	}
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

static int take_renewed(struct plan *p, struct diag *diag,
			struct plan_readdress *r, size_t network,
			addr_vec *used)
{
	const struct plan_network *net = &p->networks.v[network];
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
		      struct plan_readdress *r, size_t network)
{
	const scn_prefix_vec *given = given_by(r->action);
	const struct plan_network *net = &p->networks.v[network];
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
	const scn_prefix_vec *given = given_by(r->action);
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < given->n; i++) {
		const struct scn_prefix *a = &given->v[i];
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
static int find_old(const struct plan_live *l, struct plan_readdress *r)
{
	const struct plan_live_iface *f = &l->ifaces[r->iface];

	for (size_t i = 0; i < f->addresses.n; i++) {
		struct ip_prefix *slot;

		if (!plan_readdress_has(r, f->addresses.v[i].addr.family))
			continue;
		slot = VEC_PUSH(&r->old);
		if (!slot)
			return -ENOMEM;
		*slot = f->addresses.v[i];
	}
	return 0;
}

static size_t iface_changed(const struct plan *p, const struct scn_action *a)
{
	return a->kind == SCN_ACTION_GUEST ?
		       p->links.v[a->guest.at.link].iface[a->guest.at.end] :
		       p->links.v[a->readdress.link].iface[a->readdress.end];
}

/* Nothing comes in the place of what goes. */
static bool is_loss(const struct scn_action *a)
{
	return a->kind == SCN_ACTION_READDRESS && a->readdress.none;
}

static int find_actions(struct plan *p, addr_vec *used)
{
	const struct scenario *s = p->scenario;

	for (size_t i = 0; i < s->timeline.n; i++) {
		for (size_t k = 0; k < s->timeline.v[i].actions.n; k++) {
			const struct scn_action *a =
				&s->timeline.v[i].actions.v[k];
			const scn_prefix_vec *given = given_by(a);
			struct plan_readdress *r;

			if (!given)
				continue;
			r = VEC_PUSH(&p->readdresses);
			if (!r)
				return -ENOMEM;
			r->action = a;
			r->both_families = a->kind == SCN_ACTION_GUEST ||
					   a->readdress.none;
			r->iface = iface_changed(p, a);
			for (size_t j = 0; j < given->n; j++)
				if (use(used, &given->v[j].prefix.addr))
					return -ENOMEM;
		}
	}
	for (size_t i = 0; p->readdresses.n && i < p->ifaces.n; i++)
		for (size_t k = 0; k < p->ifaces.v[i].addresses.n; k++)
			if (use(used, &p->ifaces.v[i].addresses.v[k].addr))
				return -ENOMEM;
	return 0;
}

static int decide(struct plan *p, struct diag *diag, const struct plan_live *l,
		  struct plan_readdress *r, addr_vec *used)
{
	size_t network = r->action->kind == SCN_ACTION_GUEST ?
				 plan_network_of(p, r->action->guest.bridge) :
				 l->ifaces[r->iface].network;
	int ret;

	if (is_loss(r->action)) {
		ret = 0;
	} else if (!given_by(r->action)->n) {
		ret = take_renewed(p, diag, r, network, used);
	} else {
		ret = take_given(p, diag, r, network);
		check_given(p, diag, r);
	}
	return ret ? ret : find_old(l, r);
}

/* In the order of the timeline, since an interface may be plugged into another
 * network meanwhile. */
int plan_readdresses(struct plan *p, struct diag *diag)
{
	const struct scenario *s = p->scenario;
	addr_vec used = { 0 };
	int ret = find_actions(p, &used);
	struct plan_live *l = ret ? NULL : plan_live_new(p);

	if (!l && !ret)
		ret = -ENOMEM;
	for (size_t i = 0; p->readdresses.n && i < s->timeline.n; i++) {
		const struct scn_entry *e = &s->timeline.v[i];

		for (size_t k = 0; k < e->actions.n && !ret; k++) {
			const struct plan_readdress *r =
				plan_find_readdress(p, &e->actions.v[k]);

			if (r)
				ret = decide(
					p, diag, l,
					&p->readdresses.v[r - p->readdresses.v],
					&used);
			if (!ret)
				ret = plan_live_take(l, &e->actions.v[k]);
		}
	}
	plan_live_free(l);
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

static int take_old(const struct plan *p, const struct plan_live_iface *f,
		    const struct plan_readdress *r, int family,
		    plan_op_vec *out)
{
	int ret = 0;

	for (size_t i = 0; i < f->addresses.n && !ret; i++)
		if (f->addresses.v[i].addr.family == family &&
		    plan_readdress_has(r, family))
			ret = add_address(p, out, PLAN_OP_ADDR_DEL, r,
					  &f->addresses.v[i]);
	return ret;
}

static int give_new(const struct plan *p, const struct plan_readdress *r,
		    int family, plan_op_vec *out)
{
	int ret = 0;

	for (size_t i = 0; i < r->new.n && !ret; i++)
		if (r->new.v[i].addr.family == family)
			ret = add_address(p, out, PLAN_OP_ADDR_ADD, r,
					  &r->new.v[i]);
	return ret;
}

/* Is one of the family among the new ones that is there already? */
static bool keeps_any(const struct plan_live_iface *f,
		      const struct plan_readdress *r, int family)
{
	for (size_t i = 0; i < r->new.n; i++)
		for (size_t k = 0; k < f->addresses.n; k++)
			if (r->new.v[i].addr.family == family &&
			    ip_addr_equal(&r->new.v[i].addr,
					  &f->addresses.v[k].addr))
				return true;
	return false;
}

/* The new ones of IPv4 come before the old ones go. */
static bool comes_first(const struct plan *p, const struct plan_live_iface *f,
			const struct plan_readdress *r)
{
	return f->network == p->ifaces.v[r->iface].network &&
	       !keeps_any(f, r, AF_INET) &&
	       first_of(r->new.v, r->new.n, AF_INET).family &&
	       plan_has_family(f, AF_INET);
}

int plan_readdress_ops(const struct plan_live *l, const struct scn_action *a,
		       plan_op_vec *out)
{
	const struct plan *p = l->plan;
	const struct plan_readdress *r = plan_find_readdress(p, a);
	const struct plan_live_iface *f = &l->ifaces[r->iface];
	bool new4_first = comes_first(p, f, r);
	bool new6_first = !keeps_any(f, r, AF_INET6);
	int ret = 0;

	if (!plan_end_exists(l, a->readdress.link, a->readdress.end))
		return 0; /* it gets them when it comes back */
	if (new4_first)
		ret = give_new(p, r, AF_INET, out);
	if (!ret)
		ret = take_old(p, f, r, AF_INET, out);
	if (!ret && !new4_first)
		ret = give_new(p, r, AF_INET, out);
	if (!ret && new6_first)
		ret = give_new(p, r, AF_INET6, out);
	if (!ret)
		ret = take_old(p, f, r, AF_INET6, out);
	if (!ret && !new6_first)
		ret = give_new(p, r, AF_INET6, out);
	for (size_t i = 0; i < f->addresses.n && !ret; i++)
		if (plan_readdress_has(r, f->addresses.v[i].addr.family))
			ret = plan_mptcp_op(p, PLAN_OP_MPTCP_DEL, r->iface,
					    &f->addresses.v[i], a->pos, out);
	for (size_t i = 0; i < r->new.n && !ret; i++)
		ret = plan_mptcp_op(p, PLAN_OP_MPTCP_ADD, r->iface,
				    &r->new.v[i], a->pos, out);
	for (size_t i = 0; i < l->routes.n && !ret; i++) {
		const struct plan_op *route = &l->routes.v[i];
		int family = route->route.to.addr.family;
		struct plan_op *op;

		if (is_loss(a)) /* of IPv4, they go with the addresses */
			break;
		/* Those of a network that it was plugged into, and those of an
		 * interface that came without, wait for an address. */
		if (route->route.iface != r->iface ||
		    !plan_readdress_has(r, family) ||
		    (family == AF_INET && new4_first) ||
		    (family == AF_INET6 && plan_has_family(f, AF_INET6) &&
		     f->network == p->ifaces.v[r->iface].network))
			continue;
		op = VEC_PUSH(out);
		if (!op)
			return -ENOMEM;
		*op = *route;
		if (family == AF_INET6)
			op->kind = PLAN_OP_ROUTE_SET;
		op->pos = a->pos;
	}
	return ret;
}
