/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frame's way. All that will happen to it is worked out when it is offered:
 * its fate, when it leaves the serialiser, when it is due at the other end. It
 * waits in a slot until then. So the caller wakes up once a frame, and what is
 * asked at run time (link_next_ns()) is a comparison. Where a change makes what
 * was worked out wrong, change.c does it again.
 *
 * Order. Frames in order leave a list: a frame's due time is at least that of
 * the one before, so that a jitter or a delay that shrinks bunches them and
 * makes none overtake. Only what is asked to (reorder, unordered jitter) goes
 * by its own time, by the heap.
 *
 * A lost frame comes out, too, for its owner wants its buffer back: when it has
 * left the serialiser and the one before it has come out. It holds nobody up.
 *
 * A train (GSO) is one frame here as long as nothing tells its segments apart.
 * Otherwise it is refused before anything was counted, and its segments are
 * offered one by one: that draws the same fates again.
 */
#include "orchestrator/link/internal.h"

#include <stdlib.h>
#include <string.h>

struct link_direction *link_new(uint64_t seed, const char *link, unsigned end,
				const struct link_params *params,
				size_t frames_max)
{
	struct link_direction *d = calloc(1, sizeof(*d));
	struct link_place nobody = { 0 };

	if (!d)
		return NULL;
	link_draws_init(&d->draws, seed, link, end);
	d->params = *params;
	d->seed = seed;
	d->end = end;
	d->name = strdup(link);
	d->epoch = 1; /* a stream's state begins with 0 */
	d->expected_loss_ppb = link_expected_loss_ppb(params);
	d->latest_ns = d->order_ns = INT64_MIN;
	link_serial_init(&d->serial);
	if (!d->name || link_slots_init(&d->slots, frames_max) ||
	    link_streams_init(&d->streams,
			      link_draw(&d->draws, &nobody, DRAW_LOSS)))
		return link_free(d);
	return d;
}

struct link_direction *link_free(struct link_direction *d)
{
	if (!d)
		return NULL;
	link_slots_deinit(&d->slots);
	link_streams_deinit(&d->streams);
	free(d->name);
	free(d);
	return NULL;
}

const struct link_params *link_params(const struct link_direction *d)
{
	return &d->params;
}

const struct link_counts *link_counts(const struct link_direction *d)
{
	return &d->counts;
}

uint32_t link_queued(const struct link_direction *d)
{
	return d->serial.packets;
}

uint64_t link_capacity(const struct link_direction *d, int64_t from_ns,
		       int64_t to_ns)
{
	if (d->down || to_ns <= from_ns)
		return 0;
	return link_serial_capacity(&d->serial, &d->params, from_ns, to_ns);
}

/* ---- time ---------------------------------------------------------------- */

static void leave(struct link_direction *d, const struct link_slot *slot)
{
	struct link_serial *s = &d->serial;
	int64_t begin = slot->offered_ns > s->departed_ns ? slot->offered_ns :
							    s->departed_ns;

	d->counts.busy_ns += slot->depart_ns - begin;
	d->counts.busy_bytes += slot->bytes;
	s->departed_ns = slot->depart_ns;
	s->first = slot->next_waiting;
	if (s->first == SLOT_NONE)
		s->last = SLOT_NONE;
}

int64_t link_advance(struct link_direction *d, int64_t now_ns)
{
	struct link_serial *s = &d->serial;

	if (!d->timed) {
		link_start(d, now_ns);
		s->departed_ns = now_ns;
	}
	if (now_ns < d->now_ns)
		now_ns = d->now_ns;
	d->now_ns = now_ns;
	while (s->waiting != SLOT_NONE) {
		const struct link_slot *slot = link_slot(&d->slots, s->waiting);

		if (slot->start_ns > now_ns)
			break;
		s->packets--;
		s->bytes -= slot->bytes;
		s->waiting = slot->next_waiting;
	}
	while (s->first != SLOT_NONE) {
		const struct link_slot *slot = link_slot(&d->slots, s->first);

		if (slot->depart_ns > now_ns)
			break;
		leave(d, slot);
	}
	return now_ns;
}

void link_start(struct link_direction *d, int64_t now_ns)
{
	d->timed = true;
	d->now_ns = now_ns;
	link_serial_reset(&d->serial, &d->params, now_ns, true);
}

/* ---- in ------------------------------------------------------------------ */

static bool is_too_large(const struct link_direction *d, uint32_t bytes)
{
	return bytes > LINK_BYTES_MAX ||
	       (d->params.mtu && bytes > ETHERNET_HEADER &&
		bytes - ETHERNET_HEADER > d->params.mtu);
}

