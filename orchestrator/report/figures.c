/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Time is cut twice, independently.
 *
 * By the actions into phases: "before", then "during" and "after" for each
 * action. They lie end to end and cover all of time, so that every packet is
 * sent in exactly one of them and the phases' counts add up to the whole's.
 * A phase may be empty (an action that begins before delivery was restored
 * from the one before it leaves that one no "after").
 *
 * By the deliveries into gaps: from one first reply's arrival at the probe's
 * node to the next. The first sending opens the first gap, and the last
 * sending closes the last one where nothing came after it.
 *
 * A gap has to be laid at some phase's door. Cutting it at the phase's borders
 * would be the obvious way, and would hide what is looked for: an outage begins
 * with the last delivery *before* an action and ends with the first one after
 * "during" is over, so its pieces are all shorter than what the user felt.
 * Counting it whole in each phase that it touches would let every migration
 * spoil the figures of the quiet times around it. So a gap that touches a
 * "during" belongs to that (or to each, if it touches several), whole, and
 * every other gap lies within one single phase anyhow, since two phases that
 * are no "during" never touch.
 *
 * Values come from files that anyone may have written: no subtraction here
 * may overflow, and no order is taken for granted but that of seq.
 */
#include "orchestrator/report/figures_internal.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A packet's round trip, and the phase that it was sent in. */
struct trip {
	size_t phase;
	int64_t rtt_ns;
};

int64_t figures_span(int64_t a, int64_t b)
{
	int64_t span;

	if (__builtin_sub_overflow(a, b, &span))
		return a > b ? INT64_MAX : -INT64_MAX;
	/* INT64_MIN says "none" in this program. */
	return span == INT64_MIN ? -INT64_MAX : span;
}

static size_t percentile_rank(size_t n, unsigned percent)
{
	size_t rank = n / 100 * percent + (n % 100 * percent + 99) / 100;

	return rank ? rank - 1 : 0;
}

int64_t figures_percentile(const int64_t *sorted, size_t n, unsigned percent)
{
	return n ? sorted[percentile_rank(n, percent)] : FIGURE_NONE;
}

static int compare_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int compare_trip(const void *a, const void *b)
{
	const struct trip *x = a, *y = b;

	if (x->phase != y->phase)
		return x->phase < y->phase ? -1 : 1;
	return (x->rtt_ns > y->rtt_ns) - (x->rtt_ns < y->rtt_ns);
}

static bool sample_answered(const struct sample *s)
{
	return s->received_ns != SAMPLE_NONE;
}

/* ---- phases ------------------------------------------------------------ */

/* The sorted times at which those that were answered were sent. */
struct answered {
	int64_t *sent_ns;
	size_t n;
};

/*
 * Delivery is restored with the first packet that was sent once the action was
 * done and that was answered. Returns when that was sent.
 */
static int64_t restored_at(void *arg, const struct figures_action *action,
			   int64_t next)
{
	const struct answered *a = arg;
	int64_t done = action->end_ns > action->begin_ns ? action->end_ns :
							   action->begin_ns;
	const int64_t *answered = a->sent_ns;
	size_t low = 0, high = a->n, n = a->n;

	(void)next;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (answered[mid] < done)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n ? answered[low] : FIGURE_FOREVER;
}

/* An action with those that join it, as one; *n: how many they are. */
static struct figures_action join(const struct figures_action *actions,
				  size_t n_actions, size_t *n)
{
	struct figures_action whole = actions[0];

	for (*n = 1; *n < n_actions && actions[*n].joins; ++*n)
		if (actions[*n].end_ns > whole.end_ns)
			whole.end_ns = actions[*n].end_ns;
	return whole;
}

int figures_cut(struct figures *f, const struct figures_action *actions,
		size_t n_actions, figures_restored restored_at_fn, void *arg)
{
	const struct figures_phase blank = {
		.rtt = { FIGURE_NONE, FIGURE_NONE, FIGURE_NONE, FIGURE_NONE },
		.outage = { 0, FIGURE_NONE },
		.bytes = FIGURE_NONE,
		.goodput_bps = FIGURE_NONE,
	};
	struct figures_phase *p = VEC_PUSH(&f->phases);

	if (!p)
		return -ENOMEM;
	*p = blank;
	p->kind = PHASE_BEFORE;
	p->begin_ns = INT64_MIN;
	p->end_ns = n_actions ? actions[0].begin_ns : FIGURE_FOREVER;

	for (size_t i = 0, joined; i < n_actions; i += joined) {
		struct figures_action whole =
			join(&actions[i], n_actions - i, &joined);
		int64_t next = i + joined < n_actions ?
				       actions[i + joined].begin_ns :
				       FIGURE_FOREVER;
		int64_t restored = restored_at_fn(arg, &whole, next);

		if (restored > next)
			restored = next;
		p = VEC_PUSH(&f->phases);
		if (!p)
			return -ENOMEM;
		*p = blank;
		p->kind = PHASE_DURING;
		p->action = i;
		p->n_actions = joined;
		p->begin_ns = actions[i].begin_ns;
		p->end_ns = restored;

		p = VEC_PUSH(&f->phases);
		if (!p)
			return -ENOMEM;
		*p = blank;
		p->kind = PHASE_AFTER;
		p->action = i;
		p->n_actions = joined;
		p->begin_ns = restored;
		p->end_ns = next;
	}
	return 0;
}

