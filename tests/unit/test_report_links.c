/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated links in a record: those that kept their promises, and those that
 * did not, and files that are wrong. The figures are added to the record of
 * record_maker.h, as if the links of its scenario had been emulated.
 */
#include "tests/support/record_maker.h"
#include "tests/support/run_suite.h"

#include <jansson.h>

#define LINK0 "a:eth0-lan"

struct figures {
	int64_t late_p99_ns, machine_dropped, reading_late_p99_ns;
	bool off, device_gone;
};

static char *direction(const struct figures *f)
{
	char *text;

	ck_assert_int_gt(
		asprintf(&text,
			 "{\"from\":\"x\",\"to\":\"y\",\"parameters\":\"loss "
			 "5%%\",\"changes\":0,\"frames\":{\"offered\":1000,"
			 "\"delivered\":950,\"lost\":50,\"duplicated\":0,"
			 "\"corrupted\":0,\"reordered\":0,\"marked\":0,"
			 "\"queue_dropped\":0,\"mtu_dropped\":0,"
			 "\"down_dropped\":0},\"lateness_ns\":{\"p50\":50000,"
			 "\"p99\":%" PRId64 ",\"max\":90000000},\"delay_ns\":"
			 "{\"mean\":1,\"p50\":1,\"p99\":1,\"asked_mean\":1},"
			 "\"rate\":{\"busy_ns\":1000,\"asked_bps\":10000000,"
			 "\"realised_bps\":9990000},\"loss\":{\"realised\":50,"
			 "\"expected\":49.5,\"bound\":12,\"within\":%s},"
			 "\"backlog\":{\"inside_most\":3,\"queued_most\":2,"
			 "\"queued_bytes_most\":3000},\"machine\":{\"dropped\":"
			 "%" PRId64 ",\"device_gone\":%s}}",
			 f->late_p99_ns, f->off ? "false" : "true",
			 f->machine_dropped, f->device_gone ? "true" : "false"),
		0);
	return text;
}

static void write_links(const struct figures *there)
{
	static const struct figures good = { .late_p99_ns = 100000 };
	char *a = direction(there), *b = direction(&good), *text;

	ck_assert_int_gt(asprintf(&text,
				  "{\"schema\":1,\"process\":"
				  "{\"reading_lateness_ns\":{\"p99\":%" PRId64
				  "}},\"links\":[{\"link\":\"" LINK0
				  "\",\"tolerance_ns\":5000000,\"directions\":"
				  "[%s,%s]}]}\n",
				  there->reading_late_p99_ns, a, b),
			 0);
	write_text("links.json", text);
	free(a);
	free(b);
	free(text);
}

/* Ahead of run.end. */
static void insert_event(const char *line)
{
	size_t len;
	char *events = read_text("events.jsonl", &len);
	char *end = strstr(events, "{\"mono_ns\":11000000000");
	FILE *f = create("events.jsonl");

	ck_assert_ptr_nonnull(end);
	fwrite(events, 1, (size_t)(end - events), f);
	fprintf(f, "%s\n%s", line, end);
	close_file(f);
	free(events);
}

static void emulated(const struct figures *there)
{
	write_record(NULL);
	write_links(there);
	insert_event(
		"{\"mono_ns\":4600000000,\"event\":\"emulator.start\",\"pid\":"
		"2,\"links\":1}");
}

static void setup_links(void)
{
	setup();
}

static void teardown_links(void)
{
	unlink(path_of("links.json"));
	teardown();
}

START_TEST(kept)
{
	static const struct figures good = { .late_p99_ns = 4999999,
					     .reading_late_p99_ns = 5000000 };
	json_t *root, *link;

	emulated(&good);
	make(REPORT_PASSED);
	prints("1 emulated link, frames late by 50 us (p50) and 5 ms (p99) at "
	       "worst");
	prints("a>lan    1000    50  9.99 mbit");
	ck_assert_int_eq(report_write_json(report, dir, &err), 0);
	root = json_load_file(path_of("results.json"), 0, NULL);
	link = json_array_get(json_object_get(root, "links"), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(root, "links")), 3);
	ck_assert_str_eq(json_string_value(json_object_get(link, "link")),
			 LINK0);
	link = json_object_get(
		json_array_get(json_object_get(link, "directions"), 0),
		"realised");
	ck_assert_int_eq(json_integer_value(json_object_get(
				 json_object_get(link, "frames"), "lost")),
			 50);
	json_decref(root);
}
END_TEST

static const struct {
	struct figures figures;
	const char *reason;
} broken[] = {
	{ { .late_p99_ns = 5000001 },
	  "link " LINK0 ", a>lan: 1 of 100 frames was more than 5 ms late, and "
	  "5 ms is allowed" },
	{ { .reading_late_p99_ns = 5000001 },
	  "the emulator of the links was more than 5 ms late to read frames in "
	  "1 of 100 moments, and link " LINK0 " allows 5 ms" },
	{ { .machine_dropped = 7 },
	  "link " LINK0 ", a>lan: the machine lost 7 frames" },
	{ { .device_gone = true },
	  "link " LINK0 ", a>lan: its interface was deleted" },
	{ { .off = true },
	  "50 of 1000 frames were lost by its loss; its model asks for 50" },
};

