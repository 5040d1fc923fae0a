/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host with two interfaces has one best default route, and what it sends from
 * the address of the other leaves by the wrong one, where a router that looks
 * at source addresses drops it (RFC 3704). sald itself names the interface with
 * each packet; other programs do not.
 *
 *     1000: from 10.1.0.2 lookup 1442003        (1442000 + ifindex)
 *     table 1442003: the main table's routes through that interface, and those
 *                    into the TUN, which are for all
 *
 * All of it is marked as sald's (protocol 144), and follows what the monitor
 * sees: what is wanted is compared with what was set, and the difference made.
 * What the kernel has taken away by itself (the routes of an interface that
 * went down, and came back before anybody looked) shows in there being fewer:
 * then all are added again. Adding and deleting are content with what they
 * find.
 *
 * What was set is noted one by one, so that whatever fails in between, all of
 * it is taken away in the end. A route that the kernel has in the main table
 * need not be one that it lets be added: its gateway may have been on the link
 * once. Such a one is named and left out, and tried again whenever something
 * has changed; the others do without it.
 */
#include "node/io/source_routes.h"
#include "base/cleanup.h"
#include "node/io/routes.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define TABLE_BASE 1442000u
#define PRIORITY 1000u
#define SET_ROUTES_MAX (2 * MONITOR_ROUTES_MAX)

struct set_rule {
	struct ip_addr from;
	uint32_t table;
};

struct wanted {
	struct set_rule rules[MONITOR_ADDRESSES_MAX];
	size_t n_rules;
	struct monitor_route routes[SET_ROUTES_MAX]; /* table: ours */
	size_t n_routes;
};

struct source_routes {
	struct mnl_socket *nl;
	void (*warn)(const struct err *warning);
	struct wanted is, next;
	size_t own_seen; /* routes of ours, when looked at last */
	bool lost; /* the kernel took some away: all are to be added */
	/* Routes that cannot be copied, now and before: told of once. */
	struct monitor_route refused[SET_ROUTES_MAX], told[SET_ROUTES_MAX];
	size_t n_refused, n_told;
};

/* ---- one thing ---------------------------------------------------------- */

static int change_rule(struct source_routes *s, bool add,
		       const struct set_rule *r, struct err *err)
{
	uint8_t buf[RTNL_MESSAGE_BYTES];
	struct nlmsghdr *nlh;
	struct fib_rule_hdr *h = rtnl_request(
		buf, add ? RTM_NEWRULE : RTM_DELRULE,
		add ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof(*h), &nlh);

	h->family = (uint8_t)r->from.family;
	h->src_len = (uint8_t)(8 * ip_addr_size(&r->from));
	h->action = FR_ACT_TO_TBL;
	mnl_attr_put(nlh, FRA_SRC, ip_addr_size(&r->from), r->from.bytes);
	mnl_attr_put_u32(nlh, FRA_TABLE, r->table);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, PRIORITY);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, ROUTES_PROTOCOL);
	return rtnl_talk(s->nl, nlh, add ? EEXIST : ENOENT, err,
			 "cannot %s a rule for a source address",
			 add ? "add" : "delete");
}

static void put_gateway(struct nlmsghdr *nlh, const struct monitor_route *r)
{
	union {
		struct rtvia via;
		uint8_t bytes[offsetof(struct rtvia, rtvia_addr) + 16];
	} u = { .via.rtvia_family = r->via.family };

	if (r->via.family == r->to.addr.family) {
		mnl_attr_put(nlh, RTA_GATEWAY, ip_addr_size(&r->via),
			     r->via.bytes);
		return;
	}
	memcpy(u.bytes + offsetof(struct rtvia, rtvia_addr), r->via.bytes,
	       ip_addr_size(&r->via));
	mnl_attr_put(nlh, RTA_VIA,
		     offsetof(struct rtvia, rtvia_addr) + ip_addr_size(&r->via),
		     u.bytes);
}

static int change_route(struct source_routes *s, bool add,
			const struct monitor_route *r, struct err *err)
{
	uint8_t buf[RTNL_MESSAGE_BYTES];
	struct nlmsghdr *nlh;
	struct rtmsg *m = rtnl_request(buf, add ? RTM_NEWROUTE : RTM_DELROUTE,
				       add ? NLM_F_CREATE | NLM_F_REPLACE : 0,
				       sizeof(*m), &nlh);
	int code;

	m->rtm_family = (uint8_t)r->to.addr.family;
	m->rtm_dst_len = r->to.len;
	m->rtm_table = RT_TABLE_UNSPEC;
	m->rtm_protocol = ROUTES_PROTOCOL;
	m->rtm_type = RTN_UNICAST;
	m->rtm_flags = r->onlink ? RTNH_F_ONLINK : 0;
	m->rtm_scope = r->via.family || r->to.addr.family == AF_INET6 ?
			       RT_SCOPE_UNIVERSE :
			       RT_SCOPE_LINK;
	if (r->to.len)
		mnl_attr_put(nlh, RTA_DST, ip_addr_size(&r->to.addr),
			     r->to.addr.bytes);
	mnl_attr_put_u32(nlh, RTA_TABLE, r->table);
	mnl_attr_put_u32(nlh, RTA_OIF, r->ifindex);
	if (r->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, r->metric);
	if (r->via.family)
		put_gateway(nlh, r);
	code = rtnl_talk(s->nl, nlh, add ? EEXIST : ESRCH, err,
			 "cannot %s a route for a source address",
			 add ? "add" : "delete");
	/* With its interface, its route went as well. */
	return !add && code == -ENODEV ? 0 : code;
}

