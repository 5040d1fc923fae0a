/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ways between the two ends of a flow: one is active, the others stand by.
 *
 * A way is one of our addresses, one of the peer's, and with or without UDP
 * encapsulation. Ours come in the order of the policy (sal_set_policy): the
 * first is the best. The peer's are where it speaks from, those it has told us,
 * and where it was a moment ago. All pairs of one family, ours counting first,
 * are the candidates for the next move, and each that is tried is a move of its
 * own, with a version of its own: the peer answers to where the newest came
 * from, and a repetition from elsewhere would be answered to where the first
 * did.
 *
 * Addresses are told by ADDRESS extensions on an ACK, which needs the nonce as
 * any control packet. A list has a version, the same for all flows of a host:
 * the newest counts, and is a whole. It is repeated a few times until its
 * version comes back. A host with one address has nothing to tell, and says
 * nothing until it has had two. What a peer tells is kept up to a bound, and
 * only such addresses as a peer may have; a lie makes us send some RSYNs there.
 */
#include "node/sal/engine.h"

#include <errno.h>
#include <string.h>

/* Let the handshake or the move be over. */
#define LIST_DELAY_NS (10 * MS)
#define LIST_GAP_NS (200 * MS)
#define LIST_TRIES 5

/* ---- our own ------------------------------------------------------------ */

static bool better(const struct sal *s, const struct sal_local_address *a,
		   const struct sal_local_address *b)
{
	if (s->policy.avoid_metered && a->metered != b->metered)
		return b->metered;
	return s->policy.by_cost && a->cost < b->cost;
}

/* Stable: what the policy holds for equal stays in the order it was given in.
 */
static void sort(const struct sal *s, struct sal_local_address *v, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		struct sal_local_address moving = v[i];
		uint32_t at = i;

		while (at && better(s, &moving, &v[at - 1])) {
			v[at] = v[at - 1];
			at--;
		}
		v[at] = moving;
	}
}

int64_t sal_path_since(const struct sal *s, const struct ip_addr *addr)
{
	for (uint32_t i = 0; i < s->address_count; i++)
		if (ip_addr_equal(&s->addresses[i].addr, addr))
			return s->since_ns[i];
	return s->now_ns;
}

/* Those that were there before come in another order. */
static bool is_reordered(const struct sal *s, const struct sal_local_address *v,
			 uint32_t n)
{
	const struct sal_local_address *last = s->addresses;

	for (uint32_t i = 0; i < n; i++) {
		const struct sal_local_address *before =
			sal_local_address(s, &v[i].addr);

		if (before && before < last)
			return true;
		if (before)
			last = before;
	}
	return false;
}

static bool is_newly_metered(const struct sal *s,
			     const struct sal_local_address *a)
{
	const struct sal_local_address *before = sal_local_address(s, &a->addr);

	return a->metered && before && !before->metered;
}

void sal_paths_set_local(struct sal *s, const struct sal_local_address *list,
			 size_t n)
{
	struct sal_local_address sorted[SAL_ADDRESSES_MAX];
	int64_t since_ns[SAL_ADDRESSES_MAX];
	bool same, metered[SAL_ADDRESSES_MAX];

	if (n > SAL_ADDRESSES_MAX)
		n = SAL_ADDRESSES_MAX;
	memset(s->given, 0, sizeof(s->given));
	for (size_t i = 0; i < n; i++)
		s->given[i] = sorted[i] = list[i];
	s->given_count = (uint32_t)n;
	sort(s, sorted, (uint32_t)n);
	s->reordered = is_reordered(s, sorted, (uint32_t)n);
	same = n == s->address_count;
	for (size_t i = 0; i < n && same; i++)
		same = ip_addr_equal(&sorted[i].addr, &s->addresses[i].addr);
	for (size_t i = 0; i < n; i++)
		since_ns[i] = sal_path_since(s, &sorted[i].addr);
	for (size_t i = 0; i < n; i++)
		metered[i] = is_newly_metered(s, &sorted[i]);
	if (n) {
		memcpy(s->addresses, sorted, n * sizeof(*sorted));
		memcpy(s->since_ns, since_ns, n * sizeof(*since_ns));
		memcpy(s->newly_metered, metered, n * sizeof(*metered));
	}
	s->address_count = (uint32_t)n;
	s->list_verno += !same;
}

/* ---- candidates --------------------------------------------------------- */

#define REMOTES_MAX (1 + SAL_STANDBY_MAX + SAL_FORMER_PATHS)

static unsigned add_remote(struct ip_addr *v, unsigned n,
			   const struct ip_addr *addr)
{
	if (!ip_addr_size(addr))
		return n;
	for (unsigned i = 0; i < n; i++)
		if (ip_addr_equal(&v[i], addr))
			return n;
	v[n] = *addr;
	return n + 1;
}

