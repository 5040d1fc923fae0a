/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links' properties: from the text to the model, the plan, and its words. */
#include "orchestrator/plan/live.h"
#include "tests/support/scenario_text.h"
#include "tests/support/run_suite.h"
#include "base/utf8.h"

#include <stdio.h>

static struct plan *plan;

static void plan_teardown(void)
{
	plan = plan_free(plan);
	teardown();
}

static void must_plan(const char *text)
{
	parse_good(text);
	if (plan_make(s, diag, &plan)) {
		diag_render(diag, stderr);
		ck_abort_msg("no plan");
	}
}

/* A link, and what stands behind its endpoints. */
#define LINK(rest)                                                             \
	HEAD "topology:\n"                                                     \
	     "  nodes: { a: {}, b: {}, lan: { kind: bridge } }\n"              \
	     "  links:\n"                                                      \
	     "    - { endpoints: [a, b], name: wire" rest " }\n"

static const char *side(size_t end)
{
	static char text[2][256];

	return link_params_text(&s->links.v[0].params[end], text[end],
				sizeof(text[end]));
}

/* ---- the model ---------------------------------------------------------- */

static const struct {
	const char *text, *a, *b;
	bool emulated;
} properties[] = {
	{ LINK(""), "", "", false },
	{ LINK(", queue: 10, mtu: 1400"), "", "", false },
	{ LINK(", backend: emulated"), "", "", true },
	{ LINK(", delay: 10ms"), "delay 10ms", "delay 10ms", true },
	{ LINK(", delay: 10ms, b>a: { delay: 1ms }"), "delay 10ms", "delay 1ms",
	  true },
	{ LINK(", a>b: { loss: 0.1%, duplicate: 1%, corrupt: 2% }"),
	  "loss 0.1%, duplicate 1%, corrupt 2%", "", true },
	{ LINK(", delay: 5ms, jitter: { spread: 1ms, distribution: pareto, "
	       "unordered: true }, reorder: 3%"),
	  "delay 5ms, jitter 1ms pareto unordered, reorder 3%",
	  "delay 5ms, jitter 1ms pareto unordered, reorder 3%", true },
	{ LINK(", rate: 10mbit, queue: 64kB"), "rate 10mbit, queue 64000B",
	  "rate 10mbit, queue 64000B", true },
	{ LINK(", rate: 10mbit, queue: { packets: 50, ecn: 20 }, a>b: { mtu: "
	       "576 }"),
	  "rate 10mbit, queue 50 ecn 20, mtu 576",
	  "rate 10mbit, queue 50 ecn 20", true },
	{ LINK(", rate: 10mbit, queue: 50ms, b>a: { queue: { wait: 20ms, "
	       "packets: 9, ecn: 500us } }"),
	  "rate 10mbit, queue 50ms", "rate 10mbit, queue 9 20ms ecn 500us",
	  true },
	{ LINK(", rate: 10mbit, queue: { wait: 20ms }, b>a: { queue: { bytes: "
	       "9kB, wait: 1s } }"),
	  "rate 10mbit, queue 20ms", "rate 10mbit, queue 9000B 1s", true },
	{ LINK(", backend: kernel, rate: 10mbit, delay: 1ms"),
	  "delay 1ms, rate 10mbit, queue 1000",
	  "delay 1ms, rate 10mbit, queue 1000", false },
	/* Half of all, two in a row: 1/2 = to_bad / (to_bad + 1/2). */
	{ LINK(", loss: { rate: 50%, burst: 2 }"),
	  "loss to_bad 50% to_good 50% in_bad 100% in_good 0%",
	  "loss to_bad 50% to_good 50% in_bad 100% in_good 0%", true },
	{ LINK(", loss: { rate: 5%, burst: 4 }, b>a: { loss: { to_bad: 1%, "
	       "to_good: 25%, in_good: 1% } }"),
	  "loss to_bad 1.3157895% to_good 25% in_bad 100% in_good 0%",
	  "loss to_bad 1% to_good 25% in_bad 100% in_good 1%", true },
	/* Files are not looked at here: they need not be there. */
	{ LINK(", rate: { trace: none/x.down }"),
	  "rate trace none/x.down, queue 1000",
	  "rate trace none/x.down, queue 1000", true },
	{ LINK(", delay: 1ms, jitter: { histogram: h }, loss: { file: f }"),
	  "delay 1ms, jitter histogram h, loss pattern f",
	  "delay 1ms, jitter histogram h, loss pattern f", true },
	{ LINK(", loss: { pattern: '..x' }"), "loss pattern ..x",
	  "loss pattern ..x", true },
};

START_TEST(properties_are_read)
{
	parse_good(properties[_i].text);
	ck_assert_str_eq(side(0), properties[_i].a);
	ck_assert_str_eq(side(1), properties[_i].b);
	ck_assert(s->links.v[0].emulated == properties[_i].emulated);
}
END_TEST

