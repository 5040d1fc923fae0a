/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/wire/names.h"
#include "node/wire/sal_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* n counts on where the room ends, as snprintf() does. */
struct out {
	char *buf;
	size_t size;
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void
out_print(struct out *o, const char *fmt, ...)
{
	size_t left = o->n < o->size ? o->size - o->n : 0;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(left ? o->buf + o->n : NULL, left, fmt, args);
	va_end(args);
	if (n > 0)
		o->n += (size_t)n;
}

static void out_hex(struct out *o, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		if (o->n + 2 < o->size) {
			o->buf[o->n] = digits[bytes[i] >> 4];
			o->buf[o->n + 1] = digits[bytes[i] & 0xf];
			o->buf[o->n + 2] = '\0';
		}
		o->n += 2;
	}
}

/* A text that stands for nothing would be no word. */
static void out_hex_or_dash(struct out *o, const uint8_t *bytes, size_t n)
{
	if (n)
		out_hex(o, bytes, n);
	else
		out_print(o, "-");
}

static void out_flags(struct out *o, uint8_t flags)
{
	const char *plus = "";
	unsigned left = flags;

	for (const struct wire_name *f = wire_flag_names; f->name; f++) {
		if (!(flags & f->value))
			continue;
		out_print(o, "%s%s", plus, f->name);
		plus = "+";
		left &= ~f->value;
	}
	if (left)
		out_print(o, "%s0x%02x", plus, left);
	else if (!flags)
		out_print(o, "-");
}

static void out_list(struct out *o, const struct sal_ext *e,
		     const struct sal_list *list)
{
	char text[IP_TEXT_MAX];

	if (!list->n)
		out_print(o, "-");
	for (unsigned i = 0; i < list->n; i++) {
		struct ip_addr a = sal_list_at(list, e->type, i);

		out_print(o, "%s%s", i ? "," : "",
			  ip_format_addr(&a, text, sizeof(text)));
	}
}

static void out_named(struct out *o, const struct wire_name *table,
		      unsigned value)
{
	const char *name = wire_name_of(table, value);

	if (name)
		out_print(o, "%s", name);
	else
		out_print(o, "%u", value);
}

static void out_body(struct out *o, const struct sal_ext *e)
{
	char text[SERVICE_ID_TEXT_MAX];

	switch (e->type) {
	case SAL_EXT_CONTROL:
		out_flags(o, e->control.flags);
		out_print(o, " v=%" PRIu32 " a=%" PRIu32 " nonce=%016" PRIx64,
			  e->control.verno, e->control.ackno, e->control.nonce);
		break;
	case SAL_EXT_SERVICE:
		out_print(o, "%s",
			  service_id_format(e->service, text, sizeof(text)));
		break;
	case SAL_EXT_ADDRESS:
	case SAL_EXT_ADDRESS6:
		out_print(o, "v=%" PRIu32 " a=%" PRIu32 " ", e->address.verno,
			  e->address.ackno);
		out_list(o, e, &e->address.list);
		break;
	case SAL_EXT_SOURCE:
	case SAL_EXT_SOURCE6:
		out_list(o, e, &e->source);
		break;
	case SAL_EXT_IDENTITY:
		out_print(
			o, "%s",
			ip_format_addr(&e->identity.addr, text, sizeof(text)));
		if (e->identity.flags)
			out_print(o, " flags=%02x", e->identity.flags);
		break;
	case SAL_EXT_AUTH:
		out_print(o, "key=");
		out_hex(o, e->auth.key, SAL_AUTH_KEY_LEN);
		out_print(o, " signature=");
		out_hex(o, e->auth.signature, SAL_AUTH_SIGNATURE_LEN);
		break;
	case SAL_EXT_REASON:
		out_named(o, wire_reason_names, e->reason);
		break;
	case SAL_EXT_CHALLENGE:
		out_named(o, wire_challenge_names, e->challenge.kind);
		out_print(o, " %016" PRIx64, e->challenge.value);
		break;
	default:
		out_hex_or_dash(o, e->raw.bytes, e->raw.len);
	}
}

static void out_extension(struct out *o, const struct sal_ext *e)
{
	const char *name = wire_name_of(wire_extension_names, e->type);

	if (name)
		out_print(o, " | %s ", name);
	else
		out_print(o, " | EXTENSION %u ", e->type);
	out_body(o, e);
	if (e->low)
		out_print(o, " low=%x", e->low);
	if (e->reserved)
		out_print(o, " reserved=%x", e->reserved);
}

static void out_transport(struct out *o, const struct sal_packet *p,
			  enum sal_text_payload payload)
{
	const char *name = wire_name_of(wire_protocol_names, p->protocol);

	if (name)
		out_print(o, " | %s", name);
	else
		out_print(o, " | PROTOCOL %u", p->protocol);
	if (!p->payload_len)
		return;
	out_print(o, " ");
	if (payload == SAL_TEXT_PAYLOAD_BYTES)
		out_hex(o, p->payload, p->payload_len);
	else
		out_print(o, "%zu bytes", p->payload_len);
}

size_t sal_text_format(const struct sal_packet *p,
		       enum sal_text_payload payload, char *buf, size_t size)
{
	struct out o = { .buf = buf, .size = size };
	int header_len = sal_header_len(p);

	if (size)
		buf[0] = '\0';
	out_print(&o, "%" PRIu32 ">%" PRIu32 " shl %d", p->src_flow,
		  p->dst_flow, header_len / 4);
	for (unsigned i = 0; i < p->n && i < SAL_EXTENSIONS_MAX; i++)
		out_extension(&o, &p->ext[i]);
	out_transport(&o, p, payload);
	return o.n;
}
