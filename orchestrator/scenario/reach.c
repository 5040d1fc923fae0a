/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/scenario/reach.h"

/* A reply may still come this long after the last packet was sent. */
#define LINGER_NS INT64_C(1000000000)

/* How long the probe sends: the end of the run may cut it short, so much later.
 */
static int64_t probe_time(const struct scenario *s, const struct scn_probe *p,
			  int64_t later_ns)
{
	int64_t left_ns = s->duration_ns - p->start_ns;

	if (s->duration_ns && left_ns < p->for_ns - later_ns)
		return left_ns + later_ns;
	return p->for_ns;
}

static void check_count(struct loader *l, const struct scn_probe *p,
			enum scn_metric metric, const struct range_source *r,
			int64_t within_ns)
{
	const char *name = scn_metric_name(metric);
	int64_t for_ns = probe_time(l->s, p, within_ns), most;
	const char *what = scn_metric_fits(SCN_METRIC_FAILED, p->kind) ?
				   "requests" :
				   "packets";

	if (!p->interval_ns) /* one after another: nobody knows how many */
		return;
	most = (for_ns - 1) / p->interval_ns + 1;

	if (r->range.has_min && r->range.min > most)
		tree_error(
			l->diag, r->min,
			"unreachable expectation: '%s' sends %lld %s, so '%s' "
			"cannot be %lld",
			p->name, (long long)most, what, name,
			(long long)r->range.min);
	else if (r->range.has_max && r->range.max == most && !r->range.min)
		tree_error(l->diag, r->max,
			   "this expectation cannot fail: '%s' sends %lld %s",
			   p->name, (long long)most, what);
	else if (r->range.has_max && r->range.max > most)
		tree_error(
			l->diag, r->max,
			"this expectation cannot fail: '%s' sends %lld %s, so "
			"'%s' is never above %lld",
			p->name, (long long)most, what, name,
			(long long)r->range.max);
	else
		return;
	diag_note(l->diag, p->pos, 1, "the probe is defined here");
}

static void check_time(struct loader *l, const struct scn_probe *p,
		       enum scn_metric metric, const struct range_source *r)
{
	int64_t for_ns = probe_time(l->s, p, 0);
	char text[32];

	if (metric != SCN_METRIC_OUTAGE || !r->range.has_min ||
	    r->range.min - for_ns <= LINGER_NS)
		return;
	tree_error(l->diag, r->min,
		   "unreachable expectation: '%s' sends for %s, so no outage "
		   "can last %s",
		   p->name, scn_duration_text(for_ns, text, sizeof(text)),
		   r->min->text);
	diag_note(l->diag, p->pos, 1, "the probe is defined here");
}

/* Of a connection that the end of the run cuts off, nobody knows. */
static void check_end(struct loader *l, const struct scn_probe *p,
		      enum scn_metric metric, const struct range_source *r)
{
	int64_t end;

	if (metric != SCN_METRIC_SURVIVES || !l->s->duration_ns || p->bytes ||
	    __builtin_add_overflow(p->start_ns, p->for_ns, &end) ||
	    end < l->s->duration_ns)
		return;
	tree_error(l->diag, r->node,
		   "unreachable expectation: the run ends before the stream "
		   "'%s' does",
		   p->name);
	diag_note(l->diag, l->duration->pos, l->duration->width,
		  "the run ends at %s", l->duration->text);
	diag_help(l->diag, "end the probe earlier: give it a shorter 'for'");
}

bool reach_check_least(struct loader *l, const struct range_source *r)
{
	if (!r->range.has_min || r->range.min || r->range.has_max)
		return true;
	tree_error(l->diag, r->min,
		   "this expectation cannot fail: nothing is below %s",
		   r->min->text);
	diag_help(l->diag, "leave it out, or say the most, as in "
			   "'{ max: ... }'");
	return false;
}

