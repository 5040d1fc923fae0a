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

bool sal_reaches(const struct sal *s, const struct sal_local_address *from,
		 const struct ip_addr *to)
{
	return from->addr.family == to->family &&
	       (!s->sink.reaches || s->sink.reaches(s->sink.arg, from, to));
}

bool sal_local_for(const struct sal *s, const struct ip_addr *to,
		   struct sal_path *path)
{
	for (uint32_t i = 0; i < s->address_count; i++) {
		if (!sal_reaches(s, &s->addresses[i], to))
			continue;
		path->local = s->addresses[i].addr;
		path->ifindex = s->addresses[i].ifindex;
		return true;
	}
	return false;
}

static struct service_query query(struct sal *s)
{
	struct service_query q = { .now_ns = s->now_ns };

	sal_rand_bytes(&s->rand, &q.random, sizeof(q.random));
	return q;
}

static void bind_to(struct sal *s, struct sal_flow *f, const struct ip_addr *to,
		    uint16_t bits)
{
	f->bound_to = *to;
	f->bound_bits = bits;
	f->unbound = false;
	memset(&f->tie.path, 0, sizeof(f->tie.path));
	f->tie.path.remote = *to;
	if (!f->info.native)
		sal_encap_begin(s, &f->tie.path);
	sal_local_for(s, to, &f->tie.path);
}

int sal_resolve(struct sal *s, struct sal_flow *f)
{
	const struct service_target *target;
	struct service_query q = query(s);
	int r;

	f->rule = (struct service_ref){ 0 };
	if (ip_addr_size(&f->released_to)) {
		/* By no rule: none that comes or goes concerns it. */
		bind_to(s, f, &f->released_to, SERVICE_ID_BITS + 1);
		return 0;
	}
	if (f->released)
		q.without = 1u << SERVICE_DELAY;
	r = service_table_resolve(&s->forward, &f->info.service, &q, &target);
	if (r)
		return r;
	f->rule = service_table_ref(&s->forward, target);
	if (target->rule == SERVICE_DELAY)
		return SAL_RESOLVED_DELAY;
	service_table_use(&s->forward, f->rule, 1, 0, 0, s->now_ns);
	if (target->rule == SERVICE_DROP) {
		s->stats.service_dropped++;
		return target->refuse ? SAL_RESOLVED_REFUSE : SAL_RESOLVED_DROP;
	}
	bind_to(s, f, &target->addr,
		service_table_prefix(&s->forward, f->rule)->bits);
	return 0;
}

bool sal_resolve_path(struct sal *s, const struct service_id *id,
		      struct sal_path *path)
{
	const struct service_target *target;
	struct service_query q = query(s);

	q.without = 1u << SERVICE_DELAY;
	if (service_table_resolve(&s->forward, id, &q, &target) ||
	    target->rule != SERVICE_FORWARD)
		return false;
	*path = (struct sal_path){ .remote = target->addr };
	return sal_local_for(s, &target->addr, path);
}

/* Of DEMUX rules a prefix has one: there is nothing to choose. The longest
 * prefix decides among all rules, of whichever kind. */
static const struct service_target *demux_of(const struct sal *s,
					     const struct service_id *id)
{
	struct service_query q = { .now_ns = s->now_ns };
	const struct service_target *target;

	if (service_table_resolve(&s->demux, id, &q, &target) ||
	    !sal_rule_serves(s, id, 0))
		return NULL;
	return target;
}

bool sal_demux_here(const struct sal *s, const struct service_id *id)
{
	return demux_of(s, id) != NULL;
}

struct service_ref sal_demux_hit(struct sal *s, const struct service_id *id)
{
	const struct service_target *target = demux_of(s, id);
	struct service_ref ref = { 0 };

	if (!target)
		return ref;
	ref = service_table_ref(&s->demux, target);
	service_table_use(&s->demux, ref, 1, 0, 0, s->now_ns);
	return ref;
}

void sal_rule_count(struct sal *s, const struct sal_flow *f, size_t bytes)
{
	service_table_use(f->info.client ? &s->forward : &s->demux, f->rule, 0,
			  1, bytes, s->now_ns);
}

bool sal_rule_covered(const struct service_table *t,
		      const struct service_id *id)
{
	struct service_prefix p;

	return service_table_match(t, id, &p);
}

/* What a rule says to a SYN for a service that is not here. */
static enum sal_served elsewhere(struct sal *s, const struct service_id *id)
{
	const struct service_target *target;
	struct service_query q;

	if (!service_table_has(&s->forward, id, SERVICE_DROP))
		return SAL_SERVED_GONE;
	q = query(s);
	if (service_table_resolve(&s->forward, id, &q, &target) ||
	    target->rule != SERVICE_DROP)
		return SAL_SERVED_GONE;
	s->stats.service_dropped++;
	service_table_use(&s->forward, service_table_ref(&s->forward, target),
			  1, 0, 0, s->now_ns);
	return target->refuse ? SAL_SERVED_REFUSE : SAL_SERVED_DROP;
}

