/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An instance is replaced, or dies: who can go on does, who cannot is told. */
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>

static struct ip_addr peer(struct host *h)
{
	return host_flow(h).path.remote;
}

static bool peer_is(struct host *h, const char *text)
{
	struct ip_addr is = peer(h), want = ip(text);

	return ip_addr_equal(&is, &want);
}

/* The steps of a migration, in each order that they can happen to come in. */
static void unserve_a(struct world *w)
{
	host_unserve(world_a(w), 1);
}

static void serve_b(struct world *w)
{
	host_serve(world_b(w), 1);
}

static void forward_b_then_not_a(struct world *w)
{
	host_forward(world_c(w), 1, "10.0.2.1");
	host_unforward(world_c(w), 1, "10.0.1.1");
}

static void not_a_then_forward_b(struct world *w)
{
	host_unforward(world_c(w), 1, "10.0.1.1");
	host_forward(world_c(w), 1, "10.0.2.1");
}

typedef void (*step)(struct world *w);

static const step orders[][3] = {
	{ unserve_a, serve_b, forward_b_then_not_a },
	{ unserve_a, forward_b_then_not_a, serve_b },
	{ serve_b, unserve_a, not_a_then_forward_b },
	{ serve_b, forward_b_then_not_a, unserve_a },
	{ forward_b_then_not_a, unserve_a, serve_b },
	{ not_a_then_forward_b, serve_b, unserve_a },
};

#define ORDERS (sizeof(orders) / sizeof(*orders))

/* A request every 10 ms, and the steps so far apart (0: at once). */
static const int64_t gaps_ms[] = { 0, 5, 73 };

START_TEST(ping_goes_on)
{
	const step *order = orders[(size_t)_i % ORDERS];
	int64_t gap = gaps_ms[(size_t)_i / ORDERS];
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w), *b = world_b(w);
	uint16_t seq = 0;

	for (int64_t ms = 0; ms < 1000; ms++) {
		if (ms % 10 == 0)
			host_ping(c, "10.8.0.1", 7, ++seq, 56);
		/* While a request is on its way. */
		for (int k = 0; k < 3; k++)
			if (ms == 300 + k * gap)
				order[k](w);
		world_run_for(w, MSEC);
	}
	world_run_for(w, SEC);
	WORLD_OK(w, !c->unreachable);
	WORLD_OK(w, c->last_reply_seq == seq);
	WORLD_OK(w, c->replies >= seq - 1u && c->replies <= seq);
	WORLD_OK(w, a->requests > 25 && b->requests > 50);
	WORLD_OK(w, peer_is(c, "10.0.2.1"));
	WORLD_OK(w, world_events(w, c, SAL_EVENT_FLOW_REBOUND) == 1);
	/* The same conversation all along. */
	WORLD_OK(w, world_events(w, c, SAL_EVENT_FLOW_OPENED) == 1);
	WORLD_OK(w, !world_events(w, c, SAL_EVENT_FLOW_CLOSED));
	world_free(w);
}
END_TEST

START_TEST(and_back_again)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w), *b = world_b(w);
	uint16_t seq = 0;

	a->udp_port = b->udp_port = 53;
	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < 20; i++) {
			host_ping(c, "fd08::1", 7, ++seq, 56);
			host_udp(c, NULL, "10.8.0.1", 5000, 53, "hello");
			world_run_for(w, 10 * MSEC);
		}
		if (round & 1)
			world_replace(w, 1, b, a);
		else
			world_replace(w, 1, a, b);
	}
	world_run_for(w, SEC);
	WORLD_OK(w, c->replies == seq && c->udp_got == seq);
	WORLD_OK(w, !c->unreachable && host_flows(c) == 2);
	world_free(w);
}
END_TEST

