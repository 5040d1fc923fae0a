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

#include "orchestrator/kernel/nft_txn.h"

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define TABLE "servalab_drop"
#define CHAIN "input"
#define LOST "lost"
#define PROTOCOL_SAL 144
#define UDP_PORT 54325 /* the server's */
#define UDP_HEADER 8
#define CONTROL_OFFSET 12
#define DAY_SECONDS 86400

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

static void put_chain(struct nft_txn *t, const char *name, bool hooked)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh;

	nlh = nft_txn_begin(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE,
			    "create chain %s", name);
	if (nlh && chain) {
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, TABLE);
		nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
		if (hooked) {
			nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
			nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM,
					    NF_INET_LOCAL_IN);
			nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, 0);
		}
		nftnl_chain_nlmsg_build_payload(nlh, chain);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	if (chain)
		nftnl_chain_free(chain);
}

/* NULL where that failed, which *failed then says. */
static struct nftnl_expr *add_expr(struct nftnl_rule *rule, const char *name,
				   bool *failed)
{
	struct nftnl_expr *e = *failed ? NULL : nftnl_expr_alloc(name);

	if (e)
		nftnl_rule_add_expr(rule, e);
	*failed |= !e;
	return e;
}

static void add_equals(struct nftnl_rule *rule, const void *value, uint32_t len,
		       bool *failed)
{
	struct nftnl_expr *e = add_expr(rule, "cmp", failed);

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, len);
}

static void match_payload(struct nftnl_rule *rule, uint32_t offset,
			  const uint8_t *value, const uint8_t *mask,
			  uint32_t len, bool *failed)
{
	static const uint8_t none[4] = { 0 };
	struct nftnl_expr *e = add_expr(rule, "payload", failed);

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE,
			   NFT_PAYLOAD_TRANSPORT_HEADER);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	e = mask ? add_expr(rule, "bitwise", failed) : NULL;
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
		nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, len);
		nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, none, len);
	}
	add_equals(rule, value, len, failed);
}

/* How the packets are carried. */
enum carrier { CARRIED_PLAIN, CARRIED_UDP_FROM, CARRIED_UDP_TO };

static void match_control(struct nftnl_rule *rule, enum carrier by,
			  uint8_t flags, bool *failed)
{
	static const uint8_t port[2] = { UDP_PORT >> 8, UDP_PORT & 0xff };
	static const uint8_t mask[3] = { 0xf0, 0, 0xff };
	const uint8_t control[3] = { 0x10, 0, flags };
	uint8_t protocol = by == CARRIED_PLAIN ? PROTOCOL_SAL : IPPROTO_UDP;
	struct nftnl_expr *e = add_expr(rule, "meta", failed);

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_L4PROTO);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	add_equals(rule, &protocol, 1, failed);
	if (by != CARRIED_PLAIN)
		match_payload(rule, by == CARRIED_UDP_FROM ? 0 : 2, port, NULL,
			      sizeof(port), failed);
	match_payload(rule,
		      CONTROL_OFFSET + (by == CARRIED_PLAIN ? 0 : UDP_HEADER),
		      control, mask, sizeof(control), failed);
}

static void match_first(struct nftnl_rule *rule, uint32_t count, bool *failed)
{
	struct nftnl_expr *e = add_expr(rule, "limit", failed);

	if (!e)
		return;
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, 1);
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, DAY_SECONDS);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_BURST, count);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
}

static void verdict(struct nftnl_rule *rule, uint32_t code, const char *chain,
		    bool *failed)
{
	struct nftnl_expr *e = add_expr(rule, "immediate", failed);

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, code);
	if (chain)
		nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
}

static struct nftnl_rule *rule_new(const char *chain)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	if (!rule)
		return NULL;
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, TABLE);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
	return rule;
}

/* Takes the rule over. */
static void put_rule(struct nft_txn *t, struct nftnl_rule *rule, bool failed)
{
	struct nlmsghdr *nlh =
		nft_txn_begin(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
			      "drop control packets");

	if (nlh && rule && !failed) {
		nftnl_rule_nlmsg_build_payload(nlh, rule);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	if (rule)
		nftnl_rule_free(rule);
}

static void put_match(struct nft_txn *t, enum carrier by, uint8_t flags)
{
	struct nftnl_rule *rule = rule_new(CHAIN);
	bool failed = !rule;

	if (rule) {
		match_control(rule, by, flags, &failed);
		verdict(rule, (uint32_t)NFT_JUMP, LOST, &failed);
	}
	put_rule(t, rule, failed);
}

static void put_lost(struct nft_txn *t, uint32_t count)
{
	struct nftnl_rule *rule = rule_new(LOST);
	bool failed = !rule;

	if (rule) {
		match_first(rule, count, &failed);
		add_expr(rule, "counter", &failed);
		verdict(rule, NF_DROP, NULL, &failed);
	}
	put_rule(t, rule, failed);
}

int kdrop_set(struct kns *ns, uint8_t flags, uint32_t count, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	/* Made where it is not there, so that it can be deleted. */
	put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_table(&t, NFT_MSG_DELTABLE, 0);
	put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_chain(&t, CHAIN, true);
	put_chain(&t, LOST, false);
	put_lost(&t, count);
	for (int by = CARRIED_PLAIN; by <= CARRIED_UDP_TO; by++)
		put_match(&t, (enum carrier)by, flags);
	return nft_txn_commit(&t, ns, "drop control packets", err);
}
