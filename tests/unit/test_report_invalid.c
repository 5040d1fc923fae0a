/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a run proves nothing: the machine did not keep up, its clock was set,
 * the capture missed packets, a probe did not measure, or the record ends too
 * early. And what is not yet a reason.
 */
#include "tests/support/record_maker.h"
#include "tests/support/run_suite.h"

START_TEST(test_late_machine)
{
	struct run run = { .late_ns = 150 * MS };

	write_record(&run);
	make(REPORT_INVALID);
	prints("- invalid\n  the machine did not keep up: actions began 150 ms "
	       "late (p99), and its timers are 400 us late by themselves "
	       "(p99)");
}
END_TEST

START_TEST(test_late_but_not_too_late)
{
	struct run run = { .late_ns = 90 * MS, .steal_ticks = 499 };

	write_record(&run);
	make(REPORT_PASSED);
}
END_TEST

START_TEST(test_steal)
{
	struct run run = { .steal_ticks = 500 };

	write_record(&run);
	make(REPORT_INVALID);
	prints("- invalid\n  the machine's host took 50 % of its processors' "
	       "time (steal)\n");
}
END_TEST

START_TEST(test_clock_step)
{
	struct run run = { .clock_off_ns = 11 * MS + 6500 * MS / 2000 };

	write_record(&run);
	make(REPORT_INVALID);
	prints("- invalid\n  the real-time clock was stepped by 14.3 ms: ");
}
END_TEST

START_TEST(test_clock_step_back)
{
	struct run run = { .clock_off_ns = -14 * MS };

	write_record(&run);
	make(REPORT_INVALID);
	prints("  the real-time clock was stepped by -14 ms: ");
}
END_TEST

/* As much as slewing explains over 6.5 s, and the 10 ms. */
START_TEST(test_clock_slew)
{
	struct run run = { .clock_off_ns = -13 * MS };

	write_record(&run);
	make(REPORT_PASSED);
}
END_TEST

START_TEST(test_dropped)
{
	write_record(NULL);
	write_text("trace.pcapng.json", "{\"packets\":9,\"dropped\":2}");
	make(REPORT_INVALID);
	prints("  the capture missed 2 packets, so ");
}
END_TEST

START_TEST(test_no_counts)
{
	write_record(NULL);
	unlink(path_of("trace.pcapng.json"));
	make(REPORT_INVALID);
}
END_TEST

START_TEST(test_unsorted_trace)
{
	write_record(NULL);
	ck_assert_int_eq(unlink(path_of("trace.pcapng")), 0);
	write_trace("trace.pcapng.part");
	make(REPORT_INVALID);
	prints("  the capture did not end properly: ");
}
END_TEST

START_TEST(test_no_trace)
{
	write_record(NULL);
	unlink(path_of("trace.pcapng"));
	make(REPORT_INVALID);
	prints("  there is no trace to judge by\n");
}
END_TEST

/* A killed run has what was written so far, and an unsorted trace. */
START_TEST(test_killed)
{
	struct run run = { .killed = true };

	write_record(&run);
	ck_assert_int_eq(unlink(path_of("trace.pcapng")), 0);
	ck_assert_int_eq(unlink(path_of("trace.pcapng.json")), 0);
	ck_assert_int_eq(unlink(path_of("probes/rtt.csv")), 0);
	write_trace("trace.pcapng.part");
	ck_assert_int_eq(truncate(path_of("trace.pcapng.part"), 20000), 0);
	make(REPORT_INVALID);
	prints("  the record stops in the middle: the run was killed\n");
	prints("  nothing was sent\n");
}
END_TEST

START_TEST(test_probe_died)
{
	struct run run = { .probe_status = 1 };

	write_record(&run);
	make(REPORT_INVALID);
	prints("  the probe rtt ended with status 1 instead of measuring\n");
}
END_TEST

START_TEST(test_probe_crashed_and_silent)
{
	write_record(NULL);
	add_event(12000 * MS, "probe.end",
		  "\"probe\":\"rtt\",\"status\":137,"
		  "\"crashed\":true");
	make(REPORT_INVALID);
	prints("  the probe rtt ended with status 137 instead of measuring\n");
}
END_TEST

START_TEST(test_abandoned)
{
	write_record(NULL);
	add_event(12000 * MS, "probe.abandoned", "\"probe\":\"rtt\"");
	add_event(12000 * MS, "process.abandoned", "\"process\":\"server\"");
	make(REPORT_INVALID);
	prints("  the probe rtt did not end when it was asked to: ");
	prints("  the process server did not end when the run did, ");
}
END_TEST

/* The end came before the second action, whatever was expected. */
START_TEST(test_actions_missing)
{
	char text[8192], *done;
	size_t len;

	write_record(NULL);
	done = read_text("events.jsonl", &len);
	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, done, len + 1);
	free(done);
	done = strstr(strstr(text, "action.done") + 1, "action.done");
	ck_assert_ptr_nonnull(done);
	memcpy(done, "other", 5);
	write_text("events.jsonl", text);
	make(REPORT_INVALID);
	prints("- invalid\n  1 of 2 actions was done; not what is in line 2");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("report: invalid");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_late_machine);
	tcase_add_test(tc, test_late_but_not_too_late);
	tcase_add_test(tc, test_steal);
	tcase_add_test(tc, test_clock_step);
	tcase_add_test(tc, test_clock_step_back);
	tcase_add_test(tc, test_clock_slew);
	tcase_add_test(tc, test_dropped);
	tcase_add_test(tc, test_no_counts);
	tcase_add_test(tc, test_unsorted_trace);
	tcase_add_test(tc, test_no_trace);
	tcase_add_test(tc, test_killed);
	tcase_add_test(tc, test_probe_died);
	tcase_add_test(tc, test_probe_crashed_and_silent);
	tcase_add_test(tc, test_abandoned);
	tcase_add_test(tc, test_actions_missing);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
