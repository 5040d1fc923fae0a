/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket, towards clients that behave and others. */
#include "include/serval/wire.h"
#include "tests/support/control_host.h"
#include "tests/support/run_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static char folder[] = "/tmp/test_control.XXXXXX", path[64];
static struct control *server;

static void socket_setup(void)
{
	struct err err = ERR_INIT;

	setup();
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/sock", folder);
	ck_assert_msg(control_open(&server, path, &ops, &err) == 0, "%s",
		      err.msg);
}

static void socket_teardown(void)
{
	server = control_free(server);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}

static int dial(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(addr.sun_path, path, strlen(path));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	return fd;
}

/* Lets the server work until fd can be read. */
static void wait_readable(int fd)
{
	for (;;) {
		struct pollfd p[] = {
			{ .fd = fd, .events = POLLIN },
			{ .fd = control_fd(server), .events = POLLIN },
		};

		ck_assert_int_gt(poll(p, 2, PATIENCE_MS), 0);
		if (p[0].revents)
			return;
		control_dispatch(server);
	}
}

/* One line, without its newline; "" at the end of the connection. */
static const char *read_line(int fd)
{
	static char line[1 << 20];
	size_t n = 0;

	for (;;) {
		const char *end;
		ssize_t r;

		ck_assert_uint_lt(n, sizeof(line));
		wait_readable(fd);
		r = recv(fd, line + n, sizeof(line) - n, MSG_PEEK);
		if (r == 0 || (r < 0 && errno == ECONNRESET)) {
			ck_assert_uint_eq(n, 0);
			return "";
		}
		ck_assert_int_gt(r, 0);
		end = memchr(line + n, '\n', (size_t)r);
		if (end)
			r = end + 1 - (line + n);
		ck_assert_int_eq(read(fd, line + n, (size_t)r), r);
		n += (size_t)r;
		if (end)
			break;
	}
	line[n - 1] = '\0';
	return line;
}

/* Writes all of it, with the server at work. */
static void write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			control_dispatch(server);
			continue;
		}
		text += n;
		len -= (size_t)n;
	}
}

static void write_text(int fd, const char *text)
{
	write_all(fd, text, strlen(text));
}

#define HELLO "{\"v\":1,\"cmd\":\"hello\"}\n"
#define SUBSCRIBE "{\"v\":1,\"cmd\":\"subscribe\"}\n"

START_TEST(lines_may_come_in_pieces_and_many_at_once)
{
	int fd = dial();

	for (const char *p = HELLO; *p; p++) {
		write_all(fd, p, 1);
		control_dispatch(server);
	}
	ck_assert_ptr_nonnull(strstr(read_line(fd), "\"ok\":true"));
	write_text(fd, HELLO "garbage\n" HELLO);
	ck_assert_ptr_nonnull(strstr(read_line(fd), "\"ok\":true"));
	ck_assert_ptr_nonnull(strstr(read_line(fd), "\"EINVAL\""));
	ck_assert_ptr_nonnull(strstr(read_line(fd), "\"ok\":true"));
	close(fd);
}
END_TEST

START_TEST(only_the_owner_may_connect)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(endless_lines_end_the_connection)
{
	char block[1024];
	int fd = dial();

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < CONTROL_LINE_MAX / 1024; i++)
		write_all(fd, block, sizeof(block));
	ck_assert_ptr_nonnull(strstr(read_line(fd), "EMSGSIZE"));
	ck_assert_str_eq(read_line(fd), "");
	close(fd);
}
END_TEST

static void tell(unsigned n)
{
	struct sal_event e = { .kind = SAL_EVENT_FLOW_MIGRATED,
			       .flow = fake_flow() };

	for (unsigned i = 0; i < n; i++) {
		e.now_ns = i;
		control_event(server, &e);
	}
}

START_TEST(subscribers_hear_of_events)
{
	int fd = dial(), other = dial();
	struct sal_event e = { .kind = SAL_EVENT_FLOW_STATE,
			       .now_ns = INT64_C(123456789012345),
			       .flow = fake_flow(),
			       .old_state = SAL_SYN_SENT,
			       .why = SAL_WAY_CARRIER_LOST,
			       .reason = SAL_REASON_NO_INSTANCE };
	json_t *o;

	write_text(fd, SUBSCRIBE);
	write_text(other, HELLO);
	ck_assert_str_eq(read_line(fd), "{\"ok\":true}");
	read_line(other);
	control_event(server, &e);
	o = json_loads(read_line(fd), 0, NULL);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "mono_ns")),
			 INT64_C(123456789012345));
	ck_assert_str_eq(json_string_value(json_object_get(o, "event")),
			 "sal.flow.state");
	ck_assert_str_eq(json_string_value(json_object_get(o, "old_state")),
			 sal_state_name(SAL_SYN_SENT));
	ck_assert_str_eq(json_string_value(json_object_get(o, "reason")),
			 "no instance");
	ck_assert_str_eq(json_string_value(json_object_get(o, "why")),
			 "carrier lost");
	json_decref(o);
	/* Nothing moves. */
	e.why = SAL_WAY_OPENED;
	control_event(server, &e);
	o = json_loads(read_line(fd), 0, NULL);
	ck_assert_ptr_null(json_object_get(o, "why"));
	json_decref(o);
	control_addresses_event(server, 5);
	ck_assert_ptr_nonnull(strstr(read_line(fd), "\"sal.addresses\""));
	/* Nothing of it went to the one that did not ask. */
	write_text(other, HELLO);
	ck_assert_ptr_nonnull(strstr(read_line(other), "\"ok\":true"));
	close(fd);
	close(other);
}
END_TEST

