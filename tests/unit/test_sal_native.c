/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Native flows: sockets that speak SAL themselves, and the old stack's ways. */
#include "tests/support/native_end.h"

#include <errno.h>
#include <stdlib.h>

#define SYN SAL_FLAG_SYN
#define SYNACK (SAL_FLAG_SYN | SAL_FLAG_ACK)
#define ACK SAL_FLAG_ACK
#define FIN SAL_FLAG_FIN
#define RSYN SAL_FLAG_RSYN
#define RSYNACK (SAL_FLAG_RSYN | SAL_FLAG_ACK)

#define N 5 /* the service */

struct scene {
	struct world *w;
	struct native_world n;
	struct native_end c, a;
	uint32_t server; /* the flow at a */
};

static void begin(struct scene *s)
{
	*s = (struct scene){ .w = world_usual(1) };
	native_open(&s->c, world_c(s->w));
	native_open(&s->a, world_a(s->w));
	s->n.end[0] = &s->c;
	s->n.end[1] = &s->a;
	s->w->tap = native_watch;
	s->w->tap_arg = &s->n;
	host_forward(s->c.h, N, "10.0.1.1");
}

static void run(struct scene *s, int64_t ns)
{
	world_run_for(s->w, ns);
}

static bool both(struct scene *s, enum sal_state state)
{
	return native_state(&s->c) == state && native_state(&s->a) == state;
}

/* A conversation over the protocol, open at both ends. */
static void opened(struct scene *s, uint8_t protocol)
{
	begin(s);
	ck_assert_int_eq(native_listen(&s->a, N, protocol, false), 0);
	ck_assert_int_eq(native_connect(&s->c, N, protocol, 0, NULL), 0);
	run(s, 10 * MSEC);
	WORLD_OK(s->w, both(s, SAL_ESTABLISHED));
	s->server = host_flow(s->a.h).local_id;
}

static void finish(struct scene *s)
{
	world_free(s->w);
}

static void forge(struct scene *s, const char *from, struct host *to,
		  const char *text)
{
	struct err err = ERR_INIT;
	uint8_t bytes[512];
	int n = sal_text_parse(text, bytes, sizeof(bytes), &err);

	ck_assert_msg(n > 0, "%s: %s", text, err.msg);
	world_inject(s->w, from, to, bytes, (size_t)n);
}

static int close_flow(struct native_end *e, uint32_t flow)
{
	return sal_native_close(e->h->sal, flow, e->h->world->now_ns);
}

/* ---- a life ------------------------------------------------------------- */

START_TEST(udp_from_end_to_end)
{
	struct scene s;
	struct sal_flow_info f;

	opened(&s, IPPROTO_UDP);
	WORLD_OK(s.w, s.n.packets == 3);
	f = host_flow(s.c.h);
	WORLD_OK(s.w, f.native && f.client && f.remote_id == s.server);
	WORLD_OK(s.w, world_events(s.w, s.a.h, SAL_EVENT_FLOW_OPENED) == 1);
	ck_assert_int_eq(native_say(&s.c, s.c.flow, "question"), 0);
	ck_assert_int_eq(native_say(&s.c, s.c.flow, ""), 0);
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.a.got == 2 && !*s.a.last);
	ck_assert_int_eq(native_say(&s.a, s.server, "answer"), 0);
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.c.got == 1 && !strcmp(s.c.last, "answer"));
	/* It lives as long as its sockets want it to. */
	run(&s, 24 * 3600 * SEC);
	WORLD_OK(s.w, both(&s, SAL_ESTABLISHED) && s.n.packets == 6);
	ck_assert_int_eq(close_flow(&s.c, s.c.flow), 0);
	ck_assert_int_eq(close_flow(&s.c, s.c.flow), 0);
	ck_assert_int_eq(native_say(&s.c, s.c.flow, "late"), -EPIPE);
	run(&s, 3600 * SEC);
	WORLD_OK(s.w, s.a.ends == 1 && native_state(&s.a) == SAL_CLOSE_WAIT);
	WORLD_OK(s.w, !host_flows(s.c.h)); /* 60 s of FIN_WAIT */
	finish(&s);
	opened(&s, IPPROTO_UDP);
	close_flow(&s.c, s.c.flow);
	run(&s, SEC);
	native_say(&s.a, s.server, "one last thing");
	close_flow(&s.a, s.server);
	run(&s, SEC);
	WORLD_OK(s.w, both(&s, SAL_TIME_WAIT) && s.c.ends == 1);
	WORLD_OK(s.w, !strcmp(s.c.last, "one last thing"));
	WORLD_OK(s.w, s.n.packets == 8);
	run(&s, 61 * SEC);
	WORLD_OK(s.w, !host_flows(s.c.h) && !host_flows(s.a.h));
	finish(&s);
}
END_TEST

