/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file is in the order in which replies came, with a line for each copy of
 * a reply. It is read whole, sorted, and folded into one sample a packet; a
 * packet's lines must be either a single "copy 0" or the copies 1, 2, 3, ...:
 * anything else was not written by a probe, and figures made of it would lie.
 */
#include "orchestrator/observe/samples.h"
#include "base/cleanup.h"
#include "orchestrator/observe/probe.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct row {
	struct sample sample; /* copies: the number of this copy */
	size_t line;
};

typedef VEC(struct row) row_vec;

static void row_vec_freep(row_vec *v)
{
	VEC_FREE(v);
}

/* Decimal digits only, up to the comma, which is passed. */
static bool take_number(const char **p, uint64_t max, uint64_t *out)
{
	const char *s = *p;
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		if (v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (*s != ',')
		return false;
	*p = s + 1;
	*out = v;
	return true;
}

/* The columns with which all rows begin: seq,sent,received, the last of which
 * may be empty. */
static bool take_times(const char **p, struct sample *out, bool *has_received)
{
	uint64_t sent, received = 0;

	if (!take_number(p, UINT64_MAX, &out->seq) ||
	    !take_number(p, INT64_MAX, &sent))
		return false;
	*has_received = **p != ',';
	if (!*has_received)
		++*p;
	else if (!take_number(p, INT64_MAX, &received))
		return false;
	out->sent_ns = (int64_t)sent;
	out->received_ns = *has_received ? (int64_t)received : SAMPLE_NONE;
	return true;
}

static bool parse_row(const char *p, struct sample *out)
{
	uint64_t copy;
	bool has_received;
	size_t n;

	if (!take_times(&p, out, &has_received))
		return false;
	if (!take_number(&p, UINT_MAX, &copy) || has_received != (copy > 0))
		return false;
	n = strlen(p);
	if (n >= sizeof(out->error) || strpbrk(p, ",\""))
		return false;
	out->copies = (unsigned)copy;
	memcpy(out->error, p, n + 1);
	return true;
}

/* A text up to a comma, which is passed. */
static bool take_text(const char **p, char *out, size_t size)
{
	size_t n = strcspn(*p, ",");

	if (n >= size || (*p)[n] != ',' || memchr(*p, '"', n))
		return false;
	memcpy(out, *p, n);
	out[n] = '\0';
	*p += n + 1;
	return true;
}

/* "seq,sent,received,error,connection,local_port,status,bytes" */
static bool parse_request(const char *p, struct sample *out)
{
	uint64_t port;
	char status[8];
	bool has_received;

	if (!take_times(&p, out, &has_received))
		return false;
	if (!take_text(&p, out->error, sizeof(out->error)) ||
	    !take_number(&p, UINT64_MAX, &out->connection) ||
	    !take_number(&p, UINT16_MAX, &port) ||
	    !take_text(&p, status, sizeof(status)) ||
	    status[strspn(status, "0123456789")] || !*p ||
	    p[strspn(p, "0123456789")])
		return false;
	if (!has_received && !*out->error)
		return false;
	/* An answer that says "no" is none. */
	if (*out->error)
		out->received_ns = SAMPLE_NONE;
	out->copies = has_received && !*out->error;
	out->request = true;
	out->local_port = (uint16_t)port;
	return true;
}

static int bad_line(struct err *err, const char *path, size_t line,
		    const char *what)
{
	return err_set(err, EBADMSG, "%s:%zu: %s", path, line, what);
}

static int read_rows(FILE *f, const char *path, row_vec *rows, struct err *err)
{
	CLEANUP_FREE char *text = NULL;
	bool (*parse)(const char *p, struct sample *out) = parse_row;
	size_t size = 0, line = 0;
	ssize_t n;

	while ((n = getline(&text, &size, f)) >= 0) {
		struct row *row;

		line++;
		if (text[n - 1] != '\n')
			return 0; /* cut off: the writer was killed */
		if (line == 1) {
			if (strcmp(text, REQUEST_CSV_HEADER) == 0)
				parse = parse_request;
			else if (strcmp(text, PROBE_CSV_HEADER) != 0)
				return bad_line(err, path, line,
						"not the header of a probe's "
						"file");
			continue;
		}
		text[n - 1] = '\0';
		row = VEC_PUSH(rows);
		if (!row)
			return err_errno(err, ENOMEM, "%s", path);
		row->line = line;
		if (memchr(text, '\0', (size_t)n - 1) ||
		    !parse(text, &row->sample))
			return bad_line(err, path, line,
					"not a line of a probe's file");
	}
	if (ferror(f))
		return err_errno(err, errno, "%s", path);
	return 0;
}

static int row_compare(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;

	if (a->sample.seq != b->sample.seq)
		return a->sample.seq < b->sample.seq ? -1 : 1;
	if (a->sample.copies != b->sample.copies)
		return a->sample.copies < b->sample.copies ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static int fold(const row_vec *rows, const char *path, sample_vec *out,
		struct err *err)
{
	struct sample *last = NULL;

	for (size_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->v[i];

		if (last && last->seq == row->sample.seq) {
			if (!last->copies || last->copies == UINT_MAX ||
			    row->sample.copies != last->copies + 1 ||
			    row->sample.sent_ns != last->sent_ns)
				return bad_line(err, path, row->line,
						"does not fit another line of "
						"the same packet");
			last->copies++;
			continue;
		}
		if (row->sample.copies > 1)
			return bad_line(err, path, row->line,
					"a copy of a reply that is not there");
		last = VEC_PUSH(out);
		if (!last)
			return err_errno(err, ENOMEM, "%s", path);
		*last = row->sample;
	}
	return 0;
}

int samples_read(const char *path, sample_vec *out, struct err *err)
{
	CLEANUP(row_vec_freep) row_vec rows = { 0 };
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	sample_vec folded = { 0 };
	int r;

	if (!f)
		return err_errno(err, errno, "%s", path);
	r = read_rows(f, path, &rows, err);
	if (r)
		return r;
	if (rows.n)
		qsort(rows.v, rows.n, sizeof(*rows.v), row_compare);
	r = fold(&rows, path, &folded, err);
	if (r) {
		VEC_FREE(&folded);
		return r;
	}
	*out = folded;
	return 0;
}
