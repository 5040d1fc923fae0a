/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The index of what is to be sorted (a time and an offset for each packet) is
 * made here, from the file, and not while capturing: so the capture's memory
 * does not grow with the run, and a capture that was killed can be sorted by
 * the same code. Blocks are copied as they are; only a packet that gets a
 * comment is written anew around its data.
 *
 * The file is one of ours: written by this machine, in its byte order and in
 * nanoseconds, and nobody else's business while we map it. Its blocks are
 * checked all the same, for it may have been cut off.
 */
#include "orchestrator/observe/capture_sort.h"
#include "base/cleanup.h"
#include "orchestrator/observe/pcapng.h"
#include "orchestrator/observe/pcapng_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define OUT_BUFFER ((size_t)1 << 20)

struct packet_ref {
	int64_t time_ns;
	uint64_t offset;
};

struct sorter {
	const uint8_t *map;
	size_t size;
	VEC(struct packet_ref) packets;
};

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t block_length(const struct sorter *s, uint64_t offset)
{
	return load32(s->map + offset + 4);
}

/* The type of the block at offset; 0: no whole block there. */
static uint32_t block_type(const struct sorter *s, uint64_t offset)
{
	size_t left = s->size - offset;
	uint32_t length, type;

	if (left < PCAPNG_BLOCK_MIN)
		return 0;
	type = load32(s->map + offset);
	length = block_length(s, offset);
	if (length < PCAPNG_BLOCK_MIN || length % 4 || length > left ||
	    load32(s->map + offset + length - 4) != length)
		return 0;
	if (type == PCAPNG_PACKET &&
	    (length < PCAPNG_PACKET_MIN ||
	     load32(s->map + offset + PCAPNG_PACKET_CAPTURED) >
		     length - PCAPNG_PACKET_MIN))
		return 0;
	return type;
}

static int index_packets(struct sorter *s)
{
	uint64_t at = 0;
	uint32_t type;

	for (; (type = block_type(s, at)); at += block_length(s, at)) {
		const uint8_t *p = s->map + at;
		struct packet_ref *ref;

		if (type != PCAPNG_PACKET)
			continue;
		ref = VEC_PUSH(&s->packets);
		if (!ref)
			return -ENOMEM;
		ref->time_ns =
			(int64_t)((uint64_t)load32(p + PCAPNG_PACKET_TIME_HIGH)
					  << 32 |
				  load32(p + PCAPNG_PACKET_TIME_LOW));
		ref->offset = at;
	}
	return at == s->size ? 0 : -EBADMSG;
}

