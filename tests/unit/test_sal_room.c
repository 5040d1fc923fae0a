/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of flows is full: who makes room for a new one, and for whom. */
#include "tests/support/run_suite.h"
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static void four_flows(struct sal_config *c)
{
	c->max_flows = 4;
}

START_TEST(the_servers_table_is_full)
{
	struct host *a, *c, *more;
	struct world *w;

	world_adjust = four_flows;
	w = world_usual(1);
	c = world_c(w);
	a = world_a(w);
	for (uint16_t id = 1; id <= 4; id++)
		host_ping(c, "10.8.0.1", id, 1, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->replies == 4);
	/* Its own table is full as well. */
	host_ping(c, "10.8.0.1", 5, 1, 56);
	WORLD_OK(w, c->unreachable == 1);
	WORLD_OK(w, sal_stats(c->sal)->table_full == 1);
	more = world_host(w, "D", "10.0.3.1", "10.9.0.4", NULL);
	host_forward(more, 1, "10.0.1.1");
	host_reboot(more); /* gives it the usual names */
	host_ping(more, "10.8.0.1", 1, 1, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, more->unreachable == 1 && !more->replies);
	WORLD_OK(w, sal_stats(a->sal)->table_full == 1);
	/* Flows in TIME_WAIT make room. */
	world_run_for(w, 65 * SEC);
	WORLD_OK(w, host_flows(a) == 4 && host_flows(c) == 4);
	host_ping(more, "10.8.0.1", 1, 2, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, more->replies == 1 && host_flows(a) == 4);
	world_free(w);
}
END_TEST

/* Four conversations that had one question each, and one more that wants room.
 */
START_TEST(idle_datagrams_make_room)
{
	struct host *a, *c;
	struct world *w;

	world_adjust = four_flows;
	w = world_usual(1);
	c = world_c(w);
	a = world_a(w);
	for (uint16_t id = 1; id <= 4; id++) {
		host_ping(c, "10.8.0.1", id, 1, 56);
		world_run_for(w, 10 * MSEC);
	}
	world_run_for(w, 100 * MSEC);
	host_ping(c, "10.8.0.1", 5, 1, 56);
	WORLD_OK(w, c->unreachable == 1 && c->replies == 4);
	world_run_for(w, 110 * MSEC);
	host_ping(c, "10.8.0.1", 1, 2, 56);
	world_run_for(w, 10 * MSEC);
	host_ping(c, "10.8.0.1", 5, 2, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 6 && host_flows(c) == 4);
	WORLD_OK(w, sal_stats(c->sal)->displaced == 1);
	/* The other end was told, and needed not make room itself. */
	WORLD_OK(w, host_flows(a) == 4 && !sal_stats(a->sal)->displaced);
	/* It was 2, not 1, which is in use, and not those that came later. */
	host_ping(c, "10.8.0.1", 3, 2, 56);
	host_ping(c, "10.8.0.1", 4, 2, 56);
	world_run_for(w, 200 * MSEC);
	WORLD_OK(w, c->replies == 8 && sal_stats(c->sal)->displaced == 1);
	/* And 2 goes on, in another's place. */
	host_ping(c, "10.8.0.1", 2, 2, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 9 && c->unreachable == 1);
	WORLD_OK(w, sal_stats(c->sal)->displaced == 2);
	world_free(w);
}
END_TEST

/* What was more than a question stays for 10 s, and TCP as long as it lives. */
START_TEST(longer_conversations_stay_longer)
{
	struct toy_tcp client, server;
	struct host *c;
	struct world *w;

	world_adjust = four_flows;
	w = world_usual(1);
	c = world_c(w);
	toy_listen(&server, world_a(w), "10.8.0.1", 80, 100);
	toy_connect(&client, c, "10.8.0.1", 4000, 80, 100);
	for (uint16_t id = 1; id <= 3; id++)
		for (uint16_t seq = 1; seq <= 3; seq++)
			host_ping(c, "10.8.0.1", id, seq, 56);
	world_run_for(w, 9 * SEC);
	WORLD_OK(w, c->replies == 9 && host_flows(c) == 4);
	host_ping(c, "10.8.0.1", 5, 1, 56);
	WORLD_OK(w, c->unreachable == 1);
	world_run_for(w, 2 * SEC);
	for (uint16_t id = 5; id <= 7; id++)
		for (uint16_t seq = 1; seq <= 3; seq++)
			host_ping(c, "10.8.0.1", id, seq, 56);
	world_run_for(w, 1 * SEC);
	WORLD_OK(w, c->replies == 18 && c->unreachable == 1 && !c->resets);
	WORLD_OK(w, sal_stats(c->sal)->displaced == 3);
	world_run_for(w, 20 * SEC);
	for (uint16_t id = 8; id <= 11; id++)
		for (uint16_t seq = 1; seq <= 3; seq++)
			host_ping(c, "10.8.0.1", id, seq, 56);
	world_run_for(w, 1 * SEC);
	WORLD_OK(w, c->replies == 27 && c->unreachable == 4 && !c->resets);
	WORLD_OK(w, client.connected && toy_done(&client) && toy_done(&server));
	world_free(w);
}
END_TEST

/* ---- a server that takes its time -----------------------------------------
 */

struct answer {
	struct host *h;
	uint16_t port;
};

static void say(void *arg)
{
	struct answer *answer = arg;

	host_udp(answer->h, "10.8.0.1", "10.9.0.1", 53, answer->port, "so");
	free(answer);
}

