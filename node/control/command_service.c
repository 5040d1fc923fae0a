/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands about rules, and what they hold.
 *
 * A list of a million rules would be an answer of 400 MB, all of it in memory
 * twice. So an answer ends after some rules, between two prefixes, and says
 * where to go on; whoever wants them all asks again. Rules that come and go
 * meanwhile may be in the list or not; all others are there once.
 */
#include "node/control/command_request.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define LIST_LIMIT 1000u /* rules, and those of the last prefix */

/* ---- one rule ----------------------------------------------------------- */

static int get_kind(struct request *q, struct sal_rule *rule, struct err *err)
{
	const char *kind = json_string_value(json_object_get(q->in, "kind"));
	int r;

	if (!kind || !json_rule_kind_of(kind, &rule->kind))
		return request_bad_field(q, "kind", err,
					 "\"demux\", \"forward\", \"delay\" or "
					 "\"drop\"");
	r = request_get_addr(q, "to", AF_UNSPEC, &rule->to, err);
	if (r)
		return r;
	if ((rule->to.family != AF_UNSPEC) == (rule->kind == SAL_RULE_FORWARD))
		return 0;
	return request_bad_field(q, "to", err,
				 rule->kind == SAL_RULE_FORWARD ?
					 "the address to forward to" :
				 rule->kind == SAL_RULE_DEMUX ?
					 "none, as \"demux\" is this host" :
					 "none: only \"forward\" leads "
					 "elsewhere");
}

static bool has(const struct request *q, const char *field)
{
	return json_object_get(q->in, field);
}

static int get_refuse(struct request *q, struct sal_rule *rule, struct err *err)
{
	json_t *v = json_object_get(q->in, "refuse");

	if (v && rule->kind != SAL_RULE_DROP)
		return request_bad_field(
			q, "refuse", err,
			"none: only \"drop\" rules may refuse");
	if (v && !json_is_boolean(v))
		return request_bad_field(q, "refuse", err, "true or false");
	rule->refuse = json_is_true(v);
	return 0;
}

/* *what: which fields were given. */
static int get_rule(struct request *q, struct sal_rule *rule, unsigned *what,
		    struct err *err)
{
	int r = request_get_prefix(q, &rule->id, &rule->bits, err);

	if (!r)
		r = get_kind(q, rule, err);
	if (!r)
		r = request_get_uint(q, "priority", UINT16_MAX, 0,
				     &rule->priority, err);
	if (!r)
		r = request_get_uint(q, "weight", UINT16_MAX, 1, &rule->weight,
				     err);
	if (!r)
		r = get_refuse(q, rule, err);
	if (!r && has(q, "hold_ms") && rule->kind != SAL_RULE_DELAY)
		r = request_bad_field(q, "hold_ms", err,
				      "none: only \"delay\" rules hold");
	if (!r)
		r = request_get_uint(q, "hold_ms", 3600000, 0, &rule->hold_ms,
				     err);
	if (!r)
		r = request_get_uint(q, "idle_ms", UINT32_MAX, 0,
				     &rule->idle_ms, err);
	if (!r)
		r = request_get_uint(q, "hard_ms", UINT32_MAX, 0,
				     &rule->hard_ms, err);
	*what = (has(q, "priority") ? SAL_CHANGE_PRIORITY : 0) |
		(has(q, "weight") ? SAL_CHANGE_WEIGHT : 0) |
		(has(q, "refuse") ? SAL_CHANGE_REFUSE : 0) |
		(has(q, "hold_ms") ? SAL_CHANGE_HOLD : 0) |
		(has(q, "idle_ms") ? SAL_CHANGE_IDLE : 0) |
		(has(q, "hard_ms") ? SAL_CHANGE_HARD : 0);
	return r;
}

int command_service_add(struct request *q, struct err *err)
{
	struct sal_rule rule = { 0 };
	unsigned what;
	int r = get_rule(q, &rule, &what, err);

	return r ? r : q->ops->rule_add(q->ops->arg, &rule, err);
}

