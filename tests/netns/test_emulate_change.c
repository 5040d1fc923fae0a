/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Properties of a link that change while frames are inside: each of them by
 * itself, whatever it is, with what is inside arriving whole, once, and in
 * order.
 */
#include "tests/support/emulate_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"
#include "orchestrator/link/histogram.h"
#include "orchestrator/link/trace.h"

#include <inttypes.h>
#include <sys/mount.h>

#define PATIENCE_MS 20000
#define QUIET_MS 200

static struct link_params *params(unsigned end)
{
	return &links[0].end[end].params;
}

START_TEST(properties_change_one_by_one)
{
	struct link_params to = { .loss = { .kind = LINK_LOSS_INDEPENDENT,
					    .ppb = LINK_PPB_ONE } };
	json_t *report, *d;
	struct flow f, back;

	links_make(1, 0);
	params(0)->duplicate_ppb = LINK_PPB_ONE;
	emulator_start();
	f = flow_open(0, 0, 5000);
	back = flow_open(0, 1, 5001);
	flow_send(&f, 1, 100);
	ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), 1);
	ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), 1);

	change(0, 0, LINK_LOSS, &to);
	flow_send(&f, 2, 100);
	flow_send(&back, 3, 100);
	ck_assert_int_eq(flow_receive(&back, PATIENCE_MS), 3);
	ck_assert_int_eq(flow_receive(&f, QUIET_MS), -1);

	/* Both properties in one request; what was not named has stayed. */
	to = (struct link_params){ 0 };
	change(0, 0, LINK_LOSS | LINK_DUPLICATE, &to);
	flow_send(&f, 4, 100);
	ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), 4);
	ck_assert_int_eq(flow_receive(&f, QUIET_MS), -1);
	report = emulator_stop();
	d = direction(report, 0, 0);
	ck_assert_int_eq(json_integer_value(json_object_get(d, "changes")), 2);
	ck_assert_int_eq(figure(d, "frames", "lost"), 1);
	json_decref(report);
	flow_close(&f);
	flow_close(&back);
}
END_TEST

START_TEST(frames_on_their_way_survive_a_change)
{
	struct link_params to = { .delay_ns = NSEC_PER_MSEC };
	struct flow f;

	links_make(1, 0);
	params(0)->delay_ns = 300 * NSEC_PER_MSEC;
	emulator_start();
	f = flow_open(0, 0, 5000);
	for (uint32_t i = 0; i < 50; i++)
		flow_send(&f, i, 100);
	change(0, 0, LINK_DELAY, &to);
	flow_send(&f, 50, 100);
	for (uint32_t i = 0; i <= 50; i++)
		ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), i);
	json_decref(emulator_stop());
	flow_close(&f);
}
END_TEST

/* Nobody asked for a number of bits a second while it was a trace's. */
START_TEST(a_rate_after_a_trace_is_not_compared)
{
	struct link_trace *trace = NULL;
	const json_t *rate;
	json_t *report;
	struct flow f;

	OK(link_trace_parse("test", "1\n", 2, true, NULL, &trace));
	links_make(1, 0);
	params(0)->trace = trace;
	params(0)->queue.packets = 1000;
	emulator_start();
	f = flow_open(0, 0, 5000);
	for (uint32_t i = 0; i < 5; i++)
		flow_send(&f, i, 1000);
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), i);
	change(0, 0, LINK_RATE, &(struct link_params){ .rate_bps = 1000000 });
	for (uint32_t i = 0; i < 5; i++)
		flow_send(&f, i, 1000);
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), i);
	change(0, 0, LINK_DELAY,
	       &(struct link_params){ .delay_ns = 600 * NSEC_PER_SEC });
	for (uint32_t i = 0; i < 3; i++)
		flow_send(&f, i, 1000);
	report = emulator_stop();
	rate = json_object_get(direction(report, 0, 0), "rate");
	ck_assert_ptr_null(json_object_get(rate, "asked_bps"));
	ck_assert(json_is_integer(json_object_get(rate, "realised_bps")));
	ck_assert_int_eq(figure(direction(report, 0, 0), "frames", "offered"),
			 13);
	ck_assert_int_eq(figure(direction(report, 0, 0), "frames", "inside"),
			 3);
	json_decref(report);
	flow_close(&f);
	link_trace_free(trace);
}
END_TEST

