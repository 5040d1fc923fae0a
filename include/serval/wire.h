/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Service Access Layer on the wire: numbers and sizes, nothing else. All
 * fields are in network byte order. docs/wire-format.md draws the layouts.
 *
 * A packet is IP protocol 144, or the payload of a UDP datagram:
 *
 *     base header   12   source flow 4, destination flow 4, shl 1,
 *                        transport protocol 1, checksum 2
 *     extensions    shl * 4 - 12
 *     transport     UDP, TCP, ICMP ... header and data, or nothing
 */
#ifndef SERVAL_WIRE_H
#define SERVAL_WIRE_H

#define SAL_IP_PROTOCOL 144
#define SAL_UDP_PORT_CLIENT 54324
#define SAL_UDP_PORT_SERVER 54325

#define SAL_HEADER_LEN 12 /* without extensions: data packets have no more */
#define SAL_HEADER_MAX (255 * 4) /* shl is one byte */
#define SAL_EXTENSIONS_MAX 10

/* The high nibble of an extension's first byte; its second is the length. */
enum sal_ext_type {
	SAL_EXT_PAD = 0, /* one byte, has no length */
	SAL_EXT_CONTROL = 1,
	SAL_EXT_SERVICE = 2,
	SAL_EXT_ADDRESS = 3,
	SAL_EXT_SOURCE = 4,
	/* From here on ours, unknown to the stack of 2012. */
	SAL_EXT_IDENTITY = 8,
	SAL_EXT_SOURCE6 = 9,
	SAL_EXT_ADDRESS6 = 10,
	SAL_EXT_AUTH = 11,
	SAL_EXT_REASON = 12,
	SAL_EXT_CHALLENGE = 13,
};

/* Whole lengths, the two bytes in front included. */
#define SAL_EXT_HEADER_LEN 2
#define SAL_CONTROL_LEN 20
#define SAL_SERVICE_LEN 36
#define SAL_ADDRESS_MIN 12 /* and 4 an address (ADDRESS6: 16) */
#define SAL_SOURCE_MIN 4 /* and 4 an address (SOURCE6: 16) */
#define SAL_SOURCE_ADDRESSES_MIN 2 /* the client and the first hop */
#define SAL_IDENTITY_LEN 8
#define SAL_IDENTITY6_LEN 20
#define SAL_AUTH_LEN 100
#define SAL_REASON_LEN 4
#define SAL_CHALLENGE_LEN 12

#define SAL_AUTH_KEY_LEN 32 /* Ed25519 */
#define SAL_AUTH_SIGNATURE_LEN 64

/* CONTROL. The low two bits are reserved. */
enum sal_flag {
	SAL_FLAG_SYN = 0x80,
	SAL_FLAG_RSYN = 0x40,
	SAL_FLAG_ACK = 0x20,
	SAL_FLAG_NACK = 0x10,
	SAL_FLAG_RST = 0x08,
	SAL_FLAG_FIN = 0x04,
};

/* IDENTITY. */
#define SAL_FAMILY_IPV4 4
#define SAL_FAMILY_IPV6 6

/* REASON, on RST and NACK. */
enum sal_reason {
	SAL_REASON_NO_SERVICE = 1,
	SAL_REASON_NO_INSTANCE = 2,
	SAL_REASON_LOOP = 3,
	SAL_REASON_HOP_LIMIT = 4,
	SAL_REASON_TABLE_FULL = 5,
	SAL_REASON_REFUSED = 6,
	SAL_REASON_UNKNOWN_FLOW = 7,
};

/* CHALLENGE. */
enum sal_challenge_kind {
	SAL_CHALLENGE_ASK = 0,
	SAL_CHALLENGE_ANSWER = 1,
};

#endif
