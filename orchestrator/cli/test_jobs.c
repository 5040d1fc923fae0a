/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Each run is a process of its own, forked from this one when all scenarios
 * have been read, that does just what "servalab run" does: sandbox, record,
 * verdict, exit code. What it prints goes into a file in memory, to be shown
 * where the run is not passed; where its record lies, it says in a page of
 * memory that both share.
 *
 * It is in a process group of its own, so that Ctrl-C reaches this process
 * alone, which passes the signal on once: a run that gets two of them ends at
 * once, without a record. Should this process be killed, PR_SET_PDEATHSIG
 * kills the runs, and their sandboxes die with them.
 *
 * How many at once? A run sleeps most of the time, but all of its times depend
 * on being woken without delay, and where there is more to do than there are
 * cores, runs become invalid. So there are no more runs at once than cores, and
 * one that was invalid is tried again when all the others are over, alone: what
 * it lacked is then there, if the machine has it at all.
 */
#include "orchestrator/cli/test.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REDRAW_MS 200
#define OUTPUT_MAX (256 * 1024) /* of a run's output; its end is kept */

/* ---- in the child ------------------------------------------------------ */

static void be_run(const struct test *t, const struct test_job *job,
		   pid_t parent)
{
	struct test_file *f = test_file_of(t, job->at);
	struct run_options o = t->options.run;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), code;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || setpgid(0, 0) || null < 0 ||
	    dup2(null, STDIN_FILENO) < 0 ||
	    dup2(job->output, STDOUT_FILENO) < 0 ||
	    dup2(job->output, STDERR_FILENO) < 0)
		_exit(EXIT_BROKEN);
	close_range(STDERR_FILENO + 1, UINT_MAX, 0);
	sigprocmask(SIG_SETMASK, &t->old_mask, NULL);
	o.timeout_ns = f->timeout_ns;
	o.default_timeout = !t->options.has_timeout;
	code = run_once(&o, &f->loaded, job->watch);
	fflush(NULL);
	_exit(code);
}

/* ---- beginning and end ------------------------------------------------- */

static void job_free(struct test_job *job)
{
	if (job->output >= 0)
		close(job->output);
	if (job->watch != MAP_FAILED)
		munmap(job->watch, sizeof(*job->watch));
}

static int start(struct test *t, size_t at, struct err *err)
{
	struct test_job *job = VEC_PUSH(&t->running);
	pid_t self = getpid();
	int code;

	if (!job)
		return err_set(err, ENOMEM, "out of memory");
	job->at = at;
	job->began_ns = clock_mono_ns();
	job->watch = mmap(NULL, sizeof(*job->watch), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	job->output = memfd_create("output", MFD_CLOEXEC);
	if (job->watch != MAP_FAILED && job->output >= 0) {
		fflush(NULL); /* or the child's exit would write it again */
		job->pid = fork();
		if (job->pid == 0)
			be_run(t, job, self);
		if (job->pid > 0) {
			setpgid(job->pid, job->pid); /* whoever is first */
			return 0;
		}
	}
	code = errno;
	job_free(job);
	t->running.n--;
	return err_errno(err, code, "start a run");
}

static char *read_output(int fd)
{
	struct stat st;
	off_t from = 0;
	size_t have = 0;
	char *text;
	ssize_t n;

	if (fstat(fd, &st))
		return NULL;
	if (st.st_size > OUTPUT_MAX)
		from = st.st_size - OUTPUT_MAX;
	text = malloc((size_t)(st.st_size - from) + 1);
	while (text &&
	       (n = pread(fd, text + have, (size_t)(st.st_size - from) - have,
			  from + (off_t)have)) > 0)
		have += (size_t)n;
	if (text)
		text[have] = '\0';
	return text;
}

static enum suite_outcome outcome_of(const struct test *t, int status)
{
	static const enum suite_outcome outcomes[] = {
		[EXIT_HELD] = SUITE_PASSED,	[EXIT_NOT_HELD] = SUITE_FAILED,
		[EXIT_USAGE] = SUITE_WRONG,	[EXIT_BROKEN] = SUITE_BROKEN,
		[EXIT_INVALID] = SUITE_INVALID,
	};

	if (t->interrupted &&
	    (!WIFEXITED(status) || WEXITSTATUS(status) > EXIT_SIGNAL))
		return SUITE_INTERRUPTED;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_TIMED_OUT)
		return SUITE_TIMED_OUT;
	if (WIFEXITED(status) && WEXITSTATUS(status) <= EXIT_INVALID)
		return outcomes[WEXITSTATUS(status)];
	return SUITE_BROKEN;
}

