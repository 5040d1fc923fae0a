/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two sockets connect to each other at the same time (simultaneous open), and
 * storms of native flows: in all weathers, from seeds.
 */
#include "tests/support/native_end.h"
#include "tests/support/run_suite.h"

#include <errno.h>
#include <stdlib.h>

#define SYN SAL_FLAG_SYN
#define SYNACK (SAL_FLAG_SYN | SAL_FLAG_ACK)
#define ACK SAL_FLAG_ACK

/* The services of the sockets of C and A. */
#define OF_C 6
#define OF_A 5

struct scene {
	struct world *w;
	struct native_world n;
	struct native_end c, a;
};

static void begin(struct scene *s, uint64_t seed)
{
	*s = (struct scene){ .w = world_usual(seed) };
	native_open(&s->c, world_c(s->w));
	native_open(&s->a, world_a(s->w));
	s->n.end[0] = &s->c;
	s->n.end[1] = &s->a;
	s->w->tap = native_watch;
	s->w->tap_arg = &s->n;
	host_forward(s->c.h, OF_A, "10.0.1.1");
	host_forward(s->a.h, OF_C, "10.0.0.1");
}

static void c_connects(struct scene *s, uint8_t protocol)
{
	ck_assert_int_eq(native_connect(&s->c, OF_A, protocol, OF_C, NULL), 0);
}

static void a_connects(struct scene *s, uint8_t protocol)
{
	ck_assert_int_eq(native_connect(&s->a, OF_C, protocol, OF_A, NULL), 0);
}

static void run(struct scene *s, int64_t ns)
{
	world_run_for(s->w, ns);
}

/* One flow, and the same at both ends. */
static void is_one(struct scene *s)
{
	struct sal_flow_info c = host_flow(s->c.h), a = host_flow(s->a.h);
	unsigned got = s->a.got;

	WORLD_OK(s->w, c.state == SAL_ESTABLISHED);
	WORLD_OK(s->w, a.state == SAL_ESTABLISHED);
	WORLD_OK(s->w, c.local_id == a.remote_id && a.local_id == c.remote_id);
	WORLD_OK(s->w, world_events(s->w, s->c.h, SAL_EVENT_FLOW_OPENED) == 1);
	WORLD_OK(s->w, world_events(s->w, s->a.h, SAL_EVENT_FLOW_OPENED) == 1);
	if (c.protocol != IPPROTO_UDP)
		return;
	native_say(&s->c, c.local_id, "from C");
	native_say(&s->a, a.local_id, "from A");
	run(s, 50 * MSEC);
	WORLD_OK(s->w, s->a.got == got + 1 && !strcmp(s->a.last, "from C"));
	WORLD_OK(s->w, !strcmp(s->c.last, "from A"));
}

static uint8_t protocol_of(int i)
{
	return i & 1 ? IPPROTO_TCP : IPPROTO_UDP;
}

/* RFC 9293, figure 8: two SYNs, two SYN-ACKs. */
START_TEST(two_syns_cross)
{
	uint8_t protocol = protocol_of(_i);
	struct scene s;

	begin(&s, 1);
	if (_i & 2) {
		/* It comes before any listener. */
		native_listen(&s.c, OF_C, protocol, false);
		native_listen(&s.a, OF_A, protocol, false);
	}
	c_connects(&s, protocol);
	a_connects(&s, protocol);
	run(&s, MSEC + MSEC / 2);
	WORLD_OK(s.w, native_state(&s.c) == SAL_SYN_RCVD);
	WORLD_OK(s.w, native_state(&s.a) == SAL_SYN_RCVD);
	run(&s, MSEC);
	WORLD_OK(s.w, s.n.packets == 4);
	is_one(&s);
	/* TCP is asked for a SYN-ACK, and then for an ACK. */
	WORLD_OK(s.w, s.c.answers == (protocol == IPPROTO_TCP ? 2 : 0));
	WORLD_OK(s.w, s.a.answers == (protocol == IPPROTO_TCP ? 2 : 0));
	world_free(s.w);
}
END_TEST

struct loss {
	bool by_c;
	int flags;
	unsigned n;
};

