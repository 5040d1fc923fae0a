/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command under way, and its fields. For the files command*.c. */
#ifndef CONTROL_COMMAND_REQUEST_H
#define CONTROL_COMMAND_REQUEST_H

#include "node/control/command.h"
#include "node/control/json.h"

struct request {
	const struct control_ops *ops;
	json_t *in; /* borrowed */
	json_t *out; /* the answer under way */
	bool subscribe;
	const char *field; /* that is to blame; NULL: none */
};

int request_bad_field(struct request *q, const char *field, struct err *err,
		      const char *expected);
int request_get_uint(struct request *q, const char *field, uint32_t max,
		     uint32_t otherwise, uint32_t *out, struct err *err);
/* family AF_UNSPEC: of either. An address that is not there or null is none. */
int request_get_addr(struct request *q, const char *field, int family,
		     struct ip_addr *out, struct err *err);
/* "service", with its length in it or in "bits". */
int request_get_prefix(struct request *q, struct service_id *id, uint16_t *bits,
		       struct err *err);

/* A field that is not there leaves *out as it is. */
int request_get_bool(struct request *q, const char *field, bool *out,
		     struct err *err);

struct list {
	json_t *array;
	bool failed;
};

void list_add(struct list *l, json_t *value);
/* Into the answer; takes over the list. */
int request_put_list(struct request *q, const char *key, struct list *l,
		     struct err *err);

/* command_policy.c */
int command_interface_set(struct request *q, struct err *err);
int command_policy(struct request *q, struct err *err);
int command_policy_set(struct request *q, struct err *err);
int command_flow_show(struct request *q, struct err *err);
int command_flow_ended(struct request *q, struct err *err);

/* ---- command_service.c -------------------------------------------------- */

int command_service_add(struct request *q, struct err *err);
int command_service_change(struct request *q, struct err *err);
int command_service_replace(struct request *q, struct err *err);
int command_service_delete(struct request *q, struct err *err);
int command_service_list(struct request *q, struct err *err);
int command_service_delayed(struct request *q, struct err *err);
int command_service_listen(struct request *q, struct err *err);
int command_service_verdict(struct request *q, struct err *err);

/* ---- command_handoff.c -------------------------------------------------- */

int command_flow_hold(struct request *q, struct err *err);
int command_flow_release(struct request *q, struct err *err);
int command_flow_commit(struct request *q, struct err *err);
int command_flow_abort(struct request *q, struct err *err);
int command_flow_export(struct request *q, struct err *err);
int command_flow_import(struct request *q, struct err *err);

#endif
