/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/support/sandbox.h"

#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "%s", path);
	close(fd);
}

static void wait_and_exit(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		;
	if (WIFSIGNALED(status)) {
		fprintf(stderr, "killed by signal %d\n", WTERMSIG(status));
		_exit(1);
	}
	_exit(WEXITSTATUS(status));
}

void test_sandbox_enter(void)
{
	int flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC;
	uid_t uid = getuid();
	gid_t gid = getgid();
	char map[64];
	pid_t pid;

	if (uid != 0)
		flags |= CLONE_NEWUSER;
	if (unshare(flags))
		err(1, "unshare");
	if (uid != 0) {
		write_file("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_file("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "0 %u 1", gid);
		write_file("/proc/self/gid_map", map);
	}
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid > 0)
		wait_and_exit(pid);

	/* PID 1 of the namespace: all of it dies when this one does. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL))
		err(1, "mount /proc");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid > 0)
		wait_and_exit(pid);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}
