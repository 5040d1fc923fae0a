/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sal: how the salds of all hosts watch their peers, and how they are carried.
 */
#include "orchestrator/scenario/load.h"

#include "base/clock.h"

static const struct word encapsulate_words[] = {
	{ "auto", SCN_ENCAPSULATE_AUTO, NULL },
	{ "never", SCN_ENCAPSULATE_NEVER, NULL },
	{ 0 },
};

static const struct type type_encapsulate = {
	.expects = "auto or never",
	.scalar = SCALAR_WORD,
	.thing = "a way to encapsulate",
	.words = encapsulate_words,
};

static const struct type type_gap = {
	.expects = "a duration, such as 100ms",
	.scalar = SCALAR_DURATION,
	.min = NSEC_PER_MSEC,
	.max = INT64_C(3600) * NSEC_PER_SEC,
};

static const struct type type_tries = {
	.expects = "a number of questions",
	.scalar = SCALAR_UINT,
	.min = 1,
	.max = 100,
};

enum { SAL_LIVENESS, SAL_GAP, SAL_PROBES, SAL_KEEPALIVE, SAL_ENCAPSULATE };

static const struct field sal_fields[] = {
	[SAL_LIVENESS] = { .name = "liveness",
			   .type = &type_gap,
			   .doc = "how long a program waits before its peer is "
				  "asked whether it is there" },
	[SAL_GAP] = { .name = "probe_gap",
		      .type = &type_gap,
		      .doc = "the time between two such questions" },
	[SAL_PROBES] = { .name = "probes",
			 .type = &type_tries,
			 .doc = "how many go unanswered before another way is "
				"taken" },
	[SAL_KEEPALIVE] = { .name = "keepalive",
			    .type = &type_gap,
			    .doc = "the time between packets that keep a NAT's "
				   "binding" },
	[SAL_ENCAPSULATE] = { .name = "encapsulate",
			      .type = &type_encapsulate,
			      .fallback = "auto",
			      .doc = "whether they go by UDP where protocol "
				     "144 "
				     "does not pass" },
};

static const struct mapping mapping_sal = {
	.what = "sal section",
	.doc = "What holds for the salds of all hosts.",
	MAPPING_FIELDS(sal_fields),
};

const struct type type_sal = {
	.expects = "a mapping such as '{ liveness: 200ms }'",
	.mapping = &mapping_sal,
};

/* A sald counts in milliseconds. */
static int64_t read_ms(struct loader *l, const struct value *v)
{
	if (!v->ok || !v->node)
		return 0;
	if (v->ns % NSEC_PER_MSEC)
		tree_error(l->diag, v->node,
			   "this is no whole number of milliseconds");
	return v->ns / NSEC_PER_MSEC;
}

void sal_options_read(struct loader *l, const struct tree_node *node)
{
	struct scn_sal *s = &l->s->sal;
	struct value v[VALUES_MAX];
	bool any = l->names[NAMES_SERVICE].incomplete;

	if (!node || node->kind != TREE_MAP)
		return;
	mapping_read(l, &mapping_sal, node, NULL, v, NULL);
	s->liveness_ms = read_ms(l, &v[SAL_LIVENESS]);
	s->probe_gap_ms = read_ms(l, &v[SAL_GAP]);
	s->keepalive_ms = read_ms(l, &v[SAL_KEEPALIVE]);
	if (v[SAL_PROBES].ok)
		s->probes = (unsigned)v[SAL_PROBES].number;
	if (v[SAL_ENCAPSULATE].ok)
		s->encapsulate = (enum scn_encapsulate)v[SAL_ENCAPSULATE].word;
	for (size_t i = 0; i < l->s->services.n; i++)
		any |= l->s->services.v[i].resolver == SCN_RESOLVER_SAL;
	if (!any)
		tree_error(l->diag, node,
			   "there is no sal service, and so no sald");
}
