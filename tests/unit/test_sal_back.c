/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows go back to a better way when it answers, and not before. */
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define RSYN SAL_FLAG_RSYN
#define RTT_NS (2 * MSEC)

/* A client with two addresses, of which the first is the better, which pings,
 * or has a stream both ways. */
struct scene {
	struct world *w;
	struct host *c, *a;
	struct toy_tcp client, server;
	/* What goes from or to there is lost. */
	struct ip_addr dead;
	bool only_challenges; /* ... all else gets there */
	bool only_others; /* ... but challenges */
	bool is_challenge; /* the packet that is in the middle */
	/* Seen on the wire, of C's. */
	unsigned asked, asked_dead, rsyns;
	int64_t asked_ns[64], rsyn_ns;
	uint16_t pings;
};

static void watch(struct world *w, const struct wire_packet *p, void *arg)
{
	const struct sal_ext *question;
	const struct sal_control *c;
	struct scene *s = arg;
	struct sal_packet d;

	s->is_challenge = false;
	if (sal_decode(&d, p->bytes, p->len) != SAL_OK)
		return;
	question = sal_find(&d, SAL_EXT_CHALLENGE, 0);
	c = sal_find_control(&d);
	s->is_challenge = question;
	if (p->from != s->c)
		return;
	if (question && question->challenge.kind == SAL_CHALLENGE_ASK) {
		if (s->asked < 64)
			s->asked_ns[s->asked] = w->now_ns;
		s->asked++;
		s->asked_dead += ip_addr_equal(&p->path.local, &s->dead);
	}
	if (c && c->flags == RSYN) {
		s->rsyns++;
		s->rsyn_ns = w->now_ns;
	}
}

static bool passes(struct world *w, struct sal_path *path, void *arg)
{
	struct scene *s = arg;

	(void)w;
	if (!ip_addr_size(&s->dead) ||
	    (!ip_addr_equal(&path->local, &s->dead) &&
	     !ip_addr_equal(&path->remote, &s->dead)))
		return true;
	if (s->only_challenges)
		return !s->is_challenge;
	return s->only_others && s->is_challenge;
}

static void listen_to(struct scene *s)
{
	s->w->tap = watch;
	s->w->tap_arg = s;
	s->w->middle = passes;
	s->w->middle_arg = s;
}

/* A ping each 20 ms. */
static void run(struct scene *s, int64_t ns)
{
	int64_t until_ns = s->w->now_ns + ns;

	while (s->w->now_ns < until_ns) {
		int64_t left = until_ns - s->w->now_ns;

		host_ping(s->c, "10.8.0.1", 7, ++s->pings, 56);
		world_run_for(s->w, left < 20 * MSEC ? left : 20 * MSEC);
	}
}

static void begin_stream(struct scene *s)
{
	struct sal_policy back = { .go_back = true };

	*s = (struct scene){ .w = world_usual(11) };
	s->c = world_c(s->w);
	s->a = world_a(s->w);
	listen_to(s);
	sal_set_policy(s->c->sal, &back, s->w->now_ns);
	host_addresses(s->c, "10.0.0.1", "10.0.0.2");
	toy_listen(&s->server, s->a, "10.8.0.1", 80, 400000000);
	toy_connect(&s->client, s->c, "10.8.0.1", 4000, 80, 400000000);
	world_run_for(s->w, 100 * MSEC);
}

static void begin(struct scene *s, int64_t hold_ns)
{
	struct sal_policy back = { .go_back = true, .hold_ns = hold_ns };

	*s = (struct scene){ .w = world_usual(11) };
	s->c = world_c(s->w);
	s->a = world_a(s->w);
	listen_to(s);
	sal_set_policy(s->c->sal, &back, s->w->now_ns);
	host_addresses(s->c, "10.0.0.1", "10.0.0.2");
	run(s, 300 * MSEC);
}

static bool goes(const struct scene *s, const char *local)
{
	struct sal_flow_info f = host_flow(s->c);
	struct ip_addr want = ip(local);

	return f.state == SAL_ESTABLISHED &&
	       ip_addr_equal(&f.path.local, &want);
}

