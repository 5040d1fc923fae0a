/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A query that can't be read is answered FORMERR from its first twelve bytes
 * alone, if it has so many: its sender learns that it was at fault, instead of
 * waiting. Nothing that is a response is ever answered (two servers would go on
 * for ever).
 *
 * Names are handled as DNS has them on the wire, a length and bytes for each
 * label: in text form, a dot within a label would need care everywhere.
 */
#include "orchestrator/resolver/answer.h"

#include <ldns/ldns.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEADER 12
#define FLAG_QR 0x80
#define FLAG_TC 0x02
#define LABELS_MAX 128 /* 255 bytes hold no more */
#define EDNS_BADVERS 16 /* RFC 6891, 9 */

static const char apex_text[] = NAMES_DOMAIN ".";

struct labels {
	size_t n; /* without the root */
	struct {
		const char *text; /* not terminated */
		size_t len;
	} v[LABELS_MAX];
};

/* What is being answered. */
struct reply {
	struct zone *zone;
	const ldns_pkt *query;
	const ldns_rdf *name; /* as asked, in its upper and lower case */
	ldns_rr_type type;
	struct labels labels;
	ldns_pkt *out;
	bool failed; /* out of memory */
};

/* ---- names --------------------------------------------------------------- */

static bool split(const ldns_rdf *name, struct labels *out)
{
	const uint8_t *p = ldns_rdf_data(name);
	size_t left = ldns_rdf_size(name);

	for (out->n = 0; left && out->n < LABELS_MAX;) {
		size_t len = *p;

		if (!len)
			return true;
		if (len > NAMES_LABEL_MAX || len + 1 > left)
			return false;
		out->v[out->n].text = (const char *)p + 1;
		out->v[out->n++].len = len;
		p += len + 1;
		left -= len + 1;
	}
	return false;
}

/* Counted from the end: 0 is the last. */
static bool is_label(const struct labels *l, size_t from_end, const char *text)
{
	size_t i = l->n - 1 - from_end;

	return from_end < l->n && l->v[i].len == strlen(text) &&
	       !strncasecmp(l->v[i].text, text, l->v[i].len);
}

static bool read_byte(const char *text, size_t len, uint8_t *out)
{
	unsigned n = 0;

	if (!len || len > 3 || (len > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		n = n * 10 + (unsigned)(text[i] - '0');
	}
	*out = (uint8_t)n;
	return n <= 255;
}

static bool read_nibble(const char *text, size_t len, unsigned *out)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = memchr(digits, tolower((unsigned char)text[0]), 16);

	*out = at ? (unsigned)(at - digits) : 0;
	return at && len == 1;
}

/* The address that a name below in-addr.arpa or ip6.arpa is of (RFC 1035, 3.5;
 * RFC 3596, 2.5): its parts in reverse. */
static bool read_reverse(const struct labels *l, struct ip_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (l->n == 6 && is_label(l, 0, "arpa") && is_label(l, 1, "in-addr")) {
		out->family = AF_INET;
		for (size_t i = 0; i < 4; i++)
			if (!read_byte(l->v[i].text, l->v[i].len,
				       &out->bytes[3 - i]))
				return false;
		return true;
	}
	if (l->n != 34 || !is_label(l, 0, "arpa") || !is_label(l, 1, "ip6"))
		return false;
	out->family = AF_INET6;
	for (size_t i = 0; i < 32; i++) {
		unsigned nibble;

		if (!read_nibble(l->v[i].text, l->v[i].len, &nibble))
			return false;
		out->bytes[15 - i / 2] |=
			(uint8_t)(i % 2 ? nibble << 4 : nibble);
	}
	return true;
}

/* ---- records ------------------------------------------------------------- */

/* Takes the fields over. */
static void push(struct reply *r, ldns_pkt_section section,
		 const ldns_rdf *owner, ldns_rr_type type, uint32_t ttl_s,
		 ldns_rdf **fields, size_t n)
{
	ldns_rr *rr = ldns_rr_new();
	ldns_rdf *name = ldns_rdf_clone(owner);
	bool good = rr && name;

	for (size_t i = 0; i < n; i++)
		good &= fields[i] != NULL;
	if (good) {
		ldns_rr_set_owner(rr, name);
		ldns_rr_set_type(rr, type);
		ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
		ldns_rr_set_ttl(rr, ttl_s);
		name = NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (good)
			good = ldns_rr_push_rdf(rr, fields[i]);
		else
			ldns_rdf_deep_free(fields[i]);
	}
	ldns_rdf_deep_free(name);
	if (good && ldns_pkt_push_rr(r->out, section, rr))
		return;
	ldns_rr_free(rr);
	r->failed = true;
}