START_TEST(tcp_from_end_to_end)
{
	struct scene s;
	uint8_t segment[SAL_NATIVE_SEGMENT_MAX];

	opened(&s, IPPROTO_TCP);
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
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.a.got == 2 && s.a.last[13] == 0x18);
	/* Each direction alone, and segments go through behind a FIN. */
	close_flow(&s.c, s.c.flow);
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.a.ends == 1 && native_state(&s.a) == SAL_CLOSE_WAIT);
	sal_native_send(s.c.h->sal, s.c.flow, segment, 20, s.w->now_ns);
	sal_native_send(s.a.h->sal, s.server, segment, 20, s.w->now_ns);
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.a.got == 3 && s.c.got == 1);
	close_flow(&s.a, s.server);
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, both(&s, SAL_TIME_WAIT));
	finish(&s);
}
END_TEST

START_TEST(fins_cross)
{
	struct scene s;

	opened(&s, IPPROTO_UDP);
	close_flow(&s.c, s.c.flow);
	close_flow(&s.a, s.server);
	run(&s, 10 * MSEC);
	WORLD_OK(s.w,
		 both(&s, SAL_TIME_WAIT) && s.c.ends == 1 && s.a.ends == 1);
	WORLD_OK(s.w, s.n.packets == 3 + 4);
	finish(&s);
}
END_TEST

START_TEST(an_end_aborts)
{
	struct native_end *who, *other;
	struct scene s;

	opened(&s, IPPROTO_UDP);
	who = _i & 1 ? &s.a : &s.c;
	other = _i & 1 ? &s.c : &s.a;
	ck_assert_int_eq(sal_native_abort(who->h->sal,
					  _i & 1 ? s.server : s.c.flow,
					  s.w->now_ns),
			 0);
	WORLD_OK(s.w, strstr(who->sent, "CONTROL ACK+RST v="));
	WORLD_OK(s.w, !host_flows(who->h));
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, !host_flows(other->h) && native_closed(s.w, other));
	WORLD_OK(s.w, !other->ends);
	finish(&s);
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
	struct scene s;

	begin(&s);
	world_lose(s.w, l->by_client ? s.c.h : s.a.h, l->flags, l->n);
	native_listen(&s.a, N, protocol, false);
	native_connect(&s.c, N, protocol, 0, NULL);
	run(&s, 40 * SEC);
	WORLD_OK(s.w, both(&s, SAL_ESTABLISHED));
	s.server = host_flow(s.a.h).local_id;
	close_flow(&s.c, s.c.flow);
	run(&s, 20 * SEC);
	WORLD_OK(s.w, s.a.ends == 1);
	close_flow(&s.a, s.server);
	run(&s, 20 * SEC);
	WORLD_OK(s.w, both(&s, SAL_TIME_WAIT) && s.c.ends == 1);
	run(&s, 61 * SEC);
	WORLD_OK(s.w, !host_flows(s.c.h) && !host_flows(s.a.h));
	finish(&s);
}
END_TEST

/* The old stack's connection would be dead: the server drops the data, and
 * nobody repeats anything. */
