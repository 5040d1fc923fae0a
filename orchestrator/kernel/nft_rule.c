/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/kernel/nft_rule.h"

#include "base/cleanup.h"

#include <libnftnl/chain.h>
#include <libnftnl/table.h>
#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

/* ---- tables and chains --------------------------------------------------- */

static void table_freep(struct nftnl_table **t)
{
	if (*t)
		nftnl_table_free(*t);
}

static void chain_freep(struct nftnl_chain **c)
{
	if (*c)
		nftnl_chain_free(*c);
}

void nft_put_table(struct nft_txn *t, uint16_t type, uint16_t flags,
		   const char *name)
{
	CLEANUP(table_freep) struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *nlh;

	nlh = nft_txn_begin(t, type, flags, "%s table %s",
			    type == NFT_MSG_NEWTABLE ? "create" : "delete",
			    name);
	if (!nlh || !table) {
		t->failed = true;
		return;
	}
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, name);
	nftnl_table_nlmsg_build_payload(nlh, table);
	nft_txn_end(t, nlh);
}

void nft_put_no_table(struct nft_txn *t, const char *name)
{
	/* Made where it is not there, so that it can be deleted. */
	nft_put_table(t, NFT_MSG_NEWTABLE, NLM_F_CREATE, name);
	nft_put_table(t, NFT_MSG_DELTABLE, 0, name);
}

void nft_put_chain(struct nft_txn *t, uint16_t flags, const char *table,
		   const char *name, const struct nft_hook *hook)
{
	CLEANUP(chain_freep) struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh;

	nlh = nft_txn_begin(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE | flags,
			    "create chain %s", name);
	if (!nlh || !chain) {
		t->failed = true;
		return;
	}
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, table);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	if (hook) {
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, hook->type);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook->hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, hook->priority);
		if (hook->device)
			nftnl_chain_set_str(chain, NFTNL_CHAIN_DEV,
					    hook->device);
	}
	nftnl_chain_nlmsg_build_payload(nlh, chain);
	nft_txn_end(t, nlh);
}

/* ---- rules --------------------------------------------------------------- */

struct nft_rule nft_rule_begin(const char *table, const char *chain)
{
	struct nft_rule r = { .rule = nftnl_rule_alloc(), .chain = chain };

	r.failed = !r.rule;
	if (!r.failed) {
		nftnl_rule_set_str(r.rule, NFTNL_RULE_TABLE, table);
		nftnl_rule_set_str(r.rule, NFTNL_RULE_CHAIN, chain);
	}
	return r;
}

struct nftnl_expr *nft_rule_add(struct nft_rule *r, const char *name)
{
	struct nftnl_expr *e = r->failed ? NULL : nftnl_expr_alloc(name);

	if (e)
		nftnl_rule_add_expr(r->rule, e);
	r->failed |= !e;
	return e;
}

void nft_rule_meta(struct nft_rule *r, uint32_t key)
{
	struct nftnl_expr *e = nft_rule_add(r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

void nft_rule_payload(struct nft_rule *r, uint32_t base, uint32_t offset,
		      size_t len)
{
	struct nftnl_expr *e = nft_rule_add(r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, (uint32_t)len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
}

void nft_rule_mask(struct nft_rule *r, const void *mask, size_t len)
{
	static const uint8_t none[16];
	struct nftnl_expr *e = nft_rule_add(r, "bitwise");

	r->failed |= len > sizeof(none);
	if (!e || r->failed)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, (uint32_t)len);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, (uint32_t)len);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, none, (uint32_t)len);
}

void nft_rule_compare(struct nft_rule *r, uint32_t op, const void *value,
		      size_t len)
{
	struct nftnl_expr *e = nft_rule_add(r, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, (uint32_t)len);
}

void nft_rule_meta_is(struct nft_rule *r, uint32_t key, const void *value,
		      size_t len)
{
	nft_rule_meta(r, key);
	nft_rule_compare(r, NFT_CMP_EQ, value, len);
}

void nft_rule_payload_is(struct nft_rule *r, uint32_t base, uint32_t offset,
			 const void *value, size_t len)
{
	nft_rule_payload(r, base, offset, len);
	nft_rule_compare(r, NFT_CMP_EQ, value, len);
}

uint8_t nft_nfproto_of(const struct ip_addr *a)
{
	return a->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

uint32_t nft_address_offset(enum nft_end end, const struct ip_addr *a)
{
	uint32_t source = a->family == AF_INET ? 12 : 8;

	return source + (end == NFT_SOURCE ? 0 : (uint32_t)ip_addr_size(a));
}

void nft_rule_address_is(struct nft_rule *r, enum nft_end end,
			 const struct ip_addr *a)
{
	uint8_t nfproto = nft_nfproto_of(a);

	nft_rule_meta_is(r, NFT_META_NFPROTO, &nfproto, sizeof(nfproto));
	nft_rule_payload_is(r, NFT_PAYLOAD_NETWORK_HEADER,
			    nft_address_offset(end, a), a->bytes,
			    ip_addr_size(a));
}

void nft_rule_data(struct nft_rule *r, uint32_t reg, const void *value,
		   size_t len)
{
	struct nftnl_expr *e = nft_rule_add(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, value, (uint32_t)len);
}

void nft_rule_verdict(struct nft_rule *r, int verdict, const char *chain)
{
	struct nftnl_expr *e = nft_rule_add(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (chain)
		nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
}

static void rule_end(struct nft_txn *t, struct nft_rule *r,
		     struct nlmsghdr *nlh)
{
	if (nlh && !r->failed) {
		nftnl_rule_nlmsg_build_payload(nlh, r->rule);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	if (r->rule)
		nftnl_rule_free(r->rule);
	r->rule = NULL;
}

void nft_put_rule(struct nft_txn *t, struct nft_rule *r)
{
	rule_end(t, r,
		 nft_txn_begin(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
			       "add a rule to chain %s", r->chain));
}

void nft_put_flush(struct nft_txn *t, const char *table, const char *chain)
{
	struct nft_rule r = nft_rule_begin(table, chain);

	rule_end(t, &r,
		 nft_txn_begin(t, NFT_MSG_DELRULE, 0, "flush chain %s", chain));
}
