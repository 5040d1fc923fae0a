/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records that are wrong, forged or cut off: an error that names the place, or
 * a report of what is there.
 */
#include "tests/support/record_maker.h"
#include "tests/support/run_suite.h"

#include <locale.h>

START_TEST(test_missing_samples)
{
	write_record(NULL);
	ck_assert_int_eq(unlink(path_of("probes/rtt.csv")), 0);
	ck_assert_int_eq(report_make(dir, &report, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "rtt.csv"));
}
END_TEST

START_TEST(test_cut_off_trace)
{
	write_record(NULL);
	ck_assert_int_eq(truncate(path_of("trace.pcapng"), 20001), 0);
	make_fails("trace.pcapng");
}
END_TEST

START_TEST(test_bad_scenario)
{
	write_record(NULL);
	write_text("scenario.yaml", "version: 1\nname: [\n");
	make_fails("scenario.yaml: this scenario is wrong: "
		   "some/ping-nat.yaml:");
}
END_TEST

/* ---- events that are wrong ---------------------------------------------- */

static const struct {
	const char *line, *message;
} bad_events[] = {
	{ "{\"event\":\"run.end\"}", ":2: " },
	{ "{\"mono_ns\":-1,\"event\":\"run.end\"}", ":2: \"mono_ns\" is no" },
	{ "{\"mono_ns\":5e9,\"event\":\"run.end\"}", ":2: " },
	{ "{\"mono_ns\":1,\"event\":7}", ":2: " },
	{ "[]", ":2: " },
	{ "{", ":2: " },
	{ "{\"mono_ns\":1,\"event\":\"clock\"}", ":2: \"real_ns\" is missing" },
	{ "{\"mono_ns\":1,\"event\":\"probe.start\",\"probe\":\"x\"}",
	  ":2: the scenario has no probe" },
	{ "{\"mono_ns\":1,\"event\":\"probe.end\",\"probe\":\"rtt\"}",
	  ":2: \"status\" is missing" },
	{ "{\"mono_ns\":1,\"event\":\"process.start\",\"process\":\"x\"}",
	  ":2: the scenario has no process" },
	{ "{\"mono_ns\":1,\"event\":\"process.exit\",\"process\":\"server\","
	  "\"status\":256}",
	  ":2: no process ends like this" },
	{ "{\"mono_ns\":1,\"event\":\"process.exit\",\"process\":\"server\","
	  "\"signal\":0}",
	  ":2: no process ends like this" },
	{ "{\"mono_ns\":1,\"event\":\"action.done\",\"id\":3}",
	  ":2: no action of this id began" },
	{ "{\"mono_ns\":1,\"event\":\"action.start\",\"id\":\"3\"}",
	  ":2: \"id\" is missing or no integer" },
	{ "{\"mono_ns\":1,\"event\":\"expect.polled\",\"held\":true}",
	  ":2: \"expectation\" is missing or no integer" },
	{ "{\"mono_ns\":1,\"event\":\"expect.polled\",\"expectation\":6}",
	  ":2: the scenario has no such expectation" },
	{ "{\"mono_ns\":1,\"event\":\"expect.polled\",\"expectation\":-1}",
	  ":2: the scenario has no such expectation" },
};

START_TEST(test_bad_event)
{
	FILE *f;

	write_record(NULL);
	f = create("events.jsonl");
	fprintf(f,
		"{\"mono_ns\":1,\"event\":\"run.start\",\"scenario\":\"s\"}"
		"\n%s\n",
		bad_events[_i].line);
	close_file(f);
	make_fails(bad_events[_i].message);
}
END_TEST

START_TEST(test_bad_start)
{
	write_record(NULL);
	write_text("events.jsonl", "");
	make_fails("the run left no events");
	write_text("events.jsonl", "{\"mono_ns\":1,\"event\":\"run.end\"}\n");
	make_fails("the first event is not \"run.start\"");
	write_text("events.jsonl", "{\"mono_ns\":1,\"event\":\"run.start\"}\n");
	make_fails("\"scenario\" is missing");
}
END_TEST

/* ---- cut off anywhere ---------------------------------------------------- */

