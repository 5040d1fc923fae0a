/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left of a capture that was killed, and comments in one that was not;
 * in the network of capture_lab.h. */
#include "tests/support/capture_lab.h"
#include "tests/support/run_suite.h"

#include <sys/mman.h>

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

/* ---- a holder ------------------------------------------------------------ */

#define MANY 10

/* What the holder would have: which socket of which node, by the socket's
 * inode. Written by the capture's process, read by the test's. */
struct holding {
	ino_t sockets[MANY];
	_Atomic size_t given, released;
};

static void note_hold(void *arg, size_t node, int fd)
{
	struct holding *h = arg;
	struct stat st;

	ck_assert_uint_lt(node, MANY);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	h->sockets[node] = st.st_ino;
	h->given++;
}

static void note_release(void *arg)
{
	struct holding *h = arg;

	h->released++;
}

static struct capture *capture_many(const struct capture_holder *holder)
{
	struct capture *c = capture_new();
	struct err err = ERR_INIT;

	ck_assert_ptr_nonnull(c);
	for (int i = 0; i < MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		ck_assert_msg(!capture_add(c, name, netns_new(), NULL, 0,
					   RING_BYTES, &err),
			      "%s", err.msg);
	}
	capture_set_holder(c, holder);
	return c;
}

/* Opens, says so, and captures. */
static pid_t fork_capture(struct capture *c, int orders, int done)
{
	struct err err = ERR_INIT;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	if (capture_open(c, &err) || capture_start(c, &err))
		exit(2);
	(void)!write(done, "o", 1);
	if (!capture_main(c, trace, orders, done, &err))
		_exit(0);
	fprintf(stderr, "%s\n", err.msg);
	_exit(1);
}

/* How many of them the process has open. */
static size_t count_sockets(pid_t pid, const struct holding *h)
{
	size_t n = 0;

	for (size_t i = 0; i < MANY; i++) {
		char *out = sh_output("ls -l /proc/%d/fd | "
				      "grep -c 'socket:\\[%lu\\]' || true",
				      (int)pid, (unsigned long)h->sockets[i]);

		n += strtoul(out, NULL, 10);
		free(out);
	}
	return n;
}

START_TEST(a_holder_gets_every_socket_in_time)
{
	struct holding *h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct capture_holder holder = { note_hold, note_release, h };
	int orders[2], done[2];
	struct capture *c;
	struct err err = ERR_INIT;
	ino_t before;
	char byte;
	pid_t pid;

	ck_assert_ptr_ne(h, MAP_FAILED);
	c = capture_many(&holder);
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, orders),
		0);
	ck_assert_int_eq(pipe2(done, O_CLOEXEC), 0);
	pid = fork_capture(c, orders[0], done[1]);
	ck_assert_int_eq(read(done[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'o');
	ck_assert_uint_eq(h->given, MANY);
	ck_assert_uint_eq(count_sockets(pid, h), MANY);

	/* Another namespace, another socket in the place of the old one. */
	before = h->sockets[3];
	ck_assert_int_eq(capture_again(orders[1], "n3", netns_new(), &err), 0);
	ck_assert_int_eq(read(done[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'n');
	ck_assert_uint_eq(h->given, MANY + 1);
	ck_assert_uint_ne(h->sockets[3], before);
	ck_assert_uint_eq(count_sockets(pid, h), MANY);

	/* Let go of before the end is told, so that it is not waited for. */
	ck_assert_uint_eq(h->released, 0);
	ck_assert_int_eq(write(orders[1], "", 1), 1);
	ck_assert_int_eq(read(done[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 0);
	ck_assert_uint_eq(h->released, 1);
	ck_assert_int_eq(wait_for(pid), 0);
	expect_whole();
	capture_free(c);
	munmap(h, sizeof(*h));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ends of captures");
	TCase *tc = tcase_create("capture");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, comments);
	tcase_add_test(tc, killed);
	tcase_add_test(tc, killed_under_load);
	tcase_add_test(tc, a_holder_gets_every_socket_in_time);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
