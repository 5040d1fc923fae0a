/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Raw sockets for protocol 144, and UDP sockets for the same in datagrams.
 *
 * One unbound socket a family, and not one an address: a socket bound to an
 * address would have to be replaced at every move, and in the gap the kernel
 * answers our peers "protocol unreachable". The source address and the
 * interface go with each packet (PKTINFO), and routing takes them into account.
 *
 * The IP header is the kernel's work (no IP_HDRINCL), because then fragmenting
 * is as well: a SAL header in front of a segment that had just fitted does not
 * have to fit. The sockets discover path MTUs (WANT): what fits the known one
 * leaves with DF, what does not is fragmented here.
 *
 * What is sent to a neighbour that is not there waits in the kernel until ARP
 * or neighbour discovery gives up, and counts to its socket's buffer all the
 * while. Anybody can have us answer many who are not there. So answers to
 * strangers go out by a socket of their own, which takes nothing in; when its
 * buffer is full it is they who are dropped, not the packets of flows. A UDP
 * port is one socket's: of its buffer they may have half.
 *
 * UDP sockets do the same with another header in front, and checksums that the
 * kernel fills in. Which of the two ports a packet leaves from is in its path.
 *
 * An ICMP error also becomes the socket's pending error, and fails the next
 * call on it with an errno that has nothing to do with that call. So calls that
 * fail are made once more before they count as failed.
 */
#include "node/io/underlay.h"
#include "base/cleanup.h"
#include "include/serval/wire.h"
#include "node/io/foreign.h"
#include "node/io/outgoing.h"
#include "node/io/segment.h"
#include "node/io/sockets.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define BATCH 16u /* packets a call */
#define PACKET_MAX 65536u
#define QUOTE_MAX 1500u /* of our packet in an ICMP error */
#define ERRORS_MAX 32 /* a wake-up */

/* Those that take packets in, and two that only send, to strangers. */
#define SOCKETS (UNDERLAY_SOCKETS + 2)

struct underlay {
	int fds[SOCKETS]; /* of these kinds; negative: none */
	/* BATCH packets of any length. Only pages that were written cost
	 * memory, which for most is the first one of each. */
	uint8_t *buffers;
	struct foreign *foreign; /* NULL: not needed yet */
	struct underlay_stats stats;
	uint32_t overrun[SOCKETS]; /* as the kernel counts it */
};

struct underlay *underlay_free(struct underlay *u)
{
	if (!u)
		return NULL;
	for (unsigned i = 0; i < SOCKETS; i++)
		if (u->fds[i] >= 0)
			close(u->fds[i]);
	foreign_free(u->foreign);
	if (u->buffers)
		munmap(u->buffers, (size_t)BATCH * PACKET_MAX);
	free(u);
	return NULL;
}

static void underlay_freep(struct underlay **u)
{
	underlay_free(*u);
}

static const struct socket_kind kinds[SOCKETS] = {
	{ .family = AF_INET },
	{ .family = AF_INET6 },
	{ .family = AF_INET, .port = SAL_UDP_PORT_CLIENT },
	{ .family = AF_INET, .port = SAL_UDP_PORT_SERVER },
	{ .family = AF_INET6, .port = SAL_UDP_PORT_CLIENT },
	{ .family = AF_INET6, .port = SAL_UDP_PORT_SERVER },
	{ .family = AF_INET, .strangers = true },
	{ .family = AF_INET6, .strangers = true },
};

static bool has_any(const struct underlay *u)
{
	for (unsigned i = 0; i < UNDERLAY_SOCKETS; i++)
		if (u->fds[i] >= 0)
			return true;
	return false;
}

