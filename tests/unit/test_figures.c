/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The figures of flows whose answer is known by construction: packets every
 * 10 ms from 1 s on, each answered after 100 us, and then something done to
 * them.
 */
#include "orchestrator/report/figures.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define START (1000 * MS)
#define INTERVAL (10 * MS)
#define RTT (100 * US)
#define PACKETS_MAX 1000

static struct sample packets[PACKETS_MAX];
static struct figures f;

static int64_t sent_at(size_t seq)
{
	return START + (int64_t)seq * INTERVAL;
}

static void flow(size_t n)
{
	memset(packets, 0, sizeof(packets));
	for (size_t i = 0; i < n; i++) {
		packets[i].seq = i;
		packets[i].sent_ns = sent_at(i);
		packets[i].received_ns = sent_at(i) + RTT;
		packets[i].copies = 1;
	}
}

static void lose(size_t first, size_t last)
{
	for (size_t i = first; i <= last; i++) {
		packets[i].received_ns = SAMPLE_NONE;
		packets[i].copies = 0;
	}
}

static void make(size_t n, const struct figures_action *actions,
		 size_t n_actions)
{
	ck_assert_int_eq(figures_make(packets, n, actions, n_actions, &f), 0);
	ck_assert_uint_eq(f.phases.n, 2 * n_actions + 1);
	ck_assert_uint_eq(f.actions.n, n_actions);
}

static void teardown(void)
{
	figures_free(&f);
}

/* Phases cover all packets once, and lie end to end. */
static void check_sums(void)
{
	struct figures_counts sum = { 0 };

	for (size_t i = 0; i < f.phases.n; i++) {
		const struct figures_phase *p = &f.phases.v[i];

		sum.sent += p->counts.sent;
		sum.received += p->counts.received;
		sum.lost += p->counts.lost;
		sum.duplicated += p->counts.duplicated;
		sum.reordered += p->counts.reordered;
		ck_assert(p->begin_ns <= p->end_ns);
		if (i > 0)
			ck_assert_int_eq(p->begin_ns, f.phases.v[i - 1].end_ns);
	}
	ck_assert_mem_eq(&sum, &f.counts, sizeof(sum));
	ck_assert_uint_eq(f.counts.sent, f.counts.received + f.counts.lost);
}

START_TEST(test_undisturbed)
{
	flow(600);
	make(600, NULL, 0);
	check_sums();
	ck_assert_uint_eq(f.counts.sent, 600);
	ck_assert_uint_eq(f.counts.received, 600);
	ck_assert_uint_eq(f.counts.duplicated, 0);
	ck_assert_uint_eq(f.counts.reordered, 0);
	ck_assert_int_eq(f.interval_ns, INTERVAL);
	ck_assert_int_eq(f.rtt.min_ns, RTT);
	ck_assert_int_eq(f.rtt.max_ns, RTT);
	ck_assert_int_eq(f.outage.length_ns, INTERVAL);
	ck_assert_int_eq(f.outage.begin_ns, sent_at(0) + RTT);
}
END_TEST

START_TEST(test_lost)
{
	flow(600);
	lose(100, 100);
	lose(300, 304);
	make(600, NULL, 0);
	check_sums();
	ck_assert_uint_eq(f.counts.lost, 6);
	/* From the reply of 299 to that of 305. */
	ck_assert_int_eq(f.outage.length_ns, 6 * INTERVAL);
	ck_assert_int_eq(f.outage.begin_ns, sent_at(299) + RTT);
}
END_TEST

START_TEST(test_lost_at_the_ends)
{
	flow(100);
	lose(0, 9);
	lose(80, 99);
	make(100, NULL, 0);
	/* The last sending closes it: nothing was sent later to be missed. */
	ck_assert_int_eq(f.outage.length_ns, sent_at(99) - sent_at(79) - RTT);
	ck_assert_int_eq(f.outage.begin_ns, sent_at(79) + RTT);
	teardown();

	flow(100);
	lose(0, 9);
	make(100, NULL, 0);
	ck_assert_int_eq(f.outage.length_ns, sent_at(10) - sent_at(0) + RTT);
	ck_assert_int_eq(f.outage.begin_ns, sent_at(0));
}
END_TEST

