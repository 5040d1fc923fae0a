/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frames inside a direction. Their number is bounded by max; memory comes
 * in chunks as they are needed, is never moved, and is kept until the end: a
 * thousand idle links cost next to nothing, and a frame costs no allocation.
 *
 * What keeps to its order is a list, in which due times never fall: the first
 * one is due first. What does not (reordered frames, unordered jitter) is a
 * binary heap. Where both are due at the same moment, the one offered first
 * goes first.
 */
#include "orchestrator/link/internal.h"

#include <errno.h>
#include <stdlib.h>

int link_slots_init(struct link_slots *s, size_t max)
{
	*s = (struct link_slots){ .free = SLOT_NONE,
				  .first = SLOT_NONE,
				  .last = SLOT_NONE };
	s->max = max < SLOT_NONE ? max : SLOT_NONE - 1;
	s->chunks = calloc(s->max / SLOT_CHUNK + 1, sizeof(*s->chunks));
	return s->chunks ? 0 : -ENOMEM;
}

void link_slots_deinit(struct link_slots *s)
{
	if (s->chunks)
		for (size_t i = 0; i <= s->max / SLOT_CHUNK; i++)
			free(s->chunks[i]);
	free(s->chunks);
	free(s->heap);
}

static bool heap_reserve(struct link_slots *s)
{
	size_t cap = s->heap_cap ? s->heap_cap * 2 : SLOT_CHUNK;
	struct slot_due *heap;

	if (s->heap_n < s->heap_cap)
		return true;
	heap = realloc(s->heap, cap * sizeof(*heap));
	if (!heap)
		return false;
	s->heap = heap;
	s->heap_cap = cap;
	return true;
}

uint32_t link_slots_take(struct link_slots *s, bool loose)
{
	uint32_t i = s->free;

	if (s->inside == s->max || (loose && !heap_reserve(s)))
		return SLOT_NONE;
	if (i != SLOT_NONE) {
		s->free = link_slot(s, i)->next;
	} else {
		struct link_slot **chunk = &s->chunks[s->used / SLOT_CHUNK];

		if (!*chunk)
			*chunk = calloc(SLOT_CHUNK, sizeof(**chunk));
		if (!*chunk)
			return SLOT_NONE;
		i = (uint32_t)s->used++;
	}
	s->inside++;
	return i;
}

static bool is_before(const struct slot_due *a, const struct slot_due *b)
{
	return a->due_ns < b->due_ns ||
	       (a->due_ns == b->due_ns && a->seq < b->seq);
}

static void sift_up(struct slot_due *heap, size_t i)
{
	struct slot_due moved = heap[i];

	while (i && is_before(&moved, &heap[(i - 1) / 2])) {
		heap[i] = heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap[i] = moved;
}

static void sift_down(struct slot_due *heap, size_t n, size_t i)
{
	struct slot_due moved = heap[i];

	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && is_before(&heap[child + 1], &heap[child]))
			child++;
		if (!is_before(&heap[child], &moved))
			break;
		heap[i] = heap[child];
	}
	heap[i] = moved;
}

void link_slots_put(struct link_slots *s, uint32_t i)
{
	struct link_slot *slot = link_slot(s, i);

	slot->next = SLOT_NONE;
	if (slot->loose) {
		s->heap[s->heap_n] = (struct slot_due){ .due_ns = slot->due_ns,
							.seq = slot->seq,
							.slot = i };
		sift_up(s->heap, s->heap_n++);
	} else if (s->last == SLOT_NONE) {
		s->first = s->last = i;
	} else {
		link_slot(s, s->last)->next = i;
		s->last = i;
	}
}

uint32_t link_slots_next(const struct link_slots *s)
{
	const struct link_slot *first;
	struct slot_due due;

	if (!s->heap_n)
		return s->first;
	if (s->first == SLOT_NONE)
		return s->heap[0].slot;
	first = link_slot(s, s->first);
	due = (struct slot_due){ .due_ns = first->due_ns, .seq = first->seq };
	return is_before(&due, &s->heap[0]) ? s->first : s->heap[0].slot;
}

void link_slots_remove_next(struct link_slots *s, uint32_t i)
{
	struct link_slot *slot = link_slot(s, i);

	if (slot->loose) {
		s->heap[0] = s->heap[--s->heap_n];
		if (s->heap_n)
			sift_down(s->heap, s->heap_n, 0);
	} else {
		s->first = slot->next;
		if (s->first == SLOT_NONE)
			s->last = SLOT_NONE;
	}
	slot->next = s->free;
	s->free = i;
	s->inside--;
}

void link_slots_sort_again(struct link_slots *s)
{
	for (size_t i = 0; i < s->heap_n; i++)
		s->heap[i].due_ns = link_slot(s, s->heap[i].slot)->due_ns;
	for (size_t i = s->heap_n / 2; i-- > 0;)
		sift_down(s->heap, s->heap_n, i);
}
