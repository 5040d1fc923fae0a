/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flows: numbered slots of one array, found through four hash indexes. (The
 * flow table of node/table has two of them, and a tuple from the first: but a
 * flow that an empty SYN has opened learns its ports later, and the other two
 * are this engine's own business.) Nothing moves, so a pointer to a flow is
 * good until the flow is closed.
 *
 * What a stranger can choose (tuples, SYNs) is hashed with SipHash under a key
 * of our own, lest somebody aims all flows at one place. Local flow IDs are
 * random numbers of ours, and hash to themselves: this is the index that each
 * data packet needs.
 */
#include "node/sal/engine.h"

#include <netinet/in.h>
#include <sodium/crypto_shorthash.h>
#include <string.h>

_Static_assert(SAL_HASH_KEY == crypto_shorthash_KEYBYTES, "SipHash's key");

/* ---- the four indexes --------------------------------------------------- */

#define KEY_MAX 64

struct key {
	uint8_t bytes[KEY_MAX];
	size_t n;
};

static void key_put(struct key *k, const void *bytes, size_t n)
{
	memcpy(k->bytes + k->n, bytes, n);
	k->n += n;
}

static void key_put_addr(struct key *k, const struct ip_addr *a)
{
	uint8_t family = (uint8_t)a->family;

	key_put(k, &family, 1);
	key_put(k, a->bytes, sizeof(a->bytes));
}

static void key_of_tuple(struct key *k, const struct sal_tuple *t, bool local)
{
	k->n = 0;
	if (local)
		key_put_addr(k, &t->local);
	key_put_addr(k, &t->remote);
	key_put(k, &t->port_local, sizeof(t->port_local));
	key_put(k, &t->port_remote, sizeof(t->port_remote));
	key_put(k, &t->protocol, 1);
}

static void key_of_syn(struct key *k, const struct ip_addr *inner,
		       uint32_t remote_id, uint64_t nonce)
{
	k->n = 0;
	key_put_addr(k, inner);
	key_put(k, &remote_id, sizeof(remote_id));
	key_put(k, &nonce, sizeof(nonce));
}

static struct sal_tuple tuple_of(const struct sal_flow *f)
{
	return (struct sal_tuple){
		.local = f->info.inner_local,
		.remote = f->info.inner_remote,
		.port_local = f->info.port_local,
		.port_remote = f->info.port_remote,
		.protocol = f->info.protocol,
	};
}

static void key_of_flow(struct key *k, const struct sal_flow *f,
			enum sal_index which)
{
	struct sal_tuple t;

	switch (which) {
	case SAL_BY_TUPLE:
	case SAL_BY_PORT:
		t = tuple_of(f);
		key_of_tuple(k, &t, which == SAL_BY_TUPLE);
		break;
	case SAL_BY_SYN:
		key_of_syn(k, &f->info.inner_remote, f->tie.remote_id,
			   f->tie.peer_nonce);
		break;
	default:
		k->n = 0;
		key_put(k, &f->info.local_id, sizeof(f->info.local_id));
	}
}

static uint32_t hash(const struct sal *s, enum sal_index which,
		     const struct key *k)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint32_t h;

	if (which == SAL_BY_ID) {
		memcpy(&h, k->bytes, sizeof(h));
		return h;
	}
	crypto_shorthash(out, k->bytes, k->n, s->hash_key);
	memcpy(&h, out, sizeof(h));
	return h;
}

struct search {
	const struct sal *s;
	enum sal_index which;
};

static bool is_searched(const void *arg, uint32_t entry, const void *key)
{
	const struct search *search = arg;
	const struct key *k = key;
	struct key own;

	key_of_flow(&own, &search->s->flows[entry], search->which);
	return own.n == k->n && !memcmp(own.bytes, k->bytes, k->n);
}

static struct sal_flow *find(const struct sal *s, enum sal_index which,
			     const struct key *k)
{
	struct search search = { s, which };
	uint32_t entry = hash_index_find(&s->index[which], hash(s, which, k),
					 is_searched, &search, k);

	return entry == HASH_NONE ? NULL : &s->flows[entry];
}

static uint32_t number(const struct sal *s, const struct sal_flow *f)
{
	return (uint32_t)(f - s->flows);
}

void sal_flow_index(struct sal *s, struct sal_flow *f, enum sal_index which)
{
	struct key k;

	if (f->indexed[which])
		return;
	key_of_flow(&k, f, which);
	f->hash[which] = hash(s, which, &k);
	/* Where the index will not take it, the flow is found by the others;
	 * only somebody who knows our key could bring that about. */
	f->indexed[which] =
		!hash_index_add(&s->index[which], f->hash[which], number(s, f));
}

