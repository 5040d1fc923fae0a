/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Caps of interfaces: what goes now, what waits, what is dropped. */
#include "node/io/caps.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <string.h>

#define MS INT64_C(1000000)
#define MBIT 1000000u
#define LEN 980u /* of a segment: 1,012 bytes as an IP packet */

static struct {
	struct caps *caps;
	unsigned sent, received;
	uint8_t last; /* first byte of the last segment */
	uint8_t next; /* of the next answer */
	uint64_t bytes;
	bool in_order;
	bool answers; /* what is received */
} w;

static void send_it(void *arg, const struct sal_outer *p)
{
	(void)arg;
	ck_assert_uint_eq(p->header_len, 12);
	w.in_order &= !w.sent || p->segment[0] == (uint8_t)(w.last + 1);
	w.last = p->segment[0];
	w.sent++;
	w.bytes += p->len;
}

static void answer(void);

static void receive_it(void *arg, const struct sal_path *path,
		       const struct sal_ip_fields *ip, const uint8_t *bytes,
		       size_t len)
{
	(void)arg;
	ck_assert_uint_eq(path->ifindex, 3);
	ck_assert_uint_eq(ip->ttl, 9);
	ck_assert_uint_eq(len, 12 + LEN);
	w.last = bytes[12];
	w.received++;
	if (w.answers)
		answer();
}

static void setup(void)
{
	const struct caps_sink sink = { .send = send_it,
					.receive = receive_it };
	const struct cap cap = { .ifindex = 3, .bps = MBIT };

	memset(&w, 0, sizeof(w));
	w.in_order = true;
	w.caps = caps_new(&sink);
	ck_assert_ptr_nonnull(w.caps);
	ck_assert_int_eq(caps_set(w.caps, &cap, 1, 0), 0);
}

static void teardown(void)
{
	w.caps = caps_free(w.caps);
}

/* True: it waits, or was dropped. */
static bool give(uint32_t ifindex, size_t header_len, uint8_t first,
		 int64_t now_ns)
{
	static const uint8_t header[64];
	uint8_t segment[LEN] = { first };
	struct sal_outer p = {
		.path = { .remote.family = AF_INET, .ifindex = ifindex },
		.header = header,
		.header_len = header_len,
		.segment = segment,
		.len = LEN,
	};
	bool waits = caps_out(w.caps, &p, now_ns);

	if (!waits && header_len == 12)
		send_it(NULL, &p);
	return waits;
}

static void answer(void)
{
	give(3, 12, w.next++, 0);
}

/* As a program that has always more to send: a second brings what the rate
 * allows, and a burst, in its order, and caps_run() is called when it asks. */
START_TEST(the_rate_is_held)
{
	uint8_t next = 0;

	for (int64_t t = 0; t <= 1000; t++) {
		if (caps_next_ns(w.caps) <= t * MS)
			caps_run(w.caps, t * MS);
		if (t % 4 == 0)
			give(3, 12, next++, t * MS);
	}
	/* 123.5 packets of 1,012 bytes, a burst of 10 ms and one on top. */
	ck_assert_uint_ge(w.sent, 122);
	ck_assert_uint_le(w.sent, 127);
	ck_assert(caps_stats(w.caps)->cap_dropped > 0);
}
END_TEST

START_TEST(they_stay_in_order)
{
	for (uint8_t i = 0; i < 10; i++)
		give(3, 12, i, 0);
	ck_assert_uint_lt(w.sent, 10);
	for (int64_t t = 0; caps_next_ns(w.caps) != INT64_MAX; t++) {
		ck_assert_int_lt(t, 1000);
		caps_run(w.caps, t * MS);
	}
	ck_assert_uint_eq(w.sent, 10);
	ck_assert(w.in_order);
	ck_assert_uint_eq(caps_stats(w.caps)->cap_dropped, 0);
}
END_TEST

