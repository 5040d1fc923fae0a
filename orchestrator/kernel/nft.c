/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Late binding of a service's name by destination NAT:
 *
 *     table inet servalab {
 *         map any4 { 198.18.0.2 : jump s2 }       (and any6)
 *         map port4 { 198.18.0.1 . udp . 53 : jump s0 }       (and port6)
 *         chain prerouting {
 *             type nat hook prerouting priority dstnat
 *             ip daddr . meta l4proto . th dport vmap @port4
 *             ip daddr vmap @any4
 *             ... and of ip6
 *         }
 *         chain output { the same, at hook output }
 *         chain s0 { counter dnat ip to 10.64.0.2 }
 *         chain s2 {
 *             counter dnat ip to jhash ip saddr . ct original proto-src
 *                     mod 4 seed 0x.. map { 0 : 10.64.0.2, 1-3 : 10.64.1.2 }
 *         }
 *         chain s4 { }                              (bound to nothing)
 *     }
 *
 * What finds a binding's chain never changes; a binding is the content of its
 * chain, which is flushed and filled in one transaction. The map of a chain's
 * targets is its rule's own and comes and goes with it, so that a change of
 * many targets is still one of one rule. A service is found in a map as well:
 * by a rule each, the first packet of a flow would pass the rules of all other
 * services (bench/nat-scale.sh).
 *
 * Only the first packet of a flow comes by here. What is chosen for it is
 * chosen for all of the flow: a target that goes to weight 0 keeps what it has.
 * To move flows that exist, their conntrack entries have to go too, and after
 * the rule has changed: see conntrack.c.
 *
 * numgen cannot be seeded, so flows are spread by a hash that can: of the
 * client's address and, unless all of a client are to stay together, its port
 * or echo id.
 */
#include "orchestrator/kernel/kns.h"

#include "orchestrator/kernel/nft_map.h"
#include "orchestrator/kernel/nft_rule.h"

#include <errno.h>
#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

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

/* ---- from a service's address to its chain ------------------------------- */

#define WORD 4u /* bytes; registers and keys are made of these */

/* Register k, of 4 bytes each, from the first on. */
static uint32_t word_reg(size_t k)
{
	return NFT_REG32_00 + (uint32_t)k;
}

static const struct nft_map dispatch[2][2] = {
	/* by family, and with a port */
	{ { TABLE, "any4", 1, 4, 0, false },
	  { TABLE, "port4", 2, 12, 0, false } },
	{ { TABLE, "any6", 3, 16, 0, false },
	  { TABLE, "port6", 4, 24, 0, false } },
};
#define DISPATCH_IDS 5u

static const struct nft_map *dispatch_of(const struct knat_binding *b)
{
	return &dispatch[b->from.family == AF_INET6][b->protocol != 0];
}

