/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Going back: to a better way than the one that a flow has, where the policy
 * wants that (go_back).
 *
 * Whoever goes back leaves a way that works, and so must not do it for one of
 * which all that is known is that the address is there: a link that has just
 * come up may let nothing through for a while, the first question for a
 * neighbour may be lost, a router may not know us yet, and a way that had
 * fallen silent never lost its address at all. So the better way is asked
 * first, by CHALLENGE, and the flow stays where it is until the answer has come
 * back on it. Then it moves by RSYN as ever; what it sends goes right behind
 * that, as the way is known to lead to the peer.
 *
 *     the end that goes back                       the other end
 *     on its present way
 *     the better way: CHALLENGE asks ---------->
 *                     <--------------- CHALLENGE answers
 *     RSYN, data -----------------------------> RSYN_RCVD ...
 *
 * The obvious alternative, to wait for a while (hold) until such a way has
 * settled, has no right length. It is there as well, for ways that come and go.
 *
 * 1. When the addresses or their order have changed, and whenever a flow has
 *    come to a way that is not the best: the better ones are asked, two times
 *    each in turn, first when the peer has our list of addresses, or after
 *    300 ms, so that it knows who asks; then after gaps that double from 200 ms
 *    to 30 s, for as long as the flow is used. One that nobody uses is asked
 *    about 8 times, over 25 s, and then not until it is used again.
 * 2. The answer counts from where the question went, at the address that it
 *    left from. A question to another way has bits of its own, so that who
 *    tells us a stranger's address cannot have it taken for the way there.
 * 3. An answer is good for all flows that may go by that way: it says nothing
 *    of the peer but that the way leads to it.
 * 4. A way that was left for silence is not asked for a second; nor for twice
 *    as long as the last time, up to 30 s, where the flow had not been back for
 *    a minute. So a way that lets questions through, and not much else, does
 *    not have the flow go to and fro. With a hold it has to answer for so long.
 *    That the peer has moved the flow to another address of ours is as good as
 *    a silence: it had no answer at the one before.
 * 5. All questions of a host take their turn with those of prove.c: 500 a
 *    second at most.
 */
#include "node/sal/engine.h"

#include <string.h>

#define BACK_DELAY_NS (10 * MS) /* let the list be under way */
#define BACK_LIST_NS (300 * MS)
#define BACK_GAP_NS (200 * MS)
#define BACK_GAP_MAX_NS (30 * SECOND)
#define BACK_TRIES_IDLE 8
#define BACK_IDLE_NS (30 * SECOND)
#define SILENT_WAIT_NS (1 * SECOND)
#define SILENT_WAIT_MAX_NS (30 * SECOND)
#define SILENT_CALM_NS (60 * SECOND)

static bool same_ends(const struct sal_path *a, const struct sal_path *b)
{
	return ip_addr_equal(&a->local, &b->local) && sal_path_equal(a, b);
}

static void wait_until(struct sal *s, struct sal_flow *f, int64_t ns)
{
	f->back_ns = ns;
	f->back_slot = false;
	if (ns < f->armed_ns)
		sal_flow_arm(s, f);
}

static void stop(struct sal_flow *f)
{
	f->back_ns = 0;
	f->back_slot = f->back_out = false;
}

static bool wants_back(struct sal *s, struct sal_flow *f)
{
	struct sal_path path;

	return s->policy.go_back && !f->info.native && f->tie.remote_id &&
	       sal_path_better(s, f, 0, &path);
}

/* ---- when a way may be taken -------------------------------------------- */

/* It was left for silence, and its address has been there ever since. */
static bool was_silent(const struct sal *s, const struct sal_flow *f,
		       const struct ip_addr *local)
{
	return f->silent_wait_ns && ip_addr_equal(&f->silent, local) &&
	       f->silent_ns >= sal_path_since(s, local);
}

static int64_t ripe_ns(const struct sal *s, const struct sal_flow *f,
		       const struct ip_addr *local)
{
	int64_t ripe = sal_path_since(s, local) + s->policy.hold_ns;

	if (was_silent(s, f, local) && f->silent_ns + f->silent_wait_ns > ripe)
		ripe = f->silent_ns + f->silent_wait_ns;
	return ripe;
}

