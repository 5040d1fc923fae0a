/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An end moves: each byte of a stream arrives in order and once. */
#include "include/serval/wire.h"
#include "tests/support/moved_stream.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <string.h>

START_TEST(a_stream_closes)
{
	struct stream st;

	stream_start(&st, 1, true, true);
	toy_finish(&st.client, &st.server, 10 * SEC);
	WORLD_OK(st.w, !st.client.timeouts && !st.server.timeouts);
	world_run_for(st.w, SEC);
	WORLD_OK(st.w, state(st.c) == SAL_TIME_WAIT);
	WORLD_OK(st.w, state(st.a) == SAL_TIME_WAIT);
	world_run_for(st.w, 61 * SEC);
	WORLD_OK(st.w, !host_flows(st.c) && !host_flows(st.a));
	world_free(st.w);
}
END_TEST

struct move_case {
	bool server; /* moves */
	bool up, down; /* where data flows */
};

static const struct move_case moves[] = {
	{ false, true, false }, { false, false, true }, { false, true, true },
	{ true, true, false },	{ true, false, true },	{ true, true, true },
};

static uint64_t move_once(const struct move_case *m, int64_t after_ns)
{
	struct stream st;
	struct host *mover;
	const char *to = m->server ? "10.0.1.77" : "10.0.0.77";
	uint64_t resent;
	int64_t moved;

	stream_start(&st, 2, m->up, m->down);
	mover = m->server ? st.a : st.c;
	world_run_for(st.w, after_ns);
	WORLD_OK(st.w, state(st.c) == SAL_ESTABLISHED);
	host_addresses(mover, to, NULL);
	moved = st.w->now_ns;
	WORLD_OK(st.w, state(mover) == SAL_RSYN_SENT);
	world_run_for(st.w, 10 * MSEC);
	WORLD_OK(st.w, state(st.c) == SAL_ESTABLISHED);
	WORLD_OK(st.w, state(st.a) == SAL_ESTABLISHED);
	WORLD_OK(st.w, world_events(st.w, st.c, SAL_EVENT_FLOW_MIGRATED) == 1);
	WORLD_OK(st.w, world_events(st.w, st.a, SAL_EVENT_FLOW_MIGRATED) == 1);
	WORLD_OK(st.w, world_events(st.w, mover, SAL_EVENT_RSYN_SENT) == 1);
	toy_finish(&st.client, &st.server, 10 * SEC);
	/* What was under way is sent again by the engine: nobody had to wait
	 * for a time-out. */
	WORLD_OK(st.w, !st.client.timeouts && !st.server.timeouts);
	WORLD_OK(st.w, st.w->now_ns - moved < SEC);
	resent = sal_stats(st.c->sal)->resent + sal_stats(st.a->sal)->resent;
	world_free(st.w);
	return resent;
}

/* At any moment of its life. */
START_TEST(stream_survives_a_move)
{
	uint64_t resent = 0;

	for (int64_t half_ms = 5; half_ms < 60; half_ms++)
		resent += move_once(&moves[_i], half_ms * MSEC / 2);
	ck_assert_uint_gt(resent, 0);
}
END_TEST

struct loss_case {
	bool by_mover;
	int flags;
	unsigned n;
	int64_t ready_ms; /* when the mover has moved, at the latest */
};

static const struct loss_case losses[] = {
	{ true, RSYN, 1, 202 },	     { true, RSYN, 2, 602 },
	{ true, RSYN, 3, 1402 },     { false, RSYNACK, 1, 202 },
	{ false, RSYNACK, 3, 1402 }, { true, ACK, 1, 2 },
	{ true, ACK, 3, 2 },
};

static struct caught caught;

/* The peer's RSYN is read only after our address was seen to go: when it is
 * back, the stream goes on. */