/* ---- one by one, with frames inside -------------------------------------- */

enum {
	INSIDE = 50, /* sent before the change, ... */
	LATER, /* ... and the number of the one sent behind it */
	PAYLOAD = 200,
};

static struct link_trace *slow, *fast; /* 1 and 4 packets each 4 ms */
static struct link_histogram *histogram;
static struct link_pattern *lost;

/* What a change has in common with what a frame sent behind it lives through:
 * how often it arrives (least, most), and whether it may overtake. */
/* What a change asks for, and what becomes of a frame sent behind it. */
static const struct one_change {
	const char *name;
	unsigned properties;
	bool traced; /* by trace before it; else by a rate */
	bool overtakes; /* may the frame? */
	int least, most; /* how often it arrives */
} changes[] = {
	{ "delay", LINK_DELAY, false, false, 1, 1 },
	{ "jitter", LINK_JITTER, false, false, 1, 1 },
	{ "histogram", LINK_JITTER, false, false, 1, 1 },
	{ "loss", LINK_LOSS, false, false, 0, 0 },
	{ "pattern", LINK_LOSS, false, false, 0, 0 },
	{ "duplicate", LINK_DUPLICATE, false, false, 2, 2 },
	{ "reorder", LINK_REORDER, false, true, 1, 1 },
	{ "corrupt", LINK_CORRUPT, false, false, 0, 0 },
	{ "rate", LINK_RATE, false, false, 1, 1 },
	{ "no rate", LINK_RATE, false, false, 1, 1 },
	{ "rate to trace", LINK_RATE, false, false, 1, 1 },
	{ "trace to trace", LINK_RATE, true, false, 1, 1 },
	{ "trace to rate", LINK_RATE, true, false, 1, 1 },
	/* Whether there is room depends on how long the change took. */
	{ "queue", LINK_QUEUE, false, false, 0, 1 },
	{ "mtu", LINK_MTU, false, false, 0, 0 },
};
#define CHANGES (sizeof(changes) / sizeof(*changes))

static struct link_params change_to(const char *name)
{
	struct link_params to;

	link_params_init(&to);
	to.delay_ns = NSEC_PER_MSEC;
	to.jitter.spread_ns = NSEC_PER_MSEC;
	if (!strcmp(name, "histogram")) {
		to.jitter.distribution = LINK_HISTOGRAM;
		to.jitter.histogram = histogram;
	}
	to.loss.kind = LINK_LOSS_INDEPENDENT;
	to.loss.ppb = LINK_PPB_ONE;
	if (!strcmp(name, "pattern")) {
		to.loss.kind = LINK_LOSS_PATTERN;
		to.loss.pattern = lost;
	}
	to.duplicate_ppb = to.reorder_ppb = to.corrupt_ppb = LINK_PPB_ONE;
	if (!strcmp(name, "rate"))
		to.rate_bps = 100000000;
	else if (!strcmp(name, "trace to rate"))
		to.rate_bps = 2000000;
	else if (strcmp(name, "no rate"))
		to.trace = fast;
	to.queue.packets = 1;
	to.mtu = 100;
	return to;
}

/* Frames of the end's device that somebody has read. */
static unsigned long frames_read(size_t link, unsigned end)
{
	unsigned long n = 0;
	char line[512], name[16];
	FILE *in;

	snprintf(name, sizeof(name), "e%u:", end_index(link, end));
	OK(kns_enter(&K, end_ns[end], &E));
	in = fopen("/proc/thread-self/net/dev", "re");
	OK(kns_enter(&K, NULL, &E));
	ck_assert_ptr_nonnull(in);
	while (fgets(line, sizeof(line), in)) {
		const char *at = strstr(line, name);

		if (at)
			sscanf(at + strlen(name),
			       "%*u %*u %*u %*u %*u %*u %*u %*u %*u %lu", &n);
	}
	fclose(in);
	return n;
}