START_TEST(a_lost_handshake_ack_is_repaired)
{
	struct scene s;

	begin(&s);
	world_lose(s.w, s.c.h, ACK, 1);
	native_listen(&s.a, N, IPPROTO_UDP, false);
	native_connect(&s.c, N, IPPROTO_UDP, 0, NULL);
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, native_state(&s.a) == SAL_SYN_RCVD);
	s.server = host_flow(s.a.h).local_id;
	native_say(&s.c, s.c.flow, "early");
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.a.got == 1 && native_state(&s.a) == SAL_SYN_RCVD);
	/* Its own waits for the handshake's end. */
	ck_assert_int_eq(native_say(&s.a, s.server, "waits"), 0);
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, !s.c.got);
	run(&s, SEC);
	WORLD_OK(s.w, both(&s, SAL_ESTABLISHED) && s.c.got == 1);
	finish(&s);
}
END_TEST

START_TEST(closed_within_the_handshake)
{
	struct scene s;

	begin(&s);
	world_lose(s.w, s.c.h, ACK, 1);
	native_listen(&s.a, N, IPPROTO_UDP, false);
	native_connect(&s.c, N, IPPROTO_UDP, 0, NULL);
	run(&s, 10 * MSEC);
	s.server = host_flow(s.a.h).local_id;
	native_say(&s.a, s.server, "hello");
	close_flow(&s.a, s.server);
	run(&s, 2 * SEC);
	WORLD_OK(s.w, s.c.got == 1 && s.c.ends == 1);
	WORLD_OK(s.w, native_state(&s.a) == SAL_FIN_WAIT);
	/* A client's just ends. */
	begin(&s);
	native_connect(&s.c, N, IPPROTO_UDP, 0, NULL);
	ck_assert_int_eq(native_say(&s.c, s.c.flow, "hello"), -ENOTCONN);
	close_flow(&s.c, s.c.flow);
	WORLD_OK(s.w, !host_flows(s.c.h));
	finish(&s);
}
END_TEST

/* ---- nobody there ---------------------------------------------------------
 */

START_TEST(nobody_listens)
{
	uint8_t protocol = _i & 1 ? IPPROTO_TCP : IPPROTO_UDP;
	struct scene s;

	begin(&s);
	if (_i & 2) {
		/* Or nobody of this protocol, or TCP does not want it. */
		s.a.refuses = _i & 1;
		native_listen(&s.a, N, IPPROTO_TCP, false);
	}
	native_connect(&s.c, N, protocol, 0, NULL);
	run(&s, 62 * SEC);
	WORLD_OK(s.w, native_state(&s.c) == SAL_SYN_SENT);
	WORLD_OK(s.w, s.n.packets == 6 && !host_flows(s.a.h));
	WORLD_OK(s.w, sal_stats(s.a.h->sal)->native == 6);
	run(&s, 2 * SEC);
	WORLD_OK(s.w, !host_flows(s.c.h));
	WORLD_OK(s.w, native_closed(s.w, &s.c)->reason == 0);
	WORLD_OK(s.w, native_closed(s.w, &s.c)->flow.native);
	finish(&s);
}
END_TEST

struct stray {
	const char *what, *answer; /* NULL: silence */
};

#define ELSE                                                                   \
	"0x7777777777777777777777777777777777777777777777777777777777777777"
#define HERE                                                                   \
	"0x0500000000000000000000000000000000000000000000000000000000000000"