void sal_flow_unindex(struct sal *s, struct sal_flow *f, enum sal_index which)
{
	if (f->indexed[which])
		hash_index_remove(&s->index[which], f->hash[which],
				  number(s, f));
	f->indexed[which] = false;
}

void sal_flow_rename(struct sal *s, struct sal_flow *f, uint32_t id)
{
	sal_flow_unindex(s, f, SAL_BY_ID);
	f->info.local_id = id;
	sal_flow_index(s, f, SAL_BY_ID);
}

struct sal_flow *sal_flow_by_id(const struct sal *s, uint32_t local_id)
{
	struct key k = { .n = 0 };

	key_put(&k, &local_id, sizeof(local_id));
	return find(s, SAL_BY_ID, &k);
}

struct sal_flow *sal_flow_by_tuple(const struct sal *s,
				   const struct sal_tuple *t)
{
	struct key k;

	key_of_tuple(&k, t, true);
	return find(s, SAL_BY_TUPLE, &k);
}

struct sal_flow *sal_flow_by_port(const struct sal *s,
				  const struct sal_tuple *t)
{
	struct key k;

	key_of_tuple(&k, t, false);
	return find(s, SAL_BY_PORT, &k);
}

struct sal_flow *sal_flow_by_syn(const struct sal *s,
				 const struct ip_addr *inner,
				 uint32_t remote_id, uint64_t nonce)
{
	struct key k;

	key_of_syn(&k, inner, remote_id, nonce);
	return find(s, SAL_BY_SYN, &k);
}

void sal_flow_set_tuple(struct sal *s, struct sal_flow *f,
			const struct sal_tuple *t)
{
	f->info.inner_local = t->local;
	f->info.inner_remote = t->remote;
	f->info.port_local = t->port_local;
	f->info.port_remote = t->port_remote;
	f->info.protocol = t->protocol;
	f->has_ports = true;
	sal_flow_index(s, f, SAL_BY_TUPLE);
	if (!f->info.client && t->protocol == IPPROTO_UDP)
		sal_flow_index(s, f, SAL_BY_PORT);
}

/* ---- slots -------------------------------------------------------------- */

/*
 * Who makes room for a new conversation, where there is none. In this order:
 *
 * - a flow in TIME_WAIT, which has nothing left to do but to let late segments
 *   pass; tombstones (handoff.c) later than others;
 * - a question and its answer, in datagrams: most of them are over, and only
 *   their idle time-out would tell. Without this, a program with a socket for
 *   each question fills the table within its three minutes, and all others
 *   are shut out. (Without an answer it is none: it would be given up for
 *   the next one just before it is answered, and so would that.)
 * - any other conversation in datagrams that was idle for long. If it is not
 *   over, it goes on by the service's name with the client's next packet.
 *
 * Never one over TCP, which could not go on; and none that is open for a
 * stranger's SYN, which costs its sender nothing: only for a program of ours,
 * and for who has shown that he reads where he seems to be.
 */
#define YIELDS_SHORT_NS (200 * MS)
#define YIELDS_LONG_NS (10 * SECOND)
#define SHORT_PACKETS 6 /* both ways; what is less is a question */
/* So many are compared; of a table of a million, not all. */
#define YIELD_SEARCH 1024
/* Where a search through all of them found none, none begins before so long for
 * each, lest a stranger keep us busy with them. */
#define YIELD_REST_NS INT64_C(1000)

enum yields {
	YIELDS_NOT,
	YIELDS_LONG,
	YIELDS_SHORT,
	YIELDS_STILL,
	YIELDS_OVER
};

static enum yields yields(const struct sal *s, const struct sal_flow *f)
{
	int64_t idle_ns = s->now_ns - f->info.last_used_ns;

	if (f->info.state == SAL_TIME_WAIT)
		return sal_flow_still(f) ? YIELDS_STILL : YIELDS_OVER;
	if (f->info.state != SAL_ESTABLISHED || f->hand != SAL_HAND_NONE ||
	    f->info.native || f->info.protocol == IPPROTO_TCP)
		return YIELDS_NOT;
	if (idle_ns >= YIELDS_LONG_NS)
		return YIELDS_LONG;
	return f->info.packets_in && f->info.packets_out &&
			       f->info.packets_in + f->info.packets_out <
				       SHORT_PACKETS &&
			       idle_ns >= YIELDS_SHORT_NS ?
		       YIELDS_SHORT :
		       YIELDS_NOT;
}

static int64_t left_alone_ns(const struct sal_flow *f)
{
	return f->info.state == SAL_TIME_WAIT ? f->since_ns :
						f->info.last_used_ns;
}

