/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/table/service_table.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct service_prefix prefix(const char *text)
{
	struct service_prefix p;

	ck_assert_msg(!service_prefix_parse(text, &p), "%s", text);
	return p;
}

static struct service_target forward(const char *addr, uint16_t priority,
				     uint16_t weight)
{
	struct service_target t = { .rule = SERVICE_FORWARD,
				    .priority = priority,
				    .weight = weight };

	ck_assert(!ip_parse_addr(addr, &t.addr));
	return t;
}

static struct service_target demux(uint32_t instance, uint16_t priority,
				   uint16_t weight)
{
	return (struct service_target){ .rule = SERVICE_DEMUX,
					.instance = instance,
					.priority = priority,
					.weight = weight };
}

struct world {
	struct service_table table;
	void *mem;
};

static struct world world_make(uint32_t prefixes, uint32_t targets)
{
	size_t size = service_table_bytes(prefixes, targets);
	struct world w = { .mem = malloc(size) };

	ck_assert_ptr_nonnull(w.mem);
	memset(w.mem, 0xa5, size); /* nothing may count on zeros */
	ck_assert(!service_table_init(&w.table, w.mem, size, prefixes, targets,
				      prefixes));
	return w;
}

/* What an ID gets, as service_table_resolve() says it. */
static int find(const struct world *w, const struct service_id *id,
		uint64_t random, int64_t now_ns,
		const struct service_target **out)
{
	struct service_query q = { .random = random, .now_ns = now_ns };

	return service_table_resolve(&w->table, id, &q, out);
}

static void use(struct world *w, const struct service_target *t, int64_t now_ns)
{
	service_table_use(&w->table, service_table_ref(&w->table, t), 1, 2, 100,
			  now_ns);
}

/* The target an ID gets, or NULL. */
static const struct service_target *resolve(struct world *w, const char *id,
					    uint64_t random)
{
	const struct service_target *t = NULL;
	struct service_prefix p = prefix(id);

	find(w, &p.id, random, 0, &t);
	return t;
}

static void add(struct world *w, const char *at, struct service_target t)
{
	struct service_prefix p = prefix(at);

	ck_assert_int_eq(service_table_add(&w->table, &p, &t, 0), 0);
}

START_TEST(longest_prefix_wins)
{
	struct world w = world_make(8, 8);
	struct service_prefix p;

	ck_assert_ptr_null(resolve(&w, "16385", 0));
	add(&w, "0/0", demux(1, 0, 1));
	add(&w, "0x0000/16", demux(2, 0, 1));
	add(&w, "16385/32", demux(3, 0, 1));
	add(&w, "16385", demux(4, 0, 1));
	ck_assert_uint_eq(resolve(&w, "16385", 0)->instance, 4);
	ck_assert_uint_eq(resolve(&w, "16386", 0)->instance, 2);
	ck_assert_uint_eq(resolve(&w, "65536", 0)->instance, 1);
	p = prefix("16385");
	ck_assert(!service_table_delete(&w.table, &p, NULL));
	ck_assert_uint_eq(resolve(&w, "16385", 0)->instance, 3);
	p = prefix("0/0");
	ck_assert(!service_table_delete(&w.table, &p, NULL));
	ck_assert_ptr_null(resolve(&w, "65536", 0));
	ck_assert_int_eq(service_table_delete(&w.table, &p, NULL), -ENOENT);
	free(w.mem);
}
END_TEST

START_TEST(priorities_and_weights)
{
	struct world w = world_make(8, 8);
	struct service_prefix p = prefix("7");
	const struct service_target *out;
	unsigned chosen[5] = { 0 };
	struct service_target t;

	add(&w, "7", demux(1, 10, 1));
	add(&w, "7", demux(2, 20, 1));
	add(&w, "7", demux(3, 20, 3));
	add(&w, "7", demux(4, 20, 0));
	for (unsigned i = 0; i < 4000; i++)
		chosen[resolve(&w, "7", i)->instance]++;
	ck_assert_uint_eq(chosen[1], 0);
	ck_assert_uint_eq(chosen[2], 1000);
	ck_assert_uint_eq(chosen[3], 3000);
	ck_assert_uint_eq(chosen[4], 0);

	/* With the upper ones drained or down, the lower one serves. */
	t = demux(3, 20, 0);
	ck_assert(!service_table_change(&w.table, &p, &t, false, 0));
	t = demux(2, 20, 1);
	t.down = true;
	ck_assert(!service_table_change(&w.table, &p, &t, false, 0));
	ck_assert_uint_eq(resolve(&w, "7", 99)->instance, 1);
	t = demux(1, 10, 0);
	ck_assert(!service_table_change(&w.table, &p, &t, false, 0));
	/* Nothing is left here, and a shorter prefix is not asked. */
	add(&w, "0/0", demux(9, 0, 1));
	ck_assert_int_eq(find(&w, &p.id, 0, 0, &out), -EHOSTUNREACH);
	/* Back to life, and above the others now. */
	t = demux(4, 30, 5);
	ck_assert(!service_table_change(&w.table, &p, &t, false, 0));
	ck_assert_uint_eq(resolve(&w, "7", 99)->instance, 4);
	t = demux(5, 30, 5);
	ck_assert_int_eq(service_table_change(&w.table, &p, &t, false, 0),
			 -ENOENT);
	free(w.mem);
}
END_TEST

