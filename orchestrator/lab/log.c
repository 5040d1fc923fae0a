/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The logs of the scenario's processes. What they print goes through a pipe
 * each, and one child of init, the keeper, writes it to processes/NAME.log: so
 * much of it as LAB_LOG_BYTES_MAX says, then a line that says so, and reads on
 * without keeping anything, so that a program which never stops printing
 * neither fills the disk nor stands still.
 *
 * Were the file the program's own standard output, nothing could bound it:
 * RLIMIT_FSIZE would count for every file of the program. And it is not the lab
 * itself that keeps the logs because a disk may make a writer wait, and the
 * timeline must not.
 *
 * A pipe is there from the building of the lab on, whatever starts and ends at
 * it, and the lab holds its writing end: so the keeper knows by a SIGTERM, not
 * by an end of file, that all have ended who shall be heard.
 */
#include "orchestrator/lab/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK ((size_t)64 << 10)
#define SETTLE_MAX 50 /* ms, where a child left behind goes on printing */
#define LAST_READS 32 /* of what is still in a pipe, which holds 16 of them */

struct keeper {
	struct lab *lab;
	_Atomic bool *busy; /* shared with the lab */
	int fd; /* the log; -1: not open yet */
	uint64_t kept; /* bytes */
	bool cut;
};

/* What the keeper tells of a log that it keeps no more of. */
struct cut {
	size_t process;
	int code; /* errno; 0: it is as long as it may be */
	uint64_t kept;
};

/* ---- the keeper --------------------------------------------------------- */

void lab_log_path(const struct lab *lab, size_t process, char *path,
		  size_t size)
{
	snprintf(path, size, "processes/%s.log",
		 lab->plan->scenario->processes.v[process].name);
}

/* 0 or an errno. */
static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno != EINTR)
			return errno;
		if (w > 0) {
			p += w;
			n -= (size_t)w;
		}
	}
	return 0;
}

static void cut(struct keeper *k, size_t process, int code)
{
	const struct cut told = { process, code, k->kept };

	k->cut = true;
	(void)!write(k->lab->log_told[1], &told, sizeof(told));
}

static void keep(struct keeper *k, size_t process, const char *p, size_t n)
{
	uint64_t room = LAB_LOG_BYTES_MAX - k->kept;
	size_t part = n < room ? n : (size_t)room;
	int code = 0;

	if (k->cut)
		return;
	if (k->fd < 0) {
		char path[128];

		lab_log_path(k->lab, process, path, sizeof(path));
		k->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
		code = k->fd < 0 ? errno : 0;
	}
	if (!code)
		code = write_all(k->fd, p, part);
	if (!code)
		k->kept += part;
	if (!code && part < n)
		dprintf(k->fd, LAB_LOG_MARK,
			(unsigned)(LAB_LOG_BYTES_MAX >> 20));
	if (code || part < n)
		cut(k, process, code);
}

/* One read: false where there was nothing. */
static bool pass_on(struct keeper *k, size_t process, char *buf)
{
	ssize_t n;

	*k->busy = true;
	n = read(k->lab->processes[process].log[0], buf, CHUNK);
	if (n > 0)
		keep(k, process, buf, (size_t)n);
	*k->busy = false;
	return n > 0;
}

static int keep_all(struct lab *lab, struct keeper *keepers, char *buf,
		    int epoll_fd)
{
	size_t n = lab->plan->scenario->processes.n;

	for (;;) {
		struct epoll_event ready;

		if (epoll_wait(epoll_fd, &ready, 1, -1) < 0) {
			if (errno != EINTR)
				return 1;
			continue;
		}
		if (ready.data.fd < 0)
			break;
		pass_on(&keepers[ready.data.fd], (size_t)ready.data.fd, buf);
	}
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0;
		     k < LAST_READS && pass_on(&keepers[i], i, buf); k++)
			;
	return 0;
}

/* Told to end by SIGTERM, which is read from a descriptor. */
static int open_signal(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	return signalfd(-1, &mask, SFD_CLOEXEC);
}

static int keeper_main(void *arg, int status_fd)
{
	struct lab *lab = arg;
	size_t n = lab->plan->scenario->processes.n;
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), told_fd = open_signal();
	struct keeper *keepers = calloc(n, sizeof(*keepers));
	char *buf = malloc(CHUNK);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = -1 };
	struct err err = ERR_INIT;

	if (!keepers || !buf || epoll_fd < 0 || told_fd < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, told_fd, &ev))
		goto failed;
	for (size_t i = 0; i < n; i++) {
		keepers[i] = (struct keeper){ .lab = lab,
					      .busy = lab->log_busy,
					      .fd = -1 };
		ev.data.fd = (int)i;
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, lab->processes[i].log[0],
			      &ev))
			goto failed;
	}
	close(status_fd);
	return keep_all(lab, keepers, buf, epoll_fd);

