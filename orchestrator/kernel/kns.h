/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of this layer only: the sockets of a namespace. */
#ifndef KERNEL_KNS_H
#define KERNEL_KNS_H

#include "orchestrator/kernel/kernel.h"

/* A netlink socket in ns, made in a visit there. A descriptor, owned by the
 * caller, or a negative errno. */
int kns_socket(struct kns *ns, int protocol, struct err *err);

/* The descriptor of ns->nf, which is opened by the first call; borrowed. */
int kns_nf_fd(struct kns *ns, struct err *err);

/* NULL for a good name of an interface, else what is wrong with it: neither
 * libnl nor a driver's ioctl says so, they cut it off or fill it in. */
const char *kns_name_fault(const char *name);

#endif
