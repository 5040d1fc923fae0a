/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service table of real salds, by salctl: rules of every kind, what
 * programs see of them, and many at once.
 */
#include "tests/support/sald_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

/* What salctl said, and that it ended with this status. Freed by the caller. */
static char *said(const struct host *h, int status, const char *words)
{
	ck_assert_msg(host_try(h, "%s -c %s %s >/run/said 2>&1", SALCTL,
			       h->control, words) == status,
		      "salctl %s", words);
	return sh_output("cat /run/said");
}

static void check_says(const struct host *h, int status, const char *words,
		       const char *expected)
{
	char *text = said(h, status, words);

	ck_assert_msg(strstr(text, expected) != NULL,
		      "salctl %s: \"%s\" is not in \"%s\"", words, expected,
		      text);
	free(text);
}

static unsigned count_lines(const struct host *h, const char *words)
{
	char *text = said(h, 0, words);
	unsigned n = 0;

	for (const char *at = text; (at = strchr(at, '\n')); at++)
		n++;
	free(text);
	return n;
}

START_TEST(rules_come_change_and_go)
{
	struct host *h = &hosts[1];

	lab_hosts(1);
	host_start_sald(h);
	salctl(h, "service add 7 via 10.0.0.2 priority 9 weight 2 idle 5m");
	salctl(h, "service add 7 delay hold 1500ms");
	salctl(h, "service add 0xfd/8 drop refuse timeout 2h");
	salctl(h, "service add default demux");
	ck_assert_uint_eq(count_lines(h, "service"), 5);
	check_says(h, 0, "-f json service show 7",
		   "\"to\":\"10.0.0.2\",\"priority\":9,\"weight\":2,"
		   "\"idle_ms\":300000");
	check_says(h, 0, "-f json service show 7", "\"hold_ms\":1500");
	check_says(h, 0, "service show 0xfd/8", "refuses");
	check_says(h, 0, "service show 0xfd/8", " 0xfd/8");
	check_says(h, 1, "service add 7 delay", "there already");
	salctl(h, "service change 7 via 10.0.0.2 weight 0");
	check_says(h, 0, "service show 7", "drained");
	check_says(h, 0, "-f json service show 7", "\"priority\":9");
	check_says(h, 1, "service change 7 via 10.0.0.3 weight 0",
		   "no such rule");
	salctl(h, "service replace 7 via 10.0.0.2");
	salctl(h, "service replace 7 via 10.0.0.3");
	check_says(h, 0, "-f json service show 7",
		   "\"priority\":0,\"weight\":1,\"age_ms\"");
	salctl(h, "service del 7 delay");
	ck_assert_uint_eq(count_lines(h, "service show 7"), 3);
	salctl(h, "service del 7");
	check_says(h, 1, "service del 7", "no such rule");
	ck_assert_uint_eq(count_lines(h, "service"), 3);
	ck_assert_uint_eq(count_lines(h, "service show 0xfd/8"), 2);
	/* Slips of the tongue. */
	check_says(h, 2, "service add 7", "expected demux");
	check_says(h, 2, "service add 7 fly", "fly");
	check_says(h, 2, "service add 7 via", "address");
	check_says(h, 2, "service add 7 demux idle 5", "a time");
	check_says(h, 2, "service add 7 demux idle 5d", "a time");
	check_says(h, 2, "service add 7 demux weight -1", "a number");
	check_says(h, 2, "service add 7 demux weight 1 weight 2", "twice");
	check_says(h, 2, "service release", "a number");
	check_says(h, 1, "service add 7 demux weight 65536", "weight");
	check_says(h, 1, "service add 7 demux refuse", "refuse");
	check_says(h, 1, "service add 1/8 demux", "service");
	check_says(h, 1, "service drop 12345", "nothing is held");
	host_stop_sald(h);
}
END_TEST

/* The flow that is held; there is one. */
static unsigned long held_flow(const struct host *h)
{
	char *text = said(h, 0, "-f json service delayed");
	char *at = strstr(text, "\"flow\":");
	unsigned long flow = at ? strtoul(at + 7, NULL, 10) : 0;

	free(text);
	return flow;
}

