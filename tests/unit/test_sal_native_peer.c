/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Native flows: ends that move, and those who pretend to be one. */
#include "tests/support/native_end.h"
#include "tests/support/run_suite.h"

#include <errno.h>

#define RSYN SAL_FLAG_RSYN

/* ---- moves ----------------------------------------------------------------
 */

START_TEST(an_end_moves)
{
	uint8_t protocol = _i & 1 ? IPPROTO_TCP : IPPROTO_UDP;
	bool client = _i & 2, server = _i & 4, gap = _i & 8;
	struct native_scene s;
	uint8_t segment[SAL_NATIVE_SEGMENT_MAX];
	unsigned before;

	native_opened(&s, protocol);
	native_tcp(segment, 0x18);
	before = s.a.got;
	for (int pass = gap ? 0 : 1; pass < 2; pass++) {
		if (client)
			host_addresses(s.c.h, pass ? "10.0.0.7" : NULL, NULL);
		if (server)
			host_addresses(s.a.h, pass ? "10.0.1.7" : NULL, NULL);
		/* Waits for the move. */
		if (client && !pass)
			sal_native_send(s.c.h->sal, s.c.flow, segment, 20,
					s.w->now_ns);
		native_run(&s, 3 * SEC);
	}
	if (client && server) {
		/* Each speaks to where the other was, and no name leads out of
		 * it: the old stack has none. */
		WORLD_OK(s.w, native_state(&s.c) == SAL_RSYN_SENT);
		host_addresses(s.a.h, "10.0.1.1", NULL);
		native_run(&s, 20 * SEC);
	}
	WORLD_OK(s.w, native_both(&s, SAL_ESTABLISHED));
	WORLD_OK(s.w, s.a.got == before + (client && gap));
	sal_native_send(s.c.h->sal, s.c.flow, segment, 20, s.w->now_ns);
	native_run(&s, SEC);
	WORLD_OK(s.w, s.a.got == before + 1 + (client && gap));
	before = s.c.got;
	sal_native_send(s.a.h->sal, s.server, segment, 20, s.w->now_ns);
	native_run(&s, SEC);
	WORLD_OK(s.w, s.c.got == before + 1);
	native_finish(&s);
}
END_TEST

/* With the old address there, UDP goes on between the old addresses until the
 * new one is proved; TCP waits. */
START_TEST(make_before_break)
{
	bool tcp = _i & 1, client = _i & 2;
	struct native_scene s;
	struct native_end *mover;
	uint8_t segment[SAL_NATIVE_SEGMENT_MAX];
	struct sal_flow_info seen;
	struct ip_addr to;
	unsigned before;

	native_opened(&s, tcp ? IPPROTO_TCP : IPPROTO_UDP);
	mover = client ? &s.c : &s.a;
	native_tcp(segment, 0x18);
	host_addresses(s.c.h, "10.0.0.1", "10.0.0.2");
	host_addresses(s.a.h, "10.0.1.1", "10.0.1.2");
	to = mover->h->addresses[1];
	before = s.a.got + s.c.got;
	/* The first RSYN is lost. */
	world_lose(s.w, mover->h, RSYN, 1);
	ck_assert_int_eq(sal_native_migrate(mover->h->sal,
					    client ? s.c.flow : s.server, &to,
					    s.w->now_ns),
			 0);
	sal_native_send(s.c.h->sal, s.c.flow, segment, 20, s.w->now_ns);
	sal_native_send(s.a.h->sal, s.server, segment, 20, s.w->now_ns);
	native_run(&s, 100 * MSEC);
	WORLD_OK(s.w, native_state(mover) == SAL_RSYN_SENT);
	WORLD_OK(s.w, s.a.got + s.c.got == before + (tcp ? 1 : 2));
	native_run(&s, SEC);
	WORLD_OK(s.w, native_both(&s, SAL_ESTABLISHED));
	WORLD_OK(s.w, s.a.got + s.c.got == before + 2);
	seen = host_flow(mover->h);
	WORLD_OK(s.w, ip_addr_equal(&seen.path.local, &to));
	/* And the old one is let go of. */
	host_addresses(mover->h, client ? "10.0.0.2" : "10.0.1.2", NULL);
	sal_native_send(s.c.h->sal, s.c.flow, segment, 20, s.w->now_ns);
	sal_native_send(s.a.h->sal, s.server, segment, 20, s.w->now_ns);
	native_run(&s, SEC);
	WORLD_OK(s.w, s.a.got + s.c.got == before + 4);
	to = ip("10.0.9.9");
	ck_assert_int_eq(
		sal_native_migrate(s.c.h->sal, s.c.flow, &to, s.w->now_ns),
		-EADDRNOTAVAIL);
	native_finish(&s);
}
END_TEST

