/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Delivery opportunities: what Mahimahi's format means, to the byte. */
#include "tests/support/link_frames.h"
#include "tests/support/run_suite.h"
#include "orchestrator/link/internal.h"

#define MS INT64_C(1000000)
#define FULL (14 + LINK_TRACE_BYTES)

static struct link_trace *trace;

static struct link_trace *parse(const char *text, bool loop)
{
	struct diag *diag = diag_new();
	struct link_trace *t = NULL;

	ck_assert_int_eq(
		link_trace_parse("t", text, strlen(text), loop, diag, &t), 0);
	diag_free(diag);
	return t;
}

static struct link_direction *make(const char *text, bool loop, int64_t begin)
{
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.trace = trace = parse(text, loop);
	p.queue.packets = 0;
	d = link_new(7, "wire", 0, &p, 1000);
	link_start(d, begin);
	return d;
}

static void done(struct link_direction *d)
{
	link_free(d);
	link_trace_free(trace);
}

static void put(struct link_direction *d, int64_t now, uint32_t bytes,
		uint32_t handle)
{
	struct link_offer o = {
		.now_ns = now, .bytes = bytes, .segments = 1, .handle = handle
	};

	ck_assert_int_eq(link_offer(d, &o), LINK_TAKEN);
}

static void expect(struct link_direction *d, int64_t due, uint32_t handle)
{
	struct link_outcome out;

	ck_assert_int_eq(link_next_ns(d), due);
	ck_assert(link_pop(d, due, &out));
	ck_assert_uint_eq(out.handle, handle);
}

START_TEST(several_packets_share_an_opportunity)
{
	struct link_direction *d = make("5\n9\n", true, 0);

	put(d, 0, 14 + 500, 1);
	put(d, MS, 14 + 500, 2);
	put(d, 2 * MS, 14 + 500, 3);
	put(d, 3 * MS, 14 + 1, 4); /* one byte too many */
	expect(d, 5 * MS, 1);
	expect(d, 5 * MS, 2);
	expect(d, 5 * MS, 3);
	expect(d, 9 * MS, 4);
	done(d);
}
END_TEST

START_TEST(a_packet_goes_on_in_the_next_opportunity)
{
	struct link_direction *d = make("5\n5\n9\n12\n", true, 0);

	put(d, 0, 14 + 1000, 1);
	put(d, 0, 14 + 1000, 2); /* 500 at 5 ms, 500 in the other one then */
	put(d, 0, 14 + 1500, 3); /* 1000 then, 500 at 9 ms */
	put(d, 0, 14 + 1000, 4); /* the rest of that */
	put(d, 0, 14 + 4500, 5); /* 12, 17, 17 ms */
	expect(d, 5 * MS, 1);
	expect(d, 5 * MS, 2);
	expect(d, 9 * MS, 3);
	expect(d, 9 * MS, 4);
	expect(d, 17 * MS, 5);
	done(d);
}
END_TEST

START_TEST(what_nobody_used_is_lost)
{
	struct link_direction *d = make("5\n6\n7\n20\n", true, 0);

	put(d, 0, 14 + 100, 1);
	expect(d, 5 * MS, 1);
	put(d, 5 * MS, 14 + 1400, 2); /* of the same moment, just enough */
	expect(d, 5 * MS, 2);
	put(d, 5 * MS + 1, 14 + 100, 3);
	expect(d, 6 * MS, 3);
	put(d, 7 * MS + 1, FULL, 4); /* a moment too late */
	expect(d, 20 * MS, 4);
	done(d);
}
END_TEST

START_TEST(a_trace_loops_by_its_last_time)
{
	struct link_direction *d =
		make("# a comment\n0\n\n4\n10\n", true, 3 * MS);
	static const int64_t at[] = { 0, 4, 10, 10, 14, 20, 20, 24 };

	for (uint32_t i = 0; i < 8; i++)
		put(d, 3 * MS, FULL, i);
	for (uint32_t i = 0; i < 8; i++)
		expect(d, (3 + at[i]) * MS, i);
	done(d);
}
END_TEST

