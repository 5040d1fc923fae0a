/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a record on disk to its verdict, its summary and its results.json. */
#include "tests/support/record_maker.h"
#include "tests/support/run_suite.h"

#include <jansson.h>
#include <locale.h>

/* clang-format off */
static const char passed_text[] =
"ping-nat - 6 s - seed 7 - passed\n"
"\n"
"rtt: ping from a to echo (198.18.0.1), every 10 ms\n"
"            sent  received  lost  dup  outage     rtt p50 / p99\n"
"  before     200       200     0    0   10 ms  62 us /    62 us\n"
"  2.000 s  migrate echo: c -> d  (100 us late, took 100 us)\n"
"    during     3         0     3    0   40 ms                 -\n"
"    after    197       197     0    0   10 ms  62 us /    62 us\n"
"  4.000 s  migrate echo: d -> c  (100 us late, took 50 us)\n"
"    during     0         0     0    0   10 ms                 -\n"
"    after    200       200     0    0   10 ms  62 us /    62 us\n"
"  all        600       597     3    0   40 ms  62 us /    62 us\n"
"  longest outage 40 ms, from 1.990 s (9.84 ms before \"migrate echo: c -> d\")\n"
"  answered by c 200 (0 to 199), d 197 (203 to 399), c 200 (400 to 599)\n"
"\n"
"processes\n"
"  0.100 s  server ended with status 0\n"
"\n"
"expectations: 6 of 6 held\n"
"  ok rtt: lost 3 (at most 3)                           some/ping-nat.yaml:26\n"
"  ok rtt: outage 40 ms (at most 50 ms)                 some/ping-nat.yaml:26\n"
"  ok echo: answered by c, d, c                         some/ping-nat.yaml:27\n"
"  ok packets at d that match \"icmp\": 197 (at least 1)  some/ping-nat.yaml:28\n"
"  ok server: exit status 0                             some/ping-nat.yaml:29\n"
"  ok server: printed \"hello\"                           some/ping-nat.yaml:29\n";
/* clang-format on */

START_TEST(test_passed)
{
	char *text;

	write_record(NULL);
	make(REPORT_PASSED);
	text = print(false, 100);
	ck_assert_str_eq(text, passed_text);
	free(text);
	/* Too narrow for positions in a column: none is lost. */
	text = print(true, 1);
	ck_assert_ptr_nonnull(strstr(text, "  some/ping-nat.yaml:28\n"));
	ck_assert_ptr_nonnull(strstr(text, "\033[1;32mpassed\033[0m"));
	free(text);
}
END_TEST

START_TEST(test_utf8)
{
	write_record(NULL);
	make(REPORT_PASSED);
	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	prints("ping-nat \u00b7 6 s \u00b7 seed 7 \u00b7 passed\n");
	prints("  \u2713 rtt: lost 3 (at most 3) ");
}
END_TEST

START_TEST(test_failed)
{
	static const char strict[] = "lost: { max: 2 }";
	struct run run = { .exit_status = 4 };
	char text[sizeof(scenario_text)];

	write_record(&run);
	memcpy(text, scenario_text, sizeof(text));
	memcpy(strstr(text, "lost: { max: 3 }"), strict, strlen(strict));
	write_text("scenario.yaml", text);
	write_text("processes/server.log", "hell");
	make(REPORT_FAILED);
	prints("- failed\n");
	prints("expectations: 3 of 6 held\n");
	prints("  NO rtt: lost 3; expected at most 2 ");
	prints("   26 |   - { probe: rtt, lost: { max: 2 }, outage: ");
	prints("  NO server: exit status 4; expected exit status 0 ");
	prints("  NO server: did not print \"hello\" (its log has 4 bytes)");
}
END_TEST