/* Where no rule is left to go by, the program is told, and nothing is kept. */
START_TEST(no_rule_is_no_wait_for_ever)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, "10.8.0.1", 7, 1, 8);
	world_run_for(w, SEC);
	WORLD_OK(w, host_flows(c) == 1);
	host_unforward(c, 1, "10.0.1.1");
	world_run_for(w, SEC);
	host_unserve(a, 1);
	world_run_for(w, SEC);
	for (uint16_t i = 2; i < 40; i++) {
		host_ping(c, "10.8.0.1", 7, i, 8);
		world_run_for(w, SEC);
	}
	world_run_for(w, 3600 * SEC);
	WORLD_OK(w, host_flows(c) == 0);
	WORLD_OK(w, c->unreachable >= 30);
	world_free(w);
}
END_TEST

START_TEST(open_tcp_is_reset)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w), *b = world_b(w);
	struct toy_tcp client, server, next;

	toy_listen(&server, a, "10.8.0.1", 80, 1000000);
	toy_connect(&client, c, "10.8.0.1", 4000, 80, 0);
	world_run_for(w, 20 * MSEC + _i * MSEC / 2);
	WORLD_OK(w, client.got > 1000);
	/* Has more than it has acknowledged: where must a reset stand? */
	client.mute = _i == 4;
	world_run_for(w, client.mute ? 5 * MSEC : 0);
	world_replace(w, 1, a, b);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, client.reset && server.reset && !client.wrong_byte);
	WORLD_OK(w, !host_flows(c) && !host_flows(a));
	/* And a new connection goes to the new instance. */
	toy_listen(&next, b, "10.8.0.1", 80, 5000);
	toy_connect(&client, c, "10.8.0.1", 4000, 80, 0);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, client.got == 5000 && next.connected);
	world_free(w);
}
END_TEST

/* Only the rule changes, the old instance lives: open TCP stays, all else
 * leaves it politely. */
START_TEST(a_rule_alone_changes)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w), *b = world_b(w);
	struct toy_tcp client, server;

	host_serve(b, 1);
	toy_listen(&server, a, "10.8.0.1", 80, 50000);
	toy_connect(&client, c, "10.8.0.1", 4000, 80, 0);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	forward_b_then_not_a(w);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, client.got == 50000 && !client.reset);
	WORLD_OK(w, c->replies == 2 && b->requests == 1);
	/* A's end of the ping's flow has been closed by a FIN exchange. */
	WORLD_OK(w, world_events(w, a, SAL_EVENT_FLOW_STATE) > 0);
	world_run_for(w, 61 * SEC);
	WORLD_OK(w, host_flows(a) == 1);
	world_free(w);
}
END_TEST

/* Its one FIN to the old instance is lost. When that moves it learns that it is
 * nobody's peer, be it from the flow after one (0) or two (1) more rebindings.
 */
START_TEST(a_left_instance_is_told_so)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w), *b = world_b(w);

	host_serve(b, 1);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	world_lose(w, c, SAL_FLAG_FIN, 1);
	forward_b_then_not_a(w);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, b->requests == 1 && host_flow(a).state == SAL_ESTABLISHED);
	if (_i) {
		struct host *d = world_host(w, "D", "10.0.4.1", NULL, NULL);

		host_reboot(d);
		host_serve(d, 1);
		host_forward(c, 1, "10.0.4.1");
		host_unforward(c, 1, "10.0.2.1");
		world_run_for(w, 10 * MSEC);
		WORLD_OK(w, peer_is(c, "10.0.4.1"));
	}
	host_addresses(a, "10.0.1.77", NULL);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, !host_flows(a));
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	host_ping(c, "10.8.0.1", 7, 3, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 3);
	world_free(w);
}
END_TEST

/* A reply that is on its way when the flow leaves is not lost. */
START_TEST(what_the_old_instance_sent_arrives)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *b = world_b(w);

	host_serve(b, 1);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, _i * MSEC / 2);
	forward_b_then_not_a(w);
	world_run_for(w, 20 * MSEC);
	WORLD_OK(w, c->replies == 2);
	world_free(w);
}
END_TEST

/* Two instances, one after the other comes and goes: flows stay where they
 * are as long as their own rule stands. */
