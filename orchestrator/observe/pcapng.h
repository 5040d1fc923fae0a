/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of pcapng (draft-ietf-opsawg-pcapng) that a record needs: one
 * section, named Ethernet interfaces at nanosecond resolution, enhanced packet
 * blocks with direction and comment, interface statistics. libpcap writes only
 * the classic format; what we write is checked against capinfos and tshark.
 */
#ifndef OBSERVE_PCAPNG_H
#define OBSERVE_PCAPNG_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum pcapng_direction { PCAPNG_UNKNOWN, PCAPNG_IN, PCAPNG_OUT };

struct pcapng_packet {
	uint32_t interface; /* in order of their description, from 0 */
	int64_t time_ns; /* since the epoch */
	const uint8_t *data;
	uint32_t captured, length; /* bytes here, bytes on the wire */
	enum pcapng_direction direction;
	const char *comment; /* NULL: none */
};

/*
 * The file stays the caller's. Each writes a whole block: 0, -EIO (and ferror()
 * is set) or -EINVAL: longer than any reader would take, or before the epoch.
 */
int pcapng_write_header(FILE *f, const char *application);
int pcapng_write_interface(FILE *f, const char *name, const char *description,
			   uint32_t snaplen);
int pcapng_write_packet(FILE *f, const struct pcapng_packet *p);
/* received and dropped as the kernel counted them; PCAPNG_NOT_KNOWN: it does
 * not say how many were dropped here. */
#define PCAPNG_NOT_KNOWN UINT64_MAX
int pcapng_write_statistics(FILE *f, uint32_t interface, int64_t time_ns,
			    uint64_t received, uint64_t dropped);

struct pcapng_reader;

/*
 * Reads what sections of Ethernet interfaces hold, of any byte order and
 * resolution; blocks of no interest are passed over, packets of interfaces of
 * other kinds among them. Interfaces are counted through all sections. A file
 * that is malformed or cut off gives the packets before that, then -EBADMSG.
 */
int pcapng_open(const char *path, struct pcapng_reader **out, struct err *err);
/* 1: a packet (valid until the next call), 0: end, negative errno. */
int pcapng_next(struct pcapng_reader *r, struct pcapng_packet *p,
		struct err *err);
size_t pcapng_interfaces(const struct pcapng_reader *r); /* met so far */
const char *pcapng_interface_name(const struct pcapng_reader *r, uint32_t i);
struct pcapng_reader *pcapng_close(struct pcapng_reader *r); /* NULL */

#endif
