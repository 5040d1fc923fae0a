/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Standby addresses that are proven before they are needed, and what a move to
 * one does not wait for then. */
#include "node/wire/sal_text.h"
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define RSYN SAL_FLAG_RSYN
#define ACK SAL_FLAG_ACK
#define RTT_NS (2 * MSEC)

/* A stream both ways, between a client with two addresses and a server. */
struct scene {
	struct world *w;
	struct host *c, *a;
	struct toy_tcp client, server;
	/* Of C's flow, as read off the wire. */
	uint64_t c_nonce;
	uint32_t c_verno, a_verno;
	/* Seen on the wire. */
	struct ip_addr at; /* data that A sends here is counted: */
	unsigned data_there, asked_there, asked;
	int64_t first_asked_ns, first_data_ns, last_data_ns, first_ack_ns;
	unsigned most_in_a_second, in_this_second;
	int64_t this_second;
	/* What goes from or to there is lost, if it is a challenge. */
	struct ip_addr deaf;
};

static void count_asked(struct scene *s)
{
	int64_t second = s->w->now_ns / SEC;

	if (second != s->this_second)
		s->in_this_second = 0;
	s->this_second = second;
	s->in_this_second++;
	if (s->in_this_second > s->most_in_a_second)
		s->most_in_a_second = s->in_this_second;
	s->asked++;
}

static void watch(struct world *w, const struct wire_packet *p, void *arg)
{
	struct scene *s = arg;
	const struct sal_control *c;
	const struct sal_ext *question;
	struct sal_packet d;
	bool there = ip_addr_equal(&p->path.remote, &s->at);

	if (sal_decode(&d, p->bytes, p->len) != SAL_OK)
		return;
	c = sal_find_control(&d);
	question = sal_find(&d, SAL_EXT_CHALLENGE, 0);
	if (c && p->from == s->c) {
		s->c_nonce = c->nonce;
		s->c_verno = c->verno + (c->flags & SAL_FLAG_SYN ? 1 : 0);
		if (c->flags == ACK && !s->first_ack_ns)
			s->first_ack_ns = w->now_ns;
	} else if (c && p->from == s->a) {
		s->a_verno = c->verno + (c->flags & SAL_FLAG_SYN ? 1 : 0);
	}
	if (p->from != s->a)
		return;
	if (question && question->challenge.kind == SAL_CHALLENGE_ASK) {
		count_asked(s);
		s->asked_there += there;
		if (there && !s->first_asked_ns)
			s->first_asked_ns = w->now_ns;
	}
	if (!d.n && there) {
		if (!s->data_there++)
			s->first_data_ns = w->now_ns;
		s->last_data_ns = w->now_ns;
	}
}

/* Questions to a place get there, or none does. */
static bool passes(struct world *w, struct sal_path *path, void *arg)
{
	struct scene *s = arg;

	(void)w;
	return !ip_addr_size(&s->deaf) ||
	       !ip_addr_equal(&path->remote, &s->deaf);
}

static void begin(struct scene *s, const char *second)
{
	*s = (struct scene){ .w = world_usual(5) };
	s->c = world_c(s->w);
	s->a = world_a(s->w);
	s->w->tap = watch;
	s->w->tap_arg = s;
	s->w->middle = passes;
	s->w->middle_arg = s;
	s->at = ip(second);
	host_addresses(s->c, "10.0.0.1", second);
	toy_listen(&s->server, s->a, "10.8.0.1", 80, 4000000);
	toy_connect(&s->client, s->c, "10.8.0.1", 4000, 80, 4000000);
}

static void finish(struct scene *s)
{
	s->client.total = s->client.next - s->client.iss + 100000;
	s->server.total = s->server.next - s->server.iss + 100000;
	toy_finish(&s->client, &s->server, 60 * SEC);
	WORLD_OK(s->w, !s->client.wrong_byte && !s->server.wrong_byte);
	world_free(s->w);
}

static bool proven(const struct host *h)
{
	return sal_stats(h->sal)->proofs_had > 0;
}

/* The other address, once, soon after the list; not the one in use. */
START_TEST(a_standby_address_is_asked)
{
	struct scene s;

	begin(&s, "10.0.0.2");
	world_run_for(s.w, 50 * MSEC);
	WORLD_OK(s.w, s.asked == 1 && s.asked_there == 1 && proven(s.a));
	WORLD_OK(s.w, !sal_stats(s.c->sal)->proofs_asked);
	WORLD_OK(s.w, !sal_stats(s.a->sal)->challenges_failed);
	/* As long as the flow is used, every 30 s. */
	world_run_for(s.w, SEC);
	WORLD_OK(s.w, s.asked == 1);
	finish(&s);
}
END_TEST

