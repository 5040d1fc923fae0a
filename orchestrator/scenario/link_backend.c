/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who carries a link, which is known once the timeline is. Left to itself
 * ("auto"), a link of which nothing is asked is a veth pair, the fastest thing
 * there is; anything else is emulated, since only that is exact, and the same
 * in every run and on every machine. "kernel" is for those who want the
 * kernel's own queues: what these cannot do is said here, before anything is
 * built.
 */
#include "orchestrator/scenario/link_props.h"

/* NULL, or what of it they cannot do, and the property that says so. */
static const char *kernel_fault(const struct link_params *p, unsigned *property)
{
	*property = PROP_JITTER;
	if (p->jitter.histogram)
		return "jitter by a histogram";
	if (p->jitter.spread_ns && p->jitter.distribution != LINK_UNIFORM)
		return "a distribution of jitter other than uniform";
	if (p->jitter.spread_ns && !p->jitter.unordered)
		return "jitter that keeps the order of frames";
	*property = PROP_LOSS;
	if (p->loss.kind == LINK_LOSS_BURST)
		return "loss in bursts";
	if (p->loss.kind == LINK_LOSS_PATTERN)
		return "loss by a pattern";
	*property = PROP_RATE;
	if (p->trace)
		return "a rate by a trace";
	*property = PROP_QUEUE;
	if (p->queue.ecn_packets || p->queue.ecn_wait_ns)
		return "ECN marks";
	*property = PROP_MTU;
	return p->mtu ? "an mtu for one direction, or one that changes" : NULL;
}

static bool check_kernel(struct loader *l, const struct link_params *p,
			 const struct tree_node *const given[PROP_COUNT_],
			 const struct tree_node *backend)
{
	unsigned property;
	const char *fault = kernel_fault(p, &property);

	if (!fault || !given[property])
		return true;
	tree_error(l->diag, given[property], "the kernel's queues cannot do %s",
		   fault);
	if (backend)
		diag_note(l->diag, backend->pos, backend->width,
			  "the link is the kernel's by this");
	diag_help(l->diag, "leave the backend out, or write 'backend: "
			   "emulated'");
	return false;
}

void link_kernel_check(struct loader *l, size_t link,
		       const struct link_params *params,
		       const struct link_props *given)
{
	if (l->s->links.v[link].backend != SCN_BACKEND_KERNEL)
		return;
	for (size_t end = 0; end < 2; end++)
		if (!check_kernel(l, &params[end], given->given[end],
				  l->links.v[link].backend))
			return;
}

bool scn_link_changes(const struct scenario *s, size_t link)
{
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *e = &s->timeline.v[i];

		for (size_t k = 0; k < e->actions.n; k++)
			if (e->actions.v[k].kind == SCN_ACTION_LINK_CHANGE &&
			    e->actions.v[k].change.link == link)
				return true;
	}
	return false;
}

/* Does the action take the carrier from this link, or give it back? */
static bool changes_carrier(const struct scn_link *l, size_t link,
			    const struct scn_action *a)
{
	switch (a->kind) {
	case SCN_ACTION_LINK_STATE:
		return a->link.link == link;
	case SCN_ACTION_PRESENCE:
	case SCN_ACTION_ADMIN:
	case SCN_ACTION_PLUG:
		return a->iface.at.link == link;
	case SCN_ACTION_GUEST:
		return a->guest.at.link == link;
	case SCN_ACTION_CRASH:
	case SCN_ACTION_BOOT:
		return l->end[0].node == a->node.node ||
		       l->end[1].node == a->node.node;
	default:
		return false;
	}
}

bool scn_link_switches(const struct scenario *s, size_t link)
{
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *e = &s->timeline.v[i];

		for (size_t k = 0; k < e->actions.n; k++)
			if (changes_carrier(&s->links.v[link], link,
					    &e->actions.v[k]))
				return true;
	}
	return false;
}

bool scn_has_emulated(const struct scenario *s)
{
	for (size_t i = 0; i < s->links.n; i++)
		if (s->links.v[i].emulated)
			return true;
	return false;
}

bool link_is_emulated(const struct scenario *s, size_t link)
{
	const struct scn_link *is = &s->links.v[link];

	return is->backend == SCN_BACKEND_EMULATED ||
	       (is->backend == SCN_BACKEND_AUTO &&
		(!link_params_are_plain(&is->params[0]) ||
		 !link_params_are_plain(&is->params[1]) ||
		 scn_link_changes(s, link)));
}

void links_settle(struct loader *l)
{
	for (size_t i = 0; i < l->s->links.n; i++) {
		struct scn_link *link = &l->s->links.v[i];
		const struct link_origin *origin = &l->links.v[i];

		link->emulated = link_is_emulated(l->s, i);
		if (!origin->good || link->backend != SCN_BACKEND_KERNEL)
			continue;
		link_kernel_check(l, i, link->params, &origin->props);
		if (origin->tolerance) {
			tree_error(l->diag, origin->tolerance,
				   "only an emulated link keeps a tolerance: "
				   "nobody watches the kernel's");
			diag_help(l->diag, "leave 'tolerance' out, or the "
					   "backend to itself");
		}
	}
}
