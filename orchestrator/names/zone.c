/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Turns by weight: each target gathers its weight with every answer, the one
 * that has gathered most is given and pays the sum of all. (Drawing lots would
 * be as fair only over many answers, and a run has few.)
 */
#include "orchestrator/names/zone.h"

#include "base/vec.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct zone_name {
	struct names_entry *entry;
	int64_t *gathered; /* by target */
};

struct zone {
	uint64_t seed;
	VEC(struct zone_name) names; /* by name */
	VEC(struct ip_prefix) ranges;
};

struct zone *zone_new(uint64_t seed)
{
	struct zone *z = calloc(1, sizeof(*z));

	if (z)
		z->seed = seed;
	return z;
}

static void name_free(struct zone_name *n)
{
	free(n->entry);
	free(n->gathered);
}

struct zone *zone_free(struct zone *z)
{
	for (size_t i = 0; z && i < z->names.n; i++)
		name_free(&z->names.v[i]);
	if (z) {
		VEC_FREE(&z->names);
		VEC_FREE(&z->ranges);
	}
	free(z);
	return NULL;
}

int zone_add_range(struct zone *z, const struct ip_prefix *range)
{
	struct ip_prefix *added = VEC_PUSH(&z->ranges);

	if (!added)
		return -ENOMEM;
	*added = *range;
	return 0;
}

const struct ip_prefix *zone_find_range(const struct zone *z,
					const struct ip_addr *a)
{
	for (size_t i = 0; i < z->ranges.n; i++)
		if (ip_prefix_contains(&z->ranges.v[i], a))
			return &z->ranges.v[i];
	return NULL;
}

/* ---- finding ------------------------------------------------------------- */

static int compare(const char *name, size_t n, const struct zone_name *with)
{
	int r = strncasecmp(name, with->entry->name, n);

	return r ? r : -(with->entry->name[n] != '\0');
}

/* Where it is, or would be. */
static size_t place_of(const struct zone *z, const char *name, size_t n,
		       bool *there)
{
	size_t low = 0, high = z->names.n;

	*there = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int r = compare(name, n, &z->names.v[middle]);

		*there |= !r;
		if (r <= 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct zone_name *zone_find(struct zone *z, const char *name, size_t n)
{
	bool there;
	size_t at;

	/* A label may hold any byte: compare() must not run past a NUL. */
	if (!n || n > NAMES_LABEL_MAX || memchr(name, '\0', n))
		return NULL;
	at = place_of(z, name, n, &there);
	return there ? &z->names.v[at] : NULL;
}

struct zone_name *zone_find_address(struct zone *z, const struct ip_addr *a)
{
	for (size_t i = 0; i < z->names.n; i++) {
		const struct names_entry *e = z->names.v[i].entry;

		for (size_t k = 0; e->reverse && k < e->n; k++)
			if (ip_addr_equal(&e->targets[k].address, a))
				return &z->names.v[i];
	}
	return NULL;
}

const char *zone_name_text(const struct zone_name *n)
{
	return n->entry->name;
}

uint32_t zone_name_ttl(const struct zone_name *n)
{
	return n->entry->ttl_s;
}

/* ---- turns --------------------------------------------------------------- */

/* NAMES_TARGETS_MAX: none is given. */
static size_t take_turn(struct zone_name *n, int family)
{
	const struct names_entry *e = n->entry;
	size_t best = NAMES_TARGETS_MAX;
	int64_t sum = 0;

	for (size_t i = 0; i < e->n; i++) {
		if (e->targets[i].address.family != family ||
		    !e->targets[i].weight)
			continue;
		sum += e->targets[i].weight;
		n->gathered[i] += e->targets[i].weight;
		if (best == NAMES_TARGETS_MAX ||
		    n->gathered[i] > n->gathered[best])
			best = i;
	}
	if (best != NAMES_TARGETS_MAX)
		n->gathered[best] -= sum;
	return best;
}

size_t zone_pick(struct zone_name *n, int family, struct ip_addr *out)
{
	const struct names_entry *e = n->entry;
	size_t first = take_turn(n, family), count = 0;

	if (first == NAMES_TARGETS_MAX)
		return 0;
	for (size_t i = 0; i < (e->all ? e->n : 1); i++) {
		size_t k = (first + i) % e->n;

		if (e->targets[k].address.family == family &&
		    e->targets[k].weight)
			out[count++] = e->targets[k].address;
	}
	return count;
}

/* ---- setting ------------------------------------------------------------- */

static bool is_label(const char *name)
{
	size_t n = strnlen(name, NAMES_LABEL_MAX + 1);

	for (size_t i = 0; i < n; i++)
		if (!islower((unsigned char)name[i]) &&
		    !isdigit((unsigned char)name[i]) && name[i] != '-' &&
		    name[i] != '_')
			return false;
	return n && n <= NAMES_LABEL_MAX;
}

/* FNV-1a: nobody chooses names to collide, and it only says who begins. */
static uint64_t hash(uint64_t seed, const char *name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

static void keep_turns(struct zone_name *n, const struct zone_name *old)
{
	for (size_t i = 0; i < n->entry->n; i++)
		for (size_t k = 0; k < old->entry->n; k++)
			if (ip_addr_equal(&n->entry->targets[i].address,
					  &old->entry->targets[k].address))
				n->gathered[i] = old->gathered[k];
}

static int name_make(struct zone_name *n, const struct names_entry *entry)
{
	*n = (struct zone_name){
		.entry = malloc(names_entry_size(entry->n)),
		.gathered = calloc(entry->n + 1, sizeof(*n->gathered)),
	};
	if (!n->entry || !n->gathered) {
		name_free(n);
		return -ENOMEM;
	}
	memcpy(n->entry, entry, names_entry_size(entry->n));
	return 0;
}

int zone_set(struct zone *z, const struct names_entry *entry)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct zone_name name;
	bool there;
	size_t at;
	int r;

	if (!is_label(entry->name) || entry->n > NAMES_TARGETS_MAX)
		return -EINVAL;
	at = place_of(z, entry->name, strlen(entry->name), &there);
	r = name_make(&name, entry);
	if (r)
		return r;
	if (there) {
		keep_turns(&name, &z->names.v[at]);
		name_free(&z->names.v[at]);
		z->names.v[at] = name;
		return 0;
	}
	if (!VEC_PUSH(&z->names)) {
		name_free(&name);
		return -ENOMEM;
	}
	memmove(&z->names.v[at + 1], &z->names.v[at],
		(z->names.n - 1 - at) * sizeof(*z->names.v));
	z->names.v[at] = name;
	for (uint64_t i = hash(z->seed, entry->name) % (entry->n + 1); i; i--)
		for (size_t f = 0; f < 2; f++)
			(void)take_turn(&z->names.v[at], families[f]);
	return 0;
}
