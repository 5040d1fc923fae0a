/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exchanges with the kernel over a netlink socket of any family. Of this layer
 * only; kernel.h is what the others see. */
#ifndef KERNEL_NETLINK_H
#define KERNEL_NETLINK_H

#include "base/err.h"

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

/* What one message asks for, to say so should it fail. */
struct netlink_request {
	size_t tag; /* the caller's; not looked at */
	int tolerated; /* an errno that is as good as success; 0: none */
	char what[104]; /* "create veth eth0" */
};

/*
 * A socket in the calling thread's namespace, with extended acks on and its
 * waits bounded. A descriptor, owned by the caller, or a negative errno.
 */
int netlink_open(int protocol, struct err *err);

/*
 * Numbers the messages in buf (len bytes, one for each of the requests, each
 * aligned), sends them by one system call and waits until the one at index
 * last, which alone asks for an ack, was answered. 0; or the negative errno of
 * the first that failed, its index in *failed (SIZE_MAX: it was none of them).
 */
int netlink_transact(int fd, void *buf, size_t len,
		     const struct netlink_request *requests, size_t last,
		     size_t *failed, struct err *err);

/*
 * Sends a dump request (flags and number are filled in here) and calls each for
 * every object, until it returns nonzero: the rest is then read and dropped,
 * and a negative value is returned as it is. 0, or 1 where the kernel says that
 * the objects changed meanwhile, or a negative errno.
 */
typedef int netlink_each_fn(const struct nlmsghdr *object, void *data,
			    struct err *err);
int netlink_dump(int fd, struct nlmsghdr *request, const char *what,
		 netlink_each_fn *each, void *data, struct err *err);

/* tb[0..max] point at the attributes of those types, or are NULL. */
void netlink_attrs(const void *attrs, size_t len, const struct nlattr **tb,
		   uint16_t max);
/* The same for the attributes inside of one; nest may be NULL. */
void netlink_nested(const struct nlattr *nest, const struct nlattr **tb,
		    uint16_t max);

#endif
