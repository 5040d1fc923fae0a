/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flow table: which flow a packet belongs to. From the network it is told
 * by our own flow ID, from the programs by what they see of it, the inner
 * tuple. Either leads to a slot, a small number that stays the flow's as long
 * as it lives, by which the caller keeps what else there is to know.
 *
 * Memory is the caller's. Hashes are keyed (SipHash-2-4): whoever may choose
 * addresses, ports or IDs can't choose which of them collide.
 */
#ifndef TABLE_FLOW_TABLE_H
#define TABLE_FLOW_TABLE_H

#include "base/ip.h"
#include "node/table/hash_index.h"

#define FLOW_NONE HASH_NONE
#define FLOW_HASH_KEY_LEN 16

/* As on this node's TUN: what it sends has local as its source. */
struct flow_tuple {
	struct ip_addr local;
	struct ip_addr remote;
	uint16_t local_port; /* ICMP echo: the identifier in both */
	uint16_t remote_port;
	uint8_t protocol;
};

struct flow_slot {
	uint32_t id;
	uint32_t next_free;
	bool used;
	bool has_tuple; /* native flows have none */
	struct flow_tuple tuple;
};

struct flow_table {
	struct flow_slot *slots; /* to be read by the caller */
	struct hash_index by_id;
	struct hash_index by_tuple;
	uint32_t n_slots;
	uint32_t n_fresh; /* slots from here on were never used */
	uint32_t free; /* list of those that were, and no longer are */
	uint32_t n_flows;
	uint8_t key[FLOW_HASH_KEY_LEN];
};

size_t flow_table_bytes(uint32_t flows);

/*
 * mem is borrowed, aligned as malloc() does. key: random, and nobody else's
 * business. -ENOSPC: size is below flow_table_bytes(flows).
 */
int flow_table_init(struct flow_table *t, void *mem, size_t size,
		    uint32_t flows, const uint8_t key[FLOW_HASH_KEY_LEN]);

/*
 * tuple may be NULL. -EEXIST: another flow has the ID or the tuple; -ENOSPC:
 * the table is full (or see hash_index_add()). Nothing has changed then.
 */
int flow_table_add(struct flow_table *t, uint32_t id,
		   const struct flow_tuple *tuple, uint32_t *slot);
/* slot must be in use. */
void flow_table_remove(struct flow_table *t, uint32_t slot);

/* The slot, or FLOW_NONE. */
uint32_t flow_table_find(const struct flow_table *t, uint32_t id);
uint32_t flow_table_find_tuple(const struct flow_table *t,
			       const struct flow_tuple *tuple);

/* The first slot in use at or after slot, or FLOW_NONE. */
uint32_t flow_table_next(const struct flow_table *t, uint32_t slot);

#endif
