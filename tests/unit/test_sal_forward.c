/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Late binding: a client that knows a service router only, routers that hand
 * its SYN on by the service's name, instances that answer straight.
 */
#include "node/wire/sal_text.h"
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define AT_C "10.0.0.1"
#define AT_A "10.0.1.1"
#define AT_B "10.0.2.1"
#define AT_R1 "10.0.8.1"
#define AT_R2 "10.0.9.1"

static struct scene {
	struct world *w;
	struct host *c, *a, *b, *r1, *r2;
	char syn[SAL_TEXT_HEADER_MAX],
		synack[SAL_TEXT_HEADER_MAX]; /* the last ones that were sent */
	unsigned by_routers; /* packets to them */
	unsigned resets; /* that anybody has sent */
} s;

static void watch(struct world *w, const struct wire_packet *p, void *arg)
{
	const struct sal_control *c;
	struct sal_packet d;
	char text[SAL_TEXT_HEADER_MAX];

	(void)arg;
	for (unsigned i = 3; i < w->host_count; i++)
		s.by_routers += ip_addr_equal(&p->path.remote,
					      &w->hosts[i].addresses[0]);
	if (sal_decode(&d, p->bytes, p->len) != SAL_OK)
		return;
	c = sal_find_control(&d);
	if (!c)
		return;
	sal_text_format(&d, SAL_TEXT_PAYLOAD_BYTES, text, sizeof(text));
	if (c->flags == SAL_FLAG_SYN)
		snprintf(s.syn, sizeof(s.syn), "%s", text);
	else if (c->flags & SAL_FLAG_SYN)
		snprintf(s.synack, sizeof(s.synack), "%s", text);
	s.resets += !!(c->flags & SAL_FLAG_RST);
}

static void (*more_of_it)(struct sal_config *c);

static void as_router(struct sal_config *c)
{
	c->max_forwarded = 64;
	if (more_of_it)
		more_of_it(c);
}

static struct host *add_router(const char *name, const char *at)
{
	struct host *h;

	world_adjust = as_router;
	h = world_host(s.w, name, at, NULL, NULL);
	world_adjust = NULL;
	return h;
}

static struct host *add_host(const char *name, const char *at,
			     const char *inner4, const char *inner6)
{
	struct host *h = world_host(s.w, name, at, inner4, inner6);

	host_name_usual(h);
	return h;
}

static struct host *add_client_or_instance(const char *name, unsigned n,
					   const char *at)
{
	char inner4[32], inner6[32];

	snprintf(inner4, sizeof(inner4), "10.9.0.%u", n);
	snprintf(inner6, sizeof(inner6), "fd09::%u", n);
	return add_host(name, at, inner4, inner6);
}

/* A client, two hosts of which A serves, and two routers. No rules. */
static void begin_at(uint64_t seed, const char *const at[5])
{
	memset(&s, 0, sizeof(s));
	s.w = world_new_of(seed, 16);
	s.w->weather.delay_ns = MSEC;
	s.c = add_client_or_instance("C", 1, at[0]);
	s.a = add_client_or_instance("A", 2, at[1]);
	s.b = add_client_or_instance("B", 3, at[2]);
	s.r1 = add_router("R1", at[3]);
	s.r2 = add_router("R2", at[4]);
	s.w->tap = watch;
	host_serve(s.a, 1);
}

static void begin(uint64_t seed)
{
	static const char *const at[] = { AT_C, AT_A, AT_B, AT_R1, AT_R2 };

	begin_at(seed, at);
}

static void finish(void)
{
	world_free(s.w);
	more_of_it = NULL;
}

static struct sal_rule to(const char *addr, uint32_t weight)
{
	return (struct sal_rule){ .id = service(1),
				  .bits = 256,
				  .kind = SAL_RULE_FORWARD,
				  .to = ip(addr),
				  .weight = weight };
}

