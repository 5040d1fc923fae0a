/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Properties in the words of the scenario, exactly: nothing is rounded. */
#include "orchestrator/link/params.h"

#include "base/utf8.h"
#include "orchestrator/link/histogram.h"
#include "orchestrator/link/pattern.h"
#include "orchestrator/link/text_out.h"
#include "orchestrator/link/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Begins a property. */
static void put_name(struct out *o, const char *name)
{
	put(o, "%s%s ", o->len ? ", " : "", name);
}

struct scale {
	uint64_t size;
	const char *unit;
};

/* In the largest unit of which it is at least one: "1.5ms". */
static void put_scaled(struct out *o, uint64_t v, const struct scale *scale)
{
	uint64_t rest;
	int digits = 0;

	while (scale->size > 1 && v < scale->size)
		scale++;
	rest = v % scale->size;
	put(o, "%" PRIu64, v / scale->size);
	for (uint64_t s = scale->size; s > 1; s /= 10)
		digits++;
	while (rest && rest % 10 == 0) {
		rest /= 10;
		digits--;
	}
	if (rest)
		put(o, ".%0*" PRIu64, digits, rest);
	put(o, "%s", scale->unit);
}

static void put_duration(struct out *o, int64_t ns)
{
	static const struct scale scales[] = {
		{ 1000000000, "s" },
		{ 1000000, "ms" },
		{ 1000, "us" },
		{ 1, "ns" },
	};

	if (ns < 0)
		put(o, "-");
	put_scaled(o, ns < 0 ? -(uint64_t)ns : (uint64_t)ns,
		   ns ? scales : scales + 1);
}

static void put_rate(struct out *o, uint64_t bps)
{
	static const struct scale scales[] = {
		{ 1000000000, "gbit" },
		{ 1000000, "mbit" },
		{ 1000, "kbit" },
		{ 1, "bit" },
	};

	put_scaled(o, bps, scales);
}

static void put_share(struct out *o, uint32_t ppb)
{
	/* Percent are the only unit, so that small ones read 0.001%. */
	uint32_t rest = ppb % 10000000;
	int digits = 7;

	put(o, "%u", ppb / 10000000);
	while (rest && rest % 10 == 0) {
		rest /= 10;
		digits--;
	}
	if (rest)
		put(o, ".%0*u", digits, rest);
	put(o, "%%");
}

static void put_jitter(struct out *o, const struct link_params *p)
{
	static const char *const names[] = {
		[LINK_UNIFORM] = "uniform",
		[LINK_NORMAL] = "normal",
		[LINK_PARETO] = "pareto",
		[LINK_PARETONORMAL] = "paretonormal",
	};

	put_name(o, "jitter");
	if (p->jitter.distribution == LINK_HISTOGRAM) {
		put(o, "histogram %s",
		    link_histogram_path(p->jitter.histogram));
	} else {
		put_duration(o, p->jitter.spread_ns);
		put(o, " %s", names[p->jitter.distribution]);
	}
	if (p->jitter.unordered)
		put(o, " unordered");
}

static void put_loss(struct out *o, const struct link_params *p)
{
	put_name(o, "loss");
	switch (p->loss.kind) {
	case LINK_LOSS_NONE:
		break;
	case LINK_LOSS_INDEPENDENT:
		put_share(o, p->loss.ppb);
		break;
	case LINK_LOSS_BURST:
		put(o, "to_bad ");
		put_share(o, p->loss.burst.to_bad);
		put(o, " to_good ");
		put_share(o, p->loss.burst.to_good);
		put(o, " in_bad ");
		put_share(o, p->loss.burst.in_bad);
		put(o, " in_good ");
		put_share(o, p->loss.burst.in_good);
		break;
	case LINK_LOSS_PATTERN:
		put(o, "pattern %s", link_pattern_path(p->loss.pattern));
		break;
	}
}

static void put_if_share(struct out *o, const char *name, uint32_t ppb)
{
	if (ppb) {
		put_name(o, name);
		put_share(o, ppb);
	}
}

static void put_queue(struct out *o, const struct link_params *p)
{
	const char *between = "";

	put_name(o, "queue");
	if (p->queue.packets) {
		put(o, "%u", p->queue.packets);
		between = " ";
	}
	if (p->queue.bytes) {
		put(o, "%s%" PRIu64 "B", between, p->queue.bytes);
		between = " ";
	}
	if (p->queue.wait_ns) {
		put(o, "%s", between);
		put_duration(o, p->queue.wait_ns);
		between = " ";
	}
	if (!*between)
		put(o, "unlimited");
	if (p->queue.ecn_packets)
		put(o, " ecn %u", p->queue.ecn_packets);
	if (p->queue.ecn_wait_ns) {
		put(o, " ecn ");
		put_duration(o, p->queue.ecn_wait_ns);
	}
}

const char *link_params_text(const struct link_params *p, char *buf,
			     size_t size)
{
	struct out o = { .buf = buf, .size = size };

	if (size)
		buf[0] = '\0';
	if (p->delay_ns) {
		put_name(&o, "delay");
		put_duration(&o, p->delay_ns);
	}
	if (link_params_have_jitter(p))
		put_jitter(&o, p);
	if (p->loss.kind != LINK_LOSS_NONE)
		put_loss(&o, p);
	put_if_share(&o, "duplicate", p->duplicate_ppb);
	put_if_share(&o, "reorder", p->reorder_ppb);
	put_if_share(&o, "corrupt", p->corrupt_ppb);
	if (p->trace) {
		put_name(&o, "rate");
		put(&o, "trace %s", link_trace_path(p->trace));
	} else if (p->rate_bps) {
		put_name(&o, "rate");
		put_rate(&o, p->rate_bps);
	}
	if (p->trace || p->rate_bps) /* elsewhere nothing ever waits */
		put_queue(&o, p);
	if (p->mtu) {
		put_name(&o, "mtu");
		put(&o, "%u", p->mtu);
	}
	if (size)
		utf8_mend(buf); /* files' names may be long */
	return buf;
}
