/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP encapsulation, and NATs:
 *
 *     C 192.168.0.1, D 192.168.0.2     A 10.0.1.1
 *          |                             |
 *          +---- NAT, 10.50.0.1 ---------+
 */
#include "include/serval/wire.h"
#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <string.h>

/* ---- a network that protocol 144, or UDP, does not pass ------------------ */

struct pass {
	bool plain, udp;
	unsigned plain_seen, udp_seen; /* lost or not */
};

static bool passes(struct world *w, struct sal_path *path, void *arg)
{
	struct pass *p = arg;

	(void)w;
	p->plain_seen += !path->remote_port;
	p->udp_seen += path->remote_port != 0;
	return path->remote_port ? p->udp : p->plain;
}

static struct world *through(struct pass *p)
{
	struct world *w = world_usual(1);

	w->middle = passes;
	w->middle_arg = p;
	return w;
}

static bool encapsulated(struct host *h)
{
	struct sal_path path = host_flow(h).path;

	if (!path.remote_port)
		return false;
	WORLD_OK(h->world, path.local_port == SAL_UDP_PORT_CLIENT ||
				   path.local_port == SAL_UDP_PORT_SERVER);
	return true;
}

/* After one time-out; and at once the next time, for as long as it is
 * remembered.
 */
START_TEST(chosen_by_itself)
{
	struct pass p = { .udp = true };
	struct world *w = through(&p);
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 999 * MSEC);
	WORLD_OK(w, !c->replies && p.plain_seen == 1 && !p.udp_seen);
	world_run_for(w, 4 * MSEC);
	WORLD_OK(w, c->replies == 1 && encapsulated(c) && encapsulated(a));
	WORLD_OK(w, host_flow(c).path.local_port == SAL_UDP_PORT_CLIENT);
	WORLD_OK(w, host_flow(c).path.remote_port == SAL_UDP_PORT_SERVER);
	WORLD_OK(w, host_flow(a).path.local_port == SAL_UDP_PORT_SERVER);
	host_ping(c, "10.8.0.1", 8, 1, 56);
	world_run_for(w, 3 * MSEC);
	WORLD_OK(w, c->replies == 2);
	world_run_for(w, 599 * SEC);
	host_ping(c, "10.8.0.1", 9, 1, 56);
	world_run_for(w, 3 * MSEC);
	WORLD_OK(w, c->replies == 3 && p.plain_seen == 1);
	/* That was a success again. */
	world_run_for(w, 601 * SEC);
	host_ping(c, "10.8.0.1", 10, 1, 56);
	world_run_for(w, 999 * MSEC);
	WORLD_OK(w, c->replies == 3 && p.plain_seen == 2);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->replies == 4);
	world_free(w);
}
END_TEST

/* Nothing is held against protocol 144: it is tried again in turns. */
START_TEST(in_turns)
{
	struct pass p = { .plain = true };
	struct world *w = through(&p);
	struct host *c = world_c(w);

	world_lose(w, c, SAL_FLAG_SYN, 1);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 2999 * MSEC);
	WORLD_OK(w, !c->replies && p.udp_seen == 1);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->replies == 1 && !encapsulated(c));
	/* And what has worked once may not work any more. */
	p = (struct pass){ .udp = true };
	host_ping(c, "10.8.0.1", 8, 1, 56);
	world_run_for(w, 1005 * MSEC);
	WORLD_OK(w, c->replies == 2);
	p = (struct pass){ .plain = true };
	host_ping(c, "10.8.0.1", 9, 1, 56);
	world_run_for(w, 1005 * MSEC);
	WORLD_OK(w, c->replies == 3 && p.udp_seen >= 1);
	host_ping(c, "10.8.0.1", 10, 1, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->replies == 4);
	world_free(w);
}
END_TEST

static void never(struct sal_config *c)
{
	c->encapsulate = false;
}

/* The SYN and its repetition arrive together: the program's answer goes the way
 * of the second, though the SYN-ACK to the first was there before. */
START_TEST(both_ways_at_once)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	w->weather.delay_ns = 1200 * MSEC;
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 500 * MSEC);
	w->weather.delay_ns = 200 * MSEC + MSEC / 200;
	world_run_for(w, 600 * MSEC);
	w->weather.delay_ns = MSEC;
	world_run_for(w, 110 * MSEC);
	WORLD_OK(w, sal_stats(c->sal)->retransmissions == 1);
	WORLD_OK(w, !encapsulated(c) && c->replies == 1);
	WORLD_OK(w, !sal_stats(c->sal)->challenges_sent);
	world_free(w);
}
END_TEST

