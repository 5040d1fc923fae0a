/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated links, from one host to another: what arrives, and what does not.
 * Nothing here asks how long something took: that is bench/wire.sh.
 */
#include "tests/support/emulate_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/mount.h>

#define PATIENCE_MS 20000
#define QUIET_MS 200 /* longer than any delay here */

static struct link_params *params(unsigned end)
{
	return &links[0].end[end].params;
}

START_TEST(ping_passes)
{
	json_t *report;

	links_make(1, 0);
	params(0)->delay_ns = params(1)->delay_ns = 2 * NSEC_PER_MSEC;
	emulator_start();
	OK(kns_enter(&K, end_ns[0], &E));
	ck_assert_int_eq(
		system("ping -q -c 5 -i 0.01 -W 20 10.0.0.2 >ping.log"), 0);
	OK(kns_enter(&K, NULL, &E));
	report = emulator_stop();
	for (unsigned end = 0; end < 2; end++) {
		const json_t *d = direction(report, 0, end);

		ck_assert_int_eq(figure(d, "frames", "offered"), 5);
		ck_assert_int_eq(figure(d, "frames", "delivered"), 5);
		ck_assert_int_eq(figure(d, "machine", "dropped"), 0);
		/* Never early. */
		ck_assert_int_ge(figure(d, "delay_ns", "p50"),
				 2 * NSEC_PER_MSEC);
		ck_assert_int_ge(figure(d, "delay_ns", "asked_mean"),
				 2 * NSEC_PER_MSEC);
	}
	json_decref(report);
}
END_TEST

START_TEST(datagrams_stay_in_order)
{
	json_t *report;
	struct flow f;

	links_make(1, 0);
	params(0)->delay_ns = 3 * NSEC_PER_MSEC;
	params(0)->jitter.spread_ns = NSEC_PER_MSEC;
	params(0)->jitter.distribution = LINK_NORMAL;
	emulator_start();
	f = flow_open(0, 0, 5000);
	for (uint32_t i = 0; i < 2000; i++) {
		flow_send(&f, i, 4 + i % 1400);
		if (i >= 200) /* no more on the way than fit a queue */
			ck_assert_int_eq(flow_receive(&f, PATIENCE_MS),
					 i - 200);
	}
	for (uint32_t i = 1800; i < 2000; i++)
		ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), i);
	report = emulator_stop();
	ck_assert_int_eq(figure(direction(report, 0, 0), "frames", "delivered"),
			 2000);
	ck_assert_int_gt(
		figure(direction(report, 0, 0), "backlog", "inside_most"), 1);
	json_decref(report);
	flow_close(&f);
}
END_TEST

START_TEST(every_second_one_is_lost)
{
	struct link_pattern *loss = pattern(".x");
	json_t *report;
	struct flow f;

	links_make(1, 0);
	params(0)->loss.kind = LINK_LOSS_PATTERN;
	params(0)->loss.pattern = loss;
	emulator_start();
	f = flow_open(0, 0, 5000);
	for (uint32_t i = 0; i < 1000; i++) {
		flow_send(&f, i, 100);
		if (i % 2 == 0)
			ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), i);
	}
	ck_assert_int_eq(flow_receive(&f, QUIET_MS), -1);
	report = emulator_stop();
	ck_assert_int_eq(figure(direction(report, 0, 0), "frames", "lost"),
			 500);
	ck_assert_int_eq(figure(direction(report, 0, 0), "loss", "realised"),
			 500);
	ck_assert_int_eq(figure(direction(report, 0, 1), "frames", "lost"), 0);
	json_decref(report);
	flow_close(&f);
	link_pattern_free(loss);
}
END_TEST

START_TEST(copies_follow_their_frames)
{
	json_t *report;
	struct flow f;

	links_make(1, 0);
	params(0)->duplicate_ppb = LINK_PPB_ONE;
	params(0)->delay_ns = NSEC_PER_MSEC;
	emulator_start();
	f = flow_open(0, 0, 5000);
	for (uint32_t i = 0; i < 100; i++)
		flow_send(&f, i, 100);
	for (uint32_t i = 0; i < 200; i++)
		ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), i / 2);
	report = emulator_stop();
	ck_assert_int_eq(
		figure(direction(report, 0, 0), "frames", "duplicated"), 100);
	ck_assert_int_eq(figure(direction(report, 0, 0), "frames", "delivered"),
			 200);
	json_decref(report);
	flow_close(&f);
}
END_TEST

