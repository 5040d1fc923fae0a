// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes as a frame: it has a class, the same each time, and a name. */
#include "orchestrator/link/internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[LINK_CLASS_TEXT_MAX], again[LINK_CLASS_TEXT_MAX], tiny[5];
	struct link_key key, other;

	link_classify(data, size, &key);
	link_classify(data, size, &other);
	if (key.class_id != other.class_id || key.flow_id != other.flow_id ||
	    key.control != other.control)
		abort();
	link_class_text(data, size, text, sizeof(text));
	if (!*text || strlen(text) == sizeof(text) - 1)
		abort(); /* cut off: the bound is too low */
	if (key.control != !strcmp(text, "control"))
		abort();
	/* What fate lists are made of has no end of line and no comment. */
	if (strpbrk(text, "\n\r#"))
		abort();
	link_class_text(data, size, tiny, sizeof(tiny));
	if (strncmp(text, tiny, sizeof(tiny) - 1))
		abort();
	/* What lies behind the headers is no part of the class. */
	if (size > 200) {
		link_classify(data, size - 1, &other);
		link_class_text(data, size - 1, again, sizeof(again));
		if (!strcmp(text, again) != (key.class_id == other.class_id))
			abort();
	}
	return 0;
}