int command_service_listen(struct request *q, struct err *err)
{
	const char *protocol =
		json_string_value(json_object_get(q->in, "protocol"));
	json_t *any = json_object_get(q->in, "any");
	struct control_listen l = { .protocol = IPPROTO_TCP };
	uint16_t bits;
	uint32_t port;
	int r = request_get_prefix(q, &l.id, &bits, err);

	if (!r && bits != SERVICE_ID_BITS)
		r = request_bad_field(q, "service", err, "a whole ID");
	if (!r)
		r = request_get_uint(q, "port", UINT16_MAX, 0, &port, err);
	if (r)
		return r;
	l.port = (uint16_t)port;
	l.any = json_is_true(any);
	if (any && !json_is_boolean(any))
		return request_bad_field(q, "any", err, "true or false");
	if (protocol && !strcmp(protocol, "udp"))
		l.protocol = IPPROTO_UDP;
	else if (l.port && (!protocol || strcmp(protocol, "tcp")))
		return request_bad_field(q, "protocol", err,
					 "\"tcp\" or \"udp\"");
	if (!q->ops->listen)
		return err_set(err, ENOSYS, "active sockets are unknown here");
	return q->ops->listen(q->ops->arg, &l, err);
}

int command_service_change(struct request *q, struct err *err)
{
	struct sal_rule rule = { 0 };
	unsigned what;
	int r = get_rule(q, &rule, &what, err);

	return r ? r : q->ops->rule_change(q->ops->arg, &rule, what, err);
}

int command_service_replace(struct request *q, struct err *err)
{
	struct err none = ERR_INIT;
	struct sal_rule rule = { 0 };
	unsigned what;
	int r = get_rule(q, &rule, &what, err);

	if (r)
		return r;
	r = q->ops->rule_change(q->ops->arg, &rule, SAL_CHANGE_ALL, &none);
	if (r == -ENOENT)
		return q->ops->rule_add(q->ops->arg, &rule, err);
	if (r && err)
		*err = none;
	return r;
}

int command_service_delete(struct request *q, struct err *err)
{
	struct sal_rule rule = { 0 };
	struct service_prefix p;
	int r = request_get_prefix(q, &rule.id, &rule.bits, err);

	if (!r && !has(q, "kind")) {
		if (has(q, "to"))
			return request_bad_field(q, "to", err,
						 "none without \"kind\"");
		p = (struct service_prefix){ rule.id, rule.bits };
		return q->ops->rules_delete(q->ops->arg, &p, err);
	}
	if (!r)
		r = get_kind(q, &rule, err);
	return r ? r : q->ops->rule_delete(q->ops->arg, &rule, err);
}

/* ---- the list ----------------------------------------------------------- */

struct rule_list {
	struct list list;
	int64_t now_ns;
	uint32_t limit;
	bool filtered;
	struct service_prefix only; /* those within it */
	struct sal_rules_at last;
	bool more;
};

static bool within(const struct service_prefix *outer, const struct sal_rule *r)
{
	return outer->bits <= r->bits && service_prefix_contains(outer, &r->id);
}

static bool same_place(const struct sal_rules_at *a, const struct sal_rule *r)
{
	return a->demux == (r->kind == SAL_RULE_DEMUX) &&
	       a->prefix.bits == r->bits &&
	       service_id_equal(&a->prefix.id, &r->id);
}

static bool list_rule(void *to, const struct sal_rule_info *r,
		      const struct control_name *name)
{
	struct rule_list *l = to;

	if (l->filtered && !within(&l->only, &r->rule))
		return true;
	if (json_array_size(l->list.array) >= l->limit &&
	    !same_place(&l->last, &r->rule)) {
		l->more = true;
		return false;
	}
	l->last.demux = r->rule.kind == SAL_RULE_DEMUX;
	l->last.prefix = (struct service_prefix){ r->rule.id, r->rule.bits };
	list_add(&l->list, json_of_rule(r, name, l->now_ns));
	return !l->list.failed;
}