static void add(struct host *h, const char *addr, uint32_t weight)
{
	struct sal_rule r = to(addr, weight);

	ck_assert_int_eq(sal_rule_add(h->sal, &r, s.w->now_ns), 0);
}

static void weigh(struct host *h, const char *addr, uint32_t weight)
{
	struct sal_rule r = to(addr, weight);

	ck_assert_int_eq(
		sal_rule_change(h->sal, &r, SAL_CHANGE_WEIGHT, s.w->now_ns), 0);
}

/* All that is there goes to the router: a rule for no bits. */
static void default_to(struct host *h, const char *addr, uint32_t priority)
{
	struct sal_rule r = { .kind = SAL_RULE_FORWARD,
			      .to = ip(addr),
			      .priority = priority,
			      .weight = 1 };

	ck_assert_int_eq(sal_rule_add(h->sal, &r, s.w->now_ns), 0);
}

/* C - R1 - R2 - A */
static void chain(void)
{
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_R2, 1);
	add(s.r2, AT_A, 1);
}

static uint16_t last_reason(const struct host *h)
{
	uint16_t reason = 0;

	for (size_t i = 0; i < s.w->event_count; i++)
		if (s.w->events[i].host == h &&
		    s.w->events[i].e.kind == SAL_EVENT_REFUSED)
			reason = s.w->events[i].e.reason;
	return reason;
}

static bool peer_is(struct host *h, const char *addr)
{
	struct ip_addr a = ip(addr);
	struct sal_flow_info f = host_flow(h);

	return f.state == SAL_ESTABLISHED && ip_addr_equal(&f.path.remote, &a);
}

static const struct sal_stats *stats(const struct host *h)
{
	return sal_stats(h->sal);
}

/* ---- the way there, and straight back ----------------------------------- */

START_TEST(through_two_routers)
{
	begin(1);
	chain();
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 1 && s.a->requests == 1);
	WORLD_OK(s.w, peer_is(s.c, AT_A) && peer_is(s.a, AT_C));
	WORLD_OK(s.w, strstr(s.syn, "SOURCE 10.0.0.1,10.0.8.1,10.0.9.1"));
	WORLD_OK(s.w, strstr(s.synack,
			     "SOURCE 10.0.0.1,10.0.8.1,10.0.9.1,10.0.1.1"));
	WORLD_OK(s.w, s.by_routers == 2); /* one SYN each */
	WORLD_OK(s.w, stats(s.r1)->forwarded == 1);
	WORLD_OK(s.w,
		 world_events(s.w, s.r2, SAL_EVENT_SERVICE_FORWARDED) == 1);
	host_ping(s.c, "10.8.0.1", 7, 2, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 2 && s.by_routers == 2);
	/* The routers keep no flow of it. */
	WORLD_OK(s.w, !host_flows(s.r1) && !host_flows(s.r2));
	finish();
}
END_TEST

