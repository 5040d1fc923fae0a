/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything is host routes: the interface has its own address as /32 or /128,
 * and the prefixes are routed to it with that address preferred as source. With
 * the prefix on the address instead, the kernel would choose the source by the
 * longest match among all addresses, which at an instance may be a service's.
 */
#include "node/io/netconf.h"
#include "base/cleanup.h"
#include "node/io/rtnl.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>

#define OUTER_IPV6_HEADER 40u
#define SAL_DATA_HEADER 12u
#define IPV6_MTU_MIN 1280u
#define GSO_MAX_BYTES                                                          \
	60000u /* the longest packet that still fits with headers */

/* linux/if_link.h of older distributions. */
#define ADDR_GEN_MODE_NONE 1

struct netconf {
	struct mnl_socket *nl;
	uint32_t ifindex;
	uint32_t mtu; /* of the underlay, as last set */
	char name[IFNAMSIZ];
};

struct netconf *netconf_free(struct netconf *n)
{
	if (!n)
		return NULL;
	rtnl_closep(&n->nl);
	free(n);
	return NULL;
}

static void netconf_freep(struct netconf **n)
{
	netconf_free(*n);
}

uint32_t netconf_ifindex(const struct netconf *n)
{
	return n->ifindex;
}

static uint32_t tun_mtu(uint32_t underlay_mtu)
{
	uint32_t headers = OUTER_IPV6_HEADER + SAL_DATA_HEADER;

	if (underlay_mtu < IPV6_MTU_MIN + headers)
		return IPV6_MTU_MIN;
	return underlay_mtu > 65535 ? 65535 - headers : underlay_mtu - headers;
}

static struct nlmsghdr *link_request(const struct netconf *n,
				     uint8_t buf[RTNL_MESSAGE_BYTES], bool up)
{
	struct nlmsghdr *nlh;
	struct ifinfomsg *info =
		rtnl_request(buf, RTM_NEWLINK, 0, sizeof(*info), &nlh);

	info->ifi_index = (int)n->ifindex;
	info->ifi_flags = up ? IFF_UP : 0;
	info->ifi_change = up ? IFF_UP : 0;
	return nlh;
}

int netconf_mtu(struct netconf *n, uint32_t underlay_mtu, struct err *err)
{
	uint8_t buf[RTNL_MESSAGE_BYTES];
	struct nlmsghdr *nlh;
	int r;

	if (underlay_mtu == n->mtu)
		return 0;
	nlh = link_request(n, buf, false);
	mnl_attr_put_u32(nlh, IFLA_MTU, tun_mtu(underlay_mtu));
	r = rtnl_talk(n->nl, nlh, 0, err, "cannot set the MTU of %s to %u",
		      n->name, tun_mtu(underlay_mtu));
	if (!r)
		n->mtu = underlay_mtu;
	return r;
}

/* No link-local address: it would come with router solicitations. Without IPv6
 * in the kernel there is nothing to switch off. */
static int no_link_local(struct netconf *n, struct err *err)
{
	uint8_t buf[RTNL_MESSAGE_BYTES];
	struct nlmsghdr *nlh = link_request(n, buf, false);
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	return rtnl_talk(n->nl, nlh, EAFNOSUPPORT, err,
			 "cannot switch off link-local addresses on %s",
			 n->name);
}

static int raise(struct netconf *n, uint32_t queue, struct err *err)
{
	uint8_t buf[RTNL_MESSAGE_BYTES];
	struct nlmsghdr *nlh = link_request(n, buf, true);

	mnl_attr_put_u32(nlh, IFLA_GSO_MAX_SIZE, GSO_MAX_BYTES);
	if (queue)
		mnl_attr_put_u32(nlh, IFLA_TXQLEN, queue);
	return rtnl_talk(n->nl, nlh, 0, err, "cannot raise %s", n->name);
}

static uint8_t host_len(const struct ip_addr *a)
{
	return (uint8_t)(ip_addr_size(a) * 8);
}

int netconf_address(struct netconf *n, bool add, const struct ip_addr *addr,
		    struct err *err)
{
	uint8_t buf[RTNL_MESSAGE_BYTES];
	char text[IP_TEXT_MAX];
	struct ifaddrmsg *info;
	struct nlmsghdr *nlh;

