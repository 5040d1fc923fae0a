/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An instance's addresses come before its DEMUX rule and go after it, so that
 * no SYN is ever taken for an address that nobody here has.
 *
 * Whether an instance is here is asked of the engine's table each time: a rule
 * may be for many names, those in its prefix, and a longer prefix that is
 * elsewhere takes some of them away again. What is remembered of a name is only
 * whether its addresses are on the TUN by now.
 */
#include "node/app/services.h"
#include "base/vec.h"

#include <errno.h>
#include <string.h>

struct named {
	struct control_name name;
	bool here; /* its addresses are on the TUN */
};

struct services {
	struct sal *sal;
	struct netconf *net;
	size_t max;
	VEC(struct named) names;
};

struct services *services_new(struct sal *sal, struct netconf *net, size_t max)
{
	struct services *s = calloc(1, sizeof(*s));

	if (s) {
		s->sal = sal;
		s->net = net;
		s->max = max;
	}
	return s;
}

struct services *services_free(struct services *s)
{
	if (s)
		VEC_FREE(&s->names);
	free(s);
	return NULL;
}

static struct named *find(const struct services *s, const struct service_id *id)
{
	for (size_t i = 0; i < s->names.n; i++)
		if (service_id_equal(&s->names.v[i].name.id, id))
			return &s->names.v[i];
	return NULL;
}

const struct control_name *services_find(const struct services *s,
					 const struct service_id *id)
{
	const struct named *n = find(s, id);

	return n ? &n->name : NULL;
}

/* ---- addresses -------------------------------------------------------- */

static int set_address(struct services *s, bool add, const struct ip_addr *addr,
		       struct err *err)
{
	if (addr->family == AF_UNSPEC)
		return 0;
	return netconf_address(s->net, add, addr, err);
}

static int add_addresses(struct services *s, const struct control_name *n,
			 struct err *err)
{
	int r = set_address(s, true, &n->addr4, err);

	if (r)
		return r;
	r = set_address(s, true, &n->addr6, err);
	if (r)
		set_address(s, false, &n->addr4, NULL);
	return r;
}

static int remove_addresses(struct services *s, const struct control_name *n,
			    struct err *err)
{
	int r4 = set_address(s, false, &n->addr4, err);
	int r6 = set_address(s, false, &n->addr6, r4 ? NULL : err);

	return r4 ? r4 : r6;
}

/* The addresses of a name come, or go, or are as they should be. */
static int place(struct services *s, struct named *n, bool here,
		 struct err *err)
{
	int r;

	if (n->here == here)
		return 0;
	r = here ? add_addresses(s, &n->name, err) :
		   remove_addresses(s, &n->name, err);
	if (!r)
		n->here = here;
	return r;
}

static bool is_here(const struct services *s, const struct named *n)
{
	return sal_rule_serves(s->sal, &n->name.id, 0);
}

/* After a change of rules at a prefix; goes through with it, whatever fails. */
static int settle(struct services *s, const struct service_prefix *p,
		  struct err *err)
{
	int first = 0;

	for (size_t i = 0; i < s->names.n; i++) {
		struct named *n = &s->names.v[i];
		int r;

		if (!service_prefix_contains(p, &n->name.id))
			continue;
		r = place(s, n, is_here(s, n), first ? NULL : err);
		first = first ? first : r;
	}
	return first;
}

/* ---- rules ------------------------------------------------------------ */

static int rule_error(int r, struct err *err)
{
	switch (-r) {
	case 0:
		return 0;
	case EEXIST:
		return err_set(err, EEXIST, "this rule is there already");
	case ENOENT:
		return err_set(err, ENOENT, "there is no such rule");
	case ENOSPC:
		err_set(err, ENOSPC, "the service table is full");
		err_hint(err, "delete rules, or start sald with more room "
			      "(--rules N)");
		return -ENOSPC;
	default:
		return err_errno(err, -r, "the service table");
	}
}

/* The names that a DEMUX rule makes this host an instance of. */
static int prepare(struct services *s, const struct service_prefix *p,
		   struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->names.n && !r; i++) {
		struct named *n = &s->names.v[i];

		if (service_prefix_contains(p, &n->name.id) &&
		    sal_rule_serves(s->sal, &n->name.id, p->bits))
			r = place(s, n, true, err);
	}
	return r;
}