static const struct stray strays[] = {
	{ "300>999 | CONTROL ACK v=5 a=6 nonce=44 | SERVICE " ELSE
	  " | UDP 0000000000080000",
	  "999>300 shl 8 | CONTROL RST v=6 a=0 nonce=0000000000000044 | UDP" },
	{ "300>999 | CONTROL FIN v=5 a=6 nonce=44 | SERVICE " ELSE " | UDP",
	  "999>300 shl 8 | CONTROL ACK+RST v=0 a=6 nonce=0000000000000044 | "
	  "UDP" },
	{ "300>999 | CONTROL FIN v=5 a=6 nonce=44 | SERVICE " HERE " | UDP",
	  "999>300 shl 8 | CONTROL ACK+RST v=0 a=6 nonce=0000000000000044 | "
	  "UDP" },
	{ "300>0 | SERVICE " ELSE " | SERVICE 7 | UDP 0000000000080000",
	  "0>300 shl 8 | CONTROL ACK+RST v=0 a=0 nonce=0000000000000000 | "
	  "UDP" },
	{ "300>999 | CONTROL ACK v=5 a=6 nonce=44 | SERVICE " HERE
	  " | UDP 0000000000080000",
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
	struct scene s;

	begin(&s);
	native_listen(&s.a, N, IPPROTO_UDP, false);
	forge(&s, "10.0.0.1", s.a.h, t->what);
	ck_assert_str_eq(s.a.sent, t->answer ? t->answer : "");
	WORLD_OK(s.w, !host_flows(s.a.h) && !s.a.got);
	finish(&s);
}
END_TEST

START_TEST(datagrams)
{
	struct sal_datagram d = { .to = service(N),
				  .from = service(6),
				  .bytes = (const uint8_t *)"hello",
				  .len = 5 };
	struct scene s;

	begin(&s);
	ck_assert_int_eq(sal_native_send_datagram(s.c.h->sal, &d, 0), -ENOENT);
	native_listen(&s.c, 6, IPPROTO_UDP, true);
	native_listen(&s.a, N, IPPROTO_UDP, true);
	d.socket = s.c.socket;
	ck_assert_int_eq(sal_native_send_datagram(s.c.h->sal, &d, s.w->now_ns),
			 0);
	run(&s, 10 * MSEC);
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
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, s.c.datagrams == 1 && !strcmp(s.c.last, "hello to you"));
	/* Neither opens anything; nor does a SYN reach such a socket. */
	native_connect(&s.c, N, IPPROTO_UDP, 0, NULL);
	run(&s, 10 * MSEC);
	WORLD_OK(s.w, !host_flows(s.a.h));
	d.to = service(9);
	ck_assert_int_eq(sal_native_send_datagram(s.a.h->sal, &d, s.w->now_ns),
			 0);
	d.path.remote.family = AF_UNSPEC;
	ck_assert_int_eq(sal_native_send_datagram(s.a.h->sal, &d, s.w->now_ns),
			 -ENOENT);
	finish(&s);
}
END_TEST

/* ---- through routers ------------------------------------------------------
 */

START_TEST(source_comes_back)
{
	struct scene s;

	begin(&s);
	native_listen(&s.a, N, IPPROTO_UDP, false);
	forge(&s, "10.0.7.7", s.a.h,
	      "300>0 | CONTROL SYN v=5 a=0 nonce=44 | SERVICE " HERE
	      " | SOURCE 10.0.7.7,10.0.9.1,10.0.9.2 | UDP 0000000000080000");
	WORLD_OK(s.w,
		 strstr(s.a.sent,
			"| SOURCE 10.0.7.7,10.0.9.1,10.0.9.2,10.0.1.1 | UDP"));
	/* And in the repetition. */
	s.a.sent[0] = 0;
	run(&s, 1100 * MSEC);
	WORLD_OK(s.w, strstr(s.a.sent, "10.0.9.2,10.0.1.1 | UDP"));
	finish(&s);
}
END_TEST

START_TEST(the_last_of_source_is_the_peer)
{
	char text[512];
	struct scene s;
	uint32_t verno, id;

	begin(&s);
	native_connect(&s.c, N, IPPROTO_UDP, 0, NULL);
	id = s.c.flow;
	ck_assert_int_eq(
		sscanf(s.c.sent, "%*u>0 shl 17 | CONTROL SYN v=%u", &verno), 1);
	snprintf(text, sizeof(text),
		 "77>%u | CONTROL SYN+ACK v=9 a=%u nonce=55 | SOURCE "
		 "10.0.0.1,10.0.1.1,10.0.2.1 | UDP 0000000000080000",
		 id, verno + 1);
	/* From a third address, which is neither's. */
	forge(&s, "10.0.7.7", s.c.h, text);
	WORLD_OK(s.w, native_state(&s.c) == SAL_ESTABLISHED);
	WORLD_OK(s.w, host_flow(s.c.h).path.remote.bytes[2] == 2);
	finish(&s);
}
END_TEST

