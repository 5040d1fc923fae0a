/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our wire format held against packets of the stack that it comes from: every
 * packet decodes, is the same bytes when encoded again or taken through its
 * text, and each capture holds as many of each kind as its description says.
 */
#include "base/checksum.h"
#include "node/wire/sal_text.h"
#include "tests/support/golden.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct counts {
	const char *file;
	unsigned packets, data, encapsulated;
	unsigned syn, rsyn, fin, rst; /* that have the flag */
	unsigned unchecked; /* transports with a checksum of none */
};

/* From the packet lists of the captures' description; for the probes, which
 * have none, what was read in them by hand. */
static const struct counts expected[] = {
	{ "connect-unregistered", 16, 0, 0, 16, 0, 0, 0, 0 },
	{ "datagram-unconnected", 6, 0, 0, 0, 0, 0, 0, 0 },
	{ "datagram-unregistered", 4, 0, 0, 0, 0, 0, 2, 0 },
	{ "encap-datagram-unregistered", 4, 0, 4, 0, 0, 0, 2, 0 },
	{ "encap-flag-unmodified", 11, 4, 0, 2, 0, 2, 0, 2 },
	{ "encap-migrate-udp", 22, 12, 22, 2, 2, 2, 0, 2 },
	{ "encap-router-udp", 12, 4, 12, 3, 0, 2, 0, 2 },
	{ "encap-tcp", 19, 12, 19, 2, 0, 2, 0, 0 },
	{ "encap-tcp-server-plain", 19, 12, 19, 2, 0, 2, 0, 0 },
	{ "encap-udp", 11, 4, 11, 2, 0, 2, 0, 2 },
	{ "loss-fin", 13, 4, 0, 2, 0, 6, 0, 2 },
	{ "loss-fin-tcp", 19, 10, 0, 2, 0, 6, 0, 0 },
	{ "loss-handshake-ack", 4, 1, 0, 2, 0, 0, 0, 2 },
	{ "loss-syn", 10, 2, 0, 3, 0, 2, 0, 2 },
	{ "migrate-rsyn-lost", 52, 40, 0, 2, 4, 2, 0, 2 },
	{ "migrate-server", 30, 20, 0, 2, 2, 2, 0, 2 },
	{ "migrate-tcp-bulk", 344, 334, 0, 2, 2, 2, 0, 0 },
	{ "migrate-tcp-idle", 40, 30, 0, 2, 2, 2, 0, 0 },
	{ "migrate-udp", 34, 24, 0, 2, 2, 2, 0, 2 },
	{ "migrate-udp-unmodified", 32, 24, 0, 2, 3, 1, 0, 2 },
	{ "probe-fin-bad-nonce", 8, 3, 0, 2, 0, 2, 0, 2 },
	{ "probe-rst-bad-nonce", 7, 3, 0, 2, 0, 0, 1, 2 },
	{ "probe-unknown-flow", 11, 1, 0, 0, 1, 3, 4, 0 },
	{ "router-datagram", 4, 0, 0, 0, 0, 0, 0, 0 },
	{ "router-tcp", 20, 12, 0, 3, 0, 2, 0, 0 },
	{ "router-udp", 12, 4, 0, 3, 0, 2, 0, 2 },
	{ "tcp-echo", 22, 15, 0, 2, 0, 2, 0, 0 },
	{ "tcp-stream", 39, 32, 0, 2, 0, 2, 0, 0 },
	{ "udp-broadcast-resolution", 11, 4, 0, 2, 0, 2, 0, 2 },
	{ "udp-connected", 13, 6, 0, 2, 0, 2, 0, 2 },
};

#define FILES ((int)(sizeof(expected) / sizeof(expected[0])))

static char *text_of(const struct sal_packet *p)
{
	size_t n = sal_text_format(p, SAL_TEXT_PAYLOAD_BYTES, NULL, 0) + 1;
	char *text = malloc(n);

	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(
		sal_text_format(p, SAL_TEXT_PAYLOAD_BYTES, text, n) + 1, n);
	ck_assert_uint_eq(strlen(text) + 1, n);
	return text;
}

