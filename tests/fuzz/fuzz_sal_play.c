// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bytes are a play: operations of four bytes (sal_ops.h) upon two engines
 * and what is between them (sal_pair.h), which has all that must hold at every
 * step. The mutator and the crossover know the operations, so that what comes
 * of them is as good a play, and runs get deep. Then it clears up: both hosts
 * are where the rules say, nothing is lost any more, and
 *
 *   - after the longest back-off no flow that both ends have is between two
 * states,
 *   - when all has been idle nothing is left in the tables and stores,
 *   - and then a ping is answered.
 *
 * PLAY_TRACE in the environment has the play printed.
 *
 * A stranger who does not know the nonces changes no flow that is not closing.
 */
#include "tests/fuzz/sal_ops.h"
#include "tests/fuzz/sal_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size,
				 const uint8_t *b, size_t b_size, uint8_t *out,
				 size_t max, unsigned seed);

#define OPS_MAX 600
#define STEPS_MAX 4000 /* of one operation that lets time go on */

struct op {
	uint8_t kind, a, b, c;
};

/* ---- programs ------------------------------------------------------------ */

static struct sal_inner between(unsigned from, uint8_t protocol, size_t len)
{
	return (struct sal_inner){
		.src = from ? service_addr() : inner_of(0),
		.dst = from ? inner_of(0) : service_addr(),
		.protocol = protocol,
		.len = len,
		.ip.ttl = 64,
	};
}

static void ping(struct pair *p, unsigned from, uint16_t id, uint16_t seq,
		 size_t payload)
{
	struct sal_inner in = between(from, IPPROTO_ICMP, 8 + payload);
	uint8_t b[8 + 256] = { 8,
			       0,
			       0,
			       0,
			       (uint8_t)(id >> 8),
			       (uint8_t)id,
			       (uint8_t)(seq >> 8),
			       (uint8_t)seq };

	program_sends(&p->ends[from], &in, b);
}

static void udp(struct pair *p, unsigned from, uint8_t port, size_t payload)
{
	struct sal_inner in = between(from, IPPROTO_UDP, 8 + payload);
	uint8_t b[8 + 256] = { 0 };

	b[from ? 3 : 1] = (uint8_t)(1 + port % 4);
	b[from ? 1 : 3] = (uint8_t)(53 + (port >> 7));
	b[4] = (uint8_t)(in.len >> 8);
	b[5] = (uint8_t)in.len;
	/* From any address of the host: such a server answers from its own. */
	if (from && port & 64)
		in.src = inner_of(1);
	program_sends(&p->ends[from], &in, b);
	/* What arrives bears the service's. */
	if (from && port & 64) {
		in.src = service_addr();
		transport_checksum_set(IPPROTO_UDP, &in.src, &in.dst, b,
				       in.len);
		seen_add(&p->ends[from].sent, fingerprint(&in));
	}
}

/* Sequence numbers sent, by host and conversation. */
static uint32_t tcp_next[2][2];

/* Not TCP, but segments as it sends them, in the order that the play has. */
static void tcp(struct pair *p, unsigned from, uint8_t what, uint8_t payload)
{
	static const uint8_t flags[] = { 2, 18, 16, 24, 17, 4, 24, 20 };
	unsigned which = what & 1, kind = what >> 1 & 7;
	size_t data = flags[kind] == 24 ? payload : 0;
	struct sal_inner in = between(from, IPPROTO_TCP, 20 + data);
	uint32_t *next = &tcp_next[from][which], seq = *next;
	uint32_t ack = tcp_next[1 - from][which];
	uint8_t b[20 + 256] = { 0 };

	b[from ? 2 : 0] = 16;
	b[from ? 3 : 1] = (uint8_t)which;
	b[from ? 1 : 3] = 80;
	if (kind == 6)
		seq -= payload; /* once more, and not all of it at times */
	for (int i = 0; i < 4; i++) {
		b[4 + i] = (uint8_t)(seq >> (24 - 8 * i));
		b[8 + i] = (uint8_t)(ack >> (24 - 8 * i));
	}
	b[12] = 5 << 4;
	b[13] = flags[kind];
	if (kind != 6)
		*next += (uint32_t)data + (flags[kind] & 3 ? 1 : 0);
	program_sends(&p->ends[from], &in, b);
}

