/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OBSERVE_PROBE_INTERNAL_H
#define OBSERVE_PROBE_INTERNAL_H

#include "orchestrator/observe/probe.h"
#include "orchestrator/observe/probe_name.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>

/* So many packets back a reply is still known. A power of two. */
#define PROBE_WINDOW 65536u

struct probe_slot {
	int64_t sent_ns;
	const char *error; /* NULL: none */
	unsigned copies; /* replies so far */
	bool waiting; /* for a reply or an error */
};

union probe_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct probe;

struct probe_kind {
	int (*open)(struct probe *p, struct err *err); /* sets p->fd */
	int (*send)(struct probe *p, uint64_t seq); /* 0, negative errno */
	/* Do these bytes, which came from the address asked or are a packet
	 * that an ICMP error quotes, hold a packet of this probe? */
	bool (*is_reply)(const struct probe *p, const uint8_t *data, size_t len,
			 uint64_t *seq);
	bool (*is_ours)(const struct probe *p, const uint8_t *data, size_t len,
			uint64_t *seq);
};

extern const struct probe_kind probe_kind_ping, probe_kind_udp;

struct probe {
	const struct probe_config *config;
	const struct probe_kind *kind;
	struct probe_name name;
	union probe_address to;
	socklen_t to_len;
	int fd;
	bool connected;
	uint8_t *packet; /* all of it but the header and the mark stays */
	size_t packet_len;
	uint64_t count; /* packets in all */
	uint64_t next; /* the one to be sent next */
	uint64_t waiting; /* how many slots are */
	int64_t end_ns; /* of waiting for the last replies; 0: sending */
	struct probe_slot *slots;
	uint64_t answered; /* the number behind the last that was */
	int64_t longest_ns; /* round trip so far; 0: none */
	bool told[PROBE_WATCHES_MAX]; /* and it is still so */
	FILE *csv;
	char *csv_buffer; /* glibc does not allocate one of a given size */
};

/* ---- probe_window.c: what is known of each packet, and its line ---------- */

/* error: of a send that failed, a constant; or NULL. Takes p->next. */
void probe_window_sent(struct probe *p, int64_t sent_ns, const char *error);
void probe_window_reply(struct probe *p, uint64_t seq, int64_t received_ns);
void probe_window_error(struct probe *p, uint64_t seq, const char *error);
/* Writes the lines of all that are still without a reply. */
void probe_window_finish(struct probe *p);

/* ---- probe_socket.c: what both kinds of socket have in common ----------- */

/* Sets time stamps, ICMP errors and sizes up on p->fd. */
int probe_socket_setup(struct probe *p, struct err *err);
/* Takes replies and errors that are there, a bounded number of each, for
 * sending must not wait for long: true where there may be more. */
#define PROBE_RECEIVE_MAX 256u
bool probe_socket_receive(struct probe *p);
/* Takes ICMP errors that are there; how many there were. */
unsigned probe_socket_errors(struct probe *p);

#endif
