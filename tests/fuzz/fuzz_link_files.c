// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any text as one of the files that links are made of: the first byte says
 * which ('t' a trace, 'o' one that does not loop, 'h' a histogram, else a
 * pattern). What is taken is used; what is not has errors with a place.
 */
#include "orchestrator/link/internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void carry(const struct link_params *p)
{
	struct link_direction *d = link_new(1, "fuzz", 0, p, 40);
	struct link_offer o = { .segments = 1, .key.class_id = 1 };
	struct link_outcome out;
	uint8_t frame[60] = { [12] = 0x88, [13] = 0xcc };
	unsigned in = 0, done = 0;

	if (!d)
		return;
	o.frame = frame;
	o.frame_len = sizeof(frame);
	for (unsigned i = 0; i < 60; i++) {
		o.key.flow_id = i % 3;
		o.bytes = 20 + i * 50;
		o.now_ns += i * 1000000;
		in += link_offer(d, &o) == LINK_TAKEN;
		while (link_pop(d, o.now_ns, &out))
			done += out.final;
	}
	while (link_next_ns(d) != LINK_NEVER &&
	       link_pop(d, link_next_ns(d), &out))
		done += out.final;
	if (done > in || (!p->trace && done != in))
		abort();
	link_free(d);
}

static int use_trace(const char *text, size_t len, bool loop, struct diag *diag)
{
	struct link_trace *t = NULL;
	struct link_params p;
	int r = link_trace_parse("f", text, len, loop, diag, &t);

	if (r)
		return r;
	link_params_init(&p);
	p.trace = t;
	if (!link_trace_count(t) || link_trace_length_ns(t) <= 0)
		abort();
	for (int64_t at = 1; at > 0 && at < INT64_MAX / 3; at *= 3) {
		uint64_t i = link_trace_first(t, at);

		if (link_trace_time_ns(t, i) < at ||
		    (i && i < link_trace_count(t) &&
		     link_trace_time_ns(t, i - 1) >= at))
			abort();
	}
	carry(&p);
	link_trace_free(t);
	return 0;
}

static int use_histogram(const char *text, size_t len, struct diag *diag)
{
	struct link_histogram *h = NULL;
	struct link_params p;
	int r = link_histogram_parse("f", text, len, diag, &h);

	if (r)
		return r;
	if (link_histogram_at(h, 0) > link_histogram_at(h, UINT32_MAX))
		abort();
	link_params_init(&p);
	p.jitter.distribution = LINK_HISTOGRAM;
	p.jitter.histogram = h;
	carry(&p);
	link_histogram_free(h);
	return 0;
}

static int use_pattern(const char *text, size_t len, struct diag *diag)
{
	struct link_pattern *pattern = NULL;
	struct link_params p;
	int r = link_pattern_parse("f", text, len, diag, &pattern);

	if (r)
		return r;
	link_params_init(&p);
	p.loss.kind = LINK_LOSS_PATTERN;
	p.loss.pattern = pattern;
	carry(&p);
	link_pattern_free(pattern);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	struct diag *diag = diag_new();
	int r;

	if (!size || !diag) {
		diag_free(diag);
		return 0;
	}
	if (*data == 't' || *data == 'o')
		r = use_trace(text, size - 1, *data == 't', diag);
	else if (*data == 'h')
		r = use_histogram(text, size - 1, diag);
	else
		r = use_pattern(text, size - 1, diag);
	if ((r != 0) != (diag_count(diag) != 0))
		abort();
	diag_free(diag);
	return 0;
}
