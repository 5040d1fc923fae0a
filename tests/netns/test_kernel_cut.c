/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Partitions, silence, and changes of interfaces; and what the kernel does by
 * itself that crash and freeze rely on.
 *
 *     a e10 --- e11 router e12 --- e13 c
 *     10.1.0.1    .254     .254     10.2.0.1      and the same in IPv6
 */
#include "tests/support/kernel_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const struct net {
	const char *a, *to_a, *c, *to_c, *any, *mask;
} nets[2] = {
	{ "10.1.0.1", "10.1.0.254", "10.2.0.1", "10.2.0.254", "0.0.0.0/0",
	  "/24" },
	{ "fd01::1", "fd01::fe", "fd02::1", "fd02::fe", "::/0", "/64" },
};

static const struct net *N;
static struct kns *a, *router, *c;
static int fd_a, fd_c;

static void address(struct kns *ns, uint32_t ifindex, const char *addr)
{
	char text[IP_TEXT_MAX];

	snprintf(text, sizeof(text), "%s%s", addr, N->mask);
	lab_address(ns, ifindex, text);
}

static void wire(struct kns *x, uint32_t x_index, const char *x_addr,
		 struct kns *y, uint32_t y_index, const char *y_addr)
{
	lab_veth(x, x_index, y, y_index, 0);
	lab_link(x, x_index, true);
	lab_link(y, y_index, true);
	address(x, x_index, x_addr);
	address(y, y_index, y_addr);
}

static void build(int family)
{
	N = &nets[family];
	a = lab_ns();
	router = lab_ns();
	c = lab_ns();
	OK(kns_sysctl(router, "net/ipv4/ip_forward", "1", &E));
	OK(kns_sysctl(router, "net/ipv6/conf/all/forwarding", "1", &E));
	wire(a, 10, N->a, router, 11, N->to_a);
	wire(router, 12, N->to_c, c, 13, N->c);
	lab_route(a, N->any, N->to_a, 10, 0);
	lab_route(c, N->any, N->to_c, 13, 0);
	if (family) {
		lab_address(router, 11, "fe80::1/64");
		lab_address(router, 12, "fe80::1/64");
	}
	lab_ready(a);
	lab_ready(router);
	lab_ready(c);
	fd_a = lab_socket(a, SOCK_DGRAM, N->a, 5000);
	fd_c = lab_socket(c, SOCK_DGRAM, N->c, 5000);
}

/* What was sent before is there, or never comes, once this has come: the two
 * ends are one kernel, and a veth delivers in order. */
static bool arrives(int from, int to, const char *addr)
{
	char buf[16];
	int64_t deadline = clock_mono_ns() + 200 * NSEC_PER_MSEC;

	lab_send_to(from, addr, 5000, "x");
	while (clock_mono_ns() < deadline) {
		struct pollfd pfd = { .fd = to, .events = POLLIN };

		if (poll(&pfd, 1, 10) > 0)
			return recv(to, buf, sizeof(buf), 0) == 1;
	}
	return false;
}

/* The first packet waits for its neighbour. */
static void hear_each_other(void)
{
	char buf[16];

	lab_send_to(fd_a, N->c, 5000, "a");
	ck_assert_int_eq(recv(fd_c, buf, sizeof(buf), 0), 1);
	lab_send_to(fd_c, N->a, 5000, "c");
	ck_assert_int_eq(recv(fd_a, buf, sizeof(buf), 0), 1);
}

/* ---- cuts ------------------------------------------------------------------
 */

START_TEST(a_cut_is_exact)
{
	struct ip_addr of_a, of_c;
	struct kcut_group groups[2] = { { .addresses = &of_a, .n = 1 },
					{ .addresses = &of_c, .n = 1 } };

	build(_i);
	of_a = lab_addr(N->a);
	of_c = lab_addr(N->c);
	hear_each_other();
	/* In the receivers alone ... */
	OK(kcut_set(a, groups, 2, 0, &E));
	OK(kcut_set(c, groups, 2, 1, &E));
	ck_assert(!arrives(fd_a, fd_c, N->c));
	ck_assert(!arrives(fd_c, fd_a, N->a));
	OK(kcut_clear(a, &E));
	OK(kcut_clear(c, &E));
	hear_each_other();
	/* ... and in whoever is between them; twice is once. */
	OK(kcut_set(router, groups, 2, SIZE_MAX, &E));
	OK(kcut_set(router, groups, 2, SIZE_MAX, &E));
	ck_assert(!arrives(fd_a, fd_c, N->c));
	ck_assert(!arrives(fd_c, fd_a, N->a));
	OK(kcut_clear(router, &E));
	hear_each_other();
	FAILS(kcut_clear(router, &E), ENOENT, "servalab-cut");
	E = ERR_INIT;
}
END_TEST

