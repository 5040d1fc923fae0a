/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server's end of a flow moves to another host, and has one owner always. */
#include "include/serval/wire.h"
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium/crypto_shorthash.h>
#include <stdlib.h>
#include <string.h>

#define BYTES 60000u
#define EXPORT_MAX (1u << 20)

struct stream {
	struct world *w;
	struct host *c, *a, *b;
	struct toy_tcp client, server;
	uint32_t id; /* of the server's end */
	uint8_t *bytes; /* exported */
	size_t len;
	const char *why;
};

static void stream_world(struct stream *st, uint64_t seed)
{
	*st = (struct stream){ .w = world_usual(seed) };
	st->c = world_c(st->w);
	st->a = world_a(st->w);
	st->b = world_b(st->w);
	st->bytes = malloc(EXPORT_MAX);
	ck_assert_ptr_nonnull(st->bytes);
}

static void stream_open(struct stream *st, bool up, bool down)
{
	toy_listen(&st->server, st->a, "10.8.0.1", 80, down ? BYTES : 0);
	toy_connect(&st->client, st->c, "10.8.0.1", 4000, 80, up ? BYTES : 0);
}

static void stream_start(struct stream *st, uint64_t seed, bool up, bool down)
{
	stream_world(st, seed);
	stream_open(st, up, down);
}

static void stream_free(struct stream *st)
{
	free(st->bytes);
	world_free(st->w);
}

/* ---- whose is it? ------------------------------------------------------- */

static bool hand_is(const struct sal_flow_info *f, const char *hand)
{
	return hand ? f->hand && !strcmp(f->hand, hand) : !f->hand;
}

static void one_owner(struct stream *st)
{
	struct sal_flow_info a, b;
	bool at_a = sal_flow_find(st->a->sal, st->id, &a);
	bool at_b = sal_flow_find(st->b->sal, st->id, &b);
	bool given = !at_a || hand_is(&a, "given");
	bool owns_a = at_a && (hand_is(&a, NULL) || hand_is(&a, "held"));
	bool owns_b = at_b &&
		      (hand_is(&b, NULL) || (given && hand_is(&b, "imported")));

	WORLD_OK(st->w, owns_a != owns_b);
	/* And who does not own it does nothing. */
	WORLD_OK(st->w,
		 !(at_a && hand_is(&a, NULL) && at_b && hand_is(&b, NULL)));
}

/* ---- the steps ---------------------------------------------------------- */

static int hold(struct stream *st)
{
	st->id = host_flow(st->a).local_id;
	return sal_flow_hold(st->a->sal, st->id, st->w->now_ns, &st->why);
}

static int export(struct stream *st)
{
	return sal_flow_export(st->a->sal, st->id, st->bytes, EXPORT_MAX,
			       &st->len, st->w->now_ns, &st->why);
}

static int import(struct stream *st)
{
	uint32_t id = 0;
	int r;

	host_serve(st->b, 1);
	r = sal_flow_import(st->b->sal, st->bytes, st->len, &id, st->w->now_ns,
			    &st->why);
	WORLD_OK(st->w, r || id == st->id);
	return r;
}

static int release(struct stream *st)
{
	return sal_flow_release(st->a->sal, st->id, st->w->now_ns, &st->why);
}

/* The program and its TCP are at B from here on, as they were. */
static void move_program(struct stream *st)
{
	st->a->program = NULL;
	st->b->program = toy_program;
	st->b->program_arg = &st->server;
	st->server.h = st->b;
}

static int commit(struct stream *st)
{
	return sal_flow_commit(st->b->sal, st->id, st->w->now_ns, &st->why);
}

static int (*const steps[])(struct stream *st) = { hold, export, import,
						   release, commit };
enum { STEPS = sizeof(steps) / sizeof(*steps), RELEASE = 3 };

/* The first n steps, with time between them. */
static void go(struct stream *st, int n, int64_t between_ns)
{
	for (int i = 0; i < n; i++) {
		WORLD_OK(st->w, !steps[i](st));
		one_owner(st);
		if (i == RELEASE)
			move_program(st);
		world_run_for(st->w, between_ns);
		one_owner(st);
	}
}

static void all_know_b(struct stream *st)
{
	host_unserve(st->a, 1);
	host_forward(st->a, 1, "10.0.2.1");
	host_forward(st->c, 1, "10.0.2.1");
	host_unforward(st->c, 1, "10.0.1.1");
}

