/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules come, change, go and are listed. What that does to flows is in
 * resolve.c, what the table makes of them in node/table.
 *
 * DEMUX rules have a table of their own, because it answers another question
 * ("is it here?", for those who call us) than the others do ("where to?").
 */
#include "node/sal/engine.h"

#include <errno.h>

static struct service_table *table_of(struct sal *s, enum sal_rule_kind kind)
{
	return kind == SAL_RULE_DEMUX ? &s->demux : &s->forward;
}

static const uint8_t kinds[] = {
	[SAL_RULE_DEMUX] = SERVICE_DEMUX,
	[SAL_RULE_FORWARD] = SERVICE_FORWARD,
	[SAL_RULE_DELAY] = SERVICE_DELAY,
	[SAL_RULE_DROP] = SERVICE_DROP,
};

/* -EINVAL: what the table cannot say. */
static int to_target(const struct sal *s, const struct sal_rule *r,
		     struct service_prefix *p, struct service_target *t)
{
	struct sal_path path;

	if (r->priority > UINT16_MAX || r->weight > UINT16_MAX ||
	    (unsigned)r->kind >= sizeof(kinds))
		return -EINVAL;
	*p = (struct service_prefix){ .id = r->id, .bits = r->bits };
	*t = (struct service_target){
		.rule = kinds[r->kind],
		.priority = (uint16_t)r->priority,
		.weight = (uint16_t)r->weight,
		.refuse = r->refuse,
		.hold_ms = r->hold_ms,
		.idle_ms = r->idle_ms,
		.hard_ms = r->hard_ms,
	};
	if (r->kind == SAL_RULE_FORWARD) {
		t->addr = r->to;
		t->down = !sal_local_for(s, &r->to, &path);
	}
	return 0;
}

struct sal_rule sal_rule_of(const struct service_prefix *p,
			    const struct service_target *target)
{
	struct sal_rule r = {
		.id = p->id,
		.bits = p->bits,
		.to = target->addr,
		.priority = target->priority,
		.weight = target->weight,
		.refuse = target->refuse,
		.hold_ms = target->hold_ms,
		.idle_ms = target->idle_ms,
		.hard_ms = target->hard_ms,
	};

	while (kinds[r.kind] != target->rule)
		r.kind++;
	return r;
}

/* For flows, the place of a FORWARD rule. */
static const struct ip_addr *place(const struct service_target *target)
{
	return target->rule == SERVICE_FORWARD ? &target->addr : NULL;
}

int sal_rule_add(struct sal *s, const struct sal_rule *r, int64_t now_ns)
{
	struct service_target target;
	struct service_prefix p;
	int error;

	s->now_ns = now_ns;
	error = to_target(s, r, &p, &target);
	if (!error)
		error = service_table_add(table_of(s, r->kind), &p, &target,
					  now_ns);
	if (!error && r->kind != SAL_RULE_DEMUX)
		sal_forward_added(s, &p, place(&target));
	return error;
}

int sal_rule_change(struct sal *s, const struct sal_rule *r, unsigned what,
		    int64_t now_ns)
{
	struct service_table *t = table_of(s, r->kind);
	const struct service_target *found;
	struct service_target old, new;
	struct service_prefix p;
	int error;

	s->now_ns = now_ns;
	error = to_target(s, r, &p, &new);
	if (error)
		return error;
	found = p.bits > SERVICE_ID_BITS ? NULL :
					   service_table_find(t, &p, &new);
	if (!found)
		return -ENOENT;
	old = *found;
	if (!(what & SAL_CHANGE_PRIORITY))
		new.priority = old.priority;
	if (!(what & SAL_CHANGE_WEIGHT))
		new.weight = old.weight;
	if (!(what & SAL_CHANGE_REFUSE))
		new.refuse = old.refuse;
	if (!(what & SAL_CHANGE_HOLD))
		new.hold_ms = old.hold_ms;
	if (!(what & SAL_CHANGE_IDLE))
		new.idle_ms = old.idle_ms;
	if (!(what & SAL_CHANGE_HARD))
		new.hard_ms = old.hard_ms;
	new.down = old.down;
	service_table_change(t, &p, &new, what & SAL_CHANGE_HARD, now_ns);
	/* Those that look for an instance may find it now. */
	if (r->kind != SAL_RULE_DEMUX)
		sal_forward_added(s, &p, NULL);
	return 0;
}

