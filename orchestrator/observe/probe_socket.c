/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replies and ICMP errors of a probe's socket, raw or UDP.
 *
 * Errors come through the socket's error queue (IP_RECVERR), the same way for
 * all four kinds of socket: the kernel looks the quoted packet's socket up, and
 * hands us the quoted bytes from the transport's header (raw) or payload (UDP)
 * on. The same error is also set on the socket, where the next send would
 * report it as its own failure: so the queue is emptied before a failed send is
 * believed.
 *
 * A reply's time is the kernel's stamp, CLOCK_REALTIME; it is brought to
 * CLOCK_MONOTONIC by the difference of the two as it is now, moments later.
 */
#include "orchestrator/observe/probe_internal.h"
#include "base/clock.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>

/* A whole IPv4 header with options, ICMP's, the mark: all that we look at. */
#define RECEIVE_BYTES 128

struct received {
	uint8_t data[RECEIVE_BYTES];
	size_t len;
	union probe_address from;
	int64_t real_ns; /* 0: not stamped */
	bool has_error;
	struct sock_extended_err error;
};

static int set_flag(int fd, int level, int option, const char *what,
		    struct err *err)
{
	const int on = 1;

	if (setsockopt(fd, level, option, &on, sizeof(on)))
		return err_errno(err, errno, "probe: %s", what);
	return 0;
}

int probe_socket_setup(struct probe *p, struct err *err)
{
	const int buffer = 1 << 20; /* as far as rmem_max lets us */
	int r = set_flag(p->fd, SOL_SOCKET, SO_TIMESTAMPNS, "SO_TIMESTAMPNS",
			 err);

	setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (r)
		return r;
	if (p->to.any.sa_family == AF_INET)
		return set_flag(p->fd, IPPROTO_IP, IP_RECVERR, "IP_RECVERR",
				err);
	return set_flag(p->fd, IPPROTO_IPV6, IPV6_RECVERR, "IPV6_RECVERR", err);
}

static void read_control(struct msghdr *msg, struct received *out)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		const void *data = CMSG_DATA(c);

		if (c->cmsg_level == SOL_SOCKET &&
		    c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec ts;

			memcpy(&ts, data, sizeof(ts));
			out->real_ns =
				(int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
		} else if ((c->cmsg_level == IPPROTO_IP &&
			    c->cmsg_type == IP_RECVERR) ||
			   (c->cmsg_level == IPPROTO_IPV6 &&
			    c->cmsg_type == IPV6_RECVERR)) {
			memcpy(&out->error, data, sizeof(out->error));
			out->has_error = true;
		}
	}
}

/* False: nothing there. */
static bool receive_one(struct probe *p, int flags, struct received *out)
{
	_Alignas(struct cmsghdr) char control[512];
	struct iovec iov = { out->data, sizeof(out->data) };
	struct msghdr msg = {
		.msg_name = &out->from,
		.msg_namelen = sizeof(out->from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(p->fd, &msg, flags | MSG_DONTWAIT);

	/* An error that waits at the socket is cleared by being told. */
	if (n < 0 && errno != EAGAIN)
		n = recvmsg(p->fd, &msg, flags | MSG_DONTWAIT);
	if (n < 0)
		return false;
	out->len = (size_t)n;
	out->real_ns = 0;
	out->has_error = false;
	read_control(&msg, out);
	return true;
}

static bool is_from_address_asked(const struct probe *p,
				  const union probe_address *from)
{
	if (from->any.sa_family != p->to.any.sa_family)
		return false;
	if (from->any.sa_family == AF_INET)
		return from->v4.sin_addr.s_addr == p->to.v4.sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&from->v6.sin6_addr, &p->to.v6.sin6_addr);
}

static unsigned receive_replies(struct probe *p)
{
	struct received in;
	unsigned n = 0;

	for (; n < PROBE_RECEIVE_MAX && receive_one(p, 0, &in); n++) {
		int64_t now_ns = clock_mono_ns();
		uint64_t seq;

		if (!is_from_address_asked(p, &in.from) ||
		    !p->kind->is_reply(p, in.data, in.len, &seq))
			continue;
		if (in.real_ns)
			now_ns = in.real_ns - clock_real_minus_mono_ns();
		probe_window_reply(p, seq, now_ns);
	}
	return n;
}

/* At most 23 bytes each: samples.h. */
static const char *text_of_icmp4(const struct sock_extended_err *e)
{
	if (e->ee_type == ICMP_TIME_EXCEEDED)
		return "time exceeded";
	if (e->ee_type == ICMP_PARAMETERPROB)
		return "parameter problem";
	if (e->ee_type != ICMP_DEST_UNREACH)
		return "icmp error";
	switch (e->ee_code) {
	case ICMP_NET_UNREACH:
		return "network unreachable";
	case ICMP_HOST_UNREACH:
		return "host unreachable";
	case ICMP_PROT_UNREACH:
		return "protocol unreachable";
	case ICMP_PORT_UNREACH:
		return "port unreachable";
	case ICMP_FRAG_NEEDED:
		return "packet too big";
	case ICMP_NET_ANO:
	case ICMP_HOST_ANO:
	case ICMP_PKT_FILTERED:
		return "prohibited";
	}
	return "unreachable";
}

static const char *text_of_icmp6(const struct sock_extended_err *e)
{
	if (e->ee_type == ICMP6_TIME_EXCEEDED)
		return "time exceeded";
	if (e->ee_type == ICMP6_PARAM_PROB)
		return "parameter problem";
	if (e->ee_type == ICMP6_PACKET_TOO_BIG)
		return "packet too big";
	if (e->ee_type != ICMP6_DST_UNREACH)
		return "icmp error";
	switch (e->ee_code) {
	case ICMP6_DST_UNREACH_NOROUTE:
		return "network unreachable";
	case ICMP6_DST_UNREACH_ADMIN:
		return "prohibited";
	case ICMP6_DST_UNREACH_ADDR:
		return "host unreachable";
	case ICMP6_DST_UNREACH_NOPORT:
		return "port unreachable";
	}
	return "unreachable";
}

unsigned probe_socket_errors(struct probe *p)
{
	struct received in;
	unsigned n = 0;

	for (; n < PROBE_RECEIVE_MAX && receive_one(p, MSG_ERRQUEUE, &in);
	     n++) {
		uint64_t seq;

		if (!in.has_error ||
		    !p->kind->is_ours(p, in.data, in.len, &seq))
			continue;
		if (in.error.ee_origin == SO_EE_ORIGIN_ICMP)
			probe_window_error(p, seq, text_of_icmp4(&in.error));
		else if (in.error.ee_origin == SO_EE_ORIGIN_ICMP6)
			probe_window_error(p, seq, text_of_icmp6(&in.error));
	}
	return n;
}

bool probe_socket_receive(struct probe *p)
{
	unsigned replies = receive_replies(p);
	unsigned errors = probe_socket_errors(p);

	return replies == PROBE_RECEIVE_MAX || errors == PROBE_RECEIVE_MAX;
}
