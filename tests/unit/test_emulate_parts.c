/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the emulator is made of: buffers, their memory, the heap of due times,
 * percentiles, beats. */
#include "orchestrator/emulate/beat.h"
#include "orchestrator/emulate/due.h"
#include "orchestrator/emulate/emulate.h"
#include "orchestrator/emulate/pool.h"
#include "orchestrator/emulate/region.h"
#include "orchestrator/emulate/tally.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

START_TEST(buffers_hold_what_they_are_asked_for)
{
	static const size_t lens[] = {
		1,    52,    256,   257,   1524,
		2049, 16384, 32769, 60000, POOL_BUFFER_MAX
	};
	struct pool *p = pool_new(64 * MIB, 1000);

	for (unsigned i = 0; i < 300; i++) {
		size_t len = lens[i % 10];
		uint32_t handle = pool_take(p, len);

		ck_assert_uint_ne(handle, POOL_NONE);
		pool_slot(p, handle)->len = (uint32_t)len;
		memset(pool_slot(p, handle)->buffer, (int)i, len);
	}
	ck_assert_uint_eq(pool_used(p), 300);
	for (uint32_t i = 0; i < 300; i++) {
		const struct slot *s = pool_slot(p, i);

		ck_assert_uint_eq(s->buffer[0], i & 0xff);
		ck_assert_uint_eq(s->buffer[s->len - 1], i & 0xff);
		pool_give(p, i);
		pool_give(p, i); /* once more is once too often, and nothing */
	}
	ck_assert_uint_eq(pool_used(p), 0);
	ck_assert_uint_eq(pool_take(p, POOL_BUFFER_MAX + 1), POOL_NONE);
	pool_free(p);
}
END_TEST

/* A small frame in a large buffer moves; what is in it stays. */
START_TEST(buffers_can_be_made_to_fit)
{
	struct pool *p = pool_new(64 * MIB, 100000);
	uint32_t handle;
	size_t bytes;

	for (unsigned i = 0; i < 20000; i++) {
		handle = pool_take(p, POOL_BUFFER_MAX);
		ck_assert_uint_ne(handle, POOL_NONE);
		pool_slot(p, handle)->len = 100;
		memset(pool_slot(p, handle)->buffer, 0x5a, 100);
		ck_assert(pool_fit(p, handle));
		ck_assert_uint_eq(pool_slot(p, handle)->buffer[99], 0x5a);
	}
	/* 20,000 of the largest would be 1.3 GB. */
	ck_assert_uint_lt(pool_bytes(p), 8 * MIB);
	bytes = pool_bytes(p);
	pool_slot(p, handle)->len = 100;
	ck_assert(pool_fit(p, handle));
	ck_assert_uint_eq(pool_bytes(p), bytes);
	pool_free(p);
}
END_TEST

START_TEST(the_pool_is_bounded)
{
	struct pool *p = pool_new(4 * MIB, 1000);
	unsigned n = 0;

	while (n < 1000 && pool_take(p, 60000) != POOL_NONE)
		n++;
	ck_assert_uint_gt(n, 30);
	ck_assert_uint_lt(n, 64);
	ck_assert_uint_le(pool_bytes(p), 4 * MIB);
	pool_give(p, 3);
	ck_assert_uint_eq(pool_take(p, 60000), 3);
	pool_free(p);

	p = pool_new(4 * MIB, 10);
	for (n = 0; n < 10; n++)
		ck_assert_uint_ne(pool_take(p, 10), POOL_NONE);
	ck_assert_uint_eq(pool_take(p, 10), POOL_NONE);
	pool_free(p);
}
END_TEST

static void fill(void *region, int byte)
{
	memset(region, byte, REGION_BYTES);
}

static void expect_filled(const uint8_t *region, int byte)
{
	for (size_t i = 0; i < REGION_BYTES; i += 511)
		ck_assert_uint_eq(region[i], byte);
}

/* Whether somebody has made it ready or not. */
START_TEST(regions_are_of_their_own)
{
	struct regions *r = regions_new();
	uint8_t *taken[20];

	for (int i = 0; i < 20; i++) {
		if (i == 4)
			regions_expect(r);
		taken[i] = regions_take(r);
		ck_assert_ptr_nonnull(taken[i]);
		ck_assert_uint_eq((uintptr_t)taken[i] % REGION_BYTES, 0);
		fill(taken[i], i);
	}
	for (int i = 0; i < 20; i++)
		expect_filled(taken[i], i);
	regions_free(r);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(madvise(taken[i], REGION_BYTES, MADV_NORMAL),
				 -1);
	ck_assert_int_eq(errno, ENOMEM); /* nothing is there any more */
}
END_TEST

