/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service table against an oracle that holds the same rules in an unsorted
 * list and goes through all of them for every question, in the same time.
 */
#include "node/table/service_table.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ORACLE_MAX 400
#define MS_NS INT64_C(1000000)

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
	ck_assert(!service_table_init(&w.table, w.mem, size, prefixes, targets,
				      rnd()));
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
	struct service_target t = {
		.rule = (uint8_t)below(SERVICE_RULES),
		.priority = (uint16_t)below(3),
		.weight = (uint16_t)below(3),
		.down = !below(6),
		.instance = (uint32_t)below(3),
		.idle_ms = below(3) ? 0 : 1 + (uint32_t)below(60),
		.hard_ms = below(3) ? 0 : 1 + (uint32_t)below(60)
	};

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

static unsigned weight(const struct rule *r, const struct service_query *q,
		       bool aside)
{
	if (r->target.down || 1 << r->target.rule & q->without ||
	    (q->now_ns < r->target.aside_ns && !aside))
		return 0;
	return r->target.weight;
}

static int oracle_choose(const struct oracle *o, const struct service_id *id,
			 const struct service_query *q, bool aside,
			 const struct rule **out)
{
	uint64_t random = q->random;
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
	 service_prefix_contains(&(r)->prefix, id) && weight(r, q, aside))
	for (unsigned i = 0; i < o->n; i++)
		if (CANDIDATE(&o->rules[i]) &&
		    o->rules[i].target.priority > priority)
			priority = o->rules[i].target.priority;
	for (unsigned i = 0; i < o->n; i++)
		if (CANDIDATE(&o->rules[i]) &&
		    o->rules[i].target.priority == priority)
			sum += weight(&o->rules[i], q, aside);
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
		if (random < weight(next, q, aside)) {
			*out = next;
			return 0;
		}
		random -= weight(next, q, aside);
		last = next;
	}
#undef CANDIDATE
}

static int oracle_resolve(const struct oracle *o, const struct service_id *id,
			  const struct service_query *q,
			  const struct rule **out)
{
	int r = oracle_choose(o, id, q, false, out);

	return r == -EHOSTUNREACH ? oracle_choose(o, id, q, true, out) : r;
}

