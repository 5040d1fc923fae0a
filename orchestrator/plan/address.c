/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Subnets for networks, addresses for interfaces.
 *
 * A network's subnets are those given to its bridge or link; else those of the
 * addresses given to interfaces on it; else automatic ones. In each subnet an
 * interface has the address given to it, or else the lowest one that nobody
 * was given, in the order of the file. So adding a node at the end of a file
 * changes no address of the others.
 */
#include "orchestrator/plan/internal.h"

#include "base/diag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An address and who has it, to find the same one twice. */
struct owner {
	struct ip_addr addr;
	size_t iface;
	struct src_pos pos;
};
typedef VEC(struct owner) owner_vec;

static const struct scn_endpoint *endpoint_of(const struct plan *p,
					      const struct plan_iface *f)
{
	return &p->scenario->links.v[f->link].end[f->end];
}

/* The name of a network, for people: its bridge's or link's. */
static const char *network_name(const struct plan *p,
				const struct plan_network *net)
{
	return net->bridge != SCN_NONE ?
		       p->scenario->nodes.v[net->bridge].name :
		       p->scenario->links.v[net->link].name;
}

static const scn_prefix_vec *given_subnets(const struct plan *p,
					   const struct plan_network *net)
{
	return net->bridge != SCN_NONE ?
		       &p->scenario->nodes.v[net->bridge].subnets :
		       &p->scenario->links.v[net->link].subnets;
}

static int add_subnet(struct plan_network *net, const struct ip_prefix *prefix)
{
	struct ip_prefix *slot;

	for (size_t i = 0; i < net->subnets.n; i++)
		if (ip_prefix_equal(&net->subnets.v[i], prefix))
			return 0;
	slot = VEC_PUSH(&net->subnets);
	if (!slot)
		return -ENOMEM;
	*slot = *prefix;
	return 0;
}

static int take_given_subnets(struct plan *p)
{
	for (size_t i = 0; i < p->networks.n; i++) {
		struct plan_network *net = &p->networks.v[i];
		const scn_prefix_vec *given = given_subnets(p, net);

		for (size_t k = 0; k < given->n; k++)
			if (add_subnet(net, &given->v[k].prefix))
				return -ENOMEM;
		if (given->n)
			net->pos = given->v[0].pos;
	}
	return 0;
}

/* Addresses given to interfaces name the subnets of a network without any. */
static int take_subnets_of_addresses(struct plan *p, struct diag *diag)
{
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < p->ifaces.n; i++) {
		const struct plan_iface *f = &p->ifaces.v[i];
		struct plan_network *net = &p->networks.v[f->network];
		const struct scn_endpoint *ep;
		const scn_prefix_vec *given = given_subnets(p, net);

		if (f->node == PLAN_LAB)
			continue;
		ep = endpoint_of(p, f);
		for (size_t k = 0; k < ep->addresses.n; k++) {
			const struct scn_prefix *a = &ep->addresses.v[k];
			struct ip_prefix own = ip_prefix_network(&a->prefix);
			bool known = false;

			if (!given->n) {
				if (add_subnet(net, &own))
					return -ENOMEM;
				continue;
			}
			for (size_t j = 0; j < given->n; j++)
				known |= ip_prefix_equal(&given->v[j].prefix,
							 &own);
			if (known)
				continue;
			ip_format_prefix(&a->prefix, text, sizeof(text));
			diag_error(diag, a->pos, (unsigned)strlen(text),
				   "%s is in none of the subnets of '%s'", text,
				   network_name(p, net));
			diag_note(diag, given->v[0].pos, 1, "its subnet is %s",
				  ip_format_prefix(&given->v[0].prefix, text,
						   sizeof(text)));
		}
	}
	return 0;
}

/*
 * Addresses of two subnets at the two ends of a link would make it two
 * networks on one wire, and each end would get an automatic address in the
 * other's. Who wants that says so with 'subnet:'.
 */
