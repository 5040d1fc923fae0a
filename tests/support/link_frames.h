/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames for tests of orchestrator/link. */
#ifndef SUPPORT_LINK_FRAMES_H
#define SUPPORT_LINK_FRAMES_H

#include "orchestrator/link/link.h"

#include <check.h>
#include <string.h>

/* Check notes every ck_assert() by a system call: too slow for a million. */
#define must(condition)                                                        \
	do {                                                                   \
		if (!(condition))                                              \
			ck_abort_msg("%s", #condition);                        \
	} while (0)

struct test_frame {
	uint8_t bytes[128];
	size_t len;
};

static inline void frame_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* IPv4 without options in Ethernet; returns where the payload begins. */
static inline uint8_t *frame_ipv4(struct test_frame *f, uint8_t protocol,
				  uint8_t from, uint8_t to)
{
	*f = (struct test_frame){ .len = 14 + 20 + 20 };
	f->bytes[12] = 8;
	f->bytes[14] = 0x45;
	f->bytes[23] = protocol;
	memcpy(f->bytes + 26, (uint8_t[]){ 10, 0, 0, from }, 4);
	memcpy(f->bytes + 30, (uint8_t[]){ 10, 0, 0, to }, 4);
	return f->bytes + 34;
}

static inline void frame_udp(struct test_frame *f, unsigned sport,
			     unsigned dport)
{
	uint8_t *p = frame_ipv4(f, 17, 1, 2);

	frame_put16(p, sport);
	frame_put16(p + 2, dport);
}

static inline void frame_arp(struct test_frame *f)
{
	*f = (struct test_frame){ .len = 42 };
	f->bytes[12] = 8;
	f->bytes[13] = 6;
}

static inline struct link_offer frame_offer(const struct test_frame *f,
					    int64_t now_ns, uint32_t bytes,
					    uint32_t handle)
{
	struct link_offer o = { .now_ns = now_ns,
				.bytes = bytes,
				.segments = 1,
				.last_bytes = bytes,
				.handle = handle,
				.frame = f->bytes,
				.frame_len = f->len };

	link_classify(f->bytes, f->len, &o.key);
	return o;
}

#endif