START_TEST(regions_are_made_ready_where_more_are_expected)
{
	struct timespec nap = { .tv_nsec = 1000000 };
	struct regions *r = regions_new();

	ck_assert_ptr_nonnull(regions_take(r));
	ck_assert_uint_eq(regions_were_ready(r), 0);
	regions_expect(r);
	regions_expect(r);
	/* Each attempt takes address space, and no memory. */
	for (unsigned i = 0; i < 10000 && regions_were_ready(r) < 3; i++) {
		ck_assert_ptr_nonnull(regions_take(r));
		nanosleep(&nap, NULL);
	}
	ck_assert_uint_ge(regions_were_ready(r), 3);
	regions_free(r);
}
END_TEST

/* They would be copied for a child that has no use for them. */
START_TEST(regions_stay_with_their_process)
{
	struct regions *r = regions_new();
	void *region = regions_take(r);
	int status;
	pid_t pid;

	fill(region, 7);
	pid = fork();
	if (!pid)
		_exit(madvise(region, REGION_BYTES, MADV_NORMAL) == -1 &&
		      errno == ENOMEM);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 1);
	regions_free(r);
	regions_free(NULL);
}
END_TEST

#define ITEMS 500

/* Against the plain search for the least. */
START_TEST(the_first_is_the_first)
{
	static struct due_item items[ITEMS];
	struct due due;
	unsigned seed = 7;

	ck_assert_int_eq(due_init(&due, ITEMS), 0);
	ck_assert_ptr_null(due_first(&due));
	for (unsigned i = 0; i < 50000; i++) {
		struct due_item *item = &items[(unsigned)rand_r(&seed) % ITEMS];
		int64_t least = DUE_NEVER;
		size_t n = 0;

		due_set(&due, item,
			rand_r(&seed) % 4 ? rand_r(&seed) % 1000 : DUE_NEVER);
		if (i % 17)
			continue;
		for (unsigned j = 0; j < ITEMS; j++) {
			if (!items[j].place)
				continue;
			n++;
			if (items[j].at_ns < least)
				least = items[j].at_ns;
		}
		ck_assert_uint_eq(due.n, n);
		if (n)
			ck_assert_int_eq(due_first(&due)->at_ns, least);
	}
	due_deinit(&due);
}
END_TEST

START_TEST(percentiles_are_near)
{
	static struct tally t;

	memset(&t, 0, sizeof(t));
	ck_assert_int_eq(tally_percentile_ns(&t, 0.5), 0);
	ck_assert_int_eq(tally_mean_ns(&t), 0);
	for (int64_t ns = 1; ns <= 1000000; ns++)
		tally_add(&t, ns);
	for (unsigned i = 1; i <= 100; i++) {
		int64_t p = tally_percentile_ns(&t, i / 100.0);
		int64_t exact = i * 10000;

		ck_assert_int_ge(p, exact);
		ck_assert_int_le(p, exact + exact / 31);
	}
	ck_assert_int_eq(tally_percentile_ns(&t, 1), 1000000);
	ck_assert_int_eq(t.max_ns, 1000000);
	ck_assert_int_eq(tally_mean_ns(&t), 500000);
}
END_TEST

START_TEST(odd_durations_are_counted)
{
	static struct tally t;

	memset(&t, 0, sizeof(t));
	tally_add(&t, -5);
	ck_assert_int_eq(tally_percentile_ns(&t, 0.99), 0);
	tally_add(&t, INT64_MAX);
	ck_assert_int_eq(t.max_ns, INT64_MAX);
	ck_assert_int_gt(tally_percentile_ns(&t, 0.99), INT64_C(1) << 39);
	/* Every power of two and its neighbours lie in order. */
	for (int i = 0; i < 40; i++) {
		static struct tally one;

		for (int64_t d = -1; d <= 1; d++) {
			int64_t ns = (INT64_C(1) << i) + d, p;

			memset(&one, 0, sizeof(one));
			tally_add(&one, ns);
			tally_add(&one, INT64_C(1) << 41);
			p = tally_percentile_ns(&one, 0.5);
			ck_assert_int_ge(p, ns);
			ck_assert_int_le(p, ns + ns / 32);
		}
	}
}
END_TEST

/* ---- beats --------------------------------------------------------------- */

START_TEST(beats_count_what_was_missed)
{
	static struct beat b;
	int64_t now_ns = 7;

	b = (struct beat){ 0 };
	beat_take(&b, now_ns, 0);
	ck_assert_int_eq(b.next_ns, 0); /* nothing has come */
	beat_take(&b, now_ns, 1);
	ck_assert_int_eq(b.next_ns, now_ns + BEAT_NS);
	beat_take(&b, now_ns + BEAT_NS - 1, 1);
	ck_assert_uint_eq(b.late.n, 0);
	/* 800 in time; then it does not come round for 200 of them. */
	for (uint64_t i = 1; i <= 800; i++) {
		now_ns += BEAT_NS;
		beat_take(&b, now_ns, i);
	}
	ck_assert_uint_eq(b.late.n, 800);
	ck_assert_int_eq(b.late.max_ns, 0);
	now_ns += 200 * BEAT_NS;
	beat_take(&b, now_ns, 801);
	ck_assert_uint_eq(b.late.n, 1000);
	ck_assert_int_eq(b.late.max_ns, 199 * BEAT_NS);
	/* A tenth of the time it was later than for half of that. */
	ck_assert_int_ge(tally_percentile_ns(&b.late, 0.9), 99 * BEAT_NS);
	ck_assert_int_le(tally_percentile_ns(&b.late, 0.9), 104 * BEAT_NS);
	ck_assert_int_eq(b.next_ns, now_ns + BEAT_NS);
}
END_TEST

