/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Native flows: sockets that speak SAL themselves, and the old stack's ways. */
#include "tests/support/native_end.h"
#include "tests/support/run_suite.h"

#include <errno.h>

#define SYN SAL_FLAG_SYN
#define SYNACK (SAL_FLAG_SYN | SAL_FLAG_ACK)
#define ACK SAL_FLAG_ACK
#define FIN SAL_FLAG_FIN
#define RSYN SAL_FLAG_RSYN
#define RSYNACK (SAL_FLAG_RSYN | SAL_FLAG_ACK)

/* ---- a life ------------------------------------------------------------- */

START_TEST(udp_from_end_to_end)
{
	struct native_scene s;
	struct sal_flow_info f;

	native_opened(&s, IPPROTO_UDP);
	WORLD_OK(s.w, s.n.packets == 3);
	f = host_flow(s.c.h);
	WORLD_OK(s.w, f.native && f.client && f.remote_id == s.server);
	WORLD_OK(s.w, world_events(s.w, s.a.h, SAL_EVENT_FLOW_OPENED) == 1);
	ck_assert_int_eq(native_say(&s.c, s.c.flow, "question"), 0);
	ck_assert_int_eq(native_say(&s.c, s.c.flow, ""), 0);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.a.got == 2 && !*s.a.last);
	ck_assert_int_eq(native_say(&s.a, s.server, "answer"), 0);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.c.got == 1 && !strcmp(s.c.last, "answer"));
	/* It lives as long as its sockets want it to. */
	native_run(&s, 24 * 3600 * SEC);
	WORLD_OK(s.w, native_both(&s, SAL_ESTABLISHED) && s.n.packets == 6);
	ck_assert_int_eq(native_close(&s.c, s.c.flow), 0);
	ck_assert_int_eq(native_close(&s.c, s.c.flow), 0);
	ck_assert_int_eq(native_say(&s.c, s.c.flow, "late"), -EPIPE);
	native_run(&s, 3600 * SEC);
	WORLD_OK(s.w, s.a.ends == 1 && native_state(&s.a) == SAL_CLOSE_WAIT);
	WORLD_OK(s.w, !host_flows(s.c.h)); /* 60 s of FIN_WAIT */
	native_finish(&s);
	native_opened(&s, IPPROTO_UDP);
	native_close(&s.c, s.c.flow);
	native_run(&s, SEC);
	native_say(&s.a, s.server, "one last thing");
	native_close(&s.a, s.server);
	native_run(&s, SEC);
	WORLD_OK(s.w, native_both(&s, SAL_TIME_WAIT) && s.c.ends == 1);
	WORLD_OK(s.w, !strcmp(s.c.last, "one last thing"));
	WORLD_OK(s.w, s.n.packets == 8);
	native_run(&s, 61 * SEC);
	WORLD_OK(s.w, !host_flows(s.c.h) && !host_flows(s.a.h));
	native_finish(&s);
}
END_TEST

START_TEST(tcp_from_end_to_end)
{
	struct native_scene s;
	uint8_t segment[SAL_NATIVE_SEGMENT_MAX];

	native_opened(&s, IPPROTO_TCP);
	/* SYN to the server's TCP, SYN-ACK to the client's, and the ACK. */
	WORLD_OK(s.w, s.a.answers == 1 && s.c.answers == 1 && s.a.got == 1);
	WORLD_OK(s.w, s.c.last[13] == 0x12 && s.a.last[13] == 0x10);
	native_tcp(segment, 0x18);
	ck_assert_int_eq(
		sal_native_send(s.c.h->sal, s.c.flow, segment, 20, s.w->now_ns),
		0);
	ck_assert_int_eq(
		sal_native_send(s.c.h->sal, s.c.flow, segment, 19, s.w->now_ns),
		-EINVAL);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.a.got == 2 && s.a.last[13] == 0x18);
	/* Each direction alone, and segments go through behind a FIN. */
	native_close(&s.c, s.c.flow);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.a.ends == 1 && native_state(&s.a) == SAL_CLOSE_WAIT);
	sal_native_send(s.c.h->sal, s.c.flow, segment, 20, s.w->now_ns);
	sal_native_send(s.a.h->sal, s.server, segment, 20, s.w->now_ns);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.a.got == 3 && s.c.got == 1);
	native_close(&s.a, s.server);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, native_both(&s, SAL_TIME_WAIT));
	native_finish(&s);
}
END_TEST

