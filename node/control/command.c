/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands: a table of them, each with the fields it takes.
 *
 * A request is checked whole before anything is done: unknown fields and those
 * of the wrong type are refused by name, as a misspelt "priority" that is
 * passed over would be a wrong rule that nobody notices.
 */
#include "node/control/command_request.h"

#include "base/utf8.h"
#include "node/control/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- fields ----------------------------------------------------------- */

/* How much of a text from outside an error message quotes. */
static int shown(const char *text)
{
	return (int)utf8_truncate(text, strlen(text), 64);
}

int request_bad_field(struct request *q, const char *field, struct err *err,
		      const char *expected)
{
	q->field = field;
	return err_set(err, EINVAL, "field \"%s\": expected %s", field,
		       expected);
}

int request_get_uint(struct request *q, const char *field, uint32_t max,
		     uint32_t otherwise, uint32_t *out, struct err *err)
{
	json_t *v = json_object_get(q->in, field);
	json_int_t n;

	*out = otherwise;
	if (!v)
		return 0;
	n = json_integer_value(v);
	if (!json_is_integer(v) || n < 0 || n > (json_int_t)max) {
		q->field = field;
		return err_set(err, EINVAL,
			       "field \"%s\": expected a whole number from 0 "
			       "to %u",
			       field, max);
	}
	*out = (uint32_t)n;
	return 0;
}

int request_get_addr(struct request *q, const char *field, int family,
		     struct ip_addr *out, struct err *err)
{
	json_t *v = json_object_get(q->in, field);

	*out = (struct ip_addr){ 0 };
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v) || ip_parse_addr(json_string_value(v), out) ||
	    (family != AF_UNSPEC && out->family != family))
		return request_bad_field(q, field, err,
					 family == AF_INET ? "an IPv4 address" :
					 family == AF_INET6 ?
							     "an IPv6 address" :
							     "an IP address");
	return 0;
}

int request_get_prefix(struct request *q, struct service_id *id, uint16_t *bits,
		       struct err *err)
{
	const char *text = json_string_value(json_object_get(q->in, "service"));
	struct service_prefix p = { .bits = SERVICE_ID_BITS };
	char whole[SERVICE_ID_TEXT_MAX + 8];
	uint32_t n;
	int r;

	if (!text || strlen(text) >= SERVICE_ID_TEXT_MAX)
		return request_bad_field(q, "service", err, "a service ID");
	r = request_get_uint(q, "bits", SERVICE_ID_BITS, SERVICE_ID_BITS, &n,
			     err);
	if (r)
		return r;
	if (strchr(text, '/') || n == SERVICE_ID_BITS)
		snprintf(whole, sizeof(whole), "%s", text);
	else
		snprintf(whole, sizeof(whole), "%s/%u", text, n);
	if (service_prefix_parse(whole, &p))
		return request_bad_field(
			q, "service", err,
			"a service ID, without bits set beyond its "
			"length");
	if (json_object_get(q->in, "bits") && n != p.bits)
		return request_bad_field(q, "bits", err,
					 "the length that the ID has");
	*id = p.id;
	*bits = p.bits;
	return 0;
}

/* ---- lists ------------------------------------------------------------ */

void list_add(struct list *l, json_t *value)
{
	if (json_array_append_new(l->array, value))
		l->failed = true;
}

static void list_flow(void *to, const struct sal_flow_info *f)
{
	list_add(to, json_of_flow(f));
}

static void list_address(void *to, const struct control_address *a)
{
	list_add(to, json_of_address(a));
}

int request_put_list(struct request *q, const char *key, struct list *l,
		     struct err *err)
{
	if (json_object_set_new(q->out, key, l->array) || l->failed)
		return err_errno(err, ENOMEM, "the answer");
	return 0;
}

/* ---- commands --------------------------------------------------------- */

static int do_hello(struct request *q, struct err *err)
{
	const struct control_ops *ops = q->ops;
	json_t *more =
		json_pack("{s:i, s:s, s:s, s:o, s:o}", "version",
			  CONTROL_VERSION, "program", ops->program, "tun",
			  ops->tun, "inner4", json_of_addr(&ops->inner4),
			  "inner6", json_of_addr(&ops->inner6));
	int r = json_object_update(q->out, more);

	json_decref(more);
	return r ? err_errno(err, ENOMEM, "the answer") : 0;
}

