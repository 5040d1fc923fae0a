/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Every packet of a probe shows up in the trace many times: as a request and a
 * reply, at both ends of every link on its way, before and after NAT. The
 * probe itself cannot know who answered, since NAT hides that from it by
 * design, and neither addresses nor echo ids survive NAT. What does is the mark
 * in the payload. So a reply is attributed by three things only: its mark, that
 * it is leaving, and whose interface it leaves.
 *
 * "Leaving an interface of a node" would be true of routers as well; only
 * nodes that are an instance of the probe's service at some time count. The
 * probe's own node never does: UDP replies look like the requests, and what
 * leaves that node are requests (its own answers would stay on its loopback,
 * which is not captured).
 *
 * The order of runs is that of seq, not of time: around a migration, replies
 * of both instances are on their way at once, and by time they would interleave
 * in a way that says nothing about who got which packet. For a seq that two
 * nodes answered, the node of the run that goes on comes first, so that one
 * such packet at the border does not make up two more runs.
 *
 * Probes whose packets have no numbers (whose.h) have the order of the trace.
 */
#include "orchestrator/report/served.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TCP_SYN = 2 };

struct answer {
	uint64_t seq;
	int64_t time_ns;
	size_t node;
	bool marked;
	uint16_t port; /* of those that are not */
};
typedef VEC(struct answer) answer_vec;

/* A connection is asked for, at the probe's own node. */
struct syn {
	uint16_t port;
	int64_t time_ns;
};
typedef VEC(struct syn) syn_vec;

struct served {
	const struct scenario *scenario;
	bool *instances; /* [service * nodes + node]: ever bound to it? */
	answer_vec *answers; /* by the probe's index */
	syn_vec *syns; /* likewise */
	size_t n_answers;
	struct whose whose;
	struct path *paths; /* by the probe's index */
};

static void instance_add(struct served *sv, size_t service, size_t node)
{
	sv->instances[service * sv->scenario->nodes.n + node] = true;
}

/* Its own, or one of a prefix that it is in. */
static bool instance_is(const struct served *sv, size_t service, size_t node)
{
	const struct scenario *s = sv->scenario;
	bool is = sv->instances[service * s->nodes.n + node];

	for (size_t i = 0; i < s->services.n && !is; i++)
		is = scn_service_is_within(s, service, i) &&
		     sv->instances[i * s->nodes.n + node];
	return is;
}

/* Bound at the start, by a migration, or registered. */
static void instances_find(struct served *sv)
{
	const struct scenario *s = sv->scenario;

	for (size_t i = 0; i < s->services.n; i++)
		for (size_t k = 0; k < s->services.v[i].candidates.n; k++)
			instance_add(sv, i,
				     s->services.v[i].candidates.v[k].node);
	for (size_t i = 0; i < s->services.n; i++)
		for (size_t k = 0; k < s->services.v[i].instances.n; k++)
			instance_add(sv, i,
				     s->services.v[i].instances.v[k].node);
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *entry = &s->timeline.v[i];

		for (size_t j = 0; j < entry->actions.n; j++) {
			const struct scn_action *a = &entry->actions.v[j];

			if (a->kind == SCN_ACTION_REGISTER)
				instance_add(sv, a->serve.service,
					     a->serve.node);
			if (a->kind != SCN_ACTION_MIGRATE)
				continue;
			instance_add(sv, a->migrate.service, a->migrate.from);
			instance_add(sv, a->migrate.service, a->migrate.to);
		}
	}
}

struct served *served_new(const struct scenario *s)
{
	struct served *sv = calloc(1, sizeof(*sv));

	if (!sv)
		return NULL;
	sv->scenario = s;
	sv->n_answers = s->probes.n;
	sv->answers = calloc(s->probes.n + 1, sizeof(*sv->answers));
	sv->syns = calloc(s->probes.n + 1, sizeof(*sv->syns));
	sv->instances =
		calloc(s->services.n * s->nodes.n + 1, sizeof(*sv->instances));
	sv->paths = calloc(s->probes.n + 1, sizeof(*sv->paths));
	if (whose_init(&sv->whose, s) || !sv->answers || !sv->syns ||
	    !sv->instances || !sv->paths)
		return served_free(sv);
	instances_find(sv);
	return sv;
}