START_TEST(what_tells_targets_apart)
{
	struct world w = world_make(4, 16);
	struct service_prefix p = prefix("7"), wrong = prefix("7/32");
	struct service_target t = forward("10.0.0.1", 0, 1);

	add(&w, "7", t);
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), -EEXIST);
	t.priority = 9; /* not a part of what it is */
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), -EEXIST);
	t.port = 54325;
	add(&w, "7", t);
	add(&w, "7", forward("10.0.0.2", 0, 1));
	add(&w, "7", forward("fd00::1", 0, 1));
	add(&w, "7", demux(0, 0, 1));
	add(&w, "7", demux(1, 0, 1));
	add(&w, "7", (struct service_target){ .rule = SERVICE_DELAY });
	ck_assert_ptr_null(service_table_find(
		&w.table, &p,
		&(struct service_target){ .rule = SERVICE_DROP }));
	t = (struct service_target){ .rule = SERVICE_DROP, .instance = 1 };
	add(&w, "7", t);
	t.instance = 2;
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), -EEXIST);
	ck_assert_uint_eq(w.table.n_targets, 8);
	ck_assert_uint_eq(w.table.n_prefixes, 1);
	ck_assert_int_eq(service_table_delete(&w.table, &wrong, &t), -ENOENT);
	ck_assert(!service_table_delete(&w.table, &p, &t));
	ck_assert_int_eq(service_table_delete(&w.table, &p, &t), -ENOENT);
	ck_assert(!service_table_delete(&w.table, &p, NULL));
	ck_assert_uint_eq(w.table.n_targets, 0);
	ck_assert_uint_eq(w.table.n_prefixes, 0);
	free(w.mem);
}
END_TEST

START_TEST(invalid)
{
	struct world w = world_make(4, 4);
	struct service_prefix p = prefix("0x80/1");
	struct service_target t = demux(1, 0, 1);
	char mem[64];

	t.rule = SERVICE_RULES;
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), -EINVAL);
	t = (struct service_target){ .rule = SERVICE_FORWARD };
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), -EINVAL);
	t = demux(1, 0, 1);
	p.id.bytes[0] = 0xc0;
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), -EINVAL);
	p.id.bytes[0] = 0x80;
	p.id.bytes[31] = 1;
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), -EINVAL);
	p.bits = 257;
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), -EINVAL);
	ck_assert_int_eq(
		service_table_init(&w.table, mem, sizeof(mem), 1, 1, 0),
		-ENOSPC);
	ck_assert_int_eq(service_table_init(&w.table, mem, 0, 1, 1, 0),
			 -ENOSPC);
	ck_assert_int_eq(
		service_table_init(&w.table, mem, sizeof(mem), 0, 0, 0),
		-ENOSPC);
	free(w.mem);
}
END_TEST

