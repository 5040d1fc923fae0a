/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stack of 2012, and our engine in its place: for each capture of
 * tests/golden once as the client and once as the server, against what the
 * capture has of the other side. Every packet must come out as it is there,
 * byte for byte: SAL, transport, addresses, ports. Where it does not, the table
 * below says so, and why; and what it says must happen, lest the table be a
 * lie.
 */
#include "tests/support/replay.h"

#include "node/wire/sal_text.h"

#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT (1 << REPLAY_CLIENT)
#define SERVER (1 << REPLAY_SERVER)
#define BOTH (CLIENT | SERVER)

struct play {
	const char *file;
	unsigned sides;
	/* Dropped between the link and the server: what the captures that show
	 * a loss are about. */
	unsigned lost[8];
	/* FINs that are taken, by the client and by the server. */
	unsigned ends[2];
};

static const struct play plays[] = {
	{ "connect-unregistered", BOTH, { 0 }, { 0, 0 } },
	{ "datagram-unconnected", BOTH, { 0 }, { 0, 0 } },
	{ "datagram-unregistered", BOTH, { 0 }, { 0, 0 } },
	{ "encap-datagram-unregistered", BOTH, { 0 }, { 0, 0 } },
	{ "encap-flag-unmodified", BOTH, { 0 }, { 1, 1 } },
	{ "encap-migrate-udp", BOTH, { 0 }, { 1, 1 } },
	{ "encap-router-udp", BOTH, { 0 }, { 1, 1 } },
	{ "encap-tcp", BOTH, { 0 }, { 1, 1 } },
	{ "encap-tcp-server-plain", BOTH, { 0 }, { 1, 1 } },
	{ "encap-udp", BOTH, { 0 }, { 1, 1 } },
	{ "loss-fin", BOTH, { 8, 9, 10, 11, 12, 13 }, { 0, 0 } },
	{ "loss-fin-tcp", BOTH, { 14, 15, 16, 17, 18, 19 }, { 0, 0 } },
	{ "loss-handshake-ack", BOTH, { 3 }, { 0, 0 } },
	{ "loss-syn", BOTH, { 1 }, { 1, 1 } },
	{ "migrate-rsyn-lost", BOTH, { 14, 17 }, { 1, 1 } },
	{ "migrate-server", BOTH, { 0 }, { 1, 1 } },
	{ "migrate-tcp-bulk", BOTH, { 0 }, { 1, 1 } },
	{ "migrate-tcp-idle", BOTH, { 0 }, { 1, 1 } },
	{ "migrate-udp", BOTH, { 0 }, { 1, 1 } },
	{ "migrate-udp-unmodified", BOTH, { 0 }, { 0, 1 } },
	/* The client of the probes is no stack. */
	{ "probe-fin-bad-nonce", SERVER, { 0 }, { 0, 0 } },
	{ "probe-rst-bad-nonce", SERVER, { 0 }, { 0, 0 } },
	{ "probe-unknown-flow", SERVER, { 0 }, { 0, 0 } },
	{ "router-datagram", BOTH, { 0 }, { 0, 0 } },
	{ "router-tcp", BOTH, { 0 }, { 1, 1 } },
	{ "router-udp", BOTH, { 0 }, { 1, 1 } },
	{ "tcp-echo", BOTH, { 0 }, { 1, 1 } },
	{ "tcp-stream", BOTH, { 0 }, { 1, 1 } },
	{ "udp-broadcast-resolution", BOTH, { 0 }, { 1, 1 } },
	{ "udp-connected", BOTH, { 0 }, { 1, 1 } },
};

#define PLAYS (sizeof(plays) / sizeof(plays[0]))

#define REASONS(X)                                                             \
	X(FIN_IS_32, "its reset of a FIN expects 32 numbers on, not 1")        \
	X(PORTS_COPIED, "its reset inside UDP copies the ports, not swaps")    \
	X(FIN_NONCE, "a FIN with a wrong nonce closes its flow")               \
	X(RSYN_ANSWER, "its RSYN-ACK goes elsewhere; an RSYN that comes "      \
		       "again gets an ACK, where the peer was")                \
	X(ANY_ACK, "any ACK stops its RSYN, and then its FIN is an RSYN too")  \
	X(WE_ANSWER, "we tell whose FIN or RSYN is of no flow; it would drop " \
		     "that, for there is a REASON in it")

enum reason {
#define REASON(name, text) name,
	REASONS(REASON)
#undef REASON
		REASON_COUNT,
};

static const char *const reasons[] = {
#define REASON(name, text) [name] = text,
	REASONS(REASON)
#undef REASON
};

enum how {
	DIFFERS, /* ours is sent in its place */
	MISSING, /* ours is not sent */
	EXTRA, /* ours is sent before it, or before the end (0) */
};

