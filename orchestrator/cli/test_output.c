/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * The files that servalab test writes for other programs. That one of them
 * can't be written is no surprise for the end of a long test, so this is seen
 * to before anything is read, and without any harm: should the command line or
 * a scenario be wrong, or the test be killed, what there was is still there.
 * An output that is one of the scenarios, or the other output, is refused.
 *
 * TAP is a stream: readers follow it, so it is written in its place, which is
 * emptied when all else is known to be right.
 *
 * JUnit's XML is written in the end, whole, beside the file, which is then
 * replaced by it. Not everything can be replaced, and is written in its place:
 * devices, pipes, a file that a shell's redirection has opened for us (those
 * who hold it would go on with the old one), one in a folder that can't be
 * written, one that is a mount of its own.
 */
#include "orchestrator/cli/test.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INHERITED_MAX 64 /* descriptors that a shell may have opened for us */

/* ---- which file ---------------------------------------------------------- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* A copy of our own descriptor of the file that may be written, or -1: the
 * place in it where others write as well is the descriptor's. */
static int inherited(const struct stat *st)
{
	struct stat own;

	for (int fd = STDOUT_FILENO; fd < INHERITED_MAX; fd++)
		if (!fstat(fd, &own) && S_ISREG(own.st_mode) &&
		    is_same(&own, st) &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
			return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return -1;
}

/* ---- opening ------------------------------------------------------------- */

/* Opens it as it is, or makes it; nothing is lost of it yet. 0 or an errno. */
static int open_in_place(struct test_output *o)
{
	struct stat st;
	int fd = -1, code;

	if (!stat(o->path, &st))
		fd = inherited(&st);
	else
		o->fresh = lstat(o->path, &st) != 0;
	o->keeps = fd >= 0;
	if (fd < 0)
		fd = open(o->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY,
			  0666);
	if (fd < 0)
		return errno;
	o->file = fdopen(fd, "w");
	if (o->file)
		return 0;
	code = errno;
	close(fd);
	return code;
}

static bool can_write(const char *path, int mode)
{
	return !faccessat(AT_FDCWD, path, mode, AT_EACCESS);
}

/* Where the whole is to be put in the end, or that it is to be written in its
 * place. 0 or an errno. */
static int open_whole(struct test_output *o)
{
	CLEANUP_FREE char *folder = NULL;
	struct stat st;
	bool exists = !stat(o->path, &st);
	int fd = exists ? inherited(&st) : -1;

	if (!exists && errno != ENOENT)
		return errno;
	if (fd >= 0)
		close(fd);
	/* A link to nothing is followed, not replaced. */
	if (exists ? fd >= 0 || !S_ISREG(st.st_mode) : !lstat(o->path, &st))
		return open_in_place(o);
	if (exists && !can_write(o->path, W_OK))
		return errno;
	o->target = exists ? realpath(o->path, NULL) : strdup(o->path);
	if (!o->target)
		return errno;
	if (o->target[strlen(o->target) - 1] == '/')
		return EISDIR;
	folder = strdup(o->target);
	if (!folder)
		return ENOMEM;
	if (can_write(dirname(folder), W_OK | X_OK))
		return 0;
	if (!exists)
		return errno;
	free(TAKE_PTR(o->target));
	return open_in_place(o);
}

/* ---- what is refused ----------------------------------------------------- */

static int stat_output(const struct test_output *o, struct stat *st)
{
	return o->file ? fstat(fileno(o->file), st) : stat(o->path, st);
}

/* 0, or the exit code. */
static int refuse_inputs(const struct test *t, const char *option,
			 const struct test_output *o)
{
	struct stat st, input;

	if (stat_output(o, &st) || !S_ISREG(st.st_mode))
		return 0;
	for (size_t i = 0; i < t->options.n_files; i++)
		if (!stat(t->options.files[i], &input) && is_same(&st, &input))
			return usage_error(
				"test",
				"%s: '%s' is one of the scenarios, and would "
				"be overwritten; name another file",
				option, o->path);
	return 0;
}

static int refuse_each_other(const struct test *t)
{
	struct stat tap, junit;

	if (!t->options.tap || !t->options.junit ||
	    stat_output(&t->tap, &tap) || stat_output(&t->junit, &junit) ||
	    S_ISCHR(tap.st_mode) || !is_same(&tap, &junit))
		return 0;
	return usage_error("test",
			   "--junit and --tap are the same file, '%s'; name "
			   "two",
			   t->junit.path);
}

static int tell_unwritable(const char *option, const char *path, int code)
{
	return usage_error("test", "%s: cannot write '%s': %s; %s", option,
			   path, strerror(code),
			   code == ENOENT ?
				   "make its folder first, or name another "
				   "file" :
				   "name a file that can be written");
}

static void drop(struct test_output *o)
{
	if (o->file && o->file != stdout) {
		fclose(o->file);
		if (o->fresh)
			unlink(o->path);
	}
	o->file = NULL;
	free(TAKE_PTR(o->target));
}

static int open_both(struct test *t)
{
	int code = 0, r = 0;

	t->tap.path = t->options.tap;
	t->junit.path = t->options.junit;
	if (t->tap.path && !strcmp(t->tap.path, "-")) {
		t->tap.file = stdout;
		t->tap.keeps = true;
	} else if (t->tap.path) {
		r = open_in_place(&t->tap);
		code = r ? tell_unwritable("--tap", t->tap.path, r) :
			   refuse_inputs(t, "--tap", &t->tap);
	}
	if (!code && t->junit.path) {
		r = open_whole(&t->junit);
		code = r ? tell_unwritable("--junit", t->junit.path, r) :
			   refuse_inputs(t, "--junit", &t->junit);
	}
	return code ? code : refuse_each_other(t);
}

int test_outputs_open(struct test *t)
{
	int code = open_both(t);

	if (code) {
		drop(&t->tap);
		drop(&t->junit);
	}
	return code;
}

/* ---- writing ------------------------------------------------------------- */

/* What was there goes. */
static int begin(struct test_output *o)
{
	struct stat st;

	if (o->keeps || fstat(fileno(o->file), &st) || !S_ISREG(st.st_mode))
		return 0;
	return ftruncate(fileno(o->file), 0) ? -errno : 0;
}

/* The first that went wrong is why all that follows does. */
static void note(struct test_output *o, int r)
{
	if (!o->failed)
		o->failed = r;
}

/* In the order of the files: a reader finds the same in the same place. */
void test_output_tap(struct test *t, bool all)
{
	while (t->tap.file && t->tap_told < t->suite.cases.n) {
		const struct suite_case *c = &t->suite.cases.v[t->tap_told];

		if (c->outcome == SUITE_NOT_RUN && !all)
			break;
		note(&t->tap, suite_write_tap_case(&t->suite, c, ++t->tap_told,
						   t->tap.file));
	}
}

/* Closes it. 0 or a negative errno. */
static int end(struct test_output *o, int r)
{
	bool failed = ferror(o->file);

	if (o->file == stdout)
		failed |= fflush(stdout) != 0;
	else if (fclose(o->file) && !r)
		r = -errno;
	o->file = NULL;
	return r ? r : failed ? -EIO : 0;
}

static int write_in_place(struct test_output *o, const struct suite *s)
{
	int r = begin(o);

	return end(o, r ? r : suite_write_junit(s, o->file));
}

/* The mode, and as far as that is allowed the owner, of what is replaced. */
static void dress(int fd, const char *target)
{
	struct stat st;
	mode_t mask = umask(0);

	umask(mask);
	if (stat(target, &st)) {
		fchmod(fd, 0666 & ~mask);
		return;
	}
	if (fchown(fd, st.st_uid, st.st_gid))
		mask = 0; /* then it is ours */
	fchmod(fd, st.st_mode & 0777);
}

static int replace(struct test_output *o, const struct suite *s)
{
	CLEANUP_FREE char *temp = NULL;
	int fd, r;

	if (asprintf(&temp, "%s.XXXXXX.tmp", o->target) < 0) {
		temp = NULL;
		return -ENOMEM;
	}
	fd = mkostemps(temp, (int)strlen(".tmp"), O_CLOEXEC);
	if (fd >= 0) {
		dress(fd, o->target);
		o->file = fdopen(fd, "w");
		r = o->file ? end(o, suite_write_junit(s, o->file)) : -ENOMEM;
		if (!r && !rename(temp, o->target))
			return 0;
		unlink(temp);
		if (r)
			return r;
	}
	/* A name that is too long with more at its end, a mount of its own, a
	 * sticky folder. */
	o->file = fopen(o->target, "we");
	return o->file ? write_in_place(o, s) : -errno;
}

void test_outputs_begin(struct test *t)
{
	if (!t->tap.file)
		return;
	note(&t->tap, begin(&t->tap));
	note(&t->tap, suite_write_tap_head(t->tap.file));
}

int test_outputs_write(struct test *t, struct err *err)
{
	struct err failed = ERR_INIT;
	char bail[48];
	int r = 0, w = 0;

	if (t->tap.file) {
		test_output_tap(t, true);
		snprintf(bail, sizeof(bail), "interrupted by signal %d",
			 t->interrupted);
		note(&t->tap, suite_write_tap_end(t->tap_told,
						  t->interrupted ? bail : NULL,
						  t->tap.file));
		r = end(&t->tap, t->tap.failed);
		if (r)
			err_errno(&failed, -r, "write %s",
				  strcmp(t->tap.path, "-") == 0 ?
					  "TAP to standard output" :
					  t->tap.path);
	}
	if (t->junit.file)
		w = write_in_place(&t->junit, &t->suite);
	else if (t->junit.target)
		w = replace(&t->junit, &t->suite);
	if (w && !r)
		err_errno(&failed, -w, "write %s", t->junit.path);
	free(TAKE_PTR(t->junit.target));
	if (failed.code && err && !err->code)
		*err = failed;
	return r ? r : w;
}
