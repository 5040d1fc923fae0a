/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names and rules: whom a service's address stands for, where its instances
 * are, whether it is served here; and binding a flow again when that changes.
 *
 * A client's flow remembers the rule that bound it (bound_to), not where its
 * peer is: the peer may have moved since, and that is no reason to leave it. As
 * long as the rule stands, the flow stays. When it goes, a flow of a stateless
 * protocol says SYN to another instance under the same inner conversation; one
 * of TCP lives on until its instance resets it, for its state is there.
 *
 * While a service moves, the controller changes several hosts one after the
 * other. In between a rule may be missing or point to a host that does not
 * serve yet; a living conversation waits for that to pass instead of failing.
 */
#include "node/sal/engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* ---- names -------------------------------------------------------------- */

const struct sal_name *sal_name_by_addr(const struct sal *s,
					const struct ip_addr *addr)
{
	if (!ip_addr_size(addr))
		return NULL;
	for (uint32_t i = 0; i < s->name_count; i++)
		if (ip_addr_equal(&s->names[i].addr4, addr) ||
		    ip_addr_equal(&s->names[i].addr6, addr))
			return &s->names[i];
	return NULL;
}

struct sal_name *sal_name_by_id(const struct sal *s,
				const struct service_id *id)
{
	for (uint32_t i = 0; i < s->name_count; i++)
		if (service_id_equal(&s->names[i].id, id))
			return &s->names[i];
	return NULL;
}

int sal_name_set(struct sal *s, const struct service_id *id,
		 const struct ip_addr *addr4, const struct ip_addr *addr6)
{
	static const struct ip_addr none;
	struct sal_name *n = sal_name_by_id(s, id);

	if (!n) {
		if (s->name_count == s->config.max_services)
			return -ENOSPC;
		n = &s->names[s->name_count++];
		*n = (struct sal_name){ .id = *id };
	}
	n->addr4 = addr4 ? *addr4 : none;
	n->addr6 = addr6 ? *addr6 : none;
	return 0;
}

/* ---- rules -------------------------------------------------------------- */

bool sal_local_for(const struct sal *s, sa_family_t family,
		   struct sal_path *path)
{
	for (uint32_t i = 0; i < s->address_count; i++) {
		if (s->addresses[i].addr.family != family)
			continue;
		path->local = s->addresses[i].addr;
		path->ifindex = s->addresses[i].ifindex;
		return true;
	}
	return false;
}

int sal_resolve(struct sal *s, struct sal_flow *f)
{
	const struct service_target *target;
	struct service_prefix p;
	uint64_t random;
	int r;

	sal_rand_bytes(&s->rand, &random, sizeof(random));
	r = service_table_resolve(&s->forward, &f->info.service, random,
				  s->now_ns, &target);
	if (r)
		return r;
	service_table_match(&s->forward, &f->info.service, &p);
	f->bound_to = target->addr;
	f->bound_bits = p.bits;
	f->unbound = false;
	memset(&f->tie.path, 0, sizeof(f->tie.path));
	f->tie.path.remote = target->addr;
	if (!f->info.native)
		sal_encap_begin(s, &f->tie.path);
	sal_local_for(s, target->addr.family, &f->tie.path);
	return 0;
}

bool sal_resolve_path(struct sal *s, const struct service_id *id,
		      struct sal_path *path)
{
	const struct service_target *target;
	uint64_t random;

	sal_rand_bytes(&s->rand, &random, sizeof(random));
	if (service_table_resolve(&s->forward, id, random, s->now_ns, &target))
		return false;
	*path = (struct sal_path){ .remote = target->addr };
	return sal_local_for(s, target->addr.family, path);
}

void sal_demux_hit(struct sal *s, const struct service_id *id)
{
	const struct service_target *target;

	service_table_resolve(&s->demux, id, 0, s->now_ns, &target);
}

static bool has_rule(const struct service_table *t, const struct service_id *id)
{
	struct service_prefix p;

	return service_table_match(t, id, &p);
}

enum sal_served sal_served(struct sal *s, const struct service_id *id)
{
	const struct sal_name *name;

	if (has_rule(&s->demux, id))
		return SAL_SERVED_HERE;
	if (has_rule(&s->forward, id))
		return SAL_SERVED_GONE;
	name = sal_name_by_id(s, id);
	if (name && name->gone &&
	    s->now_ns - name->gone_ns < SAL_GONE_INSTANCE_NS)
		return SAL_SERVED_GONE;
	return SAL_SERVED_NOT;
}

