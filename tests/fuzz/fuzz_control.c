// SPDX-License-Identifier: GPL-2.0-or-later
// scripts/fuzz.sh: +node/app/services.c +node/app/handoffs.c -node/io/netconf.c
/*
 * Lines of commands, one after the other, to the real engine and service table.
 * To each one line comes back, it is a JSON object, and it is either "ok" or an
 * error. What the answer says is held against a list of our own: a rule is
 * there after "ok" to "service add", and not before; what is listed is just
 * what is there. A service's addresses are the host's while, and only while, an
 * instance is here. Lines that are no commands:
 *
 *     @N   a program's packet to the address of the N-th service
 *     #N   2^N ms go by
 *     !N   the kernel will not take the address after the next N
 *     ?N   a verdict about the first conversation that is held
 */
#include "node/app/handoffs.h"
#include "node/app/services.h"
#include "node/control/command.h"
#include "node/control/json.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(ok)                                                               \
	do {                                                                   \
		if (!(ok))                                                     \
			abort();                                               \
	} while (0)

#define MAX_SERVICES 6u
#define LINES_MAX 200

static struct {
	struct sal *sal;
	struct services *services;
	struct handoffs *handoffs;
	int64_t now_ns;
	/* What ought to be there. */
	struct sal_rule rules[2 * MAX_SERVICES];
	unsigned n_rules;
	struct control_name names[MAX_SERVICES];
	unsigned n_names;
	/* What the kernel has. */
	struct ip_addr addresses[4 * MAX_SERVICES];
	unsigned n_addresses;
	int until_failure; /* -1: none to come */
	bool expired; /* a rule, in this tick */
} world;

/* ---- instead of the kernel ----------------------------------------------- */

static int address_at(const struct ip_addr *a)
{
	for (unsigned i = 0; i < world.n_addresses; i++)
		if (ip_addr_equal(&world.addresses[i], a))
			return (int)i;
	return -1;
}

int netconf_address(struct netconf *n, bool add, const struct ip_addr *addr,
		    struct err *err)
{
	int at = address_at(addr);

	(void)n;
	MUST(ip_addr_size(addr));
	if (!add && at >= 0)
		world.addresses[at] = world.addresses[--world.n_addresses];
	if (!add || at >= 0)
		return 0;
	if (!world.until_failure--)
		return err_set(err, ENOMEM, "the kernel will not");
	if (world.until_failure < 0)
		world.until_failure = -1;
	MUST(world.n_addresses < 4 * MAX_SERVICES);
	world.addresses[world.n_addresses++] = *addr;
	return 0;
}

/* ---- what commands do ---------------------------------------------------- */

static int rule_at(const struct sal_rule *r)
{
	for (unsigned i = 0; i < world.n_rules; i++) {
		const struct sal_rule *o = &world.rules[i];

		if (service_id_equal(&o->id, &r->id) && o->bits == r->bits &&
		    o->kind == r->kind && ip_addr_equal(&o->to, &r->to))
			return (int)i;
	}
	return -1;
}

static int add_rule(void *arg, const struct sal_rule *r, struct err *err)
{
	int at = rule_at(r), result;

	(void)arg;
	MUST(r->bits <= SERVICE_ID_BITS &&
	     (r->kind == SAL_RULE_FORWARD) == (r->to.family != AF_UNSPEC));
	result = services_rule_add(world.services, r, world.now_ns, err);
	MUST(result || at < 0);
	MUST(result != -EEXIST || at >= 0);
	if (!result) {
		MUST(world.n_rules < 2 * MAX_SERVICES);
		world.rules[world.n_rules++] = *r;
	}
	return result;
}

static int delete_rule(void *arg, const struct sal_rule *r, struct err *err)
{
	int at = rule_at(r), result;

	(void)arg;
	result = services_rule_delete(world.services, r, world.now_ns, err);
	MUST(!result == (at >= 0));
	if (!result)
		world.rules[at] = world.rules[--world.n_rules];
	return result;
}

static int change_rule(void *arg, const struct sal_rule *r, unsigned what,
		       struct err *err)
{
	int at = rule_at(r), result;

