/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sald and what is around it: command lines, devices that are missing, sockets
 * that are taken, clients that misbehave, and what a hundred of them cost.
 */
#include "tests/support/sald_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <sys/un.h>

#define INNER "--inner 10.254.0.1/16"
#define OTHER "--inner 10.253.0.1/16"
#define NEVER " --encapsulate never"

/* Runs sald, which is to fail: with this status, and these words. */
static void check_fails(int status, const char *words, const char *options)
{
	char *said;

	ck_assert_msg(host_try(&hosts[1], SALD " %s </dev/null >/run/said 2>&1",
			       options) == status,
		      "%s", options);
	said = sh_output("cat /run/said");
	ck_assert_msg(strstr(said, words) != NULL,
		      "%s: \"%s\" is not in \"%s\"", options, words, said);
	free(said);
}

START_TEST(wrong_command_lines_are_refused)
{
	static const char *const wrong[][2] = {
		{ "", "--inner is missing" },
		{ "--inner 10.0.0.1", "--inner" },
		{ "--inner 10.0.0.1/33", "--inner" },
		{ INNER " " INNER, "one address a family" },
		{ INNER " --services nonsense", "--services" },
		{ INNER " --services fd5f::/64", "same family" },
		{ INNER " --key abc", "--key" },
		{ INNER " --ready-fd x", "--ready-fd" },
		{ INNER " --encapsulate always", "--encapsulate" },
		{ INNER " --liveness-ms -1", "--liveness-ms" },
		{ INNER " --probe-gap-ms 0", "--probe-gap-ms" },
		{ INNER " --keepalive-ms 1s", "--keepalive-ms" },
		{ INNER " --probes 0", "--probes" },
		{ INNER " --rules 0", "--rules" },
		{ INNER " --rules 16000001", "--rules" },
		{ INNER " --names 0", "--names" },
		{ INNER " --names 1000001", "--names" },
		{ INNER " --fly", "--fly" },
		{ INNER " word", "word" },
	};

	lab_hosts(1);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		check_fails(2, wrong[i][1], wrong[i][0]);
	ck_assert_int_eq(host_try(&hosts[1], SALD " --help >/dev/null"), 0);
	ck_assert_int_eq(host_try(&hosts[1], SALD " --version >/dev/null"), 0);
	ck_assert_int_eq(host_try(&hosts[1], SALCTL " fly 2>/dev/null"), 2);
	ck_assert_int_eq(
		host_try(&hosts[1], SALCTL " -c /run/none hello 2>/dev/null"),
		3);
}
END_TEST

static void own_mounts(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
}

START_TEST(a_missing_tun_is_said_with_its_remedy)
{
	lab_hosts(1);
	own_mounts();
	ck_assert_int_eq(mount("tmpfs", "/dev/net", "tmpfs", 0, NULL), 0);
	check_fails(3, "/dev/net/tun", INNER);
	check_fails(3, "modprobe tun", INNER);
	ck_assert_int_ne(access("/run/sald.sock", F_OK), 0);
}
END_TEST

/* On a mount without devices nobody, root included, may open one. */
START_TEST(a_tun_that_may_not_be_opened_is_said_with_its_remedy)
{
	lab_hosts(1);
	own_mounts();
	sh("mount --bind /dev/net /dev/net && mount -o remount,bind,nodev "
	   "/dev/net");
	check_fails(3, "Permission denied", INNER);
	check_fails(3, "chmod 666 /dev/net/tun", INNER);
}
END_TEST

START_TEST(taken_names_are_said)
{
	lab_hosts(1);
	host_start_sald(&hosts[1]);
	check_fails(3, "UDP port 54324", INNER " --control /run/other");
	check_fails(3, "--encapsulate never", INNER " --control /run/other");
	check_fails(3, "--tun NAME", INNER " --control /run/other" NEVER);
	check_fails(3, "--control PATH",
		    OTHER " --tun sal1 --control /run/1.sock" NEVER);
	/* The one that was there does not mind. */
	ck_assert(host_shows(&hosts[1], "hello", "sal0"));
	check_fails(3, "another --inner", INNER " --tun sal1" NEVER);
	check_fails(3, "cannot bind",
		    OTHER " --tun sal1 --control /run/none/sock" NEVER);
}
END_TEST

