/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Nothing of a lab may outlive its owner, whatever ends the owner. Cleaning up
 * on exit cannot promise that (SIGKILL), nor can cleaning up by name (two labs
 * at once, a name reused). So there is nothing to clean up: everything a lab
 * makes is held by processes of one pid namespace, and when its init goes, the
 * kernel kills them all, and with the last of them go the network and mount
 * namespaces and what is in them. (The undertaker, who is no part of the lab,
 * has copies of some descriptors, closes them then, and what else the kernel
 * would not take in time: undertaker.c.)
 *
 * Init has two reasons to go. PR_SET_PDEATHSIG kills it when the owner dies,
 * even while it is busy. But that setting can come too late (the owner may die
 * between clone and prctl, and getppid() is 0 across pid namespaces, so init
 * cannot check), so init also holds the reading end of a pipe whose only other
 * end is the owner's: end of file means the same. Every loop of init that waits
 * for anything watches that pipe.
 *
 * Init is in a session of its own: Ctrl-C at the terminal must reach the owner
 * alone, which then asks init to stop and to finish the record.
 */
#include "orchestrator/lab/sandbox.h"

#include "base/cleanup.h"
#include "orchestrator/lab/undertaker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define RUN_DIR "/run/servalab"
#define NO_RESOLVER "# This lab has no services, and so no name server.\n"

static int write_file(const char *path, const char *text, struct err *err)
{
	CLEANUP_CLOSE int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return err_errno(err, errno, "open %s", path);
	n = write(fd, text, len);
	if (n < 0)
		return err_errno(err, errno, "write %s", path);
	if ((size_t)n != len)
		return err_set(err, EIO, "write %s: cut short", path);
	return 0;
}

/* The caller as root of its user namespace, and nobody else. */
static int map_ids(uid_t uid, gid_t gid, struct err *err)
{
	char map[64];
	int r;

	r = write_file("/proc/self/setgroups", "deny", err);
	if (r)
		return r;
	snprintf(map, sizeof(map), "0 %u 1", uid);
	r = write_file("/proc/self/uid_map", map, err);
	if (r)
		return r;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return write_file("/proc/self/gid_map", map, err);
}

/*
 * The per-node files are mounted over /etc/hosts and /etc/resolv.conf, which
 * must be there for that. On a system without one of them (or with a symbolic
 * link into the /run that is hidden now), an overlay in memory has it.
 */
static int complete_etc(struct err *err)
{
	static const char *const files[] = { "/etc/hosts", "/etc/resolv.conf" };
	struct stat st;
	bool complete = true;

	for (size_t i = 0; i < 2; i++)
		complete &= !stat(files[i], &st);
	if (complete)
		return 0;
	if (mkdir(RUN_DIR "/etc", 0755) || mkdir(RUN_DIR "/etc-work", 0755))
		return err_errno(err, errno, "mkdir %s/etc", RUN_DIR);
	if (mount("overlay", "/etc", "overlay", 0,
		  "lowerdir=/etc,upperdir=" RUN_DIR "/etc,workdir=" RUN_DIR
		  "/etc-work"))
		return err_errno(err, errno,
				 "/etc/hosts or /etc/resolv.conf is missing, "
				 "and an overlay of /etc is refused");
	for (size_t i = 0; i < 2; i++) {
		int r;

		if (!stat(files[i], &st))
			continue;
		unlink(files[i]); /* a dangling link */
		r = write_file(files[i], "", err);
		if (r)
			return r;
	}
	return 0;
}

static int mount_own(struct err *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return err_errno(err, errno, "make mounts private");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL)) {
		int code = errno;

		err_errno(err, code, "mount a /proc of its own");
		err_hint(err, "inside a container, start it so that /proc is "
			      "not masked (docker: --security-opt "
			      "systempaths=unconfined)");
		return -code;
	}
	/* Sockets with a path would reach across network namespaces. */
	if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"))
		return err_errno(err, errno, "mount a tmpfs on /run");
	if (mkdir(RUN_DIR, 0755))
		return err_errno(err, errno, "mkdir %s", RUN_DIR);
	return complete_etc(err);
}

struct start {
	uid_t uid;
	gid_t gid;
	int work_dir;
};

static int prepare(const struct start *start, struct err *err)
{
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return err_errno(err, errno, "prctl PR_SET_PDEATHSIG");
	if (start->uid != 0) {
		r = map_ids(start->uid, start->gid, err);
		if (r) {
			err_wrap(err, "map the user into a namespace");
			return r;
		}
	}
	if (setsid() < 0)
		return err_errno(err, errno, "setsid");
	if (fchdir(start->work_dir))
		return err_errno(err, errno, "change to the record's folder");
	r = mount_own(err);
	if (r)
		return r;
	if (sethostname("servalab", strlen("servalab")))
		return err_errno(err, errno, "sethostname");
	return 0;
}

static void explain_clone(struct err *err, int code, bool is_root)
{
	if ((code == EPERM || code == EACCES) && is_root)
		err_hint(err, "this root lacks CAP_SYS_ADMIN; start the "
			      "container with it (docker: --cap-add SYS_ADMIN "
			      "--security-opt seccomp=unconfined)");
	else if (code == EPERM || code == EACCES)
		err_hint(err,
			 "allow user namespaces for ordinary users (sysctl "
			 "kernel.unprivileged_userns_clone=1, or the AppArmor "
			 "setting kernel.apparmor_restrict_unprivileged_userns"
			 "=0), or run as root");
	else if (code == ENOSPC)
		err_hint(err,
			 "raise the limits in /proc/sys/user/max_*_namespaces");
	else if (code == EINVAL)
		err_hint(err, "this kernel lacks one of the namespaces; "
			      "'servalab doctor' says which");
}

