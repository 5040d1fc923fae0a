/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Native flows: conversations of sockets that speak SAL themselves, as
 * libserval's do. They are of the kind that the Serval stack of 2012 has: the
 * sequences, ports of zero, the transport checksum over the packet's own
 * addresses, and no extension of ours, so that this engine and that stack can
 * talk to each other. A SYN without IDENTITY opens one.
 *
 * This is the side of the sockets. Whoever has them (the driver) calls the
 * functions and is told the rest through its sink; that a flow is open, moves
 * or is over comes as for all flows, as an event whose flow is "native". UDP is
 * all here. Of TCP the engine carries whole segments and knows nothing:
 * sequence numbers, repetition and its handshake are the driver's. The engine
 * only sets the ports to zero and puts in the checksum, for it alone knows the
 * addresses.
 *
 * What differs from inner flows, because the other side may be the old stack:
 * nobody is asked back (CHALLENGE), refusals have no REASON, an RSYN never goes
 * by name, and the service's rules bind a flow once, when it is opened. UDP
 * goes on between the old addresses while a move is under way, if they are
 * there.
 */
#ifndef SAL_NATIVE_H
#define SAL_NATIVE_H

#include "node/sal/sal.h"

/* A TCP header with all options: what goes on a handshake packet. */
#define SAL_NATIVE_SEGMENT_MAX 60
/* A datagram's bytes, so that the packet's headers fit IP's 65535 as well. */
#define SAL_NATIVE_PAYLOAD_MAX 65000u

/* One without a connection. */
struct sal_datagram {
	struct service_id to, from;
	/* In: where it came from; local is one of ours. Out: path.remote may be
	 * AF_UNSPEC: where the rules have the service. */
	struct sal_path path;
	uint32_t socket; /* local ID of the socket, as sal_native_listen() gave
			  */
	const uint8_t *bytes; /* behind the UDP header; borrowed */
	size_t len;
};

/* Called as the other sink is: within a call of the engine, which they must not
 * call. All are needed but "answer", without which there is no TCP. */
struct sal_native_sink {
	void *arg;
	/* What came on a flow: UDP's bytes behind the header, TCP's segment. */
	void (*receive)(void *arg, const struct sal_flow_info *f,
			const uint8_t *bytes, size_t len);
	/* The peer has closed: nothing will come any more. */
	void (*end)(void *arg, const struct sal_flow_info *f);
	void (*datagram)(void *arg, const struct sal_datagram *d);
	/*
	 * TCP's part of a handshake: a segment (len 0: none) came on a SYN or a
	 * SYN-ACK; its answer is to go on a packet with these flags, SYN|ACK or
	 * ACK. Into out, of SAL_NATIVE_SEGMENT_MAX bytes; returns its length.
	 * It is kept, and goes on repetitions too. 0 to a SYN: no flow, and
	 * silence.
	 */
	size_t (*answer)(void *arg, const struct sal_flow_info *f,
			 uint8_t flags, const uint8_t *segment, size_t len,
			 uint8_t *out);
};

/* Copied; from then on there are native flows. */
void sal_native_open(struct sal *s, const struct sal_native_sink *sink);

/* A socket that has a service ID: takes what comes for it. */
struct sal_listener {
	struct service_id id;
	uint16_t bits; /* of the prefix; 256: this service */
	uint8_t protocol; /* IPPROTO_UDP, IPPROTO_TCP */
	bool datagrams; /* unconnected ones, and no SYNs */
};

/* 0, -EEXIST, -ENOSPC (config.max_listeners), -EINVAL (also: not open). The
 * longest prefix takes a packet. */
int sal_native_listen(struct sal *s, const struct sal_listener *l,
		      uint32_t *socket, int64_t now_ns);
/* 0, -ENOENT. Flows whose handshake is not complete are reset. */
int sal_native_unlisten(struct sal *s, uint32_t socket, int64_t now_ns);

struct sal_connect {
	struct service_id service;
	uint8_t protocol; /* IPPROTO_UDP, IPPROTO_TCP */
	struct ip_addr to; /* AF_UNSPEC: where the rules have the service */
	bool encapsulated; /* in UDP, to the port of SAL */
	/* The service that the socket itself has. A SYN for it that comes from
	 * where ours goes is taken for the same connection: both ends open. */
	bool has_local;
	struct service_id local;
	const uint8_t *segment; /* TCP: its SYN, of SAL_NATIVE_SEGMENT_MAX bytes
				   at most */
	size_t len;
};

/*
 * 0 and the flow's local ID, -ENOENT (no rule; those of DELAY are passed over),
 * -EHOSTUNREACH (no address to send from, or a rule of DROP), -ECONNREFUSED
 * (one that refuses), -ENOSPC (too many flows), -EINVAL. Then comes
 * FLOW_OPENED, or FLOW_CLOSED with the state that it ended in: SYN_SENT, and
 * reason "refused" or none (timed out).
 */
int sal_native_connect(struct sal *s, const struct sal_connect *c,
		       uint32_t *flow, int64_t now_ns);

/*
 * UDP: a datagram's bytes. TCP: a segment, with header. What can't go at once
 * waits (in SYN_RCVD, or while the flow moves). 0, -ENOENT (no such flow),
 * -ENOTCONN (SYN_SENT), -EPIPE (UDP that was closed here), -EMSGSIZE, -EINVAL
 * (a segment without a whole header), -ENOBUFS (too much waits).
 */
int sal_native_send(struct sal *s, uint32_t flow, const uint8_t *bytes,
		    size_t len, int64_t now_ns);
/* 0, -ENOENT (no such socket, no rule), -EHOSTUNREACH, -EMSGSIZE. */
int sal_native_send_datagram(struct sal *s, const struct sal_datagram *d,
			     int64_t now_ns);

/*
 * FIN; each end closes its own direction. UDP: at once. TCP: when its FIN is
 * acknowledged, which the driver knows; its segments go through after that as
 * well. In a handshake that the peer began it comes at the end of that. 0,
 * -ENOENT.
 */
int sal_native_close(struct sal *s, uint32_t flow, int64_t now_ns);
/* RST; the flow is gone. 0, -ENOENT. */
int sal_native_abort(struct sal *s, uint32_t flow, int64_t now_ns);
/* Moves a flow to another address of this host (sal_set_addresses), as if its
 * own had gone. 0, -ENOENT (no such flow), -EADDRNOTAVAIL. */
int sal_native_migrate(struct sal *s, uint32_t flow, const struct ip_addr *to,
		       int64_t now_ns);

#endif
