/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectations that compare a probe with another one of the run. */
#include "tests/support/judged.h"
#include "tests/support/run_suite.h"

/* The first probe's, as a share of the second's. */
static struct scn_expect share_of(enum scn_metric m, bool has_min, int64_t min,
				  bool has_max, int64_t max)
{
	struct scn_expect e = metric(m, has_min, min, has_max, max);

	e.compares = true;
	e.of = 1;
	results[1].figures = results[0].figures;
	scenario.probes.n = 2;
	return e;
}

#define PERCENT INT64_C(10000000) /* in parts of 10^9 */

START_TEST(test_compared)
{
	struct scn_expect e =
		share_of(SCN_METRIC_OUTAGE, false, 0, true, 50 * PERCENT);

	results[1].figures.outage.length_ns = 80 * MS;
	judge(&e, true, "rtt: outage", "at most 50% of other's",
	      "40 ms, 50% of other's 80 ms");
	ck_assert_int_eq(j.share.value, 40 * MS);
	ck_assert_int_eq(j.share.whole, 80 * MS);
	/* A nanosecond, which no rounding may hide. */
	results[0].figures.outage.length_ns = 40 * MS + 1;
	judge(&e, false, "rtt: outage", "at most 50% of other's",
	      "40 ms, just over 50% of other's 80 ms");
	results[0].figures.outage.length_ns = 160 * MS;
	judge(&e, false, "rtt: outage", "at most 50% of other's",
	      "160 ms, 200% of other's 80 ms");
	e = share_of(SCN_METRIC_OUTAGE, true, 50 * PERCENT, false, 0);
	results[0].figures.outage.length_ns = 40 * MS - 1;
	results[1].figures.outage.length_ns = 80 * MS;
	judge(&e, false, "rtt: outage", "at least 50% of other's",
	      "40 ms, just under 50% of other's 80 ms");
	e.range = (struct scn_range){ true, true, PERCENT / 2, 1 };
	e.range.max = INT64_C(3333333333);
	judge(&e, true, "rtt: outage", "0.5% to 333.3333333% of other's",
	      "40 ms, 50% of other's 80 ms");
	e = share_of(SCN_METRIC_RECEIVED, true, 100 * PERCENT, true,
		     100 * PERCENT);
	judge(&e, true, "rtt: received", "100% of other's",
	      "597, 100% of other's 597");
	results[1].figures.counts.received = 1;
	judge(&e, false, "rtt: received", "100% of other's",
	      "597, 59700% of other's 1");
}
END_TEST

/* Products of the largest figures and shares fit. */
START_TEST(test_compared_large)
{
	struct scn_expect e = share_of(SCN_METRIC_OUTAGE, true, 1, true,
				       INT64_C(10000) * 100 * PERCENT);

	results[0].figures.outage.length_ns = INT64_MAX;
	results[1].figures.outage.length_ns = INT64_MAX;
	judge(&e, true, "rtt: outage", "0.0000001% to 1000000% of other's",
	      "9223372037 s, 100% of other's 9223372037 s");
	results[1].figures.outage.length_ns = -1; /* as no run makes it */
	judge(&e, false, "rtt: outage", "0.0000001% to 1000000% of other's",
	      "unknown: 9223372037 s is no share of other's -1 ns");
}
END_TEST

/* Nothing is 100 % of nothing; something is more than any share of it. */
START_TEST(test_compared_with_nothing)
{
	struct scn_expect most =
		share_of(SCN_METRIC_LOST, false, 0, true, 100 * PERCENT);
	struct scn_expect least = share_of(SCN_METRIC_LOST, true,
					   10000 * 100 * PERCENT, false, 0);

	results[1].figures.counts.lost = 0;
	judge(&most, false, "rtt: lost", "at most 100% of other's",
	      "3, more than any share of other's 0");
	judge(&least, true, "rtt: lost", "at least 1000000% of other's",
	      "3, more than any share of other's 0");
	results[0].figures.counts.lost = 0;
	judge(&most, true, "rtt: lost", "at most 100% of other's",
	      "0, 100% of other's 0");
	most.range.max--;
	judge(&most, false, "rtt: lost", "at most 99.9999999% of other's",
	      "0, 100% of other's 0");
	judge(&least, false, "rtt: lost", "at least 1000000% of other's",
	      "0, 100% of other's 0");
	results[1].figures.counts.lost = 3;
	judge(&most, true, "rtt: lost", "at most 99.9999999% of other's",
	      "0, 0% of other's 3");
}
END_TEST