/* ---- strangers ----------------------------------------------------------- */

struct snapshot {
	struct sal_flow_info v[8];
	unsigned n;
};

static void look(void *arg, const struct sal_flow_info *f)
{
	struct snapshot *s = arg;

	if (s->n < 8)
		s->v[s->n++] = *f;
}

static bool closing(const struct sal_flow_info *f)
{
	return f->state == SAL_FIN_WAIT || f->state == SAL_CLOSE_WAIT ||
	       f->state == SAL_TIME_WAIT;
}

static void unchanged(const struct sal *s, const struct snapshot *before)
{
	for (unsigned i = 0; i < before->n; i++) {
		const struct sal_flow_info *f = &before->v[i];
		struct sal_flow_info g;

		if (closing(f))
			continue;
		MUST(sal_flow_find(s, f->local_id, &g));
		MUST(g.state == f->state && g.remote_id == f->remote_id &&
		     ip_addr_equal(&g.path.remote, &f->path.remote) &&
		     ip_addr_equal(&g.path.local, &f->path.local) &&
		     g.path.remote_port == f->path.remote_port &&
		     g.port_local == f->port_local &&
		     g.packets_in == f->packets_in);
	}
}

#define KNOWS_SRC 1
#define KNOWS_DST 2
#define KNOWS_ADDRESS 4
#define KNOWS_NONCE 8
#define KNOWS_VERSIONS 16

static void stranger_packet(struct pair *p, const struct sal_flow *f,
			    struct sal_packet *out, uint8_t kind, uint8_t knows)
{
	static const uint8_t flags[] = {
		SAL_FLAG_RSYN,
		SAL_FLAG_RSYN | SAL_FLAG_ACK,
		SAL_FLAG_ACK,
		SAL_FLAG_FIN,
		SAL_FLAG_FIN | SAL_FLAG_ACK,
		SAL_FLAG_RST,
		SAL_FLAG_RST | SAL_FLAG_ACK,
		SAL_FLAG_SYN | SAL_FLAG_ACK,
		SAL_FLAG_SYN,
		SAL_FLAG_NACK,
	};
	uint64_t nonce = knows & KNOWS_NONCE ? f->tie.peer_nonce :
					       pair_random(p, UINT32_MAX);
	uint8_t which = flags[kind % 16 % 10];
	bool versions = knows & KNOWS_VERSIONS;

	sal_packet_init(out,
			knows & KNOWS_SRC ? f->tie.remote_id :
					    1 + pair_random(p, 1000),
			which == SAL_FLAG_SYN ? 0 :
			knows & KNOWS_DST     ? f->info.local_id :
						1 + pair_random(p, 1000),
			f->info.protocol);
	if (kind % 16 < 10)
		sal_add_control(out, which,
				versions ? f->tie.peer_next + kind / 16 % 3 :
					   pair_random(p, UINT32_MAX),
				versions ? f->tie.next - kind / 64 : 0, nonce);
	else if (kind % 16 < 13)
		sal_add_challenge(out, kind & 1, pair_random(p, UINT32_MAX));
	if (kind % 16 < 10 && which == SAL_FLAG_SYN) {
		static const struct service_id id = { { 1 } };

		sal_add_service(out, &id);
		sal_add_identity(out, &f->info.inner_remote);
	} else if (knows & 32) {
		sal_add_reason(out, 1 + kind / 16 % 7);
	}
	if (knows & 64 && kind % 16 < 10)
		sal_add_challenge(out, SAL_CHALLENGE_ANSWER,
				  knows & KNOWS_NONCE ? f->ask_value : 1);
}

static const struct sal_flow *any_flow(const struct sal *s, unsigned which)
{
	const struct sal_flow *found = NULL;

	for (uint32_t i = 0; i < s->flow_fresh; i++)
		if (s->flows[i].in_use && (!found || which-- > 0))
			found = &s->flows[i];
	return found;
}

