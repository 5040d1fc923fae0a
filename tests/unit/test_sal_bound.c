/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much goes to an address that is not proven, and that honest peers lose
 * nothing by it. That no more than three times the bytes go that have come is
 * seen to by the world at each packet; here are those who would want more, and
 * the losses which must not leave anybody standing.
 */
#include "base/checksum.h"
#include "node/wire/sal_text.h"
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define RSYN SAL_FLAG_RSYN
#define SYNACK (SAL_FLAG_SYN | SAL_FLAG_ACK)
#define ACK SAL_FLAG_ACK
#define VICTIM "10.66.0.66"
#define IP_HEADER 20u

struct scene {
	struct world *w;
	struct host *c, *a;
	struct ip_addr victim;
	/* With the headers of IP, to the victim and in its name. */
	uint64_t hit, claimed;
	unsigned hits;
	/* Of C's flow, as read off the wire. */
	uint64_t c_nonce;
	uint32_t c_id, a_id, c_verno, a_verno, rsynack_verno;
	bool truly; /* what is forged is not */
};

static void watch(struct world *w, const struct wire_packet *p, void *arg)
{
	struct scene *s = arg;
	const struct sal_control *c;
	struct sal_packet d;

	(void)w;
	if (sal_decode(&d, p->bytes, p->len) != SAL_OK)
		return;
	c = sal_find_control(&d);
	if (ip_addr_equal(&p->path.remote, &s->victim)) {
		s->hit += IP_HEADER + p->len;
		s->hits++;
	}
	if (!c)
		return;
	if (p->from == s->c) {
		s->c_nonce = c->nonce;
		s->c_id = d.src_flow;
		s->c_verno = c->verno + (c->flags & SAL_FLAG_SYN ? 1 : 0);
	} else if (c->flags == (RSYN | ACK)) {
		s->rsynack_verno = c->verno;
	} else {
		s->a_id = d.src_flow;
		s->a_verno = c->verno + 1;
	}
}

static void begin(struct scene *s)
{
	*s = (struct scene){ .w = world_usual(3), .victim = ip(VICTIM) };
	s->c = world_c(s->w);
	s->a = world_a(s->w);
	s->w->tap = watch;
	s->w->tap_arg = s;
}

static void forge(struct scene *s, const char *from, const char *text)
{
	struct err err = ERR_INIT;
	uint8_t bytes[1024];
	int n;

	n = sal_text_parse(text, bytes, sizeof(bytes), &err);
	ck_assert_msg(n > 0, "%s: %s", text, err.msg);
	if (!strcmp(from, VICTIM))
		s->claimed += IP_HEADER + (uint64_t)n;
	(s->truly ? world_arrives : world_inject)(s->w, from, s->a, bytes,
						  (size_t)n);
}

static void forge_control(struct scene *s, const char *from, const char *flags,
			  uint32_t verno, uint32_t ackno)
{
	char text[300];

	snprintf(text, sizeof(text),
		 "%u>%u | CONTROL %s v=%u a=%u nonce=%016llx | UDP", s->c_id,
		 s->a_id, flags, verno, ackno, (unsigned long long)s->c_nonce);
	forge(s, from, text);
}

/* ---- answers to those who are not there ---------------------------------- */

/* A UDP server whose answer is long: to five bytes, as many of these. */
static unsigned answers, answer_bytes;

static void long_answer(struct host *h, const struct sal_inner *p, void *arg)
{
	static uint8_t d[2000];
	size_t len = 8 + answer_bytes;
	struct sal_inner out = { .src = p->dst,
				 .dst = p->src,
				 .protocol = IPPROTO_UDP,
				 .segment = d,
				 .len = len,
				 .ip = { .ttl = 64 } };

	(void)arg;
	if (p->protocol != IPPROTO_UDP)
		return;
	for (unsigned i = 0; i < answers; i++) {
		memset(d, (int)i, sizeof(d));
		memcpy(d, p->segment + 2, 2);
		memcpy(d + 2, p->segment, 2);
		d[4] = (uint8_t)(len >> 8);
		d[5] = (uint8_t)len;
		transport_checksum_set(IPPROTO_UDP, &out.src, &out.dst, d, len);
		host_send(h, &out);
	}
}