/* Whichever of the two it is that nobody knows. */
START_TEST(test_compared_no_data)
{
	struct scn_expect e =
		share_of(SCN_METRIC_RTT_P50, false, 0, true, 100 * PERCENT);
	const char *expected = "at most 100% of other's";

	results[1].figures.rtt.p50_ns = FIGURE_NONE;
	judge(&e, false, "rtt: rtt_p50", expected,
	      "2 ms, and other's is unknown: there was no reply");
	results[0].figures.counts.sent = 0;
	judge(&e, false, "rtt: rtt_p50", expected,
	      "unknown: of rtt, nothing was sent; of other, there was no "
	      "reply");
	results[1].figures.rtt.p50_ns = 2 * MS;
	judge(&e, false, "rtt: rtt_p50", expected,
	      "unknown: nothing was sent; other's is 2 ms");
	sampled[1].started = false;
	results[0].figures.counts.sent = 600;
	judge(&e, false, "rtt: rtt_p50", expected,
	      "2 ms, and other's is unknown: the probe never began");
}
END_TEST

/* Of a stream that nothing came of, that is known; of one whose probe told
 * nothing, it is not. */
START_TEST(test_compared_streams)
{
	struct scn_expect e =
		share_of(SCN_METRIC_BYTES, true, 200 * PERCENT, false, 0);

	probes[0].kind = probes[1].kind = SCN_PROBE_TCP_STREAM;
	sampled[0].stream.known = sampled[1].stream.known = true;
	results[0].figures.bytes = 500000;
	results[1].figures.bytes = 200000;
	judge(&e, true, "rtt: bytes", "at least 200% of other's",
	      "500 kB, 250% of other's 200 kB");
	results[1].figures.bytes = FIGURE_NONE;
	judge(&e, true, "rtt: bytes", "at least 200% of other's",
	      "500 kB, more than any share of other's 0 B");
	sampled[1].stream.known = false;
	judge(&e, false, "rtt: bytes", "at least 200% of other's",
	      "500 kB, and other's is unknown: the probe told nothing");
	/* But nobody holds by having nothing himself. */
	sampled[1].stream.known = true;
	results[0].figures.bytes = FIGURE_NONE;
	e = share_of(SCN_METRIC_BYTES, false, 0, true, 100 * PERCENT);
	judge(&e, false, "rtt: bytes", "at most 100% of other's",
	      "unknown: nothing was delivered; other's is 0 B");
	probes[0].kind = probes[1].kind = SCN_PROBE_PING;
	memset(sampled, 0, sizeof(sampled));
}
END_TEST

/* One that never connected was not without an outage. */
START_TEST(test_compared_unconnected)
{
	struct scn_expect e =
		share_of(SCN_METRIC_OUTAGE, false, 0, true, 50 * PERCENT);
	struct scn_expect plain =
		metric(SCN_METRIC_OUTAGE, false, 0, true, 50 * MS);

	probes[0].kind = probes[1].kind = SCN_PROBE_TCP_STREAM;
	sampled[0].stream.known = sampled[1].stream.known = true;
	sampled[0].stream.connected_ns = RECORD_NONE;
	results[0].figures.outage.length_ns = 0;
	results[1].figures.outage.length_ns = 80 * MS;
	judge(&plain, false, "rtt: outage", "at most 50 ms",
	      "unknown: there was no connection");
	judge(&e, false, "rtt: outage", "at most 50% of other's",
	      "unknown: there was no connection; other's is 80 ms");
	sampled[0].stream.connected_ns = 0;
	judge(&plain, true, "rtt: outage", "at most 50 ms", "0 s");
	judge(&e, true, "rtt: outage", "at most 50% of other's",
	      "0 s, 0% of other's 80 ms");
	sampled[1].stream.connected_ns = RECORD_NONE;
	judge(&e, false, "rtt: outage", "at most 50% of other's",
	      "0 s, and other's is unknown: there was no connection");
	probes[0].kind = probes[1].kind = SCN_PROBE_PING;
	memset(sampled, 0, sizeof(sampled));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("expect: compared");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_compared);
	tcase_add_test(tc, test_compared_large);
	tcase_add_test(tc, test_compared_with_nothing);
	tcase_add_test(tc, test_compared_no_data);
	tcase_add_test(tc, test_compared_streams);
	tcase_add_test(tc, test_compared_unconnected);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
