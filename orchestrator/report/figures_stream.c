/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream has no packets to follow, only bytes that were delivered at some
 * time. So what says "restored" is its rate: "during" lasts until the goodput
 * over RECOVERY_WINDOW is back at 90 % of what it was before the action. The
 * first byte that comes through again would be the obvious sign, but what was
 * under way before the action may be just that byte.
 *
 * What was before the action is the last second of the phase before it, not of
 * all that time: TCP's beginning, or an earlier disturbance, is no measure.
 *
 * A bin's bytes count as spread evenly over its 10 ms, so that phases may begin
 * anywhere.
 */
#include "orchestrator/report/figures_internal.h"

#include "base/clock.h"

#include <errno.h>

#define RECOVERY_WINDOW (100 * NSEC_PER_MSEC)
#define RECOVERY_STEP BIN_NS
#define EARLIER_MOST NSEC_PER_SEC
#define EARLIER_LEAST RECOVERY_WINDOW
#define FALL_WITHIN                                                            \
	NSEC_PER_SEC /* what comes later, comes of something else              \
		      */

struct stream {
	const struct figures_stream *in;
	struct figures *figures;
	int64_t begin_ns, end_ns; /* of the connection */
};

/* ---- bytes in a time ----------------------------------------------------- */

/* The first bin that ends behind t. */
static size_t bin_behind(const struct figures_stream *in, int64_t t)
{
	size_t low = 0, high = in->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (in->bins[mid].begin_ns + BIN_NS <= t)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static double bytes_between(const struct stream *s, int64_t from, int64_t to)
{
	const struct figures_stream *in = s->in;
	double sum = 0;

	for (size_t i = bin_behind(in, from);
	     i < in->n && in->bins[i].begin_ns < to; i++) {
		int64_t begin = in->bins[i].begin_ns, end = begin + BIN_NS;

		begin = begin > from ? begin : from;
		end = end < to ? end : to;
		sum += (double)in->bins[i].bytes * (double)(end - begin) /
		       (double)BIN_NS;
	}
	return sum;
}

/* Records may hold any number. */
static int64_t to_int(double v)
{
	return v < 9e18 ? (int64_t)(v + 0.5) : INT64_MAX;
}

/* Within the time of the connection; FIGURE_NONE where there is none. */
static int64_t goodput_between(const struct stream *s, int64_t from, int64_t to)
{
	from = from > s->begin_ns ? from : s->begin_ns;
	to = to < s->end_ns ? to : s->end_ns;
	if (from >= to)
		return FIGURE_NONE;
	return to_int(bytes_between(s, from, to) * 8 * (double)NSEC_PER_SEC /
		      (double)figures_span(to, from));
}

/* ---- recovery ------------------------------------------------------------ */

static int64_t earlier_rate(const struct stream *s, int64_t action_ns)
{
	const struct figures *f = s->figures;
	int64_t from = f->phases.v[f->phases.n - 1].begin_ns;
	int64_t to = action_ns < s->end_ns ? action_ns : s->end_ns;

	from = from > s->begin_ns ? from : s->begin_ns;
	if (from > to || figures_span(to, from) < EARLIER_LEAST)
		return FIGURE_NONE;
	if (figures_span(to, from) > EARLIER_MOST)
		from = to - EARLIER_MOST;
	return goodput_between(s, from, to);
}

/* The window one step on; where there is nothing to be seen, the last one that
 * still sees nothing, so that a long silence takes no time here. */
static int64_t next_window(const struct stream *s, int64_t from)
{
	const struct figures_stream *in = s->in;
	size_t i = bin_behind(in, from);
	int64_t seen_at = i < in->n ? in->bins[i].begin_ns : s->end_ns;
	int64_t steps = 1;

	if (seen_at > from + RECOVERY_WINDOW)
		steps = (seen_at - from - RECOVERY_WINDOW) / RECOVERY_STEP;
	return from + (steps > 1 ? steps : 1) * RECOVERY_STEP;
}

/* The action before this one, if the stream has not come back from it: then
 * there is still that rate to come back to. */
static const struct figures_recovery *still_down(const struct stream *s)
{
	const struct figures *f = s->figures;
	size_t n = f->recoveries.n;

	return n && f->recoveries.v[n - 1].kind == RECOVERY_NEVER ?
		       &f->recoveries.v[n - 1] :
		       NULL;
}

static struct figures_recovery find_recovery(const struct stream *s,
					     int64_t begin_ns, int64_t next_ns)
{
	const struct figures_recovery *before = still_down(s);
	struct figures_recovery r = { RECOVERY_UNKNOWN,
				      before ? before->earlier_bps :
					       earlier_rate(s, begin_ns),
				      FIGURE_NONE };
	int64_t end = next_ns < s->end_ns ? next_ns : s->end_ns;
	bool fell = before != NULL;

	if (r.earlier_bps <= 0)
		return r;
	for (int64_t from = begin_ns; end - from >= RECOVERY_WINDOW;
	     from = next_window(s, from)) {
		int64_t to = from + RECOVERY_WINDOW;
		bool good = (double)goodput_between(s, from, to) >=
			    0.9 * (double)r.earlier_bps;

		if (fell && good) {
			r.kind = RECOVERY_DONE;
			r.after_ns = to - begin_ns;
			return r;
		}
		fell |= !good;
		if (!fell && from - begin_ns >= FALL_WITHIN)
			break;
	}
	/* The connection was not there for long enough to tell. */
	if (!fell && figures_span(end, begin_ns) < RECOVERY_WINDOW &&
	    s->in->complete)
		return r;
	/* It ended in its middle: there are no more bytes to come. */
	fell |= s->end_ns < next_ns && !s->in->complete && !s->in->stopped &&
		figures_span(s->end_ns, begin_ns) < FALL_WITHIN;
	r.kind = fell ? RECOVERY_NEVER : RECOVERY_UNNEEDED;
	if (!fell)
		r.after_ns = 0;
	return r;
}

static int64_t restored_at(void *arg, const struct figures_action *whole,
			   int64_t next)
{
	struct stream *s = arg;
	struct figures_recovery r = { RECOVERY_UNKNOWN, FIGURE_NONE,
				      FIGURE_NONE };
	struct figures_recovery *added;
	int64_t done = whole->end_ns > whole->begin_ns ? whole->end_ns :
							 whole->begin_ns;

	if (whole->begin_ns < s->end_ns)
		r = find_recovery(s, whole->begin_ns, next);
	added = VEC_PUSH(&s->figures->recoveries);
	if (added)
		*added = r;
	switch (r.kind) {
	case RECOVERY_UNKNOWN:
	case RECOVERY_UNNEEDED:
		return done;
	case RECOVERY_DONE:
		done = done > whole->begin_ns + r.after_ns ?
			       done :
			       whole->begin_ns + r.after_ns;
		return done;
	case RECOVERY_NEVER:
		break;
	}
	return FIGURE_FOREVER;
}

/* One for each action, those that join another one included. */
static int spread_recoveries(struct figures *f,
			     const struct figures_action *actions,
			     size_t n_actions)
{
	size_t k = f->recoveries.n, groups = 0;

	for (size_t i = 0; i < n_actions; i++)
		groups += !i || !actions[i].joins;
	if (k != groups)
		return -ENOMEM;
	while (f->recoveries.n < n_actions)
		if (!VEC_PUSH(&f->recoveries))
			return -ENOMEM;
	for (size_t i = n_actions; i-- > 0;) {
		f->recoveries.v[i] = f->recoveries.v[k - 1];
		k -= !i || !actions[i].joins;
	}
	return 0;
}

/* Of those that can be told; where it was not back in the end, there is none.
 * An action from which it did not come back before the next one leaves that to
 * the next one. */
static void longest_recovery(struct figures *f)
{
	for (size_t i = 0; i < f->recoveries.n; i++) {
		const struct figures_recovery *r = &f->recoveries.v[i];

		if ((r->kind == RECOVERY_DONE ||
		     r->kind == RECOVERY_UNNEEDED) &&
		    r->after_ns > f->recovery_ns)
			f->recovery_ns = r->after_ns;
		if (r->kind == RECOVERY_NEVER && i + 1 == f->recoveries.n)
			f->recovery_ns = FIGURE_NONE;
	}
}

/* ---- all of it ----------------------------------------------------------- */

static void outages(struct stream *s)
{
	const struct figures_stream *in = s->in;
	int64_t from = s->begin_ns;

	for (size_t i = 0; i < in->n; i++) {
		if (in->bins[i].first_ns > from)
			figures_gap(s->figures, from, in->bins[i].first_ns);
		if (in->bins[i].last_ns > from)
			from = in->bins[i].last_ns;
	}
	if (!in->complete && s->end_ns > from)
		figures_gap(s->figures, from, s->end_ns);
}

static void amounts(struct stream *s)
{
	struct figures *f = s->figures;

	f->bytes = 0;
	for (size_t i = 0; i < s->in->n; i++)
		if (__builtin_add_overflow(f->bytes, s->in->bins[i].bytes,
					   &f->bytes))
			f->bytes = INT64_MAX;
	f->goodput_bps = goodput_between(s, s->begin_ns, s->end_ns);
	for (size_t i = 0; i < f->phases.n; i++) {
		struct figures_phase *p = &f->phases.v[i];

		p->goodput_bps = goodput_between(s, p->begin_ns, p->end_ns);
		if (p->goodput_bps == FIGURE_NONE)
			continue;
		p->bytes = to_int(bytes_between(s, p->begin_ns, p->end_ns));
	}
}

int figures_make_stream(const struct figures_stream *in,
			const struct figures_action *actions, size_t n_actions,
			struct figures *out)
{
	struct stream s = { .in = in, .figures = out };
	int r = figures_begin(out, n_actions);

	/* Without a connection, no time. */
	s.begin_ns = in->connected_ns == FIGURE_NONE ? 0 : in->connected_ns;
	s.end_ns = in->connected_ns == FIGURE_NONE ? 0 : in->ended_ns;
	if (s.end_ns < s.begin_ns)
		s.end_ns = in->n ? in->bins[in->n - 1].last_ns : s.begin_ns;
	if (!r)
		r = figures_cut(out, actions, n_actions, restored_at, &s);
	if (!r)
		r = spread_recoveries(out, actions, n_actions);
	if (r)
		return r;
	longest_recovery(out);
	amounts(&s);
	outages(&s);
	figures_join_outages(out, actions);
	return 0;
}
