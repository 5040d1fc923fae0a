/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/wire/names.h"
#include "include/serval/wire.h"

#include <netinet/in.h>
#include <string.h>

const struct wire_name wire_extension_names[] = {
	{ "PAD", SAL_EXT_PAD },
	{ "CONTROL", SAL_EXT_CONTROL },
	{ "SERVICE", SAL_EXT_SERVICE },
	{ "ADDRESS", SAL_EXT_ADDRESS },
	{ "SOURCE", SAL_EXT_SOURCE },
	{ "IDENTITY", SAL_EXT_IDENTITY },
	{ "SOURCE6", SAL_EXT_SOURCE6 },
	{ "ADDRESS6", SAL_EXT_ADDRESS6 },
	{ "AUTH", SAL_EXT_AUTH },
	{ "REASON", SAL_EXT_REASON },
	{ "CHALLENGE", SAL_EXT_CHALLENGE },
	{ NULL, 0 },
};

const struct wire_name wire_flag_names[] = {
	{ "SYN", SAL_FLAG_SYN },
	{ "RSYN", SAL_FLAG_RSYN },
	{ "ACK", SAL_FLAG_ACK },
	{ "NACK", SAL_FLAG_NACK },
	{ "RST", SAL_FLAG_RST },
	{ "FIN", SAL_FLAG_FIN },
	{ NULL, 0 },
};

const struct wire_name wire_reason_names[] = {
	{ "no-service", SAL_REASON_NO_SERVICE },
	{ "no-instance", SAL_REASON_NO_INSTANCE },
	{ "loop", SAL_REASON_LOOP },
	{ "hop-limit", SAL_REASON_HOP_LIMIT },
	{ "table-full", SAL_REASON_TABLE_FULL },
	{ "refused", SAL_REASON_REFUSED },
	{ "unknown-flow", SAL_REASON_UNKNOWN_FLOW },
	{ NULL, 0 },
};

const struct wire_name wire_challenge_names[] = {
	{ "ask", SAL_CHALLENGE_ASK },
	{ "answer", SAL_CHALLENGE_ANSWER },
	{ NULL, 0 },
};

const struct wire_name wire_protocol_names[] = {
	{ "ICMP", IPPROTO_ICMP },
	{ "TCP", IPPROTO_TCP },
	{ "UDP", IPPROTO_UDP },
	{ "ICMPV6", IPPROTO_ICMPV6 },
	{ NULL, 0 },
};

const char *wire_name_of(const struct wire_name *table, unsigned value)
{
	for (; table->name; table++)
		if (table->value == value)
			return table->name;
	return NULL;
}

const struct wire_name *wire_name_find(const struct wire_name *table,
				       const char *word, size_t n)
{
	for (; table->name; table++)
		if (strlen(table->name) == n && !memcmp(table->name, word, n))
			return table;
	return NULL;
}
