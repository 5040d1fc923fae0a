/* SPDX-License-Identifier: GPL-2.0-or-later */
/* servalab test: what test.c (words and order), test_jobs.c (the runs) and
 * test_show.c (what people see of it) share. */
#ifndef CLI_TEST_H
#define CLI_TEST_H

#include "orchestrator/cli/run_once.h"
#include "orchestrator/report/suite.h"

#include <sys/types.h>

struct test_options {
	struct run_options run;
	unsigned jobs, repeat;
	unsigned retry_invalid;
	bool until_fail, quiet;
	bool has_timeout; /* the run's, instead of one by each scenario */
	const char *junit, *tap; /* files; NULL: none, tap "-": stdout */
	char **files;
	size_t n_files;
};

struct test_file {
	struct loaded loaded;
	int64_t expected_ns; /* how long a run takes, as far as is known */
	int64_t timeout_ns; /* when it has no more time; 0: never */
};

/* A run under way, in a process of its own. */
struct test_job {
	pid_t pid;
	size_t at; /* the case */
	int64_t began_ns;
	int output; /* a memfd */
	struct run_watch *watch;
};

struct test {
	struct test_options options;
	struct suite suite; /* cases in the order of files, round by round */
	struct test_file *files;
	VEC(size_t) waiting; /* cases; the next one is the last */
	VEC(size_t) again; /* that were invalid, likewise */
	VEC(struct test_job) running;
	size_t done;
	unsigned tap_told; /* cases */
	FILE *tap, *junit, *out;
	int signals;
	sigset_t old_mask;
	int interrupted; /* the signal; 0: not */
	unsigned interrupts;
	bool failed; /* a case was not as it should be */
	unsigned drawn; /* lines on the terminal that are to be replaced */
	bool is_terminal, color;
};

struct test_file *test_file_of(const struct test *t, size_t at);

/* test_jobs.c: runs all that waits. 0 or a negative errno. */
int test_run_all(struct test *t, struct err *err);

/* test.c: a case has ended for good. */
void test_case_done(struct test *t, size_t at);

/* test_show.c */
void test_show_case(struct test *t, size_t at);
void test_show_retry(struct test *t, size_t at);
void test_show_line(struct test *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What is under way, on a terminal; erase: nothing any more. */
void test_show_running(struct test *t);
void test_show_erase(struct test *t);

#endif
