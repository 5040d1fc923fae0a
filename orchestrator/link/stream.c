/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is who: classes, and within each its flows by order of appearance, which
 * are the streams that frames are counted in.
 *
 * Both tables are bounded, for what comes over a wire may be made up: of
 * streams beyond the bound all frames count in one, which has no place in a
 * fate list (counted as frames_untold). Hash tables are open, at most half
 * full, and grow by doubling: only a new stream ever allocates.
 */
#include "orchestrator/link/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 32

int link_streams_init(struct link_streams *s, uint64_t hash_key)
{
	*s = (struct link_streams){ .hash_key = hash_key };
	s->v = calloc(1, sizeof(*s->v));
	if (!s->v)
		return -ENOMEM;
	s->v[0].ordinal = UINT32_MAX;
	s->n = s->cap = 1;
	return 0;
}

void link_streams_deinit(struct link_streams *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].runs);
	for (size_t i = 0; i < s->n_classes; i++)
		free(s->classes[i].text);
	free(s->v);
	free(s->classes);
	free(s->stream_slots);
	free(s->class_slots);
}

static size_t hash(const struct link_streams *s, uint64_t a, uint64_t b)
{
	a = (a ^ s->hash_key) * UINT64_C(0x9e3779b97f4a7c15);
	a = (a ^ a >> 32 ^ b) * UINT64_C(0xd6e8feb86659fd93);
	return (size_t)(a ^ a >> 32);
}

static size_t hash_stream(const struct link_streams *s, size_t i)
{
	return hash(s, s->v[i].class_id, s->v[i].flow_id);
}

static size_t hash_class(const struct link_streams *s, size_t i)
{
	return hash(s, s->classes[i].id, 0);
}

/* Doubles a hash table where n entries would fill more than half of it. */
static bool grow_slots(const struct link_streams *s, uint32_t **slots,
		       size_t *slots_n, size_t n, size_t from,
		       size_t (*hash_of)(const struct link_streams *, size_t))
{
	size_t more = *slots_n ? *slots_n * 2 : SLOTS_FIRST;
	uint32_t *fresh;

	if ((n + 1) * 2 <= *slots_n)
		return true;
	fresh = calloc(more, sizeof(*fresh));
	if (!fresh)
		return false;
	for (size_t i = from; i < n; i++) {
		size_t at = hash_of(s, i) & (more - 1);

		while (fresh[at])
			at = (at + 1) & (more - 1);
		fresh[at] = (uint32_t)i + 1;
	}
	free(*slots);
	*slots = fresh;
	*slots_n = more;
	return true;
}

static void put_slot(uint32_t *slots, size_t slots_n, size_t h, size_t i)
{
	size_t at = h & (slots_n - 1);

	while (slots[at])
		at = (at + 1) & (slots_n - 1);
	slots[at] = (uint32_t)i + 1;
}

/* Makes room for one more element; the array may move. */
static bool grow_array(void **v, size_t n, size_t *cap, size_t size, size_t max)
{
	size_t more = *cap < 8 ? 8 : *cap * 2;
	void *moved;

	if (n < *cap)
		return true;
	if (n >= max)
		return false;
	if (more > max)
		more = max;
	moved = realloc(*v, more * size);
	if (!moved)
		return false;
	*v = moved;
	*cap = more;
	return true;
}

static struct link_class *find_class(const struct link_streams *s, uint64_t id)
{
	if (!s->class_slots_n)
		return NULL;
	for (size_t at = hash(s, id, 0) & (s->class_slots_n - 1);
	     s->class_slots[at]; at = (at + 1) & (s->class_slots_n - 1)) {
		struct link_class *c = &s->classes[s->class_slots[at] - 1];

		if (c->id == id)
			return c;
	}
	return NULL;
}

static struct link_class *add_class(struct link_streams *s,
				    const struct link_offer *offer)
{
	char text[LINK_CLASS_TEXT_MAX];
	struct link_class *c;

	if (!grow_slots(s, &s->class_slots, &s->class_slots_n, s->n_classes, 0,
			hash_class) ||
	    !grow_array((void **)&s->classes, s->n_classes, &s->cap_classes,
			sizeof(*s->classes), LINK_CLASSES_MAX))
		return NULL;
	c = &s->classes[s->n_classes];
	*c = (struct link_class){ .id = offer->key.class_id };
	c->text = strdup(link_class_text(offer->frame, offer->frame_len, text,
					 sizeof(text)));
	if (!c->text)
		return NULL;
	put_slot(s->class_slots, s->class_slots_n, hash_class(s, s->n_classes),
		 s->n_classes);
	s->n_classes++;
	return c;
}

static struct link_stream *add_stream(struct link_streams *s,
				      const struct link_offer *offer)
{
	struct link_class *class = find_class(s, offer->key.class_id);
	struct link_stream *stream;

	if (!class)
		class = add_class(s, offer);
	if (!class ||
	    !grow_slots(s, &s->stream_slots, &s->stream_slots_n, s->n, 1,
			hash_stream) ||
	    !grow_array((void **)&s->v, s->n, &s->cap, sizeof(*s->v),
			LINK_STREAMS_MAX + 1))
		return NULL;
	stream = &s->v[s->n];
	*stream = (struct link_stream){
		.class_id = class->id,
		.flow_id = offer->key.flow_id,
		.ordinal = class->flows++,
		.class_index = (uint32_t)(class - s->classes),
	};
	put_slot(s->stream_slots, s->stream_slots_n, hash_stream(s, s->n),
		 s->n);
	s->n++;
	return stream;
}

static bool is_stream(const struct link_stream *stream,
		      const struct link_key *key)
{
	return stream->class_id == key->class_id &&
	       stream->flow_id == key->flow_id;
}

struct link_stream *link_streams_find(struct link_streams *s,
				      const struct link_offer *offer)
{
	const struct link_key *key = &offer->key;
	struct link_stream *added;

	if (s->last && is_stream(&s->v[s->last], key))
		return &s->v[s->last];
	if (s->stream_slots_n) {
		size_t mask = s->stream_slots_n - 1;

		for (size_t at = hash(s, key->class_id, key->flow_id) & mask;
		     s->stream_slots[at]; at = (at + 1) & mask) {
			size_t i = s->stream_slots[at] - 1;

			if (is_stream(&s->v[i], key)) {
				s->last = i;
				return &s->v[i];
			}
		}
	}
	added = add_stream(s, offer);
	return added ? added : &s->v[0];
}

/* A run of n frames more, or what the bound leaves of it. */
static void add_run(struct link_streams *s, struct link_stream *stream,
		    uint32_t fate, uint32_t n)
{
	/* What comes behind something untold would stand in the wrong place. */
	if (link_stream_is_shared(s, stream) || stream->untold ||
	    s->runs >= LINK_RUNS_MAX ||
	    !grow_array((void **)&stream->runs, stream->n_runs,
			&stream->cap_runs, sizeof(*stream->runs),
			LINK_RUNS_MAX)) {
		stream->untold += n;
		return;
	}
	stream->runs[stream->n_runs++] =
		(struct fate_run){ .fate = fate, .frames = n };
	s->runs++;
}

void link_stream_count(struct link_streams *s, struct link_stream *stream,
		       uint32_t fate, uint32_t n)
{
	struct fate_run *last =
		stream->n_runs ? &stream->runs[stream->n_runs - 1] : NULL;

	stream->k += n;
	if (last && !stream->untold && last->fate == fate &&
	    last->frames <= UINT32_MAX - n)
		last->frames += n;
	else
		add_run(s, stream, fate, n);
}