int underlay_open(struct underlay **out, bool udp, struct err *err)
{
	CLEANUP(underlay_freep) struct underlay *u = calloc(1, sizeof(*u));
	void *buffers;

	if (!u)
		return err_errno(err, ENOMEM, "the underlay");
	for (unsigned i = 0; i < SOCKETS; i++)
		u->fds[i] = -1;
	buffers = mmap(NULL, (size_t)BATCH * PACKET_MAX, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (buffers == MAP_FAILED)
		return err_errno(err, ENOMEM, "the underlay");
	u->buffers = buffers;
	for (unsigned i = 0; i < SOCKETS; i++) {
		if (kinds[i].port && !udp)
			continue;
		u->fds[i] = socket_open(&kinds[i], err);
		if (u->fds[i] < 0 && u->fds[i] != -EAFNOSUPPORT)
			return u->fds[i];
	}
	if (!has_any(u))
		return -EAFNOSUPPORT;
	*out = TAKE_PTR(u);
	return 0;
}

int underlay_fd(const struct underlay *u, unsigned socket)
{
	return u->fds[socket] < 0 ? -1 : u->fds[socket];
}

const struct underlay_stats *underlay_stats(const struct underlay *u)
{
	return &u->stats;
}

/* ---- in --------------------------------------------------------------- */

/* Room for the control messages of one packet or error. */
union control {
	struct cmsghdr align;
	uint8_t bytes[256];
};

static struct ip_addr addr_of(sa_family_t family, const void *bytes)
{
	struct ip_addr a = { .family = family };

	memcpy(a.bytes, bytes, ip_addr_size(&a));
	return a;
}

static uint16_t port_of_name(const struct sockaddr_storage *name)
{
	if (name->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)name)->sin6_port);
	return ntohs(((const struct sockaddr_in *)name)->sin_port);
}

static struct ip_addr addr_of_name(const struct sockaddr_storage *name)
{
	if (name->ss_family == AF_INET6)
		return addr_of(AF_INET6,
			       &((const struct sockaddr_in6 *)name)->sin6_addr);
	return addr_of(AF_INET, &((const struct sockaddr_in *)name)->sin_addr);
}

static int cmsg_int(const struct cmsghdr *c)
{
	int v = 0;

	if (c->cmsg_len >= CMSG_LEN(sizeof(v)))
		memcpy(&v, CMSG_DATA(c), sizeof(v));
	return v;
}

/* How many packets the socket had no room for, since it was opened: comes with
 * the next one that it had. */
static void read_overrun(struct underlay *u, unsigned socket,
			 struct msghdr *msg)
{
	uint32_t count;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SO_RXQ_OVFL ||
		    c->cmsg_len < CMSG_LEN(sizeof(count)))
			continue;
		memcpy(&count, CMSG_DATA(c), sizeof(count));
		u->stats.underlay_overrun += count - u->overrun[socket];
		u->overrun[socket] = count;
	}
}

static void read_control(struct msghdr *msg, struct sal_path *path,
			 struct sal_ip_fields *ip, struct sock_extended_err *ee)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		bool v6 = c->cmsg_level == IPPROTO_IPV6;
		struct in6_pktinfo info6;
		struct in_pktinfo info4;

		if (!v6 && c->cmsg_level != IPPROTO_IP)
			continue;
		if (!v6 && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info4, CMSG_DATA(c), sizeof(info4));
			path->local = addr_of(AF_INET, &info4.ipi_addr);
			path->ifindex = (uint32_t)info4.ipi_ifindex;
		} else if (v6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info6, CMSG_DATA(c), sizeof(info6));
			path->local = addr_of(AF_INET6, &info6.ipi6_addr);
			path->ifindex = info6.ipi6_ifindex;
		} else if (!v6 && c->cmsg_type == IP_TOS) {
			ip->traffic_class = *CMSG_DATA(c);
		} else if (!v6 && c->cmsg_type == IP_TTL) {
			ip->ttl = (uint8_t)cmsg_int(c);
		} else if (v6 && c->cmsg_type == IPV6_TCLASS) {
			ip->traffic_class = (uint8_t)cmsg_int(c);
		} else if (v6 && c->cmsg_type == IPV6_HOPLIMIT) {
			ip->ttl = (uint8_t)cmsg_int(c);
		} else if (c->cmsg_type == (v6 ? IPV6_RECVERR : IP_RECVERR)) {
			memcpy(ee, CMSG_DATA(c), sizeof(*ee));
		}
	}
}

/* IPv4: takes the header, which the kernel has checked, off the packet. */
static bool strip_v4(const uint8_t **bytes, size_t *len,
		     struct sal_ip_fields *ip)
{
	size_t header_len;
	struct ip header;