START_TEST(test_no_reply)
{
	flow(100);
	lose(0, 99);
	make(100, NULL, 0);
	ck_assert_uint_eq(f.counts.received, 0);
	ck_assert_uint_eq(f.counts.lost, 100);
	ck_assert_int_eq(f.rtt.p50_ns, FIGURE_NONE);
	ck_assert_int_eq(f.outage.length_ns, sent_at(99) - sent_at(0));
	ck_assert_int_eq(f.outage.begin_ns, sent_at(0));
}
END_TEST

START_TEST(test_single_packet)
{
	flow(1);
	make(1, NULL, 0);
	ck_assert_int_eq(f.rtt.p50_ns, RTT);
	ck_assert_int_eq(f.rtt.p99_ns, RTT);
	ck_assert_int_eq(f.outage.length_ns, RTT);
	ck_assert_int_eq(f.interval_ns, FIGURE_NONE);
	teardown();

	lose(0, 0);
	make(1, NULL, 0);
	ck_assert_uint_eq(f.counts.lost, 1);
	ck_assert_int_eq(f.outage.length_ns, 0);
	ck_assert_int_eq(f.outage.begin_ns, FIGURE_NONE);
}
END_TEST

START_TEST(test_nothing)
{
	struct figures_action action = { START, START + MS, false };

	make(0, &action, 1);
	check_sums();
	ck_assert_uint_eq(f.counts.sent, 0);
	ck_assert_int_eq(f.outage.length_ns, 0);
	ck_assert_int_eq(f.rtt.min_ns, FIGURE_NONE);
	ck_assert_int_eq(f.interval_ns, FIGURE_NONE);
}
END_TEST

START_TEST(test_duplicates)
{
	flow(10);
	packets[3].copies = 2;
	packets[7].copies = 4;
	make(10, NULL, 0);
	ck_assert_uint_eq(f.counts.received, 10);
	ck_assert_uint_eq(f.counts.duplicated, 1 + 3);
}
END_TEST

START_TEST(test_reordered)
{
	flow(10);
	/* The reply of 2 comes after that of 5; 5's own is in time. */
	packets[2].received_ns = sent_at(5) + RTT + 1;
	/* Those of 7 and 8 at the same moment are in order. */
	packets[7].received_ns = packets[8].received_ns;
	make(10, NULL, 0);
	ck_assert_uint_eq(f.counts.reordered, 1);
	ck_assert_uint_eq(f.counts.lost, 0);
	teardown();

	/* One early reply makes all before it late. */
	flow(10);
	packets[9].received_ns = sent_at(5) + RTT / 2;
	make(10, NULL, 0);
	ck_assert_uint_eq(f.counts.reordered, 4);
}
END_TEST

START_TEST(test_percentiles)
{
	int64_t values[200];

	for (int i = 0; i < 200; i++)
		values[i] = i + 1;
	ck_assert_int_eq(figures_percentile(values, 0, 50), FIGURE_NONE);
	ck_assert_int_eq(figures_percentile(values, 1, 99), 1);
	ck_assert_int_eq(figures_percentile(values, 4, 50), 2);
	ck_assert_int_eq(figures_percentile(values, 5, 50), 3);
	ck_assert_int_eq(figures_percentile(values, 100, 99), 99);
	ck_assert_int_eq(figures_percentile(values, 101, 99), 100);
	ck_assert_int_eq(figures_percentile(values, 200, 99), 198);
	ck_assert_int_eq(figures_percentile(values, 200, 100), 200);

	/* The slowest of 100 is beyond p99, the two slowest are not. */
	flow(100);
	packets[99].received_ns = sent_at(99) + 7 * RTT;
	make(100, NULL, 0);
	ck_assert_int_eq(f.rtt.p99_ns, RTT);
	ck_assert_int_eq(f.rtt.max_ns, 7 * RTT);
	teardown();
	packets[98].received_ns = sent_at(98) + 5 * RTT;
	make(100, NULL, 0);
	ck_assert_int_eq(f.rtt.p99_ns, 5 * RTT);
}
END_TEST

