/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file may come from anywhere, so nothing in it is believed: a block is
 * taken into memory only where its length is possible, and is then read through
 * a cursor. The buffer grows as bytes arrive and not as a header promises them,
 * so that a few bytes cannot make us ask for 64 MiB.
 *
 * The byte order may change with every section. Times are brought to signed
 * nanoseconds since the epoch in 128 bits, in which no resolution (10^-n or
 * 2^-n, n up to 127) and no offset overflows.
 */
#include "orchestrator/observe/pcapng.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/vec.h"
#include "base/cursor.h"
#include "orchestrator/observe/pcapng_format.h"

#include <byteswap.h>
#include <errno.h>
#include <string.h>

struct interface {
	char *name; /* "" where the file has none */
	bool ethernet;
	uint8_t resolution; /* as in if_tsresol */
	int64_t offset_s;
};

struct pcapng_reader {
	FILE *file;
	char *path;
	uint64_t offset, next; /* of the block at hand, and behind it */
	bool swapped; /* the section's byte order is not the host's */
	VEC(struct interface) interfaces;
	size_t section_first; /* the section's interface 0 */
	uint8_t *block;
	size_t block_size;
	char comment[PCAPNG_TEXT_MAX + 1];
};

static uint16_t get_u16(const struct pcapng_reader *r, struct cursor *c)
{
	uint16_t v = cursor_u16(c);

	return r->swapped ? bswap_16(v) : v;
}

static uint32_t get_u32(const struct pcapng_reader *r, struct cursor *c)
{
	uint32_t v = cursor_u32(c);

	return r->swapped ? bswap_32(v) : v;
}

static uint64_t get_u64(const struct pcapng_reader *r, struct cursor *c)
{
	uint64_t v = cursor_u64(c);

	return r->swapped ? bswap_64(v) : v;
}

static int malformed(const struct pcapng_reader *r, struct err *err,
		     const char *what)
{
	return err_set(err, EBADMSG, "%s: block at byte %llu: %s", r->path,
		       (unsigned long long)r->offset, what);
}

/* ---- options ------------------------------------------------------------ */

struct option {
	uint16_t code;
	struct cursor value;
};

/* 1: an option, 0: no more, -EBADMSG: does not fit into the block. */
static int next_option(const struct pcapng_reader *r, struct cursor *c,
		       struct option *out)
{
	uint16_t length;
	const uint8_t *value;

	if (!c->left)
		return 0;
	out->code = get_u16(r, c);
	length = get_u16(r, c);
	if (!c->overrun && out->code == PCAPNG_OPT_END)
		return 0;
	value = cursor_take(c, pcapng_pad(length));
	if (!value)
		return -EBADMSG;
	out->value = cursor_make(value, length);
	return 1;
}

/* ---- times -------------------------------------------------------------- */

/* False: not a time that nanoseconds in 64 bits can tell. */
static bool time_to_ns(const struct interface *i, uint64_t ticks, int64_t *ns)
{
	unsigned power = i->resolution & 0x7f;
	__int128 t = ticks;

	if (i->resolution & 0x80) {
		t = t * NSEC_PER_SEC >> power;
	} else {
		for (; power < 9; power++)
			t *= 10;
		for (; power > 9 && t; power--)
			t /= 10;
	}
	t += (__int128)i->offset_s * NSEC_PER_SEC;
	if (t < INT64_MIN || t > INT64_MAX)
		return false;
	*ns = (int64_t)t;
	return true;
}

/* ---- blocks ------------------------------------------------------------- */

static int parse_interface(struct pcapng_reader *r, struct cursor *c,
			   struct err *err)
{
	uint16_t linktype = get_u16(r, c);
	struct interface *i;
	struct option o;
	int more;

