/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program's end of a TCP connection, over a host of sal_world: real headers,
 * cumulative ACKs, a fixed window, go-back-N after a time-out that doubles. It
 * is slow and plain; what it knows for sure is whether each byte arrived, in
 * order and once, because each has a value of its own.
 */
#ifndef TESTS_TOY_TCP_H
#define TESTS_TOY_TCP_H

#include "tests/support/sal_world.h"

struct toy_tcp {
	struct host *h;
	struct ip_addr local, remote;
	uint16_t port_local, port_remote;
	bool listening, connected, reset, unreachable;
	bool gave_up; /* as real ones do in the end */
	uint32_t iss, irs;
	uint32_t una, next, rcv_next; /* as RFC 9293's SND.UNA, SND.NXT ... */
	uint32_t total; /* bytes to send, then FIN */
	uint32_t got; /* bytes received */
	bool closes, fin_got, wrong_byte;
	bool mute; /* delays its ACKs for good */
	int64_t rto_ns, deadline_ns;
	unsigned timeouts, segments_in;
	bool ticking;
};

/* Both are told of segments once they are the host's program (toy_program). */
void toy_listen(struct toy_tcp *t, struct host *h, const char *local,
		uint16_t port, uint32_t total);
void toy_connect(struct toy_tcp *t, struct host *h, const char *remote,
		 uint16_t from, uint16_t port, uint32_t total);
/* FIN when all is sent. */
void toy_close(struct toy_tcp *t);
/* Both: runs until all that is to be sent has been, and no longer than that.
 * Each byte has arrived then, and neither end was reset. */
void toy_finish(struct toy_tcp *a, struct toy_tcp *b, int64_t at_most_ns);
bool toy_done(const struct toy_tcp *t); /* all sent and acknowledged */
/* A program_fn; arg: struct toy_tcp *. */
void toy_program(struct host *h, const struct sal_inner *p, void *arg);

#endif