	(void)arg;
	result = services_rule_change(world.services, r, what, world.now_ns,
				      err);
	MUST(!result == (at >= 0));
	MUST(!result || result == -ENOENT);
	if (result)
		return result;
	if (what & SAL_CHANGE_PRIORITY)
		world.rules[at].priority = r->priority;
	if (what & SAL_CHANGE_WEIGHT)
		world.rules[at].weight = r->weight;
	if (what & SAL_CHANGE_IDLE)
		world.rules[at].idle_ms = r->idle_ms;
	return 0;
}

static int delete_rules(void *arg, const struct service_prefix *p,
			struct err *err)
{
	unsigned was = world.n_rules, i = 0;
	int result;

	(void)arg;
	result = services_rules_delete(world.services, p, world.now_ns, err);
	while (i < world.n_rules) {
		const struct sal_rule *r = &world.rules[i];

		if (r->bits == p->bits && service_id_equal(&r->id, &p->id))
			world.rules[i] = world.rules[--world.n_rules];
		else
			i++;
	}
	MUST(!result == (world.n_rules < was));
	return result;
}

static int give_verdict(void *arg, uint32_t flow, enum sal_verdict verdict,
			const struct ip_addr *to, struct err *err)
{
	int r = sal_verdict(world.sal, flow, verdict, to, world.now_ns);

	(void)arg;
	return r ? err_errno(err, -r, "the verdict") : 0;
}

static int64_t now_ns(void *arg)
{
	(void)arg;
	return world.now_ns;
}

static int set_name(void *arg, const struct control_name *n, struct err *err)
{
	int result = services_name_set(world.services, n, err);
	unsigned i = 0;

	(void)arg;
	MUST(n->name[0] && strlen(n->name) <= CONTROL_NAME_MAX);
	if (result)
		return result;
	while (i < world.n_names &&
	       !service_id_equal(&world.names[i].id, &n->id))
		i++;
	MUST(i < MAX_SERVICES);
	world.names[i] = *n;
	if (i == world.n_names)
		world.n_names++;
	return 0;
}

struct visit {
	control_rule_fn visit;
	void *to;
};

/* It is there, and says what it was told to. */
static void check_rule(const struct sal_rule_info *r)
{
	int at = rule_at(&r->rule);

	MUST(at >= 0);
	MUST(world.rules[at].priority == r->rule.priority);
	MUST(world.rules[at].weight == r->rule.weight);
	MUST(world.rules[at].idle_ms == r->rule.idle_ms);
	MUST(r->end_ns > world.now_ns);
}

static bool visit_rule(void *arg, const struct sal_rule_info *r)
{
	struct visit *v = arg;

	check_rule(r);
	return v->visit(v->to, r, services_find(world.services, &r->rule.id));
}

static void rules(void *arg, const struct sal_rules_at *after,
		  control_rule_fn visit, void *to)
{
	struct visit v = { visit, to };

	(void)arg;
	sal_rules(world.sal, after, visit_rule, &v);
}

static void delayed(void *arg, control_delayed_fn visit, void *to)
{
	(void)arg;
	sal_delayed(world.sal, visit, to);
}

static void flows(void *arg, control_flow_fn visit, void *to)
{
	(void)arg;
	sal_flows(world.sal, visit, to);
}

static void addresses(void *arg, control_address_fn visit, void *to)
{
	struct control_address a = { .ifname = "eth0",
				     .addr = { AF_INET, { 10, 0, 0, 1 } },
				     .ifindex = 2 };

	(void)arg;
	visit(to, &a);
}

static int set_interface(void *arg, const struct control_interface *i,
			 struct err *err)
{
	struct sal_local_address local = { .addr = { AF_INET, { 10, 0, 0, 1 } },
					   .ifindex = 2,
					   .cost = i->cost,
					   .metered = i->metered };

	(void)arg;
	if (strlen(i->name) > 15)
		return err_set(err, EINVAL, "too long");
	sal_set_addresses(world.sal, &local, 1, world.now_ns);
	return 0;
}

static void policy(void *arg, struct control_policy *out)
{
	(void)arg;
	out->sal = sal_get_policy(world.sal);
}

static void set_policy(void *arg, const struct control_policy *p)
{
	(void)arg;
	sal_set_policy(world.sal, &p->sal, world.now_ns);
}

