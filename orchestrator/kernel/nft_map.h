/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of this layer only: maps of nf_tables and the lookups in them, put piece by
 * piece into a transaction. As in nft_rule.h, what fails sticks to it.
 *
 * Keys and data are of 32-bit words, in network byte order.
 */
#ifndef KERNEL_NFT_MAP_H
#define KERNEL_NFT_MAP_H

#include "orchestrator/kernel/nft_rule.h"

struct nft_map {
	const char *table;
	const char *name; /* borrowed; "__map%d": of one rule, named by the
			     kernel, and gone with it */
	uint32_t id; /* unique in the transaction */
	uint32_t key_len, data_len; /* bytes; data_len 0: verdicts */
	bool ranges; /* of keys of 4 bytes */
};

/* Makes it; the pieces below may follow. */
void nft_put_map(struct nft_txn *t, const struct nft_map *m);
/* One more key, whose verdict is a jump to a chain. */
void nft_put_jump_to(struct nft_txn *t, const struct nft_map *m,
		     const void *key, const char *chain);
/* All keys from first to the one ahead of end. */
void nft_put_range(struct nft_txn *t, const struct nft_map *m, uint32_t first,
		   uint32_t end, const void *data);
/* The rule goes on where the map has what begins in register from, with what
 * that means in register to (NFT_REG_VERDICT: it does that). */
void nft_rule_lookup(struct nft_rule *r, const struct nft_map *m, uint32_t from,
		     uint32_t to);

#endif