enum sal_served sal_served(struct sal *s, const struct service_id *id)
{
	const struct sal_name *name;

	if (demux_of(s, id))
		return SAL_SERVED_HERE;
	if (sal_rule_covered(&s->forward, id))
		return elsewhere(s, id);
	name = sal_name_by_id(s, id);
	if (sal_rule_covered(&s->demux, id) || /* drained */
	    (name && name->gone &&
	     s->now_ns - name->gone_ns < SAL_GONE_INSTANCE_NS))
		return SAL_SERVED_GONE;
	return SAL_SERVED_NOT;
}

void sal_set_unserved(struct sal *s, sal_unserved_fn *ask)
{
	s->unserved = ask;
}

/* A target that no address of ours can reach is passed over. */
static bool is_down(const struct service_target *target, void *arg)
{
	struct sal_path path;

	return target->rule == SERVICE_FORWARD &&
	       !sal_local_for(arg, &target->addr, &path);
}

void sal_forward_reachable(struct sal *s)
{
	service_table_set_down(&s->forward, is_down, s);
}

/* ---- set aside ---------------------------------------------------------- */

void sal_set_aside(struct sal *s, const struct sal_flow *f, int64_t ns)
{
	const struct service_target *target =
		service_table_at(&s->forward, f->rule);
	struct sal_event e = { .kind = SAL_EVENT_SERVICE_UNREACHABLE };

	if (!target || !f->info.client || target->rule != SERVICE_FORWARD ||
	    target->aside_ns >= s->now_ns + ns)
		return;
	if (target->aside_ns <= s->now_ns) {
		s->stats.service_aside++;
		e.rule = sal_rule_of(service_table_prefix(&s->forward, f->rule),
				     target);
		sal_flow_report(s, f, &e);
	}
	service_table_set_aside(&s->forward, f->rule, s->now_ns + ns);
}

/* Whether the rules have another target for the flow, that is not set aside. */
static bool has_other(struct sal *s, const struct sal_flow *f)
{
	return service_table_has_other(&s->forward, f->rule, s->now_ns);
}

void sal_do_set_aside(const struct sal_step *t)
{
	const struct sal_flow *f = t->f;
	unsigned silent = service_table_was_silent(&t->s->forward, f->rule);
	int64_t ns = SAL_SUSPECT_NS;

	for (; silent > 1 && ns < SAL_ASIDE_NS; silent--)
		ns *= 2;
	sal_set_aside(t->s, f,
		      f->tries >= SAL_SILENT_TRIES || ns > SAL_ASIDE_NS ?
			      SAL_ASIDE_NS :
			      ns);
}

void sal_target_answered(struct sal *s, const struct sal_flow *f)
{
	/* Of SYNs that were sent more than once, nobody knows which was
	 * answered (Karn). */
	if (f->info.client && !f->info.native)
		service_table_answered(&s->forward, f->rule,
				       f->tries == 1 ? s->now_ns - f->syn_ns :
						       -1);
}

int64_t sal_target_gap_ns(struct sal *s, const struct sal_flow *f)
{
	const struct service_target *target =
		service_table_at(&s->forward, f->rule);

	/* With nobody else to go to, patience is all that helps. */
	if (!target || !target->wait_ms || !has_other(s, f))
		return SAL_SYN_GAP_NS;
	return target->wait_ms * MS;
}

bool sal_if_target_silent(const struct sal_step *t)
{
	const struct sal_flow *f = t->f;

	return !f->info.native && !f->resolve_again &&
	       (f->tries >= SAL_SILENT_TRIES ||
		service_table_answers(&t->s->forward, f->rule, t->s->now_ns)) &&
	       t->s->now_ns - f->since_ns < SAL_SILENT_TOTAL_NS &&
	       has_other(t->s, f);
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
	return t->f->resolve_again && !sal_if_held_too_long(t);
}

