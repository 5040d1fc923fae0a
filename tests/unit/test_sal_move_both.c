/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both ends move, and find each other, by name where nothing else is left. */
#include "tests/support/moved_stream.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>

/* The other end moves while it answers: both are at it, and both arrive. */
START_TEST(both_move)
{
	struct stream st;

	stream_start(&st, 4, true, true);
	world_run_for(st.w, 20 * MSEC);
	host_addresses(st.c, "10.0.0.77", NULL);
	world_run_for(st.w, 1500000);
	WORLD_OK(st.w, state(st.a) == SAL_RSYN_RCVD);
	if (_i) {
		host_addresses(st.a, NULL, NULL);
		WORLD_OK(st.w, state(st.a) == SAL_NOADDRESS_RSYN_RCVD);
		world_run_for(st.w, _i * MSEC);
	}
	host_addresses(st.a, "10.0.1.77", NULL);
	WORLD_OK(st.w, state(st.a) == SAL_RSYN_SENT_RCVD ||
			       state(st.a) == SAL_RSYN_SENT);
	world_run_for(st.w, SEC);
	WORLD_OK(st.w, state(st.a) == SAL_ESTABLISHED);
	WORLD_OK(st.w, state(st.c) == SAL_ESTABLISHED);
	toy_finish(&st.client, &st.server, 20 * SEC);
	world_free(st.w);
}
END_TEST

/* Each loses the other's way; a RSYN of one gets through in the end. */
START_TEST(both_sent_their_rsyn)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	world_lose(w, c, RSYN, 1);
	world_lose(w, a, RSYN, 2);
	host_addresses(c, "10.0.0.77", NULL);
	/* Keeps its old address as well for a while: it can be reached. */
	host_addresses(a, "10.0.1.77", NULL);
	WORLD_OK(w, state(a) == SAL_RSYN_SENT && state(c) == SAL_RSYN_SENT);
	a->addresses[a->address_count++] = ip("10.0.1.1");
	world_run_for(w, 202 * MSEC);
	WORLD_OK(w, state(a) == SAL_RSYN_SENT_RCVD ||
			    state(a) == SAL_ESTABLISHED ||
			    state(a) == SAL_RSYN_SENT ||
			    state(a) == SAL_RSYN_RCVD);
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, state(a) == SAL_ESTABLISHED && state(c) == SAL_ESTABLISHED);
	a->address_count = 1;
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->replies == 2);
	world_free(w);
}
END_TEST

/* The service is where its host has gone to, say the rules from now on. */
static void found_at(struct host *c, const char *to)
{
	struct sal_rule r = { .id = service(1),
			      .bits = SERVICE_ID_BITS,
			      .kind = SAL_RULE_FORWARD,
			      .to = ip(to),
			      .priority = 5,
			      .weight = 1 };

	ck_assert_int_eq(sal_rule_add(c->sal, &r, c->world->now_ns), 0);
}

/* Each speaks to where the other no longer is, until the client's RSYN goes by
 * name: after 1.4 s of others, or with the rules, if these come later. */
START_TEST(both_moved_before_either_heard)
{
	bool late = _i;
	struct stream st;

	stream_start(&st, 6, true, true);
	world_run_for(st.w, 20 * MSEC);
	host_addresses(st.c, "10.0.0.77", NULL);
	host_addresses(st.a, "10.0.1.77", NULL);
	if (late)
		world_run_for(st.w, 10 * SEC);
	found_at(st.c, "10.0.1.77");
	WORLD_OK(st.w,
		 state(st.c) == SAL_RSYN_SENT && state(st.a) == SAL_RSYN_SENT);
	if (!late)
		world_run_for(st.w, 1399 * MSEC);
	WORLD_OK(st.w, state(st.c) == SAL_RSYN_SENT);
	world_run_for(st.w, late ? 10 * SEC : 5 * MSEC);
	WORLD_OK(st.w, state(st.c) == SAL_ESTABLISHED);
	WORLD_OK(st.w, state(st.a) == SAL_ESTABLISHED);
	WORLD_OK(st.w, peer_is(st.a, &st.c->addresses[0]));
	WORLD_OK(st.w, peer_is(st.c, &st.a->addresses[0]));
	toy_finish(&st.client, &st.server, 20 * SEC);
	WORLD_OK(st.w, !world_events(st.w, st.c, SAL_EVENT_FLOW_REBOUND));
	world_free(st.w);
}
END_TEST