static void stranger(struct pair *p, unsigned host, uint8_t kind, uint8_t knows)
{
	struct end *e = &p->ends[host];
	const struct sal_flow *f = any_flow(e->sal, kind >> 6);
	struct flight packet = { .ip.ttl = 9, .foreign = kind % 16 == 8 };
	struct snapshot before = { .n = 0 };
	struct sal_packet s;
	int len;

	if (!f || !e->n_addresses)
		return;
	/* As long as there is no peer its SYN's version takes a nonce's place. */
	if (f->info.state == SAL_SYN_SENT)
		knows &= (uint8_t)~KNOWS_VERSIONS;
	/* Data that has all but the nonce is none of a stranger. */
	if (kind % 16 >= 13 && knows & KNOWS_SRC && knows & KNOWS_DST)
		knows &= (uint8_t)~KNOWS_ADDRESS;
	stranger_packet(p, f, &s, kind, knows);
	len = sal_encode(&s, packet.bytes, sizeof(packet.bytes));
	MUST(len > 0);
	packet.len = (size_t)len;
	if (kind % 16 >= 13 || kind % 16 == 8)
		packet.len += 40; /* zeros: a segment */
	packet.path.local = v4(10, 66, 0, 1);
	if (knows & KNOWS_ADDRESS && ip_addr_size(&f->tie.path.remote))
		packet.path.local = f->tie.path.remote;
	packet.path.remote = e->addresses[0].addr;
	p->tainted |= !!(knows & KNOWS_NONCE);
	sal_flows(e->sal, look, &before);
	arrive(p, &packet);
	if (!p->tainted)
		unchanged(e->sal, &before);
}

/* ---- the network --------------------------------------------------------- */

static void upon_flight(struct pair *p, struct op op)
{
	struct flight f;
	unsigned k;

	if (!p->n)
		return;
	k = op.a % p->n;
	if (op.kind == SAL_OP_DOUBLE) {
		f = p->flights[k];
		add_flight(p, &f, f.due_ns);
		return;
	}
	take_flight(p, k, &f);
	switch (op.kind) {
	case SAL_OP_NOW:
		arrive(p, &f);
		break;
	case SAL_OP_ALTER:
		f.bytes[op.b % f.len] ^= op.c;
		f.altered = true;
		if (f.bytes[8] * 4u <= f.len && f.bytes[8] >= 3)
			sal_checksum_set(f.bytes);
		add_flight(p, &f, f.due_ns);
		break;
	case SAL_OP_NAT:
		/* Control from elsewhere is a move there. */
		p->tainted |= f.bytes[8] > 3;
		f.path.local = v4(10, 77, 0, op.b & 1);
		arrive(p, &f);
		break;
	case SAL_OP_MTU:
		k = host_of(&f.path.local) & 1;
		sal_path_mtu(p->ends[k].sal, &f.path, f.bytes,
			     op.c & 1 ? f.len : 8, (uint16_t)(op.b * 8),
			     p->now_ns);
		break;
	case SAL_OP_UNREACHABLE:
		k = host_of(&f.path.local) & 1;
		sal_unreachable(p->ends[k].sal, &f.path, f.bytes,
				op.b & 1 ? f.len : 8, p->now_ns);
		break;
	default: /* it is lost */
		break;
	}
}

static void replay(struct pair *p, uint8_t which)
{
	unsigned n = p->kept_n < KEPT_MAX ? p->kept_n : KEPT_MAX;
	struct flight f;

	if (!n)
		return;
	f = p->kept[which % n];
	arrive(p, &f);
}

/* ---- operations ---------------------------------------------------------- */

static void trace_op(const struct pair *p, struct op op)
{
	static const char *const names[] = {
#define NAME(name) #name,
		SAL_OPS(NAME)
	};

	if (traces())
		fprintf(stderr, "%12.3f ms %s %u %u %u%s\n",
			(double)p->now_ns / 1e6, names[op.kind % SAL_OP_COUNT_],
			op.a, op.b, op.c, p->tainted ? " (tainted)" : "");
}

