/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tcp_stream probe says to a server, be it the built-in one of a lab
 * or serval-handoff-echo. Pure.
 *
 * The content of a stream follows from a key alone (ChaCha20), at any offset,
 * so that the receiver knows each byte beforehand: where one is wrong, it knows
 * which, and a stream that was cut off is judged up to where it came. At its
 * end both sides also have the SHA-256 of what they sent and got.
 *
 * It travels in blocks, each with a header: the mark of our probes (mark.h),
 * whose number is the offset of the content that follows, the number of bytes,
 * and flags. The last block holds no content but the sender's hash. All numbers
 * are in network byte order.
 *
 *   client: hello                          server:
 *   download: waits; a 'S' says "enough"   blocks, last one
 *   upload: blocks, last one               last one (what it got)
 *
 * tcp_request: messages of a header and filling; the header's number is the
 * message's, its bytes those of the whole message, and instead of the flags it
 * says how large the answer is to be (0 in the answer).
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "stream/mark.h"

#include <sodium.h>

#define STREAM_KEY 32
#define STREAM_HASH 32
#define STREAM_HEADER 24
#define STREAM_CONTENT_MAX 65536u /* of a block */
#define STREAM_HELLO 64
#define STREAM_STOP 'S'
#define STREAM_LAST 1u /* flag: the content is the hash */
#define STREAM_NONE UINT64_MAX /* no offset */

/* Messages of tcp_request, headers included. */
#define MESSAGE_MAX 65536u

struct stream_header {
	struct probe_mark mark;
	uint32_t bytes, flags;
};

void stream_header_put(uint8_t out[STREAM_HEADER],
		       const struct stream_header *h);
/* False: it is none. */
bool stream_header_get(const uint8_t in[STREAM_HEADER],
		       struct stream_header *h);

struct stream_hello {
	bool upload; /* else download */
	bool verify; /* else the content is zeros, and nobody looks */
	uint32_t probe;
	uint64_t bytes; /* 0: until told that it is enough */
	uint64_t rate_bps; /* 0: as fast as it goes */
	uint8_t key[STREAM_KEY];
};

void stream_hello_put(uint8_t out[STREAM_HELLO], const struct stream_hello *h);
bool stream_hello_get(const uint8_t in[STREAM_HELLO], struct stream_hello *h);

/* Every probe of a run has a key of its own, the same with the same seed. */
void stream_key(uint64_t seed, uint32_t probe, uint8_t key[STREAM_KEY]);
void stream_content(const uint8_t key[STREAM_KEY], uint64_t offset,
		    uint8_t *out, size_t n);

/* ---- the sending side --------------------------------------------------- */

struct stream_sender {
	struct stream_hello hello;
	uint64_t offset; /* content put into blocks so far */
	uint8_t *block; /* the one on its way: [done, len) is still to go */
	size_t len, done;
	bool last; /* it is the last one */
	crypto_hash_sha256_state hash;
	uint8_t digest[STREAM_HASH]; /* once last */
};

/* 0 or -ENOMEM; to be freed either way. */
int stream_sender_init(struct stream_sender *s, const struct stream_hello *h);
void stream_sender_free(struct stream_sender *s);
/* A block of n bytes of content (at most STREAM_CONTENT_MAX), where the one
 * before it has gone. n is cut to what the hello leaves. */
void stream_sender_block(struct stream_sender *s, size_t n);
/* All of what the hello asks for is in blocks. */
bool stream_sender_complete(const struct stream_sender *s);
void stream_sender_last(struct stream_sender *s);

/* ---- the receiving side ------------------------------------------------- */

struct stream_receiver {
	struct stream_hello hello;
	uint64_t received; /* content */
	uint64_t first_wrong; /* offset; STREAM_NONE: all was right */
	bool ended; /* the last block is there */
	bool agrees; /* and says the same as we do */
	crypto_hash_sha256_state hash;
	uint8_t digest[STREAM_HASH]; /* of what was received, once asked for */
	uint8_t header[STREAM_HEADER], claimed[STREAM_HASH];
	size_t have; /* of header or claimed */
	uint32_t left; /* content of this block that is still to come */
	bool in_last;
};

void stream_receiver_init(struct stream_receiver *r,
			  const struct stream_hello *h);
/* -EBADMSG: this is no stream of ours (what was before it counts). */
int stream_receiver_feed(struct stream_receiver *r, const uint8_t *data,
			 size_t n);
/* The hash of what came so far, into digest. */
void stream_receiver_digest(struct stream_receiver *r);

#endif
