/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * With the last process of a lab go its namespaces (sandbox.c), but for one
 * thing: a TCP connection whose program is gone lives on in the kernel until
 * the peer has acknowledged what was left to send, if only a FIN, and it keeps
 * its network namespace. In a lab that comes to an end there may be nobody who
 * acknowledges: links were down, or emulated by a process that is gone as well,
 * as is the sald that carried them. The kernel gives up after 2 minutes, and
 * the namespaces of a lab that was killed were to be seen for so long.
 *
 * No process of the lab can close these connections, since none is left when
 * the owner was killed, and before that they are not orphans. So the owner has
 * one more child, outside of the lab. Init hands it a descriptor of the network
 * namespace of each node in which it starts something, and one of itself. When
 * init is dead and waited for by the kernel, so is all of the lab; it then
 * closes the connections and ends. It does not look at the owner at all:
 * whatever ends the owner ends init.
 *
 * It holds namespaces, and so must not stay: all its waiting is for the end of
 * init, and a timer kills it if anything behind that takes long. It may be
 * killed at any time; the kernel then takes its two minutes.
 */
#include "orchestrator/lab/undertaker.h"

#include "base/fd_pass.h"
#include "base/vec.h"
#include "orchestrator/kernel/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE_S 30

/* What a descriptor is, where it is not that of a node. */
#define INIT (SIZE_MAX - 1) /* of the process */
#define USER (SIZE_MAX - 2) /* of its user namespace */

struct grave {
	size_t node;
	int ns_fd;
};

struct undertaker {
	int init, user; /* -1: not known */
	VEC(struct grave) graves;
};

/* ---- in init ------------------------------------------------------------- */

/* fd -1: the message has none. What is not delivered is not missed. */
static void send_one(int to, size_t what, int fd)
{
	(void)!fd_pass_send(to, &what, sizeof(what), fd, 0);
}

void undertaker_introduce(int fd)
{
	int self, user;

	if (fd < 0)
		return;
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	if (self >= 0) {
		send_one(fd, INIT, self);
		close(self);
	}
	if (user >= 0) {
		send_one(fd, USER, user);
		close(user);
	}
}

void undertaker_tell(int fd, size_t node, int ns_fd)
{
	if (fd >= 0)
		send_one(fd, node, ns_fd);
}

/* ---- the process --------------------------------------------------------- */

static void forget(struct undertaker *u, size_t node)
{
	for (size_t i = 0; i < u->graves.n; i++) {
		if (u->graves.v[i].node != node)
			continue;
		close(u->graves.v[i].ns_fd);
		u->graves.v[i] = u->graves.v[--u->graves.n];
		return;
	}
}

static void take_in(struct undertaker *u, size_t what, int fd)
{
	struct grave *new;

	if (what == INIT) {
		u->init = fd;
		return;
	}
	if (what == USER) {
		u->user = fd;
		return;
	}
	forget(u, what);
	if (fd < 0)
		return;
	new = VEC_PUSH(&u->graves);
	if (new)
		*new = (struct grave){ what, fd };
	else
		close(fd);
}

/* False: there will be no more. */
static bool receive(struct undertaker *u, int from)
{
	size_t what;
	int fd;

	if (fd_pass_receive(from, &what, sizeof(what), &fd, 0) != sizeof(what))
		return false;
	take_in(u, what, fd);
	return true;
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
	struct undertaker u = { -1, -1, { 0 } };
	struct pollfd init;

	while (receive(&u, fd))
		;
	/* Init may have closed its end, or all of them, and not be dead yet. */
	alarm(PATIENCE_S);
	init = (struct pollfd){ .fd = u.init, .events = POLLIN };
	while (u.graves.n && u.init >= 0 && poll(&init, 1, -1) < 0 &&
	       errno == EINTR)
		;
	if (!u.graves.n || u.init < 0 || !there_are_orphans())
		_exit(0);
	/* Root is in that user namespace already, which is refused. */
	if (u.user >= 0)
		(void)!setns(u.user, CLONE_NEWUSER);
	for (size_t i = 0; i < u.graves.n; i++)
		kernel_close_sockets(u.graves.v[i].ns_fd, NULL);
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
