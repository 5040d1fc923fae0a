/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How conversations end: FIN, idleness, and what comes late. */
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>

#define FIN SAL_FLAG_FIN
#define ACK SAL_FLAG_ACK

static enum sal_state state(struct host *h)
{
	return host_flow(h).state;
}

START_TEST(idle_flows_close)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	int64_t idle = _i ? 180 * SEC : 60 * SEC;

	a->udp_port = 53;
	if (_i)
		host_udp(c, NULL, "10.8.0.1", 5000, 53, "hello");
	else
		host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, idle - SEC);
	WORLD_OK(w, state(c) == SAL_ESTABLISHED && state(a) == SAL_ESTABLISHED);
	world_run_for(w, SEC + 10 * MSEC);
	WORLD_OK(w, state(c) == SAL_TIME_WAIT && state(a) == SAL_TIME_WAIT);
	/* Neither end had to repeat anything. */
	WORLD_OK(w, !sal_stats(c->sal)->retransmissions);
	WORLD_OK(w, !sal_stats(a->sal)->retransmissions);
	world_run_for(w, 61 * SEC);
	WORLD_OK(w, !host_flows(c) && !host_flows(a));
	WORLD_OK(w, world_events(w, c, SAL_EVENT_FLOW_CLOSED) == 1);
	WORLD_OK(w, world_events(w, a, SAL_EVENT_FLOW_CLOSED) == 1);
	WORLD_OK(w, sal_next_ns(c->sal) == INT64_MAX);
	WORLD_OK(w, sal_next_ns(a->sal) == INT64_MAX);
	world_free(w);
}
END_TEST

START_TEST(a_busy_flow_stays)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	for (uint16_t seq = 1; seq < 20; seq++) {
		host_ping(c, "10.8.0.1", 7, seq, 56);
		world_run_for(w, 50 * SEC);
		WORLD_OK(w, c->replies == seq && state(c) == SAL_ESTABLISHED);
	}
	WORLD_OK(w, world_events(w, c, SAL_EVENT_FLOW_OPENED) == 1);
	world_free(w);
}
END_TEST

struct loss_case {
	bool client;
	int flags;
	unsigned n;
};

static const struct loss_case losses[] = {
	{ true, FIN, 1 },  { true, FIN, 4 },  { false, FIN, 2 },
	{ true, ACK, 1 },  { false, ACK, 1 }, { true, ACK, 3 },
	{ false, ACK, 3 },
};

START_TEST(a_lost_packet_of_the_end)
{
	const struct loss_case *l = &losses[_i];
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct lose *lost;

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	lost = world_lose(w, l->client ? c : a, l->flags, l->n);
	world_run_for(w, 70 * SEC);
	WORLD_OK(w, lost->seen >= 1);
	WORLD_OK(w, state(c) == SAL_TIME_WAIT && state(a) == SAL_TIME_WAIT);
	world_run_for(w, 61 * SEC);
	WORLD_OK(w, !host_flows(c) && !host_flows(a));
	world_free(w);
}
END_TEST

START_TEST(nobody_acknowledges_the_fin)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	struct lose *lost;

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	lost = world_lose(w, c, FIN, 1000);
	world_run_for(w, 59 * SEC);
	w->cut = true;
	world_run_for(w, 30 * SEC);
	WORLD_OK(w, lost->seen == 7 && !host_flows(c));
	world_free(w);
}
END_TEST

/* The same echo id or port again, at each stage of the old flow's end. */
START_TEST(a_new_conversation_on_an_old_tuple)
{
	static const int64_t after[] = { 60 * SEC, 60 * SEC + MSEC, 61 * SEC,
					 100 * SEC, 130 * SEC };
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, after[_i]);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 1500 * MSEC);
	WORLD_OK(w, c->replies == 2);
	host_ping(c, "10.8.0.1", 7, 3, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 3 && state(a) == SAL_ESTABLISHED);
	world_free(w);
}
END_TEST

