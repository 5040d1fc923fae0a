/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions for names that are none of the lab's, passed on to a name server in
 * it, byte for byte but for their ID, over UDP.
 *
 * An answer is taken when it came from there to the port that was asked from,
 * which is another one, by chance, for every question (the kernel sees to
 * both), has the ID, by chance as well, and repeats the question (RFC 5452).
 */
#ifndef RESOLVER_OTHERS_H
#define RESOLVER_OTHERS_H

#include "base/ip.h"

#include <stddef.h>

/* Where the only question of a query ends; 0: it is written in a way that is
 * not passed on (with a name that is partly elsewhere). */
size_t others_question_end(const uint8_t *query, size_t n);
/* Is this an answer to the query, as it was sent? */
bool others_is_answer(const uint8_t *query, size_t question_end,
		      const uint8_t *answer, size_t n);
/* A message without records: the question of one, and a code; "there would be
 * more". Returns its length, question_end. out may be the message itself. */
size_t others_put_short(const uint8_t *message, size_t question_end,
			unsigned rcode, bool truncated, uint8_t *out);

/* Gives the query an ID, and sends it from a port, of the socket's own. 0 or a
 * negative errno: it can't be sent, as where no route leads there. */
int others_ask(int fd, const struct ip_addr *server, uint16_t port,
	       uint8_t *query, size_t n);
/* From then on the socket has no port, and nothing lies in it. */
void others_rest(int fd);

#endif
