/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host can see of its ways: each loss of one moves flows at once. Two
 * ways to the server, by routers that drop what comes from a wrong source
 * (strict reverse-path filtering):
 *
 *              eth0 10.1.0.1 --- 10.1.0.254 router 1 10.9.0.11 --+
 *     host 1                                                     + --- 10.9.0.2
 *              eth1 10.2.0.1 --- 10.2.0.254 router 2 10.9.0.12 --+     host 2
 */
#include "tests/support/sald_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/stream.h"
#include "tests/support/run_suite.h"

static int router_ns[2];

/* From 0: the router, and the client's interface that leads to it. */
static void add_way(int i)
{
	struct host *h = &hosts[1];
	char name[16];

	router_ns[i] = netns_new();
	snprintf(name, sizeof(name), "eth%d", i);
	veth_add(h->ns, name, router_ns[i], "host");
	sh("ip link set lo up");
	sh("ip addr add 10.%d.0.1/24 dev eth%d", i + 1, i);
	sh("ip route add default via 10.%d.0.254 dev eth%d metric %d", i + 1, i,
	   10 + i);
	snprintf(name, sizeof(name), "router%d", i);
	veth_add(router_ns[i], "core", switch_ns, name);
	sh("echo 1 > /proc/sys/net/ipv4/ip_forward");
	sh("echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter");
	sh("ip addr add 10.%d.0.254/24 dev host", i + 1);
	sh("ip addr add 10.9.0.%d/24 dev core", 11 + i);
	sh("ip route add 10.%d.0.0/24 via 10.9.0.%d", 2 - i, 12 - i);
	netns_enter(switch_ns);
	sh("ip link set %s master br0", name);
}

static void two_ways(void)
{
	switch_ns = netns_new();
	sh("ip link add br0 type bridge mcast_snooping 0");
	sh("ip link set br0 addrgenmode none up");
	for (int i = 1; i <= 2; i++) {
		hosts[i] = (struct host){ .number = i, .ns = netns_new() };
		snprintf(hosts[i].control, sizeof(hosts[i].control),
			 "/run/%d.sock", i);
	}
	add_way(0);
	add_way(1);
	veth_add(hosts[2].ns, "eth0", switch_ns, "server");
	sh("ip link set lo up");
	sh("ip addr add 10.9.0.2/24 dev eth0");
	sh("ip route add 10.1.0.0/24 via 10.9.0.11");
	sh("ip route add 10.2.0.0/24 via 10.9.0.12");
	netns_enter(switch_ns);
	sh("ip link set server master br0");
	WAIT_FOR(host_reaches(&hosts[1], "10.9.0.2"));
	WAIT_FOR(host_try(&hosts[1], "ping -c 1 -W 1 10.2.0.254 >/dev/null") ==
		 0);
}

static void start_salds(void)
{
	host_start_sald(&hosts[1]);
	host_start_sald(&hosts[2]);
	lab_name_web(2);
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[1], "service add " WEB " forward 10.9.0.2");
}

static bool goes_by(const char *path)
{
	return host_shows(&hosts[1], "flow list", path);
}

/* And has it been answered? A flow that is about to move shows its new path
 * already. */
static bool is_by(const char *path)
{
	char *list = sh_output("%s -c %s flow list | grep -F '%s' | grep "
			       "ESTABLISHED || true",
			       SALCTL, hosts[1].control, path);
	bool found = list[0] != '\0';

	free(list);
	return found;
}

static unsigned long flow_id(void)
{
	char *list = sh_output("%s -c %s -f json flow list", SALCTL,
			       hosts[1].control);
	char *id = strstr(list, "\"flow\":");
	unsigned long n;

	ck_assert_ptr_nonnull(id);
	n = strtoul(id + strlen("\"flow\":"), NULL, 10);
	free(list);
	return n;
}

/* ---- each loss ----------------------------------------------------------- */

