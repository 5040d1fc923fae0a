/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What names mean, and how a lab's resolver answers. */
#include "orchestrator/names/zone.h"
#include "orchestrator/resolver/answer.h"
#include "orchestrator/resolver/others.h"
#include "tests/support/run_suite.h"

#include <arpa/nameser.h>
#include <check.h>
#include <errno.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t query[RESOLVER_MESSAGE_MAX], answer[RESOLVER_MESSAGE_MAX];
static size_t query_len, answer_len;

/* "10.0.0.1 10.0.0.2*3": addresses, with their weights. */
static void set_name(struct zone *z, const char *name, uint32_t ttl_s, bool all,
		     bool reverse, const char *targets)
{
	struct names_entry *e = calloc(1, names_entry_size(256));
	char copy[8192], *save = NULL;

	snprintf(e->name, sizeof(e->name), "%s", name);
	e->ttl_s = ttl_s;
	e->all = all;
	e->reverse = reverse;
	snprintf(copy, sizeof(copy), "%s", targets);
	for (char *t = strtok_r(copy, " ", &save); t;
	     t = strtok_r(NULL, " ", &save)) {
		char *star = strchr(t, '*');
		struct names_target *out = &e->targets[e->n++];

		if (star)
			*star = '\0';
		out->weight = star ? (uint32_t)atoi(star + 1) : 1;
		ck_assert_int_eq(ip_parse_addr(t, &out->address), 0);
	}
	ck_assert_int_eq(zone_set(z, e), 0);
	free(e);
}

static struct zone *make_zone(void)
{
	static const char *const ranges[] = { "198.18.0.0/16", "fd00:18::/64" };
	struct zone *z = zone_new(7);
	struct ip_prefix range;

	set_name(z, "web", 0, false, true, "198.18.0.1 fd00:18::1");
	set_name(z, "store", 0, false, true, "198.18.0.2");
	set_name(z, "early", 5, false, false, "10.0.0.1 10.0.0.2*3");
	set_name(z, "gone", 5, false, false, "");
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		ck_assert_int_eq(ip_parse_prefix(ranges[i], &range), 0);
		ck_assert_int_eq(zone_add_range(z, &range), 0);
	}
	return z;
}

static void make_query(const char *name, int type)
{
	int n = res_mkquery(ns_o_query, name, ns_c_in, type, NULL, 0, NULL,
			    query, sizeof(query));

	ck_assert_int_gt(n, 0);
	query_len = (size_t)n;
}

static void add_edns(uint16_t size, uint8_t version)
{
	const uint8_t opt[] = {
		0, 0, 41, (uint8_t)(size >> 8), (uint8_t)size, 0, version, 0,
		0, 0, 0
	};

	memcpy(query + query_len, opt, sizeof(opt));
	query_len += sizeof(opt);
	query[11]++;
}

static ns_msg ask_query(struct zone *z, bool tcp, enum resolver_outcome expect)
{
	ns_msg m;

	ck_assert_int_eq(
		resolver_answer(z, query, query_len, tcp, answer, &answer_len),
		expect);
	ck_assert_int_eq(ns_initparse(answer, (int)answer_len, &m), 0);
	ck_assert_int_eq(ns_msg_id(m), query[0] << 8 | query[1]);
	ck_assert_int_eq(ns_msg_getflag(m, ns_f_qr), 1);
	return m;
}

static ns_msg ask(struct zone *z, const char *name, int type)
{
	make_query(name, type);
	return ask_query(z, false, RESOLVER_ANSWER);
}