static void check_ends(const struct plan *p, struct diag *diag, size_t link,
		       int family)
{
	const struct scn_link *l = &p->scenario->links.v[link];
	const struct scn_prefix *one[2] = { NULL, NULL };
	char a[IP_TEXT_MAX], b[IP_TEXT_MAX];

	for (size_t i = 0; i < l->end[0].addresses.n; i++) {
		const struct scn_prefix *x = &l->end[0].addresses.v[i];

		if (x->prefix.addr.family != family)
			continue;
		one[0] = one[0] ? one[0] : x;
		for (size_t k = 0; k < l->end[1].addresses.n; k++) {
			const struct scn_prefix *y = &l->end[1].addresses.v[k];

			if (y->prefix.addr.family != family)
				continue;
			if (ip_prefix_overlap(&x->prefix, &y->prefix))
				return;
			one[1] = one[1] ? one[1] : y;
		}
	}
	if (!one[0] || !one[1])
		return;
	ip_format_prefix(&one[0]->prefix, a, sizeof(a));
	ip_format_prefix(&one[1]->prefix, b, sizeof(b));
	diag_error(diag, one[1]->pos, (unsigned)strlen(b),
		   "%s and %s, at the two ends of a link, share no subnet", a,
		   b);
	diag_note(diag, one[0]->pos, (unsigned)strlen(a),
		  "the other end is here");
	diag_help(diag, "if both networks are meant, give the link both with "
			"'subnet:'");
}

static void check_links(const struct plan *p, struct diag *diag)
{
	for (size_t i = 0; i < p->networks.n; i++) {
		const struct plan_network *net = &p->networks.v[i];

		if (net->bridge != SCN_NONE || given_subnets(p, net)->n)
			continue;
		check_ends(p, diag, net->link, AF_INET);
		check_ends(p, diag, net->link, AF_INET6);
	}
}

/* Does anything that the file names overlap this prefix? */
static bool is_in_use(const struct plan *p, const struct ip_prefix *prefix)
{
	const struct scenario *s = p->scenario;

	for (size_t i = 0; i < p->networks.n; i++) {
		const struct plan_network *net = &p->networks.v[i];

		for (size_t k = 0; !net->automatic && k < net->subnets.n; k++)
			if (ip_prefix_overlap(&net->subnets.v[k], prefix))
				return true;
	}
	for (size_t i = 0; i < s->services.n; i++) {
		const struct scn_service *svc = &s->services.v[i];

		for (size_t k = 0; k < svc->addresses.n; k++)
			if (ip_prefix_overlap(&svc->addresses.v[k].prefix,
					      prefix))
				return true;
	}
	return false;
}

/* Where the automatic subnets of one family are taken from, one by one. */
struct pool {
	struct ip_prefix first, reserved[2];
	uint64_t next; /* in steps of the first one's length */
};

struct ip_prefix plan_prefix(const char *text)
{
	struct ip_prefix p = { 0 };

	ip_parse_prefix(text, &p); /* our own constants: they are right */
	return p;
}

/* Takes the next free subnet with room for that many hosts. */
static bool pool_take(const struct plan *p, struct pool *pool, size_t hosts,
		      struct ip_prefix *out)
{
	uint64_t span = 1; /* how many of the usual ones */
	uint8_t len = pool->first.len;

	while (pool->first.addr.family == AF_INET && len > 8 &&
	       (UINT64_C(1) << (32 - len)) - 2 < hosts) {
		span *= 2;
		len--;
	}
	pool->next = (pool->next + span - 1) / span * span;
	while (ip_prefix_step(&pool->first, pool->next, out)) {
		pool->next += span;
		out->len = len;
		if (!ip_prefix_overlap(&pool->reserved[0], out) &&
		    !ip_prefix_overlap(&pool->reserved[1], out) &&
		    !is_in_use(p, out))
			return true;
	}
	return false;
}

