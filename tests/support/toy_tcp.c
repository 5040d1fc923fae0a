/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/support/toy_tcp.h"

#include "base/checksum.h"

#include <netinet/in.h>
#include <string.h>

#define MSS 500u
#define WINDOW (8 * MSS)
#define RTO_MIN (200 * MSEC)

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* The byte of the stream at a place; the two directions differ. */
static uint8_t byte_at(uint16_t port, uint32_t place)
{
	return (uint8_t)((place * 2654435761u >> 16) ^ port);
}

static void transmit(struct toy_tcp *t, uint32_t seq, uint8_t flags, size_t n)
{
	uint8_t seg[20 + MSS] = { (uint8_t)(t->port_local >> 8),
				  (uint8_t)t->port_local,
				  (uint8_t)(t->port_remote >> 8),
				  (uint8_t)t->port_remote };
	struct sal_inner p = { .src = t->local,
			       .dst = t->remote,
			       .protocol = IPPROTO_TCP,
			       .segment = seg,
			       .len = 20 + n,
			       .ip = { .ttl = 64, .dont_fragment = true } };

	put32(seg + 4, seq);
	put32(seg + 8, flags & ACK ? t->rcv_next : 0);
	seg[12] = 5 << 4;
	seg[13] = flags;
	seg[14] = 0xff;
	for (size_t i = 0; i < n; i++)
		seg[20 + i] =
			byte_at(t->port_local, seq - t->iss - 1 + (uint32_t)i);
	transport_checksum_set(IPPROTO_TCP, &p.src, &p.dst, seg, p.len);
	host_send(t->h, &p);
}

static void timer(void *arg);

static void arm(struct toy_tcp *t)
{
	t->deadline_ns = t->h->world->now_ns + t->rto_ns;
	if (t->ticking)
		return;
	t->ticking = true;
	world_at(t->h->world, t->deadline_ns, timer, t);
}

/* The sequence number behind the last one we shall ever send. */
static uint32_t end(const struct toy_tcp *t)
{
	return t->iss + 1 + t->total + t->closes;
}

static void push(struct toy_tcp *t)
{
	if (!t->connected || t->reset)
		return;
	while (t->next != end(t) && t->next - t->una < WINDOW) {
		uint32_t left = t->iss + 1 + t->total - t->next;
		uint32_t n = left < MSS ? left : MSS;

		if (left) {
			transmit(t, t->next, ACK, n);
			t->next += n;
		} else {
			transmit(t, t->next++, FIN | ACK, 0);
		}
		arm(t);
	}
}

static void timer(void *arg)
{
	struct toy_tcp *t = arg;

	t->ticking = false;
	if (t->reset || t->gave_up || t->unreachable || t->una == t->next)
		return;
	if (t->h->world->now_ns < t->deadline_ns) {
		t->ticking = true;
		world_at(t->h->world, t->deadline_ns, timer, t);
		return;
	}
	t->timeouts++;
	t->rto_ns *= 2;
	if (t->rto_ns > 120 * SEC) {
		t->gave_up = true;
		return;
	}
	if (!t->connected) {
		transmit(t, t->iss, t->listening ? SYN | ACK : SYN, 0);
		arm(t);
		return;
	}
	t->next = t->una;
	push(t);
}

void toy_listen(struct toy_tcp *t, struct host *h, const char *local,
		uint16_t port, uint32_t total)
{
	*t = (struct toy_tcp){ .h = h,
			       .local = ip(local),
			       .port_local = port,
			       .listening = true,
			       .total = total,
			       .rto_ns = SEC };
	h->program = toy_program;
	h->program_arg = t;
}

void toy_connect(struct toy_tcp *t, struct host *h, const char *remote,
		 uint16_t from, uint16_t port, uint32_t total)
{
	*t = (struct toy_tcp){ .h = h,
			       .remote = ip(remote),
			       .port_local = from,
			       .port_remote = port,
			       .total = total,
			       .rto_ns = SEC };
	t->local = t->remote.family == AF_INET6 ? h->inner6 : h->inner4;
	t->iss = t->una = world_random(h->world, UINT32_MAX);
	t->next = t->iss + 1;
	h->program = toy_program;
	h->program_arg = t;
	transmit(t, t->iss, SYN, 0);
	arm(t);
}

