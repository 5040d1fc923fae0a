/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A stream from its sender to its receiver, in pieces of any size, whole and
 * damaged; and its bins, written and read back. */
#include "base/cleanup.h"
#include "orchestrator/observe/bins.h"
#include "stream/stream.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT 150000u

static struct stream_hello hello;
static uint8_t *wire;
static size_t wire_len;
static struct stream_receiver receiver;

static void put_block(struct stream_sender *s)
{
	memcpy(wire + wire_len, s->block, s->len);
	wire_len += s->len;
	s->done = s->len;
}

/* All of a stream, in blocks of growing sizes. */
static void setup(void)
{
	struct stream_sender s;
	size_t size = 1;

	hello = (struct stream_hello){ .probe = 7,
				       .bytes = CONTENT,
				       .verify = true };
	stream_key(42, hello.probe, hello.key);
	wire = malloc(2 * CONTENT);
	wire_len = 0;
	ck_assert_ptr_nonnull(wire);
	ck_assert_int_eq(stream_sender_init(&s, &hello), 0);
	while (!stream_sender_complete(&s)) {
		stream_sender_block(&s, size);
		put_block(&s);
		size = size * 3 + 1;
	}
	stream_sender_last(&s);
	put_block(&s);
	stream_sender_free(&s);
	stream_receiver_init(&receiver, &hello);
}

static void teardown(void)
{
	free(wire);
}

static int feed(size_t from, size_t to, size_t piece)
{
	int r = 0;

	for (size_t at = from; at < to && !r; at += piece)
		r = stream_receiver_feed(&receiver, wire + at,
					 to - at < piece ? to - at : piece);
	return r;
}

/* Any part of the content is the same, wherever one begins. */
START_TEST(content_anywhere)
{
	uint8_t all[1000], part[1000], other[1000], key[STREAM_KEY];

	stream_content(hello.key, 0, all, sizeof(all));
	for (size_t from = 0; from < 300; from++)
		for (size_t n = 0; n < 200; n += 7) {
			stream_content(hello.key, from, part, n);
			ck_assert_mem_eq(part, all + from, n);
		}
	stream_key(43, hello.probe, key);
	stream_content(key, 0, other, sizeof(other));
	ck_assert_mem_ne(other, all, sizeof(all));
	stream_key(42, hello.probe + 1, key);
	stream_content(key, 0, other, sizeof(other));
	ck_assert_mem_ne(other, all, sizeof(all));
}
END_TEST

START_TEST(whole)
{
	static const size_t pieces[] = { 1, 7, 24, 1000, 65536, 2 * CONTENT };

	ck_assert_int_eq(feed(0, wire_len, pieces[_i]), 0);
	ck_assert(receiver.ended);
	ck_assert(receiver.agrees);
	ck_assert_uint_eq(receiver.received, CONTENT);
	ck_assert_uint_eq(receiver.first_wrong, STREAM_NONE);
}
END_TEST

/* The hash is that of the content, by another program's reckoning. */
START_TEST(hash)
{
	uint8_t *content = malloc(CONTENT), digest[STREAM_HASH];

	ck_assert_ptr_nonnull(content);
	stream_content(hello.key, 0, content, CONTENT);
	crypto_hash_sha256(digest, content, CONTENT);
	ck_assert_int_eq(feed(0, wire_len, 999), 0);
	ck_assert_mem_eq(receiver.digest, digest, STREAM_HASH);
	ck_assert_mem_eq(receiver.claimed, digest, STREAM_HASH);
	free(content);
}
END_TEST

/* One bit of content is wrong: where, is told, and the hashes differ. */
START_TEST(wrong_byte)
{
	/* Behind the last header before it: the last content there is. */
	size_t at = wire_len - STREAM_HEADER - STREAM_HASH - 1;

	wire[at] ^= 0x10;
	ck_assert_int_eq(feed(0, wire_len, 4099), 0);
	ck_assert(receiver.ended);
	ck_assert(!receiver.agrees);
	ck_assert_uint_eq(receiver.first_wrong, CONTENT - 1);
	ck_assert_uint_eq(receiver.received, CONTENT);
}
END_TEST

/* A byte that is missing shifts all that follow. */
START_TEST(missing_byte)
{
	memmove(wire + 100000, wire + 100001, wire_len - 100001);
	ck_assert_int_eq(feed(0, wire_len - 1, 4099), -EBADMSG);
	ck_assert(!receiver.ended);
	ck_assert_uint_ne(receiver.first_wrong, STREAM_NONE);
	ck_assert_uint_lt(receiver.first_wrong, 100000);
}
END_TEST

START_TEST(cut_off)
{
	ck_assert_int_eq(feed(0, 100000, 4099), 0);
	ck_assert(!receiver.ended);
	ck_assert_uint_eq(receiver.first_wrong, STREAM_NONE);
	ck_assert_uint_gt(receiver.received, 90000);
}
END_TEST

/* What is behind the end, or of another probe, or no block at all. */
START_TEST(no_stream)
{
	switch (_i) {
	case 0:
		ck_assert_int_eq(feed(0, wire_len + 1, wire_len + 1), -EBADMSG);
		break;
	case 1:
		wire[7] ^= 1;
		ck_assert_int_eq(feed(0, wire_len, 100), -EBADMSG);
		break;
	case 2:
		wire[15] ^= 1;
		ck_assert_int_eq(feed(0, wire_len, 100), -EBADMSG);
		break;
	case 3: /* a block of no bytes */
		memset(wire + 16, 0, 4);
		ck_assert_int_eq(feed(0, wire_len, 100), -EBADMSG);
		break;
	case 4: /* or of too many */
		wire[16] = 0xff;
		ck_assert_int_eq(feed(0, wire_len, 100), -EBADMSG);
		break;
	default: /* an unknown flag */
		wire[20] = 1;
		ck_assert_int_eq(feed(0, wire_len, 100), -EBADMSG);
	}
	ck_assert_uint_eq(receiver.first_wrong, STREAM_NONE);
}
END_TEST

