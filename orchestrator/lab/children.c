/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Children of init: those it started, and every orphan of the lab.
 *
 * One loop reaps them all with waitpid(-1). sd-event's own child sources would
 * not do: they wait for one pid each, and leave the orphans, which only PID 1
 * can reap, as zombies.
 */
#include "orchestrator/lab/internal.h"

#include "orchestrator/lab/sandbox.h"
#include "orchestrator/lab/undertaker.h"
#include "orchestrator/names/names.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static void child_ended(struct lab *lab, pid_t pid, int status)
{
	for (size_t i = 0; i < lab->children.n; i++) {
		struct lab_child child = lab->children.v[i];

		if (child.pid != pid)
			continue;
		lab->children.v[i] = lab->children.v[--lab->children.n];
		if (child.exited)
			child.exited(child.exited_arg, status);
		return;
	}
}

static int on_sigchld(sd_event_source *source,
		      const struct signalfd_siginfo *info, void *arg)
{
	struct lab *lab = arg;
	int status;
	pid_t pid;

	(void)source;
	(void)info;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		child_ended(lab, pid, status);
	return 0;
}

int lab_children_init(struct lab *lab, struct err *err)
{
	sigset_t mask;
	int r;

	/* sd-event takes the signal only where it is blocked. */
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	r = sd_event_add_signal(lab->event, &lab->sigchld, SIGCHLD, on_sigchld,
				lab);
	if (r < 0)
		return err_errno(err, -r, "watch for children");
	return 0;
}

void lab_children_deinit(struct lab *lab)
{
	sd_event_source_unref(lab->sigchld);
	VEC_FREE(&lab->children);
}

/* In the child. */
static int enter_node(struct lab *lab, size_t node, struct err *err)
{
	sigset_t none;
	int r;

	if (setsid() < 0)
		return err_errno(err, errno, "setsid");
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	if (node == SCN_NONE)
		return 0;
	r = kns_enter(&lab->kernel, lab->nodes[node].ns, err);
	if (r)
		return r;
	r = sandbox_enter_node(lab->plan->scenario->nodes.v[node].name,
			       lab->nodes[node].dir, err);
	/* What ps shows. A nicety, as /sys is: the lab's own /proc does as
	 * well, with other numbers. */
	if (!r)
		(void)!mount("proc", "/proc", "proc",
			     MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	return r;
}

static void be_child(struct lab *lab, size_t node,
		     int (*run)(void *arg, int status_fd), void *arg,
		     int status_fd)
{
	struct err err = ERR_INIT;

	if (enter_node(lab, node, &err)) {
		lab_child_failed(status_fd, &err);
		_exit(LAB_CHILD_FAILED);
	}
	_exit(run(arg, status_fd));
}

void lab_child_failed(int status_fd, const struct err *err)
{
	(void)!write(status_fd, err, sizeof(*err)); /* below PIPE_BUF: whole */
}

static int make_node_dir(struct lab *lab, size_t node, struct err *err)
{
	struct lab_node *n = &lab->nodes[node];
	char dir[sizeof(n->dir)];
	int r;

	if (n->dir[0])
		return 0;
	r = sandbox_make_node_dir(node, lab->hosts,
				  lab->has_names ? NAMES_ADDRESS : NULL, dir,
				  sizeof(dir), err);
	if (!r)
		memcpy(n->dir, dir, sizeof(dir));
	return r;
}

/* Forks; 0 if there is a child, which is the last one of the vector. status: a
 * pipe, of which the child gets the writing end; -1: it gets none. */
static int fork_child(struct lab *lab, size_t node,
		      int (*run)(void *arg, int status_fd), void *arg,
		      const int status[2], pid_t *pid, struct err *err)
{
	struct lab_child *child = VEC_PUSH(&lab->children);
	int code;

	fflush(NULL); /* or the child's exit would write it again */
	*pid = !child		? -1 :
	       node == SCN_NONE ? fork() :
				  lab_node_fork(lab, node);
	if (*pid == 0)
		be_child(lab, node, run, arg, status[1]);
	code = child ? errno : ENOMEM;
	if (*pid > 0) {
		child->pid = *pid;
		return 0;
	}
	if (child)
		lab->children.n--;
	*pid = 0; /* kill(-1) would reach everybody */
	return err_errno(err, code, "fork");
}

static void set_exited(struct lab *lab, void (*exited)(void *arg, int status),
		       void *arg)
{
	struct lab_child *child = &lab->children.v[lab->children.n - 1];

	child->exited = exited;
	child->exited_arg = arg;
}

static int prepare_node(struct lab *lab, size_t node, struct err *err)
{
	int r = make_node_dir(lab, node, err);

	if (!r)
		r = lab_node_open(lab, node, err);
	if (r)
		return r;
	if (!lab->nodes[node].mourned)
		undertaker_tell(lab->options.undertaker, UNDERTAKER_NODE, node,
				lab_netns(lab, node));
	lab->nodes[node].mourned = true;
	return 0;
}

int lab_spawn(struct lab *lab, size_t node,
	      int (*run)(void *arg, int status_fd), void *arg,
	      void (*exited)(void *exited_arg, int wait_status),
	      void *exited_arg, pid_t *pid, struct err *err)
{
	struct err child_err = ERR_INIT;
	int status[2];
	ssize_t n;
	int r;

	*pid = 0;
	if (node != SCN_NONE && !lab->nodes[node].ns)
		return err_set(err, ENOENT, "the node is not built");
	r = kernel_step(&lab->kernel, err, "start a process");
	if (!r && node != SCN_NONE)
		r = prepare_node(lab, node, err);
	if (r)
		return r;
	if (pipe2(status, O_CLOEXEC))
		return err_errno(err, errno, "pipe");
	r = fork_child(lab, node, run, arg, status, pid, err);
	close(status[1]);
	n = 0;
	if (!r)
		do
			n = read(status[0], &child_err, sizeof(child_err));
		while (n < 0 && errno == EINTR);
	close(status[0]);
	if (r)
		return r;
	if (n == (ssize_t)sizeof(child_err)) {
		if (err)
			*err = child_err;
		*pid = 0;
		return -child_err.code;
	}
	set_exited(lab, exited, exited_arg);
	return 0;
}

int lab_fork(struct lab *lab, int (*run)(void *arg, int status_fd), void *arg,
	     void (*exited)(void *exited_arg, int wait_status),
	     void *exited_arg, pid_t *pid, struct err *err)
{
	static const int no_status[2] = { -1, -1 };
	int r;

	*pid = 0;
	r = kernel_step(&lab->kernel, err, "start a process");
	if (!r)
		r = fork_child(lab, SCN_NONE, run, arg, no_status, pid, err);
	if (!r)
		set_exited(lab, exited, exited_arg);
	return r;
}
