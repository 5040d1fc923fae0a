/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two sockets, one a family: a dual-stack socket would put IPv4 addresses into
 * IPv6 clothes and needs IPv6 to be there at all.
 *
 * A node may have several addresses, and the kernel would answer from the one
 * it likes best for the way back; whoever asked another would not know the
 * answer for theirs. So each answer leaves from the address that was asked,
 * which the control message of the one is and the other takes.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "orchestrator/observe/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define DATAGRAM_MAX 65536

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int open_socket(sa_family_t family, uint16_t port, struct err *err)
{
	const int on = 1, buffer = 1 << 20; /* as far as rmem_max lets us */
	union address a = { .any.sa_family = family };
	CLEANUP_CLOSE int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len;
	int r;

	if (fd < 0)
		return err_errno(err, errno, "echo: socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (family == AF_INET) {
		a.v4.sin_port = htons(port);
		len = sizeof(a.v4);
		r = setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	} else {
		a.v6.sin6_port = htons(port);
		len = sizeof(a.v6);
		r = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		if (!r)
			r = setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on,
				       sizeof(on));
	}
	if (r)
		return err_errno(err, errno, "echo: socket options");
	if (bind(fd, &a.any, len))
		return err_errno(err, errno, "echo: port %u", port);
	return TAKE_FD(fd);
}

/* What came in as the address asked becomes the address to answer from. The
 * interface is left to routing, but where an address needs it. */
static void turn_around(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo *info = (void *)CMSG_DATA(c);

			info->ipi_ifindex = 0;
		} else if (c->cmsg_level == IPPROTO_IPV6 &&
			   c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo *info = (void *)CMSG_DATA(c);

			if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
				info->ipi6_ifindex = 0;
		}
	}
}

static void answer(int fd)
{
	static uint8_t data[DATAGRAM_MAX];
	_Alignas(struct cmsghdr) char control[256];
	union address from;
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return;
	iov.iov_len = (size_t)n;
	msg.msg_flags = 0;
	turn_around(&msg);
	/* An answer that cannot be sent is one that was lost. */
	(void)!sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int serve(uint16_t port, int ready_fd, struct err *err)
{
	CLEANUP_CLOSE int v4 = open_socket(AF_INET, port, err);
	CLEANUP_CLOSE int v6 = v4 < 0 ? -1 : open_socket(AF_INET6, port, err);
	struct pollfd fds[2] = {
		{ .fd = v4, .events = POLLIN },
		{ .fd = v6, .events = POLLIN },
	};

	if (v4 < 0)
		return v4;
	if (v6 < 0 && v6 != -EAFNOSUPPORT && v6 != -EADDRNOTAVAIL)
		return v6;
	(void)!write(ready_fd, "", 1);
	close(ready_fd);
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return err_errno(err, errno, "echo: poll");
		for (unsigned i = 0; i < 2; i++) {
			if (fds[i].revents)
				answer(fds[i].fd);
		}
	}
}

int echo_main(uint16_t port, int ready_fd, int err_fd)
{
	struct err err = ERR_INIT;

	serve(port, ready_fd, &err);
	dprintf(err_fd, "%s\n", err.msg);
	return 1;
}
