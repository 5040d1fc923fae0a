/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations of fuzz_sal_play: four bytes each, a kind and three arguments.
 * What an argument means is said here; all values of it do. The simulator
 * writes its runs of two hosts in them, too (sal_sim --ops).
 */
#ifndef FUZZ_SAL_OPS_H
#define FUZZ_SAL_OPS_H

#define SAL_OP_BYTES 4

/* host: 0 the client's, 1 the instance's. k: of the packets under way, the
 * oldest being 0, modulo their number. */
#define SAL_OPS(X)                                                             \
	X(RUN) /* a + 256 * b: milliseconds */                                 \
	X(TICK) /* a: to so many (1 to 16) of the next moments of anything */  \
	X(SLEEP) /* a: 2^(a % 14) seconds */                                   \
	X(WEATHER) /* a: delay in ms; b: loss, c: doubling, of 256 each */     \
	X(PING) /* a: from host; b: echo ID; c: bytes */                       \
	X(UDP) /* a: from host; b: port; c: bytes */                           \
	X(TCP) /* a: from host; b: port, and what kind; c: bytes */            \
	X(ADDRESS) /* a: host; b: which of its addresses, a bit each */        \
	X(RULE) /* a: host; b: 1 delete, 2 demux; c: whereto */                \
	X(DROP) /* a: k */                                                     \
	X(NOW) /* a: k, before all others */                                   \
	X(DOUBLE) /* a: k, twice */                                            \
	X(ALTER) /* a: k; b: the byte; c: what changes in it */                \
	X(NAT) /* a: k; b: from where it seems to come */                      \
	X(REPLAY) /* a: one of the last that arrived, once more */             \
	X(STRANGER) /* a: to host; b: kind; c: what he knows, a bit each */    \
	X(UNREACHABLE) /* a: k, which is lost */                               \
	X(MTU) /* a: k, which is lost as too big; b: 8 bytes each */           \
	X(REBOOT) /* a: host */

enum sal_op {
#define SAL_OP_NAME(name) SAL_OP_##name,
	SAL_OPS(SAL_OP_NAME)
#undef SAL_OP_NAME
		SAL_OP_COUNT_,
};

#endif
