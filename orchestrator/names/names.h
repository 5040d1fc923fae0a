/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the names of a lab mean, and how its resolver is told.
 *
 * The resolver is a program of its own (orchestrator/resolver), one for all the
 * nodes: it needs a library for DNS messages that nothing else should have to
 * load. The lab talks to it over a SOCK_SEQPACKET pair. A message tells of one
 * thing, in whole; those that change what is answered are answered by a struct
 * names_reply, in order.
 */
#ifndef NAMES_NAMES_H
#define NAMES_NAMES_H

#include "base/err.h"
#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAMES_DOMAIN "serval"
#define NAMES_LABEL_MAX 63 /* bytes of a DNS label: RFC 1035, 2.3.4 */
#define NAMES_TARGETS_MAX 4096 /* addresses of one name */
/* The resolver's address in every node, and its port. */
#define NAMES_ADDRESS "127.0.0.53"
#define NAMES_PORT 53

struct names_target {
	struct ip_addr address;
	uint32_t weight; /* 0: it is never given */
};

/* One name and all it means. */
struct names_entry {
	char name[NAMES_LABEL_MAX + 1]; /* lower case, without the domain */
	uint32_t ttl_s;
	bool all; /* every address, in turn the first; else one, in turn */
	bool reverse; /* the addresses mean the name, too */
	uint32_t n;
	struct names_target targets[]; /* at most NAMES_TARGETS_MAX */
};

size_t names_entry_size(uint32_t n);

enum names_what {
	NAMES_OPEN, /* sockets of nodes come along; not answered */
	NAMES_CLOSE, /* they are closed when that is answered */
	NAMES_SET, /* an entry, in the place of one of the same name */
};

/*
 * A node and its sockets: UDP, listening TCP, and, where questions are passed
 * on, as many UDP ones that are bound to nothing yet to ask from. All nodes of
 * a message have the same. Many at a time: each message wakes the resolver up.
 * The kernel hands at most NAMES_SOCKETS_AT_ONCE sockets over.
 */
#define NAMES_SOCKETS_AT_ONCE 253
#define NAMES_SERVERS 2
#define NAMES_ASKERS 64
#define NAMES_SOCKETS_MAX (NAMES_SERVERS + NAMES_ASKERS)
#define NAMES_OPEN_MAX 24
struct names_node {
	uint64_t node;
	size_t n; /* NAMES_SERVERS, or NAMES_SOCKETS_MAX */
	int sockets[NAMES_SOCKETS_MAX];
};

struct names_reply {
	int code; /* 0 or an errno */
};

/* Sockets are borrowed. All return 0 or a negative errno. */
int names_send_open(int fd, const struct names_node *nodes, size_t n);
int names_send_close(int fd, uint64_t node);
int names_send_set(int fd, const struct names_entry *entry);

/* The other side. */
struct names_message {
	enum names_what what;
	uint64_t node; /* CLOSE */
	size_t n; /* OPEN; with the receiver's sockets */
	struct names_node nodes[NAMES_OPEN_MAX];
	const struct names_entry *entry; /* SET: in the buffer */
};
#define NAMES_MESSAGE_MAX                                                      \
	(sizeof(struct names_entry) +                                          \
	 NAMES_TARGETS_MAX * sizeof(struct names_target) + 64)

/* 1: a message; 0: the other side is gone; -EBADMSG, or another errno. buf: of
 * NAMES_MESSAGE_MAX bytes, aligned as by malloc(). Waits. */
int names_receive(int fd, void *buf, struct names_message *out);

#endif
