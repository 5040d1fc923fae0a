/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What strangers send to real salds changes nothing there. */
#include "tests/support/sandbox.h"
#include "tests/support/stranger_lab.h"
#include "tests/support/run_suite.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

/* ---- control packets ----------------------------------------------------- */

static const uint8_t kinds[] = {
	SAL_FLAG_RSYN,
	SAL_FLAG_RSYN | SAL_FLAG_ACK,
	SAL_FLAG_ACK,
	SAL_FLAG_FIN,
	SAL_FLAG_FIN | SAL_FLAG_ACK,
	SAL_FLAG_SYN | SAL_FLAG_ACK,
	SAL_FLAG_RST,
	SAL_FLAG_RST | SAL_FLAG_ACK,
	SAL_FLAG_NACK,
};

#define KINDS (sizeof(kinds))

struct aim {
	uint32_t src, dst;
	const char *from;
	uint64_t nonce;
};

static void forge_all(int to, const struct aim *aim)
{
	for (size_t i = 0; i < KINDS; i++) {
		struct sal_packet p;

		sal_packet_init(&p, aim->src, aim->dst, IPPROTO_TCP);
		sal_add_control(&p, kinds[i], 1000 + (uint32_t)i, 2000,
				aim->nonce + i);
		if (kinds[i] & SAL_FLAG_RST)
			sal_add_reason(&p, SAL_REASON_NO_INSTANCE);
		send_sal(aim->from, to == 1 ? CLIENT : INSTANCE, &p, 0);
	}
}

/* With both flow IDs, and any nonce: from elsewhere, and with the peer's
 * address.
 */
START_TEST(forged_control_is_counted)
{
	struct scene s;

	scene_start(&s);
	scene_connect(&s);
	scene_flows(&s);
	for (int to = 1; to <= 2; to++) {
		struct counts c = counts_of(&hosts[to]);
		struct aim aim = {
			.src = s.flows[to].peer_id,
			.dst = s.flows[to].id,
			.nonce = 0x1122334455667788,
		};

		aim.from = STRANGER;
		forge_all(to, &aim);
		aim.from = to == 1 ? INSTANCE : CLIENT;
		aim.nonce = 0;
		forge_all(to, &aim);
		c.v[BAD_NONCE] += 2 * KINDS;
		await_counts(&hosts[to], &c);
		scene_unharmed(&s);
		await_counts(&hosts[to], &c);
		/* The resets made it ask, and the peer has answered. */
		ck_assert_uint_ge(host_counter(&hosts[to], "challenges_sent"),
				  1);
	}
	scene_end(&s);
}
END_TEST

/* With one flow ID or none: two guesses of 32 bits are not made in time. */
START_TEST(guessed_flow_ids_are_unknown)
{
	struct scene s;

	scene_start(&s);
	scene_connect(&s);
	scene_flows(&s);
	for (int to = 1; to <= 2; to++) {
		struct counts c = counts_of(&hosts[to]);
		struct aim aim = {
			.from = to == 1 ? INSTANCE : CLIENT,
			.src = s.flows[to].peer_id,
			.dst = s.flows[to].id + 1,
			.nonce = 99,
		};

		forge_all(to, &aim);
		c.v[UNKNOWN_FLOW] += KINDS;
		await_counts(&hosts[to], &c);
		aim.src = s.flows[to].peer_id + 1;
		aim.dst = s.flows[to].id;
		forge_all(to, &aim);
		c.v[BAD_NONCE] += KINDS;
		await_counts(&hosts[to], &c);
		/* Data: each ID wrong, once. */
		for (int which = 0; which < 2; which++) {
			struct sal_packet p;

			sal_packet_init(&p, s.flows[to].peer_id + which,
					s.flows[to].id + !which, IPPROTO_TCP);
			send_sal(aim.from, to == 1 ? CLIENT : INSTANCE, &p,
				 100);
		}
		c.v[UNKNOWN_FLOW] += 2;
		await_counts(&hosts[to], &c);
		scene_unharmed(&s);
	}
	scene_end(&s);
}
END_TEST

/* Data with both IDs. From elsewhere it only makes the host ask there, which
 * the stranger cannot answer. With the peer's address it still has to be of the
 * flow's own conversation: these are of other ports. */
