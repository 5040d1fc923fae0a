/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From what the plan wants to rtnetlink messages. libnl's objects build them
 * wherever they can say it; none of libnl's sockets or caches is involved.
 *
 * libnl cuts a name that is too long down to size without a word, and the
 * kernel would then make an interface that nobody asked for: names are checked
 * here.
 */
#include "orchestrator/kernel/batch.h"

#include "orchestrator/kernel/kns.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <string.h>

#define WHAT_MAX 104
#define LAST_METRIC (UINT32_MAX - 1) /* behind any other route */
#define LOOPBACK_IFINDEX 1 /* in every namespace, since Linux 3.7 */

static void msg_freep(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

static void link_putp(struct rtnl_link **link)
{
	rtnl_link_put(*link);
}

static void addr_putp(struct nl_addr **addr)
{
	nl_addr_put(*addr);
}

static void rtnl_addr_putp(struct rtnl_addr **addr)
{
	rtnl_addr_put(*addr);
}

static void route_putp(struct rtnl_route **route)
{
	rtnl_route_put(*route);
}

#define CLEANUP_MSG CLEANUP(msg_freep)
#define CLEANUP_LINK CLEANUP(link_putp)
#define CLEANUP_ADDR CLEANUP(addr_putp)

/* Counts the request and puts its only message. */
static int request(struct kbatch *b, size_t tag, const char *what,
		   const struct nl_msg *msg, int built, size_t *failed_tag,
		   struct err *err)
{
	int r = kbatch_step(b, tag, what, failed_tag, err);

	if (r)
		return r;
	return kbatch_put(b, tag, what, msg, built, 0, failed_tag, err);
}

const char *kns_name_fault(const char *name)
{
	size_t len = strlen(name);

	if (!len)
		return "the name is empty";
	if (len >= IFNAMSIZ)
		return "an interface name has at most 15 bytes";
	if (!strcmp(name, ".") || !strcmp(name, "..") ||
	    strpbrk(name, "/: \t\n\v\f\r%"))
		return "not an interface name";
	return NULL;
}

/* ---- links -------------------------------------------------------------- */

static int veth_end_fill(struct rtnl_link *link, const struct kveth_end *end,
			 const struct kns *here, uint32_t mtu)
{
	rtnl_link_set_name(link, end->name);
	if (end->ifindex)
		rtnl_link_set_ifindex(link, (int)end->ifindex);
	if (end->master)
		rtnl_link_set_master(link, (int)end->master);
	if (mtu)
		rtnl_link_set_mtu(link, mtu);
	if (end->ns->fd != here->fd)
		rtnl_link_set_ns_fd(link, end->ns->fd);
	if (end->mac) {
		CLEANUP_ADDR struct nl_addr *mac =
			nl_addr_build(AF_LLC, end->mac, 6);

		if (!mac)
			return -NLE_NOMEM;
		rtnl_link_set_addr(link, mac);
	}
	return 0;
}

static int veth_build(const struct kns *here, const struct kveth_end *first,
		      const struct kveth_end *peer, uint32_t mtu,
		      struct nl_msg **msg)
{
	CLEANUP_LINK struct rtnl_link *link = rtnl_link_veth_alloc();
	struct rtnl_link *other;
	int r;

	if (!link)
		return -NLE_NOMEM;
	r = veth_end_fill(link, first, here, mtu);
	if (r)
		return r;
	/* Adds a reference, which is given back. */
	other = rtnl_link_veth_get_peer(link);
	r = veth_end_fill(other, peer, here, mtu);
	rtnl_link_put(other);
	if (r)
		return r;
	return rtnl_link_build_add_request(link, NLM_F_CREATE | NLM_F_EXCL,
					   msg);
}

int kbatch_veth_add(struct kbatch *b, size_t tag, const struct kveth_end *first,
		    const struct kveth_end *peer, uint32_t mtu,
		    size_t *failed_tag, struct err *err)
{
	CLEANUP_MSG struct nl_msg *msg = NULL;
	const char *fault;
	char what[WHAT_MAX];
	int built;

	snprintf(what, sizeof(what), "create veth %.40s/%.40s", first->name,
		 peer->name);
	fault = kns_name_fault(first->name);
	if (!fault)
		fault = kns_name_fault(peer->name);
	if (fault)
		return kbatch_fail(tag, what, EINVAL, fault, failed_tag, err);
	/* The kernel would look for the bridge in the other namespace. */
	if (peer->master ||
	    (first->master && first->ns->fd != kbatch_ns(b)->fd))
		return kbatch_fail(tag, what, EINVAL,
				   "only the first end may have a master, in "
				   "the batch's namespace",
				   failed_tag, err);
	built = veth_build(kbatch_ns(b), first, peer, mtu, &msg);
	return request(b, tag, what, msg, built, failed_tag, err);
}

/* libnl has no words for most of a bridge's options. */
static int bridge_build(const char *name, uint32_t ifindex, struct nl_msg **out)
{
	struct ifinfomsg info = { .ifi_index = (int)ifindex };
	CLEANUP_MSG struct nl_msg *msg = NULL;
	struct nlattr *kind, *options;

	msg = nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	if (!msg || nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) < 0 ||
	    nla_put_string(msg, IFLA_IFNAME, name) < 0)
		return -NLE_NOMEM;
	kind = nla_nest_start(msg, IFLA_LINKINFO);
	if (!kind || nla_put_string(msg, IFLA_INFO_KIND, "bridge") < 0)
		return -NLE_NOMEM;
	options = nla_nest_start(msg, IFLA_INFO_DATA);
	if (!options || nla_put_u32(msg, IFLA_BR_STP_STATE, 0) < 0 ||
	    nla_put_u32(msg, IFLA_BR_FORWARD_DELAY, 0) < 0 ||
	    nla_put_u8(msg, IFLA_BR_MCAST_SNOOPING, 0) < 0)
		return -NLE_NOMEM;
	nla_nest_end(msg, options);
	nla_nest_end(msg, kind);
	*out = TAKE_PTR(msg);
	return 0;
}