/* The kth of the better ways that may be asked by now. False: there are fewer;
 * *n: how many, *next_ns: when the next may be. */
static bool ripe_way(struct sal *s, struct sal_flow *f, unsigned k,
		     struct sal_path *out, unsigned *n, int64_t *next_ns)
{
	*n = 0;
	*next_ns = SAL_NEVER;
	for (unsigned i = 0; sal_path_better(s, f, i, out); i++) {
		int64_t ripe = ripe_ns(s, f, &out->local);

		if (ripe > s->now_ns) {
			if (ripe < *next_ns)
				*next_ns = ripe;
			continue;
		}
		if ((*n)++ == k)
			return true;
	}
	return false;
}

/* One that was silent has to answer for as long as others have to be there. */
static bool answers_long_enough(const struct sal *s, struct sal_flow *f,
				const struct ip_addr *local)
{
	if (!was_silent(s, f, local))
		return true;
	if (!f->answers_ns)
		f->answers_ns = s->now_ns;
	return s->now_ns - f->answers_ns >= s->policy.hold_ns;
}

/* ---- asking ------------------------------------------------------------- */

/* Whatever makes it begin, and however often. */
static int64_t not_before(const struct sal_flow *f, int64_t ns)
{
	int64_t earliest = f->back_sent_ns + BACK_GAP_NS;

	return f->back_sent_ns && earliest > ns ? earliest : ns;
}

void sal_back_begin(struct sal *s, struct sal_flow *f)
{
	const struct sal_local_address *own =
		sal_local_address(s, &f->tie.path.local);

	if (!wants_back(s, f)) {
		stop(f);
		return;
	}
	if (own && s->newly_metered[own - s->addresses] &&
	    s->policy.avoid_metered)
		f->back_why = SAL_WAY_METERED;
	else if (s->reordered)
		f->back_why = SAL_WAY_POLICY;
	else if (!f->back_ns)
		f->back_why = SAL_WAY_BACK;
	f->back_tries = 0;
	f->back_gap_ns = 0;
	f->back_begun_ns = s->now_ns;
	wait_until(s, f, not_before(f, s->now_ns + BACK_DELAY_NS));
}

void sal_back_settle(struct sal *s, struct sal_flow *f)
{
	if (f->info.state != SAL_ESTABLISHED)
		return;
	if (f->back_goes) {
		f->back_went_ns = s->now_ns;
		f->back_goes = false;
		/* It had answered, but not the RSYN. */
		if (!ip_addr_equal(&f->tie.path.local, &f->back_path.local))
			sal_back_left(s, f, &f->back_path.local);
	}
	if (!wants_back(s, f)) {
		stop(f);
	} else if (!f->back_ns) {
		f->back_why = SAL_WAY_BACK;
		f->back_tries = 0;
		f->back_gap_ns = 0;
		f->back_begun_ns = s->now_ns;
		wait_until(s, f, not_before(f, s->now_ns + BACK_DELAY_NS));
	}
}

void sal_back_told(struct sal *s, struct sal_flow *f)
{
	if (f->back_ns && !f->back_tries && !f->back_slot)
		wait_until(s, f, not_before(f, s->now_ns));
}

void sal_back_left(struct sal *s, struct sal_flow *f,
		   const struct ip_addr *local)
{
	bool again = f->silent_wait_ns && f->back_went_ns &&
		     s->now_ns - f->back_went_ns < SILENT_CALM_NS;

	f->silent = *local;
	f->silent_ns = s->now_ns;
	f->silent_wait_ns = again ? 2 * f->silent_wait_ns : SILENT_WAIT_NS;
	if (f->silent_wait_ns > SILENT_WAIT_MAX_NS)
		f->silent_wait_ns = SILENT_WAIT_MAX_NS;
	f->answers_ns = 0;
}