/* A target that no address of ours can reach is passed over. */
struct reachable {
	struct sal *s;
	struct service_prefix prefix;
	struct service_target target;
	bool found;
};

static int find_changed(const struct service_prefix *p,
			const struct service_target *target, void *arg)
{
	struct reachable *r = arg;
	struct sal_path path;
	bool down = !sal_local_for(r->s, target->addr.family, &path);

	if (down == target->down)
		return 0;
	r->prefix = *p;
	r->target = *target;
	r->target.down = down;
	r->found = true;
	return 1;
}

/* One at a time: the table must not change under a walk. Families come and go
 * rarely, and then most hosts have few rules. */
void sal_forward_reachable(struct sal *s)
{
	struct reachable r = { .s = s };

	do {
		r.found = false;
		service_table_walk(&s->forward, find_changed, &r);
		if (r.found)
			service_table_change(&s->forward, &r.prefix, &r.target);
	} while (r.found);
}

/* ---- rebinding ---------------------------------------------------------- */

/* Until the rules know better, or time has passed. */
void sal_do_wait_for_rules(const struct sal_step *t)
{
	struct sal_flow *f = t->f;
	int64_t gap = SAL_REFUSED_GAP_NS;

	for (uint32_t i = 1; i < f->refusals && gap < SAL_REFUSED_GAP_MAX_NS;
	     i++)
		gap *= 2;
	if (gap > SAL_REFUSED_GAP_MAX_NS)
		gap = SAL_REFUSED_GAP_MAX_NS;
	f->resolve_again = true;
	sal_flow_retry_start(t->s, f, gap);
}

bool sal_if_waits_for_rules(const struct sal_step *t)
{
	return t->f->resolve_again;
}

void sal_do_resolve(const struct sal_step *t)
{
	if (sal_resolve(t->s, t->f)) {
		sal_syn_refused(t->s, t->f, SAL_REASON_NO_INSTANCE);
		return;
	}
	t->f->resolve_again = false;
	sal_do_send_syn(t);
}

bool sal_if_may_not_ask_again(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	if (f->rebinding)
		return t->s->now_ns - f->since_ns > SAL_REFUSED_TOTAL_NS;
	return f->reason != SAL_REASON_NO_INSTANCE ||
	       f->refusals > SAL_REFUSED_TRIES;
}

bool sal_if_may_ask_again(const struct sal_step *t)
{
	return !sal_if_may_not_ask_again(t);
}

void sal_syn_refused(struct sal *s, struct sal_flow *f, uint16_t reason)
{
	f->refusals++;
	sal_step_because(s, f, SAL_ON_REFUSED, reason);
}

void sal_do_drop_tie(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	if (f->tie.remote_id) {
		f->old = f->tie;
		f->old_until_ns = t->s->now_ns + SAL_OLD_TIE_NS;
		f->tie.remote_id = 0;
	}
	memset(f->former, 0, sizeof(f->former));
	f->standby_count = 0;
	f->has_peer_list = f->list_sent = f->list_acked = false;
	f->waits_ns = f->list_ns = 0;
	f->has_rsyn = f->has_peer_rsyn = f->rsyn_unanswered = false;
	f->close_wanted = f->peer_fin = f->fin_sent = false;
	f->ask = SAL_ASK_NOTHING;
	f->rider = false;
	f->refusals = 0;
	f->mtu = 0;
	f->rebinding |= f->info.state != SAL_SYN_SENT;
}

bool sal_if_rebinds(const struct sal_step *t)
{
	return t->f->info.client && sal_flow_stateless(t->f);
}

bool sal_if_does_not_rebind(const struct sal_step *t)
{
	return !sal_if_rebinds(t);
}

static bool covers(const struct service_prefix *p, const struct sal_flow *f)
{
	return service_prefix_contains(p, &f->info.service);
}

/* TCP that is open stays with its instance, whatever the rules are now. */
static bool can_rebind(const struct sal_flow *f)
{
	return f->info.state == SAL_SYN_SENT ||
	       (sal_flow_stateless(f) && !sal_flow_closing(f));
}

static void forward_added(struct sal *s, const struct service_prefix *p,
			  const struct ip_addr *to)
{
	struct sal_flow *f;
	uint32_t at = 0;

	while ((f = sal_flow_each(s, &at))) {
		if (!f->info.client || f->info.native || !covers(p, f) ||
		    !can_rebind(f))
			continue;
		if (f->info.state == SAL_SYN_SENT && f->resolve_again)
			sal_step(s, f, SAL_ON_RETRY, NULL);
		else if ((f->unbound || p->bits > f->bound_bits) &&
			 !ip_addr_equal(to, &f->bound_to))
			sal_step(s, f, SAL_ON_REBIND, NULL);
		else if (ip_addr_equal(to, &f->bound_to))
			f->unbound = false;
	}
}

