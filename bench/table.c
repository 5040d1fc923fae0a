/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a lookup in the service table costs, beside one in a plain hash table of
 * the same keys in the same run:
 *
 *     build/dev/bench/table [LOOKUPS [RULES...]]
 *
 * The tables:
 *
 *     whole   random service IDs, 256 bits each
 *     mixed   random prefixes of 20 to 256 bits
 *     nested  every length of some random IDs: 257 rules one below the other
 *     combs   along random IDs, at each bit, the ID that parts there: a lookup
 *             goes past 256 branches, and in the end no rule is there
 *
 * Each ID that is looked up depends on what the one before has given, as
 * packets come one by one: the processor cannot work at two at once. For the
 * plain hash table the question is only whether just this prefix is there; its
 * hash is one multiplication for eight bytes, its slots are half empty. CPU
 * time, best of five.
 */
#include "base/clock.h"
#include "node/table/hash_index.h"
#include "node/table/service_trie.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define ROUNDS 5

/* Of this process: a busy machine disturbs it least. */
static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t random_state;

static uint64_t rnd(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static struct service_id random_id(void)
{
	struct service_id id;

	for (unsigned i = 0; i < SERVICE_ID_LEN; i += 8) {
		uint64_t word = rnd();

		memcpy(id.bytes + i, &word, 8);
	}
	return id;
}

static struct service_prefix cut(const struct service_id *id, unsigned bits)
{
	struct service_prefix p = { .id = *id, .bits = (uint16_t)bits };

	for (unsigned i = bits; i < SERVICE_ID_BITS; i++)
		p.id.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return p;
}

static void flip(struct service_id *id, unsigned bit)
{
	id->bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
}

/* Untouched memory, as sald has it. */
static void *reserve(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return mem;
}

/* ---- the tables --------------------------------------------------------- */

struct rules {
	uint32_t n;
	struct service_prefix *prefixes; /* what the rules are at */
	struct service_id *ids; /* what is looked up */
};

static void whole(struct rules *r, uint32_t i)
{
	r->ids[i] = random_id();
	r->prefixes[i] = cut(&r->ids[i], SERVICE_ID_BITS);
}

static void mixed(struct rules *r, uint32_t i)
{
	r->ids[i] = random_id();
	r->prefixes[i] = cut(&r->ids[i], 20 + (unsigned)(rnd() % 237));
}

static void nested(struct rules *r, uint32_t i)
{
	static struct service_id id;

	if (i % 257 == 0)
		id = random_id();
	r->ids[i] = id;
	r->prefixes[i] = cut(&id, 256 - i % 257);
	if (i % 257)
		flip(&r->ids[i], 256 - i % 257);
}

static void combs(struct rules *r, uint32_t i)
{
	static struct service_id id;
	struct service_id other;

	if (i % 256 == 0)
		id = random_id();
	r->ids[i] = other = id;
	flip(&other, i % 256);
	r->prefixes[i] = cut(&other, i % 256 + 1);
}

static const struct {
	const char *name;
	void (*make)(struct rules *r, uint32_t i);
} kinds[] = {
	{ "whole", whole },
	{ "mixed", mixed },
	{ "nested", nested },
	{ "combs", combs },
};

static struct rules make_rules(size_t kind, uint32_t n)
{
	struct rules r = { .n = n };

	random_state = n + kind;
	r.prefixes = reserve(n * sizeof(*r.prefixes));
	r.ids = reserve(n * sizeof(*r.ids));
	for (uint32_t i = 0; i < n; i++)
		kinds[kind].make(&r, i);
	/* Not in the order in which they will lie in memory. */
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t k = (uint32_t)(rnd() % (i + 1));
		struct service_id id = r.ids[i];

		r.ids[i] = r.ids[k];
		r.ids[k] = id;
	}
	return r;
}

static void free_rules(struct rules *r)
{
	munmap(r->prefixes, r->n * sizeof(*r->prefixes));
	munmap(r->ids, r->n * sizeof(*r->ids));
}

/* ---- a plain hash table ------------------------------------------------- */

struct plain {
	struct hash_index index;
	struct hash_slot *slots;
	const struct service_prefix *keys;
};