START_TEST(defaults_give_way)
{
	parse_good(
		HEAD
		"topology:\n"
		"  defaults: { link: { delay: 3ms, queue: 7, mtu: 1400,\n"
		"               tolerance: 9ms, backend: emulated } }\n"
		"  nodes: { a: {}, b: {} }\n"
		"  links:\n"
		"    - { endpoints: [a, b], rate: 1mbit, b>a: { queue: 9 } }\n"
		"    - { endpoints: [a, b], delay: 0s, backend: kernel,\n"
		"        mtu: 1300 }\n");
	ck_assert_str_eq(side(0), "delay 3ms, rate 1mbit, queue 7");
	ck_assert_str_eq(side(1), "delay 3ms, rate 1mbit, queue 9");
	ck_assert_int_eq(s->links.v[0].tolerance_ns, 9000000);
	ck_assert_uint_eq(s->links.v[0].mtu, 1400);
	ck_assert(!s->links.v[1].emulated);
	ck_assert(link_params_are_plain(&s->links.v[1].params[0]));
	ck_assert_uint_eq(s->links.v[1].mtu, 1300);
}
END_TEST

START_TEST(a_change_makes_it_emulated)
{
	char text[256];

	parse_good(LINK(
		", delay: 1ms, backend: auto") "    - { endpoints: [a, b], "
					       "name: bare }\n"
					       "    - { endpoints: [a, b], "
					       "name: flap }\n"
					       "timeline:\n"
					       "  - { at: 1s, link: bare, "
					       "loss: 20%, rate: 1mbit }\n"
					       "  - { at: 1s, link: flap, "
					       "state: down }\n"
					       "  - { at: 2s, link: wire, a>b: "
					       "{ delay: 0s }, state: down }\n"
					       "  - { at: 3s, link: wire, "
					       "state: up, reset: true }\n"
					       "duration: 9s\n");
	ck_assert(s->links.v[1].emulated);
	ck_assert(!s->links.v[2].emulated);
	ck_assert_str_eq(scn_action_text(s, &s->timeline.v[0].actions.v[0],
					 text, sizeof(text)),
			 "link bare: loss 20%, rate 1mbit");
	ck_assert_uint_eq(s->timeline.v[2].actions.n, 2);
	ck_assert_str_eq(scn_action_text(s, &s->timeline.v[2].actions.v[0],
					 text, sizeof(text)),
			 "link wire: a>b: no delay");
	ck_assert_str_eq(scn_action_text(s, &s->timeline.v[2].actions.v[1],
					 text, sizeof(text)),
			 "link wire down");
	ck_assert_str_eq(scn_action_text(s, &s->timeline.v[3].actions.v[0],
					 text, sizeof(text)),
			 "link wire: as it was at first");
}
END_TEST

static const struct {
	const char *queue, *text;
} queues[] = {
	{ "50", "link wire: queue 50 packets" },
	{ "9kB", "link wire: queue 9000B" },
	{ "50ms", "link wire: queue 50ms" },
	{ "{ packets: 9, bytes: 9kB, wait: 1s, ecn: 5 }",
	  "link wire: queue 9 packets or 9000B or 1s, marked from 5 packets "
	  "on" },
	{ "{ ecn: 1ms }", "link wire: queue 1000 packets, marked from 1ms on" },
};

START_TEST(queues_have_their_words)
{
	char scenario[1024], text[256];

	snprintf(scenario, sizeof(scenario),
		 LINK(", rate: 1mbit") "timeline:\n"
				       "  - { at: 1s, link: wire, queue: %s }\n"
				       "duration: 9s\n",
		 queues[_i].queue);
	parse_good(scenario);
	ck_assert_str_eq(scn_action_text(s, &s->timeline.v[0].actions.v[0],
					 text, sizeof(text)),
			 queues[_i].text);
}
END_TEST

/* A link that is called after its ends may have a name as long as any buffer.
 * What is left of it stays UTF-8, as records want it. */
START_TEST(texts_end_where_their_buffer_does)
{
	parse_good(HEAD
		   "topology:\n"
		   "  nodes: { \xc3\xa9\xc3\xa9: {}, b: {} }\n"
		   "  links:\n"
		   "    - { endpoints: [\xc3\xa9\xc3\xa9, b], delay: 1ms }\n"
		   "timeline:\n"
		   "  - { at: 1s, link: '\xc3\xa9\xc3\xa9:eth0-b:eth0',\n"
		   "      delay: 2ms, \xc3\xa9\xc3\xa9>b: { loss: 1% } }\n"
		   "  - { at: 2s, link: '\xc3\xa9\xc3\xa9:eth0-b:eth0',\n"
		   "      reset: true }\n"
		   "  - { at: 3s, link: '\xc3\xa9\xc3\xa9:eth0-b:eth0',\n"
		   "      state: down }\n"
		   "duration: 9s\n");
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_action *a = &s->timeline.v[i].actions.v[0];

		for (size_t size = 1; size < 64; size++) {
			char room[80];
			uint32_t c;

			memset(room, '#', sizeof(room));
			scn_action_text(s, a, room, size);
			ck_assert_ptr_nonnull(memchr(room, 0, size));
			for (size_t k = size; k < sizeof(room); k++)
				ck_assert_int_eq(room[k], '#');
			for (const char *at = room; *at;) {
				size_t n = utf8_decode(at, strlen(at), &c);

				ck_assert_uint_gt(n, 0);
				at += n;
			}
		}
	}
}
END_TEST

