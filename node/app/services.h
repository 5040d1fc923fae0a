/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the engine and the kernel must know together about services: while an
 * instance is here, the service's abstract addresses are addresses of the TUN.
 */
#ifndef APP_SERVICES_H
#define APP_SERVICES_H

#include "node/control/control.h"
#include "node/io/netconf.h"

struct services;

/* sal and net are borrowed. max: how many names at most. NULL: no memory. */
struct services *services_new(struct sal *sal, struct netconf *net, size_t max);
struct services *services_free(struct services *s); /* returns NULL */

/* All return 0 or a negative errno; after one, nothing has changed. */
int services_name_set(struct services *s, const struct control_name *n,
		      struct err *err);
int services_rule_add(struct services *s, const struct sal_rule *r,
		      int64_t now_ns, struct err *err);
int services_rule_change(struct services *s, const struct sal_rule *r,
			 unsigned what, int64_t now_ns, struct err *err);
int services_rule_delete(struct services *s, const struct sal_rule *r,
			 int64_t now_ns, struct err *err);
/* All of the prefix. */
int services_rules_delete(struct services *s, const struct service_prefix *p,
			  int64_t now_ns, struct err *err);
/* Rules have timed out: whose instance is not here any more has no address. */
void services_sweep(struct services *s);

/* NULL: the service has no name here. */
const struct control_name *services_find(const struct services *s,
					 const struct service_id *id);

#endif