/* The client's address is gone. Its RSYN is half a round trip under way, and so
 * is what the server sends then: nothing waits for anything else. */
START_TEST(a_move_takes_one_round_trip)
{
	struct scene s;
	uint64_t resent;
	int64_t moved_ns;

	begin(&s, "10.0.0.2");
	world_run_for(s.w, 50 * MSEC);
	s.first_ack_ns = 0;
	moved_ns = s.w->now_ns;
	host_addresses(s.c, "10.0.0.2", NULL);
	resent = sal_stats(s.c->sal)->resent;
	WORLD_OK(s.w, resent);
	world_run_for(s.w, RTT_NS);
	WORLD_OK(s.w, sal_stats(s.a->sal)->early == 1);
	WORLD_OK(s.w, sal_stats(s.c->sal)->early == 1);
	WORLD_OK(s.w, s.first_data_ns == moved_ns + RTT_NS / 2);
	WORLD_OK(s.w, s.first_ack_ns == moved_ns + RTT_NS);
	world_run_for(s.w, RTT_NS);
	WORLD_OK(s.w, host_flow(s.c).state == SAL_ESTABLISHED);
	WORLD_OK(s.w, host_flow(s.a).state == SAL_ESTABLISHED);
	/* Once. */
	WORLD_OK(s.w, sal_stats(s.c->sal)->resent == resent);
	finish(&s);
}
END_TEST

/* No answer from there, or none that is right: data waits for the ACK. */
START_TEST(an_address_that_did_not_answer)
{
	struct scene s;
	int64_t moved_ns;

	begin(&s, "10.0.0.2");
	s.deaf = ip("10.0.0.2");
	world_run_for(s.w, 50 * MSEC);
	WORLD_OK(s.w, s.asked_there == 1 && !proven(s.a));
	s.deaf = (struct ip_addr){ 0 };
	moved_ns = s.w->now_ns;
	host_addresses(s.c, "10.0.0.2", NULL);
	world_run_for(s.w, 5 * RTT_NS);
	WORLD_OK(s.w, !sal_stats(s.a->sal)->early);
	WORLD_OK(s.w, !sal_stats(s.c->sal)->early);
	WORLD_OK(s.w, s.first_data_ns == moved_ns + 3 * RTT_NS / 2);
	finish(&s);
}
END_TEST

/* An address that was not told before. */
START_TEST(an_address_that_is_new)
{
	struct scene s;
	int64_t moved_ns;

	begin(&s, "10.0.0.2");
	world_run_for(s.w, 50 * MSEC);
	s.at = ip("10.0.0.7");
	moved_ns = s.w->now_ns;
	host_addresses(s.c, "10.0.0.7", NULL);
	world_run_for(s.w, 5 * RTT_NS);
	WORLD_OK(s.w, !sal_stats(s.a->sal)->early);
	WORLD_OK(s.w, s.first_data_ns == moved_ns + 3 * RTT_NS / 2);
	finish(&s);
}
END_TEST

/* The RSYN is lost, or the RSYN-ACK, or the ACK, or each with what follows: the
 * stream is whole in any case. */
START_TEST(a_move_that_is_lost_in_part)
{
	static const int lost[] = { RSYN, RSYN | ACK, ACK };
	struct scene s;

	begin(&s, "10.0.0.2");
	world_run_for(s.w, 50 * MSEC);
	world_lose(s.w, _i % 3 == 1 ? s.a : s.c, lost[_i % 3], 1);
	if (_i >= 3) {
		world_lose(s.w, s.c, LOSE_DATA, 20);
		world_lose(s.w, s.a, LOSE_DATA, 20);
	}
	host_addresses(s.c, "10.0.0.2", NULL);
	world_run_for(s.w, SEC);
	WORLD_OK(s.w, host_flow(s.c).state == SAL_ESTABLISHED);
	WORLD_OK(s.w, host_flow(s.a).state == SAL_ESTABLISHED);
	finish(&s);
}
END_TEST

/* What follows a lost RSYN gets there: the address is the peer's. And it is
 * asked there at once, so that the server goes on long before the RSYN comes
 * again. */