START_TEST(peer_moves_while_we_have_no_address)
{
	struct stream st;
	struct sal_ip_fields ip_fields = { .ttl = 64 };
	struct sal_path path = { .ifindex = 1 };

	stream_start(&st, 1, true, false);
	world_run_for(st.w, 100 * MSEC);
	caught = (struct caught){ .from = st.a };
	st.w->tap = catch_rsyn;
	st.w->tap_arg = &caught;
	host_addresses(st.c, NULL, NULL);
	host_addresses(st.a, "10.0.1.9", NULL);
	world_run_for(st.w, 50 * MSEC);
	WORLD_OK(st.w, caught.len == 32);
	path.local = ip("10.0.0.1");
	path.remote = ip("10.0.1.9");
	sal_from_outer(st.c->sal, &path, &ip_fields, caught.bytes, caught.len,
		       st.w->now_ns);
	world_run_for(st.w, 10 * MSEC);
	host_addresses(st.c, "10.0.0.1", NULL);
	toy_finish(&st.client, &st.server, 60 * SEC);
	world_free(st.w);
}
END_TEST

START_TEST(a_lost_packet_of_the_move)
{
	const struct loss_case *l = &losses[_i / 2];
	bool server = _i & 1;
	struct host *mover, *other;
	struct lose *lost;
	struct stream st;

	stream_start(&st, 3, true, true);
	mover = server ? st.a : st.c;
	other = server ? st.c : st.a;
	world_run_for(st.w, 21 * MSEC);
	lost = world_lose(st.w, l->by_mover ? mover : other, l->flags, l->n);
	host_addresses(mover, server ? "10.0.1.77" : "10.0.0.77", NULL);
	world_run_for(st.w, l->ready_ms * MSEC);
	WORLD_OK(st.w, state(mover) == SAL_ESTABLISHED);
	world_run_for(st.w, 2 * SEC);
	WORLD_OK(st.w, lost->seen == l->n);
	WORLD_OK(st.w, state(other) == SAL_ESTABLISHED);
	toy_finish(&st.client, &st.server, 10 * SEC);
	world_free(st.w);
}
END_TEST

/* Out of reach for a while: what is sent meanwhile waits, within bounds. */
START_TEST(no_address_for_a_while)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct host *mover = _i ? a : c;

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	host_addresses(mover, NULL, NULL);
	WORLD_OK(w, state(mover) == SAL_NOADDRESS);
	if (!_i)
		for (uint16_t seq = 2; seq <= 6; seq++)
			host_ping(c, "10.8.0.1", 7, seq, 56);
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, state(mover) == SAL_NOADDRESS && c->replies == 1);
	/* An address of the other family is of no use to this flow. */
	host_addresses(mover, "fd00:9::9", NULL);
	WORLD_OK(w, state(mover) == SAL_NOADDRESS);
	host_addresses(mover, "fd00:9::9", "10.0.7.7");
	WORLD_OK(w, state(mover) == SAL_RSYN_SENT);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, state(c) == SAL_ESTABLISHED && state(a) == SAL_ESTABLISHED);
	WORLD_OK(w, c->replies == (_i ? 1 : 6));
	host_ping(c, "10.8.0.1", 7, 9, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->last_reply_seq == 9);
	world_free(w);
}
END_TEST

/* The same address comes back. */
START_TEST(there_and_back)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	for (uint16_t i = 0; i < 40; i++) {
		host_addresses(c, i & 1 ? "10.0.0.1" : "10.0.0.77", NULL);
		/* Sometimes before the last move has been answered. */
		world_run_for(w, world_random(w, 5) * MSEC / 2);
		host_ping(c, "10.8.0.1", 7, (uint16_t)(i + 2), 56);
	}
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, state(c) == SAL_ESTABLISHED && state(a) == SAL_ESTABLISHED);
	WORLD_OK(w, peer_is(a, &c->addresses[0]));
	WORLD_OK(w, world_events(w, c, SAL_EVENT_RSYN_SENT) == 40);
	host_ping(c, "10.8.0.1", 7, 99, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->last_reply_seq == 99);
	world_free(w);
}
END_TEST

struct captured {
	uint8_t bytes[8][128];
	size_t len[8];
	size_t n;
};

