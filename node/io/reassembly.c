/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounded reassembly.
 *
 * Eight packets at a time, each with room for the longest there is and one bit
 * for every 8 bytes of it, in one mapping of which only the pages that were
 * written cost memory. The fragments come from this host's own kernel, one
 * right after the other; more packets in parts at once means that parts were
 * lost on a full TUN queue, and the oldest packet gives way.
 *
 * A fragment that overlaps another one ends the whole packet (RFC 5722). The
 * obvious alternative, letting the newer or older bytes win, is how fragments
 * have been used to smuggle headers past filters.
 */
#include "node/io/reassembly.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS 8
#define BLOCK 8u
#define BYTES_MAX 65536u
#define BLOCKS_MAX (BYTES_MAX / BLOCK)

struct slot {
	bool used;
	struct ip_addr src, dst;
	uint32_t id;
	uint8_t protocol;
	int64_t since_ns;
	size_t total; /* 0: not known yet */
	size_t end; /* the highest byte seen, and one */
	size_t blocks; /* that have come */
};

struct store {
	uint8_t bytes[BYTES_MAX];
	uint8_t have[BLOCKS_MAX / 8];
};

struct reassembly {
	struct slot slots[SLOTS];
	struct store *stores; /* one a slot; mapped when first needed */
};

struct reassembly *reassembly_new(void)
{
	return calloc(1, sizeof(struct reassembly));
}

struct reassembly *reassembly_free(struct reassembly *r)
{
	if (r && r->stores)
		munmap(r->stores, SLOTS * sizeof(struct store));
	free(r);
	return NULL;
}

static bool map_stores(struct reassembly *r)
{
	void *p;

	if (r->stores)
		return true;
	p = mmap(NULL, SLOTS * sizeof(struct store), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return false;
	r->stores = p;
	return true;
}

static bool slot_is_of(const struct slot *s, const struct fragment *f)
{
	return s->used && s->id == f->id && s->protocol == f->protocol &&
	       ip_addr_equal(&s->src, &f->src) &&
	       ip_addr_equal(&s->dst, &f->dst);
}

static struct slot *find_slot(struct reassembly *r, const struct fragment *f,
			      int64_t now_ns, uint64_t *dropped)
{
	struct slot *best = NULL;

	for (struct slot *s = r->slots; s < r->slots + SLOTS; s++) {
		if (s->used && now_ns - s->since_ns > REASSEMBLY_TIMEOUT_NS) {
			s->used = false;
			++*dropped;
		}
		if (slot_is_of(s, f))
			return s;
		if (!best ||
		    (best->used && (!s->used || s->since_ns < best->since_ns)))
			best = s;
	}
	if (best->used)
		++*dropped;
	*best = (struct slot){
		.used = true,
		.src = f->src,
		.dst = f->dst,
		.id = f->id,
		.protocol = f->protocol,
		.since_ns = now_ns,
	};
	memset(r->stores[best - r->slots].have, 0, sizeof(r->stores->have));
	return best;
}

/* Marks the fragment's blocks; false where one had come before. */
static bool mark_blocks(struct slot *s, struct store *store, size_t offset,
			size_t len)
{
	size_t first = offset / BLOCK, end = (offset + len + BLOCK - 1) / BLOCK;

	for (size_t i = first; i < end; i++) {
		uint8_t bit = (uint8_t)(1u << (i % 8));

		if (store->have[i / 8] & bit)
			return false;
		store->have[i / 8] |= bit;
	}
	s->blocks += end - first;
	return true;
}

static bool slot_add(struct slot *s, struct store *store,
		     const struct fragment *f)
{
	size_t end = f->offset + f->len;

	if (!f->len || f->offset % BLOCK || end >= BYTES_MAX ||
	    (f->more && f->len % BLOCK))
		return false;
	if (s->total && (!f->more || end > s->total))
		return false;
	if (!f->more && end < s->end)
		return false;
	if (!mark_blocks(s, store, f->offset, f->len))
		return false;
	if (!f->more)
		s->total = end;
	if (end > s->end)
		s->end = end;
	memcpy(store->bytes + f->offset, f->bytes, f->len);
	return true;
}

const uint8_t *reassembly_add(struct reassembly *r, const struct fragment *f,
			      int64_t now_ns, size_t *len, uint64_t *dropped)
{
	struct store *store;
	struct slot *s;

	if (!map_stores(r)) {
		++*dropped;
		return NULL;
	}
	s = find_slot(r, f, now_ns, dropped);
	store = &r->stores[s - r->slots];
	if (!slot_add(s, store, f)) {
		s->used = false;
		++*dropped;
		return NULL;
	}
	if (!s->total || s->blocks < (s->total + BLOCK - 1) / BLOCK)
		return NULL;
	s->used = false;
	*len = s->total;
	return store->bytes;
}
