/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queues and rates against what can be worked out on paper. */
#include "tests/support/link_frames.h"
#include "tests/support/run_suite.h"
#include "orchestrator/link/trace.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

static struct test_frame udp;

static void setup(void)
{
	frame_udp(&udp, 40000, 5001);
}

static struct link_direction *make(const struct link_params *p)
{
	struct link_direction *d = link_new(7, "wire", 0, p, 100000);

	ck_assert_ptr_nonnull(d);
	link_start(d, 0);
	return d;
}

static enum link_verdict offer(struct link_direction *d, int64_t now_ns,
			       uint32_t bytes, uint32_t handle)
{
	struct link_offer o = frame_offer(&udp, now_ns, bytes, handle);

	return link_offer(d, &o);
}

/* The next frame comes out exactly then. */
static void expect(struct link_direction *d, int64_t due_ns, uint32_t handle)
{
	struct link_outcome out;

	ck_assert_int_eq(link_next_ns(d), due_ns);
	ck_assert(!link_pop(d, due_ns - 1, &out));
	ck_assert(link_pop(d, due_ns, &out));
	ck_assert_int_eq(out.due_ns, due_ns);
	ck_assert_uint_eq(out.handle, handle);
	ck_assert(!out.lost && out.final && !out.copy);
	ck_assert_uint_eq(out.corrupt_bit, LINK_NO_BIT);
}

START_TEST(a_delay_is_exact)
{
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.delay_ns = 10 * MS;
	d = make(&p);
	ck_assert_int_eq(link_next_ns(d), LINK_NEVER);
	must(offer(d, 5, 1514, 1) == LINK_TAKEN);
	must(offer(d, 5, 60, 2) == LINK_TAKEN);
	must(offer(d, 9, 60, 3) == LINK_TAKEN);
	expect(d, 10 * MS + 5, 1);
	expect(d, 10 * MS + 5, 2);
	expect(d, 10 * MS + 9, 3);
	ck_assert_int_eq(link_next_ns(d), LINK_NEVER);
	link_free(d);
}
END_TEST

START_TEST(a_frame_takes_its_time_on_the_wire)
{
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.rate_bps = 10000000; /* 1250 bytes a ms */
	p.delay_ns = 3 * MS;
	d = make(&p);
	must(offer(d, 0, 1250, 1) == LINK_TAKEN);
	must(offer(d, 1000, 125, 2) == LINK_TAKEN); /* behind it */
	must(offer(d, 9 * MS, 1250, 3) == LINK_TAKEN); /* idle again */
	expect(d, 4 * MS, 1);
	expect(d, 4 * MS + MS / 10, 2);
	expect(d, 13 * MS, 3);
	link_free(d);
}
END_TEST

/* 3 bits/s divide nothing: after n frames the error is still below 1 ns. */
static const uint64_t odd_rates[] = {
	3, 7, 999, 1000003, 123456789, 999999937, UINT64_C(99999999977)
};

START_TEST(serialisation_does_not_drift)
{
	enum { FRAMES = 50000 };
	uint64_t rate = odd_rates[_i], bits = 0;
	struct link_outcome out;
	struct link_params p;
	struct link_direction *d;
	uint32_t n = 0;

	link_params_init(&p);
	p.rate_bps = rate;
	p.queue.packets = 0;
	d = make(&p);
	for (uint32_t i = 0; i < FRAMES; i++)
		must(offer(d, 0, 60 + i % 1455, i) == LINK_TAKEN);
	while (link_pop(d, LINK_NEVER - 1, &out)) {
		unsigned __int128 work;

		bits += (60 + n % 1455) * 8;
		work = (unsigned __int128)bits * 1000000000;
		must(out.handle == n);
		must(out.due_ns == (int64_t)((work + rate - 1) / rate));
		n++;
	}
	ck_assert_uint_eq(n, FRAMES);
	ck_assert_int_eq(link_counts(d)->busy_bytes * 8, bits);
	link_free(d);
}
END_TEST

START_TEST(a_full_queue_drops_at_its_tail)
{
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.rate_bps = 8000; /* a byte a ms */
	p.queue.packets = 2;
	d = make(&p);
	must(offer(d, 0, 100, 1) == LINK_TAKEN); /* on its way */
	must(offer(d, 0, 100, 2) == LINK_TAKEN);
	must(offer(d, 0, 100, 3) == LINK_TAKEN);
	ck_assert_int_eq(offer(d, 0, 100, 4), LINK_DROP_QUEUE);
	ck_assert_int_eq(offer(d, 100 * MS - 1, 100, 5), LINK_DROP_QUEUE);
	must(offer(d, 100 * MS, 100, 6) == LINK_TAKEN);
	expect(d, 100 * MS, 1);
	expect(d, 200 * MS, 2);
	expect(d, 300 * MS, 3);
	expect(d, 400 * MS, 6);
	ck_assert_uint_eq(link_counts(d)->queue_dropped, 2);
	ck_assert_uint_eq(link_counts(d)->queued_most, 2);
	ck_assert_uint_eq(link_counts(d)->queued_bytes_most, 200);
	ck_assert_uint_eq(link_counts(d)->offered, 6);
	ck_assert_uint_eq(link_counts(d)->delivered, 4);
	link_free(d);
}
END_TEST

START_TEST(a_queue_may_be_bounded_by_bytes)
{
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.rate_bps = 8000;
	p.queue.packets = 0;
	p.queue.bytes = 250;
	d = make(&p);
	must(offer(d, 0, 1000, 1) == LINK_TAKEN); /* no wait */
	must(offer(d, 0, 200, 2) == LINK_TAKEN);
	ck_assert_int_eq(offer(d, 0, 51, 3), LINK_DROP_QUEUE);
	must(offer(d, 0, 50, 4) == LINK_TAKEN);
	link_free(d);
}
END_TEST

