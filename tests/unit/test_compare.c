/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of runs, from results that are as they should be, and others. */
#include "orchestrator/report/compare.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static char *table;
static struct err err;

static void setup(void)
{
	strcpy(dir, "/tmp/servalab-compare-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	table = NULL;
	err = ERR_INIT;
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
	free(table);
}

/* A record of that name. */
static const char *make(const char *name, const char *text)
{
	static char paths[2][160];
	static unsigned next;
	char *path = paths[next++ % 2], file[256];
	FILE *f;

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	snprintf(file, sizeof(file), "%s/results.json", path);
	f = fopen(file, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
	return path;
}

static int compare(const char *one, const char *two)
{
	const char *paths[] = { one, two };
	size_t size;
	FILE *f;
	int r;

	free(table);
	f = open_memstream(&table, &size);
	ck_assert_ptr_nonnull(f);
	r = compare_print(paths, two ? 2 : 1, f, &err);
	ck_assert_int_eq(fclose(f), 0);
	return r;
}

#define HEAD "{\"schema\":\"servalab-results/1\","
#define FIGURES                                                                \
	"\"sent\":600,\"received\":598,\"lost\":2,\"duplicated\":0,"           \
	"\"rtt\":{\"p50_ns\":60000,\"p99_ns\":null},"                          \
	"\"outage\":{\"length_ns\":20000000,\"t_ns\":5},"                      \
	"\"phases\":[{\"rtt\":{\"p50_ns\":50000}},{\"rtt\":{}},"               \
	"{\"rtt\":{\"p50_ns\":70000}}],"                                       \
	"\"outages\":[{\"length_ns\":30000000}],"                              \
	"\"served\":[{\"node\":\"c\"},{\"node\":\"d\"}]"

START_TEST(figures_stand_side_by_side)
{
	const char *one = make(
		"one", HEAD "\"name\":\"sal\",\"verdict\":"
			    "\"passed\",\"probes\":{\"rtt\":{" FIGURES "}}}");
	const char *two =
		make("two", HEAD "\"name\":\"nat\",\"verdict\":"
				 "\"failed\",\"probes\":{\"rtt\":{}}}");

	ck_assert_int_eq(compare(one, two), 0);
	ck_assert_str_eq(table, "run                    sal     nat\n"
				"verdict             passed  failed\n"
				"\n"
				"probe                  rtt     rtt\n"
				"sent                   600       -\n"
				"received               598       -\n"
				"lost                     2       -\n"
				"duplicated               0       -\n"
				"longest outage       20 ms       -\n"
				"outage at action 1   30 ms       -\n"
				"rtt p50 before       50 us       -\n"
				"rtt p50 after        70 us       -\n"
				"rtt p99                  -       -\n"
				"answered by            c d       -\n");
}
END_TEST

#define STREAM                                                                 \
	"\"outage\":{\"length_ns\":20000000},\"stream\":{\"bytes\":5000000,"   \
	"\"goodput_bps\":12000000,\"connect_ns\":300000,\"recovery_ns\":null," \
	"\"survived\":true,\"intact\":false}"

/* A stream has figures of its own, and none of packets. */
START_TEST(streams_side_by_side)
{
	static const struct {
		const char *label, *cell;
	} rows[] = {
		{ "\ndelivered ", " 5 MB     -" },
		{ "\ngoodput ", " 12 Mbit/s     -" },
		{ "\nconnect ", " 300 us     -" },
		{ "\nlongest recovery ", " -     -" },
		{ "\nsurvived ", " yes     -" },
		{ "\nintact ", " no     -" },
		{ "\nlongest outage ", " 20 ms     -" },
	};
	const char *one =
		make("one", HEAD "\"probes\":{\"down\":{" STREAM "}}}");
	const char *two = make("two", HEAD "\"probes\":{\"down\":{"
					   "\"stream\":{\"survived\":3}}}}");

	ck_assert_int_eq(compare(one, two), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *row = strstr(table, rows[i].label);
		const char *cell;

		ck_assert_ptr_nonnull(row);
		cell = strstr(row, rows[i].cell);
		ck_assert_msg(cell && cell < strchr(row + 1, '\n'),
			      "%s in:\n%s", rows[i].label, table);
	}
	ck_assert_ptr_null(strstr(table, "rtt"));
	ck_assert_ptr_null(strstr(table, "sent"));
}
END_TEST

#define OUT(since, until, stream)                                              \
	"{\"outage\":{\"length_ns\":900000000,\"t_ns\":0},\"outages\":["       \
	"{\"length_ns\":20000000,\"t_ns\":" since "},"                         \
	"{\"length_ns\":500000000,\"t_ns\":" until "}]" stream "}"
#define ENDED ",\"stream\":{\"ended_t_ns\":2000000000}"
#define CUT ",\"stream\":{\"ended_t_ns\":null}"

/*
 * Several probes stand below each other once more, by the longest outage of any
 * action; one that lasted as long as its stream did may have been longer.
 */
START_TEST(outages_side_by_side)
{
	const char *one = make(
		"one", HEAD
		"\"duration_ns\":3000000000,\"probes\":{"
		"\"back\":" OUT(
			"0", "1000000000",
			ENDED) ","
			       "\"gone\":" OUT(
				       "0", "1495000000",
				       ENDED) ","
					      "\"cut\":" OUT(
						      "0", "2490000000",
						      CUT) ","
							   "\"udp\":" OUT(
								   "0",
								   "2500000000",
								   "") "}}");

	ck_assert_int_eq(compare(one, NULL), 0);
	ck_assert_msg(strstr(table,
			     "\n\nlongest outage since the first action\n"
			     "back                  500 ms\n"
			     "gone                > 500 ms\n"
			     "cut                 > 500 ms\n"
			     "udp                   500 ms\n"),
		      "in:\n%s", table);
}
END_TEST

/* Runs of one scenario: by their records, however these were named. */
START_TEST(namesakes_are_told_apart)
{
	char file[192];
	const char *one =
		make("20260101-000000", HEAD "\"name\":\"x\",\"seed\":7}");
	const char *two =
		make("20260101-000001", HEAD "\"name\":\"x\",\"seed\":8}");

	snprintf(file, sizeof(file), "%s/results.json", two);
	ck_assert_int_eq(compare(one, file), 0);
	ck_assert_str_eq(table, "run                    x                x\n"
				"record   20260101-000000  20260101-000001\n"
				"seed                   7                8\n"
				"verdict                -                -\n");
}
END_TEST

/* Killed, or still under way. */
START_TEST(a_run_without_results)
{
	const char *path = make("killed", "");
	char file[192];
	FILE *f;

	snprintf(file, sizeof(file), "%s/results.json", path);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(compare(path, NULL), -ENOENT);
	snprintf(file, sizeof(file), "%s/events.jsonl", path);
	f = fopen(file, "w");
	ck_assert_ptr_nonnull(f);
	fclose(f);
	err = ERR_INIT;
	ck_assert_int_eq(compare(path, NULL), -ENODATA);
	ck_assert_ptr_nonnull(strstr(err.msg, "its run was killed"));
	ck_assert_ptr_nonnull(strstr(err.hint, "events.jsonl"));
}
END_TEST

/* By name; what has no namesake, by place; what is left, alone. */
START_TEST(probes_find_each_other)
{
	const char *one =
		make("one", HEAD "\"probes\":{\"x\":{},\"same\":{}}}");
	const char *two = make("two", HEAD "\"probes\":{\"same\":{},\"y\":{},"
					   "\"z\":{}}}");
	const char *at;

	ck_assert_int_eq(compare(one, two), 0);
	at = strstr(table, " x     y\n");
	ck_assert_ptr_nonnull(at);
	at = strstr(at, " same  same\n");
	ck_assert_ptr_nonnull(at);
	at = strstr(at, " -     z\n");
	ck_assert_ptr_nonnull(at);
}
END_TEST

/* Everything that is missing, or of another type, is a dash. */
static const char *const odd[] = {
	HEAD "\"probes\":null}",
	HEAD "\"probes\":[1,2]}",
	HEAD "\"probes\":{\"p\":7}}",
	HEAD "\"name\":{},\"verdict\":1,\"probes\":{\"p\":{\"sent\":\"many\","
	     "\"served\":{\"node\":1},\"outages\":[null,3],\"phases\":[[]],"
	     "\"rtt\":\"\"}}}",
	HEAD "\"probes\":{\"a name that is a good deal longer than a cell of a "
	     "table is\":{\"served\":[{},{\"node\":\"a name that is a good "
	     "deal longer than a cell\"},{},{}]}}}",
};

START_TEST(odd_results_are_dashes)
{
	ck_assert_int_eq(compare(make("odd", odd[_i]), NULL), 0);
	ck_assert_ptr_nonnull(strstr(table, "verdict"));
}
END_TEST

static const struct {
	const char *text;
	int r;
	const char *words;
} wrong[] = {
	{ "", -EBADMSG, "results.json:1: " },
	{ "{", -EBADMSG, "results.json:1: " },
	{ "{}", -EBADMSG, "holds no results" },
	{ "[]", -EBADMSG, "holds no results" },
	{ "{\"schema\":\"servalab-results/2\"}", -EBADMSG, "holds no results" },
};

START_TEST(what_is_no_results)
{
	ck_assert_int_eq(compare(make("wrong", wrong[_i].text), NULL),
			 wrong[_i].r);
	ck_assert_ptr_nonnull(strstr(err.msg, wrong[_i].words));
	ck_assert_str_eq(table, "");
}
END_TEST

START_TEST(no_such_record)
{
	ck_assert_int_eq(compare("/nowhere", NULL), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "/nowhere"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("compare");
	TCase *tc = tcase_create("compare");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, figures_stand_side_by_side);
	tcase_add_test(tc, streams_side_by_side);
	tcase_add_test(tc, outages_side_by_side);
	tcase_add_test(tc, probes_find_each_other);
	tcase_add_test(tc, namesakes_are_told_apart);
	tcase_add_test(tc, a_run_without_results);
	tcase_add_loop_test(tc, odd_results_are_dashes, 0,
			    sizeof(odd) / sizeof(*odd));
	tcase_add_loop_test(tc, what_is_no_results, 0,
			    sizeof(wrong) / sizeof(*wrong));
	tcase_add_test(tc, no_such_record);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
