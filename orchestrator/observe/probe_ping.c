/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICMP echo through a raw socket. A ping socket (IPPROTO_ICMP datagrams) would
 * do without privileges, but puts an id of its own choice into the packets and
 * is often forbidden by net.ipv4.ping_group_range, which starts out so in every
 * new namespace.
 *
 * The socket is not connected: that would fix the source address for good, and
 * a probe is to live through a change of the node's address as ping does. So it
 * hears all echo replies that reach the node, and knows its own by id and mark.
 * The id follows from the probe's index: no two probes of a lab share one, not
 * even behind the same NAT, and a run's packets are the same the next time.
 */
#include "base/cleanup.h"
#include "base/cursor.h"
#include "orchestrator/observe/packet.h"
#include "orchestrator/observe/probe_internal.h"
#include "stream/mark.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <string.h>
#include <sys/socket.h>

#define HEADER_SIZE 8
#define ID_FIRST 0x5e00u

static uint16_t id_of(const struct probe *p)
{
	return (uint16_t)(ID_FIRST + p->config->index);
}

static bool is_v4(const struct probe *p)
{
	return p->to.any.sa_family == AF_INET;
}

static uint8_t request_type(const struct probe *p)
{
	return is_v4(p) ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
}

static uint8_t reply_type(const struct probe *p)
{
	return is_v4(p) ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
}

/* Of all ICMP only echo replies; errors do not come this way. */
static int set_filter(int fd, bool v4, struct err *err)
{
	struct icmp_filter filter = { .data = ~(1u << ICMP_ECHOREPLY) };
	struct icmp6_filter filter6;
	int r;

	ICMP6_FILTER_SETBLOCKALL(&filter6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter6);
	if (v4)
		r = setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter,
			       sizeof(filter));
	else
		r = setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6,
			       sizeof(filter6));
	return r ? err_errno(err, errno, "probe: ICMP filter") : 0;
}

static int ping_open(struct probe *p, struct err *err)
{
	size_t size = HEADER_SIZE + p->config->payload;
	CLEANUP_CLOSE int fd = socket(p->to.any.sa_family,
				      SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
				      is_v4(p) ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	int r;

	if (fd < 0)
		return err_errno(err, errno, "probe: raw socket");
	r = set_filter(fd, is_v4(p), err);
	if (r)
		return r;
	p->packet = malloc(size);
	if (!p->packet)
		return err_errno(err, ENOMEM, "probe");
	p->packet_len = size;
	for (size_t i = 0; i < size; i++)
		p->packet[i] = (uint8_t)i;
	p->fd = TAKE_FD(fd);
	return 0;
}

/* RFC 1071. */
static uint16_t checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (; n > 1; p += 2, n -= 2)
		sum += (uint32_t)(p[0] << 8 | p[1]);
	if (n)
		sum += (uint32_t)(p[0] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static int ping_send(struct probe *p, uint64_t seq)
{
	const struct probe_mark mark = { p->config->index, seq };
	uint8_t *b = p->packet;

	b[0] = request_type(p);
	b[1] = 0;
	put16(b + 2, 0);
	put16(b + 4, id_of(p));
	put16(b + 6, (uint16_t)seq);
	probe_mark_put(b + HEADER_SIZE, &mark);
	if (is_v4(p)) /* for ICMPv6 the kernel does it: it knows the source */
		put16(b + 2, checksum(b, p->packet_len));
	if (sendto(p->fd, b, p->packet_len, 0, &p->to.any, p->to_len) < 0)
		return -errno;
	return 0;
}

/* An ICMP message of the type with our id, from its header on. Routers need to
 * quote no more than the header: the number is then the last one sent that has
 * these 16 bits. */
static bool match(const struct probe *p, struct cursor *c, uint8_t type,
		  bool header_suffices, uint64_t *seq)
{
	uint8_t got = cursor_u8(c);
	uint16_t id, low;
	struct probe_mark mark;

	cursor_take(c, 3);
	id = cursor_be16(c);
	low = cursor_be16(c);
	if (c->overrun || got != type || id != id_of(p))
		return false;
	if (header_suffices && c->left < PROBE_MARK_SIZE) {
		uint64_t last = p->next - 1;

		*seq = last - (uint16_t)(last - low);
		return p->next > 0;
	}
	if (!probe_mark_get(c->p, c->left, &mark) ||
	    mark.probe != p->config->index || (uint16_t)mark.seq != low)
		return false;
	*seq = mark.seq;
	return true;
}

static bool ping_is_reply(const struct probe *p, const uint8_t *data,
			  size_t len, uint64_t *seq)
{
	struct cursor c = cursor_make(data, len);

	if (is_v4(p)) { /* raw IPv4 sockets hand out the IP header as well */
		size_t header = (size_t)(cursor_u8(&c) & 15) * 4;

		if (header < 20)
			return false;
		cursor_take(&c, header - 1);
	}
	return match(p, &c, reply_type(p), false, seq);
}

static bool ping_is_ours(const struct probe *p, const uint8_t *data, size_t len,
			 uint64_t *seq)
{
	struct cursor c = cursor_make(data, len);

	return match(p, &c, request_type(p), true, seq);
}

const struct probe_kind probe_kind_ping = {
	.open = ping_open,
	.send = ping_send,
	.is_reply = ping_is_reply,
	.is_ours = ping_is_ours,
};
