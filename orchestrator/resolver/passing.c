/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions that are passed on. Each takes one of its node's askers, sockets
 * that were opened in the node: so it leaves from there, on the node's own
 * addresses and routes, and nothing gets out of the lab that the node could not
 * send. Where none is free, or many wait in all nodes, it fails at once, as it
 * does when nobody has answered for a while: programs wait for 5 s, and would
 * ask again.
 *
 * A question that came by TCP is asked over UDP all the same, and one whose
 * answer is cut short there fails. (A connection each, with a time of its own,
 * is much for the few answers of more than a program allows by EDNS.)
 */
#include "orchestrator/resolver/internal.h"
#include "orchestrator/resolver/others.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* Until it is asked again, and in all. */
#define GAP_NS NSEC_PER_SEC
#define WAIT_NS (4 * NSEC_PER_SEC)
#define FLAG_TC 0x02
#define SERVFAIL 2 /* RFC 1035, 4.1.1 */

void passing_end(struct server *s, struct port *asker)
{
	size_t i = 0;

	while (s->busy[i] != asker)
		i++;
	s->busy[i] = s->busy[--s->n_busy];
	if (asker->asked->connection)
		asker->asked->connection->asker = NULL;
	free(asker->asked);
	asker->asked = NULL;
	others_rest(asker->fd);
}

/* Hands the answer, in s->answer with room for the whole of it, to who waits.
 */
static void asked_answer(struct server *s, struct port *asker, size_t n)
{
	struct asked *a = asker->asked;
	struct port *c = a->connection;
	struct epoll_event e = { .events = EPOLLOUT, .data.ptr = c };

	memcpy(s->answer, a->id, 2);
	if (c) {
		memcpy(c->out + 2, s->answer, n);
		c->out[0] = (uint8_t)(n >> 8);
		c->out[1] = (uint8_t)n;
		c->out_len = n + 2;
		c->until_ns = clock_mono_ns() + IDLE_NS;
		/* Its own event sends it: to close it here would pull it from
		 * under one that has come already. */
		(void)!epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &e);
	} else {
		(void)!sendto(a->fd, s->answer, n, MSG_DONTWAIT,
			      (struct sockaddr *)&a->from, a->from_len);
	}
	passing_end(s, asker);
}

static void asked_fail(struct server *s, struct port *asker)
{
	asked_answer(s, asker,
		     others_put_short(asker->asked->query,
				      asker->asked->question_end, SERVFAIL,
				      false, s->answer));
}

void passing_take(struct server *s, struct port *asker)
{
	for (unsigned i = 0; i < BURST && asker->asked; i++) {
		const struct asked *a = asker->asked;
		ssize_t n = recv(asker->fd, s->answer, sizeof(s->answer),
				 MSG_DONTWAIT);
		size_t len = (size_t)n;
		bool truncated;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* there is nobody, or no way */
			asked_fail(s, asker);
			return;
		}
		if (!others_is_answer(a->query, a->question_end, s->answer,
				      len))
			continue;
		truncated = s->answer[2] & FLAG_TC;
		if (a->connection && truncated) {
			asked_fail(s, asker);
			return;
		}
		if (!a->connection && len > a->limit)
			len = others_put_short(s->answer, a->question_end,
					       s->answer[3] & 15, true,
					       s->answer);
		asked_answer(s, asker, len);
	}
}

/* connection: NULL: from by p, over UDP. False: it can't be. */
static bool pass_on(struct server *s, const struct port *p,
		    struct port *connection, const uint8_t *query, size_t n,
		    const struct sockaddr_storage *from, socklen_t from_len)
{
	size_t question_end = others_question_end(query, n);
	struct port *asker = p->askers;
	struct asked *a;

	while (asker && asker->asked)
		asker = asker->askers;
	if (!asker || !question_end || s->n_busy == OTHERS_MAX)
		return false;
	a = malloc(sizeof(*a));
	if (!a)
		return false;
	a->connection = connection;
	a->fd = p->fd;
	if (from)
		a->from = *from;
	a->from_len = from_len;
	a->limit = connection ? 0 : resolver_limit(query, n);
	memcpy(a->id, query, 2);
	a->again_ns = clock_mono_ns() + GAP_NS;
	a->until_ns = clock_mono_ns() + WAIT_NS;
	a->question_end = question_end;
	a->n = n;
	memcpy(a->query, query, n);
	if (others_ask(asker->fd, &s->others, NAMES_PORT, a->query, n)) {
		others_rest(asker->fd);
		free(a);
		return false;
	}
	asker->asked = a;
	s->busy[s->n_busy++] = asker;
	if (connection)
		connection->asker = asker;
	return true;
}

int64_t passing_again(struct server *s, int64_t now_ns)
{
	int64_t next_ns = INT64_MAX;

	/* One that ends has the last one put in its place. */
	for (size_t i = s->n_busy; i-- > 0;) {
		struct port *asker = s->busy[i];
		struct asked *a = asker->asked;

		if (a->until_ns <= now_ns) {
			asked_fail(s, asker);
			continue;
		}
		if (a->again_ns <= now_ns) {
			(void)!send(asker->fd, a->query, a->n,
				    MSG_DONTWAIT | MSG_NOSIGNAL);
			a->again_ns = now_ns + GAP_NS;
		}
		if (a->again_ns < next_ns)
			next_ns = a->again_ns;
		if (a->until_ns < next_ns)
			next_ns = a->until_ns;
	}
	return next_ns;
}

size_t passing_settle(struct server *s, const struct port *p,
		      struct port *connection, const uint8_t *query, size_t n,
		      const struct sockaddr_storage *from, socklen_t from_len,
		      uint8_t *out, size_t refused)
{
	size_t question_end;

	if (!s->others.family)
		return refused;
	if (pass_on(s, p, connection, query, n, from, from_len))
		return 0;
	question_end = others_question_end(query, n);
	return question_end ? others_put_short(query, question_end, SERVFAIL,
					       false, out) :
			      resolver_answer_bare(query, SERVFAIL, out);
}