static void answers_are(struct scene *s, unsigned n, unsigned bytes)
{
	answers = n;
	answer_bytes = bytes;
	s->a->program = long_answer;
}

#define SYN_TEXT                                                               \
	"66>0 | CONTROL SYN v=5 a=0 nonce=77 | SERVICE "                       \
	"0x0100000000000000000000000000000000000000000000000000000000000000 "  \
	"| IDENTITY 10.9.0.9 | "

static const char *const syns[] = {
	/* UDP from 4000 to 53, "hello". */
	SYN_TEXT "UDP 0fa00035000d000068656c6c6f",
	/* A SYN of TCP, from 4000 to 80. */
	SYN_TEXT "TCP 0fa0005000000001000000005002200000000000",
	SYN_TEXT "ICMP 0800f7f600070002",
	/* Nothing on it. */
	SYN_TEXT "UDP",
};

/* A packet with a segment of 10.9.0.9's. */
static void says(struct scene *s, const char *from, const char *text)
{
	struct ip_addr client = ip("10.9.0.9"), service = ip("10.8.0.1");
	struct err err = ERR_INIT;
	struct sal_packet p;
	uint8_t bytes[512];
	int n = sal_text_parse(text, bytes, sizeof(bytes), &err);

	ck_assert_msg(n > 0, "%s: %s", text, err.msg);
	ck_assert_int_eq(sal_decode(&p, bytes, (size_t)n), SAL_OK);
	if (p.payload_len)
		transport_checksum_set(p.protocol, &client, &service,
				       bytes + (p.payload - bytes),
				       p.payload_len);
	if (!strcmp(from, VICTIM))
		s->claimed += IP_HEADER + (uint64_t)n;
	/* What the world takes for said by a program. */
	world_says(s->w, &client, &service, &p);
	world_inject(s->w, from, s->a, bytes, (size_t)n);
}

/* All that its kind of program says, as long as the flow lives; each SYN once,
 * and repeated as a client does it. */
START_TEST(a_forged_syn)
{
	struct toy_tcp server;
	struct scene s;
	bool again = _i >= 4;

	begin(&s);
	if (_i % 4 == 1)
		toy_listen(&server, s.a, "10.8.0.1", 80, 10000);
	else
		answers_are(&s, 8, 1200);
	says(&s, VICTIM, syns[_i % 4]);
	for (unsigned i = 1; again && i < 6; i++) {
		world_run_for(s.w, (SEC / 2) << i);
		says(&s, VICTIM, syns[_i % 4]);
	}
	world_run_for(s.w, 70 * SEC);
	WORLD_OK(s.w, s.hits && s.hit <= 3 * s.claimed);
	WORLD_OK(s.w, !host_flows(s.a));
	if (_i % 4 == 0)
		WORLD_OK(s.w, sal_stats(s.a->sal)->unproven_waits == 8);
	world_free(s.w);
}
END_TEST

/* The liar has read the SYN-ACK where it is, and goes on from elsewhere, be it
 * that it had a SYN come from there first. */
START_TEST(a_client_that_says_it_is_elsewhere)
{
	struct scene s;
	char text[200];

	begin(&s);
	answers_are(&s, 8, 1200);
	if (_i)
		says(&s, VICTIM, syns[0]);
	says(&s, "10.66.0.1", syns[0]);
	if (_i)
		says(&s, VICTIM, syns[0]);
	s.c_id = 66;
	s.c_nonce = 0x77;
	forge_control(&s, VICTIM, "ACK", 6, s.a_verno);
	WORLD_OK(s.w, host_flow(s.a).state == SAL_ESTABLISHED);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text),
			 "66>%u | UDP 0fa00035000d000068656c6c6f", s.a_id);
		says(&s, VICTIM, text);
		world_run_for(s.w, 10 * MSEC);
	}
	world_run_for(s.w, 20 * SEC);
	WORLD_OK(s.w, s.hits && s.hit <= 3 * s.claimed);
	world_free(s.w);
}
END_TEST

/* ---- honest clients ------------------------------------------------------ */