void toy_close(struct toy_tcp *t)
{
	t->closes = true;
	push(t);
}

bool toy_done(const struct toy_tcp *t)
{
	return t->connected && t->una == end(t);
}

static void take_bytes(struct toy_tcp *t, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != byte_at(t->port_remote, t->got + (uint32_t)i))
			t->wrong_byte = true;
	t->got += (uint32_t)n;
	t->rcv_next += (uint32_t)n;
}

static void take_syn(struct toy_tcp *t, const struct sal_inner *p, uint32_t seq)
{
	if (t->listening && !t->remote.family) {
		t->remote = p->src;
		t->port_remote = (uint16_t)(p->segment[0] << 8 | p->segment[1]);
		t->iss = t->una = world_random(t->h->world, UINT32_MAX);
		t->next = t->iss + 1;
	}
	t->irs = seq;
	t->rcv_next = seq + 1 + t->got;
}

/* Answers are made after the engine has returned: it must not be called from
 * its own sink. */
static void answer_syn(void *arg)
{
	struct toy_tcp *t = arg;

	if (!t->connected) {
		transmit(t, t->iss, SYN | ACK, 0);
		arm(t);
	}
}

static void answer_data(void *arg)
{
	struct toy_tcp *t = arg;

	if (!t->reset && !t->mute)
		transmit(t, t->next, ACK, 0);
}

static void answer_push(void *arg)
{
	push(arg);
}

static void take_ack(struct toy_tcp *t, uint32_t ack)
{
	if ((int32_t)(ack - t->una) <= 0 || (int32_t)(ack - end(t)) > 0)
		return;
	t->connected = true;
	t->una = ack;
	if ((int32_t)(t->next - t->una) < 0)
		t->next = t->una;
	t->rto_ns = RTO_MIN;
	t->deadline_ns = t->h->world->now_ns + t->rto_ns;
	world_at(t->h->world, t->h->world->now_ns, answer_push, t);
}

void toy_program(struct host *h, const struct sal_inner *p, void *arg)
{
	struct toy_tcp *t = arg;
	const uint8_t *s = p->segment;
	uint32_t seq;
	size_t n;

	if (p->protocol != IPPROTO_TCP) {
		if (p->protocol == IPPROTO_ICMP ||
		    p->protocol == IPPROTO_ICMPV6)
			t->unreachable |= s[0] == 3 || s[0] == 1;
		return;
	}
	seq = get32(s + 4);
	n = p->len - 20;
	t->segments_in++;
	if (s[13] & RST) {
		/* RFC 5961: only at exactly the next byte. */
		if (!t->connected || seq == t->rcv_next)
			t->reset = true;
		return;
	}
	if (s[13] & SYN) {
		take_syn(t, p, seq);
		if (t->listening) {
			world_at(h->world, h->world->now_ns, answer_syn, t);
			return;
		}
	}
	if (s[13] & ACK)
		take_ack(t, get32(s + 8));
	if (n && seq == t->rcv_next)
		take_bytes(t, s + 20, n);
	if (s[13] & FIN && seq + (uint32_t)n == t->rcv_next && !t->fin_got) {
		t->fin_got = true;
		t->rcv_next++;
	}
	if (n || s[13] & (FIN | SYN))
		world_at(h->world, h->world->now_ns, answer_data, t);
}

void toy_finish(struct toy_tcp *a, struct toy_tcp *b, int64_t at_most_ns)
{
	struct world *w = a->h->world;
	int64_t end = w->now_ns + at_most_ns;

	toy_close(a);
	toy_close(b);
	while (w->now_ns < end && !(toy_done(a) && toy_done(b)))
		world_run_for(w, MSEC);
	WORLD_OK(w, toy_done(a) && toy_done(b));
	WORLD_OK(w, a->got == b->total && b->got == a->total);
	WORLD_OK(w, !a->wrong_byte && !b->wrong_byte);
	WORLD_OK(w, !a->reset && !b->reset);
}