static const struct loss losses[][2] = {
	{ { true, SYN, 1 } },
	{ { true, SYN, 4 } },
	{ { true, SYNACK, 1 } },
	{ { true, SYNACK, 4 } },
	{ { true, SYN, 1 }, { false, SYN, 1 } },
	{ { true, SYNACK, 1 }, { false, SYNACK, 1 } },
	{ { true, SYNACK, 2 }, { false, SYNACK, 3 } },
	{ { true, SYN, 1 }, { false, ACK, 1 } },
	{ { true, SYNACK, 1 }, { true, ACK, 2 } },
	{ { true, SYN, 2 }, { false, SYNACK, 2 } },
};

START_TEST(some_are_lost)
{
	const struct loss *l = losses[_i >> 1];
	uint8_t protocol = protocol_of(_i);
	struct scene s;

	begin(&s, 1);
	for (int i = 0; i < 2; i++)
		if (l[i].n)
			world_lose(s.w, l[i].by_c ? s.c.h : s.a.h, l[i].flags,
				   l[i].n);
	c_connects(&s, protocol);
	a_connects(&s, protocol);
	run(&s, 40 * SEC);
	is_one(&s);
	world_free(s.w);
}
END_TEST

static void inject_text(struct scene *s, const char *from, struct host *to,
			const char *text)
{
	struct err err = ERR_INIT;
	uint8_t bytes[512];
	int n = sal_text_parse(text, bytes, sizeof(bytes), &err);

	ck_assert_msg(n > 0, "%s: %s", text, err.msg);
	world_inject(s->w, from, to, bytes, (size_t)n);
}

/* When its SYN arrives at last, the other end is open, by an ordinary handshake
 * of its own; an ACK is the answer, and no flow more. */
START_TEST(one_syn_is_late)
{
	struct scene s;
	char syn[512];

	begin(&s, 1);
	world_lose(s.w, s.c.h, SYN, 1);
	c_connects(&s, IPPROTO_UDP);
	snprintf(syn, sizeof(syn), "%.*s0000000000080000",
		 (int)(strstr(s.c.sent, "UDP ") + 4 - s.c.sent), s.c.sent);
	a_connects(&s, IPPROTO_UDP);
	if (_i)
		world_lose(s.w, s.a.h, ACK, 1);
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, native_state(&s.a) == SAL_ESTABLISHED);
	WORLD_OK(s.w,
		 native_state(&s.c) == (_i ? SAL_SYN_RCVD : SAL_ESTABLISHED));
	s.a.sent[0] = 0;
	inject_text(&s, "10.0.0.1", s.a.h, syn);
	WORLD_OK(s.w, strstr(s.a.sent, "CONTROL ACK v="));
	run(&s, 10 * MSEC);
	is_one(&s);
	world_free(s.w);
}
END_TEST

#define SERVICE_OF_C                                                           \
	"0x06000000000000000000000000000000000000000000000000000000000000"     \
	"00"

/* A stranger writes the peer's address on his SYN: that proves nothing, and
 * must not keep the peer away. */
START_TEST(a_forged_crossing_syn)
{
	struct scene s;

	begin(&s, 1);
	s.w->tap = NULL; /* what the peer says to the SYN-ACK is not native */
	native_listen(&s.a, OF_A, IPPROTO_UDP, false);
	world_lose(s.w, s.c.h, SYN, (unsigned)_i % 4);
	/* The old stack says nothing of a flow that it does not know. */
	if (_i >= 4)
		world_lose(s.w, s.a.h, SAL_FLAG_RST, 100);
	c_connects(&s, IPPROTO_UDP);
	inject_text(&s, "10.0.1.1", s.c.h,
		    "300>0 | CONTROL SYN v=5 a=0 nonce=44 | "
		    "SERVICE " SERVICE_OF_C " | UDP 0000000000080000");
	WORLD_OK(s.w, native_state(&s.c) == SAL_SYN_RCVD);
	/* A SYN-ACK that does not name our SYN is no better. */
	inject_text(&s, "10.0.1.1", s.c.h,
		    "300>77 | CONTROL SYN+ACK v=5 a=9 nonce=44 | "
		    "UDP 0000000000080000");
	/* The peer has said of our SYN-ACK that it knows nothing of it. */
	run(&s, 20 * SEC);
	is_one(&s);
	world_free(s.w);
}
END_TEST

