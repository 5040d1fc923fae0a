/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define UNSENT_MAX (256 * 1024) /* in the socket: an end is seen soon */

socklen_t tcp_address_set(union tcp_address *a, const struct ip_addr *to,
			  uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (to->family == AF_INET) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		memcpy(&a->v4.sin_addr, to->bytes, 4);
		return sizeof(a->v4);
	}
	if (to->family == AF_INET6) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		memcpy(&a->v6.sin6_addr, to->bytes, 16);
		return sizeof(a->v6);
	}
	return 0;
}

const char *tcp_error_text(int code)
{
	const char *name;

	switch (code) {
	case ECONNREFUSED:
		return "refused";
	case ECONNRESET:
	case EPIPE:
		return "reset";
	case ECONNABORTED:
		return "aborted";
	case ETIMEDOUT:
		return "timed out";
	case ENETUNREACH:
		return "network unreachable";
	case EHOSTUNREACH:
		return "host unreachable";
	case EPERM:
	case EACCES:
		return "prohibited";
	}
	name = strerrorname_np(code);
	return name ? name : "error";
}

void tcp_socket_setup(int fd)
{
	const int on = 1, unsent = UNSENT_MAX;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}
