/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the Service Access Layer needs of a lab: inner addresses of its hosts,
 * service IDs, and who forwards which service where.
 *
 * There is no service controller: each host's sald is told all that it has to
 * know. An instance serves (DEMUX) what every other host forwards to it
 * (FORWARD). So a service with n hosts around it has n rules, and a change of
 * its instance is a change of all of them.
 */
#include "orchestrator/plan/internal.h"

#include "base/diag.h"

#include <errno.h>
#include <sodium/crypto_hash_sha256.h>
#include <stdio.h>
#include <string.h>

bool plan_has_sald(const struct plan *p)
{
	for (size_t i = 0; i < p->nodes.n; i++)
		if (p->nodes.v[i].sald)
			return true;
	return false;
}

/* ---- inner addresses and IDs -------------------------------------------- */

static void check_network(struct diag *diag, const struct plan_network *net,
			  const struct ip_prefix *reserved, const char *whose)
{
	char a[IP_TEXT_MAX], b[IP_TEXT_MAX];

	for (size_t k = 0; k < net->subnets.n; k++) {
		if (!ip_prefix_overlap(&net->subnets.v[k], reserved))
			continue;
		ip_format_prefix(&net->subnets.v[k], a, sizeof(a));
		diag_error(diag, net->pos, (unsigned)strlen(a),
			   "subnet %s overlaps %s, which is for %s", a,
			   ip_format_prefix(reserved, b, sizeof(b)), whose);
	}
}

/* The prefixes lead into the TUN device of every host: nothing else may be
 * there. */
static void check_networks(const struct plan *p, struct diag *diag)
{
	const struct ip_prefix reserved[] = {
		plan_prefix(PLAN_AUTO_INNER4),
		plan_prefix(PLAN_AUTO_INNER6),
		plan_prefix(PLAN_AUTO_SERVICE4),
		plan_prefix(PLAN_AUTO_SERVICE6),
	};

	for (size_t i = 0; i < p->networks.n; i++)
		for (size_t k = 0; k < 4; k++)
			check_network(diag, &p->networks.v[i], &reserved[k],
				      k < 2 ? "the SAL's inner addresses" :
					      "services");
}

/* Does the automatic prefix of its family hold the address? */
static bool is_automatic(const struct ip_addr *a)
{
	struct ip_prefix all = plan_prefix(
		a->family == AF_INET ? PLAN_AUTO_SERVICE4 : PLAN_AUTO_SERVICE6);

	return ip_prefix_contains(&all, a);
}

size_t plan_sal_prefixes(const struct plan *p,
			 struct ip_prefix out[PLAN_SAL_PREFIXES_MAX])
{
	const struct scenario *s = p->scenario;
	size_t n = 0;

	out[n++] = plan_prefix(PLAN_AUTO_SERVICE4);
	out[n++] = plan_prefix(PLAN_AUTO_SERVICE6);
	for (size_t i = 0; i < s->services.n; i++) {
		const struct scn_service *svc = &s->services.v[i];

		if (svc->resolver != SCN_RESOLVER_SAL)
			continue;
		for (size_t k = 0; k < svc->addresses.n; k++) {
			const struct ip_prefix *a = &svc->addresses.v[k].prefix;

			if (!is_automatic(&a->addr) &&
			    n < PLAN_SAL_PREFIXES_MAX)
				out[n++] = *a;
		}
	}
	return n;
}

/* A sald takes so many prefixes and no more. */
static void check_given_addresses(const struct scenario *s, struct diag *diag)
{
	size_t n = 2;

	for (size_t i = 0; i < s->services.n; i++) {
		const struct scn_service *svc = &s->services.v[i];

		for (size_t k = 0;
		     svc->resolver == SCN_RESOLVER_SAL && k < svc->addresses.n;
		     k++) {
			const struct scn_prefix *a = &svc->addresses.v[k];

			if (is_automatic(&a->prefix.addr) ||
			    ++n != PLAN_SAL_PREFIXES_MAX + 1)
				continue;
			diag_error(diag, a->pos, 1,
				   "at most %d addresses of sal services may "
				   "lie outside of the automatic ones",
				   PLAN_SAL_PREFIXES_MAX - 2);
			diag_help(diag, "choose addresses in %s or %s, or none",
				  PLAN_AUTO_SERVICE4, PLAN_AUTO_SERVICE6);
			return;
		}
	}
}