/* May its segments stay together, as far as their fate does not matter? */
static bool may_be_train(const struct link_direction *d,
			 const struct link_offer *o)
{
	return !link_params_have_rate(&d->params) &&
	       !link_params_have_jitter(&d->params) &&
	       !is_too_large(d, o->bytes) && !is_too_large(d, o->last_bytes);
}

static bool medium_is_perfect(const struct link_params *p)
{
	return p->loss.kind == LINK_LOSS_NONE && !p->duplicate_ppb &&
	       !p->reorder_ppb && !p->corrupt_ppb;
}

/* Draws the fates of all segments. False: some are not just passed on, and
 * nothing has happened. */
static bool draw_train(struct link_direction *d, struct link_stream *stream,
		       const struct link_offer *o, uint32_t *expected_ppb)
{
	struct fate_state state = stream->state;
	/* Where nothing can happen no draw tells so 45 times. */
	uint32_t draws = medium_is_perfect(&d->params) ? 0 : o->segments;

	*expected_ppb = d->expected_loss_ppb;
	for (uint32_t i = 0; i < draws; i++) {
		uint32_t bytes = i + 1 < o->segments ? o->bytes : o->last_bytes;

		if (link_fate(d, stream, &state, stream->k + i, bytes,
			      expected_ppb))
			return false;
	}
	stream->state = state;
	link_stream_count(&d->streams, stream, 0, o->segments);
	return true;
}

static bool queue_is_full(const struct link_direction *d, uint32_t bytes,
			  int64_t wait_ns)
{
	const struct link_params *p = &d->params;

	return (p->queue.packets && d->serial.packets >= p->queue.packets) ||
	       (p->queue.bytes && d->serial.bytes + bytes > p->queue.bytes) ||
	       (p->queue.wait_ns && wait_ns > p->queue.wait_ns);
}

static bool queue_marks(const struct link_direction *d, int64_t wait_ns)
{
	const struct link_params *p = &d->params;

	return (p->queue.ecn_packets &&
		d->serial.packets >= p->queue.ecn_packets) ||
	       (p->queue.ecn_wait_ns && wait_ns >= p->queue.ecn_wait_ns);
}

void link_append_waiting(struct link_direction *d, uint32_t i)
{
	struct link_serial *s = &d->serial;
	struct link_slot *slot = link_slot(&d->slots, i);

	slot->next_waiting = SLOT_NONE;
	if (s->last == SLOT_NONE)
		s->first = i;
	else
		link_slot(&d->slots, s->last)->next_waiting = i;
	s->last = i;
	if (slot->start_ns <= d->now_ns)
		return;
	if (s->waiting == SLOT_NONE)
		s->waiting = i;
	s->packets++;
	s->bytes += slot->bytes;
	if (s->packets > d->counts.queued_most)
		d->counts.queued_most = s->packets;
	if (s->bytes > d->counts.queued_bytes_most)
		d->counts.queued_bytes_most = s->bytes;
}

void link_set_due(struct link_direction *d, struct link_slot *slot)
{
	int64_t due = slot->depart_ns, travel;

	if (slot->fate & FATE_LOST) {
		if (!slot->loose && due < d->order_ns)
			due = d->order_ns;
	} else if (!(slot->fate & FATE_REORDER)) {
		travel = link_time_add(d->params.delay_ns, slot->jitter_ns);
		if (travel > 0)
			due = link_time_add(due, travel);
		if (!slot->loose && due < d->latest_ns)
			due = d->latest_ns;
		if (due > d->latest_ns)
			d->latest_ns = due;
	}
	if (!slot->loose)
		d->order_ns = due;
	slot->due_ns = due;
}

/* Gives the frame a slot and its times. */
static enum link_verdict take(struct link_direction *d,
			      const struct link_offer *o,
			      const struct link_slot *frame)
{
	bool rated = link_params_have_rate(&d->params);
	int64_t wait_ns =
		link_serial_start_ns(&d->serial, &d->params, d->now_ns) -
		d->now_ns;
	struct link_slot *slot;
	uint32_t i;

	if (wait_ns > 0 && queue_is_full(d, frame->bytes, wait_ns)) {
		d->counts.queue_dropped += frame->segments;
		return LINK_DROP_QUEUE;
	}
	i = link_slots_take(&d->slots, frame->loose);
	if (i == SLOT_NONE) {
		d->counts.overflow_dropped += frame->segments;
		return LINK_DROP_OVERFLOW;
	}
	slot = link_slot(&d->slots, i);
	*slot = *frame;
	slot->seq = d->seq++;
	slot->mark =
		wait_ns > 0 && o->key.ecn_capable && queue_marks(d, wait_ns);
	link_serial_pass(&d->serial, &d->params, slot, d->now_ns);
	link_set_due(d, slot);
	link_slots_put(&d->slots, i);
	if (rated)
		link_append_waiting(d, i);
	return LINK_TAKEN;
}

