/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readiness: of links, and of programs that listen. */
#include "tests/support/kernel_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <poll.h>
#include <sys/ioctl.h>

/* Three hosts on one bridge:
 *
 *     host[0] e21 --- e11 +
 *     host[1] e22 --- e12 + br (sw)
 *     host[2] e23 --- e13 +
 */
struct star {
	struct kns *sw, *host[3];
};

static void star_build(struct star *s, bool raise)
{
	struct kbatch *batch;

	s->sw = lab_ns();
	batch = kbatch_new(s->sw);
	OK(kbatch_bridge_add(batch, 0, "br", 5, NULL, &E));
	OK(kbatch_link_set(batch, 0, 5, true, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	kbatch_free(batch);
	for (uint32_t i = 0; i < 3; i++) {
		char address[32];

		s->host[i] = lab_ns();
		lab_veth(s->sw, 11 + i, s->host[i], 21 + i, 5);
		snprintf(address, sizeof(address), "10.1.0.%u/24", 1 + i);
		lab_address(s->host[i], 21 + i, address);
		lab_link(s->host[i], 1, true);
		if (raise) {
			lab_link(s->host[i], 21 + i, true);
			lab_link(s->sw, 11 + i, true);
		}
	}
}

static void star_free(struct star *s)
{
	for (int i = 0; i < 3; i++)
		lab_ns_free(s->host[i]);
	lab_ns_free(s->sw);
}

static void set_noarp(struct kns *ns, const char *name, bool on)
{
	struct ifreq req = { 0 };
	int fd;

	OK(kns_enter(&K, ns, &E));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	OK(kns_enter(&K, NULL, &E));
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	OK(ioctl(fd, SIOCGIFFLAGS, &req));
	req.ifr_flags = (short)(on ? req.ifr_flags | IFF_NOARP :
				     req.ifr_flags & ~IFF_NOARP);
	OK(ioctl(fd, SIOCSIFFLAGS, &req));
	close(fd);
}

/*
 * An interface that nobody solicits joins no groups, also not when it is
 * solicited later: a way to see an address that is there and does not answer.
 */
START_TEST(ready_address_answers)
{
	struct kns *a = lab_ns(), *b = lab_ns();
	uint32_t ifindex = 0;
	bool seen = false;
	int r, tries = 0;

	ck_assert_int_eq(kns_addresses_ready(a, &ifindex, &E), 1);
	lab_veth(a, 11, b, 21, 0);
	lab_address(a, 11, "10.1.0.1/24");
	lab_link(b, 21, true);
	lab_link(a, 11, true);
	ck_assert_int_eq(kns_addresses_ready(a, &ifindex, &E), 1);

	/* It joins from a work queue, which may come too late to see the flag.
	 */
	for (int i = 0; i < 100 && !seen; i++) {
		char address[32];

		snprintf(address, sizeof(address), "fd00:1::%d/64", 100 + i);
		set_noarp(a, "e11", true);
		lab_address(a, 11, address);
		ck_assert_int_eq(kns_addresses_ready(a, &ifindex, &E), 1);
		poll(NULL, 0, 10);
		set_noarp(a, "e11", false);
		ifindex = 0;
		seen = kns_addresses_ready(a, &ifindex, &E) == 0;
	}
	ck_assert(seen);
	ck_assert_uint_eq(ifindex, 11);

	lab_address(b, 21, "fd00:1::2/64");
	while (!(r = kns_addresses_ready(b, &ifindex, &E)) && tries++ < 5000)
		poll(NULL, 0, 1);
	ck_assert_int_eq(r, 1);
	lab_ns_free(a);
	lab_ns_free(b);
}
END_TEST

START_TEST(ready_bridge_carries_the_first_packet)
{
	struct star s;

	star_build(&s, true);
	lab_ready(s.sw);
	for (int i = 0; i < 3; i++)
		lab_ready(s.host[i]);
	for (int i = 0; i < 3; i++) {
		int j = (i + 1) % 3, from, to;
		char a[32], b[32];

		snprintf(a, sizeof(a), "10.1.0.%d", 1 + i);
		snprintf(b, sizeof(b), "10.1.0.%d", 1 + j);
		from = lab_socket(s.host[i], SOCK_DGRAM, a, 0);
		to = lab_socket(s.host[j], SOCK_DGRAM, b, 5000);
		lab_send_to(from, b, 5000, a);
		lab_expect(to, a);
		close(from);
		close(to);
	}
	star_free(&s);
}
END_TEST

START_TEST(unready_port_is_named)
{
	struct star s;
	uint32_t ifindex = 77;

	star_build(&s, false);
	/* What is down is nobody's business; nor is a bridge without ports. */
	ck_assert_int_eq(kns_links_ready(s.sw, &ifindex, &E), 1);
	ck_assert_int_eq(kns_links_ready(s.host[0], &ifindex, &E), 1);
	ck_assert_uint_eq(ifindex, 77);

	/* Up, with the other end down: no carrier. */
	lab_link(s.sw, 12, true);
	ck_assert_int_eq(kns_links_ready(s.sw, &ifindex, &E), 0);
	ck_assert_uint_eq(ifindex, 12);
	lab_link(s.host[1], 22, true);
	lab_ready(s.sw);
	lab_ready(s.host[1]);

	lab_link(s.host[1], 22, false);
	WAIT_FOR(!lab_is_ready(s.sw));
	star_free(&s);
}
END_TEST

/* As a spanning tree would. */
static void port_set_state(struct kns *ns, int ifindex, uint8_t state)
{
	struct ifinfomsg info = { .ifi_family = AF_BRIDGE,
				  .ifi_index = ifindex };
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_SETLINK, 0);
	struct nlattr *port;

	OK(nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO));
	port = nla_nest_start(msg, IFLA_PROTINFO | NLA_F_NESTED);
	OK(nla_put_u8(msg, IFLA_BRPORT_STATE, state));
	nla_nest_end(msg, port);
	OK(nl_send_sync(ns->rt, msg));
}

