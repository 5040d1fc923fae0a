/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts with more than one address: what they tell each other, and where flows
 * go when a way is lost. */
#include "include/serval/wire.h"
#include "node/wire/sal_text.h"
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define ACK SAL_FLAG_ACK

/* ---- what is told -------------------------------------------------------- */

/* As text, in its order: "10.0.0.1 fd00::1". */
static const char *standby_of(struct host *h)
{
	static char text[512];
	struct ip_addr v[SAL_STANDBY_MAX];
	unsigned n = sal_flow_standby(h->sal, host_flow(h).local_id, v);

	text[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		char one[IP_TEXT_MAX];

		if (i)
			strcat(text, " ");
		strcat(text, ip_format_addr(&v[i], one, sizeof(one)));
	}
	return text;
}

static bool knows(struct host *h, const char *list)
{
	return !strcmp(standby_of(h), list);
}

static void pinged(struct world *w)
{
	host_ping(world_c(w), "10.8.0.1", 7, 1, 56);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, world_c(w)->replies == 1);
}

START_TEST(two_addresses_are_told)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_addresses(c, "10.0.0.1", "10.0.0.2");
	host_addresses(a, "10.0.1.1", "fd00:1::1");
	pinged(w);
	WORLD_OK(w, knows(a, "10.0.0.1 10.0.0.2"));
	WORLD_OK(w, knows(c, "10.0.1.1 fd00:1::1"));
	WORLD_OK(w, sal_stats(c->sal)->lists_sent == 1);
	/* And so is each change, to one address as well, but nothing else. */
	world_run_for(w, 5 * SEC);
	host_addresses(a, "10.0.1.1", NULL);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, knows(c, "10.0.1.1") && knows(a, "10.0.0.1 10.0.0.2"));
	host_addresses(c, "10.0.0.1", "10.0.0.2");
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, sal_stats(c->sal)->lists_sent == 1);
	WORLD_OK(w, sal_stats(a->sal)->lists_sent == 2);
	/* After a move as well. */
	host_addresses(c, "10.0.0.3", "10.0.0.2");
	world_run_for(w, 100 * MSEC);
	WORLD_OK(w, knows(a, "10.0.0.3 10.0.0.2"));
	world_free(w);
}
END_TEST

/* Who has one address says nothing of it, though asked. */
START_TEST(one_address_is_not)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	pinged(w);
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, !sal_stats(c->sal)->lists_sent && knows(a, ""));
	WORLD_OK(w, sal_stats(c->sal)->outer_out == 2);
	host_addresses(c, "10.0.0.77", NULL);
	world_run_for(w, 5 * SEC);
	WORLD_OK(w, !sal_stats(c->sal)->lists_sent && knows(a, ""));
	world_free(w);
}
END_TEST

START_TEST(a_lost_list)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	uint64_t sent;

	pinged(w);
	world_lose(w, _i & 1 ? a : c, ACK, 3);
	host_addresses(c, "10.0.0.1", "10.0.0.2");
	world_run_for(w, 3 * SEC);
	WORLD_OK(w, knows(a, "10.0.0.1 10.0.0.2"));
	WORLD_OK(w, sal_stats(c->sal)->lists_sent == 4);
	/* Not for ever. */
	w->cut = true;
	host_addresses(c, "10.0.0.1", "10.0.0.3");
	sent = sal_stats(c->sal)->lists_sent;
	world_run_for(w, 100 * SEC);
	WORLD_OK(w, sal_stats(c->sal)->lists_sent == sent + 5);
	world_free(w);
}
END_TEST

/* ---- lists from others --------------------------------------------------- */

struct seen {
	uint64_t c_nonce;
	uint32_t c_verno, a_verno;
};

static void learn(struct world *w, const struct wire_packet *p, void *arg)
{
	struct seen *s = arg;
	const struct sal_control *c;
	struct sal_packet d;

	ck_assert_int_eq(sal_decode(&d, p->bytes, p->len), SAL_OK);
	c = sal_find_control(&d);
	if (!c || !(c->flags & SAL_FLAG_SYN))
		return;
	if (p->from != world_c(w)) {
		s->a_verno = c->verno + 1;
		return;
	}
	s->c_nonce = c->nonce;
	s->c_verno = c->verno + 1;
}

