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
#include "orchestrator/kernel/nft_rule.h"

#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_arp.h>
#include <stdio.h>

#define CUT "servalab-cut"
#define SILENCE "servalab-silence"
#define ETHER_SOURCE 6 /* offset in the header */

#ifndef NF_NETDEV_EGRESS /* headers before Linux 5.16 */
#define NF_NETDEV_EGRESS 1
#endif

/* ---- partitions -----------------------------------------------------------
 */

static void put_verdict(struct nft_txn *t, struct nft_rule *r, const char *jump)
{
	nft_rule_verdict(r, jump ? (int)NFT_JUMP : (int)NF_DROP, jump);
	nft_put_rule(t, r);
}

/* jump: NULL to drop. */
static void put_address(struct nft_txn *t, const char *chain, enum nft_end end,
			const struct ip_addr *a, const char *jump)
{
	struct nft_rule r = nft_rule_begin(CUT, chain);

	nft_rule_address_is(&r, end, a);
	put_verdict(t, &r, jump);
}

static void put_mac(struct nft_txn *t, uint8_t family, const char *chain,
		    const uint8_t *mac)
{
	struct nft_rule r = nft_rule_begin(CUT, chain);

	t->family = family;
	nft_rule_payload_is(&r, NFT_PAYLOAD_LL_HEADER, ETHER_SOURCE, mac, 6);
	put_verdict(t, &r, NULL);
}

/* What comes from there, in a node of another group. */
static void put_strangers(struct nft_txn *t, const struct kcut_group *g)
{
	for (size_t i = 0; i < g->n_macs; i++) {
		put_mac(t, NFPROTO_INET, "prerouting", g->macs[i]);
		put_mac(t, NFPROTO_ARP, "input", g->macs[i]);
	}
	t->family = NFPROTO_INET;
	for (size_t i = 0; i < g->n; i++)
		put_address(t, "prerouting", NFT_SOURCE, &g->addresses[i],
			    NULL);
}

static void put_pairs(struct nft_txn *t, const struct kcut_group *groups,
		      size_t n, size_t of)
{
	char chain[32];

	snprintf(chain, sizeof(chain), "g%zu", of);
	t->family = NFPROTO_INET;
	nft_put_chain(t, 0, CUT, chain, NULL);
	for (size_t g = 0; g < n; g++)
		for (size_t i = 0; g != of && i < groups[g].n; i++)
			put_address(t, chain, NFT_DESTINATION,
				    &groups[g].addresses[i], NULL);
	for (size_t i = 0; i < groups[of].n; i++)
		put_address(t, "prerouting", NFT_SOURCE,
			    &groups[of].addresses[i], chain);
}

/* In both families. */
static void put_cut_tables(struct nft_txn *t,
			   void (*put)(struct nft_txn *t, const char *name))
{
	t->family = NFPROTO_INET;
	put(t, CUT);
	t->family = NFPROTO_ARP;
	put(t, CUT);
}

static void put_new(struct nft_txn *t, const char *name)
{
	nft_put_table(t, NFT_MSG_NEWTABLE, NLM_F_CREATE, name);
}

static void put_gone(struct nft_txn *t, const char *name)
{
	nft_put_table(t, NFT_MSG_DELTABLE, 0, name);
}

int kcut_set(struct kns *ns, const struct kcut_group *groups, size_t n,
	     size_t own, struct err *err)
{
	static const struct nft_hook ip = { .type = "filter",
					    .hook = NF_INET_PRE_ROUTING,
					    .priority = NFT_PRIORITY_RAW };
	static const struct nft_hook arp = { .type = "filter",
					     .hook = NF_ARP_IN };
	struct nft_txn t = nft_txn_new();

	put_cut_tables(&t, nft_put_no_table);
	put_cut_tables(&t, put_new);
	t.family = NFPROTO_ARP;
	nft_put_chain(&t, 0, CUT, "input", &arp);
	t.family = NFPROTO_INET;
	nft_put_chain(&t, 0, CUT, "prerouting", &ip);
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

	put_cut_tables(&t, put_gone);
	return nft_txn_commit(&t, ns, "heal a cut", err);
}

/* ---- silence --------------------------------------------------------------
 */

static void put_silence(struct nft_txn *t, const char *way, size_t number,
			uint32_t hook, const char *device)
{
	struct nft_hook at = { .type = "filter",
			       .hook = hook,
			       .priority = NFT_PRIORITY_RAW,
			       .device = device };
	struct nft_rule r;
	char chain[32];

	snprintf(chain, sizeof(chain), "%s%zu", way, number);
	nft_put_chain(t, 0, SILENCE, chain, &at);
	r = nft_rule_begin(SILENCE, chain);
	nft_rule_verdict(&r, NF_DROP, NULL);
	nft_put_rule(t, &r);
}

int ksilence_set(struct kns *ns, const char *const *names, size_t n,
		 struct err *err)
{
	struct nft_txn t = nft_txn_new();

	t.family = NFPROTO_NETDEV;
	put_new(&t, SILENCE);
	for (size_t i = 0; i < n; i++) {
		put_silence(&t, "in", i, NF_NETDEV_INGRESS, names[i]);
		put_silence(&t, "out", i, NF_NETDEV_EGRESS, names[i]);
	}
	return nft_txn_commit(&t, ns, "silence the interfaces", err);
}

int ksilence_clear(struct kns *ns, struct err *err)
{
	struct nft_txn t = nft_txn_new();

	t.family = NFPROTO_NETDEV;
	put_gone(&t, SILENCE);
	return nft_txn_commit(&t, ns, "end the silence", err);
}