static pid_t ping_start(const struct host *h)
{
	pid_t pid;

	netns_enter(h->ns);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("ping", "ping", "-q", "-c", "1", "-W", "60", WEB4, NULL);
		_exit(127);
	}
	return pid;
}

START_TEST(a_verdict_lets_a_program_go_on)
{
	struct host *c = &hosts[1];
	pid_t ping;

	lab_client_and_server(4);
	salctl(c, "service add " WEB " delay priority 5 hold 1h");
	for (int i = 0; i < 3; i++) {
		char words[64];

		ping = ping_start(c);
		WAIT_FOR(held_flow(c) != 0);
		check_says(c, 0, "service delayed", WEB4);
		snprintf(words, sizeof(words), "service %s %lu%s",
			 i == 2 ? "refuse" : "release", held_flow(c),
			 i == 1 ? " 10.0.0.2" : "");
		free(said(c, 0, words));
		ck_assert_int_eq(wait_for(ping), i == 2);
	}
	/* So does a rule that takes its place. */
	ping = ping_start(c);
	WAIT_FOR(held_flow(c) != 0);
	salctl(c, "service change " WEB " via 10.0.0.2 priority 6");
	ck_assert_int_eq(wait_for(ping), 0);
	ck_assert_uint_eq(host_counter(c, "service_delayed"), 4);
	/* And time tells it that nobody is there. */
	salctl(c, "service change " WEB " delay priority 7 hold 50ms");
	ck_assert_int_eq(wait_for(ping_start(c)), 1);
	ck_assert_uint_eq(held_flow(c), 0);
}
END_TEST

START_TEST(dropped_or_refused)
{
	struct host *c = &hosts[1];
	int fd;

	lab_client_and_server(4);
	salctl(c, "service add " WEB " drop refuse priority 5");
	fd = host_socket(c, AF_INET, SOCK_STREAM, NULL, 0);
	ck_assert_int_eq(try_connect(fd, WEB4, 80), ECONNREFUSED);
	close(fd);
	salctl(c, "service replace " WEB " drop priority 5");
	ck_assert_int_ne(host_try(c, "ping -q -c 1 -W 1 " WEB4 " >/run/said"),
			 0);
	check_says(c, 0, "-f json service show", "\"refuse\":false");
	/* Each, and what TCP has sent again before it was answered. */
	WAIT_FOR(host_counter(c, "service_dropped") >= 2);
	salctl(c, "service del " WEB " drop");
	ck_assert_int_eq(host_try(c, "ping -q -c 1 -W 60 " WEB4 " >/dev/null"),
			 0);
}
END_TEST

static bool has_address(const struct host *h)
{
	char *text;
	bool found;

	netns_enter(h->ns);
	text = sh_output("ip -o addr show sal0");
	found = strstr(text, WEB4 "/32") != NULL;
	free(text);
	return found;
}

/* With the rule goes the address. */
START_TEST(an_instance_expires)
{
	struct host *h = &hosts[2];

	lab_client_and_server(4);
	ck_assert(has_address(h));
	salctl(h, "service replace " WEB " demux timeout 100ms");
	WAIT_FOR(!has_address(h));
	ck_assert_uint_eq(count_lines(h, "service"), 1);
	salctl(h, "service add " WEB " demux");
	ck_assert(has_address(h));
	salctl(h, "service del " WEB);
	ck_assert(!has_address(h));
}
END_TEST

/* Of a prefix, as long as no longer one leads elsewhere. WEB is 0x00004001. */
START_TEST(an_instance_of_a_prefix)
{
	struct host *h = &hosts[2];

	lab_client_and_server(4);
	salctl(h, "service del " WEB);
	ck_assert(!has_address(h));
	salctl(h, "service add 0x0000/16 demux");
	ck_assert(has_address(h));
	salctl(h, "service add 0x00004/20 via 10.0.0.1");
	ck_assert(!has_address(h));
	salctl(h, "service add 0x000040/24 demux");
	ck_assert(has_address(h));
	salctl(h, "service del 0x0000/16");
	ck_assert(has_address(h));
	salctl(h, "service del 0x000040/24");
	ck_assert(!has_address(h));
	/* One named later, too. */
	salctl(h, "service add 0x00005/20 demux");
	salctl(h, "name set web " WEB " 10.255.0.2");
	ck_assert(!has_address(h));
	salctl(h, "name set other 0x0000500000000000000000000000000000000000"
		  "000000000000000000000000 " WEB4);
	ck_assert(has_address(h));
}
END_TEST