/* With nothing in its place the flow stays where it is: that is the gap between
 * two rules, not an order to leave. */
static void forward_gone(struct sal *s, const struct service_prefix *p,
			 const struct ip_addr *to)
{
	struct sal_flow *f;
	uint32_t at = 0;

	while ((f = sal_flow_each(s, &at))) {
		if (!f->info.client || f->info.native || !covers(p, f) ||
		    p->bits != f->bound_bits ||
		    !ip_addr_equal(to, &f->bound_to))
			continue;
		if (!can_rebind(f) || !has_rule(&s->forward, &f->info.service))
			f->unbound = true;
		else
			sal_step(s, f, SAL_ON_REBIND, NULL);
	}
}

static void demux_gone(struct sal *s, const struct service_prefix *p)
{
	struct sal_flow *f;
	uint32_t at = 0;

	for (uint32_t i = 0; i < s->name_count; i++) {
		struct sal_name *n = &s->names[i];

		if (!service_prefix_contains(p, &n->id) ||
		    has_rule(&s->demux, &n->id))
			continue;
		n->gone = true;
		n->gone_ns = s->now_ns;
	}
	while ((f = sal_flow_each(s, &at)))
		if (!f->info.client && !f->info.native && covers(p, f) &&
		    !has_rule(&s->demux, &f->info.service))
			sal_step_because(s, f, SAL_ON_WITHDRAWN,
					 SAL_REASON_NO_INSTANCE);
}

/* -EINVAL: what the table cannot say. */
static int to_target(const struct sal *s, const struct sal_rule *r,
		     struct service_prefix *p, struct service_target *t)
{
	struct sal_path path;

	if (r->priority > UINT16_MAX || r->weight > UINT16_MAX)
		return -EINVAL;
	*p = (struct service_prefix){ .id = r->id, .bits = r->bits };
	*t = (struct service_target){ .priority = (uint16_t)r->priority,
				      .weight = (uint16_t)r->weight };
	if (r->kind == SAL_RULE_DEMUX) {
		t->rule = SERVICE_DEMUX;
		return 0;
	}
	t->rule = SERVICE_FORWARD;
	t->addr = r->to;
	t->down = !sal_local_for(s, r->to.family, &path);
	return 0;
}

int sal_rule_add(struct sal *s, const struct sal_rule *r, int64_t now_ns)
{
	bool forward = r->kind == SAL_RULE_FORWARD;
	struct service_target target;
	struct service_prefix p;
	int error;

	s->now_ns = now_ns;
	error = to_target(s, r, &p, &target);
	if (!error)
		error = service_table_add(forward ? &s->forward : &s->demux, &p,
					  &target, now_ns);
	if (!error && forward)
		forward_added(s, &p, &r->to);
	return error;
}

int sal_rule_delete(struct sal *s, const struct sal_rule *r, int64_t now_ns)
{
	bool forward = r->kind == SAL_RULE_FORWARD;
	struct service_target target;
	struct service_prefix p;
	int error;

	s->now_ns = now_ns;
	error = to_target(s, r, &p, &target);
	if (!error)
		error = service_table_delete(forward ? &s->forward : &s->demux,
					     &p, &target);
	if (!error && forward)
		forward_gone(s, &p, &r->to);
	else if (!error)
		demux_gone(s, &p);
	return error;
}

struct rule_visit {
	void (*visit)(void *arg, const struct sal_rule *r, uint64_t hits);
	void *arg;
};

static int visit_target(const struct service_prefix *p,
			const struct service_target *target, void *arg)
{
	const struct rule_visit *v = arg;
	struct sal_rule r = {
		.id = p->id,
		.bits = p->bits,
		.kind = target->rule == SERVICE_DEMUX ? SAL_RULE_DEMUX :
							SAL_RULE_FORWARD,
		.to = target->addr,
		.priority = target->priority,
		.weight = target->weight,
	};

	v->visit(v->arg, &r, target->uses);
	return 0;
}

void sal_rules(const struct sal *s,
	       void (*visit)(void *arg, const struct sal_rule *r,
			     uint64_t hits),
	       void *arg)
{
	struct rule_visit v = { visit, arg };

	service_table_walk(&s->demux, visit_target, &v);
	service_table_walk(&s->forward, visit_target, &v);
}
