/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thousand seeds of bad weather: loss, duplicates and reordering, while a
 * client pings, talks and streams, addresses come and go, and the instance is
 * replaced. In a quarter of them both ends move, and may do so at once: TCP,
 * whose one instance cannot be found again, may fail then. What must hold in
 * each: what is delivered was sent (the world sees to that), a byte of the
 * stream is never wrong, no engine takes a forbidden step; and once the weather
 * is fine, all works again and nothing is left behind.
 */
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>

#define SEEDS 1000

struct storm {
	struct world *w;
	struct host *c, *serving;
	struct toy_tcp client, server;
	uint16_t seq;
	bool replaces;
	bool c_moves, a_moves;
};

static void weather(struct world *w)
{
	w->weather = (struct weather){
		.delay_ns = MSEC,
		.jitter_ns = world_random(w, 2) ? 5 * MSEC : 0,
		.loss = world_random(w, 4) * 100,
		.duplicate = world_random(w, 3) * 100,
	};
}

static void move(struct world *w, struct host *h)
{
	static const char *const places[3][2] = {
		{ "10.0.0.1", "10.0.0.2" },
		{ "10.0.1.1", "10.0.1.2" },
		{ "10.0.2.1", "10.0.2.2" },
	};

	if (world_random(w, 4) == 0)
		host_addresses(h, NULL, NULL);
	else
		host_addresses(h, places[h - w->hosts][world_random(w, 2)],
			       NULL);
}

/* Where B is not reachable under its first address nobody would find it. */
static void replace(struct storm *st)
{
	struct host *to =
		st->serving == world_a(st->w) ? world_b(st->w) : world_a(st->w);

	host_addresses(world_a(st->w), "10.0.1.1", NULL);
	host_addresses(world_b(st->w), "10.0.2.1", NULL);
	world_replace(st->w, 1, st->serving, to);
	st->serving = to;
}

static void happens(struct storm *st)
{
	struct world *w = st->w;

	switch (world_random(w, 12)) {
	case 0:
		if (st->c_moves)
			move(w, st->c);
		break;
	case 1:
		if (st->a_moves)
			move(w, st->serving);
		break;
	case 2:
		weather(w);
		break;
	case 3:
		if (st->replaces)
			replace(st);
		break;
	case 4:
		host_udp(st->c, NULL, "10.8.0.1", 5000, 53, "hello");
		break;
	default:
		host_ping(st->c, world_random(w, 2) ? "10.8.0.1" : "fd08::1", 7,
			  ++st->seq, 56);
	}
	world_run_for(w, world_random(w, 100) * MSEC);
}

static void clears_up(struct storm *st)
{
	struct world *w = st->w;

	w->weather = (struct weather){ .delay_ns = MSEC };
	host_addresses(st->c, "10.0.0.1", NULL);
	host_addresses(world_a(w), "10.0.1.1", NULL);
	host_addresses(world_b(w), "10.0.2.1", NULL);
	/* The longest back-off of a handshake, and of a move. */
	world_run_for(w, 45 * SEC);
	/* A client that found its own instance again finds its old flow in the
	 * way there, and what it sends until that was asked is lost. */
	host_ping(st->c, "10.8.0.1", 7, ++st->seq, 56);
	world_run_for(w, SEC);
}

/* A replaced instance has reset the stream, or it has been given up for lost
 * before it came to be; else all of it arrives. */
static void stream_ends(struct storm *st)
{
	toy_close(&st->client);
	toy_close(&st->server);
	for (int i = 0; i < 400; i++) {
		if (st->client.reset || st->client.unreachable ||
		    st->client.gave_up ||
		    (toy_done(&st->client) && toy_done(&st->server)))
			break;
		world_run_for(st->w, SEC);
	}
	WORLD_OK(st->w, !st->client.wrong_byte && !st->server.wrong_byte);
	if (st->replaces || st->client.unreachable ||
	    (st->c_moves && st->a_moves))
		return;
	WORLD_OK(st->w, !st->client.gave_up && !st->server.gave_up);
	WORLD_OK(st->w, !st->client.reset && !st->server.reset);
	WORLD_OK(st->w, st->server.got == st->client.total);
	WORLD_OK(st->w, st->client.got == st->server.total);
}

static void one(uint64_t seed)
{
	struct storm st = { .w = world_usual(seed) };
	uint16_t before;

	st.c = world_c(st.w);
	st.serving = world_a(st.w);
	st.replaces = seed % 4 == 1;
	st.c_moves = seed % 4 != 2;
	st.a_moves = seed % 4 >= 2;
	st.serving->udp_port = 53;
	toy_listen(&st.server, st.serving, "10.8.0.1", 80, 20000);
	toy_connect(&st.client, st.c, "10.8.0.1", 4000, 80, 20000);
	for (int i = 0; i < 30; i++)
		happens(&st);
	clears_up(&st);
	before = st.seq;
	for (int i = 0; i < 3; i++) {
		host_ping(st.c, "10.8.0.1", 7, ++st.seq, 56);
		world_run_for(st.w, 50 * MSEC);
	}
	WORLD_OK(st.w, st.c->last_reply_seq == before + 3);
	stream_ends(&st);
	/* Nothing is left when all has been idle. */
	world_run_for(st.w, 3 * 3600 * SEC);
	for (int i = 0; i < 3; i++)
		WORLD_OK(st.w, !host_flows(&st.w->hosts[i]));
	world_free(st.w);
}

START_TEST(storms)
{
	for (uint64_t seed = (uint64_t)_i; seed < SEEDS; seed += 8)
		one(seed);
}
END_TEST

/* Named on the command line, to be looked at. */
static uint64_t chosen;

START_TEST(one_storm)
{
	one(chosen);
}
END_TEST

static Suite *suite(bool only_one)
{
	Suite *s = suite_create("sal: storm");
	TCase *tc = tcase_create("storm");

	/* A bound for what hangs, on a machine however loaded. */
	tcase_set_timeout(tc, 50);
	if (only_one)
		tcase_add_test(tc, one_storm);
	else
		tcase_add_loop_test(tc, storms, 0, 8);
	suite_add_tcase(s, tc);
	return s;
}

int main(int argc, char **argv)
{

	if (argc > 1)
		chosen = strtoull(argv[1], NULL, 10);
	return run_suite(suite(argc > 1));
}