failed:
	err_errno(&err, errno, "keep the logs");
	lab_child_failed(status_fd, &err);
	return LAB_CHILD_FAILED;
}

/* ---- the lab ------------------------------------------------------------ */

static int on_told(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct lab *lab = arg;
	struct cut told;

	(void)events;
	(void)source;
	while (read(fd, &told, sizeof(told)) == sizeof(told))
		if (lab->listener.log_cut)
			lab->listener.log_cut(lab->listener.arg, told.process,
					      told.kept, told.code);
	return 0;
}

static void keeper_ended(void *arg, int status)
{
	struct lab *lab = arg;
	struct err err = ERR_INIT;

	lab->log_keeper = 0;
	on_told(NULL, lab->log_told[0], 0, lab);
	if (lab->logs_stopping && WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	err_set(&err, EIO, "the keeper of the processes' logs ended by %s %d",
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (lab->listener.log_lost)
		lab->listener.log_lost(lab->listener.arg, &err);
}

static int make_pipes(struct lab *lab, struct err *err)
{
	for (size_t i = 0; i < lab->plan->scenario->processes.n; i++) {
		int *ends = lab->processes[i].log;

		/* Only our end: programs expect theirs to wait. */
		if (pipe2(ends, O_CLOEXEC) ||
		    fcntl(ends[0], F_SETFL, O_NONBLOCK))
			return err_errno(err, errno, "pipe");
	}
	if (pipe2(lab->log_told, O_CLOEXEC) ||
	    fcntl(lab->log_told[0], F_SETFL, O_NONBLOCK))
		return err_errno(err, errno, "pipe");
	lab->log_busy =
		mmap(NULL, sizeof(*lab->log_busy), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (lab->log_busy == MAP_FAILED) {
		lab->log_busy = NULL;
		return err_errno(err, errno, "mmap");
	}
	return 0;
}

int lab_logs_start(struct lab *lab, struct err *err)
{
	const struct scenario *s = lab->plan->scenario;
	int r;

	if (!s->processes.n)
		return 0;
	r = make_pipes(lab, err);
	if (!r)
		r = lab_spawn(lab, SCN_NONE, keeper_main, lab, keeper_ended,
			      lab, &lab->log_keeper, err);
	if (!r) {
		r = sd_event_add_io(lab->event, NULL, lab->log_told[0], EPOLLIN,
				    on_told, lab);
		r = r < 0 ? err_errno(err, -r, "event loop") : 0;
	}
	err_wrap(err, "keep the processes' logs");
	err_at(err, s->processes.v[0].pos);
	/* So that nobody waits for a keeper that is gone. */
	for (size_t i = 0; i < s->processes.n; i++) {
		if (lab->processes[i].log[0] >= 0)
			close(lab->processes[i].log[0]);
		lab->processes[i].log[0] = -1;
	}
	return r;
}

void lab_logs_deinit(struct lab *lab)
{
	for (size_t i = 0;
	     lab->processes && i < lab->plan->scenario->processes.n; i++)
		for (size_t k = 0; k < 2; k++)
			if (lab->processes[i].log[k] >= 0)
				close(lab->processes[i].log[k]);
	for (size_t k = 0; k < 2; k++)
		if (lab->log_told[k] >= 0)
			close(lab->log_told[k]);
	if (lab->log_busy)
		munmap(lab->log_busy, sizeof(*lab->log_busy));
}

/* In this order: the keeper is busy from before it reads until it has written.
 */
static bool is_settled(const struct lab *lab, size_t process)
{
	int left = 0;

	return !lab->log_keeper ||
	       (!ioctl(lab->processes[process].log[1], FIONREAD, &left) &&
		!left && !*lab->log_busy);
}

void lab_log_settle(struct lab *lab, size_t process)
{
	for (unsigned i = 0; i < SETTLE_MAX && !is_settled(lab, process); i++)
		poll(NULL, 0, 1);
}

void lab_stop_logs(struct lab *lab)
{
	lab->logs_stopping = true;
	if (lab->log_keeper)
		kill(lab->log_keeper, SIGTERM);
}

bool lab_logs_run(const struct lab *lab)
{
	return lab->log_keeper != 0;
}
