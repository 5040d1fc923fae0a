/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names bound by destination NAT, and what becomes of the flows that exist
 * (tests/support/nat_lab.h has the lab.) Each test runs in both families.
 */
#include "tests/support/nat_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <linux/netlink.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* ---- where -------------------------------------------------------------- */

/* At the router's prerouting, or in the client's own output. */
static void rebinding_moves_flows_at(struct kns *ns)
{
	struct knat_binding b = binding(3, N->service, N->server[0]);
	int flow = client_socket(), fresh = client_socket();

	OK(knat_init(ns, &E));
	OK(knat_add(ns, &b, 1, &E));
	ask(flow, 0);
	ask(flow, 0);
	b.to = lab_addr(N->server[1]);
	OK(knat_rebind(ns, &b, 1, &E));
	/* The rule is for new flows. */
	ask(flow, 0);
	ask(fresh, 1);
	ck_assert_uint_eq(flush(ns, 0, 0), 2);
	ask(flow, 1);
	ask(fresh, 1);
}

START_TEST(rebinding_moves_flows_at_the_router)
{
	build(_i);
	rebinding_moves_flows_at(router);
}
END_TEST

START_TEST(rebinding_moves_flows_in_the_client)
{
	build(_i);
	rebinding_moves_flows_at(client);
}
END_TEST

/* A packet between the flush and the rule pins its flow to where it was. */
START_TEST(flushing_first_does_not_move_flows)
{
	struct knat_binding b;
	int flow;

	build(_i);
	b = binding(3, N->service, N->server[0]);
	flow = client_socket();
	OK(knat_init(router, &E));
	OK(knat_add(router, &b, 1, &E));
	ask(flow, 0);
	ck_assert_uint_eq(flush(router, 0, 0), 1);
	ask(flow, 0);
	b.to = lab_addr(N->server[1]);
	OK(knat_rebind(router, &b, 1, &E));
	ask(flow, 0);
	ask(client_socket(), 1);
}
END_TEST

/* ---- what --------------------------------------------------------------- */

/* No server hears it: the router says that it knows no way there. */
static void expect_unreachable(int fd)
{
	bool v6 = N == &nets[1];
	char buf[16];
	int on = 1;

	/* Else a datagram socket keeps such reports to itself. */
	OK(setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP,
		      v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof(on)));
	ck_assert_int_eq(send(fd, "lost", 4, 0), 4);
	ck_assert_int_lt(recv(fd, buf, sizeof(buf), 0), 0);
	ck_assert_msg(errno == ENETUNREACH || errno == EHOSTUNREACH, "%s",
		      strerror(errno));
}

START_TEST(unbound_names_lead_nowhere)
{
	struct knat_binding b;
	int flow;

	build(_i);
	b = binding(3, N->service, NULL);
	flow = client_socket();
	OK(knat_init(router, &E));
	OK(knat_add(router, &b, 1, &E));
	expect_unreachable(flow);
	b.to = lab_addr(N->server[1]);
	OK(knat_rebind(router, &b, 1, &E));
	flush(router, 0, 0);
	ask(flow, 1);
	b.to = lab_addr(NULL);
	OK(knat_rebind(router, &b, 1, &E));
	flush(router, 0, 0);
	expect_unreachable(flow);
}
END_TEST

START_TEST(protocol_and_port_are_matched)
{
	struct knat_binding other_protocol, other_port, right;

	build(_i);
	other_protocol = binding(0, N->service, N->server[0]);
	other_protocol.protocol = IPPROTO_TCP;
	other_protocol.port = 5000;
	other_port = binding(1, N->service, N->server[0]);
	other_port.protocol = IPPROTO_UDP;
	other_port.port = 5001;
	right = binding(7, N->service, N->server[1]);
	right.protocol = IPPROTO_UDP;
	right.port = 5000;
	OK(knat_init(router, &E));
	OK(knat_add(router, &other_protocol, 1, &E));
	OK(knat_add(router, &other_port, 1, &E));
	expect_unreachable(client_socket());
	flush(router, 0, 0);
	OK(knat_add(router, &right, 1, &E));
	ask(client_socket(), 1);
}
END_TEST