/* An ACK of C's flow with these extensions, and its nonce changed by that much.
 */
static void tell(struct world *w, const struct seen *s, uint64_t nonce_xor,
		 const char *lists)
{
	struct sal_flow_info f = host_flow(world_c(w));
	struct err err = ERR_INIT;
	uint8_t bytes[1024];
	char text[1024];
	int n;

	snprintf(text, sizeof(text),
		 "%u>%u | CONTROL ACK v=%u a=%u nonce=%llx | %s | ICMP",
		 f.local_id, f.remote_id, s->c_verno, s->a_verno,
		 (unsigned long long)(s->c_nonce ^ nonce_xor), lists);
	n = sal_text_parse(text, bytes, sizeof(bytes), &err);
	ck_assert_msg(n > 0, "%s: %s", text, err.msg);
	world_inject(w, "10.0.0.1", world_a(w), bytes, (size_t)n);
}

START_TEST(the_newest_counts)
{
	struct world *w = world_usual(1);
	struct host *a = world_a(w);
	struct seen s = { 0 };

	w->tap = learn;
	w->tap_arg = &s;
	pinged(w);
	tell(w, &s, 0, "ADDRESS v=4294967295 a=0 10.0.0.1,10.0.0.2");
	WORLD_OK(w, knows(a, "10.0.0.1 10.0.0.2"));
	/* Over the end of the numbers; the list is a whole. */
	tell(w, &s, 0, "ADDRESS6 v=3 a=0 fd00::3");
	WORLD_OK(w, knows(a, "fd00::3"));
	tell(w, &s, 0, "ADDRESS v=2 a=0 10.0.0.9");
	tell(w, &s, 0, "ADDRESS v=3 a=0 10.0.0.9");
	tell(w, &s, 0, "ADDRESS v=4294967295 a=0 10.0.0.9");
	WORLD_OK(w, knows(a, "fd00::3"));
	/* Without the nonce it is nothing. */
	for (int i = 0; i < 64; i++)
		tell(w, &s, UINT64_C(1) << i, "ADDRESS v=9 a=0 10.0.0.9");
	WORLD_OK(w, knows(a, "fd00::3"));
	WORLD_OK(w, sal_stats(a->sal)->bad_nonce == 64);
	WORLD_OK(w, sal_stats(a->sal)->lists_taken == 2);
	/* What no peer can have is left out, and so is the ninth. */
	tell(w, &s, 0,
	     "ADDRESS v=4 a=0 0.0.0.0,127.0.0.1,224.0.0.1,255.255.255.255,"
	     "169.254.1.1,10.0.0.1 | ADDRESS6 v=4 a=0 "
	     "::,::1,ff02::1,fe80::1,fd00::1");
	WORLD_OK(w, knows(a, "10.0.0.1 fd00::1"));
	tell(w, &s, 0,
	     "ADDRESS v=5 a=0 "
	     "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,10.0.0.6,"
	     "10.0.0.7,10.0.0.8,10.0.0.9,10.0.0.10");
	WORLD_OK(w, knows(a, "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 "
			     "10.0.0.6 10.0.0.7 10.0.0.8"));
	world_free(w);
}
END_TEST

/* ---- ways that are lost -------------------------------------------------- */

struct stream {
	struct world *w;
	struct host *c, *a;
	struct toy_tcp client, server;
	/* Nothing passes that has it at either end; AF_UNSPEC: all does. */
	struct ip_addr lost;
};

static bool passes(struct world *w, struct sal_path *path, void *arg)
{
	struct stream *st = arg;

	(void)w;
	return !ip_addr_size(&st->lost) ||
	       (!ip_addr_equal(&st->lost, &path->local) &&
		!ip_addr_equal(&st->lost, &path->remote));
}