static ldns_rdf *dname(const char *text)
{
	return ldns_dname_new_frm_str(text);
}

static void push_addresses(struct reply *r, struct zone_name *name, int family)
{
	static _Thread_local struct ip_addr all[NAMES_TARGETS_MAX];
	size_t n = zone_pick(name, family, all);

	for (size_t i = 0; i < n; i++) {
		ldns_rdf *field = ldns_rdf_new_frm_data(
			family == AF_INET ? LDNS_RDF_TYPE_A :
					    LDNS_RDF_TYPE_AAAA,
			ip_addr_size(&all[i]), all[i].bytes);

		push(r, LDNS_SECTION_ANSWER, r->name,
		     family == AF_INET ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_AAAA,
		     zone_name_ttl(name), &field, 1);
	}
}

/* Its last field and its own TTL say how long "there is none" may be kept: not
 * at all (RFC 2308). */
static void push_soa(struct reply *r, ldns_pkt_section section,
		     const ldns_rdf *apex)
{
	ldns_rdf *fields[7] = {
		dname("resolver." NAMES_DOMAIN "."),
		dname("nobody.invalid."),
	};

	for (size_t i = 2; i < 7; i++)
		fields[i] = ldns_native2rdf_int32(i == 2 ? LDNS_RDF_TYPE_INT32 :
							   LDNS_RDF_TYPE_PERIOD,
						  i == 2);
	push(r, section, apex, LDNS_RR_TYPE_SOA, 0, fields, 7);
}

static void push_serval_soa(struct reply *r, ldns_pkt_section section)
{
	ldns_rdf *apex = dname(apex_text);

	if (apex)
		push_soa(r, section, apex);
	else
		r->failed = true;
	ldns_rdf_deep_free(apex);
}

/* ---- what is asked ------------------------------------------------------- */

static bool asks(const struct reply *r, ldns_rr_type type)
{
	return r->type == type || r->type == LDNS_RR_TYPE_ANY;
}

static void answer_serval(struct reply *r)
{
	struct zone_name *name = NULL;
	bool apex = r->labels.n == 1;

	if (r->labels.n == 2)
		name = zone_find(r->zone, r->labels.v[0].text,
				 r->labels.v[0].len);
	if (name && asks(r, LDNS_RR_TYPE_A))
		push_addresses(r, name, AF_INET);
	if (name && asks(r, LDNS_RR_TYPE_AAAA))
		push_addresses(r, name, AF_INET6);
	if (apex && asks(r, LDNS_RR_TYPE_SOA))
		push_serval_soa(r, LDNS_SECTION_ANSWER);
	if (!name && !apex)
		ldns_pkt_set_rcode(r->out, LDNS_RCODE_NXDOMAIN);
	if (!ldns_pkt_ancount(r->out))
		push_serval_soa(r, LDNS_SECTION_AUTHORITY);
}

static void answer_reverse(struct reply *r, const struct zone_name *name)
{
	char text[NAMES_LABEL_MAX + sizeof(apex_text) + 2];
	ldns_rdf *field;

	if (!asks(r, LDNS_RR_TYPE_PTR)) {
		push_soa(r, LDNS_SECTION_AUTHORITY, r->name);
		return;
	}
	snprintf(text, sizeof(text), "%s.%s", zone_name_text(name), apex_text);
	field = dname(text);
	push(r, LDNS_SECTION_ANSWER, r->name, LDNS_RR_TYPE_PTR,
	     zone_name_ttl(name), &field, 1);
}

/* The name of a range: that of an address in it, without the labels of what is
 * behind the prefix. */
static void push_range_soa(struct reply *r, const struct ip_prefix *range)
{
	unsigned bits = (unsigned)ip_addr_size(&range->addr) * 8 - range->len;
	unsigned labels = bits / (range->addr.family == AF_INET ? 8 : 4);
	const uint8_t *wire = ldns_rdf_data(r->name);
	size_t skip = 0;
	ldns_rdf *apex;

	for (unsigned i = 0; i < labels; i++)
		skip += r->labels.v[i].len + 1;
	apex = ldns_dname_new_frm_data(
		(uint16_t)(ldns_rdf_size(r->name) - skip), wire + skip);
	if (apex)
		push_soa(r, LDNS_SECTION_AUTHORITY, apex);
	else
		r->failed = true;
	ldns_rdf_deep_free(apex);
}

