/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/io/outgoing.h"

#include <string.h>

#define TTL_DEFAULT 64 /* where the engine leaves it open */

struct cmsg_writer {
	struct cmsghdr *next;
	size_t used;
};

static void put_cmsg(struct cmsg_writer *w, int level, int type,
		     const void *data, size_t len)
{
	struct cmsghdr *c = w->next;

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	/* The gap behind it too: memcheck would have it. */
	memset(CMSG_DATA(c), 0, CMSG_SPACE(len) - CMSG_LEN(0));
	memcpy(CMSG_DATA(c), data, len);
	w->used += CMSG_SPACE(len);
	w->next = (struct cmsghdr *)((uint8_t *)c + CMSG_SPACE(len));
}

static void put_v4(struct cmsg_writer *w, const struct sal_path *path,
		   int tclass, int ttl)
{
	struct in_pktinfo info = { .ipi_ifindex = (int)path->ifindex };

	memcpy(&info.ipi_spec_dst, path->local.bytes,
	       sizeof(info.ipi_spec_dst));
	put_cmsg(w, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	put_cmsg(w, IPPROTO_IP, IP_TOS, &tclass, sizeof(tclass));
	put_cmsg(w, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
}

static void put_v6(struct cmsg_writer *w, const struct sal_path *path,
		   int tclass, int ttl)
{
	struct in6_pktinfo info = { .ipi6_ifindex = path->ifindex };

	memcpy(&info.ipi6_addr, path->local.bytes, sizeof(info.ipi6_addr));
	put_cmsg(w, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	put_cmsg(w, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
	put_cmsg(w, IPPROTO_IPV6, IPV6_HOPLIMIT, &ttl, sizeof(ttl));
}

void outgoing_init(struct outgoing *o, const struct sal_outer *packet)
{
	const struct sal_path *path = &packet->path;
	int ttl = packet->ip.ttl ? packet->ip.ttl : TTL_DEFAULT;
	int tclass = packet->ip.traffic_class;
	struct cmsg_writer w = { .next = (struct cmsghdr *)o->control };

	o->n = 0;
	o->packet = packet;
	if (path->remote.family == AF_INET6) {
		o->name.in6 = (struct sockaddr_in6){
			.sin6_family = AF_INET6,
			.sin6_port = htons(path->remote_port)
		};
		o->name_len = sizeof(o->name.in6);
		memcpy(&o->name.in6.sin6_addr, path->remote.bytes, 16);
		put_v6(&w, path, tclass, ttl);
	} else {
		o->name.in = (struct sockaddr_in){ .sin_family = AF_INET,
						   .sin_port = htons(
							   path->remote_port) };
		o->name_len = sizeof(o->name.in);
		memcpy(&o->name.in.sin_addr, path->remote.bytes, 4);
		put_v4(&w, path, tclass, ttl);
	}
	o->control_len = w.used;
}

struct segment *outgoing_slot(struct outgoing *o)
{
	return &o->pieces[o->n];
}

void outgoing_push(struct outgoing *o)
{
	const struct sal_outer *p = o->packet;
	struct segment *piece = &o->pieces[o->n];
	struct iovec *iov = o->iov[o->n];

	iov[0].iov_base = (void *)(uintptr_t)p->header;
	iov[0].iov_len = p->header_len;
	iov[1].iov_base = piece->head;
	iov[1].iov_len = piece->head_len;
	iov[2].iov_base = (void *)(uintptr_t)piece->rest;
	iov[2].iov_len = piece->rest_len;
	o->msgs[o->n++].msg_hdr = (struct msghdr){
		.msg_name = &o->name,
		.msg_namelen = o->name_len,
		.msg_iov = iov,
		.msg_iovlen = 3,
		.msg_control = o->control,
		.msg_controllen = o->control_len,
	};
}