static unsigned sent_by(struct host *h)
{
	return (unsigned)sal_stats(h->sal)->outer_out;
}

struct way {
	bool up, down;
};
static const struct way ways[] = { { 1, 0 }, { 0, 1 }, { 1, 1 } };

/* At any moment of its life, and the program at either end notices nothing. */
START_TEST(a_flow_moves_to_another_host)
{
	uint64_t resent = 0;

	for (int64_t half_ms = 7; half_ms < 40; half_ms++) {
		struct stream st;
		unsigned sent;

		stream_start(&st, 3, ways[_i].up, ways[_i].down);
		world_run_for(st.w, half_ms * MSEC / 2);
		go(&st, RELEASE, MSEC / 2);
		sent = sent_by(st.a);
		WORLD_OK(st.w, !sent_by(st.b));
		WORLD_OK(st.w, !release(&st));
		one_owner(&st);
		move_program(&st);
		WORLD_OK(st.w, !commit(&st));
		one_owner(&st);
		WORLD_OK(st.w, host_flow(st.b).state == SAL_RSYN_SENT);
		all_know_b(&st);
		world_run_for(st.w, 10 * MSEC);
		WORLD_OK(st.w, host_flow(st.b).state == SAL_ESTABLISHED);
		WORLD_OK(st.w, host_flow(st.c).state == SAL_ESTABLISHED);
		toy_finish(&st.client, &st.server, 10 * SEC);
		WORLD_OK(st.w, !st.client.timeouts && !st.server.timeouts);
		/* From the old host there was not one packet more. */
		WORLD_OK(st.w, sent_by(st.a) == sent);
		resent += sal_stats(st.b->sal)->resent +
			  sal_stats(st.c->sal)->resent;
		stream_free(&st);
	}
	ck_assert_uint_gt(resent, 0);
}
END_TEST

/* What the program has sent meanwhile goes along: its TCP takes it for sent. */
START_TEST(what_is_sent_during_the_hold_is_not_lost)
{
	struct stream st;

	stream_start(&st, 13, false, false);
	world_run_for(st.w, 10 * MSEC);
	WORLD_OK(st.w, !hold(&st));
	toy_close(&st.server); /* its FIN */
	for (int i = 1; i < STEPS; i++) {
		WORLD_OK(st.w, !steps[i](&st));
		if (i == RELEASE)
			move_program(&st);
	}
	world_run_for(st.w, 10 * MSEC);
	WORLD_OK(st.w, st.client.fin_got && toy_done(&st.server));
	WORLD_OK(st.w, !st.server.timeouts);
	stream_free(&st);
}
END_TEST

/* Its versions are on their way to another host: no policy makes it move here.
 */
START_TEST(a_held_flow_stays_where_it_is)
{
	const struct sal_policy back = { .go_back = true };
	struct stream st;

	stream_start(&st, 14, false, false);
	world_run_for(st.w, 10 * MSEC);
	sal_set_policy(st.a->sal, &back, st.w->now_ns);
	WORLD_OK(st.w, !hold(&st));
	host_addresses(st.a, "10.0.1.9", "10.0.1.1");
	world_run_for(st.w, SEC);
	WORLD_OK(st.w, host_flow(st.a).state == SAL_ESTABLISHED);
	WORLD_OK(st.w, !world_events(st.w, st.a, SAL_EVENT_RSYN_SENT));
	stream_free(&st);
}
END_TEST

/* Why the flow is where it is now. */
static bool came_because(const struct stream *st, const struct host *h,
			 const char *why)
{
	struct sal_history past;

	return sal_flow_history(h->sal, st->id, &past) && past.n &&
	       !strcmp(sal_way_why_name(past.v[past.n - 1].why), why);
}