static enum resolver_outcome answer_query(struct reply *r)
{
	const struct ip_prefix *range = NULL;
	const struct zone_name *name = NULL;
	struct ip_addr address;

	if (is_label(&r->labels, 0, NAMES_DOMAIN)) {
		answer_serval(r);
	} else {
		if (read_reverse(&r->labels, &address)) {
			name = zone_find_address(r->zone, &address);
			range = zone_find_range(r->zone, &address);
		}
		if (name) {
			answer_reverse(r, name);
		} else if (range) {
			ldns_pkt_set_rcode(r->out, LDNS_RCODE_NXDOMAIN);
			push_range_soa(r, range);
		} else {
			ldns_pkt_set_rcode(r->out, LDNS_RCODE_REFUSED);
			return RESOLVER_REFUSE;
		}
	}
	ldns_pkt_set_aa(r->out, true);
	return RESOLVER_ANSWER;
}

/* ---- messages ------------------------------------------------------------ */

size_t resolver_answer_bare(const uint8_t *query, unsigned rcode, uint8_t *out)
{
	memset(out, 0, HEADER);
	memcpy(out, query, 2);
	/* The opcode, and "recursion desired". */
	out[2] = (uint8_t)(FLAG_QR | (query[2] & 0x79));
	out[3] = (uint8_t)rcode;
	return HEADER;
}

/* Records that came: only their number is known to be so before ldns has read
 * them. */
static unsigned count_of(const uint8_t *query, size_t at)
{
	return (unsigned)query[at] << 8 | query[at + 1];
}

/* More than one OPT record is an error (RFC 6891, 6.1.1); ldns takes them off
 * the additional ones. */
static bool has_one_opt(const uint8_t *raw, const ldns_pkt *query)
{
	unsigned opts = count_of(raw, 10) - ldns_pkt_arcount(query);

	return opts <= 1;
}

/* False: out of memory, or longer than limit. */
static bool put(const ldns_pkt *p, size_t limit, uint8_t *out, size_t *out_len)
{
	uint8_t *bytes = NULL;
	size_t n = 0;
	bool fits;

	if (ldns_pkt2wire(&bytes, p, &n) != LDNS_STATUS_OK)
		return false;
	fits = n <= limit && n >= HEADER;
	if (fits) {
		memcpy(out, bytes, n);
		*out_len = n;
	}
	LDNS_FREE(bytes);
	return fits;
}

static void prepare(struct reply *r, bool edns)
{
	ldns_pkt_set_id(r->out, ldns_pkt_id(r->query));
	ldns_pkt_set_qr(r->out, true);
	ldns_pkt_set_opcode(r->out, ldns_pkt_get_opcode(r->query));
	ldns_pkt_set_rd(r->out, ldns_pkt_rd(r->query));
	if (edns) {
		ldns_pkt_set_edns_udp_size(r->out, RESOLVER_UDP_MOST);
		ldns_pkt_set_edns_do(r->out, ldns_pkt_edns_do(r->query));
	}
}

static void push_question(struct reply *r, const ldns_rr *question)
{
	ldns_rr *copy = ldns_rr_clone(question);

	if (!copy)
		r->failed = true;
	else if (!ldns_pkt_push_rr(r->out, LDNS_SECTION_QUESTION, copy))
		ldns_rr_free(copy);
}

/* All but the records has been said; they don't fit. */
static bool put_truncated(const struct reply *r, const ldns_rr *question,
			  bool edns, size_t limit, uint8_t *out,
			  size_t *out_len)
{
	struct reply cut = { .query = r->query, .out = ldns_pkt_new() };
	bool good = false;

	if (cut.out) {
		prepare(&cut, edns);
		push_question(&cut, question);
		ldns_pkt_set_rcode(cut.out,
				   (uint8_t)ldns_pkt_get_rcode(r->out));
		ldns_pkt_set_aa(cut.out, ldns_pkt_aa(r->out));
		ldns_pkt_set_tc(cut.out, true);
		good = !cut.failed && put(cut.out, limit, out, out_len);
	}
	ldns_pkt_free(cut.out);
	return good;
}

