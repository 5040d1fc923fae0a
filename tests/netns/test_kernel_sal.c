/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the Service Access Layer asks of the kernel besides: rates of links,
 * routes that lead nowhere, and sockets closed under the hands of a program.
 */
#include "tests/support/kernel_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <fcntl.h>

/* Two hosts: 10.1.0.1, fd01::1 and 10.1.0.2, fd01::2. */
static void pair_build(struct kns *ns[2])
{
	static const char *const addresses[2][2] = {
		{ "10.1.0.1/24", "fd01::1/64" },
		{ "10.1.0.2/24", "fd01::2/64" },
	};

	ns[0] = lab_ns();
	ns[1] = lab_ns();
	lab_veth(ns[0], 11, ns[1], 12, 0);
	for (uint32_t i = 0; i < 2; i++) {
		lab_link(ns[i], 1, true);
		lab_link(ns[i], 11 + i, true);
		lab_address(ns[i], 11 + i, addresses[i][0]);
		lab_address(ns[i], 11 + i, addresses[i][1]);
	}
}

static int listen_in(struct kns *ns, const char *address)
{
	int fd = lab_socket(ns, SOCK_STREAM, address, 7000);

	ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

/* family: of the socket, as its address of nowhere. */
static int connect_in(struct kns *ns, const char *family, const char *to)
{
	int fd = lab_socket(ns, SOCK_STREAM, family, 0);

	lab_connect(fd, to, 7000);
	return fd;
}

/* The error of a socket that was closed; 0: it was not. */
static int error_of(int fd)
{
	int code = 0;
	socklen_t size = sizeof(code);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size), 0);
	return code;
}

static const char *const anywhere[] = { "0.0.0.0", "::" };
static const char *const servers[] = { "10.1.0.2", "fd01::2" };

START_TEST(sockets_at_an_address_are_closed)
{
	const struct ip_prefix doomed[] = { lab_prefix("10.1.0.1/32"),
					    lab_prefix("fd01::/64") };
	struct kns *ns[2];
	int server[2], client[2];
	unsigned closed = 0;

	pair_build(ns);
	for (int i = 0; i < 2; i++) {
		server[i] = listen_in(ns[1], servers[i]);
		client[i] = connect_in(ns[0], anywhere[i], servers[i]);
	}
	OK(kns_destroy_sockets(ns[0], doomed, 2, &closed, &E));
	ck_assert_uint_eq(closed, 2);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(error_of(client[i]), ECONNABORTED);
	/* Nothing of the other namespace was touched. */
	for (int i = 0; i < 2; i++) {
		struct pollfd pfd = { .fd = server[i], .events = POLLIN };

		ck_assert_int_eq(error_of(server[i]), 0);
		ck_assert_int_eq(poll(&pfd, 1, 30000), 1); /* the backlog */
	}
	OK(kns_destroy_sockets(ns[0], doomed, 2, &closed, &E));
	ck_assert_uint_eq(closed, 0);
}
END_TEST

/* An IPv6 socket that talks IPv4 is at the IPv4 address. */
START_TEST(mapped_addresses_count_as_ipv4)
{
	const struct ip_prefix doomed = lab_prefix("10.1.0.1/32");
	struct kns *ns[2];
	unsigned closed = 0;
	int client;

	pair_build(ns);
	listen_in(ns[1], "::");
	client = connect_in(ns[0], "::", "::ffff:10.1.0.2");
	OK(kns_destroy_sockets(ns[0], &doomed, 1, &closed, &E));
	ck_assert_uint_eq(closed, 1);
	ck_assert_int_eq(error_of(client), ECONNABORTED);
}
END_TEST

START_TEST(sockets_elsewhere_stay)
{
	const struct ip_prefix other = lab_prefix("198.19.0.0/16");
	struct kns *ns[2];
	unsigned closed = 7;
	int client;

	pair_build(ns);
	listen_in(ns[1], servers[0]);
	client = connect_in(ns[0], anywhere[0], servers[0]);
	OK(kns_destroy_sockets(ns[0], &other, 1, &closed, &E));
	ck_assert_uint_eq(closed, 0);
	ck_assert_int_eq(error_of(client), 0);
}
END_TEST

