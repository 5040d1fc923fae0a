// SPDX-License-Identifier: GPL-2.0-or-later
#include "orchestrator/observe/capture_sort.h"
#include "orchestrator/observe/pcapng.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], from[96], to[96], texts[96];

static void make_dir(void)
{
	strcpy(dir, "/tmp/test_capture_sort.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(from, sizeof(from), "%s/part", dir);
	snprintf(to, sizeof(to), "%s/sorted", dir);
	snprintf(texts, sizeof(texts), "%s/comments", dir);
}

static void remove_dir(void)
{
	unlink(from);
	unlink(to);
	unlink(texts);
	/* Fails where something was left behind. */
	ck_assert_int_eq(rmdir(dir), 0);
}

/* Packets in the order of their reading; their only byte says which. */
static void write_part(const int64_t *times, size_t n)
{
	FILE *f = fopen(from, "w");

	ck_assert_ptr_nonnull(f);
	pcapng_write_header(f, "test");
	pcapng_write_interface(f, "a:eth0", NULL, 0);
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = (uint8_t)i;
		struct pcapng_packet p = {
			.interface = i >= n / 2,
			.time_ns = times[i],
			.data = &byte,
			.captured = 1,
			.length = 60,
			.direction = (enum pcapng_direction)(i % 3),
		};

		/* Described when met for the first time. */
		if (i == n / 2)
			pcapng_write_interface(f, "b:eth0", NULL, 0);
		ck_assert_int_eq(pcapng_write_packet(f, &p), 0);
	}
	pcapng_write_statistics(f, 0, 9000, n, 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void sort(const char *comments)
{
	capture_comment_vec v;
	struct err err = ERR_INIT;

	if (comments) {
		FILE *f = fopen(texts, "w");

		ck_assert_ptr_nonnull(f);
		fputs(comments, f);
		fclose(f);
	}
	ck_assert_msg(!capture_comments_read(texts, &v, &err), "%s", err.msg);
	ck_assert_msg(!capture_sort(from, to, &v, &err), "%s", err.msg);
	capture_comments_free(&v);
}

static const int64_t times[] = { 500, 300, 300, 700, 100, 300, 500, 600 };
static const uint8_t order[] = { 4, 1, 2, 5, 0, 6, 7, 3 };
#define PACKETS (sizeof(order))

static void expect(const char *const comments[PACKETS])
{
	struct pcapng_reader *r = NULL;
	struct err err = ERR_INIT;
	struct pcapng_packet p;

	ck_assert_msg(!pcapng_open(to, &r, &err), "%s", err.msg);
	for (size_t i = 0; i < PACKETS; i++) {
		uint8_t k = order[i];

		ck_assert_msg(pcapng_next(r, &p, &err) == 1, "%s", err.msg);
		ck_assert_uint_eq(p.data[0], k);
		ck_assert_int_eq(p.time_ns, times[k]);
		ck_assert_uint_eq(p.captured, 1);
		ck_assert_uint_eq(p.length, 60);
		ck_assert_uint_eq(p.interface, k >= PACKETS / 2);
		ck_assert_int_eq(p.direction, k % 3);
		ck_assert_pstr_eq(p.comment, comments ? comments[i] : NULL);
	}
	ck_assert_int_eq(pcapng_next(r, &p, &err), 0);
	ck_assert_uint_eq(pcapng_interfaces(r), 2);
	pcapng_close(r);
}

START_TEST(stable)
{
	struct stat st1, st2;

	write_part(times, PACKETS);
	sort(NULL);
	expect(NULL);
	/* The same blocks, moved: statistics are not lost. */
	ck_assert_int_eq(stat(from, &st1), 0);
	ck_assert_int_eq(stat(to, &st2), 0);
	ck_assert_int_eq(st1.st_size, st2.st_size);
}
END_TEST

START_TEST(comments_where_they_belong)
{
	static const char *const want[PACKETS] = {
		"early", "at 300\nat 300 too", NULL, NULL, "with  spaces ",
		NULL, NULL, "601",
	};

	write_part(times, PACKETS);
	sort("300 at 300\n301 with  spaces \n701 too late\n1 early\n601 601\n"
	     "300 at 300 too\n-5 negative\n99999999999999999999 far\nx\n\n"
	     "12\n12 \n");
	expect(want);
}
END_TEST

START_TEST(no_packets)
{
	struct pcapng_reader *r = NULL;
	struct err err = ERR_INIT;
	struct pcapng_packet p;

	write_part(times, 0);
	sort("5 text\n");
	ck_assert_int_eq(pcapng_open(to, &r, &err), 0);
	ck_assert_int_eq(pcapng_next(r, &p, &err), 0);
	pcapng_close(r);
}
END_TEST

START_TEST(cut_off_is_refused)
{
	capture_comment_vec none = { 0 };
	struct err err = ERR_INIT;
	struct stat st;

	write_part(times, PACKETS);
	ck_assert_int_eq(stat(from, &st), 0);
	ck_assert_int_eq(truncate(from, st.st_size - 1), 0);
	ck_assert_int_eq(capture_sort(from, to, &none, &err), -EBADMSG);
	ck_assert_int_ne(access(to, F_OK), 0);
	ck_assert_int_eq(truncate(from, 0), 0);
	ck_assert_int_eq(capture_sort(from, to, &none, &err), -EBADMSG);
	unlink(from);
	ck_assert_int_eq(capture_sort(from, to, &none, &err), -ENOENT);
}
END_TEST

/* Many packets of few times, against a sort that is obviously right. */
START_TEST(many)
{
	enum { N = 200000 };
	int64_t *t = malloc(N * sizeof(*t));
	struct pcapng_reader *r = NULL;
	struct err err = ERR_INIT;
	struct pcapng_packet p;
	unsigned seed = 7;
	int64_t time_ns;

	ck_assert_ptr_nonnull(t);
	for (size_t i = 0; i < N; i++)
		t[i] = rand_r(&seed) % 50;
	write_part(t, N);
	sort(NULL);
	ck_assert_int_eq(pcapng_open(to, &r, &err), 0);
	for (time_ns = 0; time_ns < 50; time_ns++) {
		for (size_t i = 0; i < N; i++) {
			if (t[i] != time_ns)
				continue;
			ck_assert_int_eq(pcapng_next(r, &p, &err), 1);
			if (p.time_ns != time_ns || p.data[0] != (uint8_t)i)
				ck_abort_msg("out of order");
		}
	}
	ck_assert_int_eq(pcapng_next(r, &p, &err), 0);
	pcapng_close(r);
	free(t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("capture_sort");
	TCase *tc = tcase_create("capture_sort");

	tcase_add_checked_fixture(tc, make_dir, remove_dir);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, stable);
	tcase_add_test(tc, comments_where_they_belong);
	tcase_add_test(tc, no_packets);
	tcase_add_test(tc, cut_off_is_refused);
	tcase_add_test(tc, many);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
