/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One host's SAL: the engine, tied to its devices and its control socket. */
#ifndef APP_NODE_H
#define APP_NODE_H

#include "base/err.h"
#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODE_SERVICES_MAX 16 /* prefixes */
/* Address space of some 300 bytes each; memory, only for those there are. */
#define NODE_RULES (1u << 20)
#define NODE_RULES_MAX 16000000u
#define NODE_NAMES_MAX 1000000u
#define NODE_FLOWS_MAX 1000000u

struct node_config {
	const char *tun; /* name of the device */
	const char *control; /* path of the socket */
	struct ip_prefix inner4, inner6; /* AF_UNSPEC: none */
	struct ip_prefix services[NODE_SERVICES_MAX];
	size_t n_services;
	bool service_router; /* hands on what is for services elsewhere */
	bool encapsulate; /* in UDP, where that is needed */
	/* Of struct sal_config (node/sal/sal.h). */
	int64_t keepalive_ns, liveness_ns, probe_gap_ns;
	uint32_t probe_tries;
	bool resend;
	bool source_routes; /* packets leave by their address's interface */
	void (*warn)(const struct err *warning); /* with its remedy */
	uint32_t max_rules; /* 0: NODE_RULES */
	uint32_t max_names; /* 0: as the engine has it */
	uint32_t max_flows; /* 0: as the engine has it */
	bool has_key;
	uint8_t key[32];
};

struct node;

/* Opens everything there is to open, in the calling thread's namespaces. 0, or
 * a negative errno with its remedy; nothing stays open then. */
int node_open(struct node **out, const struct node_config *c, struct err *err);
struct node *node_free(struct node *n); /* returns NULL */

/* Works until a signal asks to end (0), or a device is lost (negative errno).
 * SIGTERM and SIGINT must be blocked. */
int node_run(struct node *n, struct err *err);

#endif
