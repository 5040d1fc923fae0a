/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How conversations start: the handshake, what rides on it, what gets lost. */
#include "tests/support/sal_world.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <string.h>

#define SYN SAL_FLAG_SYN
#define SYNACK (SAL_FLAG_SYN | SAL_FLAG_ACK)
#define ACK SAL_FLAG_ACK

static const char *const families[] = { "10.8.0.1", "fd08::1" };

static bool both_established(struct world *w)
{
	return host_flow(world_c(w)).state == SAL_ESTABLISHED &&
	       host_flow(world_a(w)).state == SAL_ESTABLISHED;
}

START_TEST(ping_opens_a_flow)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct sal_flow_info f;

	host_ping(c, families[_i], 7, 1, 56);
	/* There and back again: the rider costs no extra round trip. */
	world_run_for(w, 2 * MSEC + 20000);
	WORLD_OK(w, c->replies == 1);
	world_run_for(w, 5 * MSEC);
	f = host_flow(c);
	WORLD_OK(w, f.state == SAL_ESTABLISHED && f.client);
	WORLD_OK(w, f.packets_out == 1 && f.packets_in == 1);
	WORLD_OK(w, f.port_local == 7 && f.port_remote == 7);
	f = host_flow(a);
	WORLD_OK(w, f.state == SAL_ESTABLISHED && !f.client);
	WORLD_OK(w, f.local_id == host_flow(c).remote_id);
	WORLD_OK(w, world_events(w, c, SAL_EVENT_FLOW_OPENED) == 1);
	WORLD_OK(w, world_events(w, a, SAL_EVENT_FLOW_OPENED) == 1);
	/* SYN, ACK; SYN-ACK, reply. */
	WORLD_OK(w, sal_stats(c->sal)->outer_out == 2);
	WORLD_OK(w, sal_stats(a->sal)->outer_out == 2);
	for (uint16_t seq = 2; seq <= 10; seq++) {
		host_ping(c, families[_i], 7, seq, 56);
		world_run_for(w, 10 * MSEC);
		WORLD_OK(w, c->replies == seq && c->last_reply_seq == seq);
	}
	WORLD_OK(w, host_flows(c) == 1 && host_flows(a) == 1);
	WORLD_OK(w, sal_stats(c->sal)->outer_out == 11);
	world_free(w);
}
END_TEST

START_TEST(either_family_over_ipv6)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_addresses(c, "fd00:1::1", NULL);
	host_addresses(a, "fd00:2::1", "10.0.1.1");
	host_unforward(c, 1, "10.0.1.1");
	host_forward(c, 1, "fd00:2::1");
	host_ping(c, families[_i], 7, 1, 1300);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 1 && both_established(w));
	world_free(w);
}
END_TEST

START_TEST(udp_and_its_server)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	a->udp_port = 53;
	a->wildcard = _i;
	host_udp(c, NULL, "10.8.0.1", 5000, 53, "one");
	world_run_for(w, 10 * MSEC);
	host_udp(c, NULL, "10.8.0.1", 5000, 53, "two");
	host_udp(c, NULL, "10.8.0.1", 5001, 53, "other");
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, a->udp_got == 3 && c->udp_got == 3);
	WORLD_OK(w, host_flows(c) == 2 && host_flows(a) == 2);
	world_free(w);
}
END_TEST

START_TEST(a_large_first_segment_waits)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	/* 1500 - 20 of IP - 12 of SAL: fits data, but not behind a SYN, which
	 * service routers may make longer. */
	host_ping(c, "10.8.0.1", 7, 1, 1468 - 8);
	WORLD_OK(w, a->requests == 0);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 1 && both_established(w));
	WORLD_OK(w, host_flow(a).port_local == 7);
	/* The most that does fit: 20 of IP, 12 + 20 + 36 + 8 of SAL. */
	host_ping(c, "10.8.0.1", 8, 1, 1500 - 20 - 76 - 44 - 8);
	world_run_for(w, 2 * MSEC + 20000);
	WORLD_OK(w, c->replies == 2);
	host_ping(c, "10.8.0.1", 9, 1, 1500 - 20 - 76 - 44 - 8 + 1);
	world_run_for(w, 2 * MSEC + 20000);
	WORLD_OK(w, c->replies == 2);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 3);
	world_free(w);
}
END_TEST

struct loss_case {
	bool by_client;
	int flags;
	unsigned n;
	int64_t at_least, at_most; /* until the reply, in ms */
};

static const struct loss_case losses[] = {
	{ true, SYN, 1, 1000, 1003 },	  { true, SYN, 2, 3000, 3003 },
	{ true, SYN, 5, 31000, 31003 },	  { false, SYNACK, 1, 1000, 1005 },
	{ false, SYNACK, 3, 3000, 7003 }, { true, ACK, 1, 2, 3 },
	{ true, ACK, 4, 2, 3 },
};

START_TEST(a_lost_packet_of_the_handshake)
{
	const struct loss_case *l = &losses[_i];
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct lose *lost;
	int64_t start = w->now_ns;

	lost = world_lose(w, l->by_client ? c : a, l->flags, l->n);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	/* Its reply may be lost to a client that has no SYN-ACK yet; a second
	 * request waits for the handshake. */
	if (l->flags != ACK)
		host_ping(c, "10.8.0.1", 7, 2, 56);
	while (!c->replies && w->now_ns < start + 70 * SEC)
		world_run_for(w, MSEC / 10);
	WORLD_OK(w, w->now_ns - start >= l->at_least * MSEC);
	WORLD_OK(w, w->now_ns - start <= l->at_most * MSEC + 500000);
	world_run(w, start + 40 * SEC);
	WORLD_OK(w, lost->seen == l->n);
	WORLD_OK(w, both_established(w));
	/* What rode on the SYN was delivered once, however often it came. */
	WORLD_OK(w, a->requests == (l->flags == ACK ? 1 : 2));
	WORLD_OK(w, sal_stats(c->sal)->retransmissions +
				    sal_stats(a->sal)->retransmissions >
			    0);
	world_free(w);
}
END_TEST

