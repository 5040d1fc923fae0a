/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A peer is asked whether it is there when a program waits for it, and only
 * then. */
#include "include/serval/wire.h"
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>

static uint64_t probes(struct host *h)
{
	return sal_stats(h->sal)->probes;
}

/* Nobody waits: a ping was answered, a stream has nothing to send. */
START_TEST(idle_flows_are_left_alone)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct toy_tcp client, server;
	uint64_t sent;

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, !probes(c) && !probes(a));
	world_run_for(w, 200 * SEC);
	toy_listen(&server, a, "10.8.0.1", 80, 20000);
	toy_connect(&client, c, "10.8.0.1", 4000, 80, 20000);
	world_run_for(w, 500 * MSEC);
	WORLD_OK(w, client.got == 20000 && server.got == 20000);
	sent = sal_stats(c->sal)->outer_out + sal_stats(a->sal)->outer_out;
	world_run_for(w, 3600 * SEC);
	WORLD_OK(w, !probes(c));
	WORLD_OK(w, !probes(a));
	WORLD_OK(w, sent == sal_stats(c->sal)->outer_out +
				    sal_stats(a->sal)->outer_out);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	world_free(w);
}
END_TEST

/* One who only listens is asked at times: once a second, while there is
 * traffic, and once after it. */
START_TEST(a_listener_answers)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	for (int i = 0; i < 200; i++) {
		host_udp(c, NULL, "10.8.0.1", 5000, 53, "listen");
		world_run_for(w, 50 * MSEC);
	}
	WORLD_OK(w, a->udp_got == 200);
	WORLD_OK(w, probes(c) >= 8 && probes(c) <= 10 && !probes(a));
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	world_run_for(w, 100 * SEC);
	WORLD_OK(w, probes(c) <= 11 && !sal_stats(c->sal)->silences);
	WORLD_OK(w, !world_events(w, c, SAL_EVENT_RSYN_SENT));
	world_free(w);
}
END_TEST

static void quick(struct sal_config *c)
{
	c->liveness_ns = 50 * MSEC;
	c->probe_gap_ns = 20 * MSEC;
	c->probe_tries = 2;
}

static void off(struct sal_config *c)
{
	c->liveness_ns = 0;
}

struct setting {
	void (*adjust)(struct sal_config *c);
	int64_t ms; /* from the first segment that is lost to the RSYN; 0: none
		     */
	uint64_t asked;
};

static const struct setting settings[] = {
	{ NULL, 1000 + 3 * 200, 3 },
	{ quick, 50 + 2 * 20, 2 },
	{ off, 0, 0 },
};

START_TEST(silence_has_its_time)
{
	const struct setting *s = &settings[_i];
	struct host *c;
	struct world *w;

	world_adjust = s->adjust;
	w = world_usual(1);
	world_adjust = NULL;
	c = world_c(w);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * SEC);
	w->cut = true;
	host_ping(c, "10.8.0.1", 7, 2, 56);
	if (!s->ms) {
		world_run_for(w, 30 * SEC);
		WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
		WORLD_OK(w, !sal_stats(c->sal)->challenges_sent);
		world_free(w);
		return;
	}
	world_run_for(w, s->ms * MSEC - 1);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	WORLD_OK(w, sal_stats(c->sal)->challenges_sent == s->asked);
	world_run_for(w, 1);
	WORLD_OK(w, host_flow(c).state == SAL_RSYN_SENT);
	WORLD_OK(w, sal_stats(c->sal)->silences == 1);
	/* Any sign of life in time would have done. */
	w->cut = false;
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	host_ping(c, "10.8.0.1", 7, 3, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->last_reply_seq == 3);
	world_free(w);
}
END_TEST

/* The last answer that can still count. */
START_TEST(an_answer_in_time)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	world_lose(w, c, LOSE_DATA, 1);
	world_lose(w, c, LOSE_CHALLENGES, 2);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 10 * SEC);
	WORLD_OK(w, sal_stats(c->sal)->challenges_sent == 3);
	WORLD_OK(w, !sal_stats(c->sal)->silences);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	world_free(w);
}
END_TEST

