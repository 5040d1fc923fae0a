/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each kind of expectation, just held and just not, and the texts of both. */
#include "tests/support/judged.h"
#include "tests/support/run_suite.h"

static struct served_run runs[2][40];

START_TEST(test_counts)
{
	struct scn_expect e = metric(SCN_METRIC_LOST, false, 0, true, 3);

	judge(&e, true, "rtt: lost", "at most 3", "3");
	e.range.max = 2;
	judge(&e, false, "rtt: lost", "at most 2", "3");
	e = metric(SCN_METRIC_RECEIVED, true, 598, false, 0);
	judge(&e, false, "rtt: received", "at least 598", "597");
	e.range.min = 597;
	judge(&e, true, "rtt: received", "at least 597", "597");
	e = metric(SCN_METRIC_SENT, true, 600, true, 600);
	judge(&e, true, "rtt: sent", "600", "600");
	e = metric(SCN_METRIC_LOST, true, 4, true, 5);
	judge(&e, false, "rtt: lost", "4 to 5", "3");
	e = metric(SCN_METRIC_DUPLICATED, true, 0, true, 0);
	judge(&e, true, "rtt: duplicated", "0", "0");
}
END_TEST

START_TEST(test_times)
{
	struct scn_expect e =
		metric(SCN_METRIC_OUTAGE, false, 0, true, 40 * MS);

	judge(&e, true, "rtt: outage", "at most 40 ms", "40 ms");
	/* So little above that it would read "40 ms". */
	results[0].figures.outage.length_ns = 40 * MS + 1;
	judge(&e, false, "rtt: outage", "at most 40 ms", "40000001 ns");
	results[0].figures.outage.length_ns = 60 * MS;
	judge(&e, false, "rtt: outage", "at most 40 ms", "60 ms");
	e = metric(SCN_METRIC_RTT_P50, true, 2 * MS, false, 0);
	judge(&e, true, "rtt: rtt_p50", "at least 2 ms", "2 ms");
	e = metric(SCN_METRIC_RTT_P99, false, 0, true, 2 * MS);
	judge(&e, false, "rtt: rtt_p99", "at most 2 ms", "3 ms");
}
END_TEST

/* Nothing known is nothing proven, whatever the range. */
START_TEST(test_no_data)
{
	struct scn_expect lost = metric(SCN_METRIC_LOST, false, 0, true, 5);
	struct scn_expect rtt = metric(SCN_METRIC_RTT_P99, false, 0, true, MS);
	struct scn_expect sent = metric(SCN_METRIC_SENT, true, 0, true, 0);

	results[0].figures.rtt.p99_ns = FIGURE_NONE;
	judge(&rtt, false, "rtt: rtt_p99", "at most 1 ms",
	      "unknown: there was no reply");
	results[0].figures = (struct figures){ 0 };
	judge(&lost, false, "rtt: lost", "at most 5",
	      "unknown: nothing was sent");
	judge(&sent, true, "rtt: sent", "0", "0");
	sampled[0].started = false;
	judge(&sent, false, "rtt: sent", "0", "unknown: the probe never began");
}
END_TEST

static void answered(size_t probe, const size_t *by, size_t n)
{
	for (size_t i = 0; i < n; i++)
		runs[probe][i] = (struct served_run){ .node = by[i] };
	results[probe].served.v = runs[probe];
	results[probe].served.n = n;
}

