/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A link's properties as a file writes them. Each may hold for both directions,
 * or for one under a key that names it ("a>b"), which then wins; an action may
 * change any of them later. All of this is the same thing here: a set of
 * properties by direction, which is merged onto what was there before.
 */
#include "orchestrator/scenario/link_props.h"

#include "orchestrator/scenario/link_types.h"

#include <string.h>

static const unsigned bits[PROP_COUNT_] = {
	[PROP_DELAY] = LINK_DELAY,     [PROP_JITTER] = LINK_JITTER,
	[PROP_LOSS] = LINK_LOSS,       [PROP_DUPLICATE] = LINK_DUPLICATE,
	[PROP_REORDER] = LINK_REORDER, [PROP_CORRUPT] = LINK_CORRUPT,
	[PROP_RATE] = LINK_RATE,       [PROP_QUEUE] = LINK_QUEUE,
	[PROP_MTU] = LINK_MTU,
};

/* ---- the properties that are more than a number ------------------------- */

static bool read_jitter(struct loader *l, const struct tree_node *node,
			struct link_params *p)
{
	struct value v[VALUES_MAX];
	bool good = mapping_read(l, &mapping_jitter, node, NULL, v, NULL);
	const struct tree_node *file = v[JITTER_HISTOGRAM].node;
	const struct scn_file *read;

	p->jitter.unordered =
		v[JITTER_UNORDERED].ok && v[JITTER_UNORDERED].word;
	if (file) {
		for (size_t i = JITTER_SPREAD; i <= JITTER_DISTRIBUTION; i++) {
			if (!v[i].node)
				continue;
			tree_error(l->diag, v[i].node,
				   "a histogram says all of it: '%s' has no "
				   "meaning beside it",
				   mapping_jitter.fields[i].name);
			good = false;
		}
		read = v[JITTER_HISTOGRAM].ok ?
			       file_read(l, file, SCN_FILE_HISTOGRAM, false) :
			       NULL;
		p->jitter.distribution = LINK_HISTOGRAM;
		p->jitter.histogram = read ? read->histogram : NULL;
		return good && read;
	}
	if (!v[JITTER_SPREAD].node) {
		if (good) {
			tree_error(l->diag, node,
				   "this jitter has no 'spread' and no "
				   "'histogram'");
			diag_help(l->diag, "add one of them, as in "
					   "'spread: 1ms'");
		}
		return false;
	}
	p->jitter.spread_ns = v[JITTER_SPREAD].ns;
	p->jitter.distribution =
		v[JITTER_DISTRIBUTION].ok ?
			(enum link_distribution)v[JITTER_DISTRIBUTION].word :
			LINK_UNIFORM;
	return good;
}

/* A mean share of loss in bursts of a mean length: the two-state model that
 * loses everything in its bad state, solved for its two steps. */
static bool read_bursts(struct loader *l, const struct value *v,
			struct link_params *p)
{
	uint64_t share = (uint64_t)v[LOSS_RATE].ppb;
	uint64_t length = v[LOSS_LENGTH].number;
	unsigned __int128 to_bad;

	if (share >= LINK_PPB_ONE) {
		tree_error(l->diag, v[LOSS_RATE].node,
			   "bursts cannot lose everything");
		diag_help(l->diag, "write 'loss: 100%%'");
		return false;
	}
	/* share = to_bad / (to_bad + to_good), to_good = 1 / length */
	to_bad = ((unsigned __int128)LINK_PPB_ONE * share +
		  (LINK_PPB_ONE - share) * length / 2) /
		 ((LINK_PPB_ONE - share) * length);
	if (to_bad > LINK_PPB_ONE) {
		tree_error(l->diag, v[LOSS_RATE].node,
			   "bursts of %llu frames cannot lose so many: between "
			   "two of them one frame passes at least",
			   (unsigned long long)length);
		diag_help(l->diag, "make the bursts longer, or the rate lower");
		return false;
	}
	p->loss.burst.to_bad = (uint32_t)to_bad;
	p->loss.burst.to_good = (uint32_t)(LINK_PPB_ONE / length);
	p->loss.burst.in_bad = LINK_PPB_ONE;
	p->loss.burst.in_good = 0;
	return true;
}

