/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links and their changes in words. */
#include "orchestrator/scenario/model.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

const char *scn_backend_name(bool emulated)
{
	return emulated ? "emulated" : "kernel";
}

const char *scn_direction_text(const struct scenario *s, size_t link,
			       size_t end, char *buf, size_t size)
{
	const struct scn_link *l = &s->links.v[link];

	snprintf(buf, size, "%s>%s", s->nodes.v[l->end[end].node].name,
		 s->nodes.v[l->end[!end].node].name);
	return buf;
}

static void add(char *buf, size_t size, const char *between, const char *text)
{
	size_t at = strlen(buf);

	snprintf(buf + at, size - at, "%s%s", between, text);
}

/* "queue 100 packets or 50ms, marked from 1ms on" */
static const char *queue_text(const struct link_params *to, char *buf,
			      size_t size)
{
	const char *between = " ", *marked = ", marked from ";
	char one[40];

	snprintf(buf, size, "queue");
	if (to->queue.packets) {
		snprintf(one, sizeof(one), "%u packets", to->queue.packets);
		add(buf, size, between, one);
		between = " or ";
	}
	if (to->queue.bytes) {
		snprintf(one, sizeof(one), "%lluB",
			 (unsigned long long)to->queue.bytes);
		add(buf, size, between, one);
		between = " or ";
	}
	if (to->queue.wait_ns)
		add(buf, size, between,
		    scn_duration_text(to->queue.wait_ns, one, sizeof(one)));
	if (to->queue.ecn_packets) {
		snprintf(one, sizeof(one), "%u packets on",
			 to->queue.ecn_packets);
		add(buf, size, marked, one);
	}
	if (to->queue.ecn_wait_ns) {
		add(buf, size, marked,
		    scn_duration_text(to->queue.ecn_wait_ns, one, sizeof(one)));
		add(buf, size, "", " on");
	}
	return buf;
}

/* One property, also where it is set to nothing: "loss 20%", "no loss". */
static const char *property_text(const struct link_params *to, unsigned bit,
				 char *buf, size_t size)
{
	static const char *const names[] = { "delay",	  "jitter",  "loss",
					     "duplicate", "reorder", "corrupt",
					     "rate" };
	struct link_change one = { .properties = bit, .to = *to };
	struct link_params p;

	link_params_init(&p);
	link_params_apply(&p, &one);
	/* Without a rate, a queue is not worth a word elsewhere. */
	if (bit == LINK_QUEUE)
		return queue_text(to, buf, size);
	if (bit == LINK_MTU)
		snprintf(buf, size, to->mtu ? "mtu %u" : "no mtu", to->mtu);
	else if (!*link_params_text(&p, buf, size))
		snprintf(buf, size, "no %s", names[__builtin_ctz(bit)]);
	else if (bit == LINK_RATE && strstr(buf, ", queue "))
		*strstr(buf, ", queue ") = '\0'; /* not what is set here */
	return buf;
}

static const char *link_change_text(const struct link_change *c, char *buf,
				    size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (unsigned bit = 1; bit < LINK_PROPERTIES_ALL; bit <<= 1) {
		char text[160];

		if (!(c->properties & bit) || at >= size)
			continue;
		at += (size_t)snprintf(
			buf + at, size - at, "%s%s", at ? ", " : "",
			property_text(&c->to, bit, text, sizeof(text)));
	}
	utf8_mend(buf);
	return buf;
}

static bool same_change(const struct link_change *a,
			const struct link_change *b)
{
	char x[256], y[256];

	return a->properties == b->properties &&
	       !strcmp(link_change_text(a, x, sizeof(x)),
		       link_change_text(b, y, sizeof(y)));
}

const char *scn_change_text(const struct scenario *s, size_t link,
			    const struct scn_link_change *c, char *buf,
			    size_t size)
{
	size_t at = 0;

	if (same_change(&c->from[0], &c->from[1]))
		return link_change_text(&c->from[0], buf, size);
	buf[0] = '\0';
	for (size_t end = 0; end < 2; end++) {
		char direction[2 * 128 + 2], text[256];

		if (!c->from[end].properties || at >= size)
			continue;
		at += (size_t)snprintf(
			buf + at, size - at, "%s%s: %s", at ? ", " : "",
			scn_direction_text(s, link, end, direction,
					   sizeof(direction)),
			link_change_text(&c->from[end], text, sizeof(text)));
	}
	utf8_mend(buf);
	return buf;
}
