/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about interfaces and the policy, and about a flow's paths. */
#include "node/control/command_request.h"

#include <errno.h>
#include <string.h>

int request_get_bool(struct request *q, const char *field, bool *out,
		     struct err *err)
{
	json_t *v = json_object_get(q->in, field);

	if (v && !json_is_boolean(v))
		return request_bad_field(q, field, err, "true or false");
	if (v)
		*out = json_is_true(v);
	return 0;
}

/* ---- interfaces --------------------------------------------------------- */

static int get_cap(struct request *q, uint64_t *out, struct err *err)
{
	json_t *v = json_object_get(q->in, "cap_bps");
	json_int_t n = json_integer_value(v);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || n < CONTROL_CAP_MIN_BPS ||
	    n > CONTROL_CAP_MAX_BPS)
		return request_bad_field(q, "cap_bps", err,
					 "a whole number from 8000 to "
					 "100000000000, or null");
	*out = (uint64_t)n;
	return 0;
}

int command_interface_set(struct request *q, struct err *err)
{
	struct control_interface i = {
		.name = json_string_value(json_object_get(q->in, "interface")),
	};
	int r;

	if (!i.name)
		return request_bad_field(q, "interface", err,
					 "an interface's name");
	r = request_get_uint(q, "cost", UINT32_MAX, 0, &i.cost, err);
	if (!r)
		r = request_get_bool(q, "metered", &i.metered, err);
	if (!r)
		r = get_cap(q, &i.cap_bps, err);
	if (r)
		return r;
	r = q->ops->interface_set(q->ops->arg, &i, err);
	if (r)
		q->field = "interface";
	return r;
}

/* ---- the policy --------------------------------------------------------- */

static json_t *json_of_order(const struct control_policy *p)
{
	json_t *names = json_array();

	for (size_t i = 0; i < p->n_order; i++) {
		if (!json_array_append_new(names, json_string(p->order[i])))
			continue;
		json_decref(names);
		return NULL;
	}
	return names;
}

int command_policy(struct request *q, struct err *err)
{
	struct control_policy p = { .n_order = 0 };
	json_t *more;

	q->ops->policy(q->ops->arg, &p);
	more = json_pack("{s:s, s:o, s:b, s:b, s:I}", "by",
			 p.sal.by_cost ? "cost" : "order", "order",
			 json_of_order(&p), "avoid_metered",
			 (int)p.sal.avoid_metered, "go_back",
			 (int)p.sal.go_back, "hold_ms",
			 (json_int_t)(p.sal.hold_ns / 1000000));
	return json_object_set_new(q->out, "policy", more) ?
		       err_errno(err, ENOMEM, "the answer") :
		       0;
}

static int get_order(struct request *q, struct control_policy *p,
		     struct err *err)
{
	static const char expected[] =
		"up to 16 names of interfaces, each once";
	json_t *v = json_object_get(q->in, "order");
	size_t n = json_array_size(v);

	if (!v)
		return 0;
	if (!json_is_array(v) || n > CONTROL_ORDER_MAX)
		return request_bad_field(q, "order", err, expected);
	memset(p->order, 0, sizeof(p->order));
	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(v, i));
		size_t len = name ? strlen(name) : 0;

		if (!len || len >= IFNAMSIZ)
			return request_bad_field(q, "order", err, expected);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(p->order[k], name))
				return request_bad_field(q, "order", err,
							 expected);
		memcpy(p->order[i], name, len + 1);
	}
	p->n_order = n;
	return 0;
}

/* What is not said stays as it is. */
int command_policy_set(struct request *q, struct err *err)
{
	json_t *v = json_object_get(q->in, "by");
	const char *by = json_string_value(v);
	struct control_policy p = { .n_order = 0 };
	uint32_t hold_ms;
	int r;

	q->ops->policy(q->ops->arg, &p);
	if (v && (!by || (strcmp(by, "order") != 0 && strcmp(by, "cost") != 0)))
		return request_bad_field(q, "by", err, "\"order\" or \"cost\"");
	if (v)
		p.sal.by_cost = !strcmp(by, "cost");
	r = get_order(q, &p, err);
	if (!r)
		r = request_get_bool(q, "avoid_metered", &p.sal.avoid_metered,
				     err);
	if (!r)
		r = request_get_bool(q, "go_back", &p.sal.go_back, err);
	if (!r)
		r = request_get_uint(q, "hold_ms", 86400000,
				     (uint32_t)(p.sal.hold_ns / 1000000),
				     &hold_ms, err);
	if (r)
		return r;
	p.sal.hold_ns = (int64_t)hold_ms * 1000000;
	q->ops->policy_set(q->ops->arg, &p);
	return 0;
}

/* ---- a flow's paths ----------------------------------------------------- */

static json_t *json_of_standby(const struct ip_addr *v, unsigned n)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < n; i++) {
		if (!json_array_append_new(all, json_of_addr(&v[i])))
			continue;
		json_decref(all);
		return NULL;
	}
	return all;
}

int command_flow_show(struct request *q, struct err *err)
{
	struct ip_addr standby[SAL_STANDBY_MAX];
	struct sal_history h;
	unsigned n = 0;
	json_t *o;
	uint32_t flow;
	int r = request_get_uint(q, "flow", UINT32_MAX, 0, &flow, err);

	if (r)
		return r;
	if (!flow)
		return request_bad_field(q, "flow", err, "a flow's ID");
	if (!q->ops->flow_show(q->ops->arg, flow, &h, standby, &n)) {
		err_set(err, ENOENT, "there is no flow %u", flow);
		err_hint(err,
			 "\"flow list\" has those that are open, "
			 "\"flow ended\" the last %d that were",
			 SAL_ENDED_MAX);
		return -ENOENT;
	}
	o = json_of_ended(&h);
	if (!o ||
	    json_object_set_new(o, "standby", json_of_standby(standby, n)) ||
	    json_object_set_new(o, "left_out", json_integer(h.left_out)) ||
	    json_object_set_new(o, "history", json_of_ways(&h))) {
		json_decref(o);
		return err_errno(err, ENOMEM, "the answer");
	}
	return json_object_set_new(q->out, "flow", o) ?
		       err_errno(err, ENOMEM, "the answer") :
		       0;
}

static void list_ended(void *to, const struct sal_history *h)
{
	list_add(to, json_of_ended(h));
}

int command_flow_ended(struct request *q, struct err *err)
{
	struct list l = { .array = json_array() };

	q->ops->flows_ended(q->ops->arg, list_ended, &l);
	return request_put_list(q, "flows", &l, err);
}