START_TEST(through_two_routers_over_ipv6)
{
	static const char *const at[] = { "fd00::1", "fd01::1", "fd02::1",
					  "fd08::8", "fd09::9" };

	begin_at(1, at);
	default_to(s.c, "fd08::8", 0);
	add(s.r1, "fd09::9", 1);
	add(s.r2, "fd01::1", 1);
	host_ping(s.c, "fd08::1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 1 && peer_is(s.c, "fd01::1"));
	WORLD_OK(s.w,
		 strstr(s.synack, "SOURCE6 fd00::1,fd08::8,fd09::9,fd01::1"));
	finish();
}
END_TEST

/* What the path cannot carry in one piece does not ride. */
START_TEST(a_rider_fits_all_the_way)
{
	begin(1);
	chain();
	for (unsigned i = 0; i < 40; i++)
		host_ping(s.c, "10.8.0.1", (uint16_t)(10 + i), 1, 1340 + i);
	world_run_for(s.w, 20 * MSEC);
	WORLD_OK(s.w, s.c->replies == 40);
	WORLD_OK(s.w, stats(s.r2)->forwarded == 40);
	finish();
}
END_TEST

START_TEST(a_stream_through_a_router)
{
	struct toy_tcp client, server;

	begin(1);
	chain();
	toy_listen(&server, s.a, "10.8.0.1", 80, 20000);
	s.a->program = toy_program;
	s.a->program_arg = &server;
	toy_connect(&client, s.c, "10.8.0.1", 4000, 80, 20000);
	s.c->program = toy_program;
	s.c->program_arg = &client;
	toy_finish(&client, &server, 20 * SEC);
	WORLD_OK(s.w, s.by_routers == 2);
	finish();
}
END_TEST

/* Neither a move nor anything else needs the router then. */
START_TEST(moves_need_no_router)
{
	begin(1);
	chain();
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	host_addresses(s.r1, NULL, NULL);
	host_addresses(s.r2, NULL, NULL);
	host_addresses(s.c, "10.0.0.77", NULL);
	world_run_for(s.w, 10 * MSEC);
	host_addresses(s.a, "10.0.1.77", NULL);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, peer_is(s.c, "10.0.1.77") && peer_is(s.a, "10.0.0.77"));
	host_ping(s.c, "10.8.0.1", 7, 2, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 2 && s.by_routers == 2);
	finish();
}
END_TEST

/* Both at the same moment: by name, through the routers, to where it is now. */
START_TEST(both_move_and_find_each_other_by_name)
{
	begin((uint64_t)_i);
	chain();
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	host_addresses(s.c, "10.0.0.77", NULL);
	host_addresses(s.a, "10.0.1.77", NULL);
	world_run_for(s.w, MSEC);
	/* As whoever sees to the rules would: what is new first. */
	add(s.r2, "10.0.1.77", 1);
	host_unforward(s.r2, 1, AT_A);
	world_run_for(s.w, 3 * SEC);
	WORLD_OK(s.w, peer_is(s.c, "10.0.1.77") && peer_is(s.a, "10.0.0.77"));
	host_ping(s.c, "10.8.0.1", 7, 2, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 2);
	finish();
}
END_TEST

/* ---- which way ---------------------------------------------------------- */

/* A repeated SYN goes where the first went, whatever the weights are now. */
START_TEST(repetitions_go_the_same_way)
{
	struct host *first;

	begin((uint64_t)_i);
	host_serve(s.b, 1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 1);
	add(s.r1, AT_B, 1);
	world_lose(s.w, s.a, SAL_FLAG_SYN | SAL_FLAG_ACK, 9);
	world_lose(s.w, s.b, SAL_FLAG_SYN | SAL_FLAG_ACK, 9);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.a->requests + s.b->requests == 1);
	first = s.a->requests ? s.a : s.b;
	weigh(s.r1, AT_A, first == s.a ? 0 : 1000);
	weigh(s.r1, AT_B, first == s.b ? 0 : 1000);
	world_run_for(s.w, 2 * SEC);
	WORLD_OK(s.w, stats(s.r1)->forward_again == 1);
	WORLD_OK(s.w, s.a->requests + s.b->requests == 1);
	WORLD_OK(s.w, host_flows(first) == 1);
	WORLD_OK(s.w, host_flows(first == s.a ? s.b : s.a) == 0);
	finish();
}
END_TEST

static void no_memory(struct sal_config *c)
{
	c->max_forwarded = 4;
}

/* Without memory of it (a flood has taken the places) as well, as long as the
 * rules stay. */
START_TEST(repetitions_go_the_same_way_without_memory)
{
	begin((uint64_t)_i);
	more_of_it = no_memory;
	s.r1 = add_router("R3", "10.0.8.3");
	host_serve(s.b, 1);
	default_to(s.c, "10.0.8.3", 0);
	add(s.r1, AT_A, 1);
	add(s.r1, AT_B, 1);
	world_lose(s.w, s.a, SAL_FLAG_SYN | SAL_FLAG_ACK, 99);
	world_lose(s.w, s.b, SAL_FLAG_SYN | SAL_FLAG_ACK, 99);
	for (unsigned i = 0; i < 20; i++)
		host_ping(s.c, "10.8.0.1", (uint16_t)(10 + i), 1, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.a->requests + s.b->requests == 20);
	world_run_for(s.w, 1 * SEC);
	WORLD_OK(s.w, stats(s.r1)->forwarded == 40);
	WORLD_OK(s.w, stats(s.r1)->forward_again < 20);
	WORLD_OK(s.w, s.a->requests + s.b->requests == 20);
	finish();
}
END_TEST

