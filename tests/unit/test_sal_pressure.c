/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYNs that are answered without state, when too many flows are half open. */
#include "base/checksum.h"
#include "node/wire/sal_text.h"
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define SYN SAL_FLAG_SYN
#define SYNACK (SAL_FLAG_SYN | SAL_FLAG_ACK)
#define OFFER (SAL_FLAG_SYN | SAL_FLAG_ACK | SAL_FLAG_NACK)
#define ACK SAL_FLAG_ACK

static void few_half_open(struct sal_config *c)
{
	c->max_half_open = 3;
}

/* A SYN with nothing on it, from an address and an inner address that say k. */
static void flood_one(struct world *w, unsigned k)
{
	char text[512], from[IP_TEXT_MAX];
	uint8_t bytes[512];
	struct err err = ERR_INIT;
	int n;

	snprintf(from, sizeof(from), "10.77.%u.%u", k >> 8 & 255, k & 255);
	snprintf(text, sizeof(text),
		 "%u>0 | CONTROL SYN v=%u a=0 nonce=%x | SERVICE "
		 "0x0100000000000000000000000000000000000000000000000000000000"
		 "000000 | IDENTITY 10.9.%u.%u | ICMP",
		 k + 1, k * 77, k * 3 + 1, 100 + (k >> 8), k & 255);
	n = sal_text_parse(text, bytes, sizeof(bytes), &err);
	ck_assert_msg(n > 0, "%s: %s", text, err.msg);
	world_inject(w, from, world_a(w), bytes, (size_t)n);
}

/* A server whose half-open flows are all taken, by nobody. */
static struct world *pressed(void)
{
	struct world *w;

	world_adjust = few_half_open;
	w = world_usual(1);
	world_adjust = NULL;
	for (unsigned k = 0; k < 3; k++)
		flood_one(w, k);
	WORLD_OK(w, host_flows(world_a(w)) == 3);
	WORLD_OK(w, !sal_stats(world_a(w)->sal)->syn_stateless);
	return w;
}

/* A kernel that has nobody there resets what comes. */
static void nobody_listens(struct host *h, const struct sal_inner *p, void *arg)
{
	uint8_t rst[20] = { [12] = 0x50, [13] = 0x14 };
	struct sal_inner out = *p;

	(void)arg;
	memcpy(rst, p->segment + 2, 2);
	memcpy(rst + 2, p->segment, 2);
	memcpy(rst + 8, p->segment + 4, 4);
	rst[11]++;
	out.src = p->dst;
	out.dst = p->src;
	out.segment = rst;
	out.len = sizeof(rst);
	ck_assert(transport_checksum_set(IPPROTO_TCP, &out.src, &out.dst, rst,
					 sizeof(rst)));
	host_send(h, &out);
}

/* Nor does a program that closes at once take a flow out of the bound: a SYN
 * can come from anywhere. */
START_TEST(a_closed_port_frees_no_room)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct toy_tcp client;

	a->program = nobody_listens;
	world_lose(w, c, ACK, 100);
	world_lose(w, a, SYNACK, 100);
	world_lose(w, a, LOSE_DATA, 100);
	toy_connect(&client, c, "10.8.0.1", 4000, 80, 1000);
	world_run_for(w, 100 * MSEC);
	WORLD_OK(w, host_flow(a).state == SAL_SYN_RCVD);
	w->lose_count = 0;
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, host_flow(a).state != SAL_SYN_RCVD);
	world_free(w);
}
END_TEST

/* The bound is of those whose clients nobody has heard of, in whatever state a
 * move of the server's brings them to; and they do not live longer than others.
 */
START_TEST(a_move_frees_no_room)
{
	struct world *w = pressed();
	struct host *a = world_a(w);

	if (_i)
		host_addresses(a, NULL, NULL);
	else
		host_addresses(a, "10.0.1.9", NULL);
	world_run_for(w, 10 * MSEC);
	for (unsigned k = 3; k < 6; k++)
		flood_one(w, k);
	WORLD_OK(w, host_flows(a) == 3);
	world_run_for(w, 64 * SEC);
	WORLD_OK(w, host_flows(a) == 0);
	world_free(w);
}
END_TEST

static const char *const families[] = { "10.8.0.1", "fd08::1" };