START_TEST(port_that_does_not_forward_is_not_ready)
{
	uint32_t ifindex = 0;
	struct star s;

	star_build(&s, true);
	lab_ready(s.sw);
	/* (One that blocks would be made to forward at once.) */
	port_set_state(s.sw, 13, BR_STATE_LISTENING);
	ck_assert_int_eq(kns_links_ready(s.sw, &ifindex, &E), 0);
	ck_assert_uint_eq(ifindex, 13);
	port_set_state(s.sw, 13, BR_STATE_FORWARDING);
	ck_assert_int_eq(kns_links_ready(s.sw, &ifindex, &E), 1);
}
END_TEST

/*
 * What is called ready takes the very next packet, in both directions. It is
 * a broadcast: a lost request for the neighbour's address would be repeated,
 * and hide what happened.
 */
START_TEST(ready_veth_carries_the_next_packet)
{
	for (int i = 0; i < 40; i++) {
		struct kns *ns[2] = { lab_ns(), lab_ns() };
		int fd[2], on = 1;

		lab_veth(ns[0], 10, ns[1], 11, 0);
		lab_address(ns[0], 10, "10.1.0.1/24");
		lab_address(ns[1], 11, "10.1.0.2/24");
		for (int k = 0; k < 2; k++) {
			fd[k] = lab_socket(ns[k], SOCK_DGRAM, "0.0.0.0", 5000);
			OK(setsockopt(fd[k], SOL_SOCKET, SO_BROADCAST, &on,
				      sizeof(on)));
		}
		lab_link(ns[i % 2], 10 + i % 2, true);
		lab_link(ns[!(i % 2)], 10 + !(i % 2), true);
		lab_ready(ns[0]);
		lab_ready(ns[1]);
		for (int k = 0; k < 2; k++) {
			lab_send_to(fd[k], "10.1.0.255", 5000, "x");
			lab_expect(fd[!k], "x");
		}
		for (int k = 0; k < 2; k++) {
			close(fd[k]);
			lab_ns_free(ns[k]);
		}
	}
}
END_TEST

/*
 * With distinct interface indices a port forwards within milliseconds; where
 * the two ends share one, it takes most of a second. The best of a few, since
 * the machine may be busy with other things.
 */
START_TEST(distinct_indices_are_ready_soon)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < 10 && best > 300 * NSEC_PER_MSEC; i++) {
		int64_t start, took;
		struct star s;

		star_build(&s, false);
		start = clock_mono_ns();
		for (uint32_t j = 0; j < 3; j++) {
			lab_link(s.host[j], 21 + j, true);
			lab_link(s.sw, 11 + j, true);
		}
		lab_ready(s.sw);
		for (int j = 0; j < 3; j++)
			lab_ready(s.host[j]);
		took = clock_mono_ns() - start;
		best = took < best ? took : best;
		star_free(&s);
	}
	ck_assert_int_le(best, 300 * NSEC_PER_MSEC);
}
END_TEST

