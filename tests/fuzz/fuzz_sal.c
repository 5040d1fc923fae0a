// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two engines and the network between them, driven by bytes: programs' packets,
 * packets that are delivered, lost, doubled or damaged (with a checksum that
 * holds again), forged ones, time, addresses, rules, sockets of native flows.
 * No step may be one that the state table forbids, time must go on, and what is
 * delivered must bear the addresses of the two ends.
 */
#include "node/sal/native.h"
#include "node/wire/sal_packet.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FLIGHT_MAX 16
#define PACKET_MAX 256
#define STEPS_MAX 2000

struct flight {
	uint8_t bytes[PACKET_MAX];
	size_t len;
	struct sal_path path;
	struct sal_ip_fields ip;
};

struct input {
	const uint8_t *p;
	size_t left;
};

struct net {
	struct sal *sal[2];
	struct flight flights[FLIGHT_MAX];
	unsigned n;
	int64_t now_ns;
	uint32_t socket[2];
	struct input in;
};

static uint8_t byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static size_t take(struct input *in, uint8_t *to, size_t max)
{
	size_t n = byte(in);

	if (n > max)
		n = max;
	if (n > in->left)
		n = in->left;
	if (n)
		memcpy(to, in->p, n);
	in->p += n;
	in->left -= n;
	return n;
}

static struct ip_addr v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct ip_addr){ AF_INET, { a, b, c, d } };
}

/* The engine may hand out what lies at the very end of its memory. */
static void touch(const uint8_t *p, size_t n)
{
	static volatile uint8_t sum;

	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + p[i]);
}

static void on_send(void *arg, const struct sal_outer *p)
{
	struct net *net = arg;
	struct flight *f;

	touch(p->header, p->header_len);
	touch(p->segment, p->len);
	if (!ip_addr_size(&p->path.remote) || !ip_addr_size(&p->path.local))
		abort();
	if (net->n == FLIGHT_MAX || p->header_len + p->len > PACKET_MAX)
		return;
	f = &net->flights[net->n++];
	memcpy(f->bytes, p->header, p->header_len);
	if (p->len)
		memcpy(f->bytes + p->header_len, p->segment, p->len);
	f->len = p->header_len + p->len;
	f->path = p->path;
	f->ip = p->ip;
}

static void on_deliver(void *arg, const struct sal_inner *p)
{
	(void)arg;
	touch(p->segment, p->len);
	if (p->src.family != p->dst.family || !ip_addr_size(&p->src))
		abort();
}

static void on_event(void *arg, const struct sal_event *e)
{
	(void)arg;
	touch((const uint8_t *)sal_event_name(e->kind), 1);
	touch((const uint8_t *)sal_state_name(e->flow.state), 1);
}

static struct sal_rule rule(uint8_t which)
{
	struct sal_rule r = { .bits = which & 8 ? 256 : 3, .weight = 1 };

	r.id.bytes[0] = which & 8 ? 1 : 0;
	r.kind = which & 1 ? SAL_RULE_DEMUX : SAL_RULE_FORWARD;
	if (!(which & 1))
		r.to = v4(10, 0, which & 2 ? 1 : 2, 1);
	return r;
}

static void add_rule(struct sal *s, uint8_t which, int64_t now_ns)
{
	struct sal_rule r = rule(which);

	sal_rule_add(s, &r, now_ns);
}

static void delete_rule(struct sal *s, uint8_t which, int64_t now_ns)
{
	struct sal_rule r = rule(which);

	sal_rule_delete(s, &r, now_ns);
}

static void addresses(struct net *net, unsigned host, uint8_t which)
{
	struct sal_local_address list[2] = {
		{ .addr = v4(10, 0, (uint8_t)host, 1), .ifindex = 1 },
		{ .addr = v4(10, 0, (uint8_t)host, 2), .ifindex = 2 },
	};

	size_t n = which % 3;

	sal_set_addresses(net->sal[host], n == 1 ? list + (which & 1) : list, n,
			  net->now_ns);
}

static void inner(struct net *net, unsigned host)
{
	static const uint8_t protocols[] = { IPPROTO_ICMP, IPPROTO_UDP,
					     IPPROTO_TCP };
	uint8_t kind = byte(&net->in), segment[200] = { 0 };
	struct sal_inner p = {
		.src = host ? v4(10, 8, 0, 1) : v4(10, 9, 0, 0),
		.dst = host ? v4(10, 9, 0, 0) : v4(10, 8, 0, 1),
		.protocol = protocols[kind % 3],
		.segment = segment,
	};

	if (kind & 64)
		p.src = v4(10, 9, 0, 1);
	p.len = take(&net->in, segment, sizeof(segment));
	p.offload.needs_csum = kind & 16;
	p.offload.csum_offset = kind & 16 ? 6 : 0;
	/* A plain one of its kind. */
	if (kind & 128) {
		memset(segment, 0, 40);
		segment[0] = p.protocol == IPPROTO_ICMP ? 8 : 0;
		segment[12] = 5 << 4;
		segment[13] = kind & 32 ? 16 : 2;
		segment[4] = kind & 32 ? 1 : 0;
		p.len = 40;
	}
	sal_from_inner(net->sal[host], &p, net->now_ns);
}