static void answer_late(struct host *h, const struct sal_inner *p, void *arg)
{
	struct answer *answer;

	(void)arg;
	if (p->protocol != IPPROTO_UDP)
		return;
	answer = calloc(1, sizeof(*answer));
	ck_assert_ptr_nonnull(answer);
	answer->h = h;
	answer->port = (uint16_t)(p->segment[0] << 8 | p->segment[1]);
	world_at(h->world, h->world->now_ns + 500 * MSEC, say, answer);
}

/* A question is not given up for the next one: all that were let in get their
 * answers. */
START_TEST(questions_are_waited_for)
{
	struct world *w;
	struct host *c;
	unsigned refused;

	world_adjust = four_flows;
	w = world_usual(1);
	c = world_c(w);
	world_a(w)->program = answer_late;
	for (uint16_t i = 0; i < 50; i++) {
		host_udp(c, "10.9.0.1", "10.8.0.1", 5000 + i, 53, "why");
		world_run_for(w, 60 * MSEC);
	}
	refused = c->unreachable;
	world_run_for(w, 3 * SEC);
	WORLD_OK(w, refused > 0 && refused < 45);
	WORLD_OK(w, c->udp_got == 50 - refused && c->unreachable == refused);
	world_free(w);
}
END_TEST

/* ---- strangers -------------------------------------------------------------
 */

/* From an address where nobody hears the answer. */
static void forged_syn(struct world *w, struct host *to, unsigned n)
{
	struct service_id id = service(1);
	char from[32], inner[32];
	struct ip_addr client;
	struct sal_packet p;
	uint8_t bytes[256];
	int len;

	snprintf(from, sizeof(from), "10.66.0.%u", n);
	snprintf(inner, sizeof(inner), "10.77.0.%u", n);
	client = ip(inner);
	sal_packet_init(&p, 4711 + n, 0, IPPROTO_ICMP);
	sal_add_control(&p, SAL_FLAG_SYN, 1, 0, 3 + n);
	sal_add_service(&p, &id);
	sal_add_identity(&p, &client);
	len = sal_encode(&p, bytes, sizeof(bytes));
	ck_assert_int_gt(len, 0);
	world_inject(w, from, to, bytes, (size_t)len);
}

/* Who has shown nothing gets no open flow's place; a real client does. */
START_TEST(strangers_displace_nobody)
{
	struct host *a, *c, *more;
	struct world *w;

	world_adjust = four_flows;
	w = world_usual(1);
	c = world_c(w);
	a = world_a(w);
	more = world_host(w, "D", "10.0.3.1", "10.9.0.4", NULL);
	host_forward(more, 1, "10.0.1.1");
	host_reboot(more); /* gives it the usual names */
	for (uint16_t id = 1; id <= 4; id++)
		for (uint16_t seq = 1; seq <= 3; seq++)
			host_ping(c, "10.8.0.1", id, seq, 56);
	world_run_for(w, 11 * SEC);
	for (unsigned n = 1; n <= 8; n++)
		forged_syn(w, a, n);
	world_run_for(w, 100 * MSEC);
	WORLD_OK(w, host_flows(c) == 4 && host_flows(a) == 4);
	WORLD_OK(w, sal_stats(a->sal)->syn_stateless == 8);
	WORLD_OK(w, !sal_stats(a->sal)->displaced);
	host_ping(more, "10.8.0.1", 1, 1, 56);
	world_run_for(w, 100 * MSEC);
	WORLD_OK(w, more->replies == 1 && host_flows(c) == 3);
	WORLD_OK(w, sal_stats(a->sal)->displaced == 1);
	world_free(w);
}
END_TEST

/* ---- a large table ---------------------------------------------------------
 */

#define MANY 3000

static void many_flows(struct sal_config *c)
{
	c->max_flows = MANY;
}

/* The one that may go is found, wherever it is. */
START_TEST(one_of_many_makes_room)
{
	struct world *w;
	struct host *c;

	world_adjust = many_flows;
	w = world_usual(1);
	c = world_c(w);
	for (uint16_t id = 0; id < MANY; id++) {
		host_ping(c, "10.8.0.1", id, 1, 56);
		if (id % 64 == 0)
			world_run_for(w, 3 * MSEC);
	}
	world_run_for(w, 300 * MSEC);
	WORLD_OK(w, c->replies == MANY && host_flows(c) == MANY);
	/* All but one have something to say again. */
	for (uint16_t id = 0; id < MANY; id++) {
		if (id != (_i ? 17 : MANY - 17))
			host_ping(c, "10.8.0.1", id, 2, 56);
		if (id % 64 == 0)
			world_run_for(w, 1 * MSEC);
	}
	host_ping(c, "10.8.0.1", 60000, 1, 56);
	WORLD_OK(w, sal_stats(c->sal)->displaced == 1 && !c->unreachable);
	/* And now there is none. */
	host_ping(c, "10.8.0.1", 60001, 1, 56);
	WORLD_OK(w, sal_stats(c->sal)->displaced == 1 && c->unreachable == 1);
	world_free(w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("room");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, the_servers_table_is_full);
	tcase_add_test(tc, idle_datagrams_make_room);
	tcase_add_test(tc, longer_conversations_stay_longer);
	tcase_add_test(tc, questions_are_waited_for);
	tcase_add_test(tc, strangers_displace_nobody);
	tcase_add_loop_test(tc, one_of_many_makes_room, 0, 2);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
