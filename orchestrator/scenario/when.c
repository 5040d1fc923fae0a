/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/scenario/when.h"

#include "orchestrator/scenario/event_kinds.h"

#include <stdio.h>
#include <string.h>

static const struct type type_times = {
	.expects = "a whole number",
	.scalar = SCALAR_UINT,
	.min = 1,
	.max = INT64_MAX,
};

static const struct type type_value = {
	.expects = "a value",
	.scalar = SCALAR_TEXT,
};

static const struct type type_where = {
	.expects = "fields and what they must be, such as '{ node: a }'",
	.key = &type_value,
	.value = &type_value,
};

enum { WHEN_COUNT, WHEN_OWN };

static const struct field when_fields[] = {
	[WHEN_COUNT] = { .name = "count",
			 .type = &type_times,
			 .fallback = "1",
			 .doc = "at the n-th time" },
};

static const struct field event_fields[] = {
	{ .name = "event",
	  .type = &type_text,
	  .doc = "an event of the lab or of a sald" },
	{ .name = "where",
	  .type = &type_where,
	  .doc = "what its fields must be" },
};

static const struct field exit_fields[] = {
	{ .name = "exit", .type = &type_process, .doc = "a process ends" },
};

static const struct field prints_fields[] = {
	{ .name = "prints",
	  .type = &type_text,
	  .doc = "the output of a process holds this text" },
	{ .name = "process",
	  .type = &type_process,
	  .required = true,
	  .example = "server",
	  .doc = "which one" },
};

static const struct field packet_fields[] = {
	{ .name = "packet",
	  .type = &type_text,
	  .doc = "a packet that matches this filter, as tcpdump takes it" },
	{ .name = "interface",
	  .type = &type_iface,
	  .required = true,
	  .example = "\"a:eth0\"",
	  .doc = "where it comes or goes" },
};

static const struct field probe_fields[] = {
	{ .name = "probe",
	  .type = &type_probe,
	  .doc = "what a probe measures crosses a threshold" },
	{ .name = "lost_run",
	  .type = &type_times,
	  .doc = "so many packets in a row are lost" },
	{ .name = "rtt",
	  .type = &type_span,
	  .doc = "a packet's round-trip time is longer" },
};

static const struct mapping when_event = {
	.what = "condition",
	MAPPING_FIELDS(event_fields),
};
static const struct mapping when_exit = {
	.what = "condition",
	MAPPING_FIELDS(exit_fields),
};
static const struct mapping when_prints = {
	.what = "condition",
	MAPPING_FIELDS(prints_fields),
};
static const struct mapping when_packet = {
	.what = "condition",
	MAPPING_FIELDS(packet_fields),
};
static const struct mapping when_probe = {
	.what = "condition",
	MAPPING_FIELDS(probe_fields),
};

static const struct mapping mapping_when = {
	.what = "condition",
	.doc = "What an entry waits for.",
	MAPPING_FIELDS(when_fields),
	.variants = (const struct mapping *const[]){ &when_event, &when_exit,
						     &when_prints, &when_packet,
						     &when_probe, NULL },
	.example = "exit: server",
};

const struct type type_when = {
	.expects = "a condition, such as '{ exit: server }'",
	.mapping = &mapping_when,
};

void when_deinit(struct scn_when *w)
{
	for (size_t i = 0; i < w->where.n; i++) {
		free(w->where.v[i].field);
		free(w->where.v[i].value);
	}
	VEC_FREE(&w->where);
	free(w->text);
	w->text = NULL;
}

static bool add_match(struct loader *l, struct scn_when *w, const char *field,
		      const char *value)
{
	struct scn_match *m = LOADER_PUSH(l, &w->where);

	if (!m)
		return false;
	m->field = loader_dup(l, field);
	m->value = loader_dup(l, value);
	return m->field && m->value;
}

bool when_copy(struct loader *l, const struct scn_when *from,
	       struct scn_when *to)
{
	*to = *from;
	memset(&to->where, 0, sizeof(to->where));
	to->text = from->text ? loader_dup(l, from->text) : NULL;
	for (size_t i = 0; i < from->where.n; i++)
		if (!add_match(l, to, from->where.v[i].field,
			       from->where.v[i].value))
			return false;
	return !from->text || to->text;
}