/* It takes one round trip more, and the segment is delivered once. */
START_TEST(answered_all_the_same)
{
	struct world *w = pressed();
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, families[_i], 7, 1, 56);
	world_run_for(w, 2 * MSEC + MSEC / 2);
	WORLD_OK(w, !a->requests && host_flows(a) == 3);
	WORLD_OK(w, host_flow(c).state == SAL_SYN_SENT);
	world_run_for(w, 2 * MSEC);
	WORLD_OK(w, c->replies == 1 && a->requests == 1);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	WORLD_OK(w, sal_stats(a->sal)->syn_stateless == 1);
	WORLD_OK(w, sal_stats(a->sal)->syn_proved == 1);
	for (uint16_t seq = 2; seq < 5; seq++)
		host_ping(c, families[_i], 7, seq, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 4);
	world_free(w);
}
END_TEST

START_TEST(so_is_tcp)
{
	struct world *w = pressed();
	struct toy_tcp client, server;

	toy_listen(&server, world_a(w), "10.8.0.1", 80, 20000);
	toy_connect(&client, world_c(w), "10.8.0.1", 4000, 80, 20000);
	toy_close(&client);
	toy_close(&server);
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, toy_done(&client) && toy_done(&server));
	WORLD_OK(w, client.got == 20000 && server.got == 20000);
	WORLD_OK(w, !client.timeouts && !server.timeouts);
	world_free(w);
}
END_TEST

/* What does not fit on the SYN does not fit on the ACK either. */
START_TEST(a_large_first_segment)
{
	struct world *w = pressed();
	struct host *c = world_c(w);

	host_ping(c, "10.8.0.1", 7, 1, 1460);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 1 && host_flow(c).state == SAL_ESTABLISHED);
	world_free(w);
}
END_TEST

struct loss_case {
	bool by_client;
	int flags;
	unsigned n;
	int64_t at_most_ms;
};

static const struct loss_case losses[] = {
	{ true, SYN, 1, 1010 },	   { false, OFFER, 1, 1010 },
	{ true, ACK, 1, 1010 },	   { false, SYNACK, 1, 1010 },
	{ true, ACK, 2, 3010 },	   { false, SYNACK, 2, 3010 },
	{ false, OFFER, 2, 3010 },
};

START_TEST(each_packet_may_be_lost)
{
	const struct loss_case *l = &losses[_i];
	struct world *w = pressed();
	struct host *c = world_c(w), *a = world_a(w);
	struct lose *lost = world_lose(w, l->by_client ? c : a, l->flags, l->n);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, l->at_most_ms * MSEC);
	WORLD_OK(w, lost->seen == l->n);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	WORLD_OK(w, a->requests == 2 && c->replies >= 1);
	world_free(w);
}
END_TEST

/* The pressure is over before the SYN comes again: there are answers of both
 * kinds to one SYN, but one flow. */
START_TEST(the_pressure_ends_in_between)
{
	struct world *w = pressed();
	struct host *c = world_c(w), *a = world_a(w);

	world_run_for(w, 62 * SEC + 500 * MSEC);
	world_lose(w, c, ACK, 1);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 990 * MSEC);
	WORLD_OK(w, sal_stats(a->sal)->syn_stateless == 1);
	WORLD_OK(w, host_flow(c).state == SAL_SYN_SENT && !host_flows(a));
	world_run_for(w, SEC);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	WORLD_OK(w, host_flow(a).state == SAL_ESTABLISHED);
	WORLD_OK(w, a->requests == 1 && c->replies == 1);
	world_free(w);
}
END_TEST

struct kept {
	const struct host *from;
	int flags;
	uint8_t bytes[256];
	size_t len;
};

static void keep(struct world *w, const struct wire_packet *p, void *arg)
{
	struct kept *k = arg;
	const struct sal_control *c;
	struct sal_packet d;

	(void)w;
	if (sal_decode(&d, p->bytes, p->len) != SAL_OK || p->from != k->from)
		return;
	c = sal_find_control(&d);
	if (!c || c->flags != k->flags || p->len > sizeof(k->bytes) || k->len)
		return;
	memcpy(k->bytes, p->bytes, p->len);
	k->len = p->len;
}

