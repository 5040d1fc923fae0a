/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/stream.h"

#include "base/cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HELLO_MAGIC "SRVLSTRM"
#define CIPHER_BLOCK 64u

/* ---- headers ------------------------------------------------------------- */

static void put32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

void stream_header_put(uint8_t out[STREAM_HEADER],
		       const struct stream_header *h)
{
	probe_mark_put(out, &h->mark);
	put32(out + PROBE_MARK_SIZE, h->bytes);
	put32(out + PROBE_MARK_SIZE + 4, h->flags);
}

bool stream_header_get(const uint8_t in[STREAM_HEADER], struct stream_header *h)
{
	struct cursor c = cursor_make(in, STREAM_HEADER);

	if (!probe_mark_get(in, STREAM_HEADER, &h->mark))
		return false;
	cursor_take(&c, PROBE_MARK_SIZE);
	h->bytes = cursor_be32(&c);
	h->flags = cursor_be32(&c);
	return true;
}

void stream_hello_put(uint8_t out[STREAM_HELLO], const struct stream_hello *h)
{
	memset(out, 0, STREAM_HELLO);
	memcpy(out, HELLO_MAGIC, 8);
	put32(out + 8, (h->upload ? 1u : 0u) | (h->verify ? 2u : 0u));
	put32(out + 12, h->probe);
	put64(out + 16, h->bytes);
	put64(out + 24, h->rate_bps);
	memcpy(out + 32, h->key, STREAM_KEY);
}

bool stream_hello_get(const uint8_t in[STREAM_HELLO], struct stream_hello *h)
{
	struct cursor c = cursor_make(in, STREAM_HELLO);
	const uint8_t *magic = cursor_take(&c, 8);
	uint32_t flags = cursor_be32(&c);

	if (memcmp(magic, HELLO_MAGIC, 8) != 0 || flags > 3)
		return false;
	h->upload = flags & 1;
	h->verify = flags & 2;
	h->probe = cursor_be32(&c);
	h->bytes = cursor_be64(&c);
	h->rate_bps = cursor_be64(&c);
	cursor_copy(&c, h->key, STREAM_KEY);
	return true;
}

/* ---- content ------------------------------------------------------------- */

void stream_key(uint64_t seed, uint32_t probe, uint8_t key[STREAM_KEY])
{
	uint8_t from[12];

	put64(from, seed);
	put32(from + 8, probe);
	crypto_generichash(key, STREAM_KEY, from, sizeof(from), NULL, 0);
}

static void cipher(const uint8_t *key, uint64_t block, uint8_t *out, size_t n)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

	memset(out, 0, n);
	crypto_stream_chacha20_xor_ic(out, out, n, nonce, block, key);
}

void stream_content(const uint8_t key[STREAM_KEY], uint64_t offset,
		    uint8_t *out, size_t n)
{
	size_t skip = offset % CIPHER_BLOCK;

	if (skip) {
		uint8_t first[CIPHER_BLOCK];
		size_t part = CIPHER_BLOCK - skip;

		if (part > n)
			part = n;
		cipher(key, offset / CIPHER_BLOCK, first, sizeof(first));
		memcpy(out, first + skip, part);
		out += part;
		offset += part;
		n -= part;
	}
	if (n)
		cipher(key, offset / CIPHER_BLOCK, out, n);
}

/* ---- the sending side ---------------------------------------------------- */

int stream_sender_init(struct stream_sender *s, const struct stream_hello *h)
{
	*s = (struct stream_sender){ .hello = *h };
	crypto_hash_sha256_init(&s->hash);
	s->block = calloc(1, STREAM_HEADER + STREAM_CONTENT_MAX);
	return s->block ? 0 : -ENOMEM;
}

void stream_sender_free(struct stream_sender *s)
{
	free(s->block);
	s->block = NULL;
}

static void start_block(struct stream_sender *s, size_t n, uint32_t flags)
{
	const struct stream_header h = {
		.mark = { s->hello.probe, s->offset },
		.bytes = (uint32_t)n,
		.flags = flags,
	};

	stream_header_put(s->block, &h);
	s->len = STREAM_HEADER + n;
	s->done = 0;
}

