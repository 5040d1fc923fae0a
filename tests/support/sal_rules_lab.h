/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules, as tests of them add, change and find them. */
#ifndef TESTS_SAL_RULES_LAB_H
#define TESTS_SAL_RULES_LAB_H

#include "tests/support/sal_world.h"

#include <check.h>

#define TO_A "10.0.1.1"
#define TO_B "10.0.2.1"

static inline struct sal_rule rule(enum sal_rule_kind kind, const char *to,
				   uint32_t priority, uint32_t weight)
{
	struct sal_rule r = { .id = service(1),
			      .bits = 256,
			      .kind = kind,
			      .priority = priority,
			      .weight = weight };

	if (to)
		r.to = ip(to);
	return r;
}

static inline void add(struct host *h, struct sal_rule r)
{
	ck_assert_int_eq(sal_rule_add(h->sal, &r, h->world->now_ns), 0);
	world_run_for(h->world, 0);
}

static inline void change(struct host *h, struct sal_rule r, unsigned what)
{
	ck_assert_int_eq(sal_rule_change(h->sal, &r, what, h->world->now_ns),
			 0);
}

/* The client's only rule for the service is gone. */
static inline void no_rule(struct world *w)
{
	host_unforward(world_c(w), 1, TO_A);
}

struct found {
	enum sal_rule_kind kind;
	struct ip_addr to;
	struct sal_rule_info info;
	unsigned n;
};

static inline bool find_rule(void *arg, const struct sal_rule_info *r)
{
	struct found *f = arg;

	if (r->rule.kind == f->kind &&
	    (f->to.family == AF_UNSPEC || ip_addr_equal(&f->to, &r->rule.to))) {
		f->info = *r;
		f->n++;
	}
	return true;
}

/* The only rule of this kind, and to there. */
static inline struct sal_rule_info info(struct host *h, enum sal_rule_kind kind,
					const char *to)
{
	struct found f = { .kind = kind };

	if (to)
		f.to = ip(to);
	sal_rules(h->sal, NULL, find_rule, &f);
	ck_assert_uint_eq(f.n, 1);
	return f.info;
}

static inline unsigned count_rules(struct host *h, enum sal_rule_kind kind)
{
	struct found f = { .kind = kind };

	sal_rules(h->sal, NULL, find_rule, &f);
	return f.n;
}

#endif