/* So do ping (0) and UDP (1): the same flow goes on, it is not bound anew. */
START_TEST(both_moved_without_tcp)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	a->udp_port = 53;
	if (_i)
		host_udp(c, NULL, "10.8.0.1", 5000, 53, "before");
	else
		host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 20 * MSEC);
	host_addresses(c, "10.0.0.77", NULL);
	host_addresses(a, "10.0.1.77", NULL);
	found_at(c, "10.0.1.77");
	if (_i)
		host_udp(c, NULL, "10.8.0.1", 5000, 53, "after");
	else
		host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 1410 * MSEC);
	WORLD_OK(w, state(c) == SAL_ESTABLISHED && state(a) == SAL_ESTABLISHED);
	WORLD_OK(w, (_i ? c->udp_got : c->replies) == 2);
	WORLD_OK(w, !world_events(w, c, SAL_EVENT_FLOW_REBOUND));
	world_free(w);
}
END_TEST

/* The name leads to another instance, which does not know the flow: TCP is not
 * over by that, and goes on when its own can be found. */
START_TEST(the_name_leads_elsewhere)
{
	struct stream st;

	stream_start(&st, 6, true, true);
	host_serve(world_b(st.w), 1);
	world_run_for(st.w, 20 * MSEC);
	host_addresses(st.c, "10.0.0.77", NULL);
	host_addresses(st.a, "10.0.1.77", NULL);
	found_at(st.c, "10.0.2.1");
	world_run_for(st.w, 5 * SEC);
	WORLD_OK(st.w, state(st.c) == SAL_RSYN_SENT);
	WORLD_OK(st.w, sal_stats(st.c->sal)->unknown_flow > 0);
	WORLD_OK(st.w, !host_flows(world_b(st.w)));
	found_at(st.c, "10.0.1.77");
	world_run_for(st.w, 60 * SEC);
	WORLD_OK(st.w, state(st.c) == SAL_ESTABLISHED);
	toy_finish(&st.client, &st.server, 30 * SEC);
	world_free(st.w);
}
END_TEST

/* Its word comes when the own instance has been found: it is no news then. */
START_TEST(the_word_from_elsewhere_is_late)
{
	struct stream st;
	struct caught rsyn;
	struct sal_packet p;
	uint8_t bytes[64];
	uint64_t nonce = 0;
	int len;

	stream_start(&st, 6, true, true);
	world_run_for(st.w, 20 * MSEC);
	rsyn = (struct caught){ .from = st.c };
	st.w->tap = catch_rsyn;
	st.w->tap_arg = &rsyn;
	host_addresses(st.c, "10.0.0.77", NULL);
	world_run_for(st.w, 10 * MSEC);
	WORLD_OK(st.w, rsyn.len && state(st.c) == SAL_ESTABLISHED);
	for (int i = 0; i < 8; i++)
		nonce = nonce << 8 | rsyn.bytes[24 + i];
	sal_packet_init(&p, host_flow(st.c).remote_id, host_flow(st.c).local_id,
			IPPROTO_TCP);
	sal_add_control(&p, SAL_FLAG_RST | SAL_FLAG_ACK, 0, 0, nonce);
	sal_add_reason(&p, SAL_REASON_UNKNOWN_FLOW);
	len = sal_encode(&p, bytes, sizeof(bytes));
	ck_assert_int_gt(len, 0);
	world_inject(st.w, "10.0.2.1", st.c, bytes, (size_t)len);
	WORLD_OK(st.w, state(st.c) == SAL_ESTABLISHED);
	toy_finish(&st.client, &st.server, 20 * SEC);
	world_free(st.w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: both move");
	TCase *tc = tcase_create("both");

	tcase_add_loop_test(tc, both_move, 0, 3);
	tcase_add_test(tc, both_sent_their_rsyn);
	tcase_add_loop_test(tc, both_moved_before_either_heard, 0, 2);
	tcase_add_loop_test(tc, both_moved_without_tcp, 0, 2);
	tcase_add_test(tc, the_name_leads_elsewhere);
	tcase_add_test(tc, the_word_from_elsewhere_is_late);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
