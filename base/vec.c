/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/vec.h"

#include <stdint.h>
#include <string.h>

void *vec_grow(void **v, size_t *n, size_t *cap, size_t size)
{
	char *element;

	if (*n == *cap) {
		size_t cap2 = *cap ? *cap * 2 : 8;
		void *v2;

		if (cap2 < *cap)
			return NULL;
		v2 = reallocarray(*v, cap2, size);
		if (!v2)
			return NULL;
		*v = v2;
		*cap = cap2;
	}
	element = (char *)*v + *n * size;
	memset(element, 0, size);
	*n += 1;
	return element;
}
