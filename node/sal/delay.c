/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conversations that wait for a verdict. A DELAY rule says: whoever watches the
 * events shall say where this goes. The flow is there, in SYN_SENT, but has
 * sent nothing; the program's packets wait in its queue, whose bounds are those
 * of all queues. It goes on by
 *
 *  - a verdict, by its flow ID: to an address, to where the other rules say, or
 *    nowhere;
 *  - rules that decide otherwise now: all that come, change or go make it ask
 *    again, so that a controller may just as well set a rule for all that
 *    follow;
 *  - the end of its time: the program is told that the host is unreachable, as
 *    it is after SYNs that nobody answered.
 *
 * To ask again and meet the DELAY rule again changes nothing: neither does the
 * time start anew, nor is the event told again.
 *
 * SYNs from other hosts are not held. Who sends one repeats it, and what
 * strangers send must not fill our memory. A verdict that comes over the
 * network, from the controller of a domain, is to end in sal_verdict() as well.
 */
#include "node/sal/engine.h"

#include <errno.h>

void sal_unhold(struct sal *s, struct sal_flow *f)
{
	if (f->held_ns)
		s->delayed--;
	f->held_ns = 0;
}

bool sal_may_hold(struct sal *s)
{
	if (s->delayed < s->config.max_delayed)
		return true;
	s->stats.delay_full++;
	return false;
}

static void start_to_hold(struct sal *s, struct sal_flow *f)
{
	const struct service_target *rule =
		service_table_at(&s->forward, f->rule);
	uint32_t ms = rule->hold_ms ? rule->hold_ms : SAL_HOLD_MS;
	struct sal_event e = {
		.kind = SAL_EVENT_SERVICE_DELAYED,
		.rule = sal_rule_of(service_table_prefix(&s->forward, f->rule),
				    rule),
	};

	service_table_use(&s->forward, f->rule, 1, f->queue.segments, 0,
			  s->now_ns);
	s->stats.service_delayed++;
	s->delayed++;
	f->held_since_ns = s->now_ns;
	f->held_ns = s->now_ns + ms * MS;
	sal_flow_report(s, f, &e);
}

void sal_do_hold(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	if (!f->held_ns && !sal_may_hold(t->s)) {
		sal_syn_refused(t->s, f, SAL_REASON_TABLE_FULL, NULL);
		return;
	}
	if (!f->held_ns)
		start_to_hold(t->s, f);
	f->resolve_again = true;
	f->retry_ns = f->held_ns;
	sal_flow_arm(t->s, f);
}

bool sal_if_held_too_long(const struct sal_step *t)
{
	return t->f->held_ns && t->s->now_ns >= t->f->held_ns;
}

void sal_end_unbound(struct sal *s, struct sal_flow *f, bool refuse)
{
	if (refuse)
		sal_refuse_queue(s, f, true);
	sal_step(s, f, SAL_ON_CLOSE, NULL);
}

static struct sal_delayed seen(const struct sal_flow *f)
{
	return (struct sal_delayed){
		.flow = f->info.local_id,
		.service = f->info.service,
		.info = sal_flow_seen(f),
		.since_ns = f->held_since_ns,
		.until_ns = f->held_ns,
		.packets = f->queue.segments,
	};
}

void sal_delayed(const struct sal *s,
		 void (*visit)(void *arg, const struct sal_delayed *d),
		 void *arg)
{
	struct sal_flow *f;
	uint32_t at = 0;

	while ((f = sal_flow_each(s, &at))) {
		struct sal_delayed d = seen(f);

		if (f->held_ns)
			visit(arg, &d);
	}
}

int sal_verdict(struct sal *s, uint32_t flow, enum sal_verdict verdict,
		const struct ip_addr *to, int64_t now_ns)
{
	struct sal_flow *f = sal_flow_by_id(s, flow);
	struct sal_path path;

	s->now_ns = now_ns;
	if (!f || !f->held_ns)
		return -ENOENT;
	if (verdict != SAL_VERDICT_RELEASE) {
		sal_end_unbound(s, f, verdict == SAL_VERDICT_REFUSE);
		return 0;
	}
	if (to && ip_addr_size(to)) {
		if (!sal_local_for(s, to, &path))
			return -EHOSTUNREACH;
		f->released_to = *to;
	}
	f->released = true;
	/* Not too late, whatever the clock says: the verdict is here. */
	sal_unhold(s, f);
	sal_step(s, f, SAL_ON_RETRY, NULL);
	return 0;
}
