/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two things asked of the kernel's socket tables: whether somebody listens, and
 * to close sockets whose network is gone.
 *
 * A connection attempt would tell as much about a listener and be seen by it (a
 * server that counts its clients, or serves only one), and is no answer at all
 * for UDP.
 *
 * A socket that listens on "::" takes IPv4 too, and is found among the IPv6
 * ones: so both families are looked at, whatever will be used.
 */
#include "orchestrator/kernel/kns.h"

#include "orchestrator/kernel/netlink.h"
#include "base/cleanup.h"
#include "base/vec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

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

/* ---- closing ------------------------------------------------------------ */

struct doomed {
	const struct ip_prefix *prefixes;
	size_t n;
	VEC(struct inet_diag_msg) found;
};

static struct ip_addr own_address(const struct inet_diag_msg *socket)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct ip_addr a = { .family = socket->idiag_family };

	memcpy(a.bytes, socket->id.idiag_src, ip_addr_size(&a));
	/* An IPv6 socket that talks IPv4. */
	if (a.family == AF_INET6 && !memcmp(a.bytes, mapped, sizeof(mapped))) {
		a.family = AF_INET;
		memmove(a.bytes, a.bytes + 12, 4);
		memset(a.bytes + 4, 0, 12);
	}
	return a;
}

static int collect(const struct nlmsghdr *nlh, void *data, struct err *err)
{
	const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(nlh);
	struct doomed *d = data;
	struct inet_diag_msg *slot;
	struct ip_addr own;
	bool doomed = false;

	if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*socket))
		return 0;
	own = own_address(socket);
	for (size_t i = 0; i < d->n; i++)
		doomed |= ip_prefix_contains(&d->prefixes[i], &own);
	if (!doomed)
		return 0;
	slot = VEC_PUSH(&d->found);
	if (!slot)
		return err_errno(err, ENOMEM, "list sockets");
	*slot = *socket;
	return 0;
}

/* One that is gone meanwhile is closed as well as can be. */
static int close_socket(int fd, int protocol,
			const struct inet_diag_msg *socket, struct err *err)
{
	union {
		struct nlmsghdr header;
		char bytes[128];
	} request = { 0 };
	struct netlink_request asked = { .tolerated = ENOENT,
					 .what = "close a socket" };
	struct inet_diag_req_v2 *diag;
	size_t failed;

	mnl_nlmsg_put_header(&request);
	request.header.nlmsg_type = SOCK_DESTROY;
	request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	diag = mnl_nlmsg_put_extra_header(&request.header, sizeof(*diag));
	diag->sdiag_family = socket->idiag_family;
	diag->sdiag_protocol = (uint8_t)protocol;
	diag->idiag_states = 1u << socket->idiag_state;
	diag->id = socket->id;
	return netlink_transact(fd, &request, request.header.nlmsg_len, &asked,
				0, &failed, err);
}

static int close_sockets(int fd, sa_family_t family, int protocol,
			 const struct ip_prefix *prefixes, size_t n,
			 unsigned *closed, struct err *err)
{
	union {
		struct nlmsghdr header;
		char bytes[128];
	} request = { 0 };
	struct doomed doomed = { .prefixes = prefixes, .n = n };
	struct inet_diag_req_v2 *diag;
	int r;

	mnl_nlmsg_put_header(&request);
	request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	diag = mnl_nlmsg_put_extra_header(&request.header, sizeof(*diag));
	diag->sdiag_family = (uint8_t)family;
	diag->sdiag_protocol = (uint8_t)protocol;
	diag->idiag_states = ~0u;
	r = netlink_dump(fd, &request.header, "list sockets", collect, &doomed,
			 err);
	for (size_t i = 0; i < doomed.found.n && r >= 0; i++) {
		r = close_socket(fd, protocol, &doomed.found.v[i], err);
		*closed += !r;
	}
	VEC_FREE(&doomed.found);
	return r < 0 ? r : 0;
}

static int close_of_all_kinds(int fd, const struct ip_prefix *prefixes,
			      size_t n, unsigned *closed, struct err *err)
{
	static const sa_family_t families[] = { AF_INET, AF_INET6 };
	static const int protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	int r = 0;

	for (size_t i = 0; i < 4 && !r; i++)
		r = close_sockets(fd, families[i / 2], protocols[i % 2],
				  prefixes, n, closed, err);
	return r;
}

int kns_destroy_sockets(struct kns *ns, const struct ip_prefix *prefixes,
			size_t n, unsigned *closed, struct err *err)
{
	CLEANUP_CLOSE int fd = kns_socket(ns, NETLINK_SOCK_DIAG, err);
	unsigned count = 0;
	int r = fd < 0 ? fd : 0;

	if (!r)
		r = kernel_step(ns->kernel, err, "close sockets");
	if (!r)
		r = close_of_all_kinds(fd, prefixes, n, &count, err);
	if (closed)
		*closed = count;
	return r;
}

int kernel_close_sockets(int ns_fd, struct err *err)
{
	static const struct ip_prefix all[] = {
		{ .addr = { .family = AF_INET } },
		{ .addr = { .family = AF_INET6 } },
	};
	CLEANUP_CLOSE int fd = -1;
	unsigned closed = 0;

	if (setns(ns_fd, CLONE_NEWNET))
		return err_errno(err, errno, "enter network namespace");
	fd = netlink_open(NETLINK_SOCK_DIAG, err);
	return fd < 0 ? fd : close_of_all_kinds(fd, all, 2, &closed, err);
}
