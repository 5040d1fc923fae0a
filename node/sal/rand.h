/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must not be guessed: flow IDs, nonces, first version numbers,
 * challenges. A ChaCha20 key stream under the configuration's key, so that the
 * same key and the same inputs give the same run.
 */
#ifndef SAL_RAND_H
#define SAL_RAND_H

#include <stddef.h>
#include <stdint.h>

#define SAL_RAND_KEY 32
#define SAL_HASH_KEY 16

struct sal_rand {
	uint8_t key[SAL_RAND_KEY];
	uint64_t block; /* next of the key stream */
	uint8_t pool[64];
	size_t left; /* unused bytes, at the end of pool */
	/* Set: asked instead (struct sal_config). */
	void (*source)(void *arg, void *out, size_t n);
	void *source_arg;
};

void sal_rand_init(struct sal_rand *r, const uint8_t key[SAL_RAND_KEY]);
void sal_rand_bytes(struct sal_rand *r, void *out, size_t n);
uint32_t sal_rand_u32(struct sal_rand *r);
uint32_t sal_rand_nonzero(struct sal_rand *r);

#endif