/* The kernel of the receiving node throws them away: the datagrams were sent
 * without a checksum (CHECKSUM_PARTIAL), and got one before they were damaged.
 */
START_TEST(damage_is_seen_by_checksums)
{
	json_t *report;
	struct flow f;

	links_make(1, 0);
	params(0)->corrupt_ppb = LINK_PPB_ONE;
	emulator_start();
	f = flow_open(0, 0, 5000);
	for (uint32_t i = 0; i < 200; i++)
		flow_send(&f, i, 1000);
	ck_assert_int_eq(flow_receive(&f, QUIET_MS), -1);
	report = emulator_stop();
	ck_assert_int_eq(figure(direction(report, 0, 0), "frames", "corrupted"),
			 200);
	ck_assert_int_eq(figure(direction(report, 0, 0), "frames", "delivered"),
			 200);
	json_decref(report);
	flow_close(&f);
}
END_TEST

START_TEST(full_queue_marks_what_may_be_marked)
{
	int ect0 = 2, one = 1;
	unsigned marked = 0;
	json_t *report;
	struct flow f;

	links_make(1, 0);
	params(0)->rate_bps = 10000000;
	params(0)->queue.ecn_packets = 3;
	emulator_start();
	f = flow_open(0, 0, 5000);
	OK(setsockopt(f.from, IPPROTO_IP, IP_TOS, &ect0, sizeof(ect0)));
	OK(setsockopt(f.to, IPPROTO_IP, IP_RECVTOS, &one, sizeof(one)));
	for (uint32_t i = 0; i < 100; i++)
		flow_send(&f, i, 1400);
	for (uint32_t i = 0; i < 100; i++) {
		uint8_t data[1500], cmsg[64];
		struct iovec iov = { data, sizeof(data) };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = cmsg,
				      .msg_controllen = sizeof(cmsg) };

		ck_assert_int_eq(recvmsg(f.to, &msg, 0), 1400);
		ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&msg));
		marked += (*CMSG_DATA(CMSG_FIRSTHDR(&msg)) & 3) == 3;
	}
	ck_assert_uint_gt(marked, 10);
	report = emulator_stop();
	ck_assert_int_eq(figure(direction(report, 0, 0), "frames", "marked"),
			 marked);
	json_decref(report);
	flow_close(&f);
}
END_TEST

/* ---- TCP ---------------------------------------------------------------- */

#define STREAM_BYTES (6u << 20)

/* The stream repeats after a prime number of bytes, so that no two pieces of a
 * segment's size are the same. */
#define STREAM_PERIOD 65521

static const uint8_t *stream_at(size_t i)
{
	static uint8_t data[2 * 65536];

	if (!data[1])
		for (size_t k = 0; k < sizeof(data); k++)
			data[k] = (uint8_t)(k % STREAM_PERIOD * 2654435761u >>
					    13);
	return data + i % STREAM_PERIOD;
}

static void stream_send(void)
{
	int fd = lab_socket(end_ns[0], SOCK_STREAM, "10.0.0.1", 0);
	size_t sent = 0;

	lab_connect(fd, "10.0.0.2", 6000);
	while (sent < STREAM_BYTES) {
		ssize_t n = send(fd, stream_at(sent), 65536, 0);

		ck_assert_int_gt(n, 0);
		sent += (size_t)n;
	}
	close(fd);
}

/* Everything that was sent, and nothing else; returns the report. */
static json_t *stream_passes(void)
{
	struct timeval patience = { .tv_sec = 60 };
	static uint8_t data[65536];
	int listener, fd;
	size_t got = 0;
	ssize_t n;
	pid_t pid;

	emulator_start();
	listener = lab_socket(end_ns[1], SOCK_STREAM, "10.0.0.2", 6000);
	OK(listen(listener, 1));
	pid = fork();
	if (!pid) {
		stream_send();
		_exit(0);
	}
	fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while ((n = recv(fd, data, sizeof(data), 0)) > 0) {
		ck_assert_mem_eq(data, stream_at(got), (size_t)n);
		got += (size_t)n;
	}
	ck_assert_int_eq(n, 0);
	ck_assert_uint_ge(got, STREAM_BYTES);
	close(fd);
	close(listener);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return emulator_stop();
}