START_TEST(counts_uses)
{
	struct world w = world_make(4, 4);
	struct service_prefix p = prefix("7");
	struct service_target t = demux(1, 0, 1);
	const struct service_target *out;
	struct service_ref ref;

	t.flows = t.packets = t.bytes = 99;
	t.used_ns = 99;
	ck_assert(!service_table_add(&w.table, &p, &t, 1000));
	ck_assert(!find(&w, &p.id, 0, 2000, &out));
	ck_assert_int_eq(out->used_ns, 1000); /* looking is not using */
	use(&w, out, 2000);
	ref = service_table_ref(&w.table, out);
	service_table_use(&w.table, ref, 1, 1, 50, 3000);
	ck_assert_uint_eq(out->flows, 2);
	ck_assert_uint_eq(out->packets, 3);
	ck_assert_uint_eq(out->bytes, 150);
	ck_assert_int_eq(out->added_ns, 1000);
	ck_assert_int_eq(out->used_ns, 3000);
	ck_assert_ptr_eq(service_table_at(&w.table, ref), out);
	ck_assert_uint_eq(service_table_prefix(&w.table, ref)->bits, 256);
	/* Another that gets the place of one that is gone is not taken for it.
	 */
	ck_assert(!service_table_delete(&w.table, &p, NULL));
	ck_assert_ptr_null(service_table_at(&w.table, ref));
	ck_assert(!service_table_add(&w.table, &p, &t, 4000));
	ck_assert_ptr_null(service_table_at(&w.table, ref));
	service_table_use(&w.table, ref, 1, 1, 50, 5000);
	service_table_set_aside(&w.table, ref, 9000);
	ck_assert(!find(&w, &p.id, 0, 2000, &out));
	ck_assert_uint_eq(out->flows, 0);
	ck_assert_int_lt(out->aside_ns, 0);
	free(w.mem);
}
END_TEST

/* Set aside, a target leaves the field to others of lower priority, for its
 * time; but not to nobody. */
START_TEST(set_aside)
{
	struct world w = world_make(8, 8);
	struct service_prefix p = prefix("7");
	const struct service_target *out;
	struct service_query q = { .now_ns = 10 };

	add(&w, "7", demux(1, 20, 1));
	ck_assert(!find(&w, &p.id, 0, 10, &out));
	service_table_set_aside(&w.table, service_table_ref(&w.table, out), 50);
	ck_assert_uint_eq(resolve(&w, "7", 0)->instance, 1);
	add(&w, "7", demux(2, 20, 0));
	add(&w, "7", demux(3, 10, 1));
	for (int64_t now = 10; now < 60; now++) {
		ck_assert(!find(&w, &p.id, 0, now, &out));
		ck_assert_uint_eq(out->instance, now < 50 ? 3 : 1);
	}
	/* A kind that is passed over is passed over for good. */
	q.without = 1 << SERVICE_DEMUX;
	ck_assert_int_eq(service_table_resolve(&w.table, &p.id, &q, &out),
			 -EHOSTUNREACH);
	ck_assert(service_table_has(&w.table, &p.id, SERVICE_DEMUX));
	ck_assert(!service_table_has(&w.table, &p.id, SERVICE_DROP));
	free(w.mem);
}
END_TEST

#define MS_NS INT64_C(1000000)

static unsigned expire(struct world *w, int64_t now_ns)
{
	struct service_target t;
	struct service_prefix p;
	unsigned n = 0;

	while (service_table_expire(&w->table, now_ns, &p, &t)) {
		ck_assert_int_le(service_target_end_ns(&t), now_ns);
		n++;
	}
	return n;
}

START_TEST(time_outs)
{
	struct world w = world_make(8, 8);
	struct service_prefix p = prefix("7");
	const struct service_target *out;
	struct service_target t = demux(1, 0, 1);

	ck_assert_int_eq(service_table_next_ns(&w.table), SERVICE_NEVER);
	t.idle_ms = 10;
	add(&w, "7", t);
	t = demux(2, 0, 1);
	t.hard_ms = 25;
	add(&w, "8", t);
	add(&w, "9", demux(3, 0, 1));
	ck_assert_int_eq(service_table_next_ns(&w.table), 10 * MS_NS);
	ck_assert_uint_eq(expire(&w, 10 * MS_NS - 1), 0);
	/* Used, the one lives on; the other does not care. */
	for (int64_t ms = 5; ms < 25; ms += 5) {
		ck_assert(!find(&w, &p.id, 0, ms * MS_NS, &out));
		use(&w, out, ms * MS_NS);
		use(&w, resolve(&w, "8", 0), ms * MS_NS);
		ck_assert_uint_eq(expire(&w, ms * MS_NS), 0);
	}
	ck_assert_uint_eq(expire(&w, 25 * MS_NS), 1);
	ck_assert_ptr_null(resolve(&w, "8", 0));
	ck_assert_uint_eq(expire(&w, 29 * MS_NS), 0);
	ck_assert_uint_eq(expire(&w, 30 * MS_NS), 1);
	ck_assert_ptr_null(resolve(&w, "7", 0));
	ck_assert_int_eq(service_table_next_ns(&w.table), SERVICE_NEVER);
	/* Given, taken away and renewed. */
	t = demux(3, 0, 1);
	t.hard_ms = 5;
	p = prefix("9");
	ck_assert(!service_table_change(&w.table, &p, &t, false, 50 * MS_NS));
	ck_assert_int_eq(service_table_next_ns(&w.table), 5 * MS_NS);
	ck_assert(!service_table_change(&w.table, &p, &t, true, 50 * MS_NS));
	ck_assert_int_eq(service_table_next_ns(&w.table), 55 * MS_NS);
	t.hard_ms = 0;
	ck_assert(!service_table_change(&w.table, &p, &t, false, 50 * MS_NS));
	ck_assert_int_eq(service_table_next_ns(&w.table), SERVICE_NEVER);
	ck_assert_uint_eq(expire(&w, INT64_MAX - 1), 0);
	free(w.mem);
}
END_TEST