static bool says(const struct scene *s, const char *why)
{
	struct sal_history h;

	ck_assert(sal_flow_history(s->c->sal, host_flow(s->c).local_id, &h));
	return !strcmp(sal_way_why_name(h.v[h.n - 1].why), why);
}

/* The better address is lost, and the flow goes on by the other one. */
static void lose_better(struct scene *s)
{
	host_addresses(s->c, "10.0.0.2", NULL);
	if (s->client.connected)
		world_run_for(s->w, 100 * MSEC);
	else
		run(s, 300 * MSEC);
	WORLD_OK(s->w, goes(s, "10.0.0.2"));
	s->asked = s->asked_dead = s->rsyns = 0;
}

static void finish(struct scene *s)
{
	unsigned replies;

	s->dead = (struct ip_addr){ 0 };
	run(s, 15 * SEC);
	replies = s->c->replies;
	run(s, SEC);
	WORLD_OK(s->w, s->c->replies >= replies + 49);
	world_free(s->w);
}

static void finish_stream(struct scene *s)
{
	s->client.total = s->client.next - s->client.iss + 100000;
	s->server.total = s->server.next - s->server.iss + 100000;
	toy_finish(&s->client, &s->server, 120 * SEC);
	WORLD_OK(s->w, !s->client.wrong_byte && !s->server.wrong_byte);
	world_free(s->w);
}

/* One question, one answer, one RSYN; and nothing stands still: there is no
 * moment in which nothing comes in at either end. */
START_TEST(it_is_asked_and_taken)
{
	uint32_t client, server;
	struct scene s;

	begin_stream(&s);
	lose_better(&s);
	host_addresses(s.c, "10.0.0.1", "10.0.0.2");
	client = s.client.got;
	server = s.server.got;
	for (int i = 0; i < 20; i++) {
		world_run_for(s.w, 2 * RTT_NS);
		WORLD_OK(s.w, s.client.got > client);
		WORLD_OK(s.w, s.server.got > server);
		client = s.client.got;
		server = s.server.got;
	}
	WORLD_OK(s.w, goes(&s, "10.0.0.1") && says(&s, "went back"));
	WORLD_OK(s.w, s.asked == 1 && s.rsyns == 1);
	WORLD_OK(s.w, s.rsyn_ns == s.asked_ns[0] + RTT_NS);
	WORLD_OK(s.w, sal_stats(s.c->sal)->back_asked == 1);
	WORLD_OK(s.w, sal_stats(s.c->sal)->back_went == 1);
	WORLD_OK(s.w, !sal_stats(s.c->sal)->challenges_failed);
	/* At the best there is nothing to ask. */
	world_run_for(s.w, SEC);
	WORLD_OK(s.w, s.asked == 1 && s.rsyns == 1);
	finish_stream(&s);
}
END_TEST

/* The first questions are lost: they come again. */
START_TEST(a_lost_question)
{
	struct scene s;

	begin(&s, 0);
	lose_better(&s);
	world_lose(s.w, _i ? s.a : s.c, LOSE_CHALLENGES, 3);
	host_addresses(s.c, "10.0.0.1", "10.0.0.2");
	run(&s, 10 * SEC);
	WORLD_OK(s.w, goes(&s, "10.0.0.1"));
	/* An address on standby that is asked by A is one of them. */
	WORLD_OK(s.w, s.asked >= 3 && s.asked <= 4 && s.rsyns == 1);
	for (unsigned i = 1; i < s.asked; i++)
		WORLD_OK(s.w, s.asked_ns[i] - s.asked_ns[i - 1] ==
				      (200 * MSEC) << (i - 1));
	finish(&s);
}
END_TEST

/* It has an address, and nothing more: the flow does not move, and notices
 * nothing. Questions become rare, and end where nobody uses the flow. */
