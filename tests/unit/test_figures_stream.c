/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The figures of streams whose answer is known by construction: 10,000 bytes in
 * every bin of 10 ms, which is 8 Mbit/s, from 1 s on, and then something done
 * to them. In a bin, the first bytes come after 1 ms and the last after 9.
 */
#include "orchestrator/report/figures.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <string.h>

#define MS INT64_C(1000000)
#define START (1000 * MS)
#define BYTES 10000
#define RATE INT64_C(8000000)
#define BINS_MAX 2000

static struct bin bins[BINS_MAX];
static size_t n_bins;
static struct figures_stream stream;
static struct figures f;

static void setup(void)
{
	n_bins = 0;
	stream = (struct figures_stream){ .bins = bins,
					  .connected_ns = START,
					  .complete = true };
}

static void teardown(void)
{
	figures_free(&f);
}

/* Bins of [from, to), ms from the start. */
static void deliver(int64_t from, int64_t to, uint64_t bytes)
{
	for (int64_t t = from; t < to; t += 10) {
		struct bin *b = &bins[n_bins++];

		b->begin_ns = START + t * MS;
		b->bytes = bytes;
		b->first_ns = b->begin_ns + MS;
		b->last_ns = b->begin_ns + 9 * MS;
	}
	stream.n = n_bins;
	stream.ended_ns = START + to * MS;
}

static void make(const struct figures_action *actions, size_t n)
{
	ck_assert_int_eq(figures_make_stream(&stream, actions, n, &f), 0);
	ck_assert_uint_eq(f.phases.n, 2 * n + 1);
	ck_assert_uint_eq(f.recoveries.n, n);
	for (size_t i = 1; i < f.phases.n; i++)
		ck_assert_int_eq(f.phases.v[i].begin_ns,
				 f.phases.v[i - 1].end_ns);
}

static struct figures_action at(int64_t ms)
{
	return (struct figures_action){ .begin_ns = START + ms * MS,
					.end_ns = START + (ms + 1) * MS };
}

#define EXPECT_OUTAGE(o, from_ms, to_ms)                                       \
	do {                                                                   \
		ck_assert_int_eq((o).begin_ns, START + (from_ms)*MS);          \
		ck_assert_int_eq((o).length_ns, ((to_ms) - (from_ms)) * MS);   \
	} while (0)

START_TEST(undisturbed)
{
	deliver(0, 3000, BYTES);
	make(NULL, 0);
	ck_assert_int_eq(f.bytes, 300 * BYTES);
	ck_assert_int_eq(f.goodput_bps, RATE);
	ck_assert_int_eq(f.recovery_ns, FIGURE_NONE);
	/* From the last bytes of a bin to the first of the next. */
	ck_assert_int_eq(f.outage.length_ns, 2 * MS);
	ck_assert_int_eq(f.phases.v[0].bytes, 300 * BYTES);
}
END_TEST

/* Once all has come, waiting for the end is no outage. */
START_TEST(quiet_end)
{
	deliver(0, 3000, BYTES);
	stream.ended_ns = START + 3400 * MS;
	make(NULL, 0);
	ck_assert_int_eq(f.outage.length_ns, 2 * MS);
	figures_free(&f);
	stream.complete = false;
	make(NULL, 0);
	EXPECT_OUTAGE(f.outage, 2999, 3400);
}
END_TEST

/* Nothing for 500 ms, from the moment of the action on; then as before. */
START_TEST(silence)
{
	struct figures_action action = at(2000);

	deliver(0, 2000, BYTES);
	deliver(2500, 4000, BYTES);
	make(&action, 1);
	EXPECT_OUTAGE(f.outage, 1999, 2501);
	EXPECT_OUTAGE(f.actions.v[0], 1999, 2501);
	ck_assert_int_eq(f.recoveries.v[0].kind, RECOVERY_DONE);
	ck_assert_int_eq(f.recoveries.v[0].earlier_bps, RATE);
	/* 90 of the 100 ms before it are there. */
	ck_assert_int_eq(f.recoveries.v[0].after_ns, 590 * MS);
	ck_assert_int_eq(f.recovery_ns, 590 * MS);
	ck_assert_int_eq(f.phases.v[0].bytes, 200 * BYTES);
	ck_assert_int_eq(f.phases.v[0].goodput_bps, RATE);
	ck_assert_int_eq(f.phases.v[1].end_ns, START + 2590 * MS);
	ck_assert_int_eq(f.phases.v[1].bytes, 9 * BYTES);
	ck_assert_int_eq(f.phases.v[2].goodput_bps, RATE);
	EXPECT_OUTAGE(f.phases.v[1].outage, 1999, 2501);
	ck_assert_int_eq(f.phases.v[0].outage.length_ns, 2 * MS);
	ck_assert_int_eq(f.phases.v[2].outage.length_ns, 2 * MS);
}
END_TEST

