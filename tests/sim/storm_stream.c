/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/storm_stream.h"

#include "tests/support/sal_world_parts.h"
#include "tests/support/toy_tcp.h"

#include <stdio.h>
#include <stdlib.h>

#define STREAM_BYTES 12000u
#define PORT 80

struct server {
	struct toy_tcp tcp;
	struct server *next;
};

struct storm_stream {
	struct toy_tcp client;
	struct server *servers; /* the newest first */
};

struct storm_stream *storm_stream_new(void)
{
	return must(calloc(1, sizeof(struct storm_stream)));
}

void storm_stream_free(struct storm_stream *s)
{
	while (s && s->servers) {
		struct server *next = s->servers->next;

		free(s->servers);
		s->servers = next;
	}
	free(s);
}

void storm_stream_start(struct storm_stream *s, struct host *h, const char *to,
			uint16_t port)
{
	toy_connect(&s->client, h, to, port, PORT, STREAM_BYTES);
	s->client.closes = true;
}

void storm_stream_client_takes(struct storm_stream *s, struct host *h,
			       const struct sal_inner *p)
{
	toy_program(h, p, &s->client);
}

static struct server *server_at(const struct storm_stream *s,
				const struct host *h)
{
	for (struct server *v = s->servers; v; v = v->next)
		if (v->tcp.h == h)
			return v;
	return NULL;
}

static struct server *listens(struct storm_stream *s, struct host *h,
			      const struct sal_inner *p, struct server *v)
{
	char service[IP_TEXT_MAX];

	if (!v) {
		v = must(calloc(1, sizeof(*v)));
		v->next = s->servers;
		s->servers = v;
	}
	ip_format_addr(&p->dst, service, sizeof(service));
	toy_listen(&v->tcp, h, service, PORT, STREAM_BYTES);
	v->tcp.closes = true;
	return v;
}

void storm_stream_server_takes(struct storm_stream *s, struct host *h,
			       const struct sal_inner *p)
{
	struct server *v = server_at(s, h);

	/* A client whose SYN had no answer may have been bound to another
	 * instance since, and come back. */
	if (p->segment[13] & 2 && !s->client.connected && (!v || v->tcp.reset))
		v = listens(s, h, p, v);
	/* Another instance knows nothing of it. */
	if (v)
		toy_program(h, p, &v->tcp);
}

/* The one that the client goes on with, as far as is known; NULL: none. */
static const struct toy_tcp *server_of(const struct storm_stream *s)
{
	for (const struct server *v = s->servers; v; v = v->next)
		if (v->tcp.connected)
			return &v->tcp;
	return s->servers ? &s->servers->tcp : NULL;
}

bool storm_stream_is_whole(const struct storm_stream *s)
{
	const struct toy_tcp *server = server_of(s);

	return server && s->client.fin_got && server->fin_got &&
	       server->got == s->client.total && s->client.got == server->total;
}

bool storm_stream_is_over(const struct storm_stream *s)
{
	return s->client.reset || s->client.unreachable || s->client.gave_up ||
	       storm_stream_is_whole(s);
}

/* Where no server has heard of the client after its SYN, any may be its own. */
static bool servers_kept(const struct storm_stream *s,
			 bool (*kept)(struct host *h))
{
	const struct toy_tcp *server = server_of(s);

	if (server && server->connected)
		return kept(server->h);
	for (const struct server *v = s->servers; v; v = v->next)
		if (!kept(v->tcp.h))
			return false;
	return server != NULL;
}

static void describe(unsigned k, const char *end, const struct toy_tcp *t)
{
	fprintf(stderr,
		"stream of host %u, %s:%s%s%s%s%s got %u, %u under way, %u "
		"time-outs\n",
		k, end, t->connected ? " connected" : "",
		t->reset ? " reset" : "", t->unreachable ? " unreachable" : "",
		t->gave_up ? " gave up" : "", t->fin_got ? " FIN" : "", t->got,
		t->next - t->una, t->timeouts);
}

void storm_stream_check(const struct storm_stream *s, struct world *w,
			unsigned k, bool (*kept)(struct host *h))
{
	bool has_to_be_whole = kept(s->client.h) && servers_kept(s, kept) &&
			       s->client.connected && !s->client.unreachable;

	WORLD_OK(w, !s->client.wrong_byte);
	for (const struct server *v = s->servers; v; v = v->next)
		WORLD_OK(w, !v->tcp.wrong_byte);
	if (has_to_be_whole && !storm_stream_is_whole(s)) {
		describe(k, "client", &s->client);
		for (const struct server *v = s->servers; v; v = v->next)
			describe(k, "server", &v->tcp);
	}
	WORLD_OK(w, !has_to_be_whole || storm_stream_is_whole(s));
}