static void starts(struct stream *st, const char *c2, const char *a2)
{
	*st = (struct stream){ .w = world_usual(3) };
	st->c = world_c(st->w);
	st->a = world_a(st->w);
	st->w->middle = passes;
	st->w->middle_arg = st;
	host_addresses(st->c, "10.0.0.1", c2);
	host_addresses(st->a, "10.0.1.1", a2);
	toy_listen(&st->server, st->a, "10.8.0.1", 80, 200000);
	toy_connect(&st->client, st->c, "10.8.0.1", 4000, 80, 200000);
	world_run_for(st->w, 50 * MSEC);
	WORLD_OK(st->w, st->client.got > 1000 && st->server.got > 1000);
}

static void ends(struct stream *st)
{
	toy_close(&st->client);
	toy_close(&st->server);
	world_run_for(st->w, 20 * SEC);
	WORLD_OK(st->w, toy_done(&st->client) && toy_done(&st->server));
	WORLD_OK(st->w, !st->client.wrong_byte && !st->server.wrong_byte);
	WORLD_OK(st->w, st->client.got == 200000 && st->server.got == 200000);
	world_free(st->w);
}

static bool goes(struct host *h, const char *from, const char *to)
{
	struct sal_path path = host_flow(h).path;
	struct ip_addr local = ip(from), remote = ip(to);

	return ip_addr_equal(&path.local, &local) &&
	       ip_addr_equal(&path.remote, &remote);
}

/* The client loses its IPv4, or the server does: they know of each other's
 * IPv6. */
START_TEST(an_address_is_gone)
{
	struct stream st;

	starts(&st, "fd00:2::1", "fd00:1::1");
	if (_i)
		host_addresses(st.a, "fd00:1::1", NULL);
	else
		host_addresses(st.c, "fd00:2::1", NULL);
	world_run_for(st.w, 5 * MSEC);
	WORLD_OK(st.w, goes(st.c, "fd00:2::1", "fd00:1::1"));
	WORLD_OK(st.w, goes(st.a, "fd00:1::1", "fd00:2::1"));
	WORLD_OK(st.w, host_flow(st.c).state == SAL_ESTABLISHED);
	ends(&st);
}
END_TEST

/* An address of the family in use is taken before one of the other, though that
 * be the first. */
START_TEST(the_family_stays)
{
	struct stream st;

	starts(&st, "fd00:2::1", "fd00:1::1");
	host_addresses(st.c, "fd00:2::1", "10.0.0.9");
	world_run_for(st.w, 5 * MSEC);
	WORLD_OK(st.w, goes(st.c, "10.0.0.9", "10.0.1.1"));
	ends(&st);
}
END_TEST

/* Silence: of the way that the client's first address has (0), or the server's
 * (1). The one who has another address finds the other way; within a second,
 * three probes and a round trip. */
START_TEST(a_way_falls_silent)
{
	struct stream st;
	uint32_t before;

	starts(&st, _i ? NULL : "10.0.0.2", _i ? "10.0.1.2" : NULL);
	st.lost = ip(_i ? "10.0.1.1" : "10.0.0.1");
	world_run_for(st.w, 20 * MSEC);
	before = st.client.got;
	world_run_for(st.w, SEC + 600 * MSEC + 10 * MSEC);
	WORLD_OK(st.w, st.client.got > before);
	if (_i)
		WORLD_OK(st.w, goes(st.c, "10.0.0.1", "10.0.1.2"));
	else
		WORLD_OK(st.w, goes(st.c, "10.0.0.2", "10.0.1.1"));
	ends(&st);
}
END_TEST

/* One of each, and both the first ones are lost at once: each knows of the
 * other's second. */
START_TEST(both_ways_fall_silent)
{
	struct stream st;

	starts(&st, "10.0.0.2", "10.0.1.2");
	host_addresses(st.c, "10.0.0.2", NULL);
	host_addresses(st.a, "10.0.1.2", NULL);
	world_run_for(st.w, 3 * SEC);
	WORLD_OK(st.w, goes(st.c, "10.0.0.2", "10.0.1.2"));
	WORLD_OK(st.w, goes(st.a, "10.0.1.2", "10.0.0.2"));
	ends(&st);
}
END_TEST