/* ---- moves ----------------------------------------------------------------
 */

START_TEST(an_end_moves)
{
	uint8_t protocol = _i & 1 ? IPPROTO_TCP : IPPROTO_UDP;
	bool client = _i & 2, server = _i & 4, gap = _i & 8;
	struct scene s;
	uint8_t segment[SAL_NATIVE_SEGMENT_MAX];
	unsigned before;

	opened(&s, protocol);
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
		run(&s, 3 * SEC);
	}
	if (client && server) {
		/* Each speaks to where the other was, and no name leads out of
		 * it: the old stack has none. */
		WORLD_OK(s.w, native_state(&s.c) == SAL_RSYN_SENT);
		host_addresses(s.a.h, "10.0.1.1", NULL);
		run(&s, 20 * SEC);
	}
	WORLD_OK(s.w, both(&s, SAL_ESTABLISHED));
	WORLD_OK(s.w, s.a.got == before + (client && gap));
	sal_native_send(s.c.h->sal, s.c.flow, segment, 20, s.w->now_ns);
	run(&s, SEC);
	WORLD_OK(s.w, s.a.got == before + 1 + (client && gap));
	before = s.c.got;
	sal_native_send(s.a.h->sal, s.server, segment, 20, s.w->now_ns);
	run(&s, SEC);
	WORLD_OK(s.w, s.c.got == before + 1);
	finish(&s);
}
END_TEST

/* With the old address there, UDP goes on between the old addresses until the
 * new one is proved; TCP waits. */
START_TEST(make_before_break)
{
	bool tcp = _i & 1, client = _i & 2;
	struct scene s;
	struct native_end *mover;
	uint8_t segment[SAL_NATIVE_SEGMENT_MAX];
	struct sal_flow_info seen;
	struct ip_addr to;
	unsigned before;

	opened(&s, tcp ? IPPROTO_TCP : IPPROTO_UDP);
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
	run(&s, 100 * MSEC);
	WORLD_OK(s.w, native_state(mover) == SAL_RSYN_SENT);
	WORLD_OK(s.w, s.a.got + s.c.got == before + (tcp ? 1 : 2));
	run(&s, SEC);
	WORLD_OK(s.w, both(&s, SAL_ESTABLISHED));
	WORLD_OK(s.w, s.a.got + s.c.got == before + 2);
	seen = host_flow(mover->h);
	WORLD_OK(s.w, ip_addr_equal(&seen.path.local, &to));
	/* And the old one is let go of. */
	host_addresses(mover->h, client ? "10.0.0.2" : "10.0.1.2", NULL);
	sal_native_send(s.c.h->sal, s.c.flow, segment, 20, s.w->now_ns);
	sal_native_send(s.a.h->sal, s.server, segment, 20, s.w->now_ns);
	run(&s, SEC);
	WORLD_OK(s.w, s.a.got + s.c.got == before + 4);
	to = ip("10.0.9.9");
	ck_assert_int_eq(
		sal_native_migrate(s.c.h->sal, s.c.flow, &to, s.w->now_ns),
		-EADDRNOTAVAIL);
	finish(&s);
}
END_TEST

