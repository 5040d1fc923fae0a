/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of a lab, as its resolver knows them. Pure.
 *
 * Of several addresses, each is given in its turn, and as often as its weight
 * says: after each sum of the weights of answers, exactly so often. Where the
 * turns begin follows from the seed. What stays when an entry is set again
 * keeps its turn.
 */
#ifndef NAMES_ZONE_H
#define NAMES_ZONE_H

#include "orchestrator/names/names.h"

struct zone;

struct zone *zone_new(uint64_t seed); /* NULL: out of memory */
struct zone *zone_free(struct zone *z); /* returns NULL */
/* Copies the entry. 0, -EINVAL (a name that is none), -ENOMEM. */
int zone_set(struct zone *z, const struct names_entry *entry);

/* Addresses that are services' or nobody's: of those that mean no name, there
 * is none. 0, -ENOMEM. */
int zone_add_range(struct zone *z, const struct ip_prefix *range);
/* The range that an address is in; NULL: none. */
const struct ip_prefix *zone_find_range(const struct zone *z,
					const struct ip_addr *a);

struct zone_name;

/* name: n bytes, in any case. NULL: there is none. */
struct zone_name *zone_find(struct zone *z, const char *name, size_t n);
/* That which an address means; NULL: none. */
struct zone_name *zone_find_address(struct zone *z, const struct ip_addr *a);
const char *zone_name_text(const struct zone_name *n);
uint32_t zone_name_ttl(const struct zone_name *n);

/*
 * The addresses of that family that are to be given now, in their order; how
 * many. out: of NAMES_TARGETS_MAX. Takes a turn.
 */
size_t zone_pick(struct zone_name *n, int family, struct ip_addr *out);

#endif