static size_t limit_of(const ldns_pkt *query, bool edns)
{
	size_t most = edns ? ldns_pkt_edns_udp_size(query) : 0;

	if (most < RESOLVER_UDP_LEAST)
		return RESOLVER_UDP_LEAST;
	return most < RESOLVER_UDP_MOST ? most : RESOLVER_UDP_MOST;
}

size_t resolver_limit(const uint8_t *query, size_t n)
{
	size_t limit = RESOLVER_UDP_LEAST;
	ldns_pkt *parsed = NULL;

	if (n >= HEADER && ldns_wire2pkt(&parsed, query, n) == LDNS_STATUS_OK)
		limit = limit_of(parsed, count_of(query, 10) !=
						 ldns_pkt_arcount(parsed));
	ldns_pkt_free(parsed);
	return limit;
}

static enum resolver_outcome answer_parsed(struct reply *r, const uint8_t *raw,
					   bool tcp, uint8_t *out,
					   size_t *out_len)
{
	enum resolver_outcome outcome = RESOLVER_ANSWER;
	bool edns = count_of(raw, 10) != ldns_pkt_arcount(r->query);
	size_t limit = RESOLVER_MESSAGE_MAX;
	const ldns_rr *question;

	if (ldns_pkt_qdcount(r->query) != 1 ||
	    ldns_rr_list_rr_count(ldns_pkt_question(r->query)) != 1 ||
	    !has_one_opt(raw, r->query)) {
		*out_len = resolver_answer_bare(raw, LDNS_RCODE_FORMERR, out);
		return RESOLVER_ANSWER;
	}
	question = ldns_rr_list_rr(ldns_pkt_question(r->query), 0);
	r->name = ldns_rr_owner(question);
	r->type = ldns_rr_get_type(question);
	prepare(r, edns);
	push_question(r, question);
	if (edns && ldns_pkt_edns_version(r->query)) {
		ldns_pkt_set_edns_extended_rcode(r->out, EDNS_BADVERS >> 4);
		ldns_pkt_set_rcode(r->out, EDNS_BADVERS & 15);
	} else if (!split(r->name, &r->labels)) {
		ldns_pkt_set_rcode(r->out, LDNS_RCODE_FORMERR);
	} else if (ldns_rr_get_class(question) != LDNS_RR_CLASS_IN &&
		   ldns_rr_get_class(question) != LDNS_RR_CLASS_ANY) {
		ldns_pkt_set_rcode(r->out, LDNS_RCODE_REFUSED);
	} else {
		outcome = answer_query(r);
	}
	if (!tcp)
		limit = limit_of(r->query, edns);
	if (!r->failed &&
	    (put(r->out, limit, out, out_len) ||
	     put_truncated(r, question, edns, limit, out, out_len)))
		return outcome;
	*out_len = resolver_answer_bare(raw, LDNS_RCODE_SERVFAIL, out);
	return RESOLVER_ANSWER;
}

enum resolver_outcome resolver_answer(struct zone *z, const uint8_t *query,
				      size_t n, bool tcp, uint8_t *out,
				      size_t *out_len)
{
	struct reply r = { .zone = z };
	enum resolver_outcome outcome = RESOLVER_ANSWER;
	ldns_pkt *parsed = NULL;

	*out_len = 0;
	if (n < HEADER || n > RESOLVER_MESSAGE_MAX || query[2] & FLAG_QR)
		return RESOLVER_DROP;
	if (query[2] >> 3 & 15) {
		*out_len = resolver_answer_bare(query, LDNS_RCODE_NOTIMPL, out);
		return RESOLVER_ANSWER;
	}
	if (query[2] & FLAG_TC || count_of(query, 4) != 1 ||
	    count_of(query, 6) || count_of(query, 8) ||
	    ldns_wire2pkt(&parsed, query, n) != LDNS_STATUS_OK) {
		*out_len = resolver_answer_bare(query, LDNS_RCODE_FORMERR, out);
		return RESOLVER_ANSWER;
	}
	r.query = parsed;
	r.out = ldns_pkt_new();
	if (r.out)
		outcome = answer_parsed(&r, query, tcp, out, out_len);
	else
		*out_len =
			resolver_answer_bare(query, LDNS_RCODE_SERVFAIL, out);
	ldns_pkt_free(r.out);
	ldns_pkt_free(parsed);
	return outcome;
}