START_TEST(trains_pass_whole)
{
	json_t *report;

	links_make(1, 0);
	params(0)->delay_ns = params(1)->delay_ns = NSEC_PER_MSEC;
	report = stream_passes();
	/* Segments count each, but far fewer reads were needed. */
	ck_assert_int_gt(figure(direction(report, 0, 0), "frames", "offered"),
			 (json_int_t)STREAM_BYTES / 1500);
	ck_assert_int_lt(figure(report, "process", "reads"),
			 (json_int_t)STREAM_BYTES / 1500);
	ck_assert_int_eq(figure(direction(report, 0, 0), "machine", "dropped"),
			 0);
	json_decref(report);
}
END_TEST

START_TEST(streams_survive_loss)
{
	json_t *report;

	links_make(1, 0);
	params(0)->delay_ns = params(1)->delay_ns = NSEC_PER_MSEC;
	params(0)->loss.kind = params(1)->loss.kind = LINK_LOSS_INDEPENDENT;
	params(0)->loss.ppb = params(1)->loss.ppb = LINK_PPB_ONE / 100;
	report = stream_passes();
	ck_assert_int_gt(figure(direction(report, 0, 0), "frames", "lost"), 0);
	json_decref(report);
}
END_TEST

START_TEST(streams_survive_a_rate)
{
	json_t *report;

	links_make(1, 0);
	params(0)->rate_bps = 100000000;
	params(0)->queue.packets = 50;
	report = stream_passes();
	ck_assert_int_gt(figure(direction(report, 0, 0), "rate", "busy_ns"), 0);
	json_decref(report);
}
END_TEST

START_TEST(streams_survive_damage_and_copies)
{
	json_t *report;

	links_make(1, 0);
	params(0)->delay_ns = NSEC_PER_MSEC;
	params(0)->corrupt_ppb = LINK_PPB_ONE / 100;
	params(0)->duplicate_ppb = LINK_PPB_ONE / 50;
	report = stream_passes();
	ck_assert_int_gt(figure(direction(report, 0, 0), "frames", "corrupted"),
			 0);
	ck_assert_int_gt(
		figure(direction(report, 0, 0), "frames", "duplicated"), 0);
	json_decref(report);
}
END_TEST

/* ---- fates -------------------------------------------------------------- */

static char *file_text(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, f), (1 << 20) - 1);
	fclose(f);
	return text;
}

/* What became of 2000 datagrams. To be freed. */
static char *fates_of_a_run(uint64_t seed, const char *folder)
{
	char path[128], *text;
	json_t *report;
	struct flow f;

	links_make(1, 2000); /* none is dropped before it is read */
	params(0)->delay_ns = NSEC_PER_MSEC;
	params(0)->jitter.spread_ns = NSEC_PER_MSEC / 2;
	params(0)->loss.kind = LINK_LOSS_INDEPENDENT;
	params(0)->loss.ppb = LINK_PPB_ONE / 20;
	params(0)->duplicate_ppb = LINK_PPB_ONE / 50;
	params(0)->corrupt_ppb = LINK_PPB_ONE / 50;
	OK(mkdir(folder, 0700));
	config.seed = seed;
	config.fates = folder;
	emulator_start();
	f = flow_open(0, 0, 5000);
	for (uint32_t i = 0; i < 2000; i++)
		flow_send(&f, i, 100);
	report = emulator_stop();
	ck_assert_int_eq(figure(direction(report, 0, 0), "frames", "offered"),
			 2000);
	json_decref(report);
	flow_close(&f);
	snprintf(path, sizeof(path), "%s/wan0.0.a_e10.fates", folder);
	text = file_text(path);
	for (size_t i = 0; i < 2; i++)
		lab_ns_free(end_ns[i]);
	return text;
}

