/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text form back to bytes: recursive descent without the recursion, one
 * function a construct. The first thing that is wrong is reported with its
 * column, and every function returns -EINVAL from there on up.
 */
#include "node/wire/names.h"
#include "node/wire/sal_text.h"
#include "node/wire/text_in.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int take_vernos(struct text_in *in, uint32_t *verno, uint32_t *ackno)
{
	uint64_t v = 0, a = 0;
	int r = text_take_value(in, "v", 10, UINT32_MAX, &v);

	if (!r)
		r = text_take_value(in, "a", 10, UINT32_MAX, &a);
	*verno = (uint32_t)v;
	*ackno = (uint32_t)a;
	return r;
}

static int parse_addr(struct text_in *in, struct text_word w,
		      struct ip_addr *out)
{
	char text[IP_TEXT_MAX];

	if (w.n >= sizeof(text))
		return text_fail(in, w.p, "not an IP address");
	memcpy(text, w.p, w.n);
	text[w.n] = '\0';
	if (ip_parse_addr(text, out))
		return text_fail(in, w.p, "not an IP address");
	return 0;
}

static int store_addr(struct text_in *in, struct text_word w, unsigned type,
		      struct sal_list *list)
{
	size_t stride = sal_list_stride(type);
	struct ip_addr addr;
	int r = parse_addr(in, w, &addr);

	if (r)
		return r;
	if (ip_addr_size(&addr) != stride)
		return text_fail(in, w.p, "an address of the other family");
	if (sizeof(in->store) - in->stored < stride || list->n == UINT8_MAX)
		return text_fail(in, w.p, "more addresses than fit");
	memcpy(in->store + in->stored, addr.bytes, stride);
	in->stored += stride;
	list->n++;
	return 0;
}

static int take_list(struct text_in *in, unsigned type, struct sal_list *list)
{
	struct text_word w = text_take(in);
	const char *end = w.p + w.n;

	*list = (struct sal_list){ .bytes = in->store + in->stored };
	if (text_is(w, "-"))
		return 0;
	for (;;) {
		const char *comma = memchr(w.p, ',', (size_t)(end - w.p));
		int r;

		w.n = (size_t)((comma ? comma : end) - w.p);
		r = store_addr(in, w, type, list);
		if (r || !comma)
			return r;
		w.p = comma + 1;
	}
}

static int take_flags(struct text_in *in, uint8_t *out)
{
	struct text_word w = text_take(in);
	const char *end = w.p + w.n;
	unsigned flags = 0;

	if (text_is(w, "-")) {
		*out = 0;
		return 0;
	}
	for (;;) {
		const char *plus = memchr(w.p, '+', (size_t)(end - w.p));
		const struct wire_name *flag;
		uint64_t value;

		w.n = (size_t)((plus ? plus : end) - w.p);
		flag = wire_name_find(wire_flag_names, w.p, w.n);
		if (flag) {
			flags |= flag->value;
		} else if (w.n > 2 && !memcmp(w.p, "0x", 2)) {
			w.p += 2;
			w.n -= 2;
			if (text_number(in, w, 16, UINT8_MAX, &value))
				return -EINVAL;
			flags |= (unsigned)value;
		} else {
			return text_fail(in, w.p, "not a flag");
		}
		if (!plus)
			break;
		w.p = plus + 1;
	}
	*out = (uint8_t)flags;
	return 0;
}

/* A word of the table, or a number. */
static int take_named(struct text_in *in, const struct wire_name *table,
		      uint32_t max, uint32_t *out)
{
	struct text_word w = text_peek(in);
	const struct wire_name *name = wire_name_find(table, w.p, w.n);

	if (!name)
		return text_take_u32(in, max, out);
	text_take(in);
	*out = name->value;
	return 0;
}

static int take_control(struct text_in *in, struct sal_control *control)
{
	int r = take_flags(in, &control->flags);

	if (!r)
		r = take_vernos(in, &control->verno, &control->ackno);
	if (!r)
		r = text_take_value(in, "nonce", 16, UINT64_MAX,
				    &control->nonce);
	return r;
}

