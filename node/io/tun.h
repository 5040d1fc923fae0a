/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TUN device: what programs send to service addresses comes in here, and
 * what their peers answer goes out. See tun.c.
 */
#ifndef IO_TUN_H
#define IO_TUN_H

#include "base/err.h"
#include "node/sal/sal.h"

struct tun;

#define TUN_STATS(X)                                                           \
	X(tun_in, "packets read")                                              \
	X(tun_out, "packets written")                                          \
	X(tun_malformed, "dropped: no IP packet, or one cut short")            \
	X(tun_fragments, "inner fragments read")                               \
	X(tun_unassembled, "dropped: packets of which fragments were missing") \
	X(tun_write_failed, "dropped: the kernel did not take them")

struct tun_stats {
#define TUN_STATS_FIELD(name, text) uint64_t name;
	TUN_STATS(TUN_STATS_FIELD)
#undef TUN_STATS_FIELD
};

/*
 * Makes the device in the calling thread's network namespace; it is gone when
 * it is closed. Non-blocking. 0, or a negative errno with its remedy.
 */
int tun_open(struct tun **out, const char *name, struct err *err);
struct tun *tun_free(struct tun *t); /* returns NULL */

int tun_fd(const struct tun *t); /* borrowed */
const char *tun_name(const struct tun *t);
const struct tun_stats *tun_stats(const struct tun *t);

/*
 * Reads at most budget packets and calls packet for each; what it is given is
 * valid only during the call. Returns how many were read (fewer than the
 * budget: there are no more now), or a negative errno.
 */
int tun_receive(struct tun *t, unsigned budget, int64_t now_ns,
		void (*packet)(void *arg, const struct sal_inner *p), void *arg,
		struct err *err);

/* Gives a packet to the kernel. What it does not take is counted. */
void tun_deliver(struct tun *t, const struct sal_inner *p);

#endif
