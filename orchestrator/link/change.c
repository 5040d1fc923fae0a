/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to frames inside when the link changes. A frame has left the
 * serialiser or has not:
 *
 *  - If it has, it travels, and arrives when it was to.
 *  - If it has not, it goes on at the new rate (the one on its way out with the
 *    bits that are left of it), and travels with the new delay.
 *
 * Its fate and jitter were drawn when it was offered, and stay. So does its
 * place in the queue, however short that has become.
 *
 * Where the delay shrinks, in-order frames wait for those before them: they
 * come out together with the last one that travels by the old delay. A lower
 * rate delays frames, a higher one can't make them overtake.
 */
#include "orchestrator/link/internal.h"

/* What those that travel set for the order; the others are worked out again. */
static void find_latest(struct link_direction *d)
{
	const struct link_slots *s = &d->slots;

	d->latest_ns = d->order_ns = INT64_MIN;
	for (uint32_t i = s->first; i != SLOT_NONE; i = link_slot(s, i)->next) {
		const struct link_slot *slot = link_slot(s, i);

		if (slot->depart_ns > d->now_ns)
			break; /* and so have all behind it */
		d->order_ns = slot->due_ns;
		if (!(slot->fate & FATE_LOST))
			d->latest_ns = slot->due_ns;
	}
	for (size_t i = 0; i < s->heap_n; i++) {
		const struct link_slot *slot = link_slot(s, s->heap[i].slot);

		if (slot->depart_ns <= d->now_ns &&
		    !(slot->fate & (FATE_LOST | FATE_REORDER)) &&
		    slot->due_ns > d->latest_ns)
			d->latest_ns = slot->due_ns;
	}
}

/* Works out the times of all that have not left, by the new properties. */
static void time_again(struct link_direction *d, bool serial)
{
	struct link_serial *s = &d->serial;
	uint32_t i = s->first;

	find_latest(d);
	if (serial) {
		s->first = s->last = s->waiting = SLOT_NONE;
		s->packets = 0;
		s->bytes = 0;
	}
	while (i != SLOT_NONE) {
		struct link_slot *slot = link_slot(&d->slots, i);
		uint32_t next = slot->next_waiting;

		if (serial) {
			link_serial_pass(s, &d->params, slot, d->now_ns);
			link_append_waiting(d, i);
		}
		link_set_due(d, slot);
		i = next;
	}
	link_slots_sort_again(&d->slots);
}

void link_change(struct link_direction *d, int64_t now_ns,
		 const struct link_change *c)
{
	struct link_params old = d->params;
	struct link_slot *sent = NULL;
	bool serial;

	now_ns = link_advance(d, now_ns);
	link_params_apply(&d->params, c);
	if (c->properties & LINK_LOSS) {
		d->epoch++;
		d->expected_loss_ppb = link_expected_loss_ppb(&d->params);
	}
	serial = c->properties & LINK_RATE &&
		 (d->params.trace || d->params.trace != old.trace ||
		  d->params.rate_bps != old.rate_bps);
	if (serial) {
		if (d->serial.first != SLOT_NONE)
			sent = link_slot(&d->slots, d->serial.first);
		if (sent && sent->start_ns <= now_ns)
			sent->left = link_serial_left(&d->serial, &old, sent,
						      now_ns);
		link_serial_reset(&d->serial, &d->params, now_ns, true);
	}
	if (serial || d->params.delay_ns != old.delay_ns)
		time_again(d, serial);
	link_advance(d, now_ns);
}

void link_set_up(struct link_direction *d, bool up, int64_t now_ns,
		 void (*drop)(void *arg, uint32_t handle), void *arg)
{
	uint32_t i;

	now_ns = link_advance(d, now_ns);
	d->down = !up;
	if (up)
		return;
	while ((i = link_slots_next(&d->slots)) != SLOT_NONE) {
		const struct link_slot *slot = link_slot(&d->slots, i);

		if (slot->copied) /* its original has arrived */
			d->counts.copies_dropped += slot->segments;
		else
			d->counts.down_dropped += slot->segments;
		drop(arg, slot->handle);
		link_slots_remove_next(&d->slots, i);
	}
	d->serial.first = d->serial.last = d->serial.waiting = SLOT_NONE;
	d->serial.packets = 0;
	d->serial.bytes = 0;
	link_serial_reset(&d->serial, &d->params, now_ns, false);
	d->latest_ns = d->order_ns = INT64_MIN;
}
