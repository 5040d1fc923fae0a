/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/observe/samples.h"
#include "orchestrator/observe/probe.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static void make_path(void)
{
	int fd;

	strcpy(path, "/tmp/test_samples.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void remove_path(void)
{
	unlink(path);
}

static int read_bytes(const char *text, size_t n, sample_vec *out,
		      struct err *err)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
	return samples_read(path, out, err);
}

static int read_text(const char *text, sample_vec *out, struct err *err)
{
	return read_bytes(text, strlen(text), out, err);
}

START_TEST(folded_and_sorted)
{
	sample_vec v = { 0 };
	struct err err = ERR_INIT;

	ck_assert_int_eq(read_text(PROBE_CSV_HEADER
				   "2,300,350,1,\n"
				   "0,100,190,1,\n"
				   "2,300,360,2,\n"
				   "3,400,,0,host unreachable\n"
				   "1,200,,0,\n"
				   "2,300,355,3,\n",
				   &v, &err),
			 0);
	ck_assert_uint_eq(v.n, 4);
	for (size_t i = 0; i < v.n; i++) {
		ck_assert_uint_eq(v.v[i].seq, i);
		ck_assert_int_eq(v.v[i].sent_ns, 100 + 100 * (int)i);
	}
	ck_assert_int_eq(v.v[0].received_ns, 190);
	ck_assert_uint_eq(v.v[0].copies, 1);
	ck_assert_int_eq(v.v[1].received_ns, SAMPLE_NONE);
	ck_assert_uint_eq(v.v[1].copies, 0);
	ck_assert_str_eq(v.v[1].error, "");
	ck_assert_int_eq(v.v[2].received_ns, 350);
	ck_assert_uint_eq(v.v[2].copies, 3);
	ck_assert_str_eq(v.v[3].error, "host unreachable");
	VEC_FREE(&v);
}
END_TEST

START_TEST(cut_off_last_line)
{
	static const char text[] = PROBE_CSV_HEADER "0,100,190,1,\n"
						    "1,200,290,1,\n";
	struct err err = ERR_INIT;

	for (size_t n = 0; n <= strlen(text); n++) {
		sample_vec v = { 0 };
		size_t lines = 0;

		for (size_t i = 0; i < n; i++)
			lines += text[i] == '\n';
		ck_assert_int_eq(read_bytes(text, n, &v, &err), 0);
		ck_assert_uint_eq(v.n, lines ? lines - 1 : 0);
		VEC_FREE(&v);
	}
}
END_TEST

static const struct {
	const char *lines;
	unsigned line; /* the one to be blamed */
} malformed[] = {
	{ "0,100,190,1\n", 2 }, /* no error column */
	{ "0,100,190,1,\n-1,100,190,1,\n", 3 },
	{ "x,100,190,1,\n", 2 },
	{ "0,,190,1,\n", 2 },
	{ "0,100,,1,\n", 2 }, /* a copy without a time */
	{ "0,100,190,0,\n", 2 }, /* a time without a copy */
	{ "0,100,190,1,a,b\n", 2 },
	{ "0,100,190,1,an error far too long for its column\n", 2 },
	{ "0,99999999999999999999,190,1,\n", 2 },
	{ "18446744073709551616,1,190,1,\n", 2 },
	{ "0, 100,190,1,\n", 2 },
	{ "\n", 2 },
	{ "0,100,190,1,\n0,100,191,1,\n", 3 }, /* twice the first copy */
	{ "0,100,190,2,\n", 2 }, /* the second copy alone */
	{ "0,100,190,1,\n0,100,190,3,\n", 3 },
	{ "0,100,,0,\n0,100,190,1,\n", 3 }, /* lost, and yet answered */
	{ "0,100,190,1,\n0,101,190,2,\n", 3 }, /* sent at two times */
};

START_TEST(malformed_is_named)
{
	char text[256], want[128];
	struct err err = ERR_INIT;
	sample_vec v = { 0 };

	snprintf(text, sizeof(text), "%s%s", PROBE_CSV_HEADER,
		 malformed[_i].lines);
	ck_assert_int_eq(read_text(text, &v, &err), -EBADMSG);
	snprintf(want, sizeof(want), "%s:%u: ", path, malformed[_i].line);
	ck_assert_msg(!strncmp(err.msg, want, strlen(want)), "%s", err.msg);
	ck_assert_uint_eq(v.n, 0);
}
END_TEST

/* One that failed has no answer, whatever came. */
START_TEST(requests)
{
	sample_vec v = { 0 };
	struct err err = ERR_INIT;

	ck_assert_int_eq(read_text(REQUEST_CSV_HEADER
				   "1,200,290,,2,4000,200,5\n"
				   "0,100,190,status 404,1,4001,404,9\n"
				   "2,300,,reset,2,4000,,0\n"
				   "3,400,,timed out,0,0,,0\n",
				   &v, &err),
			 0);
	ck_assert_uint_eq(v.n, 4);
	ck_assert_int_eq(v.v[0].received_ns, SAMPLE_NONE);
	ck_assert_uint_eq(v.v[0].copies, 0);
	ck_assert_str_eq(v.v[0].error, "status 404");
	ck_assert_int_eq(v.v[1].received_ns, 290);
	ck_assert_uint_eq(v.v[1].copies, 1);
	ck_assert_uint_eq(v.v[1].connection, 2);
	ck_assert_uint_eq(v.v[1].local_port, 4000);
	ck_assert_str_eq(v.v[2].error, "reset");
	for (size_t i = 0; i < v.n; i++)
		ck_assert(v.v[i].request);
	VEC_FREE(&v);
}
END_TEST

static const char *const no_requests[] = {
	"0,100,190,,1,4000,200\n",
	"0,100,190,,1,4000,200,\n",
	"0,100,,,1,4000,200,5\n", /* neither an answer nor a failure */
	"0,100,190,,x,4000,200,5\n",
	"0,100,190,,1,4000,ok,5\n",
	"0,100,190,,1,4000,200,5,\n",
	"0,100,190,,1,4000,200,5x\n",
	"0,100,190,1,,1,4000,200,5\n",
	"0,100,190,,1,4000,20000000,5\n",
	"0,100,190,\"a\",1,4000,200,5\n",
	"0,100,190,an error far too long for its column,1,4000,200,5\n",
	"0,100,190,,1,70000,200,5\n",
	"0,100,190,,1,4000,200,5\n0,100,190,,1,4000,200,5\n",
};

START_TEST(malformed_requests)
{
	char text[256];
	struct err err = ERR_INIT;
	sample_vec v = { 0 };

	snprintf(text, sizeof(text), "%s%s", REQUEST_CSV_HEADER,
		 no_requests[_i]);
	ck_assert_int_eq(read_text(text, &v, &err), -EBADMSG);
}
END_TEST

START_TEST(not_a_probes_file)
{
	static const char nul[] = PROBE_CSV_HEADER "0,1,2,1,\0x\n";
	struct err err = ERR_INIT;
	sample_vec v = { 0 };

	ck_assert_int_eq(read_text("a,b,c\n", &v, &err), -EBADMSG);
	ck_assert_int_eq(read_bytes(nul, sizeof(nul) - 1, &v, &err), -EBADMSG);
	unlink(path);
	ck_assert_int_eq(samples_read(path, &v, &err), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("samples");
	TCase *tc = tcase_create("samples");

	tcase_add_checked_fixture(tc, make_path, remove_path);
	tcase_add_test(tc, folded_and_sorted);
	tcase_add_test(tc, cut_off_last_line);
	tcase_add_loop_test(tc, malformed_is_named, 0,
			    sizeof(malformed) / sizeof(*malformed));
	tcase_add_test(tc, requests);
	tcase_add_loop_test(tc, malformed_requests, 0,
			    sizeof(no_requests) / sizeof(*no_requests));
	tcase_add_test(tc, not_a_probes_file);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
