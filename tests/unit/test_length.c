/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a run takes, and how long it may wait besides. */
#include "tests/support/scenario_text.h"

#define S INT64_C(1000000000)

START_TEST(it_ends_with_the_last_probe)
{
	parse_good(NETWORK
		   "probes:\n"
		   "  x: { kind: ping, node: a, to: d, at: 2s, for: 3s }\n"
		   "timeline: [{ at: 4s, link: wire, state: down }]\n");
	ck_assert_int_eq(scn_length_ns(s), 5 * S);
	ck_assert_int_eq(scn_patience_ns(s), 0);
}
END_TEST

START_TEST(it_ends_with_the_last_entry)
{
	parse_good(NETWORK
		   "probes: { x: { kind: ping, node: a, to: d, for: 3s } }\n"
		   "processes: { p: { node: a, run: 'true' } }\n"
		   "timeline:\n"
		   "  - { at: 7s, link: wire, state: down }\n"
		   "  - { when: { exit: p }, link: wire, state: up }\n");
	ck_assert_int_eq(scn_length_ns(s), 7 * S);
}
END_TEST

START_TEST(it_ends_with_its_duration)
{
	parse_good(NETWORK "duration: 2s\n"
			   "timeline: [{ at: 1s, link: wire, state: down }]\n");
	ck_assert_int_eq(scn_length_ns(s), 2 * S);
}
END_TEST

/* Expectations wait behind the duration, side by side; and what is to be ready
 * before the timeline begins does so side by side as well. */
START_TEST(all_that_it_may_wait_for_counts)
{
	parse_good(
		NETWORK
		"duration: 2s\n"
		"processes:\n"
		"  p: { node: a, run: x, ready: { prints: y, timeout: 90s } }\n"
		"  q: { node: a, run: x, ready: { prints: y, timeout: 3min } "
		"}\n"
		"expect:\n"
		"  - { process: p, prints: 'x', within: 100s }\n"
		"  - { process: q, exit: 0, within: 20s }\n"
		"  - { host: unchanged, within: 7s }\n");
	ck_assert_int_eq(scn_length_ns(s), 2 * S);
	ck_assert_int_eq(scn_patience_ns(s), (180 + 100 + 7) * S);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		it_ends_with_the_last_probe,
		it_ends_with_the_last_entry,
		it_ends_with_its_duration,
		all_that_it_may_wait_for_counts,
	};

	return run_tests("length", tests, sizeof(tests) / sizeof(*tests));
}
