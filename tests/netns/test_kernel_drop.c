/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control packets of the SAL that get lost: which ones, and how many. */
#include "tests/support/kernel_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#define PROTOCOL_SAL 144

/* a e10 --- e11 b, 10.0.0.1 and .2 */
static struct kns *a, *b;
static int from, to;

static int raw_socket(struct kns *ns)
{
	struct timeval patience = { .tv_sec = 10 };
	int fd;

	OK(kns_enter(&K, ns, &E));
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, PROTOCOL_SAL);
	OK(kns_enter(&K, NULL, &E));
	ck_assert_int_ge(fd, 0);
	OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		      sizeof(patience)));
	return fd;
}

static void build(void)
{
	a = lab_ns();
	b = lab_ns();
	lab_veth(a, 10, b, 11, 0);
	lab_link(a, 10, true);
	lab_link(b, 11, true);
	lab_address(a, 10, "10.0.0.1/24");
	lab_address(b, 11, "10.0.0.2/24");
	lab_ready(a);
	lab_ready(b);
	from = raw_socket(a);
	to = raw_socket(b);
	lab_connect(from, "10.0.0.2", 0);
}

/* A header of 12 bytes and one extension. tag: to know it again. */
static void send_packet(uint8_t type, uint8_t flags, uint8_t tag)
{
	uint8_t packet[32] = { tag, [12] = type, [13] = 20, [14] = flags };

	ck_assert_int_eq(send(from, packet, sizeof(packet), 0), sizeof(packet));
}

/* The tag of the next one that arrives. */
static int next(void)
{
	uint8_t packet[128];

	ck_assert_int_eq(recv(to, packet, sizeof(packet), 0), 20 + 32);
	return packet[20];
}

START_TEST(just_the_next_ones_of_that_kind)
{
	build();
	OK(kdrop_set(b, 0x40, 2, &E));
	send_packet(0x10, 0x60, 1); /* other flags */
	send_packet(0x10, 0x40, 2); /* lost */
	send_packet(0x20, 0x40, 3); /* another extension */
	send_packet(0x15, 0x40, 4); /* lost, whatever the reserved bits are */
	send_packet(0x10, 0x40, 5);
	send_packet(0x10, 0x40, 6);
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(next(), 3);
	ck_assert_int_eq(next(), 5);
	ck_assert_int_eq(next(), 6);
}
END_TEST

START_TEST(set_again_it_replaces)
{
	build();
	OK(kdrop_set(b, 0x40, 100, &E));
	send_packet(0x10, 0x40, 1);
	OK(kdrop_set(b, 0x04, 1, &E));
	send_packet(0x10, 0x40, 2);
	send_packet(0x10, 0x04, 3);
	send_packet(0x10, 0x04, 4);
	ck_assert_int_eq(next(), 2);
	ck_assert_int_eq(next(), 4);
	K.steps = 0;
	K.fail_at = 1;
	K.fail_errno = EBUSY;
	ck_assert_int_eq(kdrop_set(b, 0x40, 1, &E), -EBUSY);
	K.fail_at = 0;
}
END_TEST

/* The same budget, however they are carried. */
START_TEST(in_udp_too)
{
	uint8_t packet[32] = { [12] = 0x10, [13] = 20, [14] = 0x40 };
	int sender, receiver, other;

	build();
	sender = lab_socket(a, SOCK_DGRAM, "10.0.0.1", 0);
	receiver = lab_socket(b, SOCK_DGRAM, "10.0.0.2", 54325);
	other = lab_socket(b, SOCK_DGRAM, "10.0.0.2", 54327);
	OK(kdrop_set(b, 0x40, 2, &E));
	lab_connect(sender, "10.0.0.2", 54327);
	ck_assert_int_eq(send(sender, packet, 32, 0), 32); /* another port */
	lab_connect(sender, "10.0.0.2", 54325);
	send_packet(0x10, 0x40, 1); /* lost */
	for (uint8_t i = 0; i < 3; i++) { /* the first one is */
		packet[0] = i;
		ck_assert_int_eq(send(sender, packet, 32, 0), 32);
	}
	send_packet(0x10, 0x40, 2);
	ck_assert_int_eq(recv(other, packet, 32, 0), 32);
	ck_assert_int_eq(recv(receiver, packet, 32, 0), 32);
	ck_assert_int_eq(packet[0], 1);
	ck_assert_int_eq(next(), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel drop");
	TCase *tc = tcase_create("drop");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, just_the_next_ones_of_that_kind);
	tcase_add_test(tc, set_again_it_replaces);
	tcase_add_test(tc, in_udp_too);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