/* Of several probes there is a line each; one alone is told of already. */
START_TEST(test_beside)
{
	static const char more[] =
		"  down: { kind: tcp_stream, node: a, to: c, port: 1, for: 1s "
		"}\n"
		"  web: { kind: http, node: a, to: c, for: 1s }\n";
	char text[sizeof(scenario_text) + sizeof(more)];
	char *at = strstr(scenario_text, "timeline:"), *summary;
	int head = (int)(at - scenario_text);

	write_record(NULL);
	make(REPORT_PASSED);
	summary = print(false, 80);
	ck_assert_ptr_null(strstr(summary, "side by side"));
	free(summary);
	report = report_free(report);
	snprintf(text, sizeof(text), "%.*s%s%s", head, scenario_text, more, at);
	write_text("scenario.yaml", text);
	make(REPORT_PASSED);
	prints("\nside by side\n"
	       "        received  lost, failed  outage    p50  delivered  ended"
	       "  answered by\n"
	       "  rtt        597             3   40 ms  62 us"
	       "                          c d c\n"
	       "  down                               -\n"
	       "  web                                -\n\n");
}
END_TEST

/* A name may be longer than there is room for. */
START_TEST(test_beside_long_name)
{
	static const char more[] =
		"  a-name-of-forty-bytes-is-cut-behind-here: { kind: http, "
		"node: a, to: c, for: 1s }\n"
		"  a-name-of-thirty-nine-bytes-is-not-so-x: { kind: http, "
		"node: a, to: c, for: 1s }\n";
	char text[sizeof(scenario_text) + sizeof(more)];
	char *at = strstr(scenario_text, "timeline:");
	int head = (int)(at - scenario_text);

	write_record(NULL);
	snprintf(text, sizeof(text), "%.*s%s%s", head, scenario_text, more, at);
	write_text("scenario.yaml", text);
	make(REPORT_PASSED);
	prints("\n  a-name-of-forty-bytes-is-cut-behind-... ");
	prints("\n  a-name-of-thirty-nine-bytes-is-not-so-x ");
}
END_TEST

/* A process that ends by itself is told, unless that was to be expected. */
START_TEST(test_process_ended)
{
	struct run run = { .exit_status = 4, .exit_expected = _i };
	char text[sizeof(scenario_text)], *summary;

	write_record(&run);
	memcpy(text, scenario_text, sizeof(text));
	memcpy(strstr(text, "exit: 0,"), "        ", 8);
	write_text("scenario.yaml", text);
	make(REPORT_PASSED);
	summary = print(false, 80);
	ck_assert_int_eq(strstr(summary, "server ended with status 4: see "
					 "processes/server.log\n") == NULL,
			 _i);
	free(summary);
}
END_TEST

START_TEST(test_action_failed)
{
	struct run run = { .failed = true, .interrupted = true };

	write_record(&run);
	make(REPORT_FAILED);
	prints("- failed\n  failed: migrate echo: c -> d: no such rule\n");
	prints("migrate echo: c -> d  (failed)\n");
}
END_TEST

/* The error names the action itself, or it is of one that never began. */
START_TEST(test_action_failed_otherwise)
{
	struct run run = { .failed = true };

	write_record(&run);
	add_event(6000 * MS, "action.failed",
		  "\"id\":0,\"error\":\"migrate echo: c -> d: no\"");
	add_event(6000 * MS, "action.failed",
		  "\"id\":7,\"error\":\"no timer\"");
	make(REPORT_FAILED);
	prints("- failed\n  failed: migrate echo: c -> d: no\n"
	       "  failed: no timer\n\n");
}
END_TEST

/* A sald that was told to end says nothing; one that was not, fails the run. */
START_TEST(test_sald_exit)
{
	struct run run = { 0 };

	write_record(&run);
	add_event(6000 * MS, "sald.exit",
		  "\"node\":\"a\",\"status\":0,\"expected\":true,\"closed\":0");
	add_event(
		6000 * MS, "sald.exit",
		"\"node\":\"c\",\"signal\":9,\"expected\":false,\"closed\":1");
	make(REPORT_FAILED);
	prints("- failed\n  failed: the sald of c ended unexpectedly, by "
	       "signal "
	       "9; see sald/c.log of the record\n\n");
}
END_TEST

