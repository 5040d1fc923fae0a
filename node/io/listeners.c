/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/io/listeners.h"

#include "base/cleanup.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define DRAIN_MAX 256 /* messages at a time */

struct listeners {
	struct mnl_socket *ask, *gone;
	unsigned seq;
};

static const int families[] = { AF_INET, AF_INET6 };

static int open_socket(struct mnl_socket **out, int flags, unsigned groups,
		       struct err *err)
{
	*out = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | flags);
	if (!*out || mnl_socket_bind(*out, groups, MNL_SOCKET_AUTOPID) < 0)
		return err_errno(err, errno, "ask the kernel about sockets");
	return 0;
}

static unsigned bit(unsigned group)
{
	return 1u << (group - 1);
}

int listeners_open(struct listeners **out, struct err *err)
{
	struct listeners *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return err_errno(err, ENOMEM, "ask the kernel about sockets");
	r = open_socket(&l->ask, 0, 0, err);
	if (!r)
		r = open_socket(&l->gone, SOCK_NONBLOCK,
				bit(SKNLGRP_INET_TCP_DESTROY) |
					bit(SKNLGRP_INET_UDP_DESTROY) |
					bit(SKNLGRP_INET6_TCP_DESTROY) |
					bit(SKNLGRP_INET6_UDP_DESTROY),
				err);
	if (r)
		l = listeners_free(l);
	*out = l;
	return r;
}

struct listeners *listeners_free(struct listeners *l)
{
	if (!l)
		return NULL;
	if (l->ask)
		mnl_socket_close(l->ask);
	if (l->gone)
		mnl_socket_close(l->gone);
	free(l);
	return NULL;
}

int listeners_fd(const struct listeners *l)
{
	return mnl_socket_get_fd(l->gone);
}

static const struct inet_diag_msg *socket_of(const struct nlmsghdr *nlh)
{
	if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(struct inet_diag_msg))
		return NULL;
	return mnl_nlmsg_get_payload(nlh);
}

bool listeners_drain(struct listeners *l,
		     void (*visit)(void *arg, uint16_t port), void *arg)
{
	_Alignas(struct nlmsghdr) char buf[8192];

	for (unsigned i = 0; i < DRAIN_MAX; i++) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		ssize_t n = mnl_socket_recvfrom(l->gone, buf, sizeof(buf));
		int left = (int)n;

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		for (; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left))
			if (socket_of(nlh))
				visit(arg,
				      ntohs(socket_of(nlh)->id.idiag_sport));
	}
	return true;
}

/* ---- listing ------------------------------------------------------------- */

struct listing {
	void (*visit)(void *arg, const struct ip_addr *address, uint16_t port);
	void *arg;
};

static struct ip_addr address_of(const struct inet_diag_msg *m)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *bytes = (const uint8_t *)m->id.idiag_src;
	struct ip_addr a = { .family = m->idiag_family };

	if (a.family == AF_INET6 && !memcmp(bytes, mapped, sizeof(mapped))) {
		a.family = AF_INET;
		bytes += sizeof(mapped);
	}
	memcpy(a.bytes, bytes, ip_addr_size(&a));
	return a;
}

static int list_one(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *m = socket_of(nlh);
	const struct listing *l = data;
	struct ip_addr a;

	if (!m)
		return MNL_CB_OK;
	a = address_of(m);
	l->visit(l->arg, &a, ntohs(m->id.idiag_sport));
	return MNL_CB_OK;
}

static int list_family(struct listeners *l, int family, uint8_t protocol,
		       struct listing *to)
{
	_Alignas(struct nlmsghdr) char buf[16384];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;
	unsigned portid = mnl_socket_get_portid(l->ask), seq = ++l->seq;
	int r = 1;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = (uint8_t)family;
	req->sdiag_protocol = protocol;
	/* For UDP, "closed" is bound but not connected: what servers are. */
	req->idiag_states =
		1u << (protocol == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE);
	if (mnl_socket_sendto(l->ask, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (r > 0) {
		ssize_t n = mnl_socket_recvfrom(l->ask, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -1 :
			    mnl_cb_run(buf, (size_t)n, seq, portid, list_one,
				       to);
	}
	return r < 0 ? -errno : 0;
}

int listeners_list(struct listeners *l, uint8_t protocol,
		   void (*visit)(void *arg, const struct ip_addr *address,
				 uint16_t port),
		   void *arg)
{
	struct listing to = { visit, arg };
	int r = 0;

	for (size_t i = 0; i < 2 && !r; i++) {
		r = list_family(l, families[i], protocol, &to);
		/* A kernel without IPv6, or its sockets' diagnosis. */
		if (families[i] == AF_INET6 && r == -ENOENT)
			r = 0;
	}
	return r;
}