static bool has_field(struct loader *l, const struct scn_event_kind *kind,
		      const struct tree_node *key)
{
	const char *nearest;
	char list[512] = "";
	size_t n = 0, len = 0;

	for (; n < EVENT_FIELDS_MAX && kind->fields[n]; n++)
		if (!strcmp(kind->fields[n], key->text))
			return true;
	tree_error(l->diag, key, "the event '%s' has no field '%s'", kind->name,
		   key->text);
	nearest = diag_nearest(key->text, kind->fields, n);
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
					i ? ", " : "", kind->fields[i]);
	if (nearest)
		diag_help(l->diag, "did you mean '%s'?", nearest);
	else if (n)
		diag_help(l->diag, "its fields are: %s", list);
	return false;
}

static bool read_event(struct loader *l, const struct value *v,
		       struct scn_when *w)
{
	const struct scn_event_kind *kind = scn_event_kind_find(v[0].text);
	const char *nearest;

	if (!kind) {
		tree_error(l->diag, v[0].node, "there is no event '%s'",
			   v[0].text);
		nearest = scn_event_kind_nearest(v[0].text);
		if (nearest)
			diag_help(l->diag, "did you mean '%s'?", nearest);
		return false;
	}
	w->text = loader_dup(l, v[0].text);
	for (size_t i = 0; v[1].ok && v[1].node && i < v[1].node->n; i++) {
		const struct tree_node *key = v[1].node->pairs[i].key;
		const struct tree_node *value = v[1].node->pairs[i].value;
		struct value text;

		if (!has_field(l, kind, key) ||
		    !value_read(l, &type_value, value, &text) ||
		    !add_match(l, w, key->text, text.text))
			return false;
	}
	return w->text;
}

static bool read_probe(struct loader *l, const struct value *v,
		       struct scn_when *w)
{
	w->probe = v[0].index;
	if (v[1].ok)
		w->lost_run = v[1].number;
	if (v[2].ok)
		w->rtt_ns = v[2].ns;
	if (!v[1].node == !v[2].node) {
		tree_error(l->diag, v[0].node,
			   "one of 'lost_run' and 'rtt' is the threshold");
		return false;
	}
	if (v[0].ok && l->s->probes.v[w->probe].kind != SCN_PROBE_PING &&
	    l->s->probes.v[w->probe].kind != SCN_PROBE_UDP_ECHO) {
		tree_error(l->diag, v[0].node,
			   "'%s' sends no packets that are answered one by "
			   "one",
			   v[0].node->text);
		return false;
	}
	return v[1].ok || v[2].ok;
}

bool when_read(struct loader *l, const struct tree_node *node,
	       struct scn_when *out)
{
	const struct mapping *variant;
	struct value v[VALUES_MAX];
	const struct value *own = &v[WHEN_OWN];
	bool good = mapping_read(l, &mapping_when, node, NULL, v, &variant);

	memset(out, 0, sizeof(*out));
	out->pos = node->pos;
	out->count = v[WHEN_COUNT].number;
	if (!good || !variant || !own->ok)
		return false;
	out->pos = own->node->pos;
	if (variant == &when_event) {
		out->kind = SCN_WHEN_EVENT;
		return read_event(l, own, out);
	}
	if (variant == &when_exit) {
		out->kind = SCN_WHEN_EXIT;
		out->process = own->index;
		return true;
	}
	if (variant == &when_probe) {
		out->kind = SCN_WHEN_PROBE;
		return read_probe(l, own, out);
	}
	if (variant == &when_prints) {
		out->kind = SCN_WHEN_PRINTS;
		out->process = own[1].index;
		if (!*own->text) {
			tree_error(l->diag, own->node, "this text is empty");
			return false;
		}
	} else {
		out->kind = SCN_WHEN_PACKET;
		out->at.link = own[1].index / 2;
		out->at.end = own[1].index % 2;
	}
	out->text = loader_dup(l, own->text);
	return out->text && own[1].ok;
}
