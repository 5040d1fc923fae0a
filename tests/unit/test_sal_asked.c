/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whoever claims a conversation makes its owner be asked whether it has the
 * flow: while the handshake is under way, while both ends move, when the owner
 * is gone. */
#include "tests/support/sal_world.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <string.h>

/* A SYN by a stranger for C's conversation with A. */
static void claim(struct world *w, struct host *c, struct host *a)
{
	struct ip_addr service_addr = ip("10.8.0.1");
	struct service_id id = service(1);
	struct sal_packet p;
	uint8_t bytes[256];
	int n;

	sal_packet_init(&p, 4711, 0, IPPROTO_ICMP);
	sal_add_control(&p, SAL_FLAG_SYN, 1, 0, 3);
	sal_add_service(&p, &id);
	sal_add_identity(&p, &c->inner4);
	n = sal_encode(&p, bytes, sizeof(bytes));
	ck_assert_int_gt(n, 0);
	memcpy(bytes + n, "\10\0\367\367\0\7\0\1", 8);
	p.payload = bytes + n;
	p.payload_len = 8;
	world_says(w, &c->inner4, &service_addr, &p);
	world_inject(w, "10.0.66.1", a, bytes, (size_t)n + 8);
}

/* A stranger makes A ask C, which has not had A's answer yet, whether it has
 * the flow: by a reset, or by a SYN of his own for the same conversation. */
START_TEST(asked_before_the_synack)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct sal_flow_info cf, af;
	struct sal_packet p;
	uint8_t bytes[64];
	int n;

	world_lose(w, a, SAL_FLAG_SYN | SAL_FLAG_ACK, 1);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 300 * MSEC);
	cf = host_flow(c);
	af = host_flow(a);
	WORLD_OK(w, cf.state == SAL_SYN_SENT && af.state == SAL_SYN_RCVD);
	if (_i == 0) {
		sal_packet_init(&p, cf.local_id, af.local_id, IPPROTO_ICMP);
		sal_add_control(&p, SAL_FLAG_RST, 1, 2, 3);
		sal_add_reason(&p, SAL_REASON_UNKNOWN_FLOW);
		n = sal_encode(&p, bytes, sizeof(bytes));
		ck_assert_int_gt(n, 0);
		world_inject(w, "10.0.66.1", a, bytes, (size_t)n);
	} else {
		claim(w, c, a);
	}
	WORLD_OK(w, sal_stats(a->sal)->challenges_sent == 1);
	world_run_for(w, 10 * SEC);
	/* The request was delivered once, and its flow is still the same. */
	WORLD_OK(w, a->requests == 1);
	WORLD_OK(w, host_flow(a).local_id == af.local_id);
	WORLD_OK(w, host_flow(a).state == SAL_ESTABLISHED);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	WORLD_OK(w, sal_stats(a->sal)->challenges_sent == 1);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->last_reply_seq == 2);
	world_free(w);
}
END_TEST

/* Whoever asks, be it a thousand times a second. */
START_TEST(asked_for_the_syn_too_often)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct sal_packet p;
	uint64_t before;
	uint8_t bytes[64];
	int n;

	world_lose(w, a, SAL_FLAG_SYN | SAL_FLAG_ACK, 1);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 300 * MSEC);
	before = sal_stats(c->sal)->retransmissions;
	sal_packet_init(&p, 4711, host_flow(c).local_id, 0);
	sal_add_challenge(&p, SAL_CHALLENGE_ASK, 1);
	n = sal_encode(&p, bytes, sizeof(bytes));
	ck_assert_int_gt(n, 0);
	for (int i = 0; i < 150; i++) {
		world_inject(w, "10.0.66.1", c, bytes, (size_t)n);
		world_run_for(w, MSEC);
	}
	WORLD_OK(w, sal_stats(c->sal)->retransmissions == before + 1);
	world_free(w);
}
END_TEST

struct kept {
	uint8_t bytes[256];
	size_t len;
};

static void keep_syn(struct world *w, const struct wire_packet *p, void *arg)
{
	struct kept *k = arg;

	(void)w;
	if (k->len || p->len > sizeof(k->bytes))
		return;
	memcpy(k->bytes, p->bytes, p->len);
	k->len = p->len;
}

/* The SYN from where the client was comes last, the instance's address goes and
 * comes back, and only then comes the ACK, from where the client is. */
START_TEST(both_move_in_the_handshake)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct kept syn = { .len = 0 };

	w->tap = keep_syn;
	w->tap_arg = &syn;
	world_lose(w, c, SAL_FLAG_SYN, 1);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	host_addresses(c, "10.0.0.9", NULL);
	world_run_for(w, MSEC + MSEC / 2);
	WORLD_OK(w, host_flow(a).state == SAL_SYN_RCVD && syn.len);
	world_inject(w, "10.0.0.1", a, syn.bytes, syn.len);
	host_addresses(a, NULL, NULL);
	host_addresses(a, "10.0.1.1", NULL);
	WORLD_OK(w, host_flow(a).state == SAL_RSYN_SENT);
	world_run_for(w, 500 * MSEC);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	WORLD_OK(w, host_flow(a).state == SAL_ESTABLISHED);
	world_free(w);
}
END_TEST