static void ask(struct sal *s, struct sal_flow *f, const struct sal_path *path)
{
	/* The same question again: the answer to the first may be late. */
	if (!f->back_out || !same_ends(path, &f->back_path))
		sal_rand_bytes(&s->rand, &f->back_value, sizeof(f->back_value));
	f->back_path = *path;
	f->back_out = true;
	f->back_sent_ns = s->now_ns;
	f->back_gap_ns = f->back_gap_ns ? 2 * f->back_gap_ns : BACK_GAP_NS;
	if (f->back_gap_ns > BACK_GAP_MAX_NS)
		f->back_gap_ns = BACK_GAP_MAX_NS;
	if (++f->back_tries > 2)
		f->answers_ns = 0;
	s->stats.back_asked++;
	sal_send_challenge(s, f, path, SAL_CHALLENGE_ASK, f->back_value);
	wait_until(s, f, s->now_ns + f->back_gap_ns);
}

/* Its moment, as in prove.c. False: it is to come. */
static bool has_moment(struct sal *s, struct sal_flow *f)
{
	if (f->back_slot)
		return true;
	wait_until(s, f, sal_prove_moment(s));
	f->back_slot = true;
	return f->back_ns <= s->now_ns;
}

int64_t sal_back_due_ns(const struct sal_flow *f)
{
	return f->back_ns && f->info.state == SAL_ESTABLISHED ? f->back_ns :
								SAL_NEVER;
}

void sal_back(struct sal *s, struct sal_flow *f)
{
	struct sal_path path;
	int64_t next_ns;
	unsigned n;

	if (!wants_back(s, f)) {
		stop(f);
		return;
	}
	ripe_way(s, f, UINT32_MAX, &path, &n, &next_ns);
	if (!n) {
		wait_until(s, f, next_ns);
		return;
	}
	if (sal_list_is_out(s, f) &&
	    s->now_ns < f->back_begun_ns + BACK_LIST_NS) {
		wait_until(s, f, f->back_begun_ns + BACK_LIST_NS);
		return;
	}
	if (f->back_tries >= BACK_TRIES_IDLE &&
	    s->now_ns - f->info.last_used_ns > BACK_IDLE_NS) {
		wait_until(s, f, s->now_ns + BACK_IDLE_NS);
		return;
	}
	if (!has_moment(s, f))
		return;
	ripe_way(s, f, f->back_tries / 2 % n, &path, &n, &next_ns);
	ask(s, f, &path);
}

/* ---- answers ------------------------------------------------------------ */

/* It is one of those that the flow may go by, now; to is its own idea of it. */
static bool may_take(struct sal *s, struct sal_flow *f,
		     const struct sal_path *path, struct sal_path *to)
{
	int64_t next_ns;
	unsigned n;

	if (f->info.state != SAL_ESTABLISHED || sal_flow_still(f) ||
	    !wants_back(s, f))
		return false;
	for (unsigned k = 0; ripe_way(s, f, k, to, &n, &next_ns); k++)
		if (same_ends(to, path))
			return true;
	return false;
}

static void take(struct sal *s, struct sal_flow *f, const struct sal_path *to)
{
	f->back_out = false;
	f->back_sent_ns = 0;
	if (!answers_long_enough(s, f, &to->local)) {
		int64_t left = f->answers_ns + s->policy.hold_ns - s->now_ns;
		int64_t gap = s->policy.hold_ns / 4 + BACK_GAP_NS;

		f->back_tries = 0;
		f->back_gap_ns = 0;
		wait_until(s, f, s->now_ns + (left < gap ? left : gap));
		return;
	}
	stop(f);
	f->back_path = *to;
	f->back_goes = true;
	s->stats.back_went++;
	sal_prove_asked(s, f, to);
	f->tie.path = *to;
	sal_way_because(f, f->back_why);
	sal_step(s, f, SAL_ON_ADDRESS, NULL);
}

bool sal_back_answered(struct sal *s, struct sal_flow *f,
		       const struct sal_path *path)
{
	struct sal_path way = f->back_path, to;
	struct sal_flow *other;
	uint32_t at = 0;

	if (!f->back_out || !same_ends(&way, path))
		return false;
	f->back_out = false;
	if (may_take(s, f, &way, &to))
		take(s, f, &to);
	while ((other = sal_flow_each(s, &at)))
		if (other != f && other->back_ns &&
		    may_take(s, other, &way, &to))
			take(s, other, &to);
	return true;
}