START_TEST(a_way_that_never_answers)
{
	struct scene s;
	unsigned got;

	begin(&s, 0);
	lose_better(&s);
	s.dead = ip("10.0.0.1");
	host_addresses(s.c, "10.0.0.1", "10.0.0.2");
	for (int i = 0; i < 60; i++) {
		got = s.c->replies;
		run(&s, SEC);
		WORLD_OK(s.w, goes(&s, "10.0.0.2"));
		WORLD_OK(s.w, s.c->replies == got + 50);
	}
	WORLD_OK(s.w, !s.rsyns && s.asked == s.asked_dead);
	/* 0, 0.2, 0.6, 1.4, 3, 6.2, 12.6, 25.4, 51 s. */
	WORLD_OK(s.w, s.asked == 9);
	run(&s, 300 * SEC);
	WORLD_OK(s.w, s.asked >= 18 && s.asked <= 19);
	/* Nobody says anything any more, for almost as long as such a flow
	 * lives; and then somebody does. */
	world_run_for(s.w, 30 * SEC);
	s.asked = 0;
	world_run_for(s.w, 28 * SEC);
	WORLD_OK(s.w, !s.asked && goes(&s, "10.0.0.2"));
	finish(&s);
}
END_TEST

/* It answers after a while; the flow goes back with the next question. */
START_TEST(a_way_that_answers_late)
{
	struct scene s;

	begin(&s, 0);
	lose_better(&s);
	s.dead = ip("10.0.0.1");
	host_addresses(s.c, "10.0.0.1", "10.0.0.2");
	run(&s, 5 * SEC);
	WORLD_OK(s.w, goes(&s, "10.0.0.2"));
	s.dead = (struct ip_addr){ 0 };
	run(&s, 5 * SEC);
	WORLD_OK(s.w, goes(&s, "10.0.0.1") && s.rsyns == 1);
	finish(&s);
}
END_TEST

/* The way is longer than the time between two questions: the answer to the
 * first is as good as that to the second. */
START_TEST(a_way_that_is_long)
{
	struct scene s;

	begin(&s, 0);
	lose_better(&s);
	s.w->weather.delay_ns = 150 * MSEC;
	host_addresses(s.c, "10.0.0.1", "10.0.0.2");
	run(&s, 3 * SEC);
	WORLD_OK(s.w, goes(&s, "10.0.0.1"));
	WORLD_OK(s.w, s.asked == 2);
	WORLD_OK(s.w, s.rsyn_ns >= s.asked_ns[0] + 300 * MSEC);
	finish(&s);
}
END_TEST

/* With hold it is asked when it has been there for so long. */
START_TEST(after_a_hold)
{
	struct scene s;

	begin(&s, SEC);
	lose_better(&s);
	host_addresses(s.c, "10.0.0.1", "10.0.0.2");
	run(&s, 999 * MSEC);
	WORLD_OK(s.w, !s.asked && goes(&s, "10.0.0.2"));
	run(&s, 20 * MSEC);
	WORLD_OK(s.w, s.asked == 1 && goes(&s, "10.0.0.1"));
	finish(&s);
}
END_TEST

/* It goes away again while it is asked. */
START_TEST(a_way_that_flaps)
{
	struct scene s;

	begin(&s, 0);
	lose_better(&s);
	s.dead = ip("10.0.0.1");
	for (int i = 0; i < 100; i++) {
		host_addresses(s.c, "10.0.0.1", "10.0.0.2");
		run(&s, 30 * MSEC);
		host_addresses(s.c, "10.0.0.2", NULL);
		run(&s, 30 * MSEC);
		WORLD_OK(s.w, goes(&s, "10.0.0.2"));
	}
	/* 200 ms apart at least, in 6 s. */
	WORLD_OK(s.w, !s.rsyns && s.asked >= 10 && s.asked <= 31);
	finish(&s);
}
END_TEST

/* The order changes: by the policy, or as the interface in use costs money. It
 * is asked first in any case. */
START_TEST(the_order_changes)
{
	struct sal_policy policy = { .go_back = true, .avoid_metered = true };
	struct sal_local_address list[2] = {
		{ .addr = ip("10.0.0.1"), .ifindex = 1, .cost = 2 },
		{ .addr = ip("10.0.0.2"), .ifindex = 2, .cost = 1 },
	};
	struct scene s;

	begin(&s, 0);
	policy.by_cost = !_i;
	list[0].metered = _i;
	sal_set_policy(s.c->sal, &policy, s.w->now_ns);
	sal_set_addresses(s.c->sal, list, 2, s.w->now_ns);
	run(&s, SEC);
	WORLD_OK(s.w, goes(&s, "10.0.0.2") && s.asked == 1);
	WORLD_OK(s.w, says(&s, _i ? "metered" : "policy changed"));
	finish(&s);
}
END_TEST

