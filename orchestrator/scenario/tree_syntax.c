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
	  .context = "in what begins here",
	  .help = "check that each '{', '[' and quote before it is closed" },
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

/* The line of that number, from 0, without its end; false: there is none. */
static bool find_line(const char *text, size_t len, size_t number,
		      const char **line, size_t *line_len)
{
	const char *s = text, *end = text + len, *newline;

	for (size_t i = 0; i < number; i++) {
		s = memchr(s, '\n', (size_t)(end - s));
		if (!s)
			return false;
		s++;
	}
	newline = memchr(s, '\n', (size_t)(end - s));
	*line = s;
	*line_len = (size_t)((newline ? newline : end) - s);
	return true;
}

/* Where the mark is; NULL: behind the last line. */
static const char *find_mark(const char *text, size_t len,
			     const yaml_mark_t *mark)
{
	const char *s, *end;
	size_t line_len;
	uint32_t c;

	if (!find_line(text, len, mark->line, &s, &line_len))
		return NULL;
	end = s + line_len;
	for (size_t col = 0; col < mark->column && s < end; col++) {
		size_t n = utf8_decode(s, (size_t)(end - s), &c);

		s += n ? n : 1;
	}
	return s;
}

/* The character that libyaml could make nothing of. */
static void odd_character(struct diag *diag, struct src_pos pos,
			  const char *text, size_t len, const yaml_mark_t *mark)
{
	const char *s = find_mark(text, len, mark), *end = text + len;

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
	const char *line, *s = find_mark(text, len, mark);
	size_t line_len;

	if (!s || !find_line(text, len, mark->line, &line, &line_len))
		return false;
	while (line < s && (*line == ' ' || *line == '-'))
		line++;
	return line < s;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The only ':' of a line, where it has no space behind it; else NULL. (IPv6
 * addresses have more.) */
static const char *colon_without_space(const char *s, size_t len)
{
	const char *found = memchr(s, ':', len), *end = s + len;

	if (!found || found + 1 == end || is_space(found[1]) ||
	    memchr(found + 1, ':', (size_t)(end - found) - 1))
		return NULL;
	return found;
}

/* A place in the text, as people count. */
static struct src_pos place_of(const char *file, const char *text,
			       const char *s)
{
	struct src_pos pos = { file, 1, 1 };
	const char *line = text;

	for (const char *c = text; c < s; c++) {
		if (*c == '\n') {
			pos.line++;
			line = c + 1;
		}
	}
	pos.col = (unsigned)utf8_count(line, (size_t)(s - line)) + 1;
	return pos;
}

/* The last line before that one, of that number from 0, that has something in
 * it, from its first character on; NULL: there is none. */
static const char *line_before(const char *text, size_t len, size_t number,
			       size_t *line_len)
{
	const char *line;

	while (number-- > 0 && find_line(text, len, number, &line, line_len)) {
		for (; *line_len && is_space(*line); line++)
			--*line_len;
		while (*line_len && is_space(line[*line_len - 1]))
			--*line_len;
		if (*line_len && *line != '#')
			return line;
	}
	return NULL;
}

/*
 * A ':' that makes no key is often the second one of a text: that which began
 * in the line before, with a key whose own ':' has no space behind it, or is
 * missing. Or a '-' without its space makes no item of a list. False: nothing
 * like that is to be seen.
 */
static bool explain_colon(struct diag *diag, const char *file, const char *text,
			  size_t len, const yaml_mark_t *mark)
{
	const char *s = find_mark(text, len, mark), *line, *colon;
	size_t n;

	if (!s || !find_line(text, len, mark->line, &line, &n))
		return false;
	while (line < s && is_space(*line))
		line++;
	if (s - line > 1 && *line == '-' && strchr("{[", line[1])) {
		diag_error(diag, place_of(file, text, line), 1,
			   "there is no space behind this '-'");
		diag_help(diag, "an item of a list is written '- item'");
		return true;
	}
	for (const char *c = line; c < s; c++)
		if (*c == ':' || *c == '"' || *c == '\'')
			return false;
	line = line_before(text, len, mark->line, &n);
	if (!line)
		return false;
	colon = colon_without_space(line, n);
	if (colon)
		diag_error(diag, place_of(file, text, colon), 1,
			   "there is no space behind this ':'");
	else if (!memchr(line, ':', n) && !memchr(line, '{', n) &&
		 !memchr(line, '[', n))
		diag_error(diag, place_of(file, text, line), 1,
			   "there is no ':' behind this key");
	else
		return false;
	diag_help(diag, "a key and its value are written 'key: value'");
	return true;
}

/* "name:t" is a key of which only the space is missing. */
static bool explain_key(struct diag *diag, const char *file, const char *text,
			size_t len, const yaml_mark_t *mark)
{
	const char *line, *colon;
	size_t n;

	if (!find_line(text, len, mark->line, &line, &n))
		return false;
	colon = colon_without_space(line, n);
	if (!colon)
		return false;
	diag_error(diag, place_of(file, text, colon), 1,
		   "there is no space behind this ':'");
	diag_help(diag, "a key and its value are written 'key: value'");
	return true;
}

/* Of quotes that end just before the mark and opened in another line: there
 * somebody forgot to close them. */
static void note_quotes(struct diag *diag, const char *file, const char *text,
			const char *mark)
{
	const char *s = mark;
	char quote;

	while (s && s > text && s[-1] == ' ')
		s--;
	if (!s || s == text || (s[-1] != '"' && s[-1] != '\''))
		return;
	quote = *--s;
	while (s > text && *--s != quote)
		;
	if (*s == quote && memchr(s, '\n', (size_t)(mark - s)))
		diag_note(diag, place_of(file, text, s), 1,
			  "the text in quotes that ends before it begins here");
}

void tree_syntax_error(struct diag *diag, const char *file, const char *text,
		       size_t len, const struct yaml_parser_s *parser)
{
	const char *problem = parser->problem ? parser->problem : "unreadable";
	struct src_pos pos = place(file, text, len, &parser->problem_mark);
	const struct wording *w = NULL;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3; /* marks do not count a byte order mark */
		len -= 3;
	}
	if (!strcmp(problem, "found character that cannot start any token")) {
		odd_character(diag, pos, text, len, &parser->problem_mark);
		return;
	}
	if (!strcmp(problem, "did not find expected key") &&
	    is_behind_something(text, len, &parser->problem_mark)) {
		diag_error(diag, pos, 1,
			   "this cannot follow the value before it");
		note_quotes(diag, file, text,
			    find_mark(text, len, &parser->problem_mark));
		diag_help(diag, "put all of a text in quotes, and check "
				"brackets and commas");
		return;
	}
	if (!strncmp(problem, "mapping values are not allowed", 30) &&
	    explain_colon(diag, file, text, len, &parser->problem_mark))
		return;
	for (size_t i = 0; i < sizeof(wordings) / sizeof(*wordings); i++)
		if (!strncmp(problem, wordings[i].theirs,
			     strlen(wordings[i].theirs)))
			w = &wordings[i];
	if (w && w->at_context) {
		if (explain_key(diag, file, text, len, &parser->context_mark))
			return;
		pos = place(file, text, len, &parser->context_mark);
	}
	if (w)
		diag_error(diag, pos, 1, "%s", w->ours);
	else
		diag_error(diag, pos, 1, "this is not YAML: %s", problem);
	/* Where it is the same place, a note of it says nothing. */
	if (w && w->context && parser->context &&
	    parser->context_mark.index != parser->problem_mark.index)
		diag_note(diag, place(file, text, len, &parser->context_mark),
			  1, "%s", w->context);
	if (w && w->help)
		diag_help(diag, "%s", w->help);
}