/* By node and reason. A record from before they were told has none. */
START_TEST(test_moves)
{
	struct run run = { 0 };

	write_record(&run);
	add_event(1000 * MS, "sal.flow.migrated",
		  "\"node\":\"a\",\"flow\":7,\"why\":\"carrier lost\"");
	add_event(1001 * MS, "sal.flow.migrated",
		  "\"node\":\"c\",\"flow\":8,\"why\":\"peer moved\"");
	add_event(1500 * MS, "sal.flow.migrated",
		  "\"node\":\"a\",\"flow\":7,\"why\":\"went back\"");
	add_event(2500 * MS, "sal.flow.migrated",
		  "\"node\":\"a\",\"flow\":9,\"why\":\"carrier lost\"");
	add_event(2600 * MS, "sal.flow.migrated", "\"node\":\"d\",\"flow\":9");
	make(REPORT_PASSED);
	prints("\nmoves of flows\n"
	       "  a\n"
	       "    2 carrier lost, from 1.000 s to 2.500 s\n"
	       "    1 went back, at 1.500 s\n"
	       "  c\n"
	       "    1 peer moved, at 1.001 s\n"
	       "\n");
}
END_TEST

START_TEST(test_interrupted)
{
	struct run run = { .interrupted = true };

	write_record(&run);
	make(REPORT_INTERRUPTED);
	prints("- interrupted\n  the run was interrupted\n");
}
END_TEST

START_TEST(test_timed_out)
{
	struct run run = { 0 };

	write_record(&run);
	add_event(6000 * MS, "run.timed_out", "\"timeout_ns\":1500000000");
	make(REPORT_TIMED_OUT);
	prints("- timed out\n  the run did not end within 1.5 s "
	       "(--timeout)\n");
}
END_TEST

START_TEST(test_timed_out_unasked)
{
	struct run run = { 0 };

	write_record(&run);
	add_event(6000 * MS, "run.timed_out",
		  "\"timeout_ns\":1500000000,\"default\":true");
	make(REPORT_TIMED_OUT);
	prints("- timed out\n  the run did not end within 1.5 s "
	       "(the default; --timeout changes it)\n");
}
END_TEST

/* With its node: what it has measured counts. */
START_TEST(test_probe_crashed)
{
	json_t *root, *probe;

	write_record(NULL);
	add_event(12000 * MS, "probe.end",
		  "\"probe\":\"rtt\",\"status\":0,"
		  "\"skipped\":3,\"crashed\":true");
	make(REPORT_PASSED);
	prints("  3 were due while a stood still, and not sent\n"
	       "  ended at 12.000 s, when a crashed\n");
	ck_assert_int_eq(report_write_json(report, dir, &err), 0);
	root = json_load_file(path_of("results.json"), 0, NULL);
	probe = json_object_get(json_object_get(root, "probes"), "rtt");
	ck_assert_int_eq(json_integer_value(json_object_get(probe, "skipped")),
			 3);
	ck_assert_int_eq(
		json_integer_value(json_object_get(probe, "crashed_t_ns")),
		12000 * MS);
	json_decref(root);
}
END_TEST

/* It was still to begin when its node crashed, and did so when that was back.
 */
START_TEST(test_probe_begins_again)
{
	json_t *root, *probe;

	write_record(NULL);
	add_event(12000 * MS, "probe.end",
		  "\"probe\":\"rtt\",\"status\":0,\"crashed\":true");
	add_event(12000 * MS, "probe.start",
		  "\"probe\":\"rtt\",\"to\":\"198.18.0.1\"");
	add_event(12000 * MS, "probe.end", "\"probe\":\"rtt\",\"status\":0");
	make(REPORT_PASSED);
	ck_assert_int_eq(report_write_json(report, dir, &err), 0);
	root = json_load_file(path_of("results.json"), 0, NULL);
	probe = json_object_get(json_object_get(root, "probes"), "rtt");
	ck_assert(json_is_null(json_object_get(probe, "crashed_t_ns")));
	ck_assert_int_eq(json_integer_value(json_object_get(probe, "skipped")),
			 0);
	json_decref(root);
}
END_TEST