/* The size that was promised is enough for the worst prefixes there are. */
START_TEST(promised_size_is_enough)
{
	enum { PREFIXES = 1 << 10 };
	struct world w = world_make(PREFIXES, PREFIXES);
	struct service_prefix p = { .bits = SERVICE_ID_BITS };
	struct service_target t = demux(1, 0, 1);

	/* All paths of ten bits: each inner node is a fork without targets. */
	for (unsigned i = 0; i < PREFIXES; i++) {
		p.id.bytes[0] = (uint8_t)(i >> 2);
		p.id.bytes[1] = (uint8_t)(i << 6);
		ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), 0);
	}
	ck_assert_uint_eq(w.table.target_pool.n_free, 0);
	ck_assert_uint_eq(w.table.n_prefixes, PREFIXES);
	/* Beyond that it is full, and stays as it is. */
	p.id.bytes[31] = 1;
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), -ENOSPC);
	p.id.bytes[31] = 0;
	t.instance = 2;
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), -ENOSPC);
	t.instance = 1;
	ck_assert_int_eq(service_table_delete(&w.table, &p, &t), 0);
	t.instance = 9999;
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), 0);
	free(w.mem);
}
END_TEST

/* With any number of nodes left, an addition fits or leaves no trace. */
START_TEST(nearly_full)
{
	struct service_prefix a = prefix("0x80/8"), b = prefix("0x88/8");
	struct service_target t = demux(1, 0, 1);

	for (uint32_t left = 0; left <= 3; left++) {
		struct world w = world_make(4, 8);
		const struct service_target *out;
		uint32_t taken;
		int r;

		ck_assert(!service_table_add(&w.table, &a, &t, 0));
		/* Far from the root, and each below the one before. */
		for (unsigned i = 9; w.table.node_pool.n_free > left; i++) {
			struct service_prefix deep = a;

			deep.bits = (uint16_t)i;
			ck_assert(!service_table_add(&w.table, &deep, &t, 0) ||
				  w.table.node_pool.n_free < 2);
			if (w.table.node_pool.n_free < 2)
				break;
		}
		taken = w.table.node_pool.n_free;
		/* A leaf, and the fork where it parts from the other. */
		r = service_table_add(&w.table, &b, &t, 0);
		ck_assert_int_eq(r, taken < 2 ? -ENOSPC : 0);
		ck_assert_uint_eq(w.table.node_pool.n_free,
				  taken < 2 ? taken : taken - 2);
		ck_assert_int_eq(find(&w, &b.id, 0, 0, &out),
				 taken < 2 ? -ENOENT : 0);
		ck_assert(!find(&w, &a.id, 0, 0, &out));
		free(w.mem);
	}
}
END_TEST

/* A chain as deep as there can be: every length of one ID. */
START_TEST(deepest)
{
	struct world w = world_make(257, 257);
	struct service_id id;
	struct service_prefix p;
	const struct service_target *out;

	memset(&id, 0xff, sizeof(id));
	for (unsigned bits = 0; bits <= SERVICE_ID_BITS; bits++) {
		struct service_target t = demux(bits, 0, 1);

		p = (struct service_prefix){ .bits = (uint16_t)bits };
		for (unsigned i = 0; i < bits; i++)
			p.id.bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
		ck_assert(!service_table_add(&w.table, &p, &t, 0));
	}
	for (unsigned bits = 0; bits < SERVICE_ID_BITS; bits++) {
		struct service_id other = id;

		other.bytes[bits / 8] ^= (uint8_t)(0x80 >> bits % 8);
		ck_assert(!find(&w, &other, 0, 0, &out));
		ck_assert_uint_eq(out->instance, bits);
		ck_assert(service_table_match(&w.table, &other, &p));
		ck_assert_uint_eq(p.bits, bits);
	}
	free(w.mem);
}
END_TEST