START_TEST(forged_data_is_not_delivered)
{
	struct scene s;

	scene_start(&s);
	scene_connect(&s);
	scene_flows(&s);
	for (int to = 1; to <= 2; to++) {
		unsigned long asked =
			host_counter(&hosts[to], "challenges_sent");
		struct counts c = counts_of(&hosts[to]);
		const char *at = to == 1 ? CLIENT : INSTANCE;
		struct sal_packet p;

		sal_packet_init(&p, s.flows[to].peer_id, s.flows[to].id,
				IPPROTO_TCP);
		for (int i = 0; i < 30; i++)
			send_sal(STRANGER, at, &p, 100);
		WAIT_FOR(host_counter(&hosts[to], "challenges_sent") > asked);
		for (int i = 0; i < 30; i++)
			send_sal(to == 1 ? INSTANCE : CLIENT, at, &p, 100);
		c.v[MALFORMED] += 30;
		await_counts(&hosts[to], &c);
		scene_unharmed(&s);
	}
	scene_end(&s);
}
END_TEST

/* ---- ICMP ---------------------------------------------------------------- */

static uint16_t internet_checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* As if a router said this of a packet that a host sent to the other. */
static void send_icmp(int to, uint8_t code, uint16_t mtu, uint32_t src,
		      uint32_t dst)
{
	const char *at = to == 1 ? CLIENT : INSTANCE;
	uint8_t bytes[8 + 20 + 12] = { ICMP_DEST_UNREACH, code };
	struct iphdr quoted = {
		.version = 4,
		.ihl = 5,
		.ttl = 60,
		.tot_len = htons(1400),
		.protocol = SAL_PROTOCOL,
		.saddr = inet_addr(at),
		.daddr = inet_addr(to == 1 ? INSTANCE : CLIENT),
	};
	struct sal_packet p;
	uint16_t sum;

	bytes[6] = (uint8_t)(mtu >> 8);
	bytes[7] = (uint8_t)mtu;
	memcpy(bytes + 8, &quoted, sizeof(quoted));
	sal_packet_init(&p, src, dst, IPPROTO_TCP);
	ck_assert_int_eq(sal_encode(&p, bytes + 28, 12), 12);
	sum = internet_checksum(bytes, sizeof(bytes));
	bytes[2] = (uint8_t)(sum >> 8);
	bytes[3] = (uint8_t)sum;
	send_ip("10.0.0.254", at, IPPROTO_ICMP, bytes, sizeof(bytes));
}

START_TEST(icmp_errors_are_hints)
{
	static const uint8_t codes[] = { ICMP_HOST_UNREACH, ICMP_PROT_UNREACH,
					 ICMP_PORT_UNREACH, ICMP_FRAG_NEEDED };
	struct scene s;

	scene_start(&s);
	scene_connect(&s);
	scene_flows(&s);
	for (int to = 1; to <= 2; to++) {
		unsigned long errors =
			host_counter(&hosts[to], "underlay_errors");
		struct counts c = counts_of(&hosts[to]);
		uint32_t id = s.flows[to].id, peer = s.flows[to].peer_id;

		for (size_t i = 0; i < sizeof(codes); i++) {
			send_icmp(to, codes[i], 1300, id + 1, peer);
			send_icmp(to, codes[i], 1300, id, peer + 1);
			send_icmp(to, codes[i], 1300, id, peer);
			errors += 3;
			/* The kernel makes no more of them than so many a
			 * second, nor keeps more. */
			WAIT_FOR(host_counter(&hosts[to], "underlay_errors") ==
				 errors);
		}
		scene_unharmed(&s);
		await_counts(&hosts[to], &c);
	}
	scene_end(&s);
}
END_TEST

/* ---- replays ------------------------------------------------------------- */

#define HEARD_MAX 64

static struct heard {
	uint8_t bytes[256];
	size_t len;
	char from[INET_ADDRSTRLEN];
	int to; /* host */
	uint8_t flags;
} heard[HEARD_MAX];
static unsigned heard_n;