/* The first "error: ..." of what it printed, where there are no results. Who
 * was killed (as when memory is short) has printed nothing. */
static void find_reason(struct suite_case *c, int status)
{
	const char *found = c->output ? strstr(c->output, "error: ") : NULL;
	char **slot = VEC_PUSH(&c->reasons);
	char name[16];

	if (!slot)
		return;
	if (found) {
		found += strlen("error: ");
		*slot = strndup(found, strcspn(found, "\n"));
	} else if (WIFSIGNALED(status)) {
		if (asprintf(slot, "the process that ran it ended by %s",
			     units_format_signal(WTERMSIG(status), name,
						 sizeof(name))) < 0)
			*slot = NULL;
	} else {
		*slot = strdup("it ended without saying why");
	}
	if (!*slot)
		c->reasons.n--;
}

static void take_result(struct suite_case *c, const struct test_job *job,
			int status)
{
	if (job->watch->record[0])
		c->record = strdup(job->watch->record);
	if (c->outcome == SUITE_PASSED)
		return;
	c->output = read_output(job->output);
	if (c->output && !*c->output)
		free(TAKE_PTR(c->output));
	suite_read(c, NULL);
	if ((c->outcome == SUITE_BROKEN || c->outcome == SUITE_TIMED_OUT) &&
	    !c->reasons.n)
		find_reason(c, status);
}

static void job_ended(struct test *t, size_t which, int status)
{
	struct test_job job = t->running.v[which];
	struct suite_case *c = &t->suite.cases.v[job.at];
	int64_t took = clock_mono_ns() - job.began_ns;
	size_t *slot;

	t->running.v[which] = t->running.v[--t->running.n];
	suite_case_clear(c);
	c->outcome = outcome_of(t, status);
	c->took_ns += took;
	take_result(c, &job, status);
	job_free(&job);
	test_file_of(t, job.at)->expected_ns = took;
	if (c->outcome == SUITE_INVALID &&
	    c->invalid_before < t->options.retry_invalid && !t->interrupted &&
	    (slot = VEC_PUSH(&t->again))) {
		*slot = job.at;
		test_show_retry(t, job.at);
		c->invalid_before++;
		c->outcome = SUITE_NOT_RUN;
		return;
	}
	test_case_done(t, job.at);
}

static void reap(struct test *t)
{
	for (size_t i = t->running.n; i-- > 0;) {
		int status;

		if (waitpid(t->running.v[i].pid, &status, WNOHANG) ==
		    t->running.v[i].pid)
			job_ended(t, i, status);
	}
}

/* ---- the loop ---------------------------------------------------------- */

static void interrupt(struct test *t, int signal)
{
	bool again = t->interrupts++ > 0;

	if (!again) {
		t->interrupted = signal;
		test_show_line(t, "stopping; once more to stop at once");
	}
	for (size_t i = 0; i < t->running.n; i++)
		kill(t->running.v[i].pid, again ? SIGKILL : signal);
}

static void take_signal(struct test *t)
{
	struct signalfd_siginfo info;

	if (read(t->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGCHLD)
		interrupt(t, (int)info.ssi_signo);
}

static bool is_stopping(const struct test *t)
{
	return t->interrupted || (t->options.until_fail && t->failed);
}

static int start_some(struct test *t, struct err *err)
{
	int r = 0;

	while (!r && !is_stopping(t) && t->waiting.n &&
	       t->running.n < t->options.jobs)
		r = start(t, t->waiting.v[--t->waiting.n], err);
	if (!r && !is_stopping(t) && !t->waiting.n && !t->running.n &&
	    t->again.n)
		r = start(t, t->again.v[--t->again.n], err);
	return r;
}

int test_run_all(struct test *t, struct err *err)
{
	struct pollfd pfd = { .fd = t->signals, .events = POLLIN };
	int r = 0;

	for (;;) {
		if (!r) {
			r = start_some(t, err);
			if (r && t->running.n)
				interrupt(t, SIGTERM);
		}
		if (!t->running.n)
			break;
		test_show_running(t);
		if (poll(&pfd, 1, t->is_terminal ? REDRAW_MS : -1) > 0)
			take_signal(t);
		reap(t);
	}
	test_show_erase(t);
	/* Invalid ones whose turn to be tried again never came. */
	while (t->again.n) {
		size_t at = t->again.v[--t->again.n];

		t->suite.cases.v[at].invalid_before--;
		t->suite.cases.v[at].outcome = SUITE_INVALID;
		test_case_done(t, at);
	}
	return r;
}
