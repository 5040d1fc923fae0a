/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An interface that was raised is not yet one that carries packets. Carrier is
 * worked out later, by the kernel's link watch (up to a second later, where it
 * was seen to change twice); a bridge's port passes nothing before its state
 * is "forwarding". Both are read, not waited for by a guess.
 *
 * The operational state alone misleads. It is "unknown" for good with drivers
 * that never report carrier (TUN), but also with a veth until the link watch
 * first comes by: raised first, such an end already has carrier and still no
 * queue, and drops what it is given. So "unknown" counts as up only with
 * carrier, and never for a veth.
 */
#include "orchestrator/kernel/kernel.h"

#include "orchestrator/kernel/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <string.h>

/* How often a dump is begun anew because links came or went meanwhile. */
#define DUMP_TRIES 8

static bool kind_is(const struct nlattr *attr, const char *kind)
{
	size_t len;

	if (!attr)
		return false;
	len = mnl_attr_get_payload_len(attr);
	return len >= strlen(kind) &&
	       !strncmp(mnl_attr_get_payload(attr), kind, len);
}

static int attr_u8(const struct nlattr *attr, int missing)
{
	if (!attr || mnl_attr_get_payload_len(attr) < 1)
		return missing;
	return mnl_attr_get_u8(attr);
}

static bool port_forwards(const struct nlattr *slave_data)
{
	const struct nlattr *tb[IFLA_BRPORT_STATE + 1];

	netlink_nested(slave_data, tb, IFLA_BRPORT_STATE);
	return attr_u8(tb[IFLA_BRPORT_STATE], BR_STATE_DISABLED) ==
	       BR_STATE_FORWARDING;
}

static bool link_ready(const struct ifinfomsg *info,
		       const struct nlattr *const *tb)
{
	const struct nlattr *kind[IFLA_INFO_SLAVE_DATA + 1];
	int state;

	if (!(info->ifi_flags & IFF_UP) || (info->ifi_flags & IFF_LOOPBACK))
		return true;
	netlink_nested(tb[IFLA_LINKINFO], kind, IFLA_INFO_SLAVE_DATA);
	/* A bridge is as ready as its ports; without any it is down. */
	if (kind_is(kind[IFLA_INFO_KIND], "bridge"))
		return true;
	if (!(info->ifi_flags & IFF_LOWER_UP))
		return false;
	state = attr_u8(tb[IFLA_OPERSTATE], IF_OPER_UNKNOWN);
	if (state != IF_OPER_UP &&
	    (state != IF_OPER_UNKNOWN || kind_is(kind[IFLA_INFO_KIND], "veth")))
		return false;
	if (kind_is(kind[IFLA_INFO_SLAVE_KIND], "bridge"))
		return port_forwards(kind[IFLA_INFO_SLAVE_DATA]);
	return true;
}

struct looking {
	bool (*counts)(void *arg, uint32_t ifindex); /* NULL: all do */
	void *arg;
	uint32_t unready; /* the first */
};

/* Positive at the first that is not ready. */
static int link_each(const struct nlmsghdr *nlh, void *data, struct err *err)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFLA_LINKINFO + 1];
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	size_t head = MNL_ALIGN(sizeof(*info));
	struct looking *l = data;

	(void)err;
	if (nlh->nlmsg_type != RTM_NEWLINK || len < head)
		return 0;
	netlink_attrs(mnl_nlmsg_get_payload_offset(nlh, head), len - head, tb,
		      IFLA_LINKINFO);
	if (link_ready(info, tb) ||
	    (l->counts && !l->counts(l->arg, (uint32_t)info->ifi_index)))
		return 0;
	l->unready = (uint32_t)info->ifi_index;
	return 1;
}

int kns_links_ready(struct kns *ns, uint32_t *ifindex, struct err *err)
{
	return kns_links_ready_if(ns, NULL, NULL, ifindex, err);
}

int kns_links_ready_if(struct kns *ns,
		       bool (*counts)(void *arg, uint32_t ifindex), void *arg,
		       uint32_t *ifindex, struct err *err)
{
	int r = 1;

	for (int i = 0; r == 1 && i < DUMP_TRIES; i++) {
		union {
			struct nlmsghdr header;
			char bytes[64];
		} request = { 0 };
		struct looking looking = { .counts = counts, .arg = arg };

		mnl_nlmsg_put_header(&request);
		request.header.nlmsg_type = RTM_GETLINK;
		mnl_nlmsg_put_extra_header(&request.header,
					   sizeof(struct ifinfomsg));
		/* Counters are most of what the answer would hold. */
		mnl_attr_put_u32(&request.header, IFLA_EXT_MASK,
				 RTEXT_FILTER_SKIP_STATS);
		r = netlink_dump(nl_socket_get_fd(ns->rt), &request.header,
				 "list interfaces", link_each, &looking, err);
		if (r >= 0 && looking.unready) {
			if (ifindex)
				*ifindex = looking.unready;
			return 0;
		}
	}
	if (r < 0)
		return r;
	/* They never stood still: it is none in particular. */
	if (r == 1 && ifindex)
		*ifindex = 0;
	return r == 0;
}
