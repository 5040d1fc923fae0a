/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/support/replay.h"

#include "tests/support/golden.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* ---- the capture -------------------------------------------------------- */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Clients are .2 of 10.77 and 10.78; what a router has handed on bears a
 * client's address and the router's in SOURCE. */
static enum replay_side side_of(const struct golden_packet *g,
				const struct sal_packet *p)
{
	const struct sal_control *c = sal_find_control(p);

	if (sal_find(p, SAL_EXT_SOURCE, 0) &&
	    (!c || !(c->flags & SAL_FLAG_ACK)))
		return REPLAY_ROUTER;
	return g->src.bytes[1] != 79 && g->src.bytes[3] == 2 ? REPLAY_CLIENT :
							       REPLAY_SERVER;
}

static struct replay_packet *next_in(struct replay_list *l)
{
	struct replay_packet *p;

	ck_assert_uint_lt(l->n, REPLAY_PACKETS_MAX);
	if (!l->v)
		l->v = calloc(REPLAY_PACKETS_MAX, sizeof(*l->v));
	ck_assert_ptr_nonnull(l->v);
	p = &l->v[l->n++];
	return p;
}

static bool take(struct replay_list *l, const struct golden_packet *g,
		 int64_t at_ns)
{
	struct replay_packet *p = next_in(l);

	p->n = l->n;
	p->at_ns = at_ns;
	p->path.local = g->src;
	p->path.remote = g->dst;
	if (g->outer) {
		p->path.local_port = get16(g->outer);
		p->path.remote_port = get16(g->outer + 2);
	}
	if (g->len > sizeof(p->bytes))
		return false;
	memcpy(p->bytes, g->sal, g->len);
	p->len = g->len;
	if (sal_decode(&p->sal, p->bytes, p->len) != SAL_OK)
		return false;
	p->from = side_of(g, &p->sal);
	return true;
}

bool replay_load(struct replay *r, const char *file)
{
	pcap_t *pcap = golden_open(file);
	struct pcap_pkthdr *header;
	struct golden_packet g;
	const u_char *frame;
	int64_t first = 0;
	bool ok = pcap;

	*r = (struct replay){ .file = file };
	while (ok && pcap_next_ex(pcap, &header, &frame) == 1) {
		int64_t at = header->ts.tv_sec * INT64_C(1000000000) +
			     header->ts.tv_usec * INT64_C(1000);

		if (!r->capture.n)
			first = at;
		ok = golden_parse(frame, header->caplen, &g) &&
		     take(&r->capture, &g, at - first + 1);
	}
	if (pcap)
		pcap_close(pcap);
	return ok;
}

void replay_free(struct replay *r)
{
	free(r->capture.v);
	free(r->sent.v);
}

bool replay_same(const struct replay_packet *a, const struct replay_packet *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len) &&
	       ip_addr_equal(&a->path.local, &b->path.local) &&
	       ip_addr_equal(&a->path.remote, &b->path.remote) &&
	       a->path.local_port == b->path.local_port &&
	       a->path.remote_port == b->path.remote_port;
}

static uint8_t flags_of(const struct replay_packet *p)
{
	const struct sal_control *c = sal_find_control(&p->sal);

	return c ? c->flags : 0;
}

static bool is_data(const struct replay_packet *p)
{
	return !p->sal.n;
}

static bool is_datagram(const struct replay_packet *p)
{
	return p->sal.n && !sal_find_control(&p->sal);
}

static bool in(const unsigned *list, unsigned n)
{
	for (; list && *list; list++)
		if (*list == n)
			return true;
	return false;
}

/* The first of our side with just these flags; NULL: none. */
static const struct replay_packet *ours_with(const struct replay *r,
					     uint8_t flags)
{
	for (unsigned i = 0; i < r->capture.n; i++) {
		const struct replay_packet *p = &r->capture.v[i];

		if (p->from == r->side && sal_find_control(&p->sal) &&
		    flags_of(p) == flags)
			return p;
	}
	return NULL;
}

/* ---- the numbers that are drawn ------------------------------------------ */

struct numbers {
	uint32_t four[4];
	uint64_t eight[4];
	unsigned four_n, eight_n, four_at, eight_at;
};

