/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long does a program take to build a lab, and how long until nothing of
 * the lab is left? Asked in the same way of anything that can be started:
 *
 *     until_gone [--kill] COMMAND [ARGUMENT...]
 *
 * runs the command in a user namespace of its own (see netns_gone.h) until it
 * prints a line that begins with "built" on standard error. That ends the one
 * measurement and begins the other, which ends with the last network namespace.
 * With --kill the command is then killed; otherwise it is to take the lab down
 * by itself, and to end with 0. Prints {"build_ms":...,"teardown_ms":...}.
 */
#include "bench/netns_gone.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK "built"

static int die(const char *what, int code)
{
	fprintf(stderr, "until_gone: %s: %s\n", what, strerror(code));
	return 3;
}

/* Passes the lines on; false: the command ended without the mark. */
static bool wait_for_mark(FILE *from)
{
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (!found && getline(&line, &size, from) >= 0) {
		fputs(line, stderr);
		found = !strncmp(line, MARK, strlen(MARK));
	}
	free(line);
	return found;
}

int main(int argc, char **argv)
{
	bool killing = argc > 1 && !strcmp(argv[1], "--kill");
	char **command = argv + 1 + killing;
	int64_t start, built, gone;
	int fds[2], status, r;
	FILE *from;
	pid_t pid;

	if (!*command) {
		fprintf(stderr, "usage: until_gone [--kill] COMMAND...\n");
		return 2;
	}
	r = netns_gone_init();
	if (r)
		return die("user namespace", -r);
	if (pipe2(fds, O_CLOEXEC))
		return die("pipe", errno);
	start = clock_mono_ns();
	pid = fork();
	if (pid < 0)
		return die("fork", errno);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDERR_FILENO);
		execvp(command[0], command);
		_exit(die(command[0], errno));
	}
	close(fds[1]);
	from = fdopen(fds[0], "r");
	if (!from)
		return die("fdopen", errno);
	if (!wait_for_mark(from)) {
		waitpid(pid, NULL, 0);
		fprintf(stderr, "until_gone: no line began with '" MARK "'\n");
		return 3;
	}
	built = clock_mono_ns();
	if (killing)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!killing && status) {
		fprintf(stderr, "until_gone: the command failed\n");
		return 3;
	}
	gone = netns_gone_wait();
	if (gone < 0)
		return die("wait for the namespaces' end", (int)-gone);
	printf("{\"build_ms\":%.3f,\"teardown_ms\":%.3f}\n",
	       (double)(built - start) / NSEC_PER_MSEC,
	       (double)(gone - built) / NSEC_PER_MSEC);
	return 0;
}
