/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/cleanup.h"
#include "orchestrator/observe/capture_sort.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool parse_line(char *line, int64_t *time_ns, char **text)
{
	char *end;
	long long t;

	if (*line < '0' || *line > '9')
		return false;
	errno = 0;
	t = strtoll(line, &end, 10);
	if (errno || *end != ' ' || !end[1])
		return false;
	*time_ns = t;
	*text = end + 1;
	return true;
}

static int comment_compare(const void *pa, const void *pb)
{
	const struct capture_comment *a = pa, *b = pb;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static int read_lines(FILE *f, capture_comment_vec *v)
{
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, f)) >= 0) {
		struct capture_comment *c;
		int64_t time_ns;
		char *text;

		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (!parse_line(line, &time_ns, &text))
			continue;
		c = VEC_PUSH(v);
		if (!c)
			return -ENOMEM;
		c->time_ns = time_ns;
		c->order = v->n;
		c->text = strdup(text);
		if (!c->text)
			return -ENOMEM;
	}
	return ferror(f) ? -EIO : 0;
}

int capture_comments_read(const char *path, capture_comment_vec *out,
			  struct err *err)
{
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	capture_comment_vec v = { 0 };
	int r;

	*out = v;
	if (!f && errno == ENOENT)
		return 0;
	if (!f)
		return err_errno(err, errno, "%s", path);
	r = read_lines(f, &v);
	if (r) {
		capture_comments_free(&v);
		return err_errno(err, -r, "%s", path);
	}
	if (v.n)
		qsort(v.v, v.n, sizeof(*v.v), comment_compare);
	*out = v;
	return 0;
}

void capture_comments_free(capture_comment_vec *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i].text);
	VEC_FREE(v);
}
