/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the sections behind the topology become, field by field. */
#include "tests/support/scenario_text.h"

#include <signal.h>

START_TEST(services)
{
	parse_good(NETWORK "services:\n"
			   "  echo: { resolver: nat, instances: [c] }\n"
			   "  web:\n"
			   "    resolver: nat\n"
			   "    instances: d\n"
			   "    port: tcp/80\n"
			   "    at: [r, a]\n"
			   "    address: [198.51.100.1, 'fd00::99']\n");
	ck_assert_uint_eq(s->services.n, 2);
	ck_assert_uint_eq(s->services.v[0].instance, 1);
	ck_assert_int_eq(s->services.v[0].port.protocol, SCN_PROTO_ANY);
	ck_assert_uint_eq(s->services.v[0].at.n, 0);
	ck_assert_uint_eq(s->services.v[0].instance_pos.line, 16);
	ck_assert_uint_eq(s->services.v[1].instance, 2);
	ck_assert_int_eq(s->services.v[1].port.protocol, SCN_PROTO_TCP);
	ck_assert_uint_eq(s->services.v[1].port.port, 80);
	ck_assert_uint_eq(s->services.v[1].at.n, 2);
	ck_assert_uint_eq(s->services.v[1].at.v[0], 3);
	ck_assert_uint_eq(s->services.v[1].addresses.n, 2);
	ck_assert_str_eq(prefix_text(&s->services.v[1].addresses.v[0].prefix),
			 "198.51.100.1/32");
	ck_assert_str_eq(prefix_text(&s->services.v[1].addresses.v[1].prefix),
			 "fd00::99/128");
}
END_TEST

START_TEST(processes)
{
	const struct scn_process *p;

	parse_good(
		NETWORK
		"processes:\n"
		"  line: { node: a, run: 'echo $HOME; sleep 1' }\n"
		"  argv:\n"
		"    node: r\n"
		"    run: [printf, '%s\\n', '', 12]\n"
		"    env: { B: x=y, A: '', N: 0644 }\n"
		"    start: manual\n"
		"    ready: { prints: hello, timeout: 500ms }\n"
		"  echo: { node: d, echo: udp/7 }\n"
		"  web: { node: d, run: httpd, ready: { listens: tcp/80 } }\n");
	p = &s->processes.v[0];
	ck_assert_str_eq(p->argv[0], "/bin/sh");
	ck_assert_str_eq(p->argv[1], "-c");
	ck_assert_str_eq(p->argv[2], "echo $HOME; sleep 1");
	ck_assert_ptr_null(p->argv[3]);
	ck_assert_str_eq(p->command, "echo $HOME; sleep 1");
	ck_assert(p->autostart);
	ck_assert_int_eq(p->ready, SCN_READY_NONE);

	p = &s->processes.v[1];
	ck_assert_uint_eq(p->node, 3);
	ck_assert_str_eq(p->argv[1], "%s\\n");
	ck_assert_str_eq(p->argv[2], "");
	ck_assert_str_eq(p->argv[3], "12");
	ck_assert_ptr_null(p->argv[4]);
	ck_assert_str_eq(p->command, "printf %s\\n  12");
	ck_assert_str_eq(p->env[0], "B=x=y");
	ck_assert_str_eq(p->env[1], "A=");
	ck_assert_str_eq(p->env[2], "N=0644"); /* no octal number */
	ck_assert_ptr_null(p->env[3]);
	ck_assert(!p->autostart);
	ck_assert_int_eq(p->ready, SCN_READY_PRINTS);
	ck_assert_str_eq(p->ready_text, "hello");
	ck_assert_int_eq(p->ready_timeout_ns, 500000000);

	p = &s->processes.v[2];
	ck_assert_ptr_null(p->argv);
	ck_assert_ptr_null(p->command);
	ck_assert_uint_eq(p->echo.port, 7);
	ck_assert_int_eq(p->ready, SCN_READY_LISTENS);
	ck_assert_int_eq(p->ready_timeout_ns, INT64_C(10000000000));

	p = &s->processes.v[3];
	ck_assert_int_eq(p->ready, SCN_READY_LISTENS);
	ck_assert_int_eq(p->ready_port.protocol, SCN_PROTO_TCP);
	ck_assert_int_eq(p->ready_timeout_ns, INT64_C(10000000000));
}
END_TEST

