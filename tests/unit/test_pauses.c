/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run's own clock, and records of runs that were paused: but for saying so,
 * their reports are those of the same run without.
 */
#include "orchestrator/observe/pauses.h"
#include "tests/support/record_maker.h"
#include "tests/support/run_suite.h"

#include <jansson.h>

static const struct pauses two = {
	.n = 2,
	.v = { { .at_ns = 100, .for_ns = 50, .settled_ns = 110 },
	       { .at_ns = 200, .for_ns = 1000, .settled_ns = 200 } },
};

START_TEST(test_clock)
{
	static const int64_t times[][2] = {
		{ 0, 0 },      { 100, 100 },  { 120, 100 },   { 150, 100 },
		{ 160, 110 },  { 199, 149 },  { 200, 150 },   { 1199, 150 },
		{ 1200, 150 }, { 1201, 151 }, { 5000, 3950 },
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		ck_assert_int_eq(pauses_run_ns(&two, times[i][0]), times[i][1]);
		ck_assert_int_eq(pauses_run_ns(NULL, times[i][0]), times[i][0]);
	}
	ck_assert_int_eq(pauses_total_ns(&two), 1050);
	ck_assert_int_eq(pauses_total_ns(NULL), 0);
}
END_TEST

START_TEST(test_back)
{
	for (int64_t mono_ns = 0; mono_ns < 3000; mono_ns++) {
		int64_t run_ns = pauses_run_ns(&two, mono_ns);
		bool in_pause = (mono_ns > 100 && mono_ns <= 150) ||
				(mono_ns > 200 && mono_ns <= 1200);

		if (!in_pause)
			ck_assert_int_eq(pauses_mono_ns(&two, run_ns), mono_ns);
	}
	ck_assert_int_eq(pauses_mono_ns(&two, 100), 100);
	ck_assert_int_eq(pauses_mono_ns(&two, 101), 151);
}
END_TEST

START_TEST(test_find)
{
	ck_assert_ptr_null(pauses_find(&two, 109));
	ck_assert_ptr_eq(pauses_find(&two, 110), &two.v[0]);
	ck_assert_ptr_eq(pauses_find(&two, 149), &two.v[0]);
	ck_assert_ptr_null(pauses_find(&two, 150));
	ck_assert_ptr_eq(pauses_find(&two, 1199), &two.v[1]);
	ck_assert_ptr_null(pauses_find(&two, 1200));
	ck_assert_ptr_null(pauses_find(NULL, 1199));
}
END_TEST

START_TEST(test_open)
{
	const struct pauses open = {
		.n = 1,
		.v = { { .at_ns = 7, .for_ns = PAUSE_OPEN, .settled_ns = 9 } },
	};

	ck_assert_int_eq(pauses_run_ns(&open, INT64_MAX / 4), 7);
	ck_assert_ptr_nonnull(pauses_find(&open, INT64_MAX / 4));
}
END_TEST

/* ---- records --------------------------------------------------------------
 */

static json_t *results(void)
{
	json_t *root;

	ck_assert_int_eq(report_write_json(report, dir, &err), 0);
	root = json_load_file(path_of("results.json"), 0, NULL);
	ck_assert_ptr_nonnull(root);
	report = report_free(report);
	return root;
}

/* In the middle of a round trip, of an action, of an outage, of nothing. */
START_TEST(test_record)
{
	static const int64_t at_ns[] = { 500 * MS + RTT / 3,
					 2000 * MS - MS / 20, 2015 * MS,
					 3005 * MS };
	json_t *without, *with, *value;
	const char *key;

	paused.for_ns = 0;
	write_record(NULL);
	make(REPORT_PASSED);
	without = results();
	paused.at_ns = at_ns[_i];
	paused.for_ns = 30000 * MS;
	write_record(NULL);
	make(REPORT_PASSED);
	with = results();
	paused.for_ns = 0;
	ck_assert_uint_eq(json_array_size(json_object_get(with, "pauses")), 1);
	ck_assert_int_eq(
		json_integer_value(json_object_get(
			json_array_get(json_object_get(with, "pauses"), 0),
			"t_ns")),
		at_ns[_i]);
	json_object_del(with, "pauses");
	json_object_del(without, "pauses");
	json_object_foreach(without, key, value)
		ck_assert_msg(json_equal(value, json_object_get(with, key)),
			      "another \"%s\"", key);
	ck_assert_uint_eq(json_object_size(with), json_object_size(without));
	json_decref(with);
	json_decref(without);
}
END_TEST

/* What was tried out in it is no packet of the run's. */
START_TEST(test_capture)
{
	paused.at_ns = 1000 * MS;
	paused.for_ns = 0;
	write_record(NULL);
	/* The trace is not of a paused run: all in these 2 s is tried out. */
	paused.for_ns = 2000 * MS;
	write_events(&(struct run){ 0 });
	paused.for_ns = 0;
	make(REPORT_PASSED);
	/* Of 197 at d, 97 were in it. */
	prints("packets at d that match \"icmp\": 100");
}
END_TEST

START_TEST(test_summary)
{
	paused.at_ns = 1000 * MS;
	paused.for_ns = 40000 * MS;
	write_record(NULL);
	make(REPORT_PASSED);
	prints("paused at 1.000 s for 40 s");
	paused.for_ns = 0;
}
END_TEST

static void append_event(int64_t t_ns, const char *name)
{
	FILE *f = fopen(path_of("events.jsonl"), "a");

	ck_assert_ptr_nonnull(f);
	event(f, t_ns, name, "");
	close_file(f);
}

START_TEST(test_still_open)
{
	write_record(&(struct run){ .killed = true });
	append_event(5000 * MS, "run.paused");
	make(REPORT_INVALID);
	prints("paused at 5.000 s for good");
}
END_TEST

START_TEST(test_bad)
{
	write_record(NULL);
	append_event(6000 * MS, "run.continued");
	make_fails("there was no pause");
	write_record(NULL);
	append_event(6000 * MS, "run.paused");
	append_event(6000 * MS, "run.paused");
	make_fails("the pause before it has not ended");
	write_record(NULL);
	append_event(6000 * MS, "run.paused");
	append_event(5000 * MS, "run.continued");
	make_fails("there was no pause");
	write_record(NULL);
	for (unsigned i = 0; i <= PAUSES_MAX; i++) {
		append_event(6000 * MS, "run.paused");
		append_event(6000 * MS, "run.continued");
	}
	make_fails("there are too many pauses");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pauses");
	TCase *clock = tcase_create("clock"), *tc = tcase_create("records");

	tcase_add_test(clock, test_clock);
	tcase_add_test(clock, test_back);
	tcase_add_test(clock, test_find);
	tcase_add_test(clock, test_open);
	suite_add_tcase(suite, clock);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_record, 0, 4);
	tcase_add_test(tc, test_capture);
	tcase_add_test(tc, test_summary);
	tcase_add_test(tc, test_still_open);
	tcase_add_test(tc, test_bad);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