/*
 * A report of what is there, or a clean error, and nothing in between: for
 * every length of the file. Both are common, so both have to be seen.
 */
static void cut(const char *name)
{
	size_t len, made = 0;
	char *text = read_text(name, &len);

	for (size_t n = 0; n < len; n++) {
		char *summary;
		int r;

		write_file(name, text, n);
		err = ERR_INIT;
		r = report_make(dir, &report, &err);
		if (r) {
			ck_assert_int_eq(r, -EBADMSG);
			ck_assert_uint_gt(strlen(err.msg), 0);
			continue;
		}
		made++;
		summary = print(true, 80);
		free(summary);
		ck_assert_int_eq(report_write_json(report, dir, &err), 0);
		report = report_free(report);
	}
	ck_assert_uint_gt(made, 0);
	free(text);
}

START_TEST(test_cut_off_events)
{
	write_record(NULL);
	/* Its length is of no matter here, and the time that it takes is. */
	write_text("probes/rtt.csv", "seq,sent_ns,received_ns,copy,error\n"
				     "0,5000000000,5000000100,1,\n"
				     "1,5010000000,,0,unreachable\n");
	unlink(path_of("trace.pcapng"));
	cut("events.jsonl");
}
END_TEST

START_TEST(test_cut_off_samples)
{
	write_record(NULL);
	write_text("probes/rtt.csv", "seq,sent_ns,received_ns,copy,error\n"
				     "1,5010000000,5010000100,1,\n"
				     "0,5000000000,5010000200,1,\n"
				     "0,5000000000,5010000300,2,\n"
				     "2,5020000000,,0,unreachable\n");
	unlink(path_of("trace.pcapng"));
	cut("probes/rtt.csv");
}
END_TEST

START_TEST(test_cut_off_counts)
{
	write_record(NULL);
	write_text("trace.pcapng.json", "{\"packets\":9,\"dropped\":2}\n");
	unlink(path_of("trace.pcapng"));
	cut("trace.pcapng.json");
}
END_TEST

START_TEST(test_bad_host)
{
	write_record(NULL);
	write_text("host.json", "{\"left\":\"all\"}\n");
	make_fails("host.json: no list of what is \"left\"");
	write_text("host.json", "{\"left\":[7]}\n");
	make_fails("host.json: no list of what is \"left\"");
	write_text("host.json", "{\"left\":[\"interface \\u001b[2J\"]}\n");
	cut("host.json");
}
END_TEST

/* Control characters of a record do not reach the terminal. */
START_TEST(test_escapes)
{
	char *text;

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, _i ? "C.UTF-8" : "C"));
	write_record(NULL);
	add_event(6000 * MS, "action.start",
		  "\"id\":9,\"action\":\"x\",\"text\":\"a\\u001b[2J\\u009bb"
		  "\\u007f\\u00e9\",\"planned_ns\":0");
	add_event(6000 * MS, "action.failed",
		  "\"id\":9,\"error\":\"\\u001b]0;owned\\u0007\"");
	make(REPORT_FAILED);
	text = print(false, 80);
	ck_assert_ptr_nonnull(
		strstr(text, _i ? "a?[2J?b?\u00e9" : "a?[2J?b??"));
	for (const unsigned char *c = (unsigned char *)text; *c; c++) {
		ck_assert(*c == '\n' || *c >= ' ');
		ck_assert(_i ? *c != 0x7f : *c < 0x7f);
	}
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("report_bad");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 50);
	tcase_add_test(tc, test_missing_samples);
	tcase_add_test(tc, test_cut_off_trace);
	tcase_add_test(tc, test_bad_scenario);
	tcase_add_loop_test(tc, test_bad_event, 0,
			    sizeof(bad_events) / sizeof(*bad_events));
	tcase_add_test(tc, test_bad_start);
	tcase_add_test(tc, test_cut_off_events);
	tcase_add_test(tc, test_cut_off_samples);
	tcase_add_test(tc, test_cut_off_counts);
	tcase_add_test(tc, test_bad_host);
	tcase_add_loop_test(tc, test_escapes, 0, 2);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