START_TEST(a_queue_may_be_bounded_by_time)
{
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.rate_bps = 8000; /* a byte a ms */
	p.queue.packets = 0;
	p.queue.wait_ns = 250 * MS;
	d = make(&p);
	must(offer(d, 0, 1000, 1) == LINK_TAKEN); /* no wait */
	ck_assert_int_eq(offer(d, 0, 1, 2), LINK_DROP_QUEUE);
	ck_assert_int_eq(offer(d, 750 * MS - 1, 1, 3), LINK_DROP_QUEUE);
	must(offer(d, 750 * MS, 1000, 4) == LINK_TAKEN);
	ck_assert_int_eq(offer(d, 1749 * MS, 1, 5), LINK_DROP_QUEUE);
	must(offer(d, 1750 * MS, 1, 6) == LINK_TAKEN);
	ck_assert_uint_eq(link_counts(d)->queue_dropped, 3);
	link_free(d);
}
END_TEST

START_TEST(marks_may_go_by_time)
{
	/* They wait for 0, 100, 200, 300 ms. */
	static const bool marked[] = { 0, 0, 1, 1 };
	struct link_outcome out;
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.rate_bps = 8000;
	p.queue.ecn_wait_ns = 200 * MS;
	d = make(&p);
	for (uint32_t i = 0; i < 4; i++) {
		struct link_offer o = frame_offer(&udp, 0, 100, i);

		o.key.ecn_capable = true;
		must(link_offer(d, &o) == LINK_TAKEN);
	}
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert(link_pop(d, S, &out));
		ck_assert_int_eq(out.mark, marked[i]);
	}
	link_free(d);
}
END_TEST

START_TEST(only_what_can_be_marked_is_marked)
{
	struct link_outcome out;
	struct link_params p;
	struct link_direction *d;
	static const bool marked[] = { 0, 0, 0, 1, 0 };

	link_params_init(&p);
	p.rate_bps = 8000;
	p.queue.ecn_packets = 2;
	d = make(&p);
	for (uint32_t i = 0; i < 5; i++) {
		struct link_offer o = frame_offer(&udp, 0, 100, i);

		o.key.ecn_capable = i != 4;
		must(link_offer(d, &o) == LINK_TAKEN);
	}
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert(link_pop(d, S, &out));
		ck_assert_int_eq(out.mark, marked[i]);
	}
	ck_assert_uint_eq(link_counts(d)->marked, 1);
	link_free(d);
}
END_TEST

START_TEST(what_is_too_large_vanishes)
{
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.mtu = 1280;
	d = make(&p);
	ck_assert_int_eq(offer(d, 0, 14 + 1281, 1), LINK_DROP_MTU);
	must(offer(d, 0, 14 + 1280, 2) == LINK_TAKEN);
	expect(d, 0, 2);
	ck_assert_uint_eq(link_counts(d)->mtu_dropped, 1);
	link_free(d);
}
END_TEST

/*
 * M/D/1: Poisson arrivals at a server whose service time is D wait for
 * D rho / (2 (1 - rho)) on the average. Successive waits depend on each other,
 * so the error is estimated from the means of batches that are long against
 * that, and five of its standard errors are allowed.
 */
static const double loads[] = { 0.2, 0.5, 0.7, 0.9 };

START_TEST(poisson_arrivals_wait_as_theory_says)
{
	enum { BATCHES = 40, BATCH = 10000 };
	const double service = 1e5; /* ns: 125 bytes at 10 Mbit/s */
	double rho = loads[_i], t = 0, sum = 0, squares = 0, mean, error;
	double want = service * rho / (2 * (1 - rho));
	unsigned short rng[3] = { 1, 2, 3 };
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.rate_bps = 10000000;
	p.queue.packets = 0;
	d = make(&p);
	for (int b = 0; b < BATCHES; b++) {
		double batch = 0;

		for (int i = 0; i < BATCH; i++) {
			struct link_outcome out;

			t -= log(1 - erand48(rng)) * service / rho;
			must(offer(d, (int64_t)t, 125, 0) == LINK_TAKEN);
			while (link_pop(d, (int64_t)t, &out))
				batch += (double)(out.due_ns - out.offered_ns) -
					 service;
		}
		sum += batch / BATCH;
		squares += (batch / BATCH) * (batch / BATCH);
	}
	mean = sum / BATCHES;
	error = sqrt((squares / BATCHES - mean * mean) / (BATCHES - 1));
	ck_assert_msg(fabs(mean - want) < 5 * error + 1,
		      "load %g: %g ns instead of %g, error %g", rho, mean, want,
		      error);
	ck_assert_msg(error < 0.1 * want, "error %g of %g", error, want);
	link_free(d);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("link_rate");
	TCase *c = tcase_create("rate");

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, a_delay_is_exact);
	tcase_add_test(c, a_frame_takes_its_time_on_the_wire);
	tcase_add_loop_test(c, serialisation_does_not_drift, 0,
			    sizeof(odd_rates) / sizeof(*odd_rates));
	tcase_add_test(c, a_full_queue_drops_at_its_tail);
	tcase_add_test(c, a_queue_may_be_bounded_by_bytes);
	tcase_add_test(c, a_queue_may_be_bounded_by_time);
	tcase_add_test(c, marks_may_go_by_time);
	tcase_add_test(c, only_what_can_be_marked_is_marked);
	tcase_add_test(c, what_is_too_large_vanishes);
	tcase_add_loop_test(c, poisson_arrivals_wait_as_theory_says, 0,
			    sizeof(loads) / sizeof(*loads));
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
