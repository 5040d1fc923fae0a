/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes, as far as they say whom an interface reaches: of all tables but the
 * kernel's own for local addresses, for a packet with its source address and
 * its interface given may be looked up in any of them. Those that sald has
 * copied for itself (source_routes.c) say nothing new, and would keep alive
 * what they are copies of.
 */
#include "node/io/routes.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct attrs {
	const struct nlattr *to, *via, *multipath;
	uint32_t oif, table, metric;
};

static int take_attr(const struct nlattr *attr, void *arg)
{
	struct attrs *a = arg;

	switch (mnl_attr_get_type(attr)) {
	case RTA_DST:
		a->to = attr;
		break;
	case RTA_GATEWAY:
	case RTA_VIA:
		a->via = attr;
		break;
	case RTA_MULTIPATH:
		a->multipath = attr;
		break;
	case RTA_OIF:
		a->oif = mnl_attr_get_u32(attr);
		break;
	case RTA_TABLE:
		a->table = mnl_attr_get_u32(attr);
		break;
	case RTA_PRIORITY:
		a->metric = mnl_attr_get_u32(attr);
		break;
	}
	return MNL_CB_OK;
}

struct reading {
	struct monitor_state *s;
	uint32_t tun;
	/* Of the addresses of IPv6: what comes for it is taken. */
	bool taken[MONITOR_ADDRESSES_MAX];
};

static bool is_of_address(const struct monitor_state *s, uint32_t ifindex,
			  sa_family_t family)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].ifindex == ifindex &&
		    s->list[i].addr.family == family)
			return true;
	return false;
}

static void copy_addr(struct ip_addr *a, const struct nlattr *attr)
{
	if (attr && mnl_attr_get_payload_len(attr) == ip_addr_size(a))
		memcpy(a->bytes, mnl_attr_get_payload(attr), ip_addr_size(a));
	else
		a->family = AF_UNSPEC;
}

/* RTA_VIA says its family. One that is not understood is AF_UNSPEC with false:
 * taken for none, what goes by it would look for everybody on the link. */
static bool copy_via(struct ip_addr *a, const struct nlattr *attr,
		     sa_family_t family)
{
	const struct rtvia *via;
	size_t len;

	*a = (struct ip_addr){ .family = AF_UNSPEC };
	if (!attr)
		return true;
	a->family = family;
	if (mnl_attr_get_type(attr) == RTA_GATEWAY) {
		copy_addr(a, attr);
		return a->family != AF_UNSPEC;
	}
	via = mnl_attr_get_payload(attr);
	len = mnl_attr_get_payload_len(attr);
	a->family = AF_UNSPEC;
	if (len < offsetof(struct rtvia, rtvia_addr) ||
	    (via->rtvia_family != AF_INET && via->rtvia_family != AF_INET6))
		return false;
	a->family = via->rtvia_family;
	if (len - offsetof(struct rtvia, rtvia_addr) != ip_addr_size(a)) {
		a->family = AF_UNSPEC;
		return false;
	}
	memcpy(a->bytes, via->rtvia_addr, ip_addr_size(a));
	return true;
}

static void add(struct reading *r, const struct rtmsg *m, const struct attrs *a,
		uint32_t oif, unsigned flags, const struct nlattr *via)
{
	struct monitor_state *s = r->s;
	struct monitor_route *route;
	bool tun = oif && oif == r->tun;
	struct ip_addr gateway;

	if (flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN))
		return;
	if (!tun && !is_of_address(s, oif, m->rtm_family))
		return;
	if (!copy_via(&gateway, via, m->rtm_family))
		return;
	if (s->n_routes == MONITOR_ROUTES_MAX) {
		s->routes_cut = true;
		return;
	}
	route = &s->routes[s->n_routes++];
	*route = (struct monitor_route){
		.ifindex = oif,
		.table = a->table ? a->table : m->rtm_table,
		.metric = a->metric,
		.to = { .addr.family = m->rtm_family, .len = m->rtm_dst_len },
		.via = gateway,
		.onlink = flags & RTNH_F_ONLINK,
		.tun = tun,
	};
	if (a->to)
		copy_addr(&route->to.addr, a->to);
}

/*
 * An address of IPv6 is in the kernel's list, and so in our dump, before it is
 * of any use: joining the group in which neighbours ask for it, and then the
 * route by which what comes for it is taken, are put off to a work queue
 * (addrconf_dad_begin). On a busy machine a peer that is told of it asks, and
 * answers, earlier: a question that nobody hears is put again a second later.
 * So its local route says when it is there; that it comes rings the bell.
 */
static void note_taken(struct reading *r, const struct attrs *a)
{
	struct ip_addr addr = { .family = AF_INET6 };

	copy_addr(&addr, a->to);
	for (size_t i = 0; i < r->s->n; i++)
		if (ip_addr_equal(&r->s->list[i].addr, &addr))
			r->taken[i] = true;
}

static bool knows(const struct monitor_state *s,
		  const struct sal_local_address *a)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].ifindex == a->ifindex &&
		    ip_addr_equal(&s->list[i].addr, &a->addr))
			return true;
	return false;
}