/* What comes straight from an interface of the other group is not heard, not
 * even for the sake of a third: the router is in the other one. */
START_TEST(a_cut_is_of_neighbours_too)
{
	uint8_t mac[1][6];
	struct kcut_group groups[2] = { { 0 }, { .macs = mac, .n_macs = 1 } };
	struct kveth_end first, peer;
	struct kbatch *b;

	build(_i);
	/* A pair whose MAC address we know, instead of e10 - e11. */
	b = kbatch_new(a);
	OK(kbatch_link_del(b, 0, 10, NULL, &E));
	memcpy(mac[0], (const uint8_t[6]){ 2, 0, 0, 0, 0, 9 }, 6);
	first = (struct kveth_end){ .ns = a, .name = "e10", .ifindex = 10 };
	peer = (struct kveth_end){
		.ns = router, .name = "e11", .ifindex = 11, .mac = mac[0]
	};
	OK(kbatch_veth_add(b, 0, &first, &peer, 0, NULL, &E));
	OK(kbatch_commit(b, NULL, &E));
	kbatch_free(b);
	lab_link(router, 11, true);
	lab_link(a, 10, true);
	address(a, 10, N->a);
	address(router, 11, N->to_a);
	if (_i)
		lab_address(router, 11, "fe80::1/64");
	lab_route(a, N->any, N->to_a, 10, 0);
	lab_ready(a);
	hear_each_other();
	OK(kcut_set(a, groups, 2, 0, &E));
	ck_assert(!arrives(fd_c, fd_a, N->a));
	OK(kcut_clear(a, &E));
	hear_each_other();
}
END_TEST

/* ---- silence ----------------------------------------------------------------
 */

static bool has_carrier(struct kns *ns)
{
	return lab_is_ready(ns);
}

START_TEST(silence_keeps_the_carrier)
{
	static const char *const names[] = { "e13" };

	build(_i);
	hear_each_other();
	OK(ksilence_set(c, names, 1, &E));
	ck_assert(!arrives(fd_a, fd_c, N->c));
	ck_assert(!arrives(fd_c, fd_a, N->a));
	ck_assert(has_carrier(c));
	OK(ksilence_clear(c, &E));
	hear_each_other();
}
END_TEST

/* ---- changes
 * ----------------------------------------------------------------- */

START_TEST(an_interface_is_renamed_while_it_is_up)
{
	struct kbatch *b;
	char name[IFNAMSIZ];

	build(_i);
	b = kbatch_new(c);
	OK(kbatch_rename(b, 0, 13, "wlan0", NULL, &E));
	OK(kbatch_mtu(b, 0, 13, 1400, NULL, &E));
	OK(kbatch_commit(b, NULL, &E));
	OK(kns_ifname(c, 13, name));
	ck_assert_str_eq(name, "wlan0");
	hear_each_other();
	ck_assert_int_eq(kns_ifname(c, 99, name), -ENODEV);
	FAILS(kbatch_rename(b, 0, 13, "a name that is too long", NULL, &E),
	      EINVAL, "15 bytes");
	E = ERR_INIT;
	kbatch_free(b);
}
END_TEST

START_TEST(a_route_is_replaced)
{
	struct ip_prefix to = lab_prefix(_i ? "fd09::/64" : "10.9.0.0/24");
	struct ip_addr on_link = { 0 }, via;
	struct kbatch *b;

	build(_i);
	via = lab_addr(N->to_a);
	b = kbatch_new(a);
	OK(kbatch_route_set(b, 0, &to, &on_link, 10, 0, NULL, &E));
	OK(kbatch_route_set(b, 0, &to, &via, 10, 0, NULL, &E));
	/* Whatever it was by then. */
	OK(kbatch_route(b, 0, false, &to, &on_link, 10, 0, NULL, &E));
	OK(kbatch_commit(b, NULL, &E));
	OK(kbatch_route(b, 0, false, &to, &on_link, 10, 0, NULL, &E));
	FAILS(kbatch_commit(b, NULL, &E), ESRCH, "");
	E = ERR_INIT;
	kbatch_free(b);
}
END_TEST