START_TEST(without_looping_no_more_come)
{
	struct link_direction *d = make("4\n10\n", false, 0);
	struct link_change c = { .properties = LINK_RATE };
	struct link_outcome out;

	put(d, 5 * MS, FULL, 1);
	put(d, 5 * MS, FULL, 2);
	put(d, 5 * MS, FULL, 3);
	expect(d, 10 * MS, 1);
	ck_assert_int_eq(link_next_ns(d), LINK_NEVER);
	ck_assert(!link_pop(d, LINK_NEVER, &out));
	c.to.rate_bps = FULL * 8 * 1000; /* 1 ms each */
	link_change(d, 100 * MS, &c);
	expect(d, 101 * MS, 2);
	expect(d, 102 * MS, 3);
	done(d);
}
END_TEST

/* Idle for longer than a machine runs, then at once. */
START_TEST(long_idle_times_cost_nothing)
{
	struct link_direction *d = make("1\n2\n3\n", true, 0);
	int64_t year = INT64_C(31536000) * 1000 * MS;

	for (int64_t i = 1; i <= 200; i++) {
		put(d, i * year + 1, FULL, (uint32_t)i);
		expect(d, i * year + MS, (uint32_t)i);
	}
	done(d);
}
END_TEST

/* Against opportunities found by walking from the first one on. */
START_TEST(the_first_opportunity_is_found_anywhere)
{
	trace = parse("0\n0\n3\n7\n7\n8\n", true);
	ck_assert_int_eq(link_trace_length_ns(trace), 8 * MS);
	ck_assert_uint_eq(link_trace_count(trace), 6);
	ck_assert_uint_eq(link_trace_mean_bps(trace), 6 * 1500 * 8 * 1000 / 8);
	for (int64_t t = 0; t < 60 * MS; t += MS / 4) {
		uint64_t i = 0;

		while (link_trace_time_ns(trace, i) < t)
			i++;
		must(link_trace_first(trace, t) == i);
	}
	link_trace_free(trace);
	trace = parse("0\n3\n8\n", false);
	ck_assert_uint_eq(link_trace_first(trace, 8 * MS), 2);
	ck_assert_int_eq(
		link_trace_time_ns(trace, link_trace_first(trace, 8 * MS + 1)),
		LINK_NEVER);
	link_trace_free(trace);
}
END_TEST

START_TEST(the_far_future_overflows_nothing)
{
	trace = parse("1\n", true);
	ck_assert_int_eq(
		link_trace_time_ns(trace, link_trace_first(trace, INT64_MAX)),
		LINK_NEVER);
	ck_assert_int_eq(link_trace_time_ns(trace, UINT64_MAX), LINK_NEVER);
	link_trace_free(trace);
	trace = parse("4294967295\n", true);
	ck_assert_int_eq(link_trace_time_ns(trace, UINT64_MAX - 1), LINK_NEVER);
	ck_assert_int_eq(link_trace_time_ns(trace, 1),
			 (int64_t)2 * UINT32_MAX * MS);
	link_trace_free(trace);
}
END_TEST

/* A link that is always busy brings what the trace says. */
START_TEST(a_busy_link_has_the_mean_rate)
{
	struct link_direction *d = make("1\n2\n2\n5\n9\n9\n9\n10\n", true, 0);
	struct link_outcome out;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < 1000; i++)
		put(d, 0, FULL, i);
	while (link_pop(d, 1000 * MS, &out))
		bytes += FULL - 14;
	ck_assert_uint_eq(bytes * 8, link_trace_mean_bps(trace));
	ck_assert_int_eq(link_counts(d)->busy_ns, 1000 * MS);
	ck_assert_uint_eq(link_counts(d)->busy_bytes, bytes / 1500 * FULL);
	done(d);
}
END_TEST

/* Those that come with the project (tests/unit/traces.sh checks what they are).
 */
static const char *const shipped[] = { "steps",	      "sawtooth",
				       "on-off",      "cellular.down",
				       "cellular.up", "leo.down",
				       "leo.up" };

START_TEST(shipped_traces_are_taken)
{
	static char text[200000];
	char path[300];
	size_t len;
	FILE *in;

	snprintf(path, sizeof(path), "%s/traces/%s", TEST_SOURCE_DIR,
		 shipped[_i]);
	in = fopen(path, "r");
	ck_assert_ptr_nonnull(in);
	len = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[len] = '\0';
	trace = parse(text, true);
	ck_assert_int_eq(link_trace_length_ns(trace) % (1000 * MS), 0);
	link_trace_free(trace);
}
END_TEST

static void forget(void *arg, uint32_t handle)
{
	(void)arg;
	(void)handle;
}

