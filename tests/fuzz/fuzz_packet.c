// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes as a frame: what is found lies within them. */
#include "orchestrator/observe/packet.h"
#include "stream/mark.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet_info info;
	struct probe_mark mark;

	packet_parse(data, size, &info);
	if (info.kind == PACKET_OTHER) {
		if (info.payload || info.payload_len)
			abort();
		return 0;
	}
	if (info.payload < data || info.payload > data + size ||
	    info.payload_len > (size_t)(data + size - info.payload))
		abort();
	if (info.src.family == AF_UNSPEC || info.dst.family != info.src.family)
		abort();
	probe_mark_get(info.payload, info.payload_len, &mark);
	return 0;
}
