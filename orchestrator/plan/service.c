/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of services, and the nodes that turn them into instances'. */
#include "orchestrator/plan/internal.h"

#include "base/diag.h"

#include <errno.h>
#include <stdlib.h>

void plan_each_instance(const struct scenario *s, size_t service,
			void (*visit)(size_t node, struct src_pos pos,
				      void *arg),
			void *arg)
{
	/* Those of its prefix, while it has none itself. */
	for (size_t i = 0; i < s->services.n; i++)
		if (!s->services.v[service].instances.n &&
		    !s->services.v[service].candidates.n &&
		    scn_service_is_within(s, service, i))
			plan_each_instance(s, i, visit, arg);
	for (size_t i = 0; i < s->services.v[service].instances.n; i++)
		visit(s->services.v[service].instances.v[i].node,
		      s->services.v[service].instances.v[i].pos, arg);
	for (size_t i = 0; i < s->services.v[service].candidates.n; i++)
		visit(s->services.v[service].candidates.v[i].node,
		      s->services.v[service].candidates.v[i].pos, arg);
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *e = &s->timeline.v[i];

		for (size_t j = 0; j < e->actions.n; j++) {
			const struct scn_action *a = &e->actions.v[j];

			if (a->kind == SCN_ACTION_MIGRATE &&
			    a->migrate.service == service)
				visit(a->migrate.to, a->migrate.to_pos, arg);
			if (a->kind == SCN_ACTION_REGISTER &&
			    a->serve.service == service)
				visit(a->serve.node, a->pos, arg);
		}
	}
}

static void mark_instance(size_t node, struct src_pos pos, void *arg)
{
	bool *is_instance = arg;

	(void)pos;
	is_instance[node] = true;
}

struct check {
	const struct plan *plan;
	struct diag *diag;
	size_t service;
	bool *seen; /* by node */
};

/* Each instance must have an address of each family the service has: what NAT
 * translates into. (With the SAL, what is inside of a packet has nothing to do
 * with what is outside.) */
static void check_instance(size_t node, struct src_pos pos, void *arg)
{
	struct check *c = arg;
	const struct plan_service *svc = &c->plan->services.v[c->service];

	if (c->seen[node])
		return;
	c->seen[node] = true;
	if (!plan_node_address(c->plan, node, AF_INET).family &&
	    !plan_node_address(c->plan, node, AF_INET6).family) {
		diag_error(c->diag, pos, 1,
			   "'%s' has no link, and so cannot be an instance of "
			   "'%s'",
			   c->plan->scenario->nodes.v[node].name,
			   c->plan->scenario->services.v[c->service].name);
		return;
	}
	for (size_t i = 0; i < svc->addresses.n; i++) {
		int family = svc->addresses.v[i].family;

		if (plan_node_address(c->plan, node, family).family)
			continue;
		diag_error(
			c->diag, pos, 1,
			"'%s' has no IPv%d address, but service '%s' has one",
			c->plan->scenario->nodes.v[node].name,
			family == AF_INET ? 4 : 6,
			c->plan->scenario->services.v[c->service].name);
		diag_help(c->diag, "give the service addresses of the family "
				   "that its instances have");
	}
}

static bool is_taken(const struct plan *p, size_t service,
		     const struct ip_addr *a)
{
	const struct scenario *s = p->scenario;

	for (size_t i = 0; i < s->services.n; i++) {
		const scn_prefix_vec *given = &s->services.v[i].addresses;

		for (size_t k = 0; k < given->n; k++)
			if (ip_addr_equal(&given->v[k].prefix.addr, a))
				return true;
	}
	for (size_t i = 0; i < service; i++)
		for (size_t k = 0; k < p->services.v[i].addresses.n; k++)
			if (ip_addr_equal(&p->services.v[i].addresses.v[k], a))
				return true;
	return false;
}

/*
 * The next host number behind n, where a network's subnet has the address; n
 * where none has it; 0 where they have all of the range. Subnets are left in
 * one step: one number at a time, a /65 would take for ever.
 */
static uint64_t leave_networks(const struct plan *p,
			       const struct ip_prefix *all, uint64_t n,
			       const struct ip_addr *a)
{
	unsigned bits = (unsigned)ip_addr_size(a) * 8;

	for (size_t i = 0; i < p->networks.n; i++) {
		const struct plan_network *net = &p->networks.v[i];

		for (size_t k = 0; k < net->subnets.n; k++) {
			const struct ip_prefix *sub = &net->subnets.v[k];

			if (!ip_prefix_contains(sub, a))
				continue;
			if (sub->len <= all->len)
				return 0;
			return (n | ((UINT64_C(1) << (bits - sub->len)) - 1)) +
			       1;
		}
	}
	return n;
}

/* The lowest free address from the service's own number on, so that in most
 * scenarios no service changes the address of another. */