static void count_pings(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		host_ping(s.c, "10.8.0.1", (uint16_t)(100 + i), 1, 56);
		world_run_for(s.w, i % 20 == 19 ? 10 * MSEC : 0);
	}
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == n);
}

static void many_flows(struct sal_config *c)
{
	c->max_flows = 2000;
}

/* The deviation of 1200 draws at 3 : 1 is 15: five of them. */
START_TEST(shares_follow_the_weights)
{
	world_adjust = many_flows;
	begin((uint64_t)_i);
	host_serve(s.b, 1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 3);
	add(s.r1, AT_B, 1);
	count_pings(1200);
	WORLD_OK(s.w, s.b->requests > 225 && s.b->requests < 375);
	WORLD_OK(s.w, s.a->requests + s.b->requests == 1200);
	finish();
}
END_TEST

START_TEST(a_silent_instance_is_passed_over)
{
	begin((uint64_t)_i);
	host_serve(s.b, 1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 1000);
	add(s.r1, AT_B, 1);
	host_addresses(s.a, NULL, NULL);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 4 * SEC);
	WORLD_OK(s.w, s.c->replies == 1 && peer_is(s.c, AT_B));
	/* For this flow alone: nobody can have A set aside by SYNs. */
	WORLD_OK(s.w, stats(s.r1)->service_aside == 0);
	finish();
}
END_TEST

/* It turns out that A had only been slow: its half of a flow goes. */
START_TEST(who_answers_late_is_told)
{
	begin(1);
	host_serve(s.b, 1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 1000);
	add(s.r1, AT_B, 1);
	world_lose(s.w, s.a, SAL_FLAG_SYN | SAL_FLAG_ACK, 4);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 4 * SEC);
	WORLD_OK(s.w, peer_is(s.c, AT_B) && host_flows(s.a) == 1);
	world_run_for(s.w, 20 * SEC);
	WORLD_OK(s.w, host_flows(s.a) == 0 && stats(s.c)->lost_races == 1);
	host_ping(s.c, "10.8.0.1", 7, 2, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, peer_is(s.c, AT_B) && s.c->last_reply_seq == 2);
	finish();
}
END_TEST

/* ---- who says no, and when ---------------------------------------------- */

static void refused_with(uint16_t reason, int64_t within_ns)
{
	struct toy_tcp t;

	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	host_udp(s.c, NULL, "10.8.0.1", 9, 9, "hello");
	toy_connect(&t, s.c, "10.8.0.1", 4000, 80, 10);
	s.c->program = toy_program;
	s.c->program_arg = &t;
	world_run_for(s.w, within_ns);
	WORLD_OK(s.w, s.c->unreachable == 2); /* of UDP: its port */
	WORLD_OK(s.w, t.reset && !t.connected);
	WORLD_OK(s.w, last_reason(s.c) == reason);
	WORLD_OK(s.w, host_flows(s.c) == 0);
}

START_TEST(nobody_knows_the_service)
{
	begin(1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_R2, 1);
	refused_with(SAL_REASON_NO_SERVICE, 10 * MSEC);
	WORLD_OK(s.w, stats(s.r2)->no_service == 3);
	finish();
}
END_TEST

/* It is drained, or gone a moment ago: asked again for a while. */
START_TEST(no_instance_is_left)
{
	begin(1);
	chain();
	weigh(s.r2, AT_A, 0);
	refused_with(SAL_REASON_NO_INSTANCE, 1 * SEC);
	finish();
}
END_TEST