/* Every host gets a sald as soon as there is one service for it. */
int plan_sal(struct plan *p, struct diag *diag)
{
	const struct ip_prefix inner[] = {
		plan_prefix(PLAN_AUTO_INNER4),
		plan_prefix(PLAN_AUTO_INNER6),
	};
	const struct scenario *s = p->scenario;
	bool wanted = false;
	uint64_t host = 0;

	for (size_t i = 0; i < s->services.n; i++)
		wanted |= s->services.v[i].resolver == SCN_RESOLVER_SAL;
	for (size_t i = 0; i < s->nodes.n; i++) {
		struct plan_node *n = VEC_PUSH(&p->nodes);

		if (!n)
			return -ENOMEM;
		if (!wanted || s->nodes.v[i].kind != SCN_NODE_HOST)
			continue;
		n->sald = true;
		host++;
		for (size_t f = 0; f < 2; f++) {
			n->inner[f] = inner[f];
			if (ip_prefix_host(&inner[f], host, &n->inner[f].addr))
				continue;
			diag_error(diag, s->nodes.v[i].pos, 1,
				   "no inner address is left for this host");
			return 0;
		}
	}
	if (wanted) {
		check_networks(p, diag);
		check_given_addresses(s, diag);
	}
	return 0;
}

void plan_service_id(struct plan *p, size_t service)
{
	const char *name = p->scenario->services.v[service].name;
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct service_prefix prefix = { 0 };

	_Static_assert(SERVICE_ID_LEN == crypto_hash_sha256_BYTES,
		       "an ID is as long as a hash");
	crypto_hash_sha256(hash, (const unsigned char *)name, strlen(name));
	/* Our own constant: it is right. */
	service_prefix_parse(PLAN_SERVICE_ID_PREFIX, &prefix);
	p->services.v[service].id = service_id_under(&prefix, hash);
}

void plan_sald_key(const struct plan *p, size_t node, uint8_t key[PLAN_KEY_LEN])
{
	char text[96];
	int n = snprintf(text, sizeof(text), "servalab sald %llu %zu",
			 (unsigned long long)p->scenario->seed, node);

	_Static_assert(PLAN_KEY_LEN == crypto_hash_sha256_BYTES,
		       "a key is a hash");
	crypto_hash_sha256(key, (const unsigned char *)text, (size_t)n);
}

/* ---- rules -------------------------------------------------------------- */

/* The lab as it is, or (readdress) as that action makes it. */
struct view {
	const struct plan_live *live;
	const struct plan_readdress *readdress; /* NULL: as it is */
};

static struct ip_addr address_in(const struct view *v, size_t node, int family)
{
	const struct plan *p = v->live->plan;
	const struct plan_readdress *r = v->readdress;

	for (size_t i = 0; r && i < p->ifaces.n; i++) {
		const struct plan_live_iface *f = &v->live->ifaces[i];
		bool changes = i == r->iface && plan_readdress_has(r, family);
		const struct ip_prefix *a = changes ? r->new.v : f->addresses.v;
		size_t n = changes ? r->new.n : f->addresses.n;

		for (size_t k = 0; p->ifaces.v[i].node == node && k < n; k++)
			if (a[k].addr.family == family)
				return a[k].addr;
	}
	return r ? (struct ip_addr){ 0 } :
		   plan_live_address(v->live, node, family);
}

/*
 * Where a node's sald sends what is for a service with its instance there:
 * IPv4 where both have it, else IPv6; AF_UNSPEC: nowhere.
 */
static struct ip_addr forward_in(const struct view *v, size_t node,
				 size_t instance)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct ip_addr to = { 0 };

	for (size_t f = 0; f < 2 && !to.family; f++)
		if (address_in(v, node, families[f]).family)
			to = address_in(v, instance, families[f]);
	return to;
}