START_TEST(not_kept)
{
	emulated(&broken[_i].figures);
	make(REPORT_INVALID);
	prints(broken[_i].reason);
}
END_TEST

/* The record's scenario, with all links emulated and one expectation. */
static void expect_of_link(const char *body)
{
	static const char topology[] = "topology:\n";
	const char *at = strstr(scenario_text, topology) + strlen(topology);
	const char *end = strstr(scenario_text, "expect:\n");
	char *text;

	ck_assert_int_gt(
		asprintf(&text,
			 "%.*s  defaults: { link: { backend: emulated } }\n"
			 "%.*sexpect:\n  - { link: \"" LINK0 "\", %s }\n",
			 (int)(at - scenario_text), scenario_text,
			 (int)(end - at), at, body),
		0);
	write_text("scenario.yaml", text);
	free(text);
}

static const struct {
	const char *body, *printed;
	enum report_verdict verdict;
} expected[] = {
	{ "lost: 100", LINK0 ": lost 100", REPORT_PASSED },
	{ "direction: \"a>lan\", lost: 50", LINK0 ", a>lan: lost 50",
	  REPORT_PASSED },
	{ "direction: \"lan>a\", offered: { min: 1001 }",
	  LINK0 ", lan>a: offered 1000; expected at least 1001",
	  REPORT_FAILED },
	/* Of two queues the longer one. */
	{ "queued_most: { max: 2 }", LINK0 ": queued_most 2 (at most 2)",
	  REPORT_PASSED },
	{ "queue_dropped: { min: 1 }",
	  LINK0 ": queue_dropped 0; expected at least 1", REPORT_FAILED },
};

START_TEST(expectations_are_judged)
{
	static const struct figures good = { .late_p99_ns = 100000 };

	emulated(&good);
	expect_of_link(expected[_i].body);
	make(expected[_i].verdict);
	prints(expected[_i].printed);
}
END_TEST

START_TEST(expectations_without_figures)
{
	static const struct figures good = { 0 };

	emulated(&good);
	expect_of_link("lost: { max: 1000 }");
	ck_assert_int_eq(unlink(path_of("links.json")), 0);
	make(REPORT_INVALID);
	prints(LINK0 ": lost unknown: the emulator told nothing");
}
END_TEST

START_TEST(no_figures)
{
	static const struct figures good = { 0 };

	emulated(&good);
	ck_assert_int_eq(unlink(path_of("links.json")), 0);
	make(REPORT_INVALID);
	prints("there is no links.json");
}
END_TEST

/* Of a record that knows of no emulator, nothing is asked. */
START_TEST(before_there_was_one)
{
	write_record(NULL);
	make(REPORT_PASSED);
}
END_TEST

START_TEST(died)
{
	static const struct figures good = { 0 };

	emulated(&good);
	ck_assert_int_eq(unlink(path_of("links.json")), 0);
	insert_event("{\"mono_ns\":6200000000,\"event\":\"emulator.exit\","
		     "\"signal\":9,\"expected\":false,\"error\":\"gone\"}");
	make(REPORT_INVALID);
	prints("the emulator of the links ended unexpectedly at 1.200 s, by "
	       "signal 9: gone: with it went every emulated link");
}
END_TEST

static const struct {
	const char *text, *message;
} wrong[] = {
	{ "", "links.json:1: " },
	{ "{", "links.json:1: " },
	{ "{}", "links.json: no list of \"links\"" },
	{ "{\"links\":[],\"process\":{\"reading_lateness_ns\":7}}",
	  "links.json: the process: " },
	{ "{\"links\":[],\"process\":{\"reading_lateness_ns\":{\"p99\":-1}}}",
	  "links.json: the process: a figure is out of range" },
	{ "{\"links\":[7]}", "links.json: link 1: " },
	{ "{\"links\":[{\"link\":\"x\",\"tolerance_ns\":1,\"directions\":[]}]}",
	  "links.json: link 1: " },
	{ "{\"links\":[{\"link\":\"x\",\"tolerance_ns\":1,\"directions\":[{},"
	  "{}]}]}",
	  "links.json: link 1: Object item not found: parameters" },
};

START_TEST(files_that_are_wrong)
{
	write_record(NULL);
	write_text("links.json", wrong[_i].text);
	make_fails(wrong[_i].message);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("report_links");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup_links, teardown_links);
	tcase_add_test(tc, kept);
	tcase_add_loop_test(tc, not_kept, 0, sizeof(broken) / sizeof(*broken));
	tcase_add_loop_test(tc, expectations_are_judged, 0,
			    sizeof(expected) / sizeof(*expected));
	tcase_add_test(tc, expectations_without_figures);
	tcase_add_test(tc, no_figures);
	tcase_add_test(tc, before_there_was_one);
	tcase_add_test(tc, died);
	tcase_add_loop_test(tc, files_that_are_wrong, 0,
			    sizeof(wrong) / sizeof(*wrong));
	suite_add_tcase(s, tc);
	return run_suite(s);
}