static void draw(void *arg, void *out, size_t n)
{
	struct numbers *d = arg;
	uint32_t four = 0x10000 + d->four_at;
	uint64_t eight = 0;

	memset(out, 0, n);
	if (n == 4) {
		if (d->four_at < d->four_n)
			four = d->four[d->four_at];
		d->four_at++;
		memcpy(out, &four, n);
	} else if (n == 8) {
		if (d->eight_at < d->eight_n)
			eight = d->eight[d->eight_at];
		d->eight_at++;
		memcpy(out, &eight, n);
	}
}

static void pin(struct numbers *d, const struct replay *r)
{
	bool client = r->side == REPLAY_CLIENT;
	const struct replay_packet *first = ours_with(
		r, client ? SAL_FLAG_SYN : SAL_FLAG_SYN | SAL_FLAG_ACK);
	const struct sal_control *c;

	if (!client)
		d->four[d->four_n++] = 2; /* the socket's own */
	if (!first)
		return;
	c = sal_find_control(&first->sal);
	d->four[d->four_n++] = first->sal.src_flow;
	d->four[d->four_n++] = c->verno;
	if (client)
		d->eight[d->eight_n++] = 0; /* which rule */
	d->eight[d->eight_n++] = c->nonce;
}

/* ---- our side ------------------------------------------------------------ */

struct player {
	struct replay *r;
	struct sal *sal;
	uint32_t socket, flow;
	unsigned at; /* number of the packet of the capture under way */
	uint32_t closed_verno, moved_verno;
	bool has_closed, has_moved;
	const uint8_t *expect; /* what the programs must be given now */
	size_t expect_len;
};

static void on_send(void *arg, const struct sal_outer *out)
{
	struct player *y = arg;
	struct replay_packet *p = next_in(&y->r->sent);

	p->n = y->at;
	p->from = y->r->side;
	p->path = out->path;
	p->len = out->header_len + out->len;
	ck_assert_uint_le(p->len, sizeof(p->bytes));
	ck_assert(!out->offload.needs_csum);
	memcpy(p->bytes, out->header, out->header_len);
	if (out->len)
		memcpy(p->bytes + out->header_len, out->segment, out->len);
	ck_assert_int_eq(sal_decode(&p->sal, p->bytes, p->len), SAL_OK);
}

static void on_deliver(void *arg, const struct sal_inner *p)
{
	(void)p;
	((struct player *)arg)->r->wrong_bytes = true; /* to no inner program */
}

static void on_event(void *arg, const struct sal_event *e)
{
	struct player *y = arg;

	if (e->kind == SAL_EVENT_FLOW_STATE)
		y->flow = e->flow.local_id;
}

static void got(struct player *y, const uint8_t *bytes, size_t len)
{
	struct replay *r = y->r;

	r->received++;
	if (len != y->expect_len || (len && memcmp(bytes, y->expect, len)))
		r->wrong_bytes = true;
}

static void on_receive(void *arg, const struct sal_flow_info *f,
		       const uint8_t *bytes, size_t len)
{
	(void)f;
	got(arg, bytes, len);
}

static void on_datagram(void *arg, const struct sal_datagram *d)
{
	got(arg, d->bytes, d->len);
}

static void on_end(void *arg, const struct sal_flow_info *f)
{
	(void)f;
	((struct player *)arg)->r->ends++;
}

/* A TCP that has not seen to its ports and checksum. */
static size_t spoiled(const struct replay_packet *p, uint8_t *out)
{
	size_t len = p->sal.payload_len;

	memcpy(out, p->sal.payload, len);
	memset(out, 0x55, 4);
	out[16] ^= 0x12;
	return len;
}

static size_t on_answer(void *arg, const struct sal_flow_info *f, uint8_t flags,
			const uint8_t *segment, size_t len, uint8_t *out)
{
	struct player *y = arg;
	const struct replay_packet *p = ours_with(y->r, flags);

	(void)f;
	if (len != y->expect_len || memcmp(segment, y->expect, len))
		y->r->wrong_bytes = true;
	if (!p || p->sal.payload_len > SAL_NATIVE_SEGMENT_MAX)
		return 0;
	return spoiled(p, out);
}