static const char *record_text(ns_msg *m, ns_sect section, int i)
{
	static char text[NS_MAXDNAME];
	struct ip_addr a = { 0 };
	ns_rr rr;

	ck_assert_int_eq(ns_parserr(m, section, i, &rr), 0);
	if (ns_rr_type(rr) == ns_t_ptr) {
		ck_assert_int_gt(
			ns_name_uncompress(ns_msg_base(*m), ns_msg_end(*m),
					   ns_rr_rdata(rr), text, sizeof(text)),
			0);
		return text;
	}
	if (ns_rr_type(rr) == ns_t_soa)
		return "SOA";
	a.family = ns_rr_type(rr) == ns_t_a ? AF_INET : AF_INET6;
	memcpy(a.bytes, ns_rr_rdata(rr), ns_rr_rdlen(rr));
	return ip_format_addr(&a, text, sizeof(text));
}

static void expect_one(struct zone *z, const char *name, int type,
		       const char *text, uint32_t ttl_s)
{
	ns_msg m = ask(z, name, type);
	ns_rr rr;

	ck_assert_int_eq(ns_msg_getflag(m, ns_f_rcode), ns_r_noerror);
	ck_assert_int_eq(ns_msg_getflag(m, ns_f_aa), 1);
	ck_assert_int_eq(ns_msg_count(m, ns_s_an), 1);
	ck_assert_str_eq(record_text(&m, ns_s_an, 0), text);
	ck_assert_int_eq(ns_parserr(&m, ns_s_an, 0, &rr), 0);
	ck_assert_uint_eq(ns_rr_ttl(rr), ttl_s);
	ck_assert_int_eq(strcasecmp(ns_rr_name(rr), name), 0);
}

static void expect_empty(struct zone *z, const char *name, int type, int rcode)
{
	ns_msg m = ask(z, name, type);
	ns_rr rr;

	ck_assert_int_eq(ns_msg_getflag(m, ns_f_rcode), rcode);
	ck_assert_int_eq(ns_msg_count(m, ns_s_an), 0);
	ck_assert_int_eq(ns_msg_count(m, ns_s_ns), 1);
	ck_assert_str_eq(record_text(&m, ns_s_ns, 0), "SOA");
	/* Nobody may keep it. */
	ck_assert_int_eq(ns_parserr(&m, ns_s_ns, 0, &rr), 0);
	ck_assert_uint_eq(ns_rr_ttl(rr), 0);
	ck_assert_uint_eq(ns_get32(ns_rr_rdata(rr) + ns_rr_rdlen(rr) - 4), 0);
}

START_TEST(answers)
{
	struct zone *z = make_zone();
	ns_msg m;

	expect_one(z, "web.serval", ns_t_a, "198.18.0.1", 0);
	expect_one(z, "web.serval", ns_t_aaaa, "fd00:18::1", 0);
	expect_one(z, "WeB.sERVAL", ns_t_a, "198.18.0.1", 0);
	/* The case of each letter comes back: answers are checked by it. */
	ck_assert(memmem(answer, answer_len, "\3WeB\6sERVAL", 11));
	expect_one(z, "1.0.18.198.in-addr.arpa", ns_t_ptr, "web.serval", 0);
	expect_one(z,
		   "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
		   "8.1.0.0.0.0.D.F.ip6.ARPA",
		   ns_t_ptr, "web.serval", 0);
	m = ask(z, "web.serval", ns_t_any);
	ck_assert_int_eq(ns_msg_count(m, ns_s_an), 2);
	m = ask(z, "serval", ns_t_soa);
	ck_assert_int_eq(ns_msg_count(m, ns_s_an), 1);
	zone_free(z);
}
END_TEST

START_TEST(empty_answers)
{
	struct zone *z = make_zone();

	expect_empty(z, "store.serval", ns_t_aaaa, ns_r_noerror);
	expect_empty(z, "web.serval", ns_t_mx, ns_r_noerror);
	expect_empty(z, "gone.serval", ns_t_a, ns_r_noerror);
	expect_empty(z, "serval", ns_t_a, ns_r_noerror);
	expect_empty(z, "1.0.18.198.in-addr.arpa", ns_t_a, ns_r_noerror);
	expect_empty(z, "we.serval", ns_t_a, ns_r_nxdomain);
	expect_empty(z, "webb.serval", ns_t_a, ns_r_nxdomain);
	expect_empty(z, "www.web.serval", ns_t_a, ns_r_nxdomain);
	expect_empty(z, "we\\000b.serval", ns_t_a, ns_r_nxdomain);
	zone_free(z);
}
END_TEST

