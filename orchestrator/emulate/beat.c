/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/emulate/beat.h"

void beat_take(struct beat *b, int64_t now_ns, uint64_t reads)
{
	if (!b->next_ns) {
		if (reads == b->reads)
			return;
		b->next_ns = now_ns + BEAT_NS;
		b->idle = 0;
	} else if (now_ns < b->next_ns) {
		return;
	}
	for (; b->next_ns <= now_ns; b->next_ns += BEAT_NS)
		tally_add(&b->late, now_ns - b->next_ns);
	b->idle = reads == b->reads ? b->idle + 1 : 0;
	b->reads = reads;
	if (b->idle == BEATS_IDLE)
		b->next_ns = 0;
}
