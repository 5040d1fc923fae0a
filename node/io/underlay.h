/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The underlay: SAL packets to and from other hosts, as IP protocol 144, or in
 * UDP datagrams from and to the ports of wire.h. See underlay.c.
 */
#ifndef IO_UNDERLAY_H
#define IO_UNDERLAY_H

#include "base/err.h"
#include "node/sal/sal.h"

struct underlay;

#define UNDERLAY_STATS(X)                                                      \
	X(underlay_in, "packets received")                                     \
	X(underlay_out, "packets sent")                                        \
	X(underlay_overrun, "lost: no room in a socket, told by the next")     \
	X(underlay_errors, "ICMP errors received")                             \
	X(underlay_full, "dropped: no room in the way out")                    \
	X(underlay_send_failed, "dropped: the kernel did not take them")       \
	X(underlay_udp_in, "of which received in UDP")                         \
	X(underlay_udp_out, "of which sent in UDP")                            \
	X(underlay_foreign, "of which sent with another host's address")       \
	X(underlay_no_way, "dropped: families, ports and offloads that we "    \
			   "lack")

struct underlay_stats {
#define UNDERLAY_STATS_FIELD(name, text) uint64_t name;
	UNDERLAY_STATS(UNDERLAY_STATS_FIELD)
#undef UNDERLAY_STATS_FIELD
};

/* What comes in; all that is handed over is valid only during the call. */
struct underlay_sink {
	void *arg;
	/* bytes: from the SAL header on; anybody may have sent them. */
	void (*packet)(void *arg, const struct sal_path *path,
		       const struct sal_ip_fields *ip, const uint8_t *bytes,
		       size_t len);
	/* ICMP says that the packet beginning with these bytes of ours did not
	 * get there; anybody may have said so. */
	void (*unreachable)(void *arg, const struct sal_path *path,
			    const uint8_t *bytes, size_t len);
	/* The same, of one that was too long for the path. */
	void (*path_mtu)(void *arg, const struct sal_path *path,
			 const uint8_t *bytes, size_t len, uint16_t mtu);
};

/* Sockets: protocol 144 and both of the ports, of each family. */
#define UNDERLAY_SOCKETS 6

/*
 * Opens one socket a family, and the UDP sockets if they are wanted, all
 * unbound to addresses, so that nothing has to be done when these change. The
 * kernel may lack one of the two families. A port that is taken: -EADDRINUSE.
 */
int underlay_open(struct underlay **out, bool udp, struct err *err);
struct underlay *underlay_free(struct underlay *u); /* returns NULL */

/* The sockets by number, borrowed; -1: there is none of that kind. */
int underlay_fd(const struct underlay *u, unsigned socket);
const struct underlay_stats *underlay_stats(const struct underlay *u);

/*
 * Reads at most budget packets (rounded up to a batch) from one of the sockets.
 * Returns how many there were. It does not fail: what such a socket reports are
 * ICMP errors, which anybody can send.
 */
unsigned underlay_receive(struct underlay *u, unsigned socket, unsigned budget,
			  const struct underlay_sink *sink);
/* Reads the errors that the socket has; when poll says so (EPOLLERR). */
void underlay_receive_errors(struct underlay *u, unsigned socket,
			     const struct underlay_sink *sink);

/* Sends, cut up and with checksums filled in as its offload asks. */
void underlay_send(struct underlay *u, const struct sal_outer *packet);

#endif