static unsigned remotes_of(const struct sal_flow *f,
			   struct ip_addr v[REMOTES_MAX])
{
	unsigned n = add_remote(v, 0, &f->home.remote);

	for (unsigned i = 0; i < f->standby_count; i++)
		n = add_remote(v, n, &f->standby[i]);
	for (unsigned i = 0; i < SAL_FORMER_PATHS; i++)
		if (!(f->former_unproven >> i & 1))
			n = add_remote(v, n, &f->former[i].remote);
	return n;
}

/* What the flow prefers comes first, then what leaves the family as it is: the
 * peer's present address is known to be one, the others it only says it has. */
enum rank { PREFERRED, SAME_FAMILY, OTHER_FAMILY, RANKS };

static enum rank rank_of(const struct sal_flow *f,
			 const struct sal_local_address *a)
{
	if (ip_addr_size(&f->prefers) && ip_addr_equal(&f->prefers, &a->addr))
		return PREFERRED;
	return a->addr.family == f->home.remote.family ? SAME_FAMILY :
							 OTHER_FAMILY;
}

/* With the ports that have worked there, as far as is known. */
static void fill(struct sal *s, const struct sal_flow *f,
		 const struct sal_local_address *local,
		 const struct ip_addr *remote, struct sal_path *out)
{
	*out = (struct sal_path){ .local = local->addr,
				  .remote = *remote,
				  .ifindex = local->ifindex };
	if (ip_addr_equal(remote, &f->home.remote)) {
		out->local_port = f->home.local_port;
		out->remote_port = f->home.remote_port;
	} else if (sal_encap_is_ours(&f->home)) {
		sal_encap_set(out, true);
	} else {
		sal_encap_begin(s, out);
	}
}

/* The kth, the best first. False: there are fewer. *n: how many there are then.
 */
static bool candidate(struct sal *s, const struct sal_flow *f, unsigned k,
		      struct sal_path *out, unsigned *n)
{
	struct ip_addr remotes[REMOTES_MAX];
	unsigned count = remotes_of(f, remotes);

	*n = 0;
	for (int rank = 0; rank < RANKS; rank++) {
		for (uint32_t i = 0; i < s->address_count; i++) {
			const struct sal_local_address *a = &s->addresses[i];

			if ((int)rank_of(f, a) != rank)
				continue;
			for (unsigned j = 0; j < count; j++) {
				if (!sal_reaches(s, a, &remotes[j]))
					continue;
				if ((*n)++ != k)
					continue;
				fill(s, f, a, &remotes[j], out);
				return true;
			}
		}
	}
	return false;
}

static bool same_way(const struct sal_path *a, const struct sal_path *b)
{
	return sal_path_equal(a, b) && ip_addr_equal(&a->local, &b->local);
}

/*
 * The present path may be one that is only being tried, so where the peer was
 * heard last is kept beside it. Before it was heard, that is where its name
 * led.
 */
static void know_home(struct sal_flow *f)
{
	if (!f->tie.remote_id || !ip_addr_size(&f->home.remote))
		f->home = f->tie.path;
}

bool sal_path_best(struct sal *s, struct sal_flow *f, struct sal_path *out)
{
	unsigned n;

	know_home(f);
	return candidate(s, f, 0, out, &n);
}

bool sal_path_better(struct sal *s, struct sal_flow *f, unsigned k,
		     struct sal_path *out)
{
	unsigned n;

	/* In this order, whatever of our own address is not before the present
	 * one is none. */
	know_home(f);
	for (unsigned i = 0; i <= k; i++)
		if (!candidate(s, f, i, out, &n) ||
		    ip_addr_equal(&out->local, &f->tie.path.local))
			return false;
	return true;
}

void sal_path_begin(struct sal_flow *f)
{
	know_home(f);
	f->path_turn = 0;
}

void sal_path_settle(struct sal_flow *f)
{
	f->home = f->tie.path;
	f->path_turn = 0;
}

/* The peer says nothing on the present one. */
void sal_do_other_path(const struct sal_step *t)
{
	struct sal_flow *f = t->f;
	struct sal_path path;
	unsigned n;

	know_home(f);
	for (unsigned k = 0; candidate(t->s, f, k, &path, &n); k++) {
		if (same_way(&path, &f->tie.path))
			continue;
		f->tie.path = path;
		return;
	}
}

/* The turn's way: round after round through the candidates, in every other
 * round with the other encapsulation. False: there is none. */
static bool way_of_turn(struct sal *s, struct sal_flow *f, unsigned turn,
			struct sal_path *out)
{
	unsigned n = 0, none;

	candidate(s, f, UINT32_MAX, out, &n);
	if (!n)
		return false;
	candidate(s, f, (turn - 1) % n, out, &none);
	if ((turn - 1) / n % 2)
		sal_encap_other(s, out);
	return true;
}