static int take_service(struct text_in *in, const struct service_id **out)
{
	struct text_word w = text_take(in);
	char text[SERVICE_ID_TEXT_MAX];
	struct service_id id;

	if (w.n >= sizeof(text))
		return text_fail(in, w.p, "not a service ID");
	memcpy(text, w.p, w.n);
	text[w.n] = '\0';
	if (service_id_parse(text, &id))
		return text_fail(in, w.p, "not a service ID");
	if (sizeof(in->store) - in->stored < sizeof(id))
		return text_fail(in, w.p, "more than fits into a header");
	memcpy(in->store + in->stored, &id, sizeof(id));
	*out = (const struct service_id *)(in->store + in->stored);
	in->stored += sizeof(id);
	return 0;
}

static int take_identity(struct text_in *in, struct sal_identity *identity)
{
	uint64_t flags = 0;
	int r = parse_addr(in, text_take(in), &identity->addr);

	if (!r)
		r = text_take_optional(in, "flags", UINT8_MAX, &flags);
	identity->flags = (uint8_t)flags;
	return r;
}

static int take_auth(struct text_in *in, struct sal_auth *auth)
{
	int r = text_take_bytes(in, "key", SAL_AUTH_KEY_LEN, &auth->key);

	if (!r)
		r = text_take_bytes(in, "signature", SAL_AUTH_SIGNATURE_LEN,
				    &auth->signature);
	return r;
}

static int take_challenge(struct text_in *in, struct sal_challenge *challenge)
{
	uint32_t kind = 0;
	int r = take_named(in, wire_challenge_names, UINT8_MAX, &kind);

	challenge->kind = (uint8_t)kind;
	if (!r)
		r = text_number(in, text_take(in), 16, UINT64_MAX,
				&challenge->value);
	return r;
}

static int take_raw(struct text_in *in, unsigned type, struct sal_raw *raw)
{
	struct text_word w = text_take(in);
	int n = text_is(w, "-") ? 0 : text_store_hex(in, w, &raw->bytes);

	if (n < 0)
		return n;
	for (int i = 0; type == SAL_EXT_PAD && i < n; i++)
		if (raw->bytes[i] >> 4 != SAL_EXT_PAD)
			return text_fail(in, w.p, "padding has a type, 0");
	raw->len = (uint16_t)n;
	return 0;
}

static int take_body(struct text_in *in, struct sal_ext *e)
{
	uint32_t value = 0;
	int r;

	switch (e->type) {
	case SAL_EXT_CONTROL:
		return take_control(in, &e->control);
	case SAL_EXT_SERVICE:
		return take_service(in, &e->service);
	case SAL_EXT_ADDRESS:
	case SAL_EXT_ADDRESS6:
		r = take_vernos(in, &e->address.verno, &e->address.ackno);
		return r ? r : take_list(in, e->type, &e->address.list);
	case SAL_EXT_SOURCE:
	case SAL_EXT_SOURCE6:
		return take_list(in, e->type, &e->source);
	case SAL_EXT_IDENTITY:
		return take_identity(in, &e->identity);
	case SAL_EXT_AUTH:
		return take_auth(in, &e->auth);
	case SAL_EXT_REASON:
		r = take_named(in, wire_reason_names, UINT16_MAX, &value);
		e->reason = (uint16_t)value;
		return r;
	case SAL_EXT_CHALLENGE:
		return take_challenge(in, &e->challenge);
	default:
		return take_raw(in, e->type, &e->raw);
	}
}

/* How wide the reserved field is that an extension of this type has. */
static uint64_t reserved_max(unsigned type)
{
	switch (type) {
	case SAL_EXT_CONTROL:
	case SAL_EXT_CHALLENGE:
		return UINT8_MAX;
	case SAL_EXT_SERVICE:
	case SAL_EXT_ADDRESS:
	case SAL_EXT_ADDRESS6:
	case SAL_EXT_SOURCE:
	case SAL_EXT_SOURCE6:
	case SAL_EXT_AUTH:
		return UINT16_MAX;
	default:
		return 0;
	}
}

/* The section's name is behind us, its type in e. */
static int take_extension(struct text_in *in, struct sal_ext *e)
{
	uint64_t low = 0, reserved = 0;
	int r = take_body(in, e);

	if (!r && e->type != SAL_EXT_PAD)
		r = text_take_optional(in, "low", 0xf, &low);
	if (!r)
		r = text_take_optional(in, "reserved", reserved_max(e->type),
				       &reserved);
	e->low = (uint8_t)low;
	e->reserved = (uint16_t)reserved;
	return r;
}

