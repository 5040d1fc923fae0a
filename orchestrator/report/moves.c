/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why flows moved: of each node's sald, how many moves there were of each
 * reason, and when the first and the last were over. A lab of a thousand flows
 * has a thousand moves at once, so that they are counted, and not kept; the
 * events have each.
 */
#include "orchestrator/report/events_parts.h"
#include "orchestrator/report/json_parts.h"
#include "orchestrator/report/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NODES_SHOWN 10

static struct record_moves *find(struct record *rec, const char *node,
				 const char *why)
{
	for (size_t i = 0; i < rec->moves.n; i++)
		if (!strcmp(rec->moves.v[i].node, node) &&
		    !strcmp(rec->moves.v[i].why, why))
			return &rec->moves.v[i];
	return NULL;
}

int event_on_migrated(struct record *rec, const struct event *ev)
{
	/* Older records do not say why. */
	const char *why = json_string_value(json_object_get(ev->object, "why"));
	struct record_moves *m;
	const char *node;
	int r = event_text(ev, "node", &node);

	if (r || !why)
		return r;
	m = find(rec, node, why);
	if (!m) {
		m = VEC_PUSH(&rec->moves);
		if (!m)
			return err_set(ev->err, ENOMEM, "out of memory");
		*m = (struct record_moves){ .first_ns = ev->mono_ns };
		r = event_keep(ev, node, &m->node);
		if (!r)
			r = event_keep(ev, why, &m->why);
		if (r)
			return r;
	}
	m->count++;
	m->last_ns = ev->mono_ns;
	return 0;
}

void record_moves_free(struct record *rec)
{
	for (size_t i = 0; i < rec->moves.n; i++) {
		free(rec->moves.v[i].node);
		free(rec->moves.v[i].why);
	}
	VEC_FREE(&rec->moves);
}

json_t *results_moves(struct builder *b)
{
	const struct record *rec = &b->report->record;
	json_t *array = json_array();

	for (size_t i = 0; i < rec->moves.n; i++) {
		const struct record_moves *m = &rec->moves.v[i];
		json_t *o = json_object();

		results_set(b, o, "node", json_string(m->node));
		results_set(b, o, "why", json_string(m->why));
		results_set(b, o, "count", json_integer((json_int_t)m->count));
		results_set(b, o, "first_ns", results_t(b, m->first_ns));
		results_set(b, o, "last_ns", results_t(b, m->last_ns));
		results_append(b, array, o);
	}
	return array;
}

/* ---- the terminal summary ------------------------------------------------ */

/* "    2 went back, from 1.774 s to 2.905 s" */
static void print_moves(const struct summary *s, const struct record_moves *m)
{
	const struct record *rec = &s->report->record;
	char first[32], last[32];

	fprintf(s->out, "    %" PRIu64 " ", m->count);
	summary_put(s, m->why);
	if (rec->zero_ns == RECORD_NONE)
		fputc('\n', s->out);
	else if (m->count == 1)
		fprintf(s->out, ", at %s\n",
			summary_moment(record_t_ns(rec, m->first_ns), first,
				       sizeof(first)));
	else
		fprintf(s->out, ", from %s to %s\n",
			summary_moment(record_t_ns(rec, m->first_ns), first,
				       sizeof(first)),
			summary_moment(record_t_ns(rec, m->last_ns), last,
				       sizeof(last)));
}

static bool is_new_node(const struct record *rec, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(rec->moves.v[k].node, rec->moves.v[i].node))
			return false;
	return true;
}

void summary_moves(const struct summary *s)
{
	const struct record *rec = &s->report->record;
	size_t nodes = 0;

	for (size_t i = 0; i < rec->moves.n; i++) {
		if (!is_new_node(rec, i))
			continue;
		if (nodes++ >= NODES_SHOWN)
			continue;
		if (nodes == 1)
			fputs("\nmoves of flows\n", s->out);
		fputs("  ", s->out);
		summary_put(s, rec->moves.v[i].node);
		fputc('\n', s->out);
		for (size_t k = i; k < rec->moves.n; k++)
			if (!strcmp(rec->moves.v[k].node, rec->moves.v[i].node))
				print_moves(s, &rec->moves.v[k]);
	}
	if (nodes > NODES_SHOWN)
		fprintf(s->out, "  ... and of %zu more nodes\n",
			nodes - NODES_SHOWN);
}