/* An answer is good for some seconds, for who was asked, and for one flow. */
START_TEST(an_answer_is_not_good_for_ever)
{
	struct world *w = pressed();
	struct host *c = world_c(w), *a = world_a(w);
	struct kept proof = { .from = c, .flags = ACK };
	uint64_t bad, sent;

	w->tap = keep;
	w->tap_arg = &proof;
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_lose(w, c, ACK, 1);
	world_run_for(w, 3 * MSEC);
	WORLD_OK(w, proof.len && host_flows(a) == 3);
	/* From elsewhere. */
	world_inject(w, "10.0.0.2", a, proof.bytes, proof.len);
	WORLD_OK(w, sal_stats(a->sal)->proof_bad == 1 && host_flows(a) == 3);
	/* About another conversation: each bit of it, but for its segment. */
	for (size_t bit = 0; bit < 76 * 8; bit++) {
		size_t at = bit / 8;

		/* Header length, checksum, extensions' own headers. */
		if (at == 8 || at == 10 || at == 11 || at == 12 || at == 13 ||
		    at == 14 || at == 15 || at == 32 || at == 33 || at == 34 ||
		    at == 35 || (at >= 68 && at < 72))
			continue;
		proof.bytes[at] ^= (uint8_t)(1 << bit % 8);
		sal_checksum_set(proof.bytes);
		world_inject(w, "10.0.0.1", a, proof.bytes, proof.len);
		proof.bytes[at] ^= (uint8_t)(1 << bit % 8);
		WORLD_OK(w, host_flows(a) == 3);
	}
	bad = sal_stats(a->sal)->proof_bad;
	WORLD_OK(w, bad == 1 + 61 * 8);
	sal_checksum_set(proof.bytes);
	w->cut = true;
	/* Too old. */
	if (_i) {
		world_run_for(w, 16 * SEC);
		world_inject(w, "10.0.0.1", a, proof.bytes, proof.len);
		WORLD_OK(w, host_flows(a) == 3);
		WORLD_OK(w, sal_stats(a->sal)->proof_bad == bad + 1);
		world_free(w);
		return;
	}
	/* In time, and often: each one is answered. */
	world_run_for(w, 7 * SEC);
	sent = sal_stats(a->sal)->outer_out;
	for (int i = 0; i < 5; i++)
		world_inject(w, "10.0.0.1", a, proof.bytes, proof.len);
	WORLD_OK(w, sal_stats(a->sal)->syn_proved == 1);
	WORLD_OK(w, sal_stats(a->sal)->outer_out == sent + 5);
	WORLD_OK(w, host_flows(a) == 4 && a->requests == 1);
	world_free(w);
}
END_TEST

/* A flood from addresses that nobody has: what it can take is bounded, and
 * those who are honest don't notice but for the round trip. */
START_TEST(a_flood_stops_nobody)
{
	struct world *w;
	struct host *c, *a;
	unsigned flooded = 0;

	world_adjust = few_half_open;
	w = world_usual(1);
	c = world_c(w);
	a = world_a(w);
	for (uint16_t id = 1; id <= 20; id++) {
		for (int i = 0; i < 500; i++)
			flood_one(w, flooded++);
		host_ping(c, "10.8.0.1", id, 1, 56);
		world_run_for(w, 100 * MSEC);
		WORLD_OK(w, c->replies == id);
	}
	WORLD_OK(w, host_flows(a) == 23 && host_flows(c) == 20);
	WORLD_OK(w, sal_stats(a->sal)->syn_stateless > 9000);
	WORLD_OK(w, sal_stats(a->sal)->syn_proved == 20);
	world_free(w);
}
END_TEST

/* Somebody who does not see the SYN makes up an answer. */
START_TEST(a_made_up_answer)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	char text[200];
	uint8_t bytes[200];
	uint64_t sent;
	int n;

	host_ping(c, "10.8.0.1", 7, 1, 56);
	snprintf(text, sizeof(text),
		 "66>%u shl 8 | CONTROL SYN+ACK+NACK v=1 a=1 "
		 "nonce=0000000000000001 | ICMP",
		 host_flow(c).local_id);
	n = sal_text_parse(text, bytes, sizeof(bytes), NULL);
	ck_assert_int_gt(n, 0);
	sent = sal_stats(c->sal)->outer_out;
	world_inject(w, "10.66.0.66", c, bytes, (size_t)n);
	WORLD_OK(w, sal_stats(c->sal)->outer_out == sent);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 1);
	world_free(w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: pressure");
	TCase *tc = tcase_create("pressure");

	tcase_add_loop_test(tc, answered_all_the_same, 0, 2);
	tcase_add_test(tc, so_is_tcp);
	tcase_add_test(tc, a_large_first_segment);
	tcase_add_loop_test(tc, each_packet_may_be_lost, 0,
			    sizeof(losses) / sizeof(*losses));
	tcase_add_test(tc, the_pressure_ends_in_between);
	tcase_add_loop_test(tc, an_answer_is_not_good_for_ever, 0, 2);
	tcase_add_test(tc, a_closed_port_frees_no_room);
	tcase_add_loop_test(tc, a_move_frees_no_room, 0, 2);
	tcase_add_test(tc, a_flood_stops_nobody);
	tcase_add_test(tc, a_made_up_answer);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
