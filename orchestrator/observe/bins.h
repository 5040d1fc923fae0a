/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes of a stream as they were delivered, in bins of 10 ms that lie on
 * multiples of that of CLOCK_MONOTONIC. A bin without any has no line. The
 * first and the last delivery in it tell a silence exactly, as long as it is
 * not within one bin.
 */
#ifndef OBSERVE_BINS_H
#define OBSERVE_BINS_H

#include "base/err.h"
#include "base/vec.h"

#include <stdint.h>
#include <stdio.h>

#define BIN_NS INT64_C(10000000)
#define BINS_CSV_HEADER "bin_ns,bytes,first_ns,last_ns\n"

struct bin {
	int64_t begin_ns; /* CLOCK_MONOTONIC, a multiple of BIN_NS */
	uint64_t bytes; /* more than 0 */
	int64_t first_ns, last_ns; /* of its deliveries, in [begin, begin + 10
				      ms) */
};
typedef VEC(struct bin) bin_vec;

struct bins_writer {
	FILE *f; /* borrowed; NULL: nothing is written */
	struct bin bin; /* the one that is being filled; bytes 0: none */
};

/* now_ns never goes back. */
void bins_add(struct bins_writer *w, int64_t now_ns, uint64_t bytes);
/* Writes the last one. */
void bins_flush(struct bins_writer *w);

/* By time. A last line that was cut off is passed over, anything else that is
 * not of the form is -EBADMSG, with file and line. To be freed on 0. */
int bins_read(const char *path, bin_vec *out, struct err *err);

#endif
