/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Quantities as people write them. A unit is required wherever the quantity
 * has one: "10" is no duration. Decimals are taken ("1.5ms"); signs, spaces
 * and exponents are not. Each parser takes a NUL-terminated text and returns
 * 0, -EINVAL (not of this form), -ENOKEY (the number stands without its unit,
 * or the unit is unknown) or -ERANGE (does not fit).
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#define UNITS_PPB_ALL INT64_C(1000000000) /* 100 % */

int units_parse_duration_ns(const char *text,
			    int64_t *ns); /* ns us ms s min h */
int units_parse_rate_bps(const char *text,
			 int64_t *bps); /* bit kbit mbit gbit, by thousands */
/* kB MB GB, by thousands; KiB MiB, by 1024; B */
int units_parse_bytes(const char *text, int64_t *bytes);
/* "0.1%", in parts of 10^9; above max_ppb is -ERANGE */
int units_parse_percent_ppb(const char *text, int64_t max_ppb, int64_t *ppb);
int units_parse_uint(const char *text, uint64_t max, uint64_t *out);

/* Shortest exact-enough text of a duration: "12.3 ms", "480 us", "2.05 s". */
const char *units_format_duration(int64_t ns, char *buf, size_t size);
/* Likewise "12.3 Mbit/s" and "20.8 MB", by thousands. */
const char *units_format_rate(int64_t bps, char *buf, size_t size);
const char *units_format_bytes(int64_t bytes, char *buf, size_t size);
/* "SIGSEGV"; of one that has no name "signal 40". */
const char *units_format_signal(int signal, char *buf, size_t size);

#endif