struct other {
	const char *from;
	const char *service;
	const char *protocol;
	bool without_local;
};

static const struct other others[] = {
	{ "10.0.2.1", SERVICE_OF_C, "UDP 0000000000080000", false },
	{ "10.0.1.1", "7", "UDP 0000000000080000", false },
	{ "10.0.1.1", SERVICE_OF_C,
	  "TCP 0000000000000000000000005002000000000000", false },
	{ "10.0.1.1", SERVICE_OF_C, "UDP 0000000000080000", true },
};

START_TEST(syns_that_do_not_cross)
{
	const struct other *o = &others[_i];
	char text[512];
	struct scene s;

	begin(&s, 1);
	ck_assert_int_eq(native_connect(&s.c, OF_A, IPPROTO_UDP,
					o->without_local ? 0 : OF_C, NULL),
			 0);
	snprintf(text, sizeof(text),
		 "300>0 | CONTROL SYN v=5 a=0 nonce=44 | SERVICE %s | %s",
		 o->service, o->protocol);
	inject_text(&s, o->from, s.c.h, text);
	WORLD_OK(s.w, native_state(&s.c) == SAL_SYN_SENT);
	WORLD_OK(s.w, sal_stats(s.c.h->sal)->native == 1);
	world_free(s.w);
}
END_TEST

/* In SYN_RCVD, where an ordinary server would say so by an RSYN. */
START_TEST(an_end_moves_meanwhile)
{
	struct scene s;

	begin(&s, 1);
	if (_i & 1)
		world_lose(s.w, s.c.h, SYN, 1);
	world_lose(s.w, s.c.h, SYNACK, 1);
	world_lose(s.w, s.a.h, SYNACK, 1);
	c_connects(&s, IPPROTO_UDP);
	a_connects(&s, IPPROTO_UDP);
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, native_state(&s.c) == SAL_SYN_RCVD);
	if (_i & 2) {
		host_addresses(s.c.h, NULL, NULL);
		run(&s, 2 * SEC);
	}
	host_addresses(s.c.h, "10.0.0.7", NULL);
	run(&s, 10 * SEC);
	is_one(&s);
	world_free(s.w);
}
END_TEST

START_TEST(nobody_completes_it)
{
	struct scene s;

	begin(&s, 1);
	c_connects(&s, IPPROTO_UDP);
	a_connects(&s, IPPROTO_UDP);
	run(&s, MSEC + MSEC / 2);
	s.w->cut = true;
	world_lose(s.w, s.c.h, SYNACK, 100);
	world_lose(s.w, s.a.h, SYNACK, 100);
	/* What was under way completes nothing: both are gone in the end. */
	host_addresses(s.c.h, "10.0.0.9", NULL);
	host_addresses(s.a.h, "10.0.1.9", NULL);
	run(&s, 130 * SEC);
	WORLD_OK(s.w, !host_flows(s.c.h) && !host_flows(s.a.h));
	WORLD_OK(s.w, native_closed(s.w, &s.c));
	world_free(s.w);
}
END_TEST

START_TEST(closed_meanwhile)
{
	struct scene s;

	begin(&s, 1);
	world_lose(s.w, s.a.h, SYNACK, 1);
	c_connects(&s, IPPROTO_UDP);
	a_connects(&s, IPPROTO_UDP);
	run(&s, MSEC + MSEC / 2);
	WORLD_OK(s.w, native_state(&s.c) == SAL_SYN_RCVD);
	ck_assert_int_eq(native_say(&s.c, s.c.flow, "only this"), 0);
	ck_assert_int_eq(sal_native_close(s.c.h->sal, s.c.flow, s.w->now_ns),
			 0);
	run(&s, 5 * SEC);
	WORLD_OK(s.w, s.a.ends == 1 && !strcmp(s.a.last, "only this"));
	world_free(s.w);
}
END_TEST

