/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Caps: how much may go through an interface, each way. No system calls, and no
 * clock of its own. See caps.c.
 */
#ifndef IO_CAPS_H
#define IO_CAPS_H

#include "node/sal/sal.h"

struct caps;

#define CAPS_MAX 32 /* interfaces */

#define CAPS_STATS(X)                                                          \
	X(cap_delayed, "packets that waited for an interface's cap")           \
	X(cap_dropped, "dropped: too much waited for it")

struct caps_stats {
#define CAPS_STATS_FIELD(name, text) uint64_t name;
	CAPS_STATS(CAPS_STATS_FIELD)
#undef CAPS_STATS_FIELD
};

struct cap {
	uint32_t ifindex;
	uint64_t bps; /* of IP packets, theirs and ours */
};

/* Where packets go when their time has come; valid only during the call. */
struct caps_sink {
	void *arg;
	void (*send)(void *arg, const struct sal_outer *packet);
	void (*receive)(void *arg, const struct sal_path *path,
			const struct sal_ip_fields *ip, const uint8_t *bytes,
			size_t len);
};

/* sink is copied. NULL: out of memory. */
struct caps *caps_new(const struct caps_sink *sink);
struct caps *caps_free(struct caps *c); /* returns NULL */

/*
 * These, and no others. What waits for one that has no cap any more goes now.
 * 0, or -ENOMEM: an interface is without its cap.
 */
int caps_set(struct caps *c, const struct cap *list, size_t n, int64_t now_ns);

/* A packet that is to be sent, or was received. False: it may go now. True: it
 * waits for its time, or there was no room and it is dropped. */
bool caps_out(struct caps *c, const struct sal_outer *packet, int64_t now_ns);
bool caps_in(struct caps *c, const struct sal_path *path,
	     const struct sal_ip_fields *ip, const uint8_t *bytes, size_t len,
	     int64_t now_ns);

/* When caps_run() is to be called; INT64_MAX: not at all. */
int64_t caps_next_ns(const struct caps *c);
void caps_run(struct caps *c, int64_t now_ns);

const struct caps_stats *caps_stats(const struct caps *c);

#endif
