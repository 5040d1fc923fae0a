/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/mark.h"

#include "base/cursor.h"

#include <endian.h>
#include <string.h>

void probe_mark_put(uint8_t out[PROBE_MARK_SIZE], const struct probe_mark *m)
{
	uint32_t magic = htobe32(PROBE_MAGIC), probe = htobe32(m->probe);
	uint64_t seq = htobe64(m->seq);

	memcpy(out, &magic, 4);
	memcpy(out + 4, &probe, 4);
	memcpy(out + 8, &seq, 8);
}

bool probe_mark_get(const uint8_t *payload, size_t len, struct probe_mark *m)
{
	struct cursor c = cursor_make(payload, len);
	uint32_t magic = be32toh(cursor_u32(&c));
	uint32_t probe = be32toh(cursor_u32(&c));
	uint64_t seq = be64toh(cursor_u64(&c));

	if (c.overrun || magic != PROBE_MAGIC)
		return false;
	*m = (struct probe_mark){ .probe = probe, .seq = seq };
	return true;
}
