/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/wire/sal_packet.h"

#include <assert.h>
#include <string.h>

static const char *const result_names[] = {
	[SAL_OK] = "ok",
	[SAL_UNKNOWN_EXTENSION] = "unknown-extension",
	[SAL_TRUNCATED] = "truncated",
	[SAL_BAD_HEADER_LENGTH] = "bad-header-length",
	[SAL_BAD_CHECKSUM] = "bad-checksum",
	[SAL_EXTENSION_OVERRUN] = "extension-overrun",
	[SAL_BAD_EXTENSION_LENGTH] = "bad-extension-length",
	[SAL_SHORT_SOURCE_LIST] = "short-source-list",
	[SAL_BAD_IDENTITY] = "bad-identity",
	[SAL_BAD_CHALLENGE] = "bad-challenge",
	[SAL_TOO_MANY_EXTENSIONS] = "too-many-extensions",
	[SAL_REPEATED_EXTENSION] = "repeated-extension",
};
static_assert(sizeof(result_names) / sizeof(result_names[0]) == SAL_RESULTS,
	      "each result has a name");

const char *sal_result_name(enum sal_result result)
{
	return (unsigned)result < SAL_RESULTS ? result_names[result] : "?";
}

/*
 * One too many is written over the last, and counted: sal_header_len() then
 * refuses the packet, and the callers need not look after each addition.
 */
static struct sal_ext *add(struct sal_packet *p, unsigned type)
{
	struct sal_ext *e;

	if (p->n > SAL_EXTENSIONS_MAX)
		p->n = SAL_EXTENSIONS_MAX;
	e = &p->ext[p->n < SAL_EXTENSIONS_MAX ? p->n : SAL_EXTENSIONS_MAX - 1];
	p->n++;
	memset(e, 0, sizeof(*e));
	e->type = (uint8_t)type;
	return e;
}

void sal_add_control(struct sal_packet *p, uint8_t flags, uint32_t verno,
		     uint32_t ackno, uint64_t nonce)
{
	add(p, SAL_EXT_CONTROL)->control = (struct sal_control){
		.verno = verno, .ackno = ackno, .nonce = nonce, .flags = flags
	};
}

void sal_add_service(struct sal_packet *p, const struct service_id *id)
{
	add(p, SAL_EXT_SERVICE)->service = id;
}

void sal_add_address(struct sal_packet *p, enum sal_ext_type type,
		     uint32_t verno, uint32_t ackno, struct sal_list list)
{
	add(p, type)->address = (struct sal_address){ verno, ackno, list };
}

void sal_add_source(struct sal_packet *p, enum sal_ext_type type,
		    struct sal_list list)
{
	add(p, type)->source = list;
}

void sal_add_identity(struct sal_packet *p, const struct ip_addr *addr)
{
	add(p, SAL_EXT_IDENTITY)->identity.addr = *addr;
}

void sal_add_auth(struct sal_packet *p, const uint8_t *key,
		  const uint8_t *signature)
{
	add(p, SAL_EXT_AUTH)->auth = (struct sal_auth){ key, signature };
}

void sal_add_reason(struct sal_packet *p, uint16_t reason)
{
	add(p, SAL_EXT_REASON)->reason = reason;
}

void sal_add_challenge(struct sal_packet *p, uint8_t kind, uint64_t value)
{
	add(p, SAL_EXT_CHALLENGE)->challenge =
		(struct sal_challenge){ .value = value, .kind = kind };
}

const struct sal_ext *sal_find(const struct sal_packet *p,
			       enum sal_ext_type type, unsigned nth)
{
	for (unsigned i = 0; i < p->n && i < SAL_EXTENSIONS_MAX; i++)
		if (p->ext[i].type == type && nth-- == 0)
			return &p->ext[i];
	return NULL;
}

struct ip_addr sal_list_at(const struct sal_list *list, unsigned type,
			   unsigned i)
{
	size_t stride = sal_list_stride(type);
	struct ip_addr a = { .family = stride == 16 ? AF_INET6 : AF_INET };

	memcpy(a.bytes, list->bytes + i * stride, stride);
	return a;
}
