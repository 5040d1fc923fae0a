/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resolution without any router: the SYN goes to all on the link, whoever
 * serves answers, and all others say nothing.
 */
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <string.h>

static unsigned resets, syns;

static void watch(struct world *w, const struct wire_packet *p, void *arg)
{
	const struct sal_control *c;
	struct sal_packet d;

	(void)w;
	(void)arg;
	if (sal_decode(&d, p->bytes, p->len) != SAL_OK)
		return;
	c = sal_find_control(&d);
	resets += c && c->flags & SAL_FLAG_RST;
	syns += c && c->flags == SAL_FLAG_SYN;
	/* Of those who might take it one will be chosen. */
	if (c && c->flags == SAL_FLAG_SYN)
		ck_assert_uint_eq(d.payload_len, 0);
}

static void ask_all(struct world *w, const char *addr)
{
	struct sal_rule r = { .kind = SAL_RULE_FORWARD,
			      .to = ip(addr),
			      .weight = 1 };

	ck_assert_int_eq(sal_rule_add(world_c(w)->sal, &r, w->now_ns), 0);
}

/* A serves; C knows nobody. */
static struct world *begin(void)
{
	struct world *w = world_usual(1);

	host_unforward(world_c(w), 1, "10.0.1.1");
	resets = syns = 0;
	w->tap = watch;
	return w;
}

static bool peer_is(struct host *h, const struct ip_addr *a)
{
	struct sal_flow_info f = host_flow(h);

	return ip_addr_equal(&f.path.remote, a);
}

START_TEST(only_the_instance_answers)
{
	struct world *w = begin();
	struct ip_addr a = ip("10.0.1.1");

	ask_all(w, "255.255.255.255");
	host_ping(world_c(w), "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, world_c(w)->replies == 1 && resets == 0 && syns == 1);
	WORLD_OK(w, peer_is(world_c(w), &a));
	WORLD_OK(w, host_flows(world_b(w)) == 0);
	WORLD_OK(w, sal_stats(world_b(w)->sal)->no_service == 1);
	/* As any other from here on. */
	host_addresses(world_c(w), "10.0.0.77", NULL);
	world_run_for(w, 10 * MSEC);
	host_ping(world_c(w), "10.8.0.1", 7, 2, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, world_c(w)->replies == 2 && syns == 1);
	world_free(w);
}
END_TEST

START_TEST(by_ipv6_multicast)
{
	struct world *w = begin();
	struct ip_addr a = ip("fd01::1");

	host_addresses(world_c(w), "fd00::1", NULL);
	host_addresses(world_a(w), "fd01::1", NULL);
	host_addresses(world_b(w), "fd02::1", NULL);
	ask_all(w, "ff02::1");
	host_ping(world_c(w), "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, world_c(w)->replies == 1 && resets == 0);
	WORLD_OK(w, peer_is(world_c(w), &a));
	world_free(w);
}
END_TEST

/* The first to answer is the one; what the other has made of the SYN goes. */
START_TEST(several_instances)
{
	struct world *w = begin();
	struct host *c = world_c(w), *a = world_a(w), *b = world_b(w);
	struct toy_tcp t;

	host_serve(b, 1);
	ask_all(w, "255.255.255.255");
	host_ping(c, "10.8.0.1", 7, 1, 56);
	host_udp(c, NULL, "10.8.0.1", 9, 9, "hello");
	toy_connect(&t, c, "10.8.0.1", 4000, 80, 10);
	world_run_for(w, 20 * MSEC);
	WORLD_OK(w, host_flows(c) == 3);
	WORLD_OK(w, host_flows(a) + host_flows(b) == 3);
	WORLD_OK(w, sal_stats(c->sal)->lost_races == 3 && resets == 3);
	/* Nothing was given to a program twice. */
	WORLD_OK(w, a->requests + b->requests == 1);
	WORLD_OK(w, a->udp_got + b->udp_got == 1);
	world_free(w);
}
END_TEST

START_TEST(nobody_is_there)
{
	struct world *w = begin();
	struct host *c = world_c(w);

	host_unserve(world_a(w), 1);
	ask_all(w, "255.255.255.255");
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 2900 * MSEC);
	WORLD_OK(w, c->unreachable == 0 && syns == 4);
	world_run_for(w, 200 * MSEC);
	WORLD_OK(w, c->unreachable == 1 && syns == 4 && resets == 0);
	WORLD_OK(w, host_flows(c) == 0);
	world_free(w);
}
END_TEST

/* It comes while the client asks; the SYN-ACK is lost, and comes again. */
START_TEST(an_instance_comes)
{
	struct world *w = begin();
	struct host *c = world_c(w);

	host_unserve(world_a(w), 1);
	ask_all(w, "255.255.255.255");
	world_lose(w, world_b(w), SAL_FLAG_SYN | SAL_FLAG_ACK, 1);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 300 * MSEC);
	host_serve(world_b(w), 1);
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, c->replies == 1);
	world_free(w);
}
END_TEST

START_TEST(the_instance_goes)
{
	struct world *w = begin();
	struct host *c = world_c(w);

	ask_all(w, "255.255.255.255");
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	host_serve(world_b(w), 1);
	host_unserve(world_a(w), 1);
	world_run_for(w, 10 * MSEC);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 2 && world_b(w)->requests == 1);
	world_free(w);
}
END_TEST

/* By the name, to all: both have moved at the same moment. */
START_TEST(both_move)
{
	struct world *w = begin();
	struct host *c = world_c(w), *a = world_a(w);

	ask_all(w, "255.255.255.255");
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	host_addresses(c, "10.0.0.77", NULL);
	host_addresses(a, "10.0.1.77", NULL);
	world_run_for(w, 3 * SEC);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 2);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	world_free(w);
}
END_TEST

/* It goes out by each interface once. */
START_TEST(by_each_interface)
{
	struct sal_local_address list[] = {
		{ .addr = ip("10.0.0.1"), .ifindex = 1 },
		{ .addr = ip("10.0.0.2"), .ifindex = 1 },
		{ .addr = ip("10.5.0.1"), .ifindex = 2 },
	};
	struct world *w = begin();
	struct host *c = world_c(w);

	for (unsigned i = 0; i < 3; i++)
		c->addresses[i] = list[i].addr;
	c->address_count = 3;
	sal_set_addresses(c->sal, list, 3, w->now_ns);
	ask_all(w, "255.255.255.255");
	host_ping(c, "10.8.0.1", 7, 1, 56);
	WORLD_OK(w, syns == 2);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 1 && host_flows(world_a(w)) == 1);
	world_free(w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("many");
	TCase *tc = tcase_create("many");

	tcase_add_test(tc, only_the_instance_answers);
	tcase_add_test(tc, by_ipv6_multicast);
	tcase_add_test(tc, several_instances);
	tcase_add_test(tc, nobody_is_there);
	tcase_add_test(tc, an_instance_comes);
	tcase_add_test(tc, the_instance_goes);
	tcase_add_test(tc, both_move);
	tcase_add_test(tc, by_each_interface);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
