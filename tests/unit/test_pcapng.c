/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is written is shown to capinfos and tshark; what is read was written by
 * our writer, or put together here byte by byte where ours never writes it.
 */
#include "orchestrator/observe/pcapng.h"
#include "base/clock.h"
#include "tests/support/run_suite.h"

#include <byteswap.h>
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static void make_path(void)
{
	int fd;

	strcpy(path, "/tmp/test_pcapng.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void remove_path(void)
{
	unlink(path);
}

/* All that a command prints, which must succeed. */
static void output_of(char *buf, size_t size, const char *command)
{
	char line[512];
	FILE *p;
	size_t n;

	snprintf(line, sizeof(line), "%s 2>/dev/null", command);
	p = popen(line, "r");
	ck_assert_ptr_nonnull(p);
	n = fread(buf, 1, size - 1, p);
	buf[n] = '\0';
	ck_assert_msg(pclose(p) == 0, "%s: %s", command, buf);
}

/* ---- a file of our own --------------------------------------------------- */

static const uint8_t frame[64] = {
	2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, 'h', 'e', 'l', 'l', 'o',
};

static const struct pcapng_packet packets[] = {
	{ 0, INT64_C(1700000000000000001), frame, 60, 60, PCAPNG_OUT, NULL },
	{ 1, INT64_C(1700000000123456789), frame, 61, 61, PCAPNG_IN,
	  "link a-r goes down" },
	{ 0, INT64_C(1700000000999999999), frame, 62, 1514, PCAPNG_UNKNOWN,
	  "größer" },
	{ 1, INT64_C(1700000001000000000), frame, 63, 63, PCAPNG_UNKNOWN,
	  NULL },
	{ 1, INT64_C(4294967296000000007), frame, 14, 14, PCAPNG_IN, "" },
};
#define PACKETS (sizeof(packets) / sizeof(*packets))

static void write_file(void)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(pcapng_write_header(f, "servalab test"), 0);
	ck_assert_int_eq(pcapng_write_interface(f, "a:eth0", "the client", 0),
			 0);
	ck_assert_int_eq(pcapng_write_interface(
		f, "a-node-with-a-long-name:wlan0", NULL, 65535), 0);
	for (size_t i = 0; i < PACKETS; i++)
		ck_assert_int_eq(pcapng_write_packet(f, &packets[i]), 0);
	ck_assert_int_eq(pcapng_write_statistics(
		f, 0, packets[4].time_ns, 2, 5), 0);
	ck_assert_int_eq(pcapng_write_statistics(
		f, 1, packets[4].time_ns, 3, PCAPNG_NOT_KNOWN), 0);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(capinfos_agrees)
{
	char command[256], out[8192];

	write_file();
	snprintf(command, sizeof(command), "capinfos -M %s", path);
	output_of(out, sizeof(out), command);
	ck_assert_ptr_nonnull(strstr(out, "Number of packets:   5\n"));
	ck_assert_ptr_nonnull(
		strstr(out, "Capture application: servalab test\n"));
	ck_assert_ptr_nonnull(strstr(out, "Number of interfaces in file: 2"));
	ck_assert_ptr_nonnull(strstr(out, "Name = a:eth0\n"));
	ck_assert_ptr_nonnull(strstr(out, "Description = the client\n"));
	ck_assert_ptr_nonnull(
		strstr(out, "Name = a-node-with-a-long-name:wlan0\n"));
	ck_assert_ptr_nonnull(strstr(out, "Time resolution = 0x09"));
	ck_assert_ptr_nonnull(strstr(out, "Number of stat entries = 1"));
	ck_assert_ptr_nonnull(strstr(out, "Number of packets = 3\n"));
}
END_TEST

START_TEST(tshark_agrees)
{
	char command[512], out[4096], want[4096];
	size_t n = 0;

	write_file();
	snprintf(command, sizeof(command),
		 "tshark -r %s -T fields -E separator=/s -e frame.time_epoch "
		 "-e frame.interface_name -e frame.cap_len -e frame.len "
		 "-e frame.packet_flags_direction -e frame.comment", path);
	output_of(out, sizeof(out), command);
	for (size_t i = 0; i < PACKETS; i++) {
		const struct pcapng_packet *p = &packets[i];
		static const char *const directions[] = { "", "0x00000001",
							  "0x00000002" };

		n += (size_t)snprintf(
			want + n, sizeof(want) - n,
			"%" PRId64 ".%09" PRId64 " %s %u %u %s %s\n",
			p->time_ns / NSEC_PER_SEC, p->time_ns % NSEC_PER_SEC,
			p->interface ? "a-node-with-a-long-name:wlan0" :
				       "a:eth0",
			p->captured, p->length, directions[p->direction],
			p->comment ? p->comment : "");
	}
	ck_assert_str_eq(out, want);
}
END_TEST

static void expect_packet(const struct pcapng_packet *got,
			  const struct pcapng_packet *want)
{
	ck_assert_uint_eq(got->interface, want->interface);
	ck_assert_int_eq(got->time_ns, want->time_ns);
	ck_assert_uint_eq(got->captured, want->captured);
	ck_assert_uint_eq(got->length, want->length);
	ck_assert_mem_eq(got->data, want->data, want->captured);
	ck_assert_int_eq(got->direction, want->direction);
	ck_assert_pstr_eq(got->comment, want->comment);
}

START_TEST(comes_back_as_written)
{
	struct pcapng_reader *r = NULL;
	struct err err = ERR_INIT;
	struct pcapng_packet p;

	write_file();
	ck_assert_msg(!pcapng_open(path, &r, &err), "%s", err.msg);
	for (size_t i = 0; i < PACKETS; i++) {
		ck_assert_int_eq(pcapng_next(r, &p, &err), 1);
		expect_packet(&p, &packets[i]);
	}
	ck_assert_int_eq(pcapng_next(r, &p, &err), 0);
	ck_assert_uint_eq(pcapng_interfaces(r), 2);
	ck_assert_str_eq(pcapng_interface_name(r, 0), "a:eth0");
	ck_assert_str_eq(pcapng_interface_name(r, 1),
			 "a-node-with-a-long-name:wlan0");
	ck_assert_str_eq(pcapng_interface_name(r, 2), "");
	ck_assert_ptr_null(pcapng_close(r));
}
END_TEST

/* A text longer than an option can be is cut off between two characters. */
START_TEST(long_comment)
{
	char *comment = malloc(70001);
	struct pcapng_packet p = packets[0];
	struct pcapng_reader *r = NULL;
	struct err err = ERR_INIT;
	FILE *f = fopen(path, "w");

	ck_assert(f && comment);
	for (size_t i = 0; i < 70000; i += 2)
		memcpy(comment + i, "ä", 2);
	comment[70000] = '\0';
	p.comment = comment;
	pcapng_write_header(f, "test");
	pcapng_write_interface(f, "x", NULL, 0);
	ck_assert_int_eq(pcapng_write_packet(f, &p), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(pcapng_open(path, &r, &err), 0);
	ck_assert_int_eq(pcapng_next(r, &p, &err), 1);
	ck_assert_uint_eq(strlen(p.comment), 65534);
	ck_assert_mem_eq(p.comment, comment, 65534);
	pcapng_close(r);
	free(comment);
}
END_TEST

START_TEST(not_written)
{
	struct pcapng_packet p = packets[0];
	FILE *f = fopen(path, "w");

	p.captured = UINT32_MAX;
	ck_assert_int_eq(pcapng_write_packet(f, &p), -EINVAL);
	p = packets[0];
	p.time_ns = -1;
	ck_assert_int_eq(pcapng_write_packet(f, &p), -EINVAL);
	fclose(f);
	f = fopen("/dev/full", "w");
	setvbuf(f, NULL, _IONBF, 0);
	ck_assert_int_eq(pcapng_write_packet(f, &packets[0]), -EIO);
	ck_assert(ferror(f));
	fclose(f);
}
END_TEST

/* ---- files of others ----------------------------------------------------- */

struct blocks {
	uint8_t b[4096];
	size_t n, start;
	bool swapped;
};

static void add(struct blocks *f, const void *p, size_t n)
{
	ck_assert_uint_le(f->n + n, sizeof(f->b));
	memcpy(f->b + f->n, p, n);
	f->n += n;
}

static void add16(struct blocks *f, uint16_t v)
{
	v = f->swapped ? bswap_16(v) : v;
	add(f, &v, 2);
}

static void add32(struct blocks *f, uint32_t v)
{
	v = f->swapped ? bswap_32(v) : v;
	add(f, &v, 4);
}

static void add64(struct blocks *f, uint64_t v)
{
	v = f->swapped ? bswap_64(v) : v;
	add(f, &v, 8);
}

static void block_begin(struct blocks *f, uint32_t type)
{
	f->start = f->n;
	add32(f, type);
	add32(f, 0);
}

static void block_end(struct blocks *f)
{
	uint32_t length = (uint32_t)(f->n + 4 - f->start);
	size_t end;

	add32(f, length);
	end = f->n;
	f->n = f->start + 4;
	add32(f, length);
	f->n = end;
}

static void add_section(struct blocks *f)
{
	block_begin(f, 0x0a0d0d0a);
	add32(f, 0x1a2b3c4d);
	add16(f, 1);
	add16(f, 0);
	add64(f, UINT64_MAX);
	block_end(f);
}

/* resolution, offset_s 0: without the option. */
static void add_interface(struct blocks *f, uint16_t linktype,
			  const char *name, uint8_t resolution,
			  int64_t offset_s)
{
	block_begin(f, 1);
	add16(f, linktype);
	add16(f, 0);
	add32(f, 0);
	if (name) {
		add16(f, 2);
		add16(f, (uint16_t)strlen(name));
		add(f, name, strlen(name));
		add(f, "\0\0\0", -strlen(name) & 3);
	}
	if (resolution) {
		add16(f, 9);
		add16(f, 1);
		add(f, &resolution, 1);
		add(f, "\0\0\0", 3);
	}
	if (offset_s) {
		add16(f, 14);
		add16(f, 8);
		add64(f, (uint64_t)offset_s);
	}
	add16(f, 0);
	add16(f, 0);
	block_end(f);
}

static void add_packet(struct blocks *f, uint32_t interface, uint64_t ticks)
{
	block_begin(f, 6);
	add32(f, interface);
	add32(f, (uint32_t)(ticks >> 32));
	add32(f, (uint32_t)ticks);
	add32(f, 5);
	add32(f, 60);
	add(f, "hello\0\0\0", 8);
	block_end(f);
}

static void save(const struct blocks *f, size_t n)
{
	FILE *out = fopen(path, "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(f->b, 1, n, out), n);
	ck_assert_int_eq(fclose(out), 0);
}

static void expect_hello(struct pcapng_reader *r, uint32_t interface,
			 int64_t time_ns)
{
	struct err err = ERR_INIT;
	struct pcapng_packet p;

	ck_assert_msg(pcapng_next(r, &p, &err) == 1, "%s", err.msg);
	expect_packet(&p, &(struct pcapng_packet){
				  interface, time_ns, (const uint8_t *)"hello",
				  5, 60, PCAPNG_UNKNOWN, NULL });
}

static void expect_end(struct pcapng_reader *r, int want)
{
	struct err err = ERR_INIT;
	struct pcapng_packet p;

	ck_assert_int_eq(pcapng_next(r, &p, &err), want);
	pcapng_close(r);
}

/* Both byte orders (_i), all sorts of resolution, blocks we do not know. */
START_TEST(other_writers)
{
	struct blocks f = { .swapped = _i & 1 };
	struct pcapng_reader *r = NULL;
	struct err err = ERR_INIT;

	add_section(&f);
	add_interface(&f, 1, NULL, 0, 0); /* microseconds */
	add_interface(&f, 1, "ms", 3, 0);
	add_interface(&f, 1, "ps", 12, 0);
	add_interface(&f, 1, "2^-10", 0x8a, 0);
	add_interface(&f, 1, "2^-127", 0xff, 0);
	add_interface(&f, 1, "10^-127", 0x7f, 7);
	add_interface(&f, 1, "later", 9, 1700000000);
	add_interface(&f, 1, "earlier", 9, -5);
	add_interface(&f, 113, "cooked", 9, 0);
	block_begin(&f, 3); /* simple packet */
	add32(&f, 4);
	add(&f, "abcd", 4);
	block_end(&f);
	block_begin(&f, 0x80001234);
	block_end(&f);
	add_packet(&f, 0, 1700000000123456);
	add_packet(&f, 1, 1700000000123);
	add_packet(&f, 8, 1); /* of no Ethernet interface */
	add_packet(&f, 2, 1700000000123456789);
	add_packet(&f, 3, (UINT64_C(1700000000) << 10) + 512);
	add_packet(&f, 4, UINT64_MAX);
	add_packet(&f, 5, UINT64_MAX);
	add_packet(&f, 6, 42);
	add_packet(&f, 7, 1);
	f.swapped = _i & 2; /* the next section need not be like this one */
	add_section(&f);
	add_interface(&f, 1, "second", 0, 0);
	add_packet(&f, 0, 1);
	save(&f, f.n);

	ck_assert_msg(!pcapng_open(path, &r, &err), "%s", err.msg);
	expect_hello(r, 0, 1700000000123456000);
	ck_assert_uint_eq(pcapng_interfaces(r), 9);
	expect_hello(r, 1, 1700000000123000000);
	expect_hello(r, 2, 1700000000123456);
	expect_hello(r, 3, 1700000000500000000);
	expect_hello(r, 4, 0);
	expect_hello(r, 5, 7000000000);
	expect_hello(r, 6, 1700000000000000042);
	expect_hello(r, 7, -4999999999);
	expect_hello(r, 9, 1000);
	ck_assert_str_eq(pcapng_interface_name(r, 0), "");
	ck_assert_str_eq(pcapng_interface_name(r, 9), "second");
	expect_end(r, 0);
}
END_TEST

/* ---- files nobody should write ------------------------------------------- */

static int read_all(unsigned *n)
{
	struct pcapng_reader *r = NULL;
	struct err err = ERR_INIT;
	struct pcapng_packet p;
	int ret = pcapng_open(path, &r, &err);

	*n = 0;
	if (ret)
		return ret;
	while ((ret = pcapng_next(r, &p, &err)) == 1) {
		volatile uint8_t sum = 0;

		for (uint32_t i = 0; i < p.captured; i++)
			sum = (uint8_t)(sum + p.data[i]);
		++*n;
	}
	if (ret)
		ck_assert_ptr_nonnull(strstr(err.msg, path));
	pcapng_close(r);
	return ret;
}

START_TEST(cut_off_anywhere)
{
	struct blocks f = { 0 };
	size_t ends[4];
	unsigned n;

	add_section(&f);
	ends[0] = f.n;
	add_interface(&f, 1, "x", 9, 0);
	ends[1] = f.n;
	add_packet(&f, 0, 1);
	ends[2] = f.n;
	add_packet(&f, 0, 2);
	ends[3] = f.n;
	for (size_t size = 0; size <= f.n; size++) {
		bool whole = false;

		for (int i = 0; i < 4; i++)
			whole |= size == ends[i];
		save(&f, size);
		ck_assert_int_eq(read_all(&n), whole ? 0 : -EBADMSG);
		ck_assert_uint_eq(n, (size >= ends[2]) + (size >= ends[3]));
	}
}
END_TEST

static void put_u32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

START_TEST(impossible_numbers)
{
	struct blocks good = { 0 }, f;
	size_t interface, packet;
	unsigned n;

	add_section(&good);
	interface = good.n;
	add_interface(&good, 1, "name", 9, 0);
	packet = good.n;
	add_packet(&good, 0, 1);
	static const uint32_t lengths[] = { 0, 8, 11, 13, 0x7fffffff,
					    0xfffffffc, (64 << 20) + 4 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		f = good;
		put_u32(f.b + packet + 4, lengths[i]);
		save(&f, f.n);
		ck_assert_int_eq(read_all(&n), -EBADMSG);
	}
	f = good; /* the length behind is another */
	put_u32(f.b + f.n - 4, 44);
	save(&f, f.n);
	ck_assert_int_eq(read_all(&n), -EBADMSG);
	f = good; /* more bytes than the block has */
	put_u32(f.b + packet + 20, 9);
	save(&f, f.n);
	ck_assert_int_eq(read_all(&n), -EBADMSG);
	f = good;
	put_u32(f.b + packet + 20, 0xffffffff);
	save(&f, f.n);
	ck_assert_int_eq(read_all(&n), -EBADMSG);
	f = good; /* an interface that is not there */
	put_u32(f.b + packet + 8, 1);
	save(&f, f.n);
	ck_assert_int_eq(read_all(&n), -EBADMSG);
	f = good; /* an option that overruns */
	f.b[interface + 18] = 0xff;
	save(&f, f.n);
	ck_assert_int_eq(read_all(&n), -EBADMSG);
	f = good; /* an unknown byte order */
	f.b[8] ^= 1;
	save(&f, f.n);
	ck_assert_int_eq(read_all(&n), -EBADMSG);
	f = good; /* a time beyond 2262 */
	put_u32(f.b + packet + 12, 0x80000000);
	save(&f, f.n);
	ck_assert_int_eq(read_all(&n), -EBADMSG);
	save(&good, good.n);
	ck_assert_int_eq(read_all(&n), 0);
	ck_assert_uint_eq(n, 1);
}
END_TEST

/* Bits flipped at random, always the same ones: nothing worse than -EBADMSG,
 * and no read out of bounds (the sanitizers watch). */
START_TEST(flipped_bits)
{
	struct blocks good = { 0 };
	unsigned n, seed = 1;

	add_section(&good);
	add_interface(&good, 1, "name", 9, -1);
	add_packet(&good, 0, 1);
	add_packet(&good, 0, 2);
	for (int round = 0; round < 3000; round++) {
		struct blocks f = good;
		int ret;

		for (int i = 0; i < 3; i++)
			f.b[(unsigned)rand_r(&seed) % f.n] ^=
				(uint8_t)(1 << rand_r(&seed) % 8);
		save(&f, f.n);
		ret = read_all(&n);
		ck_assert(ret == 0 || ret == -EBADMSG);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pcapng");
	TCase *tc = tcase_create("pcapng");

	/* tshark falls over a home that it may not read, and should not take
	 * anybody's preferences. */
	setenv("HOME", "/nonexistent", 1);
	tcase_add_checked_fixture(tc, make_path, remove_path);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, capinfos_agrees);
	tcase_add_test(tc, tshark_agrees);
	tcase_add_test(tc, comes_back_as_written);
	tcase_add_test(tc, long_comment);
	tcase_add_test(tc, not_written);
	tcase_add_loop_test(tc, other_writers, 0, 4);
	tcase_add_test(tc, cut_off_anywhere);
	tcase_add_test(tc, impossible_numbers);
	tcase_add_test(tc, flipped_bits);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
