/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/table/service_table.h"

#include <check.h>
#include <errno.h>
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
	ck_assert(!service_table_init(&w.table, w.mem, size));
	return w;
}

/* The target an ID gets, or NULL. */
static const struct service_target *resolve(struct world *w, const char *id,
					    uint64_t random)
{
	const struct service_target *t = NULL;
	struct service_prefix p = prefix(id);

	service_table_resolve(&w->table, &p.id, random, 0, &t);
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
	ck_assert(!service_table_change(&w.table, &p, &t));
	t = demux(2, 20, 1);
	t.down = true;
	ck_assert(!service_table_change(&w.table, &p, &t));
	ck_assert_uint_eq(resolve(&w, "7", 99)->instance, 1);
	t = demux(1, 10, 0);
	ck_assert(!service_table_change(&w.table, &p, &t));
	/* Nothing is left here, and a shorter prefix is not asked. */
	add(&w, "0/0", demux(9, 0, 1));
	ck_assert_int_eq(service_table_resolve(&w.table, &p.id, 0, 0, &out),
			 -EHOSTUNREACH);
	/* Back to life, and above the others now. */
	t = demux(4, 30, 5);
	ck_assert(!service_table_change(&w.table, &p, &t));
	ck_assert_uint_eq(resolve(&w, "7", 99)->instance, 4);
	t = demux(5, 30, 5);
	ck_assert_int_eq(service_table_change(&w.table, &p, &t), -ENOENT);
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
	ck_assert_int_eq(service_table_init(&w.table, mem, sizeof(mem)),
			 -ENOSPC);
	ck_assert_int_eq(service_table_init(&w.table, mem, 0), -ENOSPC);
	free(w.mem);
}
END_TEST

START_TEST(counts_uses)
{
	struct world w = world_make(4, 4);
	struct service_prefix p = prefix("7");
	struct service_target t = demux(1, 0, 1);
	const struct service_target *out;

	t.uses = 99;
	t.used_ns = 99;
	ck_assert(!service_table_add(&w.table, &p, &t, 1000));
	ck_assert(!service_table_resolve(&w.table, &p.id, 0, 2000, &out));
	ck_assert(!service_table_resolve(&w.table, &p.id, 0, 3000, &out));
	ck_assert_uint_eq(out->uses, 2);
	ck_assert_int_eq(out->added_ns, 1000);
	ck_assert_int_eq(out->used_ns, 3000);
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
	int r = 0;

	/* All paths of ten bits: each inner node is a fork without targets. */
	for (unsigned i = 0; i < PREFIXES; i++) {
		p.id.bytes[0] = (uint8_t)(i >> 2);
		p.id.bytes[1] = (uint8_t)(i << 6);
		ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), 0);
	}
	/* Beyond that the table fills up, and then stays as it is. */
	for (unsigned i = 0; !r && i < 2 * PREFIXES; i++) {
		t.instance++;
		r = service_table_add(&w.table, &p, &t, 0);
	}
	ck_assert_int_eq(r, -ENOSPC);
	ck_assert_uint_eq(w.table.n_free, 0);
	ck_assert_uint_eq(w.table.n_prefixes, PREFIXES);
	p.id.bytes[31] = 1;
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), -ENOSPC);
	p.id.bytes[31] = 0;
	t.instance = 1;
	ck_assert_int_eq(service_table_delete(&w.table, &p, &t), 0);
	t.instance = 9999;
	ck_assert_int_eq(service_table_add(&w.table, &p, &t, 0), 0);
	free(w.mem);
}
END_TEST

/* With any number of cells left, an addition fits or leaves no trace. */
START_TEST(nearly_full)
{
	struct service_prefix a = prefix("0x80/8"), b = prefix("0x88/8");
	struct service_target t = demux(1, 0, 1);

	for (uint32_t left = 0; left <= 4; left++) {
		struct world w = world_make(4, 4);
		const struct service_target *out;
		int r;

		ck_assert(!service_table_add(&w.table, &a, &t, 0));
		for (t.instance = 2; w.table.n_free > left; t.instance++)
			ck_assert(!service_table_add(&w.table, &a, &t, 0));
		t.instance = 1;
		/* A leaf, the fork where it parts from the other, a target. */
		r = service_table_add(&w.table, &b, &t, 0);
		ck_assert_int_eq(r, left < 3 ? -ENOSPC : 0);
		ck_assert_uint_eq(w.table.n_free, left < 3 ? left : left - 3);
		ck_assert_int_eq(
			service_table_resolve(&w.table, &b.id, 0, 0, &out),
			left < 3 ? -ENOENT : 0);
		ck_assert(!service_table_resolve(&w.table, &a.id, 0, 0, &out));
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
		ck_assert(!service_table_resolve(&w.table, &other, 0, 0, &out));
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

int main(void)
{
	Suite *s = suite_create("service_table");
	TCase *tc = tcase_create("service_table");
	SRunner *r;
	int failed;

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
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
