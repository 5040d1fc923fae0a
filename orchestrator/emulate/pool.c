/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/emulate/pool.h"
#include "orchestrator/emulate/region.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Powers of two, so that at most half of a buffer is unused; the last one for
 * whatever is longer. */
static const size_t sizes[] = { 256,   2048,  4096,	      8192,
				16384, 32768, POOL_BUFFER_MAX };
#define CLASSES (sizeof(sizes) / sizeof(sizes[0]))
#define BLOCK_BYTES (256u << 10)
/* A lab with little in its links needs no more: some blocks of a size each. */
#define BYTES_OF_FEW (6 * BLOCK_BYTES)

/* A free buffer holds a link to the next one. */
struct free_buffer {
	struct free_buffer *next;
};

/* Not used yet: to link all buffers of a block would touch all of its pages,
 * while a frame waits. */
struct block {
	uint8_t *next;
	size_t left; /* buffers */
};

/*
 * Free buffers are a stack: the one that is taken next is the one that was
 * written out last, which is in the cache still.
 */
struct pool {
	struct free_buffer *free[CLASSES];
	struct block fresh[CLASSES];
	struct regions *regions;
	uint8_t *room; /* of the last one taken */
	size_t room_bytes;
	size_t bytes, bytes_max;
	struct slot *slots;
	uint32_t slots_max, slots_made, free_slot;
	size_t used;
};

static size_t slots_bytes(const struct pool *p)
{
	return p->slots_max * sizeof(struct slot);
}

struct pool *pool_new(size_t bytes_max, uint32_t slots_max)
{
	struct pool *p = calloc(1, sizeof(*p));
	void *slots;

	if (!p)
		return NULL;
	*p = (struct pool){ .bytes_max = bytes_max,
			    .slots_max = slots_max,
			    .free_slot = POOL_NONE };
	/* Takes no memory before it is used. */
	slots = mmap(NULL, slots_bytes(p), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	p->regions = regions_new();
	if (slots == MAP_FAILED || !p->regions) {
		if (slots != MAP_FAILED)
			munmap(slots, slots_bytes(p));
		regions_free(p->regions);
		free(p);
		return NULL;
	}
	p->slots = slots;
	return p;
}

struct pool *pool_free(struct pool *p)
{
	if (!p)
		return NULL;
	regions_free(p->regions);
	munmap(p->slots, slots_bytes(p));
	free(p);
	return NULL;
}

static unsigned class_of(size_t len)
{
	unsigned c = 0;

	while (c < CLASSES - 1 && sizes[c] < len)
		c++;
	return c;
}

static size_t stride_of(unsigned c)
{
	size_t align = sizeof(max_align_t);

	return (sizes[c] + align - 1) / align * align;
}

/* So many bytes of a region, if that leaves the pool within its bound. */
static uint8_t *region_cut(struct pool *p, size_t bytes)
{
	uint8_t *cut;

	if (p->bytes + bytes > p->bytes_max)
		return NULL;
	if (p->room_bytes < bytes) {
		p->room = regions_take(p->regions);
		p->room_bytes = p->room ? REGION_BYTES : 0;
	}
	if (!p->room)
		return NULL;
	cut = p->room;
	p->room += bytes;
	p->room_bytes -= bytes;
	p->bytes += bytes;
	if (p->bytes > BYTES_OF_FEW)
		regions_expect(p->regions);
	return cut;
}

static uint8_t *buffer_fresh(struct pool *p, unsigned c)
{
	size_t stride = stride_of(c), n = BLOCK_BYTES / stride;
	struct block *block = &p->fresh[c];

	if (!block->left) {
		block->next = region_cut(p, n * stride);
		block->left = block->next ? n : 0;
	}
	if (!block->left)
		return NULL;
	block->left--;
	block->next += stride;
	return block->next - stride;
}

static uint8_t *buffer_take(struct pool *p, unsigned c)
{
	struct free_buffer *f = p->free[c];

	if (!f)
		return buffer_fresh(p, c);
	p->free[c] = f->next;
	return (uint8_t *)f;
}

static void buffer_give(struct pool *p, unsigned c, uint8_t *buffer)
{
	struct free_buffer *f = (void *)buffer;

	f->next = p->free[c];
	p->free[c] = f;
}

uint32_t pool_take(struct pool *p, size_t len)
{
	uint32_t handle = p->free_slot;
	unsigned c = class_of(len);
	uint8_t *buffer;

	if (len > POOL_BUFFER_MAX ||
	    (handle == POOL_NONE && p->slots_made == p->slots_max))
		return POOL_NONE;
	buffer = buffer_take(p, c);
	if (!buffer)
		return POOL_NONE;
	if (handle == POOL_NONE)
		handle = p->slots_made++;
	else
		p->free_slot = p->slots[handle].next_free;
	p->slots[handle] = (struct slot){ .buffer = buffer,
					  .size_class = (uint8_t)c,
					  .used = true };
	p->used++;
	return handle;
}

struct slot *pool_slot(struct pool *p, uint32_t handle)
{
	return &p->slots[handle];
}

bool pool_fit(struct pool *p, uint32_t handle)
{
	struct slot *s = &p->slots[handle];
	unsigned c = class_of(s->len);
	uint8_t *buffer;

	if (c >= s->size_class)
		return true;
	buffer = buffer_take(p, c);
	if (!buffer)
		return false;
	memcpy(buffer, s->buffer, s->len);
	buffer_give(p, s->size_class, s->buffer);
	s->buffer = buffer;
	s->size_class = (uint8_t)c;
	return true;
}

void pool_give(struct pool *p, uint32_t handle)
{
	struct slot *s = &p->slots[handle];

	if (handle >= p->slots_made || !s->used)
		return;
	buffer_give(p, s->size_class, s->buffer);
	s->used = false;
	s->next_free = p->free_slot;
	p->free_slot = handle;
	p->used--;
}

size_t pool_used(const struct pool *p)
{
	return p->used;
}

size_t pool_bytes(const struct pool *p)
{
	return p->bytes;
}
