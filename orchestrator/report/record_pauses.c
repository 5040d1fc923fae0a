/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pause is no part of the experiment: what was under way lived through none
 * of it. So it is taken out of all times here, once, and nobody else has to
 * know of it: a round trip, a gap between two deliveries or an action's
 * duration that has a pause in it is as long as it would have been without.
 */
#include "orchestrator/report/record.h"

static void take_out(const struct record *rec, int64_t *time_ns)
{
	if (*time_ns != RECORD_NONE)
		*time_ns = pauses_run_ns(&rec->pauses, *time_ns);
}

/* A bin in which a pause began, and that in which it ended, are one then. */
static void take_out_of_bins(const struct record *rec, bin_vec *bins)
{
	size_t n = 0;

	for (size_t i = 0; i < bins->n; i++) {
		struct bin bin = bins->v[i], *last = n ? &bins->v[n - 1] : NULL;

		take_out(rec, &bin.first_ns);
		take_out(rec, &bin.last_ns);
		bin.begin_ns = bin.first_ns - bin.first_ns % BIN_NS;
		if (last && last->begin_ns >= bin.begin_ns) {
			last->bytes += bin.bytes;
			last->last_ns = bin.last_ns;
		} else {
			bins->v[n++] = bin;
		}
	}
	bins->n = n;
}

static void take_out_of_probe(const struct record *rec, struct record_probe *p)
{
	for (size_t i = 0; i < p->samples.n; i++) {
		take_out(rec, &p->samples.v[i].sent_ns);
		take_out(rec, &p->samples.v[i].received_ns);
	}
	take_out_of_bins(rec, &p->bins);
	take_out(rec, &p->crashed_ns);
	take_out(rec, &p->stream.begun_ns);
	take_out(rec, &p->stream.connected_ns);
	take_out(rec, &p->stream.ended_ns);
	take_out(rec, &p->peer.begun_ns);
	take_out(rec, &p->peer.connected_ns);
	take_out(rec, &p->peer.ended_ns);
}

void record_take_out_pauses(struct record *rec)
{
	if (!rec->pauses.n)
		return;
	take_out(rec, &rec->last_ns);
	for (size_t i = 0; i < rec->actions.n; i++) {
		take_out(rec, &rec->actions.v[i].begin_ns);
		take_out(rec, &rec->actions.v[i].end_ns);
	}
	for (size_t i = 0; i < rec->scenario->processes.n; i++)
		if (rec->processes[i].exited)
			take_out(rec, &rec->processes[i].exited_ns);
	for (size_t i = 0; i < rec->scenario->probes.n; i++)
		take_out_of_probe(rec, &rec->probes[i]);
}
