/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A trace is an array of times. Opportunities are numbered over all turns of a
 * looping trace: number i is entry i % n of turn i / n. So a link that was idle
 * for hours finds its next opportunity by a division and a binary search, not
 * by walking through the turns.
 *
 * A turn is as long as its last time says, so an opportunity at its end and one
 * at 0 of the next turn are at the same moment, as with Mahimahi.
 */
#include "orchestrator/link/trace.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/vec.h"
#include "orchestrator/link/internal.h"
#include "orchestrator/link/lines.h"

#include <errno.h>
#include <string.h>

#define TIMES_MAX (16u << 20) /* 64 MiB */

struct link_trace {
	char *path;
	VEC(uint32_t) ms;
	bool loop;
};

static void read_line(struct lines *l, const struct word *words, size_t n,
		      struct link_trace *t)
{
	uint32_t last = t->ms.n ? t->ms.v[t->ms.n - 1] : 0;
	uint64_t ms;

	if (n > 1) {
		lines_error(l, &words[1],
			    "a line holds one time, in milliseconds");
	} else if (!word_number(&words[0], UINT32_MAX, &ms)) {
		lines_error(l, &words[0],
			    "'%.*s' is no time: whole milliseconds up to "
			    "4294967295 are",
			    word_shown(&words[0]), words[0].s);
	} else if (ms < last) {
		lines_error(l, &words[0],
			    "%llu is before the time above it, %u: times do "
			    "not fall",
			    (unsigned long long)ms, last);
	} else if (t->ms.n == TIMES_MAX) {
		lines_error(l, &words[0], "more than %u delivery opportunities",
			    TIMES_MAX);
		l->at = l->len;
	} else {
		uint32_t *entry = VEC_PUSH(&t->ms);

		if (entry)
			*entry = (uint32_t)ms;
		else
			l->at = l->len; /* told by the count, see below */
	}
}

int link_trace_parse(const char *path, const char *text, size_t len, bool loop,
		     struct diag *diag, struct link_trace **out)
{
	struct link_trace *t = calloc(1, sizeof(*t));
	struct word words[LINES_WORDS_MAX];
	struct lines l;
	size_t n, seen = 0;

	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->path = strdup(path);
	lines_init(&l, path, text, len, diag);
	while (t->path && lines_next(&l, words, &n)) {
		seen++;
		read_line(&l, words, n, t);
	}
	if (!t->path || (!l.errors && t->ms.n != seen)) {
		link_trace_free(t);
		return -ENOMEM;
	}
	if (!l.errors && !t->ms.n)
		lines_error(&l, NULL, "there is no delivery opportunity");
	else if (!l.errors && !t->ms.v[t->ms.n - 1])
		lines_error(&l, NULL,
			    "all opportunities are at 0 ms: the last time is "
			    "the length of a turn, and must be more");
	if (l.errors) {
		link_trace_free(t);
		return -EINVAL;
	}
	*out = t;
	return 0;
}

struct link_trace *link_trace_free(struct link_trace *t)
{
	if (!t)
		return NULL;
	VEC_FREE(&t->ms);
	free(t->path);
	free(t);
	return NULL;
}

size_t link_trace_count(const struct link_trace *t)
{
	return t->ms.n;
}

static uint32_t length_ms(const struct link_trace *t)
{
	return t->ms.v[t->ms.n - 1];
}

int64_t link_trace_length_ns(const struct link_trace *t)
{
	return length_ms(t) * NSEC_PER_MSEC;
}

uint64_t link_trace_mean_bps(const struct link_trace *t)
{
	return t->ms.n * (LINK_TRACE_BYTES * UINT64_C(8) * 1000) / length_ms(t);
}

const char *link_trace_path(const struct link_trace *t)
{
	return t->path;
}

int64_t link_trace_time_ns(const struct link_trace *t, uint64_t i)
{
	uint64_t turn = i / t->ms.n, ms;

	if (i == UINT64_MAX || (turn && !t->loop) ||
	    __builtin_mul_overflow(turn, (uint64_t)length_ms(t), &ms) ||
	    __builtin_add_overflow(ms, (uint64_t)t->ms.v[i % t->ms.n], &ms) ||
	    ms >= (uint64_t)(LINK_NEVER / NSEC_PER_MSEC))
		return LINK_NEVER;
	return (int64_t)ms * NSEC_PER_MSEC;
}

uint64_t link_trace_first(const struct link_trace *t, int64_t from_ns)
{
	/* Rounded up: one in the middle of a millisecond is late for it. */
	uint64_t ms = from_ns <= 0 ? 0 : ((uint64_t)from_ns - 1) / 1000000 + 1;
	uint64_t turn = ms / length_ms(t), in_turn = ms % length_ms(t), first;
	size_t low = 0, high = t->ms.n - 1;

	if (turn && !in_turn) { /* the end of a turn comes first */
		turn--;
		in_turn = length_ms(t);
	}
	if (turn && !t->loop)
		return t->ms.n; /* past the last one */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->ms.v[mid] < in_turn)
			low = mid + 1;
		else
			high = mid;
	}
	if (__builtin_mul_overflow(turn, (uint64_t)t->ms.n, &first) ||
	    __builtin_add_overflow(first, (uint64_t)low, &first))
		return UINT64_MAX;
	return first;
}
