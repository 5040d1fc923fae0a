/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client that knows a service router only, two routers, two hosts that may be
 * instances. */
#ifndef TESTS_FORWARD_LAB_H
#define TESTS_FORWARD_LAB_H

#include "node/wire/sal_text.h"
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"

#include <check.h>
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

static inline void watch(struct world *w, const struct wire_packet *p,
			 void *arg)
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

static inline void as_router(struct sal_config *c)
{
	c->max_forwarded = 64;
	if (more_of_it)
		more_of_it(c);
}

static inline struct host *add_router(const char *name, const char *at)
{
	struct host *h;

	world_adjust = as_router;
	h = world_host(s.w, name, at, NULL, NULL);
	world_adjust = NULL;
	return h;
}

static inline struct host *add_host(const char *name, const char *at,
				    const char *inner4, const char *inner6)
{
	struct host *h = world_host(s.w, name, at, inner4, inner6);

	host_name_usual(h);
	return h;
}

static inline struct host *add_client_or_instance(const char *name, unsigned n,
						  const char *at)
{
	char inner4[32], inner6[32];

	snprintf(inner4, sizeof(inner4), "10.9.0.%u", n);
	snprintf(inner6, sizeof(inner6), "fd09::%u", n);
	return add_host(name, at, inner4, inner6);
}

/* A client, two hosts of which A serves, and two routers. No rules. */
static inline void begin_at(uint64_t seed, const char *const at[5])
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

static inline void begin(uint64_t seed)
{
	static const char *const at[] = { AT_C, AT_A, AT_B, AT_R1, AT_R2 };

	begin_at(seed, at);
}

static inline void finish(void)
{
	world_free(s.w);
	more_of_it = NULL;
}

static inline struct sal_rule to(const char *addr, uint32_t weight)
{
	return (struct sal_rule){ .id = service(1),
				  .bits = 256,
				  .kind = SAL_RULE_FORWARD,
				  .to = ip(addr),
				  .weight = weight };
}

static inline void add(struct host *h, const char *addr, uint32_t weight)
{
	struct sal_rule r = to(addr, weight);

	ck_assert_int_eq(sal_rule_add(h->sal, &r, s.w->now_ns), 0);
}

static inline void weigh(struct host *h, const char *addr, uint32_t weight)
{
	struct sal_rule r = to(addr, weight);

	ck_assert_int_eq(
		sal_rule_change(h->sal, &r, SAL_CHANGE_WEIGHT, s.w->now_ns), 0);
}

/* All that is there goes to the router: a rule for no bits. */
static inline void default_to(struct host *h, const char *addr,
			      uint32_t priority)
{
	struct sal_rule r = { .kind = SAL_RULE_FORWARD,
			      .to = ip(addr),
			      .priority = priority,
			      .weight = 1 };

	ck_assert_int_eq(sal_rule_add(h->sal, &r, s.w->now_ns), 0);
}

/* C - R1 - R2 - A */
static inline void chain(void)
{
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_R2, 1);
	add(s.r2, AT_A, 1);
}

static inline uint16_t last_reason(const struct host *h)
{
	uint16_t reason = 0;

	for (size_t i = 0; i < s.w->event_count; i++)
		if (s.w->events[i].host == h &&
		    s.w->events[i].e.kind == SAL_EVENT_REFUSED)
			reason = s.w->events[i].e.reason;
	return reason;
}

static inline bool peer_is(struct host *h, const char *addr)
{
	struct ip_addr a = ip(addr);
	struct sal_flow_info f = host_flow(h);

	return f.state == SAL_ESTABLISHED && ip_addr_equal(&f.path.remote, &a);
}

static inline const struct sal_stats *stats(const struct host *h)
{
	return sal_stats(h->sal);
}

#endif
