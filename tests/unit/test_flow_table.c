/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow table, and the hash index under it, against linear scans. */
#include "node/table/flow_table.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t key[FLOW_HASH_KEY_LEN] = { 1, 2, 3, 4 };

/* SplitMix64 (Steele, Lea, Flood 2014); the seed makes a failure come back. */
static uint64_t random_state;

static uint64_t rnd(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(rnd() % n);
}

/* An index of numbers whose hash the test chooses: keys[entry] is the key. */
struct numbers {
	struct hash_index ix;
	struct hash_slot *slots;
	uint32_t keys[256];
	uint32_t hashes[256];
	bool there[256];
};

static bool equal_number(const void *arg, uint32_t entry, const void *wanted)
{
	const struct numbers *n = arg;

	ck_assert(n->there[entry]); /* no tombstone is ever asked about */
	return n->keys[entry] == *(const uint32_t *)wanted;
}

static void numbers_init(struct numbers *n, uint32_t entries)
{
	memset(n, 0, sizeof(*n));
	n->slots = malloc(hash_index_slots(entries) * sizeof(*n->slots));
	ck_assert_ptr_nonnull(n->slots);
	hash_index_init(&n->ix, n->slots, entries);
}

static uint32_t numbers_find(const struct numbers *n, uint32_t hash,
			     uint32_t number)
{
	return hash_index_find(&n->ix, hash, equal_number, n, &number);
}

/* What hash_index.c promises of any two neighbouring slots. */
static void check_order(const struct numbers *n)
{
	uint32_t mask = n->ix.mask;

	for (uint32_t i = 0; i <= mask; i++) {
		uint32_t next = (i + 1) & mask;
		uint32_t after;

		if (n->slots[next].entry == HASH_NONE)
			continue;
		after = (next - n->slots[next].hash) & mask;
		ck_assert_uint_lt(after, HASH_PROBES_MAX);
		if (n->slots[i].entry == HASH_NONE)
			ck_assert_uint_eq(after, 0);
		else
			ck_assert_uint_le(after,
					  ((i - n->slots[i].hash) & mask) + 1);
	}
}

/* Few homes, some of them at the end: long clusters that go round it. */
static uint32_t crowded_hash(void)
{
	return below(4) ? below(1000) << 16 | (0xfff8 + below(12)) :
			  (uint32_t)rnd();
}

START_TEST(index_as_the_oracle)
{
	struct numbers n;

	numbers_init(&n, 256);
	random_state = (uint64_t)_i;
	for (unsigned step = 0; step < 40000; step++) {
		uint32_t e = below(256);
		unsigned used = 0;

		if (n.there[e]) {
			ck_assert_uint_eq(
				numbers_find(&n, n.hashes[e], n.keys[e]), e);
			ck_assert_uint_eq(
				numbers_find(&n, n.hashes[e], UINT32_MAX),
				HASH_NONE);
			if (below(2))
				continue;
			hash_index_remove(&n.ix, n.hashes[e], e);
			n.there[e] = false;
			ck_assert_uint_eq(
				numbers_find(&n, n.hashes[e], n.keys[e]),
				HASH_NONE);
		} else if (below(256) > 100) {
			n.keys[e] = step;
			n.hashes[e] = crowded_hash();
			n.there[e] = !hash_index_add(&n.ix, n.hashes[e], e);
		}
		if (step % 100)
			continue;
		check_order(&n);
		for (uint32_t i = 0; i < 256; i++) {
			used += n.there[i];
			ck_assert(!n.there[i] || numbers_find(&n, n.hashes[i],
							      n.keys[i]) == i);
		}
		for (uint32_t i = 0; i <= n.ix.mask; i++)
			used -= n.slots[i].entry != HASH_NONE;
		ck_assert_uint_eq(used, 0);
	}
	free(n.slots);
}
END_TEST

/* Whoever knew the secret could fill one home; not beyond the bound. */
START_TEST(index_is_bounded)
{
	struct numbers n;

	numbers_init(&n, 256);
	for (uint32_t e = 0; e < HASH_PROBES_MAX; e++) {
		n.there[e] = true;
		n.keys[e] = e;
		ck_assert_int_eq(hash_index_add(&n.ix, 500, e), 0);
	}
	/* The same home, and the one before, which would move them all on. */
	ck_assert_int_eq(hash_index_add(&n.ix, 500, 100), -ENOSPC);
	ck_assert_int_eq(hash_index_add(&n.ix, 499, 100), 0);
	ck_assert_int_eq(hash_index_add(&n.ix, 499, 101), -ENOSPC);
	n.there[100] = true;
	n.keys[100] = 100;
	check_order(&n);
	for (uint32_t e = 0; e < HASH_PROBES_MAX; e++)
		ck_assert_uint_eq(numbers_find(&n, 500, e), e);
	hash_index_remove(&n.ix, 500, 7);
	n.there[7] = false;
	n.there[101] = true;
	ck_assert_int_eq(hash_index_add(&n.ix, 500, 101), 0);
	check_order(&n);
	free(n.slots);
}
END_TEST

