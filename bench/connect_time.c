/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long connect() of TCP takes, as a program feels it.
 *
 *     connect_time ADDRESS PORT N        N times one after the other; prints
 *                                        the median in microseconds
 *     connect_time --listen ADDRESS PORT the other end; ends when it is killed
 *
 * The client closes first, and each connection is ended at both ends before the
 * next one is made: what is measured is never the clearing away of another.
 */
#include "base/clock.h"
#include "bench/ends.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 30
#define COUNT_MAX 10000 /* each leaves its port in TIME_WAIT */

static int tcp_socket(void)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return fd;
}

/* Closed when the peer has closed. */
static void serve(const struct sockaddr_in *name)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	char byte;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)name, sizeof(*name)))
		die("bind");
	if (listen(fd, 16))
		die("listen");
	for (;;) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (peer < 0)
			die("accept");
		while (read(peer, &byte, 1) > 0)
			;
		close(peer);
	}
}

static int64_t connect_ns(const struct sockaddr_in *name)
{
	int fd = tcp_socket();
	int64_t start = clock_mono_ns(), took;
	char byte;

	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)))
		die("connect");
	took = clock_mono_ns() - start;
	shutdown(fd, SHUT_WR);
	if (read(fd, &byte, 1) != 0)
		die("the peer did not close");
	close(fd);
	return took;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int usage(void)
{
	fputs("usage: connect_time ADDRESS PORT N\n"
	      "       connect_time --listen ADDRESS PORT\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static int64_t took[COUNT_MAX];
	struct sockaddr_in name;
	unsigned long n;

	if (argc != 4)
		return usage();
	if (!strcmp(argv[1], "--listen")) {
		name = name_of(argv[2], argv[3]);
		serve(&name);
	}
	name = name_of(argv[1], argv[2]);
	n = strtoul(argv[3], NULL, 10);
	if (n < 1 || n > COUNT_MAX)
		return usage();
	for (unsigned long i = 0; i < n; i++)
		took[i] = connect_ns(&name);
	qsort(took, n, sizeof(took[0]), compare);
	printf("%.1f\n", (double)took[n / 2] / 1e3);
	return 0;
}