START_TEST(a_router_that_knows_the_name_says_no_instance)
{
	begin(1);
	default_to(s.c, AT_R1, 0);
	host_name_usual(s.r1);
	refused_with(SAL_REASON_NO_INSTANCE, 1 * SEC);
	finish();
}
END_TEST

START_TEST(a_rule_that_refuses)
{
	struct sal_rule r = { .id = service(1),
			      .bits = 256,
			      .kind = SAL_RULE_DROP,
			      .refuse = true,
			      .priority = 9,
			      .weight = 1 };

	begin(1);
	chain();
	ck_assert_int_eq(sal_rule_add(s.r1->sal, &r, s.w->now_ns), 0);
	refused_with(SAL_REASON_REFUSED, 10 * MSEC);
	finish();
}
END_TEST

START_TEST(a_loop)
{
	begin(1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_R2, 1);
	add(s.r2, AT_R1, 1);
	refused_with(SAL_REASON_LOOP, 10 * MSEC);
	WORLD_OK(s.w, stats(s.r2)->forward_loops == 3);
	WORLD_OK(s.w, stats(s.r1)->forwarded == 3);
	finish();
}
END_TEST

/* By rules that a router cannot see through: it comes back by another address
 * of its own. */
START_TEST(a_loop_by_another_address)
{
	begin(1);
	default_to(s.c, AT_R1, 0);
	host_addresses(s.r1, AT_R1, "10.0.8.2");
	add(s.r1, AT_R2, 60000);
	add(s.r1, AT_A, 1); /* it could go on, but should not have come */
	add(s.r2, "10.0.8.2", 1);
	refused_with(SAL_REASON_LOOP, 10 * MSEC);
	WORLD_OK(s.w, stats(s.r1)->forward_loops == 3);
	finish();
}
END_TEST

/* C - R10 ... R18 - A: eight of them are the limit. */
START_TEST(too_many_hops)
{
	struct host *h = NULL;
	char at[32];

	begin(1);
	default_to(s.c, "10.0.20.10", 0);
	for (int i = 10; i < 10 + _i; i++) {
		snprintf(at, sizeof(at), "10.0.20.%d", i);
		if (h)
			add(h, at, 1);
		h = add_router("R", at);
	}
	add(h, AT_A, 1);
	if (_i > 8) {
		refused_with(SAL_REASON_HOP_LIMIT, 30 * MSEC);
		/* The ninth says so, not the last. */
		WORLD_OK(s.w, stats(&s.w->hosts[5 + 8])->forward_far == 3);
	} else {
		host_ping(s.c, "10.8.0.1", 7, 1, 56);
		world_run_for(s.w, 30 * MSEC);
		WORLD_OK(s.w, s.c->replies == 1);
	}
	finish();
}
END_TEST

/* Puts a packet into an engine as if it came to it from there. */
static void put(struct host *h, const char *from, uint8_t ttl, const char *text)
{
	const struct sal_path path = { .local = h->addresses[0],
				       .remote = ip(from),
				       .ifindex = 1 };
	const struct sal_ip_fields fields = { .ttl = ttl };
	struct err err = ERR_INIT;
	uint8_t bytes[512];
	int n = sal_text_parse(text, bytes, sizeof(bytes), &err);

	ck_assert_msg(n > 0, "%s: %s", text, err.msg);
	sal_from_outer(h->sal, &path, &fields, bytes, (size_t)n, s.w->now_ns);
}

#define SERVICE_1 "16777216"

START_TEST(the_hop_limit_of_ip_counts_too)
{
	static const char syn[] =
		"5>0 | CONTROL SYN v=7 a=0 nonce=99 | SERVICE " SERVICE_1
		" | IDENTITY 10.9.0.1 | ICMP";

	begin(1);
	chain();
	put(s.r1, AT_C, 2, syn);
	WORLD_OK(s.w, stats(s.r1)->forwarded == 1 && !s.resets);
	put(s.r1, AT_C, 1, syn);
	WORLD_OK(s.w, stats(s.r1)->forwarded == 1 && s.resets == 1);
	WORLD_OK(s.w, stats(s.r1)->forward_far == 1);
	finish();
}
END_TEST