struct served *served_free(struct served *sv)
{
	if (!sv)
		return NULL;
	for (size_t i = 0; sv->answers && i < sv->n_answers; i++)
		VEC_FREE(&sv->answers[i]);
	for (size_t i = 0; sv->syns && i < sv->n_answers; i++)
		VEC_FREE(&sv->syns[i]);
	for (size_t i = 0; sv->paths && i < sv->n_answers; i++)
		path_free(&sv->paths[i]);
	whose_free(&sv->whose);
	free(sv->paths);
	free(sv->answers);
	free(sv->syns);
	free(sv->instances);
	free(sv);
	return NULL;
}

/* The node of "NODE:IFNAME", or SCN_NONE. */
static size_t interface_node(const struct scenario *s, const char *interface)
{
	const char *colon = strrchr(interface, ':');

	if (!colon)
		return SCN_NONE;
	for (size_t i = 0; i < s->nodes.n; i++) {
		const char *name = s->nodes.v[i].name;
		size_t len = strlen(name);

		if (len == (size_t)(colon - interface) &&
		    memcmp(name, interface, len) == 0)
			return i;
	}
	return SCN_NONE;
}

static int answer_add(struct served *sv, const struct whose_packet *whose,
		      size_t node, const char *ifname, int64_t time_ns)
{
	answer_vec *answers = &sv->answers[whose->probe];
	uint64_t seq = whose->marked ? whose->seq : answers->n;
	struct answer *answer;

	/* A sald hands on what leaves by its interface: it comes again. Of
	 * what has a number, once counts anyway. */
	if (!whose->marked && strcmp(ifname, "sal0") == 0)
		return 0;
	answer = VEC_PUSH(answers);
	if (!answer)
		return -ENOMEM;
	*answer = (struct answer){ seq, time_ns, node, whose->marked,
				   whose->port };
	return 0;
}

static int syn_add(struct served *sv, const struct whose_packet *whose,
		   const struct packet_info *info,
		   const struct pcapng_packet *packet)
{
	struct syn *syn;

	if (whose->marked || !whose->request ||
	    packet->direction != PCAPNG_OUT || info->tcp_flags != TCP_SYN)
		return 0;
	syn = VEC_PUSH(&sv->syns[whose->probe]);
	if (!syn)
		return -ENOMEM;
	*syn = (struct syn){ whose->port, packet->time_ns };
	return 0;
}

int served_add(struct served *sv, const char *interface,
	       const struct pcapng_packet *packet)
{
	const struct scenario *s = sv->scenario;
	const struct scn_probe *probe;
	struct packet_info info;
	struct whose_packet whose;
	const char *ifname;
	size_t node;

	if (packet->direction == PCAPNG_UNKNOWN || !interface)
		return 0;
	packet_parse(packet->data, packet->captured, &info);
	if (!whose_is(&sv->whose, &info, &whose))
		return 0;
	probe = &s->probes.v[whose.probe];
	node = interface_node(s, interface);
	if (node == SCN_NONE)
		return 0;
	ifname = strrchr(interface, ':') + 1;
	if (node == probe->node && syn_add(sv, &whose, &info, packet))
		return -ENOMEM;
	if (node == probe->node)
		return path_add(&sv->paths[whose.probe], &whose,
				packet->direction == PCAPNG_OUT, ifname,
				packet->time_ns);
	if (packet->direction != PCAPNG_OUT || !whose.answer ||
	    probe->target != SCN_TARGET_SERVICE ||
	    !instance_is(sv, probe->to, node))
		return 0;
	return answer_add(sv, &whose, node, ifname, packet->time_ns);
}

int served_add_port(struct served *sv, size_t probe, uint16_t port)
{
	return whose_add_port(&sv->whose, probe, port);
}

struct path served_take_path(struct served *sv, size_t probe)
{
	struct path path = sv->paths[probe];

	sv->paths[probe] = (struct path){ 0 };
	return path;
}

