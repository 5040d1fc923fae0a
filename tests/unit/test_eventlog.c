/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/observe/eventlog.h"
#include "base/clock.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64];

static void make_path(void)
{
	int fd;

	strcpy(path, "/tmp/test_eventlog.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void remove_path(void)
{
	unlink(path);
}

static struct eventlog *open_log(void)
{
	struct eventlog *log = NULL;
	struct err err = ERR_INIT;

	ck_assert_msg(!eventlog_open(path, &log, &err), "%s", err.msg);
	return log;
}

static void slurp(char *buf, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
	fclose(f);
}

static void put_file(const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(lines_as_they_look)
{
	struct eventlog *log = open_log();
	char text[1024];

	ck_assert_int_eq(eventlog_write_at(log, 900, "run.start",
					   json_pack("{s:s,s:i}", "name",
						     "a\nb", "seed", 7)), 0);
	eventlog_set_zero(log, 1000);
	ck_assert_int_eq(eventlog_write_at(log, 1500, "probe.end",
					   json_pack("{s:i,s:s}", "mono_ns", 1,
						     "probe", "rtt")), 0);
	ck_assert_int_eq(eventlog_write_at(log, 990, "run.end", NULL), 0);
	/* On disk before the log is closed. */
	slurp(text, sizeof(text));
	ck_assert_str_eq(text,
		"{\"mono_ns\":900,\"event\":\"run.start\",\"name\":\"a\\nb\","
		"\"seed\":7}\n"
		"{\"mono_ns\":1500,\"t_ns\":500,\"event\":\"probe.end\","
		"\"probe\":\"rtt\"}\n"
		"{\"mono_ns\":990,\"t_ns\":-10,\"event\":\"run.end\"}\n");
	eventlog_close(log);
}
END_TEST

START_TEST(appends)
{
	struct err err = ERR_INIT;
	json_t *events;

	for (int i = 0; i < 3; i++) {
		struct eventlog *log = open_log();

		ck_assert_int_eq(eventlog_write(log, "x", NULL), 0);
		eventlog_close(log);
	}
	ck_assert_msg(!eventlog_read(path, &events, &err), "%s", err.msg);
	ck_assert_uint_eq(json_array_size(events), 3);
	json_decref(events);
}
END_TEST

START_TEST(clock_pair_is_a_pair)
{
	struct eventlog *log = open_log();
	int64_t before = clock_real_minus_mono_ns(), after, pair;
	struct err err = ERR_INIT;
	json_t *events, *event;

	ck_assert_int_eq(eventlog_clock_pair(log), 0);
	after = clock_real_minus_mono_ns();
	eventlog_close(log);
	ck_assert_msg(!eventlog_read(path, &events, &err), "%s", err.msg);
	event = json_array_get(events, 0);
	ck_assert_str_eq(json_string_value(json_object_get(event, "event")),
			 "clock");
	pair = json_integer_value(json_object_get(event, "real_ns")) -
	       json_integer_value(json_object_get(event, "mono_ns"));
	/* Between the two, and the error of reading two clocks. */
	ck_assert_int_ge(pair, (before < after ? before : after) -
				       NSEC_PER_MSEC);
	ck_assert_int_le(pair, (before > after ? before : after) +
				       NSEC_PER_MSEC);
	json_decref(events);
}
END_TEST

static void write_for_ever(void)
{
	struct eventlog *log = open_log();
	char text[3000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (;;)
		eventlog_write(log, "e", json_pack("{s:s}", "text", text));
}

/* Killed while it does nothing but write. */
START_TEST(survives_a_kill)
{
	struct err err = ERR_INIT;
	json_t *events;
	struct stat st = { 0 };
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (!pid)
		write_for_ever();
	while (st.st_size < 300000) {
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	}
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(!eventlog_read(path, &events, &err), "%s", err.msg);
	ck_assert_uint_ge(json_array_size(events), 90);
	json_decref(events);
}
END_TEST

START_TEST(cut_off_anywhere)
{
	struct eventlog *log = open_log();
	struct err err = ERR_INIT;
	char text[1024];

	eventlog_write_at(log, 1, "a", json_pack("{s:s}", "k", "v"));
	eventlog_write_at(log, 2, "b", json_pack("{s:i}", "k", 17));
	eventlog_close(log);
	slurp(text, sizeof(text));
	for (size_t n = strlen(text); n; n--) {
		size_t lines = 0;
		json_t *events;

		ck_assert_int_eq(truncate(path, (off_t)n), 0);
		/* A line that lacks nothing but its end is whole. */
		for (size_t i = 0; i <= n; i++)
			lines += text[i] == '\n';
		ck_assert_msg(!eventlog_read(path, &events, &err), "%zu: %s",
			      n, err.msg);
		ck_assert_uint_eq(json_array_size(events), lines);
		json_decref(events);
	}
}
END_TEST

static const char *const garbage[] = {
	"{\"mono_ns\":1,\"event\":\"a\"}\n{\"mono_ns\":2,\"ev\n",
	"{\"mono_ns\":1,\"event\":\"a\"}\n\n",
	"{\"mono_ns\":1,\"event\":\"a\"}\n[1]\n",
	"{\"mono_ns\":1,\"event\":\"a\"}\n{\"mono_ns\":1}\n",
	"{\"mono_ns\":1,\"event\":\"a\"}\n{\"mono_ns\":1.5,\"event\":\"a\"}\n",
	"{\"mono_ns\":1,\"event\":\"a\"}\n{\"mono_ns\":1,\"event\":2}\n",
	"{\"mono_ns\":1,\"event\":\"a\"}\n{\"event\":\"a\",\"event\":\"a\"}\n",
};

START_TEST(garbage_is_named)
{
	struct err err = ERR_INIT;
	json_t *events = NULL;
	char want[128];

	put_file(garbage[_i]);
	ck_assert_int_eq(eventlog_read(path, &events, &err), -EBADMSG);
	ck_assert_ptr_null(events);
	snprintf(want, sizeof(want), "%s:2: ", path);
	ck_assert_msg(!strncmp(err.msg, want, strlen(want)), "%s", err.msg);
}
END_TEST

START_TEST(no_file)
{
	struct err err = ERR_INIT;
	struct eventlog *log;
	json_t *events;

	unlink(path);
	ck_assert_int_eq(eventlog_read(path, &events, &err), -ENOENT);
	ck_assert_int_eq(eventlog_open("/nowhere/at/all", &log, &err), -ENOENT);
}
END_TEST

/* A disk that is full in the middle of a line: nothing is written behind the
 * half line, and the first error is kept. */
START_TEST(full_disk)
{
	const struct rlimit limit = { 100, RLIM_INFINITY };
	struct eventlog *log = open_log();
	struct err err = ERR_INIT;
	json_t *events;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(eventlog_write(log, "short", NULL), 0);
	ck_assert_int_eq(eventlog_error(log), 0);
	ck_assert_int_eq(eventlog_write(log, "long",
		json_pack("{s:s}", "text", "0123456789012345678901234567890123"
			  "4567890123456789012345678901234567890123456789")),
		-EFBIG);
	ck_assert_int_eq(eventlog_write(log, "x", NULL), -EFBIG);
	ck_assert_int_eq(eventlog_error(log), -EFBIG);
	eventlog_close(log);
	ck_assert_msg(!eventlog_read(path, &events, &err), "%s", err.msg);
	ck_assert_uint_eq(json_array_size(events), 1);
	json_decref(events);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("eventlog");
	TCase *tc = tcase_create("eventlog");

	tcase_add_checked_fixture(tc, make_path, remove_path);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, lines_as_they_look);
	tcase_add_test(tc, appends);
	tcase_add_test(tc, clock_pair_is_a_pair);
	tcase_add_test(tc, survives_a_kill);
	tcase_add_test(tc, cut_off_anywhere);
	tcase_add_loop_test(tc, garbage_is_named, 0,
			    sizeof(garbage) / sizeof(*garbage));
	tcase_add_test(tc, no_file);
	tcase_add_test(tc, full_disk);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
