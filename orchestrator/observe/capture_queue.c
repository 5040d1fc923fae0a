/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet socket's own queue. It is small (what rmem_max allows, which an
 * ordinary user cannot raise), costs a system call a packet, and would lose
 * packets under any load worth the name: there a ring is the only way. But a
 * ring makes the kernel wait three times for all its readers, once when it is
 * made and twice when it is closed, ten milliseconds each, and holds its last
 * packets back until a timer lets them go. A queue waits once. Where it is
 * known beforehand that a handful of packets will come, that is most of the
 * time that building a lab, one ping and taking it down take together.
 *
 * Where the kernel had no room left it counts, as it does for a ring.
 */
#include "base/clock.h"
#include "orchestrator/observe/capture.h"
#include "orchestrator/observe/capture_socket.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD (CAPTURE_HEADROOM + sizeof(struct virtio_net_hdr))
#define READ_MAX 256 /* frames at a time */

static int ask_for_room(int fd, struct err *err)
{
	static const int bytes = INT_MAX / 4; /* cut to rmem_max, and doubled */

	return capture_socket_option(fd, SOL_SOCKET, SO_RCVBUF, &bytes,
				     sizeof(bytes), "SO_RCVBUF", err);
}

static int make(int fd, size_t blocks, unsigned retire_ms, struct err *err)
{
	static const int on = 1;
	int r = ask_for_room(fd, err);

	(void)blocks;
	(void)retire_ms;
	if (!r)
		r = capture_socket_option(fd, SOL_PACKET, PACKET_VNET_HDR, &on,
					  sizeof(on), "PACKET_VNET_HDR", err);
	if (!r)
		r = capture_socket_option(fd, SOL_PACKET, PACKET_AUXDATA, &on,
					  sizeof(on), "PACKET_AUXDATA", err);
	return r;
}

static int map_queue(struct capture_socket *s, struct err *err)
{
	s->map = malloc(HEAD + CAPTURE_BLOCK_SIZE);
	return s->map ? 0 : err_errno(err, ENOMEM, "capture");
}

static void unmap(struct capture_socket *s)
{
	free(s->map);
}

static void read_vlan(const struct cmsghdr *m, struct capture_frame *f)
{
	struct tpacket_auxdata aux;

	memcpy(&aux, CMSG_DATA(m), sizeof(aux));
	if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
		return;
	f->has_vlan = true;
	f->vlan_tci = aux.tp_vlan_tci;
	f->vlan_tpid = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ?
			       aux.tp_vlan_tpid :
			       ETH_P_8021Q;
}

static void read_control(struct msghdr *msg, struct capture_frame *f)
{
	for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m;
	     m = CMSG_NXTHDR(msg, m)) {
		if (m->cmsg_level == SOL_PACKET &&
		    m->cmsg_type == PACKET_AUXDATA)
			read_vlan(m, f);
		if (m->cmsg_level == SOL_SOCKET &&
		    m->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec t;

			memcpy(&t, CMSG_DATA(m), sizeof(t));
			f->time_ns = t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
		}
	}
}

/* 1, 0 where there is none, or a negative errno. */
static int next_frame(struct capture_socket *s, struct capture_frame *f)
{
	_Alignas(struct cmsghdr) uint8_t control[256];
	struct sockaddr_ll from = { 0 };
	struct iovec iov = {
		.iov_base = s->map + CAPTURE_HEADROOM,
		.iov_len = sizeof(f->vnet) + CAPTURE_BLOCK_SIZE,
	};
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(s->fd, &msg, MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if ((size_t)n < sizeof(f->vnet))
		return 0;
	*f = (struct capture_frame){
		.ifindex = (uint32_t)from.sll_ifindex,
		.hatype = from.sll_hatype,
		.protocol = be16toh(from.sll_protocol),
		.outgoing = from.sll_pkttype == PACKET_OUTGOING,
		.data = s->map + HEAD,
		.length = (uint32_t)((size_t)n - sizeof(f->vnet)),
	};
	f->captured =
		f->length < CAPTURE_BLOCK_SIZE ? f->length : CAPTURE_BLOCK_SIZE;
	memcpy(&f->vnet, iov.iov_base, sizeof(f->vnet));
	read_control(&msg, f);
	if (!f->time_ns)
		f->time_ns = clock_real_ns();
	return 1;
}

static int read_queue(struct capture_socket *s, capture_frame_fn fn,
		      void *context)
{
	for (size_t i = 0; i < READ_MAX; i++) {
		struct capture_frame frame;
		int r = next_frame(s, &frame);

		if (r == -ENETDOWN)
			continue; /* of an interface that went: an event */
		if (r <= 0)
			return r;
		r = fn(context, &frame);
		if (r)
			return r;
	}
	return 0;
}

static bool has_more(const struct capture_socket *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0 && p.revents & POLLIN;
}

size_t capture_queue_room(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int bytes = 0;
	socklen_t size = sizeof(bytes);

	if (fd < 0)
		return 0;
	if (ask_for_room(fd, NULL) ||
	    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &size))
		bytes = 0;
	close(fd);
	return (size_t)bytes;
}

const struct capture_kind capture_queue = {
	.make = make,
	.map = map_queue,
	.unmap = unmap,
	.read = read_queue,
	.has_more = has_more,
};
