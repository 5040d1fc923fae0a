/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client, a router and two servers, for names bound by NAT:
 *
 *     client e10 --- e11 router e12 --- e13 server[0]
 *     10.1.0.1           |  10.1.0.254, 10.2.0.254, 10.3.0.254
 *                        +  e14 --- e15 server[1]
 *
 * and the same in IPv6. The servers are 10.2.0.1 and 10.3.0.1.
 */
#ifndef TESTS_SUPPORT_NAT_LAB_H
#define TESTS_SUPPORT_NAT_LAB_H

#include "tests/support/kernel_lab.h"

/* clang-format off */
static const struct net {
	const char *client, *to_client, *server[2], *to_server[2];
	const char *any, *service, *other_service;
	const char *with_mask; /* how the addresses' prefixes end */
} nets[2] = {
	{ "10.1.0.1", "10.1.0.254", { "10.2.0.1", "10.3.0.1" },
	  { "10.2.0.254", "10.3.0.254" }, "0.0.0.0/0", "198.18.0.1",
	  "198.18.0.2", "/24" },
	{ "fd01::1", "fd01::fe", { "fd02::1", "fd03::1" },
	  { "fd02::fe", "fd03::fe" }, "::/0", "fd5e::1", "fd5e::2", "/64" },
};
/* clang-format on */

static const struct net *N;
static struct kns *client, *router, *server[2];
static int server_fd[2];

static inline void address(struct kns *ns, uint32_t ifindex, const char *addr)
{
	char text[IP_TEXT_MAX];

	snprintf(text, sizeof(text), "%s%s", addr, N->with_mask);
	lab_address(ns, ifindex, text);
}

static inline void wire(struct kns *a, uint32_t a_index, const char *a_addr,
			struct kns *b, uint32_t b_index, const char *b_addr)
{
	lab_veth(a, a_index, b, b_index, 0);
	lab_link(a, a_index, true);
	lab_link(b, b_index, true);
	address(a, a_index, a_addr);
	address(b, b_index, b_addr);
}

static inline void build(int family)
{
	N = &nets[family];
	client = lab_ns();
	router = lab_ns();
	OK(kns_sysctl(router, "net/ipv4/ip_forward", "1", &E));
	OK(kns_sysctl(router, "net/ipv6/conf/all/forwarding", "1", &E));
	wire(client, 10, N->client, router, 11, N->to_client);
	lab_route(client, N->any, N->to_client, 10, 0);
	if (family)
		lab_address(router, 11, "fe80::1/64");
	for (uint32_t i = 0; i < 2; i++) {
		server[i] = lab_ns();
		wire(router, 12 + 2 * i, N->to_server[i], server[i], 13 + 2 * i,
		     N->server[i]);
		lab_route(server[i], N->any, N->to_server[i], 13 + 2 * i, 0);
		/* For what it forwards, a router asks for neighbours in the
		 * name of a link-local address, or not at all. */
		if (family)
			lab_address(router, 12 + 2 * i, "fe80::1/64");
		server_fd[i] =
			lab_socket(server[i], SOCK_DGRAM, N->server[i], 5000);
	}
	lab_ready(client);
	lab_ready(router);
	for (int i = 0; i < 2; i++)
		lab_ready(server[i]);
}

static inline struct knat_binding binding(unsigned id, const char *from,
					  const char *to)
{
	return (struct knat_binding){
		.id = id,
		.from = lab_addr(from),
		.to = lab_addr(to),
	};
}

static inline int client_socket(void)
{
	int fd = lab_socket(client, SOCK_DGRAM, N->client, 0);

	lab_connect(fd, N->service, 5000);
	return fd;
}

/* The client asks; that server and no other is to hear it, and the answer is
 * to look as if the service had sent it (the client's socket is connected). */
static inline void ask(int fd, int who)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char buf[16] = "";
	ssize_t n;

	ck_assert_int_eq(send(fd, "ask", 3, 0), 3);
	n = recvfrom(server_fd[who], buf, sizeof(buf) - 1, 0,
		     (struct sockaddr *)&from, &len);
	ck_assert_msg(n == 3, "server %d: %s", who, strerror(errno));
	ck_assert_str_eq(buf, "ask");
	n = recv(server_fd[!who], buf, sizeof(buf) - 1, MSG_DONTWAIT);
	ck_assert_msg(n < 0 && errno == EAGAIN, "the other one heard it too");
	n = sendto(server_fd[who], "answer", 6, 0, (struct sockaddr *)&from,
		   len);
	ck_assert_int_eq(n, 6);
	lab_expect(fd, "answer");
}

static inline unsigned flush_of(struct kns *ns, const struct ip_addr *address,
				int protocol, uint16_t port)
{
	const struct kconntrack_flows flows = {
		.addrs = address, .n = 1, .protocol = protocol, .port = port
	};
	unsigned deleted = 99;

	OK(kns_conntrack_flush(ns, &flows, &deleted, &E));
	return deleted;
}

static inline unsigned flush(struct kns *ns, int protocol, uint16_t port)
{
	struct ip_addr service = lab_addr(N->service);

	return flush_of(ns, &service, protocol, port);
}

#endif
