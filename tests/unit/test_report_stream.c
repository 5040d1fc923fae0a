/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records with a stream, from what its two ends told to the verdict: survival
 * and integrity, and files that no probe has written.
 */
#include "base/cleanup.h"
#include "orchestrator/report/report.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define ZERO (5000 * MS)

static const char scenario_text[] =
	"version: 1\n"
	"name: stream\n"
	"topology:\n"
	"  nodes: { a: {}, c: {} }\n"
	"  links: [ { endpoints: [a, c] } ]\n"
	"probes:\n"
	"  s: { kind: tcp_stream, node: a, to: c, port: 1, for: 2s }\n"
	"expect:\n"
	"  - { probe: s, survives: true, intact: true }\n";

static char dir[64];
static struct report *report;
static struct err err;

static void write_text(const char *name, const char *text)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
}

/* What a side tells; NULL members are null. */
struct told {
	const char *end, *sha256, *peer_sha256, *first_wrong;
};

static void write_end(const char *name, const struct told *t)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"end\":\"%s\",\"begun_ns\":%" PRId64
		 ",\"connected_ns\":%" PRId64 ",\"ended_ns\":%" PRId64
		 ",\"local_port\":40000,\"bytes\":20000,\"sha256\":%s%s%s,"
		 "\"peer_sha256\":%s%s%s,\"first_wrong\":%s}",
		 t->end, ZERO, ZERO + MS, ZERO + 2000 * MS,
		 t->sha256 ? "\"" : "", t->sha256 ? t->sha256 : "null",
		 t->sha256 ? "\"" : "", t->peer_sha256 ? "\"" : "",
		 t->peer_sha256 ? t->peer_sha256 : "null",
		 t->peer_sha256 ? "\"" : "",
		 t->first_wrong ? t->first_wrong : "null");
	write_text(name, text);
}

static void setup(void)
{
	char path[96], text[1024];

	strcpy(dir, "/tmp/test_report_stream.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/probes", dir);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	write_text("scenario.yaml", scenario_text);
	snprintf(
		text, sizeof(text),
		"{\"mono_ns\":%" PRId64
		",\"event\":\"run.start\",\"scenario\":\"s.yaml\",\"seed\":1}\n"
		"{\"mono_ns\":%" PRId64 ",\"event\":\"timeline.start\"}\n"
		"{\"mono_ns\":%" PRId64 ",\"event\":\"probe.start\",\"probe\":"
		"\"s\",\"to\":\"10.0.0.2\"}\n"
		"{\"mono_ns\":%" PRId64
		",\"event\":\"probe.end\",\"probe\":\"s\",\"status\":0,"
		"\"late\":{\"count\":1,\"p50_ns\":1,\"p99_ns\":2,\"max_ns\":3}}"
		"\n"
		"{\"mono_ns\":%" PRId64 ",\"event\":\"run.end\"}\n",
		ZERO - MS, ZERO, ZERO, ZERO + 2000 * MS, ZERO + 2100 * MS);
	write_text("events.jsonl", text);
	snprintf(text, sizeof(text),
		 "bin_ns,bytes,first_ns,last_ns\n"
		 "%" PRId64 ",10000,%" PRId64 ",%" PRId64 "\n"
		 "%" PRId64 ",10000,%" PRId64 ",%" PRId64 "\n",
		 ZERO, ZERO + 1, ZERO + 2, ZERO + 1000 * MS, ZERO + 1000 * MS,
		 ZERO + 1000 * MS);
	write_text("probes/s.csv", text);
	err = ERR_INIT;
}

static void teardown(void)
{
	char line[96];

	report = report_free(report);
	snprintf(line, sizeof(line), "rm -r %s", dir);
	ck_assert_int_eq(system(line), 0);
}