/* Back at 89 % is not back; at 90 % it is. */
START_TEST(ninety_percent)
{
	struct figures_action action = at(2000);
	uint64_t bytes = _i ? BYTES * 90 / 100 : BYTES * 89 / 100;

	deliver(0, 2000, BYTES);
	deliver(2500, 4000, bytes);
	make(&action, 1);
	if (_i) {
		ck_assert_int_eq(f.recoveries.v[0].kind, RECOVERY_DONE);
		ck_assert_int_eq(f.recoveries.v[0].after_ns, 600 * MS);
	} else {
		ck_assert_int_eq(f.recoveries.v[0].kind, RECOVERY_NEVER);
		ck_assert_int_eq(f.recoveries.v[0].after_ns, FIGURE_NONE);
		ck_assert_int_eq(f.recovery_ns, FIGURE_NONE);
		ck_assert_int_eq(f.phases.v[1].end_ns, FIGURE_FOREVER);
	}
}
END_TEST

/* It begins to fall only later, as a queue empties; up to a second. */
START_TEST(falls_later)
{
	struct figures_action action = at(2000);

	deliver(0, _i ? 3200 : 2300, BYTES);
	deliver(_i ? 3700 : 2800, 5000, BYTES);
	make(&action, 1);
	ck_assert_int_eq(f.recoveries.v[0].kind,
			 _i ? RECOVERY_UNNEEDED : RECOVERY_DONE);
	ck_assert_int_eq(f.recoveries.v[0].after_ns, _i ? 0 : 890 * MS);
	ck_assert_int_eq(f.phases.v[1].end_ns, START + (_i ? 2001 : 2890) * MS);
}
END_TEST

/* The earlier rate is that of the last second, not of all before. */
START_TEST(earlier_is_the_last_second)
{
	struct figures_action action = at(2000);

	deliver(0, 1000, BYTES / 10);
	deliver(1000, 2000, BYTES);
	deliver(2200, 4000, BYTES);
	make(&action, 1);
	ck_assert_int_eq(f.recoveries.v[0].earlier_bps, RATE);
}
END_TEST

/* Too short a time before it says nothing. */
START_TEST(no_earlier_rate)
{
	struct figures_action action = at(90);

	deliver(0, 2000, BYTES);
	make(&action, 1);
	ck_assert_int_eq(f.recoveries.v[0].kind, RECOVERY_UNKNOWN);
	ck_assert_int_eq(f.recoveries.v[0].earlier_bps, FIGURE_NONE);
	ck_assert_int_eq(f.recovery_ns, FIGURE_NONE);
}
END_TEST

/* Down and up again: what it comes back to is what was before "down". */
START_TEST(down_and_up)
{
	struct figures_action actions[] = { at(2000), at(3000) };

	deliver(0, 2000, BYTES);
	deliver(3200, 5000, BYTES);
	make(actions, 2);
	ck_assert_int_eq(f.recoveries.v[0].kind, RECOVERY_NEVER);
	ck_assert_int_eq(f.recoveries.v[1].kind, RECOVERY_DONE);
	ck_assert_int_eq(f.recoveries.v[1].earlier_bps, RATE);
	ck_assert_int_eq(f.recoveries.v[1].after_ns, 290 * MS);
	ck_assert_int_eq(f.recovery_ns, 290 * MS);
	EXPECT_OUTAGE(f.actions.v[0], 1999, 3201);
	EXPECT_OUTAGE(f.actions.v[1], 1999, 3201);
	ck_assert_int_eq(f.phases.v[1].bytes, 0);
}
END_TEST