START_TEST(over_ipv6)
{
	struct native_scene s;

	native_begin(&s);
	host_addresses(s.c.h, "fd00:1::1", NULL);
	host_addresses(s.a.h, "fd00:2::1", NULL);
	native_listen(&s.a, NATIVE_SERVICE, IPPROTO_UDP, false);
	ck_assert_int_eq(native_connect(&s.c, NATIVE_SERVICE, IPPROTO_UDP, 0,
					"fd00:2::1"),
			 0);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, native_both(&s, SAL_ESTABLISHED));
	host_addresses(s.c.h, "fd00:1::2", NULL);
	native_say(&s.c, s.c.flow, "from elsewhere");
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.a.got == 1 && native_both(&s, SAL_ESTABLISHED));
	native_finish(&s);
}
END_TEST

START_TEST(fins_cross)
{
	struct native_scene s;

	native_opened(&s, IPPROTO_UDP);
	native_close(&s.c, s.c.flow);
	native_close(&s.a, s.server);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, native_both(&s, SAL_TIME_WAIT) && s.c.ends == 1 &&
			      s.a.ends == 1);
	WORLD_OK(s.w, s.n.packets == 3 + 4);
	native_finish(&s);
}
END_TEST

START_TEST(an_end_aborts)
{
	struct native_end *who, *other;
	struct native_scene s;

	native_opened(&s, IPPROTO_UDP);
	who = _i & 1 ? &s.a : &s.c;
	other = _i & 1 ? &s.c : &s.a;
	ck_assert_int_eq(sal_native_abort(who->h->sal,
					  _i & 1 ? s.server : s.c.flow,
					  s.w->now_ns),
			 0);
	WORLD_OK(s.w, strstr(who->sent, "CONTROL ACK+RST v="));
	WORLD_OK(s.w, !host_flows(who->h));
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, !host_flows(other->h) && native_closed(s.w, other));
	WORLD_OK(s.w, !other->ends);
	native_finish(&s);
}
END_TEST

/* ---- losses -------------------------------------------------------------- */

struct loss {
	bool by_client;
	int flags;
	unsigned n;
};

static const struct loss losses[] = {
	{ true, SYN, 1 },	{ true, SYN, 5 },  { false, SYNACK, 1 },
	{ false, SYNACK, 5 },	{ true, ACK, 1 },  { true, ACK, 3 },
	{ true, FIN, 1 },	{ true, FIN, 5 },  { false, FIN, 1 },
	{ true, ACK, 2 },	{ false, ACK, 1 }, { false, ACK, 2 },
	{ true, LOSE_DATA, 1 },
};

START_TEST(a_packet_is_lost)
{
	const struct loss *l = &losses[_i >> 1];
	uint8_t protocol = _i & 1 ? IPPROTO_TCP : IPPROTO_UDP;
	struct native_scene s;

	native_begin(&s);
	world_lose(s.w, l->by_client ? s.c.h : s.a.h, l->flags, l->n);
	native_listen(&s.a, NATIVE_SERVICE, protocol, false);
	native_connect(&s.c, NATIVE_SERVICE, protocol, 0, NULL);
	native_run(&s, 40 * SEC);
	WORLD_OK(s.w, native_both(&s, SAL_ESTABLISHED));
	s.server = host_flow(s.a.h).local_id;
	native_close(&s.c, s.c.flow);
	native_run(&s, 20 * SEC);
	WORLD_OK(s.w, s.a.ends == 1);
	native_close(&s.a, s.server);
	native_run(&s, 20 * SEC);
	WORLD_OK(s.w, native_both(&s, SAL_TIME_WAIT) && s.c.ends == 1);
	native_run(&s, 61 * SEC);
	WORLD_OK(s.w, !host_flows(s.c.h) && !host_flows(s.a.h));
	native_finish(&s);
}
END_TEST

/* The old stack's connection would be dead: the server drops the data, and
 * nobody repeats anything. */
