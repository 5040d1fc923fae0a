/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block states its length before and after its body, so the length of all
 * options is worked out first; a block is then written in one go from front to
 * back, and nothing is ever patched afterwards: the file may be a pipe.
 *
 * All numbers are in the host's byte order, which the section header states.
 */
#include "orchestrator/observe/pcapng.h"
#include "orchestrator/observe/pcapng_format.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const uint8_t padding[4];

static int put(FILE *f, const void *p, size_t n)
{
	return n && fwrite(p, 1, n, f) != n ? -EIO : 0;
}

static int put_padded(FILE *f, const void *p, size_t n)
{
	return put(f, p, n) || put(f, padding, pcapng_pad(n) - n) ? -EIO : 0;
}

static size_t option_size(size_t n)
{
	return 4 + pcapng_pad(n);
}

static int put_option(FILE *f, uint16_t code, const void *value, size_t n)
{
	const uint16_t head[2] = { code, (uint16_t)n };

	return put(f, head, sizeof(head)) || put_padded(f, value, n) ? -EIO : 0;
}

/* How much of a text goes into an option: it is not cut within a character. */
static size_t text_length(const char *text)
{
	size_t n = text ? strnlen(text, PCAPNG_TEXT_MAX + 1) : 0;

	if (n <= PCAPNG_TEXT_MAX)
		return n;
	n = PCAPNG_TEXT_MAX;
	while (n && ((uint8_t)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

int pcapng_write_header(FILE *f, const char *application)
{
	size_t n = text_length(application);
	uint32_t length = (uint32_t)(28 + option_size(n) + 4);
	struct {
		uint32_t type, length, byte_order;
		uint16_t major, minor;
		uint64_t section_length;
	} __attribute__((packed)) head = {
		PCAPNG_SECTION, length, PCAPNG_BYTE_ORDER, 1, 0, UINT64_MAX,
	};
	_Static_assert(sizeof(head) == 24, "section header block");

	if (put(f, &head, sizeof(head)) ||
	    put_option(f, PCAPNG_SHB_USERAPPL, application, n) ||
	    put_option(f, PCAPNG_OPT_END, NULL, 0) ||
	    put(f, &length, sizeof(length)))
		return -EIO;
	return 0;
}

int pcapng_write_interface(FILE *f, const char *name, const char *description,
			   uint32_t snaplen)
{
	static const uint8_t nanoseconds = 9; /* a power of ten */
	size_t name_len = text_length(name);
	size_t description_len = text_length(description);
	struct {
		uint32_t type, length;
		uint16_t linktype, reserved;
		uint32_t snaplen;
	} head = {
		.type = PCAPNG_INTERFACE,
		.linktype = PCAPNG_LINKTYPE_ETHERNET,
		.snaplen = snaplen,
	};
	_Static_assert(sizeof(head) == 16, "interface description block");
	size_t length = sizeof(head) + option_size(1) + 4 + 4;

	if (name)
		length += option_size(name_len);
	if (description)
		length += option_size(description_len);
	head.length = (uint32_t)length;
	if (put(f, &head, sizeof(head)) ||
	    (name && put_option(f, PCAPNG_IF_NAME, name, name_len)) ||
	    (description && put_option(f, PCAPNG_IF_DESCRIPTION, description,
				       description_len)) ||
	    put_option(f, PCAPNG_IF_TSRESOL, &nanoseconds, 1) ||
	    put_option(f, PCAPNG_OPT_END, NULL, 0) ||
	    put(f, &head.length, sizeof(head.length)))
		return -EIO;
	return 0;
}

int pcapng_write_packet(FILE *f, const struct pcapng_packet *p)
{
	size_t comment_len = text_length(p->comment);
	uint32_t flags = (uint32_t)p->direction; /* bits 0-1: 1 in, 2 out */
	uint32_t head[PCAPNG_PACKET_DATA / 4];
	size_t length = PCAPNG_PACKET_MIN + pcapng_pad(p->captured);

	if (p->comment)
		length += option_size(comment_len);
	if (p->direction)
		length += option_size(sizeof(flags));
	if (p->comment || p->direction)
		length += 4;
	if (length > PCAPNG_BLOCK_MAX || p->time_ns < 0)
		return -EINVAL;

	head[0] = PCAPNG_PACKET;
	head[1] = (uint32_t)length;
	head[2] = p->interface;
	head[3] = (uint32_t)((uint64_t)p->time_ns >> 32);
	head[4] = (uint32_t)p->time_ns;
	head[5] = p->captured;
	head[6] = p->length;
	if (put(f, head, sizeof(head)) || put_padded(f, p->data, p->captured) ||
	    (p->comment &&
	     put_option(f, PCAPNG_OPT_COMMENT, p->comment, comment_len)) ||
	    (p->direction &&
	     put_option(f, PCAPNG_EPB_FLAGS, &flags, sizeof(flags))) ||
	    ((p->comment || p->direction) &&
	     put_option(f, PCAPNG_OPT_END, NULL, 0)) ||
	    put(f, &head[1], sizeof(head[1])))
		return -EIO;
	return 0;
}

int pcapng_write_statistics(FILE *f, uint32_t interface, int64_t time_ns,
			    uint64_t received, uint64_t dropped)
{
	bool has_dropped = dropped != PCAPNG_NOT_KNOWN;
	uint32_t head[5];
	size_t length = sizeof(head) + option_size(8) + 4 + 4;

	if (has_dropped)
		length += option_size(8);
	if (time_ns < 0)
		return -EINVAL;
	head[0] = PCAPNG_STATISTICS;
	head[1] = (uint32_t)length;
	head[2] = interface;
	head[3] = (uint32_t)((uint64_t)time_ns >> 32);
	head[4] = (uint32_t)time_ns;
	if (put(f, head, sizeof(head)) ||
	    put_option(f, PCAPNG_ISB_IFRECV, &received, 8) ||
	    (has_dropped && put_option(f, PCAPNG_ISB_IFDROP, &dropped, 8)) ||
	    put_option(f, PCAPNG_OPT_END, NULL, 0) ||
	    put(f, &head[1], sizeof(head[1])))
		return -EIO;
	return 0;
}
