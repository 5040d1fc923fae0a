/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of this layer only: tables, chains and rules, put piece by piece into a
 * transaction. Nothing here returns an error: what fails (memory, that is)
 * sticks to the rule and then to the transaction, whose commit tells.
 */
#ifndef KERNEL_NFT_RULE_H
#define KERNEL_NFT_RULE_H

#include "orchestrator/kernel/nft_txn.h"

#include <stdio.h> /* libnftnl wants it */
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#define NFT_PRIORITY_RAW (-300) /* ahead of connection tracking */

/* type: NFT_MSG_NEWTABLE or NFT_MSG_DELTABLE. */
void nft_put_table(struct nft_txn *t, uint16_t type, uint16_t flags,
		   const char *name);
/* Deletes a table, whether it is there or not. */
void nft_put_no_table(struct nft_txn *t, const char *name);

struct nft_hook {
	const char *type; /* "filter", "nat" */
	uint32_t hook; /* NF_INET_*, NF_ARP_*, NF_NETDEV_* */
	int priority;
	const char *device; /* of netdev chains; else NULL */
};

/* hook: NULL for one that is only jumped to. flags: NLM_F_EXCL or 0. */
void nft_put_chain(struct nft_txn *t, uint16_t flags, const char *table,
		   const char *name, const struct nft_hook *hook);

/* A rule under construction, of the transaction's family. To be ended by
 * nft_put_rule() or nft_put_flush(). */
struct nft_rule {
	struct nftnl_rule *rule;
	const char *chain; /* borrowed */
	bool failed;
};

struct nft_rule nft_rule_begin(const char *table, const char *chain);
/* The next expression of the rule, which owns it; NULL where that failed. */
struct nftnl_expr *nft_rule_add(struct nft_rule *r, const char *name);

/* Load into register 1: a meta key; bytes of the packet; those under a mask. */
void nft_rule_meta(struct nft_rule *r, uint32_t key);
void nft_rule_payload(struct nft_rule *r, uint32_t base, uint32_t offset,
		      size_t len);
void nft_rule_mask(struct nft_rule *r, const void *mask, size_t len);
/* Goes on where register 1 is as op (NFT_CMP_*) says. */
void nft_rule_compare(struct nft_rule *r, uint32_t op, const void *value,
		      size_t len);

void nft_rule_meta_is(struct nft_rule *r, uint32_t key, const void *value,
		      size_t len);
void nft_rule_payload_is(struct nft_rule *r, uint32_t base, uint32_t offset,
			 const void *value, size_t len);
/* The packet's family is a's (of tables for both), and this end of it is a. */
enum nft_end { NFT_SOURCE, NFT_DESTINATION };
void nft_rule_address_is(struct nft_rule *r, enum nft_end end,
			 const struct ip_addr *a);
/* Where an address of that family stands in its header, in bytes. */
uint32_t nft_address_offset(enum nft_end end, const struct ip_addr *a);
uint8_t nft_nfproto_of(const struct ip_addr *a);

void nft_rule_data(struct nft_rule *r, uint32_t reg, const void *value,
		   size_t len);
/* NF_ACCEPT, NF_DROP, or NFT_JUMP to a chain; NULL for the others. */
void nft_rule_verdict(struct nft_rule *r, int verdict, const char *chain);

/* Takes the rule over. */
void nft_put_rule(struct nft_txn *t, struct nft_rule *r);
/* Deletes all rules of a chain: what a deletion without a handle means. */
void nft_put_flush(struct nft_txn *t, const char *table, const char *chain);

#endif