START_TEST(a_lost_handshake_ack_is_repaired)
{
	struct native_scene s;

	native_begin(&s);
	world_lose(s.w, s.c.h, ACK, 1);
	native_listen(&s.a, NATIVE_SERVICE, IPPROTO_UDP, false);
	native_connect(&s.c, NATIVE_SERVICE, IPPROTO_UDP, 0, NULL);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, native_state(&s.a) == SAL_SYN_RCVD);
	s.server = host_flow(s.a.h).local_id;
	native_say(&s.c, s.c.flow, "early");
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.a.got == 1 && native_state(&s.a) == SAL_SYN_RCVD);
	/* Its own waits for the handshake's end. */
	ck_assert_int_eq(native_say(&s.a, s.server, "waits"), 0);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, !s.c.got);
	native_run(&s, SEC);
	WORLD_OK(s.w, native_both(&s, SAL_ESTABLISHED) && s.c.got == 1);
	native_finish(&s);
}
END_TEST

START_TEST(closed_within_the_handshake)
{
	struct native_scene s;

	native_begin(&s);
	world_lose(s.w, s.c.h, ACK, 1);
	native_listen(&s.a, NATIVE_SERVICE, IPPROTO_UDP, false);
	native_connect(&s.c, NATIVE_SERVICE, IPPROTO_UDP, 0, NULL);
	native_run(&s, 10 * MSEC);
	s.server = host_flow(s.a.h).local_id;
	native_say(&s.a, s.server, "hello");
	native_close(&s.a, s.server);
	native_run(&s, 2 * SEC);
	WORLD_OK(s.w, s.c.got == 1 && s.c.ends == 1);
	WORLD_OK(s.w, native_state(&s.a) == SAL_FIN_WAIT);
	native_finish(&s);
	/* A client's just ends. */
	native_begin(&s);
	native_connect(&s.c, NATIVE_SERVICE, IPPROTO_UDP, 0, NULL);
	ck_assert_int_eq(native_say(&s.c, s.c.flow, "hello"), -ENOTCONN);
	native_close(&s.c, s.c.flow);
	WORLD_OK(s.w, !host_flows(s.c.h));
	native_finish(&s);
}
END_TEST

/* ---- what inner flows do besides ------------------------------------------
 */

static bool in_the_clear(struct world *w, struct sal_path *path, void *arg)
{
	unsigned *udp = arg;

	(void)w;
	*udp += path->remote_port != 0;
	return true;
}

/* Second addresses are not told, nobody is asked whether he lives, and nothing
 * goes in UDP: the old stack would make nothing of it. (What a packet has in it
 * is watched in any case.) */
START_TEST(none_of_the_extensions)
{
	struct native_scene s;
	unsigned udp = 0;

	native_opened(&s, IPPROTO_UDP);
	s.w->middle = in_the_clear;
	s.w->middle_arg = &udp;
	host_addresses(s.c.h, "10.0.0.1", "10.0.0.2");
	host_addresses(s.a.h, "10.0.1.1", "fd00:1::1");
	native_run(&s, 10 * SEC);
	for (int i = 0; i < 50; i++) {
		native_say(&s.c, s.c.flow, "anybody there?");
		native_run(&s, 100 * MSEC);
	}
	WORLD_OK(s.w, native_both(&s, SAL_ESTABLISHED));
	WORLD_OK(s.w, s.n.packets == 3 + 50);
	world_lose(s.w, s.c.h, RSYN, 6);
	host_addresses(s.c.h, "10.0.0.2", NULL);
	native_run(&s, 20 * SEC);
	WORLD_OK(s.w, native_both(&s, SAL_ESTABLISHED) && !udp);
	WORLD_OK(s.w, !sal_stats(s.c.h->sal)->lists_sent);
	WORLD_OK(s.w, !sal_stats(s.a.h->sal)->lists_sent);
	WORLD_OK(s.w, !sal_stats(s.c.h->sal)->probes);
	native_finish(&s);
}
END_TEST

/* ---- nobody there ---------------------------------------------------------
 */

