/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growable array of any type:
 *
 *     VEC(struct route) routes = { 0 };
 *     struct route *r = VEC_PUSH(&routes);   // zeroed element, NULL: no memory
 *     for (size_t i = 0; i < routes.n; i++) use(&routes.v[i]);
 *     VEC_FREE(&routes);
 *
 * A push may move the elements: keep indices, not pointers.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stddef.h>
#include <stdlib.h>

#define VEC(type)                                                              \
	struct {                                                               \
		type *v;                                                       \
		size_t n, cap;                                                 \
	}

/* Makes room for one more zeroed element of size bytes; NULL: out of memory. */
void *vec_grow(void **v, size_t *n, size_t *cap, size_t size);

#define VEC_PUSH(vec)                                                          \
	((__typeof__((vec)->v))vec_grow((void **)&(vec)->v, &(vec)->n,         \
					&(vec)->cap, sizeof(*(vec)->v)))
#define VEC_FREE(vec)                                                          \
	do {                                                                   \
		free((vec)->v);                                                \
		(vec)->v = NULL;                                               \
		(vec)->n = (vec)->cap = 0;                                     \
	} while (0)

#endif