/* ---- what is wanted ----------------------------------------------------- */

static bool same_rule(const struct set_rule *a, const struct set_rule *b)
{
	return a->table == b->table && ip_addr_equal(&a->from, &b->from);
}

static bool has_rule(const struct wanted *w, const struct set_rule *r)
{
	for (size_t i = 0; i < w->n_rules; i++)
		if (same_rule(&w->rules[i], r))
			return true;
	return false;
}

static size_t find_route(const struct monitor_route *v, size_t n,
			 const struct monitor_route *r)
{
	size_t i = 0;

	while (i < n && !monitor_route_equal(&v[i], r))
		i++;
	return i;
}

static bool has_route(const struct wanted *w, const struct monitor_route *r)
{
	return find_route(w->routes, w->n_routes, r) < w->n_routes;
}

/* Those on link come first: the others' gateways are found by them. */
static void want_routes(struct wanted *w, const struct monitor_state *state,
			uint32_t ifindex, bool on_link)
{
	for (size_t i = 0; i < state->n_routes; i++) {
		struct monitor_route r = state->routes[i];

		if (r.table != RT_TABLE_MAIN ||
		    (r.ifindex != ifindex && !r.tun) ||
		    (r.via.family == AF_UNSPEC) != on_link)
			continue;
		r.table = TABLE_BASE + ifindex;
		r.tun = false;
		if (w->n_routes < SET_ROUTES_MAX && !has_route(w, &r))
			w->routes[w->n_routes++] = r;
	}
}

static void want(struct wanted *w, const struct monitor_state *state)
{
	w->n_rules = w->n_routes = 0;
	for (size_t i = 0; i < state->n; i++) {
		uint32_t ifindex = state->list[i].ifindex;

		w->rules[w->n_rules++] = (struct set_rule){
			.from = state->list[i].addr,
			.table = TABLE_BASE + ifindex,
		};
		want_routes(w, state, ifindex, true);
	}
	for (size_t i = 0; i < state->n; i++)
		want_routes(w, state, state->list[i].ifindex, false);
}

/* ---- the difference ----------------------------------------------------- */

static int delete_rules(struct source_routes *s, struct err *err)
{
	struct wanted *is = &s->is;
	int r = 0;

	for (size_t i = is->n_rules; i--;) {
		int code;

		if (has_rule(&s->next, &is->rules[i]))
			continue;
		code = change_rule(s, false, &is->rules[i], r ? NULL : err);
		r = r ? r : code;
		if (!code)
			is->rules[i] = is->rules[--is->n_rules];
	}
	return r;
}

static int delete_routes(struct source_routes *s, struct err *err)
{
	struct wanted *is = &s->is;
	int r = 0;

	for (size_t i = is->n_routes; i--;) {
		int code;

		if (has_route(&s->next, &is->routes[i]))
			continue;
		code = change_route(s, false, &is->routes[i], r ? NULL : err);
		r = r ? r : code;
		if (!code)
			is->routes[i] = is->routes[--is->n_routes];
	}
	return r;
}

/* By itself, or with the news of an interface that is on its way. */
static bool will_pass(int code)
{
	return code == -ENOMEM || code == -ENOBUFS || code == -EINTR ||
	       code == -EAGAIN || code == -ENODEV || code == -ENETDOWN;
}

static void refuse(struct source_routes *s, const struct monitor_route *r,
		   struct err *why)
{
	char to[IP_TEXT_MAX], via[IP_TEXT_MAX], name[IF_NAMESIZE];

	if (s->n_refused < SET_ROUTES_MAX)
		s->refused[s->n_refused++] = *r;
	if (find_route(s->told, s->n_told, r) < s->n_told)
		return;
	if (!if_indextoname(r->ifindex, name))
		snprintf(name, sizeof(name), "%u", r->ifindex);
	ip_format_prefix(&r->to, to, sizeof(to));
	if (r->via.family)
		ip_format_addr(&r->via, via, sizeof(via));
	err_wrap(why, "source routes are without \"%s%s%s dev %s%s\"", to,
		 r->via.family ? " via " : "", r->via.family ? via : "", name,
		 r->onlink ? " onlink" : "");
	err_hint(why,
		 "what other programs send from the addresses of %s does not "
		 "go by this route; where its gateway is invalid, give %s a "
		 "route to it, or this route the word \"onlink\"",
		 name, name);
	s->warn(why);
}

static int set_route(struct source_routes *s, const struct monitor_route *route,
		     struct err *err)
{
	struct wanted *is = &s->is;
	size_t at = find_route(is->routes, is->n_routes, route);
	struct err why = ERR_INIT;
	int code;

