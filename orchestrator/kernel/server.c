/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server's sockets, and a client's, in a namespace that neither need enter: a
 * socket stays in the namespace where it was opened, whoever holds it. */
#include "orchestrator/kernel/kns.h"

#include "base/cleanup.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define BACKLOG 64

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t fill(union address *a, const struct ip_addr *from,
		      uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (from->family == AF_INET6) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		memcpy(&a->v6.sin6_addr, from->bytes, 16);
		return sizeof(a->v6);
	}
	a->v4.sin_family = AF_INET;
	a->v4.sin_port = htons(port);
	memcpy(&a->v4.sin_addr, from->bytes, 4);
	return sizeof(a->v4);
}

/* In the namespace that the thread is in. */
static int open_socket(const struct ip_addr *address, uint16_t port, int type,
		       struct err *err)
{
	const int on = 1;
	union address to;
	socklen_t len = fill(&to, address, port);
	CLEANUP_CLOSE int fd =
		socket(address->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* Before "lo" is up, too. */
	if (fd < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, &to.any, len) ||
	    (type == SOCK_STREAM && listen(fd, BACKLOG)))
		return err_errno(err, errno, "open a server's socket");
	return TAKE_FD(fd);
}

int kns_open_server(struct kns *ns, const struct ip_addr *address,
		    uint16_t port, int sockets[2], struct err *err)
{
	static const int types[2] = { SOCK_DGRAM, SOCK_STREAM };
	int r = kernel_step(ns->kernel, err, "open a server's sockets");
	int home;

	sockets[0] = sockets[1] = -1;
	if (!r)
		r = kns_enter(ns->kernel, ns, err);
	if (r)
		return r;
	for (size_t i = 0; i < 2 && r >= 0; i++)
		r = sockets[i] = open_socket(address, port, types[i], err);
	home = kns_enter(ns->kernel, NULL, r < 0 ? NULL : err);
	if (r >= 0)
		r = home;
	for (size_t i = 0; i < 2 && r < 0; i++)
		if (sockets[i] >= 0)
			close(sockets[i]);
	return r;
}

int kns_open_clients(struct kns *ns, int family, int *sockets, size_t n,
		     struct err *err)
{
	int r = kernel_step(ns->kernel, err, "open a client's sockets");
	size_t opened = 0;
	int home;

	if (!r)
		r = kns_enter(ns->kernel, ns, err);
	if (r)
		return r;
	for (; opened < n && !r; opened += !r) {
		sockets[opened] = socket(
			family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (sockets[opened] < 0)
			r = err_errno(err, errno, "open a client's socket");
	}
	home = kns_enter(ns->kernel, NULL, r ? NULL : err);
	if (!r)
		r = home;
	while (r && opened)
		close(sockets[--opened]);
	return r;
}
