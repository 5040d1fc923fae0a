/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host moves with a thousand flows: no storm, and all is over soon. */
#include "tests/support/run_suite.h"
#include "tests/support/sal_world.h"

#include <check.h>

#define RSYN SAL_FLAG_RSYN
#define RTT_NS (2 * MSEC)
#define MANY 1000u

static void many(struct sal_config *c)
{
	c->max_flows = 1024;
	c->max_half_open = 1024;
	c->queue_bytes = 1u << 20;
}

struct moves {
	unsigned rsyns, packets, at_once, most_at_once;
	int64_t moment_ns;
};

/* What leaves in one moment has to wait for the same neighbour. */
static void count_moves(struct world *w, const struct wire_packet *p, void *arg)
{
	struct moves *m = arg;
	const struct sal_control *c;
	struct sal_packet d;

	ck_assert_int_eq(sal_decode(&d, p->bytes, p->len), SAL_OK);
	c = sal_find_control(&d);
	m->packets++;
	if (!c || c->flags != RSYN)
		return;
	m->rsyns++;
	m->at_once = m->moment_ns == w->now_ns ? m->at_once + 1 : 1;
	m->moment_ns = w->now_ns;
	if (m->at_once > m->most_at_once)
		m->most_at_once = m->at_once;
}

struct states {
	unsigned established, others;
};

static void count_states(void *arg, const struct sal_flow_info *f)
{
	struct states *n = arg;

	if (f->state == SAL_ESTABLISHED)
		n->established++;
	else
		n->others++;
}

static struct world *thousand(struct moves *m, const char *second)
{
	struct world *w;

	world_adjust = many;
	w = world_usual(9);
	world_adjust = NULL;
	host_addresses(world_c(w), "10.0.0.1", second);
	for (unsigned i = 0; i < MANY; i++)
		host_ping(world_c(w), "10.8.0.1", (uint16_t)i, 1, 40);
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, world_c(w)->replies == MANY);
	*m = (struct moves){ 0 };
	w->tap = count_moves;
	w->tap_arg = m;
	return w;
}

static void all_are_there(struct world *w)
{
	struct states c = { 0 }, a = { 0 };

	sal_flows(world_c(w)->sal, count_states, &c);
	sal_flows(world_a(w)->sal, count_states, &a);
	WORLD_OK(w, c.established == MANY && !c.others);
	WORLD_OK(w, a.established == MANY && !a.others);
}

/* Each RSYN goes out once, not too many in one moment, and all is over after a
 * few round trips: 200 of them go in each. To an address that was proven, and
 * to one that nobody knew. */
START_TEST(a_thousand_move)
{
	struct moves m;
	struct world *w = thousand(&m, _i ? "10.0.0.2" : NULL);
	unsigned at_least;

	host_addresses(world_c(w), "10.0.0.2", NULL);
	world_run_for(w, 5 * RTT_NS + RTT_NS);
	all_are_there(w);
	WORLD_OK(w, m.rsyns == MANY && m.most_at_once <= 200);
	at_least = m.packets;
	world_run_for(w, SEC);
	/* RSYN, RSYN-ACK, ACK; where there is something to tell a list and its
	 * answer, else, a second later, the question whether the ACK has come:
	 * and no more. */
	WORLD_OK(w, at_least >= 3 * MANY && at_least <= (_i ? 5 : 3) * MANY);
	WORLD_OK(w, m.packets <= 5 * MANY);
	WORLD_OK(w, !sal_stats(world_c(w)->sal)->retransmissions);
	for (unsigned i = 0; i < MANY; i++)
		host_ping(world_c(w), "10.8.0.1", (uint16_t)i, 2, 40);
	world_run_for(w, 100 * MSEC);
	WORLD_OK(w, world_c(w)->replies == 2 * MANY);
	world_free(w);
}
END_TEST

/* One in twenty is lost: what was lost goes again, and what was not does not.
 */
START_TEST(a_thousand_move_in_bad_weather)
{
	struct moves m;
	struct world *w = thousand(&m, NULL);
	uint64_t again, silences;

	w->weather.loss = 50;
	host_addresses(world_c(w), "10.0.0.2", NULL);
	world_run_for(w, 20 * SEC);
	all_are_there(w);
	again = sal_stats(world_c(w)->sal)->retransmissions;
	/* The question whether the ACK has come may be lost thrice. */
	silences = sal_stats(world_c(w)->sal)->silences;
	WORLD_OK(w, m.rsyns == MANY + again + silences && silences < 10);
	WORLD_OK(w, m.most_at_once <= 200);
	/* A tenth of the exchanges are not had at the first try. */
	WORLD_OK(w, again > MANY / 20 && again < MANY / 5);
	world_free(w);
}
END_TEST

/* The peer is gone for a while: no storm then, either. */
START_TEST(a_thousand_find_nobody)
{
	struct moves m;
	struct world *w = thousand(&m, NULL);

	w->cut = true;
	host_addresses(world_c(w), "10.0.0.2", NULL);
	world_run_for(w, SEC);
	/* By then 200 have gone out in each 200 ms, and again after 200 and
	 * 600. */
	WORLD_OK(w, m.most_at_once <= 3 * 200 && m.rsyns <= 5000);
	w->cut = false;
	world_run_for(w, 20 * SEC);
	all_are_there(w);
	world_free(w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: thousand");
	TCase *tc = tcase_create("thousand");

	tcase_add_loop_test(tc, a_thousand_move, 0, 2);
	tcase_add_test(tc, a_thousand_move_in_bad_weather);
	tcase_add_test(tc, a_thousand_find_nobody);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
