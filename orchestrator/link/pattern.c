/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two forms. By hand: a string of bits. Recorded: per stream the runs of equal
 * fates, each with the number of the frame at which it ends, so that a frame's
 * is found by going on from the last one's; streams sorted by name and ordinal.
 */
#include "orchestrator/link/pattern.h"

#include "base/cleanup.h"
#include "base/vec.h"
#include "orchestrator/link/internal.h"
#include "orchestrator/link/lines.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define FRAMES_MAX (64u << 20) /* by hand: 8 MiB */
#define RUNS_MAX (16u << 20)
#define STREAMS_MAX (1u << 16)
#define MAGIC "servalab-fates"

struct run {
	uint64_t upto; /* the first frame behind it */
	uint32_t fate;
};

struct pattern_stream {
	char *class_text;
	uint32_t ordinal;
	unsigned line; /* where it begins */
	struct run *runs;
	size_t n, cap;
};

struct link_pattern {
	char *path;
	bool recorded;
	uint8_t *lost; /* by hand: a bit a frame */
	size_t frames;
	VEC(struct pattern_stream) streams;
	size_t runs;
};

struct link_pattern *link_pattern_free(struct link_pattern *p)
{
	if (!p)
		return NULL;
	for (size_t i = 0; i < p->streams.n; i++) {
		free(p->streams.v[i].class_text);
		free(p->streams.v[i].runs);
	}
	VEC_FREE(&p->streams);
	free(p->lost);
	free(p->path);
	free(p);
	return NULL;
}

const char *link_pattern_path(const struct link_pattern *p)
{
	return p->path;
}

/* ---- by hand ------------------------------------------------------------- */

static int read_hand(struct link_pattern *p, struct lines *l)
{
	size_t line_start = 0;

	p->lost = calloc(l->len / 8 + 1, 1);
	if (!p->lost)
		return -ENOMEM;
	l->line = 1;
	for (size_t i = 0; i < l->len; i++) {
		struct word w = { .s = l->text + i,
				  .len = 1,
				  .col = (unsigned)(i - line_start) + 1 };
		char c = l->text[i];

		if (c == '\n') {
			if (l->line < UINT_MAX)
				l->line++;
			line_start = i + 1;
		} else if (c == '#') {
			const char *eol = memchr(w.s, '\n', l->len - i);

			i = eol ? (size_t)(eol - l->text) - 1 : l->len;
		} else if (c == '.' || c == 'x') {
			if (p->frames == FRAMES_MAX) {
				lines_error(l, &w, "more than %u frames",
					    FRAMES_MAX);
				break;
			}
			if (c == 'x')
				p->lost[p->frames / 8] |=
					(uint8_t)(1u << p->frames % 8);
			p->frames++;
		} else if (c != ' ' && c != '\t' && c != '\r') {
			lines_error(l, &w,
				    "only '.' (passes) and 'x' (is lost) may "
				    "stand in a pattern");
			if (lines_have_enough(l))
				break;
		}
	}
	if (!l->errors && !p->frames) {
		l->line = 0;
		lines_error(l, NULL, "the pattern has no frames");
	}
	return l->errors ? -EINVAL : 0;
}

/* ---- recorded ------------------------------------------------------------ */

static bool read_version(struct lines *l)
{
	struct word words[LINES_WORDS_MAX];
	size_t n;

	if (!lines_next(l, words, &n))
		return false;
	if (n == 2 && word_is(&words[1], "1"))
		return true;
	lines_error(l, &words[0], "a list of fates begins with '%s 1'", MAGIC);
	diag_help(l->diag, "other versions are not understood");
	return false;
}

static int read_stream(struct link_pattern *p, struct lines *l,
		       const struct word *words, size_t n)
{
	struct pattern_stream *stream;
	struct word text;
	uint64_t ordinal;

	if (n < 3) {
		lines_error(l, &words[0],
			    "a stream is 'stream NUMBER CLASS', as in "
			    "'stream 0 tcp 10.0.0.1 > 10.0.0.2:80'");
		return 0;
	}
	if (!word_number(&words[1], UINT32_MAX - 1, &ordinal)) {
		lines_error(l, &words[1], "'%.*s' is no number of a stream",
			    word_shown(&words[1]), words[1].s);
		return 0;
	}
	if (p->streams.n == STREAMS_MAX) {
		lines_error(l, &words[0], "more than %u streams", STREAMS_MAX);
		l->at = l->len;
		return 0;
	}
	text = lines_rest(l, &words[2]);
	stream = VEC_PUSH(&p->streams);
	if (!stream)
		return -ENOMEM;
	stream->ordinal = (uint32_t)ordinal;
	stream->line = l->line;
	stream->class_text = strndup(text.s, text.len);
	return stream->class_text ? 0 : -ENOMEM;
}

