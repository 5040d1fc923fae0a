/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that a scenario names: delivery traces, histograms, patterns. They are
 * looked for in the scenario's own folder, so that it works from everywhere,
 * and read once, however often they are named.
 *
 * A scenario that is parsed from memory looks at no file at all. It is somebody
 * else's text (a fuzzer's, or that of a record which may be from another
 * machine), and must not make us open what it says. Its files are stand-ins,
 * which have their names and kinds; nothing else of them is asked there.
 */
#include "orchestrator/scenario/link_props.h"

#include "base/cleanup.h"
#include "orchestrator/link/histogram.h"
#include "orchestrator/link/pattern.h"
#include "orchestrator/link/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)16 << 20) /* of one */
#define FILES_BYTES_MAX ((size_t)64 << 20) /* of all */
#define FILES_MAX 1000

static const char *const stand_ins[] = {
	[SCN_FILE_TRACE] = "1\n",
	[SCN_FILE_HISTOGRAM] = "0ms 1\n",
	[SCN_FILE_PATTERN] = ".",
};

static int parse(struct scn_file *f, const char *path, const char *text,
		 size_t len, struct diag *diag)
{
	switch (f->kind) {
	case SCN_FILE_TRACE:
		return link_trace_parse(path, text, len, f->loop, diag,
					&f->trace);
	case SCN_FILE_HISTOGRAM:
		return link_histogram_parse(path, text, len, diag,
					    &f->histogram);
	case SCN_FILE_PATTERN:
		return link_pattern_parse(path, text, len, diag, &f->pattern);
	}
	return -EINVAL;
}

/* Adds the file to the scenario once it is parsed. On failure nothing is kept;
 * errors are in the loader's diag, or it is out of memory. */
static const struct scn_file *keep(struct loader *l, struct scn_file *f,
				   const char *shown, const char *text,
				   size_t len)
{
	struct scn_file *slot = LOADER_PUSH(l, &l->s->files);
	int r = -ENOMEM;

	if (slot && f->path)
		r = parse(f, shown, text, len, l->diag);
	if (r) {
		l->s->files.n -= slot != NULL;
		l->no_memory |= r == -ENOMEM;
		free(f->path);
		free(f->text);
		return NULL;
	}
	*slot = *f;
	return slot;
}

/* 0, a positive errno, or -1: too large. */
static int read_all(const char *path, char **out, size_t *len)
{
	/* Neither a device nor a pipe may hold us up. */
	CLEANUP_CLOSE int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	CLEANUP_FREE char *text = NULL;
	struct stat st;
	ssize_t n;

	*len = 0;
	if (fd < 0 || fstat(fd, &st))
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode))
		return EINVAL;
	if (st.st_size > (off_t)FILE_BYTES_MAX)
		return -1;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return ENOMEM;
	while (*len < (size_t)st.st_size) {
		n = read(fd, text + *len, (size_t)st.st_size - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (!n)
			break;
		*len += (size_t)n;
	}
	text[*len] = '\0';
	*out = TAKE_PTR(text);
	return 0;
}

static bool read_named(struct loader *l, const struct tree_node *node,
		       const char *path, char **text, size_t *len)
{
	int r = read_all(path, text, len);

	if (!r && *len > FILES_BYTES_MAX - l->file_bytes) {
		free(TAKE_PTR(*text));
		tree_error(l->diag, node,
			   "the files of this scenario hold more than %zu MiB",
			   FILES_BYTES_MAX >> 20);
	} else if (!r) {
		l->file_bytes += *len;
		return true;
	} else if (r < 0) {
		tree_error(l->diag, node, "%s is larger than %zu MiB", path,
			   FILE_BYTES_MAX >> 20);
	} else {
		tree_error(l->diag, node, "cannot read %s: %s", path,
			   r == EINVAL ? "not a file" : strerror(r));
		if (r == ENOENT)
			diag_help(l->diag, "files are looked for in the folder "
					   "of the scenario");
	}
	return false;
}

const struct scn_file *file_read(struct loader *l, const struct tree_node *node,
				 enum scn_file_kind kind, bool loop)
{
	struct scn_file f = { .kind = kind, .loop = loop };
	const char *path = node->text;
	size_t errors;
	const struct scn_file *kept;

	for (size_t i = 0; i < l->s->files.n; i++) {
		const struct scn_file *had = &l->s->files.v[i];

		if (had->kind == kind && had->loop == loop &&
		    (had->text || !l->folder) && !strcmp(had->path, node->text))
			return had;
	}
	if (l->s->files.n >= FILES_MAX) {
		tree_error(l->diag, node,
			   "this scenario names more than %d "
			   "files",
			   FILES_MAX);
		return NULL;
	}
	f.path = loader_dup(l, node->text);
	if (!l->folder) {
		const char *text = stand_ins[kind];

		return keep(l, &f, path, text, strlen(text));
	}
	if (*path != '/' && *l->folder)
		path = loader_format(l, "%s/%s", l->folder, path);
	if (!f.path || !path || !read_named(l, node, path, &f.text, &f.len)) {
		free(f.path);
		return NULL;
	}
	errors = diag_count(l->diag);
	kept = keep(l, &f, path, f.text, f.len);
	if (!kept && diag_count(l->diag) > errors)
		diag_note(l->diag, node->pos, node->width, "it is named here");
	return kept;
}

const struct scn_file *pattern_read(struct loader *l,
				    const struct tree_node *node)
{
	struct scn_file f = { .kind = SCN_FILE_PATTERN };
	const char *wrong = node->text + strspn(node->text, ".x ");

	if (*wrong) {
		tree_error_part(l->diag, node, wrong, 1,
				"a pattern has only '.' (passes), 'x' (is "
				"lost) and spaces");
		return NULL;
	}
	if (!strpbrk(node->text, ".x")) {
		tree_error(l->diag, node, "this pattern has no frames");
		return NULL;
	}
	f.path = loader_dup(l, node->text);
	return keep(l, &f, node->text, node->text, node->n);
}