static int phases_cut(const struct sample *samples, size_t n,
		      const struct figures_action *actions, size_t n_actions,
		      struct figures *f)
{
	CLEANUP_FREE int64_t *sent = calloc(n + 1, sizeof(*sent));
	struct answered answered = { .sent_ns = sent };

	if (!sent)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (sample_answered(&samples[i]))
			sent[answered.n++] = samples[i].sent_ns;
	}
	qsort(sent, answered.n, sizeof(*sent), compare_time);
	return figures_cut(f, actions, n_actions, restored_at, &answered);
}

/* The last phase that begins at or before t: an empty one holds no time. */
size_t figures_phase_at(const struct figures *f, int64_t t)
{
	size_t low = 0, high = f->phases.n;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (f->phases.v[mid].begin_ns <= t)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* ---- counts and round trips -------------------------------------------- */

static void count(struct figures_counts *c, const struct sample *s, bool late)
{
	c->sent++;
	if (sample_answered(s)) {
		c->received++;
		c->reordered += late;
		if (s->copies > 1)
			c->duplicated += s->copies - 1;
	} else {
		c->lost++;
	}
}

static void count_error(struct figures *f, const char *text)
{
	size_t i;

	for (i = 0; i < f->n_errors; i++) {
		if (i == FIGURES_ERRORS_MAX ||
		    strcmp(f->errors[i].text, text) == 0)
			break;
	}
	if (i == f->n_errors) {
		f->n_errors++;
		f->errors[i].text = i < FIGURES_ERRORS_MAX ? text : "other";
	}
	f->errors[i].count++;
}

/*
 * A reply is reordered (RFC 4737's Type-P-Reordered) if one of a packet with a
 * higher seq came before it. Walking down from the highest seq, the earliest
 * arrival met so far is all there is to remember.
 */
static void count_all(const struct sample *samples, size_t n, struct figures *f)
{
	int64_t earliest = INT64_MAX;

	for (size_t i = n; i-- > 0;) {
		const struct sample *s = &samples[i];
		bool late = sample_answered(s) && s->received_ns > earliest;

		if (sample_answered(s) && s->received_ns < earliest)
			earliest = s->received_ns;
		if (*s->error)
			count_error(f, s->error);
		count(&f->counts, s, late);
		count(&f->phases.v[figures_phase_at(f, s->sent_ns)].counts, s,
		      late);
	}
}

static int rtt_all(const struct sample *samples, size_t n, struct figures *f)
{
	CLEANUP_FREE struct trip *trips = calloc(n + 1, sizeof(*trips));
	CLEANUP_FREE int64_t *rtts = calloc(n + 1, sizeof(*rtts));
	size_t n_trips = 0;

	if (!trips || !rtts)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct sample *s = &samples[i];

		if (!sample_answered(s))
			continue;
		trips[n_trips].phase = figures_phase_at(f, s->sent_ns);
		trips[n_trips].rtt_ns =
			figures_span(s->received_ns, s->sent_ns);
		n_trips++;
	}
	qsort(trips, n_trips, sizeof(*trips), compare_trip);

	for (size_t i = 0, end; i < n_trips; i = end) {
		struct figures_phase *p = &f->phases.v[trips[i].phase];

		for (end = i;
		     end < n_trips && trips[end].phase == trips[i].phase; end++)
			rtts[end] = trips[end].rtt_ns;
		p->rtt = (struct figures_rtt){
			.min_ns = rtts[i],
			.p50_ns = figures_percentile(&rtts[i], end - i, 50),
			.p99_ns = figures_percentile(&rtts[i], end - i, 99),
			.max_ns = rtts[end - 1],
		};
	}
	if (n_trips) {
		qsort(rtts, n_trips, sizeof(*rtts), compare_time);
		f->rtt = (struct figures_rtt){
			.min_ns = rtts[0],
			.p50_ns = figures_percentile(rtts, n_trips, 50),
			.p99_ns = figures_percentile(rtts, n_trips, 99),
			.max_ns = rtts[n_trips - 1],
		};
	}
	return 0;
}

