/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two listening sockets, one a family (as echo.c has it, and why), and a table
 * of connections. All of them take turns: none does more at a time than read
 * or write one socketful.
 */
#include "orchestrator/observe/serve_internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "stream/socket.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#define BACKLOG 256
#define EVENTS 64

/* Whom an event is for: a connection's place, or one of these. */
enum { FOR_V4 = 0x7ffffffd, FOR_V6, FOR_SIGNAL };

struct server {
	const struct serve_config *config;
	int epoll_fd, signal_fd, v4, v6;
	struct client *clients[SERVE_CONNECTIONS_MAX];
	size_t used; /* places beyond this one are free */
};

static int watch(int epoll_fd, int fd, uint32_t whose, uint32_t events,
		 bool again)
{
	struct epoll_event e = { .events = events, .data.u32 = whose };

	return epoll_ctl(epoll_fd, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
			 &e) ?
		       -errno :
		       0;
}

/* ---- connections --------------------------------------------------------- */

static void client_end(struct server *s, size_t place, const char *end)
{
	serve_client_free(s->clients[place], end);
	free(s->clients[place]);
	s->clients[place] = NULL;
	while (s->used && !s->clients[s->used - 1])
		s->used--;
}

static size_t free_place(const struct server *s)
{
	size_t i = 0;

	while (i < SERVE_CONNECTIONS_MAX && s->clients[i])
		i++;
	return i;
}

static void client_add(struct server *s, int fd)
{
	size_t place = free_place(s);
	struct client *c = NULL;

	if (place < SERVE_CONNECTIONS_MAX)
		c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	s->clients[place] = c;
	if (place >= s->used)
		s->used = place + 1;
	if (serve_client_init(c, fd) ||
	    watch(s->epoll_fd, fd, (uint32_t)place, EPOLLIN, false))
		client_end(s, place, "ENOMEM");
}

static void accept_all(struct server *s, int listener)
{
	for (int i = 0; i < BACKLOG; i++) {
		int fd = accept4(listener, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		client_add(s, fd);
	}
}

static void client_turn(struct server *s, size_t place, uint32_t events)
{
	struct client *c = s->clients[place];
	const char *end = serve_client_ready(s->config, c, events);
	uint32_t wants;

	if (end) {
		client_end(s, place, end);
		return;
	}
	wants = serve_client_wants(c);
	if (wants != c->watched)
		watch(s->epoll_fd, c->fd, (uint32_t)place, wants, true);
	c->watched = wants;
}

/* Those whose time has come; returns when the next one's does. */
static int64_t wake_all(struct server *s)
{
	int64_t now_ns = clock_mono_ns(), next_ns = INT64_MAX;

	for (size_t i = 0; i < s->used; i++) {
		if (s->clients[i] && s->clients[i]->wake_ns <= now_ns)
			client_turn(s, i, 0);
		if (s->clients[i] && s->clients[i]->wake_ns < next_ns)
			next_ns = s->clients[i]->wake_ns;
	}
	return next_ns;
}

/* ---- the loop ------------------------------------------------------------ */

static int wait_for_events(struct server *s, struct epoll_event *events)
{
	int64_t next_ns = wake_all(s), left = next_ns - clock_mono_ns();
	struct timespec ts;

	if (next_ns == INT64_MAX)
		return epoll_pwait2(s->epoll_fd, events, EVENTS, NULL, NULL);
	if (left < 0)
		left = 0;
	ts = (struct timespec){ left / NSEC_PER_SEC, left % NSEC_PER_SEC };
	return epoll_pwait2(s->epoll_fd, events, EVENTS, &ts, NULL);
}

static int turn(struct server *s, struct err *err)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = wait_for_events(s, events);

		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "serve: wait");
		for (int i = 0; i < n; i++) {
			uint32_t whose = events[i].data.u32;

			if (whose == FOR_SIGNAL)
				return 0;
			if (whose == FOR_V4)
				accept_all(s, s->v4);
			else if (whose == FOR_V6)
				accept_all(s, s->v6);
			else if (whose < s->used && s->clients[whose])
				client_turn(s, whose, events[i].events);
		}
	}
}

static int open_listener(sa_family_t family, uint16_t port, bool mptcp,
			 struct err *err)
{
	const int on = 1;
	const struct ip_addr any = { .family = family };
	union tcp_address a;
	socklen_t len = tcp_address_set(&a, &any, port);
	CLEANUP_CLOSE int fd =
		socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       mptcp ? IPPROTO_MPTCP : 0);

	if (fd < 0)
		return err_errno(err, errno, "serve: socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)))
		return err_errno(err, errno, "serve: socket options");
	if (bind(fd, &a.any, len) || listen(fd, BACKLOG))
		return err_errno(err, errno, "serve: port %u", port);
	return TAKE_FD(fd);
}

static int server_open(struct server *s, struct err *err)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->signal_fd < 0 || s->epoll_fd < 0)
		return err_errno(err, errno, "serve");
	s->v4 = open_listener(AF_INET, s->config->port, s->config->mptcp, err);
	if (s->v4 < 0)
		return s->v4;
	s->v6 = open_listener(AF_INET6, s->config->port, s->config->mptcp, err);
	if (s->v6 < 0 && s->v6 != -EAFNOSUPPORT && s->v6 != -EADDRNOTAVAIL)
		return s->v6;
	r = watch(s->epoll_fd, s->signal_fd, FOR_SIGNAL, EPOLLIN, false);
	if (!r)
		r = watch(s->epoll_fd, s->v4, FOR_V4, EPOLLIN, false);
	if (!r && s->v6 >= 0)
		r = watch(s->epoll_fd, s->v6, FOR_V6, EPOLLIN, false);
	return r ? err_errno(err, -r, "serve") : 0;
}

int serve_main(const struct serve_config *c, int ready_fd, int err_fd)
{
	struct server *s = calloc(1, sizeof(*s));
	struct err err = ERR_INIT;
	int r;

	if (!s) {
		dprintf(err_fd, "serve: out of memory\n");
		return 1;
	}
	*s = (struct server){
		.config = c, .epoll_fd = -1, .signal_fd = -1, .v4 = -1, .v6 = -1
	};
	prctl(PR_SET_TIMERSLACK, 1);
	r = server_open(s, &err);
	if (!r) {
		(void)!write(ready_fd, "", 1);
		close(ready_fd);
		r = turn(s, &err);
	}
	for (size_t i = 0; i < SERVE_CONNECTIONS_MAX; i++)
		if (s->clients[i])
			client_end(s, i, "stopped");
	for (int *fd = (int[]){ s->epoll_fd, s->signal_fd, s->v4, s->v6, -2 };
	     *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
	free(s);
	if (r)
		dprintf(err_fd, "%s\n", err.msg);
	return r ? 1 : 0;
}
