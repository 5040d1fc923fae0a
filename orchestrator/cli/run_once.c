/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The owner of a run. It makes the record's folder, starts the sandbox, and
 * does nothing then but pass messages on to the terminal and signals to the
 * sandbox. When all of that is over it judges the record.
 */
#include "orchestrator/cli/run_once.h"

#include "orchestrator/cli/host_check.h"
#include "orchestrator/cli/inputs.h"
#include "orchestrator/cli/recorder.h"
#include "orchestrator/cli/supervise.h"
#include "orchestrator/report/report.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SUMMARY_WIDTH 80
#define POLL_MAX_MS 3600000
#define TIMED_OUT_NS (30 * NSEC_PER_SEC) /* for its end, once it was told */

/* The record's folder. */
struct record {
	char path[PATH_MAX];
	int fd;
};

/* ---- the record's folder ----------------------------------------------- */

static int make_dirs(char *path, struct err *err)
{
	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return err_errno(err, errno, "make the folder %s",
					 path);
		*p = c;
		if (!c)
			return 0;
	}
}

/* Closes a file that was written: 0, or the errno of what went wrong. */
static int finish_file(FILE *f)
{
	int code = 0;

	if (ferror(f) || fflush(f))
		code = errno ? errno : EIO;
	if (fclose(f) && !code)
		code = errno;
	return code;
}

static int write_copy(int dir, const char *name, const char *text, size_t len,
		      struct err *err)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			0644);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	int code = errno;

	if (!f) {
		if (fd >= 0)
			close(fd);
		return err_errno(err, code, "write %s", name);
	}
	fwrite(text, 1, len, f);
	code = finish_file(f);
	return code ? err_errno(err, code, "write %s", name) : 0;
}

/* RESULTS/NAME/TIME, or TIME-2, ... where another run has it. */
static int make_record(const struct run_options *o, const struct scenario *s,
		       struct record *rec, struct err *err)
{
	time_t now = time(NULL);
	char stamp[32], parent[PATH_MAX];
	struct tm tm;
	int n, r;

	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	n = snprintf(parent, sizeof(parent), "%s/%s", o->results, s->name);
	if (n < 0 || (size_t)n + 64 > sizeof(parent))
		return err_errno(err, ENAMETOOLONG, "%s", o->results);
	r = make_dirs(parent, err);
	if (r) {
		err_hint(err, "keep the records elsewhere: --results DIR");
		return r;
	}
	for (unsigned i = 1;; i++) {
		snprintf(rec->path, sizeof(rec->path),
			 i == 1 ? "%.*s/%s" : "%.*s/%s-%u", PATH_MAX - 64,
			 parent, stamp, i);
		if (!mkdir(rec->path, 0755))
			break;
		if (errno != EEXIST || i == 10000)
			return err_errno(err, errno, "make the folder %s",
					 rec->path);
	}
	rec->fd = open(rec->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rec->fd < 0)
		return err_errno(err, errno, "open %s", rec->path);
	r = write_copy(rec->fd, RECORD_SCENARIO, s->text, s->text_len, err);
	return r ? r : record_inputs(rec->fd, s, err);
}

/* ---- while the lab lives ----------------------------------------------- */

/* A run that is to end early, by whom, and how often that was asked for. */
struct stopping {
	int signal; /* 0: by none */
	bool timed_out;
	bool default_timeout; /* nobody asked for it */
	unsigned asked;
	int64_t due_ns; /* when its time is over; INT64_MAX: never */
};

static void tell(bool quiet, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(bool quiet, const char *fmt, ...)
{
	va_list ap;

	if (quiet)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
}

static void stop_for_signal(struct stopping *s, struct sandbox *sandbox,
			    int signals, bool quiet)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (++s->asked > 1) {
		kill(sandbox->init, SIGKILL);
		return;
	}
	tell(quiet, "stopping; once more to stop at once\n");
	s->signal = (int)info.ssi_signo;
	sandbox_interrupt(sandbox, s->signal);
}

/* Where it does not end even so, it is killed. */
static void stop_when_due(struct stopping *s, struct sandbox *sandbox,
			  bool quiet)
{
	int64_t now_ns = clock_mono_ns();

	if (now_ns < s->due_ns)
		return;
	s->due_ns = INT64_MAX;
	if (s->timed_out) {
		kill(sandbox->init, SIGKILL);
		return;
	}
	if (s->signal)
		return; /* it ends anyway, and whoever asked for it watches */
	s->due_ns = now_ns + TIMED_OUT_NS;
	s->timed_out = true;
	s->asked++;
	tell(quiet, "the run has had its time: stopping\n");
	sandbox_interrupt(sandbox, RUN_TIMED_OUT);
}