/* ---- silence ------------------------------------------------------------- */

/* No interface has an event: the way falls silent, and after a while answers
 * again. Without go_back the flow stays where it then is. */
START_TEST(a_silence_is_over)
{
	struct sal_policy stay = { .go_back = false };
	struct scene s;
	int64_t left_ns;

	begin(&s, 0);
	if (_i)
		sal_set_policy(s.c->sal, &stay, s.w->now_ns);
	s.dead = ip("10.0.0.1");
	run(&s, 3 * SEC);
	WORLD_OK(s.w, goes(&s, "10.0.0.2"));
	left_ns = s.rsyn_ns;
	run(&s, 7 * SEC);
	WORLD_OK(s.w, goes(&s, "10.0.0.2"));
	if (_i) {
		WORLD_OK(s.w, !sal_stats(s.c->sal)->back_asked);
	} else {
		/* Not for a second; then as any way that does not answer. */
		WORLD_OK(s.w, sal_stats(s.c->sal)->back_asked >= 4);
		WORLD_OK(s.w, sal_stats(s.c->sal)->back_asked <= 7);
		WORLD_OK(s.w, s.asked_ns[s.asked - 1] - left_ns > SEC);
	}
	s.dead = (struct ip_addr){ 0 };
	run(&s, 30 * SEC);
	WORLD_OK(s.w, goes(&s, _i ? "10.0.0.2" : "10.0.0.1"));
	/* Whoever of the two has noticed it first. */
	WORLD_OK(s.w, _i ? says(&s, "peer silent") || says(&s, "peer moved") :
			   says(&s, "went back"));
	finish(&s);
}
END_TEST

/* Questions pass, and nothing else does: each time the flow is sent on to where
 * it works, and waits for longer until it asks. */
START_TEST(a_way_that_only_answers)
{
	struct scene s;
	uint64_t went;
	unsigned got;

	begin(&s, 0);
	lose_better(&s);
	s.dead = ip("10.0.0.1");
	s.only_others = true;
	host_addresses(s.c, "10.0.0.1", "10.0.0.2");
	run(&s, 30 * SEC);
	went = sal_stats(s.c->sal)->back_went;
	WORLD_OK(s.w, went >= 4 && went <= 5);
	run(&s, 90 * SEC);
	went = sal_stats(s.c->sal)->back_went;
	WORLD_OK(s.w, went >= 6 && went <= 8);
	got = s.c->replies;
	run(&s, 30 * SEC);
	WORLD_OK(s.w, s.c->replies > got + 50 * 27);
	finish(&s);
}
END_TEST

/* All but questions pass: the flow has no reason to leave, and none to come.
 */
START_TEST(a_way_without_answers)
{
	struct scene s;

	begin(&s, 0);
	s.dead = ip("10.0.0.1");
	s.only_challenges = true;
	run(&s, 60 * SEC);
	WORLD_OK(s.w, goes(&s, "10.0.0.1") && !s.rsyns);
	finish(&s);
}
END_TEST

/* With a hold it has to answer for so long. */
START_TEST(a_silence_and_a_hold)
{
	struct scene s;
	int64_t over_ns;

	begin(&s, 5 * SEC);
	run(&s, 6 * SEC);
	s.dead = ip("10.0.0.1");
	run(&s, 4 * SEC);
	WORLD_OK(s.w, goes(&s, "10.0.0.2"));
	s.dead = (struct ip_addr){ 0 };
	over_ns = s.w->now_ns;
	s.rsyns = 0;
	run(&s, 5 * SEC);
	WORLD_OK(s.w, goes(&s, "10.0.0.2"));
	run(&s, 10 * SEC);
	WORLD_OK(s.w, goes(&s, "10.0.0.1") && s.rsyns == 1);
	WORLD_OK(s.w, s.rsyn_ns >= over_ns + 5 * SEC);
	finish(&s);
}
END_TEST

/* ---- many, and those who are not to be believed ---------------------------
 */

static void many(struct sal_config *c)
{
	c->max_flows = 1024;
	c->max_half_open = 1024;
	c->queue_bytes = 1u << 20;
}

struct where {
	unsigned best, others;
	struct ip_addr at;
};

