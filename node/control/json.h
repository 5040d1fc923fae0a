/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's things as JSON. Of this layer only. All return a new reference,
 * NULL where memory ran out.
 */
#ifndef CONTROL_JSON_H
#define CONTROL_JSON_H

#include "node/control/control.h"

#include <jansson.h>

json_t *json_of_addr(const struct ip_addr *a); /* AF_UNSPEC: null */
json_t *json_of_flow(const struct sal_flow_info *f);
/* A flow that is over: what it was, and its end. */
json_t *json_of_ended(const struct sal_history *h);
json_t *json_of_ways(const struct sal_history *h);
/* Of "demux" ...; false: it is none. */
bool json_rule_kind_of(const char *text, enum sal_rule_kind *out);
json_t *json_of_rule(const struct sal_rule_info *r,
		     const struct control_name *name, int64_t now_ns);
json_t *json_of_delayed(const struct sal_delayed *d, int64_t now_ns);
json_t *json_of_event(const struct sal_event *e);
json_t *json_of_address(const struct control_address *a);

#endif
