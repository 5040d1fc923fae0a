/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every descriptor that is waited for is a struct port, and all of them are in
 * one list, from which a node's are closed when it goes: a socket left open
 * would keep the node's namespace.
 *
 * What a program at the other end does never makes the others wait: UDP is
 * answered in bursts of a bounded length, a TCP connection that does not take
 * its answers is not read from, and one that is idle for too long is closed.
 * A question that is passed on takes one of its node's askers until there is an
 * answer; where none is free, it fails.
 */
#include "orchestrator/resolver/server.h"

#include "orchestrator/resolver/internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS 64
#define CONNECTIONS_MAX 1024

/* ---- ports --------------------------------------------------------------- */

/* Takes fd over. */
static struct port *port_add(struct server *s, enum port_kind kind,
			     uint64_t node, int fd)
{
	struct port *p = calloc(1, sizeof(*p));
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = p };

	if (p)
		*p = (struct port){ .kind = kind, .node = node, .fd = fd };
	if (p && kind == PORT_CONNECTION)
		p->out = malloc(2 + RESOLVER_MESSAGE_MAX);
	if (!p || (kind == PORT_CONNECTION && !p->out) ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e)) {
		if (p)
			free(p->out);
		free(p);
		close(fd);
		return NULL;
	}
	p->next = &s->ports;
	p->previous = s->ports.previous;
	p->previous->next = s->ports.previous = p;
	s->connections += kind == PORT_CONNECTION;
	return p;
}

static void port_close(struct server *s, struct port *p)
{
	if (p->asker)
		passing_end(s, p->asker);
	if (p->asked)
		passing_end(s, p);
	s->connections -= p->kind == PORT_CONNECTION;
	p->previous->next = p->next;
	p->next->previous = p->previous;
	if (p->kind != PORT_CONTROL) /* borrowed */
		close(p->fd);
	free(p->out);
	free(p);
}

static void close_node(struct server *s, uint64_t node)
{
	for (struct port *p = s->ports.next, *next; p != &s->ports; p = next) {
		next = p->next;
		if (p->kind != PORT_CONTROL && p->node == node)
			port_close(s, p);
	}
}

/* ---- UDP ----------------------------------------------------------------- */

static void answer_datagrams(struct server *s, const struct port *p)
{
	uint8_t query[QUERY_MAX];

	for (unsigned i = 0; i < BURST; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(p->fd, query, sizeof(query), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &len);
		enum resolver_outcome outcome;
		size_t out;

		if (n < 0 && errno != EINTR && errno != ECONNREFUSED)
			return;
		if (n < 0)
			continue;
		outcome = resolver_answer(s->zone, query, (size_t)n, false,
					  s->answer, &out);
		if (outcome == RESOLVER_REFUSE)
			out = passing_settle(s, p, NULL, query, (size_t)n,
					     &from, len, s->answer, out);
		if (outcome == RESOLVER_DROP || !out)
			continue;
		(void)!sendto(p->fd, s->answer, out, MSG_DONTWAIT,
			      (struct sockaddr *)&from, len);
	}
}

/* ---- TCP ----------------------------------------------------------------- */

