/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left of a capture that was killed, and comments in one that was not;
 * in the network of capture_lab.h. */
#include "tests/support/capture_lab.h"

/* ---- comments ------------------------------------------------------------ */

START_TEST(comments)
{
	struct capturing run = start_capturing(capture_all(RING_BYTES));
	int64_t before_ns = clock_real_ns(), between_ns;
	char path[128], *out;
	FILE *f;

	probe(false, "10.0.2.1", 0, 5, 56);
	between_ns = clock_real_ns();
	probe(false, "10.0.2.1", 1, 5, 56);
	snprintf(path, sizeof(path), "%s.comments", trace);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "%" PRId64 " link c-r: down\n", between_ns);
	fprintf(f, "no time here\n\n12\n");
	fprintf(f, "%" PRId64 " start\n", before_ns);
	fprintf(f, "%" PRId64 " migrate echo\n", between_ns);
	fprintf(f, "%" PRId64 " too late\n", clock_real_ns() + NSEC_PER_SEC);
	fclose(f);
	capture_stop(&run);

	out = sh_output("tshark -r %s -T fields -E separator=/s -Y "
			"frame.comment -e frame.number -e frame.comment "
			"2>%s/stderr",
			trace, dir);
	/* 5 packets, there and back, at 4 interfaces. */
	ck_assert_str_eq(out, "1 start\n"
			      "41 link c-r: down\\nmigrate echo\n");
	free(out);
	expect_whole();
}
END_TEST

/* ---- killed -------------------------------------------------------------- */

static void await_size(const char *path, off_t size)
{
	struct stat st = { 0 };

	while (stat(path, &st) || st.st_size < size)
		usleep(1000);
}

/* What is on disk at any time, but in the middle of a write, is a whole file.
 * Stopped, and not killed, because that leaves a write its end. */
static uint64_t expect_whole_part(const struct capturing *run)
{
	struct err err = ERR_INIT;
	struct pcapng_reader *r;
	struct pcapng_packet p;
	uint64_t n = 0;
	int status;

	kill(run->pid, SIGSTOP);
	ck_assert_int_eq(waitpid(run->pid, &status, WUNTRACED), run->pid);
	ck_assert(WIFSTOPPED(status));
	r = open_trace(part);
	while (pcapng_next(r, &p, &err) == 1)
		n++;
	pcapng_close(r);
	ck_assert_msg(!err.code, "%s", err.msg);
	ck_assert_uint_eq(capinfos_count(part), n);
	return n;
}

static void expect_killed(const struct capturing *run)
{
	int status;

	kill(run->pid, SIGKILL);
	ck_assert_int_eq(waitpid(run->pid, &status, 0), run->pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_ne(access(trace, F_OK), 0);
	ck_assert_int_eq(access(part, F_OK), 0);
}

START_TEST(killed)
{
	struct capturing run = start_capturing(capture_all(RING_BYTES));

	probe(false, "10.0.2.1", 0, 50, 56);
	/* All of them, by itself: 98 bytes of frame are 144 of the file. */
	await_size(part, 400 * 144);
	ck_assert_uint_eq(expect_whole_part(&run), 400);
	expect_killed(&run);
	ck_assert_uint_eq(capinfos_count(part), 400);
}
END_TEST

START_TEST(killed_under_load)
{
	struct capturing run = start_capturing(capture_all(RING_BYTES));

	blast();
	await_size(part, 3 << 20);
	ck_assert_uint_ge(expect_whole_part(&run), 10000);
	expect_killed(&run);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ends of captures");
	TCase *tc = tcase_create("capture");
	SRunner *r;
	int failed;

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, comments);
	tcase_add_test(tc, killed);
	tcase_add_test(tc, killed_under_load);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