	info = rtnl_request(buf, add ? RTM_NEWADDR : RTM_DELADDR,
			    add ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof(*info),
			    &nlh);
	info->ifa_family = (uint8_t)addr->family;
	info->ifa_prefixlen = host_len(addr);
	info->ifa_index = n->ifindex;
	mnl_attr_put(nlh, IFA_LOCAL, ip_addr_size(addr), addr->bytes);
	mnl_attr_put(nlh, IFA_ADDRESS, ip_addr_size(addr), addr->bytes);
	if (add)
		mnl_attr_put_u32(nlh, IFA_FLAGS,
				 IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
	return rtnl_talk(n->nl, nlh, add ? EEXIST : EADDRNOTAVAIL, err,
			 "cannot %s %s %s %s", add ? "add" : "remove",
			 ip_format_addr(addr, text, sizeof(text)),
			 add ? "to" : "from", n->name);
}

static int add_route(struct netconf *n, const struct ip_prefix *to,
		     const struct ip_addr *src, struct err *err)
{
	struct ip_prefix net = ip_prefix_network(to);
	uint8_t buf[RTNL_MESSAGE_BYTES];
	char text[IP_TEXT_MAX];
	struct nlmsghdr *nlh;
	struct rtmsg *info;
	int r;

	info = rtnl_request(buf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
			    sizeof(*info), &nlh);
	info->rtm_family = (uint8_t)net.addr.family;
	info->rtm_dst_len = net.len;
	info->rtm_table = RT_TABLE_MAIN;
	info->rtm_protocol = RTPROT_STATIC;
	info->rtm_scope =
		net.addr.family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	info->rtm_type = RTN_UNICAST;
	mnl_attr_put(nlh, RTA_DST, ip_addr_size(&net.addr), net.addr.bytes);
	mnl_attr_put_u32(nlh, RTA_OIF, n->ifindex);
	if (src->family == net.addr.family)
		mnl_attr_put(nlh, RTA_PREFSRC, ip_addr_size(src), src->bytes);
	r = rtnl_talk(n->nl, nlh, 0, err, "cannot route %s to %s",
		      ip_format_prefix(&net, text, sizeof(text)), n->name);
	if (r == -EEXIST)
		err_hint(err,
			 "something else has this prefix in this network "
			 "namespace: choose another --inner or --services");
	return r;
}

/* The address, and the prefix of the other hosts' where it holds any. */
static int add_inner(struct netconf *n, const struct ip_prefix *inner,
		     struct err *err)
{
	int r;

	if (inner->addr.family == AF_UNSPEC)
		return 0;
	r = netconf_address(n, true, &inner->addr, err);
	if (r || inner->len == host_len(&inner->addr))
		return r;
	return add_route(n, inner, &inner->addr, err);
}

static int configure(struct netconf *n, const struct netconf_config *c,
		     struct err *err)
{
	int r = netconf_mtu(n, c->mtu, err);

	if (!r)
		r = no_link_local(n, err);
	if (!r)
		r = raise(n, c->queue, err);
	if (!r)
		r = add_inner(n, &c->inner4, err);
	if (!r)
		r = add_inner(n, &c->inner6, err);
	for (size_t i = 0; i < c->n_services && !r; i++) {
		bool v4 = c->services[i].addr.family == AF_INET;

		r = add_route(n, &c->services[i],
			      v4 ? &c->inner4.addr : &c->inner6.addr, err);
	}
	return r;
}

int netconf_open(struct netconf **out, const char *name,
		 const struct netconf_config *c, struct err *err)
{
	CLEANUP(netconf_freep) struct netconf *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return err_errno(err, ENOMEM, "the interface %s", name);
	snprintf(n->name, sizeof(n->name), "%s", name);
	n->ifindex = if_nametoindex(name);
	if (!n->ifindex)
		return err_errno(err, errno, "the interface %s", name);
	r = rtnl_open(&n->nl, 0, err);
	if (!r)
		r = configure(n, c, err);
	if (r)
		return r;
	*out = TAKE_PTR(n);
	return 0;
}
