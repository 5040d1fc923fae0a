/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the end that sends, through the model, to the end that receives.
 *
 * A frame is read into a buffer for the longest one that can come. Where it is
 * due at once it is written from there and the buffer is free again: without
 * delay nothing is copied. Where it has to wait it moves into a buffer of its
 * size, unless it is about as long as the one it has.
 *
 * The order of one direction is the model's alone: whatever is written comes
 * out of link_pop(), also what is due at once.
 *
 * Reading and writing take turns with a bound on each, so that no node can keep
 * the others' frames waiting by sending without end.
 */
#include "orchestrator/emulate/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define READS_A_TURN 64
#define READ_BYTES_A_TURN (1u << 20)
#define WRITES_A_TURN 256
#define READS_OF_A_DRAIN 20000 /* more than a device's queue holds */

#define HEAD sizeof(struct virtio_net_hdr)

/* ---- accounts ----------------------------------------------------------- */

static void entered(struct side *side)
{
	if (++side->inside > side->inside_most)
		side->inside_most = side->inside;
}

static void forget(struct emulator *e, struct side *side, uint32_t handle)
{
	pool_give(e->pool, handle);
	side->inside--;
}

void carry_forget(void *arg, uint32_t handle)
{
	struct carry_drop *drop = arg;

	forget(drop->emulator, drop->side, handle);
}

void carry_reschedule(struct emulator *e, struct side *side)
{
	due_set(&e->due, &side->due, link_next_ns(side->model));
}

/* ---- out ---------------------------------------------------------------- */

static void write_frame(struct emulator *e, struct side *side,
			const struct slot *slot, const struct link_outcome *out)
{
	ssize_t n;

	e->now_ns = clock_mono_ns();
	do
		n = write(side->peer->fd, slot->buffer, slot->len);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EIO) {
		side->faults.peer_down++;
	} else if (n < 0) {
		side->faults.write_failed++;
	} else {
		side->writes++;
		tally_add(&side->late, e->now_ns - out->due_ns);
		tally_add(&side->delay, e->now_ns - out->offered_ns);
		history_written(&side->history, e->now_ns - out->offered_ns,
				e->now_ns - out->due_ns);
		side->asked_delay_ns += (double)(out->due_ns - out->offered_ns);
	}
}

static void write_damaged(struct emulator *e, struct side *side,
			  struct slot *slot, const struct link_outcome *out)
{
	size_t len = slot->len - HEAD;
	struct virtio_net_hdr header;

	memcpy(&header, slot->buffer, HEAD);
	/* Of trains the model damages single segments only (LINK_SPLIT). */
	frame_complete(&header, slot->buffer + HEAD, len);
	memcpy(slot->buffer, &header, HEAD);
	frame_flip(slot->buffer + HEAD, len, out->corrupt_bit);
	write_frame(e, side, slot, out);
	/* The copy, if there is one, has a fate of its own. */
	frame_flip(slot->buffer + HEAD, len, out->corrupt_bit);
}

static void carry_out(struct emulator *e, struct side *side,
		      const struct link_outcome *out)
{
	struct slot *slot = pool_slot(e->pool, out->handle);

	if (!out->lost) {
		if (out->mark)
			frame_mark(slot->buffer + HEAD, slot->len - HEAD);
		if (out->corrupt_bit != LINK_NO_BIT)
			write_damaged(e, side, slot, out);
		else
			write_frame(e, side, slot, out);
	}
	if (out->final)
		forget(e, side, out->handle);
}

/* The next frame that is due by now. */
static bool pop(struct emulator *e, struct side *side, struct link_outcome *out)
{
	history_touch(&side->history, side->model, e->now_ns);
	return link_pop(side->model, e->now_ns, out);
}

void carry_due(struct emulator *e)
{
	struct link_outcome out;

	e->now_ns = clock_mono_ns();
	for (unsigned n = 0; n < WRITES_A_TURN; n++) {
		struct side *side = (struct side *)due_first(&e->due);

		if (!side || side->due.at_ns > e->now_ns)
			return;
		if (pop(e, side, &out))
			carry_out(e, side, &out);
		carry_reschedule(e, side);
	}
}

/* What of one side is due by now: mostly the frame that was just offered. */
static void carry_side(struct emulator *e, struct side *side)
{
	struct link_outcome out;

	for (unsigned n = 0; n < WRITES_A_TURN; n++) {
		if (link_next_ns(side->model) > e->now_ns ||
		    !pop(e, side, &out))
			return;
		carry_out(e, side, &out);
	}
}

/* ---- in ----------------------------------------------------------------- */

bool carry_is_there(const struct side *side)
{
	return side->fd >= 0 && !side->gone;
}

static enum link_verdict offer(struct side *side, const struct link_offer *o)
{
	enum link_verdict verdict;

