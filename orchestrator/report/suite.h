/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many runs under one verdict, and the forms in which other programs read it:
 * JUnit's XML and the Test Anything Protocol, version 14. Pure but for
 * suite_read(), which reads a run's results.json.
 */
#ifndef REPORT_SUITE_H
#define REPORT_SUITE_H

#include "base/err.h"
#include "base/vec.h"

#include <stdint.h>
#include <stdio.h>

/* How the last of a case's runs ended. */
enum suite_outcome {
	SUITE_NOT_RUN,
	SUITE_PASSED,
	SUITE_FAILED, /* an expectation did not hold */
	SUITE_BROKEN, /* the lab could not be built, or broke */
	SUITE_WRONG, /* the scenario has mistakes */
	SUITE_INVALID, /* the run cannot be judged */
	SUITE_INTERRUPTED,
	SUITE_TIMED_OUT, /* the run took too long, and was ended */
	SUITE_OUTCOMES_
};

struct suite_miss { /* an expectation that did not hold */
	unsigned line, column; /* in the scenario; 0: unknown */
	char *subject, *expected, *actual;
};

/* One scenario that was to be run, once. */
struct suite_case {
	const char *file; /* the scenario; borrowed */
	const char *name; /* its own; borrowed, NULL: it could not be read */
	unsigned round; /* from 1; more than 1 where it is repeated */
	enum suite_outcome outcome;
	unsigned invalid_before; /* runs that were tried again */
	int64_t took_ns; /* all of its runs */
	/* Of the last of them; NULL or empty where there is nothing to tell */
	char *record;
	char *output; /* what it printed */
	VEC(char *) reasons; /* why it is no plain pass or failure */
	VEC(struct suite_miss) misses;
};

struct suite {
	const char *version; /* of this program; borrowed */
	unsigned rounds;
	int64_t began_real_ns, took_ns;
	VEC(struct suite_case) cases;
};

struct suite_tally {
	unsigned passed, failed,
		invalid; /* failed: and broken, wrong, timed out */
	unsigned not_run; /* and interrupted */
	unsigned retried; /* invalid runs that were tried again */
};

const char *suite_outcome_name(enum suite_outcome o);
struct suite_tally suite_count(const struct suite *s);
void suite_free(struct suite *s);
/* Of one case: what was read or set of a run, so that another may follow. */
void suite_case_clear(struct suite_case *c);

/* "name", or "name (run 3)" where it is repeated. To be freed; NULL: out of
 * memory. */
char *suite_case_title(const struct suite *s, const struct suite_case *c);

/* Reasons and misses from the results of c->record. 0, -ENOENT where there are
 * none, or another negative errno. */
int suite_read(struct suite_case *c, struct err *err);

/*
 * A text that XML and YAML can hold: what is no UTF-8, and control characters
 * but tab and newline, are U+FFFD. To be freed; NULL: out of memory.
 */
char *suite_clean(const char *text);

/* 0 or a negative errno. */
int suite_write_junit(const struct suite *s, FILE *out);

/* In three parts, so that a reader may follow: at the start, for each case in
 * turn (number from 1), at the end. bail: why it ends early, or NULL. */
int suite_write_tap_head(FILE *out);
int suite_write_tap_case(const struct suite *s, const struct suite_case *c,
			 unsigned number, FILE *out);
int suite_write_tap_end(unsigned n, const char *bail, FILE *out);

#endif