START_TEST(test_answered_by)
{
	size_t there_and_back[] = { C, D, C };
	struct scn_expect e = { .kind = SCN_EXPECT_ANSWERED_BY,
				.answered_by = { .v = there_and_back,
						 .n = 3 } };
	size_t many[40];

	answered(0, there_and_back, 3);
	judge(&e, true, "echo: answered by", "c, d, c", "c, d, c");
	answered(0, there_and_back, 2);
	judge(&e, false, "echo: answered by", "c, d, c", "c, d");
	answered(0, there_and_back + 1, 2);
	judge(&e, false, "echo: answered by", "c, d, c", "d, c");
	answered(0, there_and_back, 0);
	judge(&e, false, "echo: answered by", "c, d, c", "nobody");
	for (size_t i = 0; i < 40; i++)
		many[i] = i % 2;
	answered(0, many, 40);
	judge(&e, false, "echo: answered by", "c, d, c",
	      "c, d, c, d, c, d, c, d, c, d, c, d, c, d, c, d, c, d, c, d, c, "
	      "d, c, d, ... 16 more");

	/* Two probes: both have to see it. */
	scenario.probes.n = 2;
	answered(0, there_and_back, 3);
	answered(1, there_and_back, 3);
	judge(&e, true, "echo: answered by", "c, d, c", "c, d, c");
	answered(1, there_and_back, 1);
	judge(&e, false, "echo: answered by", "c, d, c", "c (asked by other)");

	probes[0].target = probes[1].target = SCN_TARGET_NODE;
	judge(&e, false, "echo: answered by", "c, d, c",
	      "unknown: no probe asks it");
	probes[0].target = probes[1].target = SCN_TARGET_SERVICE;
}
END_TEST

/* c answered so many, d so many, in a run each. */
/* The k-th was answered k ns after the trace's beginning. */
static void shared(uint64_t c, uint64_t d)
{
	static struct served_choice choices[2000];

	for (uint64_t i = 0; i < c + d; i++)
		choices[i] = (struct served_choice){
			.node = i < c ? C : D,
			.time_ns = (int64_t)i,
			.asked_ns = (int64_t)i - 5,
		};
	results[0].choices.v = choices;
	results[0].choices.n = c + d;
}

/* Only what was asked for after the one entry, and answered before the other.
 */
START_TEST(test_share_between)
{
	struct scn_share halves[] = { { C, 500000000 }, { D, 500000000 } };
	struct scn_expect e = {
		.kind = SCN_EXPECT_SHARE,
		.shares = { .v = halves, .n = 2 },
		.over = 10,
		.since = (char *)"first",
		.until = (char *)"last",
	};
	struct record_clock clock = { 0, 0 };
	struct record_action actions[] = {
		{ .begin_ns = 1, .end_ns = 10, .entry = (char *)"first" },
		{ .begin_ns = 2, .end_ns = 70, .entry = (char *)"first" },
		{ .begin_ns = 130, .end_ns = 131, .entry = (char *)"last" },
		{ .begin_ns = 140, .end_ns = 141, .entry = (char *)"last" },
	};

	record.clocks.v = &clock;
	record.clocks.n = 1;
	record.actions.v = actions;
	record.actions.n = 4;
	/* c answered up to 99, asked from 70: 75 to 99; d 100 to 129. */
	shared(100, 100);
	judge(&e, true, "echo: shared",
	      "c 50%, d 50% of at least 10 answers after 'first' until 'last'",
	      "c 45.5%, d 54.5% of 55 answers, which is within what chance "
	      "does (chi-square 0.455, of 1 degree; chance alone exceeds 23.9 "
	      "once in a million times)");
	record.actions.n = 2;
	judge(&e, false, "echo: shared",
	      "c 50%, d 50% of at least 10 answers after 'first' until 'last'",
	      "unknown: 'last' was not done");
	record.actions.v = NULL;
	record.actions.n = 0;
	record.clocks.v = NULL;
	record.clocks.n = 0;
}
END_TEST