/* The only way there is comes back: the flow goes on. */
START_TEST(there_is_no_other_way)
{
	struct stream st;

	starts(&st, NULL, NULL);
	st.lost = ip("10.0.1.1");
	world_run_for(st.w, 8 * SEC);
	WORLD_OK(st.w, host_flow(st.c).state != SAL_ESTABLISHED);
	st.lost = (struct ip_addr){ 0 };
	ends(&st);
}
END_TEST

/* It moves on while it tries where the peer was before: the peer is where it
 * was heard last, nevertheless. */
START_TEST(a_move_while_ways_are_tried)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	pinged(w);
	host_addresses(c, "10.0.0.77", NULL);
	world_run_for(w, 20 * MSEC);
	w->cut = true;
	host_addresses(a, "10.0.1.77", NULL);
	world_run_for(w, 650 * MSEC);
	WORLD_OK(w, goes(a, "10.0.1.77", "10.0.0.1"));
	w->cut = false;
	host_addresses(a, "10.0.1.78", NULL);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, host_flow(a).state == SAL_ESTABLISHED);
	WORLD_OK(w, goes(a, "10.0.1.78", "10.0.0.77"));
	world_free(w);
}
END_TEST

/* ---- policy -------------------------------------------------------------- */

struct local {
	const char *addr;
	uint32_t cost;
	bool metered;
};

static void has(struct host *h, const struct local *v, size_t n)
{
	struct sal_local_address list[4];

	for (size_t i = 0; i < n; i++) {
		h->addresses[i] = ip(v[i].addr);
		list[i] = (struct sal_local_address){
			.addr = h->addresses[i],
			.ifindex = (uint32_t)i + 1,
			.cost = v[i].cost,
			.metered = v[i].metered,
		};
	}
	h->address_count = n;
	sal_set_addresses(h->sal, list, n, h->world->now_ns);
}

static const struct local three[] = { { "10.0.0.1", 30, false },
				      { "10.0.0.2", 10, true },
				      { "10.0.0.3", 20, false } };

struct order {
	bool avoid_metered, by_cost;
	const char *order[3];
};

static const struct order orders[] = {
	{ false, false, { "10.0.0.1", "10.0.0.2", "10.0.0.3" } },
	{ false, true, { "10.0.0.2", "10.0.0.3", "10.0.0.1" } },
	{ true, true, { "10.0.0.3", "10.0.0.1", "10.0.0.2" } },
	{ true, false, { "10.0.0.1", "10.0.0.3", "10.0.0.2" } },
};

/* New flows take the first, and when that is lost the next, and so on. */
START_TEST(the_policy_says_which)
{
	const struct order *o = &orders[_i];
	struct sal_policy policy = { .avoid_metered = o->avoid_metered,
				     .by_cost = o->by_cost };
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	struct local left[3];
	size_t n = 3;

	sal_set_policy(c->sal, &policy, w->now_ns);
	memcpy(left, three, sizeof(three));
	has(c, left, n);
	pinged(w);
	for (int i = 0; i < 3; i++) {
		size_t kept = 0;

		WORLD_OK(w, goes(c, o->order[i], "10.0.1.1"));
		for (size_t k = 0; k < n; k++)
			if (strcmp(left[k].addr, o->order[i]) != 0)
				left[kept++] = left[k];
		n = kept;
		has(c, left, n);
		world_run_for(w, 20 * MSEC);
	}
	WORLD_OK(w, host_flow(c).state == SAL_NOADDRESS);
	world_free(w);
}
END_TEST

/* A better one comes back: flows go there, if that is the policy. */
START_TEST(and_whether_to_go_back)
{
	struct sal_policy policy = { .by_cost = true, .go_back = _i };
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	sal_set_policy(c->sal, &policy, w->now_ns);
	has(c, three, 1);
	pinged(w);
	WORLD_OK(w, goes(c, "10.0.0.1", "10.0.1.1"));
	has(c, three, 3);
	world_run_for(w, 20 * MSEC);
	WORLD_OK(w, goes(c, _i ? "10.0.0.2" : "10.0.0.1", "10.0.1.1"));
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	/* The policy itself changes. */
	policy.by_cost = false;
	sal_set_policy(c->sal, &policy, w->now_ns);
	world_run_for(w, 20 * MSEC);
	WORLD_OK(w, goes(c, "10.0.0.1", "10.0.1.1"));
	WORLD_OK(w, !sal_get_policy(c->sal).by_cost);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 20 * MSEC);
	WORLD_OK(w, c->replies == 2);
	world_free(w);
}
END_TEST