static void load_payload(struct nft_rule *r, uint32_t base, uint32_t offset,
			 uint32_t len, uint32_t reg)
{
	struct nftnl_expr *e = nft_rule_add(r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

static void load_address(struct nft_rule *r, enum nft_end end,
			 sa_family_t family)
{
	const struct ip_addr a = { .family = family };

	load_payload(r, NFT_PAYLOAD_NETWORK_HEADER, nft_address_offset(end, &a),
		     (uint32_t)ip_addr_size(&a), word_reg(0));
}

static void load_protocol(struct nft_rule *r, uint32_t reg)
{
	struct nftnl_expr *e = nft_rule_add(r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_L4PROTO);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, reg);
}

static void put_dispatch(struct nft_txn *t, const char *base,
			 sa_family_t family, bool port)
{
	const struct nft_map *m = &dispatch[family == AF_INET6][port];
	const struct ip_addr a = { .family = family };
	uint8_t nfproto = nft_nfproto_of(&a);
	size_t words = ip_addr_size(&a) / WORD;
	struct nft_rule r = nft_rule_begin(TABLE, base);

	nft_rule_meta_is(&r, NFT_META_NFPROTO, &nfproto, sizeof(nfproto));
	load_address(&r, NFT_DESTINATION, family);
	if (port) {
		load_protocol(&r, word_reg(words));
		load_payload(&r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2,
			     word_reg(words + 1));
	}
	nft_rule_lookup(&r, m, word_reg(0), NFT_REG_VERDICT);
	nft_put_rule(t, &r);
}

static void put_way(struct nft_txn *t, const char *chain,
		    const struct knat_binding *b)
{
	size_t len = ip_addr_size(&b->from);
	uint16_t port = htons(b->port);
	uint8_t key[6 * WORD] = { 0 };

	memcpy(key, b->from.bytes, len);
	if (b->protocol) {
		key[len] = (uint8_t)b->protocol;
		memcpy(key + len + WORD, &port, sizeof(port));
	}
	nft_put_jump_to(t, dispatch_of(b), key, chain);
}

/* ---- from there to an instance ------------------------------------------- */

static void translate(struct nft_rule *r, sa_family_t family)
{
	const struct ip_addr a = { .family = family };
	struct nftnl_expr *e;

	e = nft_rule_add(r, "nat");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, nft_nfproto_of(&a));
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	/* As an address range of one, as nft itself puts it. */
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_MAP_IPS);
}

/* A port, or an echo id: what conntrack tells flows apart by. */
static void load_flow_port(struct nft_rule *r, uint32_t reg)
{
	struct nftnl_expr *e = nft_rule_add(r, "ct");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_PROTO_SRC);
	nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, reg);
}

/* A number below the sum of all weights, in network byte order. */
static void load_choice(struct nft_rule *r, const struct knat_binding *b,
			uint32_t weights)
{
	size_t words = ip_addr_size(&b->from) / WORD;
	struct nftnl_expr *e;

	load_address(r, NFT_SOURCE, b->from.family);
	if (!b->by_source)
		load_flow_port(r, word_reg(words++));
	e = nft_rule_add(r, "hash");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_HASH_TYPE, NFT_HASH_JENKINS);
	nftnl_expr_set_u32(e, NFTNL_EXPR_HASH_SREG, word_reg(0));
	nftnl_expr_set_u32(e, NFTNL_EXPR_HASH_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_HASH_LEN, (uint32_t)words * WORD);
	nftnl_expr_set_u32(e, NFTNL_EXPR_HASH_MODULUS, weights);
	nftnl_expr_set_u32(e, NFTNL_EXPR_HASH_SEED, b->seed);
	e = nft_rule_add(r, "byteorder");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_LEN, WORD);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_SIZE, WORD);
}

static void put_one(struct nft_txn *t, const char *chain,
		    const struct ip_addr *to)
{
	struct nft_rule r = nft_rule_begin(TABLE, chain);

	nft_rule_add(&r, "counter");
	nft_rule_data(&r, NFT_REG_1, to->bytes, ip_addr_size(to));
	translate(&r, to->family);
	nft_put_rule(t, &r);
}

static void put_several(struct nft_txn *t, const char *chain,
			const struct knat_binding *b, uint32_t weights,
			uint32_t map_id)
{
	const struct nft_map m = {
		.table = TABLE,
		.name = "__map%d",
		.id = map_id,
		.key_len = WORD,
		.data_len = (uint32_t)ip_addr_size(&b->from),
		.ranges = true,
	};
	struct nft_rule r;
	uint32_t at = 0;

	nft_put_map(t, &m);
	for (size_t i = 0; i < b->n; i++) {
		if (!b->targets[i].weight)
			continue;
		nft_put_range(t, &m, at, at + b->targets[i].weight,
			      b->targets[i].to.bytes);
		at += b->targets[i].weight;
	}
	r = nft_rule_begin(TABLE, chain);
	nft_rule_add(&r, "counter");
	load_choice(&r, b, weights);
	nft_rule_lookup(&r, &m, NFT_REG_1, NFT_REG_1);
	translate(&r, b->from.family);
	nft_put_rule(t, &r);
}