static void few_flows(struct sal_config *c)
{
	c->max_flows = 1;
}

/* The instance has no room: another one has, or the program is told. */
START_TEST(table_full)
{
	struct host *full;

	begin(1);
	default_to(s.c, AT_R1, 0);
	world_adjust = few_flows;
	full = add_client_or_instance("F", 9, "10.0.5.1");
	world_adjust = NULL;
	host_serve(full, 1);
	add(s.r1, "10.0.5.1", 60000);
	/* More than a question: it does not make room. */
	for (uint16_t seq = 1; seq <= 3; seq++)
		host_ping(s.c, "10.8.0.1", 6, seq, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 3);
	if (_i) {
		add(s.r1, AT_A, 1);
		host_ping(s.c, "10.8.0.1", 7, 1, 56);
		world_run_for(s.w, 100 * MSEC);
		WORLD_OK(s.w, s.c->replies == 4 && s.a->requests == 1);
	} else {
		host_ping(s.c, "10.8.0.1", 7, 1, 56);
		world_run_for(s.w, 1 * SEC);
		WORLD_OK(s.w, s.c->replies == 3 && s.c->unreachable == 1);
		WORLD_OK(s.w, last_reason(s.c) == SAL_REASON_TABLE_FULL);
	}
	finish();
}
END_TEST

/* ---- when something dies ------------------------------------------------ */

/* The instance goes: its client asks the router again, and gets the other. */
START_TEST(an_instance_is_withdrawn)
{
	begin(1);
	chain();
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	host_serve(s.b, 1);
	add(s.r2, AT_B, 1);
	host_unforward(s.r2, 1, AT_A);
	host_unserve(s.a, 1);
	world_run_for(s.w, 100 * MSEC);
	host_ping(s.c, "10.8.0.1", 7, 2, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 2 && peer_is(s.c, AT_B));
	finish();
}
END_TEST

/* The router's rule for it stands a while longer: the client is refused by the
 * host that was one, asks again, and is sent elsewhere. */
START_TEST(a_refused_client_is_sent_elsewhere)
{
	begin((uint64_t)_i);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 60000);
	add(s.r1, AT_B, 1);
	host_serve(s.b, 1);
	host_unserve(s.a, 1);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 100 * MSEC);
	WORLD_OK(s.w, s.c->replies == 1 && peer_is(s.c, AT_B));
	/* The router itself has done nothing wrong. */
	WORLD_OK(s.w, stats(s.c)->service_aside == 0);
	finish();
}
END_TEST

/* ICMP, from the last router before A, comes to the client, whose address is
 * on the SYN. Who quotes its nonce has seen that. */
START_TEST(an_instance_is_unreachable)
{
	struct sal_path path = { .local = ip(AT_C), .remote = ip(AT_A) };
	struct err err = ERR_INIT;
	uint8_t bytes[512];
	int len;

	begin(1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 60000);
	add(s.r1, AT_B, 1);
	host_serve(s.b, 1);
	host_addresses(s.a, NULL, NULL);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	ck_assert_int_eq(host_flow(s.c).state, SAL_SYN_SENT);
	len = sal_text_parse(s.syn, bytes, sizeof(bytes), &err);
	ck_assert_msg(len > 0, "%s: %s", s.syn, err.msg);
	sal_unreachable(s.c->sal, &path, bytes, (size_t)len, s.w->now_ns);
	world_run_for(s.w, 100 * MSEC);
	WORLD_OK(s.w, s.c->replies == 1 && peer_is(s.c, AT_B));
	finish();
}
END_TEST

