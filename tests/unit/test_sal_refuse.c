/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cannot be reached is said at once, and in words that programs know. */
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <string.h>

static const char *const families[] = { "10.8.0.1", "fd08::1" };
static const char *const unnamed[] = { "10.8.0.99", "fd08::99" };

static void no_rule(struct world *w)
{
	host_unforward(world_c(w), 1, "10.0.1.1");
}

START_TEST(a_name_without_a_rule)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	no_rule(w);
	host_ping(c, families[_i], 7, 1, 56);
	WORLD_OK(w, c->unreachable == 1);
	WORLD_OK(w, sal_stats(c->sal)->no_service == 1);
	WORLD_OK(w, !sal_stats(c->sal)->outer_out && !host_flows(c));
	world_free(w);
}
END_TEST

START_TEST(an_address_without_a_name)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	host_ping(c, unnamed[_i], 7, 1, 1000);
	WORLD_OK(w, c->unreachable == 1);
	WORLD_OK(w, ip_addr_equal(&c->last.dst, _i ? &c->inner6 : &c->inner4));
	world_free(w);
}
END_TEST

/* The rule leads to a host that knows nothing of the service. */
START_TEST(a_host_without_an_instance)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *b = world_b(w);

	no_rule(w);
	host_forward(c, 1, "10.0.2.1");
	host_ping(c, families[_i], 7, 1, 56);
	world_run_for(w, 2 * MSEC);
	WORLD_OK(w, c->unreachable == 1 && !host_flows(c) && !host_flows(b));
	WORLD_OK(w, sal_stats(b->sal)->no_service == 1);
	WORLD_OK(w, world_events(w, c, SAL_EVENT_REFUSED) == 1);
	world_free(w);
}
END_TEST

START_TEST(connect_is_refused)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	struct toy_tcp t;

	no_rule(w);
	if (_i)
		host_forward(c, 1, "10.0.2.1");
	toy_connect(&t, c, "10.8.0.1", 4000, 80, 0);
	world_run_for(w, 3 * MSEC);
	WORLD_OK(w, t.reset && c->resets == 1 && !c->unreachable);
	world_free(w);
}
END_TEST

static uint8_t code;

static void note_code(struct host *h, const struct sal_inner *p, void *arg)
{
	(void)h;
	(void)arg;
	code = p->segment[1];
}

START_TEST(udp_gets_port_unreachable)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	no_rule(w);
	c->program = note_code;
	host_udp(c, _i ? "fd09::1" : NULL, families[_i], 5000, 53, "hello");
	WORLD_OK(w, c->unreachable == 1);
	WORLD_OK(w, code == (_i ? 4 : 3));
	world_free(w);
}
END_TEST

/* Errors and resets are never answered with errors, nor is multicast. */
START_TEST(some_things_get_no_answer)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	uint8_t error[8 + 28] = { 3, 1, [8] = 0x45, [17] = 17 };
	uint8_t rst[20] = { 0, 80, 0, 80, [12] = 5 << 4, 4 };
	struct sal_inner p = { .src = c->inner4,
			       .dst = ip("10.8.0.99"),
			       .protocol = IPPROTO_ICMP,
			       .segment = error,
			       .len = sizeof(error) };

	memset(error + 20, 10, 8);
	host_send(c, &p);
	p.protocol = IPPROTO_TCP;
	p.segment = rst;
	p.len = sizeof(rst);
	host_send(c, &p);
	p.protocol = IPPROTO_UDP;
	p.dst = ip("224.0.0.251");
	host_send(c, &p);
	p.protocol = 132; /* SCTP */
	p.dst = ip("10.8.0.1");
	host_send(c, &p);
	WORLD_OK(w, !sal_stats(c->sal)->inner_out);
	WORLD_OK(w, !sal_stats(c->sal)->outer_out);
	WORLD_OK(w, sal_stats(c->sal)->not_inner == 2);
	world_free(w);
}
END_TEST

/* A TCP segment of a connection that has no flow: the flow can't be made up. */
START_TEST(tcp_without_its_flow)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	uint8_t ack[20] = { 15, 160, 0, 80, [8] = 1, 2, 3, 4, 5 << 4, 16 };
	struct sal_inner p = { .src = c->inner4,
			       .dst = ip("10.8.0.1"),
			       .protocol = IPPROTO_TCP,
			       .segment = ack,
			       .len = sizeof(ack) };

	host_send(c, &p);
	WORLD_OK(w, c->resets == 1 && !host_flows(c));
	world_free(w);
}
END_TEST

static void three_half_open(struct sal_config *c)
{
	c->max_half_open = 3;
}

START_TEST(half_open_flows_are_bounded)
{
	struct world *w;
	struct host *c, *a;

	world_adjust = three_half_open;
	w = world_usual(1);
	c = world_c(w);
	a = world_a(w);
	world_lose(w, c, SAL_FLAG_ACK, 3);
	for (uint16_t id = 1; id <= 5; id++)
		host_ping(c, "10.8.0.1", id, 1, 56);
	world_run_for(w, 5 * MSEC);
	/* The others are answered without state (test_sal_pressure.c), and
	 * their flows are not half open when there are any. */
	WORLD_OK(w, sal_stats(a->sal)->syn_stateless == 2);
	WORLD_OK(w, host_flows(a) == 5 && c->replies == 5);
	world_run_for(w, 4 * SEC);
	WORLD_OK(w, host_flows(a) == 5 && a->requests == 5);
	world_free(w);
}
END_TEST