START_TEST(losing_the_device_is_said)
{
	lab_hosts(1);
	netns_enter(hosts[1].ns);
	ck_assert_int_eq(freopen("/run/said", "w", stderr) != NULL, 1);
	host_start_sald(&hosts[1]);
	sh("ip link del sal0");
	ck_assert_int_eq(wait_for(hosts[1].sald), 3);
	sh("grep -q sal0 /run/said");
}
END_TEST

/* ---- the control socket ----------------------------------------------- */

static int dial(const struct host *h)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(addr.sun_path, h->control, strlen(h->control));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

START_TEST(misuse_of_the_control_socket_is_survived)
{
	char answer[512];
	uint32_t x = 99;
	ssize_t n;
	int fd;

	lab_hosts(1);
	host_start_sald(&hosts[1]);
	fd = dial(&hosts[1]);
	for (int i = 0; i < 20000; i++) {
		x = x * 1664525 + 1013904223;
		if (send(fd, &x, sizeof(x), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
	}
	close(fd);
	for (int i = 0; i < 200; i++)
		close(dial(&hosts[1]));
	fd = dial(&hosts[1]);
	ck_assert_int_eq(
		send(fd, "{\"v\":1,\"cmd\":\"stats\",\"a\":1}\n", 29, 0), 29);
	n = recv(fd, answer, sizeof(answer) - 1, 0);
	ck_assert_int_gt(n, 0);
	answer[n] = '\0';
	ck_assert_ptr_nonnull(strstr(answer, "\"field\":\"a\""));
	close(fd);
	ck_assert(host_shows(&hosts[1], "hello", "sal0"));
	ck_assert(host_is_alive(&hosts[1]));
}
END_TEST

START_TEST(rules_and_names_are_kept)
{
	lab_hosts(1);
	host_start_sald(&hosts[1]);
	lab_name_web(1);
	salctl(&hosts[1], "service add " WEB " forward 10.0.0.2 priority 5 "
			  "weight 3");
	salctl(&hosts[1], "service add 0xfd/8 forward fd00::9");
	ck_assert(host_shows(&hosts[1], "-f json service list",
			     "\"priority\":5,\"weight\":3"));
	ck_assert(host_shows(&hosts[1], "service list", "/8"));
	/* The same name or address cannot mean two services. */
	ck_assert_int_eq(host_try(&hosts[1],
				  SALCTL " -c %s name set web 7 2>/dev/null",
				  hosts[1].control),
			 1);
	ck_assert_int_eq(host_try(&hosts[1],
				  SALCTL " -c %s name set w 7 " WEB4
					 " 2>/dev/null",
				  hosts[1].control),
			 1);
	salctl(&hosts[1], "service delete 0xfd/8 forward fd00::9");
	ck_assert(!host_shows(&hosts[1], "service list", "/8"));
	ck_assert_int_eq(host_try(&hosts[1],
				  SALCTL " -c %s service delete 0xfd/8 forward "
					 "fd00::9 2>/dev/null",
				  hosts[1].control),
			 1);
}
END_TEST

/* ---- the monitor
 * -------------------------------------------------------------- */

static bool has_address(const char *address)
{
	return host_shows(&hosts[1], "interface list", address);
}

START_TEST(addresses_are_those_that_can_be_used)
{
	lab_hosts(1);
	host_start_sald(&hosts[1]);
	ck_assert(has_address("10.0.0.1"));
	ck_assert(has_address("fd00::1"));
	ck_assert(!has_address("10.254.0.1"));
	ck_assert(!has_address("127.0.0.1"));
	netns_enter(hosts[1].ns);
	sh("ip addr add fe80::7/64 dev eth0 nodad");
	sh("ip addr add 10.0.7.1/24 dev eth0");
	WAIT_FOR(has_address("10.0.7.1"));
	ck_assert(!has_address("fe80::7"));
	/* Without carrier: the other end goes down. */
	netns_enter(switch_ns);
	sh("ip link set port1 down");
	WAIT_FOR(!has_address("10.0.0.1"));
	ck_assert(!has_address("10.0.7.1"));
	sh("ip link set port1 up");
	WAIT_FOR(has_address("10.0.7.1"));
	/* More notifications than a socket holds, the last one not among
	 * those that it did hold. */
	netns_enter(hosts[1].ns);
	ck_assert_int_eq(kill(hosts[1].sald, SIGSTOP), 0);
	sh("for i in $(seq 1000); do "
	   "echo addr add 10.1.$((i / 250)).$((i %% 250))/32 dev eth0; "
	   "echo addr del 10.1.$((i / 250)).$((i %% 250))/32 dev eth0; "
	   "done | ip -batch -");
	sh("ip addr add 10.0.8.1/24 dev eth0");
	ck_assert_int_eq(kill(hosts[1].sald, SIGCONT), 0);
	WAIT_FOR(has_address("10.0.8.1"));
	ck_assert(!has_address("10.1."));
}
END_TEST

START_TEST(the_tun_follows_the_underlays_mtu)
{
	lab_hosts(1);
	host_start_sald(&hosts[1]);
	netns_enter(hosts[1].ns);
	sh("ip link show sal0 | grep -q 'mtu 1448 '");
	sh("ip link set eth0 mtu 1400");
	WAIT_FOR(host_try(&hosts[1], "ip link show sal0 | "
				     "grep -q 'mtu 1348 '") == 0);
	/* IPv6 needs 1,280, whatever the underlay has. */
	sh("ip addr del fd00::1/64 dev eth0; ip link set eth0 mtu 1000");
	WAIT_FOR(host_try(&hosts[1], "ip link show sal0 | "
				     "grep -q 'mtu 1280 '") == 0);
	sh("ip -6 addr show sal0 | grep -q fd5e::1");
}
END_TEST

/* ---- light
 * ---------------------------------------------------------------------- */

#define MANY 100
#define PSS_MAX_KIB 2048

static unsigned long pss_kib(pid_t pid)
{
	char path[64], line[256];
	unsigned long n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Pss: %lu kB", &n) == 1)
			break;
	fclose(f);
	ck_assert_uint_gt(n, 0);
	return n;
}

START_TEST(a_hundred_are_light)
{
	static struct host many[MANY];
	unsigned long sum = 0;

	for (int i = 0; i < MANY; i++) {
		many[i].number = i + 1;
		many[i].ns = netns_new();
		snprintf(many[i].control, sizeof(many[i].control), "/run/%d",
			 i);
		host_start_sald(&many[i]);
	}
	for (int i = 0; i < MANY; i++)
		sum += pss_kib(many[i].sald);
		/* The sanitizers' own memory is not sald's. */
#if !defined(__SANITIZE_ADDRESS__)
	ck_assert_uint_lt(sum / MANY, PSS_MAX_KIB);
#endif
	for (int i = 0; i < MANY; i++)
		host_stop_sald(&many[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sald environment");
	TCase *tc = tcase_create("environment");

	test_sandbox_enter();
	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, lab_set_up, NULL);
	tcase_add_test(tc, wrong_command_lines_are_refused);
	tcase_add_test(tc, a_missing_tun_is_said_with_its_remedy);
	tcase_add_test(tc,
		       a_tun_that_may_not_be_opened_is_said_with_its_remedy);
	tcase_add_test(tc, taken_names_are_said);
	tcase_add_test(tc, losing_the_device_is_said);
	tcase_add_test(tc, misuse_of_the_control_socket_is_survived);
	tcase_add_test(tc, rules_and_names_are_kept);
	tcase_add_test(tc, addresses_are_those_that_can_be_used);
	tcase_add_test(tc, the_tun_follows_the_underlays_mtu);
	tcase_add_test(tc, a_hundred_are_light);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