/* Of packets to our side, what its programs get: UDP's bytes, TCP's segment. */
static void expect(struct player *y, const struct replay_packet *p)
{
	size_t header = p->sal.protocol == IPPROTO_UDP ? 8 : 0;

	if (p->sal.payload_len < header)
		return;
	y->expect = p->sal.payload + header;
	y->expect_len = p->sal.payload_len - header;
}

static void arrives(struct player *y, const struct replay_packet *p)
{
	struct sal_ip_fields ip = { .ttl = 64 };
	struct sal_path path = {
		.local = p->path.remote,
		.remote = p->path.local,
		.local_port = p->path.remote_port,
		.remote_port = p->path.local_port,
	};

	expect(y, p);
	sal_from_outer(y->sal, &path, &ip, p->bytes, p->len, p->at_ns);
}

static void connects(struct player *y, const struct replay_packet *p)
{
	uint8_t segment[SAL_NATIVE_SEGMENT_MAX];
	struct sal_connect c = {
		.service = *sal_find_service(&p->sal, 0),
		.protocol = p->sal.protocol,
		.encapsulated = p->path.remote_port != 0,
	};

	if (c.protocol == IPPROTO_TCP) {
		c.len = spoiled(p, segment);
		c.segment = segment;
	}
	ck_assert_int_eq(sal_native_connect(y->sal, &c, &y->flow, p->at_ns), 0);
}

static void speaks(struct player *y, const struct replay_packet *p)
{
	uint8_t segment[REPLAY_BYTES_MAX];
	const uint8_t *bytes = p->sal.payload + 8;
	size_t len = p->sal.payload_len - 8;

	if (p->sal.protocol == IPPROTO_TCP) {
		len = spoiled(p, segment);
		bytes = segment;
	}
	ck_assert_int_eq(sal_native_send(y->sal, y->flow, bytes, len, p->at_ns),
			 0);
}

static void speaks_unconnected(struct player *y, const struct replay_packet *p)
{
	struct sal_datagram d = {
		.to = *sal_find_service(&p->sal, 0),
		.from = *sal_find_service(&p->sal, 1),
		.path.remote = p->path.remote,
		.path.local_port = p->path.local_port,
		.path.remote_port = p->path.remote_port,
		.socket = y->socket,
		.bytes = p->sal.payload + 8,
		.len = p->sal.payload_len - 8,
	};

	ck_assert_int_eq(sal_native_send_datagram(y->sal, &d, p->at_ns), 0);
}

/* What the programs of our side did, for the capture to have this packet. */
static void causes(struct player *y, const struct replay_packet *p)
{
	const struct sal_control *c = sal_find_control(&p->sal);

	if (is_data(p)) {
		speaks(y, p);
	} else if (is_datagram(p)) {
		speaks_unconnected(y, p);
	} else if (c->flags == SAL_FLAG_SYN && !y->flow) {
		connects(y, p);
	} else if (c->flags & SAL_FLAG_FIN &&
		   (!y->has_closed || y->closed_verno != c->verno)) {
		ck_assert_int_eq(sal_native_close(y->sal, y->flow, p->at_ns),
				 0);
		y->has_closed = true;
		y->closed_verno = c->verno;
	} else if (c->flags == SAL_FLAG_RSYN &&
		   (!y->has_moved || y->moved_verno != c->verno)) {
		ck_assert_int_eq(sal_native_migrate(y->sal, y->flow,
						    &p->path.local, p->at_ns),
				 0);
		y->has_moved = true;
		y->moved_verno = c->verno;
	}
}

/* All that our side has in this capture, the first one first. */
static void has_addresses(struct player *y)
{
	struct sal_local_address list[4];
	size_t n = 0;

	for (unsigned i = 0; i < y->r->capture.n; i++) {
		const struct replay_packet *p = &y->r->capture.v[i];
		const struct ip_addr *a = p->from == y->r->side ?
						  &p->path.local :
						  &p->path.remote;
		bool client = a->bytes[1] != 79 && a->bytes[3] == 2;
		bool known = false;

		/* No router's, no broadcast. */
		if (client != (y->r->side == REPLAY_CLIENT) ||
		    a->bytes[3] >= 253)
			continue;
		for (size_t k = 0; k < n; k++)
			known |= ip_addr_equal(&list[k].addr, a);
		if (known)
			continue;
		ck_assert_uint_lt(n, 4);
		list[n++] =
			(struct sal_local_address){ .addr = *a, .ifindex = 1 };
	}
	sal_set_addresses(y->sal, list, n, 0);
}