START_TEST(too_big_for_the_path)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	struct sal_path path = { .remote = ip("10.0.1.1") };
	uint8_t quoted[8];
	uint8_t big[1400] = { 8, 0, 0, 0, 0, 7, 0, 9 };
	struct sal_inner p = { .src = c->inner4,
			       .dst = ip("10.8.0.1"),
			       .protocol = IPPROTO_ICMP,
			       .segment = big,
			       .len = sizeof(big),
			       .ip = { .dont_fragment = true } };

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	c->program = note_code;
	/* Who does not quote both flow IDs has not seen a packet of ours. */
	for (int i = 0; i < 8; i++)
		quoted[i] = (uint8_t)((i < 4 ? host_flow(c).local_id :
					       host_flow(c).remote_id) >>
				      (24 - 8 * (i % 4)));
	for (int i = 0; i < 8; i++) {
		quoted[i] ^= 1;
		sal_path_mtu(c->sal, &path, quoted, 8, 1000, w->now_ns);
		quoted[i] ^= 1;
	}
	sal_path_mtu(c->sal, &path, quoted, 7, 1000, w->now_ns);
	path.remote = ip("10.0.1.2");
	sal_path_mtu(c->sal, &path, quoted, 8, 1000, w->now_ns);
	path.remote = ip("10.0.1.1");
	WORLD_OK(w, sal_stats(c->sal)->icmp_unproved == 10);
	host_send(c, &p);
	WORLD_OK(w, !c->unreachable && host_flow(c).packets_out == 2);
	sal_path_mtu(c->sal, &path, quoted, 8, 1000, w->now_ns);
	host_send(c, &p);
	WORLD_OK(w, c->unreachable == 1 && code == 4); /* fragment it */
	p.ip.dont_fragment = false;
	host_send(c, &p);
	WORLD_OK(w, c->unreachable == 1);
	WORLD_OK(w, host_flow(c).packets_out == 3);
	/* 1000 - 20 of IP - 12 of SAL */
	p.ip.dont_fragment = true;
	p.len = 968;
	host_send(c, &p);
	WORLD_OK(w, c->unreachable == 1 && host_flow(c).packets_out == 4);
	p.len = 969;
	host_send(c, &p);
	WORLD_OK(w, c->unreachable == 2 && host_flow(c).packets_out == 4);
	world_free(w);
}
END_TEST

/* An error that the server's kernel sends about a segment of the flow. */
START_TEST(icmp_errors_pass_along)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint8_t error[8 + 28] = {
		3,
		3,
		[8] = 0x45,
		[11] = 28,
		[17] = IPPROTO_UDP,
		/* from 10.9.0.1 to 10.8.0.1, ports 5000 and 53 */
		[20] = 10,
		9,
		0,
		1,
		10,
		8,
		0,
		1,
		0x13,
		0x88,
		0,
		53,
		0,
		8,
	};
	struct sal_inner p = { .src = a->inner4,
			       .dst = c->inner4,
			       .protocol = IPPROTO_ICMP,
			       .segment = error,
			       .len = sizeof(error),
			       .ip = { .ttl = 64 } };

	w->quiet = true;
	host_udp(c, NULL, "10.8.0.1", 5000, 53, "hello");
	world_run_for(w, 5 * MSEC);
	c->program = note_code;
	error[2] = 0x00;
	for (unsigned sum = 0; sum <= 0xffff; sum++) {
		/* The checksum, by trial: this test wants no other opinion. */
		uint32_t all = 0;

		error[2] = (uint8_t)(sum >> 8);
		error[3] = (uint8_t)sum;
		for (size_t i = 0; i < sizeof(error); i += 2)
			all += (uint32_t)(error[i] << 8 | error[i + 1]);
		while (all >> 16)
			all = (all & 0xffff) + (all >> 16);
		if (all == 0xffff)
			break;
	}
	host_send(a, &p);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->unreachable == 1 && code == 3);
	WORLD_OK(w, ip_addr_equal(&c->last.dst, &c->inner4));
	/* About some other conversation: not on this flow. */
	error[29] = 0x89;
	error[3]--;
	host_send(a, &p);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->unreachable == 1);
	WORLD_OK(w, sal_stats(a->sal)->not_inner == 1);
	world_free(w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: refuse");
	TCase *tc = tcase_create("refuse");

	tcase_add_loop_test(tc, a_name_without_a_rule, 0, 2);
	tcase_add_loop_test(tc, an_address_without_a_name, 0, 2);
	tcase_add_loop_test(tc, a_host_without_an_instance, 0, 2);
	tcase_add_loop_test(tc, connect_is_refused, 0, 2);
	tcase_add_loop_test(tc, udp_gets_port_unreachable, 0, 2);
	tcase_add_test(tc, some_things_get_no_answer);
	tcase_add_test(tc, tcp_without_its_flow);
	tcase_add_test(tc, half_open_flows_are_bounded);
	tcase_add_test(tc, too_big_for_the_path);
	tcase_add_test(tc, icmp_errors_pass_along);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