static void arrive(struct net *net, const struct flight *f)
{
	struct sal_path path = { .local = f->path.remote,
				 .remote = f->path.local,
				 .ifindex = 1,
				 .local_port = f->path.remote_port,
				 .remote_port = f->path.local_port };

	/* 10.0.0.x is the one's, all else the other's. */
	sal_from_outer(net->sal[path.local.bytes[2] ? 1 : 0], &path, &f->ip,
		       f->bytes, f->len, net->now_ns);
}

static void network(struct net *net, uint8_t how)
{
	unsigned i = net->n ? byte(&net->in) % net->n : 0;
	struct flight f;

	if (!net->n)
		return;
	f = net->flights[i];
	if (!(how & 1))
		net->flights[i] = net->flights[--net->n];
	if (how & 2)
		return;
	if (how & 4) {
		uint8_t at = byte(&net->in);

		f.bytes[at % f.len] ^= byte(&net->in);
		if (f.bytes[8] * 4u <= f.len)
			sal_checksum_set(f.bytes);
	}
	if (how & 8)
		f.path.local = v4(10, 0, 7, 7);
	arrive(net, &f);
}

static void forge(struct net *net)
{
	struct flight f = { .path = { .local = v4(10, 0, 1, 1),
				      .remote = v4(10, 0, 0, 1) } };

	f.len = take(&net->in, f.bytes, sizeof(f.bytes));
	if (f.len >= SAL_HEADER_LEN && f.bytes[8] * 4u <= f.len)
		sal_checksum_set(f.bytes);
	if (byte(&net->in) & 1)
		f.path = (struct sal_path){ .local = v4(10, 0, 0, 1),
					    .remote = v4(10, 0, 1, 1) };
	arrive(net, &f);
}

static void hint(struct net *net, unsigned host)
{
	struct flight *f = &net->flights[0];
	size_t n = byte(&net->in);

	if (!net->n)
		return;
	sal_unreachable(net->sal[host], &f->path, f->bytes,
			n < f->len ? n : f->len, net->now_ns);
	sal_path_mtu(net->sal[host], &f->path, f->bytes,
		     n < f->len ? n : f->len, (uint16_t)(byte(&net->in) * 8),
		     net->now_ns);
}

static void time_goes_on(struct net *net, uint8_t by)
{
	net->now_ns += INT64_C(1000000) << (by % 24);
	for (int i = 0; i < 2; i++) {
		for (int k = 0; sal_next_ns(net->sal[i]) <= net->now_ns; k++) {
			if (k > 100)
				abort();
			sal_tick(net->sal[i], net->now_ns);
		}
	}
}

/* ---- sockets ------------------------------------------------------------- */

struct chosen {
	uint32_t flow;
	unsigned n, at;
};

static void choose(void *arg, const struct sal_flow_info *f)
{
	struct chosen *c = arg;

	if (f->native && c->n++ == c->at)
		c->flow = f->local_id;
}

/* Any of the native flows, or a number that is none's. */
static uint32_t any_native(struct net *net, unsigned host)
{
	struct chosen c = { .at = byte(&net->in) % 4 };

	sal_flows(net->sal[host], choose, &c);
	return c.flow;
}

/* The service of a host's sockets: the other's rule is for that of 1. */
static struct service_id service_of(unsigned host)
{
	return (struct service_id){ { (uint8_t)(2 - host) } };
}

static void native_opens(struct net *net, unsigned host, uint8_t how)
{
	uint8_t syn[SAL_NATIVE_SEGMENT_MAX] = { [12] = 5 << 4, [13] = 2 };
	struct sal_listener l = { .id = service_of(host),
				  .bits = how & 1 ? 256 : 7,
				  .protocol =
					  how & 2 ? IPPROTO_TCP : IPPROTO_UDP,
				  .datagrams = how & 4 };
	struct sal_connect c = { .service = service_of(1 - host),
				 .protocol = l.protocol,
				 .encapsulated = how & 1,
				 .has_local = how & 4,
				 .local = service_of(host),
				 .segment = how & 2 ? syn : NULL,
				 .len = how & 2 ? 20 : 0 };
	uint32_t made;

	if (!(how & 8)) {
		sal_native_listen(net->sal[host], &l, &net->socket[host],
				  net->now_ns);
		return;
	}
	if (how & 16)
		c.to = v4(10, 0, (uint8_t)(1 - host), 1);
	sal_native_connect(net->sal[host], &c, &made, net->now_ns);
}