START_TEST(data_behind_a_lost_rsyn)
{
	struct scene s;
	uint32_t before;

	begin(&s, "10.0.0.2");
	world_run_for(s.w, 50 * MSEC);
	world_lose(s.w, s.c, RSYN, 1);
	host_addresses(s.c, "10.0.0.2", NULL);
	before = s.server.got;
	world_run_for(s.w, 3 * RTT_NS);
	WORLD_OK(s.w, s.server.got > before && s.data_there);
	finish(&s);
}
END_TEST

/* Each proof is good for one move; it is made anew by then. */
START_TEST(to_and_fro)
{
	struct sal_policy back = { .go_back = true };
	struct scene s;

	begin(&s, "10.0.0.2");
	sal_set_policy(s.c->sal, &back, s.w->now_ns);
	world_run_for(s.w, 50 * MSEC);
	for (unsigned i = 1; i <= 6; i++) {
		host_addresses(s.c, i & 1 ? "10.0.0.2" : "10.0.0.1",
			       i & 1 ? "10.0.0.1" : "10.0.0.2");
		world_run_for(s.w, 300 * MSEC);
		WORLD_OK(s.w, host_flow(s.c).state == SAL_ESTABLISHED);
		WORLD_OK(s.w, sal_stats(s.a->sal)->early == i);
	}
	finish(&s);
}
END_TEST

/* Nobody uses the flow: it is not asked about, and after a minute it is as
 * before. One question, when it was new, is all. */
START_TEST(a_flow_that_is_idle)
{
	struct scene s;

	begin(&s, "10.0.0.2");
	s.client.total = s.server.total = 5000;
	world_run_for(s.w, 59 * SEC);
	WORLD_OK(s.w, s.asked == 1);
	if (_i)
		world_run_for(s.w, 2 * SEC);
	host_addresses(s.c, "10.0.0.2", NULL);
	world_run_for(s.w, 5 * RTT_NS);
	WORLD_OK(s.w, s.asked == 1);
	WORLD_OK(s.w, sal_stats(s.a->sal)->early == (_i ? 0 : 1));
	finish(&s);
}
END_TEST

static void many(struct sal_config *c)
{
	c->max_flows = 1024;
	c->max_half_open = 1024;
	c->queue_bytes = 1u << 20;
}

/* A thousand flows that begin at once, as after a move: 500 questions a second.
 */
START_TEST(flows_are_asked_about_in_turn)
{
	struct scene s = { 0 };

	world_adjust = many;
	s.w = world_usual(7);
	world_adjust = NULL;
	s.c = world_c(s.w);
	s.a = world_a(s.w);
	s.w->tap = watch;
	s.w->tap_arg = &s;
	host_addresses(s.c, "10.0.0.1", "10.0.0.2");
	for (unsigned i = 0; i < 1000; i++)
		host_ping(s.c, "10.8.0.1", (uint16_t)i, 1, 40);
	world_run_for(s.w, 5 * SEC);
	WORLD_OK(s.w, s.asked == 1000 && s.most_in_a_second <= 501);
	WORLD_OK(s.w, sal_stats(s.a->sal)->proofs_had == 1000);
	WORLD_OK(s.w, !sal_stats(s.a->sal)->challenges_failed);
	world_free(s.w);
}
END_TEST

/* ---- those who want more than is theirs ---------------------------------- */

static void forge(struct scene *s, const char *from, const char *extensions)
{
	struct sal_flow_info f = host_flow(s->c);
	struct err err = ERR_INIT;
	uint8_t bytes[512];
	char text[512];
	int n;

	snprintf(text, sizeof(text), "%u>%u | %s | TCP", f.local_id,
		 f.remote_id, extensions);
	n = sal_text_parse(text, bytes, sizeof(bytes), &err);
	ck_assert_msg(n > 0, "%s: %s", text, err.msg);
	world_inject(s->w, from, s->a, bytes, (size_t)n);
}

static void forge_control(struct scene *s, const char *from, const char *flags,
			  uint32_t verno, const char *more)
{
	char text[400];

	snprintf(text, sizeof(text), "CONTROL %s v=%u a=%u nonce=%016llx%s%s",
		 flags, verno, s->a_verno, (unsigned long long)s->c_nonce,
		 more[0] ? " | " : "", more);
	forge(s, from, text);
}