/* Two of one "do:" have one "during", and the second is late for no reason. */
START_TEST(test_actions_of_one_moment)
{
	char text[8192], *events, *planned;
	size_t len;

	write_record(NULL);
	events = read_text("events.jsonl", &len);
	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, events, len + 1);
	free(events);
	planned = strstr(text, "3999800000");
	ck_assert_ptr_nonnull(planned);
	*planned = '1';
	write_text("events.jsonl", text);
	make(REPORT_PASSED);
	prints("  2.000 s  migrate echo: c -> d  (100 us late, took 100 us)\n"
	       "  2.000 s  migrate echo: d -> c  (2 s late, took 50 us)\n"
	       "    during ");
	ck_assert_int_eq(report_write_json(report, dir, &err), 0);
	events = read_text("results.json", &len);
	ck_assert_ptr_nonnull(strstr(events, "\"max_ns\": 100000\n"));
	free(events);
}
END_TEST

/* It broke otherwise than by an action: no results without the reason. */
/* A node that was so already: why is told by the action's kind. */
START_TEST(test_action_without_effect)
{
	write_record(NULL);
	add_event(3000 * MS, "action.start",
		  "\"id\":2,\"action\":\"crash\",\"text\":\"crash c\","
		  "\"line\":24,\"planned_ns\":3000000000");
	add_event(3000 * MS, "action.step", "\"id\":2,\"step\":\"unchanged\"");
	add_event(3000 * MS, "action.done", "\"id\":2,\"duration_ns\":0");
	make(REPORT_PASSED);
	prints("  3.000 s  crash c  (nothing to do: it was off already)\n");
}
END_TEST

START_TEST(test_run_failed)
{
	write_record(NULL);
	add_event(12000 * MS, "run.failed",
		  "\"error\":\"the capture failed: oh\"");
	make(REPORT_FAILED);
	prints("- failed\n  failed: the capture failed: oh\n\n");
}
END_TEST

/* Why an action failed is told once. */
START_TEST(test_run_failed_by_action)
{
	struct run run = { .failed = true };

	write_record(&run);
	add_event(12000 * MS, "run.failed", "\"error\":\"no such rule\"");
	make(REPORT_FAILED);
	prints("  failed: migrate echo: c -> d: no such rule\n\n");
}
END_TEST

START_TEST(test_nothing_expected)
{
	char text[sizeof(scenario_text)];

	write_record(NULL);
	memcpy(text, scenario_text, sizeof(text));
	*strstr(text, "expect:") = '\0';
	write_text("scenario.yaml", text);
	make(REPORT_PASSED);
	prints("- passed (nothing was expected)\n");
}
END_TEST

START_TEST(test_all_lost_before)
{
	FILE *f;

	write_record(NULL);
	f = create("probes/rtt.csv");
	fputs("seq,sent_ns,received_ns,copy,error\n", f);
	for (int i = 0; i < PACKETS; i++)
		fprintf(f, "%d,%" PRId64 ",,0,network unreachable\n", i,
			ZERO + i * 10 * MS);
	close_file(f);
	make(REPORT_FAILED);
	prints("(below)  ");
	prints("  errors: network unreachable 600\n");
}
END_TEST

/* ---- results.json ---------------------------------------------------------
 */

