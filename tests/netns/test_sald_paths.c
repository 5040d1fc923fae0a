/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real salds with two links between them:
 *
 *     host 1   eth0 10.0.0.1  --- switch ---  eth0 10.0.0.2   host 2
 *              eth1 10.3.0.1  --- switch ---  eth1 10.3.0.2
 *
 * Nothing of either link goes over the other: who gets through when one is cut
 * has been told of the other's addresses.
 */
#include "tests/support/sald_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/stream.h"
#include "tests/support/run_suite.h"

static int other_switch_ns;

static void two_links(void)
{
	lab_hosts(2);
	other_switch_ns = netns_new();
	sh("ip link add br0 type bridge mcast_snooping 0");
	sh("ip link set br0 addrgenmode none up");
	for (int i = 1; i <= 2; i++) {
		char port[16];

		snprintf(port, sizeof(port), "port%d", i);
		veth_add(hosts[i].ns, "eth1", other_switch_ns, port);
		sh("ip addr add 10.3.0.%d/24 dev eth1", i);
		sh("ip -6 addr flush dev eth0");
		sh("ip -6 addr flush dev eth1");
		netns_enter(other_switch_ns);
		sh("ip link set %s master br0", port);
	}
	WAIT_FOR(host_reaches(&hosts[1], "10.3.0.2"));
	for (int i = 1; i <= 2; i++)
		host_start_sald(&hosts[i]);
	lab_name_web(2);
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[1], "service add " WEB " forward 10.0.0.2");
}

static bool flow_goes(int host, const char *path)
{
	return host_shows(&hosts[host], "flow list", path);
}

static const struct {
	int *switch_ns;
	const char *path[3], *far; /* [1], [2]: as the hosts have it */
} ways[] = {
	{ &switch_ns,
	  { NULL, "10.0.0.1 > 10.0.0.2", "10.0.0.2 > 10.0.0.1" },
	  "10.0.0.2" },
	{ &other_switch_ns,
	  { NULL, "10.3.0.1 > 10.3.0.2", "10.3.0.2 > 10.3.0.1" },
	  "10.3.0.2" },
};

/* The link that the flow goes by carries nothing any more, and nobody is told:
 * neither link nor address goes. Then it is the other one's turn. (Where the
 * flow begins is no matter: a host that gets no CPU is silent, too.) */
START_TEST(silence_on_a_link)
{
	struct stream s;
	int now;

	two_links();
	stream_start(&s, &hosts[1], &hosts[2], WEB4, _i, STREAM_ENDLESS);
	stream_await(&s, 1 << 20);
	WAIT_FOR(host_counter(&hosts[1], "lists_taken") >= 1);
	for (int i = 0; i < 2; i++) {
		WAIT_FOR(flow_goes(1, ways[0].path[1]) ||
			 flow_goes(1, ways[1].path[1]));
		now = flow_goes(1, ways[1].path[1]);
		netns_enter(*ways[now].switch_ns);
		sh("ip link set port2 nomaster");
		stream_await(&s, stream_progress(&s) + (4u << 20));
		for (int host = 1; host <= 2; host++)
			WAIT_FOR(flow_goes(host, ways[!now].path[host]));
		netns_enter(*ways[now].switch_ns);
		sh("ip link set port2 master br0");
		WAIT_FOR(host_reaches(&hosts[1], ways[now].far));
	}
	stream_end(&s);
	stream_finish(&s);
	ck_assert_uint_ge(host_counter(&hosts[1], "silences") +
				  host_counter(&hosts[2], "silences"),
			  2);
}
END_TEST

/* By the policy, and by the user's word, while a stream goes on. Which of the
 * peer's addresses it goes to does not matter: Linux answers for each on any
 * link. */
START_TEST(links_are_chosen)
{
	struct stream s;
	char *list, *id;

	lab_liveness_ms = PATIENT;
	two_links();
	salctl(&hosts[1], "interface set eth0 cost 20 metered");
	salctl(&hosts[1], "interface set eth1 cost 10");
	ck_assert(host_shows(&hosts[1], "policy show", "order"));
	stream_start(&s, &hosts[1], &hosts[2], WEB4, true, STREAM_ENDLESS);
	stream_await(&s, 1 << 20);
	ck_assert(flow_goes(1, "10.0.0.1 > 10."));
	WAIT_FOR(host_counter(&hosts[1], "lists_taken") >= 1);
	list = sh_output("%s -c %s -f json flow list", SALCTL,
			 hosts[1].control);
	id = strstr(list, "\"flow\":");
	ck_assert_ptr_nonnull(id);
	salctl(&hosts[1], "flow migrate %lu 10.3.0.1",
	       strtoul(id + strlen("\"flow\":"), NULL, 10));
	stream_await(&s, stream_progress(&s) + (4u << 20));
	WAIT_FOR(flow_goes(1, "10.3.0.1 > 10."));
	ck_assert_int_eq(host_try(&hosts[1],
				  SALCTL " -c %s flow migrate %lu 10.9.9.9 "
					 "2>/dev/null",
				  hosts[1].control,
				  strtoul(id + strlen("\"flow\":"), NULL, 10)),
			 1);
	/* Several in a row, and back to where it is. */
	ck_assert_int_eq(host_try(&hosts[1],
				  "printf 'flow migrate %lu %%s\n' 10.0.0.1 "
				  "10.3.0.1 any | " SALCTL " -c %s -b -",
				  strtoul(id + strlen("\"flow\":"), NULL, 10),
				  hosts[1].control),
			 0);
	free(list);
	/* Back to the cheap one as soon as there is one. */
	netns_enter(hosts[1].ns);
	sh("ip link set eth1 down");
	WAIT_FOR(flow_goes(1, "10.0.0.1 > 10."));
	salctl(&hosts[1], "policy set cost go-back");
	sh("ip link set eth1 up");
	WAIT_FOR(flow_goes(1, "10.3.0.1 > 10."));
	salctl(&hosts[1], "policy set order avoid-metered");
	ck_assert(host_shows(&hosts[1], "policy show", "yes"));
	salctl(&hosts[1], "interface set eth0");
	WAIT_FOR(flow_goes(1, "10.0.0.1 > 10."));
	stream_await(&s, stream_progress(&s) + (4u << 20));
	stream_end(&s);
	stream_finish(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sald paths");
	TCase *tc = tcase_create("paths");

	test_sandbox_enter();
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, lab_set_up, NULL);
	tcase_add_loop_test(tc, silence_on_a_link, 0, 2);
	tcase_add_test(tc, links_are_chosen);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
