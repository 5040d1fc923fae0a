/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service table against an oracle that holds the same rules in an unsorted
 * list and goes through all of them for every question.
 */
#include "node/table/service_table.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ORACLE_MAX 400

struct rule {
	struct service_prefix prefix;
	struct service_target target;
	unsigned long order; /* of arrival at its priority */
};

struct oracle {
	struct rule rules[ORACLE_MAX];
	unsigned n;
	unsigned long order;
};

/* SplitMix64 (Steele, Lea, Flood 2014); the seed makes a failure come back. */
static uint64_t random_state;

static uint64_t rnd(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
	return rnd() % n;
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

/*
 * Prefixes that meet: few byte values, lengths that cluster, and often one
 * made from another that exists, by a few bits more, fewer or flipped.
 */
static struct service_prefix random_prefix(const struct oracle *o)
{
	struct service_prefix p = { 0 };
	unsigned bits;

	if (o->n && below(2))
		p = o->rules[below(o->n)].prefix;
	else
		for (unsigned i = 0; i < SERVICE_ID_LEN; i++)
			p.id.bytes[i] = below(4) ? 0 : (uint8_t)rnd();
	switch (below(4)) {
	case 0:
		bits = (unsigned)below(SERVICE_ID_BITS + 1);
		break;
	case 1:
		bits = (unsigned)below(12);
		break;
	case 2:
		bits = SERVICE_ID_BITS;
		break;
	default:
		bits = p.bits;
	}
	if (below(2))
		p.id.bytes[below(SERVICE_ID_LEN)] ^= (uint8_t)(1 << below(8));
	p.bits = (uint16_t)bits;
	for (unsigned i = bits; i < SERVICE_ID_BITS; i++)
		p.id.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return p;
}

static struct service_target random_target(void)
{
	struct service_target t = { .rule = (uint8_t)below(SERVICE_RULES),
				    .priority = (uint16_t)below(3),
				    .weight = (uint16_t)below(3),
				    .down = !below(6),
				    .instance = (uint32_t)below(3) };

	if (t.rule == SERVICE_FORWARD) {
		t.addr.family = AF_INET;
		t.addr.bytes[3] = (uint8_t)below(2);
		t.port = (uint16_t)below(2);
	}
	return t;
}

static bool same_prefix(const struct service_prefix *a,
			const struct service_prefix *b)
{
	return a->bits == b->bits && service_id_equal(&a->id, &b->id);
}

static bool same(const struct rule *r, const struct service_prefix *p,
		 const struct service_target *t)
{
	if (!same_prefix(&r->prefix, p) || r->target.rule != t->rule)
		return false;
	if (t->rule == SERVICE_DEMUX)
		return r->target.instance == t->instance;
	return t->rule != SERVICE_FORWARD ||
	       (r->target.port == t->port &&
		ip_addr_equal(&r->target.addr, &t->addr));
}

static struct rule *oracle_find(struct oracle *o,
				const struct service_prefix *p,
				const struct service_target *t)
{
	for (unsigned i = 0; i < o->n; i++)
		if (same(&o->rules[i], p, t))
			return &o->rules[i];
	return NULL;
}

static int oracle_delete(struct oracle *o, const struct service_prefix *p,
			 const struct service_target *t)
{
	int r = -ENOENT;

	for (unsigned i = 0; i < o->n;) {
		struct rule *rule = &o->rules[i];

		if (t ? same(rule, p, t) : same_prefix(&rule->prefix, p)) {
			*rule = o->rules[--o->n];
			r = 0;
		} else {
			i++;
		}
	}
	return r;
}

/* Whether a stands before b in the list of their prefix. */
static bool before(const struct rule *a, const struct rule *b)
{
	if (a->target.priority != b->target.priority)
		return a->target.priority > b->target.priority;
	return a->order < b->order;
}

static unsigned weight(const struct rule *r)
{
	return r->target.down ? 0 : r->target.weight;
}

static int oracle_resolve(const struct oracle *o, const struct service_id *id,
			  uint64_t random, const struct rule **out)
{
	unsigned best = 0, sum = 0;
	int priority = -1;
	const struct rule *last = NULL;

	for (unsigned i = 0; i < o->n; i++)
		if (service_prefix_contains(&o->rules[i].prefix, id) &&
		    o->rules[i].prefix.bits + 1u > best)
			best = o->rules[i].prefix.bits + 1u;
	if (!best)
		return -ENOENT;
#define CANDIDATE(r)                                                           \
	((r)->prefix.bits + 1u == best &&                                      \
	 service_prefix_contains(&(r)->prefix, id) && weight(r))
	for (unsigned i = 0; i < o->n; i++)
		if (CANDIDATE(&o->rules[i]) &&
		    o->rules[i].target.priority > priority)
			priority = o->rules[i].target.priority;
	for (unsigned i = 0; i < o->n; i++)
		if (CANDIDATE(&o->rules[i]) &&
		    o->rules[i].target.priority == priority)
			sum += weight(&o->rules[i]);
	if (!sum)
		return -EHOSTUNREACH;
	random %= sum;
	for (;;) { /* the next one by order of arrival */
		const struct rule *next = NULL;

		for (unsigned i = 0; i < o->n; i++) {
			const struct rule *r = &o->rules[i];

			if (CANDIDATE(r) && r->target.priority == priority &&
			    (!last || before(last, r)) &&
			    (!next || before(r, next)))
				next = r;
		}
		ck_assert_ptr_nonnull(next);
		if (random < weight(next)) {
			*out = next;
			return 0;
		}
		random -= weight(next);
		last = next;
	}
#undef CANDIDATE
}

struct listing {
	struct oracle *oracle;
	const struct rule *last;
	unsigned n;
};

/* Each rule of the table is one of the oracle's, and in its right place. */
static int check_listed(const struct service_prefix *p,
			const struct service_target *t, void *arg)
{
	struct listing *l = arg;
	const struct rule *r = oracle_find(l->oracle, p, t);
	int order;

	ck_assert_ptr_nonnull(r);
	ck_assert_uint_eq(r->target.weight, t->weight);
	ck_assert_uint_eq(r->target.priority, t->priority);
	ck_assert_int_eq(r->target.down, t->down);
	if (l->last && same_prefix(&l->last->prefix, p)) {
		ck_assert(before(l->last, r));
	} else if (l->last) {
		order = memcmp(&l->last->prefix.id, &p->id, sizeof(p->id));
		ck_assert(order < 0 ||
			  (!order && l->last->prefix.bits < p->bits));
	}
	l->last = r;
	l->n++;
	return 0;
}

static void check_lookup(struct world *w, const struct oracle *o)
{
	struct service_id id = random_prefix(o).id;
	const struct service_target *got = NULL;
	const struct rule *want = NULL;
	uint64_t random = rnd();
	int r;

	/* Beyond a prefix anything may follow. */
	for (unsigned i = 0; i < SERVICE_ID_LEN; i++)
		if (!below(8))
			id.bytes[i] |= (uint8_t)rnd();
	r = service_table_resolve(&w->table, &id, random, 0, &got);
	ck_assert_int_eq(r, oracle_resolve(o, &id, random, &want));
	if (!r)
		ck_assert(same(want, &want->prefix, got));
}

static void check_change(struct world *w, struct oracle *o)
{
	struct service_prefix p = random_prefix(o);
	struct service_target t = random_target();
	struct rule *rule;
	int r;

	if (o->n && below(2)) {
		rule = &o->rules[below(o->n)];
		p = rule->prefix;
		t.rule = rule->target.rule;
		t.addr = rule->target.addr;
		t.port = rule->target.port;
		t.instance = rule->target.instance;
	}
	rule = oracle_find(o, &p, &t);
	switch (below(4)) {
	case 0:
		r = service_table_change(&w->table, &p, &t);
		ck_assert_int_eq(r, rule ? 0 : -ENOENT);
		if (rule && rule->target.priority != t.priority)
			rule->order = ++o->order;
		if (rule)
			rule->target = t;
		break;
	case 1:
		r = service_table_delete(&w->table, &p, &t);
		ck_assert_int_eq(r, oracle_delete(o, &p, &t));
		break;
	case 2:
		if (o->n < ORACLE_MAX / 2 && below(4))
			break;
		r = service_table_delete(&w->table, &p, NULL);
		ck_assert_int_eq(r, oracle_delete(o, &p, NULL));
		break;
	default:
		if (o->n == ORACLE_MAX)
			break;
		r = service_table_add(&w->table, &p, &t, 0);
		ck_assert_int_eq(r, rule ? -EEXIST : 0);
		if (!rule)
			o->rules[o->n++] = (struct rule){ p, t, ++o->order };
	}
}

static void check_listing(struct world *w, struct oracle *o)
{
	struct listing l = { .oracle = o };

	ck_assert_int_eq(service_table_walk(&w->table, check_listed, &l), 0);
	ck_assert_uint_eq(l.n, o->n);
	ck_assert_uint_eq(w->table.n_targets, o->n);
}

START_TEST(as_the_oracle)
{
	static struct oracle o;
	struct world w = world_make(ORACLE_MAX, ORACLE_MAX);
	uint32_t free_cells = w.table.n_free;

	random_state = (uint64_t)_i;
	for (unsigned i = 0; i < 40000; i++) {
		if (below(3))
			check_lookup(&w, &o);
		else
			check_change(&w, &o);
		if (i % 500 == 0)
			check_listing(&w, &o);
	}
	while (o.n) {
		struct service_prefix p = o.rules[0].prefix;

		ck_assert(!oracle_delete(&o, &p, NULL));
		ck_assert(!service_table_delete(&w.table, &p, NULL));
	}
	check_listing(&w, &o);
	/* All is as it was: no cell is lost, no node without use is left. */
	ck_assert_uint_eq(w.table.n_free, free_cells);
	ck_assert_uint_eq(w.table.n_prefixes, 0);
	free(w.mem);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("service_oracle");
	TCase *tc = tcase_create("service_oracle");
	SRunner *r;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, as_the_oracle, 0, 4);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
