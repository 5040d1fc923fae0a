/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is the peer still there? Asked only while a program waits for an answer: from
 * the first segment that went out since anything came back, for so long as the
 * configuration says, and then by a CHALLENGE, a few times. Everything that
 * proves to be from the peer ends it. Who is silent to all of them is as good
 * as moved: the flow looks for another way to him (paths.c), by RSYN.
 *
 * A challenge, and not an RSYN at once: it changes nothing, at neither end,
 * where the path is sound and only the program is slow; and it needs no
 * version.
 *
 * An idle flow is not asked about: nothing would be saved by the answer, and a
 * host with a thousand of them would not be idle any more. So a TCP that only
 * acknowledges does not count as waiting; but behind a NAT it does, for there
 * the peer may be the one who waits, and cannot get through to us.
 */
#include "node/sal/engine.h"

#include <netinet/in.h>

static bool expects_answer(const struct sal_flow *f,
			   const struct sal_kept *kept, const uint8_t *segment)
{
	struct sal_tcp tcp;

	/* A ping is answered; an answer to one is not. */
	if (kept->protocol == IPPROTO_ICMP || kept->protocol == IPPROTO_ICMPV6)
		return f->info.client;
	if (kept->protocol != IPPROTO_TCP || sal_encap_is_ours(&f->tie.path))
		return true;
	return sal_tcp_parse(segment, kept->len, &tcp) &&
	       tcp.seq_end != tcp.seq;
}

static bool begins_to_wait(struct sal *s, struct sal_flow *f,
			   const struct sal_kept *kept, const uint8_t *segment)
{
	if (f->waits_ns || !s->config.liveness_ns ||
	    !expects_answer(f, kept, segment))
		return false;
	f->waits_ns = s->now_ns;
	if (sal_alive_due_ns(s, f) < f->armed_ns)
		sal_flow_arm(s, f);
	return true;
}

void sal_alive_sent(struct sal *s, struct sal_flow *f,
		    const struct sal_kept *kept, const uint8_t *segment)
{
	begins_to_wait(s, f, kept, segment);
}

void sal_alive_starved(struct sal *s, struct sal_flow *f,
		       const struct sal_kept *kept, const uint8_t *segment)
{
	if (begins_to_wait(s, f, kept, segment))
		f->bound.starved_ns = s->now_ns;
}

void sal_alive_heard(struct sal_flow *f)
{
	f->waits_ns = f->owner_ns = 0;
	if (f->ask == SAL_ASK_SILENT || f->ask == SAL_ASK_OWNER)
		f->ask = SAL_ASK_NOTHING;
}

/*
 * If our ACK was lost, and so was what the peer repeats until it has it, the
 * peer waits for us, perhaps without the right to say anything more where it
 * has not seen us before (bound.c). So that is something that wants an answer,
 * be the flow idle or not. That the peer moves, or answers our own move, is
 * none: it does so while it waits for our ACK.
 *
 * Who waits for a client to open the flow sends no list, no FIN and little
 * data. But a move of ours is complete for a peer that has had any of our ACKs,
 * and if that was not the one with its number it may say this and that until
 * there is no room left. What shows that we are proven to it is the answer to a
 * question of ours alone: else it says its RSYN-ACK once more (challenge.c).
 */
void sal_alive_unsure(struct sal *s, struct sal_flow *f)
{
	f->unsure = !f->info.native && !f->early;
	if (!f->unsure)
		return;
	f->waits_ns = s->now_ns;
	if (sal_alive_due_ns(s, f) < f->armed_ns)
		sal_flow_arm(s, f);
}

void sal_alive_spoken(struct sal *s, struct sal_flow *f, bool open)
{
	if (open && !f->has_rsyn)
		f->unsure = false;
	if (f->unsure)
		sal_alive_unsure(s, f);
}

int64_t sal_alive_due_ns(const struct sal *s, const struct sal_flow *f)
{
	if (!f->waits_ns || f->info.state != SAL_ESTABLISHED ||
	    f->ask != SAL_ASK_NOTHING)
		return SAL_NEVER;
	return f->waits_ns +
	       (s->config.liveness_ns ? s->config.liveness_ns : SECOND);
}

void sal_alive_probe(struct sal *s, struct sal_flow *f)
{
	s->stats.probes++;
	/* Also where the question cannot be put now. */
	f->waits_ns = s->now_ns;
	sal_ask(s, f, SAL_ASK_SILENT, &f->tie.path, 0);
	sal_flow_arm(s, f);
}

/*
 * We may say nothing to where it is, so it is for the peer to ask. Nor may an
 * RSYN go there, as long as we have not moved ourselves; but who can go on with
 * another instance looks for one after as long as it would with RSYNs.
 */
static void starved(struct sal *s, struct sal_flow *f)
{
	if (f->info.client && sal_flow_stateless(f) &&
	    s->now_ns - f->bound.starved_ns >= SAL_STARVED_NS)
		sal_step_because(s, f, SAL_ON_LOST, SAL_REASON_NO_INSTANCE);
	else
		f->waits_ns = s->now_ns;
}

void sal_alive_silent(struct sal *s, struct sal_flow *f)
{
	f->waits_ns = 0;
	f->unsure = false;
	if (f->info.state != SAL_ESTABLISHED)
		return;
	s->stats.silences++;
	/* Since then the peer may have gone back to where it is proven. */
	if (f->bound.starved_ns && sal_bound_on(f)) {
		starved(s, f);
		return;
	}
	sal_back_left(s, f, &f->tie.path.local);
	sal_way_because(f, SAL_WAY_SILENCE);
	sal_step(s, f, SAL_ON_SILENT, NULL);
}