/* ---- storms -------------------------------------------------------------- */

#define SEEDS 800

static void weather(struct world *w)
{
	w->weather = (struct weather){
		.delay_ns = (1 + world_random(w, 30)) * MSEC,
		.jitter_ns = world_random(w, 2) ? 300 * MSEC : 0,
		.loss = world_random(w, 4) * 100,
		.duplicate = world_random(w, 3) * 100,
	};
}

static void move(struct scene *s, struct native_end *e)
{
	static const char *const places[2][2] = { { "10.0.0.1", "10.0.0.2" },
						  { "10.0.1.1", "10.0.1.2" } };
	unsigned which = world_random(s->w, 3);

	if (which == 2)
		host_addresses(e->h, NULL, NULL);
	else
		host_addresses(e->h, places[e == &s->a][which], NULL);
}

static void one_storm(uint64_t seed)
{
	bool crosses = seed & 1, c_moves = seed & 2;
	struct scene s;
	struct native_end *mover;

	begin(&s, seed);
	mover = c_moves ? &s.c : &s.a;
	weather(s.w);
	c_connects(&s, IPPROTO_UDP);
	run(&s, world_random(s.w, 100) * MSEC);
	if (crosses)
		a_connects(&s, IPPROTO_UDP);
	else
		native_listen(&s.a, OF_A, IPPROTO_UDP, false);
	for (int i = 0; i < 30; i++) {
		switch (world_random(s.w, 6)) {
		case 0:
			/* One end alone: both can't find each other again.
			 * Before it is open a server that moves can't be found
			 * either. */
			if (c_moves ||
			    world_events(s.w, s.c.h, SAL_EVENT_FLOW_OPENED))
				move(&s, mover);
			break;
		case 1:
			weather(s.w);
			break;
		default:
			native_say(&s.c, s.c.flow, "hello");
		}
		run(&s, world_random(s.w, 300) * MSEC);
	}
	s.w->weather = (struct weather){ .delay_ns = 5 * MSEC };
	host_addresses(s.c.h, "10.0.0.1", NULL);
	host_addresses(s.a.h, "10.0.1.1", NULL);
	run(&s, 60 * SEC);
	is_one(&s);
	sal_native_close(s.c.h->sal, host_flow(s.c.h).local_id, s.w->now_ns);
	sal_native_close(s.a.h->sal, host_flow(s.a.h).local_id, s.w->now_ns);
	run(&s, 100 * SEC);
	WORLD_OK(s.w, s.c.ends == 1 && s.a.ends == 1);
	WORLD_OK(s.w, !host_flows(s.c.h) && !host_flows(s.a.h));
	world_free(s.w);
}

START_TEST(storms)
{
	for (uint64_t seed = 1 + (uint64_t)_i; seed <= SEEDS; seed += 8)
		one_storm(seed);
}
END_TEST

static uint64_t chosen;

START_TEST(chosen_storm)
{
	one_storm(chosen);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: crossing");
	TCase *tc = tcase_create("crossing");

	/* Named on the command line, to be looked at. */
	if (chosen) {
		tcase_add_test(tc, chosen_storm);
		suite_add_tcase(s, tc);
		return s;
	}
	tcase_add_loop_test(tc, two_syns_cross, 0, 4);
	tcase_add_loop_test(tc, some_are_lost, 0,
			    2 * sizeof(losses) / sizeof(losses[0]));
	tcase_add_loop_test(tc, one_syn_is_late, 0, 2);
	tcase_add_loop_test(tc, a_forged_crossing_syn, 0, 8);
	tcase_add_loop_test(tc, syns_that_do_not_cross, 0,
			    sizeof(others) / sizeof(others[0]));
	tcase_add_loop_test(tc, an_end_moves_meanwhile, 0, 4);
	tcase_add_test(tc, nobody_completes_it);
	tcase_add_test(tc, closed_meanwhile);
	tcase_add_loop_test(tc, storms, 0, 8);
	suite_add_tcase(s, tc);
	return s;
}

int main(int argc, char **argv)
{

	if (argc > 1)
		chosen = strtoull(argv[1], NULL, 10);
	return run_suite(suite());
}