/* ---- outages ----------------------------------------------------------- */

static void outage_raise(struct figures_outage *o, int64_t from, int64_t to)
{
	int64_t length = figures_span(to, from);

	if (length > o->length_ns) {
		o->length_ns = length;
		o->begin_ns = from;
	}
}

void figures_gap(struct figures *f, int64_t from, int64_t to)
{
	size_t first = figures_phase_at(f, from);
	size_t last = figures_phase_at(f, to - 1);
	bool touches_during = false;

	outage_raise(&f->outage, from, to);
	for (size_t i = first; i <= last; i++) {
		struct figures_phase *p = &f->phases.v[i];

		if (p->kind == PHASE_BEFORE)
			continue;
		outage_raise(&f->actions.v[p->action], from, to);
		if (p->kind == PHASE_DURING) {
			outage_raise(&p->outage, from, to);
			touches_during = true;
		}
	}
	if (!touches_during)
		outage_raise(&f->phases.v[first].outage, from, to);
}

static int outages(const struct sample *samples, size_t n, struct figures *f)
{
	CLEANUP_FREE int64_t *arrivals = calloc(n + 1, sizeof(*arrivals));
	int64_t first_sent = samples[0].sent_ns, last_sent = first_sent, from;
	size_t n_arrivals = 0;

	if (!arrivals)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct sample *s = &samples[i];

		if (s->sent_ns < first_sent)
			first_sent = s->sent_ns;
		if (s->sent_ns > last_sent)
			last_sent = s->sent_ns;
		if (sample_answered(s))
			arrivals[n_arrivals++] = s->received_ns;
	}
	qsort(arrivals, n_arrivals, sizeof(*arrivals), compare_time);

	from = first_sent;
	for (size_t i = 0; i < n_arrivals; i++) {
		/* Not after the first sending only in a forged record. */
		if (arrivals[i] <= from)
			continue;
		figures_gap(f, from, arrivals[i]);
		from = arrivals[i];
	}
	if (last_sent > from)
		figures_gap(f, from, last_sent);

	if (n > 1)
		f->interval_ns =
			figures_span(last_sent, first_sent) / (int64_t)(n - 1);
	return 0;
}

/* ---- all of it --------------------------------------------------------- */

int figures_begin(struct figures *out, size_t n_actions)
{
	*out = (struct figures){
		.rtt = { FIGURE_NONE, FIGURE_NONE, FIGURE_NONE, FIGURE_NONE },
		.outage = { 0, FIGURE_NONE },
		.interval_ns = FIGURE_NONE,
		.bytes = FIGURE_NONE,
		.goodput_bps = FIGURE_NONE,
		.connections = FIGURE_NONE,
		.recovery_ns = FIGURE_NONE,
	};
	for (size_t i = 0; i < n_actions; i++) {
		struct figures_outage *o = VEC_PUSH(&out->actions);

		if (!o)
			return -ENOMEM;
		*o = (struct figures_outage){ 0, FIGURE_NONE };
	}
	return 0;
}

void figures_join_outages(struct figures *f,
			  const struct figures_action *actions)
{
	for (size_t i = 1; i < f->actions.n; i++)
		if (actions[i].joins)
			f->actions.v[i] = f->actions.v[i - 1];
}

int figures_make(const struct sample *samples, size_t n_samples,
		 const struct figures_action *actions, size_t n_actions,
		 struct figures *out)
{
	int r = figures_begin(out, n_actions);

	if (!r)
		r = phases_cut(samples, n_samples, actions, n_actions, out);
	if (r || !n_samples)
		return r;

	count_all(samples, n_samples, out);
	for (size_t i = 0; i < n_samples; i++)
		if (samples[i].request && samples[i].connection <= INT64_MAX &&
		    (int64_t)samples[i].connection > out->connections)
			out->connections = (int64_t)samples[i].connection;
	r = rtt_all(samples, n_samples, out);
	if (!r)
		r = outages(samples, n_samples, out);
	figures_join_outages(out, actions);
	return r;
}

void figures_free(struct figures *f)
{
	VEC_FREE(&f->phases);
	VEC_FREE(&f->actions);
	VEC_FREE(&f->recoveries);
}