struct loss {
	bool by_client;
	int flags;
	unsigned n;
	int64_t at_most_ms;
};

/* The server repeats its SYN-ACK after 1 and 3 s, the client its SYN. */
static const struct loss losses[] = {
	{ true, ACK, 0, 10 },
	{ true, ACK, 1, 1010 },
	{ true, ACK, 2, 3010 },
	{ true, ACK, 3, 7010 },
	{ false, SYNACK, 1, 1010 },
	{ false, SYNACK, 2, 3010 },
	{ true, SAL_FLAG_SYN, 2, 3010 },
};
#define LOSSES (sizeof(losses) / sizeof(*losses))

/* The answer is longer than what may go at once, and the client says nothing
 * more: no later than the handshake is complete it has it all. */
START_TEST(a_long_answer)
{
	const struct loss *l = &losses[(size_t)_i % LOSSES];
	struct lose *lost;
	struct scene s;

	begin(&s);
	answers_are(&s, 5, (size_t)_i >= LOSSES ? 100 : 1200);
	/* What goes before the handshake's end may be lost with the SYN-ACK. */
	if (l->flags == SYNACK)
		answer_bytes = 1200;
	lost = world_lose(s.w, l->by_client ? s.c : s.a, l->flags, l->n);
	host_udp(s.c, NULL, "10.8.0.1", 5000, 53, "hello");
	world_run_for(s.w, l->at_most_ms * MSEC);
	WORLD_OK(s.w, lost->seen == l->n && s.c->udp_got == 5);
	WORLD_OK(s.w, host_flow(s.a).state == SAL_ESTABLISHED);
	/* Those who come once more: nothing is bound. */
	host_udp(s.c, NULL, "10.8.0.1", 5000, 53, "hello");
	world_run_for(s.w, 3 * MSEC);
	WORLD_OK(s.w, s.c->udp_got == 10);
	world_free(s.w);
}
END_TEST

/* An answer that is not much longer than the question takes one round trip. */
START_TEST(a_short_answer_waits_for_nothing)
{
	struct scene s;

	begin(&s);
	answers_are(&s, 1, 150);
	host_udp(s.c, NULL, "10.8.0.1", 5000, 53,
		 "what is it that you have in mind?");
	world_run_for(s.w, 2 * MSEC + MSEC / 2);
	WORLD_OK(s.w, s.c->udp_got == 1);
	WORLD_OK(s.w, !sal_stats(s.a->sal)->unproven_waits);
	world_free(s.w);
}
END_TEST

/* Its SYNs come from two addresses; the ACK shows less then, and is asked. */
START_TEST(a_client_that_moves_at_once)
{
	struct scene s;

	begin(&s);
	answers_are(&s, 5, 1200);
	world_lose(s.w, s.a, SYNACK, 1);
	host_udp(s.c, NULL, "10.8.0.1", 5000, 53, "hello");
	world_run_for(s.w, 10 * MSEC);
	host_addresses(s.c, "10.0.0.9", NULL);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->udp_got == 5);
	WORLD_OK(s.w, sal_stats(s.a->sal)->unproven_asked == 1);
	world_free(s.w);
}
END_TEST

/* ---- moves --------------------------------------------------------------- */

static void begin_flow(struct scene *s)
{
	begin(s);
	answers_are(s, 1, 1200);
	host_udp(s->c, NULL, "10.8.0.1", 5000, 53, "hello");
	world_run_for(s->w, 10 * MSEC);
	WORLD_OK(s->w, s->c->udp_got == 1);
}

/* What the server says of itself: 1,200 bytes. */
static void push(struct scene *s)
{
	char text[1201];

	memset(text, 'x', 1200);
	text[1200] = 0;
	host_udp(s->a, "10.8.0.1", "10.9.0.1", 53, 5000, text);
}

static void push_for(struct scene *s, unsigned seconds)
{
	for (unsigned i = 0; i < 10 * seconds; i++) {
		push(s);
		world_run_for(s->w, 100 * MSEC);
	}
}

/* A peer writes a third party's address on its RSYN, and lets it be: the
 * RSYN-ACK goes there thrice, and not for as long as the flow lives. */
