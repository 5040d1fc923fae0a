/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bindings of many nat services in one transaction, and what becomes of those
 * of one that the kernel refuses. The kernel is played here: it keeps what it
 * was asked, and refuses what it is told to.
 */
#include "orchestrator/lab/internal.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#define SERVICES 150
#define BATCH 64

static struct {
	unsigned bad_id; /* the binding that is refused, 0: none */
	size_t most; /* more at once are refused */
	bool injected; /* refusals are made on purpose */
	size_t calls, singles, refused;
	size_t n_added;
	unsigned added[SERVICES];
	size_t targets;
} played;

static struct scenario scenario;
static struct plan plan = { .scenario = &scenario };
static struct lab_node node;
static struct lab lab = { .plan = &plan, .nodes = &node };
static struct plan_op *ops;
static size_t n_ops;

/* ---- the kernel -----------------------------------------------------------
 */

int knat_add(struct kns *ns, const struct knat_binding *b, size_t n,
	     struct err *err)
{
	bool bad = n > played.most;

	ck_assert_ptr_null(ns);
	played.calls++;
	played.singles += n == 1;
	lab.kernel.steps++;
	for (size_t i = 0; i < n; i++)
		bad |= b[i].id == played.bad_id;
	if (bad) {
		played.refused++;
		if (played.injected)
			lab.kernel.fail_at = lab.kernel.steps;
		return err_set(err, n == 1 ? EEXIST : ENOBUFS,
			       "%zu refused, from %u on", n, b->id);
	}
	/* One transaction: all of it, or nothing. */
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_lt(played.n_added, SERVICES);
		played.added[played.n_added++] = b[i].id;
		played.targets += b[i].n;
	}
	return 0;
}

int knat_rebind(struct kns *ns, const struct knat_binding *b, size_t n,
		struct err *err)
{
	return knat_add(ns, b, n, err);
}

int kns_conntrack_flush(struct kns *ns, const struct kconntrack_flows *flows,
			unsigned *deleted, struct err *err)
{
	(void)ns, (void)flows, (void)deleted, (void)err;
	abort();
}

int kns_conntrack_hand_over(struct kns *ns,
			    const struct kconntrack_flows *flows,
			    unsigned *deleted, struct err *err)
{
	(void)ns, (void)flows, (void)deleted, (void)err;
	abort();
}

int kns_conntrack_flush_all(struct kns *ns, unsigned *deleted, struct err *err)
{
	(void)ns, (void)deleted, (void)err;
	abort();
}

int kns_late_end(struct kns *ns, struct err *err)
{
	(void)ns, (void)err;
	abort();
}

/* ---- the plan -------------------------------------------------------------
 */

/* Services of so many instances each, numbered from 1. */
static void begin(enum plan_op_kind kind, size_t instances)
{
	memset(&played, 0, sizeof(played));
	played.most = SIZE_MAX;
	lab.kernel = (struct kernel){ 0 };
	n_ops = SERVICES * instances;
	ops = calloc(n_ops, sizeof(*ops));
	ck_assert_ptr_nonnull(ops);
	for (size_t i = 0; i < n_ops; i++) {
		ops[i].kind = i % instances ? PLAN_OP_NAT_ALSO : kind;
		ops[i].nat.service = i / instances;
		ops[i].nat.id = (unsigned)(i / instances) + 1;
		ops[i].nat.weight = 1;
		ops[i].nat.also = i % instances ? 0 : instances - 1;
		ops[i].nat.to.family = AF_INET;
	}
	for (size_t i = 0; i < SERVICES; i++)
		ck_assert_ptr_nonnull(VEC_PUSH(&scenario.services));
}

static void end(void)
{
	VEC_FREE(&scenario.services);
	free(ops);
}

/* All of them, as a lab is built; *at: how far it came. */
static int apply_all(size_t *at, struct err *err)
{
	int r = 0;

	*at = 0;
	for (size_t i = 0; *at < n_ops && !r && i < n_ops; i++)
		r = lab_apply_bindings(&lab, ops, n_ops, *at, at, err);
	for (size_t i = 0; i < played.n_added; i++)
		ck_assert_uint_eq(played.added[i], i + 1);
	return r;
}