START_TEST(test_share)
{
	struct scn_share halves[] = { { C, 500000000 }, { D, 500000000 } };
	struct scn_share all[] = { { C, 1000000000 } };
	struct scn_expect e = {
		.kind = SCN_EXPECT_SHARE,
		.shares = { .v = halves, .n = 2 },
		.over = 1000,
	};
	const char *expected = "c 50%, d 50% of at least 1000 answers";

	/* 23.928 is what chance exceeds once in a million: 577 and 423 make
	 * 23.716, 578 and 422 make 24.336. */
	shared(577, 423);
	judge(&e, true, "echo: shared", expected,
	      "c 57.7%, d 42.3% of 1000 answers, which is within what chance "
	      "does (chi-square 23.7, of 1 degree; chance alone exceeds 23.9 "
	      "once in a million times)");
	shared(578, 422);
	judge(&e, false, "echo: shared", expected,
	      "c 57.8%, d 42.2% of 1000 answers, which is further off than "
	      "chance goes (chi-square 24.3, of 1 degree; chance alone exceeds "
	      "23.9 once in a million times)");
	/* What a second one answered, or went on with, was chosen once: no more
	 * answers are told of than were asked for. */
	for (size_t i = 500; i < 1000; i++)
		results[0].choices.v[i].again = true;
	judge(&e, false, "echo: shared", expected,
	      "unknown: c 100%, d 0% of 500 answers, too few to tell");
	/* Too few prove nothing, even where they fit. */
	shared(500, 499);
	judge(&e, false, "echo: shared", expected,
	      "unknown: c 50.1%, d 49.9% of 999 answers, too few to tell");
	shared(0, 0);
	judge(&e, false, "echo: shared", expected,
	      "unknown: c 0%, d 0% of 0 answers, too few to tell");
	/* One who is not named may not answer at all. */
	e.shares.v = all;
	e.shares.n = 1;
	shared(1000, 0);
	judge(&e, true, "echo: shared", "c 100% of at least 1000 answers",
	      "c 100% of 1000 answers");
	shared(1000, 1);
	judge(&e, false, "echo: shared", "c 100% of at least 1000 answers",
	      "c 99.9%, d and others 0.0999% of 1001 answers");
	/* Not even after another one has. */
	results[0].choices.v[1000].again = true;
	judge(&e, false, "echo: shared", "c 100% of at least 1000 answers",
	      "c 100%, d and others 0.1% of 1000 answers");
	probes[0].target = SCN_TARGET_NODE;
	judge(&e, false, "echo: shared", "c 100% of at least 1000 answers",
	      "unknown: no probe asks it");
	probes[0].target = SCN_TARGET_SERVICE;
}
END_TEST

START_TEST(test_host)
{
	struct scn_expect e = { .kind = SCN_EXPECT_HOST };

	judge(&e, false, "the host is", "unchanged", "unknown: nobody looked");
	record.host_known = true;
	judge(&e, true, "the host is", "unchanged", "unchanged");
	record.host_left = (char *)"interface x";
	judge(&e, false, "the host is", "unchanged", "changed: interface x");
}
END_TEST

/* What became true too late did not hold. */
START_TEST(test_within)
{
	static struct scn_expect e = { .kind = SCN_EXPECT_EXIT,
				       .range = { true, true, 0, 0 },
				       .within_ns = 2000 * MS };
	struct record_polled polled = { .known = true };

	scenario.expects.v = &e;
	scenario.expects.n = 1;
	record.polled = &polled;
	ended[0].starts = 1;
	judge(&e, false, "server:", "exit status 0",
	      "did not end, not within 2 s");
	ended[0].exited = true;
	judge(&e, false, "server:", "exit status 0",
	      "exit status 0, but not within 2 s");
	polled.held = true;
	judge(&e, true, "server:", "exit status 0", "exit status 0");
	ended[0].status = 1;
	judge(&e, false, "server:", "exit status 0", "exit status 1");
	scenario.expects.n = 0;
}
END_TEST

