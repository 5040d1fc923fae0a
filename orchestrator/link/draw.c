/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random numbers without a state: a draw is a keyed hash (SipHash-2-4, which is
 * a pseudorandom function) of whom it is for. A generator with a state would
 * make each frame's fate depend on how many draws came before, and thus on
 * timing.
 *
 * The key is the first 16 bytes of BLAKE2b over
 *
 *     "servalab link fates 1", a NUL byte, seed (8 bytes, little endian),
 *     end (4, likewise), the link's name
 *
 * and the input 24 bytes: class_id (8), k (8), ordinal (4), kind of draw (4),
 * all little endian. The 8 bytes that come out are a little endian number. This
 * layout is a promise (golden values: tests/unit/test_link_draw.c): another one
 * would give all recorded seeds another meaning.
 *
 * What is made of a number takes integers only, so that no machine's rounding
 * changes it.
 */
#include "orchestrator/link/internal.h"

#include <endian.h>
#include <sodium/crypto_generichash.h>
#include <sodium/crypto_shorthash_siphash24.h>
#include <string.h>

_Static_assert(sizeof(((struct link_draws *)0)->key) ==
		       crypto_shorthash_siphash24_KEYBYTES,
	       "SipHash's key");

void link_draws_init(struct link_draws *d, uint64_t seed, const char *link,
		     unsigned end)
{
	static const char magic[] = "servalab link fates 1"; /* and its NUL */
	crypto_generichash_state state;
	uint64_t seed_le = htole64(seed);
	uint32_t end_le = htole32(end);

	crypto_generichash_init(&state, NULL, 0, sizeof(d->key));
	crypto_generichash_update(&state, (const uint8_t *)magic,
				  sizeof(magic));
	crypto_generichash_update(&state, (const uint8_t *)&seed_le,
				  sizeof(seed_le));
	crypto_generichash_update(&state, (const uint8_t *)&end_le,
				  sizeof(end_le));
	crypto_generichash_update(&state, (const uint8_t *)link, strlen(link));
	crypto_generichash_final(&state, d->key, sizeof(d->key));
}

uint64_t link_draw(const struct link_draws *d, const struct link_place *at,
		   enum link_draw_kind kind)
{
	struct {
		uint64_t class_id, k;
		uint32_t ordinal, kind;
	} in = { htole64(at->class_id), htole64(at->k), htole32(at->ordinal),
		 htole32(kind) };
	uint64_t out;

	_Static_assert(sizeof(in) == 24, "no padding");
	crypto_shorthash_siphash24((uint8_t *)&out, (const uint8_t *)&in,
				   sizeof(in), d->key);
	return le64toh(out);
}

uint64_t link_draw_below(uint64_t draw, uint64_t n)
{
	return (uint64_t)((unsigned __int128)draw * n >> 64);
}

bool link_draw_happens(uint64_t draw, uint32_t ppb)
{
	return link_draw_below(draw, LINK_PPB_ONE) < ppb;
}

/* z in 2^-32 times the spread, to the nearest, within what times can hold. */
static int64_t scale(__int128 z, int64_t spread_ns)
{
	const __int128 most = INT64_MAX / 4;
	__int128 v = (z * spread_ns + (INT64_C(1) << 31)) >> 32;

	return (int64_t)(v > most ? most : v < -most ? -most : v);
}

static int64_t uniform(uint64_t draw, int64_t spread_ns)
{
	return (int64_t)link_draw_below(draw, 2 * (uint64_t)spread_ns + 1) -
	       spread_ns;
}

int64_t link_jitter_ns(const struct link_params *p, uint64_t draw)
{
	int64_t spread = p->jitter.spread_ns;

	switch (p->jitter.distribution) {
	case LINK_UNIFORM:
		return uniform(draw, spread);
	case LINK_NORMAL:
		return scale(link_quantile_normal(draw), spread);
	case LINK_PARETO:
		return scale(link_quantile_pareto(draw), spread);
	case LINK_PARETONORMAL:
		/* Of the same draw, as netem's table is made: the values of a
		 * quarter of the one and three quarters of the other. */
		return scale(((__int128)link_quantile_normal(draw) +
			      3 * (__int128)link_quantile_pareto(draw)) /
				     4,
			     spread);
	case LINK_HISTOGRAM:
		return link_histogram_at(p->jitter.histogram,
					 (uint32_t)(draw >> 32));
	}
	return 0;
}
