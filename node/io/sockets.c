/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/io/sockets.h"
#include "base/cleanup.h"
#include "include/serval/wire.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#define RECEIVE_BUFFER (1 << 20) /* asked for; capped unless we are root */
/* Likewise. The more room, the more absent neighbours it takes until new
 * clients do not get their answers. */
#define STRANGERS_BUFFER (4 << 20)

struct option {
	int level, name, value;
};

static const struct option options4[] = {
	{ SOL_SOCKET, SO_RXQ_OVFL, 1 },
	{ IPPROTO_IP, IP_PKTINFO, 1 },
	{ IPPROTO_IP, IP_RECVERR, 1 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT },
	{ SOL_SOCKET, SO_BROADCAST, 1 }, /* resolution on a link */
};

/* The header itself is not handed out for IPv6 and UDP: its fields have to be
 * asked for. */
static const struct option more_of_udp4[] = {
	{ IPPROTO_IP, IP_RECVTOS, 1 },
	{ IPPROTO_IP, IP_RECVTTL, 1 },
};

static const struct option options6[] = {
	{ SOL_SOCKET, SO_RXQ_OVFL, 1 },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, 1 },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1 },
	{ IPPROTO_IPV6, IPV6_RECVERR, 1 },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT },
};

/* Its port is one of both families otherwise. */
static const struct option more_of_udp6[] = {
	{ IPPROTO_IPV6, IPV6_V6ONLY, 1 },
};

/* All that a socket needs which takes nothing in. */
static const struct option discovers[] = {
	{ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT },
};

/*
 * An address that is not ours is let through by TRANSPARENT alone (with
 * FREEBIND the routes refuse it). Errors about such packets go to whose address
 * it is: so nothing is known of paths, and the kernel may cut up what is too
 * long.
 */
static const struct option foreign4[] = {
	{ IPPROTO_IP, IP_TRANSPARENT, 1 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT },
};

static const struct option foreign6[] = {
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, 1 },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT },
};

#define COUNT(v) (sizeof(v) / sizeof((v)[0]))

static int set_options(int fd, const struct option *v, size_t n,
		       struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (setsockopt(fd, v[i].level, v[i].name, &v[i].value,
			       sizeof(v[i].value)))
			return err_errno(err, errno,
					 "cannot set option %d of a socket",
					 v[i].name);
	return 0;
}

static int bind_port(int fd, const struct socket_kind *kind, struct err *err)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons(kind->port) };
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_port = htons(kind->port) };
	bool six = kind->family == AF_INET6;
	int r;

	if (!bind(fd, six ? (struct sockaddr *)&any6 : (struct sockaddr *)&any,
		  six ? sizeof(any6) : sizeof(any)))
		return 0;
	r = err_errno(err, errno, "cannot take UDP port %u", kind->port);
	if (r == -EADDRINUSE)
		err_hint(err,
			 "another sald in this network namespace? Without "
			 "UDP encapsulation (--encapsulate never) the port "
			 "is not needed");
	return r;
}

/* What only sends takes nothing in, and has room for many who are not there. */
static int set_strangers(int fd, struct err *err)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { 1, &nothing };
	int size = STRANGERS_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
		       sizeof(program)))
		return err_errno(err, errno, "cannot filter a raw socket");
	return 0;
}

static int set_kind(int fd, const struct socket_kind *kind, struct err *err)
{
	bool six = kind->family == AF_INET6;
	int r;

	if (kind->foreign)
		r = six ? set_options(fd, foreign6, COUNT(foreign6), err) :
			  set_options(fd, foreign4, COUNT(foreign4), err);
	else if (kind->strangers)
		r = set_options(fd, &discovers[six], 1, err);
	else
		r = six ? set_options(fd, options6, COUNT(options6), err) :
			  set_options(fd, options4, COUNT(options4), err);
	if (r || kind->strangers || kind->foreign)
		return r ? r : set_strangers(fd, err);
	if (!kind->port)
		return 0;
	r = six ? set_options(fd, more_of_udp6, COUNT(more_of_udp6), err) :
		  set_options(fd, more_of_udp4, COUNT(more_of_udp4), err);
	return r ? r : bind_port(fd, kind, err);
}

int socket_open(const struct socket_kind *kind, struct err *err)
{
	int type = kind->port && !kind->foreign ? SOCK_DGRAM : SOCK_RAW;
	CLEANUP_CLOSE int fd =
		socket(kind->family, type | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       kind->port ? IPPROTO_UDP : SAL_IP_PROTOCOL);
	int size = RECEIVE_BUFFER, r;

	if (fd < 0 && errno == EPERM) {
		err_errno(err, errno, "cannot open a raw socket");
		err_hint(err, "this needs CAP_NET_RAW in the network "
			      "namespace: be root, or take a namespace of your "
			      "own (unshare --user --map-root-user --net)");
		return -EPERM;
	}
	if (fd < 0)
		return err_errno(err, errno, "cannot open a socket");
	r = set_kind(fd, kind, err);
	if (r)
		return r;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return TAKE_FD(fd);
}