START_TEST(test_json)
{
	json_t *root, *probe, *phase, *actions, *expectation;
	json_error_t error;
	const char *schema, *name, *scenario, *verdict, *node, *text;
	json_int_t seed, duration, lost, line, t_ns;
	int held;

	write_record(NULL);
	make(REPORT_PASSED);
	ck_assert_int_eq(report_write_json(report, dir, &err), 0);
	root = json_load_file(path_of("results.json"), 0, &error);
	ck_assert_msg(root != NULL, "%s", error.text);
	ck_assert_int_eq(json_unpack_ex(root, &error, 0,
					"{s:s,s:s,s:s,s:s,s:I,s:I,s:{s:o},s:o}",
					"schema", &schema, "name", &name,
					"scenario", &scenario, "verdict",
					&verdict, "seed", &seed, "duration_ns",
					&duration, "probes", "rtt", &probe,
					"actions", &actions),
			 0);
	ck_assert_str_eq(schema, "servalab-results/1");
	ck_assert_str_eq(name, "ping-nat");
	ck_assert_str_eq(scenario, "some/ping-nat.yaml");
	ck_assert_str_eq(verdict, "passed");
	ck_assert_int_eq(seed, 7);
	ck_assert_int_eq(duration, 6000 * MS);

	ck_assert_int_eq(json_array_size(json_object_get(probe, "phases")), 5);
	phase = json_array_get(json_object_get(probe, "phases"), 1);
	ck_assert_int_eq(json_unpack(phase, "{s:s,s:I,s:{s:I}}", "phase", &text,
				     "lost", &lost, "outage", "t_ns", &t_ns),
			 0);
	ck_assert_str_eq(text, "during");
	ck_assert_int_eq(lost, 3);
	ck_assert_int_eq(t_ns, 1990 * MS + 1 + RTT);
	ck_assert_int_eq(
		json_unpack(json_array_get(json_object_get(probe, "served"), 1),
			    "{s:s,s:I}", "node", &node, "first_t_ns", &t_ns),
		0);
	ck_assert_str_eq(node, "d");
	ck_assert_int_eq(t_ns, 2030 * MS + RTT / 2);

	ck_assert_int_eq(json_unpack(root, "{s:{s:I},s:{s:{s:I,s:b}}}",
				     "lateness", "p50_ns", &t_ns, "processes",
				     "server", "status", &line, "expected",
				     &held),
			 0);
	ck_assert_int_eq(t_ns, 100000);
	ck_assert_int_eq(line, 0);
	ck_assert_int_eq(held, 0);

	ck_assert_int_eq(json_array_size(actions), 2);
	ck_assert_int_eq(json_unpack(json_array_get(actions, 1), "{s:I,s:I}",
				     "late_ns", &t_ns, "line", &line),
			 0);
	ck_assert_int_eq(t_ns, 100000);
	ck_assert_int_eq(line, 24);
	expectation = json_array_get(json_object_get(root, "expectations"), 0);
	ck_assert_int_eq(json_unpack(expectation, "{s:s,s:b,s:I}", "text",
				     &text, "held", &held, "line", &line),
			 0);
	ck_assert_str_eq(text, "rtt: lost at most 3");
	ck_assert_int_eq(held, 1);
	ck_assert_int_eq(line, 26);
	ck_assert(json_is_null(json_object_get(expectation, "compared")));
	json_decref(root);
}
END_TEST

START_TEST(test_json_nowhere)
{
	write_record(NULL);
	make(REPORT_PASSED);
	ck_assert_int_eq(report_write_json(report, path_of("nowhere"), &err),
			 -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "nowhere/results.json"));
}
END_TEST

/* What cannot be put in place is not left lying about (teardown looks). */
START_TEST(test_json_in_the_way)
{
	write_record(NULL);
	make(REPORT_PASSED);
	ck_assert_int_eq(mkdir(path_of("results.json"), 0755), 0);
	ck_assert_int_eq(report_write_json(report, dir, &err), -EISDIR);
	ck_assert_int_eq(rmdir(path_of("results.json")), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("report");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_passed);
	tcase_add_test(tc, test_utf8);
	tcase_add_test(tc, test_beside);
	tcase_add_test(tc, test_beside_long_name);
	tcase_add_test(tc, test_failed);
	tcase_add_loop_test(tc, test_process_ended, 0, 2);
	tcase_add_test(tc, test_action_failed);
	tcase_add_test(tc, test_action_failed_otherwise);
	tcase_add_test(tc, test_sald_exit);
	tcase_add_test(tc, test_moves);
	tcase_add_test(tc, test_interrupted);
	tcase_add_test(tc, test_timed_out);
	tcase_add_test(tc, test_timed_out_unasked);
	tcase_add_test(tc, test_probe_crashed);
	tcase_add_test(tc, test_probe_begins_again);
	tcase_add_test(tc, test_actions_of_one_moment);
	tcase_add_test(tc, test_action_without_effect);
	tcase_add_test(tc, test_run_failed);
	tcase_add_test(tc, test_run_failed_by_action);
	tcase_add_test(tc, test_nothing_expected);
	tcase_add_test(tc, test_all_lost_before);
	tcase_add_test(tc, test_json);
	tcase_add_test(tc, test_json_nowhere);
	tcase_add_test(tc, test_json_in_the_way);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
