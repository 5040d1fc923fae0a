/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's small parts, and what it hands through untouched. */
#include "node/sal/inner.h"
#include "node/sal/rand.h"
#include "node/sal/store.h"
#include "node/sal/timers.h"
#include "base/checksum.h"
#include "tests/support/sal_world.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed = 7;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

/* ---- timers, against a linear scan -------------------------------------- */

#define TIMERS 50

START_TEST(timers)
{
	struct sal_timer heap[TIMERS];
	uint32_t place[TIMERS], first;
	int64_t due[TIMERS];
	struct sal_timers t;

	sal_timers_init(&t, heap, place, TIMERS);
	for (int i = 0; i < TIMERS; i++)
		due[i] = SAL_NEVER;
	for (int round = 0; round < 20000; round++) {
		uint32_t k = below(TIMERS), best = 0;

		due[k] = below(4) ? below(1000) : SAL_NEVER;
		sal_timers_set(&t, k, due[k]);
		for (uint32_t i = 1; i < TIMERS; i++)
			if (due[i] < due[best])
				best = i;
		ck_assert_int_eq(sal_timers_next(&t, &first), due[best]);
		if (due[best] != SAL_NEVER)
			ck_assert_uint_eq(first, best);
	}
}
END_TEST

/* ---- the store, against what was put in --------------------------------- */

#define LISTS 4
#define KEPT_MAX 200

struct shadow {
	uint32_t len[KEPT_MAX];
	uint8_t first[KEPT_MAX];
	size_t n;
};

static void shadow_pop(struct shadow *s)
{
	s->n--;
	memmove(s->len, s->len + 1, s->n * sizeof(*s->len));
	memmove(s->first, s->first + 1, s->n);
}

static void list_is(const struct sal_store *s, const struct sal_store_list *l,
		    const struct shadow *want)
{
	static uint8_t scratch[SAL_SEGMENT_MAX], as_put[SAL_SEGMENT_MAX];
	uint32_t h = l->first;

	ck_assert_uint_eq(l->segments, want->n);
	for (size_t i = 0; i < want->n; i++) {
		const uint8_t *bytes;

		ck_assert_uint_ne(h, 0);
		ck_assert_uint_eq(sal_store_kept(s, h)->len, want->len[i]);
		bytes = sal_store_bytes(s, h, scratch);
		for (uint32_t k = 0; k < want->len[i]; k++)
			as_put[k] = (uint8_t)(want->first[i] + k);
		ck_assert(!memcmp(bytes, as_put, want->len[i]));
		h = sal_store_next(s, h);
	}
	ck_assert_uint_eq(h, 0);
}

START_TEST(store)
{
	enum { BYTES = 64 << 10 };
	struct sal_store_list lists[LISTS] = { { 0 } };
	static struct shadow want[LISTS];
	static uint8_t bytes[4000];
	struct sal_store s;
	void *mem = malloc(sal_store_memory(BYTES));
	unsigned refused = 0;

	sal_store_init(&s, mem, BYTES);
	for (int round = 0; round < 3000; round++) {
		uint32_t k = below(LISTS);
		struct sal_kept kept = { .len = below(sizeof(bytes)) };
		uint8_t first = (uint8_t)below(256);

		if (below(5) < 2) {
			sal_store_pop(&s, &lists[k]);
			if (want[k].n)
				shadow_pop(&want[k]);
		} else if (below(100) == 0) {
			sal_store_clear(&s, &lists[k]);
			want[k].n = 0;
		} else {
			for (uint32_t i = 0; i < kept.len; i++)
				bytes[i] = (uint8_t)(first + i);
			if (!sal_store_push(&s, &lists[k], &kept, bytes)) {
				refused++;
				continue;
			}
			ck_assert_uint_lt(want[k].n, KEPT_MAX);
			want[k].len[want[k].n] = kept.len;
			want[k].first[want[k].n++] = first;
		}
		list_is(&s, &lists[k], &want[k]);
	}
	ck_assert_uint_gt(refused, 100);
	for (int k = 0; k < LISTS; k++)
		sal_store_clear(&s, &lists[k]);
	ck_assert_uint_eq(s.used, 0);
	free(mem);
}
END_TEST

