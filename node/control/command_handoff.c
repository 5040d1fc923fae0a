/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flow's move to another host, as commands. The flow's bytes may be more than
 * a line holds: they travel in parts, in their order, as base64.
 */
#include "node/control/command_request.h"

#include <errno.h>
#include <sodium/utils.h>
#include <stdlib.h>
#include <string.h>

#define BASE64 sodium_base64_VARIANT_ORIGINAL

/* Room for base64 of a part, and its NUL. */
#define TEXT_MAX ((CONTROL_PART_MAX + 2) / 3 * 4 + 1)

_Static_assert(TEXT_MAX + 256 < CONTROL_LINE_MAX, "a part fits a line");

/* Adds to the answer, and takes value over; NULL is out of memory. */
static int put_field(struct request *q, const char *key, json_t *value,
		     struct err *err)
{
	return json_object_set_new(q->out, key, value) ?
		       err_errno(err, ENOMEM, "the answer") :
		       0;
}

static int get_flow(struct request *q, uint32_t *flow, struct err *err)
{
	int r = request_get_uint(q, "flow", UINT32_MAX, 0, flow, err);

	if (!r && !*flow)
		r = request_bad_field(q, "flow", err, "the ID of a flow");
	return r;
}

static int do_step(struct request *q, enum control_handoff step,
		   struct err *err)
{
	uint32_t flow;
	int r = get_flow(q, &flow, err);

	return r ? r : q->ops->handoff(q->ops->arg, step, flow, err);
}

int command_flow_hold(struct request *q, struct err *err)
{
	return do_step(q, CONTROL_FLOW_HOLD, err);
}

int command_flow_release(struct request *q, struct err *err)
{
	return do_step(q, CONTROL_FLOW_RELEASE, err);
}

int command_flow_commit(struct request *q, struct err *err)
{
	return do_step(q, CONTROL_FLOW_COMMIT, err);
}

int command_flow_abort(struct request *q, struct err *err)
{
	return do_step(q, CONTROL_FLOW_ABORT, err);
}

static int put_part(struct request *q, const struct control_part *part,
		    struct err *err)
{
	char *text = malloc(TEXT_MAX);
	int r;

	if (!text)
		return err_errno(err, ENOMEM, "the answer");
	sodium_bin2base64(text, TEXT_MAX, part->bytes, part->len, BASE64);
	r = put_field(q, "total", json_integer((json_int_t)part->total), err);
	if (!r)
		r = put_field(q, "bytes", json_string(text), err);
	free(text);
	return r;
}

int command_flow_export(struct request *q, struct err *err)
{
	struct control_part part = { 0 };
	uint32_t flow, offset;
	int r = get_flow(q, &flow, err);

	if (!r)
		r = request_get_uint(q, "offset", UINT32_MAX, 0, &offset, err);
	if (r)
		return r;
	part.offset = offset;
	r = q->ops->flow_export(q->ops->arg, flow, &part, err);
	return r ? r : put_part(q, &part, err);
}

static int take_part(struct request *q, struct control_part *part,
		     struct err *err)
{
	uint32_t flow = 0;
	int r = q->ops->flow_import(q->ops->arg, part, &flow, err);

	if (r)
		return r;
	return put_field(q, "flow",
			 flow ? json_integer((json_int_t)flow) : json_null(),
			 err);
}

int command_flow_import(struct request *q, struct err *err)
{
	const char *text = json_string_value(json_object_get(q->in, "bytes"));
	struct control_part part = { 0 };
	uint32_t offset, total;
	uint8_t *bytes;
	int r = request_get_uint(q, "offset", UINT32_MAX, 0, &offset, err);

	if (!r)
		r = request_get_uint(q, "total", UINT32_MAX, 0, &total, err);
	if (r)
		return r;
	if (!json_object_get(q->in, "total"))
		return request_bad_field(q, "total", err,
					 "how many bytes there are in all");
	bytes = malloc(CONTROL_PART_MAX);
	if (!bytes)
		return err_errno(err, ENOMEM, "import the flow");
	if (text &&
	    !sodium_base642bin(bytes, CONTROL_PART_MAX, text, strlen(text),
			       NULL, &part.len, NULL, BASE64)) {
		part.offset = offset;
		part.total = total;
		part.bytes = bytes;
		r = take_part(q, &part, err);
	} else {
		r = request_bad_field(q, "bytes", err,
				      "base64 of 45000 bytes at most");
	}
	free(bytes);
	return r;
}
