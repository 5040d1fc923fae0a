/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Test Anything Protocol, version 14: a line a case, and below it, in YAML,
 * what there is to say. JSON's strings are YAML's double-quoted ones, so that
 * jansson quotes them. The plan comes last: how many cases there are is not
 * known before, where the first failure ends it.
 */
#include "orchestrator/report/suite.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

struct tap {
	FILE *out;
	bool no_memory;
};

/* "#" would begin a directive, "\" an escape. */
static void put_description(struct tap *t, const char *text)
{
	CLEANUP_FREE char *clean = suite_clean(text);

	if (!clean) {
		t->no_memory = true;
		return;
	}
	for (const char *p = clean; *p; p++) {
		if (*p == '#' || *p == '\\')
			putc('\\', t->out);
		putc(*p == '\n' || *p == '\t' ? ' ' : *p, t->out);
	}
}

__attribute__((format(printf, 3, 4))) static void
put_string(struct tap *t, const char *key, const char *fmt, ...)
{
	CLEANUP_FREE char *text = NULL, *clean = NULL, *quoted = NULL;
	json_auto_t *string = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	clean = text ? suite_clean(text) : NULL;
	string = clean ? json_string(clean) : NULL;
	quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
	if (quoted)
		fprintf(t->out, "%s%s\n", key, quoted);
	else
		t->no_memory = true;
}

static void put_diagnostics(struct tap *t, const struct suite_case *c)
{
	fputs("  ---\n", t->out);
	put_string(t, "  verdict: ", "%s", suite_outcome_name(c->outcome));
	put_string(t, "  scenario: ", "%s", c->file);
	fprintf(t->out, "  duration_ms: %" PRId64 "\n",
		c->took_ns / NSEC_PER_MSEC);
	if (c->invalid_before)
		fprintf(t->out, "  invalid_runs_before: %u\n",
			c->invalid_before);
	if (c->record)
		put_string(t, "  record: ", "%s", c->record);
	if (c->reasons.n)
		fputs("  reasons:\n", t->out);
	for (size_t i = 0; i < c->reasons.n; i++)
		put_string(t, "    - ", "%s", c->reasons.v[i]);
	if (c->outcome == SUITE_FAILED && c->misses.n) {
		fputs("  not_held:\n", t->out);
		for (size_t i = 0; i < c->misses.n; i++) {
			const struct suite_miss *m = &c->misses.v[i];

			put_string(t, "    - at: ", "%s:%u:%u", c->file,
				   m->line, m->column);
			put_string(t, "      subject: ", "%s", m->subject);
			put_string(t, "      expected: ", "%s", m->expected);
			put_string(t, "      actual: ", "%s", m->actual);
		}
	}
	fputs("  ...\n", t->out);
}

static int result(const struct tap *t)
{
	if (t->no_memory)
		return -ENOMEM;
	if (fflush(t->out))
		return -errno;
	return ferror(t->out) ? -EIO : 0;
}

int suite_write_tap_head(FILE *out)
{
	struct tap t = { .out = out };

	fputs("TAP version 14\n", out);
	return result(&t);
}

int suite_write_tap_case(const struct suite *s, const struct suite_case *c,
			 unsigned number, FILE *out)
{
	CLEANUP_FREE char *title = suite_case_title(s, c);
	struct tap t = { .out = out, .no_memory = !title };
	bool skipped =
		c->outcome == SUITE_NOT_RUN || c->outcome == SUITE_INTERRUPTED;

	fprintf(out, "%sok %u - ",
		c->outcome == SUITE_PASSED || skipped ? "" : "not ", number);
	put_description(&t, title ? title : "");
	if (skipped)
		fprintf(out, " # SKIP %s", suite_outcome_name(c->outcome));
	putc('\n', out);
	if (!skipped)
		put_diagnostics(&t, c);
	return result(&t);
}

int suite_write_tap_end(unsigned n, const char *bail, FILE *out)
{
	struct tap t = { .out = out };

	fprintf(out, "1..%u\n", n);
	if (bail) {
		fputs("Bail out! ", out);
		put_description(&t, bail);
		putc('\n', out);
	}
	return result(&t);
}