/* Number LATER as often as it should, and the others once, in order. */
static void receive_all(const struct one_change *c, const struct flow *f)
{
	int64_t next = 0, got;
	int later = 0;

	while (next < INSIDE || later < c->least) {
		got = flow_receive(f, PATIENCE_MS);
		ck_assert_msg(got >= 0, "%s: frame %" PRIi64 " never came",
			      c->name, next);
		if (got == LATER) {
			later++;
			ck_assert_msg(c->overtakes || next == INSIDE,
				      "%s: it overtakes", c->name);
		} else {
			ck_assert_msg(got == next,
				      "%s: %" PRIi64 " instead of %" PRIi64,
				      c->name, got, next);
			next++;
		}
	}
	while ((got = flow_receive(
			f, c->least == 1 && c->most == 1 ? 0 : QUIET_MS)) >=
	       0) {
		ck_assert_msg(got == LATER, "%s: %" PRIi64 " twice", c->name,
			      got);
		later++;
	}
	ck_assert_msg(later <= c->most, "%s: %d times", c->name, later);
}

START_TEST(each_property_changes_with_frames_inside)
{
	struct flow flows[CHANGES];
	unsigned long before[CHANGES];
	json_t *report;

	links_make(CHANGES, 0);
	for (size_t i = 0; i < CHANGES; i++) {
		struct link_params *p = &links[i].end[0].params;

		/* When they are read, some travel, and more wait. */
		p->delay_ns = 1500 * NSEC_PER_MSEC;
		if (changes[i].traced)
			p->trace = slow;
		else
			p->rate_bps = 1000000;
	}
	emulator_start();
	for (size_t i = 0; i < CHANGES; i++)
		flows[i] = flow_open(i, 0, 5000);
	for (size_t i = 0; i < CHANGES; i++) {
		before[i] = frames_read(i, 0);
		for (uint32_t k = 0; k < INSIDE; k++)
			flow_send(&flows[i], k, PAYLOAD);
	}
	for (size_t i = 0; i < CHANGES; i++) {
		struct link_params to = change_to(changes[i].name);

		WAIT_FOR(frames_read(i, 0) >= before[i] + INSIDE);
		change(i, 0, changes[i].properties, &to);
		flow_send(&flows[i], LATER, PAYLOAD);
	}
	for (size_t i = 0; i < CHANGES; i++)
		receive_all(&changes[i], &flows[i]);
	report = emulator_stop();
	for (size_t i = 0; i < CHANGES; i++) {
		const json_t *d = direction(report, i, 0);

		ck_assert_int_eq(figure(d, "frames", "offered"), INSIDE + 1);
		ck_assert_int_ge(figure(d, "frames", "delivered"), INSIDE);
		ck_assert_int_eq(figure(d, "machine", "dropped"), 0);
		flow_close(&flows[i]);
	}
	json_decref(report);
}
END_TEST

static void make_files(void)
{
	OK(link_trace_parse("slow", "4\n", 2, true, NULL, &slow));
	OK(link_trace_parse("fast", "4\n4\n4\n4\n", 8, true, NULL, &fast));
	OK(link_histogram_parse("late", "2ms 1\n5ms 3\n", 12, NULL,
				&histogram));
	OK(link_pattern_parse("lost", "x", 1, NULL, &lost));
}

static void free_files(void)
{
	link_trace_free(slow);
	link_trace_free(fast);
	link_histogram_free(histogram);
	link_pattern_free(lost);
}

int main(void)
{
	Suite *suite;
	TCase *tc;
	char folder[] = "/tmp/test_emulate_change.XXXXXX";
	int failed;

	test_sandbox_enter();
	if (!mkdtemp(folder) || mount("none", folder, "tmpfs", 0, NULL) ||
	    chdir(folder))
		return 1;
	suite = suite_create("emulate_change");
	tc = tcase_create("change");
	tcase_set_timeout(tc, 100);
	tcase_add_unchecked_fixture(tc, make_files, free_files);
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_add_test(tc, properties_change_one_by_one);
	tcase_add_test(tc, frames_on_their_way_survive_a_change);
	tcase_add_test(tc, a_rate_after_a_trace_is_not_compared);
	tcase_add_test(tc, each_property_changes_with_frames_inside);
	suite_add_tcase(suite, tc);
	failed = run_suite(suite);
	if (chdir("/") || umount(folder) || rmdir(folder))
		return 1;
	return failed;
}
