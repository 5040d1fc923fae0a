/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets that do not have an address of this host. Of this layer only. */
#ifndef IO_FOREIGN_H
#define IO_FOREIGN_H

#include "node/sal/sal.h"

struct foreign;

/* NULL: no memory. Opens nothing yet: most hosts never need it. */
struct foreign *foreign_new(void);
struct foreign *foreign_free(struct foreign *f); /* returns NULL */

/* packet has no offload. 0; -EAGAIN: no room in the way out; another negative
 * errno. */
int foreign_send(struct foreign *f, const struct sal_outer *packet);

#endif