/* All that was queued comes, in order, then the reason, then the end. */
START_TEST(slow_subscribers_are_cut_off)
{
	int slow = dial(), good = dial();
	const char *line;
	unsigned n = 0;

	write_text(slow, SUBSCRIBE);
	ck_assert_str_eq(read_line(slow), "{\"ok\":true}");
	tell(20000);
	write_text(good, HELLO);
	ck_assert_ptr_nonnull(strstr(read_line(good), "\"ok\":true"));
	while (line = read_line(slow), !strstr(line, "control.dropped")) {
		json_t *o = json_loads(line, 0, NULL);

		ck_assert_msg(o != NULL, "no object: %s", line);
		ck_assert_int_eq(
			json_integer_value(json_object_get(o, "mono_ns")), n);
		json_decref(o);
		n++;
	}
	ck_assert_uint_gt(n, 100);
	ck_assert_uint_lt(n, 20000);
	ck_assert_str_eq(read_line(slow), "");
	close(slow);
	close(good);
}
END_TEST

/* Whoever asks without reading the answers is not served on and on. */
START_TEST(answers_that_nobody_reads_do_not_pile_up)
{
	int fd = dial(), good = dial();
	size_t sent = 0;

	for (int idle = 0; idle < 100;) {
		ssize_t n = send(fd, HELLO, strlen(HELLO), MSG_NOSIGNAL);

		control_dispatch(server);
		idle = n < 0 ? idle + 1 : 0;
		ck_assert(n < 0 || n == (ssize_t)strlen(HELLO));
		sent += n > 0;
		ck_assert_uint_lt(sent, 100000);
	}
	write_text(good, HELLO);
	ck_assert_ptr_nonnull(strstr(read_line(good), "\"ok\":true"));
	close(good);
	/* And is served again once it reads. */
	while (sent--)
		ck_assert_ptr_nonnull(strstr(read_line(fd), "\"ok\":true"));
	close(fd);
}
END_TEST

START_TEST(clients_are_bounded)
{
	int fds[16], late;

	for (int i = 0; i < 16; i++) {
		fds[i] = dial();
		write_text(fds[i], HELLO);
		read_line(fds[i]);
	}
	late = dial();
	ck_assert_ptr_nonnull(strstr(read_line(late), "EMFILE"));
	ck_assert_str_eq(read_line(late), "");
	close(late);
	/* A place is free again once one has left. */
	close(fds[3]);
	fds[3] = dial();
	for (;;) {
		write_text(fds[3], HELLO);
		if (!strstr(read_line(fds[3]), "EMFILE"))
			break;
		close(fds[3]);
		fds[3] = dial();
	}
	for (int i = 0; i < 16; i++)
		close(fds[i]);
}
END_TEST

START_TEST(a_dead_socket_is_replaced_and_a_live_one_is_not)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct control *second = NULL;
	struct err err = ERR_INIT;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_eq(control_open(&second, path, &ops, &err), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err.msg, path));
	ck_assert_int_ne(err.hint[0], '\0');
	ck_assert_int_eq(access(path, F_OK), 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/dead", folder);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	ck_assert_int_eq(control_open(&second, addr.sun_path, &ops, &err), 0);
	control_free(second);

	/* What is no socket is not removed. */
	close(open(addr.sun_path, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(control_open(&second, addr.sun_path, &ops, &err),
			 -EADDRINUSE);
	ck_assert_int_eq(unlink(addr.sun_path), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control socket");
	TCase *tc = tcase_create("socket");

	tcase_add_checked_fixture(tc, socket_setup, socket_teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, lines_may_come_in_pieces_and_many_at_once);
	tcase_add_test(tc, only_the_owner_may_connect);
	tcase_add_test(tc, endless_lines_end_the_connection);
	tcase_add_test(tc, subscribers_hear_of_events);
	tcase_add_test(tc, slow_subscribers_are_cut_off);
	tcase_add_test(tc, answers_that_nobody_reads_do_not_pile_up);
	tcase_add_test(tc, clients_are_bounded);
	tcase_add_test(tc, a_dead_socket_is_replaced_and_a_live_one_is_not);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