START_TEST(nobody_listens)
{
	uint8_t protocol = _i & 1 ? IPPROTO_TCP : IPPROTO_UDP;
	struct native_scene s;

	native_begin(&s);
	if (_i & 2) {
		/* Or nobody of this protocol, or TCP does not want it. */
		s.a.refuses = _i & 1;
		native_listen(&s.a, NATIVE_SERVICE, IPPROTO_TCP, false);
	}
	native_connect(&s.c, NATIVE_SERVICE, protocol, 0, NULL);
	native_run(&s, 62 * SEC);
	WORLD_OK(s.w, native_state(&s.c) == SAL_SYN_SENT);
	WORLD_OK(s.w, s.n.packets == 6 && !host_flows(s.a.h));
	WORLD_OK(s.w, sal_stats(s.a.h->sal)->native == 6);
	native_run(&s, 2 * SEC);
	WORLD_OK(s.w, !host_flows(s.c.h));
	WORLD_OK(s.w, native_closed(s.w, &s.c)->reason == 0);
	WORLD_OK(s.w, native_closed(s.w, &s.c)->flow.native);
	native_finish(&s);
}
END_TEST

struct stray {
	const char *what, *answer; /* NULL: silence */
};

#define ELSE                                                                   \
	"0x7777777777777777777777777777777777777777777777777777777777777777"

static const struct stray strays[] = {
	{ "300>999 | CONTROL ACK v=5 a=6 nonce=44 | SERVICE " ELSE
	  " | UDP 0000000000080000",
	  "999>300 shl 8 | CONTROL RST v=6 a=0 nonce=0000000000000044 "
	  "| UDP" },
	{ "300>999 | CONTROL FIN v=5 a=6 nonce=44 | SERVICE " ELSE " | UDP",
	  "999>300 shl 8 | CONTROL ACK+RST v=0 a=6 "
	  "nonce=0000000000000044 | "
	  "UDP" },
	{ "300>999 | CONTROL FIN v=5 a=6 nonce=44 | "
	  "SERVICE " NATIVE_SERVICE_TEXT " | UDP",
	  "999>300 shl 8 | CONTROL ACK+RST v=0 a=6 "
	  "nonce=0000000000000044 | "
	  "UDP" },
	{ "300>0 | SERVICE " ELSE " | SERVICE 7 | UDP 0000000000080000",
	  "0>300 shl 8 | CONTROL ACK+RST v=0 a=0 "
	  "nonce=0000000000000000 | "
	  "UDP" },
	{ "300>999 | CONTROL ACK v=5 a=6 nonce=44 | "
	  "SERVICE " NATIVE_SERVICE_TEXT " | UDP 0000000000080000",
	  NULL },
	{ "300>999 | CONTROL RST v=5 a=6 nonce=44 | SERVICE " ELSE " | UDP",
	  NULL },
	{ "300>999 | UDP 0000000000080000", NULL },
	{ "300>0 | CONTROL SYN v=5 a=0 nonce=44 | SERVICE " ELSE
	  " | UDP 0000000000080000",
	  NULL },
};

START_TEST(of_no_flow)
{
	const struct stray *t = &strays[_i];
	struct native_scene s;

	native_begin(&s);
	native_listen(&s.a, NATIVE_SERVICE, IPPROTO_UDP, false);
	native_forge(&s, "10.0.0.1", s.a.h, t->what);
	ck_assert_str_eq(s.a.sent, t->answer ? t->answer : "");
	WORLD_OK(s.w, !host_flows(s.a.h) && !s.a.got);
	native_finish(&s);
}
END_TEST

START_TEST(datagrams)
{
	struct sal_datagram d = { .to = service(NATIVE_SERVICE),
				  .from = service(6),
				  .bytes = (const uint8_t *)"hello",
				  .len = 5 };
	struct native_scene s;

	native_begin(&s);
	ck_assert_int_eq(sal_native_send_datagram(s.c.h->sal, &d, 0), -ENOENT);
	native_listen(&s.c, 6, IPPROTO_UDP, true);
	native_listen(&s.a, NATIVE_SERVICE, IPPROTO_UDP, true);
	d.socket = s.c.socket;
	ck_assert_int_eq(sal_native_send_datagram(s.c.h->sal, &d, s.w->now_ns),
			 0);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.a.datagrams == 1 && !strcmp(s.a.last, "hello"));
	WORLD_OK(s.w, service_id_equal(&s.a.datagram.from, &d.from));
	/* Back to where it came from. */
	d = s.a.datagram;
	d.to = s.a.datagram.from;
	d.from = s.a.datagram.to;
	d.bytes = (const uint8_t *)"hello to you";
	d.len = 12;
	ck_assert_int_eq(sal_native_send_datagram(s.a.h->sal, &d, s.w->now_ns),
			 0);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.c.datagrams == 1 && !strcmp(s.c.last, "hello to you"));
	/* Neither opens anything; nor does a SYN reach such a socket. */
	native_connect(&s.c, NATIVE_SERVICE, IPPROTO_UDP, 0, NULL);
	native_run(&s, 10 * MSEC);
	WORLD_OK(s.w, !host_flows(s.a.h));
	d.to = service(9);
	ck_assert_int_eq(sal_native_send_datagram(s.a.h->sal, &d, s.w->now_ns),
			 0);
	d.path.remote.family = AF_UNSPEC;
	ck_assert_int_eq(sal_native_send_datagram(s.a.h->sal, &d, s.w->now_ns),
			 -ENOENT);
	native_finish(&s);
}
END_TEST