START_TEST(not_where_it_is_off)
{
	struct pass p = { .udp = true };
	struct world *w;
	struct host *c;

	world_adjust = never;
	w = through(&p);
	world_adjust = NULL;
	c = world_c(w);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 70 * SEC);
	WORLD_OK(w, !p.udp_seen && p.plain_seen == 6 && c->unreachable == 1);
	world_free(w);
}
END_TEST

/* A flow that was opened without gets to where only UDP passes, and back. */
START_TEST(a_move_to_where_only_udp_passes)
{
	struct pass p = { .plain = true };
	struct world *w = through(&p);
	struct toy_tcp client, server;
	struct host *c = world_c(w);

	toy_listen(&server, world_a(w), "10.8.0.1", 80, 100000);
	toy_connect(&client, c, "10.8.0.1", 4000, 80, 100000);
	world_run_for(w, 20 * MSEC);
	p = (struct pass){ .udp = true };
	host_addresses(c, "10.0.0.77", NULL);
	world_run_for(w, 605 * MSEC);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED && encapsulated(c));
	WORLD_OK(w, encapsulated(world_a(w)));
	world_run_for(w, 20 * MSEC);
	p = (struct pass){ .plain = true };
	host_addresses(c, "10.0.0.78", NULL);
	world_run_for(w, 605 * MSEC);
	WORLD_OK(w, host_flow(c).state == SAL_ESTABLISHED && !encapsulated(c));
	toy_close(&client);
	toy_close(&server);
	world_run_for(w, 10 * SEC);
	WORLD_OK(w, toy_done(&client) && toy_done(&server));
	world_free(w);
}
END_TEST

/* ---- a NAT that masquerades ---------------------------------------------- */

struct binding {
	struct ip_addr inside;
	uint16_t inside_port, outside_port;
};

struct nat {
	struct ip_addr outside;
	struct binding v[16];
	unsigned n;
	uint16_t next_port;
	struct ip_addr plain; /* whose protocol 144 it is; AF_UNSPEC: none's */
};

static bool is_inside(const struct ip_addr *a)
{
	return a->bytes[0] == 192;
}

static bool goes_out(struct nat *n, struct sal_path *path)
{
	struct binding *b;

	if (!path->remote_port) {
		if (!ip_addr_size(&n->plain))
			n->plain = path->local;
		if (!ip_addr_equal(&n->plain, &path->local))
			return false;
		path->local = n->outside;
		return true;
	}
	for (unsigned i = 0; i < n->n; i++) {
		b = &n->v[i];
		if (ip_addr_equal(&b->inside, &path->local) &&
		    b->inside_port == path->local_port)
			goto bound;
	}
	b = &n->v[n->n++];
	*b = (struct binding){ path->local, path->local_port, n->next_port++ };
bound:
	path->local = n->outside;
	path->local_port = b->outside_port;
	return true;
}

static bool comes_in(struct nat *n, struct sal_path *path)
{
	if (!path->remote_port) {
		path->remote = n->plain;
		return ip_addr_size(&n->plain) != 0;
	}
	for (unsigned i = 0; i < n->n; i++) {
		if (n->v[i].outside_port != path->remote_port)
			continue;
		path->remote = n->v[i].inside;
		path->remote_port = n->v[i].inside_port;
		return true;
	}
	return false;
}

static bool masquerades(struct world *w, struct sal_path *path, void *arg)
{
	struct nat *n = arg;

	(void)w;
	if (is_inside(&path->local))
		return goes_out(n, path);
	if (ip_addr_equal(&path->remote, &n->outside))
		return comes_in(n, path);
	return true;
}

/* Its table is lost; what is sent next gets other ports. */
static void nat_forgets(struct nat *n)
{
	n->n = 0;
	n->plain = (struct ip_addr){ 0 };
}

static struct world *behind(struct nat *n)
{
	struct world *w = world_usual(1);
	struct host *d = world_host(w, "D", "192.168.0.2", "10.9.0.4", NULL);

	*n = (struct nat){ .outside = ip("10.50.0.1"), .next_port = 6000 };
	host_addresses(world_c(w), "192.168.0.1", NULL);
	host_name_usual(d);
	host_forward(d, 1, "10.0.1.1");
	w->middle = masquerades;
	w->middle_arg = n;
	return w;
}