/* Answers every 10 ms from 0 on; the entry began at 1 s, and once more. */
START_TEST(test_within_probe)
{
	struct sample answers[300];
	struct record_action actions[] = {
		{ .begin_ns = 500 * MS },
		{ .begin_ns = 1000 * MS, .entry = (char *)"cut" },
		{ .begin_ns = 2000 * MS, .entry = (char *)"cut" },
	};
	struct scn_expect e = metric(SCN_METRIC_RECEIVED, true, 20, false, 0);

	memset(answers, 0, sizeof(answers));
	for (int i = 0; i < 300; i++) {
		answers[i].sent_ns = i * 10 * MS;
		answers[i].received_ns = i * 10 * MS + 5 * MS;
	}
	sampled[0].samples.v = answers;
	sampled[0].samples.n = 300;
	record.actions.v = actions;
	record.actions.n = 3;
	e.within_ns = 195 * MS;
	e.after = (char *)"cut";
	judge(&e, true,
	      "rtt: received within 195 ms after 'cut':", "at least 20",
	      "20, in 195 ms");
	/* The one that would make it so comes 1 ns too late. */
	e.within_ns--;
	judge(&e, false,
	      "rtt: received within 195 ms after 'cut':", "at least 20", "19");
	/* It is not made up for by those from before. */
	e.within_ns = 195 * MS;
	for (int i = 100; i < 110; i++)
		answers[i].received_ns = SAMPLE_NONE;
	judge(&e, false,
	      "rtt: received within 195 ms after 'cut':", "at least 20", "10");
	e.after = (char *)"never";
	judge(&e, false,
	      "rtt: received within 195 ms after 'never':", "at least 20",
	      "unknown: it never began");
	e.after = NULL;
	judge(&e, true, "rtt: received", "at least 20", "290");
	sampled[0].started = false;
	judge(&e, false, "rtt: received", "at least 20",
	      "unknown: the probe never began");
	sampled[0].samples.n = 0;
	sampled[0].samples.v = NULL;
	record.actions.n = 0;
	record.actions.v = NULL;
}
END_TEST

START_TEST(test_within_bytes)
{
	struct bin bins[] = {
		{ 990 * MS, 1000, 991 * MS, 999 * MS },
		{ 1000 * MS, 500, 1001 * MS, 1009 * MS },
		{ 1010 * MS, 500, 1011 * MS, 1012 * MS },
	};
	struct record_action action = { .begin_ns = 1000 * MS,
					.entry = (char *)"cut" };
	struct scn_expect e = metric(SCN_METRIC_BYTES, true, 600, false, 0);

	sampled[0].bins.v = bins;
	sampled[0].bins.n = 3;
	record.actions.v = &action;
	record.actions.n = 1;
	e.within_ns = 12 * MS;
	e.after = (char *)"cut";
	judge(&e, true,
	      "rtt: bytes within 12 ms after 'cut':", "at least 600 B",
	      "1 kB, in 12 ms");
	e.within_ns = 11 * MS;
	judge(&e, false,
	      "rtt: bytes within 11 ms after 'cut':", "at least 600 B",
	      "500 B");
	sampled[0].bins.n = 0;
	sampled[0].bins.v = NULL;
	record.actions.n = 0;
	record.actions.v = NULL;
}
END_TEST

START_TEST(test_exit)
{
	struct scn_expect zero = { .kind = SCN_EXPECT_EXIT,
				   .range = { true, true, 0, 0 } };
	struct scn_expect not_zero = zero;
	struct scn_expect killed = { .kind = SCN_EXPECT_EXIT,
				     .exit_signal = SIGKILL };

	not_zero.exit_not = true;
	judge(&zero, false, "server:", "exit status 0", "never started");
	ended[0].starts = 1;
	judge(&zero, false, "server:", "exit status 0", "did not end");
	judge(&not_zero, false, "server:", "exit status other than 0",
	      "did not end");
	ended[0].exited = true;
	judge(&zero, true, "server:", "exit status 0", "exit status 0");
	judge(&not_zero, false, "server:", "exit status other than 0",
	      "exit status 0");
	judge(&killed, false, "server:", "ended by SIGKILL", "exit status 0");
	ended[0].status = 3;
	judge(&zero, false, "server:", "exit status 0", "exit status 3");
	judge(&not_zero, true, "server:", "exit status other than 0",
	      "exit status 3");
	ended[0].status = 0;
	ended[0].signal = SIGTERM;
	ended[0].expected = true;
	judge(&zero, false, "server:", "exit status 0",
	      "ended by SIGTERM, as the run asked it to");
	judge(&not_zero, false, "server:", "exit status other than 0",
	      "ended by SIGTERM, as the run asked it to");
	ended[0].signal = SIGKILL;
	judge(&killed, true, "server:", "ended by SIGKILL", "ended by SIGKILL");
}
END_TEST

