/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Late binding of a service's name by destination NAT:
 *
 *     table inet servalab {
 *         chain prerouting {
 *             type nat hook prerouting priority dstnat
 *             ip daddr 198.18.0.1 udp dport 53 jump s0
 *             ip6 daddr fd5e::1 jump s1
 *         }
 *         chain output { the same, at hook output }
 *         chain s0 { counter dnat ip to 10.64.0.2 }
 *         chain s1 { }                              (bound to nothing)
 *     }
 *
 * The match never changes; a binding is the content of its chain, which is
 * flushed and filled in one transaction. Replacing the jumps instead would be
 * a window (delete, then add: two generations of the rule set) or a handle to
 * find out and remember (replace).
 *
 * Only the first packet of a flow comes by here. To move flows that exist,
 * their conntrack entries have to go too, and after the rule has changed: see
 * conntrack.c.
 */
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
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE "servalab"
#define PRIORITY_DSTNAT (-100)

static const struct {
	const char *name;
	uint32_t hook;
} base_chains[] = {
	{ "prerouting", NF_INET_PRE_ROUTING },
	{ "output", NF_INET_LOCAL_OUT },
};

#define N_BASE_CHAINS (sizeof(base_chains) / sizeof(base_chains[0]))

/* ---- tables and chains -------------------------------------------------- */

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

static void put_table(struct nft_txn *t, uint16_t type, uint16_t flags)
{
	CLEANUP(table_freep) struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *nlh;

	nlh = nft_txn_begin(t, type, flags, "%s table " TABLE,
			    type == NFT_MSG_NEWTABLE ? "create" : "delete");
	if (!nlh || !table) {
		t->failed = true;
		return;
	}
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, TABLE);
	nftnl_table_nlmsg_build_payload(nlh, table);
	nft_txn_end(t, nlh);
}

/* hook: NULL for one that is only jumped to. */
static void put_chain(struct nft_txn *t, const char *name, const uint32_t *hook)
{
	CLEANUP(chain_freep) struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh;

	nlh = nft_txn_begin(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL,
			    "create chain %s", name);
	if (!nlh || !chain) {
		t->failed = true;
		return;
	}
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, TABLE);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	if (hook) {
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "nat");
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, *hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, PRIORITY_DSTNAT);
	}
	nftnl_chain_nlmsg_build_payload(nlh, chain);
	nft_txn_end(t, nlh);
}

/* ---- rules -------------------------------------------------------------- */

/* A rule under construction. A failure sticks, and is looked at once. */
struct rule {
	struct nftnl_rule *rule;
	bool failed;
};

static void rule_free(struct rule *r)
{
	if (r->rule)
		nftnl_rule_free(r->rule);
}

static struct rule rule_begin(const char *chain)
{
	struct rule r = { .rule = nftnl_rule_alloc() };

	r.failed = !r.rule;
	if (!r.failed) {
		nftnl_rule_set_str(r.rule, NFTNL_RULE_TABLE, TABLE);
		nftnl_rule_set_str(r.rule, NFTNL_RULE_CHAIN, chain);
	}
	return r;
}

/* The next expression of the rule, which owns it; NULL where that failed. */
static struct nftnl_expr *rule_expr(struct rule *r, const char *name)
{
	struct nftnl_expr *e;

	if (r->failed)
		return NULL;
	e = nftnl_expr_alloc(name);
	if (e)
		nftnl_rule_add_expr(r->rule, e);
	r->failed = !e;
	return e;
}