/* Reset in its middle, and nothing more; or cut off by the end of the run. */
START_TEST(ends_early)
{
	struct figures_action action = at(2000);

	deliver(0, 2000, BYTES);
	stream.complete = false;
	stream.stopped = _i;
	stream.ended_ns = START + 2050 * MS;
	make(&action, 1);
	EXPECT_OUTAGE(f.outage, 1999, 2050);
	ck_assert_int_eq(f.recoveries.v[0].kind,
			 _i ? RECOVERY_UNNEEDED : RECOVERY_NEVER);
}
END_TEST

START_TEST(never_connected)
{
	struct figures_action action = at(2000);

	stream.connected_ns = FIGURE_NONE;
	stream.ended_ns = START;
	stream.complete = false;
	make(&action, 1);
	ck_assert_int_eq(f.bytes, 0);
	ck_assert_int_eq(f.goodput_bps, FIGURE_NONE);
	ck_assert_int_eq(f.outage.length_ns, 0);
	ck_assert_int_eq(f.recoveries.v[0].kind, RECOVERY_UNKNOWN);
}
END_TEST

/* A phase that begins within a bin has its share of it. */
START_TEST(shares_of_a_bin)
{
	struct figures_action action = at(1005);

	deliver(0, 2000, BYTES);
	make(&action, 1);
	ck_assert_int_eq(f.phases.v[0].bytes, 100 * BYTES + BYTES / 2);
	ck_assert_int_eq(f.phases.v[0].goodput_bps, RATE);
	ck_assert_int_eq(f.recoveries.v[0].kind, RECOVERY_UNNEEDED);
}
END_TEST

/* Three at once are one; each has the whole's figures. */
START_TEST(joined)
{
	struct figures_action actions[] = { at(2000), at(2001), at(2002),
					    at(3000) };

	actions[1].joins = actions[2].joins = true;
	deliver(0, 2000, BYTES);
	deliver(2500, 4000, BYTES);
	ck_assert_int_eq(figures_make_stream(&stream, actions, 4, &f), 0);
	ck_assert_uint_eq(f.phases.n, 5);
	ck_assert_uint_eq(f.recoveries.n, 4);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(f.recoveries.v[i].after_ns, 590 * MS);
		EXPECT_OUTAGE(f.actions.v[i], 1999, 2501);
	}
	ck_assert_int_eq(f.recoveries.v[3].kind, RECOVERY_UNNEEDED);
}
END_TEST

/* Records that anyone may have written: no time is taken for granted. */
START_TEST(forged)
{
	static const int64_t times[] = { 0, START, INT64_MAX / 2, FIGURE_NONE };
	struct figures_action actions[] = { at(10), at(20), at(30) };

	for (size_t i = 0; i < 16; i++) {
		n_bins = 0;
		deliver(0, 100, BYTES);
		bins[9].bytes = UINT64_MAX / 2;
		bins[9].begin_ns = INT64_MAX / BIN_NS * BIN_NS - 2 * BIN_NS;
		bins[9].first_ns = bins[9].last_ns = bins[9].begin_ns;
		stream.complete = i & 1;
		stream.connected_ns = times[i / 4];
		stream.ended_ns = times[i % 4];
		actions[2].end_ns = FIGURE_FOREVER;
		ck_assert_int_eq(figures_make_stream(&stream, actions, 3, &f),
				 0);
		figures_free(&f);
	}
	f = (struct figures){ 0 };
}
END_TEST

int main(void)
{
	Suite *s = suite_create("figures of streams");
	TCase *tc = tcase_create("stream");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, undisturbed);
	tcase_add_test(tc, quiet_end);
	tcase_add_test(tc, silence);
	tcase_add_loop_test(tc, ninety_percent, 0, 2);
	tcase_add_loop_test(tc, falls_later, 0, 2);
	tcase_add_test(tc, earlier_is_the_last_second);
	tcase_add_test(tc, no_earlier_rate);
	tcase_add_test(tc, down_and_up);
	tcase_add_loop_test(tc, ends_early, 0, 2);
	tcase_add_test(tc, never_connected);
	tcase_add_test(tc, shares_of_a_bin);
	tcase_add_test(tc, joined);
	tcase_add_test(tc, forged);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
