/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/observe/bins.h"

#include "base/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

void bins_flush(struct bins_writer *w)
{
	if (w->f && w->bin.bytes)
		fprintf(w->f,
			"%" PRId64 ",%" PRIu64 ",%" PRId64 ",%" PRId64 "\n",
			w->bin.begin_ns, w->bin.bytes, w->bin.first_ns,
			w->bin.last_ns);
	w->bin.bytes = 0;
}

void bins_add(struct bins_writer *w, int64_t now_ns, uint64_t bytes)
{
	int64_t begin_ns = now_ns - now_ns % BIN_NS;

	if (!bytes)
		return;
	if (w->bin.bytes && w->bin.begin_ns != begin_ns)
		bins_flush(w);
	if (!w->bin.bytes) {
		w->bin.begin_ns = begin_ns;
		w->bin.first_ns = now_ns;
	}
	w->bin.bytes += bytes;
	w->bin.last_ns = now_ns;
}

/* Decimal digits, up to the end character, which is passed. */
static bool take_number(const char **p, char end, int64_t *out)
{
	const char *s = *p;
	int64_t v = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, *s - '0', &v))
			return false;
	if (*s != end)
		return false;
	*p = s + 1;
	*out = v;
	return true;
}

static bool parse(const char *p, const struct bin *last, struct bin *out)
{
	int64_t bytes;

	if (!take_number(&p, ',', &out->begin_ns) ||
	    !take_number(&p, ',', &bytes) ||
	    !take_number(&p, ',', &out->first_ns) ||
	    !take_number(&p, '\n', &out->last_ns) || *p)
		return false;
	out->bytes = (uint64_t)bytes;
	return bytes > 0 && out->begin_ns % BIN_NS == 0 &&
	       out->begin_ns <= INT64_MAX - BIN_NS &&
	       out->first_ns >= out->begin_ns &&
	       out->last_ns >= out->first_ns &&
	       out->last_ns < out->begin_ns + BIN_NS &&
	       (!last || last->begin_ns < out->begin_ns);
}

static int bad_line(struct err *err, const char *path, size_t line)
{
	return err_set(err, EBADMSG, "%s:%zu: not a line of a stream's file",
		       path, line);
}

int bins_read(const char *path, bin_vec *out, struct err *err)
{
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	CLEANUP_FREE char *text = NULL;
	size_t size = 0, line = 0;
	bin_vec bins = { 0 };
	ssize_t n;
	int r = f ? 0 : err_errno(err, errno, "%s", path);

	while (!r && (n = getline(&text, &size, f)) >= 0) {
		struct bin bin, *added;

		if (text[n - 1] != '\n')
			break; /* cut off: the writer was killed */
		if (!line++) {
			if (strcmp(text, BINS_CSV_HEADER) != 0)
				r = bad_line(err, path, line);
			continue;
		}
		if (strlen(text) != (size_t)n ||
		    !parse(text, bins.n ? &bins.v[bins.n - 1] : NULL, &bin)) {
			r = bad_line(err, path, line);
			break;
		}
		added = VEC_PUSH(&bins);
		if (!added)
			r = err_errno(err, ENOMEM, "%s", path);
		else
			*added = bin;
	}
	if (!r && ferror(f))
		r = err_errno(err, errno, "%s", path);
	if (r)
		VEC_FREE(&bins);
	else
		*out = bins;
	return r;
}
