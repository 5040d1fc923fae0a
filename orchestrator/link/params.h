/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a link does to the frames that travel in one of its directions, as the
 * scenario says it: plain values, and nothing of the state that they act on.
 *
 * One direction is a pipe of four stages, and the order is part of the promise:
 *
 *      in --> [ mtu ] --> [ queue, rate ] --> [ medium ] --> [ travel ] --> out
 *              drops       waits, drops        loses,         delay,
 *                          or marks            corrupts,      jitter,
 *                                              doubles        reorders
 *
 * A frame that the medium loses has used its share of the rate, as on a real
 * wire; one that waits does not count as travelling. So a queue is full only
 * where a rate makes frames wait, and a long delay needs no large queue.
 */
#ifndef LINK_PARAMS_H
#define LINK_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A probability in parts of 10^9: exact for what people write ("0.1%"). */
#define LINK_PPB_ONE UINT32_C(1000000000)

/*
 * What properties read from files are made of. Owned by the scenario that read
 * them, never changed, and alive as long as any link that uses them.
 */
struct link_histogram; /* histogram.h: a distribution of jitter */
struct link_trace; /* trace.h: delivery opportunities */
struct link_pattern; /* pattern.h: recorded or written fates */

enum link_distribution {
	LINK_UNIFORM, /* delay - spread ... delay + spread */
	LINK_NORMAL, /* spread: the standard deviation */
	LINK_PARETO, /* shape 3, mean 0, scaled to a standard deviation of
			spread: few but long delays */
	LINK_PARETONORMAL, /* 1/4 normal, 3/4 pareto, as netem(8) has it */
	LINK_HISTOGRAM, /* values of a file; spread scales nothing */
};

enum link_loss {
	LINK_LOSS_NONE,
	LINK_LOSS_INDEPENDENT, /* each frame for itself */
	LINK_LOSS_BURST, /* Gilbert-Elliott: two states, a step each frame */
	LINK_LOSS_PATTERN, /* of a file or a text, frame by frame */
};

struct link_params {
	int64_t delay_ns; /* of propagation */
	struct {
		int64_t spread_ns; /* 0: none */
		enum link_distribution distribution;
		bool unordered; /* frames may overtake each other */
		const struct link_histogram *histogram;
	} jitter;
	struct {
		enum link_loss kind;
		uint32_t ppb; /* INDEPENDENT */
		struct {
			uint32_t to_bad, to_good; /* ppb a frame */
			uint32_t in_bad, in_good; /* ppb of loss in a state */
		} burst;
		const struct link_pattern *pattern; /* from frame to frame, and
						       over again at its end */
	} loss;
	uint32_t duplicate_ppb; /* a copy right behind the frame */
	uint32_t reorder_ppb; /* a frame that skips the delay */
	uint32_t corrupt_ppb; /* one bit behind the Ethernet header flips */
	uint64_t rate_bps; /* bits/s of whole Ethernet frames; 0: no limit */
	const struct link_trace *trace; /* in place of a rate; NULL: none */
	struct {
		uint32_t packets; /* that wait at most; 0: no limit */
		uint64_t bytes; /* likewise */
		int64_t wait_ns; /* that one waits at most; 0: no limit */
		uint32_t ecn_packets; /* from so many waiting on, ECN-capable
					 packets are marked; 0: never */
		int64_t ecn_wait_ns; /* likewise those that wait as long */
	} queue;
	uint32_t mtu; /* larger ones vanish: bytes behind the Ethernet header;
			 0: what the interfaces take */
};

/* Which of them a change is about. */
enum link_property {
	LINK_DELAY = 1 << 0,
	LINK_JITTER = 1 << 1,
	LINK_LOSS = 1 << 2,
	LINK_DUPLICATE = 1 << 3,
	LINK_REORDER = 1 << 4,
	LINK_CORRUPT = 1 << 5,
	LINK_RATE = 1 << 6, /* constant or by trace: each replaces the other */
	LINK_QUEUE = 1 << 7,
	LINK_MTU = 1 << 8,
	LINK_PROPERTIES_ALL = (1 << 9) - 1,
};

struct link_change {
	unsigned properties; /* bits of enum link_property */
	struct link_params to; /* of these only */
};

#define LINK_QUEUE_DEFAULT 1000 /* packets */

/* Nothing happens to a frame, at any speed. The queue has its default. */
void link_params_init(struct link_params *p);
/* Takes over what the change names; the rest stays. */
void link_params_apply(struct link_params *p, const struct link_change *c);
/* Does anything vary the delay? */
bool link_params_have_jitter(const struct link_params *p);
/* Does nothing happen to any frame? */
bool link_params_are_plain(const struct link_params *p);
/* "delay 10ms, jitter 1ms normal, loss 1%, rate 10mbit, queue 100": what is not
 * plain, in the scenario's spelling, the queue where a rate makes frames wait;
 * "" where nothing is. Cut at size. Returns buf. */
const char *link_params_text(const struct link_params *p, char *buf,
			     size_t size);

#endif