/* ---- through routers ------------------------------------------------------
 */

START_TEST(source_comes_back)
{
	struct native_scene s;

	native_begin(&s);
	native_listen(&s.a, NATIVE_SERVICE, IPPROTO_UDP, false);
	native_forge(
		&s, "10.0.7.7", s.a.h,
		"300>0 | CONTROL SYN v=5 a=0 nonce=44 | "
		"SERVICE " NATIVE_SERVICE_TEXT
		" | SOURCE 10.0.7.7,10.0.9.1,10.0.9.2 | UDP 0000000000080000");
	WORLD_OK(s.w,
		 strstr(s.a.sent,
			"| SOURCE 10.0.7.7,10.0.9.1,10.0.9.2,10.0.1.1 | UDP"));
	/* And in the repetition. */
	s.a.sent[0] = 0;
	native_run(&s, 1100 * MSEC);
	WORLD_OK(s.w, strstr(s.a.sent, "10.0.9.2,10.0.1.1 | UDP"));
	native_finish(&s);
}
END_TEST

START_TEST(the_last_of_source_is_the_peer)
{
	char text[512];
	struct native_scene s;
	uint32_t verno, id;

	native_begin(&s);
	native_connect(&s.c, NATIVE_SERVICE, IPPROTO_UDP, 0, NULL);
	id = s.c.flow;
	ck_assert_int_eq(
		sscanf(s.c.sent, "%*u>0 shl 17 | CONTROL SYN v=%u", &verno), 1);
	snprintf(text, sizeof(text),
		 "77>%u | CONTROL SYN+ACK v=9 a=%u nonce=55 | SOURCE "
		 "10.0.0.1,10.0.1.1,10.0.2.1 | UDP 0000000000080000",
		 id, verno + 1);
	/* From a third address, which is neither's. */
	native_forge(&s, "10.0.7.7", s.c.h, text);
	WORLD_OK(s.w, native_state(&s.c) == SAL_ESTABLISHED);
	WORLD_OK(s.w, host_flow(s.c.h).path.remote.bytes[2] == 2);
	native_finish(&s);
}
END_TEST

/* Rules that have no place to go to. */
START_TEST(rules_of_other_kinds)
{
	static const struct {
		enum sal_rule_kind kind;
		bool refuse;
		int result;
	} cases[] = {
		{ SAL_RULE_DROP, false, -EHOSTUNREACH },
		{ SAL_RULE_DROP, true, -ECONNREFUSED },
		{ SAL_RULE_DELAY, false, 0 }, /* passed over */
	};
	struct sal_rule r = { .id = service(NATIVE_SERVICE),
			      .bits = SERVICE_ID_BITS,
			      .kind = cases[_i].kind,
			      .refuse = cases[_i].refuse,
			      .priority = 9,
			      .weight = 1 };
	struct native_scene s;

	native_begin(&s);
	ck_assert_int_eq(sal_rule_add(s.c.h->sal, &r, s.w->now_ns), 0);
	ck_assert_int_eq(
		native_connect(&s.c, NATIVE_SERVICE, IPPROTO_UDP, 0, NULL),
		cases[_i].result);
	WORLD_OK(s.w, host_flows(s.c.h) == (cases[_i].result == 0));
	native_finish(&s);
}
END_TEST

