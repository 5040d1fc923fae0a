/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service table: which service IDs are served where. service_table.c says
 * how it is built.
 *
 * Rules stand at prefixes of service IDs; the longest prefix that has any
 * decides. A prefix has one or more targets. Those of the highest priority
 * serve, each in proportion to its weight; lower ones do when all of those are
 * down, drained (weight 0) or set aside for now. Where nothing else is left,
 * those that are set aside serve after all: that they do not answer is a guess.
 *
 * All memory is the caller's, and is only touched as it comes into use. Time is
 * whatever clock the caller keeps, in nanoseconds.
 */
#ifndef TABLE_SERVICE_TABLE_H
#define TABLE_SERVICE_TABLE_H

#include "base/ip.h"
#include "include/serval/service_id.h"

#define SERVICE_NEVER INT64_MAX

enum service_rule {
	SERVICE_DEMUX, /* an instance on this node takes it */
	SERVICE_FORWARD, /* another resolver knows, or has an instance */
	SERVICE_DELAY, /* hold the packet and ask the controller */
	SERVICE_DROP,
	SERVICE_RULES
};

/*
 * What tells targets of one prefix apart is the rule and, for FORWARD, address
 * and port, for DEMUX the instance; a prefix holds one DELAY and one DROP.
 */
struct service_target {
	uint8_t rule; /* enum service_rule */
	bool down; /* passed over, as if it were not there */
	bool refuse; /* DROP: with an answer */
	uint16_t priority; /* the highest serves */
	uint16_t weight; /* 0: drained, gets nothing new */
	uint16_t port; /* FORWARD: of UDP encapsulation; 0: protocol 144 */
	struct ip_addr addr; /* FORWARD */
	uint32_t instance; /* DEMUX: the caller's own number of it */
	uint32_t hold_ms; /* DELAY: how long at most */
	/* 0: none. It goes when it was not used for so long, and when it was
	 * added, or renewed, so long ago. */
	uint32_t idle_ms, hard_ms;
	/* Kept by the table; what the caller puts there is ignored. */
	uint64_t flows; /* how often it was chosen */
	uint64_t packets, bytes; /* of those flows */
	int64_t added_ns; /* or renewed */
	int64_t used_ns; /* the last time; added_ns if never */
	int64_t aside_ns; /* until then; in the past: it is not */
	uint16_t wait_ms; /* what an answer may take; 0: there was none yet */
	uint8_t silent; /* questions without an answer since the last one */
};

/* One target, by which those that were sent to it can find it again: it leads
 * nowhere once the target is gone. All zero: none. */
struct service_ref {
	uint32_t target, generation;
};

struct trie_node;
struct table_target;
struct table_timer;

/* Of equal things: first those that were used before, then the untouched. */
struct service_pool {
	uint32_t n, fresh, free, n_free;
};

#define SERVICE_HASH_KEYS 10

struct service_table {
	struct trie_node *nodes;
	struct table_target *targets;
	struct table_timer *timers;
	struct service_pool node_pool, target_pool;
	uint32_t n_prefixes;
	uint32_t n_targets;
	uint32_t n_timers;
	uint32_t generation;
	/* service_index.c */
	uint64_t *slots; /* room for all nodes; part of it is in use */
	uint32_t slot_mask;
	uint32_t index_room; /* nodes */
	bool index_whole; /* no node is missing in it */
	uint64_t keys[SERVICE_HASH_KEYS];
};

/*
 * Enough for so many prefixes with so many targets, whichever they are. Not
 * above SERVICE_TABLE_MAX of either.
 */
#define SERVICE_TABLE_MAX ((1u << 24) - 1)
size_t service_table_bytes(uint32_t prefixes, uint32_t targets);

/*
 * mem is borrowed for the table's life; to be rid of a table, forget it. seed:
 * what nobody may guess who chooses service IDs. -ENOSPC: mem is too small, or
 * not even room for one target was asked for.
 */
int service_table_init(struct service_table *t, void *mem, size_t size,
		       uint32_t prefixes, uint32_t targets, uint64_t seed);

/*
 * -EEXIST: the prefix has this target; -EINVAL: an unknown rule, a FORWARD
 * without address, or bits set beyond the prefix; -ENOSPC: no room left. The
 * table is unchanged then.
 */
int service_table_add(struct service_table *t, const struct service_prefix *p,
		      const struct service_target *target, int64_t now_ns);

/* The prefix's target of the same kind and place, or NULL. */
const struct service_target *
service_table_find(const struct service_table *t,
		   const struct service_prefix *p,
		   const struct service_target *target);

/* Takes over priority, weight, down, refuse and the times. renew: its hard time
 * starts again. -ENOENT: no such target. */