START_TEST(the_seed_decides)
{
	char *a = fates_of_a_run(1, "fates-1");
	char *b = fates_of_a_run(1, "fates-2");
	char *c = fates_of_a_run(2, "fates-3");

	ck_assert_uint_gt(strlen(a), 200);
	ck_assert_str_eq(a, b);
	ck_assert_str_ne(a, c);
	free(a);
	free(b);
	free(c);
}
END_TEST

/* The name of a file would not hold that of a link that is called after its
 * ends, whose names may be long: each direction has a list of its own. */
START_TEST(long_names_have_lists_of_their_own)
{
	static const char e_acute[] = "\xc3\xa9";
	char name[2 * 144 + 2] = "x", path[160];
	struct flow f;

	while (strlen(name) + 2 < sizeof(name))
		strcat(name, e_acute);
	links_make(1, 0);
	links[0].name = name;
	OK(mkdir("fates-long", 0700));
	config.fates = "fates-long";
	emulator_start();
	f = flow_open(0, 0, 5000);
	flow_send(&f, 0, 100);
	ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), 0);
	json_decref(emulator_stop());
	flow_close(&f);
	for (unsigned end = 0; end < 2; end++) {
		char *text;

		/* 80 bytes would end in the middle of a character. */
		snprintf(path, sizeof(path),
			 "fates-long/%.79s~0.%u.%c_e%u.fates", name, end,
			 'a' + (char)end, end_index(0, end));
		text = file_text(path);
		ck_assert_int_eq(strstr(text, "stream ") != NULL, !end);
		free(text);
	}
}
END_TEST

START_TEST(bursts_match_their_model)
{
	json_t *report, *loss;
	json_int_t lost;
	struct flow f;

	links_make(1, 30000);
	/* 5 % in bursts of 5 on the average. */
	params(0)->loss.kind = LINK_LOSS_BURST;
	params(0)->loss.burst.to_bad = 10526316;
	params(0)->loss.burst.to_good = LINK_PPB_ONE / 5;
	params(0)->loss.burst.in_bad = LINK_PPB_ONE;
	emulator_start();
	f = flow_open(0, 0, 5000);
	for (uint32_t i = 0; i < 30000; i++)
		flow_send(&f, i, 16);
	report = emulator_stop();
	loss = json_object_get(direction(report, 0, 0), "loss");
	lost = figure(direction(report, 0, 0), "frames", "lost");
	ck_assert_int_eq(figure(direction(report, 0, 0), "frames", "offered"),
			 30000);
	ck_assert(json_is_true(json_object_get(loss, "within")));
	/* 1,500 expected; bursts make sigma about 110. */
	ck_assert_int_gt(lost, 800);
	ck_assert_int_lt(lost, 2200);
	json_decref(report);
	flow_close(&f);
}
END_TEST

int main(void)
{
	Suite *suite;
	TCase *tc;
	char folder[] = "/tmp/test_emulate.XXXXXX";
	int failed;

	test_sandbox_enter();
	/* What the processes write goes into a folder that goes too. */
	if (!mkdtemp(folder) || mount("none", folder, "tmpfs", 0, NULL) ||
	    chdir(folder))
		return 1;
	suite = suite_create("emulate");
	tc = tcase_create("frames");
	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_add_test(tc, ping_passes);
	tcase_add_test(tc, datagrams_stay_in_order);
	tcase_add_test(tc, every_second_one_is_lost);
	tcase_add_test(tc, copies_follow_their_frames);
	tcase_add_test(tc, damage_is_seen_by_checksums);
	tcase_add_test(tc, full_queue_marks_what_may_be_marked);
	tcase_add_test(tc, trains_pass_whole);
	tcase_add_test(tc, streams_survive_loss);
	tcase_add_test(tc, streams_survive_a_rate);
	tcase_add_test(tc, streams_survive_damage_and_copies);
	tcase_add_test(tc, the_seed_decides);
	tcase_add_test(tc, long_names_have_lists_of_their_own);
	tcase_add_test(tc, bursts_match_their_model);
	suite_add_tcase(suite, tc);
	failed = run_suite(suite);
	if (chdir("/") || umount(folder) || rmdir(folder))
		return 1;
	return failed;
}
