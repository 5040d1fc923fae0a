/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * The kernel says when a socket is gone, but not when one begins to listen. So
 * all that listen are listed again and again; once more when a SYN comes for a
 * service that is not here yet; and at once when a socket on a service's port
 * has gone. Each look asks for whole lists, and what follows from it depends on
 * nothing that was seen before: nothing can be missed for good.
 *
 * A look costs a tenth of a millisecond of processor time and more, and most
 * see what the one before saw. So they are close together only while something
 * goes on: for a second after a change, the beginning, or a SYN that found
 * nobody, which is when a server starts anew, or is awaited.
 *
 * A socket that listens on the service's own address is an instance anywhere.
 * One that listens on any address may have nothing to do with the service (any
 * host may have a web server), and counts only where that was said.
 *
 * Whoever listens no more takes no new conversations, but those of TCP that it
 * has are its own: many servers close their listening socket first and serve to
 * the end. So the DEMUX rule is drained (weight 0) as long as there are any. If
 * the program has died, the kernel ends its connections, and that is soon. UDP
 * knows no such end: its flows are to find another instance.
 */
#include "node/app/active.h"

#include "base/clock.h"
#include "base/vec.h"
#include "node/app/node_parts.h"
#include "node/io/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define LOOK_NS (100 * NSEC_PER_MSEC)
#define LOOK_OFTEN_NS (10 * NSEC_PER_MSEC)
#define OFTEN_FOR_NS NSEC_PER_SEC
/* Where only the service's own address counts, which few programs bind. */
#define LOOK_SELDOM_NS (200 * NSEC_PER_MSEC)
#define LOOK_GAP_NS NSEC_PER_MSEC /* at the least, whoever wants it */

struct watch {
	struct control_listen what;
	bool found; /* in the look under way */
	bool listens;
	bool ruled; /* it has a DEMUX rule by us: listens, or is drained */
};

struct active {
	struct node *n;
	struct listeners *listeners; /* NULL: nothing was ever watched */
	VEC(struct watch) watches;
	uint8_t protocol; /* of the list under way */
	int64_t looked_ns, next_ns;
	int64_t often_until_ns;
};

struct active *active_new(struct node *n)
{
	struct active *a = calloc(1, sizeof(*a));

	if (a) {
		a->n = n;
		a->next_ns = INT64_MAX;
	}
	return a;
}

struct active *active_free(struct active *a)
{
	if (!a)
		return NULL;
	listeners_free(a->listeners);
	VEC_FREE(&a->watches);
	free(a);
	return NULL;
}

int active_fd(const struct active *a)
{
	return a->listeners ? listeners_fd(a->listeners) : -1;
}

int64_t active_next_ns(const struct active *a)
{
	return a->next_ns;
}

/* ---- looking ------------------------------------------------------------- */

static bool is_any(const struct ip_addr *address)
{
	static const uint8_t zeros[16];

	return !memcmp(address->bytes, zeros, sizeof(zeros));
}

static void see(void *arg, const struct ip_addr *address, uint16_t port)
{
	struct active *a = arg;

	for (size_t i = 0; i < a->watches.n; i++) {
		struct watch *w = &a->watches.v[i];
		const struct control_name *name;

		if (w->what.protocol != a->protocol || w->what.port != port)
			continue;
		if (is_any(address)) {
			w->found |= w->what.any;
			continue;
		}
		name = services_find(a->n->services, &w->what.id);
		w->found |= name && (ip_addr_equal(address, &name->addr4) ||
				     ip_addr_equal(address, &name->addr6));
	}
}

static int list_all(struct active *a)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	int r = 0;

	for (size_t i = 0; i < a->watches.n; i++)
		a->watches.v[i].found = false;
	for (size_t k = 0; k < 2 && !r; k++) {
		bool wanted = false;

		a->protocol = protocols[k];
		for (size_t i = 0; i < a->watches.n; i++)
			wanted |= a->watches.v[i].what.protocol == protocols[k];
		if (wanted)
			r = listeners_list(a->listeners, protocols[k], see, a);
	}
	return r;
}

static struct sal_rule rule_of(const struct watch *w, uint32_t weight)
{
	return (struct sal_rule){
		.id = w->what.id,
		.bits = SERVICE_ID_BITS,
		.kind = SAL_RULE_DEMUX,
		.weight = weight,
	};
}

struct count {
	const struct service_id *id;
	size_t n;
};

static void count_flow(void *arg, const struct sal_flow_info *f)
{
	struct count *c = arg;

	c->n += !f->client && service_id_equal(&f->service, c->id);
}

static bool has_flows(const struct active *a, const struct watch *w)
{
	struct count c = { .id = &w->what.id };

	sal_flows(a->n->sal, count_flow, &c);
	return c.n > 0;
}

static void tell(struct active *a, const struct watch *w)
{
	a->often_until_ns = a->n->now_ns + OFTEN_FOR_NS;
	control_listen_event(a->n->control, &w->what, w->listens, a->n->now_ns);
}