	entered(side);
	history_touch(&side->history, side->model, o->now_ns);
	verdict = link_offer(side->model, o);
	history_queued(&side->history, link_queued(side->model));
	if (verdict != LINK_TAKEN)
		side->inside--;
	return verdict;
}

/* Offers the segments of a train one by one, each with a buffer of its own. */
static void carry_segments(struct emulator *e, struct side *side,
			   const struct slot *train,
			   const struct frame_shape *shape,
			   struct link_offer *o)
{
	const uint8_t *frame = train->buffer + HEAD;
	struct virtio_net_hdr header, segment_header;

	memcpy(&header, train->buffer, HEAD);
	o->segments = 1;
	for (uint32_t i = 0; i < shape->segments; i++) {
		uint32_t handle = pool_take(e->pool, HEAD + shape->bytes);
		struct slot *slot;
		size_t len;

		if (handle == POOL_NONE) {
			side->faults.no_room++;
			continue;
		}
		slot = pool_slot(e->pool, handle);
		len = frame_segment(shape, &header, frame, i,
				    slot->buffer + HEAD, &segment_header);
		memcpy(slot->buffer, &segment_header, HEAD);
		slot->len = (uint32_t)(HEAD + len);
		o->bytes = o->last_bytes = (uint32_t)len;
		o->handle = handle;
		o->frame = slot->buffer + HEAD;
		o->frame_len = len;
		if (offer(side, o) != LINK_TAKEN)
			pool_give(e->pool, handle);
	}
}

/* One frame, in a buffer of its own. */
static void carry_in(struct emulator *e, struct side *side, uint32_t handle)
{
	struct slot *slot = pool_slot(e->pool, handle);
	uint8_t *frame = slot->buffer + HEAD;
	size_t len = slot->len - HEAD;
	struct virtio_net_hdr header;
	struct frame_shape shape;
	struct link_offer o;

	memcpy(&header, slot->buffer, HEAD);
	if (slot->len < HEAD || frame_inspect(&header, frame, len, &shape)) {
		side->faults.malformed++;
		pool_give(e->pool, handle);
		return;
	}
	frame_settle(&header, &shape);
	memcpy(slot->buffer, &header, HEAD);
	o = (struct link_offer){ .now_ns = e->now_ns,
				 .bytes = shape.bytes,
				 .segments = shape.segments,
				 .last_bytes = shape.last_bytes,
				 .handle = handle,
				 .frame = frame,
				 .frame_len = len };
	link_classify(frame, len, &o.key);
	switch (offer(side, &o)) {
	case LINK_TAKEN:
		carry_side(e, side);
		/* No room to move to is no harm: it stays where it is. */
		if (slot->used)
			pool_fit(e->pool, handle);
		return;
	case LINK_SPLIT:
		carry_segments(e, side, slot, &shape, &o);
		pool_give(e->pool, handle);
		carry_side(e, side);
		return;
	default:
		pool_give(e->pool, handle);
	}
}

/* A device that is deleted, or whose namespace is. */
static void lose_device(struct emulator *e, struct side *side)
{
	epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, side->fd, NULL);
	side->gone = side->was_gone = true;
}

/* Reads one frame: 1, or 0 where there is none. *bytes grows. */
static int read_frame(struct emulator *e, struct side *side, uint32_t *bytes)
{
	uint32_t handle = pool_take(e->pool, POOL_BUFFER_MAX);
	uint8_t lost[HEAD];
	struct slot *slot;
	ssize_t n;

	if (handle == POOL_NONE) {
		/* It has to go, or we would be woken up for it for ever. */
		n = read(side->fd, lost, sizeof(lost));
		side->faults.no_room += n > 0;
		return n > 0;
	}
	slot = pool_slot(e->pool, handle);
	n = read(side->fd, slot->buffer, POOL_BUFFER_MAX);
	if (n <= 0) {
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			lose_device(e, side);
		pool_give(e->pool, handle);
		return 0;
	}
	side->reads++;
	e->reads++;
	slot->len = (uint32_t)n;
	*bytes += (uint32_t)n;
	if (side->carrier_lost && !side->down)
		machine_carrier_back(e, side);
	e->now_ns = clock_mono_ns();
	carry_in(e, side, handle);
	return 1;
}

void carry_read(struct emulator *e, struct side *side)
{
	uint32_t bytes = 0;
	unsigned n = 0;

	if (!carry_is_there(side))
		return; /* told of before it went */
	while (n < READS_A_TURN && bytes < READ_BYTES_A_TURN &&
	       read_frame(e, side, &bytes))
		n++;
	carry_reschedule(e, side);
}

void carry_drain(struct emulator *e, struct side *side)
{
	uint32_t bytes = 0;

	for (unsigned n = 0; n < READS_OF_A_DRAIN && carry_is_there(side);
	     n++) {
		if (!read_frame(e, side, &bytes))
			break;
	}
}
