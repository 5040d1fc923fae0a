/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who listens on this host: sockets of TCP that listen, and of UDP that are
 * bound and not connected, asked of the kernel (sock_diag). It does not tell of
 * those that come; of those that go it does.
 */
#ifndef IO_LISTENERS_H
#define IO_LISTENERS_H

#include "base/err.h"
#include "base/ip.h"

#include <stdbool.h>
#include <stdint.h>

struct listeners;

/* In the calling thread's network namespace. 0 or a negative errno. */
int listeners_open(struct listeners **out, struct err *err);
struct listeners *listeners_free(struct listeners *l); /* returns NULL */

/* Readable when sockets have gone. */
int listeners_fd(const struct listeners *l);
/* Takes what there is to read; calls visit for each socket that has gone, of
 * either protocol, with its port. False: some were missed. */
bool listeners_drain(struct listeners *l,
		     void (*visit)(void *arg, uint16_t port), void *arg);

/* Calls visit for each of that protocol (IPPROTO_TCP, IPPROTO_UDP), with its
 * address (all zeros: any) and port. 0 or a negative errno. */
int listeners_list(struct listeners *l, uint8_t protocol,
		   void (*visit)(void *arg, const struct ip_addr *address,
				 uint16_t port),
		   void *arg);

#endif
