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

#include "orchestrator/kernel/nft_rule.h"

#include <errno.h>
#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
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

/* ---- rules -------------------------------------------------------------- */

static void put_jump(struct nft_txn *t, const char *base, const char *chain,
		     const struct knat_binding *b)
{
	struct nft_rule r = nft_rule_begin(TABLE, base);

	nft_rule_address_is(&r, NFT_DESTINATION, &b->from);
	if (b->protocol) {
		uint8_t protocol = (uint8_t)b->protocol;
		uint16_t port = htons(b->port);

		nft_rule_meta_is(&r, NFT_META_L4PROTO, &protocol,
				 sizeof(protocol));
		nft_rule_payload_is(&r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, &port,
				    sizeof(port));
	}
	nft_rule_verdict(&r, NFT_JUMP, chain);
	nft_put_rule(t, &r);
}

static void translate(struct nft_rule *r, const struct ip_addr *to)
{
	struct nftnl_expr *e;

	nft_rule_data(r, NFT_REG_1, to->bytes, ip_addr_size(to));
	e = nft_rule_add(r, "nat");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, nft_nfproto_of(to));
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	/* As an address range of one, as nft itself puts it. */
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_MAP_IPS);
}

static void put_target(struct nft_txn *t, const char *chain,
		       const struct ip_addr *to)
{
	struct nft_rule r;

	if (!ip_addr_size(to))
		return;
	r = nft_rule_begin(TABLE, chain);
	nft_rule_add(&r, "counter");
	translate(&r, to);
	nft_put_rule(t, &r);
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

	nft_put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, TABLE);
	for (size_t i = 0; i < N_BASE_CHAINS; i++) {
		struct nft_hook hook = { .type = "nat",
					 .hook = base_chains[i].hook,
					 .priority = PRIORITY_DSTNAT };

		nft_put_chain(&t, NLM_F_EXCL, TABLE, base_chains[i].name,
			      &hook);
	}
	return nft_txn_commit(&t, ns, "set up NAT", err);
}

int knat_deinit(struct kns *ns, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	nft_put_table(&t, NFT_MSG_DELTABLE, 0, TABLE);
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
	nft_put_chain(&t, NLM_F_EXCL, TABLE, chain_name(b, chain), NULL);
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
		nft_put_flush(&t, TABLE, chain_name(&b[i], chain));
		put_target(&t, chain, &b[i].to);
	}
	return nft_txn_commit(&t, ns, "rebind", err);
}