START_TEST(refused)
{
	static const char *const names[] = {
		"example.org",
		"xserval",
		"serval.org",
		".",
		"c",
		"1.0.0.10.in-addr.arpa",
		"01.0.18.198.in-addr.arpa",
		"x.0.18.198.in-addr.arpa",
	};
	struct zone *z = make_zone();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ns_msg m;

		make_query(names[i], ns_t_a);
		m = ask_query(z, false, RESOLVER_REFUSE);
		ck_assert_int_eq(ns_msg_getflag(m, ns_f_rcode), ns_r_refused);
		ck_assert_int_eq(ns_msg_getflag(m, ns_f_aa), 0);
		ck_assert_int_eq(ns_msg_count(m, ns_s_qd), 1);
	}
	zone_free(z);
}
END_TEST

START_TEST(edns)
{
	struct zone *z = make_zone();
	ns_msg m;
	ns_rr rr;

	make_query("web.serval", ns_t_a);
	m = ask_query(z, false, RESOLVER_ANSWER);
	ck_assert_int_eq(ns_msg_count(m, ns_s_ar), 0);
	add_edns(4096, 0);
	m = ask_query(z, false, RESOLVER_ANSWER);
	ck_assert_int_eq(ns_msg_count(m, ns_s_an), 1);
	ck_assert_int_eq(ns_msg_count(m, ns_s_ar), 1);
	ck_assert_int_eq(ns_parserr(&m, ns_s_ar, 0, &rr), 0);
	ck_assert_int_eq(ns_rr_type(rr), 41);
	ck_assert_int_eq(ns_rr_class(rr), RESOLVER_UDP_MOST);
	add_edns(4096, 0);
	m = ask_query(z, false, RESOLVER_ANSWER);
	ck_assert_int_eq(ns_msg_getflag(m, ns_f_rcode), ns_r_formerr);
	make_query("web.serval", ns_t_a);
	add_edns(4096, 1);
	m = ask_query(z, false, RESOLVER_ANSWER);
	ck_assert_int_eq(ns_msg_count(m, ns_s_an), 0);
	ck_assert_int_eq(ns_parserr(&m, ns_s_ar, 0, &rr), 0);
	ck_assert_uint_eq(ns_rr_ttl(rr) >> 24, 1); /* BADVERS is 16 */
	zone_free(z);
}
END_TEST

START_TEST(truncation)
{
	struct zone *z = make_zone();
	char targets[4096] = "";
	ns_msg m;

	for (unsigned i = 1; i <= 100; i++)
		snprintf(targets + strlen(targets),
			 sizeof(targets) - strlen(targets), "10.1.0.%u ", i);
	set_name(z, "many", 5, true, false, targets);
	m = ask(z, "many.serval", ns_t_a);
	ck_assert_int_eq(ns_msg_getflag(m, ns_f_tc), 1);
	ck_assert_int_eq(ns_msg_count(m, ns_s_an), 0);
	ck_assert_int_eq(ns_msg_count(m, ns_s_qd), 1);
	m = ask_query(z, true, RESOLVER_ANSWER);
	ck_assert_int_eq(ns_msg_getflag(m, ns_f_tc), 0);
	ck_assert_int_eq(ns_msg_count(m, ns_s_an), 100);
	/* Not even where the query would take it: fragments get lost. */
	add_edns(65000, 0);
	m = ask_query(z, false, RESOLVER_ANSWER);
	ck_assert_int_eq(ns_msg_getflag(m, ns_f_tc), 1);
	zone_free(z);
}
END_TEST