START_TEST(services_do_not_mix)
{
	struct knat_binding b[2];
	int first, second;

	build(_i);
	b[0] = binding(0, N->service, N->server[0]);
	b[1] = binding(1, N->other_service, N->server[1]);
	OK(knat_init(router, &E));
	OK(knat_add(router, &b[0], 1, &E));
	OK(knat_add(router, &b[1], 1, &E));
	first = client_socket();
	second = lab_socket(client, SOCK_DGRAM, N->client, 0);
	lab_connect(second, N->other_service, 5000);
	ask(first, 0);
	ask(second, 1);

	/* Both change places, at once. */
	b[0].to = lab_addr(N->server[1]);
	b[1].to = lab_addr(N->server[0]);
	OK(knat_rebind(router, b, 2, &E));
	ck_assert_uint_eq(flush(router, 0, 0), 1);
	ask(first, 1);
	ask(second, 1); /* its entry is still there */
}
END_TEST

/* ---- transactions ------------------------------------------------------- */

START_TEST(failed_rebinding_changes_nothing)
{
	struct knat_binding b[3];
	int r;

	build(_i);
	b[0] = binding(0, N->service, N->server[0]);
	b[1] = binding(42, N->other_service, N->server[1]);
	OK(knat_init(router, &E));
	OK(knat_add(router, &b[0], 1, &E));
	ask(client_socket(), 0);

	/* The first could be done; the second is unknown. */
	b[0].to = lab_addr(N->server[1]);
	FAILS(knat_rebind(router, b, 2, &E), ENOENT, "rebind: flush chain s42");
	ask(client_socket(), 0);

	/* Nor by a mixed up one, or one that is there already. */
	b[2] = binding(0, N->service, N->server[1]);
	b[2].to = lab_addr(_i ? "10.3.0.1" : "fd03::1");
	FAILS(knat_rebind(router, &b[2], 1, &E), EAFNOSUPPORT, "s0");
	FAILS(knat_add(router, &b[0], 1, &E), EEXIST, "create chain s0");
	ask(client_socket(), 0);
	r = knat_rebind(router, b, 1, &E);
	OK(r);
	ask(client_socket(), 1);
}
END_TEST

START_TEST(tables_come_and_go)
{
	struct knat_binding b;

	build(_i);
	b = binding(0, N->service, N->server[0]);
	FAILS(knat_add(router, &b, 1, &E), ENOENT, "create chain s0");
	ck_assert(lab_at_home());
	FAILS(knat_deinit(router, &E), ENOENT, "delete table");
	OK(knat_init(router, &E));
	FAILS(knat_init(router, &E), EEXIST, "create table");
	OK(knat_add(router, &b, 1, &E));
	ask(client_socket(), 0);
	OK(knat_deinit(router, &E));
	flush(router, 0, 0);
	expect_unreachable(client_socket());
	OK(knat_init(router, &E));
	OK(knat_add(router, &b, 1, &E));
	ck_assert(lab_at_home());
}
END_TEST

/* Answers every datagram, in a process that ends with the test's. */
static void echo_forever(int fd)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		char buf[16];
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0,
				     (struct sockaddr *)&from, &len);

		if (n > 0)
			sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from,
			       len);
	}
	_exit(0);
}

/*
 * Flows are begun in a process of their own as fast as they can be, while the
 * name is rebound: each must find one server or the other, none may fall
 * between the flush of a chain and its new content.
 */
START_TEST(rebinding_is_never_seen_half_done)
{
	struct knat_binding b;
	unsigned rebindings = 0;
	int status;
	pid_t pid;

	build(_i);
	b = binding(0, N->service, N->server[0]);
	OK(knat_init(router, &E));
	OK(knat_add(router, &b, 1, &E));
	for (int i = 0; i < 2; i++)
		echo_forever(server_fd[i]);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < 1000; i++) {
			char buf[16];
			int fd = client_socket();

			if (send(fd, "x", 1, 0) != 1 ||
			    recv(fd, buf, sizeof(buf), 0) != 1)
				_exit(errno == EAGAIN ? 2 : 1);
			close(fd);
		}
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		b.to = lab_addr(N->server[++rebindings % 2]);
		OK(knat_rebind(router, &b, 1, &E));
	}
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "a flow was lost (status %d, %u rebindings)", status,
		      rebindings);
	ck_assert_uint_gt(rebindings, 20);
}
END_TEST

/* ---- conntrack ---------------------------------------------------------- */

