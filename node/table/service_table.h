/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service table: which service IDs are served where. service_table.c says
 * how it is built.
 *
 * Rules stand at prefixes of service IDs; the longest prefix that has any
 * decides. A prefix has one or more targets. Those of the highest priority
 * serve, each in proportion to its weight; lower ones do when all of those are
 * down or drained (weight 0).
 *
 * All memory is the caller's, and is only touched as it comes into use.
 */
#ifndef TABLE_SERVICE_TABLE_H
#define TABLE_SERVICE_TABLE_H

#include "base/ip.h"
#include "include/serval/service_id.h"

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
	uint16_t priority; /* the highest serves */
	uint16_t weight; /* 0: drained, gets nothing new */
	uint16_t port; /* FORWARD: of UDP encapsulation; 0: protocol 144 */
	uint32_t instance; /* DEMUX: the caller's own number of it */
	struct ip_addr addr; /* FORWARD */
	/* Kept by the table; what the caller puts there is ignored. */
	uint64_t uses; /* how often it was chosen */
	int64_t added_ns;
	int64_t used_ns; /* when it was chosen last; added_ns if never */
};

union service_cell;

struct service_table {
	union service_cell *cells;
	uint32_t n_cells;
	uint32_t n_fresh; /* cells from here on were never used */
	uint32_t free; /* list of those that were, and no longer are */
	uint32_t n_free; /* fresh or in the list */
	uint32_t n_prefixes;
	uint32_t n_targets;
};

/* Enough for so many prefixes with so many targets, whichever they are. */
size_t service_table_bytes(uint32_t prefixes, uint32_t targets);

/*
 * mem is borrowed for the table's life; to be rid of a table, forget it.
 * -ENOSPC: not even room for one target.
 */
int service_table_init(struct service_table *t, void *mem, size_t size);

/*
 * Times are whatever clock the caller keeps. -EEXIST: the prefix has this
 * target; -EINVAL: an unknown rule, a FORWARD without address, or bits set
 * beyond the prefix; -ENOSPC: no cell left. The table is unchanged then.
 */
int service_table_add(struct service_table *t, const struct service_prefix *p,
		      const struct service_target *target, int64_t now_ns);

/* Takes over priority, weight and down. -ENOENT: no such target. */
int service_table_change(struct service_table *t,
			 const struct service_prefix *p,
			 const struct service_target *target);

/* target NULL: all of the prefix. -ENOENT: there is none. */
int service_table_delete(struct service_table *t,
			 const struct service_prefix *p,
			 const struct service_target *target);

/*
 * Chooses a target for an ID. random decides between several: any 64 random
 * bits, the same ones for the same choice. *out is the table's, valid until
 * it changes. -ENOENT: no prefix covers the ID; -EHOSTUNREACH: one does, but
 * all its targets are down or drained. (Shorter prefixes are not tried then:
 * whoever set up the longer one meant this service to be apart.)
 */
int service_table_resolve(struct service_table *t, const struct service_id *id,
			  uint64_t random, int64_t now_ns,
			  const struct service_target **out);

/* The longest prefix with targets that covers the ID. False: none does. */
bool service_table_match(const struct service_table *t,
			 const struct service_id *id,
			 struct service_prefix *out);

/*
 * Calls fn for each target, prefixes in ascending order and shorter before
 * longer, targets by priority. It must not change the table; a result other
 * than 0 ends the walk and is returned.
 */
typedef int service_walk_fn(const struct service_prefix *p,
			    const struct service_target *target, void *arg);
int service_table_walk(const struct service_table *t, service_walk_fn *fn,
		       void *arg);

#endif