/* Up to the release all can be taken back, and the stream goes on at A. */
START_TEST(rolled_back_at_each_step)
{
	for (int n = 1; n <= RELEASE; n++) {
		struct stream st;

		stream_start(&st, 4, ways[_i].up, ways[_i].down);
		world_run_for(st.w, 10 * MSEC);
		go(&st, n, 2 * MSEC);
		if (n > 2)
			WORLD_OK(st.w, !sal_flow_abort(st.b->sal, st.id,
						       st.w->now_ns, &st.why));
		one_owner(&st);
		WORLD_OK(st.w, !sal_flow_abort(st.a->sal, st.id, st.w->now_ns,
					       &st.why));
		one_owner(&st);
		WORLD_OK(st.w, host_flow(st.a).state == SAL_RSYN_SENT);
		WORLD_OK(st.w, !host_flows(st.b) && !sent_by(st.b));
		/* It can't be had afterwards. */
		WORLD_OK(st.w, release(&st) == -EINVAL);
		WORLD_OK(st.w, commit(&st) == -EINVAL);
		WORLD_OK(st.w, sal_flow_abort(st.a->sal, st.id, st.w->now_ns,
					      &st.why) == -EINVAL);
		toy_finish(&st.client, &st.server, 10 * SEC);
		one_owner(&st);
		WORLD_OK(st.w, came_because(&st, st.a, "handoff undone"));
		WORLD_OK(st.w, !st.client.timeouts && !st.server.timeouts);
		stream_free(&st);
	}
}
END_TEST

/* Who directs it dies: the hold ends by itself, and nothing can be released
 * any more; the import is forgotten. */
START_TEST(a_handoff_that_nobody_completes)
{
	struct stream st;

	stream_start(&st, 5, true, true);
	world_run_for(st.w, 10 * MSEC);
	go(&st, RELEASE, MSEC);
	world_run_for(st.w, 11 * SEC);
	one_owner(&st);
	WORLD_OK(st.w, release(&st) == -EINVAL);
	ck_assert_str_eq(st.why, "the flow is not held");
	WORLD_OK(st.w, host_flow(st.a).state == SAL_ESTABLISHED);
	world_run_for(st.w, 20 * SEC);
	WORLD_OK(st.w, !host_flows(st.b) && !sent_by(st.b));
	WORLD_OK(st.w, commit(&st) == -EINVAL);
	one_owner(&st);
	toy_finish(&st.client, &st.server, 60 * SEC);
	stream_free(&st);
}
END_TEST

/* After the release too nobody goes back; the flow is lost rather than led by
 * two. */
START_TEST(released_and_not_committed)
{
	struct stream st;

	stream_start(&st, 6, true, true);
	world_run_for(st.w, 10 * MSEC);
	go(&st, RELEASE + 1, MSEC);
	WORLD_OK(st.w, sal_flow_abort(st.a->sal, st.id, st.w->now_ns,
				      &st.why) == -EINVAL);
	world_run_for(st.w, 31 * SEC);
	WORLD_OK(st.w, !host_flows(st.b));
	WORLD_OK(st.w, hand_is(&(struct sal_flow_info){ .hand = "given" },
			       host_flow(st.a).hand));
	stream_free(&st);
}
END_TEST

/* ---- the tombstone ------------------------------------------------------ */

struct keeper {
	struct world *w;
	struct host *c;
	struct wire_packet packets[64];
	size_t n;
};

static void keep(struct world *w, const struct wire_packet *p, void *arg)
{
	struct keeper *k = arg;
	struct wire_packet *copy = &k->packets[k->n];

	(void)w;
	if (p->from != k->c || k->n == 64)
		return;
	*copy = *p;
	copy->bytes = malloc(p->len);
	ck_assert_ptr_nonnull(copy->bytes);
	memcpy(copy->bytes, p->bytes, p->len);
	k->n++;
}

/* Whatever of the client's comes late to the old host, it says nothing. */
START_TEST(late_packets_meet_a_tombstone)
{
	struct keeper k = { 0 };
	struct stream st;
	unsigned sent;

	stream_world(&st, 7);
	k.c = st.c;
	st.w->tap = keep;
	st.w->tap_arg = &k;
	stream_open(&st, true, true);
	world_run_for(st.w, 10 * MSEC);
	host_addresses(st.c, "10.0.0.77", NULL); /* RSYN, ACK */
	world_run_for(st.w, 10 * MSEC);
	st.w->tap = NULL;
	go(&st, STEPS, MSEC);
	all_know_b(&st);
	world_run_for(st.w, 10 * MSEC);
	sent = sent_by(st.a);
	for (size_t i = 0; i < k.n; i++)
		world_inject(st.w, "10.0.0.1", st.a, k.packets[i].bytes,
			     k.packets[i].len);
	world_run_for(st.w, 5 * MSEC);
	WORLD_OK(st.w, sent_by(st.a) == sent);
	WORLD_OK(st.w, sal_stats(st.a->sal)->still >= k.n);
	toy_finish(&st.client, &st.server, 10 * SEC);
	/* A program that still has the connection is not answered either. */
	sent = (unsigned)sal_stats(st.a->sal)->inner_out;
	st.server.h = st.a;
	toy_listen(&st.server, st.a, "10.8.0.1", 80, 0);
	world_run_for(st.w, 61 * SEC);
	WORLD_OK(st.w, sal_stats(st.a->sal)->inner_out == sent);
	WORLD_OK(st.w, !host_flows(st.a));
	for (size_t i = 0; i < k.n; i++)
		free(k.packets[i].bytes);
	stream_free(&st);
}
END_TEST