static int stop_at_third(const struct service_prefix *p,
			 const struct service_target *t, void *arg)
{
	(void)p;
	(void)t;
	return ++*(int *)arg == 3 ? 42 : 0;
}

START_TEST(walk_stops)
{
	struct world w = world_make(8, 8);
	int n = 0;

	for (unsigned i = 0; i < 5; i++)
		add(&w, "7", demux(i, 0, 1));
	ck_assert_int_eq(service_table_walk(&w.table, stop_at_third, &n), 42);
	ck_assert_int_eq(n, 3);
	free(w.mem);
}
END_TEST

static int next_one(const struct service_prefix *p,
		    const struct service_target *t, void *arg)
{
	(void)t;
	*(struct service_prefix *)arg = *p;
	return 1;
}

/* Prefix by prefix, also where the last one has gone meanwhile. */
START_TEST(walk_goes_on)
{
	static const char *const in_order[] = {
		"0/0",	  "0x00/8", "0x10/4", "0x1000/12", "0x1008/16",
		"0x18/5", "0x40/2", "0x80/1", "0xc0/2",	   "0xff/8",
	};
	enum { N = sizeof(in_order) / sizeof(*in_order) };
	struct service_prefix at, out;

	/* i: which of them are there; each is asked what comes behind it. */
	for (unsigned i = 0; i < 1 << N; i++) {
		struct world w = world_make(N, N);

		for (unsigned k = 0; k < N; k++)
			if (i >> k & 1)
				add(&w, in_order[k], demux(1, 0, 1));
		for (unsigned k = 0; k < N; k++) {
			unsigned next = k + 1;

			while (next < N && !(i >> next & 1))
				next++;
			at = prefix(in_order[k]);
			ck_assert_int_eq(service_table_walk_after(
						 &w.table, &at, next_one, &out),
					 next < N);
			if (next == N)
				continue;
			at = prefix(in_order[next]);
			ck_assert_uint_eq(out.bits, at.bits);
			ck_assert(service_id_equal(&out.id, &at.id));
		}
		free(w.mem);
	}
}
END_TEST

/* It comes and goes without looking at the others, and yet decides where no
 * other does. */
START_TEST(a_rule_for_everything_is_cheap)
{
	struct world w = world_make(70, 70);
	struct service_prefix p = prefix("0x40/2");
	char text[16];

	for (unsigned i = 0; i < 64; i++) {
		snprintf(text, sizeof(text), "0x%02x/8", 0x40 + i);
		add(&w, text, demux(i, 0, 1));
	}
	ck_assert_ptr_null(resolve(&w, "0xff/8", 0));
	add(&w, "0/0", demux(100, 0, 1));
	add(&w, "0x40/2", demux(101, 0, 1));
	ck_assert_uint_eq(resolve(&w, "0xff/8", 0)->instance, 100);
	ck_assert_uint_eq(resolve(&w, "0x44/8", 0)->instance, 4);
	p.id.bytes[0] = 0x44;
	p.bits = 8;
	ck_assert(!service_table_delete(&w.table, &p, NULL));
	ck_assert_uint_eq(resolve(&w, "0x44/8", 0)->instance, 101);
	p = prefix("0x40/2");
	ck_assert(!service_table_delete(&w.table, &p, NULL));
	ck_assert_uint_eq(resolve(&w, "0x44/8", 0)->instance, 100);
	free(w.mem);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("service_table");
	TCase *tc = tcase_create("service_table");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, longest_prefix_wins);
	tcase_add_test(tc, priorities_and_weights);
	tcase_add_test(tc, what_tells_targets_apart);
	tcase_add_test(tc, invalid);
	tcase_add_test(tc, counts_uses);
	tcase_add_test(tc, promised_size_is_enough);
	tcase_add_test(tc, nearly_full);
	tcase_add_test(tc, deepest);
	tcase_add_test(tc, walk_stops);
	tcase_add_test(tc, walk_goes_on);
	tcase_add_test(tc, set_aside);
	tcase_add_test(tc, time_outs);
	tcase_add_test(tc, a_rule_for_everything_is_cheap);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
