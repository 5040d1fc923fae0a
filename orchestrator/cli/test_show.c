/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people see: a line for each case that has ended, with what they need to
 * see why where it is not passed; and, on a terminal, below them a line for
 * each that is under way, drawn anew a few times a second.
 */
#include "orchestrator/cli/test.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "base/utf8.h"
#include "orchestrator/report/table.h"

#include <langinfo.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define INDENT "         " /* below a case's name */
#define NAME_WIDTH 32
#define BAR_WIDTH 20
#define OUTPUT_LINES 20 /* of a run that broke */
#define RUNNING_LINES 16

enum color { RED = 31, GREEN = 32, YELLOW = 33 };

static bool is_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

void test_show_erase(struct test *t)
{
	if (t->drawn)
		fprintf(t->out, "\033[%uA\033[J", t->drawn);
	t->drawn = 0;
	fflush(t->out);
}

void test_show_line(struct test *t, const char *fmt, ...)
{
	va_list ap;

	test_show_erase(t);
	va_start(ap, fmt);
	vfprintf(t->out, fmt, ap);
	va_end(ap);
	putc('\n', t->out);
	fflush(t->out);
}

/* ---- cases that have ended ---------------------------------------------- */

static enum color color_of(enum suite_outcome o)
{
	switch (o) {
	case SUITE_PASSED:
		return GREEN;
	case SUITE_FAILED:
	case SUITE_BROKEN:
	case SUITE_WRONG:
	case SUITE_TIMED_OUT:
		return RED;
	case SUITE_NOT_RUN:
	case SUITE_INVALID:
	case SUITE_INTERRUPTED:
	case SUITE_OUTCOMES_:
		break;
	}
	return YELLOW;
}

static void put_head(struct test *t, const struct suite_case *c,
		     const char *more)
{
	CLEANUP_FREE char *title = suite_case_title(&t->suite, c);
	const char *name = suite_outcome_name(c->outcome);
	char took[32];
	size_t width;

	test_show_erase(t);
	if (t->color)
		fprintf(t->out, "\033[1;%dm%-7s\033[0m  ",
			(int)color_of(c->outcome), name);
	else
		fprintf(t->out, "%-7s  ", name);
	width = text_print(t->out, title ? title : "?", is_utf8());
	fprintf(t->out, "%*s  %s%s\n",
		width < NAME_WIDTH ? (int)(NAME_WIDTH - width) : 0, "",
		units_format_duration(c->took_ns, took, sizeof(took)), more);
}