/* The old stack's FIN rides on the RSYN that it has not had answered. */
START_TEST(a_fin_on_an_rsyn)
{
	char text[256];
	struct native_scene s;
	struct sal_flow_info f;
	uint32_t verno, ackno;
	uint64_t nonce;
	unsigned shl;

	native_opened(&s, IPPROTO_UDP);
	ck_assert_int_eq(sscanf(s.c.sent,
				"%*u>%*u shl %u | CONTROL ACK v=%u a=%u "
				"nonce=%lx",
				&shl, &verno, &ackno, &nonce),
			 4);
	f = host_flow(s.a.h);
	snprintf(text, sizeof(text),
		 "%u>%u | CONTROL RSYN+FIN v=%u a=%u nonce=%lx | UDP",
		 f.remote_id, f.local_id, verno, ackno, nonce);
	native_forge(&s, "10.0.0.1", s.a.h, text);
	WORLD_OK(s.w, s.a.ends == 1);
	WORLD_OK(s.w, native_state(&s.a) == SAL_RSYN_RCVD);
	native_forge(&s, "10.0.0.1", s.a.h, text);
	WORLD_OK(s.w, s.a.ends == 1);
	native_finish(&s);
}
END_TEST

/* ---- those who do not belong ----------------------------------------------
 */

static const char *const forged[] = { "RST",	 "ACK+RST", "FIN",
				      "ACK+FIN", "RSYN",    "RSYN+ACK",
				      "ACK",	 "SYN+ACK", "RSYN+FIN" };

#define FORGED (sizeof(forged) / sizeof(forged[0]))

START_TEST(a_wrong_nonce_does_nothing)
{
	char text[256];
	struct native_scene s;
	struct sal_flow_info before, after;
	unsigned packets;

	native_opened(&s, IPPROTO_UDP);
	before = host_flow(s.a.h);
	packets = s.n.packets;
	for (int from = 0; from < 2; from++) {
		snprintf(text, sizeof(text),
			 "%u>%u | CONTROL %s v=5 a=6 nonce=1234 | UDP",
			 before.remote_id, before.local_id, forged[_i]);
		native_forge(&s, from ? "10.0.0.1" : "10.0.7.7", s.a.h, text);
	}
	native_run(&s, 10 * SEC);
	after = host_flow(s.a.h);
	WORLD_OK(s.w, after.state == SAL_ESTABLISHED && !s.a.ends);
	WORLD_OK(s.w, ip_addr_equal(&before.path.remote, &after.path.remote));
	WORLD_OK(s.w, sal_stats(s.a.h->sal)->bad_nonce == 2);
	WORLD_OK(s.w, s.n.packets == packets); /* no challenge either */
	native_finish(&s);
}
END_TEST

/* One who has no state has nothing but our nonce, and so is believed: the old
 * stack's reset of what it does not know. */
START_TEST(a_reset_that_brings_our_nonce_back)
{
	struct native_scene s;
	char text[256];
	unsigned long nonce;
	uint32_t id;

	native_begin(&s);
	if (_i)
		native_listen(&s.a, NATIVE_SERVICE, IPPROTO_UDP, false);
	native_connect(&s.c, NATIVE_SERVICE, IPPROTO_UDP, 0, NULL);
	ck_assert_int_eq(
		sscanf(strstr(s.c.sent, "nonce="), "nonce=%lx", &nonce), 1);
	native_run(&s, 10 * MSEC);
	id = _i ? host_flow(s.a.h).local_id : 0;
	/* Not from a flow that is not our peer's. */
	snprintf(text, sizeof(text),
		 "%u>%u | CONTROL ACK+RST v=0 a=1 nonce=%lx | UDP", id + 1,
		 s.c.flow, nonce);
	if (_i) {
		native_forge(&s, "10.0.1.1", s.c.h, text);
		WORLD_OK(s.w, host_flows(s.c.h) == 1);
	}
	snprintf(text, sizeof(text),
		 "%u>%u | CONTROL ACK+RST v=0 a=1 nonce=%lx | UDP", id,
		 s.c.flow, nonce);
	native_forge(&s, "10.0.1.1", s.c.h, text);
	WORLD_OK(s.w, !host_flows(s.c.h));
	WORLD_OK(s.w, native_closed(s.w, &s.c)->reason ==
			      (_i ? 0 : SAL_REASON_REFUSED));
	native_finish(&s);
}
END_TEST