/* The best of the next YIELD_SEARCH, or the first one behind these. */
static struct sal_flow *who_yields(struct sal *s)
{
	struct sal_flow *best = NULL;
	enum yields best_yields = YIELDS_NOT;

	for (uint32_t n = 0; n < s->flow_fresh; n++) {
		struct sal_flow *f = &s->flows[s->yield_at];
		enum yields y = f->in_use ? yields(s, f) : YIELDS_NOT;

		if (best && n >= YIELD_SEARCH)
			break;
		s->yield_at = (s->yield_at + 1) % s->flow_fresh;
		if (y > best_yields ||
		    (best && y == best_yields &&
		     left_alone_ns(f) < left_alone_ns(best))) {
			best = f;
			best_yields = y;
		}
	}
	return best;
}

enum sal_room sal_make_room(struct sal *s, bool proved)
{
	struct sal_flow *f;

	if (s->flow_free || s->flow_fresh < s->config.max_flows)
		return SAL_ROOM;
	if (s->now_ns < s->yield_rest_ns)
		return SAL_NO_ROOM;
	f = who_yields(s);
	if (!f) {
		s->yield_rest_ns = s->now_ns + s->flow_fresh * YIELD_REST_NS;
		return SAL_NO_ROOM;
	}
	if (f->info.state == SAL_TIME_WAIT) {
		sal_step(s, f, SAL_ON_DISPLACED, NULL);
		return SAL_ROOM;
	}
	if (!proved)
		return SAL_ROOM_IF_PROVED;
	s->stats.displaced++;
	sal_step_because(s, f, SAL_ON_WITHDRAWN, SAL_REASON_TABLE_FULL);
	return SAL_ROOM;
}

struct sal_flow *sal_flow_new(struct sal *s)
{
	struct sal_flow *f;
	uint32_t id;

	if (sal_make_room(s, true) != SAL_ROOM) {
		s->stats.table_full++;
		return NULL;
	}
	if (s->flow_free) {
		f = &s->flows[s->flow_free - 1];
		s->flow_free = f->next_free;
	} else {
		f = &s->flows[s->flow_fresh++];
	}
	memset(f, 0, sizeof(*f));
	do
		id = sal_rand_nonzero(&s->rand);
	while (sal_flow_by_id(s, id));
	f->in_use = true;
	f->retry_ns = SAL_NEVER;
	f->info.local_id = id;
	f->info.state = SAL_CLOSED;
	f->info.opened_ns = f->info.last_used_ns = f->since_ns = s->now_ns;
	sal_flow_index(s, f, SAL_BY_ID);
	s->flow_count++;
	return f;
}

void sal_flow_forget(struct sal *s, struct sal_flow *f)
{
	sal_way_end(s, f);
	for (int i = 0; i < SAL_INDEX_COUNT_; i++)
		sal_flow_unindex(s, f, (enum sal_index)i);
	sal_unhold(s, f);
	sal_move_forget(s, f);
	sal_store_clear(&s->queue, &f->queue);
	sal_store_clear(&s->unacked, &f->unacked);
	sal_timers_set(&s->timers, number(s, f), SAL_NEVER);
	f->in_use = false;
	f->next_free = s->flow_free;
	s->flow_free = number(s, f) + 1;
	s->flow_count--;
}

struct sal_flow *sal_flow_each(const struct sal *s, uint32_t *at)
{
	while (*at < s->flow_fresh) {
		struct sal_flow *f = &s->flows[(*at)++];

		if (f->in_use)
			return f;
	}
	return NULL;
}

/* ---- states ------------------------------------------------------------- */

struct sal_flow_info sal_flow_seen(const struct sal_flow *f)
{
	static const char *const hands[] = {
		[SAL_HAND_HELD] = "held",
		[SAL_HAND_IMPORTED] = "imported",
		[SAL_HAND_GIVEN] = "given",
	};
	struct sal_flow_info info = f->info;

	info.remote_id = f->tie.remote_id;
	info.path = f->tie.path;
	info.hand = hands[f->hand];
	return info;
}

void sal_flow_report(struct sal *s, const struct sal_flow *f,
		     struct sal_event *e)
{
	e->now_ns = s->now_ns;
	e->flow = sal_flow_seen(f);
	e->why = f->way_why;
	s->sink.event(s->sink.arg, e);
}

void sal_flow_event(struct sal *s, struct sal_flow *f, enum sal_event_kind kind,
		    uint16_t reason, uint32_t count)
{
	struct sal_event e = { .kind = kind, .reason = reason, .count = count };

	sal_flow_report(s, f, &e);
}

