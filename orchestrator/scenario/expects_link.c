/* SPDX-License-Identifier: GPL-2.0-or-later */
/* expect: what an emulated link must have done. */
#include "orchestrator/scenario/expects.h"
#include "orchestrator/scenario/link_props.h"

/* Behind the link's name and its figures. */
enum { LINK_DIRECTION = 1 + SCN_LINK_FIGURE_COUNT_ };

static const struct type type_direction_name = {
	.expects = "a direction of the link, such as 'a>b'",
	.scalar = SCALAR_TEXT,
};

static const struct field link_fields[] = {
	{ .name = "link", .type = &type_link, .doc = "the link" },
#define FIELD(id, key, text)                                                   \
	[1 + SCN_LINK_##id] = { .name = (key),                                 \
				.type = &type_count_range,                     \
				.doc = (text) },
	SCN_LINK_FIGURES(FIELD)
#undef FIELD
		[LINK_DIRECTION] = { .name = "direction",
				     .type = &type_direction_name,
				     .doc = "of one direction, and not of "
					    "both" },
};

const struct mapping expect_link = {
	.what = "expectation",
	MAPPING_FIELDS(link_fields),
};

const char *scn_link_figure_name(enum scn_link_figure figure)
{
	return link_fields[1 + figure].name;
}

static bool check_emulated(struct loader *l, const struct value *link)
{
	const struct scn_link *is = &l->s->links.v[link->index];

	if (link_is_emulated(l->s, link->index))
		return true;
	tree_error(l->diag, link->node,
		   "nobody counts what the kernel does on link '%s'", is->name);
	diag_note(l->diag, is->pos, 1, "it is the kernel's");
	diag_help(l->diag, "write 'backend: emulated' there");
	return false;
}

void expect_link_read(struct loader *l, const struct tree_node *node,
		      const struct value *v)
{
	const struct value *direction = &v[LINK_DIRECTION];
	bool any = false;
	int end = -1;

	if (!v[0].ok || !check_emulated(l, &v[0]))
		return;
	if (direction->node) {
		if (!direction->ok)
			return;
		end = link_sending_end(l, direction->node,
				       l->s->links.v[v[0].index].end);
		if (end < 0)
			return;
	}
	for (int f = 0; f < SCN_LINK_FIGURE_COUNT_; f++) {
		const struct value *figure = &v[1 + f];
		struct range_source range;
		struct scn_expect *expect;

		any |= figure->node != NULL;
		if (!figure->node ||
		    !range_read(l, &type_count_range, figure, &range))
			continue;
		expect = expect_add(l, SCN_EXPECT_LINK, figure->node,
				    v[0].index);
		if (!expect)
			return;
		expect->link_figure = (enum scn_link_figure)f;
		expect->link_from[0] = end != 1;
		expect->link_from[1] = end != 0;
		expect->range = range.range;
	}
	if (any || node->n > (direction->node ? 2 : 1))
		return; /* or there is something, and that is wrong */
	tree_error(l->diag, node, "this says nothing about the link");
	diag_help(l->diag, "add what must hold, as in 'queue_dropped: 0' "
			   "(offered, delivered, lost, marked, ...)");
}
