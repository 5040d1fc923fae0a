/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of host_check.c that is about namespaces. */
#ifndef CLI_HOST_NAMESPACES_H
#define CLI_HOST_NAMESPACES_H

#include "orchestrator/cli/host_lines.h"

#include <stdint.h>
#include <sys/types.h>

struct host_namespaces;

/* Looks at what there is before the run. 0 or -ENOMEM. */
int host_namespaces_begin(struct host_namespaces **out);
/* All that this process is in, and its parent (we) is not, is the run's own. */
void host_namespaces_own_process(struct host_namespaces *h, pid_t pid);
/* So is this one. */
void host_namespaces_own(struct host_namespaces *h, uint64_t inode);
/* Adds a line for each that is left. 0 or -ENOMEM. */
int host_namespaces_left(struct host_namespaces *h, line_vec *lines);
void host_namespaces_free(struct host_namespaces *h);

#endif