static void write_log(size_t before, const char *text, size_t after)
{
	FILE *f = fopen(log_path, "w");

	ck_assert_ptr_nonnull(f);
	for (size_t i = 0; i < before; i++)
		fputc(i % 3 ? 'x' : '\0', f);
	fputs(text, f);
	for (size_t i = 0; i < after; i++)
		fputc('\n', f);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(test_prints)
{
	struct scn_expect e = { .kind = SCN_EXPECT_PRINTS,
				.text = (char *)"needle" };

	judge(&e, false, "server:", "printed \"needle\"",
	      "did not print \"needle\" (it never started)");
	ended[0].starts = 1;
	judge(&e, false, "server:", "printed \"needle\"",
	      "did not print \"needle\" (its log is empty)");
	write_log(0, "need", 0);
	judge(&e, false, "server:", "printed \"needle\"",
	      "did not print \"needle\" (its log has 4 bytes)");
	write_log(0, "needle", 0);
	judge(&e, true, "server:", "printed \"needle\"", "printed \"needle\"");
	/* Wherever it lies across the border of what is read at once. */
	for (size_t i = 65530; i < 65550; i++) {
		write_log(i, "needle", 70000);
		judge(&e, true, "server:", "printed \"needle\"",
		      "printed \"needle\"");
	}
	write_log(200000, "needl", 70000);
	judge(&e, false, "server:", "printed \"needle\"",
	      "did not print \"needle\" (its log has 270005 bytes)");
}
END_TEST

START_TEST(test_capture)
{
	struct scn_expect e = { .kind = SCN_EXPECT_CAPTURE,
				.subject = SCN_NONE,
				.text = (char *)"icmp",
				.range = { true, true, 0, 0 } };

	ck_assert_int_eq(trace_counter_init(&counter, &e), 0);
	judge(&e, true, "packets at every interface that match \"icmp\":", "0",
	      "0");
	counter.count = 7;
	e.subject = D;
	strcpy(e.ifname, "eth0");
	judge(&e, false, "packets at d:eth0 that match \"icmp\":", "0", "7");
	record.trace = NULL;
	judge(&e, false, "packets at d:eth0 that match \"icmp\":", "0",
	      "unknown: there is no trace");
}
END_TEST

START_TEST(test_bad_filter)
{
	struct scn_expect e = { .kind = SCN_EXPECT_CAPTURE,
				.subject = SCN_NONE,
				.text = (char *)"icmp or or",
				.range = { .has_max = true, .max = 10 } };
	struct err err = ERR_INIT;

	ck_assert_int_eq(trace_counter_init(&counter, &e), 0);
	ck_assert_int_eq(expect_judge(&record, results, &counter, &e, &j, &err),
			 0);
	ck_assert(!j.held);
	ck_assert_msg(strstr(j.actual, "unknown: not a pcap filter: ") ==
				      j.actual &&
			      strstr(j.actual, "syntax error"),
		      "%s", j.actual);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("expect");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_counts);
	tcase_add_test(tc, test_times);
	tcase_add_test(tc, test_no_data);
	tcase_add_test(tc, test_answered_by);
	tcase_add_test(tc, test_share);
	tcase_add_test(tc, test_share_between);
	tcase_add_test(tc, test_host);
	tcase_add_test(tc, test_within);
	tcase_add_test(tc, test_within_probe);
	tcase_add_test(tc, test_within_bytes);
	tcase_add_test(tc, test_exit);
	tcase_add_test(tc, test_prints);
	tcase_add_test(tc, test_capture);
	tcase_add_test(tc, test_bad_filter);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
