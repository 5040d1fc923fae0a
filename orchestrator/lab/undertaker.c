/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * With the last process of a lab go its namespaces (sandbox.c), but two things
 * would keep them:
 *
 * - A TCP connection whose program is gone lives on in the kernel until the
 *   peer has acknowledged what was left to send, if only a FIN, and it keeps
 *   its network namespace. In a lab that comes to an end there may be nobody
 *   who acknowledges: links were down, or emulated by a process that is gone as
 *   well, as is the sald that carried them. The kernel gives up after 2
 *   minutes.
 * - Whoever closes the last descriptor of a packet socket or of a TAP device
 *   waits in the kernel for its readers, 13 or 30 ms. A process that has one
 *   for each node or link, as the capture and the emulator do, and that is
 *   killed, closes them one after the other. A hundred emulated links took 4 s.
 *
 * No process of the lab can do anything about that, since none is left when the
 * owner was killed. So the owner has one more child, outside of the lab. Init
 * hands it a descriptor of itself, and of the network namespace of each node in
 * which it starts something; it and the capture hand it a copy of each
 * descriptor that waits. So the lab's own are not the last, and its processes
 * die in no time. When init is dead and waited for by the kernel, so is all of
 * the lab: the undertaker then closes what it holds, from many threads at a
 * time (a hundred packet sockets take 40 ms so instead of 1.3 s, a hundred TAP
 * devices 0.1 s instead of 3), then the connections, and ends. It does not look
 * at the owner at all: whatever ends the owner ends init.
 *
 * Namespaces are held until the last of these is closed, so that the kernel
 * takes them down together (hold_namespaces()).
 *
 * A copy keeps alive what the lab wants gone, so all that goes before the lab
 * does is told: a node's namespace, its packet socket, the devices of an
 * emulator that has ended. Messages of one kind are taken in the order in which
 * they were sent.
 *
 * It holds namespaces, and so must not stay: all its waiting is for the end of
 * init, and a timer kills it if anything behind that takes long. It may be
 * killed at any time; the kernel then takes its time.
 */
#include "orchestrator/lab/undertaker.h"

#include "base/fd_pass.h"
#include "base/parallel.h"
#include "base/vec.h"
#include "orchestrator/kernel/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE_S 30
#define THREADS_MAX 512

/* Of which it has one only. */
#define INIT (UNDERTAKER_TAP + 1) /* the process */
#define USER (UNDERTAKER_TAP + 2) /* its user namespace */
#define HOME (UNDERTAKER_TAP + 3) /* its network namespace: just to be held */

/* A descriptor comes with it; or, if none does, it is about one held. */
struct message {
	unsigned what; /* enum undertaker_what, or one of those */
	size_t key;
};

struct held {
	struct message of;
	int fd;
};

struct undertaker {
	int init; /* -1: not known */
	VEC(struct held) held;
};

/* ---- in the lab ---------------------------------------------------------- */

/* fd -1: the message has none. A descriptor that is not delivered (an ordinary
 * user may have so many under way) is not missed, but the one in its place is
 * no more. */
static void send_one(int to, unsigned what, size_t key, int fd)
{
	const struct message m = { what, key };

	if (fd_pass_send(to, &m, sizeof(m), fd, 0) < 0 && fd >= 0)
		(void)!fd_pass_send(to, &m, sizeof(m), -1, 0);
}

void undertaker_introduce(int fd)
{
	int self, user, home;

	if (fd < 0)
		return;
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (self >= 0) {
		send_one(fd, INIT, 0, self);
		close(self);
	}
	if (user >= 0) {
		send_one(fd, USER, 0, user);
		close(user);
	}
	if (home >= 0) {
		send_one(fd, HOME, 0, home);
		close(home);
	}
}

void undertaker_tell(int fd, enum undertaker_what what, size_t key, int held)
{
	if (fd >= 0)
		send_one(fd, what, key, held);
}

/* ---- the process --------------------------------------------------------- */