START_TEST(malformed)
{
	struct zone *z = make_zone();
	ns_msg m;

	make_query("web.serval", ns_t_a);
	for (size_t n = 0; n < query_len; n++) {
		enum resolver_outcome o = resolver_answer(z, query, n, false,
							  answer, &answer_len);

		ck_assert_int_eq(o, n < 12 ? RESOLVER_DROP : RESOLVER_ANSWER);
		if (n >= 12)
			ck_assert_int_eq(answer[3] & 15, ns_r_formerr);
	}
	query[2] |= 0x80; /* a response */
	ck_assert_int_eq(resolver_answer(z, query, query_len, false, answer,
					 &answer_len),
			 RESOLVER_DROP);
	make_query("web.serval", ns_t_a);
	query[2] |= 4 << 3; /* NOTIFY */
	m = ask_query(z, false, RESOLVER_ANSWER);
	ck_assert_int_eq(ns_msg_getflag(m, ns_f_rcode), ns_r_notimpl);
	ck_assert_int_eq(ns_msg_getflag(m, ns_f_opcode), 4);
	/* A name that points at itself. */
	make_query("web.serval", ns_t_a);
	query[12] = 0xc0;
	query[13] = 12;
	m = ask_query(z, false, RESOLVER_ANSWER);
	ck_assert_int_eq(ns_msg_getflag(m, ns_f_rcode), ns_r_formerr);
	zone_free(z);
}
END_TEST

START_TEST(turns)
{
	struct zone *z = make_zone();
	unsigned first = 0;

	for (unsigned i = 0; i < 40; i++) {
		ns_msg m = ask(z, "early.serval", ns_t_a);

		ck_assert_int_eq(ns_msg_count(m, ns_s_an), 1);
		first += !strcmp(record_text(&m, ns_s_an, 0), "10.0.0.1");
		/* Never the heavier one so often that the other waits longer
		 * than a round. */
		if (i % 4 == 3)
			ck_assert_uint_eq(first, i / 4 + 1);
	}
	set_name(z, "early", 5, false, false, "10.0.0.1*0 10.0.0.2");
	for (unsigned i = 0; i < 10; i++)
		expect_one(z, "early.serval", ns_t_a, "10.0.0.2", 5);
	zone_free(z);
}
END_TEST

/* No address in a range of services' is anybody else's. */
START_TEST(ranges)
{
	static const char tail6[] = "0.0.0.0.0.0.0.0.0.0.0.0.8.1.0.0.0.0.d.f."
				    "ip6.arpa";
	struct zone *z = make_zone();
	char name[128], soa[NS_MAXDNAME];
	ns_msg m;
	ns_rr rr;

	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "9.0.0.0.0.0.0.0.0.0.0.0.%s",
			 tail6);
		m = ask(z, i ? name + 0 : "9.99.18.198.in-addr.arpa", ns_t_ptr);
		ck_assert_int_eq(ns_msg_getflag(m, ns_f_rcode), ns_r_nxdomain);
		ck_assert_int_eq(ns_msg_getflag(m, ns_f_aa), 1);
		ck_assert_int_eq(ns_msg_count(m, ns_s_an), 0);
		ck_assert_int_eq(ns_msg_count(m, ns_s_ns), 1);
		ck_assert_int_eq(ns_parserr(&m, ns_s_ns, 0, &rr), 0);
		snprintf(soa, sizeof(soa), "%s", ns_rr_name(rr));
		ck_assert_str_eq(soa, i ? "0.0.0.0.0.0.0.0.8.1.0.0.0.0.d.f."
					  "ip6.arpa" :
					  "18.198.in-addr.arpa");
	}
	expect_one(z, "1.0.18.198.in-addr.arpa", ns_t_ptr, "web.serval", 0);
	make_query("1.0.19.198.in-addr.arpa", ns_t_ptr);
	m = ask_query(z, false, RESOLVER_REFUSE);
	ck_assert_int_eq(ns_msg_getflag(m, ns_f_rcode), ns_r_refused);
	zone_free(z);
}
END_TEST

