/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One direction of an emulated link, without any I/O: sizes and times of frames
 * go in, verdicts and times come out. The frames themselves stay with the
 * caller, who names each by a number (handle). The same code runs in the
 * emulator's process, under unit tests, and in a simulator's virtual time.
 *
 *     link_offer(d, &(struct link_offer){ now, key, bytes, 1, bytes, h });
 *     while (link_pop(d, now, &outcome))
 *             deliver or forget outcome.handle;
 *     wait until link_next_ns(d);
 *
 * Fates. What the medium does to a frame (lost, doubled, corrupted, reordered,
 * and by how much jitter) is a pure function of
 *
 *     (seed, link, direction, stream, k)
 *
 * where k counts the frames of one stream from 0. A stream is one flow of a
 * class: the class is what two runs have in common (addresses, protocol, the
 * well-known port), the flow is told by what they have not (ephemeral ports,
 * ICMP ids, flow IDs) and numbered in the order of appearance within its class.
 * Control traffic (ARP, neighbour discovery) is a class of its own. So when two
 * flows interleave differently in another run, or one ARP request more is
 * sent, no frame's fate changes. See fate.c.
 *
 * Time never decides a fate. It decides only who finds a queue full.
 */
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include "orchestrator/link/params.h"

#include <stdio.h>

#define LINK_NEVER INT64_MAX

/* ---- what kind of frame it is (classify.c) ------------------------------- */

struct link_key {
	uint64_t class_id; /* of what runs have in common, hashed */
	uint64_t flow_id; /* what tells flows of one class apart */
	bool control;
	bool ecn_capable; /* ECT(0) or ECT(1): may be marked */
};

/*
 * Reads an Ethernet frame. What it cannot read is a class by its EtherType; a
 * fragment counts for the class of its addresses and protocol. Never fails:
 * any bytes are some kind of frame.
 */
void link_classify(const uint8_t *frame, size_t len, struct link_key *out);
/* "tcp 10.0.0.1 > 10.0.0.2:80", "icmp 10.0.0.1 > 10.0.0.2", "control": the
 * class of the same frame, as fate lists name it. Returns buf. */
const char *link_class_text(const uint8_t *frame, size_t len, char *buf,
			    size_t size);

/* ---- a direction --------------------------------------------------------- */

struct link_direction;

/*
 * link: the name of the link, end: from which of its ends (0, 1) frames come.
 * frames_max: how many may be inside at most (a bound on memory; frames above
 * it are dropped and counted as overflow, which makes a run invalid). NULL: out
 * of memory.
 */
struct link_direction *link_new(uint64_t seed, const char *link, unsigned end,
				const struct link_params *params,
				size_t frames_max);
struct link_direction *link_free(struct link_direction *d); /* returns NULL */

/*
 * The moment from which a delivery trace counts, and before the first offer.
 * Without it, that is the first time that the direction hears of.
 */
void link_start(struct link_direction *d, int64_t now_ns);

/*
 * What is in flight stays: frames that wait go on at the new rate, those under
 * way arrive when they were to, and fates go on counting. A frame's fate and
 * jitter are drawn when it is offered, and stay. Where the delay shrinks, no
 * frame overtakes one before it for that. A rate by trace begins it anew.
 */
void link_change(struct link_direction *d, int64_t now_ns,
		 const struct link_change *c);
const struct link_params *link_params(const struct link_direction *d);

/*
 * A link that is down takes no frame (nor are those counted in its streams),
 * and what is inside is lost: drop(arg, handle) gets every handle, once. Down
 * and up again are no change of properties.
 */
void link_set_up(struct link_direction *d, bool up, int64_t now_ns,
		 void (*drop)(void *arg, uint32_t handle), void *arg);

struct link_offer {
	int64_t now_ns; /* one before that of an earlier call counts as that */
	struct link_key key;
	uint32_t bytes; /* of the whole Ethernet frame; of a train, of each
			   segment but the last, headers included */
	uint32_t segments; /* 1; more: a train (GSO) */
	uint32_t last_bytes; /* of the last segment; of one segment: bytes */
	uint32_t handle; /* the caller's */
	/* Names the class in the fate list; read only when it is new. */
	const uint8_t *frame;
	size_t frame_len;
};

enum link_verdict {
	LINK_TAKEN, /* it will come out of link_pop() */
	LINK_SPLIT, /* a train whose segments do not share one fate, or that a
		       rate spreads out: nothing was counted; offer the segments
		       one by one */
	LINK_DROP_QUEUE, /* the queue is full */
	LINK_DROP_MTU, /* too large */
	LINK_DROP_DOWN,
	LINK_DROP_OVERFLOW, /* more inside than frames_max: not the model's
			       doing */
};
enum link_verdict link_offer(struct link_direction *d,
			     const struct link_offer *offer);

/* When the next outcome is due; LINK_NEVER: none is, until another frame is
 * offered. */
int64_t link_next_ns(const struct link_direction *d);

#define LINK_NO_BIT UINT32_MAX

struct link_outcome {
	uint32_t handle;
	int64_t due_ns; /* when the model wants it */
	int64_t offered_ns;
	bool lost; /* forget it */
	bool copy; /* a duplicate: the handle was or will be given once more */
	bool final; /* the handle is not used any more after this */
	bool mark; /* set ECN's CE */
	uint32_t corrupt_bit; /* flip this one, counted from behind the Ethernet
				 header, checksum left as it would have been
				 without; or LINK_NO_BIT */
};

/* The next outcome that is due by now, in the order of their times, and of
 * their offers where these are equal. False: there is none. */
bool link_pop(struct link_direction *d, int64_t now_ns,
	      struct link_outcome *out);

/* ---- what became of them ------------------------------------------------- */

struct link_counts { /* frames; segments of a train count each */
	uint64_t offered, offered_bytes;
	uint64_t delivered, delivered_bytes; /* copies included */
	uint64_t lost, duplicated, corrupted, reordered, marked; /* by fate */
	uint64_t queue_dropped, mtu_dropped, down_dropped, overflow_dropped;
	uint64_t copies_dropped; /* by down: their originals had arrived */
	uint64_t control; /* of the offered ones */
	uint64_t streams; /* told apart, and ... */
	uint64_t frames_untold; /* ... frames of streams beyond those: they
				   share one, and their fates depend on how they
				   interleave */
	/* For realised beside requested loss: frames that came to the medium
	 * and have come out, and over these the loss that the properties asked
	 * for (in bursts: in the long run). lost / medium is what was realised,
	 * expected_loss_ppb_sum / medium what was requested. */
	uint64_t medium, expected_loss_ppb_sum;
	uint32_t queued_most; /* packets waiting at once */
	uint64_t queued_bytes_most;
	int64_t busy_ns; /* time in which the rate was the limit, ... */
	uint64_t busy_bytes; /* ... and what left in it */
};
const struct link_counts *link_counts(const struct link_direction *d);
/* Packets that wait for the rate, as of the last call with a time. */
uint32_t link_queued(const struct link_direction *d);
/*
 * How many bytes could have passed, from after the one time up to the other, by
 * the properties that there are now: of whole frames by a rate; by a trace, of
 * what is behind their Ethernet headers. UINT64_MAX: any number; 0: it is down.
 */
uint64_t link_capacity(const struct link_direction *d, int64_t from_ns,
		       int64_t to_ns);

/*
 * The fates so far, stream by stream, as text that pattern.h reads again (see
 * docs/record.md, "Fates"). Bounded: of streams or runs beyond the bound, it
 * says how many are missing. 0 or a negative errno of the stream.
 */
int link_fates_write(const struct link_direction *d, FILE *out);

#endif
