/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers of pcapng that the writer, the reader and the sorter share. */
#ifndef OBSERVE_PCAPNG_FORMAT_H
#define OBSERVE_PCAPNG_FORMAT_H

#include <stddef.h>
#include <stdint.h>

enum pcapng_block {
	PCAPNG_INTERFACE = 1,
	PCAPNG_STATISTICS = 5,
	PCAPNG_PACKET = 6, /* the "enhanced" one */
	PCAPNG_SECTION = 0x0a0d0d0a, /* the same in either byte order */
};

enum pcapng_option {
	PCAPNG_OPT_END = 0,
	PCAPNG_OPT_COMMENT = 1,
	PCAPNG_SHB_USERAPPL = 4,
	PCAPNG_IF_NAME = 2,
	PCAPNG_IF_DESCRIPTION = 3,
	PCAPNG_IF_TSRESOL = 9,
	PCAPNG_IF_TSOFFSET = 14,
	PCAPNG_EPB_FLAGS = 2,
	PCAPNG_ISB_IFRECV = 4,
	PCAPNG_ISB_IFDROP = 5,
};

#define PCAPNG_BYTE_ORDER UINT32_C(0x1a2b3c4d)
#define PCAPNG_LINKTYPE_ETHERNET 1
#define PCAPNG_TEXT_MAX 65535u /* an option's length is 16 bits */

/* No block is longer, neither written nor believed. */
#define PCAPNG_BLOCK_MAX (UINT32_C(64) << 20)
#define PCAPNG_BLOCK_MIN 12u /* type, length, length */
#define PCAPNG_PACKET_MIN 32u

/* Where an enhanced packet block has what. */
enum pcapng_packet_offset {
	PCAPNG_PACKET_INTERFACE = 8,
	PCAPNG_PACKET_TIME_HIGH = 12,
	PCAPNG_PACKET_TIME_LOW = 16,
	PCAPNG_PACKET_CAPTURED = 20,
	PCAPNG_PACKET_LENGTH = 24,
	PCAPNG_PACKET_DATA = 28,
};

static inline size_t pcapng_pad(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

#endif