static bool is_prefix(const struct sal_rule *r)
{
	return r->bits <= SERVICE_ID_BITS;
}

int services_rule_add(struct services *s, const struct sal_rule *rule,
		      int64_t now_ns, struct err *err)
{
	struct service_prefix p = { .id = rule->id, .bits = rule->bits };
	int r = 0;

	if (rule->kind == SAL_RULE_DEMUX && is_prefix(rule))
		r = prepare(s, &p, err);
	if (!r)
		r = rule_error(sal_rule_add(s->sal, rule, now_ns), err);
	/* Takes back what was prepared in vain, and addresses of names that
	 * this rule leads elsewhere. */
	if (is_prefix(rule))
		settle(s, &p, NULL);
	return r;
}

int services_rule_delete(struct services *s, const struct sal_rule *rule,
			 int64_t now_ns, struct err *err)
{
	struct service_prefix p = { .id = rule->id, .bits = rule->bits };
	int r = rule_error(sal_rule_delete(s->sal, rule, now_ns), err);

	return r ? r : settle(s, &p, err);
}

int services_rule_change(struct services *s, const struct sal_rule *rule,
			 unsigned what, int64_t now_ns, struct err *err)
{
	return rule_error(sal_rule_change(s->sal, rule, what, now_ns), err);
}

int services_rules_delete(struct services *s, const struct service_prefix *p,
			  int64_t now_ns, struct err *err)
{
	int r = rule_error(sal_rules_delete(s->sal, p, now_ns), err);

	return r ? r : settle(s, p, err);
}

void services_sweep(struct services *s)
{
	const struct service_prefix all = { 0 };

	settle(s, &all, NULL);
}

/* ---- names ------------------------------------------------------------ */

static bool shares_address(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family != AF_UNSPEC && ip_addr_equal(a, b);
}

/* A name and an address mean one service each. */
static int check_unique(const struct services *s, const struct control_name *n,
			struct err *err)
{
	char text[SERVICE_ID_TEXT_MAX];

	for (size_t i = 0; i < s->names.n; i++) {
		const struct control_name *old = &s->names.v[i].name;
		const char *what;

		if (service_id_equal(&old->id, &n->id))
			continue;
		if (!strcmp(old->name, n->name))
			what = "the name";
		else if (shares_address(&old->addr4, &n->addr4))
			what = "the IPv4 address";
		else if (shares_address(&old->addr6, &n->addr6))
			what = "the IPv6 address";
		else
			continue;
		return err_set(err, EEXIST, "%s is that of service %s", what,
			       service_id_format(&old->id, text, sizeof(text)));
	}
	return 0;
}

static int tell_engine(struct services *s, const struct control_name *n,
		       struct err *err)
{
	int r = sal_name_set(s->sal, &n->id, &n->addr4, &n->addr6);

	return r ? err_errno(err, -r, "cannot name service %s", n->name) : 0;
}

static int no_room(const struct services *s, struct err *err)
{
	err_set(err, ENOSPC, "more than %zu names", s->max);
	err_hint(err, "delete names, or start sald with more room (--names N)");
	return -ENOSPC;
}

int services_name_set(struct services *s, const struct control_name *n,
		      struct err *err)
{
	struct control_name old = { 0 };
	struct named *slot;
	int r = check_unique(s, n, err);

	if (r)
		return r;
	slot = find(s, &n->id);
	if (slot) {
		old = slot->name;
	} else if (s->names.n == s->max) {
		return no_room(s, err);
	} else {
		slot = VEC_PUSH(&s->names);
		if (slot)
			*slot = (struct named){ 0 };
	}
	if (!slot)
		return err_errno(err, ENOMEM, "service %s", n->name);
	r = tell_engine(s, n, err);
	if (!r) {
		place(s, slot, false, NULL);
		slot->here = false;
		slot->name = *n;
		r = place(s, slot, is_here(s, slot), err);
	}
	if (!r)
		return 0;
	if (!old.name[0]) {
		s->names.n--;
		return r;
	}
	tell_engine(s, &old, NULL);
	slot->name = old;
	place(s, slot, is_here(s, slot), NULL);
	return r;
}
