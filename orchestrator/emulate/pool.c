/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/emulate/pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Powers of two, so that at most half of a buffer is unused; the last one for
 * whatever is longer. */
static const size_t sizes[] = { 256,   2048,  4096,	      8192,
				16384, 32768, POOL_BUFFER_MAX };
#define CLASSES (sizeof(sizes) / sizeof(sizes[0]))
#define BLOCK_BYTES (256u << 10)

/* A free buffer holds a link to the next one. */
struct free_buffer {
	struct free_buffer *next;
};

struct block {
	struct block *next;
	/* Buffers follow, aligned as malloc's. */
	max_align_t buffers[];
};

struct pool {
	struct free_buffer *free[CLASSES];
	struct block *blocks;
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
	if (slots == MAP_FAILED) {
		free(p);
		return NULL;
	}
	p->slots = slots;
	return p;
}

struct pool *pool_free(struct pool *p)
{
	struct block *next;

	if (!p)
		return NULL;
	for (struct block *b = p->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
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

static void block_add(struct pool *p, unsigned c)
{
	size_t stride = stride_of(c), n = BLOCK_BYTES / stride;
	struct block *b;

	if (p->bytes + n * stride > p->bytes_max)
		return;
	b = malloc(sizeof(*b) + n * stride);
	if (!b)
		return;
	b->next = p->blocks;
	p->blocks = b;
	p->bytes += n * stride;
	while (n--) {
		struct free_buffer *f =
			(void *)((char *)b->buffers + n * stride);

		f->next = p->free[c];
		p->free[c] = f;
	}
}

static uint8_t *buffer_take(struct pool *p, unsigned c)
{
	struct free_buffer *f;

	if (!p->free[c])
		block_add(p, c);
	f = p->free[c];
	if (f)
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