START_TEST(a_claim)
{
	struct scene s;

	begin_flow(&s);
	s.w->cut = true;
	forge_control(&s, VICTIM, "RSYN", s.c_verno, s.a_verno);
	push_for(&s, 600);
	WORLD_OK(s.w, s.hits >= 3 && s.hit <= 3 * s.claimed);
	world_free(s.w);
}
END_TEST

/* It also acknowledges blindly: with what it would have seen had it moved
 * before, with the next numbers, with one that it makes up. */
START_TEST(a_claim_with_an_ack)
{
	static const uint32_t guesses[] = { 0, 1, 2, 0x12345678 };
	struct scene s;

	begin_flow(&s);
	s.w->cut = true;
	forge_control(&s, VICTIM, "RSYN", s.c_verno, s.a_verno);
	forge_control(&s, VICTIM, "ACK", s.c_verno + 1,
		      _i < 3 ? s.a_verno + guesses[_i] : guesses[_i]);
	push_for(&s, 30);
	WORLD_OK(s.w, s.hits && s.hit <= 3 * s.claimed);
	/* And one that has the number: with it, all is as after any move. */
	s.hit = 0;
	s.truly = true;
	forge_control(&s, VICTIM, "ACK", s.c_verno + 1, s.rsynack_verno + 1);
	push_for(&s, 1);
	WORLD_OK(s.w, s.hit > 10 * 1200);
	world_free(s.w);
}
END_TEST

/* One who has claimed an address once knows the number of that time. */
START_TEST(numbers_serve_once)
{
	struct scene s;
	uint32_t first;

	begin_flow(&s);
	s.w->cut = true;
	forge_control(&s, "10.66.0.1", "RSYN", s.c_verno, s.a_verno);
	first = s.rsynack_verno;
	forge_control(&s, VICTIM, "RSYN", s.c_verno + 1, s.a_verno);
	WORLD_OK(s.w, s.rsynack_verno != first);
	forge_control(&s, VICTIM, "ACK", s.c_verno + 2, first + 1);
	push_for(&s, 30);
	WORLD_OK(s.w, s.hits && s.hit <= 3 * s.claimed);
	/* Nor from elsewhere than where it went. */
	forge_control(&s, "10.66.0.1", "ACK", s.c_verno + 2,
		      s.rsynack_verno + 1);
	push_for(&s, 30);
	WORLD_OK(s.w, s.hit <= 3 * s.claimed);
	world_free(s.w);
}
END_TEST

/* Nor where the RSYN-ACK to our own RSYN came from. */
START_TEST(numbers_serve_one_address)
{
	struct scene s;
	uint32_t number;

	begin_flow(&s);
	s.w->cut = true;
	forge_control(&s, "10.66.0.1", "RSYN", s.c_verno, s.a_verno);
	number = s.rsynack_verno;
	forge_control(&s, "10.66.0.1", "ACK", s.c_verno + 1, number + 1);
	host_addresses(s.a, "10.0.1.9", NULL);
	forge_control(&s, VICTIM, "RSYN+ACK", 1, s.a_verno);
	WORLD_OK(s.w, host_flow(s.a).state == SAL_ESTABLISHED);
	forge_control(&s, VICTIM, "ACK", s.c_verno + 1, number + 1);
	push_for(&s, 1);
	WORLD_OK(s.w, s.hits && s.hit <= 3 * s.claimed);
	world_free(s.w);
}
END_TEST

/* The same while the flow closes: a FIN is no barrier for segments. */
START_TEST(a_claim_while_closing)
{
	struct toy_tcp client, server;
	struct scene s;

	begin(&s);
	toy_listen(&server, s.a, "10.8.0.1", 80, 100000);
	toy_connect(&client, s.c, "10.8.0.1", 4000, 80, 1000);
	world_run_for(s.w, 15 * MSEC);
	s.w->cut = true;
	forge_control(&s, "10.0.0.1", "FIN", s.c_verno, s.a_verno);
	forge_control(&s, VICTIM, "RSYN", s.c_verno + 1, s.a_verno);
	world_run_for(s.w, 60 * SEC);
	WORLD_OK(s.w, s.hits && s.hit <= 3 * s.claimed);
	world_free(s.w);
}
END_TEST