/* One that takes all it can leaves as much as it has, and so on. */
START_TEST(shares)
{
	enum { BYTES = 60 * 512 };
	struct sal_store_list a = { 0 }, b = { 0 };
	struct sal_kept kept = { .len = 100 };
	void *mem = malloc(sal_store_memory(BYTES));
	uint8_t bytes[100] = { 0 };
	struct sal_store s;

	sal_store_init(&s, mem, BYTES);
	while (sal_store_push(&s, &a, &kept, bytes))
		;
	ck_assert_uint_eq(a.segments, 30);
	while (sal_store_push(&s, &b, &kept, bytes))
		;
	ck_assert_uint_eq(b.segments, 15);
	free(mem);
}
END_TEST

START_TEST(random_numbers)
{
	uint8_t key[32] = { 1 }, a[500], b[500];
	struct sal_rand r, q;

	sal_rand_init(&r, key);
	sal_rand_init(&q, key);
	sal_rand_bytes(&r, a, sizeof(a));
	for (size_t i = 0, n; i < sizeof(b); i += n) {
		n = 1 + below(7);
		if (n > sizeof(b) - i)
			n = sizeof(b) - i;
		sal_rand_bytes(&q, b + i, n);
	}
	/* The same whatever the pieces; and another key, other numbers. */
	ck_assert_mem_eq(a, b, sizeof(a));
	key[0] = 2;
	sal_rand_init(&q, key);
	sal_rand_bytes(&q, b, sizeof(b));
	ck_assert_mem_ne(a, b, 16);
	ck_assert_mem_ne(a, a + 64, 16);
}
END_TEST

/* ---- offloads ----------------------------------------------------------- */

struct out {
	struct sal *sal;
	void *memory;
	struct sal_outer last;
	uint8_t header[128], segment[65536];
	unsigned n;
};

static void out_send(void *arg, const struct sal_outer *p)
{
	struct out *o = arg;

	o->last = *p;
	memcpy(o->header, p->header, p->header_len);
	if (p->len)
		memcpy(o->segment, p->segment, p->len);
	o->n++;
}

static void out_deliver(void *arg, const struct sal_inner *p)
{
	(void)arg;
	(void)p;
}

static void out_event(void *arg, const struct sal_event *e)
{
	(void)arg;
	(void)e;
}

static void out_start(struct out *o)
{
	struct sal_config c = { .max_flows = 0 };
	struct sal_sink sink = { .arg = o,
				 .send = out_send,
				 .deliver = out_deliver,
				 .event = out_event };
	struct sal_local_address here = { .addr = ip("10.0.0.1"),
					  .ifindex = 3 };
	struct ip_addr v4 = ip("10.8.0.1");
	struct service_id id = service(1);
	struct sal_rule r = { .id = id,
			      .bits = 256,
			      .kind = SAL_RULE_FORWARD,
			      .to = ip("10.0.1.1"),
			      .weight = 1 };

	memset(o, 0, sizeof(*o));
	sal_config_defaults(&c);
	c.inner4 = ip("10.9.0.1");
	o->memory = malloc(sal_memory(&c));
	ck_assert_int_eq(
		sal_init(o->memory, sal_memory(&c), &c, &sink, 0, &o->sal), 0);
	sal_set_addresses(o->sal, &here, 1, 0);
	ck_assert_int_eq(sal_name_set(o->sal, &id, &v4, NULL), 0);
	ck_assert_int_eq(sal_rule_add(o->sal, &r, 0), 0);
}

/* Answers the SYN that is the last packet. */
static void out_accept(struct out *o)
{
	struct sal_path path = { .local = ip("10.0.0.1"),
				 .remote = ip("10.0.1.1"),
				 .ifindex = 3 };
	struct sal_ip_fields fields = { .ttl = 64 };
	struct sal_packet syn, synack;
	uint8_t bytes[64];
	int n;

	ck_assert_int_eq(sal_decode(&syn, o->header, o->last.header_len),
			 SAL_OK);
	sal_packet_init(&synack, 77, syn.src_flow, syn.protocol);
	sal_add_control(&synack, SAL_FLAG_SYN | SAL_FLAG_ACK, 500,
			sal_find_control(&syn)->verno + 1, 42);
	n = sal_encode(&synack, bytes, sizeof(bytes));
	ck_assert_int_gt(n, 0);
	sal_from_outer(o->sal, &path, &fields, bytes, (size_t)n, 1000);
}