	if (*len < sizeof(header))
		return false;
	memcpy(&header, *bytes, sizeof(header));
	header_len = header.ip_hl * 4u;
	if (header_len > *len)
		return false;
	ip->traffic_class = header.ip_tos;
	ip->ttl = header.ip_ttl;
	ip->dont_fragment = ntohs(header.ip_off) & IP_DF;
	*bytes += header_len;
	*len -= header_len;
	return true;
}

static void hand_over(struct underlay *u, const struct socket_kind *kind,
		      struct msghdr *msg, const uint8_t *bytes, size_t len,
		      const struct underlay_sink *sink)
{
	const struct sockaddr_storage *name = msg->msg_name;
	struct sal_path path = { .remote = addr_of_name(name) };
	struct sal_ip_fields ip = { .dont_fragment = true };
	struct sock_extended_err unused;

	u->stats.underlay_in++;
	read_control(msg, &path, &ip, &unused);
	if (kind->port) {
		u->stats.underlay_udp_in++;
		path.local_port = kind->port;
		path.remote_port = port_of_name(name);
	} else if (name->ss_family == AF_INET && !strip_v4(&bytes, &len, &ip)) {
		return;
	}
	sink->packet(sink->arg, &path, &ip, bytes, len);
}

static unsigned receive_batch(struct underlay *u, unsigned socket,
			      const struct underlay_sink *sink)
{
	int fd = u->fds[socket];
	struct sockaddr_storage names[BATCH];
	union control controls[BATCH];
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		iov[i].iov_base = u->buffers + (size_t)i * PACKET_MAX;
		iov[i].iov_len = PACKET_MAX;
		msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &names[i],
			.msg_namelen = sizeof(names[i]),
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_control = &controls[i],
			.msg_controllen = sizeof(controls[i]),
		};
	}
	n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);
	if (n < 0 && errno != EAGAIN) /* the pending error, perhaps */
		n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		read_overrun(u, socket, &msgs[i].msg_hdr);
	for (int i = 0; i < n; i++)
		hand_over(u, &kinds[socket], &msgs[i].msg_hdr, iov[i].iov_base,
			  msgs[i].msg_len, sink);
	return n > 0 ? (unsigned)n : 0;
}

unsigned underlay_receive(struct underlay *u, unsigned socket, unsigned budget,
			  const struct underlay_sink *sink)
{
	unsigned total = 0, n;

	do {
		n = receive_batch(u, socket, sink);
		total += n;
	} while (n == BATCH && total < budget);
	return total;
}

/* ---- errors ----------------------------------------------------------- */

static bool is_too_big(const struct sock_extended_err *ee)
{
	if (ee->ee_origin == SO_EE_ORIGIN_ICMP)
		return ee->ee_type == ICMP_DEST_UNREACH &&
		       ee->ee_code == ICMP_FRAG_NEEDED;
	return ee->ee_type == ICMP6_PACKET_TOO_BIG;
}

/*
 * What says that the packet did not get there. It need not be true even where
 * nobody lies: a host whose raw sockets are all full answers "protocol
 * unreachable" as well (Linux 6.x, raw_v4_input()).
 */
static bool is_unreachable(const struct sock_extended_err *ee)
{
	if (ee->ee_origin == SO_EE_ORIGIN_ICMP)
		return ee->ee_type == ICMP_DEST_UNREACH ||
		       ee->ee_type == ICMP_TIME_EXCEEDED;
	return ee->ee_type == ICMP6_DST_UNREACH ||
	       ee->ee_type == ICMP6_TIME_EXCEEDED ||
	       ee->ee_type == ICMP6_PARAM_PROB; /* no such next header */
}

