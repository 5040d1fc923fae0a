/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes to a packet. The header is checked in the order in which the checks
 * make sense: it is all there, its checksum holds, and only then is what it
 * says believed. So a damaged packet is counted as damaged and not as whatever
 * its broken bytes happen to look like.
 *
 * We are liberal where the stack of 2012 is seen to be: any order, padding,
 * reserved bits. We are strict where it drops: lengths, short source lists,
 * unknown types (left to the caller). And stricter in one thing: an extension
 * that may come once must not come twice. Of two CONTROLs a router on the way
 * could look at one and the end at the other, and nobody ever sends two.
 */
#include "base/cursor.h"
#include "base/checksum.h"
#include "node/wire/sal_packet.h"

static const struct service_id *take_service(struct cursor *c)
{
	return (const struct service_id *)cursor_take(c, SERVICE_ID_LEN);
}

/* What is left of c, an extension's body, as a list. False: a fraction. */
static bool take_list(struct cursor *c, unsigned type, struct sal_list *out)
{
	size_t stride = sal_list_stride(type);

	if (c->overrun || c->left % stride)
		return false;
	out->n = (uint8_t)(c->left / stride);
	out->bytes = cursor_take(c, c->left);
	return true;
}

static enum sal_result take_address(struct cursor *c, struct sal_ext *e)
{
	e->reserved = cursor_be16(c);
	e->address.verno = cursor_be32(c);
	e->address.ackno = cursor_be32(c);
	return take_list(c, e->type, &e->address.list) ?
		       SAL_OK :
		       SAL_BAD_EXTENSION_LENGTH;
}

static enum sal_result take_source(struct cursor *c, struct sal_ext *e)
{
	e->reserved = cursor_be16(c);
	if (!take_list(c, e->type, &e->source))
		return SAL_BAD_EXTENSION_LENGTH;
	return e->source.n < SAL_SOURCE_ADDRESSES_MIN ? SAL_SHORT_SOURCE_LIST :
							SAL_OK;
}

static enum sal_result take_identity(struct cursor *c, struct sal_ext *e)
{
	struct ip_addr addr = { 0 };
	uint8_t family = cursor_u8(c);

	e->identity.flags = cursor_u8(c);
	if (c->left != SAL_IDENTITY_LEN - 4 && c->left != SAL_IDENTITY6_LEN - 4)
		return SAL_BAD_EXTENSION_LENGTH;
	if (family == SAL_FAMILY_IPV4)
		addr.family = AF_INET;
	else if (family == SAL_FAMILY_IPV6)
		addr.family = AF_INET6;
	if (ip_addr_size(&addr) != c->left)
		return SAL_BAD_IDENTITY;
	cursor_copy(c, addr.bytes, c->left);
	e->identity.addr = addr;
	return SAL_OK;
}

static enum sal_result take_challenge(struct cursor *c, struct sal_ext *e)
{
	e->challenge.kind = cursor_u8(c);
	e->reserved = cursor_u8(c);
	e->challenge.value = cursor_be64(c);
	return !c->overrun && e->challenge.kind > SAL_CHALLENGE_ANSWER ?
		       SAL_BAD_CHALLENGE :
		       SAL_OK;
}

/* c holds the body alone: reading past it, or leaving some, is the wrong
 * length. */
static enum sal_result take_body(struct cursor *c, struct sal_ext *e)
{
	enum sal_result result = SAL_OK;

	switch (e->type) {
	case SAL_EXT_CONTROL:
		e->control.flags = cursor_u8(c);
		e->reserved = cursor_u8(c);
		e->control.verno = cursor_be32(c);
		e->control.ackno = cursor_be32(c);
		e->control.nonce = cursor_be64(c);
		break;
	case SAL_EXT_SERVICE:
		e->reserved = cursor_be16(c);
		e->service = take_service(c);
		break;
	case SAL_EXT_ADDRESS:
	case SAL_EXT_ADDRESS6:
		result = take_address(c, e);
		break;
	case SAL_EXT_SOURCE:
	case SAL_EXT_SOURCE6:
		result = take_source(c, e);
		break;
	case SAL_EXT_IDENTITY:
		result = take_identity(c, e);
		break;
	case SAL_EXT_AUTH:
		e->reserved = cursor_be16(c);
		e->auth.key = cursor_take(c, SAL_AUTH_KEY_LEN);
		e->auth.signature = cursor_take(c, SAL_AUTH_SIGNATURE_LEN);
		break;
	case SAL_EXT_REASON:
		e->reason = cursor_be16(c);
		break;
	case SAL_EXT_CHALLENGE:
		result = take_challenge(c, e);
		break;
	default:
		e->raw.len = (uint16_t)c->left;
		e->raw.bytes = cursor_take(c, c->left);
		return SAL_UNKNOWN_EXTENSION;
	}
	if (result == SAL_OK && (c->overrun || c->left))
		return SAL_BAD_EXTENSION_LENGTH;
	return result;
}

