/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The paths that flows had, why they came to them, and when they go back. */
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct sal_history history_of(struct host *h)
{
	static struct sal_history out;

	ck_assert(sal_flow_history(h->sal, host_flow(h).local_id, &out));
	return out;
}

/* "10.0.0.1 opened, 10.0.0.2 policy": our end of each, and why. */
static const char *told(const struct sal_history *h)
{
	static char text[4096];
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < h->n; i++) {
		char local[IP_TEXT_MAX], remote[IP_TEXT_MAX];
		const struct sal_way *w = &h->v[i];

		ip_format_addr(&w->path.local, local, sizeof(local));
		ip_format_addr(&w->path.remote, remote, sizeof(remote));
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s%s>%s %s", i ? ", " : "", local,
					 remote, sal_way_why_name(w->why));
	}
	return text;
}

static bool tells(struct host *h, const char *text)
{
	struct sal_history history = history_of(h);

	if (!strcmp(told(&history), text))
		return true;
	printf("%s: told \"%s\", not \"%s\"\n", h->name, told(&history), text);
	return false;
}

static void pinged(struct world *w, uint16_t seq)
{
	host_ping(world_c(w), "10.8.0.1", 7, seq, 56);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, world_c(w)->replies == seq);
}

/* They follow each other without an overlap, and the last one lasts. */
static void check_times(struct world *w, struct host *h, bool ended)
{
	struct sal_history history = history_of(h);

	for (uint32_t i = 0; i < history.n; i++) {
		const struct sal_way *way = &history.v[i];
		bool last = i + 1 == history.n;

		WORLD_OK(w, way->from_ns <= w->now_ns);
		WORLD_OK(w, way->until_ns >= way->from_ns);
		if (!last)
			WORLD_OK(w, way->until_ns <= history.v[i + 1].from_ns);
		if (last)
			WORLD_OK(w, (way->until_ns == INT64_MAX) != ended);
	}
}

START_TEST(each_path_and_why)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct ip_addr other = ip("10.0.0.3");
	int64_t lost;

	pinged(w, 1);
	WORLD_OK(w, tells(c, "10.0.0.1>10.0.1.1 opened"));
	WORLD_OK(w, tells(a, "10.0.1.1>10.0.0.1 opened"));
	host_addresses(c, "10.0.0.2", "10.0.0.3");
	lost = w->now_ns;
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, tells(c, "10.0.0.1>10.0.1.1 opened, "
			     "10.0.0.2>10.0.1.1 address gone"));
	WORLD_OK(w, tells(a, "10.0.1.1>10.0.0.1 opened, "
			     "10.0.1.1>10.0.0.2 peer moved"));
	/* Between the two it had to wait for a round trip. */
	WORLD_OK(w, history_of(c).v[0].until_ns == lost);
	WORLD_OK(w, history_of(c).v[1].from_ns == lost + 2 * MSEC);
	sal_flow_move(c->sal, host_flow(c).local_id, &other, w->now_ns);
	world_run_for(w, 50 * MSEC);
	host_addresses(a, "10.0.1.9", NULL);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, tells(c, "10.0.0.1>10.0.1.1 opened, "
			     "10.0.0.2>10.0.1.1 address gone, "
			     "10.0.0.3>10.0.1.1 ordered, "
			     "10.0.0.3>10.0.1.9 peer moved"));
	check_times(w, c, false);
	check_times(w, a, false);
	world_free(w);
}
END_TEST

/* Another instance is another path. */
START_TEST(another_instance)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	pinged(w, 1);
	world_replace(w, 1, world_a(w), world_b(w));
	world_run_for(w, 50 * MSEC);
	pinged(w, 2);
	WORLD_OK(w, tells(c, "10.0.0.1>10.0.1.1 opened, "
			     "10.0.0.1>10.0.2.1 other instance"));
	check_times(w, c, false);
	world_free(w);
}
END_TEST

/* Only the newest are kept, and it is said how many more there were. */
START_TEST(bounded)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	struct sal_history h;

	pinged(w, 1);
	for (int i = 0; i < 40; i++) {
		host_addresses(c, i % 2 ? "10.0.0.1" : "10.0.0.2", NULL);
		world_run_for(w, 10 * MSEC);
	}
	h = history_of(c);
	WORLD_OK(w, h.n == SAL_WAYS_MAX && h.left_out == 41 - SAL_WAYS_MAX);
	WORLD_OK(w, h.v[h.n - 1].until_ns == INT64_MAX);
	check_times(w, c, false);
	world_free(w);
}
END_TEST