/*
 * clone() like fork(): on the same stack, the child goes on from here. glibc
 * has no wrapper for this form. Single-threaded callers only.
 */
static pid_t fork_into(unsigned long flags)
{
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

static void close_pair(const int *fds)
{
	for (size_t i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

int sandbox_start(struct sandbox *s, int work_dir,
		  int (*run)(const struct sandbox_ends *ends, void *arg),
		  void *arg, struct err *err)
{
	struct start start = { geteuid(), getegid(), work_dir };
	unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET |
			      CLONE_NEWUTS | CLONE_NEWIPC;
	struct err child_err;
	int line[2], msg[2], under[2];
	ssize_t n;

	if (start.uid != 0)
		flags |= CLONE_NEWUSER;
	if (pipe2(line, O_CLOEXEC))
		return err_errno(err, errno, "pipe");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, msg)) {
		int code = errno;

		close(line[0]);
		close(line[1]);
		return err_errno(err, code, "socketpair");
	}
	/* Without, all works as well. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, under))
		under[0] = under[1] = -1;
	s->undertaker = 0;
	fflush(NULL); /* or the child's exit would print it again */
	s->init = fork_into(flags);
	if (s->init == 0) {
		struct sandbox_ends ends = { line[0], msg[1], under[1] };
		struct err e = ERR_INIT;

		close(line[1]);
		close(msg[0]);
		if (under[0] >= 0)
			close(under[0]);
		prepare(&start, &e);
		if (!e.code)
			undertaker_introduce(under[1]);
		if (send(msg[1], &e, sizeof(e), MSG_NOSIGNAL) < 0 || e.code)
			_exit(1);
		_exit(run(&ends, arg));
	}
	if (s->init < 0) {
		int code = errno;

		err_errno(err, code, "create the lab's namespaces");
		explain_clone(err, code, start.uid == 0);
		close(line[0]);
		close(line[1]);
		close(msg[0]);
		close(msg[1]);
		close_pair(under);
		return -code;
	}
	close(line[0]);
	close(msg[1]);
	s->lifeline = line[1];
	s->messages = msg[0];

	do
		n = recv(s->messages, &child_err, sizeof(child_err), 0);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(child_err))
		err_set(&child_err, ECHILD, "the sandbox ended while starting");
	if (!child_err.code && under[0] >= 0)
		s->undertaker = undertaker_start(under[0]);
	close_pair(under);
	if (child_err.code) {
		sandbox_deinit(s);
		if (err)
			*err = child_err;
		return -child_err.code;
	}
	return 0;
}

void sandbox_interrupt(struct sandbox *s, int signal)
{
	unsigned char byte = (unsigned char)signal;

	/* If it is gone already, waiting for it will tell. */
	(void)!write(s->lifeline, &byte, 1);
}

int sandbox_wait(struct sandbox *s)
{
	int status;

	while (waitpid(s->init, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	s->init = 0;
	/* Its namespaces are not gone before it is. */
	while (s->undertaker && waitpid(s->undertaker, NULL, 0) < 0)
		if (errno != EINTR)
			break;
	s->undertaker = 0;
	return status;
}

void sandbox_deinit(struct sandbox *s)
{
	if (s->init > 0) {
		kill(s->init, SIGKILL);
		sandbox_wait(s);
	}
	close(s->lifeline);
	close(s->messages);
}

int sandbox_make_node_dir(size_t node, const char *hosts, const char *resolver,
			  char *dir, size_t dir_size, struct err *err)
{
	char path[128], text[128] = NO_RESOLVER;
	int r;

	snprintf(dir, dir_size, RUN_DIR "/%zu", node);
	if (mkdir(dir, 0755) && errno != EEXIST)
		return err_errno(err, errno, "mkdir %s", dir);
	snprintf(path, sizeof(path), "%s/hosts", dir);
	r = write_file(path, hosts, err);
	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	if (resolver)
		snprintf(text, sizeof(text), "nameserver %s\n", resolver);
	return write_file(path, text, err);
}

int sandbox_enter_node(const char *hostname, const char *dir, struct err *err)
{
	static const char *const files[] = { "hosts", "resolv.conf" };

	if (unshare(CLONE_NEWNS | CLONE_NEWUTS))
		return err_errno(err, errno, "unshare mounts");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return err_errno(err, errno, "make mounts private");
	for (size_t i = 0; i < 2; i++) {
		char from[128], to[64];

		snprintf(from, sizeof(from), "%s/%s", dir, files[i]);
		snprintf(to, sizeof(to), "/etc/%s", files[i]);
		if (mount(from, to, NULL, MS_BIND, NULL))
			return err_errno(err, errno, "mount %s on %s", from,
					 to);
	}
	/*
	 * The node's devices in /sys/class/net. A nicety: where a container has
	 * masked its /sys, the kernel refuses a new one, and the old stays.
	 */
	(void)!mount("sysfs", "/sys", "sysfs",
		     MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL);
	/* At most 64 bytes; names of nodes may be longer. */
	if (sethostname(hostname, strnlen(hostname, 64)))
		return err_errno(err, errno, "sethostname");
	return 0;
}
