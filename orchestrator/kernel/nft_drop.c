/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control packets of the Service Access Layer that get lost on their way in:
 *
 *     table inet servalab_drop {
 *         chain input {
 *             type filter hook input priority filter
 *             meta l4proto 144 @th,96,24 & 0xf000ff == 0x100040 jump lost
 *             udp sport 54325 @th,160,24 & 0xf000ff == 0x100040 jump lost
 *             udp dport 54325 @th,160,24 & 0xf000ff == 0x100040 jump lost
 *         }
 *         chain lost { limit rate 1/day burst 1 packets counter drop }
 *     }
 *
 * What is looked at is the first extension, behind the 12 bytes of the header:
 * CONTROL (type 1), whose flags are its third byte (include/serval/wire.h). Its
 * second, the length, is not compared. In UDP, one of the two ports is 54325,
 * whatever a NAT has made of the other.
 *
 * "The first n" is a bucket of n tokens that is filled so slowly that it never
 * is within a run. A quota would count bytes, and these packets differ in
 * length.
 */
#include "orchestrator/kernel/kns.h"

#include "orchestrator/kernel/nft_rule.h"
#include "include/serval/wire.h"

#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define TABLE "servalab_drop"
#define CHAIN "input"
#define LOST "lost"
#define UDP_HEADER 8
#define DAY_SECONDS 86400

/* How the packets are carried. */
enum carrier { CARRIED_PLAIN, CARRIED_UDP_FROM, CARRIED_UDP_TO };

static void put_match(struct nft_txn *t, enum carrier by, uint8_t flags)
{
	static const uint32_t base = NFT_PAYLOAD_TRANSPORT_HEADER;
	static const uint8_t port[2] = { SAL_UDP_PORT_SERVER >> 8,
					 SAL_UDP_PORT_SERVER & 0xff };
	static const uint8_t mask[3] = { 0xf0, 0, 0xff };
	const uint8_t control[3] = { SAL_EXT_CONTROL << 4, 0, flags };
	uint8_t protocol = by == CARRIED_PLAIN ? SAL_IP_PROTOCOL : IPPROTO_UDP;
	struct nft_rule r = nft_rule_begin(TABLE, CHAIN);

	nft_rule_meta_is(&r, NFT_META_L4PROTO, &protocol, 1);
	if (by != CARRIED_PLAIN)
		nft_rule_payload_is(&r, base, by == CARRIED_UDP_FROM ? 0 : 2,
				    port, sizeof(port));
	nft_rule_payload(&r, base,
			 SAL_HEADER_LEN +
				 (by == CARRIED_PLAIN ? 0 : UDP_HEADER),
			 sizeof(control));
	nft_rule_mask(&r, mask, sizeof(mask));
	nft_rule_compare(&r, NFT_CMP_EQ, control, sizeof(control));
	nft_rule_verdict(&r, NFT_JUMP, LOST);
	nft_put_rule(t, &r);
}

static void put_lost(struct nft_txn *t, uint32_t count)
{
	struct nft_rule r = nft_rule_begin(TABLE, LOST);
	struct nftnl_expr *e = nft_rule_add(&r, "limit");

	if (e) {
		nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, 1);
		nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, DAY_SECONDS);
		nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_BURST, count);
		nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	}
	nft_rule_add(&r, "counter");
	nft_rule_verdict(&r, NF_DROP, NULL);
	nft_put_rule(t, &r);
}

int kdrop_set(struct kns *ns, uint8_t flags, uint32_t count, struct err *err)
{
	static const struct nft_hook in = { .type = "filter",
					    .hook = NF_INET_LOCAL_IN };
	struct nft_txn t = nft_txn_new();

	nft_put_no_table(&t, TABLE);
	nft_put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE, TABLE);
	nft_put_chain(&t, 0, TABLE, CHAIN, &in);
	nft_put_chain(&t, 0, TABLE, LOST, NULL);
	put_lost(&t, count);
	for (int by = CARRIED_PLAIN; by <= CARRIED_UDP_TO; by++)
		put_match(&t, (enum carrier)by, flags);
	return nft_txn_commit(&t, ns, "drop control packets", err);
}