static int64_t end_ns(const struct rule *r)
{
	int64_t idle = r->target.used_ns + r->target.idle_ms * MS_NS;
	int64_t hard = r->target.added_ns + r->target.hard_ms * MS_NS;

	if (r->target.idle_ms && (!r->target.hard_ms || idle < hard))
		return idle;
	return r->target.hard_ms ? hard : SERVICE_NEVER;
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
	ck_assert_uint_eq(r->target.flows, t->flows);
	ck_assert_uint_eq(r->target.bytes, t->bytes);
	ck_assert_int_eq(r->target.used_ns, t->used_ns);
	ck_assert_int_eq(r->target.added_ns, t->added_ns);
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

static int64_t now_ns;
static unsigned expired;

static void check_lookup(struct world *w, struct oracle *o)
{
	struct service_id id = random_prefix(o).id;
	struct service_query q = { .random = rnd(),
				   .now_ns = now_ns,
				   .without =
					   below(4) ? 0 : (unsigned)below(16) };
	const struct service_target *got = NULL;
	const struct rule *want = NULL;
	struct service_ref ref;
	struct rule *rule;
	uint32_t bytes = (uint32_t)below(2000);
	int r;

	/* Beyond a prefix anything may follow. */
	for (unsigned i = 0; i < SERVICE_ID_LEN; i++)
		if (!below(8))
			id.bytes[i] |= (uint8_t)rnd();
	r = service_table_resolve(&w->table, &id, &q, &got);
	ck_assert_int_eq(r, oracle_resolve(o, &id, &q, &want));
	if (r)
		return;
	ck_assert(same(want, &want->prefix, got));
	ref = service_table_ref(&w->table, got);
	ck_assert(same_prefix(service_table_prefix(&w->table, ref),
			      &want->prefix));
	rule = &o->rules[want - o->rules];
	switch (below(4)) {
	case 0:
		service_table_use(&w->table, ref, 1, 0, bytes, now_ns);
		rule->target.flows++;
		rule->target.bytes += bytes;
		rule->target.used_ns = now_ns;
		break;
	case 1:
		rule->target.aside_ns = now_ns + (int64_t)below(100) * MS_NS;
		service_table_set_aside(&w->table, ref, rule->target.aside_ns);
		break;
	default:
		break;
	}
}

/* Time goes on, and just those go whose time is over. */
static void check_time(struct world *w, struct oracle *o)
{
	struct service_target t;
	struct service_prefix p;
	struct rule *rule;

	now_ns += (int64_t)below(40) * MS_NS / 2;
	while (service_table_next_ns(&w->table) <= now_ns) {
		if (!service_table_expire(&w->table, now_ns, &p, &t))
			continue;
		rule = oracle_find(o, &p, &t);
		ck_assert_ptr_nonnull(rule);
		ck_assert_int_le(end_ns(rule), now_ns);
		ck_assert_int_eq(end_ns(rule), service_target_end_ns(&t));
		*rule = o->rules[--o->n];
		expired++;
	}
	for (unsigned i = 0; i < o->n; i++)
		ck_assert_int_gt(end_ns(&o->rules[i]), now_ns);
}

static void oracle_change(struct oracle *o, struct rule *rule,
			  const struct service_target *t, bool renew)
{
	struct service_target old = rule->target;

	if (old.priority != t->priority)
		rule->order = ++o->order;
	rule->target = *t;
	rule->target.flows = old.flows;
	rule->target.bytes = old.bytes;
	rule->target.aside_ns = old.aside_ns;
	rule->target.used_ns = renew ? now_ns : old.used_ns;
	rule->target.added_ns = renew ? now_ns : old.added_ns;
}

static void check_change(struct world *w, struct oracle *o)
{
	struct service_prefix p = random_prefix(o);
	struct service_target t = random_target();
	bool renew = below(2);
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
	switch (below(6)) {
	case 0:
		r = service_table_change(&w->table, &p, &t, renew, now_ns);
		ck_assert_int_eq(r, rule ? 0 : -ENOENT);
		if (rule)
			oracle_change(o, rule, &t, renew);
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
		r = service_table_add(&w->table, &p, &t, now_ns);
		ck_assert_int_eq(r, rule ? -EEXIST : 0);
		t.added_ns = t.used_ns = now_ns;
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

/* Of the same bits going down from the root would have found the same. */
static void check_index(struct world *w, const struct oracle *o)
{
	struct service_prefix p = random_prefix(o);
	struct service_prefix found = { .bits = 999 },
			      by_hand = { .bits = 999 };
	bool is, was;

	ck_assert(w->table.index_whole);
	is = service_table_match(&w->table, &p.id, &found);
	w->table.index_whole = false;
	was = service_table_match(&w->table, &p.id, &by_hand);
	w->table.index_whole = true;
	ck_assert_int_eq(is, was);
	ck_assert(!is || same_prefix(&found, &by_hand));
}

static void play(struct world *w, struct oracle *o, unsigned operations)
{
	for (unsigned i = 0; i < operations; i++) {
		if (below(3))
			check_lookup(w, o);
		else
			check_change(w, o);
		if (i % 16 == 0)
			check_index(w, o);
		if (i % 32 == 0)
			check_time(w, o);
		if (i % 500 == 0)
			check_listing(w, o);
	}
}

START_TEST(as_the_oracle)
{
	static struct oracle o;
	struct world w;
	uint32_t free_nodes, free_targets;

	random_state = (uint64_t)_i;
	w = world_make(ORACLE_MAX, ORACLE_MAX);
	free_nodes = w.table.node_pool.n_free;
	free_targets = w.table.target_pool.n_free;
	play(&w, &o, 40000);
	ck_assert_uint_gt(expired, 100);
	while (o.n) {
		struct service_prefix p = o.rules[0].prefix;

		ck_assert(!oracle_delete(&o, &p, NULL));
		ck_assert(!service_table_delete(&w.table, &p, NULL));
	}
	check_listing(&w, &o);
	/* All is as it was: nothing is lost, no node without use is left. */
	ck_assert_uint_eq(w.table.node_pool.n_free, free_nodes);
	ck_assert_uint_eq(w.table.target_pool.n_free, free_targets);
	ck_assert_uint_eq(w.table.n_prefixes, 0);
	ck_assert_int_eq(service_table_next_ns(&w.table), SERVICE_NEVER);
	free(w.mem);
}
END_TEST

/* Rules of every length, each found by an ID that it alone is the longest for.
 * Together they also make every round length the one that is asked for. */
START_TEST(every_length)
{
	static struct oracle o;
	struct world w;

	memset(&o, 0, sizeof(o)); /* as large as it is, and not the first */
	random_state = (uint64_t)_i + 1000;
	w = world_make(ORACLE_MAX, ORACLE_MAX);
	for (unsigned bits = 0; bits <= SERVICE_ID_BITS; bits++) {
		struct service_prefix p = { .bits = (uint16_t)bits };
		struct service_target t = { .weight = 1, .instance = bits };

		for (unsigned i = 0; i < bits; i++)
			if (_i ? rnd() & 1 : 1)
				p.id.bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
		ck_assert(!service_table_add(&w.table, &p, &t, 0));
		o.rules[o.n++] = (struct rule){ p, t, ++o.order };
	}
	for (unsigned i = 0; i < 20000; i++) {
		struct service_id id = o.rules[below(o.n)].prefix.id;
		struct service_query q = { .random = rnd() };
		const struct service_target *got = NULL;
		const struct rule *want = NULL;
		unsigned bit = (unsigned)below(SERVICE_ID_BITS);
		int r;

		id.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		r = service_table_resolve(&w.table, &id, &q, &got);
		ck_assert_int_eq(r, oracle_resolve(&o, &id, &q, &want));
		ck_assert_int_eq(r, 0);
		ck_assert_uint_eq(got->instance, want->target.instance);
	}
	free(w.mem);
}
END_TEST

/*
 * Shares follow the weights: chi-square over seven targets. 22.46 is what one
 * run in a thousand exceeds at six degrees of freedom; the seeds are fixed.
 */
START_TEST(shares_follow_the_weights)
{
	static const uint16_t weights[] = { 5, 10, 20, 100, 300, 3000, 65535 };
	enum { N = 7, DRAWS = 300000 };
	struct service_prefix p = { .bits = SERVICE_ID_BITS };
	double chi_square = 0, sum = 0;
	unsigned drawn[N] = { 0 };
	struct world w;

	random_state = (uint64_t)_i + 2000;
	w = world_make(1, N);
	for (unsigned i = 0; i < N; i++) {
		struct service_target t = { .weight = weights[i],
					    .instance = i };

		ck_assert(!service_table_add(&w.table, &p, &t, 0));
		sum += weights[i];
	}
	for (unsigned i = 0; i < DRAWS; i++) {
		struct service_query q = { .random = rnd() };
		const struct service_target *got;

		ck_assert(!service_table_resolve(&w.table, &p.id, &q, &got));
		drawn[got->instance]++;
	}
	for (unsigned i = 0; i < N; i++) {
		double expected = (double)DRAWS * weights[i] / sum;

		chi_square += (drawn[i] - expected) * (drawn[i] - expected) /
			      expected;
	}
	ck_assert_msg(chi_square < 22.46, "chi-square %g", chi_square);
	free(w.mem);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("service_oracle");
	TCase *tc = tcase_create("service_oracle");

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, as_the_oracle, 0, 4);
	tcase_add_loop_test(tc, every_length, 0, 2);
	tcase_add_loop_test(tc, shares_follow_the_weights, 0, 3);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