static void accept_all(struct server *s, const struct port *listener)
{
	for (unsigned i = 0; i < BURST; i++) {
		int fd = accept4(listener->fd, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct port *p;

		if (fd < 0)
			return;
		if (s->connections >= CONNECTIONS_MAX) {
			close(fd);
			continue;
		}
		p = port_add(s, PORT_CONNECTION, listener->node, fd);
		if (p) {
			p->until_ns = clock_mono_ns() + IDLE_NS;
			p->askers = listener->askers;
		}
	}
}

/* 1: all of it has gone; 0: not yet; negative: the connection is over. */
static int flush(struct port *p)
{
	while (p->out_done < p->out_len) {
		ssize_t n = send(p->fd, p->out + p->out_done,
				 p->out_len - p->out_done,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		p->out_done += (size_t)n;
	}
	p->out_len = p->out_done = 0;
	return 1;
}

/* The first query that came, if it is whole. 1: there may be another; 0: not;
 * negative: the connection is over. */
static int answer_first(struct server *s, struct port *p)
{
	size_t n = p->have < 2 ? 0 : (size_t)(p->in[0] << 8 | p->in[1]);
	enum resolver_outcome outcome;
	size_t out;

	if (n > QUERY_MAX)
		return -EMSGSIZE;
	if (p->have < 2 || p->have < 2 + n)
		return 0;
	outcome =
		resolver_answer(s->zone, p->in + 2, n, true, p->out + 2, &out);
	if (outcome == RESOLVER_DROP)
		return -EBADMSG;
	if (outcome == RESOLVER_REFUSE)
		out = passing_settle(s, p, p, p->in + 2, n, NULL, 0, p->out + 2,
				     out);
	p->out[0] = (uint8_t)(out >> 8);
	p->out[1] = (uint8_t)out;
	p->out_len = out ? out + 2 : 0;
	p->have -= 2 + n;
	memmove(p->in, p->in + 2 + n, p->have);
	p->until_ns = clock_mono_ns() + IDLE_NS;
	return p->asker ? 0 : flush(p);
}

static int read_more(struct port *p)
{
	ssize_t n;

	/* There are queries in it: nothing was read because answers waited. */
	if (p->have == sizeof(p->in))
		return 0;
	n = recv(p->fd, p->in + p->have, sizeof(p->in) - p->have, MSG_DONTWAIT);

	if (n > 0)
		p->have += (size_t)n;
	if (n == 0)
		return -ECONNRESET;
	return n < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
}

static void serve_connection(struct server *s, struct port *p)
{
	struct epoll_event e = { .data.ptr = p };
	int r;

	/* It is not read from: this is an error, or the end. */
	if (p->asker) {
		port_close(s, p);
		return;
	}
	r = flush(p);
	if (r > 0)
		r = read_more(p);
	for (unsigned i = 0;
	     i < QUERY_MAX && r >= 0 && !p->out_len && !p->asker; i++) {
		r = answer_first(s, p);
		if (!r)
			break;
	}
	e.events = p->out_len ? EPOLLOUT : p->asker ? EPOLLRDHUP : EPOLLIN;
	if (r < 0 || epoll_ctl(s->epoll, EPOLL_CTL_MOD, p->fd, &e))
		port_close(s, p);
}

/* Returns when the next one will have been idle for too long. */
static int64_t close_idle(struct server *s, int64_t now_ns)
{
	int64_t next_ns = INT64_MAX;

	for (struct port *p = s->ports.next, *next; p != &s->ports; p = next) {
		next = p->next;
		if (p->kind != PORT_CONNECTION)
			continue;
		if (p->until_ns <= now_ns)
			port_close(s, p);
		else if (p->until_ns < next_ns)
			next_ns = p->until_ns;
	}
	return next_ns;
}

/* ---- orders -------------------------------------------------------------- */

static int take_sockets(struct server *s, const struct names_message *m)
{
	static const enum port_kind kinds[NAMES_SERVERS] = { PORT_UDP,
							     PORT_LISTENER };
	int r = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct names_node *n = &m->nodes[i];
		struct port *next = NULL;

		/* The last first: each knows those that are there. */
		for (size_t k = n->n; k-- > 0;) {
			struct port *p = port_add(
				s, k < NAMES_SERVERS ? kinds[k] : PORT_ASKER,
				n->node, n->sockets[k]);

			if (!p) {
				r = -ENOMEM;
				continue;
			}
			p->askers = next;
			if (p->kind == PORT_ASKER)
				next = p;
		}
	}
	return r;
}

static int take_order(struct server *s, int control)
{
	struct names_message m;
	struct names_reply reply = { 0 };
	int r = names_receive(control, s->message, &m);

	s->over = !r;
	if (r <= 0)
		return r;
	switch (m.what) {
	case NAMES_OPEN:
		return take_sockets(s, &m);
	case NAMES_CLOSE:
		close_node(s, m.node);
		break;
	case NAMES_SET:
		reply.code = -zone_set(s->zone, m.entry);
		break;
	}
	return send(control, &reply, sizeof(reply), MSG_NOSIGNAL) < 0 ? -errno :
									0;
}

/* ---- all of it ----------------------------------------------------------- */

static int serve_port(struct server *s, struct port *p)
{
	switch (p->kind) {
	case PORT_CONTROL:
		return take_order(s, p->fd);
	case PORT_UDP:
		answer_datagrams(s, p);
		break;
	case PORT_LISTENER:
		accept_all(s, p);
		break;
	case PORT_CONNECTION:
		serve_connection(s, p);
		break;
	case PORT_ASKER:
		passing_take(s, p);
		break;
	}
	return 0;
}

/* An order may close other ports: what had happened to them is asked for
 * again. */
static int turn(struct server *s, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(s->epoll, events, EVENTS, timeout_ms);
	int r = 0;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct port *p = events[i].data.ptr;

		if (p->kind == PORT_CONTROL)
			return serve_port(s, p);
	}
	for (int i = 0; i < n && !r; i++)
		r = serve_port(s, events[i].data.ptr);
	return r;
}

static int run(struct server *s)
{
	int r = 0;

	while (!s->over && !r) {
		int64_t now_ns = clock_mono_ns();
		int64_t next_ns =
			s->connections ? close_idle(s, now_ns) : INT64_MAX;
		int64_t again_ns = passing_again(s, now_ns);

		if (again_ns < next_ns)
			next_ns = again_ns;

		r = turn(s,
			 next_ns == INT64_MAX ?
				 -1 :
				 (int)((next_ns - now_ns) / NSEC_PER_MSEC) + 1);
	}
	return r;
}

static int add_ranges(struct zone *z, const struct resolver_setup *setup)
{
	int r = 0;

	for (size_t i = 0; i < setup->n_ranges && !r; i++)
		r = zone_add_range(z, &setup->ranges[i]);
	return r;
}

int resolver_serve(int control, const struct resolver_setup *setup,
		   struct err *err)
{
	struct server *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s)
		return err_errno(err, ENOMEM, "prepare the resolver");
	s->ports.next = s->ports.previous = &s->ports;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->zone = zone_new(setup->seed);
	s->message = malloc(NAMES_MESSAGE_MAX);
	s->others = setup->others;
	if (s->epoll >= 0 && s->zone && s->message &&
	    !add_ranges(s->zone, setup) &&
	    port_add(s, PORT_CONTROL, 0, control))
		r = run(s);
	while (s->ports.next != &s->ports)
		port_close(s, s->ports.next);
	if (s->epoll >= 0)
		close(s->epoll);
	zone_free(s->zone);
	free(s->message);
	free(s);
	return r ? err_errno(err, -r, "resolve names") : 0;
}
