/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much goes to an address that is not proven, and that honest peers lose
 * nothing by it. That no more than three times the bytes go that have come is
 * seen to by the world at each packet; here are those who would want more, and
 * the losses which must not leave anybody standing. Here while a flow is
 * opened; test_sal_bound_moves.c: by moves.
 */
#include "tests/support/run_suite.h"
#include "tests/support/sal_bound_lab.h"
#include "tests/support/toy_tcp.h"

/* ---- answers to those who are not there ---------------------------------- */

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

static Suite *suite(void)
{
	Suite *s = suite_create("sal: bound");
	TCase *tc = tcase_create("bound");

	tcase_add_loop_test(tc, a_forged_syn, 0, 8);
	tcase_add_loop_test(tc, a_client_that_says_it_is_elsewhere, 0, 2);
	tcase_add_loop_test(tc, a_long_answer, 0, 2 * LOSSES);
	tcase_add_test(tc, a_short_answer_waits_for_nothing);
	tcase_add_test(tc, a_client_that_moves_at_once);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