START_TEST(a_router_dies)
{
	begin(1);
	default_to(s.c, AT_R1, 9);
	default_to(s.c, AT_R2, 0);
	add(s.r1, AT_A, 1);
	add(s.r2, AT_A, 1);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	host_addresses(s.r1, NULL, NULL);
	for (uint16_t i = 2; i < 12; i++) {
		host_ping(s.c, "10.8.0.1", 7, i, 56);
		world_run_for(s.w, 300 * MSEC);
		WORLD_OK(s.w, s.c->replies == i);
	}
	WORLD_OK(s.w, stats(s.r2)->forwarded == 0);
	/* A new one asks the other router after the first SYN, for this one has
	 * answered before; and then at once. */
	host_ping(s.c, "10.8.0.1", 8, 1, 56);
	world_run_for(s.w, 220 * MSEC);
	WORLD_OK(s.w, s.c->replies == 12);
	host_ping(s.c, "10.8.0.1", 9, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 13 && stats(s.r2)->forwarded == 2);
	finish();
}
END_TEST

/* ---- domains ------------------------------------------------------------ */

/* Each router has its own instance and the other router: half of all go
 * there, and none comes back. */
START_TEST(two_domains)
{
	begin((uint64_t)_i);
	host_serve(s.b, 1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 1);
	add(s.r1, AT_R2, 1);
	add(s.r2, AT_B, 1);
	add(s.r2, AT_R1, 1);
	count_pings(60);
	WORLD_OK(s.w, stats(s.r1)->forwarded == 60);
	WORLD_OK(s.w, stats(s.r2)->forwarded == s.b->requests);
	WORLD_OK(s.w, s.a->requests > 10 && s.b->requests > 10);
	WORLD_OK(s.w, s.resets == 0);
	finish();
}
END_TEST

/* ---- NATs --------------------------------------------------------------- */

/*
 * In front of C: nothing but UDP passes, a binding is for one peer, and has a
 * port of its own.
 */
#define NAT "10.0.7.7"
static struct nat {
	struct ip_addr peer[8];
	unsigned n;
	unsigned dropped;
} nat;

static bool behind_nat(struct world *w, struct sal_path *path, void *arg)
{
	struct ip_addr inside = ip(AT_C), outside = ip(NAT);
	unsigned i = 0;

	(void)w;
	(void)arg;
	if (ip_addr_equal(&path->local, &inside)) {
		if (!path->remote_port)
			return false;
		while (i < nat.n && !ip_addr_equal(&nat.peer[i], &path->remote))
			i++;
		if (i == nat.n)
			nat.peer[nat.n++] = path->remote;
		path->local = outside;
		path->local_port = (uint16_t)(40000 + i);
		return true;
	}
	if (ip_addr_equal(&path->remote, &inside))
		return false; /* an address of the inside, from outside */
	if (!ip_addr_equal(&path->remote, &outside))
		return true;
	i = path->remote_port - 40000u;
	if (i >= nat.n || !ip_addr_equal(&nat.peer[i], &path->local)) {
		nat.dropped++;
		return false;
	}
	path->remote = inside;
	path->remote_port = 54324;
	return true;
}

static void begin_behind_nat(uint64_t seed)
{
	begin(seed);
	nat.n = nat.dropped = 0;
	s.w->middle = behind_nat;
}

START_TEST(a_client_behind_a_nat)
{
	begin_behind_nat((uint64_t)_i);
	chain();
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 1100 * MSEC);
	WORLD_OK(s.w, s.c->replies == 1 && peer_is(s.c, AT_A));
	WORLD_OK(s.w, nat.dropped == 0);
	/* Of the next one each hop knows. */
	host_ping(s.c, "10.8.0.1", 8, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 2 && nat.dropped == 0);
	WORLD_OK(s.w, stats(s.r2)->forwarded == 2);
	finish();
}
END_TEST

START_TEST(a_client_behind_a_nat_is_refused)
{
	begin_behind_nat(1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_R2, 1);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 1100 * MSEC);
	WORLD_OK(s.w, s.c->unreachable == 1 && nat.dropped == 0);
	WORLD_OK(s.w, last_reason(s.c) == SAL_REASON_NO_SERVICE);
	finish();
}
END_TEST