/* Without a cap, and the SAL's own packets: these are counted nevertheless. */
START_TEST(who_never_waits)
{
	for (uint8_t i = 0; i < 100; i++)
		ck_assert(!give(4, 12, i, 0));
	for (uint8_t i = 0; i < 100; i++)
		ck_assert(!give(3, 32, i, 0));
	ck_assert(give(3, 12, 0, 0));
	ck_assert_int_gt(caps_next_ns(w.caps), 500 * MS);
}
END_TEST

/* 200 ms' worth waits, 16 KiB at least; then there is no room. */
START_TEST(so_much_waits)
{
	for (unsigned i = 0; i < 1000; i++)
		give(3, 12, (uint8_t)i, 0);
	ck_assert_uint_ge(caps_stats(w.caps)->cap_delayed, 23);
	ck_assert_uint_le(caps_stats(w.caps)->cap_delayed, 25);
	/* Whose cap is gone waits no more. */
	ck_assert_int_eq(caps_set(w.caps, NULL, 0, 0), 0);
	ck_assert_uint_eq(w.sent, 1000 - caps_stats(w.caps)->cap_dropped);
	ck_assert(w.in_order);
	ck_assert_int_eq(caps_next_ns(w.caps), INT64_MAX);
	ck_assert(!give(3, 12, (uint8_t)(w.last + 1), 0));
}
END_TEST

/* Its cap is taken away: what it received is handed on then, and answered. */
START_TEST(answers_on_the_way_out)
{
	const struct sal_path path = { .remote.family = AF_INET, .ifindex = 3 };
	const struct sal_ip_fields ip = { .ttl = 9 };
	uint8_t bytes[12 + LEN] = { [8] = 3 };
	unsigned waits = 0;

	for (unsigned i = 0; i < 10; i++)
		waits += caps_in(w.caps, &path, &ip, bytes, sizeof(bytes), 0);
	ck_assert_uint_gt(waits, 5);
	while (!give(3, 12, w.next, 0))
		w.next++;
	w.next++; /* the one that waits */
	w.answers = true;
	ck_assert_int_eq(caps_set(w.caps, NULL, 0, 0), 0);
	ck_assert_uint_eq(w.received, waits);
	ck_assert_uint_eq(w.sent, w.next);
	ck_assert_uint_eq(caps_stats(w.caps)->cap_dropped, 0);
}
END_TEST

START_TEST(what_is_received_waits_too)
{
	const struct sal_path path = { .remote.family = AF_INET, .ifindex = 3 };
	const struct sal_ip_fields ip = { .ttl = 9 };
	uint8_t bytes[12 + LEN] = { [8] = 3 };
	unsigned now = 0;

	for (uint8_t i = 0; i < 10; i++) {
		bytes[12] = i;
		now += !caps_in(w.caps, &path, &ip, bytes, sizeof(bytes), 0);
	}
	ck_assert_uint_ge(now, 1);
	ck_assert_uint_lt(now, 10);
	/* One with extensions, and what is none of ours. */
	bytes[8] = 8;
	ck_assert(!caps_in(w.caps, &path, &ip, bytes, sizeof(bytes), 0));
	ck_assert(!caps_in(w.caps, &path, &ip, bytes, 3, 0));
	caps_run(w.caps, 1000 * MS);
	ck_assert_uint_ge(w.received, 1);
	for (int64_t t = 1000; caps_next_ns(w.caps) != INT64_MAX; t++) {
		ck_assert_int_lt(t, 3000);
		caps_run(w.caps, t * MS);
	}
	ck_assert_uint_eq(now + w.received, 10);
	ck_assert_uint_eq(w.last, 9);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("caps");
	TCase *tc = tcase_create("caps");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_rate_is_held);
	tcase_add_test(tc, they_stay_in_order);
	tcase_add_test(tc, who_never_waits);
	tcase_add_test(tc, so_much_waits);
	tcase_add_test(tc, what_is_received_waits_too);
	tcase_add_test(tc, answers_on_the_way_out);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
