/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Partitions, and nodes that are silent.
 *
 *     table inet servalab-cut {
 *         chain prerouting {
 *             type filter hook prerouting priority raw
 *             (in a node of group 0, for each group but its own:)
 *             ether saddr 02:1a:b0:00:00:03 drop
 *             ip saddr 10.0.0.3 drop
 *             (for each address of each group, all families:)
 *             ip saddr 10.0.0.1 jump g0
 *             ip saddr 10.0.0.3 jump g1
 *         }
 *         chain g0 { ip daddr 10.0.0.3 drop }     the others' addresses
 *         chain g1 { ip daddr 10.0.0.1 drop }
 *     }
 *     table arp servalab-cut {
 *         chain input { type filter hook input; ether saddr ... drop }
 *     }
 *
 * "raw" is ahead of connection tracking and NAT: a packet is judged by the
 * addresses that it has on the wire. The members' own rules stop what comes
 * from the others directly; the pairs stop what somebody in between would
 * translate on the way, so that its addresses do not show any more where it
 * arrives.
 *
 *     table netdev servalab-silence {
 *         chain in0 { type filter hook ingress device eth0; drop }
 *         chain out0 { type filter hook egress device eth0; drop }
 *     }
 */
#include "orchestrator/kernel/kernel.h"

#include "orchestrator/kernel/kns.h"
#include "orchestrator/kernel/nft_txn.h"
#include "base/cleanup.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_arp.h>
#include <stdio.h>
#include <string.h>

#define CUT "servalab-cut"
#define SILENCE "servalab-silence"
#define PRIORITY_RAW (-300)
#define ETHER_SOURCE 6 /* offset in the header */

#ifndef NF_NETDEV_EGRESS /* headers before Linux 5.16 */
#define NF_NETDEV_EGRESS 1
#endif

static void put_table(struct nft_txn *t, uint8_t family, uint16_t type,
		      uint16_t flags, const char *name)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *nlh;

	t->family = family;
	nlh = nft_txn_begin(t, type, flags, "%s table %s",
			    type == NFT_MSG_NEWTABLE ? "create" : "delete",
			    name);
	if (nlh && table) {
		nftnl_table_set_str(table, NFTNL_TABLE_NAME, name);
		nftnl_table_nlmsg_build_payload(nlh, table);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	if (table)
		nftnl_table_free(table);
}

/* hook: SIZE_MAX for one that is only jumped to; dev: of netdev chains. */
static void put_chain(struct nft_txn *t, uint8_t family, const char *table,
		      const char *name, size_t hook, int priority,
		      const char *dev)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh;

	t->family = family;
	nlh = nft_txn_begin(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE,
			    "create chain %s", name);
	if (nlh && chain) {
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, table);
		nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
		if (hook != SIZE_MAX) {
			nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
			nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM,
					    (uint32_t)hook);
			nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
		}
		if (dev)
			nftnl_chain_set_str(chain, NFTNL_CHAIN_DEV, dev);
		nftnl_chain_nlmsg_build_payload(nlh, chain);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	if (chain)
		nftnl_chain_free(chain);
}

/* What a rule looks at: len 0: nothing, it is for all packets. */
struct match {
	uint8_t nfproto; /* 0: any */
	uint32_t base, offset;
	const void *value;
	size_t len;
};

static struct nftnl_expr *add_expr(struct nftnl_rule *rule, const char *name)
{
	struct nftnl_expr *e = rule ? nftnl_expr_alloc(name) : NULL;

	if (e)
		nftnl_rule_add_expr(rule, e);
	return e;
}

static bool add_equals(struct nftnl_rule *rule, const void *value, size_t len)
{
	struct nftnl_expr *e = add_expr(rule, "cmp");

	if (!e)
		return false;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, (uint32_t)len);
	return true;
}

static bool add_match(struct nftnl_rule *rule, const struct match *m)
{
	struct nftnl_expr *e;

	if (m->nfproto) {
		e = add_expr(rule, "meta");
		if (!e)
			return false;
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_NFPROTO);
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
		if (!add_equals(rule, &m->nfproto, 1))
			return false;
	}
	if (!m->len)
		return true;
	e = add_expr(rule, "payload");
	if (!e)
		return false;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, m->base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, m->offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, (uint32_t)m->len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	return add_equals(rule, m->value, m->len);
}

/* jump: NULL to drop. */
static void put_rule(struct nft_txn *t, uint8_t family, const char *table,
		     const char *chain, const struct match *m, const char *jump)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nftnl_expr *e;
	struct nlmsghdr *nlh;

	t->family = family;
	nlh = nft_txn_begin(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
			    "add a rule to chain %s", chain);
	if (rule) {
		nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, table);
		nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
	}
	e = rule && add_match(rule, m) ? add_expr(rule, "immediate") : NULL;
	if (nlh && e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT,
				   jump ? (uint32_t)NFT_JUMP :
					  (uint32_t)NF_DROP);
		if (jump)
			nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, jump);
		nftnl_rule_nlmsg_build_payload(nlh, rule);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	if (rule)
		nftnl_rule_free(rule);
}