START_TEST(offloads_pass_through)
{
	static struct out o;
	static uint8_t big[60000];
	struct sal_inner p = { .src = ip("10.9.0.1"),
			       .dst = ip("10.8.0.1"),
			       .protocol = IPPROTO_TCP,
			       .segment = big,
			       .len = 20,
			       .ip = { .ttl = 64, .dont_fragment = true },
			       .offload = { .needs_csum = true,
					    .csum_offset = 16 } };

	for (size_t i = 20; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7);
	memcpy(big, (uint8_t[20]){ 0, 80, 0, 80, [12] = 5 << 4, 2 }, 20);
	out_start(&o);
	sal_from_inner(o.sal, &p, 0);
	/* It rides on the SYN with its checksum still to be done. */
	ck_assert_uint_eq(o.n, 1);
	ck_assert_uint_eq(o.last.len, 20);
	ck_assert(o.last.offload.needs_csum);
	ck_assert_uint_eq(o.last.offload.csum_offset, 16);
	ck_assert(ip_addr_equal(&o.last.inner_src, &p.src));
	ck_assert(ip_addr_equal(&o.last.inner_dst, &p.dst));
	ck_assert_uint_eq(o.last.path.ifindex, 3);
	ck_assert_uint_eq(o.last.protocol, IPPROTO_TCP);
	out_accept(&o);
	ck_assert_uint_eq(o.n, 2);
	/* A packet that stands for forty. */
	big[13] = 16;
	p.len = sizeof(big);
	p.offload.gso_type = 1;
	p.offload.gso_size = 1440;
	p.offload.header_len = 20;
	sal_from_inner(o.sal, &p, 2000);
	ck_assert_uint_eq(o.n, 3);
	ck_assert_uint_eq(o.last.header_len, SAL_HEADER_LEN);
	ck_assert_uint_eq(o.last.len, sizeof(big));
	ck_assert_mem_eq(o.segment, big, sizeof(big));
	ck_assert_uint_eq(o.last.offload.gso_size, 1440);
	ck_assert(o.last.ip.dont_fragment);
	/* And again, as it was, when the address has changed. */
	sal_set_addresses(o.sal,
			  &(struct sal_local_address){ .addr = ip("10.0.0.9"),
						       .ifindex = 4 },
			  1, 3000);
	ck_assert_uint_eq(o.n, 4);
	memset(o.segment, 0, sizeof(o.segment));
	{
		struct sal_packet rsyn, ack;
		struct sal_path path = { .local = ip("10.0.0.9"),
					 .remote = ip("10.0.1.1") };
		struct sal_ip_fields fields = { .ttl = 64 };
		uint8_t bytes[64];
		int n;

		ck_assert_int_eq(sal_decode(&rsyn, o.header, 32), SAL_OK);
		sal_packet_init(&ack, 77, rsyn.src_flow, IPPROTO_TCP);
		sal_add_control(&ack, SAL_FLAG_RSYN | SAL_FLAG_ACK, 501,
				sal_find_control(&rsyn)->verno + 1, 42);
		n = sal_encode(&ack, bytes, sizeof(bytes));
		sal_from_outer(o.sal, &path, &fields, bytes, (size_t)n, 4000);
	}
	/* The TCP SYN has never been acknowledged either. */
	ck_assert_uint_eq(sal_stats(o.sal)->resent, 2);
	ck_assert_uint_eq(o.last.len, sizeof(big));
	ck_assert_mem_eq(o.segment, big, sizeof(big));
	ck_assert_uint_eq(o.last.offload.gso_size, 1440);
	ck_assert(o.last.offload.needs_csum);
	ck_assert_uint_eq(o.last.path.ifindex, 4);
	free(o.memory);
}
END_TEST

/* What does not fit a SYN waits, and goes out whole when there is an answer. */
START_TEST(a_first_packet_of_many)
{
	static struct out o;
	static uint8_t big[30000] = { 0, 80, 0, 53 };
	struct sal_inner p = {
		.src = ip("10.9.0.1"),
		.dst = ip("10.8.0.1"),
		.protocol = IPPROTO_UDP,
		.segment = big,
		.len = sizeof(big),
		.offload = { .gso_type = 5, .gso_size = 1000, .header_len = 8 }
	};

	out_start(&o);
	sal_from_inner(o.sal, &p, 0);
	ck_assert_uint_eq(o.n, 1);
	ck_assert_uint_eq(o.last.len, 0);
	out_accept(&o);
	ck_assert_uint_eq(o.n, 3); /* the ACK, and the segment */
	ck_assert_uint_eq(o.last.len, sizeof(big));
	ck_assert_uint_eq(o.last.offload.gso_type, 5);
	free(o.memory);
}
END_TEST