/* ---- the plan ----------------------------------------------------------- */

static const char *texts(const plan_op_vec *ops, const char *part)
{
	static char all[4096];
	char one[512];

	all[0] = '\0';
	for (size_t i = 0; i < ops->n; i++) {
		plan_op_text(plan, &ops->v[i], one, sizeof(one));
		if (part && !strstr(one, part))
			continue;
		strcat(all, all[0] ? " | " : "");
		strcat(all, one);
	}
	return all;
}

static const char *planned(const char *part)
{
	plan_op_vec ops = { plan->ops.v, plan->ops.n, 0 };

	return texts(&ops, part);
}

#define EMULATED                                                               \
	LINK(", delay: 1ms, mtu: 1400")                                        \
	"    - { endpoints: [\"b:up\", lan], loss: 1%, name: port }\n"         \
	"timeline:\n"                                                          \
	"  - { at: 1s, link: wire, state: down, loss: 20% }\n"                 \
	"duration: 9s\n"

START_TEST(ends_are_taps)
{
	must_plan(EMULATED);
	ck_assert_str_eq(planned("TAP"),
			 "a: add TAP eth0 mtu 1400 | b: add TAP eth0 mtu 1400 "
			 "| b: add TAP up | add TAP p5 (port to b:up) in br2");
	ck_assert_str_eq(planned("emulator"), "start the emulator");
	/* No link but that, and no bridge for the one that is switched. */
	ck_assert_str_eq(planned("add link"), "");
	ck_assert_str_eq(planned("add bridge"), "add bridge br2 (bridge lan)");
	ck_assert_uint_eq(plan_sender(plan, 1, 0), plan->links.v[1].iface[0]);
	ck_assert_uint_eq(plan_sender(plan, 1, 1), plan->links.v[1].port[0]);
}
END_TEST

/* Of the lab as it is at first. */
static void change(const struct scn_action *a, plan_op_vec *ops)
{
	struct plan_live *l = plan_live_new(plan);

	ck_assert_ptr_nonnull(l);
	ck_assert_int_eq(plan_change_ops(l, a, ops), 0);
	plan_live_free(l);
}

START_TEST(changes_are_operations)
{
	const struct scn_entry *e;
	plan_op_vec ops = { 0 };
	struct plan_op back;
	char text[256];

	must_plan(EMULATED);
	e = &s->timeline.v[0];
	change(&e->actions.v[0], &ops);
	change(&e->actions.v[1], &ops);
	ck_assert_str_eq(texts(&ops, NULL),
			 "change link wire: loss 20% | take link wire down");
	ck_assert(!plan_op_inverse(&ops.v[0], &back));
	ck_assert(plan_op_inverse(&ops.v[1], &back));
	ck_assert_str_eq(plan_op_text(plan, &back, text, sizeof(text)),
			 "take link wire up");
	VEC_FREE(&ops);
}
END_TEST

/* At the senders: one of them the port of a bridge. */
START_TEST(the_kernel_has_queues)
{
	plan_op_vec ops = { 0 };

	must_plan(LINK(
		", backend: kernel, a>b: { delay: 1ms }") "    - { endpoints: "
							  "[b, lan], backend: "
							  "kernel, rate: 1mbit "
							  "}\n"
							  "timeline:\n"
							  "  - { at: 1s, link: "
							  "wire, loss: 20% }\n"
							  "duration: 9s\n");
	ck_assert_str_eq(planned("set the queue"),
			 "a: set the queue of eth0: delay 1ms");
	ck_assert_str_eq(planned("rate"),
			 "set rate of p5 (port to b:eth1) to 1000 kbit/s | "
			 "b: set rate of eth1 to 1000 kbit/s");
	ck_assert_str_eq(planned("emulator"), "");
	change(&s->timeline.v[0].actions.v[0], &ops);
	ck_assert_str_eq(texts(&ops, NULL),
			 "change link wire: loss 20% | a: set the queue of "
			 "eth0 | b: set the queue of eth0");
	VEC_FREE(&ops);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("link language");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, plan_teardown);
	tcase_add_loop_test(tc, properties_are_read, 0,
			    sizeof(properties) / sizeof(*properties));
	tcase_add_test(tc, defaults_give_way);
	tcase_add_test(tc, a_change_makes_it_emulated);
	tcase_add_loop_test(tc, queues_have_their_words, 0,
			    sizeof(queues) / sizeof(*queues));
	tcase_add_test(tc, texts_end_where_their_buffer_does);
	tcase_add_test(tc, ends_are_taps);
	tcase_add_test(tc, changes_are_operations);
	tcase_add_test(tc, the_kernel_has_queues);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