/* Data from elsewhere brings questions there; of so many bytes. */
START_TEST(data_from_elsewhere)
{
	struct scene s;
	char text[100];

	begin_flow(&s);
	s.w->cut = true;
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "%u>%u | UDP", s.c_id, s.a_id);
		forge(&s, VICTIM, text);
		world_run_for(s.w, 3 * SEC);
		WORLD_OK(s.w, s.hits && s.hit <= 3 * s.claimed);
	}
	world_free(s.w);
}
END_TEST

/* The client moves, is sure of it, and has nothing to say; its ACKs are lost.
 * The server may repeat its RSYN-ACK twice only; it goes on all the same. */
START_TEST(lost_acks)
{
	struct lose *lost;
	struct scene s;
	unsigned got;

	begin_flow(&s);
	lost = world_lose(s.w, s.c, ACK, (unsigned)_i);
	host_addresses(s.c, "10.0.0.9", NULL);
	world_run_for(s.w, 5 * MSEC);
	for (unsigned i = 0; i < 5; i++)
		push(&s);
	world_run_for(s.w, _i < 3 ? 700 * MSEC : (int64_t)_i * SEC);
	WORLD_OK(s.w, lost->seen == (unsigned)_i);
	WORLD_OK(s.w, host_flow(s.a).state == SAL_ESTABLISHED);
	got = s.c->udp_got;
	WORLD_OK(s.w, got == 6);
	WORLD_OK(s.w, sal_stats(s.a->sal)->unproven_shown >= 2);
	world_free(s.w);
}
END_TEST

/* And so, if what the server repeats never gets there. */
START_TEST(lost_rsynacks)
{
	struct scene s;

	begin_flow(&s);
	world_lose(s.w, s.c, ACK, 1);
	host_addresses(s.c, "10.0.0.9", NULL);
	world_run_for(s.w, 5 * MSEC);
	world_lose(s.w, s.a, RSYN | ACK, (unsigned)_i);
	push(&s);
	world_run_for(s.w, 5 * SEC);
	WORLD_OK(s.w, host_flow(s.a).state == SAL_ESTABLISHED);
	WORLD_OK(s.w, s.c->udp_got == 2);
	world_free(s.w);
}
END_TEST

/* A move takes one round trip, as ever, and then data goes without a bound; who
 * asks whether the ACK has come asks once. */
START_TEST(a_move_as_ever)
{
	struct scene s;

	begin_flow(&s);
	host_addresses(s.c, "10.0.0.9", NULL);
	for (unsigned i = 0; i < 20; i++)
		push(&s);
	world_run_for(s.w, 4 * MSEC + 1);
	WORLD_OK(s.w, s.c->udp_got >= 1);
	world_run_for(s.w, 2 * SEC);
	push(&s);
	world_run_for(s.w, 2 * MSEC);
	WORLD_OK(s.w, s.c->udp_got == 2);
	WORLD_OK(s.w, !sal_stats(s.a->sal)->unproven_asked);
	WORLD_OK(s.w, sal_stats(s.c->sal)->challenges_sent <= 1);
	world_free(s.w);
}
END_TEST

/* Another ACK than the one to the RSYN-ACK completes the move: a list, which
 * has no number. The peer is asked, and data goes a round trip later. */
START_TEST(a_list_is_no_proof)
{
	struct scene s;

	begin_flow(&s);
	host_addresses(s.c, "10.0.0.9", "10.0.0.10");
	world_lose(s.w, s.c, ACK, 1);
	world_run_for(s.w, 2 * MSEC);
	push(&s);
	world_run_for(s.w, 20 * MSEC);
	WORLD_OK(s.w, s.c->udp_got == 2);
	WORLD_OK(s.w, sal_stats(s.a->sal)->unproven_asked == 1);
	world_free(s.w);
}
END_TEST

/* So it is where no answer comes for so long that there is no room for another
 * question: who has moved asks, though the list has come, and data. */
