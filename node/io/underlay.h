/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The underlay: SAL packets to and from other hosts, as IP protocol 144. See
 * underlay.c.
 */
#ifndef IO_UNDERLAY_H
#define IO_UNDERLAY_H

#include "base/err.h"
#include "node/sal/sal.h"

struct underlay;

#define UNDERLAY_STATS(X)                                                      \
	X(underlay_in, "packets received")                                     \
	X(underlay_out, "packets sent")                                        \
	X(underlay_errors, "ICMP errors received")                             \
	X(underlay_full, "dropped: no room in the way out")                    \
	X(underlay_send_failed, "dropped: the kernel did not take them")       \
	X(underlay_no_way, "dropped: encapsulations and offloads that we "     \
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

/*
 * Opens one socket a family, unbound, so that nothing has to be done when
 * addresses change. The kernel may lack one of the two families.
 */
int underlay_open(struct underlay **out, struct err *err);
struct underlay *underlay_free(struct underlay *u); /* returns NULL */

/* The sockets, borrowed; -1: the kernel does not have that family. */
int underlay_fd4(const struct underlay *u);
int underlay_fd6(const struct underlay *u);
const struct underlay_stats *underlay_stats(const struct underlay *u);

/*
 * Reads at most budget packets (rounded up to a batch) from one of the sockets.
 * Returns how many there were. It does not fail: what a raw socket reports are
 * ICMP errors, which anybody can send.
 */
unsigned underlay_receive(struct underlay *u, int fd, unsigned budget,
			  const struct underlay_sink *sink);
/* Reads the errors that the socket has; when poll says so (EPOLLERR). */
void underlay_receive_errors(struct underlay *u, int fd,
			     const struct underlay_sink *sink);

/* Sends, cut up and with checksums filled in as its offload asks. */
void underlay_send(struct underlay *u, const struct sal_outer *packet);

#endif
