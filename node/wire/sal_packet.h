/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A SAL packet as a value: what the decoder finds and the encoder writes.
 *
 * The extensions are kept in their order, each with its reserved bits, so that
 * encoding what was decoded gives the same bytes. (One exception: a checksum
 * that came as ffff, one's complement's other zero, goes out as 0000.) Nothing
 * is copied that has no fixed small size: IDs, lists, keys and the payload are
 * borrowed, from the packet that was decoded or from whoever builds one, and
 * must stay where they are as long as the struct is used.
 *
 * To build:
 *
 *     struct sal_packet p;
 *     sal_packet_init(&p, src_flow, dst_flow, IPPROTO_UDP);
 *     sal_add_control(&p, SAL_FLAG_SYN, verno, 0, nonce);
 *     sal_add_service(&p, &id);
 *     len = sal_prepend(&p, buf, headroom);
 *
 * where buf is the room in front of the transport segment.
 */
#ifndef WIRE_SAL_PACKET_H
#define WIRE_SAL_PACKET_H

#include "base/ip.h"
#include "include/serval/service_id.h"
#include "include/serval/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Addresses as they lie in a packet, 4 or 16 bytes each. */
struct sal_list {
	const uint8_t *bytes;
	uint8_t n;
};

struct sal_control {
	uint32_t verno;
	uint32_t ackno;
	uint64_t nonce;
	uint8_t flags; /* enum sal_flag, the two reserved bits as they came */
};

struct sal_address {
	uint32_t verno;
	uint32_t ackno;
	struct sal_list list;
};

struct sal_identity {
	struct ip_addr addr;
	uint8_t flags;
};

struct sal_auth {
	const uint8_t *key; /* SAL_AUTH_KEY_LEN */
	const uint8_t *signature; /* SAL_AUTH_SIGNATURE_LEN */
};

struct sal_challenge {
	uint64_t value;
	uint8_t kind; /* enum sal_challenge_kind */
};

/* PAD: the whole run of padding bytes. An unknown type: what follows its
 * length byte. */
struct sal_raw {
	const uint8_t *bytes;
	uint16_t len;
};

struct sal_ext {
	uint8_t type; /* enum sal_ext_type, or any other up to 15 */
	uint8_t low; /* low nibble beside the type: reserved; PAD: unused */
	uint16_t reserved; /* the reserved byte or bytes of those that have any
			    */
	union {
		struct sal_control control;
		const struct service_id *service;
		struct sal_address address; /* ADDRESS, ADDRESS6 */
		struct sal_list source; /* SOURCE, SOURCE6 */
		struct sal_identity identity;
		struct sal_auth auth;
		uint16_t reason; /* enum sal_reason, or what may come later */
		struct sal_challenge challenge;
		struct sal_raw raw; /* PAD, unknown types */
	};
};

struct sal_packet {
	uint32_t src_flow;
	uint32_t dst_flow;
	uint8_t protocol; /* of the transport: IPPROTO_UDP ... */
	uint8_t n; /* extensions; 0 in a data packet */
	const uint8_t *payload; /* transport header and data */
	size_t payload_len;
	struct sal_ext ext[SAL_EXTENSIONS_MAX];
};

/*
 * What came of decoding. Each reason stands alone, so that a node can count
 * what it drops by it; sal_result_name() gives the counters their names.
 */
enum sal_result {
	SAL_OK,
	/*
	 * Well-formed but for an extension of a type that is not in wire.h. All
	 * of the packet was decoded, such extensions as raw: whether to drop it
	 * (the stack of 2012 does) or to pass it on is up to the caller.
	 */
	SAL_UNKNOWN_EXTENSION,
	/* From here on there is no packet; the struct must not be looked at. */
	SAL_TRUNCATED, /* shorter than a header, or than the header claims */
	SAL_BAD_HEADER_LENGTH, /* shl says less than the base header has */
	SAL_BAD_CHECKSUM,
	SAL_EXTENSION_OVERRUN, /* an extension goes past the header's end */
	SAL_BAD_EXTENSION_LENGTH, /* not one that its type can have */
	SAL_SHORT_SOURCE_LIST, /* fewer than SAL_SOURCE_ADDRESSES_MIN */
	SAL_BAD_IDENTITY, /* a family that does not go with the length */
	SAL_BAD_CHALLENGE, /* neither asks nor answers */
	SAL_TOO_MANY_EXTENSIONS, /* a run of padding counts as one */
	SAL_REPEATED_EXTENSION, /* SERVICE more than twice, others than once */
	SAL_RESULTS
};

