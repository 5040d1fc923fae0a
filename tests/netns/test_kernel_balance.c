/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names bound by NAT to several servers at once (tests/support/nat_lab.h has
 * the lab): new flows are shared by weight, and those that exist stay where
 * they are, whatever becomes of weights. Each test runs in both families.
 */
#include "tests/support/nat_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <math.h>

#define FLOWS 600

static struct knat_target targets[2];

static struct knat_binding shared(uint32_t first, uint32_t second)
{
	struct knat_binding b = binding(3, N->service, NULL);

	for (int i = 0; i < 2; i++)
		targets[i].to = lab_addr(N->server[i]);
	targets[0].weight = first;
	targets[1].weight = second;
	b.targets = targets;
	b.n = 2;
	b.seed = 7;
	return b;
}

/* Which server hears what the socket sends; -1: none. */
static int who_hears(int fd)
{
	struct pollfd p[2] = { { .fd = server_fd[0], .events = POLLIN },
			       { .fd = server_fd[1], .events = POLLIN } };
	char buf[16];
	int who;

	ck_assert_int_eq(send(fd, "who", 3, 0), 3);
	if (poll(p, 2, 5000) <= 0)
		return -1;
	ck_assert_msg(!(p[0].revents & POLLIN) != !(p[1].revents & POLLIN),
		      "both heard it");
	who = p[1].revents & POLLIN ? 1 : 0;
	ck_assert_int_eq(recv(server_fd[who], buf, sizeof(buf), 0), 3);
	return who;
}

/* How many of so many new flows the second server gets; the first ones' sockets
 * into fd, if that is not NULL. */
static int count_second(int n, int *fd, int *who)
{
	int second = 0;

	for (int i = 0; i < n; i++) {
		int s = client_socket(), heard = who_hears(s);

		ck_assert_int_ge(heard, 0);
		second += heard;
		if (fd) {
			fd[i] = s;
			who[i] = heard;
		} else {
			close(s);
		}
	}
	return second;
}

/* Five standard deviations: chance goes beyond that once in a million times,
 * and with a given seed and given ports always or never. */
static void expect_share(int second, double share)
{
	double sd = sqrt(FLOWS * share * (1 - share));

	ck_assert_msg(fabs(second - FLOWS * share) < 5 * sd,
		      "%d of %d, not %.0f", second, FLOWS, FLOWS * share);
}

static void flows_follow_weights_at(struct kns *ns)
{
	struct knat_binding b = shared(1, 3);

	OK(knat_init(ns, &E));
	OK(knat_add(ns, &b, 1, &E));
	expect_share(count_second(FLOWS, NULL, NULL), 0.75);
	b = shared(65535, 13107);
	OK(knat_rebind(ns, &b, 1, &E));
	expect_share(count_second(FLOWS, NULL, NULL), 1.0 / 6);
	/* A new flow with the port of an old one would be that to the kernel. */
	flush(ns, 0, 0);
	b = shared(5, 0);
	OK(knat_rebind(ns, &b, 1, &E));
	ck_assert_int_eq(count_second(50, NULL, NULL), 0);
}

START_TEST(flows_follow_weights_at_the_router)
{
	build(_i);
	flows_follow_weights_at(router);
}
END_TEST

START_TEST(flows_follow_weights_in_the_client)
{
	build(_i);
	flows_follow_weights_at(client);
}
END_TEST

/* Weight 0 is for new flows; a server that is none any more loses its own. */
START_TEST(flows_that_exist_stay)
{
	struct ip_addr service, left;
	struct kconntrack_flows gone = { .addrs = &service, .n = 1 };
	int fd[40], who[40], first = 0;
	struct knat_binding b;
	unsigned deleted;

	build(_i);
	service = lab_addr(N->service);
	left = lab_addr(N->server[1]);
	b = shared(1, 1);
	OK(knat_init(router, &E));
	OK(knat_add(router, &b, 1, &E));
	first = 40 - count_second(40, fd, who);
	ck_assert_int_gt(first, 0);
	ck_assert_int_lt(first, 40);
	b = shared(0, 1);
	OK(knat_rebind(router, &b, 1, &E));
	for (int i = 0; i < 40; i++)
		ask(fd[i], who[i]); /* their ports are taken */
	ck_assert_int_eq(count_second(20, NULL, NULL), 20);

	gone.keep = &left;
	gone.n_keep = 1;
	OK(kns_conntrack_flush(router, &gone, &deleted, &E));
	ck_assert_int_eq(deleted, first);
	for (int i = 0; i < 40; i++)
		ask(fd[i], 1);
}
END_TEST