/* What a binding's chain does. index: of the binding in the transaction. */
static void put_targets(struct nft_txn *t, const char *chain,
			const struct knat_binding *b, size_t index)
{
	const struct ip_addr *only = &b->to;
	uint32_t weights = 0;
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		if (!b->targets[i].weight)
			continue;
		weights += b->targets[i].weight;
		only = &b->targets[i].to;
		n++;
	}
	if (n > 1)
		put_several(t, chain, b, weights,
			    DISPATCH_IDS + (uint32_t)index);
	else if (ip_addr_size(only))
		put_one(t, chain, only);
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
	bool family = !ip_addr_size(&b->from) ||
		      (ip_addr_size(&b->to) && b->to.family != b->from.family);
	uint32_t weights = 0;

	for (size_t i = 0; i < b->n; i++) {
		family |= b->targets[i].to.family != b->from.family;
		if (__builtin_add_overflow(weights, b->targets[i].weight,
					   &weights))
			return err_set(err, ERANGE,
				       "bind s%u: the weights are too large",
				       b->id);
	}
	if (family)
		return err_set(err, EAFNOSUPPORT,
			       "bind s%u: the addresses are not of one family",
			       b->id);
	if (b->protocol && b->protocol != IPPROTO_TCP &&
	    b->protocol != IPPROTO_UDP)
		return err_set(err, EPROTONOSUPPORT,
			       "bind s%u: only TCP and UDP have ports", b->id);
	return 0;
}

static int bindings_check(const struct knat_binding *b, size_t n,
			  struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && !r; i++)
		r = binding_check(&b[i], err);
	return r;
}

int knat_init(struct kns *ns, struct err *err)
{
	static const sa_family_t families[] = { AF_INET, AF_INET6 };
	struct nft_txn t = nft_txn_new();

	nft_put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, TABLE);
	for (size_t k = 0; k < 4; k++)
		nft_put_map(&t, &dispatch[k / 2][k % 2]);
	for (size_t i = 0; i < N_BASE_CHAINS; i++) {
		struct nft_hook hook = { .type = "nat",
					 .hook = base_chains[i].hook,
					 .priority = PRIORITY_DSTNAT };

		nft_put_chain(&t, NLM_F_EXCL, TABLE, base_chains[i].name,
			      &hook);
		for (size_t k = 0; k < 4; k++)
			put_dispatch(&t, base_chains[i].name, families[k / 2],
				     k % 2 == 0);
	}
	return nft_txn_commit(&t, ns, "set up NAT", err);
}

int knat_deinit(struct kns *ns, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	nft_put_table(&t, NFT_MSG_DELTABLE, 0, TABLE);
	return nft_txn_commit(&t, ns, "take NAT down", err);
}

int knat_add(struct kns *ns, const struct knat_binding *b, size_t n,
	     struct err *err)
{
	struct nft_txn t = nft_txn_new();
	char chain[CHAIN_NAME_MAX];
	int r;

	r = bindings_check(b, n, err);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		nft_put_chain(&t, NLM_F_EXCL, TABLE, chain_name(&b[i], chain),
			      NULL);
		put_targets(&t, chain, &b[i], i);
		put_way(&t, chain, &b[i]);
	}
	return nft_txn_commit(&t, ns, n == 1 ? "add a binding" : "add bindings",
			      err);
}

int knat_rebind(struct kns *ns, const struct knat_binding *b, size_t n,
		struct err *err)
{
	struct nft_txn t = nft_txn_new();
	char chain[CHAIN_NAME_MAX];
	int r;

	r = bindings_check(b, n, err);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		nft_put_flush(&t, TABLE, chain_name(&b[i], chain));
		put_targets(&t, chain, &b[i], i);
	}
	return nft_txn_commit(&t, ns, "rebind", err);
}