static void close_one(void *arg, size_t i)
{
	const int *fds = arg;

	close(fds[i]);
}

/* Closes those of the kind with that key, or with any, side by side. */
static void let_go(struct undertaker *u, unsigned what, size_t key)
{
	VEC(int) fds = { 0 };
	size_t kept = 0;

	for (size_t i = 0; i < u->held.n; i++) {
		const struct held *h = &u->held.v[i];
		int *slot = NULL;

		if (h->of.what != what ||
		    (key != UNDERTAKER_ALL && h->of.key != key)) {
			u->held.v[kept++] = *h;
			continue;
		}
		slot = VEC_PUSH(&fds);
		if (slot)
			*slot = h->fd;
		else
			close(h->fd);
	}
	u->held.n = kept;
	if (fds.n == 1)
		close(fds.v[0]);
	else
		parallel_for(fds.n, THREADS_MAX, close_one, fds.v);
	VEC_FREE(&fds);
}

static void take_in(struct undertaker *u, const struct message *m, int fd)
{
	struct held *new;

	if (m->what == INIT) {
		u->init = fd;
		return;
	}
	if (m->what == USER) {
		/* Now, as a process that has threads, or has had some a moment
		 * ago, is refused. So is root, who is in it already. */
		(void)!setns(fd, CLONE_NEWUSER);
		close(fd);
		return;
	}
	let_go(u, m->what, m->key);
	if (fd < 0)
		return;
	new = VEC_PUSH(&u->held);
	if (new)
		*new = (struct held){ *m, fd };
	else
		close(fd);
}

/* False: there will be no more. */
static bool receive(struct undertaker *u, int from)
{
	struct message m;
	int fd;

	if (fd_pass_receive(from, &m, sizeof(m), &fd, 0) != sizeof(m))
		return false;
	take_in(u, &m, fd);
	return true;
}

/*
 * The kernel takes namespaces down in batches, one batch after the other, each
 * of which waits for all readers several times: of those that go one by one,
 * the first goes alone and all others wait for it. So they are held until they
 * can all go at once, with this process. They are not closed by anybody here.
 */
static void hold_namespaces(const struct undertaker *u)
{
	for (size_t i = 0; i < u->held.n; i++)
		if (u->held.v[i].of.what == UNDERTAKER_CAPTURE)
			(void)ioctl(u->held.v[i].fd, SIOCGSKNS);
}

/* Of all namespaces of the machine together. When in doubt, there are some. */
static bool there_are_orphans(void)
{
	FILE *f = fopen("/proc/self/net/sockstat", "re");
	unsigned long n = 1;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "TCP: inuse %*u orphan %lu", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

_Noreturn static void bury(int fd)
{
	struct undertaker u = { -1, { 0 } };
	struct pollfd init;

	while (receive(&u, fd))
		;
	/* Init may have closed its end, or all of them, and not be dead yet. */
	alarm(PATIENCE_S);
	init = (struct pollfd){ .fd = u.init, .events = POLLIN };
	while (u.init >= 0 && poll(&init, 1, -1) < 0 && errno == EINTR)
		;
	hold_namespaces(&u);
	let_go(&u, UNDERTAKER_CAPTURE, UNDERTAKER_ALL);
	let_go(&u, UNDERTAKER_TAP, UNDERTAKER_ALL);
	if (u.init < 0 || !there_are_orphans())
		_exit(0);
	for (size_t i = 0; i < u.held.n; i++)
		if (u.held.v[i].of.what == UNDERTAKER_NODE)
			kernel_close_sockets(u.held.v[i].fd, NULL);
	_exit(0);
}

pid_t undertaker_start(int fd)
{
	pid_t pid = fork();
	sigset_t none;

	if (pid)
		return pid > 0 ? pid : 0;
	/* Ctrl-C is for the owner; so are its terminal, its pipes and the lab's
	 * lifeline. */
	setsid();
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(fd, 0) < 0 || close_range(1, UINT_MAX, 0) || chdir("/"))
		_exit(1);
	bury(0);
}