/* All of a client's flows, and those of other clients elsewhere. */
START_TEST(clients_stay_together)
{
	int second = 0, clients = 40;
	struct knat_binding b;

	build(_i);
	b = shared(1, 1);
	b.by_source = true;
	OK(knat_init(router, &E));
	OK(knat_add(router, &b, 1, &E));
	for (int i = 0; i < clients; i++) {
		char text[32];
		int heard = -1;

		snprintf(text, sizeof(text), _i ? "fd01::%x" : "10.1.0.%d",
			 0x10 + i);
		address(client, 10, text);
		lab_ready(client);
		for (int k = 0; k < 4; k++) {
			int fd = lab_socket(client, SOCK_DGRAM, text, 0), who;

			lab_connect(fd, N->service, 5000);
			who = who_hears(fd);
			ck_assert_int_ge(who, 0);
			ck_assert_msg(heard < 0 || heard == who,
				      "%s goes to both", text);
			heard = who;
			close(fd);
		}
		second += heard;
	}
	ck_assert_int_gt(second, 5);
	ck_assert_int_lt(second, clients - 5);
}
END_TEST

/* A change of many services' targets is one transaction: it fails whole. */
START_TEST(half_a_change_is_none)
{
	struct knat_binding b[2];

	build(_i);
	b[0] = shared(1, 0);
	b[1] = binding(42, N->other_service, N->server[1]);
	OK(knat_init(router, &E));
	OK(knat_add(router, b, 1, &E));
	ck_assert_int_eq(count_second(10, NULL, NULL), 0);
	b[0] = shared(1, 1);
	FAILS(knat_rebind(router, b, 2, &E), ENOENT, "flush chain s42");
	ck_assert_int_eq(count_second(10, NULL, NULL), 0);
	b[0] = shared(UINT32_MAX, 1);
	FAILS(knat_rebind(router, b, 1, &E), ERANGE, "weights");
	targets[1].to = lab_addr(_i ? "10.0.0.1" : "fd00::1");
	targets[0].weight = 1;
	FAILS(knat_rebind(router, b, 1, &E), EAFNOSUPPORT, "s3");
}
END_TEST

/* More than fit into one message, or one page. */
START_TEST(many_services_are_found)
{
	enum { MANY = 300 };
	static struct knat_binding b[MANY];

	build(_i);
	OK(knat_init(router, &E));
	for (int i = 0; i < MANY; i++) {
		char text[32];

		snprintf(text, sizeof(text), _i ? "fd5f::%x" : "198.19.%d.%d",
			 _i ? i + 1 : i / 250, i % 250 + 1);
		b[i] = binding(100 + (unsigned)i, text, N->server[0]);
	}
	OK(knat_add(router, b, MANY / 2, &E));
	OK(knat_add(router, b + MANY / 2, MANY / 2, &E));
	b[0] = binding(3, N->service, N->server[1]);
	OK(knat_add(router, b, 1, &E));
	ck_assert_int_eq(count_second(5, NULL, NULL), 5);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("balance");
	Suite *s = suite_create("kernel");

	test_sandbox_enter();
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, lab_setup, lab_teardown);
	tcase_add_loop_test(t, flows_follow_weights_at_the_router, 0, 2);
	tcase_add_loop_test(t, flows_follow_weights_in_the_client, 0, 2);
	tcase_add_loop_test(t, flows_that_exist_stay, 0, 2);
	tcase_add_loop_test(t, clients_stay_together, 0, 2);
	tcase_add_loop_test(t, half_a_change_is_none, 0, 2);
	tcase_add_loop_test(t, many_services_are_found, 0, 2);
	suite_add_tcase(s, t);
	return run_suite(s);
}
