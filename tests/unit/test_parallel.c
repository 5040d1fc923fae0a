/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/parallel.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define CALLS 1000

struct tally {
	atomic_uint calls[CALLS];
	pthread_barrier_t meeting;
};

static void count(void *arg, size_t i)
{
	struct tally *t = arg;

	t->calls[i]++;
}

static void check_each_once(size_t n, size_t threads)
{
	static struct tally t;

	memset(&t, 0, sizeof(t));
	parallel_for(n, threads, count, &t);
	for (size_t i = 0; i < CALLS; i++)
		ck_assert_uint_eq(t.calls[i], i < n);
}

START_TEST(each_is_called_once)
{
	check_each_once(0, 8);
	check_each_once(1, 8);
	check_each_once(7, 8);
	check_each_once(CALLS, 8);
	check_each_once(CALLS, 1);
	check_each_once(CALLS, 0); /* by the caller */
	check_each_once(CALLS, SIZE_MAX);
}
END_TEST

/* They would wait for each other for ever if they took turns. */
static void meet(void *arg, size_t i)
{
	struct tally *t = arg;

	(void)i;
	pthread_barrier_wait(&t->meeting);
}

START_TEST(they_go_on_side_by_side)
{
	static struct tally t;

	ck_assert_int_eq(pthread_barrier_init(&t.meeting, NULL, 32), 0);
	parallel_for(64, 32, meet, &t);
	pthread_barrier_destroy(&t.meeting);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("parallel");
	TCase *tc = tcase_create("parallel");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, each_is_called_once);
	tcase_add_test(tc, they_go_on_side_by_side);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