static void count_offer(struct link_direction *d, const struct link_offer *o,
			uint64_t bytes)
{
	d->counts.offered += o->segments;
	d->counts.offered_bytes += bytes;
	if (o->key.control)
		d->counts.control += o->segments;
}

static enum link_verdict offer(struct link_direction *d,
			       const struct link_offer *o)
{
	uint64_t bytes = (uint64_t)(o->segments - 1) * o->bytes + o->last_bytes;
	struct link_slot frame = { .offered_ns = d->now_ns,
				   .bytes = (uint32_t)bytes,
				   .segments = o->segments,
				   .handle = o->handle };
	struct link_stream *stream;

	if (d->down) {
		count_offer(d, o, bytes);
		d->counts.down_dropped += o->segments;
		return LINK_DROP_DOWN;
	}
	if (o->segments > 1 && (!may_be_train(d, o) || bytes > LINK_BYTES_MAX))
		return LINK_SPLIT;
	stream = link_streams_find(&d->streams, o);
	if (o->segments > 1) {
		if (!draw_train(d, stream, o, &frame.expected_loss_ppb))
			return LINK_SPLIT;
	} else {
		struct link_place at = { .class_id = stream->class_id,
					 .k = stream->k,
					 .ordinal = stream->ordinal };

		frame.fate = link_fate(d, stream, &stream->state, stream->k,
				       o->bytes, &frame.expected_loss_ppb);
		if (link_params_have_jitter(&d->params) &&
		    !(frame.fate & (FATE_LOST | FATE_REORDER)))
			frame.jitter_ns = link_jitter_ns(
				&d->params,
				link_draw(&d->draws, &at, DRAW_JITTER));
		link_stream_count(&d->streams, stream, frame.fate, 1);
	}
	count_offer(d, o, bytes);
	d->counts.streams = d->streams.n - 1;
	if (link_stream_is_shared(&d->streams, stream))
		d->counts.frames_untold += o->segments;
	if (is_too_large(d, o->bytes)) {
		d->counts.mtu_dropped += o->segments;
		return LINK_DROP_MTU;
	}
	frame.loose = d->params.jitter.unordered || frame.fate & FATE_REORDER;
	return take(d, o, &frame);
}

enum link_verdict link_offer(struct link_direction *d,
			     const struct link_offer *o)
{
	struct link_offer whole = *o;

	link_advance(d, o->now_ns);
	if (whole.segments <= 1) {
		whole.segments = 1;
		whole.last_bytes = whole.bytes;
	}
	return offer(d, &whole);
}

/* ---- out ----------------------------------------------------------------- */

int64_t link_next_ns(const struct link_direction *d)
{
	uint32_t i = link_slots_next(&d->slots);

	return i == SLOT_NONE ? LINK_NEVER : link_slot(&d->slots, i)->due_ns;
}

static void count_outcome(struct link_direction *d,
			  const struct link_slot *slot)
{
	struct link_counts *c = &d->counts;
	uint32_t n = slot->segments;

	if (!(slot->fate & FATE_LOST)) {
		c->delivered += n;
		c->delivered_bytes += slot->bytes;
	}
	if (slot->copied) {
		c->duplicated += n;
		return;
	}
	c->medium += n;
	c->expected_loss_ppb_sum += (uint64_t)n * slot->expected_loss_ppb;
	if (slot->fate & FATE_LOST)
		c->lost += n;
	if (slot->fate & FATE_REORDER)
		c->reordered += n;
	if (slot->fate & FATE_CORRUPT)
		c->corrupted += n;
	if (slot->mark && !(slot->fate & FATE_LOST))
		c->marked += n;
}

bool link_pop(struct link_direction *d, int64_t now_ns,
	      struct link_outcome *out)
{
	uint32_t i = link_slots_next(&d->slots);
	struct link_slot *slot;

	if (i == SLOT_NONE)
		return false;
	slot = link_slot(&d->slots, i);
	if (slot->due_ns > now_ns || slot->due_ns == LINK_NEVER)
		return false;
	link_advance(d, now_ns);
	*out = (struct link_outcome){
		.handle = slot->handle,
		.due_ns = slot->due_ns,
		.offered_ns = slot->offered_ns,
		.lost = slot->fate & FATE_LOST,
		.copy = slot->copied,
		.final = slot->copied || !(slot->fate & FATE_DUPLICATE),
		.mark = slot->mark,
		.corrupt_bit = slot->fate & FATE_CORRUPT ?
				       slot->fate >> FATE_BIT_SHIFT :
				       LINK_NO_BIT,
	};
	count_outcome(d, slot);
	if (out->final)
		link_slots_remove_next(&d->slots, i);
	slot->copied = true;
	return true;
}
