/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a service router hands on keeps the client's address, and the SYN-ACK to
 * one behind a NAT has the router's that it asked: packets with an address that
 * this host does not have.
 *
 * The sockets for them are opened when the first is sent, for few hosts ever
 * do. They only send (a socket filter lets nothing in). Inside UDP the port is
 * another's as well, and may be one that a socket of this host has; so the UDP
 * header is put in here, over a raw socket.
 */
#include "node/io/foreign.h"
#include "base/checksum.h"
#include "include/serval/wire.h"
#include "node/io/outgoing.h"
#include "node/io/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PACKET_MAX 65535u

struct foreign {
	int fds[2][2]; /* [IPv6][UDP]; -1: not open yet */
	uint8_t packet[PACKET_MAX];
};

struct foreign *foreign_new(void)
{
	struct foreign *f = malloc(sizeof(*f));

	for (int i = 0; f && i < 4; i++)
		f->fds[i / 2][i % 2] = -1;
	return f;
}

struct foreign *foreign_free(struct foreign *f)
{
	for (int i = 0; f && i < 4; i++)
		if (f->fds[i / 2][i % 2] >= 0)
			close(f->fds[i / 2][i % 2]);
	free(f);
	return NULL;
}

static int fd_for(struct foreign *f, const struct sal_path *path)
{
	bool six = path->remote.family == AF_INET6, udp = path->remote_port;
	const struct socket_kind kind = {
		.family = path->remote.family,
		.port = path->remote_port,
		.foreign = true,
	};
	int *fd = &f->fds[six][udp];

	if (*fd < 0) {
		int r = socket_open(&kind, NULL);

		if (r < 0)
			return r;
		*fd = r;
	}
	return *fd;
}

/* Header, SAL header and segment in a row; the length, 0: it is too long. */
static size_t put_together(struct foreign *f, const struct sal_outer *p)
{
	size_t udp = p->path.remote_port ? sizeof(struct udphdr) : 0;
	size_t len = udp + p->header_len + p->len;
	struct udphdr header = {
		.source = htons(p->path.local_port),
		.dest = htons(p->path.remote_port),
		.len = htons((uint16_t)len),
	};

	if (len > sizeof(f->packet))
		return 0;
	memcpy(f->packet + udp, p->header, p->header_len);
	if (p->len)
		memcpy(f->packet + udp + p->header_len, p->segment, p->len);
	if (!udp)
		return len;
	memcpy(f->packet, &header, sizeof(header));
	transport_checksum_set(IPPROTO_UDP, &p->path.local, &p->path.remote,
			       f->packet, len);
	return len;
}

int foreign_send(struct foreign *f, const struct sal_outer *packet)
{
	struct sal_outer as_raw = *packet;
	struct iovec iov = { f->packet, put_together(f, packet) };
	struct outgoing out;
	struct msghdr msg;
	int fd;

	if (!iov.iov_len || packet->offload.gso_type ||
	    packet->offload.needs_csum ||
	    packet->path.local.family != packet->path.remote.family)
		return -EINVAL;
	fd = fd_for(f, &packet->path);
	if (fd < 0)
		return fd;
	as_raw.path.remote_port = 0; /* for a raw socket it is a protocol */
	outgoing_init(&out, &as_raw);
	msg = (struct msghdr){ .msg_name = &out.name,
			       .msg_namelen = out.name_len,
			       .msg_iov = &iov,
			       .msg_iovlen = 1,
			       .msg_control = out.control,
			       .msg_controllen = out.control_len };
	return sendmsg(fd, &msg, MSG_DONTWAIT) < 0 ? -errno : 0;
}