int kbatch_bridge_add(struct kbatch *b, size_t tag, const char *name,
		      uint32_t ifindex, size_t *failed_tag, struct err *err)
{
	CLEANUP_MSG struct nl_msg *msg = NULL;
	const char *fault = kns_name_fault(name);
	char what[WHAT_MAX];
	int built;

	snprintf(what, sizeof(what), "create bridge %.40s", name);
	if (fault)
		return kbatch_fail(tag, what, EINVAL, fault, failed_tag, err);
	built = bridge_build(name, ifindex, &msg);
	return request(b, tag, what, msg, built, failed_tag, err);
}

int kbatch_link_del(struct kbatch *b, size_t tag, uint32_t ifindex,
		    size_t *failed_tag, struct err *err)
{
	CLEANUP_LINK struct rtnl_link *link = rtnl_link_alloc();
	CLEANUP_MSG struct nl_msg *msg = NULL;
	int built = -NLE_NOMEM;
	char what[WHAT_MAX];

	snprintf(what, sizeof(what), "delete interface %u", ifindex);
	if (link) {
		rtnl_link_set_ifindex(link, (int)ifindex);
		built = rtnl_link_build_delete_request(link, &msg);
	}
	return request(b, tag, what, msg, built, failed_tag, err);
}

/* The message that applies changes to an interface. */
static int link_change(uint32_t ifindex, struct rtnl_link *changes,
		       struct nl_msg **msg)
{
	CLEANUP_LINK struct rtnl_link *link = rtnl_link_alloc();

	if (!link)
		return -NLE_NOMEM;
	rtnl_link_set_ifindex(link, (int)ifindex);
	return rtnl_link_build_change_request(link, changes, 0, msg);
}

/*
 * A message of its own ahead of the raise: in one message the kernel would
 * apply the flags first, and make the link-local address, before it came to
 * the address generation.
 */
static int put_addr_gen_none(struct kbatch *b, size_t tag, const char *what,
			     uint32_t ifindex, size_t *failed_tag,
			     struct err *err)
{
	CLEANUP_LINK struct rtnl_link *changes = rtnl_link_alloc();
	CLEANUP_MSG struct nl_msg *msg = NULL;
	int built = -NLE_NOMEM;

	if (changes)
		built = rtnl_link_inet6_set_addr_gen_mode(
			changes, IN6_ADDR_GEN_MODE_NONE);
	if (built >= 0)
		built = link_change(ifindex, changes, &msg);
	/* An interface to which IPv6 is unknown (an MTU below 1280, a kernel
	 * without it) makes no addresses either. */
	return kbatch_put(b, tag, what, msg, built, EAFNOSUPPORT, failed_tag,
			  err);
}