static bool read_loss(struct loader *l, const struct tree_node *node,
		      struct link_params *p)
{
	struct value own[VALUES_MAX];
	const struct mapping *kind;
	const struct scn_file *file;
	bool good = mapping_read(l, &mapping_loss, node, NULL, own, &kind);
	const struct value *v = own + mapping_loss.n;

	if (!kind || !good)
		return false;
	if (kind == &mapping_loss_bursts || kind == &mapping_loss_states) {
		p->loss.kind = LINK_LOSS_BURST;
		if (kind == &mapping_loss_bursts)
			return read_bursts(l, v, p);
		p->loss.burst.to_bad = (uint32_t)v[LOSS_TO_BAD].ppb;
		p->loss.burst.to_good = (uint32_t)v[LOSS_TO_GOOD].ppb;
		p->loss.burst.in_bad = (uint32_t)v[LOSS_IN_BAD].ppb;
		p->loss.burst.in_good = (uint32_t)v[LOSS_IN_GOOD].ppb;
		return true;
	}
	p->loss.kind = LINK_LOSS_PATTERN;
	file = kind == &mapping_loss_file ?
		       file_read(l, v[0].node, SCN_FILE_PATTERN, false) :
		       pattern_read(l, v[0].node);
	p->loss.pattern = file ? file->pattern : NULL;
	return file != NULL;
}

static bool read_rate(struct loader *l, const struct tree_node *node,
		      struct link_params *p)
{
	struct value v[VALUES_MAX];
	bool good = mapping_read(l, &mapping_rate, node, NULL, v, NULL);
	const struct scn_file *file;

	if (!v[RATE_TRACE].ok)
		return false;
	file = file_read(l, v[RATE_TRACE].node, SCN_FILE_TRACE,
			 v[RATE_LOOP].ok && v[RATE_LOOP].word);
	p->trace = file ? file->trace : NULL;
	return good && file;
}

static bool read_ecn(struct loader *l, const struct value *v,
		     struct link_params *p)
{
	char at_most[40], asked[40];

	if (!v->node)
		return true;
	if (v->queue.unit == QUEUE_IN_BYTES) {
		tree_error(l->diag, v->node,
			   "marks go by packets that wait, or by how long one "
			   "does, not by bytes");
		diag_help(l->diag, "write 20 or 1ms");
		return false;
	}
	if (v->queue.unit == QUEUE_IN_TIME)
		p->queue.ecn_wait_ns = (int64_t)v->queue.number;
	else
		p->queue.ecn_packets = (uint32_t)v->queue.number;
	if (p->queue.packets && p->queue.ecn_packets > p->queue.packets) {
		tree_error(l->diag, v->node,
			   "a queue of %u packets never holds %u",
			   p->queue.packets, p->queue.ecn_packets);
		return false;
	}
	if (p->queue.wait_ns && p->queue.ecn_wait_ns > p->queue.wait_ns) {
		tree_error(l->diag, v->node,
			   "where packets wait for %s at most, none waits for "
			   "%s",
			   scn_duration_text(p->queue.wait_ns, at_most,
					     sizeof(at_most)),
			   scn_duration_text(p->queue.ecn_wait_ns, asked,
					     sizeof(asked)));
		return false;
	}
	return true;
}

static bool read_queue(struct loader *l, const struct tree_node *node,
		       struct link_params *p)
{
	struct value v[VALUES_MAX];
	bool good = mapping_read(l, &mapping_queue, node, NULL, v, NULL);

	p->queue.packets =
		v[QUEUE_PACKETS].node ? (uint32_t)v[QUEUE_PACKETS].number :
		v[QUEUE_BYTES].node || v[QUEUE_WAIT].node ? 0 :
							    LINK_QUEUE_DEFAULT;
	p->queue.bytes = v[QUEUE_BYTES].number;
	p->queue.wait_ns = v[QUEUE_WAIT].ns;
	return good && read_ecn(l, &v[QUEUE_ECN], p);
}