/* From its first byte on, which c has just before it, to the run's end. */
static void take_padding(struct cursor *c, struct sal_ext *e)
{
	size_t n = 0;

	while (n < c->left && c->p[n] >> 4 == SAL_EXT_PAD)
		n++;
	e->type = SAL_EXT_PAD;
	e->low = 0;
	e->raw.len = (uint16_t)n;
	e->raw.bytes = cursor_take(c, n);
}

/* c->left > 0. */
static enum sal_result take_extension(struct cursor *c, struct sal_ext *e)
{
	struct cursor body;
	const uint8_t *bytes;
	uint8_t first, len;

	e->reserved = 0;
	if (*c->p >> 4 == SAL_EXT_PAD) {
		take_padding(c, e);
		return SAL_OK;
	}
	first = cursor_u8(c);
	len = cursor_u8(c);
	if (c->overrun)
		return SAL_EXTENSION_OVERRUN;
	if (len < SAL_EXT_HEADER_LEN)
		return SAL_BAD_EXTENSION_LENGTH;
	e->type = first >> 4;
	e->low = first & 0xf;
	bytes = cursor_take(c, (size_t)len - SAL_EXT_HEADER_LEN);
	if (!bytes)
		return SAL_EXTENSION_OVERRUN;
	body = cursor_make(bytes, (size_t)len - SAL_EXT_HEADER_LEN);
	return take_body(&body, e);
}

/* seen: how often each type came so far. */
static bool comes_too_often(uint8_t *seen, const struct sal_ext *e)
{
	if (e->type == SAL_EXT_PAD)
		return false;
	return ++seen[e->type] > (e->type == SAL_EXT_SERVICE ? 2 : 1);
}

static enum sal_result take_extensions(struct cursor *c, struct sal_packet *p)
{
	enum sal_result all = SAL_OK;
	uint8_t seen[16] = { 0 };

	while (c->left) {
		struct sal_ext *e = &p->ext[p->n];
		enum sal_result result;

		if (p->n == SAL_EXTENSIONS_MAX)
			return SAL_TOO_MANY_EXTENSIONS;
		result = take_extension(c, e);
		if (!sal_result_is_packet(result))
			return result;
		if (result == SAL_UNKNOWN_EXTENSION)
			all = result; /* as often as it likes */
		else if (comes_too_often(seen, e))
			return SAL_REPEATED_EXTENSION;
		p->n++;
	}
	return all;
}

enum sal_result sal_decode(struct sal_packet *p, const uint8_t *bytes,
			   size_t len)
{
	struct cursor c = cursor_make(bytes, len);
	size_t header_len;

	p->src_flow = cursor_be32(&c);
	p->dst_flow = cursor_be32(&c);
	header_len = (size_t)cursor_u8(&c) * 4;
	p->protocol = cursor_u8(&c);
	cursor_take(&c, 2); /* the checksum, looked at below with all else */
	p->n = 0;
	if (c.overrun)
		return SAL_TRUNCATED;
	if (header_len < SAL_HEADER_LEN)
		return SAL_BAD_HEADER_LENGTH;
	if (header_len > len)
		return SAL_TRUNCATED;
	if (checksum_finish(checksum_add(0, bytes, header_len)))
		return SAL_BAD_CHECKSUM;
	p->payload = bytes + header_len;
	p->payload_len = len - header_len;
	c.left = header_len - SAL_HEADER_LEN;
	return take_extensions(&c, p);
}