static bool choose_automatic(const struct plan *p, size_t service,
			     const char *range, struct ip_addr *out)
{
	struct ip_prefix all;
	uint64_t n = service + 1, next;

	if (ip_parse_prefix(range, &all))
		return false;
	for (; n && ip_prefix_host(&all, n, out); n = next) {
		next = leave_networks(p, &all, n, out);
		if (next != n)
			continue;
		if (!is_taken(p, service, out))
			return true;
		next = n + 1;
	}
	return false;
}

bool plan_is_mixed(const struct scenario *s)
{
	bool sal = false, other = false;

	for (size_t i = 0; i < s->services.n; i++) {
		sal |= s->services.v[i].resolver == SCN_RESOLVER_SAL;
		other |= s->services.v[i].resolver != SCN_RESOLVER_SAL;
	}
	return sal && other;
}

const char *plan_service_range(const struct scenario *s, size_t service,
			       int family)
{
	bool mixed = plan_is_mixed(s);
	bool sal = s->services.v[service].resolver == SCN_RESOLVER_SAL;

	if (family == AF_INET6)
		return mixed && !sal ? PLAN_MIXED_OTHER6 : PLAN_AUTO_SERVICE6;
	return !mixed ? PLAN_AUTO_SERVICE4 :
	       sal    ? PLAN_MIXED_SAL4 :
			PLAN_MIXED_OTHER4;
}

static int choose_addresses(struct plan *p, struct diag *diag, size_t service)
{
	static const int family[] = { AF_INET, AF_INET6 };
	const struct scn_service *s = &p->scenario->services.v[service];
	struct plan_service *out = &p->services.v[service];

	for (size_t f = 0; f < 2 && s->resolver != SCN_RESOLVER_DNS; f++) {
		struct ip_addr a = { 0 }, *slot;

		for (size_t i = 0; i < s->addresses.n; i++)
			if (s->addresses.v[i].prefix.addr.family == family[f])
				a = s->addresses.v[i].prefix.addr;
		if (!a.family && !s->addresses.n &&
		    (s->resolver == SCN_RESOLVER_SAL ||
		     plan_node_address(p, s->instance, family[f]).family)) {
			if (!choose_automatic(p, service,
					      plan_service_range(p->scenario,
								 service,
								 family[f]),
					      &a)) {
				diag_error(diag, s->pos, 1,
					   "no automatic address is left for "
					   "this service");
				diag_help(diag, "give it one with 'address:'");
				continue;
			}
		}
		if (!a.family)
			continue;
		slot = VEC_PUSH(&out->addresses);
		if (!slot)
			return -ENOMEM;
		*slot = a;
	}
	return 0;
}

/*
 * An address on somebody's network would be asked for there (ARP, ND) and never
 * reach a router; and two services can't share one unless their ports differ.
 */
static void check_addresses(const struct plan *p, struct diag *diag,
			    size_t service)
{
	const struct scenario *s = p->scenario;
	const struct scn_service *svc = &s->services.v[service];
	char text[IP_TEXT_MAX], sub[IP_TEXT_MAX];

	for (size_t i = 0; i < svc->addresses.n; i++) {
		const struct scn_prefix *a = &svc->addresses.v[i];

		ip_format_addr(&a->prefix.addr, text, sizeof(text));
		for (size_t n = 0; n < p->networks.n; n++) {
			const struct plan_network *net = &p->networks.v[n];

			for (size_t k = 0; k < net->subnets.n; k++) {
				if (!ip_prefix_contains(&net->subnets.v[k],
							&a->prefix.addr))
					continue;
				diag_error(diag, a->pos, 1,
					   "service address %s lies in a "
					   "network's subnet, %s",
					   text,
					   ip_format_prefix(&net->subnets.v[k],
							    sub, sizeof(sub)));
				diag_note(diag, net->pos, 1,
					  "the network is here");
				diag_help(diag, "a service's address is "
						"abstract: choose one that no "
						"network has");
			}
		}
		for (size_t o = 0; o < service; o++) {
			const struct scn_service *other = &s->services.v[o];
			bool same_port =
				!svc->port.protocol || !other->port.protocol ||
				(svc->port.protocol == other->port.protocol &&
				 svc->port.port == other->port.port);

			for (size_t k = 0; k < other->addresses.n; k++) {
				const struct scn_prefix *b =
					&other->addresses.v[k];

				if (!same_port ||
				    !ip_addr_equal(&a->prefix.addr,
						   &b->prefix.addr))
					continue;
				diag_error(diag, a->pos, 1,
					   "%s is service '%s' already", text,
					   other->name);
				diag_note(diag, b->pos, 1, "it was given here");
			}
		}
	}
}

static void no_holder(const struct plan *p, struct diag *diag, size_t service)
{
	const struct scenario *s = p->scenario;
	const char *router = NULL;

	for (size_t i = 0; i < s->nodes.n && !router; i++)
		if (scn_kind_is_router(s->nodes.v[i].kind))
			router = s->nodes.v[i].name;
	diag_error(diag, s->services.v[service].pos, 1,
		   "no node translates '%s': every host is its instance at "
		   "some time",
		   s->services.v[service].name);
	if (router)
		diag_help(diag, "add 'at: %s'", router);
	else
		diag_help(diag, "put a router between the hosts, and name it "
				"in 'at:'");
}

