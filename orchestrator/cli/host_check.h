/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a run has left anything on the host. */
#ifndef CLI_HOST_CHECK_H
#define CLI_HOST_CHECK_H

#include "base/err.h"
#include "orchestrator/scenario/model.h"

#include <stdint.h>
#include <sys/types.h>

struct host_check;

/*
 * Looks at the host before a run, where the scenario has an expectation about
 * it; else *out is NULL. From then on orphans of this process are its children.
 */
int host_check_begin(const struct scenario *s, struct host_check **out,
		     struct err *err);
/* Notes the namespaces of the lab's init. */
void host_check_lab(struct host_check *h, pid_t init);
/* And those of its nodes; 0 among the inodes is none. h may be NULL. */
void host_check_namespaces(struct host_check *h, const uint64_t *inodes,
			   size_t n);
/*
 * When the lab is gone: looks until nothing of it is left, or its time is over,
 * and writes what is into host.json of the record. h may be NULL.
 */
int host_check_end(struct host_check *h, int record_fd, struct err *err);
struct host_check *host_check_free(struct host_check *h); /* returns NULL */

#endif