/* Off the path: answers to questions that he has not seen, by the thousand. */
START_TEST(guessed_answers)
{
	struct scene s;
	char text[64];

	begin(&s, "10.0.0.2");
	s.deaf = ip("10.0.0.2");
	world_run_for(s.w, 50 * MSEC);
	WORLD_OK(s.w, s.asked_there == 1);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "CHALLENGE answer %08x%08x",
			 world_random(s.w, UINT32_MAX),
			 world_random(s.w, UINT32_MAX));
		forge(&s, "10.0.0.2", text);
	}
	WORLD_OK(s.w, !proven(s.a));
	s.deaf = (struct ip_addr){ 0 };
	finish(&s);
}
END_TEST

/* The right answer, as C gives it, but from elsewhere; or for another flow: C's
 * answers have the nonces of that. Here: what C has answered comes again later.
 */
struct answer {
	struct scene *s;
	uint8_t bytes[128];
	size_t len;
};

static void keep_answer(struct world *w, const struct wire_packet *p, void *arg)
{
	struct answer *k = arg;
	struct sal_packet d;
	const struct sal_ext *e;

	watch(w, p, k->s);
	if (sal_decode(&d, p->bytes, p->len) != SAL_OK || p->from != k->s->c)
		return;
	e = sal_find(&d, SAL_EXT_CHALLENGE, 0);
	if (!e || e->challenge.kind != SAL_CHALLENGE_ANSWER || k->len)
		return;
	memcpy(k->bytes, p->bytes, p->len);
	k->len = p->len;
}

START_TEST(an_answer_from_elsewhere)
{
	struct scene s;
	struct answer k = { .s = &s };

	begin(&s, "10.0.0.2");
	s.w->tap = keep_answer;
	s.w->tap_arg = &k;
	world_lose(s.w, s.c, LOSE_CHALLENGES, 1000);
	world_run_for(s.w, 50 * MSEC);
	WORLD_OK(s.w, k.len && s.asked_there == 1);
	world_inject(s.w, "10.0.0.3", s.a, k.bytes, k.len);
	world_inject(s.w, "10.0.0.1", s.a, k.bytes, k.len);
	WORLD_OK(s.w, !proven(s.a));
	world_inject(s.w, "10.0.0.2", s.a, k.bytes, k.len);
	WORLD_OK(s.w, proven(s.a) && sal_stats(s.a->sal)->proofs_had == 1);
	/* It answers one question. */
	world_inject(s.w, "10.0.0.2", s.a, k.bytes, k.len);
	WORLD_OK(s.w, sal_stats(s.a->sal)->proofs_had == 1);
	s.w->tap = NULL;
	finish(&s);
}
END_TEST

/*
 * He sits on the path, and so knows the nonces. The client had proven 10.0.0.2
 * and has lost it: with its newest list the proof is gone, and an RSYN from
 * there gets no data there.
 */
START_TEST(an_address_that_was_lost)
{
	struct scene s;

	begin(&s, "10.0.0.2");
	world_run_for(s.w, 50 * MSEC);
	WORLD_OK(s.w, proven(s.a));
	host_addresses(s.c, "10.0.0.1", NULL);
	world_run_for(s.w, 50 * MSEC);
	forge_control(&s, "10.0.0.2", "RSYN", s.c_verno, "");
	WORLD_OK(s.w, host_flow(s.a).state == SAL_RSYN_RCVD);
	world_run_for(s.w, 2 * SEC);
	WORLD_OK(s.w, !s.data_there && !sal_stats(s.a->sal)->early);
	world_free(s.w);
}
END_TEST

/* Another takes its place on the list, and does not answer: what the one has
 * shown is not the other's. */
START_TEST(an_address_in_its_place)
{
	struct scene s;

	begin(&s, "10.0.0.2");
	world_run_for(s.w, 50 * MSEC);
	WORLD_OK(s.w, proven(s.a));
	s.deaf = ip("10.0.0.3");
	s.at = s.deaf;
	host_addresses(s.c, "10.0.0.1", "10.0.0.3");
	world_run_for(s.w, 50 * MSEC);
	s.w->cut = true;
	forge_control(&s, "10.0.0.3", "RSYN", s.c_verno, "");
	WORLD_OK(s.w, host_flow(s.a).state == SAL_RSYN_RCVD);
	world_run_for(s.w, 2 * SEC);
	WORLD_OK(s.w, !s.data_there && !sal_stats(s.a->sal)->early);
	world_free(s.w);
}
END_TEST

/*
 * The same before the client's list has come: data goes there until the
 * RSYN-ACK has had no answer for 200 ms, and never again; not for the same RSYN
 * once more, an older one, or the next.
 */
