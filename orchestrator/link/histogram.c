/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The offsets, sorted, each with the weight of all up to and including it: a
 * share of the whole weight is found by binary search.
 */
#include "orchestrator/link/histogram.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "base/vec.h"
#include "orchestrator/link/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX (1u << 20)
#define OFFSET_TEXT_MAX 40

struct value {
	int64_t offset_ns;
	uint64_t upto; /* weights, this one included */
};

struct link_histogram {
	char *path;
	VEC(struct value) values;
};

/* -EINVAL and so on, as units_parse_duration_ns(). */
static int read_offset(const struct word *w, int64_t *out)
{
	char text[OFFSET_TEXT_MAX];
	bool negative = w->len && w->s[0] == '-';
	size_t sign = negative || (w->len && w->s[0] == '+');
	int r;

	if (w->len - sign >= sizeof(text) || memchr(w->s, '\0', w->len))
		return -EINVAL;
	memcpy(text, w->s + sign, w->len - sign);
	text[w->len - sign] = '\0';
	r = units_parse_duration_ns(text, out);
	if (!r && negative)
		*out = -*out;
	return r;
}

static bool read_line(struct lines *l, const struct word *words, size_t n,
		      struct value *out)
{
	int r = read_offset(&words[0], &out->offset_ns);

	if (r) {
		lines_error(l, &words[0], "'%.*s' %s", word_shown(&words[0]),
			    words[0].s,
			    r == -ENOKEY ?
				    "has no unit: ns, us, ms, s, min or h" :
			    r == -ERANGE ? "is too long, or finer than 1 ns" :
					   "is no duration, like -1.5ms");
		return false;
	}
	if (n != 2) {
		lines_error(l, &words[n > 2 ? 2 : 0],
			    "a line is an offset and its weight: '-1.5ms 20'");
		return false;
	}
	if (!word_number(&words[1], UINT32_MAX, &out->upto)) {
		lines_error(l, &words[1],
			    "'%.*s' is no weight: whole numbers up to "
			    "4294967295 are",
			    word_shown(&words[1]), words[1].s);
		return false;
	}
	return true;
}

static int compare_values(const void *a, const void *b)
{
	const struct value *x = a, *y = b;

	return x->offset_ns < y->offset_ns ? -1 : x->offset_ns > y->offset_ns;
}

/* Below 2^20 values of below 2^32: no sum overflows. */
static uint64_t sum_up(struct link_histogram *h)
{
	uint64_t sum = 0;

	qsort(h->values.v, h->values.n, sizeof(*h->values.v), compare_values);
	for (size_t i = 0; i < h->values.n; i++) {
		sum += h->values.v[i].upto;
		h->values.v[i].upto = sum;
	}
	return sum;
}

static int read_all(struct lines *l, struct link_histogram *h)
{
	struct word words[LINES_WORDS_MAX];
	size_t n;

	while (lines_next(l, words, &n)) {
		struct value value, *kept;

		if (!read_line(l, words, n, &value))
			continue;
		if (h->values.n == VALUES_MAX) {
			lines_error(l, &words[0], "more than %u values",
				    VALUES_MAX);
			break;
		}
		kept = VEC_PUSH(&h->values);
		if (!kept)
			return -ENOMEM;
		*kept = value;
	}
	if (!l->errors && (!h->values.n || !sum_up(h)))
		lines_error(l, NULL, "there is no value with a weight");
	return l->errors ? -EINVAL : 0;
}

int link_histogram_parse(const char *path, const char *text, size_t len,
			 struct diag *diag, struct link_histogram **out)
{
	struct link_histogram *h = calloc(1, sizeof(*h));
	struct lines l;
	int r = -ENOMEM;

	if (!h)
		return -ENOMEM;
	h->path = strdup(path);
	lines_init(&l, path, text, len, diag);
	if (h->path)
		r = read_all(&l, h);
	if (r) {
		link_histogram_free(h);
		return r;
	}
	*out = h;
	return 0;
}

struct link_histogram *link_histogram_free(struct link_histogram *h)
{
	if (!h)
		return NULL;
	VEC_FREE(&h->values);
	free(h->path);
	free(h);
	return NULL;
}

const char *link_histogram_path(const struct link_histogram *h)
{
	return h->path;
}

int64_t link_histogram_at(const struct link_histogram *h, uint32_t share)
{
	uint64_t sum = h->values.v[h->values.n - 1].upto;
	/* The first value up to which more weight lies than that. */
	uint64_t weight = (uint64_t)((unsigned __int128)share * sum >> 32);
	size_t low = 0, high = h->values.n - 1;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (h->values.v[mid].upto <= weight)
			low = mid + 1;
		else
			high = mid;
	}
	return h->values.v[low].offset_ns;
}