START_TEST(everything_comes_twice)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	w->weather.duplicate = 1000;
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, both_established(w) && a->requests == 1);
	/* Data is IP's own business: it may be doubled, as any packet may. */
	WORLD_OK(w, c->replies == 2);
	world_free(w);
}
END_TEST

START_TEST(nobody_answers)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	struct lose *lost;

	lost = world_lose(w, c, SYN, 1000);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 62 * SEC);
	WORLD_OK(w, lost->seen == 6 && !c->unreachable);
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, lost->seen == 6 && c->unreachable == 1);
	WORLD_OK(w, !host_flows(c));
	WORLD_OK(w, sal_next_ns(c->sal) == INT64_MAX);
	world_free(w);
}
END_TEST

START_TEST(the_client_vanishes)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, MSEC);
	w->cut = true;
	world_run_for(w, 62 * SEC);
	WORLD_OK(w, host_flow(a).state == SAL_SYN_RCVD);
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, !host_flows(a));
	world_free(w);
}
END_TEST

START_TEST(what_waits_for_the_handshake)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	for (uint16_t seq = 1; seq <= 20; seq++)
		host_ping(c, "10.8.0.1", 7, seq, 56);
	WORLD_OK(w, sal_stats(c->sal)->outer_out == 1);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, a->requests == 20 && c->replies == 20);
	WORLD_OK(w, c->last_reply_seq == 20);
	/* The queue is bounded, and then it is the newest that is dropped. */
	for (uint16_t seq = 1; seq <= 200; seq++)
		host_ping(c, "10.8.0.1", 8, seq, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, sal_stats(c->sal)->queue_full == 200 - (c->replies - 20));
	WORLD_OK(w, c->last_reply_seq == c->replies - 20);
	WORLD_OK(w, c->replies - 20 >= 60 && c->replies - 20 < 200);
	world_free(w);
}
END_TEST

START_TEST(fields_of_the_ip_header)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint8_t echo[8] = { 8, 0, 0xf7, 0xf6, 0, 7, 0, 2 };
	struct sal_inner p = { .src = c->inner4,
			       .dst = ip("10.8.0.1"),
			       .protocol = IPPROTO_ICMP,
			       .segment = echo,
			       .len = sizeof(echo),
			       .ip = { .ttl = 17, .traffic_class = 0xb9 } };

	host_send(c, &p);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, a->last.ip.ttl == 17 && a->last.ip.traffic_class == 0xb9);
	p.ip.ttl = 3;
	p.ip.traffic_class = 2;
	host_send(c, &p);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, a->last.ip.ttl == 3 && a->last.ip.traffic_class == 2);
	world_free(w);
}
END_TEST

START_TEST(the_client_moves_meanwhile)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, _i * MSEC / 2);
	host_addresses(c, _i & 1 ? NULL : "10.0.0.77", NULL);
	world_run_for(w, 300 * MSEC);
	host_addresses(c, "10.0.0.77", NULL);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, both_established(w));
	WORLD_OK(w, a->requests == 2 && c->last_reply_seq == 2);
	world_free(w);
}
END_TEST

struct kept_syn {
	uint8_t bytes[256];
	size_t len;
};

static void keep_syn(struct world *w, const struct wire_packet *p, void *arg)
{
	struct kept_syn *k = arg;

	if (k->len || p->from != world_c(w))
		return;
	memcpy(k->bytes, p->bytes, p->len);
	k->len = p->len;
}

/* A SYN from the address before comes last: where the client has got our
 * SYN-ACK, it is. The ACK of it may be lost (1): then data tells. */
START_TEST(syns_in_the_wrong_order)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct kept_syn k = { .len = 0 };

	w->tap = keep_syn;
	w->tap_arg = &k;
	host_ping(c, "10.8.0.1", 7, 1, 56);
	host_addresses(c, "10.0.0.77", NULL);
	world_lose(w, c, ACK, _i ? 1 : 0);
	world_run_for(w, 3 * MSEC / 2);
	world_inject(w, "10.0.0.1", a, k.bytes, k.len);
	world_run_for(w, 5 * MSEC);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, a->requests == 2 && c->last_reply_seq == 2);
	/* And late for good, it changes nothing. */
	world_inject(w, "10.0.0.1", a, k.bytes, k.len);
	host_ping(c, "10.8.0.1", 7, 3, 56);
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, c->last_reply_seq == 3 && both_established(w));
	world_free(w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: open");
	TCase *tc = tcase_create("open");

	tcase_add_loop_test(tc, ping_opens_a_flow, 0, 2);
	tcase_add_loop_test(tc, either_family_over_ipv6, 0, 2);
	tcase_add_loop_test(tc, udp_and_its_server, 0, 2);
	tcase_add_test(tc, a_large_first_segment_waits);
	tcase_add_loop_test(tc, a_lost_packet_of_the_handshake, 0,
			    sizeof(losses) / sizeof(*losses));
	tcase_add_test(tc, everything_comes_twice);
	tcase_add_test(tc, nobody_answers);
	tcase_add_test(tc, the_client_vanishes);
	tcase_add_test(tc, what_waits_for_the_handshake);
	tcase_add_test(tc, fields_of_the_ip_header);
	tcase_add_loop_test(tc, the_client_moves_meanwhile, 0, 8);
	tcase_add_loop_test(tc, syns_in_the_wrong_order, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