struct deviation {
	const char *file;
	enum replay_side side;
	unsigned n; /* of the capture's packet */
	enum how how;
	enum reason reason;
	const char *ours; /* its flags */
};

static const struct deviation table[] = {
	{ "encap-datagram-unregistered", REPLAY_SERVER, 2, DIFFERS,
	  PORTS_COPIED, "ACK+RST" },
	{ "encap-datagram-unregistered", REPLAY_SERVER, 4, DIFFERS,
	  PORTS_COPIED, "ACK+RST" },
	{ "migrate-udp-unmodified", REPLAY_CLIENT, 23, EXTRA, ANY_ACK, "RSYN" },
	{ "migrate-udp-unmodified", REPLAY_CLIENT, 31, EXTRA, ANY_ACK, "RSYN" },
	{ "migrate-udp-unmodified", REPLAY_CLIENT, 31, MISSING, ANY_ACK, "" },
	{ "migrate-udp-unmodified", REPLAY_SERVER, 16, EXTRA, RSYN_ANSWER,
	  "RSYN+ACK" },
	{ "migrate-udp-unmodified", REPLAY_SERVER, 18, EXTRA, RSYN_ANSWER,
	  "RSYN+ACK" },
	{ "migrate-udp-unmodified", REPLAY_SERVER, 18, DIFFERS, RSYN_ANSWER,
	  "RSYN+ACK" },
	{ "migrate-udp-unmodified", REPLAY_SERVER, 24, EXTRA, RSYN_ANSWER,
	  "RSYN+ACK" },
	{ "migrate-udp-unmodified", REPLAY_SERVER, 32, EXTRA, RSYN_ANSWER,
	  "RSYN+ACK" },
	{ "migrate-udp-unmodified", REPLAY_SERVER, 32, EXTRA, RSYN_ANSWER,
	  "RSYN+ACK" },
	{ "migrate-udp-unmodified", REPLAY_SERVER, 32, DIFFERS, RSYN_ANSWER,
	  "ACK" },
	{ "probe-fin-bad-nonce", REPLAY_SERVER, 7, MISSING, FIN_NONCE, "" },
	{ "probe-unknown-flow", REPLAY_SERVER, 5, DIFFERS, FIN_IS_32,
	  "ACK+RST" },
	{ "probe-unknown-flow", REPLAY_SERVER, 11, EXTRA, WE_ANSWER,
	  "ACK+RST" },
	{ "probe-unknown-flow", REPLAY_SERVER, 11, EXTRA, WE_ANSWER,
	  "ACK+RST" },
	{ "probe-unknown-flow", REPLAY_SERVER, 11, DIFFERS, FIN_IS_32,
	  "ACK+RST" },
};

#define DEVIATIONS (sizeof(table) / sizeof(table[0]))

static struct totals {
	unsigned plays, packets, sent, equal, delivered;
	unsigned by_reason[REASON_COUNT];
} totals;

/* ---- holding ours against the capture's -----------------------------------
 */

struct compare {
	const struct replay *r;
	const char *side;
	unsigned at; /* ours that are looked at */
};

static void print_packet(const char *whose, const struct replay_packet *p)
{
	char from[IP_TEXT_MAX], to[IP_TEXT_MAX], text[SAL_TEXT_HEADER_MAX];

	if (!p) {
		fprintf(stderr, "%s: none\n", whose);
		return;
	}
	sal_text_format(&p->sal, SAL_TEXT_PAYLOAD_LENGTH, text, sizeof(text));
	fprintf(stderr, "%s %u: %s:%u > %s:%u %s\n", whose, p->n,
		ip_format_addr(&p->path.local, from, sizeof(from)),
		p->path.local_port,
		ip_format_addr(&p->path.remote, to, sizeof(to)),
		p->path.remote_port, text);
}

static const struct replay_packet *ours(const struct compare *c)
{
	return c->at < c->r->sent.n ? &c->r->sent.v[c->at] : NULL;
}

static void differ(const struct compare *c, const struct replay_packet *theirs,
		   const char *what)
{
	print_packet("the capture's", theirs);
	print_packet("ours", ours(c));
	ck_abort_msg("%s, %s, packet %u: %s", c->r->file, c->side,
		     theirs ? theirs->n : 0, what);
}

static bool has_flags(const struct replay_packet *p, const char *flags)
{
	char text[SAL_TEXT_HEADER_MAX], want[64];

	sal_text_format(&p->sal, SAL_TEXT_PAYLOAD_LENGTH, text, sizeof(text));
	snprintf(want, sizeof(want), "CONTROL %s v=", flags);
	return strstr(text, want);
}