/* It is on the move when the better one comes: it goes when it has arrived. */
START_TEST(back_when_the_move_is_over)
{
	struct sal_policy policy = { .by_cost = true, .go_back = true };
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	sal_set_policy(c->sal, &policy, w->now_ns);
	has(c, three, 1);
	pinged(w);
	w->cut = true;
	host_addresses(c, "10.0.0.9", NULL);
	has(c, three, 3);
	host_addresses(c, "10.0.0.1", NULL);
	WORLD_OK(w, host_flow(c).state == SAL_RSYN_SENT);
	has(c, three, 3);
	WORLD_OK(w, host_flow(c).state == SAL_RSYN_SENT);
	w->cut = false;
	world_run_for(w, SEC);
	WORLD_OK(w, goes(c, "10.0.0.2", "10.0.1.1"));
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED);
	world_free(w);
}
END_TEST

struct paths_of {
	struct sal_flow_info v[4];
	unsigned n;
};

static void note(void *arg, const struct sal_flow_info *f)
{
	struct paths_of *p = arg;

	p->v[p->n++] = *f;
}

/* Two conversations on two ways; each comes back to its own. */
START_TEST(flows_have_their_own_mind)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	struct ip_addr to = ip("10.0.0.3"), none = { 0 }, not_ours;
	struct paths_of p = { .n = 0 };
	uint32_t id;

	has(c, three, 3);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	host_ping(c, "10.8.0.1", 8, 1, 56);
	world_run_for(w, 20 * MSEC);
	sal_flows(c->sal, note, &p);
	WORLD_OK(w, p.n == 2);
	id = p.v[1].local_id;
	not_ours = ip("10.0.0.4");
	ck_assert_int_eq(sal_flow_move(c->sal, id, &not_ours, w->now_ns),
			 -EADDRNOTAVAIL);
	ck_assert_int_eq(sal_flow_move(c->sal, id + 1, &to, w->now_ns),
			 -ENOENT);
	ck_assert_int_eq(sal_flow_move(c->sal, id, &to, w->now_ns), 0);
	for (int i = 0; i < 2; i++) {
		world_run_for(w, 20 * MSEC);
		p.n = 0;
		sal_flows(c->sal, note, &p);
		WORLD_OK(w, p.v[0].state == SAL_ESTABLISHED);
		WORLD_OK(w, p.v[1].state == SAL_ESTABLISHED);
		WORLD_OK(w,
			 ip_addr_equal(&p.v[0].path.local, &c->addresses[0]));
		WORLD_OK(w, ip_addr_equal(&p.v[1].path.local, &to));
		/* All is gone for a while. */
		has(c, NULL, 0);
		world_run_for(w, 20 * MSEC);
		has(c, three, 3);
	}
	ck_assert_int_eq(sal_flow_move(c->sal, id, &none, w->now_ns), 0);
	world_free(w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: paths");
	TCase *tc = tcase_create("paths");

	tcase_add_test(tc, two_addresses_are_told);
	tcase_add_test(tc, one_address_is_not);
	tcase_add_loop_test(tc, a_lost_list, 0, 2);
	tcase_add_test(tc, the_newest_counts);
	tcase_add_loop_test(tc, an_address_is_gone, 0, 2);
	tcase_add_test(tc, the_family_stays);
	tcase_add_loop_test(tc, a_way_falls_silent, 0, 2);
	tcase_add_test(tc, both_ways_fall_silent);
	tcase_add_test(tc, there_is_no_other_way);
	tcase_add_test(tc, a_move_while_ways_are_tried);
	tcase_add_loop_test(tc, the_policy_says_which, 0, 4);
	tcase_add_loop_test(tc, and_whether_to_go_back, 0, 2);
	tcase_add_test(tc, back_when_the_move_is_over);
	tcase_add_test(tc, flows_have_their_own_mind);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