/* "lost", "duplicate+corrupt:133": false, and an error. */
static bool read_fate(struct lines *l, const struct word *w, uint32_t *out)
{
	static const struct {
		const char *name;
		uint32_t fate;
	} names[] = {
		{ "pass", 0 },
		{ "untold", 0 },
		{ "lost", FATE_LOST },
		{ "duplicate", FATE_DUPLICATE },
		{ "reorder", FATE_REORDER },
	};
	size_t at = 0;
	uint32_t fate = 0;

	while (at <= w->len) {
		const char *plus = memchr(w->s + at, '+', w->len - at);
		struct word part = { .s = w->s + at };
		uint64_t bit;
		size_t i;

		part.len = plus ? (size_t)(plus - part.s) : w->len - at;
		at += part.len + 1;
		for (i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (word_is(&part, names[i].name))
				break;
		if (i < sizeof(names) / sizeof(*names)) {
			fate |= names[i].fate;
			continue;
		}
		if (part.len > 8 && !memcmp(part.s, "corrupt:", 8)) {
			part.s += 8;
			part.len -= 8;
			if (word_number(&part, FATE_BIT_MAX, &bit)) {
				fate |= FATE_CORRUPT |
					(uint32_t)bit << FATE_BIT_SHIFT;
				continue;
			}
		}
		lines_error(l, w,
			    "'%.*s' is no fate: pass, lost, untold, or some of "
			    "duplicate, reorder, corrupt:BIT joined by '+' are",
			    word_shown(w), w->s);
		return false;
	}
	*out = fate & FATE_LOST ? FATE_LOST : fate;
	return true;
}

static int read_run(struct link_pattern *p, struct lines *l,
		    const struct word *words, size_t n)
{
	struct pattern_stream *stream;
	uint64_t frames, before;
	struct run run, *kept;

	if (!read_fate(l, &words[0], &run.fate))
		return 0;
	if (n != 2 || !word_number(&words[1], UINT64_MAX, &frames) || !frames) {
		lines_error(l, &words[n > 1],
			    "a fate has the number of frames behind it, as in "
			    "'pass 120'");
		return 0;
	}
	if (!p->streams.n) {
		lines_error(l, &words[0],
			    "a 'stream' line must stand before its fates");
		return 0;
	}
	stream = &p->streams.v[p->streams.n - 1];
	before = stream->n ? stream->runs[stream->n - 1].upto : 0;
	if (__builtin_add_overflow(before, frames, &run.upto)) {
		lines_error(l, &words[1], "more frames than can be counted");
		return 0;
	}
	if (p->runs++ == RUNS_MAX) {
		lines_error(l, &words[0], "more than %u lines of fates",
			    RUNS_MAX);
		l->at = l->len;
		return 0;
	}
	kept = vec_grow((void **)&stream->runs, &stream->n, &stream->cap,
			sizeof(*stream->runs));
	if (!kept)
		return -ENOMEM;
	*kept = run;
	return 0;
}

static int compare(const char *text, uint32_t ordinal,
		   const struct pattern_stream *s)
{
	int r = strcmp(text, s->class_text);

	return r ? r : ordinal < s->ordinal ? -1 : ordinal > s->ordinal;
}

static int compare_streams(const void *a, const void *b)
{
	const struct pattern_stream *x = a;

	return compare(x->class_text, x->ordinal, b);
}

static void sort_streams(struct link_pattern *p, struct lines *l)
{
	if (p->streams.n > 1)
		qsort(p->streams.v, p->streams.n, sizeof(*p->streams.v),
		      compare_streams);
	for (size_t i = 1; i < p->streams.n; i++) {
		const struct pattern_stream *a = &p->streams.v[i - 1];
		const struct pattern_stream *b = &p->streams.v[i];

		if (compare_streams(a, b) || l->errors >= LINES_ERRORS_MAX)
			continue;
		l->line = a->line > b->line ? a->line : b->line;
		lines_error(l, NULL, "this stream is in the list already");
		diag_note(l->diag,
			  (struct src_pos){
				  .file = p->path,
				  .line = a->line > b->line ? b->line : a->line,
				  .col = 1 },
			  1, "here");
	}
}

static int read_recorded(struct link_pattern *p, struct lines *l)
{
	struct word words[LINES_WORDS_MAX];
	size_t n;
	int r = 0;

	p->recorded = true;
	if (!read_version(l))
		return -EINVAL;
	while (!r && lines_next(l, words, &n))
		r = word_is(&words[0], "stream") ? read_stream(p, l, words, n) :
						   read_run(p, l, words, n);
	if (r)
		return r;
	sort_streams(p, l);
	return l->errors ? -EINVAL : 0;
}

/* Is its first word, behind comments, that of a list? */
static bool is_recorded(const char *text, size_t len)
{
	struct word words[LINES_WORDS_MAX];
	struct lines l;
	size_t n;

	lines_init(&l, "", text, len, NULL);
	return lines_next(&l, words, &n) && word_is(&words[0], MAGIC);
}

int link_pattern_parse(const char *path, const char *text, size_t len,
		       struct diag *diag, struct link_pattern **out)
{
	struct link_pattern *p = calloc(1, sizeof(*p));
	struct lines l;
	int r = -ENOMEM;

	if (!p)
		return -ENOMEM;
	p->path = strdup(path);
	lines_init(&l, path, text, len, diag);
	if (p->path)
		r = is_recorded(text, len) ? read_recorded(p, &l) :
					     read_hand(p, &l);
	if (r) {
		link_pattern_free(p);
		return r;
	}
	*out = p;
	return 0;
}

/* ---- use ----------------------------------------------------------------- */

bool link_pattern_is_recorded(const struct link_pattern *p)
{
	return p->recorded;
}

bool link_pattern_loses(const struct link_pattern *p, uint64_t k)
{
	k %= p->frames;
	return p->lost[k / 8] >> k % 8 & 1;
}

const struct pattern_stream *link_pattern_find(const struct link_pattern *p,
					       const char *class_text,
					       uint32_t ordinal)
{
	size_t low = 0, high = p->streams.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int r = compare(class_text, ordinal, &p->streams.v[mid]);

		if (!r)
			return &p->streams.v[mid];
		if (r < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

uint32_t link_pattern_fate(const struct pattern_stream *s, uint64_t k,
			   size_t *run)
{
	while (*run < s->n && s->runs[*run].upto <= k)
		++*run;
	return *run < s->n ? s->runs[*run].fate : 0;
}