static bool show_flow(void *arg, uint32_t flow, struct sal_history *out,
		      struct ip_addr standby[SAL_STANDBY_MAX], unsigned *n)
{
	(void)arg;
	*n = sal_flow_standby(world.sal, flow, standby);
	return sal_flow_history(world.sal, flow, out);
}

static void flows_ended(void *arg, control_ended_fn visit, void *to)
{
	(void)arg;
	sal_flows_ended(world.sal, visit, to);
}

static int migrate(void *arg, uint32_t flow, const struct ip_addr *to,
		   struct err *err)
{
	int r = sal_flow_move(world.sal, flow, to, world.now_ns);

	(void)arg;
	return r ? err_errno(err, -r, "the flow") : 0;
}

static int handoff(void *arg, enum control_handoff step, uint32_t flow,
		   struct err *err)
{
	(void)arg;
	return handoffs_step(world.handoffs, step, flow, world.now_ns, err);
}

static int give_flow(void *arg, uint32_t flow, struct control_part *part,
		     struct err *err)
{
	(void)arg;
	return handoffs_export(world.handoffs, flow, part, world.now_ns, err);
}

static int take_flow(void *arg, const struct control_part *part, uint32_t *flow,
		     struct err *err)
{
	(void)arg;
	return handoffs_import(world.handoffs, part, flow, world.now_ns, err);
}

static void counters(void *arg, control_counter_fn visit, void *to)
{
	const struct sal_stats *s = sal_stats(world.sal);

	(void)arg;
#define COUNTER(name, text) visit(to, #name, s->name);
	SAL_STATS(COUNTER)
#undef COUNTER
}

static const struct control_ops ops = {
	.program = "fuzz",
	.tun = "sal0",
	.name_set = set_name,
	.rule_add = add_rule,
	.rule_change = change_rule,
	.rule_delete = delete_rule,
	.rules_delete = delete_rules,
	.verdict = give_verdict,
	.now_ns = now_ns,
	.delayed = delayed,
	.rules = rules,
	.handoff = handoff,
	.flow_export = give_flow,
	.flow_import = take_flow,
	.flows = flows,
	.addresses = addresses,
	.interface_set = set_interface,
	.policy = policy,
	.policy_set = set_policy,
	.flow_show = show_flow,
	.flows_ended = flows_ended,
	.flow_migrate = migrate,
	.counters = counters,
};

/* ---- the engine ---------------------------------------------------------- */

static void on_send(void *arg, const struct sal_outer *o)
{
	(void)arg;
	MUST(o->header_len >= 12);
}

static void on_deliver(void *arg, const struct sal_inner *in)
{
	(void)arg;
	MUST(in->len > 0);
}

/* As a subscriber sees it. */
static void on_event(void *arg, const struct sal_event *e)
{
	json_t *o = json_of_event(e);
	char *text = json_dumps(o, JSON_COMPACT);
	int at;

	if (e->kind == SAL_EVENT_SERVICE_EXPIRED) {
		at = rule_at(&e->rule);
		MUST(at >= 0 && (e->rule.idle_ms || e->rule.hard_ms));
		world.rules[at] = world.rules[--world.n_rules];
		world.expired = true;
	}
	(void)arg;
	MUST(text && !strchr(text, '\n'));
	free(text);
	json_decref(o);
}

static void *start(void)
{
	static const struct sal_sink sink = { .send = on_send,
					      .deliver = on_deliver,
					      .event = on_event };
	struct sal_local_address local = { .addr = { AF_INET, { 10, 0, 0, 1 } },
					   .ifindex = 2 };
	struct sal_config c = { .max_flows = 0 };
	void *mem;

	memset(&world, 0, sizeof(world));
	world.until_failure = -1;
	world.now_ns = 1;
	sal_config_defaults(&c);
	c.inner4 = (struct ip_addr){ AF_INET, { 10, 9, 0, 1 } };
	c.max_flows = 8;
	c.max_services = c.max_rules = MAX_SERVICES;
	c.max_delayed = 2;
	c.queue_bytes = c.unacked_bytes = 4096;
	mem = malloc(sal_memory(&c));
	MUST(mem && !sal_init(mem, sal_memory(&c), &c, &sink, world.now_ns,
			      &world.sal));
	sal_set_addresses(world.sal, &local, 1, world.now_ns);
	world.services = services_new(world.sal, NULL, MAX_SERVICES);
	world.handoffs = handoffs_new(world.sal);
	MUST(world.services && world.handoffs);
	return mem;
}