/* 300 ms of silence from 50 us after an action that took 1 ms. */
START_TEST(test_phases_of_an_outage)
{
	struct figures_action action = { sent_at(200) - 50 * US,
					 sent_at(200) + 950 * US, false };
	const struct figures_phase *before, *during, *after;

	flow(600);
	lose(200, 229);
	packets[250].received_ns = sent_at(250) + 3 * RTT;
	make(600, &action, 1);
	check_sums();
	before = &f.phases.v[0];
	during = &f.phases.v[1];
	after = &f.phases.v[2];

	ck_assert_uint_eq(before->counts.sent, 200);
	ck_assert_uint_eq(before->counts.lost, 0);
	/* The outage began before the action, and is no fault of "before". */
	ck_assert_int_eq(before->outage.length_ns, INTERVAL);

	ck_assert_uint_eq(during->counts.sent, 30);
	ck_assert_uint_eq(during->counts.lost, 30);
	ck_assert_int_eq(during->end_ns, sent_at(230));
	ck_assert_int_eq(during->rtt.p50_ns, FIGURE_NONE);
	ck_assert_int_eq(during->outage.length_ns, 31 * INTERVAL);
	ck_assert_int_eq(during->outage.begin_ns, sent_at(199) + RTT);

	ck_assert_uint_eq(after->counts.sent, 370);
	ck_assert_uint_eq(after->counts.lost, 0);
	ck_assert_int_eq(after->rtt.max_ns, 3 * RTT);
	ck_assert_int_eq(after->outage.length_ns, INTERVAL + 2 * RTT);

	ck_assert_int_eq(f.actions.v[0].length_ns, 31 * INTERVAL);
	ck_assert_int_eq(f.outage.length_ns, 31 * INTERVAL);
}
END_TEST

/* What is answered while the action goes on does not say that it is over. */
START_TEST(test_during_lasts_as_long_as_the_action)
{
	struct figures_action action = { sent_at(10) + 1, sent_at(20) + 1,
					 false };

	flow(40);
	make(40, &action, 1);
	check_sums();
	ck_assert_uint_eq(f.phases.v[0].counts.sent, 11);
	ck_assert_uint_eq(f.phases.v[1].counts.sent, 10);
	ck_assert_uint_eq(f.phases.v[1].counts.received, 10);
	ck_assert_uint_eq(f.phases.v[2].counts.sent, 19);
	ck_assert_int_eq(f.phases.v[1].end_ns, sent_at(21));
}
END_TEST

/* A packet sent at the very moment at which it was done is the first after. */
START_TEST(test_sent_when_it_was_done)
{
	struct figures_action action = { sent_at(10) - 1, sent_at(10), false };

	flow(20);
	make(20, &action, 1);
	ck_assert_int_eq(f.phases.v[1].end_ns, sent_at(10));
	ck_assert_uint_eq(f.phases.v[1].counts.sent, 0);
	ck_assert_uint_eq(f.phases.v[2].counts.sent, 10);
}
END_TEST

START_TEST(test_action_before_the_first_packet)
{
	struct figures_action action = { START - 500 * MS, START - 499 * MS,
					 false };

	flow(10);
	make(10, &action, 1);
	check_sums();
	ck_assert_uint_eq(f.phases.v[0].counts.sent, 0);
	ck_assert_uint_eq(f.phases.v[1].counts.sent, 0);
	ck_assert_int_eq(f.phases.v[1].end_ns, sent_at(0));
	ck_assert_uint_eq(f.phases.v[2].counts.sent, 10);
	ck_assert_int_eq(f.phases.v[0].outage.length_ns, 0);
	ck_assert_int_eq(f.phases.v[1].outage.length_ns, 0);
	ck_assert_int_eq(f.phases.v[2].outage.length_ns, INTERVAL);
}
END_TEST