static void check_round_trips(const struct golden_packet *g,
			      const struct sal_packet *p)
{
	uint8_t bytes[2048];
	struct err err = ERR_INIT;
	size_t header_len = (size_t)(p->payload - g->sal);
	char *text = text_of(p);
	int n;

	n = sal_encode(p, bytes, sizeof(bytes));
	ck_assert_int_eq(n, (int)header_len);
	ck_assert_mem_eq(bytes, g->sal, header_len);
	n = sal_text_parse(text, bytes, sizeof(bytes), &err);
	ck_assert_msg(n == (int)g->len, "%s: %s", text, err.msg);
	ck_assert_mem_eq(bytes, g->sal, g->len);
	free(text);
}

static void check_checksums(const struct golden_packet *g,
			    const struct sal_packet *p, struct counts *seen)
{
	enum transport_checksum result;

	ck_assert_uint_eq(checksum_finish(checksum_add(0, g->ip, 20)), 0);
	if (g->outer)
		ck_assert_int_eq(transport_checksum_check(IPPROTO_UDP, &g->src,
							  &g->dst, g->outer,
							  g->len + 8),
				 TRANSPORT_CHECKSUM_GOOD);
	if (!p->payload_len)
		return;
	result = transport_checksum_check(p->protocol, &g->src, &g->dst,
					  p->payload, p->payload_len);
	ck_assert_int_ne(result, TRANSPORT_CHECKSUM_BAD);
	seen->unchecked += result == TRANSPORT_CHECKSUM_NONE;
}

/* Nothing that the published stack sent has any of them set. */
static void check_reserved(const struct sal_packet *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		const struct sal_ext *e = &p->ext[i];

		ck_assert_uint_eq(e->low, 0);
		ck_assert_uint_eq(e->reserved, 0);
		if (e->type == SAL_EXT_CONTROL)
			ck_assert_uint_eq(e->control.flags & 3, 0);
		else
			ck_assert(e->type == SAL_EXT_SERVICE ||
				  e->type == SAL_EXT_SOURCE);
	}
}

static void count(const struct golden_packet *g, const struct sal_packet *p,
		  struct counts *seen)
{
	const struct sal_control *control = sal_find_control(p);
	unsigned flags = control ? control->flags : 0;

	seen->packets++;
	seen->data += p->n == 0;
	seen->encapsulated += g->outer != NULL;
	seen->syn += (flags & SAL_FLAG_SYN) != 0;
	seen->rsyn += (flags & SAL_FLAG_RSYN) != 0;
	seen->fin += (flags & SAL_FLAG_FIN) != 0;
	seen->rst += (flags & SAL_FLAG_RST) != 0;
}

START_TEST(captures)
{
	const struct counts *want = &expected[_i];
	struct counts seen = { 0 };
	pcap_t *pcap = golden_open(want->file);
	struct golden_packet g;
	struct sal_packet p;
	int r;

	ck_assert_msg(pcap, "%s", want->file);
	ck_assert_int_eq(pcap_datalink(pcap), DLT_EN10MB);
	while ((r = golden_next(pcap, &g)) == 1) {
		enum sal_result result = sal_decode(&p, g.sal, g.len);

		ck_assert_msg(result == SAL_OK, "%s, packet %u: %s", want->file,
			      seen.packets + 1, sal_result_name(result));
		check_checksums(&g, &p, &seen);
		check_round_trips(&g, &p);
		check_reserved(&p);
		count(&g, &p, &seen);
	}
	ck_assert_int_eq(r, -2);
	pcap_close(pcap);
#define SAME(field)                                                            \
	ck_assert_msg(seen.field == want->field, "%s: %u " #field ", not %u",  \
		      want->file, seen.field, want->field)
	SAME(packets);
	SAME(data);
	SAME(encapsulated);
	SAME(syn);
	SAME(rsyn);
	SAME(fin);
	SAME(rst);
	SAME(unchecked);
#undef SAME
}
END_TEST