static const struct loss {
	const char *why; /* as the flow tells it */
	const char *router, *host; /* what is done there */
	const char *back; /* and undone at the host */
} losses[] = {
	/* The carrier, by the other end. */
	{ "carrier lost", "ip link set host down", NULL, NULL },
	/* The address. */
	{ "address removed", NULL, "ip addr del 10.1.0.1/24 dev eth0", NULL },
	/* It is not to be used for anything new, and flows can move. */
	{ "address deprecated", NULL,
	  "ip addr change 10.1.0.1/24 dev eth0 preferred_lft 0", NULL },
	/* The route alone: the address stays, as does the link. */
	{ "no route", NULL, "ip route del default dev eth0",
	  "ip route add default via 10.1.0.254 dev eth0 metric 10" },
	/* The interface. */
	{ "interface gone", NULL, "ip link del eth0", NULL },
	/* Administratively down. */
	{ "interface down", NULL, "ip link set eth0 down", NULL },
};

START_TEST(a_loss_moves_flows_at_once)
{
	const struct loss *l = &losses[_i];
	char show[64];
	struct stream s;

	lab_liveness_ms = PATIENT;
	two_ways();
	start_salds();
	stream_start(&s, &hosts[1], &hosts[2], WEB4, _i % 2, STREAM_ENDLESS);
	stream_await(&s, 1 << 20);
	ck_assert(goes_by("10.1.0.1 > 10.9.0.2"));
	netns_enter(l->router ? router_ns[0] : hosts[1].ns);
	sh("%s", l->router ? l->router : l->host);
	WAIT_FOR(goes_by("10.2.0.1 > 10.9.0.2"));
	stream_await(&s, stream_progress(&s) + (2u << 20));
	/* It was seen, not concluded from silence. */
	ck_assert_uint_eq(host_counter(&hosts[1], "silences"), 0);
	ck_assert_uint_eq(host_counter(&hosts[2], "silences"), 0);
	snprintf(show, sizeof(show), "flow show %lu", flow_id());
	ck_assert(host_shows(&hosts[1], show, l->why));
	ck_assert(host_shows(&hosts[1], show, "10.1.0.1 > 10.9.0.2"));
	if (l->back) {
		salctl(&hosts[1], "policy set order eth0 go-back");
		netns_enter(hosts[1].ns);
		sh("%s", l->back);
		WAIT_FOR(goes_by("10.1.0.1 > 10.9.0.2"));
		WAIT_FOR(host_shows(&hosts[1], show, "went back"));
		stream_await(&s, stream_progress(&s) + (2u << 20));
	}
	stream_end(&s);
	stream_finish(&s);
}
END_TEST

/*
 * The better way is there again, with its address and its route, and nobody
 * answers on it: the stream goes on where it is, and goes back when somebody
 * does. Then nobody does any more, and no interface has anything to tell: the
 * stream leaves, and comes back once more.
 */
