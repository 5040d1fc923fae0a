/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As test_sal_bound.c, of flows that are open, whose ends move or say that they
 * do. */
#include "tests/support/run_suite.h"
#include "tests/support/sal_bound_lab.h"
#include "tests/support/toy_tcp.h"

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
	Suite *s = suite_create("sal: bound, moves");
	TCase *tc = tcase_create("bound");

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
