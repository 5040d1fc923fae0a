/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of rtnetlink that change what is there. */
#include "orchestrator/kernel/batch.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>

#define WHAT_MAX 104

static void msg_freep(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

#define CLEANUP_MSG CLEANUP(msg_freep)

/* An interface with one attribute to set. */
static int link_build(uint32_t ifindex, int attr, const void *value, int len,
		      struct nl_msg **out)
{
	struct ifinfomsg info = { .ifi_index = (int)ifindex };
	CLEANUP_MSG struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);

	if (!msg || nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) < 0 ||
	    nla_put(msg, attr, len, value) < 0)
		return -NLE_NOMEM;
	*out = TAKE_PTR(msg);
	return 0;
}

static int link_attr(struct kbatch *b, size_t tag, const char *what,
		     uint32_t ifindex, int attr, const void *value, int len,
		     size_t *failed_tag, struct err *err)
{
	CLEANUP_MSG struct nl_msg *msg = NULL;
	int built = link_build(ifindex, attr, value, len, &msg);
	int r = kbatch_step(b, tag, what, failed_tag, err);

	if (r)
		return r;
	return kbatch_put(b, tag, what, msg, built, 0, failed_tag, err);
}

int kbatch_rename(struct kbatch *b, size_t tag, uint32_t ifindex,
		  const char *name, size_t *failed_tag, struct err *err)
{
	char what[WHAT_MAX];

	snprintf(what, sizeof(what), "rename interface %u to %.40s", ifindex,
		 name);
	if (!*name || strlen(name) >= IFNAMSIZ)
		return kbatch_fail(tag, what, EINVAL,
				   "an interface name has 1 to 15 bytes",
				   failed_tag, err);
	return link_attr(b, tag, what, ifindex, IFLA_IFNAME, name,
			 (int)strlen(name) + 1, failed_tag, err);
}

int kbatch_mtu(struct kbatch *b, size_t tag, uint32_t ifindex, uint32_t mtu,
	       size_t *failed_tag, struct err *err)
{
	char what[WHAT_MAX];

	snprintf(what, sizeof(what), "set the MTU of interface %u to %u",
		 ifindex, mtu);
	return link_attr(b, tag, what, ifindex, IFLA_MTU, &mtu, sizeof(mtu),
			 failed_tag, err);
}

int kbatch_master(struct kbatch *b, size_t tag, uint32_t ifindex,
		  uint32_t master, size_t *failed_tag, struct err *err)
{
	char what[WHAT_MAX];

	snprintf(what, sizeof(what), "put interface %u into bridge %u", ifindex,
		 master);
	return link_attr(b, tag, what, ifindex, IFLA_MASTER, &master,
			 sizeof(master), failed_tag, err);
}

static int route_build(const struct ip_prefix *to, const struct ip_addr *via,
		       uint32_t ifindex, uint32_t metric, struct nl_msg **out)
{
	bool v4 = to->addr.family == AF_INET;
	int size = (int)ip_addr_size(&to->addr);
	struct rtmsg rt = {
		.rtm_family = (unsigned char)to->addr.family,
		.rtm_dst_len = (unsigned char)to->len,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = v4 && !ip_addr_size(via) ? RT_SCOPE_LINK :
							RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
	CLEANUP_MSG struct nl_msg *msg =
		nlmsg_alloc_simple(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);

	if (!msg || nlmsg_append(msg, &rt, sizeof(rt), NLMSG_ALIGNTO) < 0 ||
	    (to->len && nla_put(msg, RTA_DST, size, to->addr.bytes) < 0) ||
	    (ip_addr_size(via) &&
	     nla_put(msg, RTA_GATEWAY, size, via->bytes) < 0) ||
	    nla_put_u32(msg, RTA_OIF, ifindex) < 0 ||
	    (metric && nla_put_u32(msg, RTA_PRIORITY, metric) < 0))
		return -NLE_NOMEM;
	*out = TAKE_PTR(msg);
	return 0;
}

int kbatch_route_set(struct kbatch *b, size_t tag, const struct ip_prefix *to,
		     const struct ip_addr *via, uint32_t ifindex,
		     uint32_t metric, size_t *failed_tag, struct err *err)
{
	CLEANUP_MSG struct nl_msg *msg = NULL;
	char text[IP_TEXT_MAX], what[WHAT_MAX];
	int built, r;

	snprintf(what, sizeof(what), "set route %s",
		 ip_format_prefix(to, text, sizeof(text)));
	if (!ip_addr_size(&to->addr) ||
	    (ip_addr_size(via) && via->family != to->addr.family))
		return kbatch_fail(tag, what, EAFNOSUPPORT, NULL, failed_tag,
				   err);
	r = kbatch_step(b, tag, what, failed_tag, err);
	if (r)
		return r;
	built = route_build(to, via, ifindex, metric, &msg);
	return kbatch_put(b, tag, what, msg, built, 0, failed_tag, err);
}
