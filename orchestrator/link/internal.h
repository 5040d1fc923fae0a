/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder share. */
#ifndef LINK_INTERNAL_H
#define LINK_INTERNAL_H

#include "orchestrator/link/histogram.h"
#include "orchestrator/link/link.h"
#include "orchestrator/link/pattern.h"
#include "orchestrator/link/trace.h"

#define ETHERNET_HEADER 14
/* No frame is larger: keeps sums of work within 64 bits. */
#define LINK_BYTES_MAX (1u << 24)

/* ---- draws (draw.c, quantile.c) ------------------------------------------ */

enum link_draw_kind { /* part of what a fate is: never renumber */
		      DRAW_LOSS = 0,
		      DRAW_STATE = 1,
		      DRAW_DUPLICATE = 2,
		      DRAW_REORDER = 3,
		      DRAW_CORRUPT = 4,
		      DRAW_BIT = 5,
		      DRAW_JITTER = 6,
};

struct link_draws { /* of one direction */
	uint8_t key[16];
};

struct link_place { /* whose draw: a frame */
	uint64_t class_id;
	uint64_t k;
	uint32_t ordinal;
};

void link_draws_init(struct link_draws *d, uint64_t seed, const char *link,
		     unsigned end);
uint64_t link_draw(const struct link_draws *d, const struct link_place *at,
		   enum link_draw_kind kind);
/* True for that many of 10^9 draws. */
bool link_draw_happens(uint64_t draw, uint32_t ppb);
/* A whole number below n, each as likely. */
uint64_t link_draw_below(uint64_t draw, uint64_t n);

/* What the draw adds to the delay. */
int64_t link_jitter_ns(const struct link_params *p, uint64_t draw);
/* Standard quantiles in 2^-32, of mean 0 and deviation 1 (quantile.c). */
int64_t link_quantile_normal(uint64_t draw);
int64_t link_quantile_pareto(uint64_t draw);

/* ---- fates (fate.c) ------------------------------------------------------ */

/*
 * What the medium does to a frame but for jitter, in one word, as fate lists
 * keep it: flags, and above them which bit is flipped.
 */
#define FATE_LOST 1u /* then nothing else */
#define FATE_DUPLICATE 2u
#define FATE_REORDER 4u
#define FATE_CORRUPT 8u
#define FATE_BIT_SHIFT 4
#define FATE_BIT_MAX ((1u << 28) - 1)
_Static_assert(LINK_BYTES_MAX * 8 <= FATE_BIT_MAX, "every bit has a number");

struct fate_run { /* so many frames in a row */
	uint32_t fate;
	uint32_t frames;
};

/* How far a stream has come with what its loss remembers. */
struct fate_state {
	uint32_t epoch; /* of the loss that this is about */
	bool bad; /* BURST: the state after the last frame */
	bool begun;
	uint64_t first_k; /* PATTERN: of the stream's first frame under it */
	const struct pattern_stream *told; /* PATTERN, recorded; NULL: not in
					      there */
	size_t run; /* PATTERN, recorded: where the next frame's is */
};

/* ---- streams (stream.c) -------------------------------------------------- */

#define LINK_STREAMS_MAX 16384
#define LINK_CLASSES_MAX 4096
#define LINK_RUNS_MAX (1u << 20) /* of one direction: 8 MiB */
#define LINK_CLASS_TEXT_MAX 160

struct link_class {
	uint64_t id;
	uint32_t flows; /* seen so far */
	char *text;
};

struct link_stream {
	uint64_t class_id, flow_id;
	uint64_t k; /* of the next frame */
	uint32_t ordinal, class_index;
	struct fate_state state;
	struct fate_run *runs;
	size_t n_runs, cap_runs;
	uint64_t untold; /* frames behind the last run that was kept */
};

