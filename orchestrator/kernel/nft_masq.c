/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A router that masquerades, as a home's does:
 *
 *     table inet servalab_masq {
 *         chain postrouting {
 *             type nat hook postrouting priority srcnat
 *             meta oif 7 masquerade to :20000-20999
 *         }
 *         chain input {
 *             type filter hook input priority filter
 *             meta iif 7 meta l4proto icmp accept
 *             meta iif 7 meta l4proto ipv6-icmp accept
 *             meta iif 7 ct state invalid,new drop
 *         }
 *     }
 *
 * The input chain is what keeps a lost binding from being made worse: what
 * still comes for it is for nobody, and if the router's own stack took it, a
 * TCP segment would be answered by a reset, and conntrack would keep an entry
 * from outside, whose tuple is then taken when the flow's next packet from
 * inside asks for the same one. Of a protocol without ports that packet would
 * be dropped, and the next ones, for minutes.
 *
 * Only the first packet of a flow is asked where it goes. A rebinding is
 * another range of ports, which no flow that exists has one of, and then the
 * entries deleted (conntrack.c), in this order: see there.
 */
#include "orchestrator/kernel/kns.h"

#include "orchestrator/kernel/nft_txn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

#define TABLE "servalab_masq"
#define PRIORITY_SRCNAT 100

static void put_table(struct nft_txn *t, uint16_t type, uint16_t flags)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *nlh;

	nlh = nft_txn_begin(t, type, flags, "%s table " TABLE,
			    type == NFT_MSG_NEWTABLE ? "create" : "delete");
	if (nlh && table) {
		nftnl_table_set_str(table, NFTNL_TABLE_NAME, TABLE);
		nftnl_table_nlmsg_build_payload(nlh, table);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	if (table)
		nftnl_table_free(table);
}

static void put_chain(struct nft_txn *t, const char *name, const char *type,
		      uint32_t hook, int priority)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh;

	nlh = nft_txn_begin(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE,
			    "create chain %s", name);
	if (nlh && chain) {
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, TABLE);
		nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, type);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
		nftnl_chain_nlmsg_build_payload(nlh, chain);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	if (chain)
		nftnl_chain_free(chain);
}

/* ---- rules ----------------------------------------------------------------
 */

/* A rule under construction. A failure sticks, and is looked at once. */
struct rule {
	struct nftnl_rule *rule;
	bool failed;
};

static struct rule rule_begin(const char *chain)
{
	struct rule r = { .rule = nftnl_rule_alloc() };

	r.failed = !r.rule;
	if (r.failed)
		return r;
	nftnl_rule_set_str(r.rule, NFTNL_RULE_TABLE, TABLE);
	nftnl_rule_set_str(r.rule, NFTNL_RULE_CHAIN, chain);
	return r;
}

static struct nftnl_expr *rule_expr(struct rule *r, const char *name)
{
	struct nftnl_expr *e = r->failed ? NULL : nftnl_expr_alloc(name);

	if (e)
		nftnl_rule_add_expr(r->rule, e);
	r->failed |= !e;
	return e;
}

static void rule_compare(struct rule *r, uint32_t op, const void *value,
			 size_t len)
{
	struct nftnl_expr *e = rule_expr(r, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, (uint32_t)len);
}

static void rule_meta(struct rule *r, uint32_t key, const void *value,
		      size_t len)
{
	struct nftnl_expr *e = rule_expr(r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	rule_compare(r, NFT_CMP_EQ, value, len);
}

/* Packets that conntrack does not know, or cannot. */
static void rule_unknown(struct rule *r)
{
	uint32_t mask = NF_CT_STATE_INVALID_BIT | NF_CT_STATE_BIT(IP_CT_NEW);
	uint32_t none = 0;
	struct nftnl_expr *e = rule_expr(r, "ct");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	e = rule_expr(r, "bitwise");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, sizeof(mask));
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof(mask));
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &none, sizeof(none));
	rule_compare(r, NFT_CMP_NEQ, &none, sizeof(none));
}

static void rule_verdict(struct rule *r, uint32_t verdict)
{
	struct nftnl_expr *e = rule_expr(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
}

static void rule_port(struct rule *r, uint32_t reg, uint16_t port)
{
	struct nftnl_expr *e = rule_expr(r, "immediate");
	uint16_t value = htons(port);

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, &value, sizeof(value));
}

static void rule_masquerade(struct rule *r, const struct kmasq *m)
{
	struct nftnl_expr *e;

	if (m->first_port) {
		rule_port(r, NFT_REG_1, m->first_port);
		rule_port(r, NFT_REG_2, m->last_port);
	}
	e = rule_expr(r, "masq");
	if (!e || !m->first_port)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_FLAGS,
			   NF_NAT_RANGE_PROTO_SPECIFIED);
	nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_REG_PROTO_MIN, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_REG_PROTO_MAX, NFT_REG_2);
}

/* Takes the rule over. */
static void put_rule(struct nft_txn *t, struct rule *r, const char *what)
{
	struct nlmsghdr *nlh = nft_txn_begin(
		t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "%s", what);

	if (nlh && !r->failed) {
		nftnl_rule_nlmsg_build_payload(nlh, r->rule);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	if (r->rule)
		nftnl_rule_free(r->rule);
}

static void put_interface(struct nft_txn *t, uint32_t ifindex,
			  const struct kmasq *m)
{
	static const uint8_t icmp[] = { IPPROTO_ICMP, IPPROTO_ICMPV6 };
	struct rule r = rule_begin("postrouting");

	rule_meta(&r, NFT_META_OIF, &ifindex, sizeof(ifindex));
	rule_masquerade(&r, m);
	put_rule(t, &r, "masquerade");
	for (size_t i = 0; i < sizeof(icmp); i++) {
		r = rule_begin("input");
		rule_meta(&r, NFT_META_IIF, &ifindex, sizeof(ifindex));
		rule_meta(&r, NFT_META_L4PROTO, &icmp[i], 1);
		rule_verdict(&r, NF_ACCEPT);
		put_rule(t, &r, "take ICMP in");
	}
	r = rule_begin("input");
	rule_meta(&r, NFT_META_IIF, &ifindex, sizeof(ifindex));
	rule_unknown(&r);
	rule_verdict(&r, NF_DROP);
	put_rule(t, &r, "take nothing else in");
}

int kmasq_set(struct kns *ns, const struct kmasq *m, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	/* Made where it is not there, so that it can be deleted. */
	put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_table(&t, NFT_MSG_DELTABLE, 0);
	put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_chain(&t, "postrouting", "nat", NF_INET_POST_ROUTING,
		  PRIORITY_SRCNAT);
	put_chain(&t, "input", "filter", NF_INET_LOCAL_IN, 0);
	for (size_t i = 0; i < m->n; i++)
		put_interface(&t, m->ifindexes[i], m);
	return nft_txn_commit(&t, ns, "masquerade", err);
}

int kmasq_clear(struct kns *ns, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	put_table(&t, NFT_MSG_DELTABLE, 0);
	return nft_txn_commit(&t, ns, "stop masquerading", err);
}
