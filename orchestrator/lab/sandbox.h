/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sandbox a lab lives in: a process ("init") that is PID 1 of fresh pid,
 * mount, network, uts and ipc namespaces, and of a user namespace where the
 * caller is not root. See sandbox.c for how it is made sure that it ends.
 */
#ifndef LAB_SANDBOX_H
#define LAB_SANDBOX_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* The owner's side. */
struct sandbox {
	pid_t init; /* as the owner sees it */
	int lifeline; /* closing it ends the sandbox; a byte asks it to stop */
	int messages; /* SOCK_SEQPACKET, from init */
	pid_t undertaker; /* 0: none */
};

/* Init's side. */
struct sandbox_ends {
	int lifeline; /* readable: the signal (one byte) to stop for, or EOF */
	int messages;
	int undertaker; /* undertaker.h; -1: none */
};

/*
 * Starts init, which prepares the namespaces, changes to work_dir (borrowed)
 * and calls run(ends, arg); the sandbox ends with run's return, which is init's
 * exit status. When this returns 0, init is ready and about to call run.
 *
 * -EPERM, -ENOSPC, ...: the kernel or the caller's rights do not allow it; err
 * says what and carries the remedy.
 */
int sandbox_start(struct sandbox *s, int work_dir,
		  int (*run)(const struct sandbox_ends *ends, void *arg),
		  void *arg, struct err *err);

/* Asks init to stop early, as if it had got that signal. */
void sandbox_interrupt(struct sandbox *s, int signal);

/* Waits for the end of all of it; init's wait status, or a negative errno. */
int sandbox_wait(struct sandbox *s);

/* Ends it at once if it still runs, and waits. */
void sandbox_deinit(struct sandbox *s);

/*
 * In a process of the sandbox, already in a node's network namespace: gives it
 * a mount namespace with the node's own /etc/hosts, /etc/resolv.conf and /sys,
 * and the host name. dir: where the two files are.
 */
int sandbox_enter_node(const char *hostname, const char *dir, struct err *err);

/* Writes the two files of a node into a folder of its own on the sandbox's
 * /run. resolver: its address; NULL: there is none. dir_size: at least 64. */
int sandbox_make_node_dir(size_t node, const char *hosts, const char *resolver,
			  char *dir, size_t dir_size, struct err *err);

#endif
