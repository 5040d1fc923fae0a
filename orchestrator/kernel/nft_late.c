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
#include "orchestrator/kernel/nft_rule.h"

#include <netinet/icmp6.h>
#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <netinet/ip_icmp.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define TABLE "servalab-late"
#define CHAIN "prerouting"

static void match_transport(struct nft_rule *r, const struct klate_flow *f)
{
	static const uint32_t base = NFT_PAYLOAD_TRANSPORT_HEADER;
	bool icmp = f->protocol == IPPROTO_ICMP;
	uint8_t reply = icmp ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;

	nft_rule_meta_is(r, NFT_META_L4PROTO, &f->protocol, 1);
	if (icmp || f->protocol == IPPROTO_ICMPV6) {
		nft_rule_payload_is(r, base, 0, &reply, 1);
		nft_rule_payload_is(r, base, 4, &f->client_port, 2);
		return;
	}
	nft_rule_payload_is(r, base, 0, &f->instance_port, 2);
	nft_rule_payload_is(r, base, 2, &f->client_port, 2);
}

static void set_source(struct nft_rule *r, const struct ip_addr *a)
{
	bool v4 = a->family == AF_INET;
	struct nftnl_expr *e;

	nft_rule_add(r, "notrack");
	nft_rule_data(r, NFT_REG_1, a->bytes, ip_addr_size(a));
	e = nft_rule_add(r, "payload");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE,
			   NFT_PAYLOAD_NETWORK_HEADER);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET,
			   nft_address_offset(NFT_SOURCE, a));
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
	struct nft_rule r = nft_rule_begin(TABLE, CHAIN);

	nft_rule_address_is(&r, NFT_SOURCE, &f->instance);
	nft_rule_address_is(&r, NFT_DESTINATION, &f->client);
	match_transport(&r, f);
	set_source(&r, &f->service);
	nft_put_rule(t, &r);
}

int klate_set(struct kns *ns, const struct klate_flow *flows, size_t n,
	      struct err *err)
{
	static const struct nft_hook raw = { .type = "filter",
					     .hook = NF_INET_PRE_ROUTING,
					     .priority = NFT_PRIORITY_RAW };
	struct nft_txn t = nft_txn_new();

	/* Beside those of another service that moves at the same time. */
	nft_put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE, TABLE);
	nft_put_chain(&t, 0, TABLE, CHAIN, &raw);
	for (size_t i = 0; i < n; i++)
		put_flow(&t, &flows[i]);
	return nft_txn_commit(&t, ns, "translate late answers", err);
}

int kns_late_end(struct kns *ns, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	nft_put_no_table(&t, TABLE);
	return nft_txn_commit(&t, ns, "forget late answers", err);
}
