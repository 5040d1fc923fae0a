/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is expected of a service: who answers in which order, and how the
 * answers are shared among its instances.
 */
#include "orchestrator/scenario/expects.h"

#include "base/units.h"

#include <errno.h>

#define PPB_ALL UNITS_PPB_ALL
/* Below it, the statistic is not distributed as the test takes it to be; a rule
 * of thumb as old as the test. */
#define CELL_MIN 5

static const struct type type_answerers = {
	.expects = "a list of hosts, such as [c, d]",
	.item = &type_host,
};

/* ---- share: ------------------------------------------------------------ */

/* A percentage; read here, since a share of nothing or more than all is none.
 */
static const struct type type_percent = {
	.expects = "a share, such as 50%",
	.scalar = SCALAR_TEXT,
};

static const struct type type_shares = {
	.expects = "hosts and their shares, such as '{ c: 50%, d: 50% }'",
	.key = &type_host,
	.value = &type_percent,
};

static const struct type type_over = {
	.expects = "a number of answers",
	.scalar = SCALAR_UINT,
	.min = 1,
	.max = INT64_C(1000000000),
};

static bool read_percent(struct loader *l, const struct tree_node *node,
			 int64_t *ppb)
{
	struct value v;

	if (!value_read(l, &type_percent, node, &v))
		return false;
	switch (units_parse_percent_ppb(v.text, PPB_ALL, ppb)) {
	case 0:
		if (*ppb > 0)
			return true;
		tree_error(l->diag, node, "%s is no share", v.text);
		diag_help(l->diag, "leave the host out: one that is not named "
				   "may not answer at all");
		return false;
	case -ERANGE:
		tree_error(l->diag, node, "%s is more than all of them",
			   v.text);
		return false;
	case -ENOKEY:
		tree_error(l->diag, node, "%s has no unit", v.text);
		diag_help(l->diag, "write %s%%", v.text);
		return false;
	}
	tree_error(l->diag, node, "'%s' is not a share", v.text);
	diag_help(l->diag, "write a percentage, such as 50%%");
	return false;
}

static bool read_share(struct loader *l, const struct tree_node *key,
		       const struct tree_node *value, const struct value *name,
		       struct scn_expect *expect)
{
	struct scn_share *share;
	struct value host;
	int64_t ppb;
	bool good = scalar_read(l, &type_host, key, &host);

	good &= read_percent(l, value, &ppb);
	if (!good)
		return false;
	if (name->ok)
		reach_check_instance(l, name->index, host.index, key);
	share = LOADER_PUSH(l, &expect->shares);
	if (!share)
		return false;
	*share = (struct scn_share){ host.index, ppb };
	return true;
}

/* The shares are all there is, and each is large enough to be tested. */
static void check_shares(struct loader *l, const struct scn_expect *expect,
			 const struct tree_node *map,
			 const struct tree_node *over)
{
	int64_t sum = 0;

	for (size_t i = 0; i < expect->shares.n; i++)
		sum += expect->shares.v[i].ppb;
	/* As near as thirds and sevenths can be written. */
	if (sum < PPB_ALL - PPB_ALL / 10000 ||
	    sum > PPB_ALL + PPB_ALL / 10000) {
		tree_error(l->diag, map, "these shares make %.10g%%, not 100%%",
			   (double)sum / 1e7);
		return;
	}
	for (size_t i = 0; i < expect->shares.n && expect->shares.n > 1; i++) {
		double cell = (double)expect->over *
			      (double)expect->shares.v[i].ppb / PPB_ALL;

		if (cell >= CELL_MIN)
			continue;
		tree_error(l->diag, over,
			   "too few to tell: of %s answers, '%s' gives only "
			   "%.3g, and the test needs %d",
			   over->text, map->pairs[i].key->text, cell, CELL_MIN);
		diag_help(l->diag, "ask for more answers");
		return;
	}
}

