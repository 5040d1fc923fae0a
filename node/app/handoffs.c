/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine knows a flow's bytes as a whole only. Here they lie while they go
 * over the socket part by part: those of the HANDOFFS_EXPORTS flows whose
 * export began last, so that who directs handoffs need not have all of one flow
 * before he asks for the next, and those of the import that has begun last
 * (parts come in the order that they were sent in, and so flow by flow).
 * Whoever begins another from offset 0 drops what lay there the longest; the
 * engine's own state is not touched by that.
 */
#include "node/app/handoffs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IMPORT_MAX (8u << 20) /* more than any engine exports */

struct whole {
	uint8_t *bytes;
	size_t len, have;
};

struct outgoing {
	struct whole whole;
	uint32_t flow; /* 0: none */
	uint64_t begun; /* the how manyth; 0: nobody reads it any more */
};

struct handoffs {
	struct sal *sal;
	struct outgoing out[HANDOFFS_EXPORTS];
	uint64_t begun;
	struct whole in;
};

static void whole_drop(struct whole *w)
{
	free(w->bytes);
	*w = (struct whole){ 0 };
}

struct handoffs *handoffs_new(struct sal *sal)
{
	struct handoffs *h = calloc(1, sizeof(*h));

	if (h)
		h->sal = sal;
	return h;
}

struct handoffs *handoffs_free(struct handoffs *h)
{
	if (!h)
		return NULL;
	for (size_t i = 0; i < HANDOFFS_EXPORTS; i++)
		whole_drop(&h->out[i].whole);
	whole_drop(&h->in);
	free(h);
	return NULL;
}

static int whole_new(struct whole *w, size_t len, struct err *err)
{
	whole_drop(w);
	w->bytes = malloc(len ? len : 1);
	if (!w->bytes)
		return err_errno(err, ENOMEM, "a flow of %zu bytes", len);
	w->len = len;
	return 0;
}

static int told(int r, uint32_t flow, const char *why, struct err *err)
{
	return r ? err_set(err, -r, "flow %u: %s", flow, why) : 0;
}

static struct outgoing *outgoing_of(struct handoffs *h, uint32_t flow)
{
	for (size_t i = 0; i < HANDOFFS_EXPORTS; i++)
		if (h->out[i].flow == flow && flow)
			return &h->out[i];
	return NULL;
}

static void outgoing_drop(struct outgoing *e)
{
	whole_drop(&e->whole);
	e->flow = 0;
	e->begun = 0;
}

/* Its own; else one that is free, or was read to its end, or the oldest. */
static struct outgoing *outgoing_new(struct handoffs *h, uint32_t flow)
{
	struct outgoing *e = outgoing_of(h, flow);

	if (!e) {
		e = &h->out[0];
		for (size_t i = 1; i < HANDOFFS_EXPORTS; i++)
			if (h->out[i].begun < e->begun)
				e = &h->out[i];
	}
	outgoing_drop(e);
	return e;
}

int handoffs_step(struct handoffs *h, enum control_handoff step, uint32_t flow,
		  int64_t now_ns, struct err *err)
{
	static int (*const steps[])(struct sal * s, uint32_t id, int64_t now_ns,
				    const char **why) = {
		[CONTROL_FLOW_HOLD] = sal_flow_hold,
		[CONTROL_FLOW_RELEASE] = sal_flow_release,
		[CONTROL_FLOW_COMMIT] = sal_flow_commit,
		[CONTROL_FLOW_ABORT] = sal_flow_abort,
	};
	const char *why = "";
	struct outgoing *e;
	int r = steps[step](h->sal, flow, now_ns, &why);

	/* Its text is one that has been. */
	if (!r && (e = outgoing_of(h, flow)))
		outgoing_drop(e);
	return told(r, flow, why, err);
}

static int export_whole(struct handoffs *h, uint32_t flow, int64_t now_ns,
			struct err *err)
{
	struct outgoing *e;
	const char *why = "";
	size_t len;
	int r = sal_flow_export(h->sal, flow, NULL, 0, &len, now_ns, &why);

	if (r)
		return told(r, flow, why, err);
	e = outgoing_new(h, flow);
	r = whole_new(&e->whole, len, err);
	if (r)
		return r;
	r = sal_flow_export(h->sal, flow, e->whole.bytes, len, &len, now_ns,
			    &why);
	if (r) {
		outgoing_drop(e);
		return told(r, flow, why, err);
	}
	e->flow = flow;
	e->begun = ++h->begun;
	return 0;
}

int handoffs_export(struct handoffs *h, uint32_t flow,
		    struct control_part *part, int64_t now_ns, struct err *err)
{
	struct outgoing *e;
	size_t left;
	int r = part->offset ? 0 : export_whole(h, flow, now_ns, err);

	if (r)
		return r;
	e = outgoing_of(h, flow);
	if (!e || part->offset > e->whole.len)
		return err_set(err, EINVAL,
			       "flow %u: its export begins at offset 0", flow);
	left = e->whole.len - part->offset;
	part->total = e->whole.len;
	part->bytes = e->whole.bytes + part->offset;
	part->len = left < CONTROL_PART_MAX ? left : CONTROL_PART_MAX;
	if (part->len == left)
		e->begun = 0;
	return 0;
}

static int import_whole(struct handoffs *h, uint32_t *flow, int64_t now_ns,
			struct err *err)
{
	const char *why = "";
	int r = sal_flow_import(h->sal, h->in.bytes, h->in.len, flow, now_ns,
				&why);

	whole_drop(&h->in);
	return r ? err_set(err, -r, "the flow is not taken: %s", why) : 0;
}

int handoffs_import(struct handoffs *h, const struct control_part *part,
		    uint32_t *flow, int64_t now_ns, struct err *err)
{
	int r = 0;

	if (part->total > IMPORT_MAX)
		return err_set(err, EMSGSIZE,
			       "a flow has no more than %u bytes", IMPORT_MAX);
	if (!part->offset)
		r = whole_new(&h->in, part->total, err);
	if (r)
		return r;
	if (!h->in.bytes || part->offset != h->in.have ||
	    part->total != h->in.len || part->len > h->in.len - h->in.have)
		return err_set(err, EINVAL,
			       "this part does not follow what came before: a "
			       "flow comes in order, from offset 0 on");
	memcpy(h->in.bytes + h->in.have, part->bytes, part->len);
	h->in.have += part->len;
	*flow = 0;
	return h->in.have < h->in.len ? 0 : import_whole(h, flow, now_ns, err);
}
