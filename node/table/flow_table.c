/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An array of slots and two hash indexes into it. Flows can't lie in the
 * indexes themselves: their slots move about, and a flow's number must not.
 * Nor can the number be a part of the flow ID, which would make one of the
 * indexes needless: an ID goes with its flow to another node, where the slot
 * of that number may be taken.
 *
 * Free slots are found as in the service table: a list of those that have been
 * used, and then those that never were.
 */
#include "node/table/flow_table.h"

#include <assert.h>
#include <errno.h>
#include <sodium/crypto_shorthash_siphash24.h>
#include <string.h>

static uint32_t hash_bytes(const struct flow_table *t, const void *bytes,
			   size_t len)
{
	uint32_t hash[2];

	static_assert(sizeof(hash) == crypto_shorthash_siphash24_BYTES,
		      "SipHash has 64 bits");
	crypto_shorthash_siphash24((uint8_t *)hash, bytes, len, t->key);
	return hash[0];
}

static uint32_t hash_id(const struct flow_table *t, uint32_t id)
{
	return hash_bytes(t, &id, sizeof(id));
}

/* Field by field: what lies between the fields of a struct is anybody's. */
static uint32_t hash_tuple(const struct flow_table *t,
			   const struct flow_tuple *tuple)
{
	uint8_t bytes[16 + 16 + 2 + 2 + 2];

	memcpy(bytes, tuple->local.bytes, 16);
	memcpy(bytes + 16, tuple->remote.bytes, 16);
	memcpy(bytes + 32, &tuple->local_port, 2);
	memcpy(bytes + 34, &tuple->remote_port, 2);
	bytes[36] = tuple->protocol;
	bytes[37] = (uint8_t)tuple->local.family;
	return hash_bytes(t, bytes, sizeof(bytes));
}

static bool equal_id(const void *arg, uint32_t slot, const void *key)
{
	const struct flow_table *t = arg;

	return t->slots[slot].id == *(const uint32_t *)key;
}

static bool equal_tuple(const void *arg, uint32_t slot, const void *key)
{
	const struct flow_tuple *a =
		&((const struct flow_table *)arg)->slots[slot].tuple;
	const struct flow_tuple *b = key;

	return a->protocol == b->protocol && a->local_port == b->local_port &&
	       a->remote_port == b->remote_port &&
	       ip_addr_equal(&a->local, &b->local) &&
	       ip_addr_equal(&a->remote, &b->remote);
}

size_t flow_table_bytes(uint32_t flows)
{
	return flows * sizeof(struct flow_slot) +
	       2 * hash_index_slots(flows) * sizeof(struct hash_slot);
}

int flow_table_init(struct flow_table *t, void *mem, size_t size,
		    uint32_t flows, const uint8_t key[FLOW_HASH_KEY_LEN])
{
	struct hash_slot *hash_slots;

	if (size < flow_table_bytes(flows))
		return -ENOSPC;
	*t = (struct flow_table){ .slots = mem,
				  .n_slots = flows,
				  .free = FLOW_NONE };
	memcpy(t->key, key, sizeof(t->key));
	hash_slots = (struct hash_slot *)(t->slots + flows);
	hash_index_init(&t->by_id, hash_slots, flows);
	hash_index_init(&t->by_tuple, hash_slots + hash_index_slots(flows),
			flows);
	return 0;
}

uint32_t flow_table_find(const struct flow_table *t, uint32_t id)
{
	return hash_index_find(&t->by_id, hash_id(t, id), equal_id, t, &id);
}

uint32_t flow_table_find_tuple(const struct flow_table *t,
			       const struct flow_tuple *tuple)
{
	return hash_index_find(&t->by_tuple, hash_tuple(t, tuple), equal_tuple,
			       t, tuple);
}

static uint32_t slot_peek(const struct flow_table *t)
{
	if (t->free != FLOW_NONE)
		return t->free;
	return t->n_fresh < t->n_slots ? t->n_fresh : FLOW_NONE;
}

/* slot: what slot_peek() said. */
static void slot_take(struct flow_table *t, uint32_t slot)
{
	if (slot == t->free)
		t->free = t->slots[slot].next_free;
	else
		t->n_fresh++;
	t->n_flows++;
}

int flow_table_add(struct flow_table *t, uint32_t id,
		   const struct flow_tuple *tuple, uint32_t *slot)
{
	uint32_t i = slot_peek(t);
	int r;

	if (flow_table_find(t, id) != FLOW_NONE ||
	    (tuple && flow_table_find_tuple(t, tuple) != FLOW_NONE))
		return -EEXIST;
	if (i == FLOW_NONE)
		return -ENOSPC;
	r = hash_index_add(&t->by_id, hash_id(t, id), i);
	if (r)
		return r;
	if (tuple) {
		r = hash_index_add(&t->by_tuple, hash_tuple(t, tuple), i);
		if (r) {
			hash_index_remove(&t->by_id, hash_id(t, id), i);
			return r;
		}
	}
	slot_take(t, i);
	t->slots[i] = (struct flow_slot){ .id = id, .used = true };
	if (tuple) {
		t->slots[i].has_tuple = true;
		t->slots[i].tuple = *tuple;
	}
	*slot = i;
	return 0;
}

void flow_table_remove(struct flow_table *t, uint32_t slot)
{
	struct flow_slot *s = &t->slots[slot];

	hash_index_remove(&t->by_id, hash_id(t, s->id), slot);
	if (s->has_tuple)
		hash_index_remove(&t->by_tuple, hash_tuple(t, &s->tuple), slot);
	s->used = false;
	s->next_free = t->free;
	t->free = slot;
	t->n_flows--;
}

uint32_t flow_table_next(const struct flow_table *t, uint32_t slot)
{
	for (; slot < t->n_fresh; slot++)
		if (t->slots[slot].used)
			return slot;
	return FLOW_NONE;
}