struct link_streams {
	struct link_stream *v; /* [0] is the one that those share which are
				  beyond what can be told apart */
	size_t n, cap;
	struct link_class *classes;
	size_t n_classes, cap_classes;
	uint32_t *stream_slots, *class_slots; /* hash tables, by index + 1 */
	size_t stream_slots_n, class_slots_n;
	size_t runs; /* kept, of all streams */
	uint64_t hash_key;
	size_t last; /* found last */
};

int link_streams_init(struct link_streams *s, uint64_t hash_key);
void link_streams_deinit(struct link_streams *s);
/* Never fails: [0] where there is no room. Valid until the next call. */
struct link_stream *link_streams_find(struct link_streams *s,
				      const struct link_offer *offer);
static inline bool link_stream_is_shared(const struct link_streams *s,
					 const struct link_stream *stream)
{
	return stream == s->v;
}
/* Adds n frames of that fate to the list, and to k. */
void link_stream_count(struct link_streams *s, struct link_stream *stream,
		       uint32_t fate, uint32_t n);

/* ---- patterns (pattern.c) ------------------------------------------------ */

struct pattern_stream;

/* Is it a list of whole fates, and not only of losses? */
bool link_pattern_is_recorded(const struct link_pattern *p);
bool link_pattern_loses(const struct link_pattern *p, uint64_t k); /* by hand */
const struct pattern_stream *link_pattern_find(const struct link_pattern *p,
					       const char *class_text,
					       uint32_t ordinal);
/* Of frame k; *run only grows as k does. */
uint32_t link_pattern_fate(const struct pattern_stream *s, uint64_t k,
			   size_t *run);

/* ---- traces (trace.c) ---------------------------------------------------- */

/* When opportunity i is, from the trace's beginning; LINK_NEVER: there is none.
 */
int64_t link_trace_time_ns(const struct link_trace *t, uint64_t i);
/* The first opportunity at or after that moment. */
uint64_t link_trace_first(const struct link_trace *t, int64_t from_ns);

/* ---- frames inside (slots.c) --------------------------------------------- */

#define SLOT_NONE UINT32_MAX
#define SLOT_CHUNK 256

struct link_slot {
	int64_t offered_ns, start_ns, depart_ns, due_ns;
	uint64_t seq; /* in the order of offers */
	int64_t jitter_ns;
	/* The serialiser's: what is left of a frame cut short by a change of
	 * the rate, in 10^-9 bits (0: it had not begun); then where it began.
	 */
	uint64_t left;
	union {
		uint64_t start_frac; /* start_ns was rounded up: the part of
					the ns before, in 1/rate */
		uint64_t opportunity; /* its first one, ... */
	};
	uint32_t took; /* ... and how many bytes of that it could use */
	uint32_t fate;
	uint32_t handle, bytes, segments, expected_loss_ppb;
	uint32_t next; /* free, or in order of being due */
	uint32_t next_waiting; /* in the serialiser's queue */
	bool loose; /* kept by the heap: does not keep to the order */
	bool mark;
	bool copied; /* given once, the copy follows */
};

struct slot_due {
	int64_t due_ns;
	uint64_t seq;
	uint32_t slot;
};

struct link_slots {
	struct link_slot **chunks; /* of SLOT_CHUNK each */
	size_t max, used; /* used: slots ever taken */
	uint32_t free; /* list of those given back */
	size_t inside;
	uint32_t first, last; /* in order */
	struct slot_due *heap; /* the loose ones */
	size_t heap_n, heap_cap;
};

int link_slots_init(struct link_slots *s, size_t max);
void link_slots_deinit(struct link_slots *s);
static inline struct link_slot *link_slot(const struct link_slots *s,
					  uint32_t i)
{
	return &s->chunks[i / SLOT_CHUNK][i % SLOT_CHUNK];
}
uint32_t link_slots_take(struct link_slots *s, bool loose); /* or SLOT_NONE */
/* Puts a taken slot where link_slots_next() finds it, by its due_ns. */
void link_slots_put(struct link_slots *s, uint32_t i);
/* The one that is due first, or SLOT_NONE. It stays where it is. */
uint32_t link_slots_next(const struct link_slots *s);
void link_slots_remove_next(struct link_slots *s, uint32_t i);
/* After due_ns of any have changed, those in order still rising. */
void link_slots_sort_again(struct link_slots *s);

