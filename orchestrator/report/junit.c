/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JUnit's XML, as CI servers read it. It knows passed, failure (the thing under
 * test is not as expected), error (the test itself went wrong) and skipped. A
 * run that is invalid is an error there: it must not be green, and says nothing
 * about the thing under test.
 *
 * Every text goes through put_text(): what is printed by programs of a lab
 * may be any bytes at all.
 */
#include "orchestrator/report/suite.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#define OUTPUT_MAX 65536 /* of a run's output; the end of it counts */

struct xml {
	FILE *out;
	bool no_memory;
};

/* In an attribute, line ends and tabs would be read as spaces. */
static void put_text(struct xml *x, const char *text, bool attribute)
{
	CLEANUP_FREE char *clean = suite_clean(text);

	if (!clean) {
		x->no_memory = true;
		return;
	}
	for (const char *p = clean; *p; p++) {
		switch (*p) {
		case '&':
			fputs("&amp;", x->out);
			break;
		case '<':
			fputs("&lt;", x->out);
			break;
		case '>': /* of "]]>", which may not stand in a text */
			fputs("&gt;", x->out);
			break;
		case '"':
			fputs("&quot;", x->out);
			break;
		case '\n':
		case '\t':
			if (attribute) {
				fprintf(x->out, "&#%d;", *p);
				break;
			}
			/* fall through */
		default:
			putc(*p, x->out);
		}
	}
}

static void put_attribute(struct xml *x, const char *name, const char *text)
{
	fprintf(x->out, " %s=\"", name);
	put_text(x, text, true);
	putc('"', x->out);
}

static void put_seconds(struct xml *x, int64_t ns)
{
	fprintf(x->out, " time=\"%" PRId64 ".%03d\"", ns / NSEC_PER_SEC,
		(int)(ns % NSEC_PER_SEC / NSEC_PER_MSEC));
}

__attribute__((format(printf, 2, 3))) static void
put_format(struct xml *x, const char *fmt, ...)
{
	CLEANUP_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text)
		put_text(x, text, false);
	else
		x->no_memory = true;
}

static void put_property(struct xml *x, const char *name, const char *value)
{
	fputs("        <property", x->out);
	put_attribute(x, "name", name);
	put_attribute(x, "value", value);
	fputs("/>\n", x->out);
}

/* One line that says why; "" where there is nothing to say. */
static char *headline(const struct suite_case *c)
{
	char *text;
	int n;

	if (c->outcome == SUITE_FAILED && c->misses.n) {
		const struct suite_miss *m = &c->misses.v[0];

		n = asprintf(&text, "%s %s; expected %s", m->subject, m->actual,
			     m->expected);
	} else if (c->reasons.n) {
		n = asprintf(&text, "%s", c->reasons.v[0]);
	} else {
		n = asprintf(&text, "%s", suite_outcome_name(c->outcome));
	}
	return n < 0 ? NULL : text;
}

static void put_why(struct xml *x, const struct suite_case *c,
		    const char *element)
{
	CLEANUP_FREE char *message = headline(c);

	fprintf(x->out, "      <%s", element);
	put_attribute(x, "message", message ? message : "");
	put_attribute(x, "type", suite_outcome_name(c->outcome));
	putc('>', x->out);
	for (size_t i = 0; i < c->reasons.n; i++)
		put_format(x, "%s\n", c->reasons.v[i]);
	/* Of a run that proves nothing, they prove nothing either. */
	for (size_t i = 0; i < c->misses.n && c->outcome == SUITE_FAILED; i++) {
		const struct suite_miss *m = &c->misses.v[i];

		put_format(x, "%s:%u:%u: %s %s; expected %s\n", c->file,
			   m->line, m->column, m->subject, m->actual,
			   m->expected);
	}
	fprintf(x->out, "</%s>\n", element);
}

static void put_output(struct xml *x, const char *output)
{
	size_t len = strlen(output);

	if (len > OUTPUT_MAX)
		output += len - OUTPUT_MAX;
	fputs("      <system-out>", x->out);
	put_text(x, output, false);
	fputs("</system-out>\n", x->out);
}

/* "scenarios/ping-migration.yaml" is scenarios.ping-migration, as a class
 * would be named that holds tests. */
static char *class_name(const char *file)
{
	size_t len = strlen(file);
	char *name;

	while (*file == '/' || *file == '.')
		file++, len--;
	if (len > 5 && !strcmp(file + len - 5, ".yaml"))
		len -= 5;
	name = strndup(file, len);
	for (char *p = name; p && *p; p++)
		if (*p == '/')
			*p = '.';
	return name;
}

static void put_case(struct xml *x, const struct suite *s,
		     const struct suite_case *c)
{
	CLEANUP_FREE char *title = suite_case_title(s, c);
	CLEANUP_FREE char *class = class_name(c->file);
	char number[16];

	if (!title || !class) {
		x->no_memory = true;
		return;
	}
	fputs("    <testcase", x->out);
	put_attribute(x, "name", title);
	put_attribute(x, "classname", class);
	put_attribute(x, "file", c->file);
	put_seconds(x, c->took_ns);
	fputs(">\n", x->out);
	if (c->record || c->invalid_before) {
		fputs("      <properties>\n", x->out);
		if (c->record)
			put_property(x, "record", c->record);
		snprintf(number, sizeof(number), "%u", c->invalid_before);
		if (c->invalid_before)
			put_property(x, "invalid-runs-before", number);
		fputs("      </properties>\n", x->out);
	}
	switch (c->outcome) {
	case SUITE_PASSED:
		break;
	case SUITE_FAILED:
		put_why(x, c, "failure");
		break;
	case SUITE_BROKEN:
	case SUITE_WRONG:
	case SUITE_INVALID:
	case SUITE_TIMED_OUT:
		put_why(x, c, "error");
		break;
	case SUITE_NOT_RUN:
	case SUITE_INTERRUPTED:
	case SUITE_OUTCOMES_:
		fputs("      <skipped", x->out);
		put_attribute(x, "message", suite_outcome_name(c->outcome));
		fputs("/>\n", x->out);
		break;
	}
	if (c->output && c->outcome != SUITE_PASSED)
		put_output(x, c->output);
	fputs("    </testcase>\n", x->out);
}

static void put_counts(struct xml *x, const struct suite *s)
{
	struct suite_tally t = suite_count(s);
	unsigned failures = 0;

	for (size_t i = 0; i < s->cases.n; i++)
		failures += s->cases.v[i].outcome == SUITE_FAILED;
	fprintf(x->out,
		" tests=\"%zu\" failures=\"%u\" errors=\"%u\" skipped=\"%u\"",
		s->cases.n, failures, t.failed - failures + t.invalid,
		t.not_run);
	put_seconds(x, s->took_ns);
}

int suite_write_junit(const struct suite *s, FILE *out)
{
	time_t began = (time_t)(s->began_real_ns / NSEC_PER_SEC);
	struct xml x = { .out = out };
	char stamp[32];
	struct tm tm;

	gmtime_r(&began, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	      "<testsuites name=\"servalab\"",
	      out);
	put_counts(&x, s);
	fputs(">\n  <testsuite name=\"servalab\"", out);
	put_counts(&x, s);
	put_attribute(&x, "timestamp", stamp);
	fputs(">\n    <properties>\n", out);
	put_property(&x, "version", s->version);
	fputs("    </properties>\n", out);
	for (size_t i = 0; i < s->cases.n; i++)
		put_case(&x, s, &s->cases.v[i]);
	fputs("  </testsuite>\n</testsuites>\n", out);
	if (x.no_memory)
		return -ENOMEM;
	return ferror(out) ? -EIO : 0;
}