/* The second one's protocol 144 does not get through. */
START_TEST(two_behind_one_nat)
{
	struct nat n;
	struct world *w = behind(&n);
	struct host *c = world_c(w), *d = &w->hosts[3], *a = world_a(w);
	struct toy_tcp client, server;

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->replies == 1);
	host_ping(d, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 1005 * MSEC);
	WORLD_OK(w, d->replies == 1 && encapsulated(d) && !encapsulated(c));
	/* One that speaks UDP from the beginning, from the same port inside. */
	nat_forgets(&n);
	n.plain = ip("192.168.0.9");
	host_ping(c, "10.8.0.1", 8, 1, 56);
	world_run_for(w, 1005 * MSEC);
	WORLD_OK(w, c->replies == 2);
	toy_listen(&server, a, "10.8.0.1", 80, 30000);
	toy_connect(&client, d, "10.8.0.1", 4000, 80, 30000);
	toy_close(&client);
	toy_close(&server);
	for (uint16_t seq = 2; seq < 12; seq++) {
		host_ping(c, "10.8.0.1", 8, seq, 56);
		world_run_for(w, 100 * MSEC);
		WORLD_OK(w, c->last_reply_seq == seq);
	}
	WORLD_OK(w, toy_done(&client) && toy_done(&server));
	world_free(w);
}
END_TEST

static struct world *stream_behind(struct nat *n, struct toy_tcp *client,
				   struct toy_tcp *server, bool up, bool down)
{
	struct world *w = behind(n);

	n->plain = ip("192.168.0.9");
	toy_listen(server, world_a(w), "10.8.0.1", 80, down ? 300000 : 0);
	toy_connect(client, world_c(w), "10.8.0.1", 4000, 80, up ? 300000 : 0);
	world_run_for(w, 1030 * MSEC);
	WORLD_OK(w, host_flow(world_c(w)).state == SAL_ESTABLISHED);
	return w;
}

/* In the middle of a stream: up, down, both ways. */
START_TEST(the_nat_binds_anew)
{
	struct toy_tcp client, server;
	struct nat n;
	struct world *w = stream_behind(&n, &client, &server, _i != 1, _i);
	struct host *c = world_c(w), *a = world_a(w);
	uint16_t before = host_flow(a).path.remote_port;

	WORLD_OK(w, client.got + server.got > 1000);
	nat_forgets(&n);
	/* What the one sends is lost, so the other is silent: it is the probe
	 * that shows the new port, or the time-out of TCP. */
	world_run_for(w, 1100 * MSEC);
	WORLD_OK(w, host_flow(a).path.remote_port != before);
	WORLD_OK(w, sal_stats(a->sal)->challenges_sent > 0);
	WORLD_OK(w, world_events(w, a, SAL_EVENT_FLOW_MIGRATED) >= 1);
	WORLD_OK(w, !world_events(w, c, SAL_EVENT_RSYN_SENT));
	toy_close(&client);
	toy_close(&server);
	world_run_for(w, 20 * SEC);
	WORLD_OK(w, toy_done(&client) && toy_done(&server));
	WORLD_OK(w, !client.wrong_byte && !server.wrong_byte);
	world_free(w);
}
END_TEST

/* The router that has lost the binding says that nobody is there: the server
 * asks where the client was, again and again. That must not keep it from asking
 * where it is. */
START_TEST(the_old_port_is_unreachable)
{
	struct toy_tcp client, server;
	struct nat n;
	struct world *w = stream_behind(&n, &client, &server, false, true);
	struct host *a = world_a(w);
	struct sal_path path = host_flow(a).path;
	uint32_t id = host_flow(a).local_id;
	uint8_t quoted[8] = { (uint8_t)(id >> 24), (uint8_t)(id >> 16),
			      (uint8_t)(id >> 8), (uint8_t)id };

	nat_forgets(&n);
	for (int i = 0; i < 120; i++) {
		sal_unreachable(a->sal, &path, quoted, 8, w->now_ns);
		world_run_for(w, 10 * MSEC);
	}
	WORLD_OK(w, host_flow(a).path.remote_port != path.remote_port);
	toy_close(&client);
	toy_close(&server);
	world_run_for(w, 20 * SEC);
	WORLD_OK(w, toy_done(&client) && toy_done(&server));
	world_free(w);
}
END_TEST