static void read_shares(struct loader *l, const struct value *name,
			const struct value *shares, const struct value *over,
			const struct value *after, const struct value *until)
{
	const struct tree_node *map = shares->node;
	struct scn_expect *expect;
	bool good = true;

	if (!over->node) {
		tree_error(l->diag, map, "a share of how many answers?");
		diag_help(l->diag, "add 'over: 1000'; where there are fewer, "
				   "the expectation fails");
		return;
	}
	if (!map->n) {
		tree_error(l->diag, map, "these shares name no hosts");
		return;
	}
	expect = expect_add(l, SCN_EXPECT_SHARE, map, name->index);
	if (!expect)
		return;
	expect->over = (int64_t)over->number;
	if (after->ok)
		expect->since = loader_dup(l, after->node->text);
	if (until->ok)
		expect->until = loader_dup(l, until->node->text);
	for (size_t i = 0; i < map->n; i++)
		good &= read_share(l, map->pairs[i].key, map->pairs[i].value,
				   name, expect);
	if (good && over->ok)
		check_shares(l, expect, map, over->node);
	if (name->ok && over->ok)
		reach_check_answers(l, name->index, expect->over, over->node);
}

/* ---- both -------------------------------------------------------------- */

enum {
	SERVICE_NAME,
	SERVICE_ANSWERED_BY,
	SERVICE_SHARE,
	SERVICE_OVER,
	SERVICE_AFTER,
	SERVICE_UNTIL,
};

static const struct field service_fields[] = {
	[SERVICE_NAME] = { .name = "service",
			   .type = &type_service,
			   .doc = "the service" },
	[SERVICE_ANSWERED_BY] = { .name = "answered_by",
				  .type = &type_answerers,
				  .doc = "who answered, in this order" },
	[SERVICE_SHARE] = { .name = "share",
			    .type = &type_shares,
			    .doc = "how the answers are shared among hosts" },
	[SERVICE_OVER] = { .name = "over",
			   .type = &type_over,
			   .doc = "the least number of answers to tell from" },
	[SERVICE_AFTER] = { .name = "after",
			    .type = &type_entry_name,
			    .doc = "only those answered after this entry of "
				   "the timeline was done" },
	[SERVICE_UNTIL] = { .name = "until",
			    .type = &type_entry_name,
			    .doc = "only those answered before this entry "
				   "began" },
};

const struct mapping expect_service = {
	.what = "expectation",
	MAPPING_FIELDS(service_fields),
};

static void read_answered_by(struct loader *l, const struct value *name,
			     const struct value *list)
{
	size_t errors = diag_count(l->diag);
	struct scn_expect *expect;
	bool good = true;

	if (!value_items(list)) {
		tree_error(l->diag, list->node, "this list names no hosts");
		return;
	}
	expect = expect_add(l, SCN_EXPECT_ANSWERED_BY, list->node, name->index);
	if (!expect)
		return;
	refs_read(l, &type_host, list, &expect->answered_by, &good);
	for (size_t i = 0; i < expect->answered_by.n; i++) {
		size_t node = expect->answered_by.v[i];
		const struct tree_node *item = value_item(list, i);

		if (node == SCN_NONE)
			continue;
		if (i && node == expect->answered_by.v[i - 1]) {
			tree_error(l->diag, item, "'%s' follows itself",
				   item->text);
			diag_help(l->diag, "name a host once for all answers "
					   "that come from it in a row");
		}
		if (name->ok)
			reach_check_instance(l, name->index, node, item);
	}
	/* Of a list that is wrong in itself, the order says nothing. */
	if (good && name->ok && diag_count(l->diag) == errors)
		reach_check_order(l, name->index, &expect->answered_by,
				  list->node);
}

void expect_service_read(struct loader *l, const struct tree_node *node,
			 const struct value *v)
{
	if (v[SERVICE_ANSWERED_BY].ok)
		read_answered_by(l, &v[SERVICE_NAME], &v[SERVICE_ANSWERED_BY]);
	if (v[SERVICE_SHARE].ok)
		read_shares(l, &v[SERVICE_NAME], &v[SERVICE_SHARE],
			    &v[SERVICE_OVER], &v[SERVICE_AFTER],
			    &v[SERVICE_UNTIL]);
	for (size_t i = SERVICE_OVER; i <= SERVICE_UNTIL; i++)
		if (v[i].node && !v[SERVICE_SHARE].node)
			tree_error(l->diag, v[i].node,
				   "'%s' needs 'share' beside it",
				   service_fields[i].name);
	if (node->n > 1)
		return;
	tree_error(l->diag, node, "this says nothing about the service");
	diag_help(l->diag, "add 'answered_by: [c, d]' or "
			   "'share: { c: 50%%, d: 50%% }, over: 1000'");
}