/* Twenty thousand at once, all of them told, and gone with the process. */
START_TEST(many_rules)
{
	struct host *h = &hosts[1];

	lab_hosts(1);
	host_start_sald(h);
	sh("seq -f 'service add %%.0f via 10.0.0.2 weight 3' 1 20000 "
	   ">/run/rules");
	free(said(h, 0, "-b /run/rules"));
	ck_assert_uint_eq(count_lines(h, "service"), 20001);
	sh("%s -c %s -f json service >/run/list", SALCTL, h->control);
	sh("test $(grep -o '\"service\":\"[0-9]*\"' /run/list | sort -u | "
	   "wc -l) = 20000");
	/* A wrong line is named, and ends it. */
	sh("printf 'service add 20001 demux\\n# no\\n\\nservice add 3 demux "
	   "wieght 1\\nservice add 20002 demux\\n' >/run/rules");
	check_says(h, 2, "-b /run/rules", "/run/rules:4:");
	check_says(h, 0, "service show 20001", "demux");
	ck_assert_uint_eq(count_lines(h, "service show 20002"), 1);
	sh("printf 'service add 4 via 10.0.0.2\\n' >/run/rules");
	check_says(h, 1, "-b /run/rules", "/run/rules:1:");
	check_says(h, 2, "-b /run/nowhere", "No such file");
	host_stop_sald(h);
	host_start_sald(h);
	ck_assert_uint_eq(count_lines(h, "service"), 1);
}
END_TEST

/* A name more than there is room for; and as many as that. */
START_TEST(names_have_as_much_room_as_is_said)
{
	lab_hosts(1);
	ck_assert_int_eq(
		host_try(&hosts[1],
			 SALD " --inner 10.254.0.1/16 --names 100 "
			      "--services 10.255.0.0/24 "
			      "--control /run/9.sock --ready-fd 9 "
			      "9>/run/ready & pid=$!; "
			      "for i in $(seq 300); do "
			      "test -s /run/ready && break; sleep 0.1; done; "
			      "for i in $(seq 101); do " SALCTL
			      " -c /run/9.sock name set s$i $i 10.255.0.$i; "
			      "done >/run/said 2>&1; kill $pid; wait $pid"),
		0);
	ck_assert_int_eq(host_try(&hosts[1],
				  "grep -q 'more than 100 names' /run/said && "
				  "grep -q -e --names /run/said && "
				  "test $(grep -c salctl: /run/said) = 1"),
			 0);
}
END_TEST

START_TEST(a_full_table_says_so)
{
	lab_hosts(1);
	ck_assert_int_eq(
		host_try(&hosts[1],
			 SALD " --inner 10.254.0.1/16 --rules 3 "
			      "--control /run/9.sock --ready-fd 9 "
			      "9>/run/ready & pid=$!; "
			      "for i in $(seq 300); do "
			      "test -s /run/ready && break; sleep 0.1; done; "
			      "for i in 1 2 3 4; do " SALCTL
			      " -c /run/9.sock service add $i via 10.0.0.2; "
			      "done >/run/said 2>&1; kill $pid; wait $pid"),
		0);
	ck_assert_int_eq(host_try(&hosts[1],
				  "grep -q 'table is full' /run/said && "
				  "grep -q -e --rules /run/said && "
				  "test $(grep -c salctl: /run/said) = 1"),
			 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sald_rules");
	TCase *tc = tcase_create("sald_rules");

	test_sandbox_enter();
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, lab_set_up, NULL);
	tcase_add_test(tc, rules_come_change_and_go);
	tcase_add_test(tc, a_verdict_lets_a_program_go_on);
	tcase_add_test(tc, dropped_or_refused);
	tcase_add_test(tc, an_instance_expires);
	tcase_add_test(tc, an_instance_of_a_prefix);
	tcase_add_test(tc, many_rules);
	tcase_add_test(tc, a_full_table_says_so);
	tcase_add_test(tc, names_have_as_much_room_as_is_said);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