static int do_name_set(struct request *q, struct err *err)
{
	const char *name = json_string_value(json_object_get(q->in, "name"));
	struct control_name n = { 0 };
	uint16_t bits;
	int r;

	if (!name || !name[0] || strlen(name) > CONTROL_NAME_MAX)
		return request_bad_field(q, "name", err,
					 "a name of 1 to 63 bytes");
	memcpy(n.name, name, strlen(name));
	r = request_get_prefix(q, &n.id, &bits, err);
	if (!r && bits != SERVICE_ID_BITS)
		r = request_bad_field(q, "service", err, "a whole service ID");
	if (!r)
		r = request_get_addr(q, "addr4", AF_INET, &n.addr4, err);
	if (!r)
		r = request_get_addr(q, "addr6", AF_INET6, &n.addr6, err);
	return r ? r : q->ops->name_set(q->ops->arg, &n, err);
}

static int do_flow_list(struct request *q, struct err *err)
{
	struct list l = { .array = json_array() };

	q->ops->flows(q->ops->arg, list_flow, &l);
	return request_put_list(q, "flows", &l, err);
}

static int do_interface_list(struct request *q, struct err *err)
{
	struct list l = { .array = json_array() };

	q->ops->addresses(q->ops->arg, list_address, &l);
	return request_put_list(q, "interfaces", &l, err);
}

static int do_flow_migrate(struct request *q, struct err *err)
{
	struct ip_addr to;
	uint32_t flow;
	int r = request_get_uint(q, "flow", UINT32_MAX, 0, &flow, err);

	if (!r && !flow)
		r = request_bad_field(q, "flow", err, "a flow's ID");
	if (!r)
		r = request_get_addr(q, "to", AF_UNSPEC, &to, err);
	return r ? r : q->ops->flow_migrate(q->ops->arg, flow, &to, err);
}

static void add_counter(void *to, const char *name, uint64_t value)
{
	struct list *l = to;

	if (json_object_set_new(l->array, name,
				json_integer((json_int_t)value)))
		l->failed = true;
}

static int do_stats(struct request *q, struct err *err)
{
	struct list l = { .array = json_object() };

	q->ops->counters(q->ops->arg, add_counter, &l);
	return request_put_list(q, "stats", &l, err);
}

static int do_subscribe(struct request *q, struct err *err)
{
	(void)err;
	q->subscribe = true;
	return 0;
}

#define FIELDS_MAX 10

/* Of those that make or change a rule. */
#define RULE_FIELDS                                                            \
	"service", "bits", "kind", "to", "priority", "weight", "refuse",       \
		"hold_ms", "idle_ms", "hard_ms", NULL

static const struct command {
	const char *name;
	int (*run)(struct request *q, struct err *err);
	const char *fields[FIELDS_MAX + 1];
} commands[] = {
	{ "hello", do_hello, { NULL } },
	{ "name set",
	  do_name_set,
	  { "name", "service", "addr4", "addr6", NULL } },
	{ "service add", command_service_add, { RULE_FIELDS } },
	{ "service change", command_service_change, { RULE_FIELDS } },
	{ "service replace", command_service_replace, { RULE_FIELDS } },
	{ "service delete",
	  command_service_delete,
	  { "service", "bits", "kind", "to", NULL } },
	{ "service list",
	  command_service_list,
	  { "limit", "after", "service", "bits", NULL } },
	{ "service delayed", command_service_delayed, { NULL } },
	{ "service listen",
	  command_service_listen,
	  { "service", "protocol", "port", "any", NULL } },
	{ "service verdict",
	  command_service_verdict,
	  { "flow", "verdict", "to", NULL } },
	{ "flow list", do_flow_list, { NULL } },
	{ "flow show", command_flow_show, { "flow", NULL } },
	{ "flow ended", command_flow_ended, { NULL } },
	{ "flow migrate", do_flow_migrate, { "flow", "to", NULL } },
	{ "flow hold", command_flow_hold, { "flow", NULL } },
	{ "flow export", command_flow_export, { "flow", "offset", NULL } },
	{ "flow import",
	  command_flow_import,
	  { "offset", "total", "bytes", NULL } },
	{ "flow release", command_flow_release, { "flow", NULL } },
	{ "flow commit", command_flow_commit, { "flow", NULL } },
	{ "flow abort", command_flow_abort, { "flow", NULL } },
	{ "interface list", do_interface_list, { NULL } },
	{ "interface set",
	  command_interface_set,
	  { "interface", "cost", "metered", "cap_bps", NULL } },
	{ "policy", command_policy, { NULL } },
	{ "policy set",
	  command_policy_set,
	  { "by", "order", "avoid_metered", "go_back", "hold_ms", NULL } },
	{ "stats", do_stats, { NULL } },
	{ "subscribe", do_subscribe, { NULL } },
};