static int add_op(plan_op_vec *out, enum plan_op_kind kind, size_t node,
		  size_t service, const struct ip_addr *to, struct src_pos pos)
{
	struct plan_op *op = VEC_PUSH(out);

	if (!op)
		return -ENOMEM;
	op->kind = kind;
	op->node = node;
	op->sal.service = service;
	if (to)
		op->sal.to = *to;
	op->pos = pos;
	return 0;
}

struct ip_addr plan_sal_forward(const struct plan *p, size_t node,
				size_t instance)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct ip_addr to = { 0 };

	for (size_t f = 0; f < 2 && !to.family; f++)
		if (plan_node_address(p, node, families[f]).family)
			to = plan_node_address(p, instance, families[f]);
	return to;
}

/* The node's rule for a service whose instance is there. */
static int add_rule(const struct plan_live *l, plan_op_vec *out,
		    enum plan_op_kind kind, size_t node, size_t service,
		    size_t instance, struct src_pos pos)
{
	const struct view view = { .live = l };
	struct ip_addr to = { 0 };

	if (node != instance) {
		to = forward_in(&view, node, instance);
		if (!to.family)
			return 0; /* they have no network in common */
	}
	return add_op(out, kind, node, service, &to, pos);
}

/* All rules of a node: it serves, or sends to all who do. */
static int add_rules(const struct plan_live *l, plan_op_vec *out, size_t node,
		     size_t service, struct src_pos pos)
{
	int r = 0;

	if (plan_live_serves(l, service, node))
		return add_rule(l, out, PLAN_OP_SAL_RULE_ADD, node, service,
				node, pos);
	for (size_t i = 0; i < l->plan->nodes.n && !r; i++)
		if (plan_live_serves(l, service, i))
			r = add_rule(l, out, PLAN_OP_SAL_RULE_ADD, node,
				     service, i, pos);
	return r;
}

int plan_sald_ops(const struct plan_live *l, size_t node, plan_op_vec *out)
{
	const struct scenario *s = l->plan->scenario;
	int r = 0;

	for (size_t k = 0; k < s->services.n && !r; k++) {
		const struct scn_service *svc = &s->services.v[k];

		if (!l->plan->nodes.v[node].sald ||
		    svc->resolver != SCN_RESOLVER_SAL)
			continue;
		r = add_op(out, PLAN_OP_SAL_NAME, node, k, NULL, svc->pos);
		if (!r)
			r = add_rules(l, out, node, k, svc->pos);
	}
	return r;
}

int plan_sal_operations(struct plan *p)
{
	const struct scenario *s = p->scenario;
	struct plan_live *l = plan_live_new(p);
	plan_op_vec ops = { 0 };
	int r = l ? 0 : -ENOMEM;

	/* All of them first, so that they start at the same time. */
	for (size_t i = 0; i < p->nodes.n && !r; i++)
		if (p->nodes.v[i].sald)
			r = add_op(&ops, PLAN_OP_SALD_START, i, 0, NULL,
				   s->nodes.v[i].pos);
	for (size_t i = 0; i < p->nodes.n && !r; i++)
		r = plan_sald_ops(l, i, &ops);
	for (size_t i = 0; i < ops.n && !r; i++) {
		struct plan_op *op = VEC_PUSH(&p->ops);

		if (op)
			*op = ops.v[i];
		else
			r = -ENOMEM;
	}
	VEC_FREE(&ops);
	plan_live_free(l);
	return r;
}

/* ---- instances come and go ----------------------------------------------- */

/*
 * One node's rules when an instance comes (to) and another goes (from). What is
 * new is added first: a flow that finds no rule would be refused.
 */
static int change_rules(const struct plan_live *l, plan_op_vec *out,
			size_t node, size_t service, size_t from, size_t to,
			struct src_pos pos)
{
	int r = 0;