START_TEST(probes)
{
	const struct scn_probe *p;

	parse_good(
		NETWORK
		"services:\n"
		"  echo: { resolver: nat, instances: [c], port: udp/7 }\n"
		"  all: { resolver: nat, instances: [c] }\n"
		"probes:\n"
		"  rtt: { kind: ping, node: a, to: all, for: 6s }\n"
		"  udp: { kind: udp_echo, node: a, to: echo, for: 1s,\n"
		"         family: 6, at: 2s, interval: 100us, payload: 1400 }\n"
		"  node: { kind: udp_echo, node: a, to: r, port: 9, for: 1s }\n"
		"  addr: { kind: ping, node: a, to: 'fd00::1', for: 1s }\n");
	p = &s->probes.v[0];
	ck_assert_int_eq(p->kind, SCN_PROBE_PING);
	ck_assert_int_eq(p->target, SCN_TARGET_SERVICE);
	ck_assert_uint_eq(p->to, 1);
	ck_assert_int_eq(p->interval_ns, 100000000);
	ck_assert_int_eq(p->start_ns, 0);
	ck_assert_int_eq(p->for_ns, INT64_C(6000000000));
	ck_assert_uint_eq(p->payload, 56);
	ck_assert_int_eq(p->family, 0);
	ck_assert_uint_eq(p->to_pos.line, 19);

	p = &s->probes.v[1];
	ck_assert_int_eq(p->kind, SCN_PROBE_UDP_ECHO);
	ck_assert_uint_eq(p->port, 7); /* the service's */
	ck_assert_int_eq(p->family, 6);
	ck_assert_int_eq(p->interval_ns, 100000);
	ck_assert_uint_eq(p->payload, 1400);

	ck_assert_int_eq(s->probes.v[2].target, SCN_TARGET_NODE);
	ck_assert_uint_eq(s->probes.v[2].to, 3);
	ck_assert_uint_eq(s->probes.v[2].port, 9);
	ck_assert_int_eq(s->probes.v[3].target, SCN_TARGET_ADDRESS);
	ck_assert_int_eq(s->probes.v[3].to_address.family, AF_INET6);
}
END_TEST

START_TEST(the_timeline_is_in_order_of_time)
{
	static const char *const expected[] = {
		"link wire down",	"migrate echo: c -> d", "start p",
		"link wire up",		"kill p with HUP",	"stop p",
		"migrate echo: d -> c",
	};
	size_t n = 0;
	char text[128];

	parse_good(
		NETWORK
		"duration: 9s\n"
		"services:\n"
		"  echo: { resolver: nat, instances: [c] }\n"
		"processes:\n"
		"  p: { node: a, run: 'sleep 9', start: manual }\n"
		"timeline:\n"
		"  - at: 4s\n"
		"    migrate: { service: echo, from: d, to: c, flush: before,"
		" gap: 3ms }\n"
		"  - at: 2s\n"
		"    do:\n"
		"      - migrate: { service: echo, from: c, to: d }\n"
		"      - start: p\n"
		"  - { at: 1s, link: wire, state: down }\n"
		"  - { at: 2s, do: { link: wire, state: up } }\n"
		"  - { at: 2s, kill: p, signal: SIGHUP }\n"
		"  - { at: 3s, stop: p }\n");
	ck_assert_uint_eq(s->timeline.n, 6);
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *entry = &s->timeline.v[i];

		for (size_t k = 0; k < entry->actions.n; k++, n++)
			ck_assert_str_eq(scn_action_text(s,
							 &entry->actions.v[k],
							 text, sizeof(text)),
					 expected[n]);
	}
	ck_assert_uint_eq(n, sizeof(expected) / sizeof(*expected));
	ck_assert_int_eq(s->timeline.v[1].actions.v[0].migrate.flush,
			 SCN_FLUSH_AFTER);
	ck_assert_int_eq(s->timeline.v[5].actions.v[0].migrate.flush,
			 SCN_FLUSH_BEFORE);
	ck_assert_int_eq(s->timeline.v[5].actions.v[0].migrate.gap_ns, 3000000);
	ck_assert_uint_eq(s->timeline.v[1].actions.v[1].pos.line, 26);
}
END_TEST

