/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows that come from other hosts or go there, as the control socket has it:
 * in parts.
 */
#ifndef APP_HANDOFFS_H
#define APP_HANDOFFS_H

#include "node/control/control.h"

/* The bytes of so many flows are kept for who exports them part by part. */
#define HANDOFFS_EXPORTS 16

struct handoffs;

/* sal is borrowed. NULL: no memory. */
struct handoffs *handoffs_new(struct sal *sal);
struct handoffs *handoffs_free(struct handoffs *h); /* returns NULL */

/* As control_ops has them. */
int handoffs_step(struct handoffs *h, enum control_handoff step, uint32_t flow,
		  int64_t now_ns, struct err *err);
int handoffs_export(struct handoffs *h, uint32_t flow,
		    struct control_part *part, int64_t now_ns, struct err *err);
int handoffs_import(struct handoffs *h, const struct control_part *part,
		    uint32_t *flow, int64_t now_ns, struct err *err);

#endif
