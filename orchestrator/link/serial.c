/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queue and what empties it. A frame's times of beginning and leaving are
 * worked out when it is offered, not when they come: first in, first out makes
 * them certain, and nobody has to wake up for a frame that merely begins. Only
 * a change of the rate works them out again (change.c).
 *
 * Constant rate. A frame of b bytes takes 8 b / rate seconds, which is no whole
 * number of nanoseconds. The serialiser keeps the remainder, in parts of 1/rate
 * ns, so that a million frames take exactly a million times as long as one:
 * rounding each would make 1 Gbit/s of small frames wrong by up to a percent.
 * Work is counted in 10^-9 bits, for in these a rate in bits/s does a whole
 * number each nanosecond. Times are rounded up: a frame has left when its last
 * bit has.
 *
 * Trace. Opportunities come whether or not somebody waits. A frame uses those
 * at or after its offer, what an earlier frame has left in one included, as
 * many as it needs, and leaves with its last. What nobody used is lost.
 *
 * What waits is what has not begun: the frame on its way out is not in the
 * queue, which may so be as short as one packet.
 */
#include "orchestrator/link/internal.h"

#include "base/clock.h"

#define WORK_PER_BYTE (UINT64_C(8) * 1000000000)

void link_serial_init(struct link_serial *s)
{
	*s = (struct link_serial){ .left = LINK_TRACE_BYTES,
				   .first = SLOT_NONE,
				   .last = SLOT_NONE,
				   .waiting = SLOT_NONE };
}

/* What a frame takes of opportunities. */
static uint32_t trace_bytes(const struct link_slot *slot)
{
	if (slot->left)
		return (uint32_t)((slot->left - 1) / WORK_PER_BYTE) + 1;
	return slot->bytes > ETHERNET_HEADER ? slot->bytes - ETHERNET_HEADER :
					       1;
}

static int64_t opportunity_ns(const struct link_serial *s,
			      const struct link_trace *t, uint64_t i)
{
	return link_time_add(link_trace_time_ns(t, i), s->trace_begin_ns);
}

/* The first opportunity that a frame offered now may use, *left of it. */
static uint64_t next_opportunity(const struct link_serial *s,
				 const struct link_trace *t, int64_t now_ns,
				 uint32_t *left)
{
	uint64_t i = s->opportunity, first;

	*left = s->left;
	if (*left && opportunity_ns(s, t, i) >= now_ns)
		return i;
	*left = LINK_TRACE_BYTES;
	first = link_trace_first(t, now_ns - s->trace_begin_ns);
	return first > i ? first : i + 1;
}

int64_t link_serial_start_ns(const struct link_serial *s,
			     const struct link_params *p, int64_t now_ns)
{
	uint32_t left;

	if (p->trace)
		return opportunity_ns(
			s, p->trace,
			next_opportunity(s, p->trace, now_ns, &left));
	if (!p->rate_bps || s->free_ns < now_ns)
		return now_ns;
	return link_time_add(s->free_ns, s->free_frac > 0);
}

static void pass_trace(struct link_serial *s, const struct link_trace *t,
		       struct link_slot *slot, int64_t now_ns)
{
	uint32_t need = trace_bytes(slot), left;
	uint64_t i = next_opportunity(s, t, now_ns, &left);

	slot->start_ns = opportunity_ns(s, t, i);
	slot->opportunity = i;
	slot->took = left;
	while (need > left && opportunity_ns(s, t, i) != LINK_NEVER) {
		need -= left;
		left = LINK_TRACE_BYTES;
		i++;
	}
	slot->depart_ns = opportunity_ns(s, t, i);
	s->opportunity = i;
	s->left = need > left ? 0 : left - need;
}

static void pass_rate(struct link_serial *s, uint64_t rate,
		      struct link_slot *slot, int64_t now_ns)
{
	uint64_t work = slot->left ? slot->left : slot->bytes * WORK_PER_BYTE;

	if (s->free_ns < now_ns) {
		s->free_ns = now_ns;
		s->free_frac = 0;
	}
	slot->start_ns = s->free_ns + (s->free_frac > 0);
	slot->start_frac = s->free_frac;
	s->free_frac += work % rate;
	s->free_ns = link_time_add(s->free_ns, (int64_t)(work / rate));
	if (s->free_frac >= rate) {
		s->free_frac -= rate;
		s->free_ns = link_time_add(s->free_ns, 1);
	}
	slot->depart_ns = link_time_add(s->free_ns, s->free_frac > 0);
}

void link_serial_pass(struct link_serial *s, const struct link_params *p,
		      struct link_slot *slot, int64_t now_ns)
{
	if (p->trace)
		pass_trace(s, p->trace, slot, now_ns);
	else if (p->rate_bps)
		pass_rate(s, p->rate_bps, slot, now_ns);
	else
		slot->start_ns = slot->depart_ns = now_ns;
	if (slot->left) /* it is no longer in the queue, and never goes back */
		slot->start_ns = now_ns;
}

static uint64_t left_of_trace(const struct link_serial *s,
			      const struct link_trace *t,
			      const struct link_slot *slot, int64_t now_ns)
{
	uint32_t need = trace_bytes(slot), got = slot->took;

	for (uint64_t i = slot->opportunity;
	     need && opportunity_ns(s, t, i) <= now_ns; i++) {
		need -= got < need ? got : need;
		got = LINK_TRACE_BYTES;
	}
	return need * WORK_PER_BYTE;
}

uint64_t link_serial_left(const struct link_serial *s,
			  const struct link_params *p,
			  const struct link_slot *slot, int64_t now_ns)
{
	uint64_t work = slot->left ? slot->left : slot->bytes * WORK_PER_BYTE;
	unsigned __int128 done;

	if (p->trace)
		return left_of_trace(s, p->trace, slot, now_ns);
	if (!p->rate_bps)
		return work;
	done = (unsigned __int128)(now_ns - slot->start_ns +
				   (slot->start_frac > 0)) *
		       p->rate_bps -
	       slot->start_frac;
	return done < work ? work - (uint64_t)done : 1;
}

uint64_t link_serial_capacity(const struct link_serial *s,
			      const struct link_params *p, int64_t from_ns,
			      int64_t to_ns)
{
	uint64_t first, end;

	if (!p->trace && !p->rate_bps)
		return UINT64_MAX;
	if (!p->trace)
		return (uint64_t)((unsigned __int128)(to_ns - from_ns) *
				  p->rate_bps / WORK_PER_BYTE);
	first = link_trace_first(p->trace, from_ns - s->trace_begin_ns + 1);
	end = link_trace_first(p->trace, to_ns - s->trace_begin_ns + 1);
	return (end - first) * LINK_TRACE_BYTES;
}

void link_serial_reset(struct link_serial *s, const struct link_params *p,
		       int64_t now_ns, bool new_trace)
{
	s->free_ns = now_ns;
	s->free_frac = 0;
	s->left = LINK_TRACE_BYTES;
	if (new_trace) {
		s->trace_begin_ns = now_ns;
		s->opportunity = 0;
	} else if (p->trace) {
		s->opportunity = link_trace_first(
			p->trace, now_ns - s->trace_begin_ns + 1);
	}
}