START_TEST(a_kill_kills_unless_told_otherwise)
{
	static const struct {
		const char *text;
		int signal;
	} cases[] = {
		{ "", SIGKILL },
		{ ", signal: TERM", SIGTERM },
		{ ", signal: SIGUSR1", SIGUSR1 },
		{ ", signal: 64", 64 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[1024];

		snprintf(text, sizeof(text),
			 NETWORK "processes: { p: { node: a, run: x } }\n"
				 "timeline: [{ at: 1s, kill: p%s }]\n",
			 cases[i].text);
		parse_good(text);
		ck_assert_int_eq(s->timeline.v[0].actions.v[0].process.signal,
				 cases[i].signal);
		s = scenario_free(s);
	}
}
END_TEST

#define EXPECT_HEAD                                                            \
	NETWORK                                                                \
	"services:\n"                                                          \
	"  echo: { resolver: nat, instances: [c] }\n"                          \
	"processes:\n"                                                         \
	"  p: { node: a, run: 'true' }\n"                                      \
	"probes:\n"                                                            \
	"  rtt: { kind: ping, node: a, to: echo, for: 6s }\n"                  \
	"timeline:\n"                                                          \
	"  - { at: 2s, migrate: { service: echo, from: c, to: d } }\n"         \
	"  - { at: 4s, migrate: { service: echo, from: d, to: c } }\n"         \
	"expect:\n"

START_TEST(expectations_of_probes)
{
	const struct scn_expect *e;

	parse_good(EXPECT_HEAD
		   "  - { probe: rtt, outage: { max: 50ms }, sent: 60,\n"
		   "      lost: { min: 1, max: 3 }, rtt_p99: { min: 1us } }\n");
	ck_assert_uint_eq(s->expects.n, 4);
	e = s->expects.v; /* in the order of the metrics */
	ck_assert_int_eq(e[0].kind, SCN_EXPECT_PROBE);
	ck_assert_int_eq(e[0].metric, SCN_METRIC_SENT);
	ck_assert(e[0].range.has_min && e[0].range.has_max);
	ck_assert_int_eq(e[0].range.min, 60);
	ck_assert_int_eq(e[0].range.max, 60);
	ck_assert_uint_eq(e[0].pos.col, 48);
	ck_assert_int_eq(e[1].metric, SCN_METRIC_LOST);
	ck_assert_int_eq(e[1].range.min, 1);
	ck_assert_int_eq(e[1].range.max, 3);
	ck_assert_int_eq(e[2].metric, SCN_METRIC_OUTAGE);
	ck_assert(!e[2].range.has_min && e[2].range.has_max);
	ck_assert_int_eq(e[2].range.max, 50000000);
	ck_assert_int_eq(e[3].metric, SCN_METRIC_RTT_P99);
	ck_assert(e[3].range.has_min && !e[3].range.has_max);
}
END_TEST

START_TEST(expectations_that_compare)
{
	const struct scn_expect *e;

	parse_good(NETWORK
		   "probes:\n"
		   "  sal: { kind: ping, node: a, to: c, for: 6s }\n"
		   "  nat: { kind: ping, node: a, to: d, for: 6s }\n"
		   "expect:\n"
		   "  - { probe: nat, outage: { max: 12.5%, of: sal },\n"
		   "      received: { of: sal, min: 250%, max: 1000000% },\n"
		   "      lost: { max: 3 } }\n");
	ck_assert_uint_eq(s->expects.n, 3);
	e = s->expects.v; /* in the order of the metrics */
	ck_assert_int_eq(e[0].metric, SCN_METRIC_RECEIVED);
	ck_assert_uint_eq(e[0].subject, 1);
	ck_assert(e[0].compares && e[0].range.has_min && e[0].range.has_max);
	ck_assert_uint_eq(e[0].of, 0);
	ck_assert_int_eq(e[0].range.min, INT64_C(2500000000));
	ck_assert_int_eq(e[0].range.max, INT64_C(10000000000000));
	ck_assert(!e[1].compares);
	ck_assert_int_eq(e[1].range.max, 3);
	ck_assert_int_eq(e[2].metric, SCN_METRIC_OUTAGE);
	ck_assert(e[2].compares && !e[2].range.has_min && e[2].range.has_max);
	ck_assert_int_eq(e[2].range.max, 125000000);
	ck_assert_uint_eq(e[2].pos.line, 19);
}
END_TEST

START_TEST(other_expectations)
{
	const struct scn_expect *e;

	parse_good(
		EXPECT_HEAD
		"  - { service: echo, answered_by: [c, d, c] }\n"
		"  - { process: p, exit: 0, prints: done }\n"
		"  - { process: p, exit: { not: 3 } }\n"
		"  - { process: p, exit: { signal: KILL } }\n"
		"  - { capture: icmp and host 10.0.0.1, count: { min: 1 } }\n"
		"  - { capture: udp, node: c, interface: wan0, count: 0 }\n");
	e = s->expects.v;
	ck_assert_uint_eq(s->expects.n, 7);
	ck_assert_int_eq(e[0].kind, SCN_EXPECT_ANSWERED_BY);
	ck_assert_uint_eq(e[0].answered_by.n, 3);
	ck_assert_uint_eq(e[0].answered_by.v[1], 2);
	ck_assert_int_eq(e[1].kind, SCN_EXPECT_EXIT);
	ck_assert_int_eq(e[1].range.max, 0);
	ck_assert(!e[1].exit_not);
	ck_assert_int_eq(e[2].kind, SCN_EXPECT_PRINTS);
	ck_assert_str_eq(e[2].text, "done");
	ck_assert(e[3].exit_not);
	ck_assert_int_eq(e[3].range.min, 3);
	ck_assert_int_eq(e[4].exit_signal, SIGKILL);
	ck_assert_int_eq(e[5].kind, SCN_EXPECT_CAPTURE);
	ck_assert_uint_eq(e[5].subject, SCN_NONE);
	ck_assert_str_eq(e[5].text, "icmp and host 10.0.0.1");
	ck_assert_str_eq(e[6].ifname, "wan0");
	ck_assert_uint_eq(e[6].subject, 1);
}
END_TEST

/* As people type them, and exact: "1.5 s" would have to be "1.5s". */
START_TEST(durations_as_they_are_typed)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0s" },
		{ 1, "1ns" },
		{ 100000, "100us" },
		{ 1500000000, "1500ms" },
		{ INT64_C(90000000000), "90s" },
		{ INT64_C(6001000001), "6001000001ns" },
	};
	char text[32];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ck_assert_str_eq(
			scn_duration_text(cases[i].ns, text, sizeof(text)),
			cases[i].text);
}
END_TEST

/* Programs may end by themselves, so that little is wrong for certain. */
START_TEST(processes_may_be_started_again)
{
	parse_good(
		NETWORK
		"processes:\n"
		"  p: { node: a, run: 'true', start: manual }\n"
		"  q: { node: a, run: sleep 9 }\n"
		"  e: { node: c, echo: udp/7 }\n"
		"timeline:\n"
		"  - { at: 1s, do: [{ start: p }, { start: p }] }\n"
		"  - { at: 1s, do: [{ stop: q }, { kill: q }] }\n"
		"  - { at: 2s, do: [{ stop: q }, { kill: e, signal: USR1 }] }\n"
		"  - { at: 3s, do: [{ start: q }, { start: e }] }\n"
		"  - { at: 4s, stop: e }\n"
		"  - { at: 5s, start: e }\n");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		services,
		processes,
		probes,
		the_timeline_is_in_order_of_time,
		a_kill_kills_unless_told_otherwise,
		expectations_of_probes,
		expectations_that_compare,
		other_expectations,
		durations_as_they_are_typed,
		processes_may_be_started_again,
	};

	return run_tests("sections", tests, sizeof(tests) / sizeof(*tests));
}
