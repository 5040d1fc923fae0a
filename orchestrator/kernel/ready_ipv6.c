/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An IPv6 address that was added is not yet one that answers, not even without
 * duplicate address detection: a work queue takes it into service a little
 * later, and joins its solicited-node group then (RFC 4861, 7.2.1). Until it
 * has, solicitations for it go unheard, and who asked waits a second before it
 * asks again. So an address is ready when its interface is in that group; where
 * nobody solicits (IFF_NOARP: a TUN device), it is ready anyway.
 */
#include "orchestrator/kernel/kernel.h"

#include "base/vec.h"
#include "orchestrator/kernel/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <string.h>

#define IFINDEX_LO 1

struct waiting {
	uint32_t ifindex;
	uint8_t last[3]; /* of the address: that is all its group knows of it */
	bool joined;
};
typedef VEC(struct waiting) waiting_vec;

/* The address of an RTM_NEWADDR or an RTM_GETMULTICAST answer, or NULL. */
static const uint8_t *object_address(const struct nlmsghdr *nlh, uint16_t type,
				     uint16_t attr,
				     const struct ifaddrmsg **msg)
{
	const struct nlattr *tb[IFA_MULTICAST + 1];
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	size_t head = MNL_ALIGN(sizeof(**msg));

	*msg = mnl_nlmsg_get_payload(nlh);
	if (nlh->nlmsg_type != type || len < head)
		return NULL;
	netlink_attrs(mnl_nlmsg_get_payload_offset(nlh, head), len - head, tb,
		      IFA_MULTICAST);
	if (!tb[attr] || mnl_attr_get_payload_len(tb[attr]) < 16)
		return NULL;
	return mnl_attr_get_payload(tb[attr]);
}

static int address_each(const struct nlmsghdr *nlh, void *data, struct err *err)
{
	waiting_vec *all = data;
	const struct ifaddrmsg *msg;
	const uint8_t *address =
		object_address(nlh, RTM_NEWADDR, IFA_ADDRESS, &msg);
	struct waiting *w;

	if (!address || msg->ifa_index == IFINDEX_LO)
		return 0;
	w = VEC_PUSH(all);
	if (!w)
		return err_errno(err, ENOMEM, "list addresses");
	w->ifindex = msg->ifa_index;
	memcpy(w->last, address + 13, sizeof(w->last));
	return 0;
}

static int group_each(const struct nlmsghdr *nlh, void *data, struct err *err)
{
	/* ff02::1:ff00:0/104 */
	static const uint8_t solicited[13] = { 0xff, 0x02, 0, 0, 0, 0,	 0,
					       0,    0,	   0, 0, 1, 0xff };
	waiting_vec *all = data;
	const struct ifaddrmsg *msg;
	const uint8_t *group =
		object_address(nlh, RTM_GETMULTICAST, IFA_MULTICAST, &msg);

	(void)err;
	if (!group || memcmp(group, solicited, sizeof(solicited)))
		return 0;
	for (size_t i = 0; i < all->n; i++) {
		struct waiting *w = &all->v[i];

		if (w->ifindex == msg->ifa_index &&
		    !memcmp(w->last, group + 13, sizeof(w->last)))
			w->joined = true;
	}
	return 0;
}

static int link_each(const struct nlmsghdr *nlh, void *data, struct err *err)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	waiting_vec *all = data;

	(void)err;
	if (nlh->nlmsg_type != RTM_NEWLINK ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*info) ||
	    !(info->ifi_flags & IFF_NOARP))
		return 0;
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].ifindex == (uint32_t)info->ifi_index)
			all->v[i].joined = true;
	return 0;
}

static bool all_joined(const waiting_vec *all, uint32_t *ifindex)
{
	for (size_t i = 0; i < all->n; i++) {
		if (all->v[i].joined)
			continue;
		if (ifindex)
			*ifindex = all->v[i].ifindex;
		return false;
	}
	return true;
}

/* Requests of all three kinds begin with the family, in one byte; a link's is
 * the longest. */
static int dump(struct kns *ns, uint16_t type, netlink_each_fn *each,
		waiting_vec *all, struct err *err)
{
	union {
		struct nlmsghdr header;
		char bytes[64];
	} request = { 0 };
	struct ifinfomsg *msg;
	int r;

	mnl_nlmsg_put_header(&request);
	request.header.nlmsg_type = type;
	msg = mnl_nlmsg_put_extra_header(&request.header, sizeof(*msg));
	msg->ifi_family = type == RTM_GETLINK ? AF_UNSPEC : AF_INET6;
	r = netlink_dump(nl_socket_get_fd(ns->rt), &request.header,
			 "list addresses", each, all, err);
	return r < 0 ? r : 0; /* whoever changed them meanwhile asks again */
}

int kns_addresses_ready(struct kns *ns, uint32_t *ifindex, struct err *err)
{
	waiting_vec all = { 0 };
	int r = dump(ns, RTM_GETADDR, address_each, &all, err);

	if (!r && all.n)
		r = dump(ns, RTM_GETMULTICAST, group_each, &all, err);
	if (!r && !all_joined(&all, NULL))
		r = dump(ns, RTM_GETLINK, link_each, &all, err);
	if (!r)
		r = all_joined(&all, ifindex);
	VEC_FREE(&all);
	return r;
}