START_TEST(back_when_it_answers)
{
	struct stream s;
	char show[64];

	two_ways();
	netns_enter(hosts[1].ns);
	sh("ip addr del 10.1.0.1/24 dev eth0");
	start_salds();
	salctl(&hosts[1], "policy set order eth0 go-back");
	stream_start(&s, &hosts[1], &hosts[2], WEB4, true, STREAM_ENDLESS);
	stream_await(&s, 1 << 20);
	WAIT_FOR(is_by("10.2.0.1 > 10.9.0.2"));
	snprintf(show, sizeof(show), "flow show %lu", flow_id());
	netns_enter(router_ns[0]);
	sh("ip addr del 10.1.0.254/24 dev host");
	netns_enter(hosts[1].ns);
	sh("ip addr add 10.1.0.1/24 dev eth0");
	sh("ip route add default via 10.1.0.254 dev eth0 metric 10");
	WAIT_FOR(host_counter(&hosts[1], "back_asked") >= 3);
	stream_await(&s, stream_progress(&s) + (2u << 20));
	ck_assert_uint_eq(host_counter(&hosts[1], "back_went"), 0);
	WAIT_FOR(is_by("10.2.0.1 > 10.9.0.2"));
	netns_enter(router_ns[0]);
	sh("ip addr add 10.1.0.254/24 dev host");
	WAIT_FOR(is_by("10.1.0.1 > 10.9.0.2"));
	/* Unless a host that got no CPU was taken for lost just then. */
	ck_assert(host_shows(&hosts[1], show, "went back") ||
		  host_counter(&hosts[1], "silences") > 0);
	stream_await(&s, stream_progress(&s) + (2u << 20));
	netns_enter(router_ns[0]);
	sh("ip addr del 10.1.0.254/24 dev host");
	sh("ip neigh flush dev host");
	WAIT_FOR(is_by("10.2.0.1 > 10.9.0.2"));
	stream_await(&s, stream_progress(&s) + (2u << 20));
	netns_enter(router_ns[0]);
	sh("ip addr add 10.1.0.254/24 dev host");
	WAIT_FOR(is_by("10.1.0.1 > 10.9.0.2"));
	/* Twice, and there was one silence; or more of it instead. */
	ck_assert_uint_ge(host_counter(&hosts[1], "back_went") +
				  host_counter(&hosts[1], "silences"),
			  3);
	stream_end(&s);
	stream_finish(&s);
}
END_TEST

/* The only route there is goes and comes back: nobody has to wait for TCP. */
START_TEST(without_any_route)
{
	struct stream s;

	two_ways();
	netns_enter(hosts[1].ns);
	sh("ip link del eth1");
	start_salds();
	stream_start(&s, &hosts[1], &hosts[2], WEB4, true, STREAM_ENDLESS);
	stream_await(&s, 1 << 20);
	netns_enter(hosts[1].ns);
	sh("ip route del default");
	WAIT_FOR(goes_by("NOADDRESS"));
	/* Its address is there, and listed: that is not what is missing. */
	ck_assert_int_eq(
		host_try(&hosts[1],
			 "%s -c %s flow migrate %lu 10.1.0.1 2>&1 | grep -q "
			 "'no route to 10.9.0.2 from 10.1.0.1'",
			 SALCTL, hosts[1].control, flow_id()),
		0);
	netns_enter(hosts[1].ns);
	sh("ip route add default via 10.1.0.254");
	WAIT_FOR(goes_by("ESTABLISHED"));
	stream_await(&s, stream_progress(&s) + (2u << 20));
	stream_end(&s);
	stream_finish(&s);
}
END_TEST

/* ---- make before break --------------------------------------------------- */

/* The new address is there before the old one goes: no ping is lost, of many
 * that are under way at any moment. */
START_TEST(nothing_is_lost)
{
	char *out;
	FILE *f;

	lab_liveness_ms = PATIENT;
	two_ways();
	netns_enter(hosts[1].ns);
	sh("ip addr del 10.1.0.1/24 dev eth0");
	start_salds();
	salctl(&hosts[1], "policy set order eth0,eth1 go-back");
	netns_enter(hosts[1].ns);
	f = popen("exec ping -i 0.002 -c 400 -W 10 -q " WEB4, "re");
	ck_assert_ptr_nonnull(f);
	WAIT_FOR(is_by("10.2.0.1 > 10.9.0.2"));
	netns_enter(hosts[1].ns);
	sh("ip addr add 10.1.0.1/24 dev eth0");
	sh("ip route add default via 10.1.0.254 dev eth0 metric 10");
	WAIT_FOR(is_by("10.1.0.1 > 10.9.0.2"));
	netns_enter(hosts[1].ns);
	sh("ip addr del 10.2.0.1/24 dev eth1");
	out = calloc(1, 4096);
	ck_assert_uint_gt(fread(out, 1, 4095, f), 0);
	ck_assert_int_eq(pclose(f), 0);
	ck_assert_msg(strstr(out, "400 packets transmitted, 400 received"),
		      "%s", out);
	free(out);
	ck_assert(is_by("10.1.0.1 > 10.9.0.2"));
}
END_TEST