static int ref_compare(const void *pa, const void *pb)
{
	const struct packet_ref *a = pa, *b = pb;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int copy_block(const struct sorter *s, uint64_t at, FILE *out)
{
	uint32_t length = block_length(s, at);

	return fwrite(s->map + at, 1, length, out) == length ? 0 : -EIO;
}

static int copy_commented(const struct sorter *s, uint64_t at,
			  const char *comment, FILE *out)
{
	const uint8_t *block = s->map + at;
	struct pcapng_packet p = {
		.interface = load32(block + PCAPNG_PACKET_INTERFACE),
		.time_ns = (int64_t)((uint64_t)load32(block +
						      PCAPNG_PACKET_TIME_HIGH)
					     << 32 |
				     load32(block + PCAPNG_PACKET_TIME_LOW)),
		.data = block + PCAPNG_PACKET_DATA,
		.captured = load32(block + PCAPNG_PACKET_CAPTURED),
		.length = load32(block + PCAPNG_PACKET_LENGTH),
		.comment = comment,
	};
	size_t option = PCAPNG_PACKET_DATA + pcapng_pad(p.captured);

	/* The capture writes one option, the direction, or none. */
	if (block_length(s, at) >= option + 12) {
		uint32_t flags = load32(block + option + 4);

		p.direction = (enum pcapng_direction)(flags & 3);
	}
	return pcapng_write_packet(out, &p);
}

/* Copies all blocks of the wanted types in the order in which they stand. */
static int copy_others(const struct sorter *s, bool before_packets, FILE *out)
{
	for (uint64_t at = 0; at < s->size; at += block_length(s, at)) {
		uint32_t type = block_type(s, at);
		bool before =
			type == PCAPNG_SECTION || type == PCAPNG_INTERFACE;

		if (type == PCAPNG_PACKET || before != before_packets)
			continue;
		if (copy_block(s, at, out))
			return -EIO;
	}
	return 0;
}

/* All texts up to the time, one a line, and passes them. NULL: none, or out of
 * memory (then *r). */
static char *join_comments(const capture_comment_vec *v, size_t *next,
			   int64_t time_ns, int *r)
{
	size_t end = *next, size = 0;
	char *text, *p;

	for (; end < v->n && v->v[end].time_ns <= time_ns; end++)
		size += strlen(v->v[end].text) + 1;
	if (end == *next)
		return NULL;
	text = p = malloc(size);
	if (!text) {
		*r = -ENOMEM;
		return NULL;
	}
	for (; *next < end; ++*next) {
		p = stpcpy(p, v->v[*next].text);
		*p++ = '\n';
	}
	p[-1] = '\0';
	return text;
}

static int write_sorted(const struct sorter *s, FILE *out,
			const capture_comment_vec *comments)
{
	size_t next = 0;
	int r = copy_others(s, true, out);

	for (size_t i = 0; i < s->packets.n && !r; i++) {
		const struct packet_ref *ref = &s->packets.v[i];
		CLEANUP_FREE char *comment =
			join_comments(comments, &next, ref->time_ns, &r);

		if (r)
			break;
		r = comment ? copy_commented(s, ref->offset, comment, out) :
			      copy_block(s, ref->offset, out);
	}
	return r ? r : copy_others(s, false, out);
}

static int sort_into(struct sorter *s, const char *path,
		     const capture_comment_vec *comments)
{
	CLEANUP_FREE char *buffer = malloc(OUT_BUFFER);
	CLEANUP_FCLOSE FILE *out = buffer ? fopen(path, "we") : NULL;
	int r;

	if (!out)
		return -errno;
	setvbuf(out, buffer, _IOFBF, OUT_BUFFER);
	r = write_sorted(s, out, comments);
	if (r == -EIO && errno)
		r = -errno; /* a full disk, as a rule */
	if (fclose(TAKE_PTR(out)) && !r)
		r = -errno;
	return r;
}

static int map_file(const char *path, struct sorter *s, struct err *err)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st))
		return err_errno(err, errno, "%s", path);
	if (!st.st_size)
		return err_set(err, EBADMSG, "%s: empty", path);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_errno(err, errno, "%s", path);
	s->map = map;
	s->size = (size_t)st.st_size;
	return 0;
}

char *capture_path(const char *path, const char *ending)
{
	char *joined;

	return asprintf(&joined, "%s%s", path, ending) < 0 ? NULL : joined;
}

int capture_sort(const char *from, const char *to,
		 const capture_comment_vec *comments, struct err *err)
{
	CLEANUP_FREE char *temporary = capture_path(to, ".sorted");
	struct sorter s = { 0 };
	int r;

	if (!temporary)
		return err_errno(err, ENOMEM, "%s", to);
	r = map_file(from, &s, err);
	if (r)
		return r;
	r = index_packets(&s);
	if (r) {
		err_errno(err, -r, "%s", from);
	} else {
		if (s.packets.n)
			qsort(s.packets.v, s.packets.n, sizeof(*s.packets.v),
			      ref_compare);
		r = sort_into(&s, temporary, comments);
		if (!r && rename(temporary, to))
			r = -errno;
		if (r) {
			unlink(temporary);
			err_errno(err, -r, "%s", to);
		}
	}
	VEC_FREE(&s.packets);
	munmap((void *)s.map, s.size);
	return r;
}