/*
 * What was known before stays: a dump may miss a route while others change.
 * True: an interface is left without addresses of IPv6, and had some before.
 */
static bool leave_out_early(struct reading *r,
			    const struct monitor_state *before)
{
	uint32_t early[MONITOR_ADDRESSES_MAX]; /* their interfaces */
	struct monitor_state *s = r->s;
	size_t n = 0, n_early = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->list[i].addr.family == AF_INET6 && !r->taken[i] &&
		    !knows(before, &s->list[i])) {
			early[n_early++] = s->list[i].ifindex;
			continue;
		}
		s->list[n] = s->list[i];
		memmove(s->names[n], s->names[i], IFNAMSIZ);
		n++;
	}
	s->n = n;
	for (size_t i = 0; i < n_early; i++)
		if (is_of_address(before, early[i], AF_INET6) &&
		    !is_of_address(s, early[i], AF_INET6))
			return true;
	return false;
}

static int take_hop(const struct nlattr *attr, void *arg)
{
	const struct nlattr **via = arg;

	if (mnl_attr_get_type(attr) == RTA_GATEWAY ||
	    mnl_attr_get_type(attr) == RTA_VIA)
		*via = attr;
	return MNL_CB_OK;
}

/* Next hops, each with attributes of its own. */
static void add_hops(struct reading *r, const struct rtmsg *m,
		     const struct attrs *a)
{
	const uint8_t *at = mnl_attr_get_payload(a->multipath);
	size_t left = mnl_attr_get_payload_len(a->multipath);

	while (left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *hop = (const struct rtnexthop *)at;
		const struct nlattr *via = NULL;
		size_t len = hop->rtnh_len;

		if (len < sizeof(*hop) || len > left)
			return;
		mnl_attr_parse_payload(at + sizeof(*hop), len - sizeof(*hop),
				       take_hop, &via);
		add(r, m, a, (uint32_t)hop->rtnh_ifindex, hop->rtnh_flags, via);
		len = RTNH_ALIGN(len);
		if (len > left)
			return;
		at += len;
		left -= len;
	}
}

static int add_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(nlh);
	struct reading *r = arg;
	struct attrs a = { .oif = 0 };

	if (m->rtm_family == AF_INET6 && m->rtm_type == RTN_LOCAL &&
	    m->rtm_dst_len == 128) {
		mnl_attr_parse(nlh, sizeof(*m), take_attr, &a);
		note_taken(r, &a);
		return MNL_CB_OK;
	}
	if ((m->rtm_family != AF_INET && m->rtm_family != AF_INET6) ||
	    m->rtm_type != RTN_UNICAST || (m->rtm_flags & RTM_F_CLONED) ||
	    m->rtm_protocol == ROUTES_PROTOCOL) {
		r->s->own_routes += m->rtm_protocol == ROUTES_PROTOCOL;
		return MNL_CB_OK;
	}
	mnl_attr_parse(nlh, sizeof(*m), take_attr, &a);
	if (a.multipath)
		add_hops(r, m, &a);
	else
		add(r, m, &a, a.oif, m->rtm_flags, a.via);
	return MNL_CB_OK;
}

int routes_read(struct mnl_socket *nl, uint32_t tun_ifindex,
		const struct monitor_state *before, struct monitor_state *s,
		bool *renumbering, struct err *err)
{
	struct reading r = { .s = s, .tun = tun_ifindex };
	int code;

	s->n_routes = 0;
	s->routes_cut = false;
	s->own_routes = 0;
	code = rtnl_dump(nl, RTM_GETROUTE, add_route, &r, err);
	if (!code)
		*renumbering = leave_out_early(&r, before);
	return code;
}

bool monitor_route_equal(const struct monitor_route *a,
			 const struct monitor_route *b)
{
	return a->ifindex == b->ifindex && a->table == b->table &&
	       a->metric == b->metric && a->onlink == b->onlink &&
	       ip_prefix_equal(&a->to, &b->to) &&
	       ip_addr_equal(&a->via, &b->via);
}

bool routes_equal(const struct monitor_state *a, const struct monitor_state *b)
{
	bool same = a->n_routes == b->n_routes &&
		    a->routes_cut == b->routes_cut &&
		    a->own_routes == b->own_routes;

	for (size_t i = 0; same && i < a->n_routes; i++)
		same = monitor_route_equal(&a->routes[i], &b->routes[i]);
	return same;
}

/* All of a link, or somebody on it: the interface is way enough. */
static bool is_on_any_link(const struct ip_addr *a)
{
	const uint8_t *b = a->bytes;

	if (a->family == AF_INET6)
		return b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
	return b[0] >= 224 || (b[0] == 169 && b[1] == 254);
}

bool monitor_reaches(const struct monitor_state *s, uint32_t ifindex,
		     const struct ip_addr *to)
{
	if (is_on_any_link(to))
		return true;
	for (size_t i = 0; i < s->n_routes; i++)
		if (s->routes[i].ifindex == ifindex &&
		    s->routes[i].to.addr.family == to->family &&
		    ip_prefix_contains(&s->routes[i].to, to))
			return true;
	return s->routes_cut;
}