/* ---- source routes ------------------------------------------------------- */

/* With an answer within so long. */
static bool pings_within(const char *address, int s)
{
	return host_try(&hosts[1], "ping -c 1 -W %d -I %s 10.9.0.2 >/dev/null",
			s, address) == 0;
}

static bool pings_from(const char *address)
{
	return pings_within(address, PATIENCE_S);
}

/* For WAIT_FOR. */
static bool pings_now_from(const char *address)
{
	return pings_within(address, 1);
}

static bool has_rule(const char *text)
{
	char *rules;
	bool found;

	netns_enter(hosts[1].ns);
	rules = sh_output("ip rule; ip -6 rule");
	found = strstr(rules, text) != NULL;
	free(rules);
	return found;
}

/* Programs other than sald: what they send from an address leaves by its
 * interface, and passes the routers' filters. */
START_TEST(packets_leave_by_their_source)
{
	two_ways();
	/* By itself the kernel has the first way for all of it. */
	ck_assert(pings_from("10.1.0.1"));
	ck_assert(!pings_now_from("10.2.0.1"));
	hosts[1].option = "--source-routes";
	start_salds();
	ck_assert(pings_from("10.1.0.1"));
	ck_assert(pings_from("10.2.0.1"));
	ck_assert(has_rule("from 10.2.0.1"));
	/* What is for services still goes into the TUN. */
	ck_assert_int_eq(
		host_try(&hosts[1], "ping -c 1 -W 10 " WEB4 " >/dev/null"), 0);
	ck_assert_int_eq(host_try(&hosts[1], "ip route get " WEB4
					     " from 10.2.0.1 | grep -q sal0"),
			 0);
	/* It follows: another address, a route that goes, one that comes back.
	 */
	netns_enter(hosts[1].ns);
	sh("ip addr add 10.2.0.7/24 dev eth1");
	WAIT_FOR(has_rule("from 10.2.0.7"));
	WAIT_FOR(pings_now_from("10.2.0.7"));
	sh("ip addr del 10.2.0.7/24 dev eth1");
	WAIT_FOR(!has_rule("from 10.2.0.7"));
	netns_enter(hosts[1].ns);
	sh("ip link set eth1 down");
	WAIT_FOR(!has_rule("from 10.2.0.1"));
	netns_enter(hosts[1].ns);
	sh("ip link set eth1 up");
	sh("ip route add default via 10.2.0.254 dev eth1 metric 11");
	WAIT_FOR(pings_now_from("10.2.0.1"));
	/* Between two looks, as far as that goes. */
	netns_enter(hosts[1].ns);
	sh("ip link set eth1 down; ip link set eth1 up; "
	   "ip route add default via 10.2.0.254 dev eth1 metric 11");
	WAIT_FOR(pings_now_from("10.2.0.1"));
	/* And goes with it. One that was killed leaves its rules to the next.
	 */
	ck_assert_int_eq(kill(hosts[1].sald, SIGKILL), 0);
	waitpid(hosts[1].sald, NULL, 0);
	ck_assert(has_rule("from 10.2.0.1"));
	netns_enter(hosts[1].ns);
	sh("ip addr del 10.2.0.1/24 dev eth1");
	host_start_sald(&hosts[1]);
	ck_assert(!has_rule("from 10.2.0.1"));
	ck_assert(has_rule("from 10.1.0.1"));
	host_stop_sald(&hosts[1]);
	ck_assert(!has_rule("from 10.1.0.1"));
	ck_assert_int_eq(
		host_try(&hosts[1], "ip route show table all | grep -q 1442"),
		1);
}
END_TEST