int kbatch_link_set(struct kbatch *b, size_t tag, uint32_t ifindex, bool up,
		    size_t *failed_tag, struct err *err)
{
	CLEANUP_LINK struct rtnl_link *changes = rtnl_link_alloc();
	CLEANUP_MSG struct nl_msg *msg = NULL;
	int built = -NLE_NOMEM;
	char what[WHAT_MAX];
	int r;

	snprintf(what, sizeof(what), "take interface %u %s", ifindex,
		 up ? "up" : "down");
	r = kbatch_step(b, tag, what, failed_tag, err);
	if (r)
		return r;
	/* Loopback's ::1 is not generated, and wanted. */
	if (up && ifindex != LOOPBACK_IFINDEX) {
		r = put_addr_gen_none(b, tag, what, ifindex, failed_tag, err);
		if (r)
			return r;
	}
	if (changes) {
		if (up)
			rtnl_link_set_flags(changes, IFF_UP);
		else
			rtnl_link_unset_flags(changes, IFF_UP);
		built = link_change(ifindex, changes, &msg);
	}
	return kbatch_put(b, tag, what, msg, built, 0, failed_tag, err);
}

int kbatch_inet_conf(struct kbatch *b, size_t tag, uint32_t ifindex,
		     bool forwarding, bool ignore_linkdown, size_t *failed_tag,
		     struct err *err)
{
	CLEANUP_LINK struct rtnl_link *changes = rtnl_link_alloc();
	CLEANUP_MSG struct nl_msg *msg = NULL;
	int built = -NLE_NOMEM;
	char what[WHAT_MAX];

	snprintf(what, sizeof(what), "configure IPv4 of interface %u", ifindex);
	if (changes)
		built = rtnl_link_inet_set_conf(
			changes, IPV4_DEVCONF_FORWARDING, forwarding);
	if (built >= 0)
		built = rtnl_link_inet_set_conf(
			changes, IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN,
			ignore_linkdown);
	if (built >= 0)
		built = link_change(ifindex, changes, &msg);
	return request(b, tag, what, msg, built, failed_tag, err);
}

/* ---- addresses ---------------------------------------------------------- */

static struct nl_addr *nl_addr_of(const struct ip_addr *a, unsigned len)
{
	struct nl_addr *addr =
		nl_addr_build(a->family, a->bytes, ip_addr_size(a));

	if (addr)
		nl_addr_set_prefixlen(addr, (int)len);
	return addr;
}

static int addr_build(bool add, uint32_t ifindex, const struct ip_prefix *p,
		      struct nl_msg **msg)
{
	CLEANUP(rtnl_addr_putp) struct rtnl_addr *addr = rtnl_addr_alloc();
	CLEANUP_ADDR struct nl_addr *local = nl_addr_of(&p->addr, p->len);
	int r;

	if (!addr || !local)
		return -NLE_NOMEM;
	rtnl_addr_set_ifindex(addr, (int)ifindex);
	r = rtnl_addr_set_local(addr, local);
	if (r)
		return r;
	if (!add)
		return rtnl_addr_build_delete_request(addr, 0, msg);
	if (p->addr.family == AF_INET6)
		rtnl_addr_set_flags(addr, IFA_F_NODAD);
	return rtnl_addr_build_add_request(addr, NLM_F_CREATE | NLM_F_EXCL,
					   msg);
}

int kbatch_addr(struct kbatch *b, size_t tag, bool add, uint32_t ifindex,
		const struct ip_prefix *address, size_t *failed_tag,
		struct err *err)
{
	CLEANUP_MSG struct nl_msg *msg = NULL;
	char text[IP_TEXT_MAX];
	char what[WHAT_MAX];
	int built;

	snprintf(what, sizeof(what), "%s address %s %s interface %u",
		 add ? "add" : "delete",
		 ip_format_prefix(address, text, sizeof(text)),
		 add ? "to" : "from", ifindex);
	if (!ip_addr_size(&address->addr))
		return kbatch_fail(tag, what, EAFNOSUPPORT, NULL, failed_tag,
				   err);
	built = addr_build(add, ifindex, address, &msg);
	return request(b, tag, what, msg, built, failed_tag, err);
}

/* ---- routes ------------------------------------------------------------- */

static int nexthop_add(struct rtnl_route *route, const struct ip_addr *via,
		       uint32_t ifindex)
{
	struct rtnl_nexthop *nh = rtnl_route_nh_alloc();

	if (!nh)
		return -NLE_NOMEM;
	/* The route owns it from here. */
	rtnl_route_add_nexthop(route, nh);
	rtnl_route_nh_set_ifindex(nh, (int)ifindex);
	if (ip_addr_size(via)) {
		CLEANUP_ADDR struct nl_addr *gateway = nl_addr_build(
			via->family, via->bytes, ip_addr_size(via));

		if (!gateway)
			return -NLE_NOMEM;
		rtnl_route_nh_set_gateway(nh, gateway);
	}
	return 0;
}

