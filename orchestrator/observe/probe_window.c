/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last 65,536 packets, each in the slot of its number. A slot that is taken
 * by a new packet had its last say before: its reply was written when it came,
 * or that there was none is written now. So memory is bounded, and so is the
 * time in which a reply counts, by numbers that wrap around in an ICMP header.
 */
#include "orchestrator/observe/probe_internal.h"

#include <inttypes.h>
#include <unistd.h>

static struct probe_slot *slot_of(struct probe *p, uint64_t seq)
{
	return &p->slots[seq % PROBE_WINDOW];
}

/* The slot of a packet in the window, or NULL. */
static struct probe_slot *slot_find(struct probe *p, uint64_t seq)
{
	if (seq >= p->next || p->next - seq > PROBE_WINDOW)
		return NULL;
	return slot_of(p, seq);
}

static void stop_waiting(struct probe *p, struct probe_slot *s)
{
	p->waiting -= s->waiting;
	s->waiting = false;
}

static void write_unanswered(struct probe *p, uint64_t seq,
			     struct probe_slot *s)
{
	stop_waiting(p, s);
	if (!s->copies)
		fprintf(p->csv, "%" PRIu64 ",%" PRId64 ",,0,%s\n", seq,
			s->sent_ns, s->error ? s->error : "");
}

/* ---- what is told while it runs -------------------------------------------
 */

#define PATIENCE_NS INT64_C(1000000000) /* before any answer */

static void tell(struct probe *p, size_t watch, bool is)
{
	const struct probe_watch *w = &p->config->watches[watch];

	if (is && !p->told[watch])
		(void)!write(p->config->tell_fd, &w->tag, sizeof(w->tag));
	p->told[watch] = is;
}

/* Without the pauses between the two. */
static int64_t span(const struct probe *p, int64_t from_ns, int64_t to_ns)
{
	const struct pauses *pauses = p->config->pauses;

	return pauses_run_ns(pauses, to_ns) - pauses_run_ns(pauses, from_ns);
}

/*
 * A packet has no answer when it is twice as old as the longest round trip so
 * far: to wait as long as for a late one would tell of a loss when it is over.
 */
static void watch_losses(struct probe *p, int64_t now_ns)
{
	int64_t patience = p->longest_ns ? 2 * p->longest_ns : PATIENCE_NS;

	for (size_t i = 0; i < p->config->n_watches; i++) {
		uint64_t run = p->config->watches[i].lost_run;
		const struct probe_slot *last;

		if (!run || run > PROBE_WINDOW || p->next < p->answered + run)
			continue;
		last = slot_find(p, p->answered + run - 1);
		if (last && span(p, last->sent_ns, now_ns) >= patience)
			tell(p, i, true);
	}
}

static void watch_reply(struct probe *p, uint64_t seq, int64_t rtt_ns)
{
	if (seq >= p->answered)
		p->answered = seq + 1;
	if (rtt_ns > p->longest_ns)
		p->longest_ns = rtt_ns;
	for (size_t i = 0; i < p->config->n_watches; i++) {
		int64_t most = p->config->watches[i].rtt_ns;

		tell(p, i, most && rtt_ns > most);
	}
}

void probe_window_sent(struct probe *p, int64_t sent_ns, const char *error)
{
	struct probe_slot *s = slot_of(p, p->next);

	if (p->next >= PROBE_WINDOW)
		write_unanswered(p, p->next - PROBE_WINDOW, s);
	*s = (struct probe_slot){
		.sent_ns = sent_ns,
		.error = error,
		.waiting = !error,
	};
	p->waiting += s->waiting;
	p->next++;
	watch_losses(p, sent_ns);
}

void probe_window_reply(struct probe *p, uint64_t seq, int64_t received_ns)
{
	struct probe_slot *s = slot_find(p, seq);

	if (!s)
		return;
	stop_waiting(p, s);
	s->copies++;
	watch_reply(p, seq, span(p, s->sent_ns, received_ns));
	fprintf(p->csv, "%" PRIu64 ",%" PRId64 ",%" PRId64 ",%u,%s\n", seq,
		s->sent_ns, received_ns, s->copies, s->error ? s->error : "");
}

void probe_window_error(struct probe *p, uint64_t seq, const char *error)
{
	struct probe_slot *s = slot_find(p, seq);

	if (!s)
		return;
	stop_waiting(p, s);
	if (!s->error)
		s->error = error;
}

void probe_window_finish(struct probe *p)
{
	uint64_t seq = p->next > PROBE_WINDOW ? p->next - PROBE_WINDOW : 0;

	for (; seq < p->next; seq++)
		write_unanswered(p, seq, slot_of(p, seq));
}