/* The one service of these captures, at the server; the client's own socket
 * where it has no connection. */
static void has_services(struct player *y, bool registered)
{
	const struct replay_packet *first = &y->r->capture.v[0];
	bool client = y->r->side == REPLAY_CLIENT;
	struct sal_listener l = { .bits = SERVICE_ID_BITS,
				  .protocol = first->sal.protocol,
				  .datagrams = is_datagram(first) };
	struct sal_rule rule = { .bits = SERVICE_ID_BITS,
				 .kind = SAL_RULE_FORWARD,
				 .to = first->path.remote,
				 .weight = 1 };

	ck_assert_int_eq(
		service_id_parse(client && l.datagrams ? "32769" : "16385",
				 &l.id),
		0);
	ck_assert_int_eq(service_id_parse("16385", &rule.id), 0);
	if (client)
		ck_assert_int_eq(sal_rule_add(y->sal, &rule, 0), 0);
	if ((client && l.datagrams) || (!client && registered))
		ck_assert_int_eq(sal_native_listen(y->sal, &l, &y->socket, 0),
				 0);
}

static void tick_until(struct player *y, int64_t at_ns)
{
	for (int i = 0; i < 1000 && sal_next_ns(y->sal) <= at_ns; i++)
		sal_tick(y->sal, sal_next_ns(y->sal));
	ck_assert_int_gt(sal_next_ns(y->sal), at_ns);
}

/* Whether what arrives there is for the programs. */
static bool is_for_programs(const struct player *y,
			    const struct replay_packet *p)
{
	bool ack =
		flags_of(p) == SAL_FLAG_ACK && p->sal.protocol == IPPROTO_TCP;

	if (is_datagram(p))
		return y->socket;
	return y->flow && (is_data(p) || (ack && p->sal.payload_len));
}

static void plays_on(struct player *y)
{
	struct replay *r = y->r;

	for (unsigned i = 0; i < r->capture.n; i++) {
		const struct replay_packet *p = &r->capture.v[i];
		bool to_us = p->from != r->side && !in(r->lost, p->n);

		tick_until(y, p->at_ns);
		y->at = p->n;
		if (p->from == r->side) {
			if (!in(r->left_out, p->n))
				causes(y, p);
		} else if (to_us && (p->from == REPLAY_ROUTER ?
					     r->side == REPLAY_SERVER :
					     p->path.remote.bytes[3] != 254)) {
			r->expected_received += is_for_programs(y, p);
			arrives(y, p);
		}
	}
}

/* A service that nobody has, in captures that show just that. */
static bool is_registered(const char *file)
{
	return !strstr(file, "unregistered");
}

void replay_play(struct replay *r)
{
	struct player y = { .r = r };
	struct sal_sink sink = { .arg = &y,
				 .send = on_send,
				 .deliver = on_deliver,
				 .event = on_event };
	struct sal_native_sink native = { &y, on_receive, on_end, on_datagram,
					  on_answer };
	struct numbers numbers = { .four_n = 0 };
	struct sal_config c = { .max_flows = 0 };
	void *mem;

	pin(&numbers, r);
	sal_config_defaults(&c);
	c.random = draw;
	c.random_arg = &numbers;
	/* The old stack's own. */
	c.native_syn_gap_ns = INT64_C(3000000000);
	c.native_syn_tries = 16;
	mem = malloc(sal_memory(&c));
	ck_assert_ptr_nonnull(mem);
	ck_assert_int_eq(sal_init(mem, sal_memory(&c), &c, &sink, 0, &y.sal),
			 0);
	sal_native_open(y.sal, &native);
	has_addresses(&y);
	if (is_datagram(&r->capture.v[0])) {
		/* A socket's number is on its datagrams. */
		numbers.four[0] = 2;
		numbers.four_n = 1;
	}
	has_services(&y, is_registered(r->file));
	plays_on(&y);
	r->stats = *sal_stats(y.sal);
	free(mem);
}