/* What is passed on, and what is no answer to it. */
START_TEST(others)
{
	size_t end;

	make_query("One.example", ns_t_a);
	end = others_question_end(query, query_len);
	ck_assert_uint_eq(end, query_len);
	add_edns(4096, 0);
	ck_assert_uint_eq(others_question_end(query, query_len), end);
	ck_assert_uint_eq(resolver_limit(query, query_len), RESOLVER_UDP_MOST);
	ck_assert_uint_eq(resolver_limit(query, end), RESOLVER_UDP_LEAST);
	for (size_t n = 12; n < end; n++)
		ck_assert_uint_eq(others_question_end(query, n), 0);
	ck_assert_uint_eq(
		others_put_short(query, end, ns_r_servfail, true, answer), end);
	ck_assert_uint_eq(answer[2], 0x83); /* QR, TC, RD */
	ck_assert_uint_eq(answer[11], 0); /* without the OPT */
	ck_assert(others_is_answer(query, end, answer, end));
	ck_assert(!others_is_answer(query, end, answer, end - 1));
	answer[13] = 'o'; /* the case is no matter */
	ck_assert(others_is_answer(query, end, answer, end));
	/* ID, "is an answer", opcode, how many questions, and each of its
	 * bytes. */
	for (size_t i = 0; i < end; i++) {
		if (i == 3 || (i >= 6 && i < 12))
			continue;
		answer[i] ^= i == 2 ? 0x80 : 1;
		ck_assert_msg(!others_is_answer(query, end, answer, end),
			      "byte %zu", i);
		answer[i] ^= i == 2 ? 0x80 : 1;
	}
	query[12] = 0xc0; /* a name that is elsewhere */
	ck_assert_uint_eq(others_question_end(query, query_len), 0);
}
END_TEST

START_TEST(messages)
{
	struct names_entry *e = calloc(1, names_entry_size(2));
	void *buf = malloc(NAMES_MESSAGE_MAX);
	struct names_message m;
	struct names_node nodes[2] = { { .node = 3, .n = 2 },
				       { .node = 5, .n = 2 } };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	for (size_t i = 0; i < 2; i++)
		ck_assert_int_eq(pipe(nodes[i].sockets), 0);
	ck_assert_int_eq(names_send_open(pair[0], nodes, 2), 0);
	ck_assert_int_eq(names_receive(pair[1], buf, &m), 1);
	ck_assert_int_eq(m.what, NAMES_OPEN);
	ck_assert_uint_eq(m.n, 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(m.nodes[i].node, nodes[i].node);
		for (size_t k = 0; k < 2; k++) {
			ck_assert_int_eq(close(m.nodes[i].sockets[k]), 0);
			close(nodes[i].sockets[k]);
		}
	}
	strcpy(e->name, "web");
	e->n = 2;
	ck_assert_int_eq(names_send_set(pair[0], e), 0);
	ck_assert_int_eq(names_receive(pair[1], buf, &m), 1);
	ck_assert_str_eq(m.entry->name, "web");
	ck_assert_uint_eq(m.entry->n, 2);
	ck_assert_int_eq(names_send_close(pair[0], 3), 0);
	ck_assert_int_eq(names_receive(pair[1], buf, &m), 1);
	ck_assert_int_eq(m.what, NAMES_CLOSE);
	ck_assert_int_eq(send(pair[0], "x", 1, 0), 1);
	ck_assert_int_eq(names_receive(pair[1], buf, &m), -EBADMSG);
	close(pair[0]);
	ck_assert_int_eq(names_receive(pair[1], buf, &m), 0);
	close(pair[1]);
	free(buf);
	free(e);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("names");
	TCase *tc = tcase_create("names");

	tcase_add_test(tc, answers);
	tcase_add_test(tc, empty_answers);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, ranges);
	tcase_add_test(tc, others);
	tcase_add_test(tc, edns);
	tcase_add_test(tc, truncation);
	tcase_add_test(tc, malformed);
	tcase_add_test(tc, turns);
	tcase_add_test(tc, messages);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