/* ---- what crash and freeze rely on
 * ---------------------------------------------- */

/* Forks for ever: each child forks the next one and ends. */
static void fork_for_ever(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid > 0)
			_exit(0);
		if (pid < 0)
			usleep(1000);
	}
}

/* Whether nobody takes a number for a while: a new process has a new one. */
static bool nobody_forks(void)
{
	pid_t before, after;

	before = fork();
	if (!before)
		_exit(0);
	usleep(5000);
	after = fork();
	if (!after)
		_exit(0);
	return after == before + 1;
}

/* Runs in a pid namespace of its own, as its init: stops all, looks whether
 * anything is still running, and ends, which ends all. */
static int stop_all(void)
{
	int failed = 0;

	for (int i = 0; i < 4; i++)
		if (!fork())
			fork_for_ever();
	usleep(20000);
	for (int round = 0; round < 20 && !failed; round++) {
		int quiet = 0;

		kill(-1, SIGSTOP);
		/* What was about to fork comes to its stop when it gets the
		 * processor again, and may take a number before. Who slipped
		 * through takes them for ever. */
		for (int i = 0; i < 1000 && quiet < 5; i++)
			quiet = nobody_forks() ? quiet + 1 : 0;
		failed = quiet < 5;
		kill(-1, SIGCONT);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	return failed;
}

/* kill(-1) misses none that is just being forked. */
START_TEST(no_fork_slips_through_a_stop)
{
	pid_t pid =
		(pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	int status;

	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(stop_all());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status),
		      "something was forked after all had been stopped");
}
END_TEST

/* A process that enters a pid namespace for its children keeps its own, and
 * they are its children still; and with the init, all of them go. */
START_TEST(children_of_others_go_with_the_init)
{
	int own, other, status, gone[2];
	char path[64], byte;
	pid_t init, child;

	ck_assert_int_eq(pipe2(gone, O_CLOEXEC), 0);
	init = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (!init) {
		close(gone[1]);
		for (;;)
			pause();
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)init);
	own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	other = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(own, 0);
	ck_assert_int_ge(other, 0);
	ck_assert_int_eq(setns(other, CLONE_NEWPID), 0);
	child = fork();
	if (!child) {
		/* It leaves its parent and its group behind. */
		if (!fork()) {
			setsid();
			for (;;)
				pause();
		}
		for (;;)
			pause();
	}
	ck_assert_int_eq(setns(own, CLONE_NEWPID), 0);
	close(gone[1]);
	ck_assert_int_eq(kill(init, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_int_eq(waitpid(init, &status, 0), init);
	/* The last writer is gone, too. */
	ck_assert_int_eq(read(gone[0], &byte, 1), 0);
	close(gone[0]);
	close(own);
	close(other);
}
END_TEST

/* A socket whose process is killed says FIN, and its kernel goes on saying it:
 * why a crash cuts the links first and gives the namespace up. */
START_TEST(the_kernel_says_fin_for_the_dead)
{
	int listener, fd, status;
	char byte;
	pid_t pid;

	build(_i);
	listener = lab_socket(c, SOCK_STREAM, N->c, 6000);
	ck_assert_int_eq(listen(listener, 1), 0);
	pid = fork();
	if (!pid) {
		fd = lab_socket(a, SOCK_STREAM, N->a, 0);
		lab_connect(fd, N->c, 6000);
		for (;;)
			pause();
	}
	fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	/* Its link is cut, it dies, the link comes back: the FIN comes. */
	lab_link(router, 11, false);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ck_assert_int_lt(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	lab_link(router, 11, true);
	if (_i) {
		address(router, 11, N->to_a);
		lab_address(router, 11, "fe80::1/64");
	}
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	close(fd);
	close(listener);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel_cut");
	TCase *tc = tcase_create("kernel_cut");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, a_cut_is_exact, 0, 2);
	tcase_add_loop_test(tc, a_cut_is_of_neighbours_too, 0, 2);
	tcase_add_loop_test(tc, silence_keeps_the_carrier, 0, 2);
	tcase_add_loop_test(tc, an_interface_is_renamed_while_it_is_up, 0, 2);
	tcase_add_loop_test(tc, a_route_is_replaced, 0, 2);
	tcase_add_test(tc, no_fork_slips_through_a_stop);
	tcase_add_test(tc, children_of_others_go_with_the_init);
	tcase_add_loop_test(tc, the_kernel_says_fin_for_the_dead, 0, 2);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
