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

#include "orchestrator/kernel/nft_rule.h"

#include <arpa/inet.h>
#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

#define TABLE "servalab_masq"
#define PRIORITY_SRCNAT 100

/* Packets that conntrack does not know, or cannot. */
static void match_unknown(struct nft_rule *r)
{
	uint32_t mask = NF_CT_STATE_INVALID_BIT | NF_CT_STATE_BIT(IP_CT_NEW);
	uint32_t none = 0;
	struct nftnl_expr *e = nft_rule_add(r, "ct");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	nft_rule_mask(r, &mask, sizeof(mask));
	nft_rule_compare(r, NFT_CMP_NEQ, &none, sizeof(none));
}

static void masquerade(struct nft_rule *r, const struct kmasq *m)
{
	uint16_t first = htons(m->first_port), last = htons(m->last_port);
	struct nftnl_expr *e;

	if (first) {
		nft_rule_data(r, NFT_REG_1, &first, sizeof(first));
		nft_rule_data(r, NFT_REG_2, &last, sizeof(last));
	}
	e = nft_rule_add(r, "masq");
	if (!e || !first)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_FLAGS,
			   NF_NAT_RANGE_PROTO_SPECIFIED);
	nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_REG_PROTO_MIN, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_REG_PROTO_MAX, NFT_REG_2);
}

static void put_interface(struct nft_txn *t, uint32_t ifindex,
			  const struct kmasq *m)
{
	static const uint8_t icmp[] = { IPPROTO_ICMP, IPPROTO_ICMPV6 };
	struct nft_rule r = nft_rule_begin(TABLE, "postrouting");

	nft_rule_meta_is(&r, NFT_META_OIF, &ifindex, sizeof(ifindex));
	masquerade(&r, m);
	nft_put_rule(t, &r);
	for (size_t i = 0; i < sizeof(icmp); i++) {
		r = nft_rule_begin(TABLE, "input");
		nft_rule_meta_is(&r, NFT_META_IIF, &ifindex, sizeof(ifindex));
		nft_rule_meta_is(&r, NFT_META_L4PROTO, &icmp[i], 1);
		nft_rule_verdict(&r, NF_ACCEPT, NULL);
		nft_put_rule(t, &r);
	}
	r = nft_rule_begin(TABLE, "input");
	nft_rule_meta_is(&r, NFT_META_IIF, &ifindex, sizeof(ifindex));
	match_unknown(&r);
	nft_rule_verdict(&r, NF_DROP, NULL);
	nft_put_rule(t, &r);
}

int kmasq_set(struct kns *ns, const struct kmasq *m, struct err *err)
{
	static const struct nft_hook out = { .type = "nat",
					     .hook = NF_INET_POST_ROUTING,
					     .priority = PRIORITY_SRCNAT };
	static const struct nft_hook in = { .type = "filter",
					    .hook = NF_INET_LOCAL_IN };
	struct nft_txn t = nft_txn_new();

	nft_put_no_table(&t, TABLE);
	nft_put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE, TABLE);
	nft_put_chain(&t, 0, TABLE, "postrouting", &out);
	nft_put_chain(&t, 0, TABLE, "input", &in);
	for (size_t i = 0; i < m->n; i++)
		put_interface(&t, m->ifindexes[i], m);
	return nft_txn_commit(&t, ns, "masquerade", err);
}

int kmasq_clear(struct kns *ns, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	nft_put_table(&t, NFT_MSG_DELTABLE, 0, TABLE);
	return nft_txn_commit(&t, ns, "stop masquerading", err);
}
