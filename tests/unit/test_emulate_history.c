/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a direction did over time: nothing is counted twice or forgotten, and
 * however long it lasts, it fits. */
#include "tests/support/link_frames.h"
#include "tests/support/run_suite.h"
#include "orchestrator/emulate/history.h"

#include <stdlib.h>

#define MS INT64_C(1000000)

static struct link_direction *model;
static struct history history;

static void setup(void)
{
	struct link_params p;

	link_params_init(&p);
	p.rate_bps = 8000000; /* a byte a us */
	p.delay_ns = 10 * MS;
	p.queue.packets = 3;
	model = link_new(7, "wire", 0, &p, 1000);
	link_start(model, 0);
	history_init(&history, 0);
}

static void teardown(void)
{
	link_free(model);
	history_deinit(&history);
}

/* As the emulator does it. */
static void take_until(int64_t now)
{
	struct link_outcome out;

	while (link_next_ns(model) <= now) {
		int64_t due = link_next_ns(model);

		history_touch(&history, model, due);
		must(link_pop(model, due, &out));
		history_written(&history, due - out.offered_ns, 0);
	}
}

static void offer_at(int64_t now, uint32_t bytes)
{
	struct link_offer o = { .bytes = bytes, .segments = 1, .now_ns = now };

	take_until(now);
	history_touch(&history, model, now);
	link_offer(model, &o);
	history_queued(&history, link_queued(model));
}

/* Rows lie end to end, and all together are what the model counted. */
static void expect_whole(void)
{
	const struct link_counts *c = link_counts(model);
	struct history_row sum = { 0 };

	for (size_t i = 0; i < history.n; i++) {
		const struct history_row *r = &history.rows[i];

		must(r->begin_ns < r->end_ns);
		must(!i || r->begin_ns == history.rows[i - 1].end_ns);
		sum.offered += r->offered;
		sum.offered_bytes += r->offered_bytes;
		sum.delivered += r->delivered;
		sum.delivered_bytes += r->delivered_bytes;
		sum.queue_dropped += r->queue_dropped;
		sum.other_dropped += r->other_dropped;
		sum.written += r->written;
	}
	ck_assert_uint_eq(sum.offered, c->offered);
	ck_assert_uint_eq(sum.offered_bytes, c->offered_bytes);
	ck_assert_uint_eq(sum.delivered, c->delivered);
	ck_assert_uint_eq(sum.delivered_bytes, c->delivered_bytes);
	ck_assert_uint_eq(sum.queue_dropped, c->queue_dropped);
	ck_assert_uint_eq(sum.other_dropped, c->down_dropped);
	ck_assert_uint_eq(sum.written, c->delivered);
	ck_assert_uint_eq(history.untold, 0);
}

static void expect_row(size_t i, int64_t begin_ms, int64_t end_ms,
		       uint64_t offered, uint64_t delivered)
{
	const struct history_row *r = &history.rows[i];

	ck_assert_uint_lt(i, history.n);
	ck_assert_int_eq(r->begin_ns, begin_ms * MS);
	ck_assert_int_eq(r->end_ns, end_ms * MS);
	ck_assert_uint_eq(r->offered, offered);
	ck_assert_uint_eq(r->delivered, delivered);
	ck_assert_uint_eq(r->capacity_bytes,
			  (uint64_t)(end_ms - begin_ms) * 1000);
}

START_TEST(rows_are_of_their_time)
{
	/* One on its way out, three that wait, one too many; all but the
	 * first arrive in the next row. */
	for (int i = 0; i < 5; i++)
		offer_at(185 * MS, 4000);
	offer_at(650 * MS, 100); /* idle in between */
	take_until(1000 * MS);
	history_cut(&history, model, 1000 * MS);
	ck_assert_uint_eq(history.n, 5);
	expect_row(0, 100, 200, 5, 1);
	ck_assert_uint_eq(history.rows[0].queued_most, 3);
	ck_assert_uint_eq(history.rows[0].queue_dropped, 1);
	ck_assert_int_eq(history.rows[0].delay_max_ns, 14 * MS);
	expect_row(1, 200, 300, 0, 3);
	ck_assert_int_eq(history.rows[1].delay_max_ns, 26 * MS);
	ck_assert(history.rows[1].delay_sum_ns == 66.0 * MS);
	expect_row(2, 300, 600, 0, 0);
	expect_row(3, 600, 700, 1, 1);
	expect_row(4, 700, 1000, 0, 0);
	expect_whole();
}
END_TEST

START_TEST(a_change_begins_a_row)
{
	struct link_change c = { .properties = LINK_RATE };

	history_cut(&history, model, 5 * MS); /* nothing has happened yet */
	ck_assert_uint_eq(history.n, 0);
	offer_at(10 * MS, 1000);
	history_cut(&history, model, 50 * MS);
	history_cut(&history, model, 50 * MS); /* twice is once */
	link_change(model, 50 * MS, &c);
	offer_at(60 * MS, 1000);
	take_until(90 * MS);
	history_cut(&history, model, 130 * MS);
	ck_assert_uint_eq(history.n, 3);
	ck_assert_uint_eq(history.rows[0].capacity_bytes, 50000);
	ck_assert_int_eq(history.rows[1].begin_ns, 50 * MS);
	ck_assert_int_eq(history.rows[1].end_ns, 100 * MS);
	ck_assert_uint_eq(history.rows[1].capacity_bytes, UINT64_MAX);
	expect_whole();
}
END_TEST

/* Gaps of all lengths: busy rows, idle ones, and both in turns. */
START_TEST(however_long_it_fits)
{
	static const int64_t gaps_ms[] = { 10, 100, 250, 5000, 3600000 };
	int64_t now = 0;

	for (int i = 0; i < 20000; i++) {
		now += gaps_ms[_i < 5 ? _i : i % 5] * MS;
		offer_at(now, 100);
	}
	take_until(now + 20 * MS);
	history_cut(&history, model, now + 20 * MS);
	ck_assert_uint_le(history.n, HISTORY_ROWS);
	ck_assert_uint_ge(history.n, HISTORY_ROWS / 8);
	expect_whole();
}
END_TEST

START_TEST(names_are_quoted_where_they_need_it)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	offer_at(MS, 100);
	take_until(50 * MS);
	history_cut(&history, model, 100 * MS);
	history_write(&history, "a \"b\"", "x,y", "z", out);
	fclose(out);
	ck_assert_str_eq(text, "\"a \"\"b\"\"\",\"x,y\",z,0,100000000,1,100,1,"
			       "100,0,0,0,0,100000,0,10100000,10100000,0\n");
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emulate_history");
	TCase *tc = tcase_create("history");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rows_are_of_their_time);
	tcase_add_test(tc, a_change_begins_a_row);
	tcase_add_loop_test(tc, however_long_it_fits, 0, 6);
	tcase_add_test(tc, names_are_quoted_where_they_need_it);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
