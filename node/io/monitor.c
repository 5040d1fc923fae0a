/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A notification is only the bell: whatever it says, links and addresses are
 * dumped anew, and the answer replaces what was known. The obvious alternative,
 * applying each message to a table, saves two system calls on a host with a few
 * interfaces, and pays with every way in which the table can come to differ
 * from the kernel's: an overrun (ENOBUFS), an order of messages that was not
 * thought of, an address whose removal with its link is not announced. The
 * dump starts after the bells were read, so a change during it rings again.
 *
 * Usable is what a packet can be sent from right now and found at by others:
 * global scope, link up with carrier, past duplicate address detection, not
 * deprecated. The loopback and the TUN are no underlay. Whether there is a
 * route to a peer is asked of each (routes.c): an address without one is of no
 * use.
 *
 * Where an interface loses its last address of IPv6, and its next one is there
 * but not usable yet (routes.c), the state stays as it was until it is, for
 * some ms at most: whoever believed that it has none would move what goes over
 * it to another interface, and leave it there. Nothing can be sent from the
 * address that is gone in that time, but nothing is lost that would not be.
 */
#include "node/io/monitor.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "node/io/gateways.h"
#include "node/io/routes.h"
#include "node/io/rtnl.h"

#include <errno.h>
#include <linux/if.h> /* IFF_LOWER_UP */
#include <linux/if_addr.h>
#include <string.h>

#define LINKS_MAX 256 /* links beyond are not used */
#define DUMP_TRIES 16
/* On a busy machine the work queue takes some 10 ms. */
#define RENUMBERING_NS (50 * NSEC_PER_MSEC)

struct link {
	uint32_t ifindex;
	char name[IFNAMSIZ];
};

/* One that carries none, and an address that cannot be used. */
struct idle_link {
	uint32_t ifindex;
	bool down; /* or it has no carrier */
};

struct idle_address {
	struct ip_addr addr;
	enum sal_way_why why;
};

/* What one pass of dumps has gathered. */
struct pass {
	const char *tun;
	uint32_t tun_ifindex; /* 0: not there yet */
	struct link links[LINKS_MAX]; /* that carry packets */
	size_t n_links;
	struct idle_link idle_links[LINKS_MAX];
	struct idle_address idle_addresses[MONITOR_ADDRESSES_MAX];
	size_t n_idle_links, n_idle_addresses;
	struct monitor_state state;
};

struct monitor {
	struct mnl_socket *bell; /* notifications */
	struct mnl_socket *nl; /* requests */
	char tun[IFNAMSIZ];
	struct monitor_state state;
	struct pass pass;
	int64_t next_ns; /* until when the state stays; INT64_MAX: it does not
			  */
};

struct monitor *monitor_free(struct monitor *m)
{
	if (!m)
		return NULL;
	rtnl_closep(&m->bell);
	rtnl_closep(&m->nl);
	free(m);
	return NULL;
}

static void monitor_freep(struct monitor **m)
{
	monitor_free(*m);
}

int monitor_open(struct monitor **out, const char *tun, struct err *err)
{
	CLEANUP(monitor_freep) struct monitor *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return err_errno(err, ENOMEM, "the address monitor");
	m->next_ns = INT64_MAX;
	snprintf(m->tun, sizeof(m->tun), "%s", tun);
	r = rtnl_open(&m->bell,
		      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			      RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
		      err);
	if (!r)
		r = rtnl_open(&m->nl, 0, err);
	if (r)
		return r;
	*out = TAKE_PTR(m);
	return 0;
}

int monitor_fd(const struct monitor *m)
{
	return mnl_socket_get_fd(m->bell);
}

int64_t monitor_next_ns(const struct monitor *m)
{
	return m->next_ns;
}

const struct monitor_state *monitor_state(const struct monitor *m)
{
	return &m->state;
}

struct link_attrs {
	const char *name;
	uint32_t mtu;
};

