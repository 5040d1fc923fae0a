/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the medium does to frame k of a stream. Every property has draws of its
 * own (draw.c), so that switching one on or off leaves the others' as they are:
 * with the same seed, the frames that 1 % of loss takes are among those that
 * 2 % take, whatever else is asked.
 *
 *     LOSS       lost, if the draw is within the share asked for; in bursts the
 *                share of the state
 *     STATE      bursts: for a stream's first frame its state, by how much of
 *                the time the chain is in it (so that short streams lose as
 *                much as long ones); for the others whether it changes, before
 *                the frame meets it
 *     DUPLICATE, REORDER, CORRUPT   happen, or not; not to a lost frame
 *     BIT        which one, of those behind the Ethernet header
 *     JITTER     link_jitter_ns(); not to lost nor reordered ones
 *
 * A change of the loss begins its memory anew: chains start from the stationary
 * state, patterns by hand at their beginning. k goes on.
 *
 * A recorded pattern tells all of this but the jitter, so that the duplicate,
 * reorder and corrupt properties have no say where one is used.
 */
#include "orchestrator/link/internal.h"

uint32_t link_expected_loss_ppb(const struct link_params *p)
{
	uint64_t bad = p->loss.burst.to_bad, good = p->loss.burst.to_good;

	switch (p->loss.kind) {
	case LINK_LOSS_INDEPENDENT:
		return p->loss.ppb;
	case LINK_LOSS_BURST:
		if (!bad && !good)
			return p->loss.burst.in_good;
		return (uint32_t)((bad * p->loss.burst.in_bad +
				   good * p->loss.burst.in_good) /
				  (bad + good));
	case LINK_LOSS_NONE:
	case LINK_LOSS_PATTERN:
		break;
	}
	return 0;
}

static void begin(const struct link_direction *d,
		  const struct link_stream *stream, struct fate_state *state,
		  uint64_t k)
{
	const struct link_pattern *pattern = d->params.loss.pattern;

	*state = (struct fate_state){ .epoch = d->epoch, .first_k = k };
	if (d->params.loss.kind == LINK_LOSS_PATTERN && pattern &&
	    link_pattern_is_recorded(pattern) &&
	    !link_stream_is_shared(&d->streams, stream))
		state->told = link_pattern_find(
			pattern, d->streams.classes[stream->class_index].text,
			stream->ordinal);
}

static bool burst_loses(const struct link_direction *d,
			const struct link_place *at, struct fate_state *state)
{
	const struct link_params *p = &d->params;
	uint64_t to_bad = p->loss.burst.to_bad;
	uint64_t to_good = p->loss.burst.to_good;
	uint64_t draw = link_draw(&d->draws, at, DRAW_STATE);
	uint32_t share;

	if (!state->begun)
		state->bad = link_draw_below(draw, to_bad + to_good) < to_bad;
	else if (link_draw_happens(draw,
				   (uint32_t)(state->bad ? to_good : to_bad)))
		state->bad = !state->bad;
	state->begun = true;
	share = state->bad ? p->loss.burst.in_bad : p->loss.burst.in_good;
	if (!share || share >= LINK_PPB_ONE)
		return share;
	return link_draw_happens(link_draw(&d->draws, at, DRAW_LOSS), share);
}

static bool loses(const struct link_direction *d, const struct link_place *at,
		  struct fate_state *state)
{
	const struct link_params *p = &d->params;

	switch (p->loss.kind) {
	case LINK_LOSS_NONE:
		break;
	case LINK_LOSS_INDEPENDENT:
		return link_draw_happens(link_draw(&d->draws, at, DRAW_LOSS),
					 p->loss.ppb);
	case LINK_LOSS_BURST:
		return burst_loses(d, at, state);
	case LINK_LOSS_PATTERN:
		return link_pattern_loses(p->loss.pattern,
					  at->k - state->first_k);
	}
	return false;
}

static bool happens(const struct link_direction *d, const struct link_place *at,
		    enum link_draw_kind kind, uint32_t ppb)
{
	return ppb && link_draw_happens(link_draw(&d->draws, at, kind), ppb);
}

static uint32_t bits_of(uint32_t bytes)
{
	return bytes > ETHERNET_HEADER ? (bytes - ETHERNET_HEADER) * 8 : 0;
}

/* The frame may be another one than the fate was recorded of. */
static uint32_t fit(uint32_t fate, uint32_t bytes)
{
	uint32_t bits = bits_of(bytes);

	if (!(fate & FATE_CORRUPT))
		return fate;
	if (!bits)
		return fate & (FATE_DUPLICATE | FATE_REORDER);
	return (fate & ((1u << FATE_BIT_SHIFT) - 1)) |
	       (fate >> FATE_BIT_SHIFT) % bits << FATE_BIT_SHIFT;
}

uint32_t link_fate(const struct link_direction *d,
		   const struct link_stream *stream, struct fate_state *state,
		   uint64_t k, uint32_t bytes, uint32_t *expected_ppb)
{
	const struct link_params *p = &d->params;
	struct link_place at = { .class_id = stream->class_id,
				 .k = k,
				 .ordinal = stream->ordinal };
	uint32_t fate = 0;

	if (state->epoch != d->epoch)
		begin(d, stream, state, k);
	*expected_ppb = d->expected_loss_ppb;
	if (p->loss.kind == LINK_LOSS_PATTERN) {
		if (link_pattern_is_recorded(p->loss.pattern)) {
			if (state->told)
				fate = fit(link_pattern_fate(state->told, k,
							     &state->run),
					   bytes);
			*expected_ppb = fate & FATE_LOST ? LINK_PPB_ONE : 0;
			return fate;
		}
	}
	if (loses(d, &at, state)) {
		if (p->loss.kind == LINK_LOSS_PATTERN)
			*expected_ppb = LINK_PPB_ONE;
		return FATE_LOST;
	}
	if (happens(d, &at, DRAW_DUPLICATE, p->duplicate_ppb))
		fate |= FATE_DUPLICATE;
	if (happens(d, &at, DRAW_REORDER, p->reorder_ppb))
		fate |= FATE_REORDER;
	if (bits_of(bytes) && happens(d, &at, DRAW_CORRUPT, p->corrupt_ppb))
		fate |= FATE_CORRUPT |
			(uint32_t)link_draw_below(
				link_draw(&d->draws, &at, DRAW_BIT),
				bits_of(bytes))
				<< FATE_BIT_SHIFT;
	return fate;
}