START_TEST(test_action_after_the_last_packet)
{
	struct figures_action action = { sent_at(20), FIGURE_FOREVER, false };

	flow(10);
	make(10, &action, 1);
	check_sums();
	ck_assert_uint_eq(f.phases.v[0].counts.sent, 10);
	ck_assert_uint_eq(f.phases.v[1].counts.sent, 0);
	ck_assert_int_eq(f.actions.v[0].length_ns, 0);
}
END_TEST

/* Delivery was not restored from the first when the second began. */
START_TEST(test_two_actions_close_together)
{
	struct figures_action actions[] = {
		{ sent_at(20) - 50 * US, sent_at(20) - 40 * US, false },
		{ sent_at(22) - 50 * US, sent_at(22) - 40 * US, false },
	};

	flow(40);
	lose(20, 24);
	make(40, actions, 2);
	check_sums();
	ck_assert_uint_eq(f.phases.v[1].counts.lost, 2);
	ck_assert_uint_eq(f.phases.v[2].counts.sent, 0);
	ck_assert_int_eq(f.phases.v[2].begin_ns, f.phases.v[2].end_ns);
	ck_assert_uint_eq(f.phases.v[3].counts.lost, 3);
	ck_assert_uint_eq(f.phases.v[4].counts.sent, 15);
	/* One outage, suffered by both. */
	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(f.actions.v[i].length_ns, 6 * INTERVAL);
		ck_assert_int_eq(f.actions.v[i].begin_ns, sent_at(19) + RTT);
		ck_assert_int_eq(f.phases.v[2 * i + 1].outage.length_ns,
				 6 * INTERVAL);
	}
	ck_assert_int_eq(f.phases.v[2].outage.length_ns, 0);
	ck_assert_int_eq(f.phases.v[4].outage.length_ns, INTERVAL);
}
END_TEST

/* Two actions begin at the same moment: the first one has no time at all. */
START_TEST(test_two_actions_at_once)
{
	struct figures_action actions[] = {
		{ sent_at(20) - 50 * US, sent_at(20) - 50 * US, false },
		{ sent_at(20) - 50 * US, sent_at(20) - 40 * US, false },
	};

	flow(40);
	lose(20, 20);
	make(40, actions, 2);
	check_sums();
	ck_assert_uint_eq(f.phases.v[1].counts.sent, 0);
	ck_assert_uint_eq(f.phases.v[3].counts.lost, 1);
	ck_assert_int_eq(f.actions.v[0].length_ns, 2 * INTERVAL);
	ck_assert_int_eq(f.actions.v[1].length_ns, 2 * INTERVAL);
}
END_TEST

/* Three of one moment, then another: nothing is cut between the three. */
START_TEST(test_joined)
{
	struct figures_action actions[] = {
		{ sent_at(20) - 50 * US, sent_at(23) + 1, false },
		{ sent_at(20) - 40 * US, sent_at(21), true },
		{ sent_at(20) - 30 * US, sent_at(20), true },
		{ sent_at(30), sent_at(30) + 1, false },
	};

	flow(40);
	lose(20, 21);
	ck_assert_int_eq(figures_make(packets, 40, actions, 4, &f), 0);
	check_sums();
	ck_assert_uint_eq(f.phases.n, 5);
	ck_assert_uint_eq(f.phases.v[1].action, 0);
	ck_assert_uint_eq(f.phases.v[1].n_actions, 3);
	ck_assert_int_eq(f.phases.v[1].begin_ns, actions[0].begin_ns);
	ck_assert_int_eq(f.phases.v[1].end_ns, sent_at(24));
	ck_assert_uint_eq(f.phases.v[1].counts.lost, 2);
	ck_assert_int_eq(f.phases.v[2].end_ns, actions[3].begin_ns);
	ck_assert_uint_eq(f.phases.v[3].action, 3);
	ck_assert_uint_eq(f.phases.v[3].n_actions, 1);
	ck_assert_uint_eq(f.actions.n, 4);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(f.actions.v[i].length_ns, 3 * INTERVAL);
	ck_assert_int_eq(f.actions.v[3].length_ns, INTERVAL);
}
END_TEST