START_TEST(beats_end_where_nothing_comes)
{
	static struct beat b;
	int64_t now_ns = 1;
	unsigned n;

	b = (struct beat){ 0 };
	beat_take(&b, now_ns, 1);
	for (n = 0; b.next_ns && n < 1000; n++) {
		now_ns = b.next_ns;
		beat_take(&b, now_ns, 1);
	}
	ck_assert_uint_eq(n, BEATS_IDLE);
	/* The time between is nobody's lateness. */
	beat_take(&b, now_ns + 1000 * BEAT_NS, 1);
	beat_take(&b, now_ns + 1000 * BEAT_NS, 2);
	ck_assert_int_eq(b.next_ns, now_ns + 1001 * BEAT_NS);
	ck_assert_uint_eq(b.late.n, BEATS_IDLE);
	ck_assert_int_eq(b.late.max_ns, 0);
}
END_TEST

/* ---- requests ------------------------------------------------------------ */

/* What is asked of an emulator with three links. */
START_TEST(requests_are_checked)
{
	static const struct {
		struct emulate_request request;
		bool handed_over;
		const char *fault; /* NULL: none */
	} cases[] = {
		{ { .what = EMULATE_CHANGE, .link = 2 }, false, NULL },
		{ { .what = EMULATE_STATE, .link = 3 }, false, "no link 3" },
		{ { .what = EMULATE_ATTACH, .link = 2, .end = 1 }, true, NULL },
		{ { .what = EMULATE_ATTACH, .end = 1 },
		  false,
		  "an end without a device" },
		{ { .what = EMULATE_ATTACH, .end = 2 }, true, "no end 2" },
		{ { .what = EMULATE_ATTACH, .link = SIZE_MAX },
		  true,
		  "no link" },
		{ { .what = EMULATE_DETACH, .link = 0 }, false, NULL },
		{ { .what = EMULATE_DETACH, .end = UINT32_MAX },
		  false,
		  "no end" },
		{ { .what = EMULATE_DETACH },
		  true,
		  "a device that nobody asked for" },
		/* Of no link: whatever stands there. */
		{ { .what = EMULATE_STOP, .link = 9, .end = 9 }, false, NULL },
		{ { .what = EMULATE_BEGIN }, true, "nobody asked for" },
		{ { .what = 99 }, false, "no request 99" },
		{ { .what = -1 }, true, "no request -1" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err err = ERR_INIT;
		int r = emulate_request_check(&cases[i].request,
					      sizeof(cases[i].request),
					      cases[i].handed_over, 3, &err);

		ck_assert_int_eq(r, cases[i].fault ? -EINVAL : 0);
		if (cases[i].fault)
			ck_assert_msg(strstr(err.msg, cases[i].fault) != NULL,
				      "%zu: %s", i, err.msg);
		r = emulate_request_check(&cases[i].request,
					  sizeof(cases[i].request) - 1,
					  cases[i].handed_over, 3, NULL);
		ck_assert_int_eq(r, -EINVAL);
	}
}
END_TEST

/* The lab stands still while it waits. */
START_TEST(patience_is_short_where_an_answer_is)
{
	ck_assert_int_eq(emulate_patience_s(EMULATE_DETACH),
			 EMULATE_PATIENCE_S);
	ck_assert_int_eq(emulate_patience_s(EMULATE_STOP),
			 EMULATE_PATIENCE_LONG_S);
	ck_assert_int_lt(EMULATE_PATIENCE_S, EMULATE_PATIENCE_LONG_S);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emulate_parts");
	TCase *tc = tcase_create("parts");

	tcase_add_test(tc, buffers_hold_what_they_are_asked_for);
	tcase_add_test(tc, buffers_can_be_made_to_fit);
	tcase_add_test(tc, the_pool_is_bounded);
	tcase_add_test(tc, regions_are_of_their_own);
	tcase_add_test(tc, regions_are_made_ready_where_more_are_expected);
	tcase_add_test(tc, regions_stay_with_their_process);
	tcase_add_test(tc, the_first_is_the_first);
	tcase_add_test(tc, percentiles_are_near);
	tcase_add_test(tc, odd_durations_are_counted);
	tcase_add_test(tc, beats_count_what_was_missed);
	tcase_add_test(tc, beats_end_where_nothing_comes);
	tcase_add_test(tc, requests_are_checked);
	tcase_add_test(tc, patience_is_short_where_an_answer_is);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
