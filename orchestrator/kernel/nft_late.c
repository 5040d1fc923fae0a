/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers that are on their way when the kernel forgets the connection that
 * they belong to. Nobody would translate their source back any more, and the
 * client does not know who that is. So, for a while, each of these flows has a
 * rule that does it without any memory:
 *
 *     table inet servalab-late {
 *         chain prerouting {
 *             type filter hook prerouting priority raw
 *             ip saddr 10.0.2.1 ip daddr 10.0.0.1 icmp type echo-reply
 *                 icmp id 7 notrack ip saddr set 198.18.0.1
 *         }
 *     }
 *
 * Ahead of connection tracking ("raw"), and passed by it: what is answered
 * while the connection is still remembered looks the same in the end. What is
 * asked meanwhile goes by the new rule.
 */
#include "orchestrator/kernel/nft_late.h"

#include "orchestrator/kernel/kns.h"
#include "orchestrator/kernel/nft_txn.h"

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <netinet/icmp6.h>
#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <netinet/ip_icmp.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>

#define TABLE "servalab-late"
#define CHAIN "prerouting"
#define PRIORITY_RAW (-300)

static void put_table(struct nft_txn *t, uint16_t type, uint16_t flags)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *nlh =
		nft_txn_begin(t, type, flags, "%s table " TABLE,
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

static void put_chain(struct nft_txn *t)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh = nft_txn_begin(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE,
					     "create chain " CHAIN);

	if (nlh && chain) {
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, TABLE);
		nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, CHAIN);
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM,
				    NF_INET_PRE_ROUTING);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, PRIORITY_RAW);
		nftnl_chain_nlmsg_build_payload(nlh, chain);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	if (chain)
		nftnl_chain_free(chain);
}

/* A rule under construction; a failure sticks. */
struct rule {
	struct nftnl_rule *rule;
	bool failed;
};

static struct nftnl_expr *add(struct rule *r, const char *name)
{
	struct nftnl_expr *e = r->failed ? NULL : nftnl_expr_alloc(name);

	if (e)
		nftnl_rule_add_expr(r->rule, e);
	r->failed |= !e;
	return e;
}

static void is(struct rule *r, const void *value, size_t len)
{
	struct nftnl_expr *e = add(r, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, (uint32_t)len);
}

static void meta_is(struct rule *r, uint32_t key, uint8_t value)
{
	struct nftnl_expr *e = add(r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	is(r, &value, 1);
}

static void bytes_are(struct rule *r, uint32_t base, uint32_t offset,
		      const void *value, size_t len)
{
	struct nftnl_expr *e = add(r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, (uint32_t)len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	is(r, value, len);
}

static void match_transport(struct rule *r, const struct klate_flow *f)
{
	bool icmp = f->protocol == IPPROTO_ICMP;
	uint8_t reply = icmp ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;

	meta_is(r, NFT_META_L4PROTO, f->protocol);
	if (icmp || f->protocol == IPPROTO_ICMPV6) {
		bytes_are(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, &reply, 1);
		bytes_are(r, NFT_PAYLOAD_TRANSPORT_HEADER, 4, &f->client_port,
			  2);
		return;
	}
	bytes_are(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, &f->instance_port, 2);
	bytes_are(r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, &f->client_port, 2);
}

static void set_source(struct rule *r, const struct ip_addr *a)
{
	bool v4 = a->family == AF_INET;
	struct nftnl_expr *e = add(r, "notrack");

	if (e)
		e = add(r, "immediate");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, a->bytes,
		       (uint32_t)ip_addr_size(a));
	e = add(r, "payload");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE,
			   NFT_PAYLOAD_NETWORK_HEADER);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, v4 ? 12 : 8);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN,
			   (uint32_t)ip_addr_size(a));
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_TYPE,
			   v4 ? NFT_PAYLOAD_CSUM_INET : NFT_PAYLOAD_CSUM_NONE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, v4 ? 10 : 0);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_FLAGS,
			   NFT_PAYLOAD_L4CSUM_PSEUDOHDR);
}

static void put_flow(struct nft_txn *t, const struct klate_flow *f)
{
	bool v4 = f->instance.family == AF_INET;
	size_t size = ip_addr_size(&f->instance);
	struct rule r = { .rule = nftnl_rule_alloc() };
	struct nlmsghdr *nlh = nft_txn_begin(
		t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "add a flow");

	r.failed = !r.rule;
	if (!r.failed) {
		nftnl_rule_set_str(r.rule, NFTNL_RULE_TABLE, TABLE);
		nftnl_rule_set_str(r.rule, NFTNL_RULE_CHAIN, CHAIN);
		meta_is(&r, NFT_META_NFPROTO, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
		bytes_are(&r, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 12 : 8,
			  f->instance.bytes, size);
		bytes_are(&r, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 16 : 24,
			  f->client.bytes, size);
		match_transport(&r, f);
		set_source(&r, &f->service);
	}
	if (nlh && !r.failed) {
		nftnl_rule_nlmsg_build_payload(nlh, r.rule);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	if (r.rule)
		nftnl_rule_free(r.rule);
}

int klate_set(struct kns *ns, const struct klate_flow *flows, size_t n,
	      struct err *err)
{
	struct nft_txn t = nft_txn_new();

	/* Beside those of another service that moves at the same time. */
	put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_chain(&t);
	for (size_t i = 0; i < n; i++)
		put_flow(&t, &flows[i]);
	return nft_txn_commit(&t, ns, "translate late answers", err);
}

int kns_late_end(struct kns *ns, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	/* Made, so that it can be deleted, if it was not there. */
	put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_table(&t, NFT_MSG_DELTABLE, 0);
	return nft_txn_commit(&t, ns, "forget late answers", err);
}