START_TEST(a_list_and_no_answer)
{
	struct lose *lost;
	struct scene s;

	begin_flow(&s);
	host_addresses(s.c, "10.0.0.9", "10.0.0.10");
	world_lose(s.w, s.c, ACK, 1);
	lost = world_lose(s.w, s.c, LOSE_CHALLENGES, 1000);
	world_run_for(s.w, 20 * MSEC);
	for (int i = 0; i < 100; i++) {
		if (_i)
			host_udp(s.a, "10.8.0.1", "10.9.0.1", 53, 5000, "so");
		world_run_for(s.w, SEC);
	}
	WORLD_OK(s.w, host_flow(s.a).state == SAL_ESTABLISHED);
	s.c->udp_got = 0;
	lost->n = 0;
	world_run_for(s.w, 5 * SEC);
	push(&s);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->udp_got >= 1);
	world_free(s.w);
}
END_TEST

/* The instance moves, its ACK does not get through, and nothing of it comes any
 * more: a client that may say nothing there looks for another. */
START_TEST(a_client_without_room)
{
	struct scene s;

	begin(&s);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	host_addresses(s.a, "10.0.1.9", "10.0.1.10");
	world_lose(s.w, s.a, ACK, 1);
	world_lose(s.w, s.a, LOSE_CHALLENGES, 1000);
	world_run_for(s.w, 20 * MSEC);
	WORLD_OK(s.w, host_flow(s.c).state == SAL_ESTABLISHED);
	host_serve(world_b(s.w), 1);
	host_forward(s.c, 1, "10.0.2.1");
	host_addresses(s.a, NULL, NULL);
	world_run_for(s.w, 30 * SEC);
	WORLD_OK(s.w, sal_stats(s.c->sal)->unproven_asked > 1);
	for (unsigned i = 0; i < 15; i++) {
		host_ping(s.c, "10.8.0.1", 7, (uint16_t)(2 + i), 1000);
		world_run_for(s.w, SEC);
	}
	WORLD_OK(s.w, s.c->last_reply_seq == 16);
	world_free(s.w);
}
END_TEST

/* Both move, know where the other is, and nothing gets anywhere for so long
 * that all bounds are used up. */
START_TEST(both_move_and_nothing_arrives)
{
	struct scene s;

	begin_flow(&s);
	host_addresses(s.c, "10.0.0.9", "10.0.0.1");
	host_addresses(s.a, "10.0.1.9", "10.0.1.1");
	world_run_for(s.w, 2 * MSEC - 1);
	s.w->cut = _i != 0;
	world_run_for(s.w, _i * 5 * SEC);
	s.w->cut = false;
	world_run_for(s.w, 21 * SEC);
	WORLD_OK(s.w, host_flow(s.c).state == SAL_ESTABLISHED);
	WORLD_OK(s.w, host_flow(s.a).state == SAL_ESTABLISHED);
	push(&s);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->udp_got == 2);
	world_free(s.w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: bound");
	TCase *tc = tcase_create("bound");

	tcase_add_loop_test(tc, a_forged_syn, 0, 8);
	tcase_add_loop_test(tc, a_client_that_says_it_is_elsewhere, 0, 2);
	tcase_add_loop_test(tc, a_long_answer, 0, 2 * LOSSES);
	tcase_add_test(tc, a_short_answer_waits_for_nothing);
	tcase_add_test(tc, a_client_that_moves_at_once);
	tcase_add_test(tc, a_claim);
	tcase_add_loop_test(tc, a_claim_with_an_ack, 0, 4);
	tcase_add_test(tc, numbers_serve_once);
	tcase_add_test(tc, numbers_serve_one_address);
	tcase_add_test(tc, a_claim_while_closing);
	tcase_add_test(tc, data_from_elsewhere);
	tcase_add_loop_test(tc, lost_acks, 0, 9);
	tcase_add_loop_test(tc, lost_rsynacks, 0, 6);
	tcase_add_test(tc, a_move_as_ever);
	tcase_add_test(tc, a_list_is_no_proof);
	tcase_add_loop_test(tc, a_list_and_no_answer, 0, 2);
	tcase_add_test(tc, a_client_without_room);
	tcase_add_loop_test(tc, both_move_and_nothing_arrives, 0, 4);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
