/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of values that several kinds of mappings share. */
#include "orchestrator/scenario/load.h"

#define HOST (1u << SCN_NODE_HOST | 1u << SCN_NODE_GUEST)
#define ROUTER SCN_ROUTERS

const struct type type_text = {
	.expects = "a text",
	.scalar = SCALAR_TEXT,
};

/* Becomes a file's name in the record. */
const struct type type_name = {
	.expects = "a name",
	.scalar = SCALAR_NAME,
	.rule = NAME_FILE,
};

const struct type type_count = {
	.expects = "a whole number",
	.scalar = SCALAR_UINT,
	.max = INT64_MAX,
};

static const struct word switch_words[] = {
	{ "true", 1, NULL },
	{ "false", 0, NULL },
	{ 0 },
};

const struct type type_switch = {
	.expects = "true or false",
	.scalar = SCALAR_WORD,
	.thing = "true or false",
	.words = switch_words,
};

const struct type type_delay = {
	.expects = "a duration, such as 10ms",
	.scalar = SCALAR_DURATION,
	.max = INT64_MAX,
};

/* A delay that is not zero. */
const struct type type_span = {
	.expects = "a duration, such as 10ms",
	.scalar = SCALAR_DURATION,
	.min = 1,
	.max = INT64_MAX,
};

const struct type type_port = {
	.expects = "a port, such as 'tcp/80'",
	.scalar = SCALAR_PORT,
	.protocol = SCN_PROTO_ANY,
};

const struct type type_signal = {
	.expects = "a signal, such as HUP",
	.scalar = SCALAR_SIGNAL,
};

const struct type type_host = {
	.expects = "a host",
	.scalar = SCALAR_REF,
	.names = NAMES_NODE,
	.nodes = HOST,
};

/* A node that has addresses and can run programs. */
const struct type type_machine = {
	.expects = "a host or router",
	.scalar = SCALAR_REF,
	.names = NAMES_NODE,
	.nodes = HOST | ROUTER,
};

const struct type type_node = {
	.expects = "a node",
	.scalar = SCALAR_REF,
	.names = NAMES_NODE,
};

const struct type type_service = {
	.expects = "a service",
	.scalar = SCALAR_REF,
	.names = NAMES_SERVICE,
};

const struct type type_process = {
	.expects = "a process",
	.scalar = SCALAR_REF,
	.names = NAMES_PROCESS,
};

const struct type type_probe = {
	.expects = "a probe",
	.scalar = SCALAR_REF,
	.names = NAMES_PROBE,
};

const struct type type_link = {
	.expects = "a link",
	.scalar = SCALAR_REF,
	.names = NAMES_LINK,
};

const struct type type_iface = {
	.expects = "an interface, such as 'a:eth0'",
	.scalar = SCALAR_REF,
	.names = NAMES_IFACE,
};

const struct type type_address = {
	.expects = "an IP address",
	.scalar = SCALAR_ADDRESS,
};

const struct type type_addresses = {
	.expects = "an IP address, or a list of them",
	.scalar = SCALAR_ADDRESS,
	.item = &type_address,
};

static const struct type type_subnet = {
	.expects = "a subnet, such as 10.0.0.0/24",
	.scalar = SCALAR_SUBNET,
};

const struct type type_subnets = {
	.expects = "a subnet, such as 10.0.0.0/24, or a list of them",
	.scalar = SCALAR_SUBNET,
	.item = &type_subnet,
};

static const struct type type_ifaddr = {
	.expects = "an address with its prefix length, such as 10.0.0.1/24",
	.scalar = SCALAR_IFADDR,
};

const struct type type_ifaddrs = {
	.expects = "an address such as 10.0.0.1/24, or a list of them",
	.scalar = SCALAR_IFADDR,
	.item = &type_ifaddr,
};