/* ---- queue and rate (serial.c) ------------------------------------------- */

struct link_serial {
	int64_t free_ns; /* when the last frame has left, rounded down, ... */
	uint64_t free_frac; /* ... and the rest, in 1/rate ns */
	int64_t trace_begin_ns;
	uint64_t opportunity; /* the last one that a frame used, */
	uint32_t left; /* and what it has left */
	uint32_t first, last; /* those that have not left, or SLOT_NONE */
	uint32_t waiting; /* of these the first that has not begun */
	uint32_t packets; /* that wait */
	uint64_t bytes;
	int64_t departed_ns; /* the last one that has left */
};

void link_serial_init(struct link_serial *s);
/* Has a rate or a trace? */
static inline bool link_params_have_rate(const struct link_params *p)
{
	return p->rate_bps || p->trace;
}
/* When a frame offered now would begin: now, or it has to wait. LINK_NEVER:
 * there is no opportunity any more. */
int64_t link_serial_start_ns(const struct link_serial *s,
			     const struct link_params *p, int64_t now_ns);
/* When it begins and leaves: sets the slot's times, moves the serialiser on. */
void link_serial_pass(struct link_serial *s, const struct link_params *p,
		      struct link_slot *slot, int64_t now_ns);
/* What is left of the frame that is being sent, as slot.left. */
uint64_t link_serial_left(const struct link_serial *s,
			  const struct link_params *p,
			  const struct link_slot *slot, int64_t now_ns);
/* link_capacity(), of a link that is up. */
uint64_t link_serial_capacity(const struct link_serial *s,
			      const struct link_params *p, int64_t from_ns,
			      int64_t to_ns);
/* From now on nothing is being sent. A trace begins anew, or goes on with the
 * opportunities after now. */
void link_serial_reset(struct link_serial *s, const struct link_params *p,
		       int64_t now_ns, bool new_trace);

/* ---- a direction (direction.c, change.c) --------------------------------- */

struct link_direction {
	struct link_params params;
	struct link_draws draws;
	uint64_t seed;
	char *name;
	unsigned end;
	bool down, timed; /* timed: now_ns is set */
	int64_t now_ns; /* the latest time heard of */
	uint64_t seq;
	uint32_t epoch; /* counts changes of the loss */
	uint32_t expected_loss_ppb;
	int64_t latest_ns; /* due time that none may overtake in order */
	int64_t order_ns; /* the last due time of those in order */
	struct link_slots slots;
	struct link_serial serial;
	struct link_streams streams;
	struct link_counts counts;
};

/* Moves the clock on and takes note of what has left the serialiser. Returns
 * the time, which never falls. */
int64_t link_advance(struct link_direction *d, int64_t now_ns);
void link_set_due(struct link_direction *d, struct link_slot *slot);
void link_append_waiting(struct link_direction *d, uint32_t i);

/* Draws the fate of frame k (of so many bytes) of a stream, moving the state
 * on; *expected_ppb: how likely its loss was. */
uint32_t link_fate(const struct link_direction *d,
		   const struct link_stream *stream, struct fate_state *state,
		   uint64_t k, uint32_t bytes, uint32_t *expected_ppb);
/* Stationary loss of these properties; 0 for patterns. */
uint32_t link_expected_loss_ppb(const struct link_params *p);

static inline int64_t link_time_add(int64_t t, int64_t add)
{
	int64_t sum;

	if (t == LINK_NEVER || __builtin_add_overflow(t, add, &sum))
		return LINK_NEVER;
	return sum;
}

#endif