/* The old stack's FIN rides on the RSYN that it has not had answered. */
START_TEST(a_fin_on_an_rsyn)
{
	char text[256];
	struct scene s;
	struct sal_flow_info f;
	uint32_t verno, ackno;
	uint64_t nonce;
	unsigned shl;

	opened(&s, IPPROTO_UDP);
	ck_assert_int_eq(sscanf(s.c.sent,
				"%*u>%*u shl %u | CONTROL ACK v=%u a=%u "
				"nonce=%lx",
				&shl, &verno, &ackno, &nonce),
			 4);
	f = host_flow(s.a.h);
	snprintf(text, sizeof(text),
		 "%u>%u | CONTROL RSYN+FIN v=%u a=%u nonce=%lx | UDP",
		 f.remote_id, f.local_id, verno, ackno, nonce);
	forge(&s, "10.0.0.1", s.a.h, text);
	WORLD_OK(s.w, s.a.ends == 1);
	WORLD_OK(s.w, native_state(&s.a) == SAL_RSYN_RCVD);
	forge(&s, "10.0.0.1", s.a.h, text);
	WORLD_OK(s.w, s.a.ends == 1);
	finish(&s);
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
	struct scene s;
	struct sal_flow_info before, after;
	unsigned packets;

	opened(&s, IPPROTO_UDP);
	before = host_flow(s.a.h);
	packets = s.n.packets;
	for (int from = 0; from < 2; from++) {
		snprintf(text, sizeof(text),
			 "%u>%u | CONTROL %s v=5 a=6 nonce=1234 | UDP",
			 before.remote_id, before.local_id, forged[_i]);
		forge(&s, from ? "10.0.0.1" : "10.0.7.7", s.a.h, text);
	}
	run(&s, 10 * SEC);
	after = host_flow(s.a.h);
	WORLD_OK(s.w, after.state == SAL_ESTABLISHED && !s.a.ends);
	WORLD_OK(s.w, ip_addr_equal(&before.path.remote, &after.path.remote));
	WORLD_OK(s.w, sal_stats(s.a.h->sal)->bad_nonce == 2);
	WORLD_OK(s.w, s.n.packets == packets); /* no challenge either */
	finish(&s);
}
END_TEST

START_TEST(strange_data)
{
	char text[256];
	struct scene s;
	struct sal_flow_info f;

	opened(&s, IPPROTO_UDP);
	f = host_flow(s.a.h);
	snprintf(text, sizeof(text), "%u>%u | UDP 0000000000080000",
		 f.remote_id, f.local_id);
	forge(&s, "10.0.7.7", s.a.h, text);
	WORLD_OK(s.w, sal_stats(s.a.h->sal)->native_stray == 1);
	snprintf(text, sizeof(text), "%u>%u | UDP 0000000000080000",
		 f.remote_id + 1, f.local_id);
	forge(&s, "10.0.0.1", s.a.h, text);
	WORLD_OK(s.w, sal_stats(s.a.h->sal)->unknown_flow == 1);
	/* A wrong checksum, a wrong length, another protocol. */
	snprintf(text, sizeof(text), "%u>%u | UDP 0000000000081234",
		 f.remote_id, f.local_id);
	forge(&s, "10.0.0.1", s.a.h, text);
	snprintf(text, sizeof(text), "%u>%u | UDP 0000000000090000",
		 f.remote_id, f.local_id);
	forge(&s, "10.0.0.1", s.a.h, text);
	snprintf(text, sizeof(text), "%u>%u | ICMP 0800f7ff00000000",
		 f.remote_id, f.local_id);
	forge(&s, "10.0.0.1", s.a.h, text);
	WORLD_OK(s.w, sal_stats(s.a.h->sal)->malformed == 3);
	snprintf(text, sizeof(text), "%u>%u | CHALLENGE ask 77 | UDP",
		 f.remote_id, f.local_id);
	forge(&s, "10.0.0.1", s.a.h, text);
	WORLD_OK(s.w, !s.a.got && s.n.packets == 3);
	finish(&s);
}
END_TEST