/* A static route of the main table; NULL: no memory. */
static struct rtnl_route *route_new(const struct ip_prefix *to, uint8_t type,
				    uint8_t scope)
{
	CLEANUP(route_putp) struct rtnl_route *route = rtnl_route_alloc();
	CLEANUP_ADDR struct nl_addr *dst = nl_addr_of(&to->addr, to->len);

	if (!route || !dst)
		return NULL;
	rtnl_route_set_family(route, (uint8_t)to->addr.family);
	rtnl_route_set_table(route, RT_TABLE_MAIN);
	rtnl_route_set_type(route, type);
	rtnl_route_set_protocol(route, RTPROT_STATIC);
	rtnl_route_set_scope(route, scope);
	if (rtnl_route_set_dst(route, dst))
		return NULL;
	return TAKE_PTR(route);
}

static int unreachable_build(const struct ip_prefix *to, struct nl_msg **msg)
{
	CLEANUP(route_putp)
	struct rtnl_route *route =
		route_new(to, RTN_UNREACHABLE, RT_SCOPE_UNIVERSE);

	if (!route)
		return -NLE_NOMEM;
	rtnl_route_set_priority(route, LAST_METRIC);
	return rtnl_route_build_add_request(route, NLM_F_CREATE | NLM_F_EXCL,
					    msg);
}

int kbatch_unreachable(struct kbatch *b, size_t tag, const struct ip_prefix *to,
		       size_t *failed_tag, struct err *err)
{
	struct ip_prefix net = ip_prefix_network(to);
	CLEANUP_MSG struct nl_msg *msg = NULL;
	char text[IP_TEXT_MAX];
	char what[WHAT_MAX];
	int r;

	snprintf(what, sizeof(what), "make %s unreachable",
		 ip_format_prefix(&net, text, sizeof(text)));
	r = kbatch_step(b, tag, what, failed_tag, err);
	if (r)
		return r;
	r = unreachable_build(&net, &msg);
	return kbatch_put(b, tag, what, msg, r, EEXIST, failed_tag, err);
}

static int route_build(bool add, const struct ip_prefix *to,
		       const struct ip_addr *via, uint32_t ifindex,
		       uint32_t metric, struct nl_msg **msg)
{
	/* Nowhere, in a deletion: whatever its scope is. */
	uint8_t scope = to->addr.family != AF_INET || ip_addr_size(via) ?
				RT_SCOPE_UNIVERSE :
			add ? RT_SCOPE_LINK :
			      RT_SCOPE_NOWHERE;
	CLEANUP(route_putp)
	struct rtnl_route *route = route_new(to, RTN_UNICAST, scope);
	int r;

	if (!route)
		return -NLE_NOMEM;
	if (metric)
		rtnl_route_set_priority(route, metric);
	r = nexthop_add(route, via, ifindex);
	if (r)
		return r;
	return add ? rtnl_route_build_add_request(
			     route, NLM_F_CREATE | NLM_F_EXCL, msg) :
		     rtnl_route_build_del_request(route, 0, msg);
}

int kbatch_route(struct kbatch *b, size_t tag, bool add,
		 const struct ip_prefix *to, const struct ip_addr *via,
		 uint32_t ifindex, uint32_t metric, size_t *failed_tag,
		 struct err *err)
{
	char dst[IP_TEXT_MAX], gateway[IP_TEXT_MAX];
	CLEANUP_MSG struct nl_msg *msg = NULL;
	char what[WHAT_MAX];
	int built;

	if (ip_addr_size(via))
		snprintf(what, sizeof(what), "%s route %s via %s",
			 add ? "add" : "delete",
			 ip_format_prefix(to, dst, sizeof(dst)),
			 ip_format_addr(via, gateway, sizeof(gateway)));
	else
		snprintf(what, sizeof(what), "%s route %s over interface %u",
			 add ? "add" : "delete",
			 ip_format_prefix(to, dst, sizeof(dst)), ifindex);
	if (!ip_addr_size(&to->addr) ||
	    (ip_addr_size(via) && via->family != to->addr.family))
		return kbatch_fail(tag, what, EAFNOSUPPORT, NULL, failed_tag,
				   err);
	built = route_build(add, to, via, ifindex, metric, &msg);
	return request(b, tag, what, msg, built, failed_tag, err);
}
