/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether somebody listens, asked of the kernel's socket tables. A connection
 * attempt would tell as much and be seen by the program (a server that counts
 * its clients, or serves only one), and is no answer at all for UDP.
 *
 * A socket that listens on "::" takes IPv4 too, and is found among the IPv6
 * ones: so both families are looked at, whatever will be used.
 */
#include "orchestrator/kernel/kns.h"

#include "orchestrator/kernel/netlink.h"
#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

struct search {
	uint16_t port;
	bool found;
};

static int socket_each(const struct nlmsghdr *nlh, void *data, struct err *err)
{
	const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(nlh);
	struct search *s = data;

	(void)err;
	if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*socket))
		return 0;
	s->found |= ntohs(socket->id.idiag_sport) == s->port;
	return s->found;
}

static int family_listens(int fd, sa_family_t family, int protocol,
			  struct search *search, struct err *err)
{
	/* For UDP, "closed" is bound but not connected: what servers are. */
	unsigned state = protocol == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE;
	union {
		struct nlmsghdr header;
		char bytes[128];
	} request = { 0 };
	struct inet_diag_req_v2 *diag;
	char what[64];

	snprintf(what, sizeof(what), "list %s sockets of %s",
		 protocol == IPPROTO_TCP ? "TCP" : "UDP",
		 family == AF_INET ? "IPv4" : "IPv6");
	mnl_nlmsg_put_header(&request);
	request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	diag = mnl_nlmsg_put_extra_header(&request.header, sizeof(*diag));
	diag->sdiag_family = (uint8_t)family;
	diag->sdiag_protocol = (uint8_t)protocol;
	diag->idiag_states = 1u << state;
	diag->id.idiag_sport = htons(search->port);
	return netlink_dump(fd, &request.header, what, socket_each, search,
			    err);
}

int kns_listens(struct kns *ns, int protocol, uint16_t port, struct err *err)
{
	static const sa_family_t families[] = { AF_INET, AF_INET6 };
	struct search search = { .port = port };
	/* Not kept: it is asked a few times, while programs start, and a large
	 * lab has few descriptors to spare. */
	CLEANUP_CLOSE int fd = kns_socket(ns, NETLINK_SOCK_DIAG, err);

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < 2 && !search.found; i++) {
		int r = family_listens(fd, families[i], protocol, &search, err);

		if (r < 0)
			return r;
	}
	return search.found;
}