START_TEST(test_never_restored)
{
	struct figures_action action = { sent_at(50), sent_at(50) + MS, false };

	flow(100);
	lose(50, 99);
	make(100, &action, 1);
	check_sums();
	ck_assert_uint_eq(f.phases.v[1].counts.lost, 50);
	ck_assert_int_eq(f.phases.v[1].end_ns, FIGURE_FOREVER);
	ck_assert_uint_eq(f.phases.v[2].counts.sent, 0);
	ck_assert_int_eq(f.actions.v[0].begin_ns, sent_at(49) + RTT);
}
END_TEST

START_TEST(test_errors)
{
	flow(20);
	lose(0, 19);
	for (int i = 0; i < 20; i++)
		snprintf(packets[i].error, sizeof(packets[i].error), "e%d",
			 i % 10);
	make(20, NULL, 0);
	ck_assert_uint_eq(f.n_errors, FIGURES_ERRORS_MAX + 1);
	for (size_t i = 0; i < FIGURES_ERRORS_MAX; i++)
		ck_assert_uint_eq(f.errors[i].count, 2);
	ck_assert_str_eq(f.errors[FIGURES_ERRORS_MAX].text, "other");
	ck_assert_uint_eq(f.errors[FIGURES_ERRORS_MAX].count, 4);
}
END_TEST

/* No record, however forged, makes it overflow or stop. */
START_TEST(test_forged)
{
	struct figures_action actions[] = {
		{ INT64_MIN + 1, INT64_MIN + 1, false },
		{ 0, INT64_MIN + 1, false },
		{ INT64_MAX, INT64_MAX, false },
	};

	flow(6);
	packets[0].sent_ns = INT64_MAX;
	packets[1].sent_ns = INT64_MIN;
	packets[2].received_ns = INT64_MAX;
	packets[3].received_ns = INT64_MIN + 1;
	packets[4].received_ns = 0;
	packets[5].copies = UINT32_MAX;
	packets[5].seq = UINT64_MAX;
	make(6, actions, 3);
	check_sums();
	ck_assert_int_eq(f.rtt.max_ns, INT64_MAX);
	ck_assert_int_eq(f.rtt.min_ns, -INT64_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("figures");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, test_undisturbed);
	tcase_add_test(tc, test_lost);
	tcase_add_test(tc, test_lost_at_the_ends);
	tcase_add_test(tc, test_no_reply);
	tcase_add_test(tc, test_single_packet);
	tcase_add_test(tc, test_nothing);
	tcase_add_test(tc, test_duplicates);
	tcase_add_test(tc, test_reordered);
	tcase_add_test(tc, test_percentiles);
	tcase_add_test(tc, test_phases_of_an_outage);
	tcase_add_test(tc, test_during_lasts_as_long_as_the_action);
	tcase_add_test(tc, test_sent_when_it_was_done);
	tcase_add_test(tc, test_action_before_the_first_packet);
	tcase_add_test(tc, test_action_after_the_last_packet);
	tcase_add_test(tc, test_two_actions_close_together);
	tcase_add_test(tc, test_two_actions_at_once);
	tcase_add_test(tc, test_joined);
	tcase_add_test(tc, test_never_restored);
	tcase_add_test(tc, test_errors);
	tcase_add_test(tc, test_forged);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