static int take_link_attr(const struct nlattr *attr, void *arg)
{
	struct link_attrs *a = arg;

	if (mnl_attr_get_type(attr) == IFLA_IFNAME)
		a->name = mnl_attr_get_str(attr);
	else if (mnl_attr_get_type(attr) == IFLA_MTU)
		a->mtu = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int add_link(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct link_attrs attrs = { .name = "" };
	struct pass *pass = arg;
	struct link *l;

	mnl_attr_parse(nlh, sizeof(*info), take_link_attr, &attrs);
	if (!strcmp(attrs.name, pass->tun)) {
		pass->tun_ifindex = (uint32_t)info->ifi_index;
		return MNL_CB_OK;
	}
	if (info->ifi_flags & IFF_LOOPBACK)
		return MNL_CB_OK;
	if (attrs.mtu && (!pass->state.mtu || attrs.mtu < pass->state.mtu))
		pass->state.mtu = attrs.mtu;
	if (!(info->ifi_flags & IFF_UP) || !(info->ifi_flags & IFF_LOWER_UP)) {
		if (pass->n_idle_links < LINKS_MAX)
			pass->idle_links[pass->n_idle_links++] =
				(struct idle_link){
					.ifindex = (uint32_t)info->ifi_index,
					.down = !(info->ifi_flags & IFF_UP),
				};
		return MNL_CB_OK;
	}
	if (pass->n_links == LINKS_MAX)
		return MNL_CB_OK;
	l = &pass->links[pass->n_links++];
	l->ifindex = (uint32_t)info->ifi_index;
	snprintf(l->name, sizeof(l->name), "%s", attrs.name);
	return MNL_CB_OK;
}

static const struct link *find_link(const struct pass *pass, uint32_t ifindex)
{
	for (size_t i = 0; i < pass->n_links; i++)
		if (pass->links[i].ifindex == ifindex)
			return &pass->links[i];
	return NULL;
}

/* Keeps the list in order of interface, and within one in the kernel's. */
static void insert(struct monitor_state *s, const struct ip_addr *addr,
		   const struct link *l)
{
	size_t at = s->n;

	if (s->n == MONITOR_ADDRESSES_MAX)
		return;
	while (at && s->list[at - 1].ifindex > l->ifindex) {
		s->list[at] = s->list[at - 1];
		memcpy(s->names[at], s->names[at - 1], IFNAMSIZ);
		at--;
	}
	s->list[at] = (struct sal_local_address){ .addr = *addr,
						  .ifindex = l->ifindex };
	memcpy(s->names[at], l->name, IFNAMSIZ);
	s->n++;
}

/* SAL_WAY_OPENED: nothing is wrong with it. */
static enum sal_way_why why_unusable(const struct ifaddrmsg *info,
				     uint32_t flags)
{
	if (flags & IFA_F_DADFAILED)
		return SAL_WAY_ADDRESS_DUPLICATE;
	if (flags & IFA_F_DEPRECATED)
		return SAL_WAY_ADDRESS_DEPRECATED;
	if (info->ifa_scope != RT_SCOPE_UNIVERSE ||
	    (flags & IFA_F_TENTATIVE && !(flags & IFA_F_OPTIMISTIC)))
		return SAL_WAY_ADDRESS_GONE;
	return SAL_WAY_OPENED;
}

static void note_unusable(struct pass *pass, const struct ip_addr *addr,
			  enum sal_way_why why)
{
	if (pass->n_idle_addresses < MONITOR_ADDRESSES_MAX)
		pass->idle_addresses[pass->n_idle_addresses++] =
			(struct idle_address){ *addr, why };
}

struct address_attrs {
	const struct nlattr *address, *local;
	uint32_t flags;
};

static int take_address_attr(const struct nlattr *attr, void *arg)
{
	struct address_attrs *a = arg;

	switch (mnl_attr_get_type(attr)) {
	case IFA_ADDRESS:
		a->address = attr;
		break;
	case IFA_LOCAL:
		a->local = attr;
		break;
	case IFA_FLAGS:
		a->flags = mnl_attr_get_u32(attr);
		break;
	}
	return MNL_CB_OK;
}

static int add_address(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
	struct ip_addr addr = { .family = info->ifa_family };
	struct address_attrs attrs = { .flags = info->ifa_flags };
	const struct nlattr *own;
	struct pass *pass = arg;
	const struct link *l;
	enum sal_way_why why;

	if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*info), take_address_attr, &attrs);
	/* Where both are there, IFA_ADDRESS is the peer's. */
	own = attrs.local ? attrs.local : attrs.address;
	l = find_link(pass, info->ifa_index);
	if (!l || !own || mnl_attr_get_payload_len(own) != ip_addr_size(&addr))
		return MNL_CB_OK;
	memcpy(addr.bytes, mnl_attr_get_payload(own), ip_addr_size(&addr));
	why = why_unusable(info, attrs.flags);
	if (why == SAL_WAY_OPENED)
		insert(&pass->state, &addr, l);
	else
		note_unusable(pass, &addr, why);
	return MNL_CB_OK;
}

