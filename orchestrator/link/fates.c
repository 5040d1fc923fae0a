/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of fates of a direction, as a text whose lines stand in an order of
 * their own: two runs with the same fates write the same text, whichever stream
 * came first.
 */
#include "base/cleanup.h"
#include "orchestrator/link/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *class_text(const struct link_streams *s,
			      const struct link_stream *stream)
{
	return s->classes[stream->class_index].text;
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct link_streams *s = arg;
	const struct link_stream *x = &s->v[*(const uint32_t *)a];
	const struct link_stream *y = &s->v[*(const uint32_t *)b];
	int r = strcmp(class_text(s, x), class_text(s, y));

	return r ? r : x->ordinal < y->ordinal ? -1 : x->ordinal > y->ordinal;
}

static void write_fate(uint32_t fate, FILE *out)
{
	const char *plus = "";

	if (fate & FATE_LOST) {
		fputs("lost", out);
		return;
	}
	if (!fate)
		fputs("pass", out);
	if (fate & FATE_DUPLICATE) {
		fputs("duplicate", out);
		plus = "+";
	}
	if (fate & FATE_REORDER) {
		fprintf(out, "%sreorder", plus);
		plus = "+";
	}
	if (fate & FATE_CORRUPT)
		fprintf(out, "%scorrupt:%u", plus, fate >> FATE_BIT_SHIFT);
}

static void write_stream(const struct link_streams *s,
			 const struct link_stream *stream, FILE *out)
{
	fprintf(out, "stream %u %s\n", stream->ordinal, class_text(s, stream));
	for (size_t i = 0; i < stream->n_runs; i++) {
		uint64_t frames = stream->runs[i].frames;

		/* Runs are cut where their counter ends. */
		while (i + 1 < stream->n_runs &&
		       stream->runs[i + 1].fate == stream->runs[i].fate)
			frames += stream->runs[++i].frames;
		write_fate(stream->runs[i].fate, out);
		fprintf(out, " %" PRIu64 "\n", frames);
	}
	if (stream->untold)
		fprintf(out, "untold %" PRIu64 "\n", stream->untold);
}

int link_fates_write(const struct link_direction *d, FILE *out)
{
	const struct link_streams *s = &d->streams;
	CLEANUP_FREE uint32_t *order = calloc(s->n, sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (size_t i = 1; i < s->n; i++)
		order[i - 1] = (uint32_t)i;
	qsort_r(order, s->n - 1, sizeof(*order), compare, (void *)s);
	fprintf(out,
		"servalab-fates 1\n# link %s, from its end %u, seed %" PRIu64
		"\n",
		d->name, d->end, d->seed);
	for (size_t i = 0; i + 1 < s->n; i++)
		write_stream(s, &s->v[order[i]], out);
	if (d->counts.frames_untold)
		fprintf(out,
			"# %" PRIu64 " frames of further streams are not "
			"told\n",
			d->counts.frames_untold);
	return ferror(out) ? -EIO : 0;
}