/* "demux 0xfd5e40/20": the half, and the last prefix of it that was told. */
static int get_after(struct request *q, struct sal_rules_at *at,
		     struct err *err)
{
	const char *text = json_string_value(json_object_get(q->in, "after"));
	const char *space = text ? strchr(text, ' ') : NULL;

	if (!space ||
	    (strncmp(text, "demux ", 6) != 0 &&
	     strncmp(text, "other ", 6) != 0) ||
	    strlen(space + 1) >= SERVICE_ID_TEXT_MAX ||
	    service_prefix_parse(space + 1, &at->prefix))
		return request_bad_field(q, "after", err,
					 "what \"next\" was in the answer "
					 "before");
	at->demux = text[0] == 'd';
	return 0;
}

static int put_next(struct request *q, const struct sal_rules_at *last,
		    struct err *err)
{
	char prefix[SERVICE_ID_TEXT_MAX], text[SERVICE_ID_TEXT_MAX + 8];

	snprintf(text, sizeof(text), "%s %s", last->demux ? "demux" : "other",
		 service_prefix_format(&last->prefix, prefix, sizeof(prefix)));
	if (json_object_set_new(q->out, "next", json_string(text)))
		return err_errno(err, ENOMEM, "the answer");
	return 0;
}

int command_service_list(struct request *q, struct err *err)
{
	struct rule_list l = { .now_ns = q->ops->now_ns(q->ops->arg) };
	struct sal_rules_at after;
	int r = request_get_uint(q, "limit", LIST_LIMIT, LIST_LIMIT, &l.limit,
				 err);

	if (!r && has(q, "after"))
		r = get_after(q, &after, err);
	if (!r && has(q, "service")) {
		l.filtered = true;
		r = request_get_prefix(q, &l.only.id, &l.only.bits, err);
	}
	if (r)
		return r;
	l.list.array = json_array();
	q->ops->rules(q->ops->arg, has(q, "after") ? &after : NULL, list_rule,
		      &l);
	r = request_put_list(q, "services", &l.list, err);
	return r || !l.more ? r : put_next(q, &l.last, err);
}

/* ---- what is held ------------------------------------------------------- */

struct delayed_list {
	struct list list;
	int64_t now_ns;
};

static void list_delayed(void *to, const struct sal_delayed *d)
{
	struct delayed_list *l = to;

	list_add(&l->list, json_of_delayed(d, l->now_ns));
}

int command_service_delayed(struct request *q, struct err *err)
{
	struct delayed_list l = { .list.array = json_array(),
				  .now_ns = q->ops->now_ns(q->ops->arg) };

	q->ops->delayed(q->ops->arg, list_delayed, &l);
	return request_put_list(q, "delayed", &l.list, err);
}

int command_service_verdict(struct request *q, struct err *err)
{
	static const char *const names[] = {
		[SAL_VERDICT_RELEASE] = "release",
		[SAL_VERDICT_REFUSE] = "refuse",
		[SAL_VERDICT_DROP] = "drop",
	};
	const char *text = json_string_value(json_object_get(q->in, "verdict"));
	unsigned verdict = 0;
	struct ip_addr to;
	uint32_t flow;
	int r;

	if (!has(q, "flow"))
		return request_bad_field(q, "flow", err,
					 "the ID of a flow that is held");
	r = request_get_uint(q, "flow", UINT32_MAX, 0, &flow, err);
	if (r)
		return r;
	while (text && verdict < 3 && strcmp(names[verdict], text) != 0)
		verdict++;
	if (!text || verdict == 3)
		return request_bad_field(q, "verdict", err,
					 "\"release\", \"refuse\" or "
					 "\"drop\"");
	r = request_get_addr(q, "to", AF_UNSPEC, &to, err);
	if (!r && to.family != AF_UNSPEC && verdict != SAL_VERDICT_RELEASE)
		r = request_bad_field(q, "to", err,
				      "none: only \"release\" leads somewhere");
	return r ? r :
		   q->ops->verdict(q->ops->arg, flow, (enum sal_verdict)verdict,
				   &to, err);
}