/* ---- the source of a wildcard server ------------------------------------ */

/* Serves 10.8.0.1, port 53, and has a client 10.9.0.7 with port 5000. */
static void out_serve(struct out *o)
{
	struct service_id id = service(1);
	struct sal_rule r = {
		.id = id, .bits = 256, .kind = SAL_RULE_DEMUX, .weight = 1
	};
	uint8_t bytes[256], *d;
	struct sal_path path = { .local = ip("10.0.0.1"),
				 .remote = ip("10.0.1.1") };
	struct sal_ip_fields fields = { .ttl = 64 };
	struct ip_addr client = ip("10.9.0.7");
	struct sal_packet syn;
	int n;

	out_start(o);
	ck_assert_int_eq(sal_rule_add(o->sal, &r, 0), 0);
	sal_packet_init(&syn, 77, 0, IPPROTO_UDP);
	sal_add_control(&syn, SAL_FLAG_SYN, 500, 0, 42);
	sal_add_service(&syn, &id);
	sal_add_identity(&syn, &client);
	n = sal_encode(&syn, bytes, sizeof(bytes));
	ck_assert_int_gt(n, 0);
	d = bytes + n;
	memcpy(d, (uint8_t[8]){ 0x13, 0x88, 0, 53, 0, 8 }, 8);
	sal_from_outer(o->sal, &path, &fields, bytes, (size_t)n + 8, 0);
	ck_assert_uint_eq(o->n, 1);
}

static uint16_t pseudo_sum(const char *src, const char *dst, uint16_t len)
{
	struct ip_addr a = ip(src), b = ip(dst);
	uint8_t rest[4] = { 0, IPPROTO_UDP, (uint8_t)(len >> 8), (uint8_t)len };
	uint64_t sum = checksum_add(0, a.bytes, 4);

	sum = checksum_add(sum, b.bytes, 4);
	return (uint16_t)~checksum_finish(checksum_add(sum, rest, 4));
}

/* It answers from the host's own address, with its checksum done (0), without
 * one (1), and with one that is left to be done (2). */
START_TEST(wildcard_server)
{
	static struct out o;
	uint8_t d[12] = { 0, 53, 0x13, 0x88, 0, 12, 0, 0, 'f', 'i', 'n', 'e' };
	struct ip_addr as = ip("10.8.0.1");
	struct sal_inner p = { .src = ip("10.9.0.1"),
			       .dst = ip("10.9.0.7"),
			       .protocol = IPPROTO_UDP,
			       .segment = d,
			       .len = sizeof(d),
			       .ip = { .ttl = 64 } };
	uint16_t sum;

	out_serve(&o);
	if (_i == 0)
		transport_checksum_set(IPPROTO_UDP, &p.src, &p.dst, d,
				       sizeof(d));
	if (_i == 2) {
		sum = pseudo_sum("10.9.0.1", "10.9.0.7", sizeof(d));
		d[6] = (uint8_t)(sum >> 8);
		d[7] = (uint8_t)sum;
		p.offload.needs_csum = true;
		p.offload.csum_offset = 6;
	}
	sal_from_inner(o.sal, &p, 10);
	ck_assert_uint_eq(o.n, 2);
	ck_assert_uint_eq(o.last.len, sizeof(d));
	ck_assert(ip_addr_equal(&o.last.inner_src, &as));
	sum = (uint16_t)(o.segment[6] << 8 | o.segment[7]);
	if (_i == 2)
		ck_assert_uint_eq(
			sum, pseudo_sum("10.8.0.1", "10.9.0.7", sizeof(d)));
	else
		ck_assert_int_eq(
			transport_checksum_check(IPPROTO_UDP, &as, &p.dst,
						 o.segment, sizeof(d)),
			_i ? TRANSPORT_CHECKSUM_NONE : TRANSPORT_CHECKSUM_GOOD);
	/* From another port it is nobody's answer. */
	d[1] = 54;
	sal_from_inner(o.sal, &p, 20);
	ck_assert_uint_eq(o.n, 2);
	free(o.memory);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: parts");
	TCase *tc = tcase_create("parts");

	tcase_add_test(tc, timers);
	tcase_add_test(tc, store);
	tcase_add_test(tc, shares);
	tcase_add_test(tc, random_numbers);
	tcase_add_test(tc, offloads_pass_through);
	tcase_add_test(tc, a_first_packet_of_many);
	tcase_add_loop_test(tc, wildcard_server, 0, 3);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
