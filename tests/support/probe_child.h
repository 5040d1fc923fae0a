/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes, and what answers them, as children of a test that end with it, each
 * in a namespace. To be used after test_sandbox_enter().
 */
#ifndef TESTS_PROBE_CHILD_H
#define TESTS_PROBE_CHILD_H

#include "orchestrator/observe/probe.h"
#include "tests/support/veth.h"

#include <check.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#define ECHO_PORT 4007

/* Returns once run() has written a byte to ready_fd, the other end of which is
 * in *told then, to be closed. */
static inline pid_t fork_told(int ns, void (*run)(int ready_fd, int arg),
			      int arg, int *told)
{
	int fds[2];
	pid_t pid;
	char byte;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		netns_enter(ns);
		close(fds[0]);
		run(fds[1], arg);
		exit(0);
	}
	close(fds[1]);
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	*told = fds[0];
	return pid;
}

static inline pid_t fork_ready(int ns, void (*run)(int ready_fd, int arg),
			       int arg)
{
	int told;
	pid_t pid = fork_told(ns, run, arg, &told);

	close(told);
	return pid;
}

static inline void run_echo(int ready_fd, int port)
{
	exit(echo_main((uint16_t)port, ready_fd, STDERR_FILENO));
}

/* The built-in echo, at ECHO_PORT. */
static inline pid_t echo_start(int ns)
{
	int told;
	pid_t pid = fork_told(ns, run_echo, ECHO_PORT, &told);
	char byte;

	ck_assert_int_eq(read(told, &byte, 1), 0); /* closed */
	close(told);
	return pid;
}

/* Runs until it is through. */
static inline pid_t probe_fork(int ns, const struct probe_config *c)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		netns_enter(ns);
		exit(probes_main(c, 1, -1, STDERR_FILENO, NULL, NULL));
	}
	return pid;
}

#endif