/* The nth packet (from 1) of a capture as text, payload by length. */
static void check_text(const char *file, unsigned nth, const char *want)
{
	pcap_t *pcap = golden_open(file);
	struct golden_packet g;
	struct sal_packet p;
	char text[512];

	ck_assert_ptr_nonnull(pcap);
	for (unsigned i = 0; i < nth; i++)
		ck_assert_int_eq(golden_next(pcap, &g), 1);
	ck_assert_int_eq(sal_decode(&p, g.sal, g.len), SAL_OK);
	sal_text_format(&p, SAL_TEXT_PAYLOAD_LENGTH, text, sizeof(text));
	ck_assert_str_eq(text, want);
	pcap_close(pcap);
}

START_TEST(read_as_described)
{
	check_text("udp-connected", 1,
		   "2>0 shl 17 | CONTROL SYN v=3672125436 a=0 "
		   "nonce=ceb1245cd1144115 | SERVICE 16385 | UDP 8 bytes");
	check_text("udp-connected", 2,
		   "3>2 shl 8 | CONTROL SYN+ACK v=2158634920 a=3672125437 "
		   "nonce=aaea895b467fbdc3 | UDP 8 bytes");
	check_text("udp-connected", 4, "2>3 shl 3 | UDP 28 bytes");
	check_text("router-udp", 3,
		   "3>2 shl 12 | CONTROL SYN+ACK v=1203771769 a=2194545991 "
		   "nonce=d728e1e30333e3e8 | "
		   "SOURCE 10.77.0.2,10.77.0.254,10.77.0.1 | UDP 8 bytes");
	check_text("datagram-unregistered", 1,
		   "2>0 shl 21 | SERVICE 16385 | SERVICE 32769 | UDP 18 bytes");
	check_text("datagram-unregistered", 2,
		   "0>2 shl 8 | CONTROL ACK+RST v=0 a=0 "
		   "nonce=0000000000000000 | UDP");
	check_text("migrate-udp-unmodified", 31,
		   "2>3 shl 8 | CONTROL RSYN+FIN v=1529990124 a=2651070319 "
		   "nonce=9068085900ea655b | UDP");
	check_text("tcp-stream", 34,
		   "3>2 shl 8 | CONTROL FIN v=3928254697 a=2240084179 "
		   "nonce=146ba2f6ae99c0bf | TCP");
}
END_TEST

/* A SYN put together as a sender would, in front of its transport segment. */
START_TEST(syn_built_in_place)
{
	static const uint32_t golden[] = {
		0x00000002, 0x00000000, 0x1111ee9d, 0x10148000, 0xdae02ffc,
		0x00000000, 0xceb1245c, 0xd1144115, 0x20240000, 0x00004001,
		0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000,
		0x00000000, 0x00000000, 0x00000000, 0x0008eb41,
	};
	struct ip_addr client, server;
	struct service_id id;
	struct sal_packet p;
	uint8_t buf[100 + 8];

	ck_assert(!ip_parse_addr("10.77.0.2", &client));
	ck_assert(!ip_parse_addr("10.77.0.1", &server));
	ck_assert(!service_id_parse("16385", &id));
	memset(buf, 0xaa, sizeof(buf));
	memcpy(buf + 100, "\0\0\0\0\0\10\0\0", 8);
	ck_assert(transport_checksum_set(IPPROTO_UDP, &client, &server,
					 buf + 100, 8));
	sal_packet_init(&p, 2, 0, IPPROTO_UDP);
	sal_add_control(&p, SAL_FLAG_SYN, 3672125436, 0,
			UINT64_C(0xceb1245cd1144115));
	sal_add_service(&p, &id);
	ck_assert_int_eq(sal_prepend(&p, buf, 100), 68);
	for (size_t i = 0; i < 19; i++) {
		uint32_t word;

		memcpy(&word, buf + 100 - 68 + 4 * i, sizeof(word));
		ck_assert_uint_eq(be32toh(word), golden[i]);
	}
	for (size_t i = 0; i < 100 - 68; i++)
		ck_assert_uint_eq(buf[i], 0xaa);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("golden");
	TCase *tc = tcase_create("golden");

	tcase_add_loop_test(tc, captures, 0, FILES);
	tcase_add_test(tc, read_as_described);
	tcase_add_test(tc, syn_built_in_place);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