START_TEST(a_proof_serves_once)
{
	struct scene s;
	unsigned there;

	begin(&s, "10.0.0.2");
	world_run_for(s.w, 50 * MSEC);
	WORLD_OK(s.w, proven(s.a));
	s.w->cut = true;
	forge_control(&s, "10.0.0.2", "RSYN", s.c_verno, "");
	WORLD_OK(s.w, sal_stats(s.a->sal)->early == 1 && s.data_there);
	world_run_for(s.w, 10 * SEC);
	WORLD_OK(s.w, s.last_data_ns - s.first_data_ns <= 200 * MSEC);
	there = s.data_there;
	forge_control(&s, "10.0.0.2", "RSYN", s.c_verno, "");
	forge_control(&s, "10.0.0.2", "RSYN", s.c_verno - 1, "");
	forge_control(&s, "10.0.0.2", "RSYN", s.c_verno + 1, "");
	world_run_for(s.w, 10 * SEC);
	WORLD_OK(s.w, s.data_there == there);
	WORLD_OK(s.w, sal_stats(s.a->sal)->early == 1);
	world_free(s.w);
}
END_TEST

/* The client's own RSYN, again from where it came, after it has gone on: no
 * data goes back there. */
START_TEST(an_rsyn_again)
{
	struct scene s;
	uint32_t verno;
	unsigned there;

	begin(&s, "10.0.0.2");
	world_run_for(s.w, 50 * MSEC);
	verno = s.c_verno;
	host_addresses(s.c, "10.0.0.2", "10.0.0.3");
	world_run_for(s.w, 300 * MSEC);
	WORLD_OK(s.w, sal_stats(s.a->sal)->early == 1);
	host_addresses(s.c, "10.0.0.3", "10.0.0.4");
	world_run_for(s.w, 300 * MSEC);
	WORLD_OK(s.w, sal_stats(s.a->sal)->early == 2);
	there = s.data_there;
	forge_control(&s, "10.0.0.2", "RSYN", verno, "");
	forge_control(&s, "10.0.0.2", "RSYN", verno + 1, "");
	world_run_for(s.w, 300 * MSEC);
	WORLD_OK(s.w, s.data_there == there);
	WORLD_OK(s.w, sal_stats(s.a->sal)->early == 2);
	finish(&s);
}
END_TEST

/*
 * A peer tells of addresses that are not its own, and of others with each list,
 * to have us ask there: in a minute no more than about as many questions as it
 * takes to double 200 ms up to that, whatever it tells.
 */
START_TEST(a_liar)
{
	struct scene s;
	char list[128];

	begin(&s, "10.0.0.2");
	s.deaf = ip("10.0.0.2");
	world_run_for(s.w, 50 * MSEC);
	for (unsigned i = 0; i < 600; i++) {
		snprintf(list, sizeof(list),
			 "ADDRESS v=%u a=0 198.51.%u.1,198.51.%u.2,198.51.%u.3,"
			 "198.51.%u.4",
			 0x40000000u + i, i & 255, i & 255, i & 255, i & 255);
		forge_control(&s, "10.0.0.1", "ACK", s.c_verno, list);
		world_run_for(s.w, 100 * MSEC);
	}
	WORLD_OK(s.w, s.asked >= 3 && s.asked <= 12);
	world_free(s.w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: prove");
	TCase *tc = tcase_create("prove");

	tcase_add_test(tc, a_standby_address_is_asked);
	tcase_add_test(tc, a_move_takes_one_round_trip);
	tcase_add_test(tc, an_address_that_did_not_answer);
	tcase_add_test(tc, an_address_that_is_new);
	tcase_add_loop_test(tc, a_move_that_is_lost_in_part, 0, 6);
	tcase_add_test(tc, data_behind_a_lost_rsyn);
	tcase_add_test(tc, to_and_fro);
	tcase_add_loop_test(tc, a_flow_that_is_idle, 0, 2);
	tcase_add_test(tc, flows_are_asked_about_in_turn);
	tcase_add_test(tc, guessed_answers);
	tcase_add_test(tc, an_answer_from_elsewhere);
	tcase_add_test(tc, an_address_that_was_lost);
	tcase_add_test(tc, an_address_in_its_place);
	tcase_add_test(tc, a_proof_serves_once);
	tcase_add_test(tc, an_rsyn_again);
	tcase_add_test(tc, a_liar);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
