/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a packet socket shows is not yet what a wire would carry:
 *
 * - Over a veth a checksum is left for the hardware that never comes: the field
 *   holds the sum of the pseudo-header only, and any tool that checks it would
 *   call the packet broken. It is completed as the hardware would do it.
 * - A VLAN tag was taken out of the frame and is put back.
 * - A TUN device has no link layer. So that all interfaces of a trace are of
 *   one kind, such a packet gets an Ethernet header without addresses.
 *
 * All of it happens in place: before the frame the ring has at least 16 bytes
 * and the virtio header, which is spent by then (TPACKET3_HDRLEN is 68; the
 * network header is at ALIGN16(68 + max(16, link layer)) + 10).
 */
#include "orchestrator/observe/capture_socket.h"

#include <endian.h>
#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <string.h>

#define VLAN_TAG_SIZE 4

/* RFC 1071, over the frame from start on, what is at the field included. */
static uint16_t checksum(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;

	for (; n >= 4; p += 4, n -= 4) {
		uint32_t word;

		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (n) {
		uint32_t word = 0;

		memcpy(&word, p, n);
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum; /* in the byte order of the frame */
}

static void finish_checksum(struct capture_frame *f)
{
	size_t start = f->vnet.csum_start;
	size_t field = start + f->vnet.csum_offset;
	uint16_t sum;

	/* Of a frame that was cut off the sum is not known any more. */
	if (f->captured != f->length || field + 2 > f->captured)
		return;
	sum = checksum(f->data + start, f->captured - start);
	if (!sum)
		sum = 0xffff; /* the same number; 0 says "none" in UDP */
	memcpy(f->data + field, &sum, sizeof(sum));
}

static void push(struct capture_frame *f, uint32_t n)
{
	f->data -= n;
	f->captured += n;
	f->length += n;
}

static void put_vlan_tag(struct capture_frame *f)
{
	const uint16_t tag[2] = { htobe16(f->vlan_tpid), htobe16(f->vlan_tci) };

	if (f->captured < 2 * ETH_ALEN)
		return;
	push(f, VLAN_TAG_SIZE);
	memmove(f->data, f->data + VLAN_TAG_SIZE, 2 * ETH_ALEN);
	memcpy(f->data + 2 * ETH_ALEN, tag, sizeof(tag));
}

static void put_ethernet(struct capture_frame *f)
{
	const uint16_t protocol = htobe16(f->protocol);

	push(f, ETH_HLEN);
	memset(f->data, 0, 2 * ETH_ALEN);
	memcpy(f->data + 2 * ETH_ALEN, &protocol, sizeof(protocol));
}

void capture_frame_finish(struct capture_frame *f)
{
	if (f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		finish_checksum(f);
	if (f->hatype == ARPHRD_NONE)
		put_ethernet(f);
	else if (f->has_vlan)
		put_vlan_tag(f);
}