START_TEST(a_stream_from_behind_a_nat)
{
	struct toy_tcp client, server;

	begin_behind_nat(1);
	chain();
	toy_listen(&server, s.a, "10.8.0.1", 80, 20000);
	s.a->program = toy_program;
	s.a->program_arg = &server;
	toy_connect(&client, s.c, "10.8.0.1", 4000, 80, 20000);
	s.c->program = toy_program;
	s.c->program_arg = &client;
	toy_finish(&client, &server, 20 * SEC);
	WORLD_OK(s.w, nat.dropped == 0);
	finish();
}
END_TEST

/* ---- pressure ----------------------------------------------------------- */

static void no_half_open(struct sal_config *c)
{
	c->max_half_open = 1;
}

/* A flow whose ACK never comes fills the instance: the next is answered without
 * state, which the client proves straight to it. */
START_TEST(answers_without_state)
{
	begin(1);
	if (_i)
		s.w->middle = behind_nat;
	nat.n = nat.dropped = 0;
	world_adjust = no_half_open;
	s.a = add_client_or_instance("P", 9, "10.0.5.1");
	world_adjust = NULL;
	host_serve(s.a, 1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_R2, 1);
	add(s.r2, "10.0.5.1", 1);
	default_to(s.b, "10.0.5.1", 0);
	world_lose(s.w, s.b, SAL_FLAG_ACK, 100);
	host_ping(s.b, "10.8.0.1", 5, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 1100 * MSEC);
	WORLD_OK(s.w, stats(s.a)->syn_stateless >= 1);
	WORLD_OK(s.w, stats(s.a)->syn_proved == 1);
	WORLD_OK(s.w, s.c->replies == 1 && peer_is(s.c, "10.0.5.1"));
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward");
	TCase *tc = tcase_create("forward");

	tcase_add_test(tc, through_two_routers);
	tcase_add_test(tc, through_two_routers_over_ipv6);
	tcase_add_test(tc, a_rider_fits_all_the_way);
	tcase_add_test(tc, a_stream_through_a_router);
	tcase_add_test(tc, moves_need_no_router);
	tcase_add_loop_test(tc, both_move_and_find_each_other_by_name, 1, 10);
	tcase_add_loop_test(tc, repetitions_go_the_same_way, 1, 20);
	tcase_add_loop_test(tc, repetitions_go_the_same_way_without_memory, 1,
			    5);
	tcase_add_loop_test(tc, shares_follow_the_weights, 1, 5);
	tcase_add_loop_test(tc, a_silent_instance_is_passed_over, 1, 5);
	tcase_add_test(tc, who_answers_late_is_told);
	tcase_add_test(tc, nobody_knows_the_service);
	tcase_add_test(tc, no_instance_is_left);
	tcase_add_test(tc, a_router_that_knows_the_name_says_no_instance);
	tcase_add_test(tc, a_rule_that_refuses);
	tcase_add_test(tc, a_loop);
	tcase_add_test(tc, a_loop_by_another_address);
	tcase_add_loop_test(tc, too_many_hops, 7, 11);
	tcase_add_test(tc, the_hop_limit_of_ip_counts_too);
	tcase_add_loop_test(tc, table_full, 0, 2);
	tcase_add_test(tc, an_instance_is_withdrawn);
	tcase_add_loop_test(tc, a_refused_client_is_sent_elsewhere, 1, 20);
	tcase_add_test(tc, an_instance_is_unreachable);
	tcase_add_test(tc, a_router_dies);
	tcase_add_loop_test(tc, two_domains, 1, 10);
	tcase_add_loop_test(tc, a_client_behind_a_nat, 1, 5);
	tcase_add_test(tc, a_client_behind_a_nat_is_refused);
	tcase_add_test(tc, a_stream_from_behind_a_nat);
	tcase_add_loop_test(tc, answers_without_state, 0, 2);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