START_TEST(what_is_asked_wrongly)
{
	struct native_scene s;
	struct sal_connect c = { .service = service(NATIVE_SERVICE),
				 .protocol = 1 };
	static uint8_t large[SAL_NATIVE_PAYLOAD_MAX + 1];
	uint32_t flow;

	native_begin(&s);
	ck_assert_int_eq(
		native_listen(&s.a, NATIVE_SERVICE, IPPROTO_ICMP, false),
		-EINVAL);
	ck_assert_int_eq(native_listen(&s.a, NATIVE_SERVICE, IPPROTO_TCP, true),
			 -EINVAL);
	ck_assert_int_eq(
		native_listen(&s.a, NATIVE_SERVICE, IPPROTO_UDP, false), 0);
	ck_assert_int_eq(
		native_listen(&s.a, NATIVE_SERVICE, IPPROTO_UDP, false),
		-EEXIST);
	for (unsigned i = 1; i < 64; i++)
		ck_assert_int_eq(native_listen(&s.a, NATIVE_SERVICE + i,
					       IPPROTO_UDP, false),
				 0);
	ck_assert_int_eq(
		native_listen(&s.a, NATIVE_SERVICE + 64, IPPROTO_UDP, false),
		-ENOSPC);
	ck_assert_int_eq(sal_native_connect(s.c.h->sal, &c, &flow, 0), -EINVAL);
	ck_assert_int_eq(native_connect(&s.c, 77, IPPROTO_UDP, 0, NULL),
			 -ENOENT);
	ck_assert_int_eq(native_connect(&s.c, 77, IPPROTO_UDP, 0, "fd00::1"),
			 -EHOSTUNREACH);
	c.protocol = IPPROTO_TCP;
	ck_assert_int_eq(sal_native_connect(s.c.h->sal, &c, &flow, 0), -EINVAL);
	WORLD_OK(s.w, !host_flows(s.c.h));
	ck_assert_int_eq(native_say(&s.c, 1234, "x"), -ENOENT);
	ck_assert_int_eq(native_close(&s.c, 1234), -ENOENT);
	ck_assert_int_eq(sal_native_abort(s.c.h->sal, 1234, 0), -ENOENT);
	s.w->tap = NULL;
	host_ping(s.c.h, "10.8.0.1", 7, 1, 56);
	/* An inner flow's number is none of theirs. */
	ck_assert_int_eq(native_close(&s.c, host_flow(s.c.h).local_id),
			 -ENOENT);
	native_finish(&s);
	native_opened(&s, IPPROTO_UDP);
	ck_assert_int_eq(sal_native_send(s.c.h->sal, s.c.flow, large,
					 sizeof(large), s.w->now_ns),
			 -EMSGSIZE);
	host_addresses(s.c.h, NULL, NULL);
	for (int i = 0; i < 100; i++)
		if (sal_native_send(s.c.h->sal, s.c.flow, large, 1400,
				    s.w->now_ns) == -ENOBUFS)
			break;
	WORLD_OK(s.w, sal_stats(s.c.h->sal)->queue_full == 1);
	native_finish(&s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: native");
	TCase *tc = tcase_create("native");

	tcase_add_test(tc, udp_from_end_to_end);
	tcase_add_test(tc, tcp_from_end_to_end);
	tcase_add_test(tc, over_ipv6);
	tcase_add_test(tc, fins_cross);
	tcase_add_loop_test(tc, an_end_aborts, 0, 2);
	tcase_add_test(tc, none_of_the_extensions);
	tcase_add_loop_test(tc, a_packet_is_lost, 0,
			    2 * sizeof(losses) / sizeof(losses[0]));
	tcase_add_test(tc, a_lost_handshake_ack_is_repaired);
	tcase_add_test(tc, closed_within_the_handshake);
	tcase_add_loop_test(tc, nobody_listens, 0, 4);
	tcase_add_loop_test(tc, of_no_flow, 0,
			    sizeof(strays) / sizeof(strays[0]));
	tcase_add_test(tc, datagrams);
	tcase_add_test(tc, source_comes_back);
	tcase_add_test(tc, the_last_of_source_is_the_peer);
	tcase_add_loop_test(tc, rules_of_other_kinds, 0, 3);
	tcase_add_test(tc, what_is_asked_wrongly);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