START_TEST(strange_data)
{
	char text[256];
	struct native_scene s;
	struct sal_flow_info f;

	native_opened(&s, IPPROTO_UDP);
	f = host_flow(s.a.h);
	snprintf(text, sizeof(text), "%u>%u | UDP 0000000000080000",
		 f.remote_id, f.local_id);
	native_forge(&s, "10.0.7.7", s.a.h, text);
	WORLD_OK(s.w, sal_stats(s.a.h->sal)->native_stray == 1);
	snprintf(text, sizeof(text), "%u>%u | UDP 0000000000080000",
		 f.remote_id + 1, f.local_id);
	native_forge(&s, "10.0.0.1", s.a.h, text);
	WORLD_OK(s.w, sal_stats(s.a.h->sal)->unknown_flow == 1);
	/* A wrong checksum, a wrong length, another protocol. */
	snprintf(text, sizeof(text), "%u>%u | UDP 0000000000081234",
		 f.remote_id, f.local_id);
	native_forge(&s, "10.0.0.1", s.a.h, text);
	snprintf(text, sizeof(text), "%u>%u | UDP 0000000000090000",
		 f.remote_id, f.local_id);
	native_forge(&s, "10.0.0.1", s.a.h, text);
	snprintf(text, sizeof(text), "%u>%u | ICMP 0800f7ff00000000",
		 f.remote_id, f.local_id);
	native_forge(&s, "10.0.0.1", s.a.h, text);
	WORLD_OK(s.w, sal_stats(s.a.h->sal)->malformed == 3);
	snprintf(text, sizeof(text), "%u>%u | CHALLENGE ask 77 | UDP",
		 f.remote_id, f.local_id);
	native_forge(&s, "10.0.0.1", s.a.h, text);
	WORLD_OK(s.w, !s.a.got && s.n.packets == 3);
	native_finish(&s);
}
END_TEST

START_TEST(half_open_flows_are_bounded)
{
	struct native_scene s;
	char text[256];

	native_begin(&s);
	native_listen(&s.a, NATIVE_SERVICE, IPPROTO_UDP, false);
	/* 64 flows at most, and 256 half open. */
	for (unsigned i = 1; i <= 300; i++) {
		snprintf(text, sizeof(text),
			 "%u>0 | CONTROL SYN v=5 a=0 nonce=%x | "
			 "SERVICE " NATIVE_SERVICE_TEXT
			 " | UDP 0000000000080000",
			 i, i);
		native_forge(&s, "10.0.7.7", s.a.h, text);
	}
	WORLD_OK(s.w, host_flows(s.a.h) == 64);
	WORLD_OK(s.w, sal_stats(s.a.h->sal)->table_full == 300 - 64);
	WORLD_OK(s.w, s.n.packets == 64);
	ck_assert_int_eq(
		sal_native_unlisten(s.a.h->sal, s.a.socket, s.w->now_ns), 0);
	WORLD_OK(s.w, !host_flows(s.a.h));
	ck_assert_int_eq(
		sal_native_unlisten(s.a.h->sal, s.a.socket, s.w->now_ns),
		-ENOENT);
	native_finish(&s);
}
END_TEST

/* What rules and services do to inner flows is none of its business. */
START_TEST(rules_come_and_go)
{
	struct native_scene s;

	native_opened(&s, IPPROTO_UDP);
	host_serve(s.a.h, NATIVE_SERVICE);
	host_unserve(s.a.h, NATIVE_SERVICE);
	host_forward(s.c.h, NATIVE_SERVICE, "10.0.2.1");
	host_unforward(s.c.h, NATIVE_SERVICE, "10.0.1.1");
	native_run(&s, 10 * SEC);
	WORLD_OK(s.w, native_both(&s, SAL_ESTABLISHED));
	native_say(&s.c, s.c.flow, "still here");
	native_run(&s, SEC);
	WORLD_OK(s.w, s.a.got == 1);
	/* Nor is an open flow its listener's. */
	sal_native_unlisten(s.a.h->sal, s.a.socket, s.w->now_ns);
	native_say(&s.c, s.c.flow, "here");
	native_run(&s, SEC);
	WORLD_OK(s.w, s.a.got == 2);
	native_finish(&s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: native peer");
	TCase *tc = tcase_create("native_peer");

	tcase_add_loop_test(tc, an_end_moves, 2, 16);
	tcase_add_loop_test(tc, make_before_break, 0, 4);
	tcase_add_test(tc, a_fin_on_an_rsyn);
	tcase_add_loop_test(tc, a_wrong_nonce_does_nothing, 0, FORGED);
	tcase_add_loop_test(tc, a_reset_that_brings_our_nonce_back, 0, 2);
	tcase_add_test(tc, strange_data);
	tcase_add_test(tc, half_open_flows_are_bounded);
	tcase_add_test(tc, rules_come_and_go);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
