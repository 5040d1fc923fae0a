/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP encapsulation, and the NATs that it is for.
 *
 * A NAT that masquerades knows nothing of protocol 144: for it there is one
 * conversation of that protocol between two addresses, and a second host behind
 * it gets nothing back; firewalls drop it altogether. UDP passes. So a SYN that
 * had no answer is repeated over UDP, from port 54324 to 54325, and then in
 * turns; whichever way an answer comes is the flow's way. What worked is
 * remembered by the peer's address, for a while, so that the next flow need not
 * wait for a time-out; the obvious shortcut, to send both at once, would make
 * each handshake cost twice where nothing is in the way, which is the rule.
 *
 * The table of what worked is small and its entries are hints: of many, the one
 * that would expire first makes room.
 *
 * A NAT forgets a binding that is idle (RFC 4787: after two minutes, many after
 * thirty seconds). The end that began to encapsulate, known by its port, may be
 * behind one: it sends an ACK when it has sent nothing for a while, as long as
 * the flow is open. That changes nothing at the peer, needs no answer, and has
 * the nonce; so when it comes from another address or port, because the NAT has
 * made a new binding, the peer asks there (challenge.c), and follows when the
 * answer is right.
 */
#include "node/sal/engine.h"

static struct sal_encap_peer *find(struct sal *s, const struct ip_addr *addr)
{
	for (int i = 0; i < SAL_ENCAP_PEERS; i++)
		if (s->encap[i].until_ns > s->now_ns &&
		    ip_addr_equal(&s->encap[i].addr, addr))
			return &s->encap[i];
	return NULL;
}

static struct sal_encap_peer *oldest(struct sal *s)
{
	struct sal_encap_peer *o = &s->encap[0];

	for (int i = 1; i < SAL_ENCAP_PEERS; i++)
		if (s->encap[i].until_ns < o->until_ns)
			o = &s->encap[i];
	return o;
}

void sal_encap_set(struct sal_path *path, bool on)
{
	path->local_port = on ? SAL_UDP_PORT_CLIENT : 0;
	path->remote_port = on ? SAL_UDP_PORT_SERVER : 0;
}

void sal_encap_begin(struct sal *s, struct sal_path *path)
{
	sal_encap_set(path, s->config.encapsulate && find(s, &path->remote));
}

void sal_encap_other(struct sal *s, struct sal_path *path)
{
	if (!s->config.encapsulate)
		return;
	sal_encap_set(path, !path->remote_port);
}

bool sal_encap_is_ours(const struct sal_path *path)
{
	return path->local_port == SAL_UDP_PORT_CLIENT;
}

void sal_encap_worked(struct sal *s, const struct sal_path *path)
{
	struct sal_encap_peer *p = find(s, &path->remote);

	if (path->remote_port && !sal_encap_is_ours(path))
		return; /* the peer's doing */
	if (!path->remote_port) {
		if (p)
			p->until_ns = 0;
		return;
	}
	if (!p)
		p = oldest(s);
	p->addr = path->remote;
	p->until_ns = s->now_ns + s->config.encap_memory_ns;
}

/* ---- keep-alive --------------------------------------------------------- */

int64_t sal_keepalive_due_ns(const struct sal *s, const struct sal_flow *f)
{
	if (!s->config.keepalive_ns || f->info.native ||
	    f->info.state != SAL_ESTABLISHED ||
	    !sal_encap_is_ours(&f->tie.path))
		return SAL_NEVER;
	return f->sent_ns + s->config.keepalive_ns;
}

void sal_keepalive(struct sal *s, struct sal_flow *f)
{
	s->stats.keepalives++;
	sal_send_control(s, f, &f->tie,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_ACK,
				 .verno = f->tie.next,
				 .ackno = f->tie.peer_next,
			 });
}