static int listen_in(const struct host *h)
{
	struct sockaddr_ll sa = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL) };
	int fd;

	netns_enter(h->ns);
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    htons(ETH_P_ALL));
	ck_assert_int_ge(fd, 0);
	sa.sll_ifindex = (int)if_nametoindex("eth0");
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Keeps the control packets of the TCP flow. */
static void keep_heard(int fd)
{
	uint8_t bytes[2048];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
		struct heard *h = &heard[heard_n];
		struct in_addr from, to;
		struct sal_packet p;
		size_t len = (size_t)n - 20;

		if (n < 32 || bytes[0] != 0x45 || bytes[9] != SAL_PROTOCOL ||
		    len > sizeof(h->bytes) || heard_n == HEARD_MAX ||
		    sal_decode(&p, bytes + 20, len) != SAL_OK ||
		    p.protocol != IPPROTO_TCP || !sal_find_control(&p))
			continue;
		memcpy(h->bytes, bytes + 20, len);
		h->len = len;
		h->flags = sal_find_control(&p)->flags;
		memcpy(&from, bytes + 12, 4);
		memcpy(&to, bytes + 16, 4);
		inet_ntop(AF_INET, &from, h->from, sizeof(h->from));
		h->to = to.s_addr == inet_addr(INSTANCE) ? 2 : 1;
		heard_n++;
	}
}

/* The handshake, and the packets of three moves of the client, once more: from
 * where they came then, and from elsewhere. */
START_TEST(replays_change_nothing)
{
	struct scene s;
	unsigned rsyns = 0;
	char now[32];
	int fd;

	scene_start(&s);
	heard_n = 0;
	fd = listen_in(&hosts[1]);
	scene_connect(&s);
	keep_heard(fd);
	snprintf(now, sizeof(now), CLIENT "/24");
	for (int i = 0; i < 3; i++) {
		char to[32], shown[64];

		/* Of another length, or it would go with the first one; and one
		 * by which the instance is on the link. */
		snprintf(to, sizeof(to), "10.0.0.%d/%d", 101 + i, 25 - i % 2);
		netns_enter(hosts[1].ns);
		sh("ip addr add %s dev eth0", to);
		sh("ip addr del %s dev eth0", now);
		snprintf(now, sizeof(now), "%s", to);
		snprintf(shown, sizeof(shown), INSTANCE " > 10.0.0.%d",
			 101 + i);
		WAIT_FOR(host_shows(&hosts[2], "flow list", shown));
		/* Before the socket is full of what is of no interest. */
		keep_heard(fd);
		converse(&s);
		keep_heard(fd);
	}
	scene_flows(&s);
	close(fd);
	for (unsigned i = 0; i < heard_n; i++)
		rsyns += heard[i].flags == SAL_FLAG_RSYN;
	ck_assert_uint_ge(rsyns, 3);
	ck_assert_uint_ge(heard_n, 3 + 9);
	for (int round = 0; round < 2; round++) {
		unsigned long requests =
			host_counter(&hosts[2], "stale_version");
		unsigned old = 0;

		for (unsigned i = 0; i < heard_n; i++) {
			const struct heard *h = &heard[i];

			send_ip(round ? STRANGER : h->from,
				h->to == 2 ? INSTANCE : "10.0.0.103",
				SAL_PROTOCOL, h->bytes, h->len);
			old += h->to == 2 && h->flags == SAL_FLAG_RSYN;
		}
		/* All but the last RSYN are old, and known to be. */
		WAIT_FOR(host_counter(&hosts[2], "stale_version") >=
			 requests + old - rsyns / 3 - 1);
		scene_unharmed(&s);
	}
	scene_end(&s);
}
END_TEST

/* ---- a flood ------------------------------------------------------------- */

#define FLOOD 20000u
/* After the first fifth, less than 32 bytes for each further SYN: no memory of
 * it. */
#define FLOOD_PSS_MORE_KIB (FLOOD / 5 * 4 * 32 / 1024)
#define HALF_OPEN_MAX 256

static unsigned long pss_kib(pid_t pid)
{
	char *text =
		sh_output("sed -n 's/^Pss: *//p' /proc/%d/smaps_rollup", pid);
	unsigned long n = strtoul(text, NULL, 10);

	free(text);
	ck_assert_uint_gt(n, 0);
	return n;
}

