/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A socket that was opened in a node's namespace is all the resolver has there.
 * So that each question has a port of its own, the socket is disconnected after
 * it: the kernel takes away the port that it had chosen, and chooses anew when
 * it is connected again.
 */
#include "orchestrator/resolver/others.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define HEADER 12
#define LABEL_MAX 63
#define FLAG_QR 0x80
#define FLAG_TC 0x02
#define FLAG_RD 0x01
#define OPCODE 0x78

/* ---- messages ------------------------------------------------------------ */

size_t others_question_end(const uint8_t *query, size_t n)
{
	size_t at = HEADER;

	while (at < n && query[at]) {
		if (query[at] > LABEL_MAX)
			return 0;
		at += query[at] + 1u;
	}
	return at + 5 <= n ? at + 5 : 0;
}

bool others_is_answer(const uint8_t *query, size_t question_end,
		      const uint8_t *answer, size_t n)
{
	if (n < question_end || memcmp(answer, query, 2) ||
	    !(answer[2] & FLAG_QR) || answer[2] & OPCODE || answer[4] ||
	    answer[5] != 1)
		return false;
	/* No length of a label is a letter. */
	for (size_t i = HEADER; i < question_end; i++)
		if (tolower(answer[i]) != tolower(query[i]))
			return false;
	return true;
}

size_t others_put_short(const uint8_t *message, size_t question_end,
			unsigned rcode, bool truncated, uint8_t *out)
{
	if (out != message)
		memcpy(out, message, question_end);
	out[2] = (uint8_t)(FLAG_QR | (message[2] & FLAG_RD) |
			   (truncated ? FLAG_TC : 0));
	out[3] = (uint8_t)rcode;
	memset(out + 4, 0, HEADER - 4);
	out[5] = 1;
	return question_end;
}

/* ---- sockets ------------------------------------------------------------- */

static int connect_to(int fd, const struct ip_addr *server, uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons(port) };

	if (server->family == AF_INET6) {
		memcpy(&v6.sin6_addr, server->bytes, 16);
		return connect(fd, (struct sockaddr *)&v6, sizeof(v6));
	}
	memcpy(&v4.sin_addr, server->bytes, 4);
	return connect(fd, (struct sockaddr *)&v4, sizeof(v4));
}

int others_ask(int fd, const struct ip_addr *server, uint16_t port,
	       uint8_t *query, size_t n)
{
	if (getrandom(query, 2, 0) != 2)
		return -EAGAIN;
	if (connect_to(fd, server, port) ||
	    send(fd, query, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

void others_rest(int fd)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	uint8_t byte;

	(void)!connect(fd, &none, sizeof(none));
	/* No more can come, and a socket's buffer holds less than that. */
	for (unsigned i = 0; i < 4096; i++)
		if (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) < 0 &&
		    errno == EAGAIN)
			return;
}
