/* SPDX-License-Identifier: GPL-2.0-or-later */
/* servalab test: what test.c (words and order), test_jobs.c (the runs),
 * test_output.c (what other programs read of it) and test_show.c (what people
 * see of it) share. */
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

/* A file for other programs. */
struct test_output {
	const char *path; /* as it was given; NULL: none */
	FILE *file; /* that is written in its place; NULL: none is yet */
	char *target; /* that is replaced in the end; or NULL */
	bool fresh; /* it was not there */
	bool keeps; /* what it holds is not ours to remove */
	int failed; /* a negative errno: it could not be written */
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
	struct test_output tap, junit;
	FILE *out;
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

/*
 * test_output.c. To be opened, which harms nothing: 0, or the exit code. Then
 * what was there goes, in so far as it is written while the test goes on; and
 * in the end all is written, and closed: 0 or a negative errno, and err says
 * why where it does not say anything yet.
 */
int test_outputs_open(struct test *t);
void test_outputs_begin(struct test *t);
int test_outputs_write(struct test *t, struct err *err);
/* TAP: of those cases that have ended; all: and of the others. */
void test_output_tap(struct test *t, bool all);

/* test_show.c */
void test_show_case(struct test *t, size_t at);
void test_show_retry(struct test *t, size_t at);
void test_show_line(struct test *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What is under way, on a terminal; erase: nothing any more. */
void test_show_running(struct test *t);
void test_show_erase(struct test *t);

#endif
