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
#include <string.h>

#define GATEWAYS_MAX 64 /* more are left to their first packet */

struct gateway {
	uint32_t ifindex;
	struct ip_addr addr;
};

struct gateways {
	const struct monitor_state *state;
	struct gateway list[GATEWAYS_MAX];
	size_t n;
};

struct route_attrs {
	const struct nlattr *gateway, *oif;
};

static int take_route_attr(const struct nlattr *attr, void *arg)
{
	struct route_attrs *a = arg;

	if (mnl_attr_get_type(attr) == RTA_GATEWAY)
		a->gateway = attr;
	else if (mnl_attr_get_type(attr) == RTA_OIF)
		a->oif = attr;
	return MNL_CB_OK;
}

static bool is_usable(const struct monitor_state *s, uint32_t ifindex,
		      int family)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].ifindex == ifindex &&
		    s->list[i].addr.family == family)
			return true;
	return false;
}

static int add_gateway(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(nlh);
	struct gateway g = { .addr.family = route->rtm_family };
	struct route_attrs attrs = { NULL, NULL };
	struct gateways *all = arg;

	if (route->rtm_family != AF_INET)
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*route), take_route_attr, &attrs);
	if (!attrs.gateway || !attrs.oif || all->n == GATEWAYS_MAX ||
	    mnl_attr_get_payload_len(attrs.gateway) != ip_addr_size(&g.addr))
		return MNL_CB_OK;
	g.ifindex = mnl_attr_get_u32(attrs.oif);
	memcpy(g.addr.bytes, mnl_attr_get_payload(attrs.gateway),
	       ip_addr_size(&g.addr));
	if (!is_usable(all->state, g.ifindex, g.addr.family))
		return MNL_CB_OK;
	for (size_t i = 0; i < all->n; i++)
		if (all->list[i].ifindex == g.ifindex &&
		    ip_addr_equal(&all->list[i].addr, &g.addr))
			return MNL_CB_OK;
	all->list[all->n++] = g;
	return MNL_CB_OK;
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
	struct gateways all = { .state = s };
	int r = rtnl_dump(nl, RTM_GETROUTE, add_gateway, &all, err);

	for (size_t i = 0; i < all.n && !r; i++)
		r = look(nl, &all.list[i], err);
	return r;
}
