/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A way that is to take over at once must not begin by asking who is there. So
 * the link-layer addresses of all gateways are learnt when their routes appear,
 * those of ways not in use too: else the first packet on a new way waits for
 * ARP or neighbour discovery, a round trip on that link. The kernel keeps an
 * entry for as long as its table is small, uses an old one at once, and checks
 * it by itself then.
 *
 * It is asked to look (NTF_USE), and does the rest; nothing hangs on it.
 *
 * Of IPv6 they are not: an address that has just been added cannot ask yet,
 * what the kernel sends for it is dropped, and it tries again after a second
 * only, for which whatever is sent there would have to wait as well.
 */
#include "node/io/gateways.h"

#include <errno.h>
#include <linux/neighbour.h>

#define GATEWAYS_MAX 64 /* more are left to their first packet */

struct gateway {
	uint32_t ifindex;
	struct ip_addr addr;
};

struct gateways {
	struct gateway list[GATEWAYS_MAX];
	size_t n;
};

static void add_gateway(struct gateways *all, const struct monitor_route *r)
{
	if (r->via.family != AF_INET || r->tun || all->n == GATEWAYS_MAX)
		return;
	for (size_t i = 0; i < all->n; i++)
		if (all->list[i].ifindex == r->ifindex &&
		    ip_addr_equal(&all->list[i].addr, &r->via))
			return;
	all->list[all->n++] = (struct gateway){ r->ifindex, r->via };
}

static int look(struct mnl_socket *nl, const struct gateway *g, struct err *err)
{
	uint8_t buf[RTNL_MESSAGE_BYTES];
	struct nlmsghdr *nlh;
	struct ndmsg *body =
		rtnl_request(buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK,
			     sizeof(*body), &nlh);

	body->ndm_family = (uint8_t)g->addr.family;
	body->ndm_ifindex = (int)g->ifindex;
	body->ndm_flags = NTF_USE;
	mnl_attr_put(nlh, NDA_DST, ip_addr_size(&g->addr), g->addr.bytes);
	return rtnl_talk(nl, nlh, 0, err, "cannot look for a gateway");
}

int gateways_learn(struct mnl_socket *nl, const struct monitor_state *s,
		   struct err *err)
{
	struct gateways all = { .n = 0 };
	int r = 0;

	for (size_t i = 0; i < s->n_routes; i++)
		add_gateway(&all, &s->routes[i]);
	for (size_t i = 0; i < all.n && !r; i++)
		r = look(nl, &all.list[i], err);
	return r;
}