static int poll_ms(int64_t due_ns)
{
	int64_t ms = (due_ns - clock_mono_ns()) / NSEC_PER_MSEC;

	if (due_ns == INT64_MAX)
		return -1;
	return ms < 0 ? 0 : ms > POLL_MAX_MS ? POLL_MAX_MS : (int)ms + 1;
}

/* Passes on what the sandbox says until it has nothing more to say. True: the
 * record is whole. */
static bool listen_to(struct sandbox *sandbox, int signals, bool quiet,
		      struct host_check *host, struct stopping *s,
		      bool *refused, struct err *err)
{
	struct pollfd fds[] = {
		{ .fd = sandbox->messages, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};

	for (;;) {
		struct message m;
		ssize_t n;

		if (poll(fds, 2, poll_ms(s->due_ns)) < 0 && errno != EINTR)
			return false;
		if (fds[1].revents & POLLIN)
			stop_for_signal(s, sandbox, signals, quiet);
		stop_when_due(s, sandbox, quiet);
		if (!(fds[0].revents & (POLLIN | POLLHUP)))
			continue;
		n = recv(sandbox->messages, &m, sizeof(m), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n != sizeof(m))
			return false; /* the end */
		if (m.kind == MESSAGE_RECORDED)
			return true;
		*refused |= m.kind == MESSAGE_REFUSED;
		if (m.kind == MESSAGE_ERROR || m.kind == MESSAGE_REFUSED)
			*err = m.err;
		else if (m.kind == MESSAGE_NAMESPACES)
			host_check_namespaces(host, m.inodes, MESSAGE_INODES);
		else
			tell(quiet, "%s\n", m.text);
	}
}

/* A few descriptors a node: the usual soft limit of 1,024 is soon reached.
 * Returns what it was. */
static struct rlimit raise_file_limit(void)
{
	struct rlimit old, limit;

	getrlimit(RLIMIT_NOFILE, &old);
	limit = old;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return old;
}

/* ---- judging -------------------------------------------------------- */

static int write_summary(const struct report *report, const char *dir,
			 struct err *err)
{
	char path[PATH_MAX + 32];
	FILE *f;
	int code;

	snprintf(path, sizeof(path), "%s/%s", dir, RECORD_SUMMARY);
	f = fopen(path, "we");
	if (!f)
		return err_errno(err, errno, "write %s", path);
	report_print(report, f, false, SUMMARY_WIDTH);
	code = finish_file(f);
	return code ? err_errno(err, code, "write %s", path) : 0;
}

static int judge(const struct record *rec, int signal)
{
	static const int codes[] = {
		[REPORT_PASSED] = EXIT_HELD,
		[REPORT_FAILED] = EXIT_NOT_HELD,
		[REPORT_INVALID] = EXIT_INVALID,
		[REPORT_TIMED_OUT] = EXIT_TIMED_OUT,
	};
	struct report *report = NULL;
	struct err err = ERR_INIT;
	int code = EXIT_BROKEN;

	if (report_make(rec->path, &report, &err)) {
		print_error(NULL, &err);
		return EXIT_BROKEN;
	}
	if (write_summary(report, rec->path, &err) ||
	    report_write_json(report, rec->path, &err)) {
		print_error(NULL, &err);
		report_free(report);
		return EXIT_BROKEN;
	}
	report_print(report, stdout, wants_color(STDOUT_FILENO),
		     terminal_width(STDOUT_FILENO));
	printf("\nrecord: %s\n", rec->path);
	if (report_verdict(report) == REPORT_INTERRUPTED)
		code = EXIT_SIGNAL + (signal ? signal : SIGINT);
	else
		code = codes[report_verdict(report)];
	report_free(report);
	return code;
}

/*
 * The results of a run that broke, for programs that wait for them. What it
 * left may be too little for that (its folder may be full), and why it broke is
 * what people need to be told, so that they are not told of this.
 */
static void write_up(const struct record *rec)
{
	struct report *report = NULL;

	if (report_make(rec->path, &report, NULL))
		return;
	if (!write_summary(report, rec->path, NULL))
		report_write_json(report, rec->path, NULL);
	report_free(report);
}

/* ---- all of it ------------------------------------------------------- */

/*
 * Tells why, and whether something that the lab needs is missing here. Asking
 * that beforehand would be of no use to anybody whose labs work, and cost each
 * run more than building a small one does; and nothing is left of what was
 * built until the failure.
 */
static int lab_broke(const struct loaded *l, const struct record *rec,
		     const struct err *err)
{
	print_error(l->diag, err);
	write_up(rec);
	fprintf(stderr, "record, up to then: %s\n", rec->path);
	check_features(l->plan);
	return EXIT_BROKEN;
}

/* Why there is nothing to judge; returns the exit code. */
static int tell_end(const struct loaded *l, const struct record *rec,
		    const struct stopping *s, const struct err *why)
{
	struct err err = ERR_INIT;

	if (why->code)
		return lab_broke(l, rec, why);
	if (s->signal) {
		fprintf(stderr, "stopped at once; what was recorded is in %s\n",
			rec->path);
		return EXIT_SIGNAL + s->signal;
	}
	if (s->timed_out) {
		err_set(&err, ETIMEDOUT,
			"the run did not end in its time (%s), and was stopped "
			"at once; what was recorded is in %s",
			s->default_timeout ?
				"the default; --timeout changes it" :
				"--timeout",
			rec->path);
		print_error(NULL, &err);
		return EXIT_TIMED_OUT;
	}
	err_set(&err, ECHILD,
		"the lab was killed; what it had recorded is in %s", rec->path);
	print_error(NULL, &err);
	return EXIT_BROKEN;
}

/* Returns the exit code. */
static int run_lab(const struct run_options *o, struct loaded *l,
		   const struct record *rec)
{
	char sald[PATH_MAX], resolver[PATH_MAX];
	struct supervise_args args = {
		.plan = l->plan,
		.version = SERVALAB_VERSION,
		.sald = find_sald(sald),
		.resolver = find_resolver(resolver),
		.calibrate = o->calibrate,
		.fail_at = o->fail_at,
		.fail_errno = o->fail_errno,
		.pause_on_failure = o->pause_on_failure,
		.timeout_ns = o->timeout_ns,
		.default_timeout = o->default_timeout,
		.file_limit = raise_file_limit(),
	};
	struct err err = ERR_INIT;
	struct host_check *host = NULL;
	struct sandbox sandbox;
	int signals = take_signals(false, NULL);
	int64_t began_ns = clock_mono_ns();
	struct stopping stopping = { .due_ns = INT64_MAX,
				     .default_timeout = o->default_timeout };
	bool refused = false;
	int code;
	struct termios cooked;
	bool keep = o->pause_on_failure && !tcgetattr(STDIN_FILENO, &cooked);

	if (signals < 0) {
		err_errno(&err, errno, "signalfd");
		print_error(NULL, &err);
		return EXIT_BROKEN;
	}
	if (host_check_begin(l->scenario, &host, &err) ||
	    sandbox_start(&sandbox, rec->fd, supervise, &args, &err)) {
		host_check_free(host);
		close(signals);
		return lab_broke(l, rec, &err);
	}
	host_check_lab(host, sandbox.init);
	if (o->timeout_ns)
		stopping.due_ns = began_ns + o->timeout_ns;
	if (listen_to(&sandbox, signals, o->quiet, host, &stopping, &refused,
		      &err)) {
		code = 0;
		if (host) {
			sandbox_wait(&sandbox);
			code = host_check_end(host, rec->fd, &err);
		}
		/* While the kernel takes down what is left of the lab. */
		code = code ? lab_broke(l, rec, &err) :
			      judge(rec, stopping.signal);
		if (!host)
			sandbox_wait(&sandbox);
	} else {
		sandbox_wait(&sandbox);
		code = tell_end(l, rec, &stopping, &err);
		if (refused)
			code = EXIT_USAGE;
	}
	sandbox_deinit(&sandbox);
	/* A console that was killed may have left it raw. */
	if (keep)
		tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
	host_check_free(host);
	close(signals);
	return code;
}

int run_once(const struct run_options *o, struct loaded *l,
	     struct run_watch *watch)
{
	struct record rec = { .fd = -1 };
	struct err err = ERR_INIT;
	int code;

	if (!check_tun(l->plan) || !check_netem(l->plan) ||
	    !check_mptcp(l->plan))
		return EXIT_BROKEN;
	if (make_record(o, l->scenario, &rec, &err)) {
		print_error(NULL, &err);
		code = EXIT_BROKEN;
	} else {
		if (watch)
			memcpy(watch->record, rec.path, sizeof(rec.path));
		code = run_lab(o, l, &rec);
	}
	if (rec.fd >= 0)
		close(rec.fd);
	return code;
}
