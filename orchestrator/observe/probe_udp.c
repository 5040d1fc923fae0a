/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP echo through a connected socket, as most programs have it: the source
 * port stays, the kernel drops what comes from any other address or port, and
 * ICMP errors reach us. Connecting needs a route, which may be missing when the
 * probe starts: it is then tried again with each packet, and a packet that it
 * fails for is one whose sending failed.
 */
#include "base/cleanup.h"
#include "orchestrator/observe/packet.h"
#include "orchestrator/observe/probe_internal.h"
#include "stream/mark.h"

#include <errno.h>
#include <sys/socket.h>

static int udp_open(struct probe *p, struct err *err)
{
	CLEANUP_CLOSE int fd =
		socket(p->to.any.sa_family,
		       SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);

	if (fd < 0)
		return err_errno(err, errno, "probe: UDP socket");
	p->packet = malloc(p->config->payload);
	if (!p->packet)
		return err_errno(err, ENOMEM, "probe");
	p->packet_len = p->config->payload;
	for (size_t i = 0; i < p->packet_len; i++)
		p->packet[i] = (uint8_t)i;
	p->fd = TAKE_FD(fd);
	return 0;
}

static int udp_send(struct probe *p, uint64_t seq)
{
	const struct probe_mark mark = { p->config->index, seq };

	if (!p->connected) {
		if (connect(p->fd, &p->to.any, p->to_len))
			return -errno;
		p->connected = true;
	}
	probe_mark_put(p->packet, &mark);
	return send(p->fd, p->packet, p->packet_len, 0) < 0 ? -errno : 0;
}

static bool udp_match(const struct probe *p, const uint8_t *data, size_t len,
		      uint64_t *seq)
{
	struct probe_mark mark;

	if (!probe_mark_get(data, len, &mark) || mark.probe != p->config->index)
		return false;
	*seq = mark.seq;
	return true;
}

const struct probe_kind probe_kind_udp = {
	.open = udp_open,
	.send = udp_send,
	.is_reply = udp_match,
	.is_ours = udp_match,
};