static void perform(struct pair *p, struct op op)
{
	struct end *e = &p->ends[op.a & 1];
	static uint16_t seq;

	trace_op(p, op);
	switch ((enum sal_op)(op.kind % SAL_OP_COUNT_)) {
	case SAL_OP_RUN:
		pair_run(p, p->now_ns + (op.a + 256 * op.b) * MS, STEPS_MAX);
		break;
	case SAL_OP_TICK:
		for (int i = op.a % 16; i >= 0; i--)
			pair_step(p, p->now_ns + 3600 * SECOND);
		break;
	case SAL_OP_SLEEP:
		pair_run(p, p->now_ns + (SECOND << op.a % 14), STEPS_MAX);
		break;
	case SAL_OP_WEATHER:
		p->delay_ns = op.a * MS;
		p->loss = op.b;
		p->doubling = op.c;
		break;
	case SAL_OP_PING:
		ping(p, op.a & 1, op.b & 3, ++seq, op.c);
		break;
	case SAL_OP_UDP:
		udp(p, op.a & 1, op.b, op.c);
		break;
	case SAL_OP_TCP:
		tcp(p, op.a & 1, op.b, op.c);
		break;
	case SAL_OP_ADDRESS:
		end_addresses(e, op.b & 7);
		break;
	case SAL_OP_RULE:
		end_rule(e, !(op.b & 1), op.b & 2, op.c);
		break;
	case SAL_OP_REPLAY:
		replay(p, op.a);
		break;
	case SAL_OP_STRANGER:
		stranger(p, op.a & 1, op.b, op.c);
		break;
	case SAL_OP_REBOOT:
		end_start(e);
		break;
	case SAL_OP_DROP:
	case SAL_OP_NOW:
	case SAL_OP_DOUBLE:
	case SAL_OP_ALTER:
	case SAL_OP_NAT:
	case SAL_OP_UNREACHABLE:
	case SAL_OP_MTU:
		op.kind %= SAL_OP_COUNT_;
		upon_flight(p, op);
		break;
	case SAL_OP_COUNT_:
		break;
	}
	pair_echo();
	look_inside(p->ends[0].sal);
	look_inside(p->ends[1].sal);
}

/* ---- when it is over ----------------------------------------------------- */

static bool settled(enum sal_state state)
{
	return state == SAL_ESTABLISHED || state == SAL_FIN_WAIT ||
	       state == SAL_CLOSE_WAIT || state == SAL_TIME_WAIT;
}

static void all_settled(struct pair *p)
{
	struct snapshot s[2] = { { .n = 0 }, { .n = 0 } };

	for (int i = 0; i < 2; i++)
		sal_flows(p->ends[i].sal, look, &s[i]);
	for (unsigned i = 0; i < s[0].n; i++)
		for (unsigned k = 0; k < s[1].n; k++)
			if (s[0].v[i].remote_id == s[1].v[k].local_id &&
			    s[1].v[k].remote_id == s[0].v[i].local_id)
				MUST(settled(s[0].v[i].state) &&
				     settled(s[1].v[k].state));
}

static void clear_up(struct pair *p)
{
	p->loss = p->doubling = 0;
	p->delay_ns = MS;
	end_rule(&p->ends[0], false, true, 0);
	for (unsigned i = 0; i < 7; i++)
		end_rule(&p->ends[1], false, false, i);
	end_rule(&p->ends[1], true, true, 0);
	end_rule(&p->ends[0], true, false, 4);
	for (unsigned i = 0; i < 7; i++)
		if (i != 4)
			end_rule(&p->ends[0], false, false, i);
	/* Where one of those took the last place. */
	end_rule(&p->ends[0], true, false, 4);
	end_addresses(&p->ends[0], 5);
	end_addresses(&p->ends[1], 5);
	/* 45 s of a handshake's back-off, and twice 10 s of a move's. */
	MUST(pair_run(p, p->now_ns + 70 * SECOND, 100000));
	if (!p->tainted)
		all_settled(p);
	MUST(pair_run(p, p->now_ns + 3 * 3600 * SECOND, 200000));
	for (int i = 0; i < 2; i++) {
		look_inside(p->ends[i].sal);
		MUST(!p->ends[i].sal->flow_count);
	}
	ping(p, 0, 4711, 1, 20);
	pair_run(p, p->now_ns + SECOND, 1000);
	MUST(p->ends[0].echo_got == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pair *p = malloc(sizeof(*p));

	if (!p)
		return 0;
	pair_start(p);
	memset(tcp_next, 0, sizeof(tcp_next));
	for (size_t i = 0; i < OPS_MAX && (i + 1) * SAL_OP_BYTES <= size; i++) {
		const uint8_t *o = data + i * SAL_OP_BYTES;

		perform(p, (struct op){ o[0], o[1], o[2], o[3] });
	}
	p->ends[0].echo_got = 0;
	clear_up(p);
	pair_end(p);
	free(p);
	return 0;
}

/* ---- mutation ------------------------------------------------------------ */

static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % below;
}