/* ---- who listens -------------------------------------------------------- */

static int listens(struct kns *ns, int protocol, uint16_t port)
{
	int r = kns_listens(ns, protocol, port, &E);

	ck_assert_msg(r >= 0, "%s", E.msg);
	return r;
}

START_TEST(listeners_are_found)
{
	static const char *const any[] = { "0.0.0.0", "::", "127.0.0.1",
					   "::1" };
	struct kns *ns = lab_ns(), *other = lab_ns();
	const char *addr = any[_i];
	int tcp, udp;

	lab_link(ns, 1, true);
	ck_assert_int_eq(listens(ns, IPPROTO_TCP, 5001), 0);
	ck_assert_int_eq(listens(ns, IPPROTO_UDP, 5001), 0);

	/* Bound is not yet listening, for TCP. */
	tcp = lab_socket(ns, SOCK_STREAM, addr, 5001);
	ck_assert_int_eq(listens(ns, IPPROTO_TCP, 5001), 0);
	OK(listen(tcp, 1));
	ck_assert_int_eq(listens(ns, IPPROTO_TCP, 5001), 1);
	ck_assert_int_eq(listens(ns, IPPROTO_TCP, 5002), 0);
	ck_assert_int_eq(listens(ns, IPPROTO_UDP, 5001), 0);
	ck_assert_int_eq(listens(other, IPPROTO_TCP, 5001), 0);

	udp = lab_socket(ns, SOCK_DGRAM, addr, 5002);
	ck_assert_int_eq(listens(ns, IPPROTO_UDP, 5002), 1);
	ck_assert_int_eq(listens(ns, IPPROTO_UDP, 5001), 0);
	ck_assert_int_eq(listens(ns, IPPROTO_TCP, 5002), 0);
	ck_assert_int_eq(listens(other, IPPROTO_UDP, 5002), 0);

	close(tcp);
	close(udp);
	WAIT_FOR(!listens(ns, IPPROTO_TCP, 5001));
	WAIT_FOR(!listens(ns, IPPROTO_UDP, 5002));
	ck_assert(lab_at_home());
}
END_TEST

/* A client that happens to use the port as its own is no server. */
START_TEST(clients_are_no_listeners)
{
	struct kns *ns = lab_ns();
	int server, client;

	lab_link(ns, 1, true);
	server = lab_socket(ns, SOCK_STREAM, "127.0.0.1", 5001);
	OK(listen(server, 1));
	client = lab_socket(ns, SOCK_STREAM, "127.0.0.1", 6001);
	lab_connect(client, "127.0.0.1", 5001);
	ck_assert_int_eq(listens(ns, IPPROTO_TCP, 5001), 1);
	ck_assert_int_eq(listens(ns, IPPROTO_TCP, 6001), 0);
	close(client);

	client = lab_socket(ns, SOCK_DGRAM, "127.0.0.1", 6001);
	lab_connect(client, "127.0.0.1", 5001);
	ck_assert_int_eq(listens(ns, IPPROTO_UDP, 6001), 0);
}
END_TEST

/* More sockets than one answer holds. */
START_TEST(one_of_many_is_found)
{
	struct kns *ns = lab_ns();
	int fd[400];

	lab_link(ns, 1, true);
	for (int i = 0; i < 400; i++)
		fd[i] = lab_socket(ns, SOCK_DGRAM, "127.0.0.1",
				   (uint16_t)(10000 + i));
	for (int i = 0; i < 400; i += 57)
		ck_assert_int_eq(
			listens(ns, IPPROTO_UDP, (uint16_t)(10000 + i)), 1);
	ck_assert_int_eq(listens(ns, IPPROTO_UDP, 9999), 0);
	for (int i = 0; i < 400; i++)
		close(fd[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel readiness");
	TCase *tc = tcase_create("ready");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_set_timeout(tc, 90);
	tcase_add_test(tc, ready_address_answers);
	tcase_add_test(tc, ready_bridge_carries_the_first_packet);
	tcase_add_test(tc, unready_port_is_named);
	tcase_add_test(tc, port_that_does_not_forward_is_not_ready);
	tcase_add_test(tc, ready_veth_carries_the_next_packet);
	tcase_add_test(tc, distinct_indices_are_ready_soon);
	tcase_add_loop_test(tc, listeners_are_found, 0, 4);
	tcase_add_test(tc, clients_are_no_listeners);
	tcase_add_test(tc, one_of_many_is_found);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
