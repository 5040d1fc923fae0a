/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A record is whole: it holds what the scenario's text does not, the files that
 * it names. They keep their paths below inputs/, so that a copy of
 * scenario.yaml put there runs again; what leads out of the scenario's folder
 * would lead out of the record, and so becomes a name ("../x" is "up/x", "/x"
 * is "root/x").
 */
#include "orchestrator/cli/inputs.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUTS "inputs"

/* "inputs/up/traces/lte.down" */
static int inner_path(const char *path, char *buf, size_t size)
{
	const char *root = *path == '/' ? "/root" : "";
	size_t at = (size_t)snprintf(buf, size, "%s%s", INPUTS, root);

	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && !strncmp(path, "..", 2))
			at += (size_t)snprintf(buf + at, size - at, "/up");
		else if (len && !(len == 1 && *path == '.'))
			at += (size_t)snprintf(buf + at, size - at, "/%.*s",
					       (int)len, path);
		if (at >= size)
			return -ENAMETOOLONG;
		path += len;
		path += *path == '/';
	}
	return 0;
}

static int make_folders(int dir, char *path)
{
	for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		int r;

		*p = '\0';
		r = mkdirat(dir, path, 0755) && errno != EEXIST ? -errno : 0;
		*p = '/';
		if (r)
			return r;
	}
	return 0;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int copy(int dir, const struct scn_file *f, struct err *err)
{
	char path[PATH_MAX];
	CLEANUP_CLOSE int fd = -1;
	int r = inner_path(f->path, path, sizeof(path));

	if (!r)
		r = make_folders(dir, path);
	if (!r) {
		fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			    0644);
		/* Named twice, as "x" and "./x", or to loop and not to. */
		if (fd < 0 && errno == EEXIST)
			return 0;
		r = fd < 0 ? -errno : write_all(fd, f->text, f->len);
	}
	return r ? err_errno(err, -r, "copy %s into the record", f->path) : 0;
}

int record_inputs(int dir, const struct scenario *s, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->files.n && !r; i++)
		if (s->files.v[i].text)
			r = copy(dir, &s->files.v[i], err);
	return r;
}