/* What runs are made of more often than not. */
static void draw_op(uint32_t *seed, uint8_t *o)
{
	static const uint8_t often[] = {
		SAL_OP_RUN, SAL_OP_TICK, SAL_OP_TICK,	 SAL_OP_PING,
		SAL_OP_TCP, SAL_OP_TCP,	 SAL_OP_ADDRESS, SAL_OP_DROP,
		SAL_OP_NOW, SAL_OP_UDP,	 SAL_OP_STRANGER
	};

	o[0] = (uint8_t)(draw(seed, 2) ? often[draw(seed, sizeof(often))] :
					 draw(seed, SAL_OP_COUNT_));
	o[1] = (uint8_t)draw(seed, draw(seed, 2) ? 4 : 256);
	o[2] = (uint8_t)draw(seed, draw(seed, 2) ? 16 : 256);
	o[3] = (uint8_t)draw(seed, draw(seed, 2) ? 32 : 256);
	if (o[0] == SAL_OP_RUN && draw(seed, 4))
		o[2] = 0;
}

static size_t open_gap(uint8_t *data, size_t n, size_t at, size_t ops)
{
	memmove(data + (at + ops) * SAL_OP_BYTES, data + at * SAL_OP_BYTES,
		(n - at) * SAL_OP_BYTES);
	return n + ops;
}

static size_t mutate_once(uint8_t *data, size_t n, size_t room, uint32_t *seed)
{
	uint8_t copy[8 * SAL_OP_BYTES];
	size_t at = n ? draw(seed, (uint32_t)n) : 0, from, ops;

	switch (draw(seed, 6)) {
	case 0: /* one more */
	case 1:
		if (n == room)
			return n;
		at = draw(seed, (uint32_t)n + 1);
		n = open_gap(data, n, at, 1);
		draw_op(seed, data + at * SAL_OP_BYTES);
		return n;
	case 2: /* some less */
		ops = 1 + draw(seed, 4);
		if (at + ops > n)
			return n;
		memmove(data + at * SAL_OP_BYTES,
			data + (at + ops) * SAL_OP_BYTES,
			(n - at - ops) * SAL_OP_BYTES);
		return n - ops;
	case 3: /* some again */
		ops = 1 + draw(seed, 8);
		if (at + ops > n || n + ops > room)
			return n;
		from = at;
		memcpy(copy, data + from * SAL_OP_BYTES, ops * SAL_OP_BYTES);
		at = draw(seed, (uint32_t)n + 1);
		n = open_gap(data, n, at, ops);
		memcpy(data + at * SAL_OP_BYTES, copy, ops * SAL_OP_BYTES);
		return n;
	case 4: /* another argument */
		if (n)
			data[at * SAL_OP_BYTES + 1 + draw(seed, 3)] =
				(uint8_t)draw(seed, draw(seed, 2) ? 8 : 256);
		return n;
	default: /* another one */
		if (n)
			draw_op(seed, data + at * SAL_OP_BYTES);
		return n;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned seed)
{
	size_t n = size / SAL_OP_BYTES, room = max / SAL_OP_BYTES;
	uint32_t state = seed;

	if (room > OPS_MAX)
		room = OPS_MAX;
	if (n > room)
		n = room;
	for (uint32_t i = draw(&state, 6) + 1; i; i--)
		n = mutate_once(data, n, room, &state);
	return n * SAL_OP_BYTES;
}

/* The beginning of the one, the end of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size,
				 const uint8_t *b, size_t b_size, uint8_t *out,
				 size_t max, unsigned seed)
{
	size_t a_n = a_size / SAL_OP_BYTES, b_n = b_size / SAL_OP_BYTES;
	uint32_t state = seed;
	size_t head = draw(&state, (uint32_t)a_n + 1);
	size_t tail = draw(&state, (uint32_t)b_n + 1);

	if (head > max / SAL_OP_BYTES)
		head = max / SAL_OP_BYTES;
	if (head + tail > max / SAL_OP_BYTES)
		tail = max / SAL_OP_BYTES - head;
	memcpy(out, a, head * SAL_OP_BYTES);
	memcpy(out + head * SAL_OP_BYTES, b + (b_n - tail) * SAL_OP_BYTES,
	       tail * SAL_OP_BYTES);
	return (head + tail) * SAL_OP_BYTES;
}