struct ended {
	uint32_t ids[SAL_ENDED_MAX + 1];
	unsigned n;
};

static void note_ended(void *arg, const struct sal_history *h)
{
	struct ended *e = arg;

	e->ids[e->n++] = h->info.local_id;
}

START_TEST(flows_that_are_over)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	struct sal_history h;
	struct ended e = { .n = 0 };
	uint32_t id;

	pinged(w, 1);
	id = host_flow(c).local_id;
	world_run_for(w, 200 * SEC);
	WORLD_OK(w, !host_flows(c));
	WORLD_OK(w, sal_flow_history(c->sal, id, &h));
	WORLD_OK(w, h.ended_ns < w->now_ns && h.n == 1);
	WORLD_OK(w, h.v[0].until_ns <= h.ended_ns);
	WORLD_OK(w, !sal_flow_history(c->sal, id + 1, &h));
	/* The last ones, the oldest first; one that was never opened is none.
	 */
	for (uint16_t i = 0; i < SAL_ENDED_MAX + 2; i++) {
		host_ping(c, "10.8.0.1", (uint16_t)(100 + i), 1, 56);
		world_run_for(w, 10 * MSEC);
	}
	w->cut = true;
	host_ping(c, "10.8.0.1", 99, 1, 56);
	world_run_for(w, 300 * SEC);
	WORLD_OK(w, !host_flows(c));
	sal_flows_ended(c->sal, note_ended, &e);
	WORLD_OK(w, e.n == SAL_ENDED_MAX);
	WORLD_OK(w, !sal_flow_history(c->sal, id, &h));
	WORLD_OK(w, sal_flow_history(c->sal, e.ids[0], &h));
	world_free(w);
}
END_TEST

/* ---- going back, and when ------------------------------------------------ */

static bool goes(struct host *h, const char *local)
{
	struct sal_flow_info f = host_flow(h);
	struct ip_addr want = ip(local);

	return f.state == SAL_ESTABLISHED &&
	       ip_addr_equal(&f.path.local, &want);
}

/* Not before the better path has been there for a second without a break. */
START_TEST(back_after_a_while)
{
	struct sal_policy policy = { .go_back = true, .hold_ns = SEC };
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	host_addresses(c, "10.0.0.1", "10.0.0.2");
	sal_set_policy(c->sal, &policy, w->now_ns);
	pinged(w, 1);
	WORLD_OK(w, goes(c, "10.0.0.1"));
	host_addresses(c, "10.0.0.2", NULL);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, goes(c, "10.0.0.2"));
	for (int i = 0; i < 3; i++) {
		host_addresses(c, "10.0.0.1", "10.0.0.2");
		world_run_for(w, 900 * MSEC);
		WORLD_OK(w, goes(c, "10.0.0.2"));
		host_addresses(c, "10.0.0.2", NULL);
		world_run_for(w, 300 * MSEC);
		WORLD_OK(w, goes(c, "10.0.0.2"));
	}
	host_addresses(c, "10.0.0.1", "10.0.0.2");
	world_run_for(w, 990 * MSEC);
	WORLD_OK(w, goes(c, "10.0.0.2"));
	world_run_for(w, 20 * MSEC);
	WORLD_OK(w, goes(c, "10.0.0.1"));
	WORLD_OK(w, tells(c, "10.0.0.1>10.0.1.1 opened, "
			     "10.0.0.2>10.0.1.1 address gone, "
			     "10.0.0.1>10.0.1.1 went back"));
	world_free(w);
}
END_TEST

/* Where there is nothing else one does not wait; nor for one that is worse. */
START_TEST(no_wait_without_need)
{
	struct sal_policy policy = { .go_back = true, .hold_ns = 60 * SEC };
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	sal_set_policy(c->sal, &policy, w->now_ns);
	pinged(w, 1);
	host_addresses(c, NULL, NULL);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, host_flow(c).state == SAL_NOADDRESS);
	host_addresses(c, "10.0.0.3", NULL);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, goes(c, "10.0.0.3"));
	host_addresses(c, "10.0.0.3", "10.0.0.2");
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, goes(c, "10.0.0.3"));
	/* The policy is another one: at once. */
	policy.hold_ns = 0;
	host_addresses(c, "10.0.0.2", "10.0.0.3");
	WORLD_OK(w, goes(c, "10.0.0.3"));
	sal_set_policy(c->sal, &policy, w->now_ns);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, goes(c, "10.0.0.2"));
	world_free(w);
}
END_TEST