START_TEST(only_what_matches_is_flushed)
{
	struct ip_addr other, wrong_family;
	struct knat_binding b;
	int fd[5];

	build(_i);
	other = lab_addr(N->other_service);
	wrong_family = lab_addr(nets[!_i].service);
	b = binding(0, N->service, N->server[0]);
	OK(knat_init(router, &E));
	OK(knat_add(router, &b, 1, &E));
	for (int i = 0; i < 5; i++) {
		fd[i] = client_socket();
		ask(fd[i], 0);
	}
	ck_assert_uint_eq(flush_of(router, &other, 0, 0), 0);
	ck_assert_uint_eq(flush_of(router, &wrong_family, 0, 0), 0);
	ck_assert_uint_eq(flush(router, IPPROTO_TCP, 5000), 0);
	ck_assert_uint_eq(flush(router, IPPROTO_UDP, 5001), 0);
	ck_assert_uint_eq(flush(client, 0, 0), 0); /* not tracked there */
	ck_assert_uint_eq(flush(router, IPPROTO_UDP, 5000), 5);
	ck_assert_uint_eq(flush(router, IPPROTO_UDP, 5000), 0);
	/* Servers' addresses are those of the reply, not of the original. */
	ask(fd[0], 0);
	other = lab_addr(N->server[0]);
	ck_assert_uint_eq(flush_of(router, &other, 0, 0), 0);
	ck_assert_uint_eq(flush(router, 0, 0), 1);
}
END_TEST

/* More entries than one answer holds. */
START_TEST(many_flows_are_flushed)
{
	struct knat_binding b;

	build(_i);
	b = binding(0, N->service, N->server[0]);
	OK(knat_init(router, &E));
	OK(knat_add(router, &b, 1, &E));
	for (int i = 0; i < 500; i++) {
		int fd = client_socket();

		ask(fd, 0);
		close(fd);
	}
	/* Each from a port of its own, or one that was used before. */
	ck_assert_uint_gt(flush(router, 0, 0), 450);
	ck_assert_uint_eq(flush(router, 0, 0), 0);
}
END_TEST

/* ---- failures made ------------------------------------------------------ */

START_TEST(every_step_of_a_flush_can_fail)
{
	struct knat_binding b;
	uint64_t steps;

	build(_i);
	b = binding(0, N->service, N->server[0]);
	OK(knat_init(router, &E));
	OK(knat_add(router, &b, 1, &E));
	for (uint64_t k = 1; k <= 4; k++) {
		struct ip_addr service = lab_addr(N->service);
		const struct kconntrack_flows flows = { .addrs = &service,
							.n = 1 };
		unsigned deleted = 0;
		int r;

		flush(router, 0, 0);
		for (int i = 0; i < 3; i++)
			ask(client_socket(), 0);
		K.steps = 0;
		K.fail_at = k;
		K.fail_errno = EBUSY;
		r = kns_conntrack_flush(router, &flows, &deleted, &E);
		ck_assert_int_eq(r, -EBUSY);
		ck_assert_uint_eq(deleted, k < 2 ? 0 : k - 2);
		K.fail_at = 0;
	}
	steps = K.steps;
	ck_assert_uint_eq(steps, 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel NAT");
	TCase *tc = tcase_create("nat");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_set_timeout(tc, 90);
	/* 0: IPv4, 1: IPv6 */
	tcase_add_loop_test(tc, rebinding_moves_flows_at_the_router, 0, 2);
	tcase_add_loop_test(tc, rebinding_moves_flows_in_the_client, 0, 2);
	tcase_add_loop_test(tc, flushing_first_does_not_move_flows, 0, 2);
	tcase_add_loop_test(tc, unbound_names_lead_nowhere, 0, 2);
	tcase_add_loop_test(tc, protocol_and_port_are_matched, 0, 2);
	tcase_add_loop_test(tc, services_do_not_mix, 0, 2);
	tcase_add_loop_test(tc, failed_rebinding_changes_nothing, 0, 2);
	tcase_add_loop_test(tc, tables_come_and_go, 0, 2);
	tcase_add_loop_test(tc, rebinding_is_never_seen_half_done, 0, 2);
	tcase_add_loop_test(tc, only_what_matches_is_flushed, 0, 2);
	tcase_add_loop_test(tc, many_flows_are_flushed, 0, 2);
	tcase_add_loop_test(tc, every_step_of_a_flush_can_fail, 0, 2);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
