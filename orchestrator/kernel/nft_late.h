/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of this layer only: answers to flows that were forgotten. */
#ifndef KERNEL_NFT_LATE_H
#define KERNEL_NFT_LATE_H

#include "orchestrator/kernel/kernel.h"

/* Ports are in network order; of ICMP both are the echo's identifier. */
struct klate_flow {
	struct ip_addr instance, client, service;
	uint8_t protocol;
	uint16_t instance_port, client_port;
};

int klate_set(struct kns *ns, const struct klate_flow *flows, size_t n,
	      struct err *err);

#endif