static const struct {
	struct told probe, server; /* server.end NULL: it told nothing */
	enum report_verdict verdict;
	int survived, intact; /* -1: unknown */
} cases[] = {
	{ { "complete", "aa", "aa", NULL },
	  { "complete", "aa", NULL, NULL },
	  REPORT_PASSED,
	  1,
	  1 },
	{ { "complete", "aa", "aa", NULL }, { 0 }, REPORT_PASSED, 1, 1 },
	{ { "complete", "aa", "bb", NULL }, { 0 }, REPORT_FAILED, 1, 0 },
	{ { "complete", "aa", "aa", "7" }, { 0 }, REPORT_FAILED, 1, 0 },
	{ { "reset", "aa", NULL, NULL }, { 0 }, REPORT_FAILED, 0, 1 },
	{ { "no stream", "aa", NULL, NULL }, { 0 }, REPORT_FAILED, 0, 0 },
	{ { "stopped", "aa", NULL, NULL }, { 0 }, REPORT_FAILED, -1, 1 },
	/* With its node: unlike the run's end, that is a connection's. */
	{ { "crashed", "aa", NULL, NULL }, { 0 }, REPORT_FAILED, 0, 1 },
	/* nobody looked */
	{ { "complete", NULL, NULL, NULL }, { 0 }, REPORT_FAILED, 1, -1 },
	/* an upload, which the server knows more of */
	{ { "reset", NULL, NULL, NULL },
	  { "reset", "aa", NULL, "3" },
	  REPORT_FAILED,
	  0,
	  0 },
	{ { "reset", NULL, NULL, NULL },
	  { "reset", "aa", NULL, NULL },
	  REPORT_FAILED,
	  0,
	  1 },
};

static int switch_of(const json_t *stream, const char *name)
{
	const json_t *v = json_object_get(stream, name);

	ck_assert_ptr_nonnull(v);
	return json_is_null(v) ? -1 : json_is_true(v);
}

START_TEST(judged)
{
	json_t *results, *stream;
	char path[96];

	write_end("probes/s.json", &cases[_i].probe);
	if (cases[_i].server.end)
		write_end("probes/s.peer.json", &cases[_i].server);
	ck_assert_msg(!report_make(dir, &report, &err), "%s", err.msg);
	ck_assert_int_eq(report_verdict(report), cases[_i].verdict);
	ck_assert_int_eq(report_write_json(report, dir, &err), 0);
	snprintf(path, sizeof(path), "%s/results.json", dir);
	results = json_load_file(path, 0, NULL);
	ck_assert_ptr_nonnull(results);
	stream = json_object_get(
		json_object_get(json_object_get(results, "probes"), "s"),
		"stream");
	ck_assert_int_eq(switch_of(stream, "survived"), cases[_i].survived);
	ck_assert_int_eq(switch_of(stream, "intact"), cases[_i].intact);
	ck_assert_int_eq(json_integer_value(json_object_get(stream, "bytes")),
			 20000);
	ck_assert_int_eq(
		json_integer_value(json_object_get(stream, "connect_ns")), MS);
	json_decref(results);
}
END_TEST

START_TEST(printed)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	write_end("probes/s.json", &cases[_i].probe);
	ck_assert_msg(!report_make(dir, &report, &err), "%s", err.msg);
	report_print(report, f, false, 100);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(text, "s: tcp download from a to c"));
	ck_assert_ptr_nonnull(strstr(text, cases[_i].probe.end));
	free(text);
}
END_TEST

/* Of a probe that ended well, its file is there and says what it should. */
static const char *const malformed[] = {
	"",
	"{",
	"[]",
	"{}",
	"{\"end\":7}",
	"{\"end\":\"a word that is much too long for it\"}",
	"{\"end\":\"complete\",\"begun_ns\":-1}",
	"{\"end\":\"complete\",\"begun_ns\":1,\"connected_ns\":1,\"ended_ns\":"
	"1,\"local_port\":65536,\"bytes\":1,\"sha256\":null,\"peer_sha256\":"
	"null,\"first_wrong\":null}",
	"{\"end\":\"complete\",\"begun_ns\":1,\"connected_ns\":1,\"ended_ns\":"
	"9223372036854775807,\"local_port\":1,\"bytes\":1,\"sha256\":null,"
	"\"peer_sha256\":null,\"first_wrong\":null}",
};

START_TEST(no_such_record)
{
	write_text("probes/s.json", malformed[_i]);
	ck_assert_int_eq(report_make(dir, &report, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "s.json"));
}
END_TEST

int main(void)
{
	const int n = sizeof(cases) / sizeof(*cases);
	Suite *s = suite_create("report of streams");
	TCase *tc = tcase_create("stream");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, judged, 0, n);
	tcase_add_loop_test(tc, printed, 0, n);
	tcase_add_loop_test(tc, no_such_record, 0,
			    sizeof(malformed) / sizeof(*malformed));
	suite_add_tcase(s, tc);
	return run_suite(s);
}