static bool receive_error(struct underlay *u, unsigned socket,
			  const struct underlay_sink *sink)
{
	struct sock_extended_err ee = { 0 };
	struct sal_ip_fields unused = { 0 };
	struct sockaddr_storage name = { 0 };
	struct sal_path path = { 0 };
	struct iovec iov = { u->buffers, QUOTE_MAX };
	union control control;
	struct msghdr msg = {
		.msg_name = &name,
		.msg_namelen = sizeof(name),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(u->fds[socket], &msg, MSG_ERRQUEUE | MSG_DONTWAIT);

	if (n < 0)
		return false;
	u->stats.underlay_errors++;
	read_control(&msg, &path, &unused, &ee);
	path.remote = addr_of_name(&name); /* where our packet was going */
	path.ifindex = 0;
	if (kinds[socket].port) {
		path.local_port = kinds[socket].port;
		path.remote_port = port_of_name(&name);
	}
	if (ee.ee_origin != SO_EE_ORIGIN_ICMP &&
	    ee.ee_origin != SO_EE_ORIGIN_ICMP6)
		return true;
	if (is_too_big(&ee))
		sink->path_mtu(sink->arg, &path, u->buffers, (size_t)n,
			       ee.ee_info > 0xffff ? 0xffff :
						     (uint16_t)ee.ee_info);
	else if (is_unreachable(&ee))
		sink->unreachable(sink->arg, &path, u->buffers, (size_t)n);
	return true;
}

void underlay_receive_errors(struct underlay *u, unsigned socket,
			     const struct underlay_sink *sink)
{
	int code;
	socklen_t len = sizeof(code);

	for (int i = 0; i < ERRORS_MAX; i++)
		if (!receive_error(u, socket, sink))
			break;
	/* Reading it takes the pending error off the socket. */
	getsockopt(u->fds[socket], SOL_SOCKET, SO_ERROR, &code, &len);
}

/* ---- out -------------------------------------------------------------- */

static void send_batch(struct underlay *u, unsigned socket,
		       struct outgoing *out)
{
	unsigned done = 0;
	bool again = true;

	while (done < out->n) {
		int n = sendmmsg(u->fds[socket], out->msgs + done,
				 out->n - done, 0);

		if (n > 0) {
			done += (unsigned)n;
			u->stats.underlay_out += (unsigned)n;
			if (kinds[socket].port)
				u->stats.underlay_udp_out += (unsigned)n;
			again = true;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			u->stats.underlay_full += out->n - done;
			break;
		} else if (again) {
			again = false; /* it may have been the pending error */
		} else {
			u->stats.underlay_send_failed++;
			done++;
			again = true;
		}
	}
	out->n = 0;
}

/* The one that such a packet leaves by; SOCKETS: there is none. */
static unsigned socket_for(const struct underlay *u,
			   const struct sal_outer *packet)
{
	const struct sal_path *path = &packet->path;
	unsigned i = 0;

	if (!path->local_port != !path->remote_port)
		return SOCKETS;
	while (i < SOCKETS &&
	       (u->fds[i] < 0 || kinds[i].family != path->remote.family ||
		kinds[i].port != path->local_port ||
		(!kinds[i].port && kinds[i].strangers == packet->to_known)))
		i++;
	return i;
}

/* Whether a stranger's answer may take from what flows have as well. */
static bool has_room(const struct underlay *u, unsigned socket)
{
	int fd = u->fds[socket], size, waiting;
	socklen_t len = sizeof(size);

	return getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) ||
	       ioctl(fd, SIOCOUTQ, &waiting) || waiting < size / 2;
}

static void send_foreign(struct underlay *u, const struct sal_outer *packet)
{
	int r = -ENOMEM;

	if (!u->foreign)
		u->foreign = foreign_new();
	if (u->foreign)
		r = foreign_send(u->foreign, packet);
	if (!r) {
		u->stats.underlay_out++;
		u->stats.underlay_foreign++;
		u->stats.underlay_udp_out += packet->path.remote_port != 0;
	} else if (r == -EAGAIN || r == -ENOBUFS) {
		u->stats.underlay_full++;
	} else {
		u->stats.underlay_send_failed++;
	}
}

void underlay_send(struct underlay *u, const struct sal_outer *packet)
{
	unsigned socket = socket_for(u, packet);
	struct segmenter segmenter;
	struct outgoing out;

	if (packet->foreign) {
		send_foreign(u, packet);
		return;
	}
	if (socket == SOCKETS || segment_start(&segmenter, packet)) {
		u->stats.underlay_no_way++;
		return;
	}
	if (kinds[socket].port && !packet->to_known && !has_room(u, socket)) {
		u->stats.underlay_full++;
		return;
	}
	outgoing_init(&out, packet);
	while (segment_next(&segmenter, outgoing_slot(&out))) {
		outgoing_push(&out);
		if (out.n == OUTGOING_MAX)
			send_batch(u, socket, &out);
	}
	if (out.n)
		send_batch(u, socket, &out);
}