const char *sal_result_name(enum sal_result result); /* "bad-checksum" */

static inline bool sal_result_is_packet(enum sal_result result)
{
	return result <= SAL_UNKNOWN_EXTENSION;
}

/*
 * Decodes len bytes, from the base header to the end of the payload. The
 * order of extensions does not matter, padding may stand anywhere, reserved
 * bits may be set.
 */
enum sal_result sal_decode(struct sal_packet *p, const uint8_t *bytes,
			   size_t len);

/*
 * The header's length in bytes, or -EINVAL where the packet is none: too many
 * extensions, a list or a header too long, or not whole 32-bit words (only PAD
 * and unknown types can bring that about).
 */
int sal_header_len(const struct sal_packet *p);

/*
 * Writes the header, not the payload, with its checksum. Both return its
 * length, -EINVAL as sal_header_len(), or -ENOSPC with nothing written.
 */
int sal_encode(const struct sal_packet *p, uint8_t *buf, size_t size);
/*
 * Writes it into the end of buf, right before what follows: buf is the room
 * in front of a transport segment, headroom its size.
 */
int sal_prepend(const struct sal_packet *p, uint8_t *buf, size_t headroom);

/* Sets the checksum of a header that was changed in place (shl is right). */
void sal_checksum_set(uint8_t *header);

/* Leaves the extensions' memory as it is: 400 bytes not cleared for nothing. */
static inline void sal_packet_init(struct sal_packet *p, uint32_t src_flow,
				   uint32_t dst_flow, uint8_t protocol)
{
	p->src_flow = src_flow;
	p->dst_flow = dst_flow;
	p->protocol = protocol;
	p->n = 0;
	p->payload = NULL;
	p->payload_len = 0;
}

/*
 * Append an extension with its reserved bits zero. One more than
 * SAL_EXTENSIONS_MAX is remembered, and refused by the encoder.
 */
void sal_add_control(struct sal_packet *p, uint8_t flags, uint32_t verno,
		     uint32_t ackno, uint64_t nonce);
void sal_add_service(struct sal_packet *p, const struct service_id *id);
/* type: SAL_EXT_ADDRESS or SAL_EXT_ADDRESS6; SAL_EXT_SOURCE or _SOURCE6. */
void sal_add_address(struct sal_packet *p, enum sal_ext_type type,
		     uint32_t verno, uint32_t ackno, struct sal_list list);
void sal_add_source(struct sal_packet *p, enum sal_ext_type type,
		    struct sal_list list);
void sal_add_identity(struct sal_packet *p, const struct ip_addr *addr);
void sal_add_auth(struct sal_packet *p, const uint8_t *key,
		  const uint8_t *signature);
void sal_add_reason(struct sal_packet *p, uint16_t reason);
void sal_add_challenge(struct sal_packet *p, uint8_t kind, uint64_t value);

/* The nth (from 0) extension of a type, or NULL. */
const struct sal_ext *sal_find(const struct sal_packet *p,
			       enum sal_ext_type type, unsigned nth);

static inline const struct sal_control *
sal_find_control(const struct sal_packet *p)
{
	const struct sal_ext *e = sal_find(p, SAL_EXT_CONTROL, 0);

	return e ? &e->control : NULL;
}

/* The service a packet goes to is the first it names, its own the second. */
static inline const struct service_id *
sal_find_service(const struct sal_packet *p, unsigned nth)
{
	const struct sal_ext *e = sal_find(p, SAL_EXT_SERVICE, nth);

	return e ? e->service : NULL;
}

/* The address size of a list-bearing extension type. */
static inline size_t sal_list_stride(unsigned type)
{
	return type == SAL_EXT_SOURCE6 || type == SAL_EXT_ADDRESS6 ? 16 : 4;
}

/* The ith address of a list; i < list->n. type: of the extension it is in. */
struct ip_addr sal_list_at(const struct sal_list *list, unsigned type,
			   unsigned i);

#endif
