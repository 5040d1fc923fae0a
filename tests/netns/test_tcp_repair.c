/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection that was restored, and waits to go on, with a kernel that knows
 * nothing of it yet at the other end: its timers send, are answered by a reset,
 * and nothing comes of that until it goes on.
 */
#include "node/io/tcp_repair.h"
#include "tests/support/run_suite.h"
#include "tests/support/sandbox.h"
#include "tests/support/veth.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static struct err E = ERR_INIT;

/* Takes in nothing any more, and so acknowledges nothing. */
static void be_deaf(int fd)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = { .len = 1, .filter = &none };

	ck_assert(!setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
			      sizeof(program)));
}

static void vanish(int fd)
{
	const int on = 1;

	ck_assert(!setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)));
	close(fd);
}

/* One end of a connection whose other end is gone without a word, in repair
 * mode, with data of which nobody has said that it came. */
static int restore_one(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), peer, fd;
	socklen_t len = sizeof(to);
	struct tcp_state state;
	uint8_t *queues;

	sh("ip link set lo up");
	ck_assert(!bind(listener, (struct sockaddr *)&to, sizeof(to)));
	ck_assert(!listen(listener, 1));
	ck_assert(!getsockname(listener, (struct sockaddr *)&to, &len));
	peer = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert(!connect(peer, (struct sockaddr *)&to, sizeof(to)));
	fd = accept(listener, NULL, NULL);
	ck_assert(fd >= 0);
	be_deaf(peer);
	ck_assert(send(fd, "hello", 5, 0) == 5);
	ck_assert_msg(!tcp_repair_dump(fd, &state, &queues, &E), "%s", E.msg);
	ck_assert_uint_eq(state.send_len, 5);
	tcp_repair_close(fd);
	vanish(peer);
	close(listener);
	fd = tcp_repair_restore(&state, queues, &E);
	ck_assert_msg(fd >= 0, "%s", E.msg);
	free(queues);
	return fd;
}

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	ck_assert(!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	return info;
}

START_TEST(a_reset_does_not_end_what_waits_to_go_on)
{
	int fd = restore_one(), error, waited_ms = 0;
	struct pollfd pfd = { .fd = fd };
	socklen_t len = sizeof(error);

	/* Over lo, the answer has come when it is counted as sent again. */
	for (; !info_of(fd).tcpi_total_retrans && waited_ms < PATIENCE_MS;
	     waited_ms += 10)
		usleep(10000);
	ck_assert_uint_gt(info_of(fd).tcpi_total_retrans, 0);
	ck_assert_uint_eq(info_of(fd).tcpi_state, 1); /* ESTABLISHED */
	ck_assert(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
	ck_assert_int_eq(error, 0);
	/* From here on it hears what it is told. */
	ck_assert_msg(!tcp_repair_go(fd, &E), "%s", E.msg);
	ck_assert_int_eq(poll(&pfd, 1, PATIENCE_MS), 1);
	ck_assert(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
	ck_assert_int_eq(error, ECONNRESET);
	close(fd);
}
END_TEST

/* Whether this process may do what TCP_REPAIR needs. */
static void be_able(bool able)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct caps[2];

	ck_assert(!syscall(SYS_capget, &h, caps));
	caps[0].effective = able ? caps[0].permitted : 0;
	caps[1].effective = able ? caps[1].permitted : 0;
	ck_assert(!syscall(SYS_capset, &h, caps));
}

START_TEST(it_goes_on_at_the_second_try)
{
	int fd = restore_one(), mode = 0;
	socklen_t len = sizeof(mode);

	be_able(false);
	ck_assert_int_eq(tcp_repair_go(fd, &E), -EPERM);
	be_able(true);
	ck_assert_msg(!tcp_repair_go(fd, &E), "%s", E.msg);
	ck_assert(!getsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &mode, &len));
	ck_assert_int_eq(mode, 0);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tcp_repair");
	TCase *tc = tcase_create("restored");

	test_sandbox_enter();
	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, a_reset_does_not_end_what_waits_to_go_on);
	tcase_add_test(tc, it_goes_on_at_the_second_try);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