static unsigned count_lines(const struct host *h, const char *state)
{
	char *text = sh_output("%s -c %s flow list | grep -c %s || true",
			       SALCTL, h->control, state);
	unsigned n = (unsigned)strtoul(text, NULL, 10);

	free(text);
	return n;
}

/* A SYN of one who does not exist. */
static void send_syn(uint32_t i)
{
	struct service_id id;
	struct ip_addr inner = { AF_INET,
				 { 10, 254, (uint8_t)(1 + i / 200 % 250),
				   (uint8_t)(1 + i % 200) } };
	char from[INET_ADDRSTRLEN];
	struct sal_packet p;
	uint8_t bytes[256];
	int len;

	/* Few addresses: all namespaces of the machine share one table of
	 * neighbours, of 1,024. */
	snprintf(from, sizeof(from), "10.0.7.%u", 1 + i % 200);
	ck_assert_int_eq(service_id_parse(WEB, &id), 0);
	sal_packet_init(&p, 0x10000 + i, 0, IPPROTO_UDP);
	sal_add_control(&p, SAL_FLAG_SYN, i, 0, i);
	sal_add_service(&p, &id);
	sal_add_identity(&p, &inner);
	len = sal_encode(&p, bytes, sizeof(bytes));
	ck_assert_int_gt(len, 0);
	/* A datagram of 8 + 400 bytes. */
	memset(bytes + len, 0, 8);
	bytes[len] = (uint8_t)(i >> 8);
	bytes[len + 1] = (uint8_t)i;
	bytes[len + 3] = 7;
	bytes[len + 5] = 8;
	send_ip(from, INSTANCE, SAL_PROTOCOL, bytes, (size_t)len + 8);
}

START_TEST(a_flood_of_syns_is_bounded)
{
	unsigned long before, after, fifth = 0, in;
	unsigned full;
	struct counts c;
	struct scene s;

	scene_start(&s);
	scene_connect(&s);
	scene_flows(&s);
	c = counts_of(&hosts[2]);
	before = pss_kib(hosts[2].sald);
	in = host_counter(&hosts[2], "underlay_in");
	for (uint32_t i = 0; i < FLOOD; i++) {
		send_syn(i);
		/* No faster than they are taken in: none may get lost. */
		if (i % 64 == 63)
			WAIT_FOR(host_counter(&hosts[2], "underlay_in") >=
				 in + i + 1);
		/* All along the flow goes on. New ones come when what waits for
		 * ARP has left some room. */
		if (i % 4000 == 3999) {
			scene_unharmed(&s);
			WAIT_FOR(host_reaches(&hosts[1], WEB4));
		}
		if (i == FLOOD / 5)
			fifth = pss_kib(hosts[2].sald);
	}
	after = pss_kib(hosts[2].sald);
	full = count_lines(&hosts[2], "SYN_RCVD");
	printf("flood: %u SYNs, %u half open; PSS %lu KiB before, %lu KiB "
	       "after a fifth of them, %lu KiB after all\n",
	       FLOOD, full, before, fifth, after);
	ck_assert_uint_gt(full, 0);
	ck_assert_uint_le(full, HALF_OPEN_MAX);
	ck_assert_uint_gt(host_counter(&hosts[2], "syn_stateless"), FLOOD / 2);
	/* The sanitizers' own memory is not sald's. */
#if !defined(__SANITIZE_ADDRESS__)
	ck_assert_uint_le(after, fifth + FLOOD_PSS_MORE_KIB);
#endif
	scene_unharmed(&s);
	await_counts(&hosts[2], &c);
	scene_end(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sald attacks");
	TCase *tc = tcase_create("forged"), *flood = tcase_create("flood");

	test_sandbox_enter();
	tcase_set_timeout(tc, 150);
	tcase_add_checked_fixture(tc, lab_set_up, NULL);
	tcase_add_test(tc, forged_control_is_counted);
	tcase_add_test(tc, guessed_flow_ids_are_unknown);
	tcase_add_test(tc, forged_data_is_not_delivered);
	tcase_add_test(tc, icmp_errors_are_hints);
	tcase_add_test(tc, replays_change_nothing);
	tcase_set_timeout(flood, 150);
	tcase_add_checked_fixture(flood, lab_set_up, NULL);
	tcase_add_test(flood, a_flood_of_syns_is_bounded);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, flood);
	return run_suite(suite);
}