static void count(void *arg, const struct sal_flow_info *f)
{
	struct where *n = arg;

	if (f->state == SAL_ESTABLISHED &&
	    ip_addr_equal(&f->path.local, &n->at))
		n->best++;
	else
		n->others++;
}

/* A thousand flows: what one has learned is good for all. While the way does
 * not answer there are 500 questions a second at most. */
START_TEST(a_thousand_go_back)
{
	struct sal_policy back = { .go_back = true };
	struct where n = { .at = ip("10.0.0.1") };
	struct scene s = { 0 };

	world_adjust = many;
	s.w = world_usual(7);
	world_adjust = NULL;
	s.c = world_c(s.w);
	s.a = world_a(s.w);
	listen_to(&s);
	host_addresses(s.c, "10.0.0.2", NULL);
	sal_set_policy(s.c->sal, &back, s.w->now_ns);
	for (unsigned i = 0; i < 1000; i++)
		host_ping(s.c, "10.8.0.1", (uint16_t)i, 1, 40);
	world_run_for(s.w, 5 * SEC);
	if (_i)
		s.dead = ip("10.0.0.1");
	host_addresses(s.c, "10.0.0.1", "10.0.0.2");
	world_run_for(s.w, SEC);
	sal_flows(s.c->sal, count, &n);
	if (_i) {
		WORLD_OK(s.w, n.others == 1000 && s.asked <= 501);
		world_run_for(s.w, 9 * SEC);
		WORLD_OK(s.w, s.asked <= 5001 && !s.rsyns);
		s.dead = (struct ip_addr){ 0 };
		world_run_for(s.w, 30 * SEC);
		n.best = n.others = 0;
		sal_flows(s.c->sal, count, &n);
	} else {
		WORLD_OK(s.w, s.asked <= 20);
	}
	WORLD_OK(s.w, n.best == 1000);
	WORLD_OK(s.w, s.rsyns == 1000);
	world_free(s.w);
}
END_TEST

/* Answers that nobody can have given who has read the question. */
START_TEST(guessed_answers)
{
	struct scene s;

	begin(&s, 0);
	lose_better(&s);
	s.dead = ip("10.0.0.1");
	host_addresses(s.c, "10.0.0.1", "10.0.0.2");
	run(&s, 100 * MSEC);
	WORLD_OK(s.w, s.asked == 1);
	for (unsigned i = 0; i < 1000; i++) {
		struct sal_flow_info f = host_flow(s.c);
		struct sal_packet p = { .src_flow = f.remote_id,
					.dst_flow = f.local_id };
		uint8_t bytes[SAL_HEADER_MAX];
		int len;

		p.n = 1;
		p.ext[0].type = SAL_EXT_CHALLENGE;
		p.ext[0].challenge.kind = SAL_CHALLENGE_ANSWER;
		p.ext[0].challenge.value =
			(uint64_t)world_random(s.w, UINT32_MAX) << 32 |
			world_random(s.w, UINT32_MAX);
		len = sal_encode(&p, bytes, sizeof(bytes));
		ck_assert_int_gt(len, 0);
		world_inject(s.w, "10.0.1.1", s.c, bytes, (size_t)len);
	}
	run(&s, 90 * MSEC);
	WORLD_OK(s.w, goes(&s, "10.0.0.2") && !s.rsyns);
	finish(&s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: going back");
	TCase *tc = tcase_create("back");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, it_is_asked_and_taken);
	tcase_add_loop_test(tc, a_lost_question, 0, 2);
	tcase_add_test(tc, a_way_that_never_answers);
	tcase_add_test(tc, a_way_that_answers_late);
	tcase_add_test(tc, a_way_that_is_long);
	tcase_add_test(tc, after_a_hold);
	tcase_add_test(tc, a_way_that_flaps);
	tcase_add_loop_test(tc, the_order_changes, 0, 2);
	tcase_add_loop_test(tc, a_silence_is_over, 0, 2);
	tcase_add_test(tc, a_way_that_only_answers);
	tcase_add_test(tc, a_way_without_answers);
	tcase_add_test(tc, a_silence_and_a_hold);
	tcase_add_loop_test(tc, a_thousand_go_back, 0, 2);
	tcase_add_test(tc, guessed_answers);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