/* Gives every network without subnets one of each family, in file order. */
static int take_automatic_subnets(struct plan *p, struct diag *diag)
{
	size_t *hosts = calloc(p->networks.n + 1, sizeof(*hosts));
	struct pool pool[2] = {
		{ plan_prefix(PLAN_AUTO_SUBNET4),
		  { plan_prefix(PLAN_AUTO_SERVICE4),
		    plan_prefix(PLAN_AUTO_INNER4) },
		  0 },
		{ plan_prefix(PLAN_AUTO_SUBNET6),
		  { plan_prefix(PLAN_AUTO_SERVICE6),
		    plan_prefix(PLAN_AUTO_INNER6) },
		  0 },
	};
	int r = 0;

	if (!hosts)
		return -ENOMEM;
	for (size_t i = 0; i < p->ifaces.n; i++)
		hosts[p->ifaces.v[i].network] +=
			p->ifaces.v[i].node != PLAN_LAB;
	for (size_t i = 0; i < p->networks.n; i++)
		p->networks.v[i].automatic = !p->networks.v[i].subnets.n;

	for (size_t i = 0; i < p->networks.n * 2 && !r; i++) {
		struct plan_network *net = &p->networks.v[i / 2];
		struct ip_prefix sub;

		if (!net->automatic)
			continue;
		if (pool_take(p, &pool[i % 2], hosts[i / 2], &sub)) {
			r = add_subnet(net, &sub);
			continue;
		}
		diag_error(diag, net->pos, 1,
			   "no automatic IPv%d subnet is left for '%s'",
			   i % 2 ? 6 : 4, network_name(p, net));
		diag_help(diag, "give it one with 'subnet:'");
	}
	free(hosts);
	return r;
}

struct numbered_subnet {
	struct ip_prefix prefix;
	size_t network;
};

static int compare_subnets(const void *a, const void *b)
{
	const struct numbered_subnet *x = a, *y = b;
	int d = x->prefix.addr.family - y->prefix.addr.family;

	if (!d)
		d = memcmp(x->prefix.addr.bytes, y->prefix.addr.bytes, 16);
	return d ? d : x->prefix.len - y->prefix.len;
}

/*
 * Sorted by address with the shorter prefix first, a subnet overlaps an earlier
 * one only if it overlaps the last one that reaches furthest.
 */
static int find_overlaps(struct plan *p, struct diag *diag)
{
	VEC(struct numbered_subnet) all = { 0 };
	char a[IP_TEXT_MAX], b[IP_TEXT_MAX];
	size_t reach = 0;

	for (size_t i = 0; i < p->networks.n; i++) {
		for (size_t k = 0; k < p->networks.v[i].subnets.n; k++) {
			struct numbered_subnet *slot = VEC_PUSH(&all);

			if (!slot)
				return -ENOMEM;
			slot->prefix = p->networks.v[i].subnets.v[k];
			slot->network = i;
		}
	}
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), compare_subnets);
	for (size_t i = 1; i < all.n; i++) {
		const struct plan_network *x, *y;

		if (!ip_prefix_overlap(&all.v[reach].prefix,
				       &all.v[i].prefix)) {
			reach = i;
			continue;
		}
		/* The one that stands later in the file is the error. */
		x = &p->networks.v[all.v[reach].network];
		y = &p->networks.v[all.v[i].network];
		ip_format_prefix(&all.v[reach].prefix, a, sizeof(a));
		ip_format_prefix(&all.v[i].prefix, b, sizeof(b));
		if (x->pos.line > y->pos.line ||
		    (x->pos.line == y->pos.line && x->pos.col > y->pos.col)) {
			const struct plan_network *t = x;

			x = y;
			y = t;
			ip_format_prefix(&all.v[i].prefix, a, sizeof(a));
			ip_format_prefix(&all.v[reach].prefix, b, sizeof(b));
		}
		diag_error(diag, y->pos, (unsigned)strlen(b),
			   "subnet %s of '%s' overlaps subnet %s of '%s'", b,
			   network_name(p, y), a, network_name(p, x));
		if (x != y)
			diag_note(diag, x->pos, (unsigned)strlen(a),
				  "'%s' has it from here", network_name(p, x));
	}
	VEC_FREE(&all);
	return 0;
}

static int own_address(struct plan *p, struct diag *diag, owner_vec *owners,
		       size_t iface, const struct ip_prefix *prefix,
		       struct src_pos pos)
{
	struct ip_prefix *slot = VEC_PUSH(&p->ifaces.v[iface].addresses);
	struct owner *owner;
	char text[IP_TEXT_MAX];