	if (at < is->n_routes && !s->lost)
		return 0;
	if (at == SET_ROUTES_MAX)
		return err_errno(err, ENOBUFS, "source routes");
	code = change_route(s, true, route, &why);
	if (!code) {
		is->routes[at] = *route;
		is->n_routes += at == is->n_routes;
		return 0;
	}
	if (will_pass(code)) {
		if (err)
			*err = why;
		return code;
	}
	refuse(s, route, &why);
	if (at < is->n_routes && !change_route(s, false, route, NULL))
		is->routes[at] = is->routes[--is->n_routes];
	return 0;
}

static int set_routes(struct source_routes *s, struct err *err)
{
	int r = 0;

	memcpy(s->told, s->refused, s->n_refused * sizeof(s->told[0]));
	s->n_told = s->n_refused;
	s->n_refused = 0;
	for (size_t i = 0; i < s->next.n_routes; i++) {
		int code = set_route(s, &s->next.routes[i], r ? NULL : err);

		r = r ? r : code;
	}
	/* Else they are still to be added. */
	s->lost = s->lost && r;
	return r;
}

static int set_rules(struct source_routes *s, struct err *err)
{
	struct wanted *is = &s->is;
	int r = 0;

	for (size_t i = 0; i < s->next.n_rules; i++) {
		int code;

		if (has_rule(is, &s->next.rules[i]))
			continue;
		code = is->n_rules == MONITOR_ADDRESSES_MAX ?
			       -ENOBUFS :
			       change_rule(s, true, &s->next.rules[i],
					   r ? NULL : err);
		r = r ? r : code;
		if (!code)
			is->rules[is->n_rules++] = s->next.rules[i];
	}
	return r;
}

/* A rule comes after its routes and goes before them: without a rule a packet
 * goes as it would without all this, with an empty table too. One thing that
 * fails keeps nothing else from being done. */
int source_routes_set(struct source_routes *s,
		      const struct monitor_state *state, struct err *err)
{
	int r, code;

	s->lost |= state->own_routes < s->own_seen;
	s->own_seen = state->own_routes;
	want(&s->next, state);
	r = delete_rules(s, err);
	code = delete_routes(s, r ? NULL : err);
	r = r ? r : code;
	code = set_routes(s, r ? NULL : err);
	r = r ? r : code;
	code = set_rules(s, r ? NULL : err);
	return r ? r : code;
}

/* ---- what others have left ---------------------------------------------- */

static int take_rule_attr(const struct nlattr *attr, void *arg)
{
	struct {
		const struct nlattr *from;
		uint32_t table;
		bool ours;
	} *a = arg;

	if (mnl_attr_get_type(attr) == FRA_SRC)
		a->from = attr;
	else if (mnl_attr_get_type(attr) == FRA_TABLE)
		a->table = mnl_attr_get_u32(attr);
	else if (mnl_attr_get_type(attr) == FRA_PROTOCOL)
		a->ours = mnl_attr_get_u8(attr) == ROUTES_PROTOCOL;
	return MNL_CB_OK;
}

static int note_rule(const struct nlmsghdr *nlh, void *arg)
{
	const struct fib_rule_hdr *h = mnl_nlmsg_get_payload(nlh);
	struct {
		const struct nlattr *from;
		uint32_t table;
		bool ours;
	} a = { .from = NULL };
	struct set_rule r = { .from.family = h->family };
	struct wanted *w = arg;

	mnl_attr_parse(nlh, sizeof(*h), take_rule_attr, &a);
	if (!a.ours || !a.from || w->n_rules == MONITOR_ADDRESSES_MAX ||
	    mnl_attr_get_payload_len(a.from) != ip_addr_size(&r.from))
		return MNL_CB_OK;
	memcpy(r.from.bytes, mnl_attr_get_payload(a.from),
	       ip_addr_size(&r.from));
	r.table = a.table;
	w->rules[w->n_rules++] = r;
	return MNL_CB_OK;
}

/* Routes without a rule harm nobody, and are replaced one by one. */
static int take_away_rules(struct source_routes *s, struct err *err)
{
	int r = rtnl_dump(s->nl, RTM_GETRULE, note_rule, &s->next, err);

	for (size_t i = 0; i < s->next.n_rules && !r; i++)
		r = change_rule(s, false, &s->next.rules[i], err);
	return r;
}

/* ---- life --------------------------------------------------------------- */

struct source_routes *source_routes_free(struct source_routes *s)
{
	static const struct monitor_state nothing;

	if (!s)
		return NULL;
	if (s->nl)
		source_routes_set(s, &nothing, NULL);
	rtnl_closep(&s->nl);
	free(s);
	return NULL;
}

static void source_routes_freep(struct source_routes **s)
{
	source_routes_free(*s);
}

int source_routes_open(struct source_routes **out,
		       void (*warn)(const struct err *warning), struct err *err)
{
	CLEANUP(source_routes_freep)
	struct source_routes *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_errno(err, ENOMEM, "the source routes");
	s->warn = warn;
	r = rtnl_open(&s->nl, 0, err);
	if (!r)
		r = take_away_rules(s, err);
	if (r)
		return r;
	*out = TAKE_PTR(s);
	return 0;
}
