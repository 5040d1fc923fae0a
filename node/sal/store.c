/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/sal/store.h"

#include <string.h>

#define CHUNK_BYTES 512

/*
 * The first chunk of a segment starts with what is known about it; the others
 * hold only bytes. "next_segment" is of use in first chunks alone.
 */
struct sal_chunk {
	uint32_t next; /* of this segment, or of the free ones; + 1 */
	uint32_t next_segment; /* + 1 */
	uint8_t data[CHUNK_BYTES - 8];
};

_Static_assert(sizeof(struct sal_chunk) == CHUNK_BYTES, "no padding");

#define CHUNK_DATA sizeof(((struct sal_chunk *)0)->data)
#define FIRST_DATA (CHUNK_DATA - sizeof(struct sal_kept))

_Static_assert(offsetof(struct sal_chunk, data) % _Alignof(struct sal_kept) ==
		       0,
	       "the head of a segment is read in place");

size_t sal_store_memory(uint32_t bytes)
{
	return (size_t)(bytes / CHUNK_BYTES) * CHUNK_BYTES;
}

void sal_store_init(struct sal_store *s, void *mem, uint32_t bytes)
{
	*s = (struct sal_store){ .chunks = mem, .n = bytes / CHUNK_BYTES };
}

static uint32_t chunks_for(uint32_t len)
{
	if (len <= FIRST_DATA)
		return 1;
	return 1 + (uint32_t)((len - FIRST_DATA + CHUNK_DATA - 1) / CHUNK_DATA);
}

/* The caller knows that one is free. */
static uint32_t chunk_take(struct sal_store *s)
{
	uint32_t handle = s->free_first;

	s->used++;
	if (!handle)
		return ++s->fresh;
	s->free_first = s->chunks[handle - 1].next;
	return handle;
}

static struct sal_kept *head(const struct sal_store *s, uint32_t handle)
{
	return (struct sal_kept *)(void *)s->chunks[handle - 1].data;
}

bool sal_store_push(struct sal_store *s, struct sal_store_list *l,
		    const struct sal_kept *kept, const uint8_t *bytes)
{
	uint32_t need = chunks_for(kept->len), left = kept->len, first, at;
	size_t room = FIRST_DATA, skip = sizeof(*kept);

	if (kept->len > SAL_SEGMENT_MAX || l->chunks + need > s->n - s->used)
		return false;
	first = at = chunk_take(s);
	*head(s, first) = *kept;
	for (;;) {
		struct sal_chunk *c = &s->chunks[at - 1];
		uint32_t take = left < room ? left : (uint32_t)room;

		if (take)
			memcpy(c->data + skip, bytes, take);
		bytes += take;
		left -= take;
		c->next = left ? chunk_take(s) : 0;
		c->next_segment = 0;
		if (!left)
			break;
		at = c->next;
		room = CHUNK_DATA;
		skip = 0;
	}
	if (l->last)
		s->chunks[l->last - 1].next_segment = first;
	else
		l->first = first;
	l->last = first;
	l->segments++;
	l->chunks += need;
	return true;
}

uint32_t sal_store_next(const struct sal_store *s, uint32_t handle)
{
	return s->chunks[handle - 1].next_segment;
}

const struct sal_kept *sal_store_kept(const struct sal_store *s,
				      uint32_t handle)
{
	return head(s, handle);
}

const uint8_t *sal_store_bytes(const struct sal_store *s, uint32_t handle,
			       uint8_t *scratch)
{
	const struct sal_chunk *c = &s->chunks[handle - 1];
	uint32_t left = head(s, handle)->len;
	const uint8_t *from = c->data + sizeof(struct sal_kept);
	size_t room = FIRST_DATA;
	uint8_t *to = scratch;

	if (left <= FIRST_DATA)
		return from;
	for (;;) {
		uint32_t take = left < room ? left : (uint32_t)room;

		memcpy(to, from, take);
		to += take;
		left -= take;
		if (!left)
			return scratch;
		c = &s->chunks[c->next - 1];
		from = c->data;
		room = CHUNK_DATA;
	}
}

void sal_store_pop(struct sal_store *s, struct sal_store_list *l)
{
	uint32_t at = l->first;

	if (!at)
		return;
	l->first = s->chunks[at - 1].next_segment;
	if (!l->first)
		l->last = 0;
	l->segments--;
	while (at) {
		uint32_t next = s->chunks[at - 1].next;

		s->chunks[at - 1].next = s->free_first;
		s->free_first = at;
		s->used--;
		l->chunks--;
		at = next;
	}
}

void sal_store_clear(struct sal_store *s, struct sal_store_list *l)
{
	while (l->first)
		sal_store_pop(s, l);
}