/*
 * An RSYN is repeated once, and then sent by the other ways there may be. Each
 * is a new version (see above); where there is one way only, it stays the same.
 */
void sal_do_next_path(const struct sal_step *t)
{
	struct sal_flow *f = t->f;
	struct sal_path path;

	if (f->tries < 2 || f->info.native)
		return;
	/* At most one of two turns can be the present way once more, and then
	 * only at the end of a round. */
	for (int i = 0; i < 3; i++) {
		f->path_turn++;
		if (!way_of_turn(t->s, f, f->path_turn, &path))
			return;
		if (same_way(&path, &f->tie.path))
			continue;
		f->tie.path = path;
		f->rsyn = f->tie.next++;
		f->peer_moved = false;
		f->mtu = 0;
		return;
	}
}

/*
 * Where the RSYN-ACK came from the peer is, be it that the RSYN went there by
 * name. But not if it has moved since our RSYN was sent: then this is a late
 * one.
 */
void sal_do_take_way(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	if (!f->peer_moved) {
		sal_path_take(t->s, f, t->a->path);
		if (f->info.native || sal_proof_has(t->s, f, t->a->path))
			sal_bound_trust(f, &t->a->path->remote);
		else
			sal_bound_begin(t->s, f, t->a);
	}
	if (!f->info.native)
		sal_encap_worked(t->s, &f->tie.path);
}

void sal_path_take(struct sal *s, struct sal_flow *f,
		   const struct sal_path *from)
{
	struct sal_path *path = &f->tie.path;

	know_home(f);
	if (!same_way(&f->home, from))
		sal_path_remember(f, &f->home);
	path->remote = from->remote;
	path->remote_port = from->remote_port;
	path->local_port = from->local_port;
	/* It got here; that we have left that address is what it may not know
	 * yet. */
	for (uint32_t i = 0; i < s->address_count; i++) {
		if (!ip_addr_equal(&s->addresses[i].addr, &from->local))
			continue;
		path->local = from->local;
		path->ifindex = s->addresses[i].ifindex;
	}
	if (path->local.family != path->remote.family) {
		path->local = from->local;
		path->ifindex = from->ifindex;
	}
	/* A move of ours that is under way goes on from here. */
	sal_path_settle(f);
}

/* ---- lists -------------------------------------------------------------- */

static bool is_told(const struct sal *s, const struct sal_flow *f)
{
	return f->list_acked && f->list_told == s->list_verno;
}

void sal_list_changed(struct sal *s, struct sal_flow *f)
{
	f->list_ns = SAL_NEVER;
	f->list_tries = 0;
	sal_prove_later(s, f);
	if (f->info.native || f->info.state != SAL_ESTABLISHED ||
	    is_told(s, f) || (s->address_count < 2 && !f->list_sent))
		return;
	f->list_ns = s->now_ns + LIST_DELAY_NS;
	sal_flow_arm(s, f);
}

bool sal_list_is_out(const struct sal *s, const struct sal_flow *f)
{
	return f->list_ns != SAL_NEVER && f->list_ns && !is_told(s, f);
}

int64_t sal_list_due_ns(const struct sal_flow *f)
{
	return f->info.state == SAL_ESTABLISHED && f->list_ns ? f->list_ns :
								SAL_NEVER;
}

static void list_emit(struct sal *s, struct sal_flow *f)
{
	f->list_sent = true;
	sal_send_control(s, f, &f->tie,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_ACK,
				 .verno = f->rsyn_unanswered ?
						  f->answered_next :
						  f->tie.next,
				 .ackno = f->tie.peer_next,
				 .list = true,
			 });
}

void sal_list_send(struct sal *s, struct sal_flow *f)
{
	s->stats.lists_sent++;
	list_emit(s, f);
	f->list_tries++;
	f->list_ns = f->list_tries < LIST_TRIES ?
			     s->now_ns + (LIST_GAP_NS << f->list_tries) :
			     SAL_NEVER;
	sal_flow_arm(s, f);
}

unsigned sal_list_of(const struct sal *s, sa_family_t family, uint8_t *out)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < s->address_count && i < SAL_STANDBY_MAX; i++) {
		const struct ip_addr *a = &s->addresses[i].addr;
		size_t size = ip_addr_size(a);

		if (a->family == family)
			memcpy(out + n++ * size, a->bytes, size);
	}
	return n;
}

/* One that a host may have, as others see it. */
static bool plausible(const struct ip_addr *a)
{
	static const uint8_t loopback6[16] = { [15] = 1 }, none6[16];
	const uint8_t *b = a->bytes;

	if (a->family == AF_INET)
		return b[0] && b[0] != 127 && b[0] < 224 &&
		       !(b[0] == 169 && b[1] == 254);
	return b[0] != 0xff && !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80) &&
	       memcmp(b, loopback6, 16) != 0 && memcmp(b, none6, 16) != 0;
}