static bool has_route(const char *text)
{
	char *routes;
	bool found;

	netns_enter(hosts[1].ns);
	routes = sh_output("ip route show table all");
	found = strstr(routes, text) != NULL;
	free(routes);
	return found;
}

/* What it says meanwhile goes to a file. */
static void start_salds_to(const char *path)
{
	int before = dup(STDERR_FILENO);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	ck_assert_int_ge(before, 0);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
	start_salds();
	ck_assert_int_eq(dup2(before, STDERR_FILENO), STDERR_FILENO);
	close(before);
}

/* Gateways that no other route leads to, of the other family, and one that the
 * kernel would not take any more: that one is named and left out, the others
 * are there, and go with it. */
START_TEST(awkward_routes)
{
	two_ways();
	netns_enter(hosts[1].ns);
	sh("ip route add 10.90.0.0/16 via 192.168.77.1 dev eth0 onlink");
	sh("ip route add 10.91.0.0/16 via inet6 fe80::1 dev eth0");
	sh("ip route add 10.92.0.0/16 nexthop via inet6 fe80::1 dev eth0 "
	   "nexthop via 192.168.77.2 dev eth1 onlink");
	sh("ip route add 10.99.0.0/24 dev eth0");
	sh("ip route add 10.98.0.0/16 via 10.99.0.9 dev eth0");
	sh("ip route del 10.99.0.0/24");
	hosts[1].option = "--source-routes";
	start_salds_to("/run/warnings");
	ck_assert(pings_from("10.1.0.1"));
	ck_assert(pings_from("10.2.0.1"));
	ck_assert(has_route("10.90.0.0/16 via 192.168.77.1 dev eth0 table"));
	ck_assert(has_route("10.91.0.0/16 via inet6 fe80::1 dev eth0 table"));
	ck_assert(has_route("10.92.0.0/16 via inet6 fe80::1 dev eth0 table"));
	ck_assert(has_route("10.92.0.0/16 via 192.168.77.2 dev eth1 table"));
	ck_assert(!has_route("10.98.0.0/16 via 10.99.0.9 dev eth0 table"));
	/* It still follows, while the kernel refuses it every time. */
	netns_enter(hosts[1].ns);
	sh("ip addr add 10.2.0.7/24 dev eth1");
	WAIT_FOR(has_rule("from 10.2.0.7"));
	WAIT_FOR(pings_now_from("10.2.0.7"));
	netns_enter(hosts[1].ns);
	sh("ip addr del 10.2.0.7/24 dev eth1");
	WAIT_FOR(!has_rule("from 10.2.0.7"));
	ck_assert_int_eq(
		host_try(&hosts[1],
			 "[ \"$(grep -c 'warning: .*\"10.98.0.0/16 via "
			 "10.99.0.9 dev eth0\"' /run/warnings)\" = 1 ]"),
		0);
	ck_assert_int_eq(
		host_try(&hosts[1],
			 "[ \"$(grep -c warning: /run/warnings)\" = 1 ]"),
		0);
	/* Until its gateway can be found. */
	netns_enter(hosts[1].ns);
	sh("ip route add 10.99.0.0/24 dev eth0");
	WAIT_FOR(has_route("10.98.0.0/16 via 10.99.0.9 dev eth0 table"));
	host_stop_sald(&hosts[1]);
	ck_assert(!has_rule("1442"));
	ck_assert(!has_route("table 1442"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sald events");
	TCase *tc = tcase_create("events");

	test_sandbox_enter();
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, lab_set_up, NULL);
	tcase_add_loop_test(tc, a_loss_moves_flows_at_once, 0,
			    sizeof(losses) / sizeof(losses[0]));
	tcase_add_test(tc, back_when_it_answers);
	tcase_add_test(tc, without_any_route);
	tcase_add_test(tc, nothing_is_lost);
	tcase_add_test(tc, packets_leave_by_their_source);
	tcase_add_test(tc, awkward_routes);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