void sal_do_resolve(const struct sal_step *t)
{
	int r = sal_resolve(t->s, t->f);

	if (r == SAL_RESOLVED_DELAY) {
		sal_do_hold(t);
		return;
	}
	sal_unhold(t->s, t->f);
	if (r > 0) {
		sal_end_unbound(t->s, t->f, r == SAL_RESOLVED_REFUSE);
		return;
	}
	if (r) {
		sal_syn_refused(t->s, t->f, SAL_REASON_NO_INSTANCE, NULL);
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
	if (f->refusals > SAL_REFUSED_TRIES)
		return true;
	/* The router sends those that ask again to another instance. */
	if (f->reason == SAL_REASON_TABLE_FULL && f->refused_behind)
		return false;
	if (f->reason == SAL_REASON_NO_SERVICE ||
	    f->reason == SAL_REASON_TABLE_FULL)
		return !has_other(t->s, f);
	return f->reason != SAL_REASON_NO_INSTANCE;
}

bool sal_if_may_ask_again(const struct sal_step *t)
{
	return !sal_if_may_not_ask_again(t);
}

/* One behind a service router says nothing of the router. */
void sal_syn_refused(struct sal *s, struct sal_flow *f, uint16_t reason,
		     const struct ip_addr *by)
{
	f->refusals++;
	f->refused_behind = by && !ip_addr_equal(by, &f->bound_to);
	if (!f->refused_behind)
		sal_set_aside(s, f, SAL_ASIDE_REFUSED_NS);
	sal_step_because(s, f, SAL_ON_REFUSED, reason);
}

void sal_do_drop_tie(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	sal_way_because(f, SAL_WAY_REBOUND);
	if (f->rsyn_unanswered && f->tries >= SAL_RSYN_TRIES_REBIND)
		sal_set_aside(t->s, f, SAL_ASIDE_NS);
	if (f->tie.remote_id) {
		f->old = f->tie;
		f->old_until_ns = t->s->now_ns + SAL_OLD_TIE_NS;
		f->tie.remote_id = 0;
	}
	memset(f->former, 0, sizeof(f->former));
	f->standby_count = 0;
	sal_move_forget(t->s, f);
	memset(f->asked, 0, sizeof(f->asked));
	f->prove_ns = 0;
	f->early = f->prove_out = f->prove_slot = f->rsyn_proven = false;
	f->has_peer_list = f->list_sent = f->list_acked = false;
	f->waits_ns = f->list_ns = 0;
	f->unsure = false;
	memset(&f->home, 0, sizeof(f->home));
	memset(&f->bound, 0, sizeof(f->bound));
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

/* What was served here, and is not any more. taken: a DEMUX rule is there, but
 * not the longest. */
static void not_here(struct sal *s, const struct service_prefix *p, bool taken)
{
	struct sal_flow *f;
	uint32_t at = 0;

	for (uint32_t i = 0; i < s->name_count; i++) {
		struct sal_name *n = &s->names[i];

		if (!service_prefix_contains(p, &n->id) ||
		    sal_rule_serves(s, &n->id, 0) ||
		    (taken && !sal_rule_covered(&s->demux, &n->id)))
			continue;
		n->gone = true;
		n->gone_ns = s->now_ns;
	}
	while ((f = sal_flow_each(s, &at)))
		if (!f->info.client && !f->info.native && covers(p, f) &&
		    !sal_flow_still(f) &&
		    !sal_rule_serves(s, &f->info.service, 0))
			sal_step_because(s, f, SAL_ON_WITHDRAWN,
					 SAL_REASON_NO_INSTANCE);
}

void sal_forward_added(struct sal *s, const struct service_prefix *p,
		       const struct ip_addr *to)
{
	struct sal_flow *f;
	uint32_t at = 0;

	if (to && s->demux.n_prefixes)
		not_here(s, p, true);
	while ((f = sal_flow_each(s, &at))) {
		if (!f->info.client || f->info.native || !covers(p, f) ||
		    !can_rebind(f))
			continue;
		if (f->info.state == SAL_SYN_SENT && f->resolve_again)
			sal_step(s, f, SAL_ON_RETRY, NULL);
		else if (!to)
			continue;
		else if ((f->unbound || p->bits > f->bound_bits) &&
			 !ip_addr_equal(to, &f->bound_to))
			sal_step(s, f, SAL_ON_REBIND, NULL);
		else if (ip_addr_equal(to, &f->bound_to))
			f->unbound = false;
	}
}

/* With nothing in its place the flow stays where it is: that is the gap between
 * two rules, not an order to leave. */
void sal_forward_gone(struct sal *s, const struct service_prefix *p,
		      const struct ip_addr *to)
{
	struct sal_flow *f;
	uint32_t at = 0;

	while ((f = sal_flow_each(s, &at))) {
		if (!f->info.client || f->info.native || !covers(p, f))
			continue;
		if (f->held_ns)
			sal_step(s, f, SAL_ON_RETRY, NULL);
		else if (!to || p->bits != f->bound_bits ||
			 !ip_addr_equal(to, &f->bound_to))
			continue;
		else if (!can_rebind(f) ||
			 !sal_rule_covered(&s->forward, &f->info.service))
			f->unbound = true;
		else
			sal_step(s, f, SAL_ON_REBIND, NULL);
	}
}

void sal_demux_gone(struct sal *s, const struct service_prefix *p)
{
	not_here(s, p, false);
}