void stream_sender_block(struct stream_sender *s, size_t n)
{
	uint8_t *content = s->block + STREAM_HEADER;

	if (n > STREAM_CONTENT_MAX)
		n = STREAM_CONTENT_MAX;
	if (s->hello.bytes && n > s->hello.bytes - s->offset)
		n = (size_t)(s->hello.bytes - s->offset);
	start_block(s, n, 0);
	if (s->hello.verify) {
		stream_content(s->hello.key, s->offset, content, n);
		crypto_hash_sha256_update(&s->hash, content, n);
	}
	s->offset += n;
}

bool stream_sender_complete(const struct stream_sender *s)
{
	return s->hello.bytes && s->offset == s->hello.bytes;
}

void stream_sender_last(struct stream_sender *s)
{
	start_block(s, STREAM_HASH, STREAM_LAST);
	crypto_hash_sha256_final(&s->hash, s->digest);
	memcpy(s->block + STREAM_HEADER, s->digest, STREAM_HASH);
	s->last = true;
}

/* ---- the receiving side -------------------------------------------------- */

void stream_receiver_init(struct stream_receiver *r,
			  const struct stream_hello *h)
{
	*r = (struct stream_receiver){ .hello = *h,
				       .first_wrong = STREAM_NONE };
	crypto_hash_sha256_init(&r->hash);
}

static size_t first_difference(const uint8_t *a, const uint8_t *b)
{
	size_t i = 0;

	while (a[i] == b[i])
		i++;
	return i;
}

static void take_content(struct stream_receiver *r, const uint8_t *data,
			 size_t n)
{
	uint8_t expected[4096];

	if (!r->hello.verify) {
		r->received += n;
		return;
	}
	crypto_hash_sha256_update(&r->hash, data, n);
	while (n) {
		size_t part = n < sizeof(expected) ? n : sizeof(expected);

		if (r->first_wrong == STREAM_NONE) {
			stream_content(r->hello.key, r->received, expected,
				       part);
			if (memcmp(data, expected, part) != 0)
				r->first_wrong =
					r->received +
					first_difference(data, expected);
		}
		r->received += part;
		data += part;
		n -= part;
	}
}

static bool take_header(struct stream_receiver *r)
{
	struct stream_header h;

	if (!stream_header_get(r->header, &h) ||
	    h.mark.probe != r->hello.probe || h.mark.seq != r->received ||
	    h.flags > STREAM_LAST)
		return false;
	r->in_last = h.flags & STREAM_LAST;
	r->left = h.bytes;
	return r->in_last ? h.bytes == STREAM_HASH :
			    h.bytes > 0 && h.bytes <= STREAM_CONTENT_MAX;
}

void stream_receiver_digest(struct stream_receiver *r)
{
	crypto_hash_sha256_state copy = r->hash;

	crypto_hash_sha256_final(&copy, r->digest);
}

int stream_receiver_feed(struct stream_receiver *r, const uint8_t *data,
			 size_t n)
{
	while (n) {
		size_t part;

		if (r->ended)
			return -EBADMSG;
		if (!r->left) {
			part = STREAM_HEADER - r->have;
			if (part > n)
				part = n;
			memcpy(r->header + r->have, data, part);
			r->have += part;
			if (r->have == STREAM_HEADER) {
				r->have = 0;
				if (!take_header(r)) {
					r->left = 0;
					return -EBADMSG;
				}
			}
		} else {
			part = r->left < n ? r->left : n;
			if (r->in_last) {
				memcpy(r->claimed + STREAM_HASH - r->left, data,
				       part);
			} else {
				take_content(r, data, part);
			}
			r->left -= (uint32_t)part;
			r->ended = r->in_last && !r->left;
		}
		data += part;
		n -= part;
	}
	if (r->ended) {
		stream_receiver_digest(r);
		r->agrees = memcmp(r->digest, r->claimed, STREAM_HASH) == 0;
	}
	return 0;
}