static void put_text(struct test *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What is told comes from records and programs: nothing of it shall steer the
 * terminal. */
static void put_text(struct test *t, const char *fmt, ...)
{
	CLEANUP_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	fputs(INDENT, t->out);
	text_print(t->out, text ? text : "?", is_utf8());
	putc('\n', t->out);
}

/* The line of the scenario, below what is said about it. */
static void put_line(struct test *t, const struct diag *d, struct src_pos pos)
{
	CLEANUP_FREE char *quoted = NULL;
	size_t size;
	FILE *f = open_memstream(&quoted, &size);

	if (!f)
		return;
	diag_quote(d, pos, 1, f);
	if (fclose(f))
		return;
	for (const char *p = quoted; *p;) {
		size_t len = strcspn(p, "\n");

		fprintf(t->out, INDENT "%.*s\n", (int)len, p);
		p += len + (p[len] == '\n');
	}
}

static void put_misses(struct test *t, const struct suite_case *c,
		       const struct loaded *l)
{
	for (size_t i = 0; i < c->misses.n; i++) {
		const struct suite_miss *m = &c->misses.v[i];
		struct src_pos pos = { c->file, m->line, m->column };

		put_text(t, "%s:%u:%u: %s %s; expected %s", c->file, m->line,
			 m->column, m->subject, m->actual, m->expected);
		if (l->diag && m->line)
			put_line(t, l->diag, pos);
	}
}

/* The last lines of what a run said that has no results to tell. */
static void put_output(struct test *t, const char *output)
{
	const char *p = output + strlen(output);
	unsigned lines = 0;

	while (p > output && lines <= OUTPUT_LINES)
		lines += *--p == '\n' && p[1];
	if (p > output)
		p++;
	while (*p) {
		size_t len = strcspn(p, "\n");

		put_text(t, "%.*s", (int)len, p);
		p += len + (p[len] == '\n');
	}
}

static void put_why(struct test *t, size_t at)
{
	const struct suite_case *c = &t->suite.cases.v[at];

	for (size_t i = 0; i < c->reasons.n; i++)
		if (c->outcome != SUITE_BROKEN || !c->output)
			put_text(t, "%s", c->reasons.v[i]);
	if (c->outcome == SUITE_FAILED)
		put_misses(t, c, &test_file_of(t, at)->loaded);
	/* It names the line, and the remedy; the record's place as well. */
	if (c->outcome == SUITE_BROKEN && c->output)
		put_output(t, c->output);
	else if (c->record)
		put_text(t, "record: %s", c->record);
}

void test_show_case(struct test *t, size_t at)
{
	const struct suite_case *c = &t->suite.cases.v[at];
	char more[64] = "";

	if (t->options.quiet && c->outcome == SUITE_PASSED)
		return;
	if (c->invalid_before)
		snprintf(more, sizeof(more), "  (after %u invalid run%s)",
			 c->invalid_before, c->invalid_before > 1 ? "s" : "");
	put_head(t, c, more);
	if (c->outcome != SUITE_PASSED)
		put_why(t, at);
	fflush(t->out);
}

void test_show_retry(struct test *t, size_t at)
{
	put_head(t, &t->suite.cases.v[at], "  (to be tried again, alone)");
	put_why(t, at);
	fflush(t->out);
}

/* ---- those under way ---------------------------------------------------- */

/* When the last one ends, where each takes as long as it is expected to. */
static int64_t left_ns(const struct test *t, int64_t now_ns)
{
	size_t n = t->options.jobs;
	CLEANUP_FREE int64_t *busy = calloc(n, sizeof(*busy));
	int64_t last = 0;

	if (!busy)
		return 0;
	for (size_t i = 0; i < t->running.n && i < n; i++) {
		const struct test_job *job = &t->running.v[i];
		int64_t left = test_file_of(t, job->at)->expected_ns -
			       (now_ns - job->began_ns);

		busy[i] = left > 0 ? left : 0;
	}
	for (size_t i = t->waiting.n; i-- > 0;) {
		size_t first = 0;

		for (size_t k = 1; k < n; k++)
			if (busy[k] < busy[first])
				first = k;
		busy[first] += test_file_of(t, t->waiting.v[i])->expected_ns;
	}
	for (size_t k = 0; k < n; k++)
		last = busy[k] > last ? busy[k] : last;
	for (size_t i = 0; i < t->again.n; i++)
		last += test_file_of(t, t->again.v[i])->expected_ns;
	return last;
}

static void draw_bar(struct test *t, int64_t done, int64_t all)
{
	bool utf8 = is_utf8();
	int64_t full = all > 0 ? done * BAR_WIDTH / all : 0;

	for (int64_t i = 0; i < BAR_WIDTH; i++)
		fputs(i < full ? (utf8 ? "\u2501" : "#") :
				 (utf8 ? "\u2500" : "."),
		      t->out);
}

static void draw_job(struct test *t, const struct test_job *job, int64_t now_ns,
		     unsigned width)
{
	const struct suite_case *c = &t->suite.cases.v[job->at];
	CLEANUP_FREE char *title = suite_case_title(&t->suite, c);
	int64_t all = test_file_of(t, job->at)->expected_ns;
	int64_t done = now_ns - job->began_ns;
	size_t len = title ? strlen(title) : 0, room = NAME_WIDTH;

	if (title && utf8_count(title, len) > room)
		title[utf8_truncate(title, len, room)] = '\0';
	fputs("running  ", t->out);
	room -= text_print(t->out, title ? title : "?", is_utf8());
	fprintf(t->out, "%*s  ", (int)room, "");
	if (width >= NAME_WIDTH + BAR_WIDTH + 36) {
		draw_bar(t, done < all ? done : all, all);
		fputs("  ", t->out);
	}
	fprintf(t->out, "%5.1f s", (double)done / NSEC_PER_SEC);
	if (done < all)
		fprintf(t->out, ", %.0f s left",
			(double)(all - done) / NSEC_PER_SEC);
	putc('\n', t->out);
	t->drawn++;
}

void test_show_running(struct test *t)
{
	int64_t now_ns = clock_mono_ns();
	unsigned width;

	if (!t->is_terminal)
		return;
	width = terminal_width(fileno(t->out));
	test_show_erase(t);
	for (size_t i = 0; i < t->running.n && i < RUNNING_LINES; i++)
		draw_job(t, &t->running.v[i], now_ns, width);
	fprintf(t->out, "%zu done, %zu to do, about %.0f s left\n", t->done,
		t->running.n + t->waiting.n + t->again.n,
		(double)left_ns(t, now_ns) / NSEC_PER_SEC);
	t->drawn++;
	fflush(t->out);
}