static uint32_t open_and_wait(struct world *w, struct host *c, struct host *a)
{
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * SEC);
	WORLD_OK(w, host_flow(a).state == SAL_ESTABLISHED);
	return host_flow(a).local_id;
}

/* The owner is on its way while it is asked, and has no answer for where it
 * was: its RSYN says that it is there. */
START_TEST(the_owner_moves_meanwhile)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint32_t id = open_and_wait(w, c, a);

	claim(w, c, a);
	host_addresses(c, "10.0.0.9", NULL);
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, host_flow(a).local_id == id);
	WORLD_OK(w, host_flow(a).state == SAL_ESTABLISHED);
	world_free(w);
}
END_TEST

/* Its silence is found out by itself, but does nothing: the next who claims the
 * tuple gets it at once. */
START_TEST(the_owner_is_gone)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint32_t id = open_and_wait(w, c, a);
	uint64_t asked;

	host_addresses(c, NULL, NULL);
	claim(w, c, a);
	world_run_for(w, _i ? 3500 * MSEC : 20 * SEC);
	asked = sal_stats(a->sal)->challenges_sent;
	WORLD_OK(w, host_flow(a).local_id == id);
	claim(w, c, a);
	/* But not before it has been silent for long enough. */
	WORLD_OK(w, (host_flow(a).local_id == id) == (_i == 1));
	WORLD_OK(w, sal_stats(a->sal)->challenges_sent == asked);
	world_free(w);
}
END_TEST

/* ... if that is not long ago. */
START_TEST(the_owner_was_silent_once)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint32_t id = open_and_wait(w, c, a);

	w->cut = true;
	claim(w, c, a);
	world_run_for(w, 40 * SEC);
	w->cut = false;
	claim(w, c, a);
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, host_flow(a).local_id == id);
	WORLD_OK(w, host_flow(a).state == SAL_ESTABLISHED);
	world_free(w);
}
END_TEST

/* Nor if it has come back since. */
START_TEST(the_owner_comes_back)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint32_t id = open_and_wait(w, c, a);

	host_addresses(c, NULL, NULL);
	claim(w, c, a);
	world_run_for(w, 4 * SEC);
	host_addresses(c, "10.0.0.1", NULL);
	world_run_for(w, 10 * MSEC);
	claim(w, c, a);
	WORLD_OK(w, host_flow(a).local_id == id);
	world_free(w);
}
END_TEST

/* Who has no address hears nothing, and that is not the owner's silence. */
START_TEST(nobody_can_be_heard)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint32_t id = open_and_wait(w, c, a);
	struct lose *answers;

	claim(w, c, a);
	host_addresses(a, NULL, NULL);
	world_run_for(w, 5 * SEC);
	answers = world_lose(w, c, SAL_FLAG_RSYN | SAL_FLAG_ACK, 100);
	world_lose(w, c, LOSE_CHALLENGES, 100);
	host_addresses(a, "10.0.1.1", NULL);
	world_run_for(w, 1200 * MSEC);
	WORLD_OK(w, host_flow(a).state == SAL_RSYN_SENT);
	claim(w, c, a);
	answers->n = 0;
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, host_flow(a).local_id == id);
	WORLD_OK(w, host_flow(a).state == SAL_ESTABLISHED);
	world_free(w);
}
END_TEST

/* Nor when the tuple is claimed during the move, as long as that is not for
 * ever. */
START_TEST(claimed_while_nobody_can_be_heard)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint32_t id = open_and_wait(w, c, a);

	w->cut = true;
	host_addresses(a, "10.0.1.9", NULL);
	claim(w, c, a);
	world_run_for(w, 9 * SEC);
	claim(w, c, a);
	WORLD_OK(w, host_flow(a).local_id == id);
	world_run_for(w, 2 * SEC);
	claim(w, c, a);
	WORLD_OK(w, host_flow(a).local_id != id);
	world_free(w);
}
END_TEST

/* Not even that of one who never was confirmed: what rode on its SYN would be
 * taken once more. */
START_TEST(nobody_can_be_heard_in_the_handshake)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint32_t id;

	world_lose(w, a, SAL_FLAG_SYN | SAL_FLAG_ACK, 1);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 300 * MSEC);
	id = host_flow(a).local_id;
	world_lose(w, c, SAL_FLAG_SYN, 1);
	claim(w, c, a);
	host_addresses(a, NULL, NULL);
	world_run_for(w, 2 * SEC);
	host_addresses(a, "10.0.1.1", NULL);
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, host_flow(a).local_id == id);
	WORLD_OK(w, host_flow(a).state == SAL_ESTABLISHED);
	WORLD_OK(w, a->requests == 1);
	world_free(w);
}
END_TEST

/* What C has sent from its other address comes late, and A asks there. When C
 * loses that one it has nothing to tell but its list. */