START_TEST(flows_stay_with_their_rule)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *b = world_b(w);

	host_serve(b, 1);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	host_forward(c, 1, "10.0.2.1");
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, peer_is(c, "10.0.1.1"));
	host_unforward(c, 1, "10.0.2.1");
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, peer_is(c, "10.0.1.1"));
	WORLD_OK(w, !world_events(w, c, SAL_EVENT_FLOW_REBOUND));
	/* Without any rule as well. */
	host_unforward(c, 1, "10.0.1.1");
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 2);
	/* The same one comes back: nothing happens. */
	host_forward(c, 1, "10.0.1.1");
	host_ping(c, "10.8.0.1", 7, 3, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 3);
	WORLD_OK(w, !world_events(w, c, SAL_EVENT_FLOW_REBOUND));
	/* A peer that has moved is still this rule's. */
	host_addresses(world_a(w), "10.0.1.99", NULL);
	world_run_for(w, 10 * MSEC);
	host_forward(c, 1, "10.0.2.1");
	host_ping(c, "10.8.0.1", 7, 4, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 4 && peer_is(c, "10.0.1.99"));
	world_free(w);
}
END_TEST

/* The instance's sald starts again and has no flows: it says so when asked. */
START_TEST(an_instance_forgets)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint16_t seq = 1;

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	host_reboot(a);
	while (seq < 50) {
		host_ping(c, "10.8.0.1", 7, ++seq, 56);
		world_run_for(w, 10 * MSEC);
	}
	WORLD_OK(w, c->replies == 49);
	WORLD_OK(w, sal_stats(c->sal)->challenges_sent == 1);
	WORLD_OK(w, world_events(w, c, SAL_EVENT_FLOW_REBOUND) == 1);
	world_free(w);
}
END_TEST

START_TEST(an_instance_forgets_tcp)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct toy_tcp client, server;

	toy_listen(&server, a, "10.8.0.1", 80, 0);
	toy_connect(&client, c, "10.8.0.1", 4000, 80, 1000000);
	world_run_for(w, 20 * MSEC);
	host_reboot(a);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, client.reset && !host_flows(c));
	world_free(w);
}
END_TEST

/* The client's sald starts again, and its program goes on with the same echo
 * id: the server finds that nobody leads the old conversation. */
START_TEST(a_client_forgets)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	host_reboot(c);
	if (_i)
		world_lose(w, c, SAL_FLAG_RST | SAL_FLAG_ACK, 1000);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 1100 * MSEC);
	/* Silence may be that of one who is on its way. */
	WORLD_OK(w, c->replies == (_i ? 1 : 2) && host_flows(a) == 1);
	world_run_for(w, 6 * SEC);
	WORLD_OK(w, c->replies == 2 && host_flows(a) == 1);
	world_free(w);
}
END_TEST

/* No word from the instance after the client has moved: look for another. */
START_TEST(an_instance_falls_silent)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w), *b = world_b(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	a->address_count = 0;
	host_addresses(c, "10.0.0.77", NULL);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 2 * SEC);
	/* Nobody has told C yet, but the rules know where B is. */
	host_serve(b, 1);
	forward_b_then_not_a(w);
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, c->replies == 2 && peer_is(c, "10.0.2.1"));
	world_free(w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: instance");
	TCase *tc = tcase_create("instance");

	tcase_add_loop_test(tc, ping_goes_on, 0,
			    ORDERS * sizeof(gaps_ms) / sizeof(*gaps_ms));
	tcase_add_test(tc, and_back_again);
	tcase_add_test(tc, no_rule_is_no_wait_for_ever);
	tcase_add_loop_test(tc, open_tcp_is_reset, 0, 5);
	tcase_add_loop_test(tc, a_left_instance_is_told_so, 0, 2);
	tcase_add_test(tc, a_rule_alone_changes);
	tcase_add_loop_test(tc, what_the_old_instance_sent_arrives, 0, 5);
	tcase_add_test(tc, flows_stay_with_their_rule);
	tcase_add_test(tc, an_instance_forgets);
	tcase_add_test(tc, an_instance_forgets_tcp);
	tcase_add_loop_test(tc, a_client_forgets, 0, 2);
	tcase_add_test(tc, an_instance_falls_silent);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