void reach_check(struct loader *l, size_t probe, enum scn_metric metric,
		 const struct range_source *range, int64_t within_ns)
{
	const struct scn_probe *p = &l->s->probes.v[probe];

	if (scn_metric_unit(metric) == SCN_UNIT_SWITCH) {
		check_end(l, p, metric, range);
		return;
	}
	/* These are there only if something was answered, or came back. */
	if (metric != SCN_METRIC_RTT_P50 && metric != SCN_METRIC_RTT_P99 &&
	    metric != SCN_METRIC_LATENCY_P50 &&
	    metric != SCN_METRIC_LATENCY_P99 && metric != SCN_METRIC_RECOVERY &&
	    metric != SCN_METRIC_CONNECT && !reach_check_least(l, range))
		return;
	switch (metric) {
	case SCN_METRIC_SENT:
	case SCN_METRIC_RECEIVED:
	case SCN_METRIC_LOST:
	case SCN_METRIC_FAILED:
		check_count(l, p, metric, range, within_ns);
		break;
	case SCN_METRIC_OUTAGE:
	case SCN_METRIC_RTT_P50:
	case SCN_METRIC_RTT_P99:
		check_time(l, p, metric, range);
		break;
	default: /* nobody knows how often, or how much */
		break;
	}
}

/* Whether the node is an instance at some time. *migrates: there was a
 * migration that leads elsewhere. */
static bool is_ever_instance(const struct scenario *s, size_t service,
			     size_t node, bool *migrates)
{
	for (size_t i = 0; i < s->services.v[service].instances.n; i++)
		if (s->services.v[service].instances.v[i].node == node)
			return true;
	for (size_t i = 0; i < s->services.v[service].candidates.n; i++)
		if (s->services.v[service].candidates.v[i].node == node)
			return true;
	for (size_t i = 0; i < s->timeline.n; i++) {
		for (size_t k = 0; k < s->timeline.v[i].actions.n; k++) {
			const struct scn_action *a =
				&s->timeline.v[i].actions.v[k];

			if (a->kind == SCN_ACTION_REGISTER &&
			    a->serve.service == service &&
			    a->serve.node == node)
				return true;
			if (a->kind != SCN_ACTION_MIGRATE ||
			    a->migrate.service != service)
				continue;
			if (a->migrate.to == node)
				return true;
			*migrates = true;
		}
	}
	for (size_t i = 0; i < s->services.n; i++)
		if (scn_service_is_within(s, service, i) &&
		    is_ever_instance(s, i, node, migrates))
			return true;
	return false;
}

void reach_check_instance(struct loader *l, size_t service, size_t node,
			  const struct tree_node *where)
{
	const struct scenario *s = l->s;
	bool migrates = false;

	if (l->actions_unknown & ACTION_BIT(SCN_ACTION_MIGRATE) ||
	    is_ever_instance(s, service, node, &migrates))
		return;
	tree_error(l->diag, where,
		   "unreachable expectation: '%s' is never an instance of '%s'",
		   s->nodes.v[node].name, s->services.v[service].name);
	diag_note(l->diag, s->services.v[service].instance_pos, 1,
		  migrates ? "it begins with this one, and no 'migrate' leads "
			     "to the other" :
		  s->services.v[service].instances.n > 1 ?
			     "its instances begin with this one" :
			     "this is its only instance");
}

/*
 * Who answers, folded, is what the timeline binds one after the other, less
 * those that were not asked meanwhile. That is certain only where every
 * connection follows its rule at once: with another flush, or a gap before it,
 * old connections and new ones are answered by turns.
 */