	cursor_take(c, 6); /* reserved, snaplen */
	if (c->overrun)
		return malformed(r, err, "too short for an interface");
	i = VEC_PUSH(&r->interfaces);
	if (!i)
		return err_errno(err, ENOMEM, "%s", r->path);
	i->ethernet = linktype == PCAPNG_LINKTYPE_ETHERNET;
	i->resolution = 6;
	while ((more = next_option(r, c, &o)) > 0) {
		if (o.code == PCAPNG_IF_NAME && !i->name) {
			i->name =
				strndup((const char *)o.value.p, o.value.left);
			if (!i->name)
				return err_errno(err, ENOMEM, "%s", r->path);
		} else if (o.code == PCAPNG_IF_TSRESOL) {
			i->resolution = cursor_u8(&o.value);
		} else if (o.code == PCAPNG_IF_TSOFFSET) {
			i->offset_s = (int64_t)get_u64(r, &o.value);
		}
		if (o.value.overrun)
			return malformed(r, err, "an option is too short");
	}
	if (more < 0)
		return malformed(r, err, "an option overruns the block");
	return 0;
}

static void add_comment(struct pcapng_reader *r, struct pcapng_packet *p,
			const struct cursor *value)
{
	size_t used = p->comment ? strlen(r->comment) + 1 : 0;
	size_t n = value->left;

	if (used >= sizeof(r->comment) - 1)
		return;
	if (used)
		r->comment[used - 1] = '\n';
	if (n > sizeof(r->comment) - 1 - used)
		n = sizeof(r->comment) - 1 - used;
	if (n)
		memcpy(r->comment + used, value->p, n);
	r->comment[used + n] = '\0';
	p->comment = r->comment;
}

/* 1: a packet, 0: one of no interest, negative errno. */
static int parse_packet(struct pcapng_reader *r, struct cursor *c,
			struct pcapng_packet *p, struct err *err)
{
	uint32_t interface = get_u32(r, c);
	uint64_t ticks = (uint64_t)get_u32(r, c) << 32;
	const struct interface *i;
	struct option o;
	int more;

	ticks |= get_u32(r, c);
	*p = (struct pcapng_packet){ .captured = get_u32(r, c) };
	p->length = get_u32(r, c);
	p->data = cursor_take(c, pcapng_pad(p->captured));
	if (c->overrun)
		return malformed(r, err, "too short for its packet");
	if (interface >= r->interfaces.n - r->section_first)
		return malformed(r, err, "of an interface not described");
	p->interface = (uint32_t)(r->section_first + interface);
	i = &r->interfaces.v[p->interface];
	while ((more = next_option(r, c, &o)) > 0) {
		if (o.code == PCAPNG_OPT_COMMENT) {
			add_comment(r, p, &o.value);
		} else if (o.code == PCAPNG_EPB_FLAGS) {
			uint32_t flags = get_u32(r, &o.value) & 3;

			p->direction = flags == 1 ? PCAPNG_IN :
				       flags == 2 ? PCAPNG_OUT :
						    PCAPNG_UNKNOWN;
		}
		if (o.value.overrun)
			return malformed(r, err, "an option is too short");
	}
	if (more < 0)
		return malformed(r, err, "an option overruns the block");
	if (!i->ethernet)
		return 0;
	if (!time_to_ns(i, ticks, &p->time_ns))
		return malformed(r, err, "the time is out of range");
	return 1;
}

static int parse_section(struct pcapng_reader *r, struct cursor *c,
			 struct err *err)
{
	uint16_t major;

	cursor_take(c, 4); /* byte order, known by now */
	major = get_u16(r, c);
	cursor_take(c, 10); /* minor version, length of the section */
	if (c->overrun)
		return malformed(r, err, "too short for a section header");
	if (major != 1)
		return malformed(r, err, "an unknown version of pcapng");
	r->section_first = r->interfaces.n;
	return 0;
}

/* ---- the stream --------------------------------------------------------- */

#define GROW_STEP ((size_t)1 << 20)

static int read_error(struct pcapng_reader *r, struct err *err)
{
	if (ferror(r->file))
		return err_errno(err, EIO, "%s", r->path);
	return malformed(r, err, "cut off");
}

static int grow_block(struct pcapng_reader *r, size_t need, struct err *err)
{
	size_t size = r->block_size ? r->block_size * 2 : GROW_STEP;
	uint8_t *block;

	if (need <= r->block_size)
		return 0;
	if (size < need)
		size = need;
	block = realloc(r->block, size);
	if (!block)
		return err_errno(err, ENOMEM, "%s", r->path);
	r->block = block;
	r->block_size = size;
	return 0;
}