static int choose_holders(struct plan *p, struct diag *diag, size_t service)
{
	const struct scenario *s = p->scenario;
	const struct scn_service *svc = &s->services.v[service];
	struct plan_service *out = &p->services.v[service];
	bool *is_instance = calloc(s->nodes.n + 1, sizeof(*is_instance));
	int r = 0;

	if (!is_instance)
		return -ENOMEM;
	plan_each_instance(s, service, mark_instance, is_instance);
	for (size_t i = 0; i < svc->at.n && !r; i++) {
		size_t *slot = VEC_PUSH(&out->holders);

		if (!slot) {
			r = -ENOMEM;
			break;
		}
		*slot = svc->at.v[i];
		if (is_instance[*slot])
			diag_error(
				diag, svc->at_pos, 1,
				"'%s' is an instance of '%s' itself: its NAT "
				"rules must be elsewhere",
				s->nodes.v[*slot].name, svc->name);
	}
	for (size_t i = 0; !svc->at.n && i < s->nodes.n && !r; i++) {
		size_t *slot;

		if (!scn_kind_is_host(s->nodes.v[i].kind) || is_instance[i])
			continue;
		slot = VEC_PUSH(&out->holders);
		if (slot)
			*slot = i;
		else
			r = -ENOMEM;
	}
	if (!r && !out->holders.n)
		no_holder(p, diag, service);
	free(is_instance);
	return r;
}

static bool migrates(const struct scenario *s, size_t service)
{
	if (s->services.v[service].instances.n > 1)
		return true;
	for (size_t i = 0; i < s->services.n; i++)
		if (scn_service_is_within(s, service, i) && migrates(s, i))
			return true;
	for (size_t i = 0; i < s->timeline.n; i++)
		for (size_t k = 0; k < s->timeline.v[i].actions.n; k++) {
			const struct scn_action *a =
				&s->timeline.v[i].actions.v[k];

			if (a->kind == SCN_ACTION_MIGRATE &&
			    a->migrate.service == service)
				return true;
			if (a->kind == SCN_ACTION_REGISTER &&
			    a->serve.service == service)
				return true;
		}
	return false;
}

/*
 * A client on an instance's own node talks to it over the loopback, and is none
 * of the SAL's: it would not follow when the service moves.
 */
static void check_client(size_t node, struct src_pos pos, void *arg)
{
	struct check *c = arg;
	const struct scenario *s = c->plan->scenario;

	for (size_t i = 0; i < s->probes.n; i++) {
		const struct scn_probe *pr = &s->probes.v[i];

		if (pr->target != SCN_TARGET_SERVICE || pr->to != c->service ||
		    pr->node != node || !migrates(s, c->service))
			continue;
		diag_error(
			c->diag, pr->to_pos, 1,
			"'%s' is an instance of '%s' itself: from there, the "
			"probe would not follow the service",
			s->nodes.v[node].name, s->services.v[c->service].name);
		diag_note(c->diag, pos, 1, "it is made an instance here");
	}
}

/* Of two long prefixes names may come to the same. */
static void check_id(const struct plan *p, struct diag *diag, size_t service)
{
	const struct scenario *s = p->scenario;

	for (size_t i = 0; i < service; i++) {
		bool given = s->services.v[service].has_id;
		char text[SERVICE_ID_TEXT_MAX];

		if (s->services.v[i].resolver != SCN_RESOLVER_SAL ||
		    !service_id_equal(&p->services.v[i].id,
				      &p->services.v[service].id))
			continue;
		diag_error(diag,
			   given ? s->services.v[service].id_pos :
				   s->services.v[service].pos,
			   1, "the IDs of '%s' and '%s' are the same: %s",
			   s->services.v[i].name, s->services.v[service].name,
			   service_id_format(&p->services.v[i].id, text,
					     sizeof(text)));
		diag_help(diag, "a shorter prefix has room for more names");
		return;
	}
}

int plan_services(struct plan *p, struct diag *diag)
{
	for (size_t i = 0; i < p->scenario->services.n; i++) {
		struct check c = { .plan = p, .diag = diag, .service = i };
		int r;

		if (!VEC_PUSH(&p->services))
			return -ENOMEM;
		r = choose_addresses(p, diag, i);
		if (!r &&
		    p->scenario->services.v[i].resolver == SCN_RESOLVER_NAT)
			r = choose_holders(p, diag, i);
		if (r)
			return r;
		check_addresses(p, diag, i);
		c.seen = calloc(p->scenario->nodes.n + 1, sizeof(*c.seen));
		if (!c.seen)
			return -ENOMEM;
		if (p->scenario->services.v[i].resolver == SCN_RESOLVER_SAL) {
			plan_service_id(p, i);
			check_id(p, diag, i);
			plan_each_instance(p->scenario, i, check_client, &c);
		} else {
			plan_each_instance(p->scenario, i, check_instance, &c);
		}
		free(c.seen);
	}
	return 0;
}