static void gone(struct sal *s, const struct service_prefix *p,
		 const struct service_target *target)
{
	if (target->rule == SERVICE_DEMUX)
		sal_demux_gone(s, p);
	else
		sal_forward_gone(s, p, place(target));
}

int sal_rule_delete(struct sal *s, const struct sal_rule *r, int64_t now_ns)
{
	struct service_target target;
	struct service_prefix p;
	int error;

	s->now_ns = now_ns;
	error = to_target(s, r, &p, &target);
	if (!error && p.bits > SERVICE_ID_BITS)
		error = -EINVAL;
	if (!error)
		error = service_table_delete(table_of(s, r->kind), &p, &target);
	if (!error)
		gone(s, &p, &target);
	return error;
}

static int keep(const struct service_prefix *p,
		const struct service_target *target, void *arg)
{
	(void)p;
	*(struct service_target *)arg = *target;
	return 1;
}

/* The first of the prefix; false: it has none. */
static bool first_of(const struct service_table *t,
		     const struct service_prefix *p, struct service_target *out)
{
	return service_table_walk_at(t, p, keep, out) != 0;
}

int sal_rules_delete(struct sal *s, const struct service_prefix *p,
		     int64_t now_ns)
{
	struct service_table *const tables[] = { &s->demux, &s->forward };
	struct service_target target;
	int r = -ENOENT;

	s->now_ns = now_ns;
	if (p->bits > SERVICE_ID_BITS)
		return -EINVAL;
	for (int i = 0; i < 2; i++)
		while (first_of(tables[i], p, &target)) {
			service_table_delete(tables[i], p, &target);
			gone(s, p, &target);
			r = 0;
		}
	return r;
}

bool sal_rule_serves(const struct sal *s, const struct service_id *id,
		     unsigned bits)
{
	struct service_prefix here, other;
	bool any = service_table_match(&s->demux, id, &here);

	if (!any && !bits)
		return false;
	if (any && here.bits > bits)
		bits = here.bits;
	return !service_table_match(&s->forward, id, &other) ||
	       other.bits <= bits;
}

/* ---- time-outs ---------------------------------------------------------- */

int64_t sal_rules_next_ns(const struct sal *s)
{
	int64_t forward = service_table_next_ns(&s->forward);
	int64_t demux = service_table_next_ns(&s->demux);

	return forward < demux ? forward : demux;
}

void sal_rules_expire(struct sal *s)
{
	struct service_table *const tables[] = { &s->demux, &s->forward };
	struct service_target target;
	struct service_prefix p;

	for (int i = 0; i < 2; i++) {
		unsigned budget = SAL_EXPIRE_MAX;

		while (budget-- && service_table_expire(tables[i], s->now_ns,
							&p, &target)) {
			struct sal_event e = {
				.kind = SAL_EVENT_SERVICE_EXPIRED,
				.now_ns = s->now_ns,
				.rule = sal_rule_of(&p, &target),
			};

			s->sink.event(s->sink.arg, &e);
			gone(s, &p, &target);
		}
	}
}

/* ---- listing ------------------------------------------------------------ */

struct rule_visit {
	sal_rule_fn *visit;
	void *arg;
};

static int visit_target(const struct service_prefix *p,
			const struct service_target *target, void *arg)
{
	const struct rule_visit *v = arg;
	struct sal_rule_info info = {
		.rule = sal_rule_of(p, target),
		.flows = target->flows,
		.packets = target->packets,
		.bytes = target->bytes,
		.added_ns = target->added_ns,
		.used_ns = target->used_ns,
		.aside_ns = target->aside_ns,
		.end_ns = service_target_end_ns(target),
		.down = target->down,
	};

	return !v->visit(v->arg, &info);
}

void sal_rules(const struct sal *s, const struct sal_rules_at *after,
	       sal_rule_fn *visit, void *arg)
{
	struct rule_visit v = { visit, arg };
	int stop = 0;

	if (after && !after->demux) {
		service_table_walk_after(&s->forward, &after->prefix,
					 visit_target, &v);
		return;
	}
	if (after)
		stop = service_table_walk_after(&s->demux, &after->prefix,
						visit_target, &v);
	else
		stop = service_table_walk(&s->demux, visit_target, &v);
	if (!stop)
		service_table_walk(&s->forward, visit_target, &v);
}