static void capture_rsyn(struct world *w, const struct wire_packet *p,
			 void *arg)
{
	struct captured *cap = arg;
	struct sal_packet d;
	const struct sal_control *c;

	(void)w;
	if (sal_decode(&d, p->bytes, p->len) != SAL_OK)
		return;
	c = sal_find_control(&d);
	if (!c || c->flags != RSYN || cap->n == 8)
		return;
	memcpy(cap->bytes[cap->n], p->bytes, p->len);
	cap->len[cap->n++] = p->len;
}

/* Late and old RSYNs, of the flow itself: the newest version counts. */
START_TEST(old_versions_do_nothing)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct captured cap = { .n = 0 };

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	w->tap = capture_rsyn;
	w->tap_arg = &cap;
	host_addresses(c, "10.0.0.71", NULL);
	/* Moves on before the answer is there. */
	world_run_for(w, MSEC / 2);
	host_addresses(c, "10.0.0.72", NULL);
	world_run_for(w, 20 * MSEC);
	WORLD_OK(w, cap.n == 2 && state(c) == SAL_ESTABLISHED);
	WORLD_OK(w, peer_is(a, &c->addresses[0]));
	for (int i = 0; i < 2; i++) {
		uint64_t sent = sal_stats(a->sal)->outer_out;

		/* Old or repeated, it is answered. */
		world_inject(w, "10.0.0.71", a, cap.bytes[i], cap.len[i]);
		WORLD_OK(w, sal_stats(a->sal)->outer_out == sent + 1);
		WORLD_OK(w, state(a) == SAL_ESTABLISHED);
		WORLD_OK(w, peer_is(a, &c->addresses[0]));
	}
	WORLD_OK(w, sal_stats(a->sal)->stale_version == 1);
	world_run_for(w, 20 * MSEC);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 20 * MSEC);
	WORLD_OK(w, c->replies == 2);
	world_free(w);
}
END_TEST

/* The answer to the move before the last says nothing about the last. */
START_TEST(an_ack_names_its_version)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	host_addresses(c, "10.0.0.71", NULL);
	world_run_for(w, 3 * MSEC / 2);
	host_addresses(c, "10.0.0.72", NULL);
	/* What still comes to the address before arrives, too. */
	c->addresses[c->address_count++] = ip("10.0.0.71");
	world_run_for(w, MSEC);
	WORLD_OK(w, sal_stats(c->sal)->stale_version == 1);
	WORLD_OK(w, state(c) == SAL_RSYN_SENT);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, state(c) == SAL_ESTABLISHED && state(a) == SAL_ESTABLISHED);
	WORLD_OK(w, world_events(w, c, SAL_EVENT_FLOW_MIGRATED) == 1);
	world_free(w);
}
END_TEST

/* The RSYN overtakes what was sent from the old address. */
START_TEST(late_data_from_the_old_address)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	w->weather.delay_ns = 5 * MSEC;
	host_ping(c, "10.8.0.1", 7, 2, 56);
	w->weather.delay_ns = MSEC;
	host_addresses(c, "10.0.0.77", NULL);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, a->requests == 2 && c->replies == 2);
	WORLD_OK(w, !sal_stats(a->sal)->challenges_sent);
	world_free(w);
}
END_TEST

/* Keeps what one host sends with just these flags. */
static void catch_control(struct world *w, const struct wire_packet *p,
			  void *arg)
{
	struct caught *c = arg;

	(void)w;
	if (p->from != c->from || p->len != 32 || p->bytes[14] != ACK)
		return;
	memcpy(c->bytes, p->bytes, p->len);
	c->len = p->len;
}

static uint32_t verno_at(const uint8_t *bytes)
{
	return (uint32_t)bytes[16] << 24 | (uint32_t)bytes[17] << 16 |
	       (uint32_t)bytes[18] << 8 | bytes[19];
}

/* While its own RSYN is unanswered, an end's ACK of something else must not
 * read as the ACK to the answer. */