/* A -> B -> A: the flow takes the place of its own tombstone. */
START_TEST(there_and_back)
{
	struct stream st;
	uint32_t id = 0;

	stream_start(&st, 8, true, true);
	world_run_for(st.w, 10 * MSEC);
	go(&st, STEPS, MSEC);
	world_run_for(st.w, 5 * MSEC);
	WORLD_OK(st.w, !sal_flow_hold(st.b->sal, st.id, st.w->now_ns, &st.why));
	WORLD_OK(st.w, !sal_flow_export(st.b->sal, st.id, st.bytes, EXPORT_MAX,
					&st.len, st.w->now_ns, &st.why));
	WORLD_OK(st.w, !sal_flow_import(st.a->sal, st.bytes, st.len, &id,
					st.w->now_ns, &st.why));
	WORLD_OK(st.w,
		 !sal_flow_release(st.b->sal, st.id, st.w->now_ns, &st.why));
	st.b->program = NULL;
	st.a->program = toy_program;
	st.a->program_arg = &st.server;
	st.server.h = st.a;
	WORLD_OK(st.w,
		 !sal_flow_commit(st.a->sal, st.id, st.w->now_ns, &st.why));
	toy_finish(&st.client, &st.server, 10 * SEC);
	WORLD_OK(st.w, !st.client.timeouts && !st.server.timeouts);
	stream_free(&st);
}
END_TEST

/* The client moves while the flow is held: its RSYN falls into the hold, and
 * goes by name in the end. */
START_TEST(the_client_moves_meanwhile)
{
	struct stream st;

	stream_start(&st, 9, true, true);
	world_run_for(st.w, 10 * MSEC);
	go(&st, _i + 1, MSEC);
	host_addresses(st.c, "10.0.0.77", NULL);
	world_run_for(st.w, MSEC);
	for (int i = _i + 1; i < STEPS; i++) {
		WORLD_OK(st.w, !steps[i](&st));
		one_owner(&st);
		if (i == RELEASE)
			move_program(&st);
	}
	all_know_b(&st);
	toy_finish(&st.client, &st.server, 20 * SEC);
	stream_free(&st);
}
END_TEST

/* ---- what is refused ---------------------------------------------------- */

START_TEST(only_a_settled_end_of_a_server_is_held)
{
	struct stream st;
	uint32_t client;

	stream_start(&st, 10, true, true);
	world_run_for(st.w, 3 * MSEC / 2);
	WORLD_OK(st.w, host_flow(st.a).state == SAL_SYN_RCVD);
	WORLD_OK(st.w, hold(&st) == -EAGAIN);
	world_run_for(st.w, 10 * MSEC);
	client = host_flow(st.c).local_id;
	WORLD_OK(st.w, sal_flow_hold(st.c->sal, client, st.w->now_ns,
				     &st.why) == -EOPNOTSUPP);
	WORLD_OK(st.w, sal_flow_hold(st.a->sal, client, st.w->now_ns,
				     &st.why) == -ENOENT);
	WORLD_OK(st.w, export(&st) == -EINVAL);
	WORLD_OK(st.w, release(&st) == -EINVAL);
	WORLD_OK(st.w, commit(&st) == -EINVAL);
	WORLD_OK(st.w, !hold(&st));
	WORLD_OK(st.w, hold(&st) == -EBUSY);
	WORLD_OK(st.w, !sal_flow_export(st.a->sal, st.id, NULL, 0, &st.len,
					st.w->now_ns, &st.why));
	WORLD_OK(st.w,
		 sal_flow_export(st.a->sal, st.id, st.bytes, st.len - 1,
				 &st.len, st.w->now_ns, &st.why) == -ENOSPC);
	stream_free(&st);
}
END_TEST

static int import_at(struct stream *st, struct host *h)
{
	uint32_t id;

	return sal_flow_import(h->sal, st->bytes, st->len, &id, st->w->now_ns,
			       &st->why);
}

