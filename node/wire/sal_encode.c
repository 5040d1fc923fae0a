/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet to bytes. The length is found first, so that the writing itself
 * needs no checks: what sal_header_len() counts for an extension is what
 * put_extension() writes, and an assertion holds the two together.
 */
#include "base/checksum.h"
#include "node/wire/sal_packet.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

/* -EINVAL: no such extension. The length byte of a raw one sets the limit. */
static int extension_len(const struct sal_ext *e)
{
	size_t len;

	switch (e->type) {
	case SAL_EXT_PAD:
		return e->raw.len <= SAL_HEADER_MAX ? e->raw.len : -EINVAL;
	case SAL_EXT_CONTROL:
		return SAL_CONTROL_LEN;
	case SAL_EXT_SERVICE:
		return SAL_SERVICE_LEN;
	case SAL_EXT_ADDRESS:
	case SAL_EXT_ADDRESS6:
		len = SAL_ADDRESS_MIN +
		      e->address.list.n * sal_list_stride(e->type);
		break;
	case SAL_EXT_SOURCE:
	case SAL_EXT_SOURCE6:
		len = SAL_SOURCE_MIN + e->source.n * sal_list_stride(e->type);
		break;
	case SAL_EXT_IDENTITY:
		len = 4 + ip_addr_size(&e->identity.addr);
		return len > 4 ? (int)len : -EINVAL;
	case SAL_EXT_AUTH:
		return SAL_AUTH_LEN;
	case SAL_EXT_REASON:
		return SAL_REASON_LEN;
	case SAL_EXT_CHALLENGE:
		return SAL_CHALLENGE_LEN;
	default:
		len = SAL_EXT_HEADER_LEN + (size_t)e->raw.len;
	}
	return len <= UINT8_MAX ? (int)len : -EINVAL;
}

int sal_header_len(const struct sal_packet *p)
{
	int sum = SAL_HEADER_LEN;

	if (p->n > SAL_EXTENSIONS_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < p->n; i++) {
		int len = extension_len(&p->ext[i]);

		if (len < 0 || p->ext[i].type > 15)
			return -EINVAL;
		sum += len;
	}
	return sum <= SAL_HEADER_MAX && sum % 4 == 0 ? sum : -EINVAL;
}

static uint8_t *put(uint8_t *to, const void *bytes, size_t n)
{
	if (n)
		memcpy(to, bytes, n);
	return to + n;
}

static uint8_t *put8(uint8_t *to, unsigned v)
{
	*to = (uint8_t)v;
	return to + 1;
}

static uint8_t *put16(uint8_t *to, uint16_t v)
{
	v = htobe16(v);
	return put(to, &v, sizeof(v));
}

static uint8_t *put32(uint8_t *to, uint32_t v)
{
	v = htobe32(v);
	return put(to, &v, sizeof(v));
}

static uint8_t *put64(uint8_t *to, uint64_t v)
{
	v = htobe64(v);
	return put(to, &v, sizeof(v));
}

static uint8_t *put_list(uint8_t *to, const struct sal_ext *e,
			 const struct sal_list *list)
{
	return put(to, list->bytes, list->n * sal_list_stride(e->type));
}

static uint8_t *put_body(uint8_t *to, const struct sal_ext *e)
{
	switch (e->type) {
	case SAL_EXT_CONTROL:
		to = put8(to, e->control.flags);
		to = put8(to, e->reserved);
		to = put32(to, e->control.verno);
		to = put32(to, e->control.ackno);
		return put64(to, e->control.nonce);
	case SAL_EXT_SERVICE:
		to = put16(to, e->reserved);
		return put(to, e->service, SERVICE_ID_LEN);
	case SAL_EXT_ADDRESS:
	case SAL_EXT_ADDRESS6:
		to = put16(to, e->reserved);
		to = put32(to, e->address.verno);
		to = put32(to, e->address.ackno);
		return put_list(to, e, &e->address.list);
	case SAL_EXT_SOURCE:
	case SAL_EXT_SOURCE6:
		to = put16(to, e->reserved);
		return put_list(to, e, &e->source);
	case SAL_EXT_IDENTITY:
		to = put8(to, e->identity.addr.family == AF_INET ?
				      SAL_FAMILY_IPV4 :
				      SAL_FAMILY_IPV6);
		to = put8(to, e->identity.flags);
		return put(to, e->identity.addr.bytes,
			   ip_addr_size(&e->identity.addr));
	case SAL_EXT_AUTH:
		to = put16(to, e->reserved);
		to = put(to, e->auth.key, SAL_AUTH_KEY_LEN);
		return put(to, e->auth.signature, SAL_AUTH_SIGNATURE_LEN);
	case SAL_EXT_REASON:
		return put16(to, e->reason);
	case SAL_EXT_CHALLENGE:
		to = put8(to, e->challenge.kind);
		to = put8(to, e->reserved);
		return put64(to, e->challenge.value);
	default:
		return put(to, e->raw.bytes, e->raw.len);
	}
}

static uint8_t *put_extension(uint8_t *to, const struct sal_ext *e)
{
	int len = extension_len(e);

	if (e->type == SAL_EXT_PAD)
		return put(to, e->raw.bytes, e->raw.len);
	to = put8(to, (unsigned)e->type << 4 | (e->low & 0xf));
	to = put8(to, (unsigned)len);
	return put_body(to, e);
}

void sal_checksum_set(uint8_t *header)
{
	put16(header + 10, 0);
	put16(header + 10,
	      checksum_finish(checksum_add(0, header, header[8] * 4u)));
}

int sal_encode(const struct sal_packet *p, uint8_t *buf, size_t size)
{
	int len = sal_header_len(p);
	uint8_t *to = buf;

	if (len < 0)
		return len;
	if (size < (size_t)len)
		return -ENOSPC;
	to = put32(to, p->src_flow);
	to = put32(to, p->dst_flow);
	to = put8(to, (unsigned)len / 4);
	to = put8(to, p->protocol);
	to = put16(to, 0);
	for (unsigned i = 0; i < p->n; i++)
		to = put_extension(to, &p->ext[i]);
	assert(to == buf + len);
	sal_checksum_set(buf);
	return len;
}

int sal_prepend(const struct sal_packet *p, uint8_t *buf, size_t headroom)
{
	int len = sal_header_len(p);

	if (len < 0)
		return len;
	if (headroom < (size_t)len)
		return -ENOSPC;
	return sal_encode(p, buf + headroom - (size_t)len, (size_t)len);
}