static void expr_meta(struct rule *r, uint32_t key)
{
	struct nftnl_expr *e = rule_expr(r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void expr_payload(struct rule *r, uint32_t base, uint32_t offset,
			 uint32_t len)
{
	struct nftnl_expr *e = rule_expr(r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
}

static void expr_equals(struct rule *r, const void *data, size_t len)
{
	struct nftnl_expr *e = rule_expr(r, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, (uint32_t)len);
}

static void expr_jump(struct rule *r, const char *chain)
{
	struct nftnl_expr *e = rule_expr(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)NFT_JUMP);
	nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
}

static uint32_t nfproto_of(const struct ip_addr *a)
{
	return a->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

static void expr_dnat(struct rule *r, const struct ip_addr *to)
{
	struct nftnl_expr *e = rule_expr(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, to->bytes,
		       (uint32_t)ip_addr_size(to));
	e = rule_expr(r, "nat");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, nfproto_of(to));
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	/* As an address range of one, as nft itself puts it. */
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_MAP_IPS);
}

/* Takes the rule over. */
static void put_rule(struct nft_txn *t, struct rule *r, const char *what,
		     const char *chain)
{
	struct nlmsghdr *nlh;

	nlh = nft_txn_begin(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
			    "%s %s", what, chain);
	if (nlh && !r->failed) {
		nftnl_rule_nlmsg_build_payload(nlh, r->rule);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	rule_free(r);
}

static void put_jump(struct nft_txn *t, const char *base, const char *chain,
		     const struct knat_binding *b)
{
	/* The destination's place in the two headers. */
	uint32_t offset = b->from.family == AF_INET ? 16 : 24;
	uint8_t nfproto = (uint8_t)nfproto_of(&b->from);
	struct rule r = rule_begin(base);

	expr_meta(&r, NFT_META_NFPROTO);
	expr_equals(&r, &nfproto, sizeof(nfproto));
	expr_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, offset,
		     (uint32_t)ip_addr_size(&b->from));
	expr_equals(&r, b->from.bytes, ip_addr_size(&b->from));
	if (b->protocol) {
		uint8_t protocol = (uint8_t)b->protocol;
		uint16_t port = htons(b->port);

		expr_meta(&r, NFT_META_L4PROTO);
		expr_equals(&r, &protocol, sizeof(protocol));
		expr_payload(&r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(port));
		expr_equals(&r, &port, sizeof(port));
	}
	expr_jump(&r, chain);
	put_rule(t, &r, "add the jump to chain", chain);
}

static void put_target(struct nft_txn *t, const char *chain,
		       const struct ip_addr *to)
{
	struct rule r;

	if (!ip_addr_size(to))
		return;
	r = rule_begin(chain);
	rule_expr(&r, "counter");
	expr_dnat(&r, to);
	put_rule(t, &r, "add the target to chain", chain);
}

/* Deletes all rules of a chain: what a deletion without a handle means. */
static void put_flush(struct nft_txn *t, const char *chain)
{
	struct rule r = rule_begin(chain);
	struct nlmsghdr *nlh;

	nlh = nft_txn_begin(t, NFT_MSG_DELRULE, 0, "flush chain %s", chain);
	if (nlh && !r.failed) {
		nftnl_rule_nlmsg_build_payload(nlh, r.rule);
		nft_txn_end(t, nlh);
	} else {
		t->failed = true;
	}
	rule_free(&r);
}

/* ---- what the others see ------------------------------------------------ */

#define CHAIN_NAME_MAX 16

static const char *chain_name(const struct knat_binding *b, char *buf)
{
	snprintf(buf, CHAIN_NAME_MAX, "s%u", b->id);
	return buf;
}

static int binding_check(const struct knat_binding *b, struct err *err)
{
	if (!ip_addr_size(&b->from) ||
	    (ip_addr_size(&b->to) && b->to.family != b->from.family))
		return err_set(err, EAFNOSUPPORT,
			       "bind s%u: the addresses are not of one family",
			       b->id);
	if (b->protocol && b->protocol != IPPROTO_TCP &&
	    b->protocol != IPPROTO_UDP)
		return err_set(err, EPROTONOSUPPORT,
			       "bind s%u: only TCP and UDP have ports", b->id);
	return 0;
}

int knat_init(struct kns *ns, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	for (size_t i = 0; i < N_BASE_CHAINS; i++)
		put_chain(&t, base_chains[i].name, &base_chains[i].hook);
	return nft_txn_commit(&t, ns, "set up NAT", err);
}

int knat_deinit(struct kns *ns, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	put_table(&t, NFT_MSG_DELTABLE, 0);
	return nft_txn_commit(&t, ns, "take NAT down", err);
}

int knat_add(struct kns *ns, const struct knat_binding *b, struct err *err)
{
	struct nft_txn t = nft_txn_new();
	char chain[CHAIN_NAME_MAX];
	int r;

	r = binding_check(b, err);
	if (r)
		return r;
	put_chain(&t, chain_name(b, chain), NULL);
	put_target(&t, chain, &b->to);
	for (size_t i = 0; i < N_BASE_CHAINS; i++)
		put_jump(&t, base_chains[i].name, chain, b);
	return nft_txn_commit(&t, ns, "add a binding", err);
}

int knat_rebind(struct kns *ns, const struct knat_binding *b, size_t n,
		struct err *err)
{
	struct nft_txn t = nft_txn_new();
	char chain[CHAIN_NAME_MAX];

	for (size_t i = 0; i < n; i++) {
		int r = binding_check(&b[i], err);

		if (r)
			return r;
	}
	for (size_t i = 0; i < n; i++) {
		put_flush(&t, chain_name(&b[i], chain));
		put_target(&t, chain, &b[i].to);
	}
	return nft_txn_commit(&t, ns, "rebind", err);
}
