/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets as a line of text, and back; docs/wire-format.md has the grammar.
 *
 *     2>0 shl 17 | CONTROL SYN v=3672125436 a=0 nonce=ceb1245cd1144115 |
 *     SERVICE 16385 | UDP 000000000008eb41        (all on one line)
 *
 * Everything but the checksum is in the text, so it loses nothing of a packet
 * that decodes. The payload may be left at its length ("UDP 8 bytes"), which
 * is for people to read: such a text cannot be parsed.
 */
#ifndef WIRE_SAL_TEXT_H
#define WIRE_SAL_TEXT_H

#include "base/err.h"
#include "node/wire/sal_packet.h"

/* Room for any header's text; a payload takes two characters a byte more. */
#define SAL_TEXT_HEADER_MAX 6144

enum sal_text_payload {
	SAL_TEXT_PAYLOAD_LENGTH,
	SAL_TEXT_PAYLOAD_BYTES,
};

/*
 * As snprintf(): what fits into size is written, with a NUL, and the length
 * of the whole is returned.
 */
size_t sal_text_format(const struct sal_packet *p,
		       enum sal_text_payload payload, char *buf, size_t size);

/*
 * Writes the packet that text describes, header and payload, and returns its
 * length; -EINVAL (err says where and what) or -ENOSPC. What is written
 * decodes unless the text describes a packet that breaks the rules (a
 * repeated extension, a list too short), which tests want to.
 */
int sal_text_parse(const char *text, uint8_t *buf, size_t size,
		   struct err *err);

#endif
