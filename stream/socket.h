/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets that streams and messages go through. */
#ifndef STREAM_SOCKET_H
#define STREAM_SOCKET_H

#include "base/ip.h"

#include <netinet/in.h>

union tcp_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

socklen_t tcp_address_set(union tcp_address *a, const struct ip_addr *to,
			  uint16_t port); /* 0: the family is unknown */
/* How a connection ended, or did not begin: "reset", "refused", ... A constant
 * of at most 23 bytes without commas. */
const char *tcp_error_text(int code);
/* Small messages go at once, and little waits where nobody sees it. */
void tcp_socket_setup(int fd);

#endif