static void keep_list(struct sal_flow *f, const struct sal_ext *e)
{
	for (unsigned i = 0; i < e->address.list.n; i++) {
		struct ip_addr a = sal_list_at(&e->address.list, e->type, i);

		if (f->standby_count < SAL_STANDBY_MAX && plausible(&a))
			f->standby[f->standby_count++] = a;
	}
}

/*
 * By its own word it has not the address where we think it is, and speaks from
 * another. A question of its own, late from where it was between two moves, may
 * have made us ask there, and with two addresses it has answered (challenge.c);
 * of that it knows nothing, and does not tell by an RSYN when that one goes.
 * Behind a NAT it has other addresses than we see.
 */
static bool is_misplaced(const struct sal_flow *f, const struct sal_path *from)
{
	return !f->tie.path.remote_port && !from->remote_port &&
	       !sal_path_equal(&f->tie.path, from) &&
	       !sal_proof_wanted(f, &f->tie.path) && sal_proof_wanted(f, from);
}

void sal_list_arrived(struct sal *s, struct sal_flow *f,
		      const struct sal_arrival *a)
{
	const struct sal_ext *v4 = sal_find(&a->packet, SAL_EXT_ADDRESS, 0);
	const struct sal_ext *v6 = sal_find(&a->packet, SAL_EXT_ADDRESS6, 0);
	const struct sal_ext *any = v4 ? v4 : v6;
	struct ip_addr before[SAL_STANDBY_MAX];
	struct sal_proof proof[SAL_STANDBY_MAX];
	uint32_t n = f->standby_count;
	bool news, knows;

	if (!any)
		return;
	memcpy(before, f->standby, sizeof(before));
	memcpy(proof, f->proof, sizeof(proof));
	news = !f->has_peer_list || sal_after(any->address.verno, f->peer_list);
	if (news) {
		f->has_peer_list = true;
		f->peer_list = any->address.verno;
		f->standby_count = 0;
		if (v4 && v4->address.verno == f->peer_list)
			keep_list(f, v4);
		if (v6 && v6->address.verno == f->peer_list)
			keep_list(f, v6);
		s->stats.lists_taken++;
		sal_proofs_carry(f, before, proof, n);
		sal_prove_later(s, f);
	}
	knows = f->list_sent && any->address.ackno == s->list_verno + 1;
	if (knows) {
		f->list_acked = true;
		f->list_told = s->list_verno;
		f->list_ns = SAL_NEVER;
		sal_back_told(s, f);
	}
	/* Who knows our list and has told nothing new has answered. */
	if (news || !knows)
		list_emit(s, f);
	if (any->address.verno == f->peer_list && is_misplaced(f, a->path))
		sal_ask_path(s, f, a);
}

/* ---- policy ------------------------------------------------------------- */

void sal_paths_changed(struct sal *s)
{
	struct sal_flow *f;
	uint32_t at = 0;

	while ((f = sal_flow_each(s, &at))) {
		sal_list_changed(s, f);
		sal_back_begin(s, f);
	}
}

void sal_set_policy(struct sal *s, const struct sal_policy *p, int64_t now_ns)
{
	struct sal_local_address list[SAL_ADDRESSES_MAX];
	uint32_t n = s->given_count;

	s->policy = *p;
	memcpy(list, s->given, sizeof(list));
	sal_set_addresses(s, list, n, now_ns);
}

void sal_put_policy(struct sal *s, const struct sal_policy *p)
{
	s->policy = *p;
}

struct sal_policy sal_get_policy(const struct sal *s)
{
	return s->policy;
}

int sal_flow_move(struct sal *s, uint32_t local_id, const struct ip_addr *to,
		  int64_t now_ns)
{
	struct sal_flow *f = sal_flow_by_id(s, local_id);
	struct sal_path path;
	struct ip_addr before;
	unsigned n;

	s->now_ns = now_ns;
	if (!f)
		return -ENOENT;
	if (sal_flow_still(f))
		return -EBUSY;
	before = f->prefers;
	f->prefers = *to;
	if (!ip_addr_size(to))
		return 0;
	know_home(f);
	if (!candidate(s, f, 0, &path, &n) || !ip_addr_equal(&path.local, to)) {
		f->prefers = before;
		return -EADDRNOTAVAIL;
	}
	if (f->info.state == SAL_SYN_SENT ||
	    ip_addr_equal(&path.local, &f->tie.path.local))
		return 0;
	f->tie.path = path;
	sal_way_because(f, SAL_WAY_ORDERED);
	sal_step(s, f, SAL_ON_ADDRESS, NULL);
	return 0;
}