/* Puts a block's head, read already, and the rest of it into r->block. */
static int read_rest(struct pcapng_reader *r, const uint8_t *head, size_t have,
		     size_t length, struct err *err)
{
	int ret = grow_block(r, have, err);

	if (ret)
		return ret;
	memcpy(r->block, head, have);
	while (have < length) {
		size_t step = length - have;

		if (step > GROW_STEP)
			step = GROW_STEP;
		ret = grow_block(r, have + step, err);
		if (ret)
			return ret;
		if (fread(r->block + have, 1, step, r->file) != step)
			return read_error(r, err);
		have += step;
	}
	return 0;
}

/* Takes the next block into r->block. 1, 0: end of file, negative errno. */
static int read_block(struct pcapng_reader *r, uint32_t *type,
		      struct cursor *body, struct err *err)
{
	uint8_t head[PCAPNG_BLOCK_MIN]; /* every block is at least as long */
	size_t n = fread(head, 1, sizeof(head), r->file);
	struct cursor c = cursor_make(head, sizeof(head));
	uint32_t length, trailer;
	int ret;

	r->offset = r->next;
	if (!n && !ferror(r->file))
		return 0;
	if (n < sizeof(head))
		return read_error(r, err);
	*type = get_u32(r, &c);
	if (*type == PCAPNG_SECTION) {
		uint32_t order;

		memcpy(&order, head + 8, sizeof(order));
		if (order != PCAPNG_BYTE_ORDER &&
		    order != bswap_32(PCAPNG_BYTE_ORDER))
			return malformed(r, err, "an unknown byte order");
		r->swapped = order != PCAPNG_BYTE_ORDER;
	}
	length = get_u32(r, &c);
	if (length < PCAPNG_BLOCK_MIN || length % 4 ||
	    length > PCAPNG_BLOCK_MAX)
		return malformed(r, err, "an impossible length");
	ret = read_rest(r, head, sizeof(head), length, err);
	if (ret)
		return ret;
	c = cursor_make(r->block + length - 4, 4);
	trailer = get_u32(r, &c);
	if (trailer != length)
		return malformed(r, err, "its two lengths differ");
	*body = cursor_make(r->block + 8, length - PCAPNG_BLOCK_MIN);
	r->next = r->offset + length;
	return 1;
}

static int first_section(struct pcapng_reader *r, struct err *err)
{
	struct cursor body;
	uint32_t type;
	int ret = read_block(r, &type, &body, err);

	if (ret < 0)
		return ret;
	if (!ret || type != PCAPNG_SECTION)
		return err_set(err, EBADMSG, "%s: not a pcapng file", r->path);
	return parse_section(r, &body, err);
}

int pcapng_open(const char *path, struct pcapng_reader **out, struct err *err)
{
	struct pcapng_reader *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return err_errno(err, ENOMEM, "%s", path);
	r->path = strdup(path);
	r->file = fopen(path, "re");
	if (!r->path || !r->file) {
		ret = err_errno(err, errno, "%s", path);
		pcapng_close(r);
		return ret;
	}
	ret = first_section(r, err);
	if (ret) {
		pcapng_close(r);
		return ret;
	}
	*out = r;
	return 0;
}

int pcapng_next(struct pcapng_reader *r, struct pcapng_packet *p,
		struct err *err)
{
	struct cursor body;
	uint32_t type;
	int ret;

	while ((ret = read_block(r, &type, &body, err)) > 0) {
		if (type == PCAPNG_SECTION)
			ret = parse_section(r, &body, err);
		else if (type == PCAPNG_INTERFACE)
			ret = parse_interface(r, &body, err);
		else if (type == PCAPNG_PACKET)
			ret = parse_packet(r, &body, p, err);
		else
			continue;
		if (ret)
			return ret;
	}
	return ret;
}

size_t pcapng_interfaces(const struct pcapng_reader *r)
{
	return r->interfaces.n;
}

const char *pcapng_interface_name(const struct pcapng_reader *r, uint32_t i)
{
	const char *name = i < r->interfaces.n ? r->interfaces.v[i].name : NULL;

	return name ? name : "";
}

struct pcapng_reader *pcapng_close(struct pcapng_reader *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->interfaces.n; i++)
		free(r->interfaces.v[i].name);
	VEC_FREE(&r->interfaces);
	if (r->file)
		fclose(r->file);
	free(r->block);
	free(r->path);
	free(r);
	return NULL;
}
