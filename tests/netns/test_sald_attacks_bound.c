/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much real salds can be made to send to somebody who has asked for
 * nothing:
 *
 *     host 1: client      host 2: instance     host 3: the victim
 *       |                    |                    | no sald
 *     --+------------------ switch ---------------+--
 *
 * SYNs have the victim's address for their source. What they bring it is
 * measured where it arrives, with IP's headers, against what they had.
 */
#include "node/wire/sal_packet.h"
#include "tests/support/sald_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>

#define INSTANCE "10.0.0.2"
#define VICTIM "10.0.0.3"
#define SAL_PROTOCOL 144
#define PORT 7
#define SYNS 20u
#define ANSWERS 2u
#define ANSWER_BYTES 1200u
#define FACTOR_MAX 3.0

static int forger, victim, server;

static void open_all(void)
{
	netns_enter(hosts[3].ns);
	forger = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	ck_assert_int_ge(forger, 0);
	victim = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			SAL_PROTOCOL);
	ck_assert_int_ge(victim, 0);
	server = host_socket(&hosts[2], AF_INET, SOCK_DGRAM, WEB4, PORT);
}

/* Of another client each, with an empty datagram of UDP; how long it was. */
static size_t forge_syn(uint32_t i)
{
	struct ip_addr inner = { AF_INET, { 10, 254, 7, (uint8_t)(1 + i) } };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = inet_addr(INSTANCE) };
	struct iphdr header = { .version = 4,
				.ihl = 5,
				.ttl = 64,
				.protocol = SAL_PROTOCOL,
				.saddr = inet_addr(VICTIM),
				.daddr = inet_addr(INSTANCE) };
	uint8_t packet[512] = { 0 };
	struct service_id id;
	struct sal_packet p;
	size_t len = sizeof(header);
	int n;

	ck_assert_int_eq(service_id_parse(WEB, &id), 0);
	sal_packet_init(&p, 0x10000 + i, 0, IPPROTO_UDP);
	sal_add_control(&p, SAL_FLAG_SYN, i, 0, i);
	sal_add_service(&p, &id);
	sal_add_identity(&p, &inner);
	n = sal_encode(&p, packet + len, sizeof(packet) - len);
	ck_assert_int_gt(n, 0);
	len += (size_t)n;
	packet[len] = 0x10;
	packet[len + 1] = (uint8_t)i;
	packet[len + 3] = PORT;
	packet[len + 5] = 8;
	len += 8;
	header.tot_len = htons((uint16_t)len);
	memcpy(packet, &header, sizeof(header));
	ck_assert_int_eq(sendto(forger, packet, len, 0, (struct sockaddr *)&to,
				sizeof(to)),
			 len);
	return len;
}

/* A program that answers whoever asks, at length. */
static void serve(unsigned n)
{
	static uint8_t answer[ANSWER_BYTES];

	for (unsigned i = 0; i < n; i++) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		uint8_t in[64];

		ck_assert_int_ge(recvfrom(server, in, sizeof(in), 0,
					  (struct sockaddr *)&from, &size),
				 0);
		for (unsigned k = 0; k < ANSWERS; k++)
			ck_assert_int_eq(sendto(server, answer, sizeof(answer),
						0, (struct sockaddr *)&from,
						size),
					 sizeof(answer));
	}
}

/* All that has come to the victim since. */
static size_t hit(void)
{
	uint8_t in[4096];
	size_t bytes = 0;
	ssize_t n;

	while ((n = recv(victim, in, sizeof(in), 0)) > 0)
		bytes += (size_t)n;
	return bytes;
}

static void honest_client(void)
{
	int fd = host_socket(&hosts[1], AF_INET, SOCK_DGRAM, NULL, 0);
	uint8_t in[2 * ANSWER_BYTES];

	ck_assert_int_eq(try_connect(fd, WEB4, PORT), 0);
	ck_assert_int_eq(send(fd, "hello", 5, 0), 5);
	serve(1);
	for (unsigned k = 0; k < ANSWERS; k++)
		ck_assert_int_eq(recv(fd, in, sizeof(in), 0), ANSWER_BYTES);
	close(fd);
}

START_TEST(a_victim_gets_no_more_than_thrice)
{
	unsigned long taken;
	size_t sent = 0, got;
	double factor;

	lab_hosts(3);
	for (int i = 1; i <= 2; i++)
		host_start_sald(&hosts[i]);
	lab_name_web(2);
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[1], "service add " WEB " forward " INSTANCE);
	open_all();
	honest_client();
	taken = host_counter(&hosts[2], "inner_in");
	for (uint32_t i = 0; i < SYNS; i++)
		sent += forge_syn(i);
	serve(SYNS);
	WAIT_FOR(host_counter(&hosts[2], "inner_in") >= taken + SYNS * ANSWERS);
	/* Each SYN-ACK once more. */
	WAIT_FOR(host_counter(&hosts[2], "retransmissions") >= SYNS);
	got = hit();
	factor = (double)got / (double)sent;
	printf("%zu bytes of SYNs have brought the victim %zu: %.1f times as "
	       "many\n",
	       sent, got, factor);
	fflush(stdout);
	ck_assert_uint_gt(got, 0);
	ck_assert(factor <= FACTOR_MAX);
	ck_assert_uint_ge(host_counter(&hosts[2], "unproven_waits"),
			  SYNS * ANSWERS);
	/* Those who are there notice nothing. */
	honest_client();
	for (int i = 1; i <= 2; i++)
		host_stop_sald(&hosts[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sald attacks: bound");
	TCase *tc = tcase_create("bound");

	test_sandbox_enter();
	tcase_set_timeout(tc, 150);
	tcase_add_checked_fixture(tc, lab_set_up, NULL);
	tcase_add_test(tc, a_victim_gets_no_more_than_thrice);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