bool sal_flow_stateless(const struct sal_flow *f)
{
	return f->info.protocol != IPPROTO_TCP && !f->info.native;
}

bool sal_flow_closing(const struct sal_flow *f)
{
	return f->info.state == SAL_FIN_WAIT ||
	       f->info.state == SAL_TIME_WAIT ||
	       f->info.state == SAL_CLOSE_WAIT;
}

/* ---- what it waits for -------------------------------------------------- */

static int64_t idle_ns(const struct sal *s, const struct sal_flow *f)
{
	switch (f->info.protocol) {
	case IPPROTO_TCP:
		return s->config.idle_tcp_ns;
	case IPPROTO_UDP:
		return f->info.native ? s->config.idle_tcp_ns :
					s->config.idle_udp_ns;
	default:
		return s->config.idle_icmp_ns;
	}
}

bool sal_flow_unproven(const struct sal_flow *f)
{
	switch (f->info.state) {
	case SAL_CLOSED:
	case SAL_SYN_SENT:
	case SAL_ESTABLISHED:
		return false;
	case SAL_SYN_RCVD:
		return true;
	default:
		return !f->info.client && !f->opened && !f->confirmed;
	}
}

static int64_t end_ns(const struct sal *s, const struct sal_flow *f)
{
	if (f->hand == SAL_HAND_HELD || f->hand == SAL_HAND_IMPORTED)
		return f->hand_until_ns;
	switch (f->info.state) {
	case SAL_SYN_SENT:
	case SAL_SYN_RCVD:
		return SAL_NEVER; /* their tries are counted */
	case SAL_FIN_WAIT:
		return f->fin_acked ? f->since_ns + SAL_TIME_WAIT_NS :
				      SAL_NEVER;
	case SAL_TIME_WAIT:
		return f->since_ns + SAL_TIME_WAIT_NS;
	case SAL_CLOSE_WAIT:
		return f->info.native ? SAL_NEVER :
					f->since_ns + SAL_CLOSE_WAIT_MAX_NS;
	case SAL_ESTABLISHED:
	case SAL_NOADDRESS:
	case SAL_NOADDRESS_RSYN_RCVD:
		if (f->info.native)
			return SAL_NEVER; /* its socket closes it */
		return f->info.last_used_ns + idle_ns(s, f);
	default:
		return f->info.last_used_ns + idle_ns(s, f);
	}
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t sal_flow_end_ns(const struct sal *s, const struct sal_flow *f)
{
	int64_t end = end_ns(s, f);

	/* In SYN_RCVD its tries are counted; they come to the same. */
	if (sal_flow_unproven(f) && f->info.state != SAL_SYN_RCVD)
		end = earlier(end, f->info.opened_ns + SAL_UNPROVEN_MAX_NS);
	return end;
}

static int64_t next_task_ns(const struct sal *s, const struct sal_flow *f)
{
	int64_t due = earlier(f->retry_ns, sal_ask_due_ns(s, f));

	due = earlier(due, sal_keepalive_due_ns(s, f));
	due = earlier(due, sal_alive_due_ns(s, f));
	due = earlier(due, sal_list_due_ns(f));
	due = earlier(due, sal_back_due_ns(f));
	due = earlier(due, sal_bound_due_ns(f));
	return earlier(due, sal_prove_due_ns(s, f));
}

void sal_flow_arm(struct sal *s, struct sal_flow *f)
{
	/* Packets that come later make the end later, and don't touch the
	 * timer: whoever is woken looks again. */
	int64_t due = sal_flow_end_ns(s, f);

	/* One that stands still waits for nothing else. */
	if (!sal_flow_still(f))
		due = earlier(due, next_task_ns(s, f));
	f->armed_ns = due;
	sal_timers_set(&s->timers, number(s, f), due);
}

void sal_flow_retry_start(struct sal *s, struct sal_flow *f, int64_t gap_ns)
{
	f->tries = 1;
	f->retry_gap_ns = gap_ns;
	f->retry_ns = s->now_ns + gap_ns;
	sal_flow_arm(s, f);
}

void sal_flow_retry_again(struct sal *s, struct sal_flow *f, int64_t gap_max_ns)
{
	f->tries++;
	f->retry_gap_ns *= 2;
	if (f->retry_gap_ns > gap_max_ns)
		f->retry_gap_ns = gap_max_ns;
	f->retry_ns = s->now_ns + f->retry_gap_ns;
	sal_flow_arm(s, f);
}

void sal_flow_retry_stop(struct sal *s, struct sal_flow *f)
{
	f->retry_ns = SAL_NEVER;
	sal_flow_arm(s, f);
}