static uint32_t plain_hash(const struct service_prefix *p)
{
	uint64_t h = p->bits;

	for (unsigned i = 0; i < SERVICE_ID_LEN; i += 8) {
		uint64_t word;

		memcpy(&word, p->id.bytes + i, 8);
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return (uint32_t)h;
}

static bool plain_equal(const void *arg, uint32_t entry, const void *key)
{
	const struct service_prefix *a = (const struct service_prefix *)arg +
					 entry,
				    *b = key;

	return a->bits == b->bits && service_id_equal(&a->id, &b->id);
}

static void plain_fill(struct plain *p, const struct rules *r)
{
	p->keys = r->prefixes;
	p->slots = reserve(hash_index_slots(r->n) * sizeof(*p->slots));
	hash_index_init(&p->index, p->slots, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		uint32_t hash = plain_hash(&r->prefixes[i]);

		if (hash_index_find(&p->index, hash, plain_equal, p->keys,
				    &r->prefixes[i]) == HASH_NONE &&
		    hash_index_add(&p->index, hash, i))
			exit(1);
	}
}

/* ns a lookup */
static double plain_run(const struct plain *p, const struct rules *r, long n)
{
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		struct service_prefix key = { .bits = SERVICE_ID_BITS };
		int64_t began = cpu_ns(), took;
		uint32_t at = 0;

		for (long i = 0; i < n; i++) {
			uint32_t got;

			key = r->prefixes[at];
			got = hash_index_find(&p->index, plain_hash(&key),
					      plain_equal, p->keys, &key);
			if (got == HASH_NONE)
				exit(1);
			/* Anywhere, and not before got is known. */
			at = (uint32_t)((uint64_t)(at * 2654435761u +
						   (uint32_t)i +
						   (got == UINT32_MAX - 1)) *
						r->n >>
					32);
		}
		took = cpu_ns() - began;
		if (!round || (double)took / (double)n < best)
			best = (double)took / (double)n;
	}
	return best;
}

/* ---- the service table -------------------------------------------------- */

struct table {
	struct service_table table;
	void *mem;
	size_t size;
	double load_ns; /* a rule */
	uint32_t rules;
	double bytes; /* a rule */
};

/* What is in use of the table's memory, in bytes. */
static double used_bytes(const struct service_table *t)
{
	return (double)(t->node_pool.fresh * sizeof(struct trie_node) +
			t->target_pool.fresh * sizeof(struct table_target) +
			((size_t)t->slot_mask + 1) * sizeof(*t->slots));
}

static void table_fill(struct table *t, const struct rules *r)
{
	struct service_target target = { .rule = SERVICE_FORWARD, .weight = 1 };
	int64_t began;

	t->size = service_table_bytes(r->n, r->n);
	t->mem = reserve(t->size);
	target.addr.family = AF_INET;
	if (service_table_init(&t->table, t->mem, t->size, r->n, r->n, 1))
		exit(1);
	began = cpu_ns();
	for (uint32_t i = 0; i < r->n; i++) {
		int e = service_table_add(&t->table, &r->prefixes[i], &target,
					  0);

		if (e && e != -EEXIST)
			exit(1);
	}
	t->rules = t->table.n_targets;
	t->load_ns = (double)(cpu_ns() - began) / t->rules;
	t->bytes = used_bytes(&t->table) / t->rules;
}

static double table_run(const struct table *t, const struct rules *r, long n)
{
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int64_t began = cpu_ns(), took;
		uint32_t at = 0;

		for (long i = 0; i < n; i++) {
			struct service_query q = { .random = (uint64_t)i };
			const struct service_target *got = NULL;
			int e = service_table_resolve(&t->table, &r->ids[at],
						      &q, &got);

			at = (uint32_t)((uint64_t)(at * 2654435761u +
						   (uint32_t)i +
						   (e == 1 ||
						    (got && got->port))) *
						r->n >>
					32);
		}
		took = cpu_ns() - began;
		if (!round || (double)took / (double)n < best)
			best = (double)took / (double)n;
	}
	return best;
}

static void measure(size_t kind, uint32_t n, long lookups)
{
	struct rules r = make_rules(kind, n);
	struct plain plain;
	struct table table;
	double hash_ns, table_ns;

	plain_fill(&plain, &r);
	table_fill(&table, &r);
	hash_ns = plain_run(&plain, &r, lookups);
	table_ns = table_run(&table, &r, lookups);
	printf("%-8s %8u %10.1f %10.1f %7.2f %8.0f %8.0f\n", kinds[kind].name,
	       table.rules, hash_ns, table_ns, table_ns / hash_ns, table.bytes,
	       table.load_ns);
	fflush(stdout);
	munmap(plain.slots, hash_index_slots(n) * sizeof(*plain.slots));
	munmap(table.mem, table.size);
	free_rules(&r);
}

int main(int argc, char **argv)
{
	static const uint32_t usual[] = { 1, 1000, 100000, 1000000 };
	long lookups = argc > 1 ? atol(argv[1]) : 2000000;

	if (lookups < 1000 || lookups > 1000000000) {
		fprintf(stderr, "usage: table [LOOKUPS [RULES...]], from 1000 "
				"lookups on\n");
		return 2;
	}
	printf("%-8s %8s %10s %10s %7s %8s %8s\n", "", "rules", "hash ns",
	       "table ns", "ratio", "B/rule", "add ns");
	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++) {
		if (argc <= 2)
			for (size_t i = 0; i < 4; i++)
				measure(kind, usual[i], lookups);
		for (int i = 2; i < argc; i++) {
			long n = atol(argv[i]);

			if (n < 1 || n > (long)SERVICE_TABLE_MAX) {
				fprintf(stderr, "table: %s rules?\n", argv[i]);
				return 2;
			}
			measure(kind, (uint32_t)n, lookups);
		}
	}
	return 0;
}
