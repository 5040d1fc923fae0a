/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TCP connection leaves one process and goes on in another, which may be in
 * another network namespace: TCP_REPAIR (tcp(7) does not have it; Linux 3.5 and
 * CRIU do).
 *
 * While a socket is in repair mode the kernel says nothing on its behalf when
 * it is closed, and a connection can be made of what one knows about it. What
 * repair mode does not do is to keep packets away. Whoever moves a connection
 * sees to it that none comes and none is sent between tcp_repair_dump() and
 * tcp_repair_go(): here the SAL flow is held.
 *
 * Repair mode needs CAP_NET_ADMIN over the network namespace, root of a user
 * namespace that owns it has that.
 */
#ifndef IO_TCP_REPAIR_H
#define IO_TCP_REPAIR_H

#include "base/err.h"
#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Both ends of a connection. */
struct tcp_ends {
	struct ip_addr local, remote;
	uint16_t port_local, port_remote;
};

/* What there is to know about an established connection. */
struct tcp_state {
	struct tcp_ends ends;
	uint32_t recv_seq, send_seq; /* of the first byte in each queue */
	uint32_t recv_len, send_len; /* bytes in the queues */
	uint32_t unsent; /* of send_len: not on the network yet */
	uint32_t mss;
	uint8_t snd_wscale, rcv_wscale;
	bool timestamps, sack, wscale;
	uint32_t timestamp;
	uint32_t snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup;
};

/* Queues larger than these are none (they hold what one socket can). */
#define TCP_REPAIR_QUEUE_MAX (64u << 20)

/* The addresses that a connected socket is between. 0, or a negative errno. */
int tcp_repair_ends(int fd, struct tcp_ends *out, struct err *err);

/*
 * Enters repair mode, and tells the state and what is in the queues: recv_len
 * bytes, then send_len, in *queues, to be freed. The socket stays in repair
 * mode; after an error it is as it was. -EPERM with its remedy.
 */
int tcp_repair_dump(int fd, struct tcp_state *out, uint8_t **queues,
		    struct err *err);
/* It was not moved after all: out of repair mode. s: as dumped. */
int tcp_repair_back(int fd, const struct tcp_state *s, struct err *err);
/* It was moved: closes it, and the kernel sends nothing. Consumes fd. */
void tcp_repair_close(int fd);

/*
 * A socket of that state, in repair mode still. queues as dumped. A descriptor,
 * or a negative errno. The local address must be one of this namespace.
 */
int tcp_repair_restore(const struct tcp_state *s, const uint8_t *queues,
		       struct err *err);
/* Out of repair mode: the connection goes on. The last unsent bytes of queues
 * are to be written to it as usual, before anything else. */
int tcp_repair_go(int fd, struct err *err);

/* A state in bytes, of one version; both ends are on one machine. */
#define TCP_REPAIR_STATE_LEN 108
void tcp_repair_put(uint8_t out[TCP_REPAIR_STATE_LEN],
		    const struct tcp_state *s);
/* False: it is none. */
bool tcp_repair_get(const uint8_t in[TCP_REPAIR_STATE_LEN],
		    struct tcp_state *s);

#endif