static void packet(unsigned which)
{
	uint8_t echo[32] = { 8, 0, 0, 0, 0, (uint8_t)which };
	struct sal_inner in = { .src = { AF_INET, { 10, 9, 0, 1 } },
				.protocol = IPPROTO_ICMP,
				.segment = echo,
				.len = sizeof(echo) };

	if (!world.n_names)
		return;
	in.dst = world.names[which % world.n_names].addr4;
	if (in.dst.family == AF_INET)
		sal_from_inner(world.sal, &in, world.now_ns);
}

static void time_goes_by(unsigned by)
{
	world.now_ns += INT64_C(1000000) << by % 24;
	for (int i = 0; sal_next_ns(world.sal) <= world.now_ns; i++) {
		MUST(i < 1000);
		sal_tick(world.sal, world.now_ns);
	}
	if (world.expired)
		services_sweep(world.services);
	world.expired = false;
}

static void note_flow(void *arg, const struct sal_delayed *d)
{
	MUST(d->until_ns > world.now_ns && d->flow);
	*(uint32_t *)arg = d->flow;
}

static void judge(unsigned how)
{
	static const struct ip_addr where[] = { { 0 },
						{ AF_INET, { 10, 0, 0, 3 } },
						{ AF_INET6, { 0xfd } } };
	uint32_t flow = 0;
	int r;

	sal_delayed(world.sal, note_flow, &flow);
	r = sal_verdict(world.sal, flow, (enum sal_verdict)(how % 3),
			&where[how / 3 % 3], world.now_ns);
	MUST(flow ? r != -ENOENT : r == -ENOENT);
}

/* ---- lines --------------------------------------------------------------- */

static bool count_rule(void *arg, const struct sal_rule_info *r)
{
	unsigned *n = arg;

	check_rule(r);
	++*n;
	return true;
}

static bool is_here(const struct service_id *id)
{
	struct sal_rule r = { .id = *id,
			      .bits = SERVICE_ID_BITS,
			      .kind = SAL_RULE_DEMUX };

	return rule_at(&r) >= 0;
}

static void look(void)
{
	unsigned n = 0, expected = 0;

	sal_rules(world.sal, NULL, count_rule, &n);
	MUST(n == world.n_rules && !sal_stats(world.sal)->broken);
	for (unsigned i = 0; i < world.n_names; i++) {
		const struct control_name *c = &world.names[i];
		const struct ip_addr *v[2] = { &c->addr4, &c->addr6 };

		for (int k = 0; k < 2; k++) {
			if (!ip_addr_size(v[k]))
				continue;
			MUST((address_at(v[k]) >= 0) == is_here(&c->id));
			expected += is_here(&c->id);
		}
	}
	MUST(expected == world.n_addresses);
}

static void command(const char *line, size_t len)
{
	bool subscribe;
	char *answer = control_execute(&ops, line, len, &subscribe);
	json_t *o;

	MUST(answer != NULL);
	o = json_loads(answer, 0, NULL);
	MUST(json_is_object(o) && !strchr(answer, '\n'));
	MUST(!json_object_get(o, "ok") != !json_object_get(o, "error"));
	MUST(!subscribe || json_object_get(o, "ok"));
	json_decref(o);
	free(answer);
}

static void take_line(const char *line, size_t len)
{
	unsigned n = len > 1 ? (unsigned char)line[1] : 0;

	switch (len ? line[0] : ' ') {
	case '@':
		packet(n);
		break;
	case '#':
		time_goes_by(n);
		break;
	case '?':
		judge(n);
		break;
	case '!':
		world.until_failure = (int)(n % 4);
		break;
	default:
		command(line, len);
	}
	look();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *line = (const char *)data, *end = line + size;
	void *mem = start();

	for (int i = 0; i < LINES_MAX && line < end; i++) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((stop ? stop : end) - line);

		take_line(line, len);
		line += len + 1;
	}
	handoffs_free(world.handoffs);
	services_free(world.services);
	free(mem);
	return 0;
}
