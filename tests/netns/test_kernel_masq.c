/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A router that masquerades, and what becomes of its bindings.
 *
 *     client e10 --- e11 router e12 --- e13 server
 *     10.1.0.1, 10.1.0.2     |  10.1.0.254, 10.2.0.254     10.2.0.1
 *
 * and the same in IPv6; each test runs in both families.
 */
#include "tests/support/kernel_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

/* clang-format off */
static const struct net {
	const char *client[2], *to_client, *server, *to_server, *any, *with_mask;
} nets[2] = {
	{ { "10.1.0.1", "10.1.0.2" }, "10.1.0.254", "10.2.0.1", "10.2.0.254",
	  "0.0.0.0/0", "/24" },
	{ { "fd01::1", "fd01::2" }, "fd01::fe", "fd02::1", "fd02::fe", "::/0",
	  "/64" },
};
/* clang-format on */

static const struct net *N;
static struct kns *client, *router, *server;
static int server_fd;

static void address(struct kns *ns, uint32_t ifindex, const char *addr)
{
	char text[IP_TEXT_MAX];

	snprintf(text, sizeof(text), "%s%s", addr, N->with_mask);
	lab_address(ns, ifindex, text);
}

static void build(int family)
{
	N = &nets[family];
	client = lab_ns();
	router = lab_ns();
	server = lab_ns();
	OK(kns_sysctl(router, "net/ipv4/ip_forward", "1", &E));
	OK(kns_sysctl(router, "net/ipv6/conf/all/forwarding", "1", &E));
	lab_veth(client, 10, router, 11, 0);
	lab_veth(router, 12, server, 13, 0);
	lab_link(client, 10, true);
	lab_link(router, 11, true);
	lab_link(router, 12, true);
	lab_link(server, 13, true);
	address(client, 10, N->client[0]);
	address(client, 10, N->client[1]);
	address(router, 11, N->to_client);
	address(router, 12, N->to_server);
	address(server, 13, N->server);
	if (family) {
		lab_address(router, 11, "fe80::1/64");
		lab_address(router, 12, "fe80::1/64");
	}
	/* The server has no way to the client's network. */
	lab_route(client, N->any, N->to_client, 10, 0);
	server_fd = lab_socket(server, SOCK_DGRAM, N->server, 5000);
	lab_ready(client);
	lab_ready(router);
	lab_ready(server);
}

static void masquerade(uint16_t first, uint16_t last)
{
	const uint32_t outside = 12;
	const struct kmasq m = { &outside, 1, first, last };

	OK(kmasq_set(router, &m, &E));
}

static int client_socket(int which)
{
	int fd = lab_socket(client, SOCK_DGRAM, N->client[which], 4000);

	lab_connect(fd, N->server, 5000);
	return fd;
}

/* The client asks, and is answered. The port from which the server heard it, of
 * the router's address. */
static uint16_t ask(int fd)
{
	struct sockaddr_storage from, expected;
	socklen_t len = sizeof(from);
	char buf[16] = "";
	uint16_t port;

	ck_assert_int_eq(send(fd, "ask", 3, 0), 3);
	ck_assert_int_eq(recvfrom(server_fd, buf, sizeof(buf) - 1, 0,
				  (struct sockaddr *)&from, &len),
			 3);
	ck_assert_int_eq(sendto(server_fd, "answer", 6, 0,
				(struct sockaddr *)&from, len),
			 6);
	lab_expect(fd, "answer");
	port = from.ss_family == AF_INET6 ?
		       ((struct sockaddr_in6 *)&from)->sin6_port :
		       ((struct sockaddr_in *)&from)->sin_port;
	lab_sockaddr(N->to_server, ntohs(port), &expected);
	if (from.ss_family == AF_INET6)
		ck_assert_mem_eq(&((struct sockaddr_in6 *)&from)->sin6_addr,
				 &((struct sockaddr_in6 *)&expected)->sin6_addr,
				 16);
	else
		ck_assert_mem_eq(&from, &expected, sizeof(struct sockaddr_in));
	return ntohs(port);
}

static unsigned forget(void)
{
	unsigned deleted = 0;

	OK(kns_conntrack_flush_all(router, &deleted, &E));
	return deleted;
}

START_TEST(two_clients_are_told_apart)
{
	int fd[2];
	uint16_t port;

	build(_i);
	masquerade(0, 0);
	for (int i = 0; i < 2; i++)
		fd[i] = client_socket(i);
	ck_assert_uint_eq(ask(fd[0]), 4000);
	port = ask(fd[1]);
	ck_assert_uint_ne(port, 4000);
	ck_assert_uint_eq(ask(fd[0]), 4000);
	ck_assert_uint_eq(ask(fd[1]), port);
}
END_TEST

/* A rule alone moves no flow, and to be forgotten alone may leave its port. */
START_TEST(a_rebinding_changes_the_port)
{
	int fd;

	build(_i);
	masquerade(0, 0);
	fd = client_socket(0);
	ck_assert_uint_eq(ask(fd), 4000);
	forget();
	ck_assert_uint_eq(ask(fd), 4000);
	masquerade(20000, 20999);
	ck_assert_uint_eq(ask(fd), 4000);
	ck_assert_uint_ge(forget(), 1);
	for (int i = 0; i < 2; i++) {
		uint16_t port = ask(fd);

		ck_assert_uint_ge(port, 20000);
		ck_assert_uint_le(port, 20999);
	}
	masquerade(21000, 21999);
	forget();
	ck_assert_uint_ge(ask(fd), 21000);
}
END_TEST

/* What still comes for a lost binding is for nobody: no answer, and no entry
 * that would be in the way of the next packet from inside. */
START_TEST(strays_are_for_nobody)
{
	char buf[8];
	int fd;

	build(_i);
	masquerade(0, 0);
	fd = client_socket(0);
	ck_assert_uint_eq(ask(fd), 4000);
	forget();
	lab_connect(server_fd, N->to_server, 4000);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(send(server_fd, "late", 4, 0), 4);
	/* "Port unreachable" would have come back by now. */
	ck_assert_int_eq(forget(), 0);
	ck_assert_int_eq(send(fd, "ask", 3, 0), 3);
	ck_assert_int_eq(recv(server_fd, buf, sizeof(buf), 0), 3);
}
END_TEST

START_TEST(it_comes_and_goes)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char buf[8];
	int fd;

	build(_i);
	masquerade(0, 0);
	masquerade(20000, 20000);
	OK(kmasq_clear(router, &E));
	fd = client_socket(0);
	ck_assert_int_eq(send(fd, "ask", 3, 0), 3);
	ck_assert_int_eq(recvfrom(server_fd, buf, sizeof(buf), 0,
				  (struct sockaddr *)&from, &len),
			 3);
	/* The server would have no way to answer. */
	ck_assert_int_eq(sendto(server_fd, "answer", 6, 0,
				(struct sockaddr *)&from, len),
			 -1);
	K.steps = 0;
	K.fail_at = 1;
	K.fail_errno = EBUSY;
	ck_assert_int_eq(kmasq_clear(router, &E), -EBUSY);
	K.fail_at = 0;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel masquerading");
	TCase *tc = tcase_create("masquerade");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_set_timeout(tc, 90);
	/* 0: IPv4, 1: IPv6 */
	tcase_add_loop_test(tc, two_clients_are_told_apart, 0, 2);
	tcase_add_loop_test(tc, a_rebinding_changes_the_port, 0, 2);
	tcase_add_loop_test(tc, strays_are_for_nobody, 0, 2);
	tcase_add_loop_test(tc, it_comes_and_goes, 0, 2);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
