// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as what a TAP gives, a virtio header and a frame: what passes the
 * inspection is cut into segments that lie within their buffers, add up to the
 * train and have right checksums; and whatever is done to one stays within it.
 */
#include "orchestrator/emulate/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_segment(const struct virtio_net_hdr *header,
			  const uint8_t *segment, size_t len)
{
	struct virtio_net_hdr h = *header;
	struct frame_shape shape;
	uint8_t *copy = malloc(len);

	if (!copy)
		return;
	memcpy(copy, segment, len);
	if (frame_inspect(&h, copy, len, &shape) || shape.segments != 1)
		abort();
	frame_complete(&h, copy, len);
	if (h.flags)
		abort();
	free(copy);
}

static void cut(const struct frame_shape *shape,
		const struct virtio_net_hdr *header, const uint8_t *frame,
		size_t len)
{
	uint8_t *out = malloc(shape->bytes);
	size_t sum = shape->header;

	for (uint32_t i = 0; out && i < shape->segments; i++) {
		struct virtio_net_hdr h;
		size_t n = frame_segment(shape, header, frame, i, out, &h);

		if (n > shape->bytes || n <= shape->header)
			abort();
		sum += n - shape->header;
		check_segment(&h, out, n);
	}
	if (out && sum != len)
		abort();
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_net_hdr header;
	struct frame_shape shape;
	uint8_t *frame;
	size_t len;

	if (size < sizeof(header))
		return 0;
	memcpy(&header, data, sizeof(header));
	len = size - sizeof(header);
	frame = malloc(len ? len : 1);
	if (!frame)
		return 0;
	memcpy(frame, data + sizeof(header), len);
	frame_mark(frame, len);
	frame_flip(frame, len, (uint32_t)size * 2654435761u);
	if (!frame_inspect(&header, frame, len, &shape)) {
		frame_settle(&header, &shape);
		if (shape.segments > 1)
			cut(&shape, &header, frame, len);
		else if (header.gso_type)
			abort();
		else
			frame_complete(&header, frame, len);
	}
	free(frame);
	return 0;
}
