/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Binds many services in the network namespace that it is started in, the two
 * ways that nftables has for it; for nat-scale.sh.
 *
 *     nat_rules map N ADDRESS TO     as labs do it: found in a map
 *     nat_rules list N ADDRESS TO    a rule each, one after the other
 *
 * N services: those at the first addresses of 10.255.0.0/16, from 10.255.0.2
 * on, and as the last one that of ADDRESS. All of them lead to TO. Prints the
 * milliseconds that it took.
 */
#include "base/clock.h"
#include "orchestrator/kernel/nft_rule.h"

#include <errno.h>
#include <netinet/in.h> /* ahead of linux/, which then yields to it */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

/* One transaction is one datagram, which a socket's buffer must hold. */
#define AT_ONCE 200
#define SERVICES_MAX 60000

static _Noreturn void die(const struct err *err)
{
	fprintf(stderr, "nat_rules: %s\n", err->msg);
	exit(3);
}

static struct ip_addr address_of(size_t i, size_t n, const struct ip_addr *last)
{
	struct ip_addr a = { .family = AF_INET, .bytes = { 10, 255 } };

	if (i + 1 == n)
		return *last;
	a.bytes[2] = (uint8_t)((i + 2) >> 8);
	a.bytes[3] = (uint8_t)(i + 2);
	return a;
}

static int add_map(struct kns *ns, size_t n, const struct ip_addr *last,
		   const struct ip_addr *to, struct err *err)
{
	static struct knat_binding all[AT_ONCE];
	int r = knat_init(ns, err);

	for (size_t i = 0; i < n && !r; i += AT_ONCE) {
		size_t count = n - i < AT_ONCE ? n - i : AT_ONCE;

		for (size_t k = 0; k < count; k++)
			all[k] = (struct knat_binding){
				.id = (unsigned)(i + k),
				.from = address_of(i + k, n, last),
				.to = *to,
			};
		r = knat_add(ns, all, count, err);
	}
	return r;
}

static void put_service(struct nft_txn *t, const struct ip_addr *from,
			const struct ip_addr *to)
{
	struct nft_rule r = nft_rule_begin("list", "output");
	struct nftnl_expr *e;

	nft_rule_address_is(&r, NFT_DESTINATION, from);
	nft_rule_data(&r, NFT_REG_1, to->bytes, ip_addr_size(to));
	e = nft_rule_add(&r, "nat");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS,
				   NF_NAT_RANGE_MAP_IPS);
	}
	nft_put_rule(t, &r);
}

static int add_list(struct kns *ns, size_t n, const struct ip_addr *last,
		    const struct ip_addr *to, struct err *err)
{
	const struct nft_hook hook = { .type = "nat",
				       .hook = NF_INET_LOCAL_OUT,
				       .priority = -100 };
	struct nft_txn t = nft_txn_new();
	int r;

	nft_put_table(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, "list");
	nft_put_chain(&t, NLM_F_EXCL, "list", "output", &hook);
	r = nft_txn_commit(&t, ns, "make the table", err);
	for (size_t i = 0; i < n && !r; i += AT_ONCE) {
		t = nft_txn_new();
		for (size_t k = i; k < n && k < i + AT_ONCE; k++) {
			struct ip_addr from = address_of(k, n, last);

			put_service(&t, &from, to);
		}
		r = nft_txn_commit(&t, ns, "add rules", err);
	}
	return r;
}

int main(int argc, char **argv)
{
	size_t n = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
	struct err err = ERR_INIT;
	struct ip_addr last, to;
	struct kernel kernel;
	struct kns *ns;
	int64_t start;
	bool map;

	if (n < 1 || n > SERVICES_MAX || ip_parse_addr(argv[3], &last) ||
	    ip_parse_addr(argv[4], &to) || last.family != AF_INET ||
	    to.family != AF_INET ||
	    (strcmp(argv[1], "map") && strcmp(argv[1], "list"))) {
		fputs("usage: nat_rules map|list N ADDRESS TO\n", stderr);
		return 2;
	}
	map = !strcmp(argv[1], "map");
	if (kernel_init(&kernel, 0, 0, &err) || kns_home(&kernel, &ns, &err))
		die(&err);
	start = clock_mono_ns();
	if (map ? add_map(ns, n, &last, &to, &err) :
		  add_list(ns, n, &last, &to, &err))
		die(&err);
	printf("%.1f\n", (double)(clock_mono_ns() - start) / 1e6);
	kns_free(ns);
	kernel_deinit(&kernel);
	return 0;
}
