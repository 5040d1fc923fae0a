/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STREAM_MARK_H
#define STREAM_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What our probes put first into their payload, network byte order, 16 bytes:
 * so that any copy of it, whatever NAT made of its addresses, ports and ids,
 * still says which probe sent it and as which one of its packets.
 */
#define PROBE_MAGIC UINT32_C(0x5e12a1ab)
#define PROBE_MARK_SIZE 16

struct probe_mark {
	uint32_t probe; /* the scenario's index of it */
	uint64_t seq; /* from 0 */
};

void probe_mark_put(uint8_t out[PROBE_MARK_SIZE], const struct probe_mark *m);
bool probe_mark_get(const uint8_t *payload, size_t len, struct probe_mark *m);

#endif
