/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all captures of a namespace have in common, whether its packets are kept
 * in a ring (capture_ring.c) or in the socket's own queue (capture_queue.c).
 * Facts of the kernel (net/packet/af_packet.c) that this relies on:
 *
 * - A socket made with protocol 0 receives nothing until it is bound, so that
 *   no packet lands in its ordinary queue before a ring is there; and while
 *   making a ring waits for all readers of the kernel (synchronize_net()),
 *   binding waits for nothing: it says to the point when capturing begins.
 * - PACKET_VNET_HDR puts a virtio_net_hdr right before the frame; it must be
 *   set before a ring is made.
 *
 * SO_TIMESTAMPNS makes the kernel stamp packets as early as it can, on arrival
 * at an interface or departure from one, and not when our socket is reached;
 * all of them and the probes' sockets then tell the same time for the same
 * packet.
 */
#include "orchestrator/observe/capture_socket.h"
#include "base/cleanup.h"
#include "orchestrator/observe/capture.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int capture_socket_option(int fd, int level, int option, const void *value,
			  size_t size, const char *what, struct err *err)
{
	if (setsockopt(fd, level, option, value, (socklen_t)size))
		return err_errno(err, errno, "capture: %s", what);
	return 0;
}

/* The loopback interface is left out before it takes room. */
static int attach_filter(int fd, struct err *err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (uint32_t)(SKF_AD_OFF + SKF_AD_HATYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_LOOPBACK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(*code),
		.filter = code,
	};

	return capture_socket_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
				     sizeof(program), "SO_ATTACH_FILTER", err);
}

int capture_socket_open(struct capture_socket *s,
			const struct capture_kind *kind, size_t ring_bytes,
			unsigned retire_ms, struct err *err)
{
	static const int on = 1;
	size_t blocks = ring_bytes / CAPTURE_BLOCK_SIZE +
			(ring_bytes % CAPTURE_BLOCK_SIZE != 0);
	CLEANUP_CLOSE int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int r;

	if (blocks < CAPTURE_BLOCKS_MIN)
		blocks = CAPTURE_BLOCKS_MIN;
	if (blocks > INT32_MAX / CAPTURE_BLOCK_SIZE)
		return err_set(err, EINVAL, "capture: a ring of %zu bytes",
			       ring_bytes);
	if (fd < 0)
		return err_errno(err, errno, "capture: socket");
	r = attach_filter(fd, err);
	if (!r)
		r = capture_socket_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on,
					  sizeof(on), "SO_TIMESTAMPNS", err);
	if (!r)
		r = kind->make(fd, blocks, retire_ms, err);
	if (r)
		return r;
	*s = (struct capture_socket){
		.kind = kind,
		.fd = TAKE_FD(fd),
		.blocks = blocks,
	};
	return 0;
}

int capture_socket_start(struct capture_socket *s, struct err *err)
{
	const struct sockaddr_ll all = {
		.sll_family = AF_PACKET,
		.sll_protocol = htobe16(ETH_P_ALL),
	};

	if (bind(s->fd, (const struct sockaddr *)&all, sizeof(all)))
		return err_errno(err, errno, "capture: bind");
	return 0;
}

int capture_socket_map(struct capture_socket *s, struct err *err)
{
	return s->kind->map(s, err);
}

void capture_socket_close(struct capture_socket *s)
{
	if (s->map)
		s->kind->unmap(s);
	if (s->fd >= 0)
		close(s->fd);
	*s = CAPTURE_SOCKET_NULL;
}

int capture_socket_read(struct capture_socket *s, capture_frame_fn fn,
			void *context)
{
	return s->kind->read(s, fn, context);
}

bool capture_socket_has_more(const struct capture_socket *s)
{
	return s->kind->has_more(s);
}

int capture_socket_dropped(const struct capture_socket *s, uint64_t *dropped,
			   struct err *err)
{
	/* The others' is the beginning of this one. */
	struct tpacket_stats_v3 stats = { 0 };
	socklen_t size = sizeof(stats);

	if (getsockopt(s->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size))
		return err_errno(err, errno, "capture: PACKET_STATISTICS");
	*dropped = stats.tp_drops;
	return 0;
}

int capture_socket_ifname(const struct capture_socket *s, uint32_t ifindex,
			  char *name)
{
	struct ifreq req = { .ifr_ifindex = (int)ifindex };

	if (ioctl(s->fd, SIOCGIFNAME, &req))
		return -errno;
	memcpy(name, req.ifr_name, IFNAMSIZ);
	name[IFNAMSIZ - 1] = '\0';
	return 0;
}