START_TEST(only_where_there_is_a_place_for_it)
{
	struct stream st;

	stream_start(&st, 11, true, true);
	world_run_for(st.w, 10 * MSEC);
	go(&st, 2, 0);
	WORLD_OK(st.w, import_at(&st, st.b) == -ENOENT);
	ck_assert_str_eq(st.why, "its service is not served here");
	host_serve(st.b, 1);
	host_addresses(st.b, NULL, NULL);
	WORLD_OK(st.w, import_at(&st, st.b) == -EHOSTUNREACH);
	host_addresses(st.b, "10.0.2.1", NULL);
	WORLD_OK(st.w, import_at(&st, st.a) == -EEXIST);
	WORLD_OK(st.w, !import_at(&st, st.b));
	WORLD_OK(st.w, import_at(&st, st.b) == -EEXIST);
	stream_free(&st);
}
END_TEST

static void check_again(uint8_t *bytes, size_t len)
{
	static const uint8_t key[crypto_shorthash_KEYBYTES] = "SAL flow bytes";

	crypto_shorthash(bytes + len - 8, bytes, len - 8, key);
}

/* One byte is another, the end is cut off: found. And where whoever did it has
 * put the checksum right: no crash, and nothing of another conversation. */
START_TEST(what_is_damaged_is_not_imported)
{
	struct stream st;
	uint8_t *good;
	size_t len;

	stream_start(&st, 12, true, true);
	world_run_for(st.w, 12 * MSEC);
	go(&st, 2, 0);
	len = st.len;
	good = malloc(len);
	ck_assert_ptr_nonnull(good);
	memcpy(good, st.bytes, len);
	host_serve(st.b, 1);
	for (size_t i = 0; i < len; i++) {
		int r;

		st.len = i;
		WORLD_OK(st.w, import_at(&st, st.b) < 0);
		st.len = len;
		st.bytes[i] ^= 1;
		r = import_at(&st, st.b);
		WORLD_OK(st.w, r == -EBADMSG || r == -EPROTONOSUPPORT);
		if (i < len - 8) {
			check_again(st.bytes, len);
			if (!import_at(&st, st.b))
				host_reboot(st.b);
		}
		memcpy(st.bytes, good, len);
	}
	WORLD_OK(st.w, !sal_stats(st.b->sal)->broken);
	WORLD_OK(st.w, !import_at(&st, st.b));
	free(good);
	stream_free(&st);
}
END_TEST

/* Nobody may speak in the name of another conversation. */
START_TEST(only_its_own_segments_are_imported)
{
	static const uint8_t ports[] = { 0, 80, 4000 >> 8, 4000 & 0xff };
	struct stream st;
	size_t at;

	stream_start(&st, 14, false, true);
	world_run_for(st.w, 10 * MSEC);
	go(&st, 2, 0);
	host_serve(st.b, 1);
	for (at = st.len - 8; memcmp(st.bytes + at, ports, 4) != 0; at--)
		WORLD_OK(st.w, at > 0);
	st.bytes[at + 3] ^= 1;
	check_again(st.bytes, st.len);
	WORLD_OK(st.w, import_at(&st, st.b) == -EBADMSG);
	ck_assert_str_eq(st.why,
			 "one of its segments is of another conversation");
	stream_free(&st);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: handoff");
	TCase *tc = tcase_create("handoff");

	tcase_add_loop_test(tc, a_flow_moves_to_another_host, 0, 3);
	tcase_add_loop_test(tc, rolled_back_at_each_step, 0, 3);
	tcase_add_test(tc, a_handoff_that_nobody_completes);
	tcase_add_test(tc, released_and_not_committed);
	tcase_add_test(tc, late_packets_meet_a_tombstone);
	tcase_add_test(tc, there_and_back);
	tcase_add_loop_test(tc, the_client_moves_meanwhile, 0, STEPS);
	tcase_add_test(tc, only_a_settled_end_of_a_server_is_held);
	tcase_add_test(tc, only_where_there_is_a_place_for_it);
	tcase_add_test(tc, what_is_damaged_is_not_imported);
	tcase_add_test(tc, what_is_sent_during_the_hold_is_not_lost);
	tcase_add_test(tc, a_held_flow_stays_where_it_is);
	tcase_add_test(tc, only_its_own_segments_are_imported);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