START_TEST(a_plain_ack_completes_nothing)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct captured old = { .n = 0 };
	struct caught rsyn, ack;

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	w->tap = capture_rsyn;
	w->tap_arg = &old;
	host_addresses(a, "10.0.1.71", NULL);
	host_addresses(a, "10.0.1.72", NULL);
	world_run_for(w, 20 * MSEC);
	WORLD_OK(w, state(c) == SAL_ESTABLISHED && old.n == 2);
	w->cut = true;
	rsyn = (struct caught){ .from = c };
	w->tap = catch_rsyn;
	w->tap_arg = &rsyn;
	host_addresses(c, "10.0.0.71", NULL);
	ack = (struct caught){ .from = c };
	w->tap = catch_control;
	w->tap_arg = &ack;
	world_inject(w, "10.0.1.71", c, old.bytes[0], old.len[0]);
	WORLD_OK(w, rsyn.len && ack.len && state(c) == SAL_RSYN_SENT);
	WORLD_OK(w, verno_at(ack.bytes) == verno_at(rsyn.bytes));
	world_inject(w, "10.0.0.71", a, rsyn.bytes, rsyn.len);
	WORLD_OK(w, state(a) == SAL_RSYN_RCVD);
	world_inject(w, "10.0.0.71", a, ack.bytes, ack.len);
	WORLD_OK(w, state(a) == SAL_RSYN_RCVD);
	/* Nor is an RSYN answered by the next move. */
	host_addresses(c, "10.0.0.72", NULL);
	world_inject(w, "10.0.1.71", c, old.bytes[0], old.len[0]);
	world_inject(w, "10.0.0.72", a, ack.bytes, ack.len);
	WORLD_OK(w, state(a) == SAL_RSYN_RCVD);
	world_free(w);
}
END_TEST

static void note_resent(struct world *w, struct host *h, uint32_t *count)
{
	*count = 0;
	for (size_t i = 0; i < w->event_count; i++)
		if (w->events[i].host == h &&
		    w->events[i].e.kind == SAL_EVENT_RESENT)
			*count += w->events[i].e.count;
}

/* Just what is un-ACKed, and no more; nothing where all is acknowledged. */
START_TEST(only_the_unacknowledged_is_resent)
{
	struct stream st;
	uint32_t count;

	stream_start(&st, 5, true, false);
	world_run_for(st.w, 20 * MSEC);
	/* A window of 8 is under way towards a server that leaves. */
	host_addresses(st.a, NULL, NULL);
	world_run_for(st.w, 20 * MSEC);
	host_addresses(st.a, "10.0.1.77", NULL);
	world_run_for(st.w, 3 * MSEC);
	note_resent(st.w, st.c, &count);
	WORLD_OK(st.w, count == 8);
	WORLD_OK(st.w, sal_stats(st.c->sal)->resent == 8);
	toy_finish(&st.client, &st.server, 10 * SEC);
	world_free(st.w);

	stream_start(&st, 5, false, false);
	world_run_for(st.w, 20 * MSEC);
	host_addresses(st.a, "10.0.1.77", NULL);
	world_run_for(st.w, 10 * MSEC);
	WORLD_OK(st.w, !sal_stats(st.c->sal)->resent);
	WORLD_OK(st.w, !sal_stats(st.a->sal)->resent);
	world_free(st.w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: move");
	TCase *tc = tcase_create("move");

	tcase_add_test(tc, a_stream_closes);
	tcase_add_test(tc, peer_moves_while_we_have_no_address);
	tcase_add_loop_test(tc, stream_survives_a_move, 0, 6);
	tcase_add_loop_test(tc, a_lost_packet_of_the_move, 0,
			    2 * sizeof(losses) / sizeof(*losses));
	tcase_add_loop_test(tc, no_address_for_a_while, 0, 2);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, old_versions_do_nothing);
	tcase_add_test(tc, an_ack_names_its_version);
	tcase_add_test(tc, late_data_from_the_old_address);
	tcase_add_test(tc, a_plain_ack_completes_nothing);
	tcase_add_test(tc, only_the_unacknowledged_is_resent);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