START_TEST(hello_there_and_back)
{
	uint8_t bytes[STREAM_HELLO];
	struct stream_hello back;

	hello.upload = true;
	hello.rate_bps = 123456789;
	stream_hello_put(bytes, &hello);
	memset(&back, 0, sizeof(back));
	ck_assert(stream_hello_get(bytes, &back));
	ck_assert_int_eq(back.upload, true);
	ck_assert_int_eq(back.verify, true);
	ck_assert_uint_eq(back.probe, hello.probe);
	ck_assert_uint_eq(back.bytes, hello.bytes);
	ck_assert_uint_eq(back.rate_bps, hello.rate_bps);
	ck_assert_mem_eq(back.key, hello.key, STREAM_KEY);
	bytes[0] ^= 1;
	ck_assert(!stream_hello_get(bytes, &back));
	bytes[0] ^= 1;
	bytes[8] = 1;
	ck_assert(!stream_hello_get(bytes, &back));
}
END_TEST

/* ---- bins ---------------------------------------------------------------- */

static const char *write_bins(const char *text)
{
	static char path[32];
	CLEANUP_FCLOSE FILE *f = NULL;
	int fd;

	strcpy(path, "/tmp/test_stream.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	f = fdopen(fd, "w");
	fputs(text, f);
	return path;
}

START_TEST(bins_there_and_back)
{
	const char *path = write_bins("");
	FILE *f = fopen(path, "w");
	struct bins_writer w = { .f = f };
	bin_vec bins = { 0 };
	struct err err = ERR_INIT;

	fputs(BINS_CSV_HEADER, f);
	bins_add(&w, 10000001, 5);
	bins_add(&w, 19999999, 6);
	bins_add(&w, 20000000, 7);
	bins_add(&w, 20000001, 0);
	bins_add(&w, 990000000, 8);
	bins_flush(&w);
	bins_flush(&w);
	fclose(f);
	ck_assert_msg(!bins_read(path, &bins, &err), "%s", err.msg);
	ck_assert_uint_eq(bins.n, 3);
	ck_assert_int_eq(bins.v[0].begin_ns, 10000000);
	ck_assert_uint_eq(bins.v[0].bytes, 11);
	ck_assert_int_eq(bins.v[0].first_ns, 10000001);
	ck_assert_int_eq(bins.v[0].last_ns, 19999999);
	ck_assert_int_eq(bins.v[1].begin_ns, 20000000);
	ck_assert_uint_eq(bins.v[1].bytes, 7);
	ck_assert_uint_eq(bins.v[2].bytes, 8);
	VEC_FREE(&bins);
	unlink(path);
}
END_TEST

static const struct {
	const char *text;
	int result;
} files[] = {
	{ BINS_CSV_HEADER, 0 },
	{ BINS_CSV_HEADER "10000000,1,10000000,10000000\n2000", 0 },
	{ "", 0 },
	{ "seq,sent\n", -EBADMSG },
	{ BINS_CSV_HEADER "10000001,1,10000001,10000001\n", -EBADMSG },
	{ BINS_CSV_HEADER "10000000,0,10000000,10000000\n", -EBADMSG },
	{ BINS_CSV_HEADER "10000000,1,9999999,10000000\n", -EBADMSG },
	{ BINS_CSV_HEADER "10000000,1,10000000,20000000\n", -EBADMSG },
	{ BINS_CSV_HEADER "10000000,1,10000002,10000001\n", -EBADMSG },
	{ BINS_CSV_HEADER "10000000,1,10000000,10000000\n"
			  "10000000,1,10000000,10000000\n",
	  -EBADMSG },
	{ BINS_CSV_HEADER "10000000,-1,10000000,10000000\n", -EBADMSG },
	{ BINS_CSV_HEADER "10000000,99999999999999999999,10000000,10000000\n",
	  -EBADMSG },
	{ BINS_CSV_HEADER "10000000,1,10000000,10000000,\n", -EBADMSG },
};

START_TEST(bins_files)
{
	const char *path = write_bins(files[_i].text);
	struct err err = ERR_INIT;
	bin_vec bins = { 0 };

	ck_assert_int_eq(bins_read(path, &bins, &err), files[_i].result);
	VEC_FREE(&bins);
	unlink(path);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stream");
	TCase *tc = tcase_create("stream");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, content_anywhere);
	tcase_add_loop_test(tc, whole, 0, 6);
	tcase_add_test(tc, hash);
	tcase_add_test(tc, wrong_byte);
	tcase_add_test(tc, missing_byte);
	tcase_add_test(tc, cut_off);
	tcase_add_loop_test(tc, no_stream, 0, 6);
	tcase_add_test(tc, hello_there_and_back);
	tcase_add_test(tc, bins_there_and_back);
	tcase_add_loop_test(tc, bins_files, 0, sizeof(files) / sizeof(*files));
	suite_add_tcase(s, tc);
	return run_suite(s);
}
