/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine knows a flow's bytes as a whole only. Here they lie while they go
 * over the socket part by part: those of the flow exported last, and those of
 * the import that has begun last. Whoever begins another from offset 0 drops
 * what lay there; the engine's own state is not touched by that.
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

struct handoffs {
	struct sal *sal;
	struct whole out, in;
	uint32_t out_flow;
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
	whole_drop(&h->out);
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
	int r = steps[step](h->sal, flow, now_ns, &why);

	/* Its text is one that has been. */
	if (!r && h->out_flow == flow)
		whole_drop(&h->out);
	return told(r, flow, why, err);
}

static int export_whole(struct handoffs *h, uint32_t flow, int64_t now_ns,
			struct err *err)
{
	const char *why = "";
	size_t len;
	int r = sal_flow_export(h->sal, flow, NULL, 0, &len, now_ns, &why);

	h->out_flow = 0;
	if (r)
		return told(r, flow, why, err);
	r = whole_new(&h->out, len, err);
	if (r)
		return r;
	r = sal_flow_export(h->sal, flow, h->out.bytes, len, &len, now_ns,
			    &why);
	if (!r)
		h->out_flow = flow;
	return told(r, flow, why, err);
}

int handoffs_export(struct handoffs *h, uint32_t flow,
		    struct control_part *part, int64_t now_ns, struct err *err)
{
	size_t left;
	int r = part->offset ? 0 : export_whole(h, flow, now_ns, err);

	if (r)
		return r;
	if (!h->out.bytes || h->out_flow != flow || part->offset > h->out.len)
		return err_set(err, EINVAL,
			       "flow %u: its export begins at offset 0", flow);
	left = h->out.len - part->offset;
	part->total = h->out.len;
	part->bytes = h->out.bytes + part->offset;
	part->len = left < CONTROL_PART_MAX ? left : CONTROL_PART_MAX;
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
