/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/link/params.h"

void link_params_init(struct link_params *p)
{
	*p = (struct link_params){ .queue.packets = LINK_QUEUE_DEFAULT };
}

void link_params_apply(struct link_params *p, const struct link_change *c)
{
	const struct link_params *to = &c->to;

	if (c->properties & LINK_DELAY)
		p->delay_ns = to->delay_ns;
	if (c->properties & LINK_JITTER)
		p->jitter = to->jitter;
	if (c->properties & LINK_LOSS)
		p->loss = to->loss;
	if (c->properties & LINK_DUPLICATE)
		p->duplicate_ppb = to->duplicate_ppb;
	if (c->properties & LINK_REORDER)
		p->reorder_ppb = to->reorder_ppb;
	if (c->properties & LINK_CORRUPT)
		p->corrupt_ppb = to->corrupt_ppb;
	if (c->properties & LINK_RATE) {
		p->rate_bps = to->rate_bps;
		p->trace = to->trace;
	}
	if (c->properties & LINK_QUEUE)
		p->queue = to->queue;
	if (c->properties & LINK_MTU)
		p->mtu = to->mtu;
}

bool link_params_have_jitter(const struct link_params *p)
{
	return p->jitter.distribution == LINK_HISTOGRAM ?
		       p->jitter.histogram != NULL :
		       p->jitter.spread_ns != 0;
}

/* The queue does not count: nothing waits in it without a rate. */
bool link_params_are_plain(const struct link_params *p)
{
	return !p->delay_ns && !link_params_have_jitter(p) &&
	       p->loss.kind == LINK_LOSS_NONE && !p->duplicate_ppb &&
	       !p->reorder_ppb && !p->corrupt_ppb && !p->rate_bps &&
	       !p->trace && !p->mtu;
}