enum sal_way_why monitor_why_gone(const struct monitor *m,
				  const struct ip_addr *addr, uint32_t ifindex)
{
	const struct pass *pass = &m->pass;

	for (size_t i = 0; i < pass->n_idle_links; i++)
		if (pass->idle_links[i].ifindex == ifindex)
			return pass->idle_links[i].down ?
				       SAL_WAY_INTERFACE_DOWN :
				       SAL_WAY_CARRIER_LOST;
	if (!find_link(pass, ifindex))
		/* Or it is one of too many. */
		return pass->n_idle_links < LINKS_MAX &&
				       pass->n_links < LINKS_MAX ?
			       SAL_WAY_INTERFACE_GONE :
			       SAL_WAY_ADDRESS_GONE;
	for (size_t i = 0; i < pass->n_idle_addresses; i++)
		if (ip_addr_equal(&pass->idle_addresses[i].addr, addr))
			return pass->idle_addresses[i].why;
	return pass->n_idle_addresses < MONITOR_ADDRESSES_MAX ?
		       SAL_WAY_ADDRESS_REMOVED :
		       SAL_WAY_ADDRESS_GONE;
}

/* Reads all notifications there are, and forgets them. */
static int drain(struct monitor *m, struct err *err)
{
	uint8_t buf[1024]; /* what is longer is cut; nobody looks at it */
	ssize_t n;

	do {
		n = recv(monitor_fd(m), buf, sizeof(buf), MSG_DONTWAIT);
	} while (n >= 0 || errno == EINTR || errno == ENOBUFS);
	if (errno != EAGAIN)
		return err_errno(err, errno, "rtnetlink");
	return 0;
}

static bool same_state(const struct monitor_state *a,
		       const struct monitor_state *b)
{
	bool same = a->n == b->n && a->mtu == b->mtu;

	for (size_t i = 0; same && i < a->n; i++)
		same = ip_addr_equal(&a->list[i].addr, &b->list[i].addr) &&
		       a->list[i].ifindex == b->list[i].ifindex &&
		       !strcmp(a->names[i], b->names[i]);
	return same;
}

static unsigned difference(const struct monitor_state *a,
			   const struct monitor_state *b)
{
	return (same_state(a, b) ? 0u : MONITOR_ADDRESSES) |
	       (routes_equal(a, b) ? 0u : MONITOR_ROUTES);
}

/* Is the state to stay? Not beyond the first time that was set for it. */
static bool stays(struct monitor *m, bool renumbering, int64_t now_ns)
{
	if (renumbering && m->next_ns == INT64_MAX)
		m->next_ns = now_ns + RENUMBERING_NS;
	if (renumbering && now_ns < m->next_ns)
		return true;
	m->next_ns = INT64_MAX;
	return false;
}

int monitor_dispatch(struct monitor *m, int64_t now_ns, unsigned *changed,
		     struct err *err)
{
	bool renumbering = false;
	int r = drain(m, err);

	if (r)
		return r;
	for (int i = 0; i < DUMP_TRIES; i++) {
		m->pass = (struct pass){ .tun = m->tun };
		r = rtnl_dump(m->nl, RTM_GETLINK, add_link, &m->pass, err);
		if (!r)
			r = rtnl_dump(m->nl, RTM_GETADDR, add_address, &m->pass,
				      err);
		if (!r)
			r = routes_read(m->nl, m->pass.tun_ifindex, &m->state,
					&m->pass.state, &renumbering, err);
		if (!r && stays(m, renumbering, now_ns)) {
			*changed = 0;
			return 0;
		}
		if (!r) {
			struct err ignored = ERR_INIT;

			*changed = difference(&m->state, &m->pass.state);
			m->state = m->pass.state;
			gateways_learn(m->nl, &m->state, &ignored);
			return 0;
		}
		if (r != -EINTR)
			return r;
	}
	return r;
}
