/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands need to know of the terminal, and of its signals. */
#include "orchestrator/cli/cli.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80

unsigned terminal_width(int fd)
{
	struct winsize ws;

	if (!ioctl(fd, TIOCGWINSZ, &ws) && ws.ws_col >= 40)
		return ws.ws_col;
	return WIDTH_DEFAULT;
}

bool wants_color(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

int take_signals(bool children, sigset_t *old)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction action;
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (sigaction(signals[i], NULL, &action) ||
		    action.sa_handler != SIG_IGN)
			sigaddset(&mask, signals[i]);
	if (children)
		sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, old);
	return signalfd(-1, &mask, SFD_CLOEXEC);
}