START_TEST(the_last_ack_of_tcp_is_lost)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct toy_tcp client, server;

	toy_listen(&server, a, "10.8.0.1", 80, 100);
	toy_connect(&client, c, "10.8.0.1", 4000, 80, 100);
	world_run_for(w, 50 * MSEC);
	toy_close(&server);
	world_run_for(w, 50 * MSEC);
	toy_close(&client);
	/* A's ACK to C's FIN: C repeats it, and gets it, on a closing flow. */
	world_lose(w, a, LOSE_DATA, 1);
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, toy_done(&client) && toy_done(&server));
	WORLD_OK(w, client.timeouts == 1);
	WORLD_OK(w, state(c) == SAL_TIME_WAIT && state(a) == SAL_TIME_WAIT);
	/* The port again. */
	toy_listen(&server, a, "10.8.0.1", 80, 100);
	toy_connect(&client, c, "10.8.0.1", 4000, 80, 100);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, client.got == 100 && server.got == 100);
	WORLD_OK(w, state(c) == SAL_ESTABLISHED);
	world_free(w);
}
END_TEST

START_TEST(half_closed_tcp_stays_open)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct toy_tcp client, server;

	toy_listen(&server, a, "10.8.0.1", 80, 100);
	toy_connect(&client, c, "10.8.0.1", 4000, 80, 100);
	world_run_for(w, 50 * MSEC);
	toy_close(&client);
	world_run_for(w, 600 * SEC);
	WORLD_OK(w, toy_done(&client) && server.fin_got);
	WORLD_OK(w, state(c) == SAL_ESTABLISHED && state(a) == SAL_ESTABLISHED);
	toy_close(&server);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, state(c) == SAL_TIME_WAIT && state(a) == SAL_TIME_WAIT);
	world_free(w);
}
END_TEST

/* Closing while an end moves. */
START_TEST(an_end_moves_while_it_closes)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct host *mover = _i & 1 ? a : c;

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run(w, w->now_ns + 60 * SEC + 10000 + _i / 2 * MSEC / 2);
	host_addresses(mover, _i & 1 ? "10.0.1.77" : "10.0.0.77", NULL);
	world_run_for(w, 70 * SEC);
	world_run_for(w, 70 * SEC);
	WORLD_OK(w, !host_flows(c) && !host_flows(a));
	host_unforward(c, 1, "10.0.1.1");
	host_forward(c, 1, _i & 1 ? "10.0.1.77" : "10.0.1.1");
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->last_reply_seq == 2);
	world_free(w);
}
END_TEST

/* Moves in FIN_WAIT, its FIN lost (0) or the ACK to it (2), in TIME_WAIT (4),
 * with some time without address (6 and on); either end. */
START_TEST(an_end_tells_where_it_goes_while_it_closes)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct host *mover = _i & 1 ? a : c, *other = _i & 1 ? c : a;
	int when = _i / 2 % 3;
	struct sal_flow_info seen;

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	world_lose(w, mover, FIN, when == 0);
	world_lose(w, other, ACK, when == 1);
	world_run(w, SEC + 60 * SEC + 50 * MSEC);
	WORLD_OK(w, state(mover) == (when == 2 ? SAL_TIME_WAIT : SAL_FIN_WAIT));
	if (_i >= 6) {
		host_addresses(mover, NULL, NULL);
		world_run_for(w, SEC);
	}
	host_addresses(mover, _i & 1 ? "10.0.1.77" : "10.0.0.77", NULL);
	world_run_for(w, 3 * MSEC);
	WORLD_OK(w, host_flows(mover) == 1 && host_flows(other) == 1);
	seen = host_flow(other);
	WORLD_OK(w, ip_addr_equal(&seen.path.remote, &mover->addresses[0]));
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, state(c) == SAL_TIME_WAIT && state(a) == SAL_TIME_WAIT);
	world_run_for(w, 65 * SEC);
	WORLD_OK(w, !host_flows(c) && !host_flows(a));
	world_free(w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: close");
	TCase *tc = tcase_create("close");

	tcase_add_loop_test(tc, idle_flows_close, 0, 2);
	tcase_add_test(tc, a_busy_flow_stays);
	tcase_add_loop_test(tc, a_lost_packet_of_the_end, 0,
			    sizeof(losses) / sizeof(*losses));
	tcase_add_test(tc, nobody_acknowledges_the_fin);
	tcase_add_loop_test(tc, a_new_conversation_on_an_old_tuple, 0, 5);
	tcase_add_test(tc, the_last_ack_of_tcp_is_lost);
	tcase_add_test(tc, half_closed_tcp_stays_open);
	tcase_add_loop_test(tc, an_end_moves_while_it_closes, 0, 12);
	tcase_add_loop_test(tc, an_end_tells_where_it_goes_while_it_closes, 0,
			    12);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