/* ---- partitions -----------------------------------------------------------
 */

static struct match match_address(const struct ip_addr *a, bool source)
{
	bool v4 = a->family == AF_INET;

	return (struct match){
		.nfproto = v4 ? NFPROTO_IPV4 : NFPROTO_IPV6,
		.base = NFT_PAYLOAD_NETWORK_HEADER,
		.offset = (v4 ? 12u : 8u) +
			  (source ? 0 : (uint32_t)ip_addr_size(a)),
		.value = a->bytes,
		.len = ip_addr_size(a),
	};
}

/* What comes from there, in a node of another group. */
static void put_strangers(struct nft_txn *t, const struct kcut_group *g)
{
	for (size_t i = 0; i < g->n_macs; i++) {
		struct match m = {
			.base = NFT_PAYLOAD_LL_HEADER,
			.offset = ETHER_SOURCE,
			.value = g->macs[i],
			.len = 6,
		};

		put_rule(t, NFPROTO_INET, CUT, "prerouting", &m, NULL);
		put_rule(t, NFPROTO_ARP, CUT, "input", &m, NULL);
	}
	for (size_t i = 0; i < g->n; i++) {
		struct match m = match_address(&g->addresses[i], true);

		put_rule(t, NFPROTO_INET, CUT, "prerouting", &m, NULL);
	}
}

static void put_pairs(struct nft_txn *t, const struct kcut_group *groups,
		      size_t n, size_t of)
{
	char chain[32];

	snprintf(chain, sizeof(chain), "g%zu", of);
	put_chain(t, NFPROTO_INET, CUT, chain, SIZE_MAX, 0, NULL);
	for (size_t g = 0; g < n; g++)
		for (size_t i = 0; g != of && i < groups[g].n; i++) {
			struct match m =
				match_address(&groups[g].addresses[i], false);

			put_rule(t, NFPROTO_INET, CUT, chain, &m, NULL);
		}
	for (size_t i = 0; i < groups[of].n; i++) {
		struct match m = match_address(&groups[of].addresses[i], true);

		put_rule(t, NFPROTO_INET, CUT, "prerouting", &m, chain);
	}
}

static void put_cut_tables(struct nft_txn *t, uint16_t type, uint16_t flags)
{
	put_table(t, NFPROTO_INET, type, flags, CUT);
	put_table(t, NFPROTO_ARP, type, flags, CUT);
}

int kcut_set(struct kns *ns, const struct kcut_group *groups, size_t n,
	     size_t own, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	/* Made, so that it can be deleted, if it was not there. */
	put_cut_tables(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_cut_tables(&t, NFT_MSG_DELTABLE, 0);
	put_cut_tables(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_chain(&t, NFPROTO_INET, CUT, "prerouting", NF_INET_PRE_ROUTING,
		  PRIORITY_RAW, NULL);
	put_chain(&t, NFPROTO_ARP, CUT, "input", NF_ARP_IN, 0, NULL);
	for (size_t g = 0; own != SIZE_MAX && g < n; g++)
		if (g != own)
			put_strangers(&t, &groups[g]);
	for (size_t g = 0; g < n; g++)
		put_pairs(&t, groups, n, g);
	return nft_txn_commit(&t, ns, "cut groups off", err);
}

int kcut_clear(struct kns *ns, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	put_cut_tables(&t, NFT_MSG_DELTABLE, 0);
	return nft_txn_commit(&t, ns, "heal a cut", err);
}

/* ---- silence --------------------------------------------------------------
 */

int ksilence_set(struct kns *ns, const char *const *names, size_t n,
		 struct err *err)
{
	const struct match all = { 0 };
	struct nft_txn t = nft_txn_new();
	char chain[32];

	put_table(&t, NFPROTO_NETDEV, NFT_MSG_NEWTABLE, NLM_F_CREATE, SILENCE);
	for (size_t i = 0; i < n; i++) {
		snprintf(chain, sizeof(chain), "in%zu", i);
		put_chain(&t, NFPROTO_NETDEV, SILENCE, chain, NF_NETDEV_INGRESS,
			  PRIORITY_RAW, names[i]);
		put_rule(&t, NFPROTO_NETDEV, SILENCE, chain, &all, NULL);
		snprintf(chain, sizeof(chain), "out%zu", i);
		put_chain(&t, NFPROTO_NETDEV, SILENCE, chain, NF_NETDEV_EGRESS,
			  PRIORITY_RAW, names[i]);
		put_rule(&t, NFPROTO_NETDEV, SILENCE, chain, &all, NULL);
	}
	return nft_txn_commit(&t, ns, "silence the interfaces", err);
}

int ksilence_clear(struct kns *ns, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	put_table(&t, NFPROTO_NETDEV, NFT_MSG_DELTABLE, 0, SILENCE);
	return nft_txn_commit(&t, ns, "end the silence", err);
}