/* ---- one property ------------------------------------------------------ */

static bool read_scalar(size_t prop, const struct value *v,
			struct link_params *p)
{
	switch (prop) {
	case PROP_DELAY:
		p->delay_ns = v->ns;
		break;
	case PROP_JITTER:
		p->jitter.spread_ns = v->ns;
		break;
	case PROP_LOSS:
		p->loss.ppb = (uint32_t)v->ppb;
		p->loss.kind = v->ppb ? LINK_LOSS_INDEPENDENT : LINK_LOSS_NONE;
		break;
	case PROP_DUPLICATE:
		p->duplicate_ppb = (uint32_t)v->ppb;
		break;
	case PROP_REORDER:
		p->reorder_ppb = (uint32_t)v->ppb;
		break;
	case PROP_CORRUPT:
		p->corrupt_ppb = (uint32_t)v->ppb;
		break;
	case PROP_RATE:
		p->rate_bps = (uint64_t)v->bps;
		break;
	case PROP_QUEUE:
		p->queue.packets = 0;
		if (v->queue.unit == QUEUE_IN_PACKETS)
			p->queue.packets = (uint32_t)v->queue.number;
		else if (v->queue.unit == QUEUE_IN_BYTES)
			p->queue.bytes = v->queue.number;
		else
			p->queue.wait_ns = (int64_t)v->queue.number;
		break;
	case PROP_MTU:
		p->mtu = (uint32_t)v->number;
		break;
	}
	return true;
}

static bool read_property(struct loader *l, size_t prop, const struct value *v,
			  struct link_params *p)
{
	if (!v->ok)
		return false; /* was told */
	if (v->node->kind == TREE_SCALAR)
		return read_scalar(prop, v, p);
	switch (prop) {
	case PROP_JITTER:
		return read_jitter(l, v->node, p);
	case PROP_LOSS:
		return read_loss(l, v->node, p);
	case PROP_RATE:
		return read_rate(l, v->node, p);
	default:
		return read_queue(l, v->node, p);
	}
}

/* ends: bits of the sending ends. */
static bool read_properties(struct loader *l, const struct value *v,
			    unsigned ends, struct link_props *out)
{
	bool good = true;

	for (size_t i = 0; i < PROP_COUNT_; i++) {
		struct link_change one = { .properties = bits[i] };

		if (!v[i].node)
			continue;
		if (!read_property(l, i, &v[i], &one.to)) {
			good = false;
			continue;
		}
		for (size_t end = 0; end < 2; end++) {
			if (!(ends & 1u << end))
				continue;
			link_params_apply(&out->change[end].to, &one);
			out->change[end].properties |= bits[i];
			out->given[end][i] = v[i].node;
		}
	}
	return good;
}

bool link_props_read(struct loader *l, const struct value *v,
		     struct link_props *out)
{
	return read_properties(l, v, 1 | 2, out);
}

void link_props_merge(struct link_props *to, const struct link_props *from)
{
	for (size_t end = 0; end < 2; end++) {
		link_params_apply(&to->change[end].to, &from->change[end]);
		to->change[end].properties |= from->change[end].properties;
		for (size_t i = 0; i < PROP_COUNT_; i++)
			if (from->given[end][i])
				to->given[end][i] = from->given[end][i];
	}
}

/* ---- directions --------------------------------------------------------- */

static const struct field direction_fields[] = { LINK_PROPERTY_FIELDS(0) };

static const struct mapping mapping_direction = {
	.what = "direction",
	.doc = "What holds for one direction of a link.",
	MAPPING_FIELDS(direction_fields),
};

static const struct type type_direction = {
	.expects = "properties of a direction, such as '{ delay: 10ms }'",
	.mapping = &mapping_direction,
};

const struct dynamic link_directions = {
	.mark = '>',
	.pattern = "SENDER>RECEIVER",
	.value = &type_direction,
	.doc = "what holds for one direction only, by the names of its nodes",
};

