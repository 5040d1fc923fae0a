/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes of a node, all of them together.
 *
 * A node's first process opens a pid namespace of its own, whose init is a
 * small process of ours: the reaper. It reaps what the node's processes leave
 * behind, and does two things that nobody else can do to all of them at once,
 * whatever they have forked and wherever that has gone:
 *
 *   - when it dies, the kernel kills them (a crash);
 *   - its kill(-1) reaches every process of the namespace but itself, under the
 *     lock that fork() needs: none can slip through by forking (a freeze).
 *
 * The processes themselves are children of the lab's init, which enters the
 * namespace for the fork (setns(2) with a pid namespace is about children
 * only). They show up there with pids of the lab's namespace, so that nothing
 * else needs to know of this.
 *
 * The reaper reads orders from a pipe, one byte each, and answers with one. Its
 * end of the pipe is also how it learns that the lab's init is gone, though the
 * kernel has killed it by then.
 */
#include "orchestrator/lab/internal.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORDER_STOP 's'
#define ORDER_CONTINUE 'c'

/* ---- the reaper ------------------------------------------------------------
 */

static void on_child(int sig)
{
	(void)sig; /* it interrupts the wait for orders */
}

static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static _Noreturn void be_reaper(int orders)
{
	struct sigaction action = { .sa_handler = on_child };
	sigset_t none, child;

	setsid();
	prctl(PR_SET_NAME, "reaper");
	/* All but the orders: a descriptor kept here would keep its other end
	 * from ever being told. */
	if (dup3(orders, 3, O_CLOEXEC) < 0 && orders != 3)
		_exit(1);
	close_range(4, ~0u, 0);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&none);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_SETMASK, &child, NULL);
	for (;;) {
		struct pollfd pfd = { .fd = 3, .events = POLLIN };
		char order;
		ssize_t n;

		/* SIGCHLD comes in here only, so that none is missed. */
		if (ppoll(&pfd, 1, NULL, &none) < 0) {
			reap();
			continue;
		}
		n = read(3, &order, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != 1)
			_exit(0);
		kill(-1, order == ORDER_STOP ? SIGSTOP : SIGCONT);
		(void)!write(3, &order, 1);
	}
}

static void reaper_ended(void *arg, int status)
{
	struct lab_node *node = arg;

	(void)status;
	node->reaper = 0;
	if (node->orders >= 0)
		close(node->orders);
	if (node->pid_ns >= 0)
		close(node->pid_ns);
	node->orders = node->pid_ns = -1;
	if (node->emptied)
		node->emptied(node->emptied_arg);
	node->emptied = NULL;
}

/* Descriptor of a process's pid namespace. */
static int pid_ns_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int lab_node_open(struct lab *lab, size_t index, struct err *err)
{
	struct lab_node *node = &lab->nodes[index];
	struct lab_child *child;
	int orders[2];
	pid_t pid;

	if (node->reaper)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, orders))
		return err_errno(err, errno, "socketpair");
	child = VEC_PUSH(&lab->children);
	fflush(NULL);
	pid = child ? (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0,
				     0) :
		      -1;
	if (!pid)
		be_reaper(orders[1]);
	if (pid < 0) {
		int code = child ? errno : ENOMEM;

		if (child)
			lab->children.n--;
		close(orders[0]);
		close(orders[1]);
		return err_errno(err, code, "open the node's pid namespace");
	}
	close(orders[1]);
	*child = (struct lab_child){ pid, reaper_ended, node };
	node->reaper = pid;
	node->orders = orders[0];
	node->pid_ns = pid_ns_of(pid);
	if (node->pid_ns < 0)
		return err_errno(err, errno, "open the node's pid namespace");
	return 0;
}

pid_t lab_node_fork(struct lab *lab, size_t index)
{
	struct lab_node *node = &lab->nodes[index];
	pid_t pid;
	int code;

	if (lab->own_pid_ns < 0)
		lab->own_pid_ns =
			open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (lab->own_pid_ns < 0 || setns(node->pid_ns, CLONE_NEWPID))
		return -1;
	pid = fork();
	code = errno;
	if (pid && setns(lab->own_pid_ns, CLONE_NEWPID) && pid > 0) {
		code = errno;
		kill(pid, SIGKILL);
		pid = -1;
	}
	errno = code;
	return pid;
}

/* ---- all of its processes -------------------------------------------------
 */

static int give_order(struct lab_node *node, char order, struct err *err)
{
	char answer;
	ssize_t n;

	if (!node->reaper)
		return 0; /* there is none to reach */
	if (write(node->orders, &order, 1) != 1)
		return err_errno(err, errno, "reach the node's processes");
	do
		n = read(node->orders, &answer, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	return err_set(err, ESRCH, "the node's processes are gone");
}

int lab_node_stop(struct lab *lab, size_t node, struct err *err)
{
	lab->nodes[node].frozen = true;
	return give_order(&lab->nodes[node], ORDER_STOP, err);
}

int lab_node_continue(struct lab *lab, size_t node, struct err *err)
{
	int r = give_order(&lab->nodes[node], ORDER_CONTINUE, err);

	lab->nodes[node].frozen = false;
	/* Those that an action had paused before stay so. */
	for (size_t i = 0; i < lab->plan->scenario->processes.n && !r; i++) {
		const struct lab_process *p = &lab->processes[i];

		if (p->pid && p->paused &&
		    lab->plan->scenario->processes.v[i].node == node)
			kill(-p->pid, SIGSTOP);
	}
	return r;
}

bool lab_node_is_stopped(const struct lab *lab, size_t node)
{
	return lab->nodes[node].frozen;
}

void lab_continue_all(struct lab *lab)
{
	for (size_t i = 0; i < lab->plan->scenario->nodes.n; i++)
		if (lab->nodes[i].frozen)
			lab_node_continue(lab, i, NULL);
}

int lab_node_kill(struct lab *lab, size_t index, void (*emptied)(void *arg),
		  void *arg, struct err *err)
{
	struct lab_node *node = &lab->nodes[index];

	for (size_t i = 0; i < lab->plan->scenario->processes.n; i++)
		if (lab->processes[i].pid &&
		    lab->plan->scenario->processes.v[i].node == index)
			lab->processes[i].ending = true;
	lab_sald_expect_end(lab, index);
	node->frozen = false;
	if (!node->reaper)
		return 0;
	node->emptied = emptied;
	node->emptied_arg = arg;
	if (kill(node->reaper, SIGKILL))
		return err_errno(err, errno, "kill the node's processes");
	return 1;
}

void lab_node_close(struct lab_node *node)
{
	if (node->orders >= 0)
		close(node->orders);
	if (node->pid_ns >= 0)
		close(node->pid_ns);
}