static void native_says(struct net *net, unsigned host, bool connected)
{
	uint8_t bytes[100] = { [12] = 5 << 4 };
	struct sal_datagram d = { .to = service_of(1 - host),
				  .from = service_of(host),
				  .socket = net->socket[host],
				  .bytes = bytes };
	uint32_t flow = any_native(net, host);
	size_t len = take(&net->in, bytes, sizeof(bytes));

	if (!len) {
		bytes[12] = 5 << 4;
		len = 20;
	}
	d.len = len;
	if (connected)
		sal_native_send(net->sal[host], flow, bytes, len, net->now_ns);
	else
		sal_native_send_datagram(net->sal[host], &d, net->now_ns);
}

static void native(struct net *net, unsigned host, unsigned what)
{
	struct sal *s = net->sal[host];
	struct ip_addr to;

	switch (what) {
	case 0:
		native_opens(net, host, byte(&net->in));
		break;
	case 1:
	case 2:
		native_says(net, host, what == 1);
		break;
	case 3:
		sal_native_close(s, any_native(net, host), net->now_ns);
		break;
	case 4:
		sal_native_abort(s, any_native(net, host), net->now_ns);
		break;
	case 5:
		to = v4(10, 0, (uint8_t)host, byte(&net->in) % 3);
		sal_native_migrate(s, any_native(net, host), &to, net->now_ns);
		break;
	default:
		sal_native_unlisten(s, net->socket[host], net->now_ns);
	}
}

static void on_receive(void *arg, const struct sal_flow_info *f,
		       const uint8_t *bytes, size_t len)
{
	(void)arg;
	if (!f->native || !f->local_id || !f->remote_id)
		abort();
	touch(bytes, len);
}

static void on_end(void *arg, const struct sal_flow_info *f)
{
	on_receive(arg, f, NULL, 0);
}

static void on_datagram(void *arg, const struct sal_datagram *d)
{
	(void)arg;
	touch(d->bytes, d->len);
}

/* Whatever comes first in the input, and often nothing. */
static size_t on_answer(void *arg, const struct sal_flow_info *f, uint8_t flags,
			const uint8_t *segment, size_t len, uint8_t *out)
{
	struct net *net = arg;

	touch(segment, len);
	if (!f->native || !(flags & SAL_FLAG_ACK))
		abort();
	return byte(&net->in) & 3 ? take(&net->in, out, 60) : 20;
}

static void step(struct net *net)
{
	uint8_t op = byte(&net->in);
	unsigned host = op >> 7;

	if ((op & 127) >= 120) {
		native(net, host, op & 7);
		return;
	}

	switch (op % 10) {
	case 0:
		time_goes_on(net, byte(&net->in));
		break;
	case 1:
		addresses(net, host, byte(&net->in));
		break;
	case 2:
		add_rule(net->sal[host], byte(&net->in), net->now_ns);
		break;
	case 3:
		delete_rule(net->sal[host], byte(&net->in), net->now_ns);
		break;
	case 4:
		forge(net);
		break;
	case 5:
		hint(net, host);
		break;
	case 6:
		inner(net, host);
		break;
	default:
		network(net, op % 10 == 7 ? byte(&net->in) : 0);
	}
}

static struct sal *start(struct net *net, uint8_t host, void **mem)
{
	struct sal_sink sink = { .arg = net,
				 .send = on_send,
				 .deliver = on_deliver,
				 .event = on_event };
	struct sal_native_sink sockets = { net, on_receive, on_end, on_datagram,
					   on_answer };
	struct sal_config c = { .max_flows = 0 };
	struct ip_addr addr = v4(10, 8, 0, 1);
	struct service_id id = { { 1 } };
	struct sal *s;

	sal_config_defaults(&c);
	c.key[0] = host;
	c.inner4 = v4(10, 9, 0, host);
	c.max_flows = 4;
	c.max_half_open = 3;
	c.max_forwarded = 8;
	c.max_listeners = 3;
	c.max_services = 4;
	c.queue_bytes = c.unacked_bytes = 4096;
	*mem = malloc(sal_memory(&c));
	if (!*mem || sal_init(*mem, sal_memory(&c), &c, &sink, net->now_ns, &s))
		abort();
	sal_name_set(s, &id, &addr, NULL);
	sal_native_open(s, &sockets);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net net = { .now_ns = 1, .in = { data, size } };
	void *mem[2];

	for (uint8_t i = 0; i < 2; i++) {
		net.sal[i] = start(&net, i, &mem[i]);
		addresses(&net, i, 2);
	}
	add_rule(net.sal[0], 8 | 2, net.now_ns);
	add_rule(net.sal[1], 8 | 1, net.now_ns);
	for (int i = 0; i < STEPS_MAX && net.in.left; i++) {
		step(&net);
		if (sal_stats(net.sal[0])->broken ||
		    sal_stats(net.sal[1])->broken)
			abort();
	}
	free(mem[0]);
	free(mem[1]);
	return 0;
}