/* An error at once, until another route of that length leads on. */
START_TEST(unreachable_is_told)
{
	static const char *const nowhere[] = { "198.18.0.1", "fd02::1" };
	const struct ip_prefix to[] = { lab_prefix("198.18.0.0/16"),
					lab_prefix("fd02::/64") };
	const struct ip_addr none = { 0 };
	struct kns *ns[2];
	struct kbatch *b;

	pair_build(ns);
	b = kbatch_new(ns[0]);
	for (size_t i = 0; i < 2; i++) {
		OK(kbatch_unreachable(b, i, &to[i], NULL, &E));
		OK(kbatch_unreachable(b, i, &to[i], NULL,
				      &E)); /* there already */
	}
	OK(kbatch_commit(b, NULL, &E));
	for (size_t i = 0; i < 2; i++) {
		struct sockaddr_storage at;
		socklen_t size = lab_sockaddr(nowhere[i], 7, &at);
		int fd = lab_socket(ns[0], SOCK_DGRAM, anywhere[i], 0);

		ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, size), -1);
		ck_assert_int_eq(errno, EHOSTUNREACH);
		OK(kbatch_route(b, i, true, &to[i], &none, 11, 0, NULL, &E));
		OK(kbatch_commit(b, NULL, &E));
		ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, size), 0);
		close(fd);
	}
	kbatch_free(b);
}
END_TEST

/* 2 mbit/s: 500 kB take two seconds less what the bucket and the queue hold;
 * at most that is sent, however busy the machine is. */
START_TEST(rate_is_kept)
{
	static char chunk[10000];
	struct kns *ns[2];
	struct kbatch *b;
	int server, client, in;
	int64_t start, took;
	size_t left = 500000;

	pair_build(ns);
	b = kbatch_new(ns[0]);
	OK(kbatch_queue(b, 0, 11, &(struct kqueue){ .rate_bps = 2000000 }, NULL,
			&E));
	OK(kbatch_queue(b, 0, 11, &(struct kqueue){ .rate_bps = 2000000 }, NULL,
			&E)); /* in its own place */
	OK(kbatch_commit(b, NULL, &E));
	kbatch_free(b);
	server = listen_in(ns[1], servers[0]);
	client = connect_in(ns[0], anywhere[0], servers[0]);
	in = accept(server, NULL, NULL);
	ck_assert_int_ge(in, 0);
	fcntl(client, F_SETFL, O_NONBLOCK);
	start = clock_mono_ns();
	while (left) {
		struct pollfd pfd = { .fd = in, .events = POLLIN };
		ssize_t n;

		(void)!write(client, chunk, sizeof(chunk));
		ck_assert_int_ge(poll(&pfd, 1, 10), 0);
		n = recv(in, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n > 0)
			left -= (size_t)n < left ? (size_t)n : left;
	}
	took = clock_mono_ns() - start;
	ck_assert_msg(took > 1500 * NSEC_PER_MSEC, "it took %.3f s",
		      (double)took / NSEC_PER_SEC);
}
END_TEST

/* Nothing is asked any more: whether there was a queue or not. */
START_TEST(a_queue_is_taken_away)
{
	struct kqueue nothing = { 0 }, rate = { .rate_bps = 2000000 };
	struct kns *ns[2];
	struct kbatch *b;

	pair_build(ns);
	b = kbatch_new(ns[0]);
	OK(kbatch_queue(b, 0, 11, &nothing, NULL, &E));
	OK(kbatch_queue(b, 0, 11, &rate, NULL, &E));
	OK(kbatch_queue(b, 0, 11, &nothing, NULL, &E));
	OK(kbatch_queue(b, 0, 11, &nothing, NULL, &E));
	OK(kbatch_commit(b, NULL, &E));
	kbatch_free(b);
}
END_TEST

START_TEST(rate_that_does_not_fit)
{
	struct kns *ns = lab_ns();
	struct kbatch *b = kbatch_new(ns);

	FAILS(kbatch_queue(
		      b, 0, 1,
		      &(struct kqueue){ .rate_bps = UINT64_C(100000000000) },
		      NULL, &E),
	      ERANGE, "set the queue of interface 1");
	kbatch_free(b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kernel_sal");
	TCase *tc = tcase_create("kernel_sal");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, sockets_at_an_address_are_closed);
	tcase_add_test(tc, mapped_addresses_count_as_ipv4);
	tcase_add_test(tc, sockets_elsewhere_stay);
	tcase_add_test(tc, unreachable_is_told);
	tcase_add_test(tc, rate_is_kept);
	tcase_add_test(tc, a_queue_is_taken_away);
	tcase_add_test(tc, rate_that_does_not_fit);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