/* "EXTENSION 5": only of types that have no name, and so no form. */
static int take_unknown_type(struct text_in *in, uint8_t *type)
{
	struct text_word w = text_peek(in);
	uint32_t value = 0;
	int r = text_take_u32(in, 15, &value);

	if (!r && wire_name_of(wire_extension_names, value))
		return text_fail(in, w.p, "an extension that has a name");
	*type = (uint8_t)value;
	return r;
}

static int take_end_of_section(struct text_in *in, char end)
{
	text_skip_spaces(in);
	if (*in->p != end)
		return text_fail(in, in->p,
				 end ? "\" | \" expected" :
				       "nothing may follow the payload");
	in->p += end ? 1 : 0;
	return 0;
}

#define NO_SHL UINT32_MAX

/* "2>0 shl 17"; shl may be left out, as it follows from what comes. */
static int take_flows(struct text_in *in, struct sal_packet *p, uint32_t *shl)
{
	struct text_word w = text_take(in);
	const char *arrow = memchr(w.p, '>', w.n);
	uint64_t src = 0, dst = 0;
	int r;

	*shl = NO_SHL;
	if (!arrow)
		return text_fail(in, w.p, "flow IDs expected, as in 2>3");
	r = text_number(in, (struct text_word){ w.p, (size_t)(arrow - w.p) },
			10, UINT32_MAX, &src);
	if (!r)
		r = text_number(
			in,
			(struct text_word){ arrow + 1,
					    (size_t)(w.p + w.n - arrow) - 1 },
			10, UINT32_MAX, &dst);
	p->src_flow = (uint32_t)src;
	p->dst_flow = (uint32_t)dst;
	if (!r && text_is(text_peek(in), "shl")) {
		text_take(in);
		r = text_take_u32(in, UINT8_MAX, shl);
	}
	return r ? r : take_end_of_section(in, '|');
}

/*
 * Extensions, up to the name of the transport, which ends them. Returns 0
 * with that name taken and the protocol set.
 */
static int take_extensions(struct text_in *in, struct sal_packet *p)
{
	for (;;) {
		struct sal_ext *e = &p->ext[p->n];
		struct text_word w = text_take(in);
		const struct wire_name *name;
		uint32_t protocol = 0;
		int r = 0;

		name = wire_name_find(wire_protocol_names, w.p, w.n);
		if (name || text_is(w, "PROTOCOL")) {
			r = name ? 0 : text_take_u32(in, UINT8_MAX, &protocol);
			p->protocol = (uint8_t)(name ? name->value : protocol);
			return r;
		}
		if (p->n == SAL_EXTENSIONS_MAX)
			return text_fail(in, w.p, "too many extensions");
		*e = (struct sal_ext){ 0 };
		name = wire_name_find(wire_extension_names, w.p, w.n);
		if (name)
			e->type = (uint8_t)name->value;
		else if (text_is(w, "EXTENSION"))
			r = take_unknown_type(in, &e->type);
		else
			return text_fail(
				in, w.p,
				"neither an extension nor a transport");
		if (!r)
			r = take_extension(in, e);
		if (!r)
			r = take_end_of_section(in, '|');
		if (r)
			return r;
		p->n++;
	}
}

int sal_text_parse(const char *text, uint8_t *buf, size_t size, struct err *err)
{
	struct text_in in = { .start = text, .p = text, .err = err };
	struct sal_packet p = { 0 };
	uint32_t shl;
	struct text_word payload;
	int header_len, payload_len;
	int r = take_flows(&in, &p, &shl);

	if (!r)
		r = take_extensions(&in, &p);
	if (r)
		return r;
	header_len = sal_header_len(&p);
	if (header_len < 0)
		return err_set(err, EINVAL,
			       "the header would be too long, or "
			       "not whole 32-bit words");
	if (shl != NO_SHL && shl != (uint32_t)header_len / 4)
		return err_set(err, EINVAL,
			       "the header has %d words, not %" PRIu32,
			       header_len / 4, shl);
	payload = text_take(&in);
	if (size < (size_t)header_len + payload.n / 2)
		return err_set(err, ENOSPC, "the packet does not fit");
	payload_len = text_hex(&in, payload, buf + header_len,
			       size - (size_t)header_len);
	if (payload_len < 0)
		return payload_len;
	r = take_end_of_section(&in, '\0');
	if (r)
		return r;
	r = sal_encode(&p, buf, size);
	return r < 0 ? r : header_len + payload_len;
}