START_TEST(half_open_flows_are_bounded)
{
	struct scene s;
	char text[256];

	begin(&s);
	native_listen(&s.a, N, IPPROTO_UDP, false);
	/* 64 flows at most, and 256 half open. */
	for (unsigned i = 1; i <= 300; i++) {
		snprintf(text, sizeof(text),
			 "%u>0 | CONTROL SYN v=5 a=0 nonce=%x | SERVICE " HERE
			 " | UDP 0000000000080000",
			 i, i);
		forge(&s, "10.0.7.7", s.a.h, text);
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
	finish(&s);
}
END_TEST

/* What rules and services do to inner flows is none of its business. */
START_TEST(rules_come_and_go)
{
	struct scene s;

	opened(&s, IPPROTO_UDP);
	host_serve(s.a.h, N);
	host_unserve(s.a.h, N);
	host_forward(s.c.h, N, "10.0.2.1");
	host_unforward(s.c.h, N, "10.0.1.1");
	run(&s, 10 * SEC);
	WORLD_OK(s.w, both(&s, SAL_ESTABLISHED));
	native_say(&s.c, s.c.flow, "still here");
	run(&s, SEC);
	WORLD_OK(s.w, s.a.got == 1);
	/* Nor is an open flow its listener's. */
	sal_native_unlisten(s.a.h->sal, s.a.socket, s.w->now_ns);
	native_say(&s.c, s.c.flow, "here");
	run(&s, SEC);
	WORLD_OK(s.w, s.a.got == 2);
	finish(&s);
}
END_TEST

START_TEST(what_is_asked_wrongly)
{
	struct scene s;
	struct sal_connect c = { .service = service(N), .protocol = 1 };
	static uint8_t large[SAL_NATIVE_PAYLOAD_MAX + 1];
	uint32_t flow;

	begin(&s);
	ck_assert_int_eq(native_listen(&s.a, N, IPPROTO_ICMP, false), -EINVAL);
	ck_assert_int_eq(native_listen(&s.a, N, IPPROTO_TCP, true), -EINVAL);
	ck_assert_int_eq(native_listen(&s.a, N, IPPROTO_UDP, false), 0);
	ck_assert_int_eq(native_listen(&s.a, N, IPPROTO_UDP, false), -EEXIST);
	for (unsigned i = 1; i < 64; i++)
		ck_assert_int_eq(native_listen(&s.a, N + i, IPPROTO_UDP, false),
				 0);
	ck_assert_int_eq(native_listen(&s.a, N + 64, IPPROTO_UDP, false),
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
	ck_assert_int_eq(close_flow(&s.c, 1234), -ENOENT);
	ck_assert_int_eq(sal_native_abort(s.c.h->sal, 1234, 0), -ENOENT);
	s.w->tap = NULL;
	host_ping(s.c.h, "10.8.0.1", 7, 1, 56);
	/* An inner flow's number is none of theirs. */
	ck_assert_int_eq(close_flow(&s.c, host_flow(s.c.h).local_id), -ENOENT);
	finish(&s);
	opened(&s, IPPROTO_UDP);
	ck_assert_int_eq(sal_native_send(s.c.h->sal, s.c.flow, large,
					 sizeof(large), s.w->now_ns),
			 -EMSGSIZE);
	host_addresses(s.c.h, NULL, NULL);
	for (int i = 0; i < 100; i++)
		if (sal_native_send(s.c.h->sal, s.c.flow, large, 1400,
				    s.w->now_ns) == -ENOBUFS)
			break;
	WORLD_OK(s.w, sal_stats(s.c.h->sal)->queue_full == 1);
	finish(&s);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: native");
	TCase *tc = tcase_create("native");

	tcase_add_test(tc, udp_from_end_to_end);
	tcase_add_test(tc, tcp_from_end_to_end);
	tcase_add_test(tc, fins_cross);
	tcase_add_loop_test(tc, an_end_aborts, 0, 2);
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
	tcase_add_loop_test(tc, an_end_moves, 2, 16);
	tcase_add_loop_test(tc, make_before_break, 0, 4);
	tcase_add_test(tc, a_fin_on_an_rsyn);
	tcase_add_loop_test(tc, a_wrong_nonce_does_nothing, 0, FORGED);
	tcase_add_test(tc, strange_data);
	tcase_add_test(tc, half_open_flows_are_bounded);
	tcase_add_test(tc, rules_come_and_go);
	tcase_add_test(tc, what_is_asked_wrongly);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