/* A rule that is there already is somebody else's, and stays so. */
static void begin(struct active *a, struct watch *w)
{
	struct sal_rule rule = rule_of(w, 1);
	int r;

	if (w->ruled)
		r = services_rule_change(a->n->services, &rule,
					 SAL_CHANGE_WEIGHT, a->n->now_ns, NULL);
	else
		r = services_rule_add(a->n->services, &rule, a->n->now_ns,
				      NULL);
	if (r)
		return; /* it is tried again with the next look */
	w->ruled = w->listens = true;
	tell(a, w);
}

static void end(struct active *a, struct watch *w)
{
	struct sal_rule rule = rule_of(w, 0);
	bool drains = w->what.protocol == IPPROTO_TCP && has_flows(a, w);

	if (drains && !w->listens)
		return;
	if (drains)
		services_rule_change(a->n->services, &rule, SAL_CHANGE_WEIGHT,
				     a->n->now_ns, NULL);
	else
		services_rule_delete(a->n->services, &rule, a->n->now_ns, NULL);
	w->ruled = drains;
	if (!w->listens)
		return;
	w->listens = false;
	tell(a, w);
}

static int64_t gap_ns(const struct active *a)
{
	for (size_t i = 0; i < a->watches.n; i++)
		if (a->watches.v[i].what.any || a->watches.v[i].ruled)
			return a->n->now_ns < a->often_until_ns ?
				       LOOK_OFTEN_NS :
				       LOOK_NS;
	return a->watches.n ? LOOK_SELDOM_NS : INT64_MAX;
}

static void look_again(struct active *a)
{
	int64_t gap = gap_ns(a);

	a->next_ns = gap == INT64_MAX ? gap : a->looked_ns + gap;
}

/* begin_only: from within the engine, which is not to lose flows there. */
static void look(struct active *a, bool begin_only)
{
	int r = list_all(a);

	a->looked_ns = a->n->now_ns;
	for (size_t i = 0; i < a->watches.n && !r; i++) {
		struct watch *w = &a->watches.v[i];

		if (w->found && !w->listens)
			begin(a, w);
		else if (!w->found && w->ruled && !begin_only)
			end(a, w);
	}
	if (!begin_only)
		look_again(a);
}

/* ---- when ---------------------------------------------------------------- */

static void note_port(void *arg, uint16_t port)
{
	struct active *a = arg;

	for (size_t i = 0; i < a->watches.n; i++)
		if (a->watches.v[i].ruled && a->watches.v[i].what.port == port)
			a->next_ns = a->looked_ns + LOOK_GAP_NS;
}

void active_ready(struct active *a)
{
	if (!listeners_drain(a->listeners, note_port, a))
		a->next_ns = a->looked_ns + LOOK_GAP_NS;
	active_tick(a);
}

void active_tick(struct active *a)
{
	if (a->n->now_ns >= a->next_ns)
		look(a, false);
}

bool active_unserved(struct active *a, const struct service_id *id)
{
	for (size_t i = 0; i < a->watches.n; i++) {
		const struct watch *w = &a->watches.v[i];

		if (w->listens || !service_id_equal(&w->what.id, id))
			continue;
		if (a->n->now_ns - a->looked_ns >= LOOK_GAP_NS)
			look(a, true);
		a->often_until_ns = a->n->now_ns + OFTEN_FOR_NS;
		if (a->next_ns > a->looked_ns + gap_ns(a))
			look_again(a);
		return w->listens;
	}
	return false;
}

/* ---- what is watched ----------------------------------------------------- */

static void forget(struct active *a, const struct service_id *id)
{
	for (size_t i = 0; i < a->watches.n; i++) {
		struct watch *w = &a->watches.v[i];

		if (!service_id_equal(&w->what.id, id))
			continue;
		if (w->ruled) {
			struct sal_rule rule = rule_of(w, 1);

			services_rule_delete(a->n->services, &rule,
					     a->n->now_ns, NULL);
		}
		if (w->listens) {
			w->listens = false;
			tell(a, w);
		}
		*w = a->watches.v[--a->watches.n];
		return;
	}
}

static bool is_same(const struct control_listen *a,
		    const struct control_listen *b)
{
	return service_id_equal(&a->id, &b->id) && a->any == b->any &&
	       a->protocol == b->protocol && a->port == b->port;
}

int active_listen(struct active *a, const struct control_listen *l,
		  struct err *err)
{
	struct watch *w = NULL;
	int r = 0;

	for (size_t i = 0; i < a->watches.n; i++)
		if (is_same(&a->watches.v[i].what, l))
			w = &a->watches.v[i];
	if (!w) {
		forget(a, &l->id);
		if (!l->port)
			return 0;
		if (!a->listeners)
			r = listeners_open(&a->listeners, err);
		if (r)
			return r;
		w = VEC_PUSH(&a->watches);
		if (!w)
			return err_errno(err, ENOMEM, "watch a port");
		w->what = *l;
	}
	a->often_until_ns = a->n->now_ns + OFTEN_FOR_NS;
	look(a, false);
	return 0;
}
