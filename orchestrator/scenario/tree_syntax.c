/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libyaml finds wrong, in words that help. libyaml speaks of tokens,
 * indicators and contexts; whoever wrote the file thinks of quotes, brackets
 * and indentation.
 */
#include "base/diag.h"
#include "base/utf8.h"
#include "orchestrator/scenario/tree.h"

#include <stdbool.h>
#include <string.h>
#include <yaml.h>

static const struct wording {
	const char *theirs; /* libyaml's text, or how it begins */
	const char *ours;
	const char *context; /* what libyaml was in the middle of, as a note */
	const char *help;
	bool at_context; /* the error is there rather than where it showed */
} wordings[] = {
	{ .theirs = "found a tab character that violate",
	  .ours = "a tab cannot indent a line",
	  .help = "use spaces" },
	{ .theirs = "found a tab character where an indentation space is "
		    "expected",
	  .ours = "a tab cannot indent a line",
	  .help = "use spaces" },
	{ .theirs = "did not find expected ',' or ']'",
	  .ours = "expected ',' or ']' here",
	  .context = "the list opens here" },
	{ .theirs = "did not find expected ',' or '}'",
	  .ours = "expected ',' or '}' here",
	  .context = "the mapping opens here" },
	{ .theirs = "did not find expected key",
	  .ours = "expected a key of the mapping here",
	  .context = "the mapping begins here",
	  .help = "keys of one mapping stand below each other, at the same "
		  "column" },
	{ .theirs = "did not find expected '-' indicator",
	  .ours = "expected '-' and an item of the list here",
	  .context = "the list begins here",
	  .help = "items of one list stand below each other, at the same "
		  "column" },
	{ .theirs = "mapping values are not allowed in this context",
	  .ours = "a ':' makes no key here",
	  .help = "put a text that holds ': ' in quotes, and check the "
		  "indentation" },
	{ .theirs = "could not find expected ':'",
	  .ours = "there is no ':' behind this key",
	  .help = "a key and its value are written 'key: value'",
	  .at_context = true },
	{ .theirs = "found unexpected end of stream",
	  .ours = "the file ends inside of quotes",
	  .context = "they open here" },
	{ .theirs = "found unexpected document indicator",
	  .ours = "a document ends inside of quotes",
	  .context = "they open here" },
	{ .theirs = "found unknown escape character",
	  .ours = "unknown escape in double quotes",
	  .context = "they open here",
	  .help = "write '\\\\' for a backslash, or use single quotes" },
	{ .theirs = "did not find expected hexdecimal number",
	  .ours = "expected hexadecimal digits in this escape",
	  .context = "the quotes open here" },
	{ .theirs = "block sequence entries are not allowed in this context",
	  .ours = "a '-' makes no list item here",
	  .help = "begin the list on a line of its own" },
	{ .theirs = "mapping keys are not allowed in this context",
	  .ours = "a '?' makes no key here" },
	{ .theirs = "did not find expected alphabetic or numeric character",
	  .ours = "expected the name of an anchor or alias behind '&' or '*'",
	  .help = "put a text that begins with '&' or '*' in quotes" },
	{ .theirs = "did not find expected <document start>",
	  .ours = "this does not belong to the mapping or list before it",
	  .help = "check the indentation" },
	{ .theirs = "did not find expected node content",
	  .ours = "expected a value here",
	  .context = "in what begins here" },
	{ .theirs = "did not find expected comment or line break",
	  .ours = "expected the end of the line here",
	  .context = "behind what begins here" },
	{ .theirs = "found unexpected ':'",
	  .ours = "a ':' cannot end a word inside of brackets",
	  .help = "put an address in quotes, as in [\"fd00::\"]; a value "
		  "stands behind ': ', with the space" },
	{ .theirs = "found undefined tag handle",
	  .ours = "a tag (a word that begins with '!') has no meaning here",
	  .help = "put a text that begins with '!' in quotes" },
};

/*
 * libyaml puts what is missing at the end of the file onto a line that does
 * not exist. We put it behind the last character that does.
 */
static struct src_pos place(const char *file, const char *text, size_t len,
			    const yaml_mark_t *mark)
{
	struct src_pos pos = { file, (unsigned)mark->line + 1,
			       (unsigned)mark->column + 1 };
	unsigned lines = 1;
	const char *start = text, *end;

	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r' ||
		       text[len - 1] == ' '))
		len--;
	end = text + len;
	for (const char *s = text; s < end; s++) {
		if (*s == '\n') {
			lines++;
			start = s + 1;
		}
	}
	if (pos.line > lines) {
		pos.line = lines;
		pos.col =
			(unsigned)utf8_count(start, (size_t)(end - start)) + 1;
	}
	return pos;
}

/* The character that libyaml could make nothing of. */
static void odd_character(struct diag *diag, struct src_pos pos,
			  const char *text, size_t len, const yaml_mark_t *mark)
{
	const char *s = text, *end = text + len;
	uint32_t c = 0;

	for (size_t line = 0; line < mark->line && s; line++) {
		s = memchr(s, '\n', (size_t)(end - s));
		s = s ? s + 1 : NULL;
	}
	for (size_t col = 0; s && col < mark->column && s < end; col++) {
		size_t n = utf8_decode(s, (size_t)(end - s), &c);

		s += n ? n : 1;
	}
	if (s && s < end && *s == '\t') {
		diag_error(diag, pos, 1, "a tab cannot indent a line");
		diag_help(diag, "use spaces");
	} else if (s && s < end) {
		diag_error(diag, pos, 1, "'%c' cannot begin a value", *s);
		diag_help(diag, "put the text in quotes");
	} else {
		diag_error(diag, pos, 1, "expected a value here");
	}
}

/* Is there anything but spaces before the mark, on its line? */
static bool is_behind_something(const char *text, size_t len,
				const yaml_mark_t *mark)
{
	const char *s = text, *end = text + len;

	for (size_t line = 0; line < mark->line; line++) {
		s = memchr(s, '\n', (size_t)(end - s));
		if (!s)
			return false;
		s++;
	}
	for (size_t col = 0; col < mark->column && s < end; col++, s++)
		if (*s != ' ' && *s != '-')
			return true;
	return false;
}

void tree_syntax_error(struct diag *diag, const char *file, const char *text,
		       size_t len, const struct yaml_parser_s *parser)
{
	const char *problem = parser->problem ? parser->problem : "unreadable";
	struct src_pos pos = place(file, text, len, &parser->problem_mark);
	const struct wording *w = NULL;

	if (!strcmp(problem, "found character that cannot start any token")) {
		odd_character(diag, pos, text, len, &parser->problem_mark);
		return;
	}
	if (!strcmp(problem, "did not find expected key") &&
	    is_behind_something(text, len, &parser->problem_mark)) {
		diag_error(diag, pos, 1,
			   "this cannot follow the value before it");
		diag_help(diag, "put all of a text in quotes, and check "
				"brackets and commas");
		return;
	}
	for (size_t i = 0; i < sizeof(wordings) / sizeof(*wordings); i++)
		if (!strncmp(problem, wordings[i].theirs,
			     strlen(wordings[i].theirs)))
			w = &wordings[i];
	if (w && w->at_context)
		pos = place(file, text, len, &parser->context_mark);
	if (w)
		diag_error(diag, pos, 1, "%s", w->ours);
	else
		diag_error(diag, pos, 1, "this is not YAML: %s", problem);
	if (w && w->context && parser->context)
		diag_note(diag, place(file, text, len, &parser->context_mark),
			  1, "%s", w->context);
	if (w && w->help)
		diag_help(diag, "%s", w->help);
}