struct world {
	struct flow_table table;
	void *mem;
};

static struct world world_make(uint32_t flows)
{
	size_t size = flow_table_bytes(flows);
	struct world w = { .mem = malloc(size) };

	ck_assert_ptr_nonnull(w.mem);
	memset(w.mem, 0xa5, size); /* nothing may count on zeros */
	ck_assert_int_eq(flow_table_init(&w.table, w.mem, size - 1, flows, key),
			 -ENOSPC);
	ck_assert_int_eq(flow_table_init(&w.table, w.mem, size, flows, key), 0);
	return w;
}

/* The bytes between the fields differ from call to call. */
static struct flow_tuple tuple_make(unsigned n)
{
	struct flow_tuple t;
	bool six = n & 1;

	memset(&t, (int)rnd(), sizeof(t));
	t.local = t.remote =
		(struct ip_addr){ .family = six ? AF_INET6 : AF_INET };
	t.local.bytes[0] = 10;
	t.remote.bytes[3] = (uint8_t)(n >> 1 & 3);
	t.local_port = (uint16_t)(n >> 3 & 7);
	t.remote_port = (uint16_t)(n >> 6 & 7);
	t.protocol = n >> 9 & 1 ? IPPROTO_TCP : IPPROTO_UDP;
	return t;
}

enum { TUPLES = 1024 }; /* that tuple_make() can tell apart */

START_TEST(each_field_counts)
{
	struct world w = world_make(TUPLES);
	uint32_t slot;

	for (unsigned n = 0; n < TUPLES; n++) {
		struct flow_tuple t = tuple_make(n);

		ck_assert_uint_eq(flow_table_find_tuple(&w.table, &t),
				  FLOW_NONE);
		ck_assert_int_eq(flow_table_add(&w.table, n, &t, &slot), 0);
	}
	for (unsigned n = 0; n < TUPLES; n++) {
		struct flow_tuple t = tuple_make(n);

		slot = flow_table_find_tuple(&w.table, &t);
		ck_assert_uint_eq(w.table.slots[slot].id, n);
		ck_assert_uint_eq(flow_table_find(&w.table, n), slot);
	}
	free(w.mem);
}
END_TEST

START_TEST(refused_without_a_trace)
{
	struct world w = world_make(3);
	struct flow_tuple a = tuple_make(2), b = tuple_make(4);
	uint32_t slot = 77, first;

	ck_assert_int_eq(flow_table_add(&w.table, 1, &a, &first), 0);
	ck_assert_int_eq(flow_table_add(&w.table, 1, &b, &slot), -EEXIST);
	ck_assert_int_eq(flow_table_add(&w.table, 2, &a, &slot), -EEXIST);
	ck_assert_uint_eq(flow_table_find(&w.table, 2), FLOW_NONE);
	ck_assert_uint_eq(flow_table_find_tuple(&w.table, &b), FLOW_NONE);
	ck_assert_int_eq(flow_table_add(&w.table, 2, NULL, &slot), 0);
	ck_assert_int_eq(flow_table_add(&w.table, 3, NULL, &slot), 0);
	slot = 77;
	ck_assert_int_eq(flow_table_add(&w.table, 4, &b, &slot), -ENOSPC);
	ck_assert_uint_eq(slot, 77);
	ck_assert_uint_eq(flow_table_find(&w.table, 4), FLOW_NONE);
	ck_assert_uint_eq(flow_table_find_tuple(&w.table, &b), FLOW_NONE);
	flow_table_remove(&w.table, first);
	ck_assert_int_eq(flow_table_add(&w.table, 4, &b, &slot), 0);
	ck_assert_uint_eq(slot, first);
	ck_assert_uint_eq(flow_table_find_tuple(&w.table, &a), FLOW_NONE);
	free(w.mem);
}
END_TEST