/* The instance is gone without a word: pings go to another one. */
START_TEST(a_silent_instance_is_left)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w), *b = world_b(w);

	host_serve(b, 1);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	host_forward(c, 1, "10.0.2.1");
	/* Nothing that is sent to A arrives any more. */
	a->address_count = 0;
	for (uint16_t seq = 2; seq < 200; seq++) {
		host_ping(c, "10.8.0.1", 7, seq, 56);
		world_run_for(w, 100 * MSEC);
	}
	WORLD_OK(w, b->requests > 100);
	WORLD_OK(w, c->last_reply_seq == 199);
	world_free(w);
}
END_TEST

/* One that has forgotten the flow says so when asked. */
START_TEST(a_forgetful_instance)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	host_reboot(a);
	/* What it would answer the segment itself is lost. */
	world_lose(w, c, LOSE_DATA, 1);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 1005 * MSEC);
	host_ping(c, "10.8.0.1", 7, 3, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->last_reply_seq == 3);
	world_free(w);
}
END_TEST

/* Its answers come when it was thought to be silent, and so the next time it is
 * given longer. But when it is gone that is found out. */
START_TEST(a_peer_far_away)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	w->weather.delay_ns = 400 * MSEC;
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, c->last_reply_seq == 1);
	host_addresses(c, "10.0.0.9", NULL);
	world_run_for(w, 30 * SEC);
	WORLD_OK(w, sal_stats(c->sal)->silences == 1);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	w->cut = true;
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 1900 * MSEC);
	WORLD_OK(w, sal_stats(c->sal)->silences == 1);
	world_run_for(w, 600 * MSEC);
	WORLD_OK(w, sal_stats(c->sal)->silences == 2);
	/* It is near, and known to be so. */
	w->cut = false;
	w->weather.delay_ns = MSEC;
	world_run_for(w, 30 * SEC);
	w->cut = true;
	host_ping(c, "10.8.0.1", 7, 3, 56);
	world_run_for(w, 1700 * MSEC);
	WORLD_OK(w, sal_stats(c->sal)->silences == 3);
	world_free(w);
}
END_TEST

static bool none_from_the_old_one(struct world *w, struct sal_path *path,
				  void *arg)
{
	const struct ip_addr *old = arg;

	(void)w;
	return !ip_addr_equal(&path->local, old) &&
	       !ip_addr_equal(&path->remote, old);
}

/* C comes to an address where A may say nothing more, for its answer was lost,
 * and goes back. Later A's way is dead: A leaves it, though it once could not
 * have. */
START_TEST(a_way_is_left_after_room_was_wanting)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct ip_addr old = ip("10.0.1.1");
	unsigned had;

	host_udp(c, "10.9.0.1", "10.8.0.1", 5000, 53, "hi");
	world_run_for(w, 100 * MSEC);
	host_udp(a, "10.8.0.1", "10.9.0.1", 53, 5000, "yo");
	world_run_for(w, 100 * MSEC);
	world_lose(w, a, SAL_FLAG_RSYN | SAL_FLAG_ACK, 1);
	host_addresses(c, "10.0.0.9", NULL);
	world_run_for(w, 50 * MSEC);
	host_udp(a, "10.8.0.1", "10.9.0.1", 53, 5000, "yo");
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, sal_stats(a->sal)->unproven_waits);
	host_addresses(c, "10.0.0.1", NULL);
	host_addresses(a, "10.0.1.1", "10.0.1.9");
	world_run_for(w, 5 * SEC);
	had = c->udp_got;
	WORLD_OK(w, had == 2);
	w->middle = none_from_the_old_one;
	w->middle_arg = &old;
	for (int i = 0; i < 10; i++) {
		host_udp(a, "10.8.0.1", "10.9.0.1", 53, 5000, "yo");
		world_run_for(w, SEC);
	}
	WORLD_OK(w, c->udp_got > had + 5);
	world_free(w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: liveness");
	TCase *tc = tcase_create("liveness");

	tcase_add_test(tc, idle_flows_are_left_alone);
	tcase_add_test(tc, a_listener_answers);
	tcase_add_loop_test(tc, silence_has_its_time, 0, 3);
	tcase_add_test(tc, an_answer_in_time);
	tcase_add_test(tc, a_silent_instance_is_left);
	tcase_add_test(tc, a_forgetful_instance);
	tcase_add_test(tc, a_peer_far_away);
	tcase_add_test(tc, a_way_is_left_after_room_was_wanting);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