	if (!slot)
		return -ENOMEM;
	*slot = *prefix;
	for (size_t i = 0; i < owners->n; i++) {
		const struct owner *o = &owners->v[i];

		if (!ip_addr_equal(&o->addr, &prefix->addr))
			continue;
		diag_error(diag, pos, 1, "%s is taken already",
			   ip_format_addr(&prefix->addr, text, sizeof(text)));
		diag_note(diag, o->pos, 1, "it was given here");
		return 0;
	}
	owner = VEC_PUSH(owners);
	if (!owner)
		return -ENOMEM;
	owner->addr = prefix->addr;
	owner->iface = iface;
	owner->pos = pos;
	return 0;
}

static int take_given_addresses(struct plan *p, struct diag *diag,
				owner_vec *owners)
{
	for (size_t i = 0; i < p->ifaces.n; i++) {
		const struct scn_endpoint *ep;

		if (p->ifaces.v[i].node == PLAN_LAB)
			continue;
		ep = endpoint_of(p, &p->ifaces.v[i]);
		for (size_t k = 0; k < ep->addresses.n; k++)
			if (own_address(p, diag, owners, i,
					&ep->addresses.v[k].prefix,
					ep->addresses.v[k].pos))
				return -ENOMEM;
	}
	return 0;
}

static bool is_owned(const owner_vec *owners, size_t given,
		     const struct ip_addr *addr)
{
	for (size_t i = 0; i < given; i++)
		if (ip_addr_equal(&owners->v[i].addr, addr))
			return true;
	return false;
}

static int give_automatic_addresses(struct plan *p, struct diag *diag,
				    owner_vec *owners)
{
	/* Next host number by network and subnet; every one below is taken. */
	size_t given = owners->n;
	VEC(uint64_t) next = { 0 };
	size_t *first = calloc(p->networks.n + 1, sizeof(*first));
	char text[IP_TEXT_MAX];
	int r = -ENOMEM;

	if (!first)
		return -ENOMEM;
	for (size_t i = 0; i < p->networks.n; i++) {
		first[i] = next.n;
		for (size_t k = 0; k < p->networks.v[i].subnets.n; k++) {
			uint64_t *n = VEC_PUSH(&next);
			const struct ip_prefix *sub;

			if (!n)
				goto out;
			/* /31 and /127 start at their network address. */
			sub = &p->networks.v[i].subnets.v[k];
			*n = ip_addr_size(&sub->addr) * 8 - sub->len == 1 ? 0 :
									    1;
		}
	}
	for (size_t i = 0; i < p->ifaces.n; i++) {
		struct plan_iface *f = &p->ifaces.v[i];
		const struct plan_network *net = &p->networks.v[f->network];

		for (size_t k = 0; f->node != PLAN_LAB && k < net->subnets.n;
		     k++) {
			struct ip_prefix a = net->subnets.v[k];
			uint64_t *n = &next.v[first[f->network] + k];
			struct ip_prefix *slot;
			bool has = false, found;

			for (size_t j = 0; j < f->addresses.n; j++)
				has |= ip_prefix_contains(
					&a, &f->addresses.v[j].addr);
			if (has)
				continue;
			do
				found = ip_prefix_host(&net->subnets.v[k],
						       (*n)++, &a.addr);
			while (found && is_owned(owners, given, &a.addr));
			if (!found) {
				diag_error(diag, f->pos, 1,
					   "subnet %s of '%s' has no address "
					   "left for this interface",
					   ip_format_prefix(&net->subnets.v[k],
							    text, sizeof(text)),
					   network_name(p, net));
				diag_help(diag, "give '%s' a larger subnet",
					  network_name(p, net));
				continue;
			}
			slot = VEC_PUSH(&f->addresses);
			if (!slot)
				goto out;
			*slot = a;
		}
	}
	r = 0;
out:
	free(first);
	VEC_FREE(&next);
	return r;
}

int plan_addresses(struct plan *p, struct diag *diag)
{
	owner_vec owners = { 0 };
	int r;

	r = take_given_subnets(p);
	if (!r)
		r = take_subnets_of_addresses(p, diag);
	if (!r) {
		check_links(p, diag);
		r = take_automatic_subnets(p, diag);
	}
	if (!r)
		r = find_overlaps(p, diag);
	if (!r)
		r = take_given_addresses(p, diag, &owners);
	if (!r)
		r = give_automatic_addresses(p, diag, &owners);
	VEC_FREE(&owners);
	return r;
}