/* One index takes the flow and the other does not: it is in neither. */
START_TEST(index_full_before_its_time)
{
	struct world w = world_make(8);
	uint32_t slot;

	hash_index_init(&w.table.by_tuple, w.table.by_tuple.slots, 1);
	for (unsigned n = 0; n < 3; n++) {
		struct flow_tuple t = tuple_make(n);

		ck_assert_int_eq(flow_table_add(&w.table, n, &t, &slot),
				 n < 2 ? 0 : -ENOSPC);
	}
	ck_assert_uint_eq(w.table.n_flows, 2);
	ck_assert_uint_eq(flow_table_find(&w.table, 2), FLOW_NONE);
	ck_assert_int_eq(flow_table_add(&w.table, 2, NULL, &slot), 0);
	ck_assert_uint_eq(slot, 2);
	flow_table_remove(&w.table, slot);
	ck_assert_uint_eq(flow_table_find(&w.table, 2), FLOW_NONE);
	free(w.mem);
}
END_TEST

struct flow {
	uint32_t slot;
	uint32_t id;
	int tuple; /* -1: none */
};

enum { FLOWS = 200 };

static int oracle_find(const struct flow *flows, unsigned n, uint32_t id,
		       int tuple)
{
	for (unsigned i = 0; i < n; i++)
		if (flows[i].id == id ||
		    (tuple >= 0 && flows[i].tuple == tuple))
			return (int)i;
	return -1;
}

START_TEST(as_the_oracle)
{
	struct world w = world_make(FLOWS);
	struct flow flows[FLOWS];
	unsigned n = 0;

	random_state = (uint64_t)_i;
	for (unsigned step = 0; step < 50000; step++) {
		uint32_t id = below(512), slot = FLOW_NONE;
		int tuple = below(4) ? (int)below(TUPLES) : -1, found;
		struct flow_tuple t =
			tuple_make(tuple < 0 ? 0 : (unsigned)tuple);

		found = oracle_find(flows, n, id, -1);
		ck_assert_uint_eq(flow_table_find(&w.table, id),
				  found < 0 ? FLOW_NONE : flows[found].slot);
		if (below(3)) {
			int r = flow_table_add(&w.table, id,
					       tuple < 0 ? NULL : &t, &slot);

			if (oracle_find(flows, n, id, tuple) >= 0)
				ck_assert_int_eq(r, -EEXIST);
			else if (n == FLOWS)
				ck_assert_int_eq(r, -ENOSPC);
			else
				ck_assert_int_eq(r, 0);
			if (!r)
				flows[n++] = (struct flow){ slot, id, tuple };
		} else if (n && (n > FLOWS / 2 || below(2))) {
			unsigned i = below(n);

			flow_table_remove(&w.table, flows[i].slot);
			flows[i] = flows[--n];
		}
		ck_assert_uint_eq(w.table.n_flows, n);
		if (step % 1000)
			continue;
		for (unsigned i = 0; i < n; i++) {
			const struct flow *f = &flows[i];

			ck_assert_uint_eq(w.table.slots[f->slot].id, f->id);
			if (f->tuple < 0)
				continue;
			t = tuple_make((unsigned)f->tuple);
			ck_assert_uint_eq(flow_table_find_tuple(&w.table, &t),
					  f->slot);
		}
		slot = 0;
		for (unsigned i = 0; i < n; i++, slot++) {
			slot = flow_table_next(&w.table, slot);
			ck_assert_uint_ne(slot, FLOW_NONE);
		}
		ck_assert_uint_eq(flow_table_next(&w.table, slot), FLOW_NONE);
	}
	free(w.mem);
}
END_TEST

/* It fills up to the last slot, whatever the keys: the bound is not met. */
START_TEST(holds_what_it_says)
{
	enum { MANY = 100000 };
	struct world w = world_make(MANY);
	uint32_t slot;

	for (uint32_t i = 0; i < MANY; i++) {
		struct flow_tuple t = tuple_make(0);

		memcpy(t.remote.bytes, &i, 4);
		ck_assert_int_eq(flow_table_add(&w.table, i, &t, &slot), 0);
	}
	ck_assert_int_eq(flow_table_add(&w.table, MANY, NULL, &slot), -ENOSPC);
	free(w.mem);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("flow_table");
	TCase *tc = tcase_create("flow_table");

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, index_as_the_oracle, 0, 3);
	tcase_add_test(tc, index_is_bounded);
	tcase_add_test(tc, each_field_counts);
	tcase_add_test(tc, refused_without_a_trace);
	tcase_add_test(tc, index_full_before_its_time);
	tcase_add_loop_test(tc, as_the_oracle, 0, 2);
	tcase_add_test(tc, holds_what_it_says);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