START_TEST(the_peer_is_thought_elsewhere)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct ip_addr other = ip("10.0.0.10");
	struct sal_flow_info f;
	struct sal_packet p;
	uint8_t bytes[64];
	int n;

	open_and_wait(w, c, a);
	f = host_flow(c);
	host_addresses(c, "10.0.0.9", "10.0.0.10");
	world_run_for(w, 5 * MSEC);
	sal_packet_init(&p, f.local_id, f.remote_id, 0);
	sal_add_challenge(&p, SAL_CHALLENGE_ASK, 1);
	n = sal_encode(&p, bytes, sizeof(bytes));
	ck_assert_int_gt(n, 0);
	world_inject(w, "10.0.0.10", a, bytes, (size_t)n);
	world_run_for(w, 50 * MSEC);
	f = host_flow(a);
	WORLD_OK(w, ip_addr_equal(&f.path.remote, &other));
	host_addresses(c, "10.0.0.9", NULL);
	world_run_for(w, SEC);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->last_reply_seq == 2);
	world_free(w);
}
END_TEST

/* Its answers come when it was thought to be silent; the second is 4 s away,
 * and answers what it was first asked when it has been asked again. */
START_TEST(the_owner_is_far_away)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint32_t id = open_and_wait(w, c, a);

	w->weather.delay_ns = _i ? 2000 * MSEC : 400 * MSEC;
	claim(w, c, a);
	world_run_for(w, 5 * SEC);
	claim(w, c, a);
	WORLD_OK(w, host_flow(a).local_id == id);
	WORLD_OK(w, host_flow(a).state == SAL_ESTABLISHED);
	WORLD_OK(w, !sal_stats(a->sal)->challenges_failed);
	world_free(w);
}
END_TEST

/* What it has said late once is no answer to the next question. */
START_TEST(the_far_owner_is_gone)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint32_t id = open_and_wait(w, c, a);

	w->weather.delay_ns = 400 * MSEC;
	claim(w, c, a);
	world_run_for(w, 5 * SEC);
	w->cut = true;
	claim(w, c, a);
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, host_flow(a).local_id == id);
	claim(w, c, a);
	WORLD_OK(w, host_flow(a).local_id != id);
	world_free(w);
}
END_TEST

/* The client's ACK is still on its way when somebody claims its conversation.
 */
START_TEST(the_client_is_far_away)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint32_t id;

	w->weather.delay_ns = 400 * MSEC;
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 401 * MSEC);
	id = host_flow(a).local_id;
	claim(w, c, a);
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, host_flow(a).local_id == id);
	WORLD_OK(w, c->last_reply_seq == 1 && a->requests == 1);
	world_free(w);
}
END_TEST

/* It has had no answer, and says its SYN again, which comes when nobody asks.
 */
START_TEST(the_client_is_far_away_and_unheard)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct lose *answers, *syns;
	uint32_t id;

	w->weather.delay_ns = 400 * MSEC;
	answers = world_lose(w, a, SAL_FLAG_SYN | SAL_FLAG_ACK, 100);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 401 * MSEC);
	id = host_flow(a).local_id;
	claim(w, c, a);
	world_run_for(w, 900 * MSEC);
	syns = world_lose(w, c, SAL_FLAG_SYN, 100);
	world_run_for(w, 2000 * MSEC);
	answers->n = syns->n = 0;
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, host_flow(a).local_id == id && a->requests == 1);
	WORLD_OK(w, host_flow(c).remote_id == id);
	world_free(w);
}
END_TEST

/* It is its silence that ends the flow of one who never was confirmed. If
 * he comes again, what rides on his SYN has been delivered. */
START_TEST(a_rider_is_delivered_once)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct lose *syns;

	world_lose(w, a, SAL_FLAG_SYN | SAL_FLAG_ACK, 2);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	syns = world_lose(w, c, SAL_FLAG_SYN, 100);
	claim(w, c, a);
	world_run_for(w, 2800 * MSEC);
	WORLD_OK(w, !host_flows(a) && syns->seen > 2);
	syns->n = 0;
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	WORLD_OK(w, a->requests == 1);
	world_free(w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sal: asked");
	TCase *tc = tcase_create("asked");

	tcase_add_loop_test(tc, asked_before_the_synack, 0, 2);
	tcase_add_test(tc, asked_for_the_syn_too_often);
	tcase_add_test(tc, both_move_in_the_handshake);
	tcase_add_test(tc, the_owner_moves_meanwhile);
	tcase_add_loop_test(tc, the_owner_is_gone, 0, 2);
	tcase_add_test(tc, the_owner_was_silent_once);
	tcase_add_test(tc, the_owner_comes_back);
	tcase_add_loop_test(tc, the_owner_is_far_away, 0, 2);
	tcase_add_test(tc, the_far_owner_is_gone);
	tcase_add_test(tc, the_client_is_far_away);
	tcase_add_test(tc, the_client_is_far_away_and_unheard);
	tcase_add_test(tc, a_rider_is_delivered_once);
	tcase_add_test(tc, nobody_can_be_heard);
	tcase_add_test(tc, claimed_while_nobody_can_be_heard);
	tcase_add_test(tc, the_peer_is_thought_elsewhere);
	tcase_add_test(tc, nobody_can_be_heard_in_the_handshake);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
