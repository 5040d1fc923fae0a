/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serval-handoff-echo(1): a TCP server whose connections can go on in another
 * process, in another network namespace.
 *
 * It sends back what it gets. To a client that opens as the tcp_stream probe
 * does (stream/stream.h) it speaks the probe's language, in which
 * each byte is known beforehand and the end is a hash: so it is seen whether a
 * handoff has lost or doubled one.
 *
 * The handoff itself is directed from outside, over a socket whose descriptor
 * is in SERVALAB_HANDOFF_FD (docs/control.md, "Servers that hand over"). A
 * connection that moves is one that this loop does not look at: between "dump"
 * and "back" or "close" nothing is read from it or written to it.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "node/app/handoff_server.h"
#include "stream/socket.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FIXED 3 /* descriptors that are always watched */
#define BACKLOG 64

static const char usage[] =
	"usage: serval-handoff-echo [--port PORT]\n"
	"\n"
	"A TCP server that echoes, or speaks to tcp_stream probes, and whose\n"
	"connections a scenario can hand over (migrate, mode: handoff).\n"
	"See serval-handoff-echo(1).\n"
	"\n"
	"  --port PORT  where it listens (5001)\n"
	"  --version\n"
	"  --help\n";

static int open_listener(sa_family_t family, uint16_t port, struct err *err)
{
	const int on = 1;
	const struct ip_addr any = { .family = family };
	union tcp_address a;
	socklen_t len = tcp_address_set(&a, &any, port);
	CLEANUP_CLOSE int fd =
		socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_errno(err, errno, "open a socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &a.any, len) || listen(fd, BACKLOG))
		return err_errno(err, errno, "listen at port %u", port);
	return TAKE_FD(fd);
}

static void accept_all(struct server *s, int listener)
{
	for (int i = 0; i < BACKLOG; i++) {
		int fd = accept4(listener, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		if (!connection_add(s, fd))
			close(fd);
	}
}

static int timeout_ms(const struct server *s)
{
	int64_t now_ns = clock_mono_ns(), next_ns = INT64_MAX;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		const struct connection *c = s->connections[i];

		if (c && !c->still && c->wake_ns < next_ns)
			next_ns = c->wake_ns;
	}
	if (next_ns == INT64_MAX)
		return -1;
	if (next_ns <= now_ns)
		return 0;
	return (int)((next_ns - now_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

/* One that stands still has no descriptor that poll() would look at. */
static void watch(const struct server *s, struct pollfd *fds)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		const struct connection *c = s->connections[i];

		fds[i] = (struct pollfd){ .fd = -1 };
		if (!c || c->still)
			continue;
		fds[i].fd = c->fd;
		fds[i].events = connection_wants(c);
	}
}

static int serve(struct server *s, int v4, int v6, struct err *err)
{
	struct pollfd fds[FIXED + CONNECTIONS_MAX];

	for (;;) {
		fds[0] = (struct pollfd){ .fd = v4, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = v6, .events = POLLIN };
		fds[2] = (struct pollfd){ .fd = s->orders, .events = POLLIN };
		watch(s, fds + FIXED);
		if (poll(fds, FIXED + CONNECTIONS_MAX, timeout_ms(s)) < 0) {
			if (errno == EINTR)
				continue;
			return err_errno(err, errno, "poll");
		}
		for (size_t i = 0; i < CONNECTIONS_MAX; i++)
			if (s->connections[i] && !s->connections[i]->still)
				connection_turn(s, i, fds[FIXED + i].revents);
		if (fds[0].revents)
			accept_all(s, v4);
		if (fds[1].revents)
			accept_all(s, v6);
		/* Last: an order may add and end connections. */
		if (fds[2].revents)
			handoff_order(s);
	}
}

static int tell_help(void)
{
	fputs("Try: serval-handoff-echo --help\n", stderr);
	return 2;
}

/* -1: run the server; else an exit status. */
static int parse(int argc, char **argv, uint16_t *port)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	unsigned long n;
	char *end;
	int o;

	argv[0] =
		(char *)"serval-handoff-echo"; /* as all that is said begins */
	while ((o = getopt_long(argc, argv, "p:h", options, NULL)) != -1) {
		switch (o) {
		case 'p':
			n = strtoul(optarg, &end, 10);
			if (*end || end == optarg || !n || n > UINT16_MAX) {
				fprintf(stderr,
					"serval-handoff-echo: --port: "
					"expected 1 to 65535: %s\n",
					optarg);
				return tell_help();
			}
			*port = (uint16_t)n;
			break;
		case 'V':
			puts("serval-handoff-echo " SERVALAB_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return tell_help();
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "serval-handoff-echo: unexpected word: %s\n",
		argv[optind]);
	return tell_help();
}

int main(int argc, char **argv)
{
	static struct server s;
	uint16_t port = 5001;
	int status = parse(argc, argv, &port), v4, v6;
	struct err err = ERR_INIT;

	if (status >= 0)
		return status;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	s.orders = handoff_orders_fd();
	v4 = open_listener(AF_INET, port, &err);
	v6 = open_listener(AF_INET6, port, &err);
	if ((v4 >= 0 || v4 == -EAFNOSUPPORT) &&
	    (v6 >= 0 || v6 == -EAFNOSUPPORT) && (v4 >= 0 || v6 >= 0)) {
		printf("listening at port %u%s\n", port,
		       s.orders >= 0 ? ", ready to hand over" : "");
		serve(&s, v4, v6, &err);
	}
	fprintf(stderr, "serval-handoff-echo: %s\n", err.msg);
	return 3;
}