/* ---- tests ----------------------------------------------------------------
 */

START_TEST(as_many_as_fit)
{
	struct err err = ERR_INIT;
	size_t at;

	begin(PLAN_OP_NAT_ADD, 1);
	ck_assert_int_eq(apply_all(&at, &err), 0);
	ck_assert_uint_eq(at, n_ops);
	ck_assert_uint_eq(played.n_added, SERVICES);
	ck_assert_uint_eq(played.calls, (SERVICES + BATCH - 1) / BATCH);
	end();
}
END_TEST

/* A service is in one transaction, whatever its number of instances. */
START_TEST(services_are_not_cut)
{
	struct err err = ERR_INIT;
	size_t at;

	begin(PLAN_OP_NAT_ADD, 5);
	ck_assert_int_eq(apply_all(&at, &err), 0);
	ck_assert_uint_eq(at, n_ops);
	ck_assert_uint_eq(played.n_added, SERVICES);
	ck_assert_uint_eq(played.targets, n_ops);
	ck_assert_uint_eq(played.calls, (SERVICES + 11) / 12);
	end();
}
END_TEST

/* The k-th of all cannot be added, wherever in its batch it stands: those ahead
 * of it are there, none behind it is, and the error is its own. */
START_TEST(one_is_refused)
{
	static const unsigned bad[] = { 1,     2,	  BATCH - 1,
					BATCH, BATCH + 1, 2 * BATCH,
					100,   SERVICES };
	unsigned k = bad[_i];
	struct err err = ERR_INIT;
	char want[64];
	size_t at;

	begin(PLAN_OP_NAT_ADD, 1);
	played.bad_id = k;
	ck_assert_int_eq(apply_all(&at, &err), -EEXIST);
	ck_assert_uint_eq(at, k - 1);
	ck_assert_uint_eq(played.n_added, k - 1);
	ck_assert_uint_eq(played.refused, 2);
	ck_assert_uint_eq(played.singles, (k - 1) % BATCH + 1);
	snprintf(want, sizeof(want), "1 refused, from %u on", k);
	ck_assert_str_eq(err.msg, want);
	end();
}
END_TEST

/* Too much at once, and nothing wrong with any of it. */
START_TEST(one_by_one_will_do)
{
	struct err err = ERR_INIT;
	size_t at;

	begin(PLAN_OP_NAT_ADD, 1);
	played.most = 30;
	ck_assert_int_eq(apply_all(&at, &err), 0);
	ck_assert_uint_eq(at, n_ops);
	ck_assert_uint_eq(played.n_added, SERVICES);
	ck_assert_uint_eq(err.code, 0);
	/* Two of 64 are refused; the last 22 are not. */
	ck_assert_uint_eq(played.refused, 2);
	ck_assert_uint_eq(played.singles, 2 * BATCH);
	end();
}
END_TEST

/* A step that fails on purpose does not succeed in pieces, and a change of
 * several services is one or none. */
START_TEST(what_stays_refused)
{
	struct err err = ERR_INIT;
	size_t at;

	begin(_i ? PLAN_OP_NAT_BIND : PLAN_OP_NAT_ADD, 1);
	played.most = 1;
	played.injected = !_i;
	ck_assert_int_eq(apply_all(&at, &err), -ENOBUFS);
	ck_assert_uint_eq(at, 0);
	ck_assert_uint_eq(played.calls, 1);
	ck_assert_uint_eq(played.n_added, 0);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bindings");
	TCase *tc = tcase_create("bindings");

	tcase_add_test(tc, as_many_as_fit);
	tcase_add_test(tc, services_are_not_cut);
	tcase_add_loop_test(tc, one_is_refused, 0, 8);
	tcase_add_test(tc, one_by_one_will_do);
	tcase_add_loop_test(tc, what_stays_refused, 0, 2);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