	if (node == to) {
		r = add_rule(l, out, PLAN_OP_SAL_RULE_ADD, node, service, node,
			     pos);
		/* It has clients of its own: they stay until this is done. */
		for (size_t i = 0; i < l->plan->nodes.n && !r; i++)
			if (plan_live_serves(l, service, i))
				r = add_rule(l, out, PLAN_OP_SAL_RULE_DEL, node,
					     service, i, pos);
		return r;
	}
	if (to != SCN_NONE)
		r = add_rule(l, out, PLAN_OP_SAL_RULE_ADD, node, service, to,
			     pos);
	for (size_t i = 0; node == from && i < l->plan->nodes.n && !r; i++)
		if (i != from && plan_live_serves(l, service, i))
			r = add_rule(l, out, PLAN_OP_SAL_RULE_ADD, node,
				     service, i, pos);
	if (!r && from != SCN_NONE)
		r = add_rule(l, out, PLAN_OP_SAL_RULE_DEL, node, service, from,
			     pos);
	return r;
}

int plan_sal_bind_ops(const struct plan_live *l, size_t service, size_t from,
		      size_t to, enum plan_sal_step step, struct src_pos pos,
		      plan_op_vec *out)
{
	int r = 0;

	for (size_t i = 0; i < l->plan->nodes.n && !r; i++) {
		enum plan_sal_step when = i == to   ? PLAN_SAL_START :
					  i == from ? PLAN_SAL_STOP :
						      PLAN_SAL_FORWARD;

		/* A sald that is not there learns it when it comes back. */
		if (when != step || !l->plan->nodes.v[i].sald ||
		    l->nodes[i] != PLAN_NODE_ON ||
		    (when == PLAN_SAL_FORWARD &&
		     plan_live_serves(l, service, i)))
			continue;
		r = change_rules(l, out, i, service, from, to, pos);
	}
	return r;
}

/* The rules for one service, of one node, by who serves. */
static bool has_rule(const struct plan_live *l, const bool *serves,
		     size_t service, size_t node, size_t instance)
{
	size_t nodes = l->plan->scenario->nodes.n;

	return serves[service * nodes + instance] &&
	       (node == instance || !serves[service * nodes + node]);
}

int plan_missed_ops(const struct plan_live *l, size_t node, struct src_pos pos,
		    plan_op_vec *out)
{
	const struct scenario *s = l->plan->scenario;
	const bool *old = l->frozen[node];
	int r = 0;

	if (!l->plan->nodes.v[node].sald || !old)
		return 0;
	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t k = 0; k < s->services.n; k++) {
			if (s->services.v[k].resolver != SCN_RESOLVER_SAL)
				continue;
			for (size_t i = 0; i < s->nodes.n && !r; i++) {
				bool was = has_rule(l, old, k, node, i);
				bool is = has_rule(l, l->serves, k, node, i);

				if (was == is || is == (pass == 1))
					continue;
				r = add_rule(l, out,
					     is ? PLAN_OP_SAL_RULE_ADD :
						  PLAN_OP_SAL_RULE_DEL,
					     node, k, i, pos);
			}
		}
	}
	return r;
}

/* ---- an instance has moved ---------------------------------------------- */

int plan_follow_ops(const struct plan_live *l, const struct scn_action *a,
		    plan_op_vec *out)
{
	const struct plan *p = l->plan;
	const struct scenario *s = p->scenario;
	size_t node = s->links.v[a->readdress.link].end[a->readdress.end].node;
	const struct view before = { .live = l };
	const struct view behind = { l, plan_find_readdress(p, a) };
	int r = 0;

	for (size_t k = 0; k < s->services.n; k++) {
		if (s->services.v[k].resolver != SCN_RESOLVER_SAL ||
		    !plan_live_serves(l, k, node))
			continue;
		for (size_t i = 0; i < p->nodes.n && !r; i++) {
			struct ip_addr old, new;

			if (!p->nodes.v[i].sald || plan_live_serves(l, k, i) ||
			    l->nodes[i] != PLAN_NODE_ON)
				continue;
			old = forward_in(&before, i, node);
			new = forward_in(&behind, i, node);
			if (ip_addr_equal(&old, &new))
				continue;
			r = add_op(out, PLAN_OP_SAL_RULE_ADD, i, k, &new,
				   a->pos);
			if (!r)
				r = add_op(out, PLAN_OP_SAL_RULE_DEL, i, k,
					   &old, a->pos);
		}
	}
	return r;
}
