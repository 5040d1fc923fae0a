/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's path manager of MPTCP, by generic netlink: which of a
 * namespace's addresses it opens further subflows from, which it announces to
 * others, and how many it takes.
 *
 * An endpoint is deleted by its ID, which the kernel chooses: so it is looked
 * up by its address first. It goes by itself neither with its address nor with
 * its interface.
 */
#include "orchestrator/kernel/kns.h"

#include "orchestrator/kernel/netlink.h"
#include "base/cleanup.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/mptcp.h>
#include <string.h>

union message {
	struct nlmsghdr header;
	char bytes[256];
};

static void message_begin(union message *m, uint16_t type, uint8_t cmd,
			  uint8_t version)
{
	struct genlmsghdr *genl;

	memset(m, 0, sizeof(*m));
	mnl_nlmsg_put_header(m);
	m->header.nlmsg_type = type;
	genl = mnl_nlmsg_put_extra_header(&m->header, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = version;
}

/* The attributes of what came; false: it is cut off. */
static bool attrs_of(const struct nlmsghdr *nlh, const struct nlattr **tb,
		     uint16_t max)
{
	size_t len = mnl_nlmsg_get_payload_len(nlh);
	const char *payload = mnl_nlmsg_get_payload(nlh);

	if (len < GENL_HDRLEN)
		return false;
	netlink_attrs(payload + GENL_HDRLEN, len - GENL_HDRLEN, tb, max);
	return true;
}

/* ---- the family -----------------------------------------------------------
 */

static int family_each(const struct nlmsghdr *nlh, void *data, struct err *err)
{
	const struct nlattr *tb[CTRL_ATTR_FAMILY_NAME + 1] = { NULL };
	uint16_t *id = data;

	(void)err;
	if (!attrs_of(nlh, tb, CTRL_ATTR_FAMILY_NAME) ||
	    !tb[CTRL_ATTR_FAMILY_NAME] || !tb[CTRL_ATTR_FAMILY_ID] ||
	    mnl_attr_get_payload_len(tb[CTRL_ATTR_FAMILY_NAME]) !=
		    sizeof(MPTCP_PM_NAME) ||
	    memcmp(mnl_attr_get_payload(tb[CTRL_ATTR_FAMILY_NAME]),
		   MPTCP_PM_NAME, sizeof(MPTCP_PM_NAME)))
		return 0;
	*id = mnl_attr_get_u16(tb[CTRL_ATTR_FAMILY_ID]);
	return 1;
}

/* A step of the kernel's begins: a socket that can ask the path manager;
 * negative: it cannot. */
static int manager_open(struct kns *ns, const char *what, uint16_t *family,
			struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	union message m;
	int r = kernel_step(ns->kernel, err, what);

	if (r)
		return r;
	fd = kns_socket(ns, NETLINK_GENERIC, err);
	if (fd < 0)
		return fd;
	*family = 0;
	message_begin(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	r = netlink_dump(fd, &m.header, "look for MPTCP's path manager",
			 family_each, family, err);
	if (r < 0)
		return r;
	if (!*family)
		return err_set(err, EOPNOTSUPP,
			       "this kernel has no path manager of MPTCP");
	return TAKE_FD(fd);
}

static int ask(int fd, union message *m, const char *what, struct err *err)
{
	struct netlink_request request = { .tolerated = 0 };
	size_t failed;

	strncpy(request.what, what, sizeof(request.what) - 1);
	return netlink_transact(fd, m, MNL_ALIGN(m->header.nlmsg_len), &request,
				0, &failed, err);
}

/* ---- endpoints ------------------------------------------------------------
 */

static void put_address(struct nlmsghdr *nlh, const struct ip_addr *a)
{
	mnl_attr_put_u16(nlh, MPTCP_PM_ADDR_ATTR_FAMILY, a->family);
	mnl_attr_put(nlh,
		     a->family == AF_INET ? MPTCP_PM_ADDR_ATTR_ADDR4 :
					    MPTCP_PM_ADDR_ATTR_ADDR6,
		     ip_addr_size(a), a->bytes);
}

int kmptcp_limits(struct kns *ns, uint32_t subflows, uint32_t addresses,
		  struct err *err)
{
	static const char what[] = "set MPTCP's limits";
	uint16_t family;
	CLEANUP_CLOSE int fd = manager_open(ns, what, &family, err);
	union message m;

	if (fd < 0)
		return fd;
	message_begin(&m, family, MPTCP_PM_CMD_SET_LIMITS, MPTCP_PM_VER);
	mnl_attr_put_u32(&m.header, MPTCP_PM_ATTR_SUBFLOWS, subflows);
	mnl_attr_put_u32(&m.header, MPTCP_PM_ATTR_RCV_ADD_ADDRS, addresses);
	return ask(fd, &m, what, err);
}

int kmptcp_add(struct kns *ns, const struct kmptcp_endpoint *e, struct err *err)
{
	static const char what[] = "add an endpoint of MPTCP";
	uint16_t family;
	CLEANUP_CLOSE int fd = manager_open(ns, what, &family, err);
	struct nlattr *nest;
	union message m;

	if (fd < 0)
		return fd;
	message_begin(&m, family, MPTCP_PM_CMD_ADD_ADDR, MPTCP_PM_VER);
	nest = mnl_attr_nest_start(&m.header, MPTCP_PM_ATTR_ADDR);
	put_address(&m.header, &e->address);
	mnl_attr_put_u32(&m.header, MPTCP_PM_ADDR_ATTR_FLAGS,
			 (e->signal ? MPTCP_PM_ADDR_FLAG_SIGNAL :
				      MPTCP_PM_ADDR_FLAG_SUBFLOW) |
				 (e->backup ? MPTCP_PM_ADDR_FLAG_BACKUP : 0));
	if (e->ifindex)
		mnl_attr_put_u32(&m.header, MPTCP_PM_ADDR_ATTR_IF_IDX,
				 e->ifindex);
	mnl_attr_nest_end(&m.header, nest);
	return ask(fd, &m, what, err);
}

struct search {
	const struct ip_addr *address;
	uint8_t id; /* 0: not found */
};

static int endpoint_each(const struct nlmsghdr *nlh, void *data,
			 struct err *err)
{
	const struct nlattr *outer[MPTCP_PM_ATTR_ADDR + 1] = { NULL };
	const struct nlattr *tb[MPTCP_PM_ADDR_ATTR_MAX + 1] = { NULL };
	struct search *s = data;
	const struct nlattr *own;

	(void)err;
	if (!attrs_of(nlh, outer, MPTCP_PM_ATTR_ADDR))
		return 0;
	netlink_nested(outer[MPTCP_PM_ATTR_ADDR], tb, MPTCP_PM_ADDR_ATTR_MAX);
	own = tb[s->address->family == AF_INET ? MPTCP_PM_ADDR_ATTR_ADDR4 :
						 MPTCP_PM_ADDR_ATTR_ADDR6];
	if (!own || !tb[MPTCP_PM_ADDR_ATTR_ID] ||
	    mnl_attr_get_payload_len(own) != ip_addr_size(s->address) ||
	    memcmp(mnl_attr_get_payload(own), s->address->bytes,
		   ip_addr_size(s->address)))
		return 0;
	s->id = mnl_attr_get_u8(tb[MPTCP_PM_ADDR_ATTR_ID]);
	return 1;
}

int kmptcp_del(struct kns *ns, const struct ip_addr *address, struct err *err)
{
	static const char what[] = "delete an endpoint of MPTCP";
	struct search s = { .address = address };
	uint16_t family;
	CLEANUP_CLOSE int fd = manager_open(ns, what, &family, err);
	struct nlattr *nest;
	union message m;
	int r;

	if (fd < 0)
		return fd;
	message_begin(&m, family, MPTCP_PM_CMD_GET_ADDR, MPTCP_PM_VER);
	r = netlink_dump(fd, &m.header, what, endpoint_each, &s, err);
	if (r < 0)
		return r;
	if (!s.id)
		return err_set(err, ENOENT, "%s: there is none", what);
	message_begin(&m, family, MPTCP_PM_CMD_DEL_ADDR, MPTCP_PM_VER);
	nest = mnl_attr_nest_start(&m.header, MPTCP_PM_ATTR_ADDR);
	put_address(&m.header, address);
	mnl_attr_put_u8(&m.header, MPTCP_PM_ADDR_ATTR_ID, s.id);
	mnl_attr_nest_end(&m.header, nest);
	return ask(fd, &m, what, err);
}
