/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pcap filter ("icmp and host 10.0.0.1") over Ethernet frames. */
#ifndef REPORT_FILTER_H
#define REPORT_FILTER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filter;

/* 0, -ENOMEM, or -EINVAL with libpcap's words. */
int filter_compile(const char *text, struct filter **out, struct err *err);
struct filter *filter_free(struct filter *f); /* returns NULL */

/* captured: bytes in frame; length: what it had on the wire. */
bool filter_matches(const struct filter *f, const uint8_t *frame,
		    uint32_t captured, uint32_t length);

#endif