static const struct deviation *deviation_at(const struct compare *c, unsigned n,
					    unsigned *from)
{
	while (*from < DEVIATIONS) {
		const struct deviation *d = &table[(*from)++];

		if (!strcmp(d->file, c->r->file) && d->side == c->r->side &&
		    d->n == n)
			return d;
	}
	return NULL;
}

/* One packet of the capture's, and what of ours is beside it. */
static void compare_one(struct compare *c, const struct replay_packet *theirs)
{
	const struct deviation *d;
	bool expected = true;
	unsigned from = 0;

	while ((d = deviation_at(c, theirs->n, &from))) {
		const struct replay_packet *o = ours(c);

		totals.by_reason[d->reason]++;
		if (d->how != EXTRA)
			expected = false;
		if (o && replay_same(o, theirs))
			differ(c, theirs,
			       "is the same, and is said to deviate");
		if (d->how == MISSING)
			continue;
		if (!o || !has_flags(o, d->ours))
			differ(c, theirs, "deviates otherwise than is said");
		c->at++;
	}
	if (!expected)
		return;
	if (!ours(c) || !replay_same(ours(c), theirs))
		differ(c, theirs, "is not the same");
	totals.equal++;
	c->at++;
}

static void compare_all(const struct replay *r, const struct play *play)
{
	struct compare c = { .r = r,
			     .side = r->side == REPLAY_CLIENT ? "client" :
								"server" };

	for (unsigned i = 0; i < r->capture.n; i++) {
		if (r->capture.v[i].from != r->side)
			continue;
		totals.packets++;
		compare_one(&c, &r->capture.v[i]);
	}
	if (ours(&c))
		differ(&c, NULL, "is one too many");
	totals.sent += r->sent.n;
	totals.delivered += r->received;
	ck_assert_msg(!r->wrong_bytes, "%s, %s: other bytes were received",
		      r->file, c.side);
	ck_assert_msg(r->received == r->expected_received,
		      "%s, %s: %u received, not %u", r->file, c.side,
		      r->received, r->expected_received);
	ck_assert_msg(r->ends == play->ends[r->side], "%s, %s: %u ends",
		      r->file, c.side, r->ends);
	ck_assert_uint_eq(r->stats.broken + r->stats.malformed, 0);
}

static void play_side(const struct play *play, enum replay_side side)
{
	unsigned left_out[DEVIATIONS + 1], n = 0;
	struct replay r;

	ck_assert_msg(replay_load(&r, play->file), "%s", play->file);
	r.side = side;
	if (side == REPLAY_SERVER)
		r.lost = play->lost;
	/* A program closes because it was told to; ours was not. */
	for (unsigned i = 0; i < DEVIATIONS; i++)
		if (!strcmp(table[i].file, play->file) &&
		    table[i].side == side && table[i].how == MISSING &&
		    table[i].reason == FIN_NONCE)
			left_out[n++] = table[i].n;
	left_out[n] = 0;
	r.left_out = left_out;
	replay_play(&r);
	compare_all(&r, play);
	totals.plays++;
	replay_free(&r);
}

START_TEST(all)
{
	for (size_t i = 0; i < PLAYS; i++) {
		if (plays[i].sides & CLIENT)
			play_side(&plays[i], REPLAY_CLIENT);
		if (plays[i].sides & SERVER)
			play_side(&plays[i], REPLAY_SERVER);
	}
}
END_TEST

/* None of the table is for a capture that is not there. */
START_TEST(table_is_used)
{
	unsigned used = 0;

	for (int i = 0; i < REASON_COUNT; i++)
		used += totals.by_reason[i];
	ck_assert_uint_eq(used, DEVIATIONS);
}
END_TEST

START_TEST(none_is_left_out)
{
	glob_t captures;

	ck_assert(!glob(TEST_SOURCE_DIR "/tests/golden/*.pcap", 0, NULL,
			&captures));
	ck_assert_uint_eq(captures.gl_pathc, PLAYS);
	globfree(&captures);
}
END_TEST

static void print_totals(void)
{
	unsigned deviating = 0;

	for (int i = 0; i < REASON_COUNT; i++)
		deviating += totals.by_reason[i];
	printf("%u plays of %zu captures: %u packets compared, %u equal; "
	       "%u of ours; %u deviations; %u delivered\n",
	       totals.plays, PLAYS, totals.packets, totals.equal, totals.sent,
	       deviating, totals.delivered);
	for (int i = 0; i < REASON_COUNT; i++)
		printf("%4u  %s\n", totals.by_reason[i], reasons[i]);
}

int main(void)
{
	Suite *s = suite_create("sal: replay");
	TCase *tc = tcase_create("replay");
	SRunner *r;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, all);
	tcase_add_test(tc, table_is_used);
	tcase_add_test(tc, none_is_left_out);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	/* One process: the totals are of all of them. */
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	print_totals();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