START_TEST(down_gives_back_opportunities_to_come)
{
	struct link_direction *d = make("5\n10\n15\n20\n", true, 0);

	put(d, 0, FULL, 1);
	put(d, 0, FULL, 2);
	put(d, 0, FULL, 3);
	expect(d, 5 * MS, 1);
	link_set_up(d, false, 6 * MS, forget, NULL);
	link_set_up(d, true, 7 * MS, NULL, NULL);
	put(d, 7 * MS, FULL, 4);
	expect(d, 10 * MS, 4);
	done(d);
}
END_TEST

/* A packet waits for its first opportunity; behind the last one for ever. */
START_TEST(a_queue_by_time_looks_ahead)
{
	struct link_change c = { .properties = LINK_QUEUE };
	struct link_direction *d = make("5\n20\n", false, 0);
	struct link_offer o = { .bytes = FULL, .segments = 1 };

	c.to.queue.wait_ns = 10 * MS;
	link_change(d, 0, &c);
	ck_assert_int_eq(link_offer(d, &o), LINK_TAKEN);
	ck_assert_int_eq(link_offer(d, &o), LINK_DROP_QUEUE);
	o.now_ns = 10 * MS;
	ck_assert_int_eq(link_offer(d, &o), LINK_TAKEN);
	o.now_ns = 15 * MS;
	ck_assert_int_eq(link_offer(d, &o), LINK_DROP_QUEUE);
	done(d);
}
END_TEST

/* What could pass, beside a count of the opportunities one by one. */
START_TEST(capacity_is_what_opportunities_carry)
{
	static const int64_t ms[] = { 0, 3, 3, 4, 9 };
	const int64_t begin = 5 * MS;
	bool loop = _i;
	struct link_direction *d = make("0\n3\n3\n4\n9\n", loop, begin);

	for (int64_t from = begin; from < begin + 30 * MS; from += MS / 2) {
		for (int64_t to = from; to < begin + 40 * MS; to += MS / 2) {
			uint64_t n = 0;

			for (int64_t i = 0; i < (loop ? 50 : 5); i++) {
				int64_t at =
					begin + (i / 5 * 9 + ms[i % 5]) * MS;

				n += at > from && at <= to;
			}
			must(link_capacity(d, from, to) ==
			     n * LINK_TRACE_BYTES);
		}
	}
	link_set_up(d, false, begin, forget, NULL);
	ck_assert_uint_eq(link_capacity(d, begin, begin + 10 * MS), 0);
	done(d);
}
END_TEST

START_TEST(capacity_is_time_by_rate)
{
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	d = link_new(7, "wire", 0, &p, 10);
	ck_assert_uint_eq(link_capacity(d, 0, 1), UINT64_MAX);
	ck_assert_uint_eq(link_capacity(d, 1, 1), 0);
	link_free(d);
	p.rate_bps = 10000000;
	d = link_new(7, "wire", 0, &p, 10);
	ck_assert_uint_eq(link_capacity(d, MS, 101 * MS), 125000);
	/* A hundred years. */
	ck_assert_uint_eq(link_capacity(d, 0, INT64_C(3155760000) * 1000 * MS),
			  UINT64_C(3155760000) * 1250000);
	link_free(d);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("link_trace");
	TCase *c = tcase_create("trace");

	tcase_add_test(c, several_packets_share_an_opportunity);
	tcase_add_test(c, a_packet_goes_on_in_the_next_opportunity);
	tcase_add_test(c, what_nobody_used_is_lost);
	tcase_add_test(c, a_trace_loops_by_its_last_time);
	tcase_add_test(c, without_looping_no_more_come);
	tcase_add_test(c, long_idle_times_cost_nothing);
	tcase_add_test(c, the_first_opportunity_is_found_anywhere);
	tcase_add_test(c, the_far_future_overflows_nothing);
	tcase_add_test(c, a_busy_link_has_the_mean_rate);
	tcase_add_test(c, down_gives_back_opportunities_to_come);
	tcase_add_test(c, a_queue_by_time_looks_ahead);
	tcase_add_loop_test(c, capacity_is_what_opportunities_carry, 0, 2);
	tcase_add_test(c, capacity_is_time_by_rate);
	tcase_add_loop_test(c, shipped_traces_are_taken, 0,
			    sizeof(shipped) / sizeof(*shipped));
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