void reach_check_order(struct loader *l, size_t service,
		       const scn_index_vec *nodes,
		       const struct tree_node *where)
{
	const struct scenario *s = l->s;
	size_t at = s->services.v[service].instance, next = 0;

	if ((l->actions_unknown | l->actions_untimed) &
		    ACTION_BIT(SCN_ACTION_MIGRATE) ||
	    s->services.v[service].instances.n != 1 ||
	    s->services.v[service].candidates.n)
		return;
	next += nodes->v[0] == at;
	for (size_t i = 0; i < s->timeline.n; i++) {
		for (size_t k = 0; k < s->timeline.v[i].actions.n; k++) {
			const struct scn_action *a =
				&s->timeline.v[i].actions.v[k];

			if ((a->kind == SCN_ACTION_REGISTER ||
			     a->kind == SCN_ACTION_UNREGISTER) &&
			    a->serve.service == service)
				return;
			if (a->kind != SCN_ACTION_MIGRATE ||
			    a->migrate.service != service)
				continue;
			if (a->migrate.flush != SCN_FLUSH_AFTER ||
			    a->migrate.gap_ns)
				return;
			next += next < nodes->n &&
				nodes->v[next] == a->migrate.to;
		}
	}
	if (next == nodes->n)
		return;
	tree_error(l->diag, where,
		   "unreachable expectation: the timeline does not lead '%s' "
		   "to these hosts in this order",
		   s->services.v[service].name);
	diag_note(l->diag, s->services.v[service].instance_pos, 1,
		  "it begins at '%s'", s->nodes.v[at].name);
}

/* What the probe can ask for at most; INT64_MAX: nobody knows. */
static int64_t asks_at_most(const struct scenario *s, const struct scn_probe *p)
{
	if (p->kind == SCN_PROBE_TCP_STREAM)
		return 1; /* a connection is one answer */
	if (!p->interval_ns)
		return INT64_MAX;
	return (probe_time(s, p, 0) - 1) / p->interval_ns + 1;
}

void reach_check_answers(struct loader *l, size_t service, int64_t least,
			 const struct tree_node *where)
{
	const struct scenario *s = l->s;
	const struct scn_probe *asks = NULL;
	int64_t most = 0;
	size_t n = 0;

	for (size_t i = 0; i < s->probes.n; i++) {
		const struct scn_probe *p = &s->probes.v[i];

		if (p->target != SCN_TARGET_SERVICE || p->to != service)
			continue;
		if (__builtin_add_overflow(most, asks_at_most(s, p), &most))
			return;
		asks = asks ? asks : p;
		n++;
	}
	if (least <= most)
		return;
	if (!asks) {
		tree_error(l->diag, where,
			   "unreachable expectation: no probe asks '%s'",
			   s->services.v[service].name);
		diag_help(l->diag,
			  "add one to 'probes', such as '{ kind: udp_echo, "
			  "node: ..., to: %s }'",
			  s->services.v[service].name);
		return;
	}
	tree_error(l->diag, where,
		   "unreachable expectation: '%s' is asked %lld time%s, so "
		   "there cannot be %lld answers",
		   s->services.v[service].name, (long long)most,
		   most == 1 ? "" : "s", (long long)least);
	diag_note(l->diag, asks->pos, 1, "%s is defined here",
		  n > 1 ? "the first of the probes that ask it" :
			  "the probe that asks it");
}

void reach_check_started(struct loader *l, size_t process,
			 const struct tree_node *where)
{
	const struct scenario *s = l->s;
	const struct scn_process *p = &s->processes.v[process];

	if (p->autostart || l->actions_unknown & ACTION_BIT(SCN_ACTION_START))
		return;
	for (size_t i = 0; i < s->timeline.n; i++) {
		for (size_t k = 0; k < s->timeline.v[i].actions.n; k++) {
			const struct scn_action *a =
				&s->timeline.v[i].actions.v[k];

			if ((a->kind == SCN_ACTION_START ||
			     a->kind == SCN_ACTION_RESTART) &&
			    a->process.process == process)
				return;
			if (a->kind == SCN_ACTION_MIGRATE)
				for (size_t r = 0;
				     r <
				     s->services.v[a->migrate.service].run.n;
				     r++)
					if (s->services.v[a->migrate.service]
						    .run.v[r] == process)
						return;
		}
	}
	tree_error(l->diag, where,
		   "unreachable expectation: nothing starts the process '%s'",
		   p->name);
	diag_note(l->diag, p->pos, 1, "it has 'start: manual'");
	diag_help(l->diag, "add '{ at: 1s, start: %s }' to the timeline",
		  p->name);
}
