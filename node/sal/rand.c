/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/sal/rand.h"

#include <sodium/crypto_stream_chacha20.h>
#include <string.h>

_Static_assert(SAL_RAND_KEY == crypto_stream_chacha20_KEYBYTES,
	       "the key is ChaCha20's");

void sal_rand_init(struct sal_rand *r, const uint8_t key[SAL_RAND_KEY])
{
	memset(r, 0, sizeof(*r));
	memcpy(r->key, key, SAL_RAND_KEY);
}

static void refill(struct sal_rand *r)
{
	uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

	_Static_assert(sizeof(nonce) == sizeof(r->block),
		       "the block's number is the nonce");
	memcpy(nonce, &r->block, sizeof(nonce));
	crypto_stream_chacha20(r->pool, sizeof(r->pool), nonce, r->key);
	r->block++;
	r->left = sizeof(r->pool);
}

void sal_rand_bytes(struct sal_rand *r, void *out, size_t n)
{
	uint8_t *to = out;

	if (r->source) {
		r->source(r->source_arg, out, n);
		return;
	}
	while (n) {
		size_t take;

		if (!r->left)
			refill(r);
		take = n < r->left ? n : r->left;
		memcpy(to, r->pool + sizeof(r->pool) - r->left, take);
		r->left -= take;
		to += take;
		n -= take;
	}
}

uint32_t sal_rand_u32(struct sal_rand *r)
{
	uint32_t n;

	sal_rand_bytes(r, &n, sizeof(n));
	return n;
}

uint32_t sal_rand_nonzero(struct sal_rand *r)
{
	uint32_t n;

	do
		n = sal_rand_u32(r);
	while (!n);
	return n;
}