/* Nobody speaks when it happens: a keep-alive shows it, and what the server has
 * to say then gets there. */
START_TEST(an_idle_flow_is_kept)
{
	struct nat n;
	struct world *w = behind(&n);
	struct host *c = world_c(w), *a = world_a(w);

	n.plain = ip("192.168.0.9");
	a->udp_port = 53;
	host_udp(c, NULL, "10.8.0.1", 5000, 53, "hello");
	world_run_for(w, 1005 * MSEC);
	WORLD_OK(w, c->udp_got == 1);
	nat_forgets(&n);
	host_udp(a, "10.8.0.1", "10.9.0.1", 53, 5000, "lost");
	world_run_for(w, SEC / 2);
	WORLD_OK(w, c->udp_got == 1);
	world_run_for(w, 21 * SEC);
	host_udp(a, "10.8.0.1", "10.9.0.1", 53, 5000, "news");
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->udp_got == 2);
	WORLD_OK(w, encapsulated(c));
	world_free(w);
}
END_TEST

/* Each 20 s, by the client alone, no longer than the flow is open, and never
 * where nothing is encapsulated. */
START_TEST(keep_alives)
{
	struct pass p = { .plain = _i, .udp = true };
	struct world *w = through(&p);
	struct host *c = world_c(w), *a = world_a(w);
	uint64_t kept;

	a->udp_port = 53;
	host_udp(c, NULL, "10.8.0.1", 5000, 53, "hello");
	world_run_for(w, 170 * SEC);
	kept = sal_stats(c->sal)->keepalives;
	WORLD_OK(w, kept == (_i ? 0 : 8));
	WORLD_OK(w, !sal_stats(a->sal)->keepalives);
	WORLD_OK(w, !sal_stats(a->sal)->challenges_sent);
	/* They do not keep it open, though. */
	world_run_for(w, 200 * SEC);
	WORLD_OK(w, !host_flows(c) && !host_flows(a));
	WORLD_OK(w, sal_stats(c->sal)->keepalives <= kept + 1);
	world_free(w);
}
END_TEST

struct kept {
	const struct host *from;
	uint8_t bytes[64];
	size_t len;
};

static void keep_ack(struct world *w, const struct wire_packet *p, void *arg)
{
	struct kept *k = arg;

	(void)w;
	if (p->from != k->from || p->len != 32 || p->bytes[14] != SAL_FLAG_ACK)
		return;
	memcpy(k->bytes, p->bytes, p->len);
	k->len = p->len;
}

/* Somebody who has seen a keep-alive sends it from elsewhere: he is asked, and
 * that is all. */
START_TEST(a_keep_alive_is_no_proof)
{
	struct nat n;
	struct world *w = behind(&n);
	struct host *c = world_c(w), *a = world_a(w);
	struct kept kept = { .from = c };
	uint16_t port;

	n.plain = ip("192.168.0.9");
	host_ping(c, "10.8.0.1", 7, 1, 56);
	w->tap = keep_ack;
	w->tap_arg = &kept;
	world_run_for(w, 30 * SEC);
	WORLD_OK(w, kept.len && c->replies == 1);
	port = host_flow(a).path.remote_port;
	for (int i = 0; i < 10; i++) {
		world_inject(w, "10.66.0.66", a, kept.bytes, kept.len);
		world_run_for(w, 10 * MSEC);
	}
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, host_flow(a).path.remote_port == port);
	WORLD_OK(w, sal_stats(a->sal)->challenges_sent == 3);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->replies == 2);
	world_free(w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: encap");
	TCase *tc = tcase_create("encap");

	tcase_add_test(tc, chosen_by_itself);
	tcase_add_test(tc, in_turns);
	tcase_add_test(tc, both_ways_at_once);
	tcase_add_test(tc, not_where_it_is_off);
	tcase_add_test(tc, a_move_to_where_only_udp_passes);
	tcase_add_test(tc, two_behind_one_nat);
	tcase_add_loop_test(tc, the_nat_binds_anew, 0, 3);
	tcase_add_test(tc, the_old_port_is_unreachable);
	tcase_add_test(tc, an_idle_flow_is_kept);
	tcase_add_loop_test(tc, keep_alives, 0, 2);
	tcase_add_test(tc, a_keep_alive_is_no_proof);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