static int compare_answers(const void *a, const void *b)
{
	const struct answer *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

static int run_extend(served_runs *runs, const struct answer *a)
{
	struct served_run *run = runs->n ? &runs->v[runs->n - 1] : NULL;

	if (!run || run->node != a->node) {
		run = VEC_PUSH(runs);
		if (!run)
			return -ENOMEM;
		run->node = a->node;
		run->first_seq = a->seq;
		run->first_ns = a->time_ns;
	}
	run->count++;
	run->last_seq = a->seq;
	run->last_ns = a->time_ns;
	return 0;
}

/* Of the same seq, is there one of this node before this one? */
static bool is_repeat(const struct answer *group, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (group[j].node == group[i].node)
			return true;
	}
	return false;
}

/* All answers to one seq. */
static int fold_group(const struct answer *group, size_t n, served_runs *runs,
		      uint64_t *twice)
{
	size_t going_on = runs->n ? runs->v[runs->n - 1].node : SCN_NONE;
	size_t nodes = 0;
	int r = 0;

	for (size_t i = 0; i < n && going_on != SCN_NONE; i++) {
		if (group[i].node != going_on)
			continue;
		r = run_extend(runs, &group[i]);
		if (r)
			return r;
		nodes++;
		break;
	}
	for (size_t i = 0; i < n; i++) {
		if ((nodes && group[i].node == going_on) || is_repeat(group, i))
			continue;
		r = run_extend(runs, &group[i]);
		if (r)
			return r;
		nodes++;
	}
	if (nodes > 1)
		++*twice;
	return 0;
}

int served_fold(struct served *sv, size_t probe, served_runs *out,
		uint64_t *twice)
{
	answer_vec *answers = &sv->answers[probe];
	int r;

	*out = (served_runs){ 0 };
	*twice = 0;
	if (answers->n)
		qsort(answers->v, answers->n, sizeof(*answers->v),
		      compare_answers);
	for (size_t i = 0, end; i < answers->n; i = end) {
		for (end = i; end < answers->n &&
			      answers->v[end].seq == answers->v[i].seq;
		     end++)
			;
		r = fold_group(&answers->v[i], end - i, out, twice);
		if (r)
			return r;
	}
	return 0;
}

/* ---- what was chosen ------------------------------------------------------
 */

struct port_use { /* by a port of the probe's: its last connection */
	size_t node; /* who answered; SCN_NONE: there was none */
	int64_t last_ns; /* the last answer over it */
};

/* When the connection of an answer was asked for: the first time since that
 * port's last answer, as a SYN may be said again. INT64_MIN: not since then.
 * They are in the order of the trace. */
static int64_t asked_at(const syn_vec *syns, const struct answer *a,
			const struct port_use *before)
{
	for (size_t i = 0; i < syns->n && syns->v[i].time_ns <= a->time_ns; i++)
		if (syns->v[i].port == a->port &&
		    syns->v[i].time_ns > before->last_ns)
			return syns->v[i].time_ns;
	return INT64_MIN;
}

int served_choices(const struct served *sv, size_t probe,
		   served_choice_vec *out)
{
	const answer_vec *answers = &sv->answers[probe];
	struct port_use *uses = malloc((UINT16_MAX + 1) * sizeof(*uses));
	int r = uses ? 0 : -ENOMEM;

	*out = (served_choice_vec){ 0 };
	for (size_t i = 0; !r && i <= UINT16_MAX; i++)
		uses[i] = (struct port_use){ SCN_NONE, INT64_MIN };
	for (size_t i = 0, first = 0; !r && i < answers->n; i++) {
		const struct answer *a = &answers->v[i];
		struct served_choice *slot;
		int64_t asked_ns = INT64_MIN;
		bool again;

		if (a->seq != answers->v[first].seq)
			first = i;
		if (a->marked) {
			if (is_repeat(&answers->v[first], i - first))
				continue;
			again = i > first;
		} else {
			struct port_use before = uses[a->port];

			asked_ns = asked_at(&sv->syns[probe], a, &before);
			uses[a->port] =
				(struct port_use){ a->node, a->time_ns };
			if (asked_ns == INT64_MIN && before.node == a->node)
				continue;
			/* Nobody has asked for another connection. */
			again = asked_ns == INT64_MIN &&
				before.node != SCN_NONE;
		}
		slot = VEC_PUSH(out);
		if (slot)
			*slot = (struct served_choice){ a->node, a->time_ns,
							again,	 a->marked,
							a->seq,	 asked_ns };
		else
			r = -ENOMEM;
	}
	free(uses);
	return r;
}
