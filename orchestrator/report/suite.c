/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/report/suite.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

const char *suite_outcome_name(enum suite_outcome o)
{
	static const char *const names[] = {
		[SUITE_NOT_RUN] = "not run",
		[SUITE_PASSED] = "passed",
		[SUITE_FAILED] = "failed",
		[SUITE_BROKEN] = "broken",
		[SUITE_WRONG] = "wrong",
		[SUITE_INVALID] = "invalid",
		[SUITE_INTERRUPTED] = "interrupted",
		[SUITE_TIMED_OUT] = "timed out",
	};

	_Static_assert(sizeof(names) / sizeof(*names) == SUITE_OUTCOMES_,
		       "every outcome has a name");
	return names[o];
}

struct suite_tally suite_count(const struct suite *s)
{
	struct suite_tally t = { 0 };

	for (size_t i = 0; i < s->cases.n; i++) {
		t.retried += s->cases.v[i].invalid_before;
		switch (s->cases.v[i].outcome) {
		case SUITE_PASSED:
			t.passed++;
			break;
		case SUITE_FAILED:
		case SUITE_BROKEN:
		case SUITE_WRONG:
		case SUITE_TIMED_OUT:
			t.failed++;
			break;
		case SUITE_INVALID:
			t.invalid++;
			break;
		case SUITE_NOT_RUN:
		case SUITE_INTERRUPTED:
		case SUITE_OUTCOMES_:
			t.not_run++;
			break;
		}
	}
	return t;
}

void suite_case_clear(struct suite_case *c)
{
	for (size_t i = 0; i < c->reasons.n; i++)
		free(c->reasons.v[i]);
	VEC_FREE(&c->reasons);
	for (size_t i = 0; i < c->misses.n; i++) {
		free(c->misses.v[i].subject);
		free(c->misses.v[i].expected);
		free(c->misses.v[i].actual);
	}
	VEC_FREE(&c->misses);
	free(c->record);
	free(c->output);
	c->record = c->output = NULL;
}

void suite_free(struct suite *s)
{
	for (size_t i = 0; i < s->cases.n; i++)
		suite_case_clear(&s->cases.v[i]);
	VEC_FREE(&s->cases);
}

char *suite_case_title(const struct suite *s, const struct suite_case *c)
{
	const char *name = c->name ? c->name : c->file;
	char *title;

	if (s->rounds == 1)
		return strdup(name);
	return asprintf(&title, "%s (run %u)", name, c->round) < 0 ? NULL :
								     title;
}

char *suite_clean(const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
	size_t len = strlen(text), at = 0;
	char *out = malloc(3 * len + 1);

	while (out && len) {
		uint32_t c;
		size_t n = utf8_decode(text, len, &c);
		bool good = n && (c >= 0x20 || c == '\t' || c == '\n') &&
			    !(c >= 0x7f && c < 0xa0) && c != 0xfffe &&
			    c != 0xffff;
		size_t put = good ? n : 3;

		memcpy(out + at, good ? text : replacement, put);
		at += put;
		n = n ? n : 1;
		text += n;
		len -= n;
	}
	if (out)
		out[at] = '\0';
	return out;
}

/* ---- results.json ---------------------------------------------------------
 */

/* Results may come from anywhere: what is missing, or no text, is "?". */
static char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return strdup(text ? text : "?");
}

static unsigned number_of(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 && n <= INT32_MAX ? (unsigned)n : 0;
}

static int add_miss(struct suite_case *c, const json_t *e)
{
	struct suite_miss *m;

	if (!json_is_false(json_object_get(e, "held")))
		return 0;
	m = VEC_PUSH(&c->misses);
	if (!m)
		return -ENOMEM;
	m->line = number_of(e, "line");
	m->column = number_of(e, "column");
	m->subject = text_of(e, "subject");
	m->expected = text_of(e, "expected");
	m->actual = text_of(e, "actual");
	return m->subject && m->expected && m->actual ? 0 : -ENOMEM;
}

static int add_reason(struct suite_case *c, const json_t *reason)
{
	const char *text = json_string_value(reason);
	char **slot = VEC_PUSH(&c->reasons);

	if (slot)
		*slot = strdup(text ? text : "?");
	return slot && *slot ? 0 : -ENOMEM;
}

int suite_read(struct suite_case *c, struct err *err)
{
	CLEANUP_FREE char *path = NULL;
	json_error_t problem;
	json_auto_t *root = NULL;
	json_t *item;
	struct stat st;
	size_t i;
	int r = 0;

	if (!c->record)
		return -ENOENT;
	if (asprintf(&path, "%s/results.json", c->record) < 0) {
		path = NULL;
		return err_set(err, ENOMEM, "out of memory");
	}
	if (stat(path, &st))
		return err_errno(err, errno, "%s", path);
	root = json_load_file(path, 0, &problem);
	if (!root)
		return err_set(err, EBADMSG, "%s:%d: %s", path, problem.line,
			       problem.text);
	json_array_foreach(json_object_get(root, "reasons"), i, item)
	{
		if (!r)
			r = add_reason(c, item);
	}
	json_array_foreach(json_object_get(root, "expectations"), i, item)
	{
		if (!r)
			r = add_miss(c, item);
	}
	return r ? err_set(err, ENOMEM, "out of memory") : 0;
}