int service_table_change(struct service_table *t,
			 const struct service_prefix *p,
			 const struct service_target *target, bool renew,
			 int64_t now_ns);

/* target NULL: all of the prefix. -ENOENT: there is none. */
int service_table_delete(struct service_table *t,
			 const struct service_prefix *p,
			 const struct service_target *target);

typedef bool service_skip_fn(const struct service_target *target, void *arg);

struct service_query {
	uint64_t random; /* any 64 random bits: the same, the same choice */
	int64_t now_ns;
	unsigned without; /* kinds that are passed over, as bits 1 << rule */
	/* Targets that are passed over besides; NULL: none. It must be of the
	 * same mind each time within one call. */
	service_skip_fn *skip;
	void *skip_arg;
};

/*
 * Chooses a target for an ID; counts nothing. *out is the table's, valid until
 * it changes. -ENOENT: no prefix covers the ID; -EHOSTUNREACH: one does, but
 * all its targets are down, drained or passed over. (Shorter prefixes are not
 * tried then: whoever set up the longer one meant this service to be apart.)
 */
int service_table_resolve(const struct service_table *t,
			  const struct service_id *id,
			  const struct service_query *q,
			  const struct service_target **out);

/* What resolve has given: a target of this table. */
struct service_ref service_table_ref(const struct service_table *t,
				     const struct service_target *target);
/* NULL: it is gone. */
const struct service_target *service_table_at(const struct service_table *t,
					      struct service_ref ref);
const struct service_prefix *service_table_prefix(const struct service_table *t,
						  struct service_ref ref);

/* Counts; nothing where the target is gone. */
void service_table_use(struct service_table *t, struct service_ref ref,
		       uint32_t flows, uint32_t packets, uint64_t bytes,
		       int64_t now_ns);
/* Not chosen before until_ns, where there is any other. */
void service_table_set_aside(struct service_table *t, struct service_ref ref,
			     int64_t until_ns);

/*
 * What an answer may take is thrice what the slowest of the last ones took, an
 * eighth of which is forgotten with each, between these two.
 */
#define SERVICE_WAIT_MIN_MS 200u
#define SERVICE_WAIT_MAX_MS 1000u

/* It has answered, after so long (negative: that cannot be told), and is not
 * set aside any more. */
void service_table_answered(struct service_table *t, struct service_ref ref,
			    int64_t took_ns);
/* It has not: next time it may take twice as long. How often that was so since
 * its last answer; 0: it is gone. */
unsigned service_table_was_silent(struct service_table *t,
				  struct service_ref ref);
/* Whether it, or another of its prefix that can be chosen, has ever answered.
 */
bool service_table_answers(const struct service_table *t,
			   struct service_ref ref, int64_t now_ns);

/* Set for all targets at once: false: goes on as it is. */
typedef bool service_down_fn(const struct service_target *target, void *arg);
void service_table_set_down(struct service_table *t, service_down_fn *fn,
			    void *arg);

/* The longest prefix with targets that covers the ID. False: none does. */
bool service_table_match(const struct service_table *t,
			 const struct service_id *id,
			 struct service_prefix *out);
/* Whether the prefix of that target has another one that can be chosen now. */
bool service_table_has_other(const struct service_table *t,
			     struct service_ref ref, int64_t now_ns);
/* Whether that prefix has a target of this kind, whatever its state. */
bool service_table_has(const struct service_table *t,
		       const struct service_id *id, enum service_rule rule);

/* ---- time-outs ---------------------------------------------------------- */

/* Not later than the next target times out; SERVICE_NEVER: none will. */
int64_t service_table_next_ns(const struct service_table *t);
/*
 * Takes out one whose time is over, and tells which. False: there is none, or
 * looking for it takes long: service_table_next_ns() is in the past then.
 */
bool service_table_expire(struct service_table *t, int64_t now_ns,
			  struct service_prefix *p,
			  struct service_target *target);
/* When it would go if it were not used again; SERVICE_NEVER. */
int64_t service_target_end_ns(const struct service_target *target);

/* ---- listing ------------------------------------------------------------ */

/*
 * Calls fn for each target, prefixes in ascending order and shorter before
 * longer, targets by priority. It must not change the table; a result other
 * than 0 ends the walk and is returned.
 */
typedef int service_walk_fn(const struct service_prefix *p,
			    const struct service_target *target, void *arg);
int service_table_walk(const struct service_table *t, service_walk_fn *fn,
		       void *arg);
/* The same for just this prefix. */
int service_table_walk_at(const struct service_table *t,
			  const struct service_prefix *p, service_walk_fn *fn,
			  void *arg);
/* The same for prefixes behind after, whether that is there or not. */
int service_table_walk_after(const struct service_table *t,
			     const struct service_prefix *after,
			     service_walk_fn *fn, void *arg);

#endif