/* The address stays, and there is no route from it any more: as good as gone.
 * Where none is left the flow waits, and it goes on when there is one again. */
START_TEST(without_a_route)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	host_addresses(c, "10.0.0.1", "10.0.0.2");
	pinged(w, 1);
	WORLD_OK(w, goes(c, "10.0.0.1"));
	c->no_route = ip("10.0.0.1");
	host_addresses(c, "10.0.0.1", "10.0.0.2");
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, goes(c, "10.0.0.2"));
	c->no_route = ip("10.0.0.2");
	host_addresses(c, "10.0.0.2", NULL);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, host_flow(c).state == SAL_NOADDRESS);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	c->no_route = (struct ip_addr){ 0 };
	host_addresses(c, "10.0.0.2", NULL);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, goes(c, "10.0.0.2") && c->replies == 2);
	/* A new one does not begin there either. */
	c->no_route = ip("10.0.0.1");
	host_addresses(c, "10.0.0.1", "10.0.0.2");
	host_ping(c, "10.8.0.1", 8, 3, 56);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, c->replies == 3);
	world_free(w);
}
END_TEST

/* Make before break: the new address is there first, for long enough to tell the
 * peer, to be asked and to move, and what was sent to the old one meanwhile
 * arrives. */
START_TEST(nothing_is_lost_where_the_new_one_is_first)
{
	struct sal_policy policy = { .go_back = true };
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	w->weather.delay_ns = 20 * MSEC;
	host_addresses(c, "10.0.0.2", NULL);
	sal_set_policy(c->sal, &policy, w->now_ns);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 100 * MSEC);
	for (uint16_t i = 2; i <= 201; i++) {
		host_ping(c, "10.8.0.1", 7, i, 56);
		if (i == 50)
			host_addresses(c, "10.0.0.1", "10.0.0.2");
		if (i == 130)
			host_addresses(c, "10.0.0.1", NULL);
		world_run_for(w, 2 * MSEC);
	}
	world_run_for(w, 100 * MSEC);
	WORLD_OK(w, c->replies == 201);
	WORLD_OK(w, goes(c, "10.0.0.1"));
	WORLD_OK(w, tells(c, "10.0.0.2>10.0.1.1 opened, "
			     "10.0.0.1>10.0.1.1 went back"));
	world_free(w);
}
END_TEST

/* ---- without the copy of what was not ACKed ------------------------------ */

static bool keeps_copies;

static void adjust(struct sal_config *c)
{
	c->resend = keeps_copies;
}

/* The stream gets there all the same, but has to wait for its time-out. */
START_TEST(resume_and_time_out)
{
	struct toy_tcp client, server;
	struct world *w;
	struct host *c, *a;

	keeps_copies = _i;
	world_adjust = adjust;
	w = world_usual(2);
	world_adjust = NULL;
	c = world_c(w);
	a = world_a(w);
	toy_listen(&server, a, "10.8.0.1", 80, 0);
	toy_connect(&client, c, "10.8.0.1", 4000, 80, 60000);
	world_run_for(w, 10 * MSEC);
	w->cut = true; /* what is under way is lost */
	world_run_for(w, 3 * MSEC);
	w->cut = false;
	host_addresses(c, "10.0.0.77", NULL);
	toy_finish(&client, &server, 20 * SEC);
	WORLD_OK(w, server.got == 60000 && !server.wrong_byte);
	WORLD_OK(w, (client.timeouts == 0) == keeps_copies);
	WORLD_OK(w, (sal_stats(c->sal)->resent > 0) == keeps_copies);
	world_free(w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("history");
	TCase *tc = tcase_create("paths");

	tcase_add_test(tc, each_path_and_why);
	tcase_add_test(tc, another_instance);
	tcase_add_test(tc, bounded);
	tcase_add_test(tc, flows_that_are_over);
	tcase_add_test(tc, back_after_a_while);
	tcase_add_test(tc, no_wait_without_need);
	tcase_add_test(tc, without_a_route);
	tcase_add_test(tc, nothing_is_lost_where_the_new_one_is_first);
	tcase_add_loop_test(tc, resume_and_time_out, 0, 2);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
