/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is killed closes its sockets one after the other, and each packet socket
 * has the kernel wait for all its readers, some ten milliseconds. Closing them
 * from threads (capture_parallel.c) is for ends that were foreseen; a capture
 * of a thousand nodes whose owner is killed would take a quarter of a minute to
 * die, and hold all namespaces until then.
 *
 * So a few processes, the keepers, share the sockets between them, and do
 * nothing but hold them. When all are killed at once, the capture's own
 * descriptors are not the last ones, and are closed in no time; the keepers'
 * are, and keepers wait side by side. For that a keeper must not be faster than
 * the capture: the first thing it closes are packet sockets that are its alone,
 * each of which has it wait once; the more nodes, the longer the capture takes
 * to go, and the more of them. It is a race, and no number of them wins it
 * always: who is killed right behind the building of its lab loses it most
 * times, and then the capture closes what is left by itself, slower, and no
 * worse. Only holders that outlive the lab would not have to race.
 *
 * A keeper also leaves, at once, when the capture closes its end of a pipe, by
 * its own will or by dying of something else. Without keepers (no process may
 * be started any more, say) all works as well.
 */
#include "base/cleanup.h"
#include "orchestrator/observe/capture_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEPERS_MAX 32
#define SHARE_MIN 2 /* sockets: fewer are not worth a process */
#define NODES_A_WAIT 32 /* a keeper waits once more for so many */

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Holds the n descriptors, and no other, until the one of them that is a pipe
 * ends. */
_Noreturn static void keep(int *fds, size_t n, int pipe_fd, size_t waits)
{
	int end = -1;
	char byte;

	/* In ascending order, so that none is overwritten before it has moved.
	 */
	qsort(fds, n, sizeof(*fds), compare);
	for (int i = 0; i < (int)n; i++) {
		if (fds[i] == pipe_fd)
			end = i;
		if (dup2(fds[i], i) < 0)
			_exit(1);
	}
	/* Last opened, first closed: exit takes them from the top. */
	if (close_range((unsigned)n, UINT_MAX, 0))
		_exit(1);
	for (size_t i = 0; i < waits; i++)
		if (socket(AF_PACKET, SOCK_RAW, 0) < 0)
			_exit(1);
	while (read(end, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

/* Every step-th socket from the first on. */
static bool start_keeper(struct capture *c, size_t first, size_t step,
			 int pipe_fd, int *fds)
{
	size_t n = 0;
	pid_t pid;

	fds[n++] = pipe_fd;
	for (size_t i = first; i < c->nodes.n; i += step)
		fds[n++] = c->nodes.v[i].socket.fd;
	pid = fork();
	if (pid == 0)
		keep(fds, n, pipe_fd, 1 + c->nodes.n / NODES_A_WAIT);
	return pid > 0;
}

void capture_keepers_start(struct capture *c)
{
	size_t n = c->nodes.n / SHARE_MIN;
	CLEANUP_FREE int *fds = calloc(c->nodes.n + 1, sizeof(*fds));
	int ends[2];

	if (n > KEEPERS_MAX)
		n = KEEPERS_MAX;
	if (n < 2 || !fds || pipe2(ends, O_CLOEXEC))
		return;
	for (size_t i = 0; i < n; i++)
		if (!start_keeper(c, i, n, ends[0], fds))
			break;
	close(ends[0]);
	c->keepers_fd = ends[1];
}

void capture_keepers_end(struct capture *c)
{
	if (c->keepers_fd >= 0)
		close(c->keepers_fd);
	c->keepers_fd = -1;
}
