/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/report/trace.h"

#include "base/cleanup.h"
#include "orchestrator/observe/pcapng.h"

#include <errno.h>
#include <string.h>

static void reader_closep(struct pcapng_reader **r)
{
	if (*r)
		pcapng_close(*r);
}

int trace_counter_init(struct trace_counter *c, const struct scn_expect *expect)
{
	int r;

	*c = (struct trace_counter){ .expect = expect };
	r = filter_compile(expect->text, &c->filter, &c->error);
	return r == -ENOMEM ? r : 0;
}

void trace_counter_free(struct trace_counter *c)
{
	c->filter = filter_free(c->filter);
}

/* Is "NODE:IFNAME" one of the interfaces that the expectation is about? */
static bool at_interface(const struct scenario *s, const struct scn_expect *e,
			 const char *interface)
{
	const char *colon = interface ? strrchr(interface, ':') : NULL;
	const char *node;
	size_t len;

	if (e->subject == SCN_NONE)
		return true;
	if (!colon)
		return false;
	node = s->nodes.v[e->subject].name;
	len = strlen(node);
	if (len != (size_t)(colon - interface) ||
	    memcmp(node, interface, len) != 0)
		return false;
	return !*e->ifname || strcmp(e->ifname, colon + 1) == 0;
}

static void count(const struct scenario *s, struct trace_counter *c,
		  const char *interface, const struct pcapng_packet *p)
{
	if (c->expect && c->filter && at_interface(s, c->expect, interface) &&
	    filter_matches(c->filter, p->data, p->captured, p->length))
		c->count++;
}

int trace_walk(const struct record *rec, struct served *served,
	       struct trace_counter *counters, size_t n, struct err *err)
{
	CLEANUP(reader_closep) struct pcapng_reader *reader = NULL;
	struct pcapng_packet p;
	int r;

	if (!rec->trace)
		return 0;
	r = pcapng_open(rec->trace, &reader, err);
	while (!r) {
		const char *interface;
		bool in_pause;

		r = pcapng_next(reader, &p, err);
		if (r <= 0)
			break;
		interface = pcapng_interface_name(reader, p.interface);
		/* What somebody tried out meanwhile is not counted. The probes'
		 * own packets say that they are. */
		in_pause = rec->pauses.n &&
			   pauses_find(&rec->pauses,
				       record_mono_of_real(rec, p.time_ns));
		r = served_add(served, interface, &p);
		if (r)
			return err_set(err, ENOMEM, "out of memory");
		for (size_t i = 0; i < n && !in_pause; i++)
			count(rec->scenario, &counters[i], interface, &p);
	}
	return r == -EBADMSG && rec->trace_partial ? 0 : r;
}