static bool is_common_field(const char *key)
{
	return !strcmp(key, "v") || !strcmp(key, "id") || !strcmp(key, "cmd");
}

static bool command_takes(const struct command *c, const char *key)
{
	if (is_common_field(key))
		return true;
	for (size_t i = 0; c->fields[i]; i++)
		if (!strcmp(c->fields[i], key))
			return true;
	return false;
}

static int find_command(struct request *q, const struct command **out,
			struct err *err)
{
	json_t *v = json_object_get(q->in, "v");
	json_t *id = json_object_get(q->in, "id");
	const char *name = json_string_value(json_object_get(q->in, "cmd"));

	if (!json_is_integer(v) || json_integer_value(v) != CONTROL_VERSION) {
		q->field = "v";
		return err_set(err, EPROTONOSUPPORT,
			       "field \"v\": expected %d, the version that is "
			       "spoken here",
			       CONTROL_VERSION);
	}
	if (id && !json_is_integer(id))
		return request_bad_field(q, "id", err, "a whole number");
	if (!name)
		return request_bad_field(q, "cmd", err,
					 "the name of a command");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(commands[i].name, name)) {
			*out = &commands[i];
			return 0;
		}
	}
	q->field = "cmd";
	return err_set(err, ENOSYS, "there is no command \"%.*s\"", shown(name),
		       name);
}

static int run(struct request *q, struct err *err)
{
	const struct command *c = NULL;
	const char *key;
	json_t *value;
	int r = find_command(q, &c, err);

	if (r)
		return r;
	json_object_foreach(q->in, key, value)
	{
		if (!command_takes(c, key)) {
			q->field = key;
			return err_set(err, EINVAL,
				       "\"%s\" takes no field \"%.*s\"",
				       c->name, shown(key), key);
		}
	}
	return c->run(q, err);
}

/* ---- lines ------------------------------------------------------------ */

/* A message may quote bytes that are no text, or end within a character. */
static json_t *json_of_message(const char *message)
{
	char text[sizeof(((struct err *)NULL)->msg)];
	size_t len = strlen(message), n = 0;
	uint32_t unused;

	while (n < len && n < sizeof(text)) {
		size_t take = utf8_decode(message + n, len - n, &unused);

		if (n + take > sizeof(text))
			break;
		memcpy(text + n, take ? message + n : "?", take ? take : 1);
		n += take ? take : 1;
	}
	return json_stringn(text, n);
}

static json_t *json_of_error(const struct err *err, const char *field)
{
	const char *code = strerrorname_np(err->code);
	json_t *o = json_pack("{s:s, s:o}", "code", code ? code : "EIO",
			      "message", json_of_message(err->msg));

	if (o && field)
		json_object_set_new(o, "field", json_string(field));
	if (o && err->hint[0])
		json_object_set_new(o, "hint", json_of_message(err->hint));
	return o;
}

static char *take_text(json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return text;
}

char *control_refuse(int code, const char *message)
{
	struct err err = ERR_INIT;

	err_set(&err, code, "%s", message);
	return take_text(
		json_pack("{s:o}", "error", json_of_error(&err, NULL)));
}

char *control_execute(const struct control_ops *ops, const char *line,
		      size_t len, bool *subscribe)
{
	struct request q = { .ops = ops };
	struct err err = ERR_INIT;
	json_error_t problem;
	json_t *id;
	int r;

	*subscribe = false;
	q.in = json_loadb(line, len, JSON_REJECT_DUPLICATES, &problem);
	q.out = json_object();
	if (!json_is_object(q.in)) {
		err_set(&err, EINVAL, "expected a JSON object: %s",
			q.in ? "this is none" : problem.text);
		r = -EINVAL;
	} else {
		id = json_object_get(q.in, "id");
		if (json_is_integer(id))
			json_object_set(q.out, "id", id);
		r = run(&q, &err);
	}
	if (r) {
		json_object_set_new(q.out, "error",
				    json_of_error(&err, q.field));
	} else {
		json_object_set_new(q.out, "ok", json_true());
		*subscribe = q.subscribe;
	}
	json_decref(q.in);
	return take_text(q.out);
}