int link_sending_end(struct loader *l, const struct tree_node *key,
		     const struct scn_endpoint *ends)
{
	const char *texts[2], *nearest;

	for (size_t i = 0; i < 2; i++) {
		texts[i] = loader_format(l, "%s>%s",
					 l->s->nodes.v[ends[i].node].name,
					 l->s->nodes.v[ends[!i].node].name);
		if (!texts[i])
			return -1;
		if (!strcmp(texts[i], key->text))
			return (int)i;
	}
	tree_error(l->diag, key, "this link has no direction '%s'", key->text);
	nearest = diag_nearest(key->text, texts, 2);
	if (nearest)
		diag_help(l->diag, "did you mean '%s'?", nearest);
	else
		diag_help(l->diag, "its directions are '%s' and '%s'", texts[0],
			  texts[1]);
	return -1;
}

bool link_directions_read(struct loader *l, const struct tree_node *map,
			  const struct scn_endpoint *ends,
			  struct link_props *out)
{
	bool known = ends[0].node != SCN_NONE && ends[1].node != SCN_NONE &&
		     ends[0].node != ends[1].node;
	const struct tree_node *key;
	struct value body;
	bool good = true;
	size_t at = 0;

	while (dynamic_next(l, &link_directions, map, &at, &key, &body)) {
		int end = known ? link_sending_end(l, key, ends) : -1;
		struct value v[VALUES_MAX];

		if (!body.ok || end < 0)
			good = false;
		if (!body.ok)
			continue;
		good &= mapping_read(l, &mapping_direction, body.node, NULL, v,
				     NULL);
		/* Its values are looked at in any case. */
		good &= read_properties(l, v, end < 0 ? 0 : 1u << end, out);
	}
	return good;
}

/* ---- what cannot be meant ----------------------------------------------- */

static bool check_direction(struct loader *l, const struct link_params *p,
			    const struct link_props *changed, size_t end)
{
	const struct tree_node *const *given = changed->given[end];
	const struct tree_node *at = given[PROP_REORDER];
	char jitter[32], delay[32];
	bool good = true;

	if (p->reorder_ppb && !p->delay_ns) {
		if (!at)
			at = given[PROP_DELAY];
		if (at) {
			tree_error(l->diag, at,
				   "'reorder' lets frames skip the delay, and "
				   "there is none");
			diag_help(l->diag, "add a 'delay'");
			good = false;
		}
	}
	at = given[PROP_JITTER] ? given[PROP_JITTER] : given[PROP_DELAY];
	if (at && p->jitter.spread_ns > p->delay_ns &&
	    p->jitter.distribution == LINK_UNIFORM) {
		tree_error(
			l->diag, at,
			"a jitter of %s around a delay of %s would have "
			"frames arrive before they are sent",
			scn_duration_text(p->jitter.spread_ns, jitter,
					  sizeof(jitter)),
			scn_duration_text(p->delay_ns, delay, sizeof(delay)));
		diag_help(l->diag, "make the delay longer, or the jitter less");
		good = false;
	}
	at = given[PROP_QUEUE] ? given[PROP_QUEUE] : given[PROP_RATE];
	if (at && (p->queue.ecn_packets || p->queue.ecn_wait_ns) &&
	    !p->rate_bps && !p->trace) {
		tree_error(
			l->diag, at,
			"'ecn' marks packets that wait, and without a 'rate' "
			"none does");
		diag_help(l->diag, "add a 'rate'");
		good = false;
	}
	return good;
}

/* The same place is not blamed twice for both directions. */
static bool same_places(const struct link_props *p)
{
	for (size_t i = 0; i < PROP_COUNT_; i++)
		if (p->given[0][i] != p->given[1][i])
			return false;
	return true;
}

bool link_params_check(struct loader *l, const struct link_params *params,
		       const struct link_props *changed)
{
	bool good = check_direction(l, &params[0], changed, 0);

	if (!good && same_places(changed))
		return false;
	return check_direction(l, &params[1], changed, 1) && good;
}
