/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a server answers to orders that are none. */
#include "node/app/handoff_server.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void check_answer(const char *order, const char *answer)
{
	static struct server server;
	char text[256];
	int ends[2];
	ssize_t n;

	ck_assert(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
	server.orders = ends[0];
	ck_assert(send(ends[1], order, strlen(order), 0) > 0);
	handoff_order(&server);
	n = recv(ends[1], text, sizeof(text) - 1, MSG_DONTWAIT);
	ck_assert(n > 0);
	text[n] = '\0';
	ck_assert_str_eq(text, answer);
	close(ends[0]);
	close(ends[1]);
}

/* One that is whole, of which only the socket is missing. */
#define NO_SOCKET "failed 7 no socket came along"
#define NO_CONNECTION "failed 7 this names no connection"

START_TEST(a_connection_has_a_name)
{
	check_answer("dump 7 10.0.0.1 5001 10.0.0.2 400", NO_SOCKET);
	check_answer("dump 7 10.0.0.1 5001 10.0.0.2 65535\n", NO_SOCKET);
	check_answer("dump 7 fd00::1 5001 fd00::2 400", NO_SOCKET);
	check_answer("dump 7 10.0.0.1 5001 10.0.0.2", NO_CONNECTION);
	check_answer("dump 7 10.0.0.1 5001 10.0.0.2 x", NO_CONNECTION);
	check_answer("dump 7 10.0.0.1 5001 10.0.0.2 65536", NO_CONNECTION);
	check_answer("dump 7 10.0.0.1 5001 host 400", NO_CONNECTION);
	check_answer("dump 7", NO_CONNECTION);
}
END_TEST

START_TEST(nothing_follows_it)
{
	check_answer("dump 7 10.0.0.1 5001 10.0.0.2 123456", NO_CONNECTION);
	check_answer("dump 7 10.0.0.1 123456 10.0.0.2 400", NO_CONNECTION);
	check_answer("dump 7 10.0.0.1 5001 10.0.0.2 400 rubbish",
		     NO_CONNECTION);
	check_answer("dump 7 10.0.0.1 5001 10.0.0.2 400x", NO_CONNECTION);
}
END_TEST

START_TEST(words_that_are_no_orders)
{
	check_answer("dump", "failed 0 this is no order");
	check_answer("take 7", NO_SOCKET);
	check_answer("go 7", "failed 7 no handoff 7 is under way");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("handoff_orders");
	TCase *tc = tcase_create("orders");

	tcase_add_test(tc, a_connection_has_a_name);
	tcase_add_test(tc, nothing_follows_it);
	tcase_add_test(tc, words_that_are_no_orders);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
