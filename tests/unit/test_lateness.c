/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Percentiles of lateness are never too small, and at most 1/32 too large. */
#include "orchestrator/observe/lateness.h"
#include "tests/support/run_suite.h"

#include <check.h>

static struct lateness l;

static void setup(void)
{
	l = (struct lateness){ 0 };
}

START_TEST(nothing)
{
	struct probe_lateness p = lateness_get(&l);

	ck_assert_uint_eq(p.count, 0);
	ck_assert_int_eq(p.p50_ns, 0);
	ck_assert_int_eq(p.max_ns, 0);
}
END_TEST

/* Any single value comes back, for the maximum is exact. */
START_TEST(one)
{
	static const int64_t values[] = { 0,	 1,	  31,	    32,
					  63,	 64,	  65,	    1000,
					  99999, 1 << 20, INT64_MAX };
	struct probe_lateness p;

	lateness_add(&l, values[_i]);
	p = lateness_get(&l);
	ck_assert_int_eq(p.p50_ns, values[_i]);
	ck_assert_int_eq(p.p99_ns, values[_i]);
	ck_assert_int_eq(p.max_ns, values[_i]);
}
END_TEST

START_TEST(early_is_on_time)
{
	lateness_add(&l, -5);
	ck_assert_int_eq(lateness_get(&l).max_ns, 0);
	ck_assert_uint_eq(l.steps[0], 1);
}
END_TEST

/* 1 to n: the k-th percentile is known. */
START_TEST(many)
{
	static const int64_t ns[] = { 10, 100, 1000, 54321 };
	int64_t n = ns[_i];
	struct probe_lateness p;

	for (int64_t i = n; i > 0; i--)
		lateness_add(&l, i * 1000);
	p = lateness_get(&l);
	ck_assert_uint_eq(p.count, n);
	ck_assert_int_ge(p.p50_ns, (n + 1) / 2 * 1000);
	ck_assert_int_le(p.p50_ns, (n + 1) / 2 * 1000 * 33 / 32);
	ck_assert_int_ge(p.p99_ns, (n * 99 + 99) / 100 * 1000);
	ck_assert_int_le(p.p99_ns, (n * 99 + 99) / 100 * 1000 * 33 / 32);
	ck_assert_int_eq(p.max_ns, n * 1000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lateness");
	TCase *tc = tcase_create("lateness");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, nothing);
	tcase_add_loop_test(tc, one, 0, 11);
	tcase_add_test(tc, early_is_on_time);
	tcase_add_loop_test(tc, many, 0, 4);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
